/*
 * A command of the operator's makes and fences principals.
 *
 * It is run as it is configured, with these in its environment:
 *   TWINSYNC_FENCE_ACTION     probe | mint | unmint | fence
 *   TWINSYNC_FENCE_CLUSTER, _NODE      ours
 *   TWINSYNC_FENCE_EPOCH      of the principal
 *   TWINSYNC_FENCE_PRINCIPAL  its id (not for probe and mint)
 *   TWINSYNC_FENCE_HOLDER     the node that it was made for (fence)
 *   TWINSYNC_FENCE_OWN_EPOCH, _OWN_PRINCIPAL   whose it is to spare (fence)
 * Exit 0 is success: of mint with two lines, an id that was never used before
 * and the client's secret (or the bearer token); of fence with the evidence.
 * Exit 75 (EX_TEMPFAIL) says: not yet, ask again. Everything else is a failure,
 * and after a time-out the command and what it started is killed; neither
 * confirms anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include <unistr.h>

#include "node/base/cleanup.h"
#include "node/target/principal_private.h"

#define OUTPUT_MAX    4096 /* the rest is read and forgotten */
#define ENVIRON_MAX   1024
#define VARIABLE_SIZE 512
#define OURS_COUNT    8
#define AGAIN_MS      1000
#define FAILED_MS     5000

struct command {
    const char *action;
    const struct principal *own;          /* fence, else NULL */
    const struct register_principal *row; /* fence */
    const struct principal *principal;    /* mint, unmint */
    char variables[OURS_COUNT][VARIABLE_SIZE];
    size_t variable_count;
    char output[OUTPUT_MAX + 1];
    size_t output_size;
    int status; /* of the exit; -1: it was killed */
};

/* -- its environment ------------------------------------------------------- */

TS_PRINTF(2, 3)
static void add(struct command *command, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(command->variables[command->variable_count++],
                     VARIABLE_SIZE, fmt, args);
    va_end(args);
}

static void describe(const struct principal_keeper *keeper,
                     struct command *command)
{
    const struct register_principal *row = command->row;
    const struct principal *principal = command->principal;
    add(command, "TWINSYNC_FENCE_ACTION=%s", command->action);
    add(command, "TWINSYNC_FENCE_CLUSTER=%s", keeper->options.cluster);
    add(command, "TWINSYNC_FENCE_NODE=%s", keeper->options.node);
    if (row != NULL || principal != NULL) {
        add(command, "TWINSYNC_FENCE_EPOCH=%llu",
            (unsigned long long) (row != NULL ? row->epoch : principal->epoch));
    }
    if (row != NULL || (principal != NULL && principal->id[0] != '\0')) {
        add(command, "TWINSYNC_FENCE_PRINCIPAL=%s",
            row != NULL ? row->id : principal->id);
    }
    if (row != NULL) {
        add(command, "TWINSYNC_FENCE_HOLDER=%s", row->node);
        add(command, "TWINSYNC_FENCE_OWN_EPOCH=%llu",
            (unsigned long long) command->own->epoch);
        add(command, "TWINSYNC_FENCE_OWN_PRINCIPAL=%s", command->own->id);
    }
}

/* Ours, with the variables; without what others set by those names. */
static void fill_environ(struct command *command, char *list[ENVIRON_MAX + 1])
{
    size_t count = 0;
    for (; count < command->variable_count; count++) {
        list[count] = command->variables[count];
    }
    for (char **at = environ; *at != NULL && count < ENVIRON_MAX; at++) {
        if (strncmp(*at, "TWINSYNC_FENCE_", strlen("TWINSYNC_FENCE_")) != 0) {
            list[count++] = *at;
        }
    }
    list[count] = NULL;
}

/* -- running it --------------------------------------------------------------
 */

