/*
 * cluster_recount -- once a day: are the rows still those that the sum is of?
 *
 * The sum of the state is carried along with each change, and at every batch
 * the follower's is compared with the leader's. A row that no change touches is
 * never looked at again so: what a disk or a memory has altered would be found
 * by whoever reads it next. So each node adds up all of its own rows, in one
 * read transaction on a thread of its own, and compares the result with the sum
 * at that seq, which is the same on both nodes.
 *
 * All calls are for the reactor's thread.
 */
#ifndef NODE_DAEMON_CLUSTER_RECOUNT_H
#define NODE_DAEMON_CLUSTER_RECOUNT_H

#include "node/daemon/post.h"
#include "replication/journal.h"

/* After a start; then from one to the next; after one that could not be done.
 */
#define CLUSTER_RECOUNT_FIRST_MS ((int64_t) 10 * 60 * 1000)
#define CLUSTER_RECOUNT_EVERY_MS ((int64_t) 24 * 3600 * 1000)
#define CLUSTER_RECOUNT_AGAIN_MS ((int64_t) 3600 * 1000)

/* TS_E_CORRUPT: they differ. Lives during the callback. */
struct cluster_recount_answer {
    enum ts_code code;
    const struct ts_err *err;
    struct journal_position at;
    uint64_t rows;
    int64_t took_ms;
};

struct cluster_recount_options {
    const struct capture_tables *tables; /* these two borrowed until _free */
    const struct db_schema *schema;
    struct post *post;
    void (*done)(void *context, const struct cluster_recount_answer *answer);
    void *context;
};

struct cluster_recount;

/* Owns     free with _free. Errors: TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code
cluster_recount_new(const struct cluster_recount_options *options,
                    struct cluster_recount **ret_recount, struct ts_err *err);
/* Joins the thread; NULL is fine. Blocks until a count under way has ended. */
void cluster_recount_free(struct cluster_recount *recount);

/* Add up the rows of this file; false: one is under way, or no memory. */
bool cluster_recount_run(struct cluster_recount *recount, const char *path);

/* How long until the first one after a start, and between two. */
int64_t cluster_recount_first_ms(void);
int64_t cluster_recount_every_ms(void);

#endif
