/*
 * etcd -- a key of an etcd cluster, over the JSON gateway.
 *
 * Reads are linearisable (etcd's default) and go on to the next endpoint when
 * one does not answer. A swap is one transaction that compares the whole value;
 * it goes on to the next endpoint only while not a byte of it has left. The
 * endpoint that answered last is asked first.
 *
 * A token is had with user and password and kept until etcd says 401, which
 * happens before anything is done: then it is fetched anew, once a call.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/http.h"
#include "node/base/secret.h"
#include "node/register/driver.h"
#include "node/register/etcd_codec.h"

#define ENDPOINT_MAX 500
#define ETCD_KEY_MAX 500
#define URL_SIZE     (ENDPOINT_MAX + 100)
#define ATTEMPT_MS   50 /* the least that an endpoint is given */

struct etcd {
    struct register_etcd_options options;
    const struct ts_secret_keeper *secrets;
    struct ts_http *http;
    size_t current; /* the endpoint to ask first */
    bool verified;  /* it is of the cluster that is meant */
    char token[ETCD_TOKEN_MAX];
    struct ts_arena arena; /* of one call */
};

/* One request and what became of it. */
struct exchange {
    struct etcd *etcd;
    bool ended;
    enum ts_http_end end;
    int status;
    struct ts_slice body;
    struct ts_err err;
};

/* -- one request to one endpoint ----------------------------------------------
 */

static void take_answer(struct ts_http_request *request,
                        const struct ts_http_answer *answer)
{
    struct exchange *exchange = request->owner;
    exchange->ended = true;
    exchange->end = answer->end;
    exchange->status = answer->status;
    exchange->err = answer->err;
    if (answer->body.size > 0) {
        exchange->body = ts_arena_copy(&exchange->etcd->arena, answer->body);
    }
}

static const char *endpoint_of(const struct etcd *etcd)
{
    return etcd->options.endpoints[etcd->current];
}

/* What to POST. */
struct posting {
    const char *path, *body; /* `body` NULL: there was no memory for it */
    bool replayable;
    struct ts_time deadline;
};

/* POST to the current endpoint. */
static struct exchange post(struct etcd *etcd, const struct posting *posting)
{
    const char *body = posting->body;
    struct exchange exchange = { .etcd = etcd, .end = TS_HTTP_UNSENT };
    char url[URL_SIZE], header[ETCD_TOKEN_MAX + 32];
    int64_t left = ts_time_left(posting->deadline);
    if (body == NULL || left == 0) {
        (void) ts_fail(&exchange.err, body == NULL ? TS_E_NOMEM : TS_E_TIMEOUT,
                       0, "could not ask etcd at %s: %s", endpoint_of(etcd),
                       body == NULL ? "out of memory" : "no time was left");
        return exchange;
    }
    (void) snprintf(url, sizeof url, "%s%s", endpoint_of(etcd), posting->path);
    (void) snprintf(header, sizeof header, "Authorization: %s", etcd->token);
    struct ts_http_request request = {
        .method = TS_HTTP_POST,
        .url = url,
        .headers = { "Content-Type: application/json",
                     etcd->token[0] == 0 ? NULL : header },
        .body = ts_slice_str(body),
        .replayable = posting->replayable,
        .timeout_ms = left,
        .answer_max = ETCD_ANSWER_MAX,
        .done = take_answer,
        .owner = &exchange,
    };
    if (ts_http_start(etcd->http, &request, &exchange.err) != TS_OK) {
        return exchange;
    }
    while (!exchange.ended) {
        (void) ts_http_run(etcd->http, -1, TS_NEVER);
    }
    return exchange;
}

static enum ts_code failed_status(const struct etcd *etcd,
                                  const struct exchange *exchange,
                                  struct ts_err *err)
{
    char reason[ETCD_REASON_SIZE];
    etcd_read_reason(exchange->body, reason);
    enum ts_code code = exchange->status == 401   ? TS_E_AUTH
                        : exchange->status == 403 ? TS_E_AUTH
                        : exchange->status == 429 ? TS_E_LIMIT
                        : exchange->status >= 500 ? TS_E_UNREACHABLE
                                                  : TS_E_PROTOCOL;
    return ts_fail(err, code, 0, "could not use etcd at %s: status %d%s%s",
                   endpoint_of(etcd), exchange->status,
                   reason[0] == 0 ? "" : ", ", reason);
}

