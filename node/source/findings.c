#include "node/source/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *source_keep(struct source_findings *findings, const char *fmt, ...)
{
    char text[600];
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct ts_slice copy = ts_arena_copy(findings->arena, ts_slice_str(text));
    return copy.data == NULL ? "" : (const char *) copy.data;
}

void source_good(struct source_findings *findings, const char *name,
                 const char *value)
{
    if (findings->count < SOURCE_FINDINGS_MAX) {
        findings->items[findings->count++] =
            (struct source_finding){ .name = name, .ok = true, .value = value };
    }
}

void source_bad(struct source_findings *findings, const char *name,
                const char *value, const char *fix)
{
    if (findings->count < SOURCE_FINDINGS_MAX) {
        findings->items[findings->count++] = (struct source_finding){
            .name = name, .ok = false, .value = value, .fix = fix
        };
    }
}

/* --- what could not be connected
 * ------------------------------------------------
 */

void source_explain_connect(struct source_findings *findings,
                            const struct config_source *config,
                            const struct ts_err *why)
{
    const char *text = source_keep(findings, "%s", why->text);
    bool tls = strstr(why->text, "cannot trust") != NULL ||
               strstr(why->text, "TLS") != NULL;
    if (tls) {
        source_bad(findings, "tls", text,
                   source_keep(findings,
                               "set tls.ca_file of source \"%s\" to the "
                               "CA that signed the server's certificate, and "
                               "write the uri with a name in that certificate",
                               config->name));
    } else if (why->code == TS_E_AUTH) {
        source_bad(
            findings, "bind", text,
            config->bind.method == CONFIG_BIND_EXTERNAL
                ? "see that the server maps the client certificate (or the "
                  "peer user of ldapi) to the account"
                : "see bind.dn and the password in bind.password_file");
    } else if (why->code == TS_E_UNREACHABLE || why->code == TS_E_TIMEOUT) {
        source_bad(findings, "reachable", text,
                   "see that the server runs and that no firewall is between");
    } else {
        source_bad(findings, "configuration", text,
                   "correct the configuration");
    }
}
