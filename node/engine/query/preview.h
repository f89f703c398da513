/*
 * preview -- what the parts of the preview share, while it is worked out.
 *
 * preview.c works through the objects, preview_object.c says what happens to
 * one of them, preview_rest.c tells what happens to nobody: conflicts, what is
 * left alone, what is held.
 */
#ifndef NODE_ENGINE_QUERY_PREVIEW_H
#define NODE_ENGINE_QUERY_PREVIEW_H

#include <jansson.h>

#include "node/engine/context.h"
#include "node/engine/plan.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"

#define PREVIEW_REST_MAX 1000 /* conflicts, and untouched objects, listed */

enum preview_count {
    PREVIEW_CREATE,
    PREVIEW_UPDATE,
    PREVIEW_DEACTIVATE,
    PREVIEW_DELETE,
    PREVIEW_ADOPT,
    PREVIEW_MEMBERS,
    PREVIEW_HARD, /* of those adopted */
    PREVIEW_SOFT,
    PREVIEW_COUNTS
};

struct preview {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena arena;    /* of the object at hand */
    struct ts_hasher *hasher; /* of the whole plan */
    struct ts_hasher *small;  /* of one content, or one link */
    json_t *objects;
    size_t weight;
    bool cut;
    int64_t counts[PREVIEW_COUNTS];
    int64_t *ids; /* metaverse objects in order of kind and anchor */
    size_t count, room;
};

/* One object's part of the plan. */
struct preview_part {
    struct metaverse_object object;
    enum intent_verb verb;
    struct ts_slice target_id; /* of the intent */
    bool decided;              /* it has one; else only links follow */
    struct target_row row;
    bool at_target;
    struct plan_link *links; /* in the preview's arena */
    size_t link_count, link_room;
    json_t *document; /* NULL: only counted, hashed and stored */
};

TS_MUSTUSE enum ts_code preview_too_large(struct ts_err *err);

/* The object at the target that it is about: part->row and ->at_target. */
TS_MUSTUSE enum ts_code preview_load_row(struct preview *preview,
                                         struct preview_part *part,
                                         struct ts_err *err);
/* Adopted by its anchor, which it carries already? Else by a value. */
bool preview_matches_hard(const struct preview_part *part);
/* Begin part->document: what is written, but for links. */
TS_MUSTUSE enum ts_code preview_describe(struct preview *preview,
                                         struct preview_part *part,
                                         struct ts_err *err);
/* The links that change: counted, hashed, kept in part->links, and listed
 * where there is a document. */
TS_MUSTUSE enum ts_code preview_take_links(struct preview *preview,
                                           struct preview_part *part,
                                           struct ts_err *err);

/* Add "conflicts", "conflict_count", "untouched" and "holds" to `document`. */
TS_MUSTUSE enum ts_code preview_add_rest(struct metaverse *mv, json_t *document,
                                         struct ts_err *err);

#endif
