#include <poll.h>
#include <string.h>

#include "node/base/time.h"
#include "node/config/loader.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_TO,
    OPTION_DRY_RUN,
    OPTION_RESUME,
    OPTION_ABORT,
    OPTION_FROM_DEAD,
    OPTION_RETIRE,
    OPTION_REASON
};

enum {
    LOOK_MS = 200,
    /* A daemon that restarts is waited for this long, one that is to be retired
     * is taken to be. */
    AWAY_MS = 60000,
    RETIRED_MS = 5000,
    ROWS_MAX = 128
};

/* --- rows ------------------------------------------------------------------
 */

static enum tone tone_of(const char *state)
{
    return strcmp(state, "proved") == 0 || strcmp(state, "done") == 0
               ? TONE_GOOD
           : strcmp(state, "failed") == 0  ? TONE_BAD
           : strcmp(state, "pending") == 0 ? TONE_WARN
                                           : TONE_FAINT;
}

static void put_row(const struct screen *screen, const json_t *row)
{
    char head[160];
    const char *state = text_at(row, "state"), *name = text_at(row, "name");
    put_toned(screen, TONE_STRONG, 11, text_at(row, "step"));
    put_toned(screen, tone_of(state), 11, state);
    (void) snprintf(head, sizeof head, "%.100s%s", name,
                    name[0] == 0 ? "" : ": ");
    put_text(screen, head);
    put_wrapped(screen, 22, text_at(row, "text"));
}

/* Rows that were printed before, by step, name and state. */
struct printed {
    int count;
    uint64_t keys[ROWS_MAX];
};

static uint64_t key_of(const json_t *row)
{
    static const char *const parts[] = { "step", "name", "state", "text" };
    uint64_t hash = 14695981039346656037ULL;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *text = text_at(row, parts[i]);
        do {
            hash = (hash ^ (unsigned char) *text) * 1099511628211ULL;
        } while (*text++ != 0);
    }
    return hash;
}

static bool is_new(struct printed *printed, const json_t *row)
{
    uint64_t key = key_of(row);
    for (int i = 0; i < printed->count; i++) {
        if (printed->keys[i] == key) {
            return false;
        }
    }
    if (printed->count < ROWS_MAX) {
        printed->keys[printed->count++] = key;
    }
    return true;
}

static void put_new_rows(const struct screen *screen, struct printed *printed,
                         const json_t *document)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(document, "rows"), i, row)
    {
        if (is_new(printed, row)) {
            put_row(screen, row);
        }
    }
    (void) fflush(screen->out);
}

/* --- one look ---------------------------------------------------------------
 */

struct follow {
    const struct cli_call *call;
    struct config *config;
    struct control_client *client;
    struct ts_err trouble;
    struct ts_time heard; /* the daemon, last */
    struct screen screen;
    struct printed printed;
    char waiting[256]; /* the line that is redrawn, or "" */
    bool leaves;       /* this node is to be retired at its end */
};

/* NULL: the daemon is away. */
static json_t *look(struct follow *self)
{
    const struct control_call question = { .command = "handover-status",
                                           .wait_ms = 5000 };
    struct control_answer answer;
    json_t *result = NULL;
    if (self->client == NULL &&
        control_client_open(self->config->state_directory, &self->client,
                            &self->trouble) != TS_OK) {
        return NULL;
    }
    if (control_client_call(self->client, &question, &answer, &self->trouble) ==
        TS_OK) {
        result = json_incref(answer.result);
        control_answer_done(&answer);
        self->heard = ts_time_now();
    } else {
        control_client_close(self->client);
        self->client = NULL;
    }
    return result;
}

/* What it waits for: one line, redrawn. */
static void put_waiting(struct follow *self, const char *text)
{
    const struct screen *screen = &self->screen;
    if (!screen->moves || strcmp(self->waiting, text) == 0) {
        return;
    }
    (void) snprintf(self->waiting, sizeof self->waiting, "%.200s", text);
    (void) fputs("\r\033[K", screen->out);
    put_toned(screen, TONE_FAINT, 0, self->waiting);
    (void) fflush(screen->out);
}

