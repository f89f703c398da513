/*
 * judge -- who decides whether an invariant of the design was broken.
 *
 * The judge sees all of the world at once and is told of each thing when it
 * happens. What can be decided in O(1) is decided then; what needs a look at
 * whole states is decided at a crash and at the end.
 *
 *   I1  admissions never decrease in epoch, and no object's effects do; no two
 *       gates are open at one instant
 *   I2  after a confirmed fence nothing below it is admitted, and after Q
 *       nothing below it takes effect
 *   I3  what the target acknowledged is in the survivor's state at the end
 *   I4  no anchor leaves the ledger while its object is there
 *   I5  one object an anchor, and no operation sent twice
 *   I6  each (generation, epoch, seq) has one content on every node
 *   I7  a write is admitted only when its intent is durable on both nodes, or
 *       the register shows an unprotected period
 *   I8  two nodes never both have writes admitted (with I1)
 *   I9  nothing is deleted that the source has, that was only found, or that
 *       passes the guard's budget
 *   M5  who promised takes nothing while the promise binds; and nothing is
 *       promised or taken for T(1+e) + 1 s after a start, where there is a peer
 *   LIVE once faults have ended the pair converges in a bounded time
 *
 * A target that cannot fence makes no promise of I1 and I2; there the lease
 * alone has to keep epochs apart, as long as no clock was broken.
 */
#ifndef TESTS_SIM_JUDGE_H
#define TESTS_SIM_JUDGE_H

#include "node/base/clock.h"
#include "node/base/slice.h"
#include "proto/register_codec.h"
#include "replication/batch.h"
#include "tests/sim/source.h"
#include "tests/sim/target.h"

#define JUDGE_ROWS 8192 /* a power of two */
#define JUDGE_OPS  8192 /* likewise */

struct judge_row {
    int64_t generation, epoch, seq; /* epoch 0: free */
    struct sum post;
    bool written;    /* by a leader */
    uint8_t durable; /* bit: was ever durable on that node */
};

/* Of one start of a node, on its own clocks. */
struct judge_life {
    struct ts_clocks started, promised;
    bool has_promised;
};

struct sim_judge {
    const char *violated;
    char text[512];
    /* What happened at the target. */
    int64_t admitted_epoch; /* the highest */
    bool let_in;            /* an old epoch, by a broken clock, unfenced */
    int64_t fenced_below;   /* everything below is confirmed gone */
    int64_t fenced_ms;      /* since when */
    int64_t deletes, deletes_unprotected, approved;
    bool deleted[SOURCE_ANCHORS_MAX + 1];
    uint64_t *ops; /* those sent; 0: free */
    /* What stands in the register. */
    struct register_value value;
    bool has_value;
    bool is_unprotected;    /* of its highest epoch: one that was put back to an
                               older one shows nothing */
    int64_t register_epoch; /* the highest ever */
    int64_t before_epoch;   /* of the holder before this one */
    uint8_t before_boot[REGISTER_ID_SIZE];
    int takeovers;
    struct judge_life lives[2];
    struct judge_row *rows;
    uint64_t commits, applied, snapshots;
};

void judge_start(struct world *world);
void judge_done_with(struct world *world);
/* The first one counts; the seed ends. */
void judge_violated(struct world *world, const char *invariant,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A swap is about to land; `late`: after its sender gave it up. */
void judge_swap(struct world *world, int node, struct ts_slice value,
                bool late);
/* It sends a promise to the other one. */
void judge_promised(struct world *world, int node);
/* A request leaves; an operation does so once. */
void judge_launch(struct world *world, const struct target_request *request);
void judge_sending(struct world *world, const struct target_request *request,
                   const struct journal_position *marked);
void judge_admission(struct world *world, const struct target_request *request);
void judge_effect(struct world *world, const struct target_request *request,
                  const struct target_object *object);
/* State was lost and is rebuilt: what was spent in the lost part is not known
 * to anybody, and cannot be. */
void judge_rebuilding(struct world *world, int64_t spent);
/* An unfenced target and a broken clock: I1 and I2 are not claimed; nor, when
 * that has let an old epoch in, what would follow from them. */
bool judge_claims_nothing(const struct world *world);
/* A journal row is durable on a node: it wrote it, or made it as the other's.
 */
void judge_row(struct world *world, int node,
               const struct journal_position *position, bool wrote);
void judge_batch(struct world *world, int node, const struct batch *batch);
/* A snapshot brought it all rows up to that one. */
void judge_has_all(struct world *world, int node,
                   const struct journal_position *at);
/* A commit whose answer the crash took may be there. */
void judge_started(struct world *world, int node);
void judge_installed(struct world *world, int node);
void judge_ledger_left(struct world *world, int node, int anchor);
/* After each step of a member: O(1). */
void judge_gates(struct world *world);
/* Whole states: of what a crash left, and at the end. */
void judge_state(struct world *world, int node);
void judge_end(struct world *world);
/* Do the two nodes and the target agree with the source? */
bool judge_converged(struct world *world, char *why, size_t size);

const char *target_verb_name(enum target_verb verb);
const char *target_status_name(enum target_status status);

#endif
