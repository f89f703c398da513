#include <stdio.h>
#include <string.h>

#include "node/ldap/dn.h"
#include "node/source/contentsync.h"
#include "node/source/findings.h"

/* --- what a connected server shows
 * ------------------------------------------------
 */

/* Does the database itself have the overlay? A search that matches nothing, so
 * that only the end of the answer comes. */
static void probe_sync(struct source_findings *findings,
                       struct contentsync *sync)
{
    struct contentsync_request request;
    struct ts_err err = { .code = TS_OK };
    if (contentsync_encode_request(TS_SLICE_NONE, &request, &err) != TS_OK) {
        source_bad(findings, "content-sync",
                   source_keep(findings, "%s", err.text), "free some memory");
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
        source_good(findings, "content-sync",
                    "RFC 4533 by the overlay syncprov");
    } else {
        source_bad(
            findings, "content-sync",
            source_keep(findings, "%s",
                        rc != TS_OK ? err.text : ldap_err2string(result)),
            source_keep(findings,
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

static void probe_rights(struct source_findings *findings,
                         struct contentsync *sync)
{
    struct tally tally = { .result = LDAP_SUCCESS };
    struct ts_err err = { .code = TS_OK };
    const char *anchor = sync->config->anchor;
    enum ts_code rc = count_entries(sync, &tally, &err);
    const char *seen = source_keep(findings, "%llu entries",
                                   (unsigned long long) tally.entries);
    if (rc != TS_OK || tally.result != LDAP_SUCCESS) {
        source_bad(
            findings, "size-limit",
            source_keep(findings, "%s after %s",
                        rc != TS_OK ? err.text : ldap_err2string(tally.result),
                        seen),
            source_keep(findings,
                        "give the account \"%s\" size=unlimited and "
                        "time=unlimited",
                        sync->server.identity));
        return;
    }
    source_good(findings, "size-limit", seen);
    if (tally.entries == 0) {
        source_bad(
            findings, "rights", "no entry is visible",
            source_keep(findings,
                        "see the filter, and let the account \"%s\" read "
                        "below \"%s\"",
                        sync->server.identity, sync->config->base));
    } else if (tally.anchored < tally.entries ||
               tally.stamped < tally.entries) {
        source_bad(
            findings, "rights",
            source_keep(findings,
                        "%s readable on %llu of %llu entries, entryCSN on "
                        "%llu",
                        anchor, (unsigned long long) tally.anchored,
                        (unsigned long long) tally.entries,
                        (unsigned long long) tally.stamped),
            source_keep(findings,
                        "let the account read %s and entryCSN everywhere, "
                        "or narrow the filter by (%s=*)",
                        anchor, anchor));
    } else {
        source_good(findings, "rights",
                    source_keep(findings,
                                "%s and entryCSN readable on all of them",
                                anchor));
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

static void probe_canaries(struct source_findings *findings,
                           struct contentsync *sync)
{
    const struct config_source *config = sync->config;
    for (uint32_t i = 0; i < config->canaries_count; i++) {
        const char *dn = config->canaries[i];
        if (!below_base(sync, dn)) {
            source_bad(findings, "canaries",
                       source_keep(findings,
                                   "\"%.200s\" is not below \"%.200s\"", dn,
                                   config->base),
                       "name entries below the base of the source in canaries");
            return;
        }
        if (!canary_shown(sync, dn)) {
            source_bad(
                findings, "canaries",
                source_keep(findings, "\"%.300s\" is not shown", dn),
                source_keep(
                    findings,
                    "let the account \"%.200s\" read it and see that the "
                    "filter passes it, or name another entry in canaries",
                    sync->server.identity));
            return;
        }
    }
    if (config->canaries_count > 0) {
        source_good(findings, "canaries",
                    source_keep(findings, "%u of %u shown",
                                config->canaries_count,
                                config->canaries_count));
    }
}

size_t
contentsync_check(struct contentsync *sync, struct ts_arena *arena,
                  struct source_finding findings[static SOURCE_FINDINGS_MAX])
{
    struct source_findings out = { .items = findings, .arena = arena };
    struct ts_err err = { .code = TS_OK };
    if (ldap_session_connect(sync->session, &err) != TS_OK) {
        source_explain_connect(&out, sync->config, &err);
        return out.count;
    }
    const char *tls = ldap_session_tls(sync->session);
    source_good(&out, "reachable",
                source_keep(&out, "%s", ldap_session_uri(sync->session)));
    source_good(&out, "tls",
                tls[0] != 0 ? source_keep(&out, "%s", tls)
                            : "none, on this machine only");
    enum ts_code met = contentsync_meet(sync, &err);
    source_good(&out, "bind",
                source_keep(&out, "%.500s", sync->server.identity));
    if (met != TS_OK) {
        source_bad(&out, "server", source_keep(&out, "%s", err.text),
                   "use a server that this type of source can read");
    } else if (contentsync_find_base(sync, &err) != TS_OK) {
        source_bad(&out, "base", source_keep(&out, "%s", err.text),
                   "see that the base exists and that the account may read it");
    } else {
        source_good(&out, "server", "OpenLDAP slapd");
        probe_sync(&out, sync);
        probe_rights(&out, sync);
        probe_canaries(&out, sync);
    }
    ldap_session_disconnect(sync->session);
    return out.count;
}