static void clear_waiting(struct follow *self)
{
    if (self->waiting[0] != 0) {
        (void) fputs("\r\033[K", self->screen.out);
        self->waiting[0] = 0;
    }
}

/* --- how it ended ------------------------------------------------------------
 */

static enum control_exit exit_of(const char *outcome, bool aborting)
{
    return strcmp(outcome, "complete") == 0  ? CONTROL_DONE
           : strcmp(outcome, "refused") == 0 ? CONTROL_REFUSED
           : strcmp(outcome, "aborted") == 0
               ? (aborting ? CONTROL_DONE : CONTROL_REFUSED)
               : CONTROL_FAILED;
}

static const char *first_failed(const json_t *document)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(document, "rows"), i, row)
    {
        if (strcmp(text_at(row, "state"), "failed") == 0 &&
            text_at(row, "name")[0] == 0) {
            return text_at(row, "text");
        }
    }
    return "see its rows";
}

static enum control_exit ended(const struct follow *self,
                               const json_t *document)
{
    const struct cli_call *call = self->call;
    const char *outcome = text_at(document, "outcome");
    const char *report = text_at(document, "report");
    enum control_exit status =
        exit_of(outcome, call->options[OPTION_ABORT] != NULL);
    if (call->json) {
        cli_print_json(document);
        return status;
    }
    (void) printf("\n%s after %lld ms%s%s\n", outcome,
                  (long long) count_at(document, "duration_ms"),
                  report[0] == 0 ? "" : "; the report is ", report);
    if (strcmp(outcome, "refused") == 0) {
        (void) fflush(stdout);
        (void) fprintf(stderr,
                       "cannot hand over to %s: %s; nothing was changed\n",
                       text_at(document, "to"), first_failed(document));
    }
    return status;
}

static enum control_exit interrupted(const struct follow *self,
                                     const json_t *document)
{
    if (self->call->json) {
        cli_print_json(document);
        return CONTROL_FAILED;
    }
    return cli_fail(self->call, CONTROL_FAILED,
                    "could not go on with handover %s at step %s: %s; use "
                    "twinsync handover --resume or --abort on the node that "
                    "exports",
                    text_at(document, "id"), text_at(document, "step"),
                    text_at(document, "text"));
}

/* The daemon here has ended, as it had to. */
static enum control_exit left(struct follow *self)
{
    clear_waiting(self);
    if (self->call->json) {
        json_t *document = json_pack("{s:s}", "outcome", "retired");
        cli_print_json(document);
        json_decref(document);
    } else {
        (void) puts("\nthis computer is out of the pair: how it ended is told "
                    "by twinsync handover on the other one");
    }
    return CONTROL_DONE;
}

/* --- following it to its end -------------------------------------------------
 */

/* True: *ret_exit is how it ended. */
static bool over(struct follow *self, const char *id,
                 enum control_exit *ret_exit)
{
    json_t *document = look(self);
    int64_t away_ms = ts_time_now().ms - self->heard.ms;
    if (document == NULL && self->leaves && away_ms >= RETIRED_MS) {
        *ret_exit = left(self);
        return true;
    }
    if (document == NULL) {
        if (away_ms < AWAY_MS) {
            put_waiting(self, "the daemon here does not answer: it is waited "
                              "for");
            return false;
        }
        clear_waiting(self);
        *ret_exit = cli_fail_err(self->call, &self->trouble);
        return true;
    }
    self->leaves =
        flag_at(document, "retire") && flag_at(document, "reset_begun") &&
        strcmp(text_at(document, "from"), text_at(document, "node")) == 0;
    bool ours = strcmp(text_at(document, "id"), id) == 0;
    bool open = flag_at(document, "open");
    /* Whoever is to be retired cannot read the register any more. */
    const char *outcome = text_at(document, "outcome");
    bool has_ended = ours && outcome[0] != 0 && strcmp(outcome, "open") != 0 &&
                     (open || text_at(document, "report")[0] != 0);
    bool stands = ours && open && flag_at(document, "interrupted");
    if (ours && !self->call->json) {
        clear_waiting(self);
        put_new_rows(&self->screen, &self->printed, document);
        if (open && !stands) {
            put_waiting(self, text_at(document, "text"));
        }
    }
    if (has_ended) {
        *ret_exit = ended(self, document);
    } else if (stands) {
        *ret_exit = interrupted(self, document);
    }
    json_decref(document);
    return has_ended || stands;
}

