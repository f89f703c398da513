#include <string.h>

#include "node/base/time.h"
#include "tools/twinsync/bar.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/reconcile_view.h"

enum {
    OPTION_FULL,
    OPTION_WAIT,
    OPTION_ACCEPT_MISSING,
    OPTION_APPROVE_FIRST,
    OPTION_PLAN,
    OPTION_REASON
};

static void on_progress(void *context, const struct control_progress *progress)
{
    bar_update(context, progress->phase, (int64_t) progress->done,
               (int64_t) progress->total, ts_time_now());
}

static void on_answer(void *context)
{
    bar_done(context);
}

static void print_cycle(const json_t *result, bool waited)
{
    struct screen screen = screen_of(stdout);
    const json_t *cycle = json_object_get(result, "cycle");
    char text[TEXT_SIZE];
    (void) printf("cycle #%lld (%s)", (long long) count_at(cycle, "id"),
                  text_at(cycle, "kind"));
    if (!waited) {
        (void) puts(" was started: twinsync status tells how it goes");
        return;
    }
    (void) fputs(": ", stdout);
    const char *outcome = text_at(cycle, "result");
    put_toned(&screen, strcmp(outcome, "success") == 0 ? TONE_GOOD : TONE_WARN,
              0, outcome);
    (void) printf(" after %s", span_text(text, count_at(cycle, "duration_ms")));
    const json_t *exports = json_object_get(cycle, "exports");
    if (json_is_object(exports)) {
        (void) printf(": %lld created, %lld updated, %lld deleted",
                      (long long) count_at(exports, "create"),
                      (long long) count_at(exports, "update"),
                      (long long) count_at(exports, "delete"));
    }
    (void) putchar('\n');
}

/* What became of a plan; nothing without one. */
static void print_plan(const json_t *plan)
{
    struct screen screen = screen_of(stdout);
    char text[TEXT_SIZE];
    size_t index;
    const json_t *object;
    if (!json_is_object(plan)) {
        return;
    }
    (void) printf("plan %.12s: %s performed", text_at(plan, "hash"),
                  count_text(text, count_at(plan, "performed")));
    if (count_at(plan, "dropped") > 0) {
        (void) printf(", %s dropped: changed since, or no longer needed",
                      count_text(text, count_at(plan, "dropped")));
    }
    if (count_at(plan, "left") > 0) {
        (void) printf(
            flag_at(plan, "done")
                ? ", %s could not be: see twinsync errors and hold list"
                : ", %s still to be: the next cycle goes on",
            count_text(text, count_at(plan, "left")));
    }
    (void) putchar('\n');
    json_array_foreach(json_object_get(plan, "dropped_objects"), index, object)
    {
        (void) fputs("  dropped: ", stdout);
        put_text(&screen, text_at(object, "verb"));
        (void) putchar(' ');
        put_text(&screen, text_at(object, "kind"));
        (void) putchar(' ');
        put_toned(&screen, TONE_STRONG, 0, text_at(object, "name"));
        (void) putchar('\n');
    }
}

/* Owns: a new reference. */
static json_t *args_of(const struct cli_call *call, bool wait)
{
    json_t *args = json_pack("{s:b, s:b}", "full",
                             call->options[OPTION_FULL] != NULL, "wait", wait);
    if (call->options[OPTION_ACCEPT_MISSING] != NULL) {
        (void) json_object_set_new(args, "accept_missing", json_true());
    }
    if (call->options[OPTION_APPROVE_FIRST] != NULL) {
        (void) json_object_set_new(args, "approve_first", json_true());
    }
    if (call->options[OPTION_PLAN] != NULL) {
        (void) json_object_set_new(args, "plan",
                                   json_string(call->options[OPTION_PLAN]));
    }
    return args;
}

static enum control_exit run(const struct cli_call *call)
{
    bool plan = call->options[OPTION_PLAN] != NULL;
    bool wait = plan || call->options[OPTION_WAIT] != NULL;
    struct ts_err err;
    json_t *args = args_of(call, wait);
    if (plan &&
        operator_sign(args, call->options[OPTION_REASON], &err) != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    struct bar bar;
    bar_init(&bar);
    const struct daemon_question question = {
        .command = "sync",
        .args = args,
        .wait_ms = wait ? 0 : CONTROL_CLIENT_WAIT_MS,
        .progress = call->json ? NULL : on_progress,
        .context = &bar,
        .answered = on_answer,
    };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        print_cycle(result, wait);
        print_plan(json_object_get(result, "plan"));
        reconcile_print(json_object_get(result, "reconcile"));
        json_decref(result);
    }
    return exit_status;
}

const struct cli_command command_sync = {
    .name = "sync",
    .words = "",
    .summary = "Start a cycle now",
    .details =
        "Imports what changed at the source, and brings the target into step.\n"
        "While a cycle runs, the next one is started after it. When a source "
        "shows\n"
        "far fewer objects than before, that is taken for a fault and nothing "
        "is\n"
        "deleted; --accept-missing says, for this cycle, that it is true.\n"
        "\n"
        "--full reads source and target to their end, compares both with the\n"
        "ledger and puts right what differs, in passes until one finds "
        "nothing;\n"
        "after five it gives up, names what differs still, and exits with 1.\n"
        "\n"
        "A store that never exported, or whose rules or scope changed, writes "
        "only\n"
        "what twinsync preview showed: --plan names it, waits, and writes "
        "exactly\n"
        "that, without what the state no longer demands.\n",
    .examples =
        "  twinsync sync                  start one, do not wait for it\n"
        "  twinsync sync --wait           and show how far it is, until its "
        "end\n"
        "  twinsync sync --full --wait    reconcile: read everything\n"
        "  twinsync sync --plan HASH      write what that preview showed\n",
    .options = { [OPTION_FULL] = { "full", NULL,
                                   "reconcile: read everything on both sides" },
                 [OPTION_WAIT] = { "wait", NULL,
                                   "show progress and wait for the end" },
                 [OPTION_ACCEPT_MISSING] = { "accept-missing", NULL,
                                             "objects are really gone" },
                 [OPTION_APPROVE_FIRST] = { "approve-first", NULL,
                                            "write a first plan unseen" },
                 [OPTION_PLAN] = { "plan", "HASH",
                                   "write what a preview showed, only that" },
                 [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run,
};
