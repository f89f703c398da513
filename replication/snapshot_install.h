/*
 * snapshot_install -- takes a snapshot in, chunk by chunk, beside the state.
 *
 *   _new: a folder state.N that nobody relies on (generation.h)
 *     -> _write, in any order, again after a loss
 *     -> _finish: synced, quick_checked, its rows summed, all as was offered
 *   ... generation_select(), by whoever has the state open
 *
 * Invariants:
 *   I1  a chunk is in the file only if it has the offered hash, and was not
 *       larger than a chunk may be before or after it was unpacked.
 *   I2  _finish says TS_OK only for a file whose position and sum, recomputed
 *       from its rows, are the offered ones.
 *   I3  a crash anywhere leaves the old state selected; what was written is
 *       deleted as an unfinished build.
 */
#ifndef REPLICATION_SNAPSHOT_INSTALL_H
#define REPLICATION_SNAPSHOT_INSTALL_H

#include "replication/frame.h"

struct snapshot_install;

struct snapshot_install_options {
    const char *directory;
    const struct capture_tables *tables;
    const struct db_schema *schema;
};

/* `options` and what it points to are borrowed, the offer is copied. The caller
 * has the lock of the directory.
 * Errors   TS_E_PROTOCOL (an offer that makes no sense), of
 *          generation_build_begin(), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code
snapshot_install_new(const struct snapshot_install_options *options,
                     const struct frame_offer *offer,
                     struct snapshot_install **ret_install, struct ts_err *err);
/* Leaves the folder to generation_discard(); NULL is fine. */
void snapshot_install_free(struct snapshot_install *install);
/* The number of the folder. */
int64_t snapshot_install_folder(const struct snapshot_install *install);

/* Errors   TS_E_PROTOCOL (damaged, or not of this snapshot: fetch it again),
 *          TS_E_IO. */
TS_MUSTUSE enum ts_code snapshot_install_write(struct snapshot_install *install,
                                               const struct frame_chunk *chunk,
                                               struct ts_err *err);

/* All chunks are in: bring them to the disk. Part of _finish; earlier it only
 * spares _finish the wait.
 * Errors   TS_E_IO. */
TS_MUSTUSE enum ts_code snapshot_install_sync(struct snapshot_install *install,
                                              struct ts_err *err);

/* What keeps others from deleting the folder (generation.h, G5) is the caller's
 * from now on: generation_release() when it is selected, or given up. */
int snapshot_install_take_hold(struct snapshot_install *install);

/* All chunks are in.
 * Errors   TS_E_CORRUPT (not what was offered), TS_E_VERSION (of a newer
 *          program), TS_E_IO. Blocks: reads the file twice. */
TS_MUSTUSE enum ts_code
snapshot_install_finish(struct snapshot_install *install,
                        struct journal_position *ret_at, struct ts_err *err);

#endif
