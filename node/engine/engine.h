/*
 * engine -- the product's heart: reads, decides, writes, and answers for it.
 *
 * Owns the store's thread, which runs one cycle after the other (cycle.h), on
 * schedule or on request, and answers operators between transactions. The
 * export thread and the sources' threads are its helpers.
 *
 *   reactor --engine_request--> [commands] --> store's thread --> reply
 *           <-- event fd: ended                 |  cycle: sources, rules,
 *                                               |  metaverse, exporter
 *
 * Invariants:
 *   E1  only the store's thread writes state; it never holds a transaction
 *       open while it waits.
 *   E2  `status` never waits for the store: it is answered from a snapshot.
 *   E3  every request is answered once, also at stop.
 *   E4  a failing disk ends the engine with its error: what cannot be made
 *       durable must not be exported.
 */
#ifndef NODE_ENGINE_ENGINE_H
#define NODE_ENGINE_ENGINE_H

#include <jansson.h>

#include "node/base/err.h"
#include "node/base/secret.h"
#include "node/config/config.h"

/* How an answer goes back; called on any thread. */
struct engine_reply {
    void (*progress)(void *context, const char *phase, uint64_t done,
                     uint64_t total);
    /* `exit_status` as in INTERFACE (0 to 4); `result` is stolen. */
    void (*finish)(void *context, int exit_status, json_t *result,
                   const char *error);
    void *context;
};

struct engine;
struct engine_pair;

struct engine_options {
    const struct config *config; /* borrowed until engine_free */
    bool approve_first; /* carry out a first plan that nobody looked at */
    const struct engine_pair *pair; /* NULL: this node is alone; see pair.h */
    const struct ts_secret_keeper *secrets; /* borrowed; NULL: files rule */
};

/* Opens the state (blocks: quick_check) and starts the threads.
 * Owns     free with engine_free.
 * Errors   TS_E_CORRUPT, TS_E_VERSION, TS_E_IO of the state; of target_open. */
TS_MUSTUSE enum ts_code engine_start(const struct engine_options *options,
                                     struct engine **ret_engine,
                                     struct ts_err *err);

/* Ask; `args` is borrowed for the call. Does not block. */
void engine_request(struct engine *engine, const char *command,
                    const json_t *args, const struct engine_reply *reply);

/* Readable when engine_ended() may have become true. */
int engine_event_fd(const struct engine *engine);
/* Has the store's thread ended? ret_err->code is TS_OK when it was asked to. */
bool engine_ended(struct engine *engine, struct ts_err *ret_err);
/* Ask it to end; does not block. */
void engine_stop(struct engine *engine);
/* Joins the threads; NULL is fine. */
void engine_free(struct engine *engine);

#endif
