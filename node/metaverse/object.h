/*
 * object -- metaverse objects and who is joined to them.
 *
 * A metaverse object stands for one person or group. It is made from the first
 * source object that is in scope, keeps that object's anchor for ever, and is
 * removed only when the target has confirmed that its counterpart is gone (or
 * never had one).
 */
#ifndef NODE_METAVERSE_OBJECT_H
#define NODE_METAVERSE_OBJECT_H

#include "node/base/arena.h"
#include "node/metaverse/metaverse.h"

enum object_presence {
    OBJECT_IN,   /* at least one joined source object is in scope */
    OBJECT_OUT,  /* the source has it, but it left the scope */
    OBJECT_GONE, /* no source has it any more */
};

struct metaverse_object {
    int64_t id;
    int kind;
    struct ts_slice anchor;
    enum object_presence presence;
    struct ts_slice packed, once; /* proto Entry */
    int64_t changed;
    int64_t left_at;         /* OUT, GONE: since when; else 0 */
    struct ts_slice left_by; /* OUT: the term of `when` that became false */
};

/* Copies live in `arena`. TS_E_NOT_FOUND when there is none. */
TS_MUSTUSE enum ts_code object_get(struct metaverse *mv, int64_t id,
                                   struct ts_arena *arena,
                                   struct metaverse_object *ret_object,
                                   struct ts_err *err);
/* By anchor and kind; id 0 when there is none. */
TS_MUSTUSE enum ts_code object_by_anchor(struct metaverse *mv, int kind,
                                         struct ts_slice anchor,
                                         int64_t *ret_id, struct ts_err *err);
/* By a value of a join path (object_set_join_values); 0: none, -1: several. */
TS_MUSTUSE enum ts_code object_by_join_value(struct metaverse *mv, int kind,
                                             const char *path,
                                             struct ts_slice value,
                                             int64_t *ret_id,
                                             struct ts_err *err);
/* What the object is joined to, or 0. */
TS_MUSTUSE enum ts_code object_joined_to(struct metaverse *mv,
                                         int64_t source_object_id,
                                         int64_t *ret_id, struct ts_err *err);

/* `object->id` is drawn by the caller from the counter "object". */
TS_MUSTUSE enum ts_code object_insert(struct metaverse *mv,
                                      const struct metaverse_object *object,
                                      struct ts_err *err);
TS_MUSTUSE enum ts_code object_update(struct metaverse *mv,
                                      const struct metaverse_object *object,
                                      struct ts_err *err);
/* Before its first export: the target knows it by another source's anchor. */
TS_MUSTUSE enum ts_code object_take_anchor(struct metaverse *mv, int64_t id,
                                           struct ts_slice anchor,
                                           struct ts_err *err);
/* For good, with its joins' values and references. */
TS_MUSTUSE enum ts_code object_remove(struct metaverse *mv, int64_t id,
                                      struct ts_err *err);

/* Rows of `joined` only; references are the caller's (reference.h). */
TS_MUSTUSE enum ts_code object_join(struct metaverse *mv, int64_t source_object,
                                    int64_t id, int kind, struct ts_err *err);
TS_MUSTUSE enum ts_code
object_unjoin(struct metaverse *mv, int64_t source_object, struct ts_err *err);
/* The source objects joined to `id`, at most *count. */
TS_MUSTUSE enum ts_code object_contributors(struct metaverse *mv, int64_t id,
                                            int64_t *ids, size_t *count,
                                            struct ts_err *err);

struct object_join_value {
    const char *path;
    struct ts_slice value;
};
TS_MUSTUSE enum ts_code
object_set_join_values(struct metaverse *mv, int64_t id,
                       const struct object_join_value *values, size_t count,
                       struct ts_err *err);

#endif
