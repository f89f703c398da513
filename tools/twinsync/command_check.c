#include <string.h>

#include "node/config/loader.h"
#include "node/control/client.h"
#include "node/register/configured.h"
#include "node/source/source.h"
#include "node/target/principal.h"
#include "node/vault/keeper.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/output.h"

#define FINDINGS_SIZE_MAX ((size_t) 1024 * 1024)

/* What source and target findings have in common. */
struct finding {
    const char *name;
    bool ok;
    const char *value, *fix;
};

struct report {
    const struct cli_call *call;
    struct screen screen;
    const struct ts_secret_keeper *secrets;
    json_t *parts; /* for --json */
    size_t failed;
    bool unreachable; /* something that is not ok is "reachable" */
};

/* --- saying ------------------------------------------------------------- */

static json_t *begin_part(struct report *report, const char *part,
                          const char *name)
{
    json_t *findings = json_array();
    (void) json_array_append_new(report->parts,
                                 json_pack("{s:s, s:s, s:o}", "part", part,
                                           "name", name, "findings", findings));
    if (!report->call->json) {
        char title[160];
        (void) snprintf(title, sizeof title, "%s %.100s", part, name);
        put_toned(&report->screen, TONE_STRONG, 0, title);
        (void) putchar('\n');
    }
    return findings;
}

static void put_finding(const struct screen *screen,
                        const struct finding *finding)
{
    enum tone tone = finding->ok ? TONE_GOOD : TONE_BAD;
    (void) fputs("  ", screen->out);
    put_toned(screen, tone, 0,
              finding->ok ? mark(screen, "✓", "+") : mark(screen, "✗", "x"));
    (void) putc(' ', screen->out);
    put_toned(screen, finding->ok ? TONE_PLAIN : TONE_BAD, 16, finding->name);
    put_wrapped(screen, 20, finding->value == NULL ? "" : finding->value);
    if (finding->fix != NULL) {
        (void) fprintf(screen->out, "%20s", "");
        put_toned(screen, TONE_STRONG, 0, mark(screen, "→ ", "> "));
        put_wrapped(screen, 22, finding->fix);
    }
}

static void add_finding(struct report *report, json_t *findings,
                        const struct finding *finding)
{
    (void) json_array_append_new(
        findings, json_pack("{s:s, s:b, s:s?, s:s?}", "name", finding->name,
                            "ok", (int) finding->ok, "value", finding->value,
                            "fix", finding->fix));
    report->failed += !finding->ok;
    report->unreachable =
        report->unreachable ||
        (!finding->ok && strcmp(finding->name, "reachable") == 0);
    if (!report->call->json) {
        put_finding(&report->screen, finding);
    }
}

/* --- asking ------------------------------------------------------------- */

static void check_source(struct report *report,
                         const struct config_source *config)
{
    json_t *findings = begin_part(report, "source", config->name);
    const struct source_options options = { .config = config,
                                            .secrets = report->secrets };
    struct source *source = NULL;
    struct ts_err err;
    if (source_open(&options, &source, &err) != TS_OK) {
        add_finding(
            report, findings,
            &(struct finding){ "configuration", false, err.text, NULL });
        return;
    }
    struct ts_arena arena;
    ts_arena_init(&arena, FINDINGS_SIZE_MAX);
    struct source_finding found[SOURCE_FINDINGS_MAX];
    size_t count = source_check(source, &arena, found);
    for (size_t i = 0; i < count; i++) {
        add_finding(report, findings,
                    &(struct finding){ found[i].name, found[i].ok,
                                       found[i].value, found[i].fix });
    }
    ts_arena_done(&arena);
    source_close(source);
}

/* check writes nothing: the gate is shut. */
static bool never(void *context, struct ts_time deadline)
{
    (void) context;
    (void) deadline;
    return false;
}

static void check_target(struct report *report, const struct config *config)
{
    json_t *findings = begin_part(report, "target", config->target.url);
    const struct target_options options = {
        .config = &config->target,
        .gate = { .may_export = never },
        .cluster = config->cluster,
        .node = config->this_node,
        .boot_id = "check",
        .secrets = report->secrets,
    };
    struct target *target = NULL;
    struct ts_err err;
    if (target_open(&options, &target, &err) != TS_OK) {
        add_finding(
            report, findings,
            &(struct finding){ "configuration", false, err.text, NULL });
        return;
    }
    struct ts_arena arena;
    ts_arena_init(&arena, FINDINGS_SIZE_MAX);
    struct target_finding found[TARGET_FINDINGS_MAX];
    size_t count = target_check(target, &arena, found);
    for (size_t i = 0; i < count; i++) {
        add_finding(report, findings,
                    &(struct finding){ found[i].name, found[i].ok,
                                       found[i].value, found[i].fix });
    }
    ts_arena_done(&arena);
    target_close(target);
}

