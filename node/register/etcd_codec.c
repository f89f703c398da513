#include "node/register/etcd_codec.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/json.h"
#include "node/register/base64.h"

/* -- requests -----------------------------------------------------------------
 */

/* Steals `json`. */
static const char *print(json_t *json, struct ts_arena *arena)
{
    struct ts_slice text =
        json == NULL ? TS_SLICE_NONE : ts_json_print(json, arena);
    json_decref(json);
    return text.data == NULL ? NULL
                             : (const char *) ts_arena_copy(arena, text).data;
}

const char *etcd_authenticate(struct ts_arena *arena, const char *user,
                              const char *password)
{
    return print(json_pack("{s:s, s:s}", "name", user, "password", password),
                 arena);
}

const char *etcd_range(struct ts_arena *arena, const char *key)
{
    const char *coded = register_base64(arena, ts_slice_str(key));
    return coded == NULL ? NULL
                         : print(json_pack("{s:s}", "key", coded), arena);
}

/* Steals `compare`. */
static const char *transaction(struct ts_arena *arena, json_t *compare,
                               const char *key, const char *value)
{
    return print(json_pack("{s:[o], s:[{s:{s:s, s:s}}]}", "compare", compare,
                           "success", "request_put", "key", key, "value",
                           value),
                 arena);
}

static json_t *compare_created(const char *key, const char *result)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "key", key, "target", "CREATE",
                     "result", result, "create_revision", "0");
}

const char *etcd_swap(struct ts_arena *arena, const char *key,
                      struct ts_slice expected, struct ts_slice value)
{
    const char *coded = register_base64(arena, ts_slice_str(key));
    const char *before = register_base64(arena, expected);
    const char *after = register_base64(arena, value);
    if (coded == NULL || before == NULL || after == NULL) {
        return NULL;
    }
    json_t *compare =
        expected.size == 0
            ? compare_created(coded, "EQUAL")
            : json_pack("{s:s, s:s, s:s, s:s}", "key", coded, "target", "VALUE",
                        "result", "EQUAL", "value", before);
    return compare == NULL ? NULL : transaction(arena, compare, coded, after);
}

const char *etcd_probe(struct ts_arena *arena, const char *key)
{
    const char *coded = register_base64(arena, ts_slice_str(key));
    json_t *compare = coded == NULL ? NULL : compare_created(coded, "LESS");
    return compare == NULL ? NULL : transaction(arena, compare, coded, "");
}

/* -- answers ------------------------------------------------------------------
 */

static enum ts_code no_answer(const char *why, struct ts_err *err)
{
    return ts_fail(err, TS_E_PROTOCOL, 0,
                   "cannot read etcd's answer: %s; is the endpoint one of "
                   "etcd's version 3?",
                   why);
}

static enum ts_code parse(struct ts_slice body, json_t **ret_json,
                          struct ts_err *err)
{
    struct ts_err why;
    if (body.size > ETCD_ANSWER_MAX) {
        return no_answer("it is larger than 128 KiB", err);
    }
    TS_AUTOJSON json_t *json = NULL;
    if (ts_json_parse(body, &json, &why) != TS_OK || !json_is_object(json)) {
        return no_answer("it is no JSON object", err);
    }
    *ret_json = json;
    json = NULL;
    return TS_OK;
}

static enum ts_code read_cluster(const json_t *json,
                                 char cluster[static ETCD_CLUSTER_SIZE],
                                 struct ts_err *err)
{
    const char *text =
        ts_json_text(json_object_get(json, "header"), "cluster_id");
    size_t size = text == NULL ? 0 : strlen(text);
    if (size == 0 || size >= ETCD_CLUSTER_SIZE ||
        strspn(text, "0123456789") != size) {
        return no_answer("it does not name its cluster", err);
    }
    memcpy(cluster, text, size + 1);
    return TS_OK;
}

