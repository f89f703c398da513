/* Any bytes as each of RFC 4533's values: refused, or within the limits. The
 * first byte chooses which. */
#include <assert.h>

#include "node/ldap/contentsync_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_info(struct ts_slice value)
{
    struct contentsync_info info;
    if (contentsync_decode_info(value, &info, NULL) != TS_OK) {
        return;
    }
    assert(info.cookie.size <= CONTENTSYNC_COOKIE_MAX);
    struct contentsync_uuid uuid;
    size_t count = 0;
    while (contentsync_next_id(&info.ids, &uuid)) {
        count++;
    }
    assert(count == info.id_count && info.ids.size == 0);
}

static void try_cookie(struct ts_slice value)
{
    struct contentsync_cookie cookie;
    if (contentsync_cookie_parse(value, &cookie, NULL) == TS_OK) {
        assert(cookie.count > 0 && cookie.count <= CONTENTSYNC_CSNS_MAX);
        assert(contentsync_cookie_same_servers(&cookie, &cookie));
        assert(contentsync_cookie_covers(&cookie, &cookie.csns[0]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct ts_slice value = ts_slice(data + 1, size - 1);
    struct contentsync_state state;
    struct contentsync_done done;
    switch (data[0] % 4) {
    case 0:
        if (contentsync_decode_state(value, &state, NULL) == TS_OK) {
            assert(state.verb <= CONTENTSYNC_DELETE);
            assert(state.cookie.size <= CONTENTSYNC_COOKIE_MAX);
        }
        break;
    case 1:
        if (contentsync_decode_done(value, &done, NULL) == TS_OK) {
            assert(done.cookie.size <= CONTENTSYNC_COOKIE_MAX);
        }
        break;
    case 2:
        try_info(value);
        break;
    default:
        try_cookie(value);
        break;
    }
    return 0;
}
