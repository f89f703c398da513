/*
 * ad -- Active Directory, or Samba as a domain controller, read by DirSync.
 *
 *   ad.c            what is asked for, and what the answers together mean
 *   ad_changes.c    the DirSync control: who has changed since a cookie
 *   ad_objects.c    reading objects as they are now, into rows
 *   ad_server.c     who is there: controller, identity, base; the fingerprint
 *   ad_never.c      what is never synchronized
 *   ad_watermark.c  how far it was read, as bytes
 *   ad_check.c      `twinsync check`
 *
 * DirSync ([MS-ADTS] 3.1.1.3.4.1.3) tells what changed, attribute by attribute.
 * Who is named in its answer is read again as it is now, whole, from the same
 * controller: a row never has to be put together from an old half and a new
 * one.
 *
 *   delta     changed = DirSync(cookie)    whoever is gone: told; whoever is
 *                                          named: read again, and counts
 *   whole     gone    = DirSync(nothing, "is deleted")   tombstones, and a
 * cookie paged search of everything changed = DirSync(that cookie)     what
 * moved while it was read
 *
 * Invariants:
 *   A1  an object is known by its objectGUID: its own key, its parent's, and
 *       those of references are GUIDs. A unit that is renamed or moved costs
 *       one row; a member that is renamed stays a member; a new object with an
 *       old name is nobody's member.
 *   A2  a deletion is told: a tombstone, or an object that is there and does
 *       not match the filter any more. What a complete reading did not show is
 *       not gone for that (another controller may not know it yet, a right may
 *       be lost), unless tombstones may have expired since the last one.
 *   A3  an account that is not shown what was deleted (Samba asks for the right
 *       to list CN=Deleted Objects; tried with 4.17.12) gets every import
 * whole, and absence on the same controller counts, as source_result says. A4
 * a watermark that the controller refuses, or that is newer than the
 *       controller's own state, leads to a whole import; another controller's
 *       is sent as it is, for it is understood by all of a domain.
 *   A5  a new cookie is kept only when something was told, or another
 *       controller told it: an idle import changes nothing.
 *
 * The base is the root of a domain: DirSync knows no other. Which units are in
 * scope is for the rules (ou_under), by their anchors.
 */
#ifndef NODE_SOURCE_AD_H
#define NODE_SOURCE_AD_H

#include "node/ldap/dirsync_codec.h"
#include "node/ldap/session.h"
#include "node/source/ad_watermark.h"
#include "node/source/batch.h"
#include "node/source/rows.h"

/* What is asked for beside what the rules read. */
enum ad_extra {
    AD_GUID,
    AD_PARENT,
    AD_CONSISTENCY,
    AD_CLASS,
    AD_ACCOUNT,
    AD_CRITICAL,
    AD_NICKNAME,
    AD_RECIPIENT,
    AD_MAIL,
    AD_PROXIES,
    AD_CERTIFICATE,
    AD_GROUP_TYPE,
    AD_NAME,    /* changes when an object is renamed or moved */
    AD_DELETED, /* changes when it is deleted or brought back */
    AD_EXTRAS
};
/* Members that are asked for in one piece: what Windows gives at most. */
#define AD_RANGED "member"
#define AD_RANGE  "member;range=0-1499"

extern const char *const ad_extras[AD_EXTRAS + 1];

/* Who is at the other end of the present connection. */
struct ad_server {
    char identity[LDAP_SESSION_IDENTITY_MAX];
    char subschema[512], configuration[512], service[1024];
    char dc[AD_DC_MAX + 1];
    uint8_t invocation[DIRSYNC_GUID_SIZE];
    uint64_t usn;
    struct dirsync_guid base;
    bool account_known;
    struct dirsync_guid account; /* that we are logged in as */
    uint32_t tombstone_days;
};

struct ad {
    struct source_options options;
    const struct config_source *config;
    struct ldap_session *session;
    struct source_rows_kind kind;
    struct source_rows *rows;
    const char **attributes; /* those of rows, AD_RANGED in its first piece */
    struct source_dn_key base_key; /* of its DN: what the base is known by */
    struct ad_server server;
};

