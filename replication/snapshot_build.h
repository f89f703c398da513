/*
 * snapshot_build -- a copy of the selected state, in numbered chunks.
 *
 *   STATE/outgoing/snapshot.db     made by SQLite's backup, as of one moment,
 *                                  while the writer goes on writing
 *
 * A chunk is FRAME_CHUNK_SIZE bytes of that file, compressed when it is asked
 * for; the offer has the SHA-256 of each as it is in the file. The id is a hash
 * of position and hashes: equal files have equal ids.
 *
 * The copy is not synced: what a crash leaves of it is deleted at the next
 * start, and what a disk garbles does not have its hash.
 */
#ifndef REPLICATION_SNAPSHOT_BUILD_H
#define REPLICATION_SNAPSHOT_BUILD_H

#include "replication/frame.h"

struct snapshot_build;

/* Copy the file of `db`, into `directory`/outgoing. What was there is deleted.
 * Owns     _free deletes the copy.
 * Errors   TS_E_IO (the disk is full), TS_E_NOT_FOUND (the first load has not
 *          ended), TS_E_LIMIT (over FRAME_CHUNKS_MAX), TS_E_NOMEM.
 * Blocks   some seconds a GiB; needs as much disk as the state. */
TS_MUSTUSE enum ts_code snapshot_build_new(const struct db *db,
                                           const char *directory,
                                           struct snapshot_build **ret_build,
                                           struct ts_err *err);
/* NULL is fine. */
void snapshot_build_free(struct snapshot_build *build);

/* Borrowed until _free. */
struct frame_offer snapshot_build_offer(const struct snapshot_build *build);

/* Chunk `index`; the bytes are in `arena`.
 * Errors   TS_E_NOT_FOUND (no such chunk), TS_E_IO, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code snapshot_build_chunk(struct snapshot_build *build,
                                             uint32_t index,
                                             struct ts_arena *arena,
                                             struct frame_chunk *ret_chunk,
                                             struct ts_err *err);

/* Delete what an earlier process left in `directory`. */
void snapshot_build_clean(const char *directory);

#endif
