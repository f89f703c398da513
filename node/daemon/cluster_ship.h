/*
 * cluster_ship -- replication's work on files, on a thread of its own.
 *
 * The leader and the follower ask for jobs (replication/ship.h): rows behind a
 * position, a snapshot and its chunks, the checking of one. Reading a GiB takes
 * seconds, so none of it happens on the reactor's or the store's thread.
 *
 * Invariants:
 *   CS1  jobs are done in the order in which they were given, each answered
 * once on the reactor's thread. CS2  what a job borrows is copied: the machines
 * may go on at once.
 *
 * All calls are for the reactor's thread.
 */
#ifndef NODE_DAEMON_CLUSTER_SHIP_H
#define NODE_DAEMON_CLUSTER_SHIP_H

#include "node/daemon/post.h"
#include "replication/ship.h"

/* Jobs that wait: leader and follower have few out at a time, but chunks. */
#define CLUSTER_SHIP_DEPTH 64

struct cluster_ship_options {
    const struct ship_options *ship; /* what it borrows: until _free */
    struct post *post;
    /* `result` lives during the callback. */
    void (*done)(void *context, const struct ship_result *result);
    void *context;
};

struct cluster_ship;

/* Owns     free with _free. Errors: as ship_new; TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code
cluster_ship_new(const struct cluster_ship_options *options,
                 struct cluster_ship **ret_ship, struct ts_err *err);
/* The selected state is now this file ("": none), for the jobs to come.
 * Errors   TS_E_LIMIT (too many wait, or the path is too long), TS_E_NOMEM,
 *          TS_E_CANCELLED. */
TS_MUSTUSE enum ts_code cluster_ship_open(struct cluster_ship *self,
                                          const char *path);
/* Errors   as _open: it is then not answered. */
TS_MUSTUSE enum ts_code cluster_ship_give(struct cluster_ship *self,
                                          const struct ship_job *job);
/* The job under way is finished, no other is begun. */
void cluster_ship_stop(struct cluster_ship *self);
/* Joins the thread; NULL is fine. Blocks as long as a job does. */
void cluster_ship_free(struct cluster_ship *self);

#endif
