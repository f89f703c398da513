/*
 * twins -- who is gone and came back under another anchor.
 *
 * After a reload without operational attributes, or a migration to another
 * forest, everybody is there as before and nobody has the anchor that he had.
 * Such a pair shows in what both are called: an object that no source has any
 * more and that the target still has as ours, and an object that a source has
 * and the target has not, of one kind and with an equal value.
 *
 *   metaverse --twins_find--> temp.candidate (who, on which side, which value)
 *                             temp.twin      (numbered pairs that are clear)
 *
 * Values are compared without regard to case. A value that several have on a
 * side makes no pair: nobody can tell who is whom.
 *
 * The tables are of this connection only and not replicated; each call of
 * twins_find begins anew. Memory is bounded, whatever the number of objects.
 */
#ifndef NODE_ENGINE_TWINS_H
#define NODE_ENGINE_TWINS_H

#include "node/engine/context.h"

/* The target paths whose values, together, tell who is whom; count 0: objects
 * of that kind are left out. */
#define TWINS_PATHS_MAX 16
struct twins_key {
    const char *paths[TWINS_PATHS_MAX];
    size_t count;
};
/* What the rules match by; without that, a user's userName and a group's
 * displayName. */
void twins_default_key(const struct config *config,
                       struct twins_key key[static CONFIG_KINDS]);

struct twins_count {
    int64_t pairs;     /* clear ones */
    int64_t ambiguous; /* values that several have on one side or both */
};
/* Between transactions; reads the whole metaverse. */
TS_MUSTUSE enum ts_code twins_find(struct engine_context *engine,
                                   const struct twins_key key[CONFIG_KINDS],
                                   struct twins_count ret_counts[CONFIG_KINDS],
                                   struct ts_err *err);

struct twins_pair {
    int64_t number;
    int kind;
    int64_t old_id, new_id; /* of metaverse objects */
    struct ts_slice old_anchor, new_anchor;
    struct ts_slice value; /* as it was compared */
};
/* The pairs with numbers above `after`, at most *count; copies live in `arena`.
 */
TS_MUSTUSE enum ts_code twins_pairs(struct metaverse *mv, int64_t after,
                                    struct ts_arena *arena,
                                    struct twins_pair *pairs, size_t *count,
                                    struct ts_err *err);

/* Somebody whose value several have. Lives during the call. */
struct twins_candidate {
    int kind;
    struct ts_slice value, anchor;
    bool is_new;
};
typedef void twins_fn(void *context, const struct twins_candidate *candidate);
/* Those of at most TWINS_VALUES_MAX values, by value, the old ones first; at
 * most TWINS_LISTED_MAX of them. */
#define TWINS_VALUES_MAX 100
#define TWINS_LISTED_MAX 1000
TS_MUSTUSE enum ts_code twins_ambiguous(struct metaverse *mv, twins_fn *each,
                                        void *context, struct ts_err *err);

#endif
