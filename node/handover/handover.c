#include "node/handover/handover.h"

#include <assert.h>
#include <string.h>

/* ---- the table ---------------------------------------------------------- */

static const struct handover_row rows[HANDOVER_STEPS] = {
    { HANDOVER_PREFLIGHT, "try from the other computer all that it will need",
      "every gate to be open", "from",
      "each gate with its value, threshold and fix",
      "nothing was changed: it is cleared" },
    { HANDOVER_DRAIN, "finish the session that runs, then export no more",
      "the session to end, and the other computer to have every row", "from",
      "which session ended, and the last row that both have",
      "it is cleared: this computer exports on" },
    { HANDOVER_LEASE, "give the lease over: a new epoch, a new credential",
      "the old credential to be refused", "to",
      "the epoch, and how the old credential was seen to be refused",
      "--abort hands the exports back, through the same gates" },
    { HANDOVER_RESET, "make new secrets and take the old ones away",
      "the new ones to be accepted and the old ones to be refused", "to",
      "of each secret: proved, pending, or why it was left",
      "none: from here it only goes forward" },
    { HANDOVER_TAIL, "fetch what only the old computer has",
      "the old computer to follow without a difference", "to",
      "the row up to which both are equal", "none: it changes nothing" },
    { HANDOVER_RECONCILE, "read both sides to their end and bring them in step",
      "a pass that finds nothing but what is held, quarantined or foreign",
      "to", "the passes, and what each one found",
      "none: it is the normal cycle" },
    { HANDOVER_RETIRE, "take the old computer out of the pair",
      "the register not to list it any more", "to",
      "the member list, and whether the old computer wiped its state",
      "join it anew: twinsync token create, twinsync join" },
};

const struct handover_row *handover_row(enum handover_step step)
{
    assert(step < HANDOVER_STEPS);
    return &rows[step];
}

const char *handover_source(const struct handover_field *field)
{
    return field->back ? field->to : field->from;
}

const char *handover_destination(const struct handover_field *field)
{
    return field->back ? field->from : field->to;
}

