#include "node/daemon/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "node/base/log.h"
#include "node/base/time.h"
#include "node/daemon/release.h"

enum {
    EXIT_FAILED = 1,
    EXIT_CONFIG = 2,
    EXIT_REFUSED = 3
};

struct supervisor {
    const struct supervisor_options *options;
    sigset_t signals;
    int signal_fd;
    pid_t worker;                  /* 0: none */
    pid_t releaser;                /* 0: none */
    char lease[RELEASE_TEXT_SIZE]; /* to be given back; "": none */
    int lifeline_fd;               /* -1: none, or at its end */
    unsigned crashes;
    bool stopping;
    bool ready;      /* this worker was */
    bool ever_ready; /* a worker was */
    struct ts_time started, start_at, hung_at, kill_at;
    int exit_status; /* -1: go on */
};

/* --- the policy --------------------------------------------------------- */

int64_t supervisor_next_delay(unsigned *crashes, int64_t ran_ms,
                              int64_t first_delay_ms)
{
    if (ran_ms >= SUPERVISOR_STEADY_MS) {
        *crashes = 0;
    }
    if (++*crashes >= SUPERVISOR_CRASHES_MAX) {
        return -1;
    }
    int64_t delay = first_delay_ms << (*crashes - 1);
    return delay < SUPERVISOR_DELAY_MAX_MS ? delay : SUPERVISOR_DELAY_MAX_MS;
}

/* --- the lifeline ------------------------------------------------------- */

static void tell(int lifeline_fd, char what)
{
    // A full pipe is a parent that is stopped; it will see what is in it.
    (void) !write(lifeline_fd, &what, 1);
}

void supervisor_tell_ready(int lifeline_fd)
{
    tell(lifeline_fd, 'R');
}

void supervisor_tell_alive(int lifeline_fd)
{
    tell(lifeline_fd, 'A');
}

static void hear(struct supervisor *self)
{
    char said[64];
    ssize_t n = read(self->lifeline_fd, said, sizeof said);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        (void) close(self->lifeline_fd);
        self->lifeline_fd = -1;
        return;
    }
    if (n < 0) {
        return;
    }
    if (memchr(said, 'R', (size_t) n) != NULL) {
        self->ready = self->ever_ready = true;
        (void) sd_notifyf(0, "READY=1\nSTATUS=running\nMAINPID=%d",
                          (int) getpid());
    }
    if (self->ready) {
        self->hung_at = ts_time_after(ts_time_now(), self->options->hang_ms);
        (void) sd_notify(0, "WATCHDOG=1");
    }
}

/* --- the worker --------------------------------------------------------- */

static int be_worker(const struct supervisor *self, int lifeline_fd,
                     pid_t parent)
{
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) { // it died before the line above
        return EXIT_FAILED;
    }
    (void) setpgid(0, 0); // what it starts can be ended as a whole
    (void) close(self->signal_fd);
    return self->options->work(self->options->context, lifeline_fd);
}

static void start_worker(struct supervisor *self)
{
    int line[2];
    if (pipe2(line, O_CLOEXEC | O_NONBLOCK) != 0) {
        ts_log(TS_LOG_ERROR, "worker-not-started", "errno=%d", errno);
        self->exit_status = EXIT_FAILED;
        return;
    }
    pid_t parent = getpid();
    board_clear(self->options->board);
    pid_t child = fork();
    if (child == 0) {
        (void) close(line[0]);
        exit(be_worker(self, line[1], parent));
    }
    (void) close(line[1]);
    if (child < 0) {
        ts_log(TS_LOG_ERROR, "worker-not-started", "errno=%d", errno);
        (void) close(line[0]);
        self->exit_status = EXIT_FAILED;
        return;
    }
    (void) setpgid(child, child); // whichever of the two comes first
    self->worker = child;
    self->lifeline_fd = line[0];
    self->ready = false;
    self->started = ts_time_now();
    self->start_at = self->hung_at = self->kill_at = TS_NEVER;
}

/* True when what the worker ended with is what the daemon ends with. */
static bool ends_the_daemon(const struct supervisor *self, int status)
{
    if (self->stopping) {
        return true;
    }
    if (!WIFEXITED(status)) {
        return false;
    }
    int code = WEXITSTATUS(status);
    return code == 0 || code == EXIT_CONFIG || code == EXIT_REFUSED ||
           !self->ever_ready;
}

static void worker_ended(struct supervisor *self, int status)
{
    self->worker = 0;
    if (self->lifeline_fd >= 0) {
        (void) close(self->lifeline_fd);
        self->lifeline_fd = -1;
    }
    self->hung_at = self->kill_at = TS_NEVER;
    if (ends_the_daemon(self, status)) {
        self->exit_status =
            WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
        return;
    }
    int64_t ran_ms = ts_time_now().ms - self->started.ms;
    int64_t delay = supervisor_next_delay(&self->crashes, ran_ms,
                                          self->options->first_delay_ms);
    ts_log(TS_LOG_ERROR, "worker-died",
           "%s=%d ran_ms=%" PRId64 " restart_ms=%" PRId64,
           WIFSIGNALED(status) ? "signal" : "exit",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), ran_ms,
           delay);
    if (delay < 0) {
        ts_log(TS_LOG_ERROR, "worker-crash-loop",
               "crashes=%u fix=\"look at the lines above, then start again\"",
               self->crashes);
        self->exit_status = EXIT_FAILED;
        return;
    }
    self->start_at = ts_time_after(ts_time_now(), delay);
    (void) sd_notify(0, "STATUS=restarting after a crash");
