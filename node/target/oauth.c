#include "node/target/oauth.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "node/base/json.h"
#include "node/base/rule.h"
#include "node/base/secret.h"
#include "node/target/jwt.h"

#define ARENA_MAX ((size_t) 1024 * 1024)
#define ASSERTION_TYPE \
    "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"

struct oauth {
    struct oauth_options options;
    enum oauth_state state;
    uint64_t generation;
    struct ts_time expires;
    int64_t lifetime_s;
    bool client_refused;
    char *header;
    struct ts_err err;
    struct ts_arena arena; /* of the request under way */
    struct ts_http_request request;
};

static void wipe(char *text)
{
    if (text != NULL) {
        OPENSSL_cleanse(text, strlen(text));
    }
}

static void forget(struct oauth *oauth)
{
    wipe(oauth->header);
    free(oauth->header);
    oauth->header = NULL;
    oauth->state = OAUTH_ABSENT;
}

struct oauth *oauth_new(const struct oauth_options *options)
{
    struct oauth *oauth = calloc(1, sizeof *oauth);
    if (oauth != NULL) {
        oauth->options = *options;
        ts_arena_init(&oauth->arena, ARENA_MAX);
    }
    return oauth;
}

void oauth_free(struct oauth *oauth)
{
    if (oauth != NULL) {
        forget(oauth);
        ts_arena_done(&oauth->arena);
        free(oauth);
    }
}

enum oauth_state oauth_state(struct oauth *oauth, struct ts_time now)
{
    if (oauth->state == OAUTH_READY && ts_time_reached(now, oauth->expires)) {
        forget(oauth);
    }
    return oauth->state;
}

const char *oauth_header(const struct oauth *oauth)
{
    return oauth->header;
}

int64_t oauth_lifetime_s(const struct oauth *oauth)
{
    return oauth->lifetime_s;
}

bool oauth_client_refused(const struct oauth *oauth)
{
    return oauth->client_refused;
}

uint64_t oauth_generation(const struct oauth *oauth)
{
    return oauth->generation;
}

enum ts_code oauth_take_error(struct oauth *oauth, struct ts_err *err)
{
    assert(oauth->state == OAUTH_FAILED);
    oauth->state = OAUTH_ABSENT;
    *err = oauth->err;
    return oauth->err.code;
}

void oauth_refused(struct oauth *oauth, uint64_t generation)
{
    if (oauth->state == OAUTH_READY && oauth->generation == generation) {
        forget(oauth);
    }
}

/* -- what an answer says -------------------------------------------------- */

/* RFC 6750 section 2.1, b64token. */
static bool is_token(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= OAUTH_TOKEN_SIZE_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789-._~+/=") == size;
}

/* The word of an OAuth error, when it is one of RFC 6749's characters. */
static const char *error_word(const json_t *json)
{
    const char *word = ts_json_text(json, "error");
    return word != NULL && strlen(word) <= 64 &&
                   strspn(word, "abcdefghijklmnopqrstuvwxyz_-.") == strlen(word)
               ? word
               : "no reason given";
}

/* Seconds as the answer says them; NOT_SAID when it does not. */
#define NOT_SAID INT64_MIN
static int64_t expiry_of(const json_t *json)
{
    const char *text = ts_json_text(json, "expires_in");
    char *end = NULL;
    if (text == NULL) {
        return ts_json_number(json, "expires_in", NOT_SAID);
    }
    errno = 0;
    int64_t seconds = strtoll(text, &end, 10);
    return errno != 0 || end == text || *end != '\0' ? NOT_SAID : seconds;
}

/* A life for the register errs on the long side, one for use on the short. */
static void set_life(struct oauth_token *token, int64_t said)
{
    token->use_s = said == NOT_SAID ? OAUTH_EXPIRY_DEFAULT_SECONDS
                   : said < 0       ? 0
                   : said > OAUTH_EXPIRY_MAX_SECONDS ? OAUTH_EXPIRY_MAX_SECONDS
                                                     : said;
    token->lifetime_s = said < 0 || said > TARGET_LIFETIME_UNKNOWN
                            ? TARGET_LIFETIME_UNKNOWN
                            : said;
}

