#include "node/daemon/wiring.h"

#include <stdlib.h>

#include "node/daemon/cluster.h"
#include "node/daemon/credentials.h"
#include "node/engine/engine.h"
#include "node/vault/keeper.h"

struct wiring {
    struct keeper *keeper;
    struct engine *engine;
    struct cluster *cluster; /* NULL: this node is alone */
    struct credentials *credentials;
};

/* The lease is given back: nothing keeps the engine from ending. */
static void on_released(void *context)
{
    struct wiring *wiring = context;
    engine_stop(wiring->engine);
}

static void drop_answer(void *context, const struct engine_result *result)
{
    (void) context;
    (void) result;
}

static void record(void *context, const char *event, const char *actor,
                   json_t *fields)
{
    struct wiring *wiring = context;
    engine_record(wiring->engine, event, actor, fields,
                  (struct engine_done){ .call = drop_answer });
}

static void kept(void *context, const struct wire_secret_kept *answer)
{
    struct wiring *wiring = context;
    cluster_kept(wiring->cluster, answer);
}

static void offer_secrets(void *context)
{
    struct wiring *wiring = context;
    credentials_offer(wiring->credentials);
}

static void secret_given(void *context, const struct wire_secret *secret)
{
    struct wiring *wiring = context;
    credentials_given(wiring->credentials, secret);
}

static enum ts_code reset(void *context, const struct credentials_reset *asked,
                          struct ts_err *err)
{
    struct wiring *wiring = context;
    return credentials_reset(wiring->credentials, asked, err);
}

static void active(void *context)
{
    struct wiring *wiring = context;
    credentials_resume(wiring->credentials);
}

static void show_problems(void *context, json_t *problems)
{
    struct wiring *wiring = context;
    engine_publish_problems(wiring->engine, problems);
}

static enum ts_code start_credentials(struct wiring *wiring,
                                      const struct config *config,
                                      struct ts_err *err)
{
    const struct credentials_options options = {
        .config = config,
        .keeper = wiring->keeper,
        .peer = wiring->cluster == NULL
                    ? NULL
                    : cluster_credential_peer(wiring->cluster),
        .kept = kept,
        .record = record,
        .problems = show_problems,
        .context = wiring
    };
    return credentials_new(&options, &wiring->credentials, err);
}

static enum ts_code start_cluster(struct wiring *wiring,
                                  const struct wiring_options *options,
                                  struct ts_err *err)
{
    const struct cluster_options cluster = { .config = options->config,
                                             .board = options->board,
                                             .secrets =
                                                 keeper_port(wiring->keeper),
                                             .offer_secrets = offer_secrets,
                                             .secret_given = secret_given,
                                             .active = active,
                                             .reset = reset,
                                             .released = on_released,
                                             .context = wiring };
    return cluster_new(&cluster, &wiring->cluster, err);
}

enum ts_code wiring_start(const struct wiring_options *options,
                          struct wiring **ret_wiring, struct ts_err *err)
{
    struct wiring *wiring = calloc(1, sizeof *wiring);
    if (wiring == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start");
    }
    bool paired = options->config->nodes_count > 0;
    enum ts_code code = keeper_new(options->config, &wiring->keeper, err);
    if (code == TS_OK && paired) {
        code = start_cluster(wiring, options, err);
    }
    if (code == TS_OK) {
        const struct engine_options engine = {
            .config = options->config,
            .approve_first = options->approve_first,
            .secrets = keeper_port(wiring->keeper),
            .pair = paired ? cluster_port(wiring->cluster) : NULL,
        };
        code = engine_start(&engine, &wiring->engine, err);
    }
    if (code == TS_OK) {
        code = start_credentials(wiring, options->config, err);
    }
    if (code == TS_OK && paired) {
        code = cluster_start(wiring->cluster, wiring->engine, err);
    }
    if (code != TS_OK) {
        wiring_free(wiring);
        return code;
    }
    *ret_wiring = wiring;
    return TS_OK;
}

enum ts_code wiring_attach(struct wiring *wiring, struct reactor *reactor,
                           struct ts_err *err)
{
    enum ts_code code = credentials_attach(wiring->credentials, reactor, err);
    return code != TS_OK || wiring->cluster == NULL
               ? code
               : cluster_attach(wiring->cluster, reactor, err);
}

static void progress(void *context, const char *phase, uint64_t done,
                     uint64_t total)
{
    control_reply_progress(context, phase, done, total);
}

static void finish(void *context, int exit_status, json_t *result,
                   const char *error)
{
    control_reply_finish(context, (enum control_exit) exit_status, result,
                         error);
}

static void request(void *context, const char *command, const json_t *args,
                    struct control_reply *reply)
{
    struct wiring *wiring = context;
    if (wiring->cluster != NULL &&
        cluster_request(wiring->cluster, command, args, reply)) {
        return;
    }
    if (credentials_request(wiring->credentials, command, args, reply)) {
        return;
    }
    struct engine_reply answer = { .progress = progress,
                                   .finish = finish,
                                   .context = reply };
    engine_request(wiring->engine, command, args, &answer);
}

struct control_backend wiring_backend(struct wiring *wiring)
{
    return (struct control_backend){ .request = request, .context = wiring };
}

int wiring_event_fd(const struct wiring *wiring)
{
    return engine_event_fd(wiring->engine);
}

bool wiring_ended(struct wiring *wiring, struct ts_err *ret_err)
{
    struct retirement found;
    bool ended = engine_ended(wiring->engine, ret_err);
    if (ended && ret_err->code == TS_OK && wiring_retired(wiring, &found)) {
        (void) retirement_refuse(&found, ret_err);
    }
    return ended;
}

bool wiring_retired(const struct wiring *wiring, struct retirement *ret)
{
    return wiring->cluster != NULL && cluster_retired(wiring->cluster, ret);
}

void wiring_stop(struct wiring *wiring)
{
    if (wiring->cluster != NULL) {
        cluster_release(wiring->cluster);
    } else {
        engine_stop(wiring->engine);
    }
}

void wiring_free(struct wiring *wiring)
{
    if (wiring == NULL) {
        return;
    }
    // The cluster's threads first: they wake whoever waits in the engine or for
    // the other node to keep a secret, and what they do needs nobody. Its
    // memory last: the engine and the credentials ask it.
    cluster_close(wiring->cluster);
    credentials_free(wiring->credentials);
    if (wiring->engine != NULL) {
        engine_stop(wiring->engine); // a start that failed half-way
    }
    engine_free(wiring->engine);
    cluster_free(wiring->cluster);
    keeper_free(wiring->keeper);
    free(wiring);
}