#ifdef TS_FAILPOINTS
    (void) unsetenv("TWINSYNC_FAILPOINT");
#endif
}

/* --- the lease of a dead worker ------------------------------------------- */

/* Is there one? Only after a death that no worker could have announced. */
static void note_lease(struct supervisor *self)
{
    const struct board *board = self->options->board;
    uint64_t epoch = atomic_load(&board->epoch);
    if (epoch > 0 && self->options->release != NULL) {
        (void) snprintf(self->lease, sizeof self->lease, "%" PRIu64 ":%s",
                        epoch, board->boot);
    }
}

/* In a process of its own, so that this one stays as simple as it is (P5). */
static void give_lease_back(struct supervisor *self)
{
    pid_t child = fork();
    if (child == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) sigprocmask(SIG_UNBLOCK, &self->signals, NULL);
        exit(self->options->release(self->options->context, self->lease));
    }
    self->lease[0] = 0;
    self->releaser = child > 0 ? child : 0;
    if (child < 0) {
        ts_log(TS_LOG_WARNING, "lease-not-released", "errno=%d", errno);
    }
}

/* Also orphans of the worker: they are ours now. */
static void reap(struct supervisor *self)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == self->worker) {
            (void) kill(-pid, SIGKILL); // whatever it had started
            note_lease(self);
            worker_ended(self, status);
        } else if (pid == self->releaser) {
            self->releaser = 0;
        }
    }
    if (pid < 0 && errno == ECHILD && self->lease[0] != 0) {
        give_lease_back(self);
    }
}

/* --- the loop ----------------------------------------------------------- */

static void stop(struct supervisor *self)
{
    if (self->stopping) {
        return;
    }
    self->stopping = true;
    (void) sd_notify(0, "STOPPING=1");
    if (self->worker == 0) {
        self->exit_status = 0;
        return;
    }
    (void) kill(self->worker, SIGTERM);
    self->kill_at = ts_time_after(ts_time_now(), self->options->stop_ms);
}

static void take_signals(struct supervisor *self)
{
    struct signalfd_siginfo info;
    while (read(self->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            reap(self);
        } else {
            stop(self);
        }
    }
}

static void take_time(struct supervisor *self)
{
    struct ts_time now = ts_time_now();
    if (self->worker == 0 && ts_time_reached(now, self->start_at)) {
        start_worker(self);
        return;
    }
    bool hung = ts_time_reached(now, self->hung_at);
    if (self->worker > 0 && (hung || ts_time_reached(now, self->kill_at))) {
        ts_log(TS_LOG_ERROR, hung ? "worker-hung" : "worker-not-stopping",
               "pid=%d killed", (int) self->worker);
        (void) kill(self->worker, SIGKILL);
        self->hung_at = self->kill_at = TS_NEVER;
    }
}

static int wait_ms(const struct supervisor *self)
{
    struct ts_time first = self->start_at;
    first = self->hung_at.ms < first.ms ? self->hung_at : first;
    first = self->kill_at.ms < first.ms ? self->kill_at : first;
    int64_t left = ts_time_left(first);
    return left == INT64_MAX ? -1 : (int) (left < INT32_MAX ? left : INT32_MAX);
}

int supervisor_run(const struct supervisor_options *options)
{
    struct supervisor self = { .options = options,
                               .lifeline_fd = -1,
                               .exit_status = -1,
                               .start_at = TS_NEVER,
                               .hung_at = TS_NEVER,
                               .kill_at = TS_NEVER };
    (void) sigemptyset(&self.signals);
    (void) sigaddset(&self.signals, SIGCHLD);
    (void) sigaddset(&self.signals, SIGTERM);
    (void) sigaddset(&self.signals, SIGINT);
    (void) sigaddset(&self.signals, SIGHUP);
    (void) sigprocmask(SIG_BLOCK, &self.signals, NULL);
    (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
    self.signal_fd = signalfd(-1, &self.signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self.signal_fd < 0) {
        ts_log(TS_LOG_ERROR, "supervisor-failed", "errno=%d", errno);
        return EXIT_FAILED;
    }

    start_worker(&self);
    while (self.exit_status < 0 || self.releaser > 0) {
        struct pollfd waited[2] = {
            { .fd = self.signal_fd, .events = POLLIN },
            { .fd = self.lifeline_fd, .events = POLLIN },
        };
        int n = poll(waited, 2, wait_ms(&self));
        if (n > 0 && waited[1].revents != 0) {
            hear(&self);
        }
        if (n > 0 && waited[0].revents != 0) {
            take_signals(&self);
        }
        if (self.exit_status < 0) {
            take_time(&self);
        }
    }
    (void) close(self.signal_fd);
    return self.exit_status;
}
