/*
 * contentsync -- a directory read by RFC 4533, from OpenLDAP's slapd.
 *
 *   contentsync.c   what is asked for, and what the answers together mean
 *   trail.c         where to ask from, so that nothing left out stays out
 *   pass.c          one search and its answer
 *   server.c        who is there: vendor, abilities, identity; the fingerprint
 *   schema.c        attribute types
 *   check.c         `twinsync check`
 *
 * What an answer means (RFC 4533 and slapd's syncprov, read and tried):
 *
 *   cookie sent  DONE                      so
 *   -----------  ------------------------  ------------------------------------
 *   no           any                       everything: COMPLETE
 *   no           nothing at all, no cookie slapd without a contextCSN, such as
 *                                          an emptied database: refused (S1)
 *   yes          no cookie, or an empty    nothing has changed (empty: but
 *                one, and no rows          something has begun to)
 *   yes          refreshDeletes FALSE      present phase, or everything because
 *                                          the cookie was dropped: COMPLETE
 *   yes          refreshDeletes TRUE       changes and explicit deletes
 *   yes          TRUE, one id is empty     some changes; the rest was lost
 *   yes          rc 4096, or 53            stale, or newer than the server:
 * full
 *
 * "TRUE" is believed only if slapd really used the cookie. It did not, and its
 * answer is everything under the label of changes, when
 *   - it sends an entry whose entryCSN the cookie covers, or
 *   - its new cookie is empty or names other servers than the one sent,
 * and then the import starts again without a cookie.
 *
 * Three things that slapd leaves out:
 *   - A deletion that is done and not yet in its log: see trail.h. A search
 * goes on from where an earlier one began, so each change is asked for again.
 *   - An entry changed while it is being enumerated is sent by neither this
 *     search nor its present phase (its CSN is beyond the snapshot's): in a
 *     COMPLETE answer it looks deleted. So a COMPLETE answer is followed by
 *     delta searches until one says that nothing has changed since.
 *   - With `syncprov-nopresent` on the database itself, deletions are only
 * found by a full import.
 *
 * Deletes and present ids name entries by entryUUID. With another anchor there
 * is no telling whose they are: every import is a full one then.
 */
#ifndef NODE_SOURCE_CONTENTSYNC_H
#define NODE_SOURCE_CONTENTSYNC_H

#include "node/ldap/session.h"
#include "node/source/batch.h"
#include "node/source/rows.h"
#include "node/source/trail.h"

/* Who is at the other end of the present connection. */
struct contentsync_server {
    bool openldap, offers_sync;
    char identity[LDAP_SESSION_IDENTITY_MAX];
    char subschema[512]; /* DN of the subschema subentry, or "" */
};

/* What is asked for beside what the rules read. */
enum contentsync_extra {
    CONTENTSYNC_CSN,
    CONTENTSYNC_ANCHOR, /* only where it is not entryUUID */
    CONTENTSYNC_EXTRAS
};

struct contentsync {
    struct source_options options;
    const struct config_source *config;
    struct ldap_session *session;
    struct source_rows *rows;
    const char *extras[CONTENTSYNC_EXTRAS + 1];
    struct source_rows_kind kind;
    bool anchor_is_uuid;
    bool aliases_known; /* the schema has told other names of our attributes */
    struct contentsync_server server;
};

/* --- server.c ----------------------------------------------------------------
 */

/* Ask the connected server who it is, and who we are to it.
 * Errors   TS_E_CONFIG: not a server that this kind of source can read. */
TS_MUSTUSE enum ts_code contentsync_meet(struct contentsync *sync,
                                         struct ts_err *err);
/* What a cookie is bound to: server kind, base, filter, attributes, references,
 * anchor, identity. */
struct ts_hash contentsync_fingerprint(const struct contentsync *sync);
/* The base is there. Errors: TS_E_NOT_FOUND, TS_E_AUTH, ... */
TS_MUSTUSE enum ts_code contentsync_find_base(struct contentsync *sync,
                                              struct ts_err *err);

/* --- pass.c ------------------------------------------------------------------
 */

enum contentsync_outcome {
    CONTENTSYNC_NOTHING,  /* the cookie is up to date */
    CONTENTSYNC_CHANGES,  /* rows are changes; deletes are explicit */
    CONTENTSYNC_TORN,     /* rows are some changes: ask again from there */
    CONTENTSYNC_COMPLETE, /* rows are everything there is */
    CONTENTSYNC_STALE     /* the cookie is of no use: `why` */
};

struct contentsync_answer {
    enum contentsync_outcome outcome;
    bool is_same;    /* of NOTHING: its state is exactly the cookie that it was
                        asked from; else that is not known */
    const char *why; /* of STALE */
    struct contentsync_mark mark; /* the new cookie; size 0: none was given */
};

/* Search once. `from` of size 0 asks for everything. Rows go to `builder`;
 * after STALE those not yet handed over are dropped. Errors   as source_import.
 */
TS_MUSTUSE enum ts_code contentsync_pass(struct contentsync *sync,
                                         const struct contentsync_mark *from,
                                         struct source_builder *builder,
                                         struct contentsync_answer *ret_answer,
                                         struct ts_err *err);
/* Without synchronization: everything that is there now becomes PRESENT. */
TS_MUSTUSE enum ts_code contentsync_list(struct contentsync *sync,
                                         struct source_builder *builder,
                                         struct ts_err *err);

/* --- schema.c, check.c
 * --------------------------------------------------------
 */

/* Tell sync->rows how the server calls the attributes that were asked for. */
TS_MUSTUSE enum ts_code contentsync_learn_aliases(struct contentsync *sync,
                                                  struct ts_err *err);
size_t
contentsync_check(struct contentsync *sync, struct ts_arena *arena,
                  struct source_finding findings[static SOURCE_FINDINGS_MAX]);

#endif
