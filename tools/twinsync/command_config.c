/* config: is the file right, what does it mean, and what may stand in it. Needs
 * no daemon. */
#include <string.h>

#include "node/config/describe.h"
#include "node/config/loader.h"
#include "node/config/print.h"
#include "tools/twinsync/commands.h"

/* Load, for show and check; `problems` holds what is wrong. */
static struct config *load(const struct cli_call *call,
                           struct config_problems *problems)
{
    struct config *config = NULL;
    return config_load(call->config_path, &config, problems, NULL) == TS_OK
               ? config
               : NULL;
}

/* ---- check -------------------------------------------------------------- */

/* A single problem is the sentence on standard error; of several, that is their
 * number, and they are listed. */
static enum control_exit say_wrong(const struct cli_call *call,
                                   const struct config_problems *problems)
{
    struct cli_call plain = *call; /* our document is richer than cli_fail's */
    plain.json = false;
    json_t *list = json_array();
    for (size_t i = 0; i < problems->count; i++) {
        (void) json_array_append_new(list,
                                     json_string(problems->items[i].text));
    }
    if (call->json) {
        json_t *document = json_pack(
            "{s:i, s:s, s:b, s:O}", "exit", (int) CONTROL_USAGE, "error",
            problems->items[0].text, "valid", 0, "problems", list);
        cli_print_json(document);
        json_decref(document);
    } else if (problems->count > 1) {
        for (size_t i = 0; i < problems->count; i++) {
            (void) puts(problems->items[i].text);
        }
    }
    json_decref(list);
    if (problems->count == 1) {
        return cli_fail(&plain, CONTROL_USAGE, "%s", problems->items[0].text);
    }
    return cli_fail(&plain, CONTROL_USAGE, "%s has %zu problems%s",
                    call->config_path, problems->count,
                    problems->count == CONFIG_PROBLEMS_MAX ? " or more" : "");
}

static enum control_exit say_right(const struct cli_call *call,
                                   const struct config *config)
{
    struct ts_hash hash;
    struct ts_err err;
    char text[TS_HASH_TEXT_SIZE];
    if (config_fingerprint(config, &hash, &err) != TS_OK) {
        return cli_fail_err(call, &err);
    }
    ts_hash_text(hash, text);
    if (call->json) {
        json_t *document = json_pack(
            "{s:b, s:[], s:s, s:s, s:s}", "valid", 1, "problems", "cluster",
            config->cluster, "node", config->this_node, "fingerprint", text);
        cli_print_json(document);
        json_decref(document);
        return CONTROL_DONE;
    }
    (void) printf("%s is right: cluster %s, node %s, %u source%s, %u rule%s\n",
                  call->config_path, config->cluster, config->this_node,
                  config->sources_count, config->sources_count == 1 ? "" : "s",
                  config->rules_count, config->rules_count == 1 ? "" : "s");
    return CONTROL_DONE;
}

static enum control_exit check(const struct cli_call *call)
{
    struct config_problems problems;
    struct config *config = load(call, &problems);
    enum control_exit exit_status =
        config == NULL ? say_wrong(call, &problems) : say_right(call, config);
    config_free(config);
    return exit_status;
}

/* ---- show, schema, man -------------------------------------------------- */

static enum control_exit print_document(const struct cli_call *call,
                                        json_t *document)
{
    if (document == NULL) {
        return cli_fail(call, CONTROL_FAILED,
                        "could not print the configuration: out of memory");
    }
    cli_print_json(document);
    json_decref(document);
    return CONTROL_DONE;
}

static enum control_exit show(const struct cli_call *call)
{
    enum control_exit exit_status = CONTROL_DONE;
    struct ts_err err;
    struct config *config = cli_config(call, &exit_status);
    if (config == NULL) {
        return exit_status;
    }
    if (call->json) {
        exit_status = print_document(call, config_json(config));
    } else if (config_print(config, stdout, &err) != TS_OK) {
        exit_status = cli_fail_err(call, &err);
    }
    config_free(config);
    return exit_status;
}

static enum control_exit schema(const struct cli_call *call)
{
    return print_document(call, config_schema());
}

static enum control_exit man(const struct cli_call *call)
{
    if (call->json) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot print a manual as JSON: use config schema");
    }
    config_manual(stdout);
    return CONTROL_DONE;
}

static enum control_exit run(const struct cli_call *call)
{
    static const struct {
        const char *word;
        enum control_exit (*run)(const struct cli_call *call);
    } words[] = { { "check", check }, { "show", show }, { "schema", schema } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(call->words[0], words[i].word) == 0) {
            return words[i].run(call);
        }
    }
    return man(call);
}

const struct cli_command command_config = {
    .name = "config",
    .words = "check|show|schema|man",
    .summary = "Validate the configuration, print it, or say what it may hold",
    .details =
        "check reads the file, and the secrets and certificates that it\n"
        "names, and says of all that is wrong where it stands and what to\n"
        "do. Whether servers can be reached says twinsync check; whether\n"
        "expressions do what they should, twinsync rules test.\n"
        "show prints the configuration with every default, as YAML that\n"
        "loads to the same; secrets are named, never printed. schema prints\n"
        "a JSON Schema, for editors. man prints the options in mdoc, for\n"
        "twinsync.yaml(5).\n",
    .examples =
        "  twinsync -c new.yaml config check   before it is put in place\n"
        "  twinsync config show                what is in force, defaults too\n"
        "  twinsync config schema >twinsync.schema.json\n",
    .words_min = 1,
    .words_max = 1,
    .words_are_fixed = true,
    .run = run,
};