/* --- ad_server.c ---------------------------------------------------------- */

/* Ask the connected server who it is, and who we are to it.
 * Errors   TS_E_CONFIG: not Active Directory, or the base is no domain. */
TS_MUSTUSE enum ts_code ad_meet(struct ad *ad, struct ts_err *err);
struct ts_hash ad_fingerprint(const struct ad *ad);

/* --- ad_changes.c --------------------------------------------------------- */

#define AD_CHANGES_MAX ((size_t) 16 * 1024 * 1024)

/* One change of a reference, as an answer told it. */
struct ad_link {
    struct dirsync_guid owner;
    const char *attribute; /* as in the options */
    size_t order;          /* in which it was told */
    struct source_link link;
};

/* More than that of one answer are forgotten: then owners are read whole. */
#define AD_LINKS_MAX ((size_t) 1024 * 1024)

struct ad_list {
    struct dirsync_guid *items; /* each once */
    size_t count, room;
};

/* Who an answer named: an object may be in several lists. */
struct ad_changes {
    struct ad_list changed, gone;
    struct ad_list restored; /* of those changed: were deleted */
    struct ad_list created;  /* of those changed: were not there */
    struct ad_link *links;   /* by owner, attribute, key; each once */
    size_t link_count, link_room;
    bool links_forgotten;
    struct ts_arena arena; /* their texts */
    bool refused;          /* the controller does not know the cookie */
    size_t cookie_size;
    uint8_t cookie[DIRSYNC_COOKIE_MAX]; /* the new one */
};
void ad_changes_init(struct ad_changes *changes);
void ad_changes_done(struct ad_changes *changes); /* and empty again */
bool ad_list_has(const struct ad_list *list, struct dirsync_guid guid);
/* The changes of one owner's reference, together; *count tells how many. */
const struct ad_link *ad_changes_links(const struct ad_changes *changes,
                                       struct dirsync_guid owner,
                                       const char *attribute,
                                       size_t *ret_count);

/* Everything that matches `filter` and has changed since the cookie (empty:
 * ever), page after page. Errors   as source_import. */
TS_MUSTUSE enum ts_code ad_changes_read(struct ad *ad, struct ts_slice cookie,
                                        const char *filter,
                                        struct ad_changes *changes,
                                        struct ts_err *err);

/* --- ad_objects.c --------------------------------------------------------- */

/* For source_rows_kind: the context is the struct ad. */
enum ts_code ad_place(void *context, const struct source_seen *seen,
                      struct ts_arena *arena, struct source_row *row,
                      struct ts_err *err);
enum ts_code ad_link(void *context, struct ts_slice value,
                     struct ts_arena *arena, struct source_link *link,
                     struct ts_err *err);

/* Everything that is there now becomes PUT. */
TS_MUSTUSE enum ts_code ad_objects_read_all(struct ad *ad,
                                            struct source_builder *builder,
                                            struct ts_err *err);
/* Those that have changed and are there become PUT; those that are there but do
 * not match the filter, DELETE. */
TS_MUSTUSE enum ts_code ad_objects_read(struct ad *ad,
                                        const struct ad_changes *changes,
                                        struct source_builder *builder,
                                        struct ts_err *err);
/* Whoever refers to it, which no answer tells when it is brought back with its
 * memberships, becomes PUT. */
TS_MUSTUSE enum ts_code ad_objects_read_owners(struct ad *ad,
                                               struct dirsync_guid guid,
                                               struct source_builder *builder,
                                               struct ts_err *err);
/* One that is gone. */
TS_MUSTUSE enum ts_code ad_objects_delete(struct ad *ad,
                                          struct dirsync_guid guid,
                                          struct source_builder *builder,
                                          struct ts_err *err);

/* --- ad_never.c ----------------------------------------------------------- */

/* Why the entry that ad->rows read last is never in scope; empty if it may be.
 */
struct ts_slice ad_never(const struct ad *ad, struct ts_slice dn);

/* --- ad_check.c ----------------------------------------------------------- */

size_t ad_check(struct ad *ad, struct ts_arena *arena,
                struct source_finding findings[static SOURCE_FINDINGS_MAX]);

#endif
