#include <poll.h>

#include "node/config/loader.h"
#include "node/metaverse/local.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/events_view.h"

enum {
    OPTION_FOLLOW,
    OPTION_LIMIT,
    FOLLOW_MS = 500,
    FOLLOW_LIMIT = 1000
};

/* One request for events after `after`; NULL when it failed, and was said. */
static json_t *fetch(const struct cli_call *call, struct control_client *client,
                     json_t *args, enum control_exit *ret_exit)
{
    const struct control_call question = { .command = "events",
                                           .args = args,
                                           .wait_ms = CONTROL_CLIENT_WAIT_MS };
    struct control_answer answer;
    struct ts_err err;
    enum ts_code code = control_client_call(client, &question, &answer, &err);
    json_decref(args);
    if (code != TS_OK) {
        *ret_exit = cli_fail_err(call, &err);
        return NULL;
    }
    json_t *result = NULL;
    if (answer.error != NULL) {
        *ret_exit = cli_fail(call, answer.exit_status, "%s", answer.error);
    } else {
        result = json_incref(answer.result);
    }
    control_answer_done(&answer);
    return result;
}

/* The seq of the newest of `events`; `before` when there are none. */
static json_int_t newest(const json_t *events, json_int_t before)
{
    size_t count = json_array_size(events);
    return count == 0 ? before
                      : count_at(json_array_get(events, count - 1), "seq");
}

/* One document a line, so that a pipe can take them as they come. */
static void print_lines(const json_t *events)
{
    size_t index;
    const json_t *item;
    json_array_foreach(events, index, item)
    {
        (void) json_dumpf(item, stdout, JSON_COMPACT);
        (void) putchar('\n');
    }
}

static enum control_exit follow(const struct cli_call *call, int64_t limit)
{
    enum control_exit exit_status = CONTROL_DONE;
    struct control_client *client = daemon_connect(call, &exit_status);
    if (client == NULL) {
        return exit_status;
    }
    struct screen screen = screen_of(stdout);
    json_t *args =
        json_pack("{s:n, s:I}", "after", "limit", (json_int_t) limit);
    json_int_t after = 0;
    for (;;) {
        json_t *result = fetch(call, client, args, &exit_status);
        if (result == NULL) {
            break;
        }
        const json_t *events = json_object_get(result, "events");
        if (call->json) {
            print_lines(events);
        } else {
            events_view(&screen, events, false);
        }
        after = newest(events, after);
        args = json_pack("{s:I, s:i}", "after", after, "limit", FOLLOW_LIMIT);
        json_decref(result);
        if (fflush(stdout) != 0) { // whoever read them has gone
            json_decref(args);
            break;
        }
        (void) poll(NULL, 0, FOLLOW_MS);
    }
    control_client_close(client);
    return exit_status;
}

static enum control_exit list(const struct cli_call *call, int64_t limit)
{
    const struct daemon_question question = {
        .command = "events",
        .args = json_pack("{s:n, s:I}", "after", "limit", (json_int_t) limit),
        .wait_ms = CONTROL_CLIENT_WAIT_MS,
    };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        struct screen screen = screen_of(stdout);
        events_view(&screen, json_object_get(result, "events"), false);
        json_decref(result);
    }
    return exit_status;
}

static void print_verdict(const json_t *result)
{
    struct screen screen = screen_of(stdout);
    bool verified = flag_at(result, "verified");
    char text[TEXT_SIZE];
    put_toned(&screen, verified ? TONE_GOOD : TONE_BAD, 0,
              mark(&screen, verified ? "✓" : "✗", verified ? "+" : "x"));
    (void) printf(" %s events: ", count_text(text, count_at(result, "count")));
    if (verified) {
        (void) printf("the chain is whole, its head is %s\n",
                      text_at(result, "head"));
        return;
    }
    const json_t *bad = json_object_get(result, "bad");
    (void) printf("the chain is broken at event %lld: ",
                  (long long) count_at(bad, "seq"));
    put_wrapped(&screen, 2, text_at(bad, "why"));
}

/* The daemon's document, made here: a log must be verifiable also when the
 * daemon is what one has doubts about. */
static json_t *verify_file(const char *state_directory, struct ts_err *err)
{
    struct events_verdict verdict;
    if (local_verify_events(state_directory, &verdict, err) != TS_OK) {
        return NULL;
    }
    char head[TS_HASH_TEXT_SIZE];
    ts_hash_text(verdict.head.hash, head);
    json_t *bad = verdict.verified ? json_null()
                                   : json_pack("{s:I, s:s}", "seq",
                                               (json_int_t) verdict.bad_seq,
                                               "why", verdict.why);
    return json_pack("{s:b, s:I, s:s, s:o}", "verified", (int) verdict.verified,
                     "count", (json_int_t) verdict.count, "head", head, "bad",
                     bad);
}

/* Is a daemon there to ask? One that refuses us is, too. */
static bool has_daemon(const struct config *config)
{
    struct control_client *client = NULL;
    enum ts_code code =
        control_client_open(config->state_directory, &client, NULL);
    control_client_close(client);
    return code != TS_E_UNREACHABLE;
}

static enum control_exit verify_here(const struct cli_call *call,
                                     const struct config *config)
{
    struct ts_err err;
    json_t *result = verify_file(config->state_directory, &err);
    if (result == NULL) {
        return cli_fail_err(call, &err);
    }
    if (call->json) {
        cli_print_json(result);
    } else {
        print_verdict(result);
    }
    bool verified = flag_at(result, "verified");
    json_decref(result);
    return verified ? CONTROL_DONE : CONTROL_FAILED;
}

static enum control_exit verify(const struct cli_call *call)
{
    enum control_exit exit_status = CONTROL_DONE;
    struct config *config = cli_config(call, &exit_status);
    if (config == NULL) {
        return exit_status;
    }
    if (!has_daemon(config)) {
        exit_status = verify_here(call, config);
        config_free(config);
        return exit_status;
    }
    config_free(config);
    const struct daemon_question question = { .command = "events-verify" };
    json_t *result = NULL;
    exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        print_verdict(result);
        json_decref(result);
    }
    return exit_status;
}

static enum control_exit run(const struct cli_call *call)
{
    bool follows = call->options[OPTION_FOLLOW] != NULL;
    int64_t limit = 50;
    struct ts_err err;
    if (call->options[OPTION_LIMIT] != NULL &&
        cli_number(call->options[OPTION_LIMIT], "--limit", 1, 1000, &limit,
                   &err) != TS_OK) {
        return cli_fail_err(call, &err);
    }
    if (call->word_count == 0) {
        return follows ? follow(call, limit) : list(call, limit);
    }
    if (follows) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot verify and follow events at once: leave out "
                        "--follow");
    }
    return verify(call);
}

const struct cli_command command_events = {
    .name = "events",
    .words = "verify",
    .summary = "Print the log of events, follow it, or verify its chain",
    .details =
        "Each event holds a hash over the one before it, so that none can be\n"
        "altered or removed unseen: verify recomputes them all, also while no\n"
        "daemon runs. With --json, --follow prints one document a line.\n",
    .examples = "  twinsync events                  the last 50\n"
                "  twinsync events --follow         and those to come\n"
                "  twinsync events verify           is the log whole?\n",
    .words_max = 1,
    .words_are_fixed = true,
    .options = { [OPTION_FOLLOW] = { "follow", NULL,
                                     "go on printing as they come" },
                 [OPTION_LIMIT] = { "limit", "N",
                                    "how many to begin with (default 50)" } },
    .run = run,
};
