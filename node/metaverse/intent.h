/*
 * intent -- exports that are decided and durable, not yet confirmed.
 *
 *            put                clear     mark_sent              drop
 *   (nothing) --> due (batch 0) ----> ... ---------> in doubt --------->
 * confirmed ^                         |
 *                    +------ looked up --------+   (dropped, decided anew)
 *
 * An intent says what is to be done to which object; the request is composed
 * from the state of the moment in which it is sent.
 *
 * Invariants:
 *   N1  at most one intent an object.
 *   N2  an intent is durable as in doubt before its request leaves (I7), so
 *       that after a crash exactly the doubtful ones are looked up.
 *   N3  an intent in doubt is never sent again: it is looked up, then dropped,
 *       and what is still to be done is decided anew from current state.
 */
#ifndef NODE_METAVERSE_INTENT_H
#define NODE_METAVERSE_INTENT_H

#include "node/base/arena.h"
#include "node/metaverse/metaverse.h"

/* The order of writes: what releases comes before what takes, what is
 * referred to before what refers. */
enum intent_phase {
    INTENT_UNLINK, /* what loses references */
    INTENT_LEAVE,  /* deletions and deactivations */
    INTENT_USER_UPDATE,
    INTENT_USER_CREATE,
    INTENT_GROUP_CREATE,
    INTENT_GROUP_UPDATE, /* and references that had to wait */
    INTENT_PHASES
};

enum intent_verb {
    INTENT_CREATE,
    INTENT_UPDATE,
    INTENT_DEACTIVATE,
    INTENT_REACTIVATE,
    INTENT_DELETE,
    INTENT_ADOPT, /* only reads: take over an object that is there already */
    INTENT_PARK,  /* an update that first gives unique values up; unique.h */
    INTENT_VERBS
};

/* "create", "update", ... */
const char *intent_verb_name(enum intent_verb verb);

/* What the guard counts an intent as: a set of bits. An intent without any is
 * cleared when it is decided. */
enum intent_class {
    INTENT_CLASS_CREATE = 1 << 0,
    INTENT_CLASS_DELETE = 1 << 1,     /* gone from every source */
    INTENT_CLASS_DEACTIVATE = 1 << 2, /* the same, where it is switched off */
    INTENT_CLASS_EXIT = 1 << 3,       /* out of scope, whatever becomes of it */
    INTENT_CLASS_KEY = 1 << 4,        /* changes a unique value */
    INTENT_CLASS_MEMBERS = 1 << 5,    /* takes references away */
    INTENT_CLASS_LOST = 1 << 6,       /* follows from an attribute's loss */
    INTENT_CLASS_ORPHAN = 1 << 7      /* no source was ever seen to have it */
};

/* May it be sent? */
enum intent_clearance {
    INTENT_UNCHECKED, /* the guard has not seen it */
    INTENT_CLEARED,
    INTENT_STAGED, /* waits for a plan */
    INTENT_HELD    /* an item of at least one hold */
};

struct intent {
    int64_t id;
    enum intent_phase phase;
    enum intent_verb verb;
    int kind;
    int64_t metaverse_id;
    struct ts_slice anchor, target_id;
    struct ts_hash before, after;
    int64_t batch, doubt_since;
    unsigned classes;
    enum intent_clearance clearance;
};

/* Decide on an object for which nothing is decided (intent_revoke) and nothing
 * in doubt (intent_of): otherwise the store refuses, N1. */
TS_MUSTUSE enum ts_code intent_put(struct metaverse *mv,
                                   const struct intent *intent,
                                   struct ts_err *err);
/* Is something decided for the object; *ret_doubt: and may have been sent. */
TS_MUSTUSE enum ts_code intent_of(struct metaverse *mv, int64_t metaverse_id,
                                  bool *ret_exists, bool *ret_doubt,
                                  struct ts_err *err);
/* What is decided for the object; copies live in `arena`. */
TS_MUSTUSE enum ts_code intent_get(struct metaverse *mv, int64_t metaverse_id,
                                   struct ts_arena *arena,
                                   struct intent *ret_intent, bool *ret_found,
                                   struct ts_err *err);
/* Cleared and unsent intents of `phase` with ids above `after`, in order, at
 * most *count; copies live in `arena`. */
TS_MUSTUSE enum ts_code intent_due(struct metaverse *mv,
                                   enum intent_phase phase, int64_t after,
                                   struct ts_arena *arena,
                                   struct intent *intents, size_t *count,
                                   struct ts_err *err);
/* The same of those in doubt. */
TS_MUSTUSE enum ts_code intent_in_doubt(struct metaverse *mv, int64_t after,
                                        struct ts_arena *arena,
                                        struct intent *intents, size_t *count,
                                        struct ts_err *err);
/* The same of those that the guard has not seen, of every phase. */
TS_MUSTUSE enum ts_code intent_unchecked(struct metaverse *mv, int64_t after,
                                         struct ts_arena *arena,
                                         struct intent *intents, size_t *count,
                                         struct ts_err *err);
/* The last of them; 0: there is none. */
TS_MUSTUSE enum ts_code intent_last_unchecked(struct metaverse *mv,
                                              int64_t *ret_id,
                                              struct ts_err *err);
/* The same of those that were not sent and are not held. */
TS_MUSTUSE enum ts_code intent_unsent(struct metaverse *mv, int64_t after,
                                      struct ts_arena *arena,
                                      struct intent *intents, size_t *count,
                                      struct ts_err *err);
/* The ids of unsent intents of one clearance, with ids above `after` and none
 * of the classes in `spared`, in order, at most *count. */
struct intent_range {
    enum intent_clearance clearance;
    unsigned spared;
    int64_t after;
};
TS_MUSTUSE enum ts_code intent_ids(struct metaverse *mv,
                                   const struct intent_range *range,
                                   int64_t *ids, size_t *count,
                                   struct ts_err *err);
/* Only of an intent that was not sent. */
TS_MUSTUSE enum ts_code intent_clear(struct metaverse *mv, int64_t id,
                                     enum intent_clearance clearance,
                                     struct ts_err *err);
TS_MUSTUSE enum ts_code intent_mark_sent(struct metaverse *mv, int64_t id,
                                         int64_t batch, struct ts_err *err);
/* Its answer was lost now: the service may work on it from now on. */
TS_MUSTUSE enum ts_code intent_doubt_now(struct metaverse *mv, int64_t id,
                                         struct ts_err *err);
/* Back to due: it certainly did not leave. */
TS_MUSTUSE enum ts_code intent_unsend(struct metaverse *mv, int64_t id,
                                      struct ts_err *err);
TS_MUSTUSE enum ts_code intent_drop(struct metaverse *mv, int64_t id,
                                    struct ts_err *err);
/* Forget a decision that was not sent. */
TS_MUSTUSE enum ts_code intent_revoke(struct metaverse *mv,
                                      int64_t metaverse_id, struct ts_err *err);

struct intent_counts {
    int64_t due; /* cleared or unchecked, not sent */
    int64_t doubt;
    int64_t staged, held;
    int64_t by_verb[INTENT_VERBS];
};
TS_MUSTUSE enum ts_code intent_count(struct metaverse *mv,
                                     struct intent_counts *ret_counts,
                                     struct ts_err *err);

#endif
