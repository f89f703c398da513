#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/ldap/dn.h"
#include "node/source/contentsync.h"

/* The findings so far, and where their texts live. */
struct findings {
    struct source_finding *items;
    size_t count;
    struct ts_arena *arena;
};

TS_PRINTF(2, 3)
static const char *keep(struct findings *findings, const char *fmt, ...)
{
    char text[600];
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct ts_slice copy = ts_arena_copy(findings->arena, ts_slice_str(text));
    return copy.data == NULL ? "" : (const char *) copy.data;
}

static void good(struct findings *findings, const char *name, const char *value)
{
    if (findings->count < SOURCE_FINDINGS_MAX) {
        findings->items[findings->count++] =
            (struct source_finding){ .name = name, .ok = true, .value = value };
    }
}

static void bad(struct findings *findings, const char *name, const char *value,
                const char *fix)
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

static void explain_connect(struct findings *findings,
                            const struct contentsync *sync,
                            const struct ts_err *why)
{
    const char *text = keep(findings, "%s", why->text);
    bool tls = strstr(why->text, "cannot trust") != NULL ||
               strstr(why->text, "TLS") != NULL;
    if (tls) {
        bad(findings, "tls", text,
            keep(findings,
                 "set tls.ca_file of source \"%s\" to the "
                 "CA that signed the server's certificate, and "
                 "write the uri with a name in that certificate",
                 sync->config->name));
    } else if (why->code == TS_E_AUTH) {
        bad(findings, "bind", text,
            sync->config->bind.method == CONFIG_BIND_EXTERNAL
                ? "see that the server maps the client certificate (or the "
                  "peer user of ldapi) to the account"
                : "see bind.dn and the password in bind.password_file");
    } else if (why->code == TS_E_UNREACHABLE || why->code == TS_E_TIMEOUT) {
        bad(findings, "reachable", text,
            "see that the server runs and that no firewall is between");
    } else {
        bad(findings, "configuration", text, "correct the configuration");
    }
}

/* --- what a connected server shows
 * ------------------------------------------------
 */

/* Does the database itself have the overlay? A search that matches nothing, so
 * that only the end of the answer comes. */
static void probe_sync(struct findings *findings, struct contentsync *sync)
{
    struct contentsync_request request;
    struct ts_err err = { .code = TS_OK };
    if (contentsync_encode_request(TS_SLICE_NONE, &request, &err) != TS_OK) {
        bad(findings, "content-sync", keep(findings, "%s", err.text),
            "free some memory");
        return;
    }
    static char oid[] = LDAP_CONTROL_SYNC;
    static const char *const none[] = { LDAP_NO_ATTRS, NULL };
    LDAPControl control = { oid, { request.size, (char *) request.bytes }, 1 };
    LDAPControl *controls[] = { &control, NULL };
    struct ldap_session_search search = { .base = sync->config->base,
                                          .scope = LDAP_SCOPE_SUBTREE,
                                          .filter = "(!(objectClass=*))",
                                          .attributes = none,
                                          .controls = controls };
    int id = 0;
    int result = LDAP_SUCCESS;
    enum ts_code rc = ldap_session_search(sync->session, &search, &id, &err);
    for (bool done = false; rc == TS_OK && !done;) {
        LDAP_AUTOMSG LDAPMessage *message = NULL;
        rc = ldap_session_next(sync->session, id, &message, &err);
        done = rc == TS_OK && ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT;
        if (done) {
            int parsed =
                ldap_parse_result(ldap_session_handle(sync->session), message,
                                  &result, NULL, NULL, NULL, NULL, 0);
            result = parsed != LDAP_SUCCESS ? parsed : result;
        }
    }
    if (rc == TS_OK && result == LDAP_SUCCESS) {
        good(findings, "content-sync", "RFC 4533 by the overlay syncprov");
    } else {
        bad(findings, "content-sync",
            keep(findings, "%s",
                 rc != TS_OK ? err.text : ldap_err2string(result)),
            keep(findings,
                 "load the overlay syncprov on the database of "
                 "\"%s\", with syncprov-sessionlog 10000",
                 sync->config->base));
    }
}

