#include "node/daemon/wiring.h"

#include <stdlib.h>

#include "node/engine/engine.h"

struct wiring {
    struct engine *engine;
};

enum ts_code wiring_start(const struct wiring_options *options,
                          struct wiring **ret_wiring, struct ts_err *err)
{
    struct wiring *wiring = calloc(1, sizeof *wiring);
    if (wiring == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start");
    }
    const struct engine_options engine = { .config = options->config,
                                           .approve_first =
                                               options->approve_first };
    enum ts_code code = engine_start(&engine, &wiring->engine, err);
    if (code != TS_OK) {
        free(wiring);
        return code;
    }
    *ret_wiring = wiring;
    return TS_OK;
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
    return engine_ended(wiring->engine, ret_err);
}

void wiring_stop(struct wiring *wiring)
{
    engine_stop(wiring->engine);
}

void wiring_free(struct wiring *wiring)
{
    if (wiring != NULL) {
        engine_free(wiring->engine);
        free(wiring);
    }
}
