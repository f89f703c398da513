#include "node/engine/pair.h"

#include "node/engine/private.h"

void engine_nudge(struct engine *engine)
{
    (void) engine;
}
