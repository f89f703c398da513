/*
 * file -- small files that are there whole or not at all.
 *
 * Keys, certificates and sealed secrets are replaced, never edited: written to
 * PATH.new, synced, renamed over PATH, and the folder synced.
 *
 * Invariants:
 *   F1  after a crash, or an error, PATH is the old file or the new one.
 *   F2  what a call that succeeded has done outlives a power cut.
 *   F3  the rights are those asked for from the first byte on; no link is
 *       followed.
 *
 * One writer of a path at a time. All calls block on the disk.
 */
#ifndef NODE_BASE_FILE_H
#define NODE_BASE_FILE_H

#include <sys/types.h>

#include "node/base/err.h"
#include "node/base/slice.h"

#define TS_FILE_OURS  ((mode_t) 0600) /* for its owner only */
#define TS_FILE_SHOWN ((mode_t) 0644) /* everybody may read it */

/* The folder of `path` must exist.
 * Errors   TS_E_LIMIT (the path is too long), TS_E_IO. */
TS_MUSTUSE enum ts_code ts_file_replace(const char *path, struct ts_slice bytes,
                                        mode_t mode, struct ts_err *err);
/* Gone, also when it was not there.
 * Errors   as above. */
TS_MUSTUSE enum ts_code ts_file_remove(const char *path, struct ts_err *err);
/* The folder `path`, for us only; one that is there stays as it is. Its parent
 * must exist.
 * Errors   as above. */
TS_MUSTUSE enum ts_code ts_file_folder(const char *path, struct ts_err *err);

#endif
