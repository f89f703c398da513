/*
 * events -- the log that shows when it was tampered with.
 *
 * What matters later (a cycle, a refusal, an approval and who gave it) is one
 * row here: an event name, fields, an actor. Each row carries the hash of the
 * row before it:
 *
 *   hash = SHA-256 over seq, at, name, actor, fields and prev, each behind its
 *          length, so that no byte can move from one to the next
 *   prev = the hash of event seq - 1; of the first:
 * SHA-256("twinsync.events.1")
 *
 * Invariants:
 *   V1  seq grows by one; row, chain and head are durable together.
 *   V2  events_verify() finds every single altered byte, and every row that was
 *       removed, added or exchanged with another, and says at which seq.
 *   V3  old events are dropped only from the front; the floor keeps the hash
 *       that the rest must continue from.
 *
 * The head (the newest seq and hash) is kept apart from the rows. So a cut-off
 * end is found too, unless the head was changed to fit; and whoever may write
 * the file may compute a new chain, for there is no secret in it. Both are
 * found only by comparing the head with a copy kept elsewhere: `twinsync events
 * verify` prints it, and a peer signs it at every change of epoch.
 *
 * Credentials never go into fields, and values of entries only where they are
 * what the event is about: foreign-edit, both values, cut.
 */
#ifndef NODE_METAVERSE_EVENTS_H
#define NODE_METAVERSE_EVENTS_H

#include <jansson.h>

#include "node/base/hash.h"
#include "node/base/time.h"
#include "node/db/db.h"

#define EVENTS_MAX            500000
#define EVENT_NAME_SIZE_MAX   64
#define EVENT_ACTOR_SIZE_MAX  256
#define EVENT_FIELDS_SIZE_MAX 65536

struct events;

/* Over a connection whose file has the tables of events.sql; `db` is borrowed
 * until _close. At most `rows_max` events are kept (0: EVENTS_MAX).
 * Errors   TS_E_CORRUPT, TS_E_IO. */
TS_MUSTUSE enum ts_code events_open(struct db *db, int64_t rows_max,
                                    struct events **ret_events,
                                    struct ts_err *err);
/* Before the connection closes; NULL is fine. */
void events_close(struct events *events);

/* Append one event, durable when this returns. `name` is
 * lower-case-with-dashes; `actor` is "daemon" or who asked ("uid 0"); `fields`
 * is an object, borrowed, NULL for none.
 * Errors   TS_E_LIMIT (too long), TS_E_IO. Blocks: one fsync. */
TS_MUSTUSE enum ts_code events_append(struct events *events, const char *name,
                                      const char *actor, const json_t *fields,
                                      struct ts_err *err);

/* The newest event: seq 0 when there is none. */
struct events_head {
    int64_t seq;
    struct ts_hash hash;
};
struct events_head events_head(const struct events *events);

/* One event as it is stored; `fields` is JSON text. Lives during the call. */
struct event {
    int64_t seq;
    struct ts_slice at, name, actor, fields;
    struct ts_hash hash;
};
typedef void event_fn(void *context, const struct event *event);

/* Those after `after`, oldest first, at most `limit`. For the newest n, ask
 * after events_head().seq - n. */
struct events_range {
    int64_t after;
    int64_t limit;
};
TS_MUSTUSE enum ts_code events_read(struct events *events,
                                    struct events_range range, event_fn *each,
                                    void *context, struct ts_err *err);

/* Those of one name, the newest first, at most `limit`.
 * Blocks   reads every event once when there are few of that name. */
struct events_named {
    const char *name;
    int64_t limit;
};
TS_MUSTUSE enum ts_code events_read_named(struct events *events,
                                          const struct events_named *named,
                                          event_fn *each, void *context,
                                          struct ts_err *err);

struct events_verdict {
    bool verified;
    int64_t count;           /* of events that are right */
    struct events_head head; /* as stored */
    int64_t bad_seq;         /* the first that is not right */
    char why[160];
};
/* Check the whole chain as it is in the file now. A broken chain is a verdict,
 * not an error.
 * Errors   TS_E_IO. Blocks: reads every event. */
TS_MUSTUSE enum ts_code events_verify(struct events *events,
                                      struct events_verdict *ret_verdict,
                                      struct ts_err *err);

#endif
