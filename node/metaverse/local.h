/*
 * local -- what this node knows of itself: STATE/local.db.
 *
 * Who it is, the highest epoch and generation that it ever saw, what its runs
 * did, and the chain of events. None of it is replicated or part of a snapshot.
 *
 * Invariants:
 *   L1  a file belongs to one node of one cluster: for another name in the
 *       configuration it is refused, and never adopted.
 *   L2  epoch and generation never go back.
 *   L3  every start has a boot id that no other start had.
 *   L4  a run that the process did not live to finish is shown as failed, not
 *       as running.
 *
 * Belongs to the thread that opened it.
 */
#ifndef NODE_METAVERSE_LOCAL_H
#define NODE_METAVERSE_LOCAL_H

#include "node/metaverse/events.h"

#define LOCAL_FILE_NAME       "local.db" /* in the state directory */
#define LOCAL_NAME_SIZE       128
#define LOCAL_ID_SIZE         33 /* 32 hex digits */
#define LOCAL_RUN_DAYS        7
#define LOCAL_SETTING_MAX     4096
#define LOCAL_COUNTS_SIZE_MAX 65536

struct local;

struct local_options {
    const char *directory; /* the state directory, which exists */
    const char *cluster, *node;
};

/* Open or create the file, take note of this start, close what an earlier start
 * left running.
 * Errors   TS_E_CONFIG (L1, or a name is too long); as db_open(). Blocks. */
TS_MUSTUSE enum ts_code local_open(const struct local_options *options,
                                   struct local **ret_local,
                                   struct ts_err *err);
/* NULL is fine. */
void local_close(struct local *local);

/* Check the chain in the file of a state directory, which stays as it is: for
 * the tool, while no daemon runs (events_verify() says what it finds).
 * Errors   TS_E_NOT_FOUND (no such file), TS_E_CORRUPT, TS_E_VERSION, TS_E_IO.
 * Blocks   reads every event. */
TS_MUSTUSE enum ts_code local_verify_events(const char *directory,
                                            struct events_verdict *ret_verdict,
                                            struct ts_err *err);

struct local_identity {
    char cluster[LOCAL_NAME_SIZE], node[LOCAL_NAME_SIZE];
    char machine[LOCAL_ID_SIZE]; /* derived from the host's machine id, or "" */
    char boot[LOCAL_ID_SIZE];    /* of this start */
    int64_t starts;              /* with this one */
    bool moved; /* the start before this one was on another machine */
};
const struct local_identity *local_identity(const struct local *local);

/* The chain of events in this file; it lives until local_close(). */
struct events *local_events(struct local *local);

/* The highest ever seen; 0: none. _raise does nothing when it is not higher.
 * Errors   TS_E_IO. Blocks: one fsync. */
int64_t local_epoch(const struct local *local);
int64_t local_generation(const struct local *local);
TS_MUSTUSE enum ts_code local_raise_epoch(struct local *local, int64_t epoch,
                                          struct ts_err *err);
TS_MUSTUSE enum ts_code local_raise_generation(struct local *local,
                                               int64_t generation,
                                               struct ts_err *err);

/* A run has begun: "delta", "full", "reconcile". Its id is above all that were
 * ever given. Runs older than LOCAL_RUN_DAYS are dropped with it. */
TS_MUSTUSE enum ts_code local_run_begin(struct local *local, const char *kind,
                                        int64_t *ret_id, struct ts_err *err);
/* It has ended. `counts` is an object, borrowed. */
struct local_run_end {
    int64_t id;
    const char *kind;   /* as it turned out: a first load may be more */
    const char *result; /* "success", "partial", "held", "failed" */
    int64_t duration_ms;
    const json_t *counts;
};
TS_MUSTUSE enum ts_code local_run_end(struct local *local,
                                      const struct local_run_end *end,
                                      struct ts_err *err);

/* A run as it is stored; `finished` and `result` are empty while it runs. Lives
 * during the call. */
struct local_run {
    int64_t id, duration_ms;
    struct ts_slice kind, started, finished, result; /* times: RFC 3339 */
    struct ts_slice counts;                          /* JSON text */
};
typedef void local_run_fn(void *context, const struct local_run *run);
/* The newest first. */
TS_MUSTUSE enum ts_code local_runs(struct local *local, int64_t limit,
                                   local_run_fn *each, void *context,
                                   struct ts_err *err);

/* Small facts that outlive a restart ("paused-until"). A missing one is "".
 * Errors   TS_E_LIMIT (LOCAL_SETTING_MAX), TS_E_IO. */
TS_MUSTUSE enum ts_code local_setting(struct local *local, const char *name,
                                      char value[static LOCAL_SETTING_MAX],
                                      struct ts_err *err);
TS_MUSTUSE enum ts_code local_set_setting(struct local *local, const char *name,
                                          const char *value,
                                          struct ts_err *err);

/* What this node must not forget of its pair, as bytes that somebody else
 * understands, together with the highest epoch (lower: it stays), in one
 * transaction.
 * Errors   TS_E_IO. Blocks: one fsync. */
#define LOCAL_FACTS_MAX ((size_t) 64 * 1024)
TS_MUSTUSE enum ts_code local_set_facts(struct local *local,
                                        struct ts_slice facts, int64_t epoch,
                                        struct ts_err *err);
/* Empty when there are none. Owns: free(ret_facts->data).
 * Errors   TS_E_CORRUPT, TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code local_facts(struct local *local,
                                    struct ts_slice *ret_facts,
                                    struct ts_err *err);

#endif
