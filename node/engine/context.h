/*
 * context -- what the engine's steps share, on the store's thread.
 *
 * Private to node/engine: engine.h is the outside. Each step of the cycle
 * (import.h, synchronize.h, compare.h, reconcile.h, export.h) gets this struct
 * and nothing else.
 */
#ifndef NODE_ENGINE_CONTEXT_H
#define NODE_ENGINE_CONTEXT_H

#include <stdatomic.h>

#include <jansson.h>

#include "node/config/config.h"
#include "node/engine/exporter.h"
#include "node/engine/state.h"
#include "node/metaverse/intent.h"
#include "node/rules/rules.h"
#include "node/source/source.h"

#define ENGINE_SOURCES_MAX   16
#define ENGINE_OBJECT_MEMORY ((size_t) 192 * 1024 * 1024)
#define ENGINE_CHUNK         1000 /* objects in one transaction */
#define ENGINE_RETRY_SECONDS 3600 /* a refused object is tried again hourly */
#define ENGINE_LIST_MAX      256  /* intents composed in one transaction */
#define ENGINE_NOTED_MAX     32   /* holds that one cycle tells about */

enum engine_phase {
    ENGINE_IDLE,
    ENGINE_VERIFY, /* not part of a cycle */
    ENGINE_IMPORT,
    ENGINE_SYNCHRONIZE,
    ENGINE_RECONCILE,
    ENGINE_COMPARE,
    ENGINE_EXPORT,
    ENGINE_PHASES
};
const char *engine_phase_name(enum engine_phase phase);

/* What one cycle did; becomes the run history and `status`. */
struct cycle_counts {
    uint64_t imported, deleted, synchronized;
    uint64_t exports[INTENT_VERBS];
    uint64_t retries, throttled_ms, conflicts, refused, unknown, later;
    uint64_t foreign_edits; /* objects */
    uint64_t foreign_paths; /* of them, put right */
    int64_t phase_ms[ENGINE_PHASES];
};

/* Why nothing is written but by a plan; see staging.h. Stored by number. */
enum staging {
    STAGING_NONE,
    STAGING_FIRST,      /* never exported */
    STAGING_RULES,      /* rules or scope changed */
    STAGING_MAINTENANCE /* an operator wants it so */
};

struct plan;            /* plan.h */
struct reconcile_found; /* reconcile_found.h */

/* Objects that are to take values to which others have a claim; unique.h. */
struct engine_contested {
    int64_t *ids;
    size_t count, room;
    bool none; /* nobody can be: looked at all claims */
};

struct engine_pair; /* pair.h */
struct engine_hint; /* pair.h */

/* At so many objects that another node wrote last a look is taken one by one;
 * beyond, both sides are read. */
#define ENGINE_LOOKS_MAX 1000

/* These objects; see hints.h. */
struct engine_hinted {
    bool listed; /* these are all */
    size_t count;
    struct engine_hint *items;
    struct ts_arena arena;
};

/* What came over from an earlier holder; see inherit.h. */
struct engine_inheritance {
    int64_t batch;        /* intents sent up to here are of earlier holders */
    struct ts_time since; /* nothing of theirs is admitted any more */
    struct ts_time quiet; /* before this, nothing is exported */
    bool reconcile_first; /* nothing before both sides were read whole */
    bool hold_deletions;  /* until then, where an operator did not wait */
    bool read_all;        /* both sides: another node left hints */
    struct engine_hinted hinted;
    bool looked; /* for what is in doubt, in this epoch */
};

/* The DN key of a source's base. */
struct engine_base {
    bool known;
    uint8_t key[16];
};

struct engine_context {
    const struct config *config;
    const struct ts_secret_keeper *secrets; /* NULL: the files rule */
    const struct engine_pair *pair;         /* NULL: this node is alone */
    struct engine_inheritance inherited;
    struct state state;
    struct rules *rules; /* NULL until both sides were asked once */
    struct exporter *exporter;
    size_t links_max;              /* references in one operation */
    struct ts_arena configuration; /* what the rules borrow */
    struct metaverse_reference_path *reference_paths;
    size_t reference_path_count;
    struct ts_slice dummies;                    /* as of struct metaverse */
    struct metaverse_unique_path *unique_paths; /* at the target */
    size_t unique_path_count;
    struct engine_contested contested;
    struct engine_base bases[ENGINE_SOURCES_MAX];
    int64_t import_ms[ENGINE_SOURCES_MAX]; /* of the last complete reading */
    struct cycle_counts counts;
    bool problems_known;     /* object_error may have rows */
    bool appointments_known; /* appointment may have rows */
    bool target_empty;   /* a first load, and neither objects nor intents yet */
    bool free_objects;   /* the target may have objects that nobody has yet */
    int64_t started_at;  /* of this process, seconds since 1970 */
    bool accept_missing; /* the operator vouches for a shrunken source */
    enum staging staging;  /* nothing is written but by a plan */
    int64_t staging_since; /* seconds since 1970 */
    bool approve_first;    /* the first plan is approved before it is known */
    struct plan *plan;     /* in force: only its writes; else NULL */
    bool holds_known;      /* there may be holds */
    bool losses_known;     /* lost_attribute may have confirmed rows */
    int64_t replaced_seen; /* the same, when pairs were looked for last */
    int64_t losses_swept;  /* the sum of numbers when they were swept last */
    struct ts_hash effect; /* of the configuration: what decides writes */
    bool reports_left; /* of foreign edits, and they are to be put right now */
    json_t *foreign_events; /* of this cycle, to be told; see foreign.h */
    size_t noted_count;     /* holds with new items since that was told */
    int64_t noted[ENGINE_NOTED_MAX];
    json_t *reused; /* DNs that came to others in this cycle; see reuse.h */
    json_t *plan_report; /* of a plan that this cycle ended, or NULL */
    struct reconcile_found *found; /* where a pass counts; NULL: none does */
    /* Why the cycle at hand reconciles; NULL: as the one that was cut off. */
    const char *reconcile_reason;
    json_t *reconcile_report; /* of the cycle that ended last, or NULL */
    char run_date[16];
    atomic_bool stopping;
    atomic_bool draining; /* while stopping: what was sent may end */
    /* Called between transactions: answers operators, publishes progress. */
    void (*breathe)(void *owner, enum engine_phase phase, uint64_t done,
                    uint64_t total);
    /* A first load is the state now. */
    enum ts_code (*selected)(void *owner, struct ts_err *err);
    /* The report of the reconcile at hand has changed; NULL: nobody asks. */
    void (*reconciled)(void *owner, const json_t *report);
    /* Waits that long, answering operators, or shorter when stopping. */
    void (*rest)(void *owner, int64_t ms);
    void *owner;
};

#endif