/* -- signing in
 * ----------------------------------------------------------------- */

static bool says(const struct exchange *exchange, const char *words)
{
    char reason[ETCD_REASON_SIZE];
    etcd_read_reason(exchange->body, reason);
    return strstr(reason, words) != NULL;
}

/* Not one of our rights, but the token: nothing was done. */
static bool token_refused(const struct exchange *exchange)
{
    return exchange->end == TS_HTTP_ANSWERED &&
           (exchange->status == 401 ||
            (exchange->status == 400 &&
             (says(exchange, "revision of auth store") ||
              says(exchange, "invalid auth token"))));
}

static enum ts_code judge_sign_in(const struct etcd *etcd,
                                  const struct exchange *exchange,
                                  struct ts_err *err)
{
    if (exchange->end != TS_HTTP_ANSWERED) {
        *err = exchange->err;
        return err->code;
    }
    if (exchange->status == 400 || exchange->status == 401) {
        char reason[ETCD_REASON_SIZE];
        etcd_read_reason(exchange->body, reason);
        return ts_fail(err, TS_E_AUTH, 0,
                       "could not sign in to etcd at %s as \"%s\": %s",
                       endpoint_of(etcd), etcd->options.user, reason);
    }
    return failed_status(etcd, exchange, err);
}

static enum ts_code sign_in(struct etcd *etcd, struct ts_time deadline,
                            struct ts_err *err)
{
    if (etcd->options.user == NULL || etcd->token[0] != 0) {
        return TS_OK;
    }
    TS_AUTOSECRET struct ts_secret password = { 0 };
    enum ts_code code = ts_secret_ask(
        etcd->secrets, etcd->options.password_file, &password, err);
    if (code != TS_OK) {
        return code;
    }
    const struct posting posting = {
        .path = "/v3/auth/authenticate",
        .body =
            etcd_authenticate(&etcd->arena, etcd->options.user, password.text),
        .replayable = true,
        .deadline = deadline,
    };
    struct exchange exchange = post(etcd, &posting);
    return exchange.end == TS_HTTP_ANSWERED && exchange.status == 200
               ? etcd_read_token(exchange.body, etcd->token, err)
               : judge_sign_in(etcd, &exchange, err);
}

/* Signed in and posted, at the current endpoint. An error is certain to have
 * had no effect. */
static enum ts_code post_signed(struct etcd *etcd,
                                const struct posting *posting,
                                struct exchange *ret_exchange,
                                struct ts_err *err)
{
    for (int tries = 0;; tries++) {
        enum ts_code code = sign_in(etcd, posting->deadline, err);
        if (code != TS_OK) {
            return code;
        }
        *ret_exchange = post(etcd, posting);
        if (!token_refused(ret_exchange) || etcd->options.user == NULL ||
            tries == 1) {
            return TS_OK;
        }
        etcd->token[0] = 0;
    }
}

/* -- going through the endpoints
 * ------------------------------------------------ */

/* The next endpoint's share of the time. */
static struct ts_time share(const struct register_call *call, size_t remaining)
{
    int64_t left = ts_time_left(call->deadline) / (int64_t) remaining;
    struct ts_time ends =
        ts_time_after(ts_time_now(), left < ATTEMPT_MS ? ATTEMPT_MS : left);
    return ends.ms < call->deadline.ms ? ends : call->deadline;
}

static void next_endpoint(struct etcd *etcd)
{
    etcd->current = (etcd->current + 1) % etcd->options.endpoints_count;
    etcd->verified = false;
}

/* May another endpoint do better? */
static bool worth_another(enum ts_code code)
{
    return code == TS_E_UNREACHABLE || code == TS_E_TIMEOUT ||
           code == TS_E_PROTOCOL || code == TS_E_AUTH || code == TS_E_LIMIT;
}

