/* Whatever the text or bytes: no crash, and what is taken for a token or a
 * message of joining is written back to one that is read the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "replication/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const uint8_t *data, size_t size)
{
    struct join_token token, again;
    struct ts_err err = { 0 };
    char written[TOKEN_TEXT_SIZE];
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (token_parse(text, &token, &err) == TS_OK) {
        assert(token_format(&token, written, &err) == TS_OK);
        assert(token_parse(written, &again, &err) == TS_OK);
        assert(memcmp(&token, &again, sizeof token) == 0);
    } else {
        assert(err.text[0] != '\0');
    }
    free(text);
}

/* What is inside a token, without the hash that keeps a fuzzer out. */
static void check_messages(struct ts_slice bytes)
{
    struct join_token token;
    struct join_invitation invitation;
    struct join_request request;
    struct join_answer answer;
    struct join_bytes packed;
    struct ts_err err;
    if (join_unpack_token(bytes, &token, &err) == TS_OK) {
        assert(join_pack_token(&token, &packed, &err) == TS_OK);
    }
    if (join_unpack_invitation(bytes, &invitation, &err) == TS_OK) {
        assert(join_pack_invitation(&invitation, &packed, &err) == TS_OK);
    }
    if (join_unpack_request(bytes, &request, &err) == TS_OK) {
        assert(join_pack_request(&request, &packed, &err) == TS_OK);
    }
    if (join_unpack_answer(bytes, &answer, &err) == TS_OK) {
        assert(join_pack_answer(&answer, &packed, &err) == TS_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_text(data, size);
    check_messages(ts_slice(data, size));
    return 0;
}
