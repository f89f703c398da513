/*
 * target_space -- the connector space of the target, and the ledger.
 *
 * For each object that we know at the target: what we last wanted there
 * (`sent`) and how the target showed it afterwards (`seen`). What is due is the
 * difference between the metaverse and `sent`, never between the metaverse and
 * `seen`: a target that lower-cases, trims or drops is written once and left
 * alone. A foreign edit shows as a later reading that differs from `seen`.
 *
 * The ledger is apart, because it answers another question: what may we ever
 * delete there. A row leaves it only with a confirmed deletion.
 */
#ifndef NODE_METAVERSE_TARGET_SPACE_H
#define NODE_METAVERSE_TARGET_SPACE_H

#include "node/base/arena.h"
#include "node/metaverse/metaverse.h"

struct target_row {
    struct ts_slice target_id;
    int kind;
    struct ts_slice anchor, match_value, etag;
    int64_t metaverse_id; /* 0: not ours */
    bool active;
    struct ts_slice sent;
    struct ts_slice seen; /* data == NULL: not known */
};

/* By what; *ret_found tells whether there is one. Copies live in `arena`. */
TS_MUSTUSE enum ts_code
target_row_by_metaverse(struct metaverse *mv, int64_t metaverse_id,
                        struct ts_arena *arena, struct target_row *ret_row,
                        bool *ret_found, struct ts_err *err);
TS_MUSTUSE enum ts_code target_row_by_id(struct metaverse *mv,
                                         struct ts_slice target_id,
                                         struct ts_arena *arena,
                                         struct target_row *ret_row,
                                         bool *ret_found, struct ts_err *err);
/* Not joined, of that kind and carrying that anchor. */
TS_MUSTUSE enum ts_code
target_row_free_by_anchor(struct metaverse *mv, int kind,
                          struct ts_slice anchor, struct ts_arena *arena,
                          struct target_row *ret_row, bool *ret_found,
                          struct ts_err *err);

/* Not joined, without an anchor, and matching: *ret_count tells how many there
 * are; the row is set when it is one. */
TS_MUSTUSE enum ts_code target_row_free_by_match(struct metaverse *mv, int kind,
                                                 struct ts_slice match_value,
                                                 struct ts_arena *arena,
                                                 struct target_row *ret_row,
                                                 int64_t *ret_count,
                                                 struct ts_err *err);

/* Insert or replace the row of that target id. */
TS_MUSTUSE enum ts_code target_row_put(struct metaverse *mv,
                                       const struct target_row *row,
                                       struct ts_err *err);
TS_MUSTUSE enum ts_code target_row_remove(struct metaverse *mv,
                                          struct ts_slice target_id,
                                          struct ts_err *err);

enum ledger_provenance {
    LEDGER_CREATED,
    LEDGER_ADOPTED
};

TS_MUSTUSE enum ts_code ledger_put(struct metaverse *mv, int kind,
                                   struct ts_slice anchor,
                                   struct ts_slice target_id,
                                   enum ledger_provenance provenance,
                                   struct ts_err *err);
TS_MUSTUSE enum ts_code ledger_remove(struct metaverse *mv, int kind,
                                      struct ts_slice anchor,
                                      struct ts_err *err);
TS_MUSTUSE enum ts_code ledger_has(struct metaverse *mv, int kind,
                                   struct ts_slice anchor, bool *ret_has,
                                   struct ts_err *err);

#endif
