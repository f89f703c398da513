/*
 * queue -- bounded hand-over of owned batches from one thread to another.
 *
 * The producer gives a pointer away, the consumer takes it over; a full queue
 * stops the producer (that is the flow control of the whole product). All
 * depths are named here, so that the worst case of memory can be added up on
 * this page.
 *
 * Invariants:
 *   Q1  at most `depth` items are inside.
 *   Q2  after _close nothing goes in; what is inside can still be taken.
 *   Q3  every item that went in comes out, or is given to the destructor.
 */
#ifndef NODE_BASE_QUEUE_H
#define NODE_BASE_QUEUE_H

#include "node/base/err.h"
#include "node/base/time.h"

enum {
    TS_QUEUE_IMPORT_DEPTH = 8,    /* source -> store: batches of <= 1 MiB */
    TS_QUEUE_EXPORT_DEPTH = 2048, /* store -> export: composed operations */
    TS_QUEUE_RESULT_DEPTH = 4096, /* export -> store: outcomes */
    TS_QUEUE_COMMAND_DEPTH = 64   /* control -> store: operators' requests */
};

struct ts_queue;

/* `destroy` frees one item that nobody took; may be NULL for borrowed items.
 * Errors   NULL when out of memory. Owns: free with _free, after both sides
 *          have stopped. */
struct ts_queue *ts_queue_new(size_t depth, void (*destroy)(void *item));
void ts_queue_free(struct ts_queue *queue);

/* Give `item` away. Blocks while the queue is full, until `deadline`.
 * Errors   TS_E_TIMEOUT, TS_E_CANCELLED (closed): the item stays yours. */
TS_MUSTUSE enum ts_code ts_queue_push(struct ts_queue *queue, void *item,
                                      struct ts_time deadline);
/* Take the oldest item. Blocks while empty, until `deadline`.
 * Errors   NULL: nothing came in time, or closed and drained. */
void *ts_queue_pop(struct ts_queue *queue, struct ts_time deadline);

/* No more items; wakes all who wait. May be called from any thread, twice. */
void ts_queue_close(struct ts_queue *queue);
size_t ts_queue_count(struct ts_queue *queue);
/* Closed and empty: nothing will ever come. */
bool ts_queue_finished(struct ts_queue *queue);

/* Also write to this eventfd after each push (-1: none), for a consumer that
 * waits on several things. Set before the first push. */
void ts_queue_notify(struct ts_queue *queue, int event_fd);

#endif
