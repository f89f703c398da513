/*
 * pair -- the engine as one half of a pair: what it asks, what it is told.
 *
 * Without a pair (engine_options.pair is NULL) the engine runs cycles from its
 * start to its end. In a pair it starts as a standby and is told what to be:
 *
 *              engine_activate                  (cycles, exports)
 *   STANDBY --------------------> ACTIVATING --done--> ACTIVE
 *      ^  applies the holder's rows,                     |
 *      |  installs snapshots, answers                    | engine_deactivate,
 *      |  reads, refuses writes                          | the lease is lost
 *      +------------- done <---- LEAVING <---------------+
 *
 * The engine knows nothing of register, lease and link. It asks the port below,
 * and what it waits for is polled: whoever changes an answer calls
 * engine_nudge(). So the store's thread is never blocked by the other node: it
 * serves the calls of this page, and operators, while it waits.
 *
 * Invariants:
 *   P1  as STANDBY no cycle runs, no exporter exists, and the journal gets no
 *       row but the holder's.
 *   P2  a request that writes leaves only after its intent is durable on both
 *       nodes, or in a period that the register shows as unprotected.
 *   P3  after takeover an object with an intent in doubt waits for the quiet
 *       time, counted from the activation on this node's clock, is looked up,
 *       and only then decided anew. After an unprotected period all wait.
 *   P4  reconcile-first is a fact of the replicated state: it outlives crash
 *       and takeover, and ends only with a complete reading of both sides.
 *   P5  after engine_deactivate at once, or a lost lease, nothing is written to
 *       the replicated state: what was under way stays in doubt.
 *   P6  hints change nothing by themselves: they make objects due.
 *   P7  every asynchronous call is answered once, also at stop (CANCELLED).
 */
#ifndef NODE_ENGINE_PAIR_H
#define NODE_ENGINE_PAIR_H

#include <jansson.h>

#include "node/base/hash.h"
#include "node/base/time.h"
#include "replication/journal.h"

struct engine;
struct batch; /* replication/batch.h */

/* ---- what the engine asks -----------------------------------------------
 */

enum engine_ack {
    ENGINE_ACK_WAIT,        /* not yet; engine_nudge() when that changes */
    ENGINE_ACK_DURABLE,     /* the standby has it on its disk */
    ENGINE_ACK_UNPROTECTED, /* the register shows an unprotected period */
    ENGINE_ACK_LOST         /* the lease is lost: it is not to be sent */
};

/* None of these may block, but `token`. All may be called from the threads
 * that are named; the struct is borrowed until engine_free(). */
struct engine_pair {
    /* Export thread. */
    bool (*may_export)(void *context, struct ts_time deadline);
    int64_t (*remaining_ms)(void *context); /* of the lease; 0: none */
    /* Export thread: its loop went round (idle and waiting too). */
    void (*tick)(void *context);
    /* Export thread; blocks, at most until the lease ends: a token of this
     * lifetime was received; may it be used? */
    enum ts_code (*token)(void *context, const struct ts_hash *hash,
                          int64_t lifetime_s, struct ts_err *err);
    /* Store's thread: the journal has a new last row. */
    void (*committed)(void *context, const struct journal_position *position);
    /* Store's thread: may what depends on `position` be sent? Asking is what
     * asks for protected:false where the standby is silent and the policy
     * allows it. */
    enum engine_ack (*acked)(void *context,
                             const struct journal_position *position);
    /* Store's thread: this file is the state now. */
    void (*selected)(void *context, const char *path);
    /* Store's thread: a first load is to become generation `generation`. Is
     * that in the register, with protected:false? DURABLE and UNPROTECTED
     * both mean yes. */
    enum engine_ack (*generation)(void *context, int64_t generation);
    /* Store's thread: does the register show an unprotected period? */
    bool (*unprotected)(void *context);
    /* Store's thread: does the register show a pause? Then the gate is closed
     * on whichever node exports, and no cycle is to begin. */
    bool (*paused)(void *context);
    void *context;
};

/* ---- what the engine is told --------------------------------------------
 */