/* In a process group of its own, with its output in our pipe. */
static int start(const struct principal_keeper *keeper, struct command *command,
                 int output, pid_t *ret_pid)
{
    const struct config_target *target = keeper->options.target;
    char *list[ENVIRON_MAX + 1];
    TS_AUTOFREE char **argv =
        calloc((size_t) target->fence_command_count + 1, sizeof *argv);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t about;
    sigset_t none, all;

    if (argv == NULL) {
        return ENOMEM;
    }
    memcpy(argv, target->fence_command,
           target->fence_command_count * sizeof *argv);
    fill_environ(command, list);
    (void) sigemptyset(&none);
    (void) sigfillset(&all);
    (void) posix_spawn_file_actions_init(&files);
    (void) posix_spawnattr_init(&about);
    (void) posix_spawnattr_setflags(&about, POSIX_SPAWN_SETPGROUP |
                                                POSIX_SPAWN_SETSIGMASK |
                                                POSIX_SPAWN_SETSIGDEF);
    (void) posix_spawnattr_setsigmask(&about, &none);
    (void) posix_spawnattr_setsigdefault(&about, &all);
    int rc = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null",
                                              O_RDONLY, 0);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    }
    if (rc == 0) {
        rc = posix_spawn(ret_pid, argv[0], &files, &about, argv, list);
    }
    (void) posix_spawnattr_destroy(&about);
    (void) posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* What there is to read: how much, 0 at its end, -1 when there is nothing. */
static ssize_t drain(struct command *command, int fd)
{
    char more[1024];
    ssize_t got = read(fd, more, sizeof more);
    size_t room = OUTPUT_MAX - command->output_size;
    size_t take = got < 0 ? 0 : (size_t) got < room ? (size_t) got : room;
    memcpy(command->output + command->output_size, more, take);
    command->output_size += take;
    return got;
}

/* Until it has ended: its exit, not that of what it left behind, counts.
 * Errors   TS_E_TIMEOUT, TS_E_CANCELLED: it still runs. */
static enum ts_code await(const struct principal_keeper *keeper,
                          struct command *command, const int fds[2],
                          struct ts_err *err)
{
    int64_t timeout_s = keeper->options.target->request_timeout_seconds;
    struct ts_time deadline = ts_time_after(ts_time_now(), timeout_s * 1000);
    struct pollfd polls[] = { { .fd = fds[0], .events = POLLIN },
                              { .fd = fds[1], .events = POLLIN },
                              { .fd = keeper->wake_fd, .events = POLLIN } };
    for (;;) {
        int64_t left = ts_time_left(deadline);
        int ready = poll(polls, 3, left > INT_MAX ? INT_MAX : (int) left);
        if (ready == 0) {
            return ts_fail(err, TS_E_TIMEOUT, 0,
                           "could not run the fence command: it did not end "
                           "within %lld s",
                           (long long) timeout_s);
        }
        if (ready > 0 && polls[2].revents != 0) {
            return ts_fail(err, TS_E_CANCELLED, 0,
                           "could not run the fence command: cancelled");
        }
        if (ready > 0 && polls[1].revents != 0 &&
            drain(command, polls[1].fd) == 0) {
            polls[1].fd = -1;
        }
        if (ready > 0 && polls[0].revents != 0) {
            return TS_OK;
        }
    }
}

static enum ts_code run(const struct principal_keeper *keeper,
                        struct command *command, struct ts_err *err)
{
    const char *path = keeper->options.target->fence_command[0];
    int ends[2];
    pid_t pid = 0;
    describe(keeper, command);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not run the fence command \"%s\"", path);
    }
    TS_AUTOCLOSE int output = ends[0];
    (void) fcntl(output, F_SETFL, O_NONBLOCK);
    int rc = start(keeper, command, ends[1], &pid);
    (void) close(ends[1]);
    if (rc != 0) {
        return ts_fail(err, TS_E_CONFIG, rc,
                       "could not run the fence command \"%s\"", path);
    }
    TS_AUTOCLOSE int process = pidfd_open(pid, 0);
    int wait = 0;
    enum ts_code code =
        process < 0
            ? ts_fail(err, TS_E_IO, errno,
                      "could not wait for the fence command \"%s\"", path)
            : await(keeper, command, (int[]){ process, output }, err);
    (void) kill(-pid, SIGKILL); /* and what it left behind */
    while (waitpid(pid, &wait, 0) < 0 && errno == EINTR) {
    }
    while (command->output_size < OUTPUT_MAX && drain(command, output) > 0) {
    }
    command->status = WIFEXITED(wait) ? WEXITSTATUS(wait) : -1;
    command->output[command->output_size] = '\0';
    return code;
}

/* -- what it said
 * -------------------------------------------------------------- */

