/* Any bytes as a DirSync answer, an extended name, or a stored watermark:
 * refused, or within the limits, and a watermark comes out as it went in. The
 * first byte chooses which. */
#include <assert.h>

#include "node/ldap/dirsync_codec.h"
#include "node/source/ad_watermark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_response(struct ts_slice value)
{
    static struct dirsync_request request;
    struct dirsync_response response;
    if (dirsync_decode_response(value, &response, NULL) == TS_OK) {
        assert(response.cookie.size > 0);
        assert(dirsync_encode_request(DIRSYNC_INCREMENTAL_VALUES,
                                      response.cookie, &request,
                                      NULL) == TS_OK);
    }
}

static void try_name(struct ts_slice value)
{
    struct dirsync_name name;
    char text[DIRSYNC_GUID_TEXT_SIZE];
    if (dirsync_name_parse(value, &name, NULL) == TS_OK) {
        assert(name.dn.size < value.size);
        dirsync_guid_text(name.guid, text);
        assert(strlen(text) == DIRSYNC_GUID_TEXT_SIZE - 1);
    }
}

static void try_watermark(struct ts_slice value)
{
    static uint8_t text[AD_WATERMARK_MAX];
    struct ad_watermark watermark;
    if (ad_watermark_parse(value, &watermark, NULL) == TS_OK) {
        assert(ad_watermark_print(&watermark, text) == value.size);
        assert(memcmp(text, value.data, value.size) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct ts_slice value = ts_slice(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        try_response(value);
        break;
    case 1:
        try_name(value);
        break;
    default:
        try_watermark(value);
        break;
    }
    return 0;
}