#define ENGINE_HINTS_MAX     10000
#define ENGINE_FACTS_MAX     65536 /* bytes of the member's facts */
#define ENGINE_CLIENT_ID_MAX 512

/* A change that the old primary may have made and that nobody else has. */
struct engine_hint {
    int kind; /* enum config_kind */
    struct ts_slice anchor;
};

struct engine_tail {
    const struct engine_hint *hints;
    size_t count;
    bool cut; /* there were more */
};

enum engine_gate {
    ENGINE_GATE_SOURCE,
    ENGINE_GATE_TARGET,
    ENGINE_GATE_DISK,
    ENGINE_GATE_STATE,
    ENGINE_GATES
};
struct engine_gate_result {
    bool ok;
    char text[400];     /* what was found, or why not and what to do */
    int64_t free_bytes; /* ENGINE_GATE_DISK: for us, where the state is */
};

/* The answer to a call; lives during the callback. */
struct engine_result {
    enum ts_code code;
    const struct ts_err *err;         /* when not TS_OK */
    struct journal_position position; /* of this node, now */
    const char *state_path; /* the selected state's file; "": there is none */
    const struct engine_gate_result *gates; /* engine_probe: ENGINE_GATES */
    struct ts_slice kept;     /* engine_handover_kept; empty: nothing */
    struct ts_hash head_hash; /* the same: of this node's chain of events */
    int64_t head_seq;
};

/* Called once, on a thread of the engine: it must not block, and must not call
 * back into the engine other than with the calls of this page. */
struct engine_done {
    void (*call)(void *context, const struct engine_result *result);
    void *context;
};

/* The client that was made for an epoch; NULL id: that of the configuration. */
struct engine_principal {
    const char *id, *secret;
};

struct engine_activation {
    int64_t epoch;
    struct engine_principal principal; /* copied */
    /* Behind the last holder, or after an unprotected period: read both sides
     * to their end before the first export. */
    bool reconcile_first;
    bool quiesce_all; /* every object waits for the quiet time, not only those
                         in doubt */
    /* The operator does not wait for the reading: every deletion is held. */
    bool accept_data_loss;
    bool crashed;            /* the last holder ended without handing over */
    int64_t data_generation; /* the highest in the register; 0: none */
    int64_t level; /* of the schema, for a first load; 0: the newest */
};

/* Errors   TS_E_REFUSED (the state has a higher epoch), TS_E_CONFLICT (it is
 *          active in another epoch: deactivate first), TS_E_IO, of target_open.
 *          After an error it is a standby. */
void engine_activate(struct engine *engine,
                     const struct engine_activation *activation,
                     struct engine_done done);

enum engine_leave {
    ENGINE_LEAVE_AT_ONCE, /* the lease is lost, or will be */
    ENGINE_LEAVE_DRAINED  /* finish what is under way first; then no more */
};
/* Answered when no request is under way. As a standby: at once. Whatever runs
 * is cancelled before this returns (AT_ONCE). */
void engine_deactivate(struct engine *engine, enum engine_leave how,
                       struct engine_done done);
/* From any thread: exports end at once, later ones too until the next
 * activation. Part of _deactivate AT_ONCE. */
void engine_cancel(struct engine *engine);

/* Rows of the holder, in order, in one transaction: all of them or none. Owns:
 * `batch` is freed here.
 * Errors   of journal_apply(); TS_E_NOT_FOUND (there is no state to apply them
 *          to), TS_E_REFUSED (not a standby). */
void engine_apply(struct engine *engine, struct batch *batch,
                  struct engine_done done);

/* Select the complete folder state.NUMBER in place of what is open; `keep`: put
 * that aside, it has what nobody else has.
 * Errors   TS_E_CORRUPT, TS_E_IO: the old state is open again; TS_E_REFUSED:
 *          not a standby. */
void engine_install(struct engine *engine, int64_t number, bool keep,
                    struct engine_done done);

/* As ACTIVE, when both nodes know it: go up to this level of the schema. The
 * standby does the same when it comes to that row.
 * Errors   TS_E_REFUSED (not active, or not the next level), TS_E_VERSION,
 *          TS_E_IO. */
void engine_finalize(struct engine *engine, int64_t level,
                     struct engine_done done);

