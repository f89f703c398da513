/* snapshot -- what `status` shows: written by the store's thread, read by the
 * reactor's, under the engine's lock. Plain values only. */
#ifndef NODE_ENGINE_SNAPSHOT_H
#define NODE_ENGINE_SNAPSHOT_H

#include <jansson.h>

#include "node/base/time.h"
#include "node/engine/cycle.h"
#include "node/engine/guard.h"
#include "node/engine/staging.h"
#include "replication/journal.h"

#define SNAPSHOT_PROBLEMS_MAX 8

#define SNAPSHOT_SENTENCE_SIZE 1024

struct snapshot_problem {
    char code[40];
    bool error; /* else a warning */
    char text[640];
    char fix[256];
};

struct snapshot_counts {
    int64_t source, metaverse, target, ledger, pending, errors;
    int64_t quarantined; /* of the errors: attributes that others have */
};

struct snapshot {
    bool started; /* the state is open */
    int64_t epoch;
    struct journal_position position;
    struct {
        bool running;
        int64_t id; /* 0: none ran yet */
        enum cycle_kind kind;
        char started[TS_WALL_TEXT_SIZE];
        struct ts_time begun;
        int64_t duration_ms;
        enum cycle_result result;
        enum engine_phase phase;
        uint64_t done, total;
        unsigned pass; /* of a reconcile, from 1 on; else 0 */
        struct cycle_counts did;
    } cycle;
    json_t *reconcile; /* the last report, reconcile_report.h; NULL: none */
    struct snapshot_counts counts;
    int64_t dangling; /* references, as counted in the last full cycle */
    struct staging_view staging;
    bool paused;
    int64_t paused_until; /* seconds since 1970; 0: until resumed */
    struct guard_view guard;
    size_t problem_count;
    struct snapshot_problem problems[SNAPSHOT_PROBLEMS_MAX];
};

/* The document of INTERFACE (`status --json`), new. */
json_t *snapshot_status(const struct snapshot *snapshot,
                        const struct config *config);
/* Its member "cycle", new. */
json_t *snapshot_cycle(const struct snapshot *snapshot);
/* "exports" of a cycle, new. */
json_t *snapshot_exports(const struct cycle_counts *did);
/* Is one of severity error among the problems of the document, the pair's
 * included? */
bool snapshot_unhealthy(const json_t *status);

/* What a cycle's end means for an operator: one problem, or none. */
void snapshot_set_outcome(struct snapshot *snapshot,
                          const struct cycle_outcome *outcome);
/* The same as one sentence for whoever waits: why, and what to do. */
void snapshot_sentence(const struct snapshot *snapshot,
                       const struct cycle_outcome *outcome,
                       char text[static SNAPSHOT_SENTENCE_SIZE]);

#endif
