/*
 * handover -- a planned move of the exports to the other computer, as a machine
 * that does no I/O and reads no clock.
 *
 *   preflight -> drain -> lease -> reset -> tail -> reconcile -> retire
 *   '----- on `from` ----'  '---------------- on `to` ----------------'
 *
 * Its state is the register's field (proto/handover_codec.h), so there is one,
 * and only the holder of the lease writes it, by compare-and-swap: it drives
 * the handover. What the steps have to show is evidence, a replicated setting.
 * A holder asks handover_next() what is to be done, does it, makes the evidence
 * durable on both nodes, and asks again:
 *
 *   RUN       do the step's work, then put its row
 *   MARK      write `next` into the register
 *   RELEASE   drain and give the lease up, `next` in the same swap
 *   END       clear the field: the report is complete
 *   WAIT      nothing: another node drives, or an operator has to say
 *
 * Every step is idempotent: after a crash it is run again from its beginning.
 * A handover that was cut off (another epoch than that of the field, or a step
 * that failed) waits for an operator, until the reset has begun: from there it
 * goes on by itself with whoever holds the lease.
 *
 *              no lease yet         lease moved            reset begun
 *   --abort    cleared              handed back, by the    refused
 *                                   same gates
 *   --resume   from the beginning   from the step          from the step
 *   failover   cut off              cut off                goes on
 *
 * Invariants (tests/unit/handover/test_handover.c tries every interleaving):
 *   H1  there is one handover or none: a second one is refused.
 *   H2  a step is run only when those before it are over, by their evidence.
 *   H3  nothing is reset before reset_begun is in the register, and after it
 *       the step never decreases and nothing is handed back.
 *   H4  who holds the lease is never retired.
 *   H5  after faults end, --resume brings it to its end in a bounded number of
 *       steps, with exactly one node holding the lease.
 */
#ifndef NODE_HANDOVER_HANDOVER_H
#define NODE_HANDOVER_HANDOVER_H

#include "node/handover/evidence.h"

/* ---- the table ---------------------------------------------------------- */

/* One row a step, for --dry-run, the report and the manual. */
struct handover_row {
    enum handover_step step;
    const char *does;     /* "finish the running session, then stop" */
    const char *waits;    /* for what it waits before it is over */
    const char *by;       /* "from", "to": which of the two does it */
    const char *evidence; /* what it has to show */
    const char *undo;
};
const struct handover_row *handover_row(enum handover_step step);

/* ---- what the driver sees ----------------------------------------------- */

struct handover_seen {
    const char *self;
    const char *other; /* the other voter; NULL: none */
    bool holds;        /* this node is active in the register's epoch */
    bool other_up;     /* it is connected, and a standby */
    uint64_t epoch;    /* this node's, as holder */
    unsigned does;     /* bits 1 << step: the steps that this node can do */
};

/* ---- operators ---------------------------------------------------------- */

enum handover_order {
    HANDOVER_BEGIN,
    HANDOVER_RESUME,
    HANDOVER_ABORT
};

struct handover_wish {
    enum handover_order order;
    const char *id; /* BEGIN: fresh */
    const char *to; /* BEGIN */
    const char *actor;
    bool retire, from_dead;
};

enum handover_verdict {
    HANDOVER_WRITE, /* *ret is the new field */
    HANDOVER_CLEAR, /* it is aborted: clear the field */
    HANDOVER_REFUSE /* err says why */
};

/* `field` NULL: none is open. The evidence of what is to be done again has to
 * be forgotten (handover_forget) before *ret is written.
 * Errors   TS_E_REFUSED, TS_E_CONFIG, TS_E_UNREACHABLE with HANDOVER_REFUSE. */
enum handover_verdict handover_order(const struct handover_field *field,
                                     const struct handover_seen *seen,
                                     const struct handover_wish *wish,
                                     struct handover_field *ret,
                                     struct ts_err *err);

/* Drop what `field` is going to show anew; notes stay. */
void handover_forget(struct handover_evidence *evidence,
                     const struct handover_field *field);

/* ---- driving ------------------------------------------------------------ */

enum handover_work_kind {
    HANDOVER_WAIT,
    HANDOVER_RUN,
    HANDOVER_MARK,
    HANDOVER_RELEASE,
    HANDOVER_END
};

struct handover_work {
    enum handover_work_kind kind;
    enum handover_step step;       /* RUN */
    struct handover_field next;    /* MARK, RELEASE */
    enum handover_outcome outcome; /* END */
    bool interrupted;              /* WAIT: an operator has to say */
    const char *why;               /* WAIT */
};

/* What is to be done now. `evidence` is durable on both nodes as it is given,
 * or the register shows that there is one only. */
void handover_next(const struct handover_field *field,
                   const struct handover_evidence *evidence,
                   const struct handover_seen *seen, struct handover_work *ret);

/* The row of a step that stands for the step itself: on the way back steps have
 * rows of their own. */
const char *handover_own_row(const struct handover_field *field);

/* Whence and whither it goes now. */
const char *handover_source(const struct handover_field *field);
const char *handover_destination(const struct handover_field *field);

#endif
