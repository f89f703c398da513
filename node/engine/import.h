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
 *       read to its end, and nothing speaks against it (absence.h).
 *   P2  the watermark is committed with, or after, the last row it covers, and
 *       with the verdict on attributes that were lost (metaverse/loss.h).
 *   P3  rows that are as before are not written.
 *   P4  a source keeps its place in the configuration, by which its rows are
 *       known; another name at that place is the same source renamed, or one
 *       that is read with another fingerprint.
 *
 * While a loss of attributes is confirmed, its source is read whole by itself
 * (a right that is given back changes no entry, so that no delta tells): not
 * more often than it takes IMPORT_RECHECK_SHARE times over, and at least every
 * IMPORT_RECHECK_SECONDS in which a cycle runs. `sync --full` does it at once.
 */
#ifndef NODE_ENGINE_IMPORT_H
#define NODE_ENGINE_IMPORT_H

#include "node/engine/context.h"

#define IMPORT_RECHECK_SHARE   20
#define IMPORT_RECHECK_SECONDS 3600

struct import_outcome {
    uint64_t put, added, changed, gone;
    bool complete;
    uint64_t missing;  /* complete: not seen, whether or not acted on */
    bool missing_held; /* P1 kept them */
    char because[500]; /* why a delta became a full import, or P1's reason */
};

/* Read source number `index` of the config; `full` ignores the watermark.
 * Errors   of source_import, and of the store; what was committed stays.
 * Blocks   until the source has been read. */
TS_MUSTUSE enum ts_code import_source(struct engine_context *engine,
                                      size_t index, bool full,
                                      struct import_outcome *ret_outcome,
                                      struct ts_err *err);

#endif