bool oauth_refuses_client(int status, struct ts_slice body)
{
    TS_AUTOJSON json_t *json = NULL;
    if (status == 401) {
        return true;
    }
    const char *word =
        status == 400 && ts_json_parse(body, &json, NULL) == TS_OK
            ? ts_json_text(json, "error")
            : NULL;
    return word != NULL && (strcmp(word, "invalid_client") == 0 ||
                            strcmp(word, "unauthorized_client") == 0);
}

enum ts_code oauth_parse(int status, struct ts_slice body,
                         struct ts_arena *arena, struct oauth_token *ret_token,
                         struct ts_err *err)
{
    TS_AUTOJSON json_t *json = NULL;
    struct ts_err why = { .text = "" };
    enum ts_code parsed = ts_json_parse(body, &json, &why);

    if (status == 429 || status >= 500) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not get a token: the token endpoint answered "
                       "with status %d",
                       status);
    }
    if (status >= 400 && status != 404) {
        return ts_fail(err, TS_E_AUTH, 0,
                       "could not get a token: the token endpoint refused the "
                       "client with status %d (%s): check client-id and its "
                       "secret or key",
                       status, error_word(json));
    }
    if (status != 200 || parsed != TS_OK) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "could not get a token: the token endpoint answered "
                       "with status %d%s%s",
                       status, parsed == TS_OK ? "" : " and a body that ",
                       parsed == TS_OK ? "" : why.text);
    }
    const char *token = ts_json_text(json, "access_token");
    const char *type = ts_json_text(json, "token_type");
    if (token == NULL || !is_token(token) || type == NULL ||
        strcasecmp(type, "bearer") != 0) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "could not get a token: the token endpoint's answer "
                       "holds no usable bearer token");
    }
    struct ts_slice copy = ts_arena_copy(arena, ts_slice_str(token));
    if (copy.data == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not get a token: out of memory");
    }
    ret_token->text = (const char *) copy.data;
    set_life(ret_token, expiry_of(json));
    return TS_OK;
}

static void fail(struct oauth *oauth, const struct ts_err *why)
{
    oauth->err = *why;
    oauth->state = OAUTH_FAILED;
}

/* Keep `token` as the header, for its life less a margin. */
static enum ts_code keep(struct oauth *oauth, const struct oauth_token *token,
                         struct ts_err *err)
{
    int64_t seconds = token->use_s;
    int64_t margin = seconds / 10 < OAUTH_MARGIN_MAX_SECONDS
                         ? seconds * 1000 / 10
                         : OAUTH_MARGIN_MAX_SECONDS * 1000;
    if (asprintf(&oauth->header, "Authorization: Bearer %s", token->text) < 0) {
        oauth->header = NULL;
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not keep a token: out of memory");
    }
    oauth->expires =
        seconds == INT64_MAX
            ? TS_NEVER
            : ts_time_after(ts_time_now(), seconds * 1000 - margin);
    oauth->lifetime_s = token->lifetime_s;
    oauth->generation++;
    oauth->state = OAUTH_READY;
    return TS_OK;
}

/* Take a token into use: recorded first (O4). */
static enum ts_code take_token(struct oauth *oauth,
                               const struct oauth_token *token,
                               struct ts_err *err)
{
    const struct target_token_hook *hook = &oauth->options.token;
    enum ts_code rc = TS_OK;
    if (hook->record != NULL) {
        struct ts_hash hash = ts_hash_of(ts_slice_str(token->text));
        rc = hook->record(hook->context, &hash, token->lifetime_s, err);
    }
    return rc == TS_OK ? keep(oauth, token, err) : rc;
}

