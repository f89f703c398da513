/*
 * hold -- what is kept back until an operator has looked at it.
 *
 * A hold is one reason: a class of writes, a kind of object and, where several
 * reasons of one class are told apart, a detail (the term of a scope exit, a
 * lost attribute, a group's anchor). Its items are the objects whose writes it
 * keeps back, numbered in the order in which they came.
 *
 *   open --add--> items --note--> a list that can be approved --approve-->
 *                   |                                  \------reject---->
 *                   +--drop: no longer due--> last one: the hold is gone
 *
 * A list names the items up to a number, by a hash that people type. What came
 * later is not on it, so an approval never releases what nobody has seen.
 *
 * Whoever opens a hold adds its items in the same transaction, and drops them
 * when they are no longer due: node/engine/guard.h for the budgets (CREATES to
 * MEMBERS), the owners of the other classes for theirs. A hold without items is
 * removed by the guard's next pass, which also notes new lists.
 *
 * Invariants:
 *   H1  one hold a reason; an item keeps its number while it is due.
 *   H2  an item whose write changes, or grows, gets a new number: it is on no
 *       list that was noted before.
 *   H3  a list that was noted is never changed: it is approved, or removed.
 */
#ifndef NODE_METAVERSE_HOLD_H
#define NODE_METAVERSE_HOLD_H

#include "node/base/arena.h"
#include "node/metaverse/intent.h"
#include "node/metaverse/metaverse.h"

/* Stored by number. The first seven are numbered as the bits of enum
 * intent_class are. */
enum hold_class {
    HOLD_CREATES,
    HOLD_DELETES,
    HOLD_DEACTIVATIONS,
    HOLD_EXITS,
    HOLD_KEYS,
    HOLD_MEMBERS,
    HOLD_ATTRIBUTE_VANISHED,
    HOLD_ANCHORS_REPLACED,
    HOLD_ORPHANS,
    HOLD_REANCHOR,
    HOLD_CLASSES
};
/* "creates", "scope-exits", ... */
const char *hold_class_name(enum hold_class class);

#define HOLD_HASH_SIZE  TS_HASH_TEXT_SIZE
#define HOLD_TEXT_MAX   640
#define HOLD_APPROVED_S 86400 /* how long an approval is good for */
#define HOLD_LISTS_KEPT 64    /* of one hold; older ones are forgotten */

struct hold_reason {
    enum hold_class class;
    int kind;
    struct ts_slice detail; /* "" where there is none */
};

struct hold {
    int64_t id;
    struct hold_reason reason;
    struct ts_slice text; /* one sentence: why */
    int64_t since;
};

/* Find the hold of that reason, or open one that says `text`. An open hold
 * keeps the sentence that it has; see hold_say. */
TS_MUSTUSE enum ts_code hold_open(struct metaverse *mv,
                                  const struct hold_reason *reason,
                                  const char *text, int64_t *ret_id,
                                  struct ts_err *err);
/* 0: there is none. */
TS_MUSTUSE enum ts_code hold_find(struct metaverse *mv,
                                  const struct hold_reason *reason,
                                  int64_t *ret_id, struct ts_err *err);
/* Another sentence; nothing is written when it is the same. */
TS_MUSTUSE enum ts_code hold_say(struct metaverse *mv, int64_t id,
                                 const char *text, struct ts_err *err);
/* All that are open, by class, kind and detail; copies live in `arena`. With
 * `id` not 0 only that one. Errors: TS_E_LIMIT. */
TS_MUSTUSE enum ts_code hold_all(struct metaverse *mv, int64_t id,
                                 struct ts_arena *arena,
                                 struct hold **ret_holds, size_t *ret_count,
                                 struct ts_err *err);
/* With its items and lists. */
TS_MUSTUSE enum ts_code hold_remove(struct metaverse *mv, int64_t id,
                                    struct ts_err *err);
/* Remove those without items; *ret_open tells whether any is left. */
TS_MUSTUSE enum ts_code hold_sweep(struct metaverse *mv, bool *ret_open,
                                   struct ts_err *err);

struct hold_item {
    int kind;
    struct ts_slice anchor;
    enum intent_verb verb;
    int64_t amount; /* of writes: how many members it loses; else 1 */
    int64_t seq;    /* set by hold_add */
    int64_t since;  /* likewise */
};

/* Add, or renew, an item (H2). Nothing is written when it is there already. */
TS_MUSTUSE enum ts_code hold_add(struct metaverse *mv, int64_t id,
                                 const struct hold_item *item,
                                 struct ts_err *err);
/* Nothing happens when it is not there. */
TS_MUSTUSE enum ts_code hold_drop(struct metaverse *mv, int64_t id, int kind,
                                  struct ts_slice anchor, struct ts_err *err);
/* The same in every hold of that class. */
TS_MUSTUSE enum ts_code hold_drop_class(struct metaverse *mv,
                                        enum hold_class class, int kind,
                                        struct ts_slice anchor,
                                        struct ts_err *err);
/* The same in every hold. */
TS_MUSTUSE enum ts_code hold_drop_object(struct metaverse *mv, int kind,
                                         struct ts_slice anchor,
                                         struct ts_err *err);
/* The items of a hold with numbers in (after, last], in order, at most *count;
 * copies live in `arena`. */
TS_MUSTUSE enum ts_code hold_items(struct metaverse *mv, int64_t id,
                                   const int64_t after_last[static 2],
                                   struct ts_arena *arena,
                                   struct hold_item *items, size_t *count,
                                   struct ts_err *err);
TS_MUSTUSE enum ts_code hold_count(struct metaverse *mv, int64_t id,
                                   int64_t *ret_items, struct ts_err *err);
/* What they stand for together. */
TS_MUSTUSE enum ts_code hold_amount(struct metaverse *mv, int64_t id,
                                    int64_t *ret_amount, struct ts_err *err);
/* In which classes is the object kept back: a bit (1 << class) each. */
TS_MUSTUSE enum ts_code hold_classes_of(struct metaverse *mv, int kind,
                                        struct ts_slice anchor,
                                        unsigned *ret_classes,
                                        struct ts_err *err);

struct hold_list {
    char hash[HOLD_HASH_SIZE];
    int64_t hold_id;
    int64_t last_seq;
    int64_t items; /* when it was noted */
    int64_t at;
};

/* Did items come since the last list? */
TS_MUSTUSE enum ts_code hold_grew(struct metaverse *mv, int64_t id,
                                  bool *ret_grew, struct ts_err *err);
/* Note the present items, if any came since the last list. `basis` is what the
 * list means them under (the configuration): under another one it is another
 * list. */
TS_MUSTUSE enum ts_code hold_note(struct metaverse *mv, const struct hold *hold,
                                  const struct ts_hash *basis,
                                  struct ts_err *err);
/* The last one that was noted; TS_E_NOT_FOUND. */
TS_MUSTUSE enum ts_code hold_last_list(struct metaverse *mv, int64_t id,
                                       struct hold_list *ret_list,
                                       struct ts_err *err);
/* By what an operator typed; TS_E_NOT_FOUND. */
TS_MUSTUSE enum ts_code hold_list_of(struct metaverse *mv, struct ts_slice hash,
                                     struct hold_list *ret_list,
                                     struct ts_err *err);
/* Forget the lists of a hold: something of it was decided. */
TS_MUSTUSE enum ts_code hold_forget_lists(struct metaverse *mv, int64_t id,
                                          struct ts_err *err);

#endif