static enum ts_code range_here(struct etcd *etcd,
                               const struct register_call *call,
                               struct ts_time deadline,
                               struct ts_slice *ret_value, struct ts_err *err)
{
    struct exchange exchange;
    struct etcd_value value;
    const struct posting posting = {
        .path = "/v3/kv/range",
        .body = etcd_range(&etcd->arena, etcd->options.key),
        .replayable = true,
        .deadline = deadline,
    };
    enum ts_code code = post_signed(etcd, &posting, &exchange, err);
    if (code != TS_OK) {
        return code;
    }
    if (exchange.end != TS_HTTP_ANSWERED) {
        *err = exchange.err;
        return err->code;
    }
    if (exchange.status != 200) {
        return failed_status(etcd, &exchange, err);
    }
    code = etcd_read_range(exchange.body, etcd->options.key, &etcd->arena,
                           &value, err);
    if (code == TS_OK) {
        char server[REGISTER_IDENTITY_SIZE];
        (void) snprintf(server, sizeof server, "etcd cluster %s",
                        value.cluster);
        code = register_call_server(call, server, err);
    }
    if (code == TS_OK) {
        etcd->verified = true;
        *ret_value = value.value;
    }
    return code;
}

struct swap {
    const char *body;
    enum register_outcome outcome;
};

/* Refused before it was proposed, or by every member when it was applied. Any
 * other status may hide that it is in the log. */
static bool refused_for_certain(int status)
{
    return status == 400 || status == 401 || status == 403 || status == 404 ||
           status == 412 || status == 413 || status == 429;
}

/* What the answer to a swap means; an error is certain. */
static enum ts_code judge_swap(const struct etcd *etcd,
                               const struct exchange *exchange,
                               enum register_outcome *ret_outcome,
                               struct ts_err *err)
{
    struct etcd_outcome outcome;
    *ret_outcome = REGISTER_SWAP_UNKNOWN;
    if (exchange->end == TS_HTTP_UNSENT || exchange->end == TS_HTTP_STOPPED) {
        *err = exchange->err;
        return err->code;
    }
    if (exchange->end != TS_HTTP_ANSWERED) {
        *err = exchange->err;
        return TS_OK;
    }
    if (exchange->status != 200) {
        enum ts_code code = failed_status(etcd, exchange, err);
        return refused_for_certain(exchange->status) ? code : TS_OK;
    }
    if (etcd_read_swap(exchange->body, &outcome, err) == TS_OK) {
        *ret_outcome =
            outcome.succeeded ? REGISTER_SWAP_DONE : REGISTER_SWAP_LOST;
    }
    return TS_OK;
}

static enum ts_code swap_here(struct etcd *etcd,
                              const struct register_call *call,
                              struct ts_time deadline, struct swap *swap,
                              struct ts_err *err)
{
    struct exchange exchange;
    struct ts_slice value;
    enum ts_code code = TS_OK;
    if (!etcd->verified) {
        code = range_here(etcd, call, deadline, &value, err);
    }
    if (code == TS_OK) {
        const struct posting posting = { .path = "/v3/kv/txn",
                                         .body = swap->body,
                                         .deadline = deadline };
        code = post_signed(etcd, &posting, &exchange, err);
    }
    return code == TS_OK ? judge_swap(etcd, &exchange, &swap->outcome, err)
                         : code;
}

