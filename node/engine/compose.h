/*
 * compose -- from an intent to the operation that carries it out.
 *
 * An intent only says what is to be done to whom; values, references, id and
 * etag are read in the moment before sending, so that the latest state goes
 * out and nothing is stored twice.
 */
#ifndef NODE_ENGINE_COMPOSE_H
#define NODE_ENGINE_COMPOSE_H

#include "node/engine/context.h"

enum compose_result {
    COMPOSE_READY,
    COMPOSE_WAIT,   /* refers to objects that are to be created first */
    COMPOSE_NOTHING /* nothing is left to do */
};

/* `force`: do not wait for references; they follow in an update.
 * Owns     *ret_op, when READY. */
TS_MUSTUSE enum ts_code compose(struct engine_context *engine,
                                const struct intent *intent, bool force,
                                enum compose_result *ret_result,
                                struct export_op **ret_op, struct ts_err *err);

/* An operation that only looks: by id, or by anchor when there is none. */
TS_MUSTUSE enum ts_code compose_look(const struct intent *intent,
                                     struct export_op **ret_op,
                                     struct ts_err *err);

#endif
