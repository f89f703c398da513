#include "tools/twinsync/commands.h"
#include "tools/twinsync/hold_hash.h"
#include "tools/twinsync/hold_view.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_ONLY,
    OPTION_REASON
};

/* --only as a list; NULL when one of them is no UTF-8. */
static json_t *only_of(const struct cli_call *call)
{
    json_t *only = call->list_count > 0 ? json_array() : json_null();
    for (int i = 0; i < call->list_count; i++) {
        if (json_array_append_new(only, json_string(call->list[i])) != 0) {
            json_decref(only);
            return NULL;
        }
    }
    return only;
}

static enum control_exit ask(const struct cli_call *call, const char *command,
                             void (*print)(const json_t *result))
{
    char hash[HOLD_HASH_SIZE];
    enum control_exit exit_status = hold_hash_find(call, call->words[0], hash);
    if (exit_status != CONTROL_DONE) {
        return exit_status;
    }
    json_t *result = NULL;
    exit_status = operator_ask(
        call, command,
        json_pack("{s:s, s:o}", "hash", hash, "only", only_of(call)),
        call->options[OPTION_REASON], &result);
    if (result != NULL) {
        print(result);
    }
    json_decref(result);
    return exit_status;
}

static void print_count(const char *before, int64_t count, const char *after)
{
    char text[TEXT_SIZE];
    if (count > 0) {
        (void) printf("%s%s%s", before, count_text(text, count), after);
    }
}

static void print_approved(const json_t *result)
{
    char text[TEXT_SIZE];
    (void) printf("%s: %s released", hold_class_text(text_at(result, "class")),
                  count_text(text, count_at(result, "released")));
    print_count(", ", count_at(result, "dropped"), " no longer due");
    print_count(", ", count_at(result, "left"), " still held");
    (void) puts("\nthe next cycle writes what is released: twinsync sync "
                "--wait runs it now");
}

static void print_rejected(const json_t *result)
{
    char text[TEXT_SIZE];
    int64_t kept = count_at(result, "kept");
    (void) printf(kept == 1
                      ? "%s object stays at the target and is no longer ours"
                      : "%s objects stay at the target and are no longer ours",
                  count_text(text, kept));
    print_count(", ", count_at(result, "left"), " still held");
    (void) putchar('\n');
}

static enum control_exit run_approve(const struct cli_call *call)
{
    return ask(call, "approve", print_approved);
}

static enum control_exit run_reject(const struct cli_call *call)
{
    return ask(call, "reject", print_rejected);
}

const struct cli_command command_approve = {
    .name = "approve",
    .words = "HASH",
    .summary = "Release what is held, exactly as it was listed",
    .details =
        "HASH names a list that twinsync hold list showed (its first 8 digits\n"
        "or more will do), so nothing that came later is released with it. "
        "What is\n"
        "no longer due is dropped. The approval is recorded with your name and "
        "the\n"
        "reason, and expires after 24 hours. Orphans, objects that no source "
        "has\n"
        "ever shown, have to be named one by one with --only.\n",
    .examples =
        "  twinsync approve 9b1f03ac --reason \"the Bonn office closed\"\n"
        "  twinsync approve 9b1f03ac --only 3f0c6a52-7d2e-4f6e-9a57-0c1d2e3f\n",
    .words_min = 1,
    .words_max = 1,
    .options = { [OPTION_ONLY] = { "only", "OBJECT ...",
                                   "only these: anchors or target ids" },
                 [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run_approve,
};

const struct cli_command command_reject = {
    .name = "reject",
    .words = "HASH",
    .summary = "Keep the objects of a hold at the target, and disown them",
    .details =
        "The listed objects stay at the target as they are, and are forgotten "
        "here:\n"
        "they are neither updated nor deleted any more. HASH is as for "
        "approve.\n"
        "Recorded with your name and the reason.\n",
    .examples =
        "  twinsync reject 9b1f03ac --reason \"they belong to the other "
        "system\"\n"
        "  twinsync reject 9b1f03ac --only 2819c223 902c2460\n",
    .words_min = 1,
    .words_max = 1,
    .options = { [OPTION_ONLY] = { "only", "OBJECT ...",
                                   "only these: anchors or target ids" },
                 [OPTION_REASON] = OPERATOR_REASON_OPTION },
    .run = run_reject,
};