/* One of the two at each endpoint, until one answers. */
static enum ts_code go_through(struct etcd *etcd,
                               const struct register_call *call,
                               struct swap *swap, struct ts_slice *ret_value,
                               struct ts_err *err)
{
    struct ts_err first = { .code = TS_OK };
    size_t count = etcd->options.endpoints_count;
    for (size_t tried = 0;; tried++) {
        struct ts_time deadline = share(call, count - tried);
        enum ts_code code =
            swap != NULL ? swap_here(etcd, call, deadline, swap, err)
                         : range_here(etcd, call, deadline, ret_value, err);
        bool unknown = code == TS_OK && swap != NULL &&
                       swap->outcome == REGISTER_SWAP_UNKNOWN;
        if (code != TS_OK || unknown) {
            next_endpoint(etcd);
        }
        if (code != TS_OK && ts_http_cancelled(etcd->http)) {
            return ts_fail(err, TS_E_CANCELLED, 0, "asking etcd was cancelled");
        }
        if (!worth_another(code)) {
            return code;
        }
        if (tried == 0) {
            first = *err;
        }
        if (tried + 1 == count && tried > 0) {
            struct ts_err last = *err;
            return ts_fail(err, code, 0, "%.230s; before that: %.230s",
                           last.text, first.text);
        }
        if (tried + 1 == count) {
            return code;
        }
    }
}

/* -- the driver
 * ----------------------------------------------------------------- */

static enum ts_code etcd_driver_read(void *state,
                                     const struct register_call *call,
                                     struct ts_arena *arena,
                                     struct ts_slice *ret_value,
                                     struct ts_err *err)
{
    struct etcd *etcd = state;
    struct ts_slice value = TS_SLICE_NONE;
    ts_arena_reset(&etcd->arena);
    enum ts_code code = go_through(etcd, call, NULL, &value, err);
    if (code != TS_OK || value.size == 0) {
        *ret_value = TS_SLICE_NONE;
        return code;
    }
    struct ts_slice copy = ts_arena_copy(arena, value);
    if (copy.data == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not read the register: no room for %zu bytes",
                       value.size);
    }
    *ret_value = copy;
    return TS_OK;
}

static enum ts_code etcd_driver_swap(void *state,
                                     const struct register_call *call,
                                     const struct ts_slice values[2],
                                     enum register_outcome *ret_outcome,
                                     struct ts_err *err)
{
    struct etcd *etcd = state;
    ts_arena_reset(&etcd->arena);
    struct swap swap = {
        .body =
            etcd_swap(&etcd->arena, etcd->options.key, values[0], values[1]),
        .outcome = REGISTER_SWAP_UNKNOWN,
    };
    enum ts_code code = go_through(etcd, call, &swap, NULL, err);
    *ret_outcome = swap.outcome;
    return code;
}

static void check_rights(struct etcd *etcd, const struct register_call *call,
                         struct register_findings *findings)
{
    struct ts_err err = { .code = TS_OK };
    struct exchange exchange = { .end = TS_HTTP_UNSENT };
    const struct posting posting = {
        .path = "/v3/kv/txn",
        .body = etcd_probe(&etcd->arena, etcd->options.key),
        .replayable = true,
        .deadline = call->deadline,
    };
    enum ts_code code = post_signed(etcd, &posting, &exchange, &err);
    if (code == TS_OK && exchange.end == TS_HTTP_ANSWERED &&
        exchange.status == 200) {
        register_add_finding(findings, "rights", NULL,
                             "may read and write the key %s",
                             etcd->options.key);
        return;
    }
    if (code == TS_OK) {
        code = exchange.end == TS_HTTP_ANSWERED
                   ? failed_status(etcd, &exchange, &err)
                   : exchange.err.code;
        err = exchange.end == TS_HTTP_ANSWERED ? err : exchange.err;
    }
    register_add_fault(findings, "rights",
                       "give this node's user a role with readwrite on the "
                       "key, and on nothing else",
                       &err);
}

/* Each endpoint is asked, so that the second is known to work before the first
 * fails. */
static void check_endpoints(struct etcd *etcd, const struct register_call *call,
                            struct register_findings *findings)
{
    size_t count = etcd->options.endpoints_count;
    struct ts_err last = { .code = TS_OK };
    size_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        struct ts_slice value;
        struct ts_err err = { .code = TS_OK };
        if (range_here(etcd, call, share(call, count - i), &value, &err) !=
            TS_OK) {
            failed++;
            last = err;
        }
        next_endpoint(etcd);
    }
    if (failed > 0) {
        register_add_fault(findings, "endpoints",
                           "a register that depends on one of several is as "
                           "weak as one: bring it back, or correct its URL",
                           &last);
    } else {
        register_add_finding(findings, "endpoints", NULL, "%zu of %zu answer",
                             count, count);
    }
}

