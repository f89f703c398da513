/*
 * generation -- which of the state files is the one that counts.
 *
 *   STATE/current            the pointer: one decimal number and a line feed
 *   STATE/state.3/state.db   folder 3 (with state.db-wal while it is open)
 *   STATE/state.4/state.db   a build that is not selected yet, or is done with
 *   STATE/diverged.2/state.db  the last state that a snapshot replaced because
 *                            it was not a part of the active node's history:
 *                            for people, and for nobody else
 *
 * The number of a folder is this node's own and only grows. It is not the
 * generation of the data, which both nodes share and which is in the journal's
 * position: a node that installs the same generation twice has it in two
 * folders.
 *
 * A first load, and later a snapshot, is written into a folder of its own that
 * nobody relies on, and becomes the state by the change of one small file. A
 * crash at any moment leaves either the old state or the new one.
 *
 *   generation_build_begin --> load, journal_start, db_close
 *       --> generation_select --> generation_locate, db_open -->
 * generation_discard
 *
 * Invariants:
 *   G1  the pointer names only a generation that is wholly on the disk: its
 *       file and its folder are synced before the pointer is written, the
 *       pointer before it is renamed, the folder of both after that.
 *   G2  generations only grow; a database is never renamed over another.
 *   G3  what is not understood (a damaged, newer or foreign file, a pointer to
 *       nothing) is refused and left exactly as it is.
 *   G4  but for older diverged.NUMBER, only folders called state.NUMBER, and in
 * them only a database's own files, are ever deleted: those below the selected
 * one, and builds. A build has a file "building" in it until it is selected, so
 * that a state whose pointer was lost is not taken for one.
 *
 *   G5  a build whose mark is held is deleted by nobody, and its number is
 * given to no other: a first load and the snapshot of another node may be built
 *       at the same time, by threads that know nothing of each other.
 *
 * The caller holds the lock of the state directory (node/daemon/lock.h).
 */
#ifndef REPLICATION_GENERATION_H
#define REPLICATION_GENERATION_H

#include <stdint.h>

#include "node/base/err.h"

#define GENERATION_MAX INT32_MAX

/* Which generation is selected; 0: none yet.
 * Errors   TS_E_CORRUPT (not a pointer), TS_E_IO. Blocks: reads a small file.
 */
TS_MUSTUSE enum ts_code generation_current(const char *directory,
                                           int64_t *ret_generation,
                                           struct ts_err *err);

/* The path of a generation's database: what db_open() and its kin are given.
 * Errors   TS_E_LIMIT (the directory's name is too long). */
#define GENERATION_PATH_SIZE 512
TS_MUSTUSE enum ts_code generation_path(const char *directory,
                                        int64_t generation,
                                        char path[static GENERATION_PATH_SIZE],
                                        struct ts_err *err);

/* Make the empty folder of a generation that is to be built, above the selected
 * one and above `seen` (the highest that this node knows of from elsewhere).
 * What earlier builds left behind is deleted first.
 * Errors   as generation_discard(); TS_E_IO (disk full, read-only). */
TS_MUSTUSE enum ts_code generation_build_begin(const char *directory,
                                               int64_t seen,
                                               int64_t *ret_generation,
                                               struct ts_err *err);

/* Likewise, and hold its mark (G5): a descriptor for generation_release(), when
 * the build is selected or given up. It ends with the process. */
TS_MUSTUSE enum ts_code generation_build_hold(const char *directory,
                                              int64_t seen,
                                              int64_t *ret_generation,
                                              int *ret_hold,
                                              struct ts_err *err);
/* -1 is fine. */
void generation_release(int hold);

/* Make a built generation durable and then the selected one. All connections
 * to it have been closed.
 * Errors   TS_E_REFUSED (not above the selected one), TS_E_CONFLICT (still
 *          open somewhere: its log is there), TS_E_IO. After an error the old
 *          pointer stands, or, if only its folder could not be synced, either.
 * Blocks   writes the whole file back to the disk. */
TS_MUSTUSE enum ts_code generation_select(const char *directory,
                                          int64_t generation,
                                          struct ts_err *err);

/* Find the selected generation's file, ready for db_open(), which creates what
 * is missing and so must never see a pointer to nothing.
 * Errors   TS_E_NOT_FOUND (none is selected), TS_E_CORRUPT (the file that the
 *          pointer names is missing), TS_E_IO, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code
generation_locate(const char *directory, int64_t *ret_generation,
                  char path[static GENERATION_PATH_SIZE], struct ts_err *err);

/* Delete one build that is not selected, if it is there and not held.
 * Errors   TS_E_IO (some of it is left; that harms nothing). */
TS_MUSTUSE enum ts_code generation_abandon(const char *directory,
                                           int64_t generation,
                                           struct ts_err *err);

/* Before another folder is selected in its place: do not delete this one, but
 * name it diverged.NUMBER, instead of an older one of that name.
 * Errors   TS_E_IO. */
TS_MUSTUSE enum ts_code generation_keep(const char *directory,
                                        int64_t generation, struct ts_err *err);

/* Delete every generation that is neither selected nor held: after a change of
 * generation, and at start. Errors   TS_E_CORRUPT (one was in use that the
 * pointer does not name); TS_E_IO (some are left; that harms nothing). */
TS_MUSTUSE enum ts_code generation_discard(const char *directory,
                                           struct ts_err *err);

#endif
