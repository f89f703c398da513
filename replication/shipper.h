/*
 * shipper -- the thread that does ship.h's jobs.
 *
 *   reactor --give--> bounded queue --> thread: ship_run() --> bounded queue
 *      ^                                                           |
 *      +------------------- eventfd, take ------------------------+
 *
 * The machines have at most SHIPPER_DEPTH jobs out together, so that giving one
 * never waits. Results come in the order of the jobs.
 */
#ifndef REPLICATION_SHIPPER_H
#define REPLICATION_SHIPPER_H

#include "replication/ship.h"

#define SHIPPER_DEPTH 32 /* of each of the two queues */

struct shipper;

/* `options` and what they point to are borrowed until _free.
 * Errors   of ship_new(), TS_E_NOMEM (no thread). */
TS_MUSTUSE enum ts_code shipper_new(const struct ship_options *options,
                                    struct shipper **ret_shipper,
                                    struct ts_err *err);
/* Ends the job that runs (a building of a snapshot is waited for) and forgets
 * the others; NULL is fine. Blocks. */
void shipper_free(struct shipper *shipper);

/* Readable when there may be results. */
int shipper_fd(const struct shipper *shipper);

/* The jobs to come are about the state at `path` (NULL: there is none). That it
 * cannot be opened is told by the first job that needs it.
 * Errors   TS_E_LIMIT, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code shipper_open(struct shipper *shipper, const char *path,
                                     struct ts_err *err);
/* What the job borrows is copied.
 * Errors   TS_E_LIMIT (SHIPPER_DEPTH are out), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code shipper_give(struct shipper *shipper,
                                     const struct ship_job *job,
                                     struct ts_err *err);
/* The next result, or NULL. Owns: shipper_result_free(). Call until NULL, then
 * wait for shipper_fd(). */
struct ship_result *shipper_take(struct shipper *shipper);
void shipper_result_free(struct ship_result *result);

#endif
