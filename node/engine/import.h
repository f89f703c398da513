/*
 * import -- read one source into its connector space.
 *
 * The source runs on a thread of its own and hands batches over; this side
 * stores them, a transaction a batch, and the watermark with the last.
 *
 *   source thread --batches--> [queue] --> store: rows, links
 *        |                                    |
 *        +-- result ---- after the last ------+--> deletions, watermark
 *
 * Invariants (DESIGN: I9):
 *   P1  what is missing is marked gone only when the source said that it was
 *       read to its end, under the same fingerprint (identity, base, filter,
 *       attributes) as the time before, and at least IMPORT_SHARE_MIN percent
 *       of the last complete count came, or the operator vouches for it.
 *   P2  the watermark is committed with, or after, the last row it covers.
 *   P3  rows that are as before are not written.
 */
#ifndef NODE_ENGINE_IMPORT_H
#define NODE_ENGINE_IMPORT_H

#include "node/engine/context.h"

#define IMPORT_SHARE_MIN 90

struct import_outcome {
    uint64_t put, changed, gone;
    bool complete;
    uint64_t missing;  /* complete: not seen, whether or not acted on */
    bool missing_held; /* P1 kept them */
    char because[160]; /* why a delta became a full import, or P1's reason */
};

/* Read source number `index` of the config; `full` ignores the watermark.
 * Errors   of source_import, and of the store; what was committed stays.
 * Blocks   until the source has been read. */
TS_MUSTUSE enum ts_code import_source(struct engine_context *engine,
                                      size_t index, bool full,
                                      struct import_outcome *ret_outcome,
                                      struct ts_err *err);

#endif
