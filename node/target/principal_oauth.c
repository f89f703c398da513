/* A client for each epoch: RFC 7591, 7592. */
#include <stdio.h>
#include <string.h>

#include "node/base/secret.h"
#include "node/target/principal_exchange.h"
#include "node/target/registration.h"

#define CONNECTIONS  2
#define UNMINT_TRIES 3
/* Nothing is registered by this: no server knows the grant. A server that does
 * register it all the same is told to forget the client. */
#define PROBE_DOCUMENT \
    "{\"grant_types\":[\"twinsync_probe\"],\"redirect_uris\":[\"-\"]}"

/* -- open and close -------------------------------------------------------- */

static enum ts_code check_urls(const struct config_target *target,
                               struct ts_err *err)
{
    const struct config_registration *registration =
        target->oauth->registration;
    const char *const urls[] = { target->url, target->oauth->token_url,
                                 registration->url,
                                 registration->revocation_url,
                                 registration->introspection_url };
    enum ts_code rc = TS_OK;
    for (size_t i = 0; rc == TS_OK && i < sizeof urls / sizeof urls[0]; i++) {
        if (urls[i] != NULL) {
            rc = ts_http_check_url(urls[i], target->allow_plaintext_loopback,
                                   err);
        }
    }
    return rc;
}

enum ts_code principal_oauth_open(struct principal_keeper *keeper,
                                  struct ts_err *err)
{
    const struct config_target *target = keeper->options.target;
    if (target->oauth == NULL || target->oauth->registration == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot fence by registration: \"oauth\" of the target "
                       "has no \"registration\"");
    }
    const struct ts_http_options http = {
        .ca_file = target->tls.ca_file,
        .certificate_file = target->tls.certificate_file,
        .key_file = target->tls.key_file,
        .user_agent = "twinsync/" TS_VERSION,
        .allow_plaintext = target->allow_plaintext_loopback,
        .connections_max = CONNECTIONS,
    };
    enum ts_code rc = check_urls(target, err);
    return rc == TS_OK ? ts_http_new(&http, &keeper->http, err) : rc;
}

void principal_oauth_close(struct principal_keeper *keeper)
{
    ts_http_free(keeper->http);
    keeper->http = NULL;
    oauth_free(keeper->self_token);
    keeper->self_token = NULL;
    principal_oauth_forget(keeper, NULL, 0);
}

/* -- mint ------------------------------------------------------------------ */

/* POST to the registration endpoint with the initial access token. */
static enum ts_code ask_registration(struct principal_keeper *keeper,
                                     struct exchange *exchange,
                                     struct ts_slice document,
                                     struct ts_err *err)
{
    TS_AUTOSECRET struct ts_secret secret = { 0 };
    enum ts_code rc = ts_secret_ask(
        keeper->options.secrets,
        keeper->options.target->oauth->registration->token_file, &secret, err);
    if (rc != TS_OK) {
        return rc;
    }
    if (strpbrk(secret.text, "\r\n") != NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the initial access token in \"%s\": it has "
                       "more than one line",
                       keeper->options.target->oauth->registration->token_file);
    }
    if (document.data == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not register a client: out of memory");
    }
    exchange->request.body = document;
    exchange->request.headers[1] =
        exchange_text(exchange, PRINCIPAL_BEARER "%s", secret.text);
    exchange->request.headers[2] = PRINCIPAL_JSON_TYPE;
    rc = exchange_run(keeper, exchange, err);
    if (rc == TS_OK && exchange->end != TS_HTTP_ANSWERED) {
        *err = exchange->err;
        rc = err->code;
        ts_err_wrap(err, "registering a client");
    }
    return rc;
}

static enum ts_code oauth_mint(struct principal_keeper *keeper,
                               struct principal *principal, struct ts_err *err)
{
    const char *url = keeper->options.target->oauth->registration->url;
    const struct registration_names names = {
        .cluster = keeper->options.cluster,
        .node = keeper->options.node,
        .scope = keeper->options.target->oauth->scope,
        .epoch = principal->epoch,
    };
    const struct registration_place place = {
        .url = url,
        .allow_plaintext = keeper->options.target->allow_plaintext_loopback,
        .now_s = ts_wall_seconds(),
    };
    TS_AUTOEXCHANGE struct exchange exchange;
    exchange_init(&exchange, keeper, TS_HTTP_POST, url);
    enum ts_code rc = ask_registration(
        keeper, &exchange, registration_ask(&names, &exchange.arena), err);
    return rc == TS_OK ? registration_parse(exchange.status, exchange.body,
                                            &place, principal, err)
                       : rc;
}

enum ts_code principal_oauth_delete(struct principal_keeper *keeper,
                                    const struct principal *principal,
                                    enum fence_answer *ret_answer,
                                    struct ts_err *err)
{
    TS_AUTOEXCHANGE struct exchange exchange;
    exchange_init(&exchange, keeper, TS_HTTP_DELETE, principal->uri);
    exchange.request.replayable = true; /* deleting twice is deleting */
    exchange.request.headers[1] =
        exchange_text(&exchange, PRINCIPAL_BEARER "%s", principal->token);
    enum ts_code rc = exchange_run(keeper, &exchange, err);
    if (rc == TS_OK) {
        *ret_answer = exchange.status == 404
                          ? FENCE_NO
                          : registration_answer(exchange.status);
    }
    return rc;
}

static enum ts_code oauth_unmint(struct principal_keeper *keeper,
                                 const struct principal *principal,
                                 struct ts_err *err)
{
    enum fence_answer answer = FENCE_BUSY;
    enum ts_code rc = TS_OK;
    for (int i = 0; rc == TS_OK && answer == FENCE_BUSY && i < UNMINT_TRIES;
         i++) {
        rc = principal_oauth_delete(keeper, principal, &answer, err);
    }
    if (rc != TS_OK || answer == FENCE_YES || answer == FENCE_NO) {
        return rc;
    }
    return ts_fail(err, TS_E_UNREACHABLE, 0,
                   "could not delete the client \"%s\" of epoch %llu: %s did "
                   "not confirm it; nobody knows its secret",
                   principal->id, (unsigned long long) principal->epoch,
                   principal->uri);
}

static enum ts_code oauth_probe(struct principal_keeper *keeper,
                                struct ts_err *err)
{
    const char *url = keeper->options.target->oauth->registration->url;
    TS_AUTOEXCHANGE struct exchange exchange;
    exchange_init(&exchange, keeper, TS_HTTP_POST, url);
    enum ts_code rc =
        ask_registration(keeper, &exchange, ts_slice_str(PROBE_DOCUMENT), err);
    if (rc != TS_OK || exchange.status == 400 || exchange.status == 422) {
        return rc;
    }
    const struct registration_place place = {
        .url = url,
        .allow_plaintext = keeper->options.target->allow_plaintext_loopback,
        .now_s = ts_wall_seconds(),
    };
    TS_AUTOPRINCIPAL struct principal made = { .kind = REGISTER_KIND_OAUTH };
    rc = registration_parse(exchange.status, exchange.body, &place, &made, err);
    return rc == TS_OK ? oauth_unmint(keeper, &made, err) : rc;
}

const struct principal_kind_row principal_kind_oauth = {
    .probe = oauth_probe,
    .mint = oauth_mint,
    .unmint = oauth_unmint,
    .fence = principal_oauth_fence,
};
