/*
 * evidence -- what each step of a long operation has to show for itself.
 *
 * One row a step, gate or secret: {step, state, text, at_ms}, the same shape
 * wherever evidence is kept or handed over: by the reset of credentials, by a
 * reconciliation, by a retirement, and in the report of a handover.
 *
 *   EV1  a row is found by its step and name; a later finding replaces it, so
 *        that what was pending becomes proved in its place.
 *   EV2  rows stay in the order in which they were first found.
 *   EV3  no row ever holds a secret.
 */
#ifndef NODE_HANDOVER_EVIDENCE_H
#define NODE_HANDOVER_EVIDENCE_H

#include "proto/handover_codec.h"

/* A row; what is longer than its room is cut. `name` may be "". */
struct evidence_row evidence_make(enum handover_step step,
                                  enum evidence_state state, const char *name,
                                  const char *text);

/* Add it, or put it in the place of the one of its step and name. False: the
 * list is full, and was left as it is. */
bool evidence_put(struct handover_evidence *evidence,
                  const struct evidence_row *row);

/* NULL: there is none. */
const struct evidence_row *
evidence_find(const struct handover_evidence *evidence, enum handover_step step,
              const char *name);

/* Has it ended: is the row done, proved, pending or untouched? */
bool evidence_is_over(const struct handover_evidence *evidence,
                      enum handover_step step, const char *name);

#endif