static void token_answered(struct ts_http_request *request,
                           const struct ts_http_answer *answer)
{
    struct oauth *oauth = request->owner;
    struct ts_err err = answer->err;
    struct oauth_token token = { 0 };

    oauth->state = OAUTH_ABSENT;
    oauth->client_refused = answer->end == TS_HTTP_ANSWERED &&
                            oauth_refuses_client(answer->status, answer->body);
    if (answer->end != TS_HTTP_ANSWERED ||
        oauth_parse(answer->status, answer->body, &oauth->arena, &token,
                    &err) != TS_OK ||
        take_token(oauth, &token, &err) != TS_OK) {
        fail(oauth, &err);
    }
    ts_arena_done(&oauth->arena);
}

/* -- asking --------------------------------------------------------------- */

static enum ts_code no_memory(struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0,
                   "could not ask for a token: out of memory");
}

/* Who asks: the epoch's own client, where there is one. */
static const struct target_principal *principal_of(const struct oauth *oauth)
{
    return TS_RULE(PRINCIPAL_OWN) ? oauth->options.principal : NULL;
}

/* printf into the arena; NULL when out of memory. */
TS_PRINTF(2, 3)
static char *print(struct ts_arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    char *text = size < 0 ? NULL : ts_arena_take(arena, (size_t) size + 1);
    if (text != NULL) {
        (void) vsnprintf(text, (size_t) size + 1, fmt, again);
    }
    va_end(again);
    va_end(args);
    return text;
}

const char *oauth_basic(const char *id, struct ts_slice secret,
                        struct ts_arena *arena)
{
    const char *name = ts_http_escape(arena, ts_slice_str(id));
    const char *word = ts_http_escape(arena, secret);
    char *pair =
        name == NULL || word == NULL ? NULL : print(arena, "%s:%s", name, word);
    size_t size = pair == NULL ? 0 : strlen(pair);
    unsigned char *coded =
        pair == NULL ? NULL : ts_arena_take(arena, 4 * ((size + 2) / 3) + 1);
    if (coded == NULL) {
        return NULL;
    }
    (void) EVP_EncodeBlock(coded, (const unsigned char *) pair, (int) size);
    return print(arena, "Authorization: Basic %s", (char *) coded);
}

static enum ts_code add_basic(struct oauth *oauth, const char **ret_header,
                              struct ts_err *err)
{
    const struct target_principal *principal = principal_of(oauth);
    const struct config_oauth *config = oauth->options.config;
    TS_AUTOSECRET struct ts_secret secret = { 0 };
    if (principal == NULL) {
        enum ts_code rc = ts_secret_ask(
            oauth->options.secrets, config->client_secret_file, &secret, err);
        if (rc != TS_OK) {
            return rc;
        }
    }
    *ret_header =
        oauth_basic(principal == NULL ? config->client_id : principal->id,
                    principal == NULL ? ts_slice(secret.text, secret.size)
                                      : ts_slice_str(principal->secret),
                    &oauth->arena);
    return *ret_header == NULL ? no_memory(err) : TS_OK;
}

/* The assertion's part of the form, beginning with '&'. */
static enum ts_code add_assertion(struct oauth *oauth, const char **ret_form,
                                  struct ts_err *err)
{
    const struct config_oauth *config = oauth->options.config;
    struct ts_arena *arena = &oauth->arena;
    TS_AUTOSECRET struct ts_secret key = { 0 };
    enum ts_code rc = ts_secret_ask(oauth->options.secrets,
                                    config->private_key_file, &key, err);
    if (rc != TS_OK) {
        return rc;
    }
    struct jwt_claims claims = { .client_id = config->client_id,
                                 .audience = config->token_url,
                                 .key_id = config->key_id,
                                 .now = ts_wall_seconds() };
    if (RAND_bytes(claims.id, sizeof claims.id) != 1) {
        return ts_fail(err, TS_E_IO, 0,
                       "could not ask for a token: no random bytes");
    }
    const char *jwt = NULL;
    rc = jwt_sign(key.text, &claims, arena, &jwt, err);
    if (rc != TS_OK) {
        return rc;
    }
    const char *id = ts_http_escape(arena, ts_slice_str(config->client_id));
    *ret_form = id == NULL ? NULL
                           : print(arena,
                                   "&client_id=%s&client_assertion_type=%s"
                                   "&client_assertion=%s",
                                   id, ASSERTION_TYPE, jwt);
    return *ret_form == NULL ? no_memory(err) : TS_OK;
}