/* Line `index` as text that may be shown: valid UTF-8 without control bytes. */
static void take_line(const struct command *command, size_t index, char *text,
                      size_t size)
{
    const char *at = command->output, *end;
    for (; index > 0 && at != NULL; index--) {
        at = strchr(at, '\n');
        at = at == NULL ? NULL : at + 1;
    }
    end = at == NULL ? NULL : strchrnul(at, '\n');
    size_t length = at == NULL ? 0 : (size_t) (end - at);
    length = length < size ? length : size - 1;
    memcpy(text, at == NULL ? "" : at, length);
    text[length] = '\0';
    bool valid = u8_check((const uint8_t *) text, length) == NULL;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char) text[i];
        if (byte < ' ' || byte == 0x7F || (byte > 0x7F && !valid)) {
            text[i] = '?';
        }
    }
}

/* Run it where only success will do. */
static enum ts_code must(struct principal_keeper *keeper,
                         struct command *command, struct ts_err *err)
{
    char line[PRINCIPAL_TEXT_SIZE / 2];
    enum ts_code rc = run(keeper, command, err);
    if (rc != TS_OK || command->status == 0) {
        return rc;
    }
    take_line(command, 0, line, sizeof line);
    return ts_fail(err, TS_E_UNREACHABLE, 0,
                   "could not %s a principal: \"%s\" ended with status %d%s%s",
                   command->action, keeper->options.target->fence_command[0],
                   command->status, line[0] == '\0' ? "" : ": ", line);
}

/* -- the kind
 * ------------------------------------------------------------------ */

static enum ts_code exec_probe(struct principal_keeper *keeper,
                               struct ts_err *err)
{
    struct command command = { .action = "probe" };
    return must(keeper, &command, err);
}

static enum ts_code exec_mint(struct principal_keeper *keeper,
                              struct principal *principal, struct ts_err *err)
{
    struct command command = { .action = "mint", .principal = principal };
    enum ts_code rc = must(keeper, &command, err);
    take_line(&command, 0, principal->id, sizeof principal->id);
    take_line(&command, 1, principal->secret, sizeof principal->secret);
    explicit_bzero(command.output, sizeof command.output);
    if (rc == TS_OK &&
        (principal->id[0] == '\0' || principal->secret[0] == '\0')) {
        rc = ts_fail(err, TS_E_PROTOCOL, 0,
                     "cannot use what \"%s\" made: it has to print an id and "
                     "a secret, each on a line",
                     keeper->options.target->fence_command[0]);
    }
    return rc;
}

static enum ts_code exec_unmint(struct principal_keeper *keeper,
                                const struct principal *principal,
                                struct ts_err *err)
{
    struct command command = { .action = "unmint", .principal = principal };
    return must(keeper, &command, err);
}

static enum ts_code exec_fence(struct principal_keeper *keeper,
                               const struct principal *own,
                               struct principal_fencing *fencing,
                               struct ts_err *err)
{
    struct command command = { .action = "fence",
                               .own = own,
                               .row = fencing->row };
    char line[PRINCIPAL_TEXT_SIZE / 2];
    enum ts_code rc = run(keeper, &command, err);
    if (rc == TS_E_CANCELLED) {
        return rc;
    }
    if (rc != TS_OK) {
        principal_pending(fencing, FAILED_MS, "%s", err->text);
        return TS_OK;
    }
    take_line(&command, 0, line, sizeof line);
    if (command.status == 0) {
        fencing->state = PRINCIPAL_CONFIRMED;
        fencing->again_ms = 0;
        (void) snprintf(fencing->text, sizeof fencing->text,
                        "the fence command confirmed it: %s",
                        line[0] == '\0' ? "(it gave no evidence)" : line);
    } else if (command.status == EX_TEMPFAIL) {
        principal_pending(fencing, AGAIN_MS, "the fence command waits: %s",
                          line);
    } else {
        principal_pending(fencing, FAILED_MS,
                          "the fence command failed with status %d: %s",
                          command.status, line);
    }
    return TS_OK;
}

const struct principal_kind_row principal_kind_exec = {
    .probe = exec_probe,
    .mint = exec_mint,
    .unmint = exec_unmint,
    .fence = exec_fence,
};