enum ts_code etcd_read_token(struct ts_slice body,
                             char token[static ETCD_TOKEN_MAX],
                             struct ts_err *err)
{
    TS_AUTOJSON json_t *json = NULL;
    enum ts_code code = parse(body, &json, err);
    if (code != TS_OK) {
        return code;
    }
    const char *text = ts_json_text(json, "token");
    size_t size = text == NULL ? 0 : strlen(text);
    for (size_t i = 0; i < size; i++) {
        /* It becomes a header. */
        if (text[i] <= 0x20 || text[i] > 0x7e) {
            return no_answer("its token is not printable", err);
        }
    }
    if (size == 0 || size >= ETCD_TOKEN_MAX) {
        return no_answer("it holds no token", err);
    }
    memcpy(token, text, size + 1);
    return TS_OK;
}

/* The one pair of a range over one key. */
static enum ts_code read_pair(const json_t *pair, const char *key,
                              struct ts_arena *arena,
                              struct ts_slice *ret_value, struct ts_err *err)
{
    struct ts_slice name, value;
    const json_t *coded = json_object_get(pair, "value");
    if (!register_unbase64(arena, ts_slice_str(ts_json_text(pair, "key")),
                           &name) ||
        !ts_slice_equal(name, ts_slice_str(key))) {
        return no_answer("it is about another key", err);
    }
    if (coded != NULL && !json_is_string(coded)) {
        return no_answer("its value is no text", err);
    }
    if (!register_unbase64(arena, ts_slice_str(json_string_value(coded)),
                           &value)) {
        return no_answer("its value is no base64", err);
    }
    if (value.size == 0) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use the register: the key \"%s\" has an empty "
                       "value in etcd, which is never written; see twinsync "
                       "register repair --help",
                       key);
    }
    *ret_value = value;
    return TS_OK;
}

enum ts_code etcd_read_range(struct ts_slice body, const char *key,
                             struct ts_arena *arena,
                             struct etcd_value *ret_value, struct ts_err *err)
{
    TS_AUTOJSON json_t *json = NULL;
    struct etcd_value value = { .value = TS_SLICE_NONE };
    enum ts_code code = parse(body, &json, err);
    if (code == TS_OK) {
        code = read_cluster(json, value.cluster, err);
    }
    if (code != TS_OK) {
        return code;
    }
    const json_t *pairs = json_object_get(json, "kvs");
    if (pairs != NULL &&
        (!json_is_array(pairs) || json_array_size(pairs) > 1)) {
        return no_answer("it holds more than one key", err);
    }
    if (json_array_size(pairs) == 1) {
        code =
            read_pair(json_array_get(pairs, 0), key, arena, &value.value, err);
    }
    if (code == TS_OK) {
        *ret_value = value;
    }
    return code;
}

enum ts_code etcd_read_swap(struct ts_slice body,
                            struct etcd_outcome *ret_outcome,
                            struct ts_err *err)
{
    TS_AUTOJSON json_t *json = NULL;
    struct etcd_outcome outcome = { .succeeded = false };
    enum ts_code code = parse(body, &json, err);
    if (code == TS_OK) {
        code = read_cluster(json, outcome.cluster, err);
    }
    if (code != TS_OK) {
        return code;
    }
    const json_t *succeeded = json_object_get(json, "succeeded");
    if (succeeded != NULL && !json_is_boolean(succeeded)) {
        return no_answer("it does not say whether it succeeded", err);
    }
    outcome.succeeded = json_is_true(succeeded);
    *ret_outcome = outcome;
    return TS_OK;
}

void etcd_read_reason(struct ts_slice body,
                      char reason[static ETCD_REASON_SIZE])
{
    TS_AUTOJSON json_t *json = NULL;
    struct ts_err why;
    reason[0] = 0;
    if (parse(body, &json, &why) != TS_OK) {
        return;
    }
    const char *text = ts_json_text(json, "message");
    text = text == NULL ? ts_json_text(json, "error") : text;
    (void) snprintf(reason, ETCD_REASON_SIZE, "%s", text == NULL ? "" : text);
    for (char *c = reason; *c != 0; c++) {
        *c = *c < 0x20 || *c > 0x7e ? '?' : *c;
    }
}
