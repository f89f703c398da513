/*
 * cell -- one value in a file, replaced as a whole and durably.
 *
 * What the witness keeps for each cluster, and the manual driver for its node.
 * A swap writes PATH.new, syncs it, renames it over PATH and syncs the folder;
 * only then is it done. The file carries a hash of its value.
 *
 * Invariants:
 *   C1  PATH holds the old value or the new one, whole, whatever happens in
 *       between; what DONE was told for outlives a power cut.
 *   C2  a value that was ever told to anybody is durable: after a failure that
 *       leaves the file in doubt nothing is served before the file has been
 *       written anew, which opening does.
 *   C3  a file that is not what a swap left (cut, altered, too large) is never
 *       taken for an absent one: it is damaged, and stays so until an operator
 *       has it put aside.
 *
 * Blocks on the disk. One process and one thread at a time: the owner sees to
 * that.
 */
#ifndef NODE_REGISTER_CELL_H
#define NODE_REGISTER_CELL_H

#include "node/register/register.h"

struct register_cell;

/* Read `path` and make sure that it is durable; a missing file is an absent
 * value, its folder must exist.
 * Owns     *ret_cell: close it.
 * Errors   TS_E_CORRUPT (C3), TS_E_IO, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code register_cell_open(const char *path,
                                           struct register_cell **ret_cell,
                                           struct ts_err *err);
void register_cell_close(struct register_cell *cell);

/* The value, until the next swap; empty: absent.
 * Errors   TS_E_CORRUPT: a swap has left it in doubt (C2). */
TS_MUSTUSE enum ts_code register_cell_read(const struct register_cell *cell,
                                           struct ts_slice *ret_value,
                                           struct ts_err *err);
/* As register_swap. */
TS_MUSTUSE enum ts_code register_cell_swap(struct register_cell *cell,
                                           struct ts_slice expected,
                                           struct ts_slice value,
                                           enum register_outcome *ret_outcome,
                                           struct ts_err *err);

#define REGISTER_CELL_PATH_MAX ((size_t) 4000)
/* Put a damaged file aside, under a name that is told in `aside`: afterwards
 * the value is absent.
 * Errors   TS_E_REFUSED (it is not damaged), TS_E_NOT_FOUND, TS_E_IO. */
TS_MUSTUSE enum ts_code
register_cell_repair(const char *path, char aside[REGISTER_CELL_PATH_MAX + 32],
                     struct ts_err *err);

#endif
