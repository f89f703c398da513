#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "node/base/cleanup.h"
#include "node/base/time.h"
#include "node/config/loader.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/events_view.h"
#include "tools/twinsync/status_view.h"

enum {
    REFRESH_MS = 1000,
    EVENTS_SHOWN = 8
};

struct watch {
    const struct cli_call *call;
    const struct config *config;
    struct control_client *client; /* NULL: not connected */
    struct ts_err trouble;         /* why not */
    int signal_fd;
    bool raw; /* `before` is to be restored */
    struct termios before;
};

/* --- asking ------------------------------------------------------------- */

/* NULL when the daemon is not there; then the next frame tries again. */
static json_t *ask(struct watch *self, const char *command, json_t *args,
                   bool *ret_done)
{
    json_t *result = NULL;
    if (self->client != NULL ||
        control_client_open(self->config->state_directory, &self->client,
                            &self->trouble) == TS_OK) {
        const struct control_call question = { .command = command,
                                               .args = args,
                                               .wait_ms = REFRESH_MS * 5 };
        struct control_answer answer;
        if (control_client_call(self->client, &question, &answer,
                                &self->trouble) == TS_OK) {
            *ret_done = answer.exit_status == CONTROL_DONE;
            result = json_incref(answer.result);
            control_answer_done(&answer);
        } else {
            control_client_close(self->client);
            self->client = NULL;
        }
    }
    json_decref(args);
    return result;
}

/* --- drawing ------------------------------------------------------------ */

static void draw_view(struct watch *self, const struct screen *screen)
{
    bool healthy = false, done = false;
    json_t *status = ask(self, "status", NULL, &healthy);
    if (status == NULL) {
        put_toned(screen, TONE_BAD, 0, mark(screen, "●", "*"));
        put_toned(screen, TONE_STRONG, 0, " not reachable");
        (void) putc('\n', screen->out);
        (void) fputs("  ", screen->out);
        put_wrapped(screen, 2, self->trouble.text);
        return;
    }
    status_view(screen, status, healthy, ts_wall_seconds());
    json_decref(status);
    json_t *events =
        ask(self, "events",
            json_pack("{s:n, s:i}", "after", "limit", EVENTS_SHOWN), &done);
    if (done && json_array_size(json_object_get(events, "events")) > 0) {
        put_heading(screen, "Events");
        events_view(screen, json_object_get(events, "events"), true);
    }
    json_decref(events);
}

/* So many lines that nothing scrolls; what is told first counts most. */
static size_t rows_of_terminal(void)
{
    struct winsize found;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) == 0 && found.ws_row > 1
               ? found.ws_row
               : SIZE_MAX;
}

/* Each line is erased to its end; the last one always has a place. */
static void put_frame(const char *text)
{
    size_t rows = rows_of_terminal();
    (void) fputs("\033[H", stdout);
    for (size_t row = 1; text != NULL; row++) {
        const char *end = strchr(text, '\n');
        int length = end == NULL ? (int) strlen(text) : (int) (end - text);
        if (end == NULL || row < rows) {
            (void) printf("%.*s\033[K%s", length, text,
                          end == NULL ? "" : "\r\n");
        }
        text = end == NULL ? NULL : end + 1;
    }
    (void) fputs("\033[J", stdout);
    (void) fflush(stdout);
}

/* The frame is drawn in memory and written at once: nothing flickers. */
static void draw(struct watch *self)
{
    char *text = NULL;
    size_t size = 0;
    struct screen screen = screen_of(stdout);
    screen.out = open_memstream(&text, &size);
    if (screen.out == NULL) {
        return;
    }
    draw_view(self, &screen);
    char now[TS_WALL_TEXT_SIZE];
    ts_wall_text(now);
    (void) putc('\n', screen.out);
    put_toned(&screen, TONE_FAINT, 0, now);
    put_toned(&screen, TONE_FAINT, 0, "  q quits");
    (void) fclose(screen.out);

    put_frame(text);
    free(text);
}

/* --- the terminal ------------------------------------------------------- */

/* The alternate screen, no cursor, keys one by one; signals come through a
 * descriptor, so that the terminal is always given back. */
static enum ts_code enter(struct watch *self, struct ts_err *err)
{
    sigset_t ending;
    (void) sigemptyset(&ending);
    (void) sigaddset(&ending, SIGINT);
    (void) sigaddset(&ending, SIGTERM);
    (void) sigaddset(&ending, SIGHUP);
    (void) sigprocmask(SIG_BLOCK, &ending, NULL);
    self->signal_fd = signalfd(-1, &ending, SFD_CLOEXEC);
    if (self->signal_fd < 0) {
        return ts_fail(err, TS_E_IO, errno, "could not watch");
    }
    struct termios raw;
    if (tcgetattr(STDIN_FILENO, &self->before) == 0) {
        raw = self->before;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        self->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    (void) fputs("\033[?1049h\033[?25l\033[2J", stdout);
    return TS_OK;
}

static void leave(struct watch *self)
{
    (void) fputs("\033[?25h\033[?1049l", stdout);
    (void) fflush(stdout);
    if (self->raw) {
        (void) tcsetattr(STDIN_FILENO, TCSANOW, &self->before);
    }
    (void) close(self->signal_fd);
    control_client_close(self->client);
}

/* Waits for the next frame; true when it is time to leave. */
static bool wait_or_quit(struct watch *self, struct ts_time next)
{
    for (;;) {
        struct pollfd waited[2] = {
            { .fd = self->signal_fd, .events = POLLIN },
            { .fd = self->raw ? STDIN_FILENO : -1, .events = POLLIN },
        };
        int n = poll(waited, 2, (int) ts_time_left(next));
        if (n == 0) {
            return false;
        }
        if (n < 0) {
            continue; // a signal such as SIGWINCH
        }
        if (waited[0].revents != 0) {
            return true;
        }
        char key = 0;
        ssize_t got = read(STDIN_FILENO, &key, 1);
        if (got <= 0 || key == 'q' || key == 'Q' || key == 4) {
            return true;
        }
    }
}

static enum control_exit run(const struct cli_call *call)
{
    struct screen screen = screen_of(stdout);
    if (call->json || !screen.moves) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot watch because standard output is no terminal: "
                        "use twinsync --json status");
    }
    enum control_exit exit_status = CONTROL_DONE;
    struct config *config = cli_config(call, &exit_status);
    if (config == NULL) {
        return exit_status;
    }
    struct watch self = { .call = call, .config = config };
    struct ts_err err;
    if (enter(&self, &err) != TS_OK) {
        config_free(config);
        return cli_fail_err(call, &err);
    }
    struct ts_time next;
    do {
        draw(&self);
        next = ts_time_after(ts_time_now(), REFRESH_MS);
    } while (!wait_or_quit(&self, next));
    leave(&self);
    config_free(config);
    return CONTROL_DONE;
}

const struct cli_command command_watch = {
    .name = "watch",
    .words = "",
    .summary = "Show the status and the last events, refreshed each second",
    .details = "Goes on through restarts of the daemon. q quits.\n",
    .examples = "  twinsync watch\n",
    .run = run,
};
