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
 * delete there. Deletions are the ledger without a complete enumeration of the
 * sources, also after a reinstall: what carries an anchor at the target and is
 * nobody's is found, and listed, and nothing else is done to it.
 *
 * Invariants:
 *   L1  a row leaves the ledger only when the target confirmed that the object
 *       is not there (a deletion, a lookup, a complete enumeration), or by an
 *       operator who rejects it (I4). One that was only FOUND leaves it also
 *       when the object no longer carries that anchor.
 *   L2  every row has a metaverse object that accounts for it, or is an item
 *       of a hold that an operator sees (ledger_unaccounted).
 *   L3  one that is FOUND is not deleted, deactivated or changed unless an
 *       operator named it.
 */
#ifndef NODE_METAVERSE_TARGET_SPACE_H
#define NODE_METAVERSE_TARGET_SPACE_H

#include "node/base/arena.h"
#include "node/metaverse/metaverse.h"

struct target_row {
    int64_t rowid; /* of a row that was read; target_row_put ignores it */
    struct ts_slice target_id;
    int kind;
    struct ts_slice anchor, match_value, etag;
    int64_t metaverse_id; /* 0: not ours */
    bool active;
    struct ts_slice sent;
    struct ts_slice seen;    /* data == NULL: not known */
    struct ts_slice created; /* when, as the target says; empty: not known */
    bool shielded; /* not ours, and never to be: an administrator and such */
    bool disowned; /* an operator said that it is not ours */
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
/* Objects that are not joined and carry an anchor, or have a match value; how
 * many of what sort. Those of other sorts are never taken over (match.h). */
struct target_candidates {
    int64_t usable; /* of the kind; by value: without any anchor */
    int64_t shielded;
    int64_t anchored; /* by value: of the kind, with an anchor */
    int64_t of_other_kind;
    struct ts_slice target_id; /* of one of them, a usable one first */
    struct target_row row;     /* the usable one, when it is one */
};
TS_MUSTUSE enum ts_code
target_candidates_by_anchor(struct metaverse *mv, int kind,
                            struct ts_slice anchor, struct ts_arena *arena,
                            struct target_candidates *ret, struct ts_err *err);
TS_MUSTUSE enum ts_code
target_candidates_by_match(struct metaverse *mv, int kind,
                           struct ts_slice match_value, struct ts_arena *arena,
                           struct target_candidates *ret, struct ts_err *err);

/* Insert or replace the row of that target id. `disowned` is not taken over:
 * it stays until the object is ours. */
TS_MUSTUSE enum ts_code target_row_put(struct metaverse *mv,
                                       const struct target_row *row,
                                       struct ts_err *err);
/* It is not ours any more, by an operator's word. */
TS_MUSTUSE enum ts_code target_row_disown(struct metaverse *mv,
                                          struct ts_slice target_id,
                                          struct ts_err *err);
/* Since when the object's counterpart is switched off by us, in seconds since
 * 1970; 0: it is not. */
TS_MUSTUSE enum ts_code target_row_inactive_since(struct metaverse *mv,
                                                  int64_t metaverse_id,
                                                  int64_t *ret_since,
                                                  struct ts_err *err);
TS_MUSTUSE enum ts_code target_row_set_inactive(struct metaverse *mv,
                                                int64_t metaverse_id,
                                                int64_t since,
                                                struct ts_err *err);
TS_MUSTUSE enum ts_code target_row_remove(struct metaverse *mv,
                                          struct ts_slice target_id,
                                          struct ts_err *err);

/* Stored by number. */
enum ledger_provenance {
    LEDGER_CREATED,
    LEDGER_ADOPTED, /* by anchor or by value, the anchor seen at a source */
    LEDGER_FOUND    /* carries an anchor that no source was seen to have */
};

/* "created", "adopted", "found"; "?" for another number. */
const char *ledger_provenance_name(int64_t number);

/* FOUND gives way to the others, and never takes their place; else provenance
 * changes with the object. What is not, or no longer, FOUND is no item of the
 * hold of orphans. */
TS_MUSTUSE enum ts_code ledger_put(struct metaverse *mv, int kind,
                                   struct ts_slice anchor,
                                   struct ts_slice target_id,
                                   enum ledger_provenance provenance,
                                   struct ts_err *err);
TS_MUSTUSE enum ts_code ledger_get(struct metaverse *mv, int kind,
                                   struct ts_slice anchor, bool *ret_has,
                                   enum ledger_provenance *ret_provenance,
                                   struct ts_err *err);
TS_MUSTUSE enum ts_code ledger_remove(struct metaverse *mv, int kind,
                                      struct ts_slice anchor,
                                      struct ts_err *err);
/* The row of `from` is that of `to` from now on; all else of it stays. */
TS_MUSTUSE enum ts_code ledger_rename(struct metaverse *mv, int kind,
                                      struct ts_slice from, struct ts_slice to,
                                      struct ts_err *err);
TS_MUSTUSE enum ts_code ledger_has(struct metaverse *mv, int kind,
                                   struct ts_slice anchor, bool *ret_has,
                                   struct ts_err *err);

#endif
