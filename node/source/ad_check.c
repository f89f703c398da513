#include <stdlib.h>

#include "node/source/ad.h"
#include "node/source/findings.h"

/* Every tombstone that there is, and their container: what a whole import asks
 * for first. */
static void probe_dirsync(struct source_findings *findings, struct ad *ad)
{
    struct ts_err err = { .code = TS_OK };
    struct ad_changes *changes = calloc(1, sizeof *changes);
    if (changes == NULL) {
        source_bad(findings, "dirsync", "could not ask for changes",
                   "free some memory");
        return;
    }
    ad_changes_init(changes);
    enum ts_code rc =
        ad_changes_read(ad, TS_SLICE_NONE, "(isDeleted=TRUE)", changes, &err);
    if (rc != TS_OK) {
        source_bad(findings, "dirsync", source_keep(findings, "%s", err.text),
                   source_keep(findings,
                               "give the account \"%.200s\" the right "
                               "Replicating Directory Changes on \"%.200s\"",
                               ad->server.identity, ad->config->base));
    } else if (changes->gone.count == 0) {
        source_good(findings, "dirsync", "offered, and granted");
        source_bad(findings, "deletions",
                   "the account is not shown what was deleted, so that every "
                   "import reads everything",
                   source_keep(findings,
                               "let it list CN=Deleted Objects,%.200s: dsacls "
                               "... /takeownership, then /G ACCOUNT:LCRP",
                               ad->config->base));
    } else {
        source_good(findings, "dirsync", "offered, and granted");
        source_good(findings, "deletions", "shown");
    }
    ad_changes_done(changes);
    free(changes);
}

size_t ad_check(struct ad *ad, struct ts_arena *arena,
                struct source_finding findings[static SOURCE_FINDINGS_MAX])
{
    struct source_findings out = { .items = findings, .arena = arena };
    struct ts_err err = { .code = TS_OK };
    if (ldap_session_connect(ad->session, &err) != TS_OK) {
        source_explain_connect(&out, ad->config, &err);
        return out.count;
    }
    const char *tls = ldap_session_tls(ad->session);
    source_good(&out, "reachable",
                source_keep(&out, "%s", ldap_session_uri(ad->session)));
    source_good(&out, "tls",
                tls[0] != 0 ? source_keep(&out, "%s", tls)
                            : "none, on this machine only");
    enum ts_code met = ad_meet(ad, &err);
    if (met != TS_OK) {
        source_bad(&out, "server", source_keep(&out, "%s", err.text),
                   "correct what it names");
    } else {
        source_good(&out, "bind",
                    source_keep(&out, "%.500s", ad->server.identity));
        source_good(&out, "server",
                    source_keep(&out, "domain controller %s", ad->server.dc));
        probe_dirsync(&out, ad);
    }
    ldap_session_disconnect(ad->session);
    return out.count;
}