/* Of interest to a pair, and to who has said how to fence. */
static void check_fence(struct report *report, const struct config *config)
{
    static const char *const words[] = { [CONFIG_FENCE_NONE] = "none",
                                         [CONFIG_FENCE_REGISTRATION] =
                                             "registration",
                                         [CONFIG_FENCE_EXEC] = "exec" };
    if (config->nodes_count < 2 && config->target.fence == CONFIG_FENCE_NONE) {
        return;
    }
    json_t *findings = begin_part(report, "fence", words[config->target.fence]);
    struct ts_arena arena;
    ts_arena_init(&arena, FINDINGS_SIZE_MAX);
    struct target_finding found[2];
    size_t count =
        principal_check(&config->target, report->secrets, &arena, found);
    for (size_t i = 0; i < count; i++) {
        add_finding(report, findings,
                    &(struct finding){ found[i].name, found[i].ok,
                                       found[i].value, found[i].fix });
    }
    ts_arena_done(&arena);
}

/* Of a pair: it is read, and asked whether it could be written. */
static void check_register(struct report *report, const struct config *config)
{
    struct register_configured configured;
    struct register_client *client = NULL;
    struct ts_err err;
    enum ts_code code =
        register_options_of(config, report->secrets, &configured, &err);
    json_t *findings = begin_part(report, "register",
                                  register_kind_text(configured.options.kind));
    if (code == TS_OK) {
        code = register_open(&configured.options, &client, &err);
    }
    if (code != TS_OK) {
        add_finding(
            report, findings,
            &(struct finding){ "configuration", false, err.text, NULL });
    } else {
        struct ts_arena arena;
        struct register_finding found[REGISTER_FINDINGS_MAX];
        ts_arena_init(&arena, FINDINGS_SIZE_MAX);
        size_t count = register_check(client, &arena, found);
        for (size_t i = 0; i < count; i++) {
            add_finding(report, findings,
                        &(struct finding){ found[i].name, found[i].ok,
                                           found[i].value, found[i].fix });
        }
        ts_arena_done(&arena);
        register_close(client);
    }
    register_configured_done(&configured);
}

/* Whether a daemon runs is worth knowing, and nothing that must be so. */
static void check_daemon(struct report *report, const struct config *config)
{
    json_t *findings = begin_part(report, "daemon", config->state_directory);
    struct control_client *client = NULL;
    enum ts_code code =
        control_client_open(config->state_directory, &client, NULL);
    control_client_close(client);
    add_finding(report, findings,
                &(struct finding){ "running", true,
                                   code == TS_OK ? "yes" : "no", NULL });
}

static enum control_exit run(const struct cli_call *call)
{
    enum control_exit exit_status = CONTROL_DONE;
    struct config *config = cli_config(call, &exit_status);
    if (config == NULL) {
        return exit_status;
    }
    struct keeper *keeper = NULL;
    struct ts_err err;
    if (keeper_new(config, &keeper, &err) != TS_OK) {
        config_free(config);
        return cli_fail_err(call, &err);
    }
    struct report report = { .call = call,
                             .secrets = keeper_port(keeper),
                             .screen = screen_of(stdout),
                             .parts = json_array() };
    for (uint32_t i = 0; i < config->sources_count; i++) {
        check_source(&report, &config->sources[i]);
    }
    check_target(&report, config);
    check_fence(&report, config);
    if (config->reg != NULL) {
        check_register(&report, config);
    }
    check_daemon(&report, config);
    keeper_free(keeper);
    config_free(config);

    if (call->json) {
        json_t *document = json_pack("{s:b, s:O}", "ready", report.failed == 0,
                                     "parts", report.parts);
        cli_print_json(document);
        json_decref(document);
    } else {
        put_toned(&report.screen, report.failed == 0 ? TONE_GOOD : TONE_BAD, 0,
                  report.failed == 0 ? "ready" : "not ready");
        (void) putchar('\n');
    }
    json_decref(report.parts);
    if (report.unreachable) {
        return CONTROL_UNREACHABLE;
    }
    return report.failed == 0 ? CONTROL_DONE : CONTROL_FAILED;
}

const struct cli_command command_check = {
    .name = "check",
    .words = "",
    .summary = "Ask whether all that source, target and register need is there",
    .details =
        "Reachability, certificates, credentials, rights and versions, each "
        "with\n"
        "what to do when it is not well. Needs no daemon and writes nothing.\n"
        "Exit status 0 ready, 1 not ready, 4 something is not reachable.\n",
    .examples =
        "  twinsync check                    before the first start\n"
        "  twinsync -c draft.yaml check      try another configuration\n",
    .run = run,
};
