#include "node/daemon/wiring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct wiring {
    const struct config *config;
    int event_fd;
    bool ended;
};

enum ts_code wiring_start(const struct wiring_options *options,
                          struct wiring **ret_wiring, struct ts_err *err)
{
    struct wiring *wiring = calloc(1, sizeof *wiring);
    if (wiring == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start");
    }
    wiring->config = options->config;
    wiring->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wiring->event_fd < 0) {
        int why = errno;
        free(wiring);
        return ts_fail(err, TS_E_IO, why, "could not start");
    }
    *ret_wiring = wiring;
    return TS_OK;
}

/* Every key of the interface; what is not known here is null or zero. */
static json_t *status_document(const struct wiring *wiring)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:n, s:i, s:n, s:n, s:n,"
        " s:{s:i, s:i, s:i, s:n, s:n, s:b, s:i},"
        " s:{s:b, s:i, s:n, s:n, s:i, s:n, s:n, s:i, s:i},"
        " s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i},"
        " s:{s:i, s:i, s:i, s:i, s:i}, s:[]}",
        "version", TS_VERSION, "cluster", wiring->config->cluster, "node",
        wiring->config->this_node, "role", "starting", "assigned", "epoch", 0,
        "lease", "fence", "peer", "replication", "seq", 0, "acked", 0, "lag_ms",
        0, "checksum", "equal", "protected", 0, "generation", 0, "cycle",
        "running", 0, "id", 0, "kind", "started", "duration_ms", 0, "result",
        "phase", "done", 0, "total", 0, "counts", "source", 0, "metaverse", 0,
        "target", 0, "ledger", 0, "pending", 0, "held", 0, "quarantined", 0,
        "errors", 0, "exports", "create", 0, "update", 0, "delete", 0,
        "retries", 0, "throttled_ms", 0, "problems");
}

static void request(void *context, const char *command, const json_t *args,
                    struct control_reply *reply)
{
    (void) args;
    struct wiring *wiring = context;
    if (strcmp(command, "status") == 0) {
        control_reply_finish(reply, CONTROL_DONE, status_document(wiring),
                             NULL);
        return;
    }
    struct ts_err err;
    (void) ts_fail(&err, TS_E_CONFIG, 0,
                   "cannot run \"%s\": this daemon has no such command",
                   command);
    control_reply_fail(reply, &err);
}

struct control_backend wiring_backend(struct wiring *wiring)
{
    return (struct control_backend){ .request = request, .context = wiring };
}

int wiring_event_fd(const struct wiring *wiring)
{
    return wiring->event_fd;
}

bool wiring_ended(struct wiring *wiring, struct ts_err *ret_err)
{
    ret_err->code = TS_OK;
    return wiring->ended;
}

void wiring_stop(struct wiring *wiring)
{
    wiring->ended = true;
    uint64_t one = 1;
    (void) !write(wiring->event_fd, &one, sizeof one);
}

void wiring_free(struct wiring *wiring)
{
    if (wiring == NULL) {
        return;
    }
    (void) close(wiring->event_fd);
    free(wiring);
}
