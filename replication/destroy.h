/*
 * destroy -- files overwritten and unlinked, folders with all that is in them.
 *
 * Best effort against whoever reads the disk later: zeros over every byte,
 * synced, then unlinked, and the folder synced. File systems that write
 * elsewhere, and disks that remap, keep what they keep.
 *
 * Invariants:
 *   D1  no link is followed: a link itself is unlinked, its target stays.
 *   D2  no other file system is entered.
 *   D3  a crash leaves each file as it was, partly zeros, or gone; running it
 *       again ends it.
 */
#ifndef REPLICATION_DESTROY_H
#define REPLICATION_DESTROY_H

#include "node/base/err.h"

#define DESTROY_DEPTH_MAX 4

/* `name` below `directory`: a path of plain names; with "*" at its end, every
 * entry of `directory` that begins so. What is not there is gone already.
 * Errors   TS_E_IO (of the first that stays; the others are gone), TS_E_LIMIT
 *          (deeper than DESTROY_DEPTH_MAX), TS_E_REFUSED (D2).
 * Blocks   as long as writing all of it takes. */
TS_MUSTUSE enum ts_code destroy(const char *directory, const char *name,
                                struct ts_err *err);

#endif
