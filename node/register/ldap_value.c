#include "node/register/ldap_value.h"

#include <stdio.h>

#include "node/base/hash.h"
#include "node/register/base64.h"

static const char prefix[] = "twinsync-register:1:";
#define PREFIX_SIZE (sizeof prefix - 1)
#define HASH_HEX    ((size_t) TS_HASH_TEXT_SIZE - 1)
#define HEAD_SIZE   (PREFIX_SIZE + HASH_HEX + 1)

const char *ldap_value_text(struct ts_arena *arena, struct ts_slice value)
{
    char hash[TS_HASH_TEXT_SIZE];
    const char *coded = register_base64(arena, value);
    size_t size = coded == NULL ? 0 : HEAD_SIZE + strlen(coded) + 1;
    char *text = coded == NULL ? NULL : ts_arena_take(arena, size);
    if (text != NULL) {
        ts_hash_text(ts_hash_of(value), hash);
        (void) snprintf(text, size, "%s%s:%s", prefix, hash, coded);
    }
    return text;
}

static enum ts_code damaged(struct ts_err *err, const char *why)
{
    return ts_fail(err, TS_E_CORRUPT, 0, "it holds %s", why);
}

static enum ts_code read_text(struct ts_slice text, struct ts_arena *arena,
                              struct ts_slice *ret_value, struct ts_err *err)
{
    struct ts_slice value;
    char hash[TS_HASH_TEXT_SIZE];
    if (text.size > LDAP_VALUE_TEXT_MAX) {
        return damaged(err, "a value longer than any that is written");
    }
    if (text.size <= HEAD_SIZE || memcmp(text.data, prefix, PREFIX_SIZE) != 0 ||
        text.data[HEAD_SIZE - 1] != ':') {
        return damaged(err, "a value that is not the register's");
    }
    if (!register_unbase64(
            arena, ts_slice(text.data + HEAD_SIZE, text.size - HEAD_SIZE),
            &value)) {
        return damaged(err, "a value that is cut or altered");
    }
    ts_hash_text(ts_hash_of(value), hash);
    if (memcmp(text.data + PREFIX_SIZE, hash, HASH_HEX) != 0) {
        return damaged(err, "a value that is cut or altered");
    }
    *ret_value = value;
    return TS_OK;
}

enum ts_code ldap_value_read(const struct ts_slice *texts, size_t count,
                             struct ts_arena *arena, struct ts_slice *ret_value,
                             struct ts_err *err)
{
    struct ts_slice taken = ts_slice_str(LDAP_VALUE_TAKEN);
    struct ts_slice value = TS_SLICE_NONE;
    if (count == 0) {
        *ret_value = TS_SLICE_NONE;
        return TS_OK;
    }
    if (count != 2) {
        return damaged(err, count == 1 ? "one half of the register only"
                                       : "more values than the register's");
    }
    size_t mark = ts_slice_equal(texts[0], taken) ? 0 : 1;
    if (!ts_slice_equal(texts[mark], taken)) {
        return damaged(err, "two values, or one without its mark");
    }
    enum ts_code code = read_text(texts[1 - mark], arena, &value, err);
    if (code == TS_OK) {
        *ret_value = value;
    }
    return code;
}
