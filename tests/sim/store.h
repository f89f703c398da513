/*
 * store -- a node's state: the product's metaverse, journal, intents, ledger
 * and budgets, in SQLite on the simulated disk.
 *
 * What node/engine does with them in thousands of lines is here in its bare
 * order: rows and watermark, decisions, marks, results. Every function that
 * writes is one transaction of the journal, and leaves the node dead when the
 * disk died in it: callers look at the result and return.
 *
 * A person has one value, a number. A source object's anchor is "u7".
 */
#ifndef TESTS_SIM_STORE_H
#define TESTS_SIM_STORE_H

#include "node/engine/inherit_rows.h"
#include "node/metaverse/intent.h"
#include "replication/journal.h"
#include "tests/sim/disk.h"
#include "tests/sim/target.h"

struct sim_node;

#define STORE_BATCH_MAX 8

struct sim_store {
    struct sim_node *node;
    int64_t folder; /* state.N */
    struct metaverse *mv;
    struct journal *journal;
    bool open;
    bool building;      /* a first load: not selected yet */
    int hold;           /* of its folder */
    int64_t generation; /* likewise */
    /* What local.db would hold: in a file of its own, replaced as a whole. */
    uint8_t *facts;
    size_t facts_size;
    int64_t epoch;
    int64_t object, change, intent, batch, compared; /* counters */
    int64_t stored[5]; /* as they are in the file */
};

const struct db_schema *store_schema(void);
const struct capture_tables *store_tables(void);
/* Once per process: what every disk begins with. */
void store_template(struct disk_image *ret_image);

bool store_open(struct sim_store *store, struct sim_node *node);
void store_close(struct sim_store *store);
/* Another state was selected, or rows were made from outside. */
bool store_reopen(struct sim_store *store);
void store_shut(struct sim_store *store);
bool store_refresh(struct sim_store *store);
bool store_persist(struct sim_store *store, const uint8_t *facts, size_t size,
                   int64_t epoch);
struct journal_position store_position(const struct sim_store *store);

/* Changes behind the cookie, as far as `cookie`. */
bool store_import(struct sim_store *store, int64_t cookie);
int64_t store_cookie(struct sim_store *store);
/* Everything that changed since the last decision. */
bool store_decide(struct sim_store *store, bool keep_deletes);

struct store_op {
    int64_t intent, metaverse_id, id, value, batch;
    int anchor;
    enum intent_verb verb;
};
/* Mark what is due as sent; *ret_marked is where it is durable. */
bool store_mark(struct sim_store *store, struct store_op *ops, size_t *count,
                struct journal_position *ret_marked);
size_t store_due(struct sim_store *store, struct store_op *ops, size_t max);
size_t store_doubts(struct sim_store *store, struct store_op *ops, size_t max);
/* What became of it: done (with the object's id), not done, or not sent. */
bool store_done(struct sim_store *store, const struct store_op *op);
bool store_not_done(struct sim_store *store, const struct store_op *op);
/* It is not there any more, and was not deleted by us. */
bool store_vanished(struct sim_store *store, const struct store_op *op);
bool store_unsent(struct sim_store *store, const struct store_op *ops,
                  size_t count);
/* A hint of a returned node: look at it again. */
bool store_touch(struct sim_store *store, const int *anchors, size_t count);
/* An operator approves all deletions that are held back. */
bool store_approve(struct sim_store *store, int64_t *ret_count);
/* Of the budget for deletions, in this window. */
int64_t store_spent(struct sim_store *store);

/* A complete reading of both sides: source as of `cookie`, and the target. */
bool store_rebuild(struct sim_store *store, int64_t cookie,
                   const struct target_found *found, size_t count);
/* A first load (store_load.c): a complete reading of both sides into a state of
 * its own, which nobody captures and nobody sees before it is selected. */
bool store_build(struct sim_store *store, int64_t generation);
bool store_select(struct sim_store *store, int64_t epoch);
/* Not to be selected any more. */
void store_abandon(struct sim_store *store);

/* As the engine does: what a takeover finds in the rows, and leaves there. */
bool store_take_over(struct sim_store *store,
                     const struct engine_activation *activation,
                     struct inherit_found *ret_found);

/* 7 of "u7". */
int store_anchor_of(struct ts_slice text);

/* For the judge: calls `each` for all of the ledger. */
typedef void store_ledger_fn(void *context, int anchor, int64_t id,
                             int provenance);
bool store_ledger(struct sim_store *store, store_ledger_fn *each,
                  void *context);
/* Is a deletion of it held back, visibly? */
bool store_held(struct sim_store *store, int anchor);
int64_t store_open_intents(struct sim_store *store);

#endif