static enum ts_code compose(struct oauth *oauth, struct ts_err *err)
{
    const struct config_oauth *config = oauth->options.config;
    struct ts_arena *arena = &oauth->arena;
    const char *basic = NULL, *proof = "";
    bool by_secret =
        principal_of(oauth) != NULL || config->client_secret_file != NULL;
    enum ts_code rc = by_secret ? add_basic(oauth, &basic, err)
                                : add_assertion(oauth, &proof, err);
    if (rc != TS_OK) {
        return rc;
    }
    const char *scope = ts_http_escape(arena, ts_slice_str(config->scope));
    const char *resource =
        ts_http_escape(arena, ts_slice_str(config->resource));
    if (scope == NULL || resource == NULL) {
        return no_memory(err);
    }
    const char *form = print(arena, "grant_type=client_credentials%s%s%s%s%s",
                             proof, *scope == '\0' ? "" : "&scope=", scope,
                             *resource == '\0' ? "" : "&resource=", resource);
    if (form == NULL) {
        return no_memory(err);
    }
    oauth->request = (struct ts_http_request){
        .method = TS_HTTP_POST,
        .url = config->token_url,
        .headers = { "Content-Type: application/x-www-form-urlencoded",
                     "Accept: application/json", basic },
        .body = ts_slice_str(form),
        .replayable = true, /* a second token harms nobody */
        .timeout_ms = oauth->options.timeout_ms,
        .answer_max = OAUTH_ANSWER_SIZE_MAX,
        .done = token_answered,
        .owner = oauth,
    };
    return TS_OK;
}

static enum ts_code take_static(struct oauth *oauth, struct ts_err *err)
{
    const struct target_principal *principal = principal_of(oauth);
    TS_AUTOSECRET struct ts_secret secret = { 0 };
    const char *file = oauth->options.token_file;
    enum ts_code rc = principal == NULL ? ts_secret_ask(oauth->options.secrets,
                                                        file, &secret, err)
                                        : TS_OK;
    const struct oauth_token token = {
        .text = principal == NULL ? secret.text : principal->secret,
        .use_s = INT64_MAX,
        .lifetime_s = TARGET_LIFETIME_UNKNOWN,
    };
    if (rc == TS_OK && !is_token(token.text)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the token %s%s%s: it holds characters that "
                       "a bearer token cannot have",
                       principal == NULL ? "in \"" : "of ",
                       principal == NULL ? file : principal->id,
                       principal == NULL ? "\"" : "");
    }
    return rc == TS_OK ? take_token(oauth, &token, err) : rc;
}

void oauth_ask(struct oauth *oauth)
{
    struct ts_err err;
    enum ts_code rc;

    if (oauth->state != OAUTH_ABSENT) {
        return;
    }
    if (oauth->options.config == NULL) {
        rc = take_static(oauth, &err);
    } else {
        rc = compose(oauth, &err);
        if (rc == TS_OK) {
            rc = ts_http_start(oauth->options.http, &oauth->request, &err);
        }
        if (rc == TS_OK) {
            oauth->state = OAUTH_ASKING;
        } else {
            ts_arena_done(&oauth->arena);
        }
    }
    if (rc != TS_OK) {
        fail(oauth, &err);
    }
}
