/*
 * unresolved -- references that lead to nobody here, and why.
 *
 *   dangling      the source was read to its end since, and has no such entry
 *   not yet seen  it was not read to its end since the reference came
 *   out of scope  the entry is there and is no person or group of ours: normal
 *
 * "Since the reference came" is since the entry that has it last changed.
 * Obligatory members that are nobody (`dummy-members`) are none of these.
 */
#ifndef NODE_ENGINE_UNRESOLVED_H
#define NODE_ENGINE_UNRESOLVED_H

#include "node/engine/context.h"

enum unresolved {
    UNRESOLVED_DANGLING,
    UNRESOLVED_NOT_YET_SEEN,
    UNRESOLVED_OUT_OF_SCOPE,
    UNRESOLVED_KINDS
};

/* `each` is told of every one of a source object; `dn` as the source wrote it,
 * during the call. */
typedef void unresolved_fn(void *context, enum unresolved kind,
                           struct ts_slice dn);
TS_MUSTUSE enum ts_code unresolved_of(struct engine_context *engine,
                                      int64_t source_object,
                                      unresolved_fn *each, void *context,
                                      struct ts_err *err);

/* Source `source_id` was read to its end. In the caller's transaction. */
TS_MUSTUSE enum ts_code unresolved_complete(struct engine_context *engine,
                                            int64_t source_id,
                                            struct ts_err *err);
/* After everything was read: count the dangling references of all, for
 * unresolved_dangling. Reads every link. Between transactions. */
TS_MUSTUSE enum ts_code unresolved_count(struct engine_context *engine,
                                         struct ts_err *err);
/* As counted last; 0: none, or never. */
int64_t unresolved_dangling(struct engine_context *engine);

#endif