struct tally {
    uint64_t entries, anchored, stamped;
    int result;
};

static bool holds(LDAP *ld, LDAPMessage *entry, const char *attribute)
{
    struct berval **values = ldap_get_values_len(ld, entry, attribute);
    bool held = values != NULL && values[0] != NULL;
    ldap_value_free_len(values);
    return held;
}

/* Count what the account can really see: only a complete enumeration proves
 * that no size limit is in the way. */
static enum ts_code count_entries(struct contentsync *sync, struct tally *tally,
                                  struct ts_err *err)
{
    const char *const attributes[] = { sync->config->anchor, "entryCSN", NULL };
    struct ldap_session_search search = { .base = sync->config->base,
                                          .scope = LDAP_SCOPE_SUBTREE,
                                          .filter = sync->config->filter,
                                          .attributes = attributes };
    LDAP *ld = ldap_session_handle(sync->session);
    int id = 0;
    enum ts_code rc = ldap_session_search(sync->session, &search, &id, err);
    for (bool done = false; rc == TS_OK && !done;) {
        LDAP_AUTOMSG LDAPMessage *message = NULL;
        rc = ldap_session_next(sync->session, id, &message, err);
        if (rc != TS_OK) {
            break;
        }
        int type = ldap_msgtype(message);
        if (type == LDAP_RES_SEARCH_ENTRY) {
            tally->entries++;
            tally->anchored += holds(ld, message, sync->config->anchor);
            tally->stamped += holds(ld, message, "entryCSN");
        } else if (type == LDAP_RES_SEARCH_RESULT) {
            int parsed = ldap_parse_result(ld, message, &tally->result, NULL,
                                           NULL, NULL, NULL, 0);
            tally->result = parsed != LDAP_SUCCESS ? parsed : tally->result;
            done = true;
        }
    }
    return rc;
}

static void probe_rights(struct findings *findings, struct contentsync *sync)
{
    struct tally tally = { .result = LDAP_SUCCESS };
    struct ts_err err = { .code = TS_OK };
    const char *anchor = sync->config->anchor;
    enum ts_code rc = count_entries(sync, &tally, &err);
    const char *seen =
        keep(findings, "%llu entries", (unsigned long long) tally.entries);
    if (rc != TS_OK || tally.result != LDAP_SUCCESS) {
        bad(findings, "size-limit",
            keep(findings, "%s after %s",
                 rc != TS_OK ? err.text : ldap_err2string(tally.result), seen),
            keep(findings,
                 "give the account \"%s\" size=unlimited and "
                 "time=unlimited",
                 sync->server.identity));
        return;
    }
    good(findings, "size-limit", seen);
    if (tally.entries == 0) {
        bad(findings, "rights", "no entry is visible",
            keep(findings,
                 "see the filter, and let the account \"%s\" read "
                 "below \"%s\"",
                 sync->server.identity, sync->config->base));
    } else if (tally.anchored < tally.entries ||
               tally.stamped < tally.entries) {
        bad(findings, "rights",
            keep(findings,
                 "%s readable on %llu of %llu entries, entryCSN on "
                 "%llu",
                 anchor, (unsigned long long) tally.anchored,
                 (unsigned long long) tally.entries,
                 (unsigned long long) tally.stamped),
            keep(findings,
                 "let the account read %s and entryCSN everywhere, "
                 "or narrow the filter by (%s=*)",
                 anchor, anchor));
    } else {
        good(findings, "rights",
             keep(findings, "%s and entryCSN readable on all of them", anchor));
    }
}

/* ---- canaries
 * ---------------------------------------------------------------------- */

