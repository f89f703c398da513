/*
 * plan_store -- previews that may be carried out as they were shown.
 *
 * A plan is a row with the hash that operators name it by, and one item an
 * object. It is drafted item by item while the preview works it out, when its
 * hash is not known yet, in a table of this connection only; a plan that is
 * stored already is only renewed.
 *
 *   draft_reset --> draft_add ... --> find --> (renew | put, draft_move ...)
 *
 * Items whose plan is gone are swept in bounded parts (plan_store_sweep).
 *
 * Invariants:
 *   P1  a plan's row is put before its items, and nobody finds it by its hash
 *       before all of them are there (plan_store_name).
 */
#ifndef NODE_METAVERSE_PLAN_STORE_H
#define NODE_METAVERSE_PLAN_STORE_H

#include "node/base/arena.h"
#include "node/metaverse/intent.h"
#include "node/metaverse/metaverse.h"

#define PLAN_STORE_KEPT    8 /* plans, the newest */
#define PLAN_STORE_SECONDS 86400

enum plan_item_state {
    PLAN_ITEM_OPEN,
    PLAN_ITEM_PERFORMED,
    PLAN_ITEM_DROPPED, /* no longer what the state demands */
    PLAN_ITEM_STATES
};

struct plan_item {
    int kind;
    struct ts_slice anchor;
    enum intent_verb verb;
    struct ts_slice content; /* hash of what is to be written, or empty */
    struct ts_slice links;   /* sorted 8-byte hashes */
    enum plan_item_state state;
};

struct plan_row {
    int64_t id; /* 0: none */
    struct ts_hash effect;
    int64_t at; /* previewed last, seconds since 1970 */
};

/* Forget the draft; outside of a transaction. */
TS_MUSTUSE enum ts_code plan_store_draft_reset(struct metaverse *mv,
                                               struct ts_err *err);
TS_MUSTUSE enum ts_code plan_store_draft_add(struct metaverse *mv,
                                             const struct plan_item *item,
                                             struct ts_err *err);
/* At most `limit` items of the draft, after the first `from`, become items of
 * plan `id`; *ret_moved tells how many. */
struct plan_move {
    int64_t id, from, limit;
};
TS_MUSTUSE enum ts_code plan_store_draft_move(struct metaverse *mv,
                                              const struct plan_move *move,
                                              int64_t *ret_moved,
                                              struct ts_err *err);

/* By the hash's text; id 0 when there is none. */
TS_MUSTUSE enum ts_code plan_store_find(struct metaverse *mv, const char *hash,
                                        struct plan_row *ret_row,
                                        struct ts_err *err);
/* A plan without items and without a name; its id is drawn from the counter
 * "plan". */
TS_MUSTUSE enum ts_code plan_store_put(struct metaverse *mv,
                                       const struct ts_hash *effect,
                                       int64_t *ret_id, struct ts_err *err);
/* All of its items are there. */
TS_MUSTUSE enum ts_code plan_store_name(struct metaverse *mv, int64_t id,
                                        const char *hash, struct ts_err *err);
/* It was previewed again, under this effect. */
TS_MUSTUSE enum ts_code plan_store_renew(struct metaverse *mv, int64_t id,
                                         const struct ts_hash *effect,
                                         struct ts_err *err);
TS_MUSTUSE enum ts_code plan_store_remove(struct metaverse *mv, int64_t id,
                                          struct ts_err *err);
/* Forget what is older than PLAN_STORE_SECONDS, or than the last
 * PLAN_STORE_KEPT; `spared` stays. */
TS_MUSTUSE enum ts_code plan_store_trim(struct metaverse *mv, int64_t spared,
                                        struct ts_err *err);
/* Remove at most `limit` items without a plan; *ret_more: there may be more. */
TS_MUSTUSE enum ts_code plan_store_sweep(struct metaverse *mv, int64_t limit,
                                         bool *ret_more, struct ts_err *err);

/* Copies live in `arena`; false in *ret_found when there is none. */
struct plan_key {
    int64_t id;
    int kind;
    struct ts_slice anchor;
};
TS_MUSTUSE enum ts_code plan_store_item(struct metaverse *mv,
                                        const struct plan_key *key,
                                        struct ts_arena *arena,
                                        struct plan_item *ret_item,
                                        bool *ret_found, struct ts_err *err);
/* An OPEN item gets another state. */
TS_MUSTUSE enum ts_code plan_store_mark(struct metaverse *mv,
                                        const struct plan_key *key,
                                        enum plan_item_state state,
                                        struct ts_err *err);
/* OPEN items, at most *count, that the state no longer demands: what is decided
 * for the object waits for another plan, or nothing is, no link of the plan is
 * due (metaverse.h, link_filter) and nothing was refused. In order, those after
 * `key`; only kind, anchor and verb are set. */
TS_MUSTUSE enum ts_code
plan_store_undemanded(struct metaverse *mv, const struct plan_key *key,
                      struct ts_arena *arena, struct plan_item *items,
                      size_t *count, struct ts_err *err);
/* DROPPED items, at most *count, in order; likewise. */
TS_MUSTUSE enum ts_code plan_store_dropped(struct metaverse *mv, int64_t id,
                                           struct ts_arena *arena,
                                           struct plan_item *items,
                                           size_t *count, struct ts_err *err);
/* How many items a plan has in each state. */
TS_MUSTUSE enum ts_code
plan_store_count(struct metaverse *mv, int64_t id,
                 int64_t ret_counts[static PLAN_ITEM_STATES],
                 struct ts_err *err);

#endif
