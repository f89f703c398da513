/* What every command says the same way: errors, documents, configuration. */
#include <stdarg.h>
#include <string.h>

#include "node/config/loader.h"
#include "tools/twinsync/command.h"
#include "tools/twinsync/output.h"

void cli_print_json(const json_t *document)
{
    (void) json_dumpf(document, stdout, JSON_INDENT(2));
    (void) putc('\n', stdout);
}

enum control_exit cli_fail(const struct cli_call *call,
                           enum control_exit exit_status, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    if (call->json) {
        json_t *document =
            json_pack("{s:i, s:s}", "exit", (int) exit_status, "error", text);
        if (document == NULL) { // words that are not UTF-8
            document = json_pack("{s:i, s:s}", "exit", (int) exit_status,
                                 "error", "failed: see standard error");
        }
        cli_print_json(document);
        json_decref(document);
    }
    struct screen screen = screen_of(stderr);
    put_toned(&screen, TONE_BAD, 0, "twinsync:");
    (void) putc(' ', stderr);
    put_text(&screen, text);
    (void) putc('\n', stderr);
    return exit_status;
}

enum control_exit cli_fail_err(const struct cli_call *call,
                               const struct ts_err *err)
{
    return cli_fail(call, control_exit_of(err->code), "%s", err->text);
}

struct config *cli_config(const struct cli_call *call,
                          enum control_exit *ret_exit)
{
    struct config *config = NULL;
    struct ts_err err;
    if (config_load(call->config_path, &config, NULL, &err) != TS_OK) {
        *ret_exit = cli_fail(call, CONTROL_USAGE, "%s", err.text);
        return NULL;
    }
    return config;
}
