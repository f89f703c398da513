/*
 * source -- a connected directory that people and groups are read from.
 *
 * One interface, one driver per kind of directory (contentsync.h: RFC 4533,
 * ad.h: Active Directory).
 * A source turns what the directory says into rows that the connector space
 * can store as they are: decoding, normalising DNs, packing and hashing happen
 * here, on the source's own thread, so that the store's thread only writes.
 *
 *   open --> import(watermark) --batches--> sink ... --> result --> close
 *
 * Invariants:
 *   S1  a result is TS_OK only when the directory said that the search ended
 *       with success; anything else (cut off, limit, rights) is an error, and
 *       nothing may be concluded from what was missing.
 *   S2  the new watermark covers exactly the rows handed to the sink.
 *   S3  every wait is bounded by a configured time-out; source_cancel() ends a
 *       running import within 100 ms.
 *
 * A source belongs to one thread; only source_cancel() may come from another.
 */
#ifndef NODE_SOURCE_SOURCE_H
#define NODE_SOURCE_SOURCE_H

#include "node/base/arena.h"
#include "node/base/entry.h"
#include "node/base/hash.h"
#include "node/base/secret.h"
#include "node/config/config.h"

#define SOURCE_DN_KEY_SIZE 16

/* Names a DN whatever its spelling: DNs that are equal in RFC 4514 normal form,
 * case-folded, have equal keys. Built from the root down (see node/ldap/dn.h),
 * so a child's key follows from its parent's key and its own RDN. */
struct source_dn_key {
    uint8_t bytes[SOURCE_DN_KEY_SIZE];
};

/* One DN-valued reference, such as one member of a group. */
struct source_link {
    struct ts_slice attribute; /* as configured, e.g. "member" */
    struct source_dn_key key;
    struct ts_slice dn; /* as the directory printed it */
    bool gone;          /* of a partial attribute: it is no more */
};

enum source_verb {
    SOURCE_PUT,     /* the object is there and looks like this */
    SOURCE_PRESENT, /* the object is there, unchanged (only `anchor` is set) */
    SOURCE_DELETE   /* the directory said that it is gone (only `anchor`; or
                       only `key`, of a source whose keys are identities: then
                       whatever refers to it goes as well) */
};

struct source_row {
    enum source_verb verb;
    struct ts_slice anchor; /* text form, e.g. entryUUID in lower case */
    /* Of its DN; or its identity and that of the entry above, where a source
     * has such that outlive every name: but its base has that of its DN. */
    struct source_dn_key key, parent;
    struct ts_slice rdn;    /* as printed, e.g. "uid=ada" */
    struct ts_slice dn;     /* as printed */
    struct ts_slice packed; /* proto Entry, reference attributes left out */
    struct ts_hash hash;    /* of dn, packed and links: equal means unchanged */
    const struct source_link *links; /* by attribute, then key; none twice */
    size_t link_count;
    bool returned; /* it was gone meanwhile, of a source whose keys are
                      identities: whatever referred to it does so no more, but
                      for what is PUT after it */
    struct ts_slice partial; /* a reference of which `links` say only what has
                                changed (then there is no hash), or empty: of an
                                object that was PUT before */
};

/* A batch owns its rows' memory. */
#define SOURCE_BATCH_ROWS_MAX 5000
#define SOURCE_BATCH_SIZE     ((size_t) 1024 * 1024)

struct source_batch {
    struct ts_arena arena;
    size_t row_count;
    struct source_row rows[SOURCE_BATCH_ROWS_MAX];
};
void source_batch_free(struct source_batch *batch);

/* Takes a batch over, also on error. Blocking is how a slow store slows the
 * directory down. An error ends the import with that error. */
typedef enum ts_code source_sink_fn(void *context, struct source_batch *batch,
                                    struct ts_err *err);

/* How far the source was read. Opaque cookie plus what it is bound to. */
struct source_watermark {
    struct ts_slice cookie; /* empty: read everything */
    bool whole;             /* read everything, and say so */
    int64_t complete_at;    /* of the last complete import, seconds since 1970;
                                  0: never */
    struct ts_hash fingerprint; /* of server kind, base, filter, attributes,
                                   identity: another one means a full import */
};

enum source_extent {
    SOURCE_COMPLETE,    /* every object was PUT or PRESENT: the rest is gone */
    SOURCE_INCREMENTAL, /* only what changed; deletions are explicit */
};

struct source_result {
    enum source_extent extent;
    struct ts_slice cookie;     /* in the caller's arena */
    struct ts_hash fingerprint; /* to be kept with the cookie */
    const char *full_because;   /* why a delta became a full import, or NULL */
    const char *keep_because; /* COMPLETE: why what is missing is not gone (what
                                 is gone was told), or NULL */
    uint64_t put_count, present_count, delete_count;
};

struct source;

/* `attributes` are those to read besides anchor and DN; `references` those of
 * them that hold DNs. Both are borrowed until _close. No connection yet. */
struct source_options {
    const struct config_source *config;
    const char *const *attributes;
    size_t attribute_count;
    const char *const *references;
    size_t reference_count;
    const struct ts_secret_keeper *secrets; /* NULL: the files rule */
};
TS_MUSTUSE enum ts_code source_open(const struct source_options *options,
                                    struct source **ret_source,
                                    struct ts_err *err);
void source_close(struct source *source);

/* Read everything (empty cookie) or what changed.
 * Rows mean something in their order: an object may be PUT again, or be deleted
 * after it was PUT (a cookie that proves useless makes the import start anew,
 * and a complete read is followed by what changed meanwhile). PRESENT for an
 * unknown anchor says nothing: its PUT comes with the next import. The counts
 * are those of the rows handed over.
 * Owns     the result's cookie is in `arena`.
 * Errors   TS_E_UNREACHABLE, TS_E_AUTH, TS_E_TIMEOUT, TS_E_PROTOCOL,
 *          TS_E_LIMIT, TS_E_CANCELLED, or the sink's.
 * Blocks   until the directory has answered; see S3. */
TS_MUSTUSE enum ts_code
source_import(struct source *source, const struct source_watermark *from,
              source_sink_fn *sink, void *context, struct ts_arena *arena,
              struct source_result *ret_result, struct ts_err *err);
/* For good: a cancelled source can only be closed. */
void source_cancel(struct source *source);

/* What the directory's schema says of every attribute type it knows: syntax
 * and equality rule, sorted by name without regard to case.
 * Owns     the list is in `arena`. Blocks: yes. */
struct source_attribute {
    const char *name;
    enum {
        SOURCE_SYNTAX_TEXT,
        SOURCE_SYNTAX_INTEGER,
        SOURCE_SYNTAX_BOOLEAN,
        SOURCE_SYNTAX_BINARY,
        SOURCE_SYNTAX_DN
    } syntax;
    bool case_ignore;
};
TS_MUSTUSE enum ts_code source_schema(struct source *source,
                                      struct ts_arena *arena,
                                      struct source_attribute **ret_attributes,
                                      size_t *ret_count, struct ts_err *err);

/* One finding of `twinsync check`. Texts are in the arena given to _check. */
struct source_finding {
    const char *name; /* "reachable", "tls", "bind", "content-sync", "rights" */
    bool ok;
    const char *value; /* what was found: server, version, sizes */
    const char *fix;   /* what to do, NULL when ok */
};
#define SOURCE_FINDINGS_MAX 16
/* Probe reachability, TLS, bind, support and rights. Blocks. Returns how many
 * findings were written; never fails: a failure is a finding. */
size_t source_check(struct source *source, struct ts_arena *arena,
                    struct source_finding findings[static SOURCE_FINDINGS_MAX]);

#endif
