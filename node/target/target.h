/*
 * target -- the cloud service that is written to.
 *
 * One interface, one folder per kind of service (scim/). Operations are
 * submitted and complete later, on the same thread, from within target_run();
 * the connector chooses how many are under way at once, whether to bundle them,
 * when to wait because the service asked for it, and when to renew its token.
 *
 *   submit* --> run (sends, waits, calls done) --> ... --> idle
 *
 * Invariants:
 *   T1  `done` is called exactly once for every submitted operation, also when
 *       the connector is closed (TARGET_STOPPED or TARGET_UNKNOWN).
 *   T2  a request that writes leaves only while gate->may_export() allows it,
 *       asked in the last moment before its bytes do, every time that they do.
 *   T3  a create or a change whose answer was lost is TARGET_UNKNOWN: it is
 *       never sent again from here. Only what certainly had no effect is.
 *   T4  an answer is size-checked and parsed before it is believed; nothing
 *       that a service answers can crash, hang or confuse two objects.
 *
 * Errors of one operation are told in its outcome; the text names the service's
 * own words (an error's detail), which may repeat a value: it is for the
 * operator's list of errors, not for the log.
 *
 * A target belongs to one thread; only target_cancel() may come from another.
 * target_discover, _enumerate and _check wait for their own requests and move
 * what else is under way, so they too may call `done`.
 */
#ifndef NODE_TARGET_TARGET_H
#define NODE_TARGET_TARGET_H

#include "node/base/arena.h"
#include "node/base/entry.h"
#include "node/base/hash.h"
#include "node/base/secret.h"
#include "node/base/time.h"
#include "node/config/config.h"

/* The path that says whether a user may log on, where a rule flows it. */
#define TARGET_ACTIVE_PATH "active"
/* Who is in a group. */
#define TARGET_MEMBERS_PATH "members"

/* The one question before anything is written: may a request that ends by
 * `deadline` be sent? And how long may any request last: INT64_MAX when nothing
 * limits it, 0 when none may begin. `tick` is called at each turn of a loop
 * that waits for the service, at least every TARGET_TICK_MS: the thread lives.
 * All on the target's thread; none may block. The last two may be NULL. */
#define TARGET_TICK_MS 100
struct target_gate {
    bool (*may_export)(void *context, struct ts_time deadline);
    int64_t (*remaining_ms)(void *context);
    void (*tick)(void *context);
    void *context;
};

/* A token was received and not used yet: it may be used once its hash (SHA-256)
 * and how long it lives are durable where the other node will find them. Asked
 * on the thread that received it; blocks. NULL `record`: nobody needs to know.
 * A life that the service did not tell is TARGET_LIFETIME_UNKNOWN seconds.
 * Errors   what recording can answer; the token is then thrown away. */
#define TARGET_LIFETIME_UNKNOWN ((int64_t) UINT32_MAX)
struct target_token_hook {
    enum ts_code (*record)(void *context, const struct ts_hash *hash,
                           int64_t lifetime_s, struct ts_err *err);
    void *context;
};

/* Who to be instead of the client that the configuration names: made for an
 * epoch, principal.h. */
struct target_principal {
    const char *id;
    const char *secret; /* of the client; with `token-file`: the bearer token */
};

enum target_verb {
    TARGET_CREATE,
    TARGET_UPDATE,     /* `set`, and links */
    TARGET_DEACTIVATE, /* the service's way to switch a user off */
    TARGET_REACTIVATE,
    TARGET_DELETE,
    TARGET_READ, /* by id: also tells whether it exists */
    TARGET_FIND  /* by anchor; if none, by `match`: at most two answers */
};

/* Who an operation is, for the Twinsync-Op header and the Bulk bulkId. */
struct target_tag {
    uint64_t batch;  /* SEQ of the intent batch */
    uint64_t intent; /* intent number, unique for ever */
};

struct target_outcome;

struct target_op {
    enum target_verb verb;
    enum config_kind kind;
    struct target_tag tag;
    struct ts_slice id;     /* the service's id; empty for CREATE and FIND */
    struct ts_slice etag;   /* of the version that `set` was computed from */
    struct ts_slice anchor; /* CREATE (becomes externalId), FIND */
    bool take_anchor;       /* UPDATE: give it the anchor, too; it was adopted
                               by another value */
    const char *match_path; /* FIND: e.g. "userName", or NULL */
    struct ts_slice match_value;
    struct ts_entry set;   /* CREATE: all values; UPDATE: only what changes.
                              TS_KIND_CLEAR removes; KEEP does not occur. */
    const char *link_path; /* "members", "manager"; NULL when no links */
    const struct ts_slice *link_add; /* ids at the service */
    size_t link_add_count;
    const struct ts_slice *link_remove; /* ignored for CREATE */
    size_t link_remove_count;

    /* The completion. `outcome` lives until it returns. */
    void (*done)(struct target_op *op, const struct target_outcome *outcome);
    void *owner;     /* the caller's */
    void *queued_by; /* the caller's */
    void *queued;    /* the connector's */
};

