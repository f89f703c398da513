/* object_copy -- deep copies of what a target showed, to cross threads with. */
#ifndef NODE_ENGINE_OBJECT_COPY_H
#define NODE_ENGINE_OBJECT_COPY_H

#include "node/target/target.h"

/* Copy `object` and all it points to into `arena`; false: out of memory. */
bool object_copy(struct ts_arena *arena, const struct target_object *object,
                 struct target_object *ret_copy);

#endif