static enum control_exit follow(const struct cli_call *call, const char *id)
{
    enum control_exit exit_status = CONTROL_DONE;
    struct follow self = { .call = call,
                           .heard = ts_time_now(),
                           .screen = screen_of(stdout) };
    self.config = cli_config(call, &exit_status);
    if (self.config == NULL) {
        return exit_status;
    }
    while (!over(&self, id, &exit_status)) {
        (void) poll(NULL, 0, LOOK_MS);
    }
    control_client_close(self.client);
    config_free(self.config);
    return exit_status;
}

/* --- the dry run and the look ------------------------------------------------
 */

static void put_gates(const struct screen *screen, const json_t *gates)
{
    size_t i;
    json_t *gate;
    put_heading(screen, "Gates");
    json_array_foreach(gates, i, gate)
    {
        char text[700];
        bool ok = flag_at(gate, "ok");
        (void) fputs("  ", screen->out);
        put_toned(screen, ok ? TONE_GOOD : TONE_BAD, 7, ok ? "open" : "closed");
        put_toned(screen, TONE_PLAIN, 22, text_at(gate, "name"));
        (void) snprintf(text, sizeof text, "%.380s (wanted: %.120s)%s%.180s",
                        text_at(gate, "value"), text_at(gate, "threshold"),
                        ok ? "" : "; ", text_at(gate, "fix"));
        put_wrapped(screen, 31, text);
    }
}

static void put_dry_run(const json_t *result)
{
    struct screen screen = screen_of(stdout);
    size_t i;
    json_t *step;
    put_heading(&screen, "Steps");
    json_array_foreach(json_object_get(result, "steps"), i, step)
    {
        char text[600];
        bool included = flag_at(step, "included");
        (void) fputs("  ", screen.out);
        put_toned(&screen, included ? TONE_STRONG : TONE_FAINT, 11,
                  text_at(step, "step"));
        (void) snprintf(text, sizeof text,
                        "%.120s; waits for %.140s. Shows: %.100s. Undo: "
                        "%.120s%s",
                        text_at(step, "does"), text_at(step, "waits"),
                        text_at(step, "evidence"), text_at(step, "undo"),
                        included ? "" : " (left out by this version)");
        put_wrapped(&screen, 13, text);
    }
    put_gates(&screen, json_object_get(result, "gates"));
    put_heading(&screen, "Difference");
    (void) fputs("  ", screen.out);
    put_wrapped(&screen, 2, text_at(result, "difference"));
}

static enum control_exit dry_run(const struct cli_call *call, json_t *args)
{
    json_t *result = NULL;
    const struct daemon_question question = { .command = "handover",
                                              .args = args };
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        put_dry_run(result);
    }
    json_decref(result);
    return exit_status;
}

static enum control_exit show(const struct cli_call *call)
{
    json_t *result = NULL;
    const struct daemon_question question = { .command = "handover-status",
                                              .wait_ms =
                                                  CONTROL_CLIENT_WAIT_MS };
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        struct screen screen = screen_of(stdout);
        struct printed none = { .count = 0 };
        const char *id = text_at(result, "id");
        if (id[0] == 0) {
            (void) puts("no handover was ever begun");
        } else {
            (void) printf("handover %s from %s to %s: %s%s\n\n", id,
                          text_at(result, "from"), text_at(result, "to"),
                          flag_at(result, "open") ? "open, at step "
                                                  : text_at(result, "outcome"),
                          flag_at(result, "open") ? text_at(result, "step")
                                                  : "");
            put_new_rows(&screen, &none, result);
        }
        if (flag_at(result, "interrupted")) {
            (void) printf("\ninterrupted: %s; use --resume or --abort on the "
                          "node that exports\n",
                          text_at(result, "text"));
        }
    }
    json_decref(result);
    return exit_status;
}

