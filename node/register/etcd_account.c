#include "node/register/etcd_account.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "node/base/http.h"
#include "node/register/etcd_codec.h"

#define URL_SIZE 600

/* One request and what became of it. */
struct asking {
    const struct register_options *options;
    struct ts_http *http;
    struct ts_arena *arena;
    const char *endpoint;
    char token[ETCD_TOKEN_MAX];
    bool ended;
    enum ts_http_end end;
    int status;
    struct ts_slice body;
    struct ts_err err;
};

static void take_answer(struct ts_http_request *request,
                        const struct ts_http_answer *answer)
{
    struct asking *asking = request->owner;
    asking->ended = true;
    asking->end = answer->end;
    asking->status = answer->status;
    asking->err = answer->err;
    asking->body = answer->body.size > 0
                       ? ts_arena_copy(asking->arena, answer->body)
                       : TS_SLICE_NONE;
}

/* False: there was no answer; asking->err says why. */
static bool post(struct asking *asking, const char *path, const char *body)
{
    char url[URL_SIZE], header[ETCD_TOKEN_MAX + 32];
    if (body == NULL) {
        (void) ts_fail(&asking->err, TS_E_NOMEM, 0, "out of memory");
        return false;
    }
    (void) snprintf(url, sizeof url, "%s%s", asking->endpoint, path);
    (void) snprintf(header, sizeof header, "Authorization: %s", asking->token);
    struct ts_http_request request = {
        .method = TS_HTTP_POST,
        .url = url,
        .headers = { "Content-Type: application/json",
                     asking->token[0] == 0 ? NULL : header },
        .body = ts_slice_str(body),
        .timeout_ms = asking->options->timeout_ms,
        .answer_max = ETCD_ANSWER_MAX,
        .done = take_answer,
        .owner = asking,
    };
    asking->ended = false;
    asking->end = TS_HTTP_UNSENT;
    bool begun = ts_http_start(asking->http, &request, &asking->err) == TS_OK;
    while (begun && !asking->ended) {
        (void) ts_http_run(asking->http, -1, TS_NEVER);
    }
    OPENSSL_cleanse(header, sizeof header);
    return begun && asking->end == TS_HTTP_ANSWERED;
}

/* TS_E_REFUSED: the old one is wrong. Others: not this endpoint. */
static enum ts_code sign_in(struct asking *asking, const char *old,
                            struct ts_err *err)
{
    const char *user = asking->options->etcd.user;
    char reason[ETCD_REASON_SIZE];
    asking->token[0] = '\0';
    if (!post(asking, "/v3/auth/authenticate",
              etcd_authenticate(asking->arena, user, old))) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not sign in to etcd at %s as \"%s\": %s",
                       asking->endpoint, user, asking->err.text);
    }
    if (asking->status == 200) {
        return etcd_read_token(asking->body, asking->token, err);
    }
    etcd_read_reason(asking->body, reason);
    return ts_fail(err,
                   asking->status == 400 || asking->status == 401
                       ? TS_E_REFUSED
                       : TS_E_UNREACHABLE,
                   0, "could not sign in to etcd at %s as \"%s\": %s",
                   asking->endpoint, user, reason);
}

static enum ts_code judge(const struct asking *asking, bool answered,
                          struct ts_err *err)
{
    const char *user = asking->options->etcd.user;
    char reason[ETCD_REASON_SIZE];
    if (!answered) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not change the password of \"%s\" at etcd %s: %s",
                       user, asking->endpoint, asking->err.text);
    }
    if (asking->status == 200) {
        return TS_OK;
    }
    etcd_read_reason(asking->body, reason);
    if (asking->status == 403) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot change the password of \"%s\" at etcd %s: only "
                       "users with the role root may; let an administrator do "
                       "it (etcdctl user passwd %s), then twinsync credentials "
                       "set register",
                       user, asking->endpoint, user);
    }
    bool certain =
        asking->status >= 400 && asking->status < 500 && asking->status != 408;
    return ts_fail(err, certain ? TS_E_REFUSED : TS_E_PROTOCOL, 0,
                   "could not change the password of \"%s\" at etcd %s: status "
                   "%d, %s",
                   user, asking->endpoint, asking->status, reason);
}

/* The first endpoint that lets us in is asked, and no other one. */
static enum ts_code change(struct asking *asking, const char *old,
                           const char *fresh, struct ts_err *err)
{
    const struct register_etcd_options *etcd = &asking->options->etcd;
    enum ts_code code = TS_E_UNREACHABLE;
    for (size_t i = 0; i < etcd->endpoints_count && code != TS_OK; i++) {
        asking->endpoint = etcd->endpoints[i];
        code = sign_in(asking, old, err);
        if (code == TS_E_REFUSED) {
            return code;
        }
    }
    if (code != TS_OK) {
        return code;
    }
    bool answered = post(asking, "/v3/auth/user/changepw",
                         etcd_authenticate(asking->arena, etcd->user, fresh));
    return judge(asking, answered, err);
}

enum ts_code
register_etcd_account_change(const struct register_options *options,
                             const char *old, const char *fresh,
                             struct ts_err *err)
{
    struct ts_arena arena;
    ts_arena_init(&arena, ETCD_ARENA_MAX);
    struct asking asking = { .options = options, .arena = &arena };
    const struct ts_http_options http = {
        .ca_file = options->etcd.ca_file,
        .certificate_file = options->etcd.certificate_file,
        .key_file = options->etcd.key_file,
        .user_agent = "twinsync/" TS_VERSION,
        .allow_plaintext = options->etcd.allow_plaintext_loopback,
        .connections_max = 1,
    };
    enum ts_code code = ts_http_new(&http, &asking.http, err);
    if (code == TS_OK) {
        code = change(&asking, old, fresh, err);
        ts_http_free(asking.http);
    }
    OPENSSL_cleanse(asking.token, sizeof asking.token);
    ts_arena_done(&arena);
    return code;
}