/* Make the member's facts durable, and the epoch (0: as it is), in one
 * transaction. `facts` is copied.
 * Errors   TS_E_LIMIT, TS_E_IO. */
void engine_persist(struct engine *engine, struct ts_slice facts, int64_t epoch,
                    struct engine_done done);

/* Make the objects of a returned node's tail due: as ACTIVE. Copied.
 * Errors   TS_E_REFUSED (not active), TS_E_LIMIT. */
void engine_hints(struct engine *engine, const struct engine_tail *tail,
                  struct engine_done done);
/* As ACTIVE or alone: read both sides to their end and put right what differs,
 * in passes until one finds nothing (passes.h). Begins when the cycle at hand
 * has ended; answered when it is over, TS_OK also where the report is that it
 * is incomplete. If this node ends in between, the next cycle, here or on the
 * other node, begins it anew without being asked.
 * Errors   TS_E_REFUSED (a standby), TS_E_CANCELLED (the lease is lost, or it
 *          stops), of both sides. */
void engine_reconcile(struct engine *engine, struct engine_done done);
/* The last report, whoever made it, also on a standby and while one runs
 * ("state":"running"): reconcile_report.h. From any thread.
 * Owns     a new reference; NULL: there is none. */
json_t *engine_reconcile_report(struct engine *engine);

/* Is this node fit to export? Runs on a thread of its own; bounded. */
void engine_probe(struct engine *engine, struct engine_done done);

/* As ACTIVE: make these bytes the evidence of the handover, for both nodes; the
 * position of the answer is that of their row. Copied. Does not wait for a
 * cycle to end.
 * Errors   TS_E_REFUSED (not active, or no state yet), TS_E_LIMIT, TS_E_IO. */
#define ENGINE_HANDOVER_MAX 57344
void engine_handover_keep(struct engine *engine, struct ts_slice bytes,
                          struct engine_done done);
/* What is kept here, the active node's as far as it has come. */
void engine_handover_kept(struct engine *engine, struct engine_done done);

/* Append to this node's chain of events. `fields` is stolen. */
void engine_record(struct engine *engine, const char *name, const char *actor,
                   json_t *fields, struct engine_done done);

/* From any thread: an answer of the port may have changed. */
void engine_nudge(struct engine *engine);

/* ---- what is shown --------------------------------------------------------
 */

/* `role`, as `status` and refusals say it; `active`: the node that exports, as
 * far as is known, or "". `fields` replace those of the same name in the
 * document of `status` ("lease", "fence", "peer", "epoch", "problems" are
 * appended, "replication" is merged); stolen, may be NULL. */
void engine_publish(struct engine *engine, const char *role, const char *active,
                    json_t *fields);

/* Problems that `status` shows besides, of a node that is alone as well;
 * stolen, in the place of those of before. Any thread. */
void engine_publish_problems(struct engine *engine, json_t *problems);

/* What a plan of an operator depends on, as `status` shows it. */
struct engine_look {
    bool running, complete; /* a cycle; of both sides to their end */
    int64_t cycle;          /* its id; 0: none ran yet */
    int64_t running_ms;
    const char *phase; /* "" between two cycles */
    uint64_t done, total;
    int64_t source, metaverse, target, ledger, pending, held, errors;
    bool staging; /* what is decided waits for an operator's plan */
};
/* From any thread. */
void engine_look(struct engine *engine, struct engine_look *ret_look);

/* Of this node's start, after engine_start() and before the first call. */
struct engine_facts {
    struct ts_slice facts; /* as persisted; lives until engine_free() */
    int64_t epoch;         /* the highest ever seen */
    int64_t generation;    /* likewise, of the data */
    int64_t level_max;     /* the newest schema that this program knows */
    const char *boot;      /* of this start: 32 hex digits */
    int64_t wrote_epoch;   /* the last in which this node was active; 0: none */
    char wrote_boot[33];   /* and the boot that was, or "" */
    struct journal_position position; /* all zero: no state */
    char state_path[512];             /* of the selected state, or "" */
};
void engine_facts(struct engine *engine, struct engine_facts *ret_facts);

#endif