/* Is `dn` at or below the base? One name a step is cut off. */
static bool below_base(const struct contentsync *sync, const char *dn)
{
    struct ldap_dn_keys *keys = ldap_dn_keys_new();
    struct ldap_dn base;
    struct ldap_dn name;
    struct ts_err err;
    LDAPDN parsed = NULL;
    bool below = false;
    if (keys == NULL ||
        ldap_dn_key(keys, ts_slice_str(sync->config->base), &base, &err) !=
            TS_OK ||
        ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS) {
        ldap_dn_keys_free(keys);
        return false;
    }
    for (size_t i = 0; !below && parsed[i] != NULL; i++) {
        char *text = NULL;
        below = ldap_dn2str(parsed + i, &text, LDAP_DN_FORMAT_LDAPV3) ==
                    LDAP_SUCCESS &&
                ldap_dn_key(keys, ts_slice_str(text), &name, &err) == TS_OK &&
                ldap_dn_key_equal(name.key, base.key);
        ldap_memfree(text);
    }
    ldap_dnfree(parsed);
    ldap_dn_keys_free(keys);
    return below;
}

/* Does an import see it: is it there, readable, and passed by the filter? */
static bool canary_shown(struct contentsync *sync, const char *dn)
{
    static const char *const none[] = { LDAP_NO_ATTRS, NULL };
    struct ldap_session_search search = { .base = dn,
                                          .scope = LDAP_SCOPE_BASE,
                                          .filter = sync->config->filter,
                                          .attributes = none };
    struct ts_err err;
    int id = 0;
    bool shown = false;
    enum ts_code rc = ldap_session_search(sync->session, &search, &id, &err);
    for (bool done = false; rc == TS_OK && !done;) {
        LDAP_AUTOMSG LDAPMessage *message = NULL;
        rc = ldap_session_next(sync->session, id, &message, &err);
        int type = rc == TS_OK ? ldap_msgtype(message) : 0;
        shown = shown || type == LDAP_RES_SEARCH_ENTRY;
        done = type == LDAP_RES_SEARCH_RESULT;
    }
    return rc == TS_OK && shown;
}

static void probe_canaries(struct findings *findings, struct contentsync *sync)
{
    const struct config_source *config = sync->config;
    for (uint32_t i = 0; i < config->canaries_count; i++) {
        const char *dn = config->canaries[i];
        if (!below_base(sync, dn)) {
            bad(findings, "canaries",
                keep(findings, "\"%.200s\" is not below \"%.200s\"", dn,
                     config->base),
                "name entries below the base of the source in canaries");
            return;
        }
        if (!canary_shown(sync, dn)) {
            bad(findings, "canaries",
                keep(findings, "\"%.300s\" is not shown", dn),
                keep(findings,
                     "let the account \"%.200s\" read it and see that the "
                     "filter passes it, or name another entry in canaries",
                     sync->server.identity));
            return;
        }
    }
    if (config->canaries_count > 0) {
        good(findings, "canaries",
             keep(findings, "%u of %u shown", config->canaries_count,
                  config->canaries_count));
    }
}

size_t
contentsync_check(struct contentsync *sync, struct ts_arena *arena,
                  struct source_finding findings[static SOURCE_FINDINGS_MAX])
{
    struct findings out = { .items = findings, .arena = arena };
    struct ts_err err = { .code = TS_OK };
    if (ldap_session_connect(sync->session, &err) != TS_OK) {
        explain_connect(&out, sync, &err);
        return out.count;
    }
    const char *tls = ldap_session_tls(sync->session);
    good(&out, "reachable", keep(&out, "%s", ldap_session_uri(sync->session)));
    good(&out, "tls",
         tls[0] != 0 ? keep(&out, "%s", tls) : "none, on this machine only");
    enum ts_code met = contentsync_meet(sync, &err);
    good(&out, "bind", keep(&out, "%.500s", sync->server.identity));
    if (met != TS_OK) {
        bad(&out, "server", keep(&out, "%s", err.text),
            "use a server that this type of source can read");
    } else if (contentsync_find_base(sync, &err) != TS_OK) {
        bad(&out, "base", keep(&out, "%s", err.text),
            "see that the base exists and that the account may read it");
    } else {
        good(&out, "server", "OpenLDAP slapd");
        probe_sync(&out, sync);
        probe_rights(&out, sync);
        probe_canaries(&out, sync);
    }
    ldap_session_disconnect(sync->session);
    return out.count;
}
