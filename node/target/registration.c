#include "node/target/registration.h"

#include <stdio.h>

#include "node/base/http.h"
#include "node/base/json.h"
#include "node/target/oauth.h"

#define BASIC "client_secret_basic"
#define GRANT "client_credentials"

struct ts_slice registration_ask(const struct registration_names *names,
                                 struct ts_arena *arena)
{
    char name[REGISTER_NAME_SIZE * 2 + 64];
    (void) snprintf(name, sizeof name, "twinsync %s, epoch %llu of %s",
                    names->cluster, (unsigned long long) names->epoch,
                    names->node);
    TS_AUTOJSON json_t *json =
        json_pack("{s:s, s:s, s:[s], s:[], s:[], s:s, s:s*}", "client_name",
                  name, "token_endpoint_auth_method", BASIC, "grant_types",
                  GRANT, "response_types", "redirect_uris", "software_id",
                  "twinsync", "scope", names->scope);
    return json == NULL ? TS_SLICE_NONE : ts_json_print(json, arena);
}

/* -- the answer ---------------------------------------------------------------
 */

/* Member `name` when its bytes lie between `least` and `~` and it fits. */
static bool take_text(const json_t *json, const char *name, char least,
                      char *to, size_t size)
{
    const char *text = ts_json_text(json, name);
    size_t length = text == NULL ? 0 : strlen(text);
    if (length == 0 || length >= size) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < least || text[i] > '~') {
            return false;
        }
    }
    memcpy(to, text, length + 1);
    return true;
}

/* Absent, or an array that holds `word`. */
static bool lists(const json_t *json, const char *name, const char *word)
{
    const json_t *list = json_object_get(json, name), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (json_is_string(item) &&
            strcmp(json_string_value(item), word) == 0) {
            return true;
        }
    }
    return list == NULL;
}

/* Half a sentence, or NULL: it will do. */
static const char *check(const json_t *json,
                         const struct registration_place *place,
                         struct principal *found)
{
    const char *method = ts_json_text(json, "token_endpoint_auth_method");
    int64_t ends = ts_json_number(json, "client_secret_expires_at", 0);

    if (!take_text(json, "client_id", '!', found->id, sizeof found->id) ||
        !take_text(json, "client_secret", ' ', found->secret,
                   sizeof found->secret)) {
        return "it holds no usable client_id and client_secret";
    }
    if (!take_text(json, "registration_access_token", '!', found->token,
                   sizeof found->token) ||
        !take_text(json, "registration_client_uri", '!', found->uri,
                   sizeof found->uri)) {
        return "it does not say how to manage the client (RFC 7592), so that "
               "it could not be fenced";
    }
    if (ts_http_check_url(found->uri, place->allow_plaintext, NULL) != TS_OK ||
        !ts_http_same_origin(found->uri, place->url)) {
        return "its registration_client_uri is not at the registration "
               "endpoint's host";
    }
    if ((method != NULL && strcmp(method, BASIC) != 0) ||
        !lists(json, "grant_types", GRANT)) {
        return "the client may not ask for tokens by client credentials and "
               "client_secret_basic";
    }
    if (ends != 0 && ends < place->now_s + REGISTRATION_SECRET_LIFE_MIN_S) {
        return "the client's secret ends within 30 days";
    }
    return NULL;
}

enum ts_code registration_parse(int status, struct ts_slice body,
                                const struct registration_place *place,
                                struct principal *principal, struct ts_err *err)
{
    TS_AUTOJSON json_t *json = NULL;
    struct ts_err why = { .text = "" };

    if (status == 429 || status >= 500) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not register a client at %s: it answered with "
                       "status %d",
                       place->url, status);
    }
    if (status == 400 || status == 401 || status == 403) {
        return ts_fail(err, TS_E_AUTH, 0,
                       "could not register a client at %s: it refused with "
                       "status %d; check the initial access token in "
                       "registration.token-file and that it may register "
                       "clients for client credentials",
                       place->url, status);
    }
    if (status != 201 && status != 200) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "could not register a client at %s: it answered with "
                       "status %d",
                       place->url, status);
    }
    if (ts_json_parse(body, &json, &why) != TS_OK) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot use the client registered at %s: the answer %s",
                       place->url, why.text);
    }
    struct principal found = *principal;
    const char *wrong = check(json, place, &found);
    if (wrong == NULL) {
        *principal = found;
    }
    principal_done(&found);
    return wrong == NULL ? TS_OK
                         : ts_fail(err, TS_E_PROTOCOL, 0,
                                   "cannot use the client registered at %s: %s",
                                   place->url, wrong);
}

/* -- introspection ------------------------------------------------------------
 */

enum fence_answer registration_answer(int status)
{
    return status >= 200 && status < 300 ? FENCE_YES
           : status == 401               ? FENCE_NO
           : status == 0 || status == 429 || status == 408 || status >= 500
               ? FENCE_BUSY
               : FENCE_ODD;
}

enum fence_answer introspection_parse(int status, struct ts_slice body)
{
    TS_AUTOJSON json_t *json = NULL;
    if (status != 200) {
        /* A refusal of us is not one of the token. */
        return registration_answer(status) == FENCE_BUSY ? FENCE_BUSY
                                                         : FENCE_ODD;
    }
    if (ts_json_parse(body, &json, NULL) != TS_OK) {
        return FENCE_ODD;
    }
    const json_t *active = json_object_get(json, "active");
    return json_is_true(active)    ? FENCE_YES
           : json_is_false(active) ? FENCE_NO
                                   : FENCE_ODD;
}
