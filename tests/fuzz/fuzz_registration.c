/* Any bytes as what an authorization server answers, or the register holds
 * sealed: refused, or a principal that may stand in a request (R1, R2). */
#include <assert.h>

#include "node/base/http.h"
#include "node/target/oauth.h"
#include "node/target/registration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size, char least)
{
    size_t length = strnlen(text, size);
    assert(length > 0 && length < size);
    for (size_t i = 0; i < length; i++) {
        assert(text[i] >= least && text[i] <= '~');
    }
}

static void read_client(int status, struct ts_slice body)
{
    static const struct registration_place place = {
        .url = "https://login.example/reg", .now_s = 1000000
    };
    static const struct principal nobody;
    struct principal made = nobody;
    if (registration_parse(status, body, &place, &made, NULL) != TS_OK) {
        assert(memcmp(&made, &nobody, sizeof made) == 0);
        return;
    }
    check_text(made.id, sizeof made.id, '!');
    check_text(made.secret, sizeof made.secret, ' ');
    check_text(made.token, sizeof made.token, '!');
    assert(ts_http_same_origin(made.uri, place.url));
}

/* Sealed by nobody: nothing opens. */
static void read_row(struct ts_slice sealed)
{
    static const struct seal_key key;
    struct register_principal row = {
        .epoch = 1, .kind = REGISTER_KIND_OAUTH, .id = "c", .node = "n"
    };
    struct principal opened;
    if (sealed.size > 0 && sealed.size <= sizeof row.sealed) {
        memcpy(row.sealed, sealed.data, sealed.size);
        row.sealed_size = sealed.size;
        assert(principal_unseal(&key, &row, &opened, NULL) != TS_OK);
    }
}

/* The same bytes as answers to a fence, each with the time it took: F1. */
static void run_fence(struct ts_slice script)
{
    const struct fence_options options = {
        .introspection = script.size % 2 == 0,
        .lifetime_s = (int64_t) (script.size % 3) * 100,
        .error_percent = 10,
    };
    struct ts_clocks now = { 1, 1 };
    struct fence fence;
    bool deleted = false, refused = false;
    fence_init(&fence, &options);
    for (size_t i = 0; i < script.size; i++) {
        enum fence_act act = fence_next(&fence, now);
        int64_t passed = script.data[i] / 4 * 97;
        now.boot_ms += passed;
        now.raw_ms += passed;
        if (act == FENCE_DONE) {
            assert(deleted && refused);
            assert(fence_evidence(&fence) != FENCE_BY_NOTHING);
            return;
        }
        assert(fence_evidence(&fence) == FENCE_BY_NOTHING);
        if (act != FENCE_WAIT) {
            enum fence_answer answer = (enum fence_answer)(script.data[i] % 4);
            bool plain = answer == FENCE_YES || answer == FENCE_NO;
            deleted |= act == FENCE_DELETE && plain;
            refused |= act == FENCE_ASK_AGAIN && answer == FENCE_NO;
            fence_tell(&fence, answer, 60, now);
        }
    }
    char text[200];
    fence_text(&fence, now, text, sizeof text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_slice body = ts_slice(data, size);
    read_client(201, body);
    read_client(200 + (size > 0 ? data[0] : 0), body);
    (void) introspection_parse(200, body);
    (void) oauth_refuses_client(400, body);
    read_row(body);
    run_fence(body);
    return 0;
}
