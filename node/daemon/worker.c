#include "node/daemon/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "node/base/cleanup.h"
#include "node/base/log.h"
#include "node/config/loader.h"
#include "node/control/server.h"
#include "node/daemon/lock.h"
#include "node/daemon/reactor.h"
#include "node/daemon/retired.h"
#include "node/daemon/supervisor.h"
#include "node/daemon/wiring.h"

struct worker {
    struct config *config;
    int lock_fd;
    int signal_fd;
    int lifeline_fd;
    struct ts_time alive_at;
    struct reactor *reactor;
    struct wiring *wiring;
    struct control_server *server;
    struct ts_err end; /* why it ended; TS_OK: asked to */
};

/* --- the reactor's parts ------------------------------------------------ */

static void on_signal(void *context, struct ts_time now)
{
    (void) now;
    struct worker *self = context;
    struct signalfd_siginfo info;
    while (read(self->signal_fd, &info, sizeof info) == sizeof info) {
        ts_log(TS_LOG_INFO, "stopping", "signal=%u", info.ssi_signo);
        wiring_stop(self->wiring);
    }
}

static void on_wiring(void *context, struct ts_time now)
{
    (void) now;
    struct worker *self = context;
    if (wiring_ended(self->wiring, &self->end)) {
        reactor_stop(self->reactor);
    }
}

static void on_control(void *context, struct ts_time now)
{
    struct worker *self = context;
    control_server_step(self->server, now);
}

static struct ts_time control_deadline(void *context)
{
    const struct worker *self = context;
    return control_server_deadline(self->server);
}

static void on_alive(void *context, struct ts_time now)
{
    struct worker *self = context;
    supervisor_tell_alive(self->lifeline_fd);
    self->alive_at = ts_time_after(now, WORKER_ALIVE_MS);
}

static struct ts_time alive_deadline(void *context)
{
    const struct worker *self = context;
    return self->alive_at;
}

static enum ts_code add_parts(struct worker *self, struct ts_err *err)
{
    const struct reactor_part parts[] = {
        { "signal", self->signal_fd, on_signal, NULL, self },
        { "wiring", wiring_event_fd(self->wiring), on_wiring, NULL, self },
        { "control", control_server_fd(self->server), on_control,
          control_deadline, self },
        { "alive", -1, on_alive, alive_deadline, self },
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        enum ts_code code = reactor_add(self->reactor, &parts[i], err);
        if (code != TS_OK) {
            return code;
        }
    }
    return TS_OK;
}

/* --- starting and ending ------------------------------------------------ */

static enum ts_code open_signals(struct worker *self, struct ts_err *err)
{
    sigset_t ending;
    (void) sigemptyset(&ending);
    (void) sigaddset(&ending, SIGTERM);
    (void) sigaddset(&ending, SIGINT);
    (void) sigaddset(&ending, SIGHUP);
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    (void) sigaction(SIGPIPE, &ignore, NULL);
    self->signal_fd = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
    return self->signal_fd >= 0
               ? TS_OK
               : ts_fail(err, TS_E_IO, errno, "could not wait for signals");
}

static enum ts_code start(struct worker *self,
                          const struct worker_options *options,
                          struct ts_err *err)
{
    enum ts_code code =
        config_load(options->config_path, &self->config, NULL, err);
    if (code != TS_OK) {
        return code;
    }
    const char *directory = self->config->state_directory;
    code = daemon_lock(directory, getppid(), &self->lock_fd, err);
    if (code == TS_OK) {
        code = retired_check(self->config, err);
    }
    if (code == TS_OK) {
        code = open_signals(self, err);
    }
    if (code == TS_OK) {
        code = reactor_new(&self->reactor, err);
    }
    if (code == TS_OK) {
        const struct wiring_options wiring = {
            .config = self->config,
            .config_path = options->config_path,
            .approve_first = options->approve_first,
            .board = options->board,
        };
        code = wiring_start(&wiring, &self->wiring, err);
    }
    if (code == TS_OK) {
        code = wiring_attach(self->wiring, self->reactor, err);
    }
    if (code == TS_OK) {
        const struct control_server_options server = {
            .directory = directory,
            .owner = geteuid(),
            .backend = wiring_backend(self->wiring),
        };
        code = control_server_open(&server, &self->server, err);
    }
    return code == TS_OK ? add_parts(self, err) : code;
}

static void finish(struct worker *self)
{
    // In this order: an ended wiring has finished every request, and the
    // server says so before it closes. What is retired is destroyed when
    // nothing of it is open any more.
    struct retirement retirement;
    bool is_out =
        self->wiring != NULL && wiring_retired(self->wiring, &retirement);
    control_server_close(self->server);
    wiring_free(self->wiring);
    if (is_out) {
        retired_end(self->config, &retirement);
    }
    reactor_free(self->reactor);
    config_free(self->config);
    ts_cleanup_fd(&self->signal_fd);
    ts_cleanup_fd(&self->lock_fd);
    ts_cleanup_fd(&self->lifeline_fd);
}

int worker_run(const struct worker_options *options, int lifeline_fd)
{
    struct worker self = { .lock_fd = -1,
                           .signal_fd = -1,
                           .lifeline_fd = lifeline_fd };
    enum ts_code code = start(&self, options, &self.end);
    if (code == TS_OK) {
        ts_log(TS_LOG_INFO, "started", "version=%s cluster=%s node=%s pid=%d",
               TS_VERSION, self.config->cluster, self.config->this_node,
               (int) getpid());
        supervisor_tell_ready(lifeline_fd);
        self.end.code = TS_OK;
        code = reactor_run(self.reactor, &self.end);
    }
    if (code == TS_OK) {
        code = self.end.code;
    }
    int exit_status = (int) control_exit_of(code);
    if (code == TS_OK) {
        ts_log(TS_LOG_INFO, "stopped", "exit=0");
    } else {
        ts_log(TS_LOG_ERROR, "ended", "exit=%d reason=\"%s\"", exit_status,
               self.end.text);
    }
    finish(&self);
    return exit_status;
}