static void etcd_driver_check(void *state, const struct register_call *call,
                              struct register_findings *findings)
{
    struct etcd *etcd = state;
    ts_arena_reset(&etcd->arena);
    check_rights(etcd, call, findings);
    check_endpoints(etcd, call, findings);
}

static void etcd_driver_cancel(void *state)
{
    const struct etcd *etcd = state;
    ts_http_cancel(etcd->http);
}

static void etcd_driver_resume(void *state)
{
    const struct etcd *etcd = state;
    ts_http_resume(etcd->http);
}

static void etcd_driver_close(void *state)
{
    struct etcd *etcd = state;
    ts_http_free(etcd->http);
    ts_arena_done(&etcd->arena);
    explicit_bzero(etcd->token, sizeof etcd->token);
    free(etcd);
}

static enum ts_code check_options(const struct register_etcd_options *options,
                                  struct ts_err *err)
{
    if (options->endpoints_count == 0 ||
        options->endpoints_count > REGISTER_ENDPOINTS_MAX ||
        options->key == NULL || options->key[0] == 0 ||
        strlen(options->key) > ETCD_KEY_MAX) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use etcd: it needs 1 to %d endpoints and a key "
                       "of 1 to %d bytes",
                       REGISTER_ENDPOINTS_MAX, ETCD_KEY_MAX);
    }
    if ((options->user == NULL) != (options->password_file == NULL)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use etcd: a user needs a password-file, and the "
                       "reverse");
    }
    for (size_t i = 0; i < options->endpoints_count; i++) {
        const char *url = options->endpoints[i];
        enum ts_code code =
            ts_http_check_url(url, options->allow_plaintext_loopback, err);
        if (code != TS_OK) {
            return code;
        }
        if (strlen(url) > ENDPOINT_MAX || url[strlen(url) - 1] == '/') {
            return ts_fail(err, TS_E_CONFIG, 0,
                           "cannot use the endpoint \"%.100s\" of etcd: write "
                           "https://HOST:PORT without a path",
                           url);
        }
    }
    return TS_OK;
}

static enum ts_code check_password(const struct register_options *options,
                                   struct ts_err *err)
{
    TS_AUTOSECRET struct ts_secret secret = { 0 };
    return options->etcd.password_file == NULL
               ? TS_OK
               : ts_secret_ask(options->secrets, options->etcd.password_file,
                               &secret, err);
}

static enum ts_code etcd_driver_open(const struct register_options *options,
                                     void **ret_state, struct ts_err *err)
{
    enum ts_code code = check_options(&options->etcd, err);
    if (code == TS_OK) {
        code = check_password(options, err);
    }
    if (code != TS_OK) {
        return code;
    }
    struct etcd *etcd = calloc(1, sizeof *etcd);
    if (etcd == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the register");
    }
    etcd->options = options->etcd;
    etcd->secrets = options->secrets;
    ts_arena_init(&etcd->arena,
                  4 * ETCD_ARENA_MAX); /* a call is at most five exchanges */
    const struct ts_http_options http = {
        .ca_file = options->etcd.ca_file,
        .certificate_file = options->etcd.certificate_file,
        .key_file = options->etcd.key_file,
        .user_agent = "twinsync/" TS_VERSION,
        .allow_plaintext = options->etcd.allow_plaintext_loopback,
        .connections_max = 1,
    };
    code = ts_http_new(&http, &etcd->http, err);
    if (code != TS_OK) {
        free(etcd);
        return code;
    }
    *ret_state = etcd;
    return TS_OK;
}

const struct register_driver register_driver_etcd = {
    .name = "etcd",
    .automatic = true,
    .open = etcd_driver_open,
    .close = etcd_driver_close,
    .read = etcd_driver_read,
    .swap = etcd_driver_swap,
    .check = etcd_driver_check,
    .cancel = etcd_driver_cancel,
    .resume = etcd_driver_resume,
};
