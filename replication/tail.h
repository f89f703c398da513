/*
 * tail -- which objects the rows behind a position touched.
 *
 * An old primary that comes back has written rows which the new one never saw.
 * They are not merged: what they are about is told as a list of hints, each of
 * which the new primary looks up at source and target again. The list is a help
 * and no step depends on it: beyond the limit it is cut, and says so.
 *
 * Replication knows no table: it is given, for those whose rows are about an
 * object, how an object is named there.
 */
#ifndef REPLICATION_TAIL_H
#define REPLICATION_TAIL_H

#include "node/base/arena.h"
#include "replication/frame.h"

#define TAIL_HINTS_MAX 10000

/* A row of `table` is about the object that `by_key` answers for its key
 * columns, as (kind, anchor); when that row is gone, its last columns tell. */
struct tail_table {
    const char *table;
    const char *by_key;
    int kind_column, anchor_column; /* of a row that is gone, from 0; -1: it
                                       does not say */
};

struct tail {
    size_t count;
    struct frame_hint *hints; /* sorted, each once */
    bool cut;                 /* there were more, or rows are no longer kept */
};

struct tail_options {
    const struct capture_tables *tables;
    const struct tail_table *tail_tables;
    size_t tail_table_count;
};

/* Of all rows behind `after` that `db` keeps. `arena` gets the hints.
 * Errors   TS_E_IO, TS_E_CORRUPT, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code tail_read(struct db *db,
                                  const struct tail_options *options,
                                  const struct journal_position *after,
                                  struct ts_arena *arena, struct tail *ret_tail,
                                  struct ts_err *err);

#endif