enum target_result {
    TARGET_DONE,     /* the service confirmed; READ, FIND: see object_count */
    TARGET_GONE,     /* no object of that id: for DELETE that is success */
    TARGET_CONFLICT, /* a unique value is taken (409); nothing happened */
    TARGET_STALE,    /* If-Match did not match (412); nothing happened */
    TARGET_REFUSED, /* the service refused this content for good (400, 413…) */
    TARGET_DENIED,  /* credential or right refused (401 twice, 403) */
    TARGET_LATER,   /* certainly no effect; try in a later cycle */
    TARGET_UNKNOWN, /* sent, outcome not known: look it up */
    TARGET_STOPPED  /* gate closed or cancelled before anything was sent */
};

/* An object as the service has it. Only paths named by the configuration are
 * in `values`; links only of the configured link path. */
struct target_object {
    enum config_kind kind;
    struct ts_slice id, etag, anchor;
    struct ts_slice created; /* when, in the service's words; empty: unknown */
    bool shielded; /* an administrator, a service identity, or ourselves */
    struct ts_entry values; /* normalised */
    bool values_known; /* false: a write was confirmed without a body (Bulk);
                          `values` are as they were sent, not as stored */
    const struct ts_slice *links; /* ids, in byte order */
    size_t link_count;
    bool links_known; /* false when the answer left them out */
};

struct target_outcome {
    enum target_result result;
    int status;            /* HTTP status, 0 when there was no answer */
    const char *text;      /* one sentence when not DONE, else NULL */
    const char *attribute; /* CONFLICT, REFUSED: the path at fault, or NULL */
    const struct target_object *objects; /* CREATE, UPDATE: 0 or 1 (the answer
                                            may have no body); FIND: 0 to 2 */
    size_t object_count;
    uint32_t retries;
    uint32_t throttled_ms;
};

/* What is flowed, so that the connector knows which paths to read back. */
struct target_paths {
    const char *const *paths; /* per kind, sorted */
    size_t path_count;
    const char *const *link_paths; /* single-valued ("manager") or "members" */
    size_t link_path_count;
};

struct target_options {
    const struct config_target *config;
    struct target_gate gate;
    struct target_paths paths[CONFIG_KINDS];
    const char *cluster, *node; /* for Twinsync-Op */
    uint64_t epoch;
    const char *boot_id;
    const struct target_principal *principal; /* NULL: the configuration's;
                                                 borrowed until _close */
    const struct ts_secret_keeper *secrets;   /* NULL: the files rule */
    struct target_token_hook token;
};

struct target;

/* Borrows the options' strings until _close. Connects lazily. */
TS_MUSTUSE enum ts_code target_open(const struct target_options *options,
                                    struct target **ret_target,
                                    struct ts_err *err);
/* Ends every operation (T1). NULL is fine. */
void target_close(struct target *target);

/* What the service can do; reads it on first use. Blocks, bounded.
 * Errors   TS_E_UNREACHABLE, TS_E_AUTH, TS_E_PROTOCOL, TS_E_TIMEOUT. */
struct target_limits {
    size_t links_max; /* more than this in one operation: split it */
    bool etag, patch, bulk;
};
TS_MUSTUSE enum ts_code target_discover(struct target *target,
                                        struct target_limits *ret_limits,
                                        struct ts_err *err);

/* Kind and multiplicity of a path, from the service's schema where it was read,
 * else from RFC 7643. Does not block.
 * Errors   TS_E_NOT_FOUND with the nearest known path. */
struct target_attribute {
    enum ts_kind kind;
    bool multi_valued;
    bool unique; /* the service refuses two objects with one value */
    bool case_exact;
    bool required; /* no object of the kind can be without it */
};
TS_MUSTUSE enum ts_code target_describe(const struct target *target,
                                        enum config_kind kind, const char *path,
                                        struct target_attribute *ret,
                                        struct ts_err *err);

/* Hand over an operation; `op` and what it points to stay the caller's and must
 * stay until `done`. Does not block and does not call `done`. */
void target_submit(struct target *target, struct target_op *op);
/* How many more operations are useful now: 0 means run first. */
size_t target_appetite(const struct target *target);
/* Operations submitted and not done. */
size_t target_pending(const struct target *target);
/* Send, receive and complete until something was done, `wake_fd` is readable
 * (-1: none; it is not read from) or `deadline` has come. */
void target_run(struct target *target, int wake_fd, struct ts_time deadline);

/* Every object of `kind`, page after page, in the service's order. An error
 * from the sink ends it with that error. Objects live until the sink returns.
 * Errors   as target_discover; TS_OK only after the last page.
 * Blocks   until all is read; see target_cancel. */
typedef enum ts_code target_sink_fn(void *context,
                                    const struct target_object *object,
                                    struct ts_err *err);
TS_MUSTUSE enum ts_code target_enumerate(struct target *target,
                                         enum config_kind kind,
                                         target_sink_fn *sink, void *context,
                                         struct ts_err *err);
/* From any thread: end what runs, soon (sticky until _resume). */
void target_cancel(struct target *target);
void target_resume(struct target *target);

/* One finding of `twinsync check`; as in source.h. */
struct target_finding {
    const char *name; /* "reachable", "tls", "token", "discovery", "rights" */
    bool ok;
    const char *value;
    const char *fix;
};
#define TARGET_FINDINGS_MAX 16
size_t target_check(struct target *target, struct ts_arena *arena,
                    struct target_finding findings[static TARGET_FINDINGS_MAX]);

#endif
