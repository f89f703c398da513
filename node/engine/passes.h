/*
 * passes -- when is a reconcile over?
 *
 * A pass reads every source and the target to their end, decides what differs
 * and writes it. Pure: what a pass found comes in, the verdict goes out.
 *
 *   pass 1 --found something--> pass 2 --> ... --> pass PASSES_MAX
 *     |                           |                   |
 *     | nothing                   | nothing           | still something
 *     v                           v                   v
 *   CLEAN                       CLEAN              INCOMPLETE, with names
 *
 * What waits for an operator (holds, plans), what the target refused and what
 * is left alone because somebody else wants it so is no finding: it is listed
 * (reconcile_left.h), and keeps no reconcile from ending.
 *
 * Invariants:
 *   R1  the last pass of a clean reconcile found nothing.
 *   R2  what only a source tells counts in the first pass. The pass before any
 *       other one has read that source to its end, so that what shows later is
 *       younger than that reading: it flows, as in any delta, and keeps no
 *       reconcile from ending.
 *   R3  there are at most PASSES_MAX passes.
 *   R4  a pass that could not carry out what it found ends the reconcile as
 *       incomplete: another one would find the same.
 */
#ifndef NODE_ENGINE_PASSES_H
#define NODE_ENGINE_PASSES_H

#include <stdbool.h>
#include <stdint.h>

#define PASSES_MAX 5

/* What a pass can find. */
enum pass_class {
    PASS_EDITED,    /* values at the target that somebody else changed */
    PASS_MISSING,   /* ours, and the target lacks it */
    PASS_MEMBERS,   /* references at the target that we did not leave so */
    PASS_UNSETTLED, /* was to be written, and is not known to be */
    PASS_ADOPTED,   /* there, by its anchor or a value, and not in the ledger */
    PASS_DELETED,   /* in the ledger, and no source shows it */
    PASS_CREATED,   /* a source shows it, and the ledger has it not */
    PASS_CHANGED,   /* a source shows other values */
    PASS_CLASSES
};
/* "edited", "missing", ...: as in the report. */
const char *pass_class_name(enum pass_class class);

struct pass_found {
    uint64_t count[PASS_CLASSES]; /* objects */
    bool carried_out; /* all of it was sent, but for what the counts tell */
};

/* Does it keep a reconcile from ending in its pass number `pass` (1, 2, ...),
 * or is it younger (R2)? */
bool passes_counts(unsigned pass, enum pass_class class);
/* How much of either sort. */
uint64_t passes_open(unsigned pass, const struct pass_found *found);
uint64_t passes_young(unsigned pass, const struct pass_found *found);

enum passes_verdict {
    PASSES_AGAIN,
    PASSES_CLEAN,
    PASSES_INCOMPLETE
};
enum passes_verdict passes_verdict(unsigned pass,
                                   const struct pass_found *found);

#endif
