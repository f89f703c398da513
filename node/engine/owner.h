/*
 * owner -- whose is an object of the target that nobody has, by its anchor?
 *
 * Reads the metaverse and the connector space of the sources; an object there
 * that is joined to nothing has its rule evaluated again, so that an error of
 * the rule is never taken for a scope exit.
 */
#ifndef NODE_ENGINE_OWNER_H
#define NODE_ENGINE_OWNER_H

#include "node/engine/context.h"

enum owner {
    OWNER_NONE,    /* no source shows the anchor, or the person it belongs to
                      has another object there: this is one too many */
    OWNER_PRESENT, /* somebody is there, in scope or undecided */
    OWNER_LEFT,    /* an object of the metaverse that is out of scope */
    OWNER_OUTSIDE  /* a source object that is out of scope and never was in */
};

struct owned {
    enum owner who;
    int64_t metaverse_id; /* LEFT */
    const char *left_by;  /* OUTSIDE: the term of `when` that is false, or NULL;
                             lives as long as the rules */
};

TS_MUSTUSE enum ts_code owner_find(struct engine_context *engine, int kind,
                                   struct ts_slice anchor,
                                   struct ts_arena *arena,
                                   struct owned *ret_owned, struct ts_err *err);

#endif