const char *handover_own_row(const struct handover_field *field)
{
    return field->back ? "back" : "";
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_at_destination(const struct handover_field *field,
                              const struct handover_seen *seen)
{
    return is(seen->self, handover_destination(field));
}

static void copy(char to[static HANDOVER_NAME_SIZE], const char *from)
{
    size_t size = strnlen(from, HANDOVER_NAME_SIZE - 1);
    memset(to, 0, HANDOVER_NAME_SIZE);
    memcpy(to, from, size);
}

/* ---- operators: begin --------------------------------------------------- */

static enum handover_verdict refuse(enum ts_code code)
{
    assert(code != TS_OK);
    return HANDOVER_REFUSE;
}

static enum handover_verdict begin_from_dead(const struct handover_seen *seen,
                                             const struct handover_wish *wish,
                                             struct ts_err *err)
{
    if (!is(wish->to, seen->self)) {
        return refuse(ts_fail(err, TS_E_REFUSED, 0,
                              "cannot hand over to %s from the dead on %s: "
                              "--from-dead is for the computer that is left; "
                              "use --to %s",
                              wish->to, seen->self, seen->self));
    }
    if (seen->other == NULL) {
        return refuse(ts_fail(err, TS_E_REFUSED, 0,
                              "cannot hand over from the dead on %s: it is the "
                              "only member already",
                              seen->self));
    }
    if (seen->other_up) {
        return refuse(ts_fail(err, TS_E_REFUSED, 0,
                              "cannot take %s for dead: it is connected; use "
                              "twinsync failover here, or twinsync handover "
                              "there",
                              seen->other));
    }
    return HANDOVER_WRITE;
}

static enum handover_verdict begin_planned(const struct handover_seen *seen,
                                           const struct handover_wish *wish,
                                           struct ts_err *err)
{
    if (is(wish->to, seen->self)) {
        return refuse(ts_fail(err, TS_E_REFUSED, 0,
                              "cannot hand over to %s: it exports already",
                              wish->to));
    }
    if (seen->other == NULL || !is(wish->to, seen->other)) {
        return refuse(ts_fail(err, TS_E_REFUSED, 0,
                              "cannot hand over to \"%.63s\": %s%s; see "
                              "twinsync register status",
                              wish->to,
                              seen->other == NULL
                                  ? "no other computer has a vote"
                                  : "the only other computer with a vote is ",
                              seen->other == NULL ? "" : seen->other));
    }
    return HANDOVER_WRITE;
}

static enum handover_verdict begin(const struct handover_field *field,
                                   const struct handover_seen *seen,
                                   const struct handover_wish *wish,
                                   struct handover_field *ret,
                                   struct ts_err *err)
{
    if (field != NULL) {
        return refuse(ts_fail(err, TS_E_REFUSED, 0,
                              "cannot begin a handover: %s from %s to %s is "
                              "open, at step %s; use twinsync handover "
                              "--resume or --abort",
                              field->id, field->from, field->to,
                              handover_step_name(field->step)));
    }
    enum handover_verdict verdict = wish->from_dead
                                        ? begin_from_dead(seen, wish, err)
                                        : begin_planned(seen, wish, err);
    if (verdict == HANDOVER_WRITE) {
        *ret = (struct handover_field){ .step = wish->from_dead
                                                    ? HANDOVER_LEASE
                                                    : HANDOVER_PREFLIGHT,
                                        .epoch = seen->epoch,
                                        .pass = 1,
                                        .retire = wish->retire,
                                        .from_dead = wish->from_dead };
        memcpy(ret->id, wish->id, sizeof ret->id);
        copy(ret->from, wish->from_dead ? seen->other : seen->self);
        copy(ret->to, wish->to);
        copy(ret->actor, wish->actor);
    }
    return verdict;
}

/* ---- operators: resume, abort ------------------------------------------- */

/* Where the lease is decides how far it had come. */
static void gone_on(struct handover_field *field,
                    const struct handover_seen *seen)
{
    field->epoch = seen->epoch;
    field->pass++;
    if (field->reset_begun) {
        return;
    }
    if (!is_at_destination(field, seen)) {
        field->step = HANDOVER_PREFLIGHT;
    } else if (field->step < HANDOVER_LEASE) {
        field->step = HANDOVER_LEASE;
    }
}

static enum handover_verdict abort_it(const struct handover_seen *seen,
                                      struct handover_field *ret,
                                      struct ts_err *err)
{
    if (ret->reset_begun) {
        return refuse(ts_fail(err, TS_E_REFUSED, 0,
                              "cannot abort handover %s: secrets are being "
                              "reset, so it only goes forward; use twinsync "
                              "handover --resume",
                              ret->id));
    }
    /* A second --abort on the way back means: leave the exports here. */
    if (is(seen->self, ret->from) || ret->back || ret->from_dead) {
        return HANDOVER_CLEAR;
    }
    if (!seen->other_up) {
        return refuse(ts_fail(err, TS_E_UNREACHABLE, 0,
                              "could not hand back to %s: it is not connected; "
                              "start it, or go on with twinsync handover "
                              "--resume",
                              ret->from));
    }
    ret->back = true;
    ret->step = HANDOVER_PREFLIGHT;
    ret->epoch = seen->epoch;
    ret->pass++;
    return HANDOVER_WRITE;
}

enum handover_verdict handover_order(const struct handover_field *field,
                                     const struct handover_seen *seen,
                                     const struct handover_wish *wish,
                                     struct handover_field *ret,
                                     struct ts_err *err)
{
    if (!seen->holds) {
        return refuse(ts_fail(
            err, TS_E_REFUSED, 0,
            "cannot hand over on %s, which does not export: "
            "ask %s, or see twinsync explain",
            seen->self, seen->other == NULL ? "the active node" : seen->other));
    }
    if (wish->order == HANDOVER_BEGIN) {
        return begin(field, seen, wish, ret, err);
    }
    if (field == NULL) {
        return refuse(ts_fail(
            err, TS_E_REFUSED, 0, "cannot %s a handover on %s: none is open",
            wish->order == HANDOVER_RESUME ? "resume" : "abort", seen->self));
    }
    *ret = *field;
    if (wish->order == HANDOVER_ABORT) {
        return abort_it(seen, ret, err);
    }
    gone_on(ret, seen);
    return HANDOVER_WRITE;
}

void handover_forget(struct handover_evidence *evidence,
                     const struct handover_field *field)
{
    size_t kept = 0;
    const char *own = handover_own_row(field);
    for (size_t i = 0; i < evidence->count; i++) {
        const struct evidence_row *row = &evidence->rows[i];
        if (row->step < field->step || !is(row->name, own) ||
            row->state == EVIDENCE_NOTED) {
            evidence->rows[kept++] = *row;
        }
    }
    memset(evidence->rows + kept, 0,
           (evidence->count - kept) * sizeof evidence->rows[0]);
    evidence->count = kept;
}

/* ---- driving ------------------------------------------------------------ */

static void wait_for(struct handover_work *work, bool interrupted,
                     const char *why)
{
    work->kind = HANDOVER_WAIT;
    work->interrupted = interrupted;
    work->why = why;
}

/* Is this epoch the one that the field was written in, or the one that its
 * release has led to? */
static bool is_in_course(const struct handover_field *field,
                         const struct handover_seen *seen)
{
    return field->epoch == seen->epoch ||
           (field->step == HANDOVER_LEASE && field->epoch + 1 == seen->epoch &&
            is_at_destination(field, seen));
}

static bool is_skipped(const struct handover_field *field,
                       const struct handover_seen *seen,
                       enum handover_step step)
{
    return (seen->does & (1U << step)) == 0 ||
           (step == HANDOVER_RETIRE && !field->retire) ||
           (step == HANDOVER_TAIL && field->from_dead);
}

static void mark(struct handover_work *work, const struct handover_seen *seen,
                 enum handover_step step)
{
    work->kind = HANDOVER_MARK;
    work->next.step = step;
    work->next.epoch = seen->epoch;
}

/* Something was left that somebody has to look at. */
static enum handover_outcome outcome(const struct handover_field *field,
                                     const struct handover_evidence *evidence,
                                     const struct handover_seen *seen)
{
    if (!is(seen->self, field->to)) {
        return HANDOVER_INCOMPLETE; /* the other one failed over meanwhile */
    }
    for (size_t i = 0; i < evidence->count; i++) {
        const struct evidence_row *row = &evidence->rows[i];
        if (row->step >= HANDOVER_RESET && row->state == EVIDENCE_FAILED) {
            return HANDOVER_INCOMPLETE;
        }
    }
    return HANDOVER_COMPLETE;
}

/* The step at hand is over. */
static void advance(const struct handover_field *field,
                    const struct handover_evidence *evidence,
                    const struct handover_seen *seen,
                    struct handover_work *work)
{
    enum handover_step step = field->step;
    if (step == HANDOVER_DRAIN) {
        mark(work, seen, HANDOVER_LEASE);
        work->kind = HANDOVER_RELEASE;
        return;
    }
    if (step == HANDOVER_LEASE && field->back) {
        work->kind = HANDOVER_END;
        work->outcome = HANDOVER_ABORTED;
        return;
    }
    do {
        step++;
    } while (step < HANDOVER_STEPS && is_skipped(field, seen, step));
    if (step == HANDOVER_STEPS) {
        work->kind = HANDOVER_END;
        work->outcome = outcome(field, evidence, seen);
    } else {
        mark(work, seen, step);
    }
}

/* The step at hand is to be run, or waits. */
static void run(const struct handover_field *field,
                const struct handover_seen *seen, struct handover_work *work)
{
    if (field->step == HANDOVER_LEASE && !is_at_destination(field, seen)) {
        wait_for(work, true,
                 "the other computer did not take the lease, so it came back");
    } else if (field->step == HANDOVER_RESET && !field->reset_begun) {
        mark(work, seen, HANDOVER_RESET);
        work->next.reset_begun = true;
    } else if (field->step == HANDOVER_RETIRE && is(seen->self, field->from)) {
        wait_for(work, true,
                 "the computer that is to be retired holds the lease: fail "
                 "over to the other one, then resume");
    } else {
        work->kind = HANDOVER_RUN;
        work->step = field->step;
    }
}

static void fail(const struct handover_field *field, struct handover_work *work)
{
    if (field->step == HANDOVER_PREFLIGHT && !field->back) {
        work->kind = HANDOVER_END;
        work->outcome = HANDOVER_REFUSED;
    } else {
        wait_for(work, true, "a step failed: see its row");
    }
}

void handover_next(const struct handover_field *field,
                   const struct handover_evidence *evidence,
                   const struct handover_seen *seen, struct handover_work *ret)
{
    *ret = (struct handover_work){ .next = *field };
    const struct evidence_row *row =
        evidence_find(evidence, field->step, handover_own_row(field));
    if (!seen->holds) {
        wait_for(ret, false, "this node does not hold the lease");
    } else if (!is_in_course(field, seen) && !field->reset_begun) {
        wait_for(ret, true,
                 "another epoch began meanwhile: a failover, or a restart");
    } else if (field->epoch != seen->epoch && field->reset_begun) {
        mark(ret, seen, field->step); /* inherited: whoever holds goes on */
    } else if (row != NULL && row->state == EVIDENCE_FAILED) {
        fail(field, ret);
    } else if (evidence_is_over(evidence, field->step,
                                handover_own_row(field))) {
        advance(field, evidence, seen, ret);
    } else {
        run(field, seen, ret);
    }
}