/* --- the command -------------------------------------------------------------
 */

/* "begin", "dry-run", "resume", "abort"; "": none; NULL: they do not fit. */
static const char *order_of(const struct cli_call *call)
{
    bool to = call->options[OPTION_TO] != NULL;
    bool dry = call->options[OPTION_DRY_RUN] != NULL;
    bool resume = call->options[OPTION_RESUME] != NULL;
    bool abort_it = call->options[OPTION_ABORT] != NULL;
    bool more = call->options[OPTION_FROM_DEAD] != NULL ||
                call->options[OPTION_RETIRE] != NULL;
    if (to + resume + abort_it > 1 || (!to && (more || dry))) {
        return NULL;
    }
    return dry        ? "dry-run"
           : to       ? "begin"
           : resume   ? "resume"
           : abort_it ? "abort"
                      : "";
}

static enum control_exit begin(const struct cli_call *call, json_t *args)
{
    json_t *result = NULL;
    char id[64];
    const struct daemon_question question = { .command = "handover",
                                              .args = args,
                                              .silent = true };
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (exit_status != CONTROL_DONE || result == NULL) {
        json_decref(result);
        return exit_status;
    }
    (void) snprintf(id, sizeof id, "%.60s", text_at(result, "id"));
    if (!call->json) {
        (void) printf("handover %s from %s to %s\n\n", id,
                      text_at(result, "from"), text_at(result, "to"));
    }
    json_decref(result);
    return follow(call, id);
}

static enum control_exit run(const struct cli_call *call)
{
    const char *order = order_of(call);
    struct ts_err err;
    if (order == NULL) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot hand over: give one of --to NODE, --resume and "
                        "--abort; --dry-run, --from-dead and --retire go with "
                        "--to");
    }
    if (order[0] == 0) {
        return show(call);
    }
    json_t *args = json_pack(
        "{s:s, s:s, s:b, s:b}", "order", order, "to",
        call->options[OPTION_TO] == NULL ? "" : call->options[OPTION_TO],
        "retire", call->options[OPTION_RETIRE] != NULL, "from_dead",
        call->options[OPTION_FROM_DEAD] != NULL);
    if (operator_sign(args, call->options[OPTION_REASON], &err) != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    return strcmp(order, "dry-run") == 0 ? dry_run(call, args)
                                         : begin(call, args);
}

const struct cli_command command_handover = {
    .name = "handover",
    .words = "",
    .summary = "Move the exports to the other computer, as planned",
    .details =
        "Asked at the node that exports: preflight, drain, lease, reset, "
        "tail,\n"
        "reconcile, retire. Each step is durable on both computers, with its\n"
        "evidence, before the next begins; whatever cuts it off, --resume "
        "goes on\n"
        "and --abort goes back, on the node that exports then. Once the reset "
        "has\n"
        "begun it only goes forward. Without an option: how the last one "
        "stands.\n"
        "\n"
        "--dry-run tries every gate and changes nothing. --from-dead is for "
        "the\n"
        "computer that is left when the other one is lost: it skips drain and "
        "tail,\n"
        "and what was under way there is only found by the full reading.\n",
    .examples =
        "  twinsync handover --to beta --dry-run\n"
        "  twinsync handover --to beta --reason \"new hardware\"\n"
        "  twinsync handover --resume\n"
        "  twinsync handover --to beta --from-dead --retire   on beta\n",
    .options = { [OPTION_TO] = { "to", "NODE", "who is to export" },
                 [OPTION_DRY_RUN] = { "dry-run", NULL,
                                      "try every gate, change nothing" },
                 [OPTION_RESUME] = { "resume", NULL,
                                     "go on with the one that was cut off" },
                 [OPTION_ABORT] = { "abort", NULL,
                                    "go back, as long as nothing was reset" },
                 [OPTION_FROM_DEAD] = { "from-dead", NULL,
                                        "the other computer is lost" },
                 [OPTION_RETIRE] = { "retire", NULL,
                                     "take the old computer out at the end" },
                 [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
