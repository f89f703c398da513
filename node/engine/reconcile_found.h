/*
 * reconcile_found -- what one pass of a reconcile finds (passes.h).
 *
 * While the target is read, reconcile.h notes which objects were not as we left
 * them. When all is decided, and before anything is sent, the intents tell what
 * is to be put right; those noted tell which of them the target caused:
 *
 *   noted as          an intent of that object counts as
 *   missing           missing
 *   edited            edited
 *   members           members
 *   nothing           adopted, deleted, created, changed: by its verb
 *
 * What differs and is not to be written (held, staged, refused, reported) is no
 * intent that is cleared, and so not found. What is left after the export is
 * unsettled.
 *
 * Memory: a bit for each object that ever was, three times, and the first
 * RECONCILE_NAMES_MAX names of each class.
 */
#ifndef NODE_ENGINE_RECONCILE_FOUND_H
#define NODE_ENGINE_RECONCILE_FOUND_H

#include <jansson.h>

#include "node/engine/context.h"
#include "node/engine/passes.h"
#include "node/engine/seen.h"

#define RECONCILE_NAMES_MAX 5
#define RECONCILE_NAME_MAX  120 /* bytes of one */

enum reconcile_noted {
    RECONCILE_NOTED_EDITED,
    RECONCILE_NOTED_MISSING,
    RECONCILE_NOTED_MEMBERS,
    RECONCILE_NOTED
};

struct reconcile_found {
    struct seen noted[RECONCILE_NOTED]; /* metaverse ids */
    struct pass_found counts;
    json_t *names[PASS_CLASSES]; /* NULL: none */
    uint64_t source, target;     /* objects that were read */
    uint64_t not_shown;          /* by a source, and not believed to be gone */
};

/* An object of the target is not as it was left; nothing happens where nobody
 * counts (engine->found is NULL).
 * Errors   TS_E_NOMEM. */
TS_MUSTUSE enum ts_code reconcile_found_note(struct engine_context *engine,
                                             enum reconcile_noted what,
                                             int64_t metaverse_id,
                                             struct ts_err *err);
/* All is decided, and nothing of it was sent. */
TS_MUSTUSE enum ts_code reconcile_found_decided(struct engine_context *engine,
                                                struct reconcile_found *found,
                                                struct ts_err *err);
/* All was sent that could be. */
TS_MUSTUSE enum ts_code reconcile_found_sent(struct engine_context *engine,
                                             struct reconcile_found *found,
                                             struct ts_err *err);
/* As one pass of the report: {"source","target","found","young",
 * "classes":[{"class","count","open","objects":[{"kind","anchor","name"}]}]}.
 * New. */
json_t *reconcile_found_document(unsigned pass,
                                 const struct reconcile_found *found);
void reconcile_found_done(struct reconcile_found *found);

/* Append {"kind","anchor","name"} to `*list` (made when NULL), while that has
 * fewer than RECONCILE_NAMES_MAX. `packed` may be empty. */
void reconcile_name(json_t **list, int kind, struct ts_slice anchor,
                    struct ts_slice packed);

#endif
