/*
 * query_show -- one object, stage by stage; private to show.c (what is asked
 * and answered), stages.c, stages_target.c, stage_unique.c and
 * stage_deprovision.c (what each stage says), and show_foreign.c (objects of
 * the target that are not ours).
 */
#ifndef NODE_ENGINE_QUERY_SHOW_H
#define NODE_ENGINE_QUERY_SHOW_H

#include <jansson.h>

#include "node/engine/flow.h"
#include "node/engine/place.h"
#include "node/engine/query/find.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"

#define SHOW_LINKS_MAX 200 /* of one object */

/* Why the target is as it is: the first that applies is told. All but SCOPE
 * mean that it is not as it should be. */
enum show_reason {
    SHOW_REFUSED,
    SHOW_DOUBT,
    SHOW_RULES,
    SHOW_NEW,
    SHOW_DUE,
    SHOW_DIFFERENT,
    SHOW_SCOPE,
    SHOW_REASONS
};

struct showing {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_arena arena;
    struct query_object what;

    struct flow_part parts[FLOW_CONTRIBUTORS_MAX]; /* evaluated now */
    size_t part_count;
    bool evaluated; /* false: no rules yet */
    bool in_metaverse;
    struct metaverse_object object;
    struct ts_entry values; /* of the object */
    bool at_target;
    struct target_row row;

    json_t *stages;
    enum show_reason reason; /* SHOW_REASONS: none */
    char why[512];
};

/* Note a reason; `text` is a sentence. */
void show_because(struct showing *s, enum show_reason reason, const char *text);

/* A stage at the end of s->stages, with nothing in it: borrowed from there. */
json_t *show_stage(struct showing *s, const char *name, const char *state);
/* Put into a stage what commands.md says of it. The values are stolen. */
void show_fact(json_t *stage_document, const char *name, json_t *value);
void show_value(json_t *stage_document, struct ts_slice path, json_t *values,
                const char *from);
void show_difference(json_t *stage_document, struct ts_slice path, json_t *ours,
                     json_t *theirs);
void show_problem(json_t *stage_document, struct ts_slice path,
                  struct ts_slice text);
/* What was noted of the object in `stages` (ends in NULL); *ret_retry is the
 * earliest time at which it is tried again, if there is one. */
TS_MUSTUSE enum ts_code show_noted(struct showing *s, const char *const *stages,
                                   json_t *stage_document, int64_t *ret_retry,
                                   struct ts_err *err);

/* Each appends what it has to say to s->stages. */
TS_MUSTUSE enum ts_code show_source(struct showing *s, struct ts_err *err);
void show_scope(struct showing *s);
TS_MUSTUSE enum ts_code show_join(struct showing *s, struct ts_err *err);
TS_MUSTUSE enum ts_code show_metaverse(struct showing *s, struct ts_err *err);
TS_MUSTUSE enum ts_code show_references(struct showing *s, struct ts_err *err);
TS_MUSTUSE enum ts_code show_target(struct showing *s, struct ts_err *err);
TS_MUSTUSE enum ts_code show_deprovision(struct showing *s, struct ts_err *err);
TS_MUSTUSE enum ts_code show_unique(struct showing *s, struct ts_err *err);
TS_MUSTUSE enum ts_code show_ledger(struct showing *s, struct ts_err *err);
TS_MUSTUSE enum ts_code show_intents(struct showing *s, struct ts_err *err);

/* The document of an object of the target that is not ours, by its id, anchor
 * or name; NULL: there is none. */
TS_MUSTUSE enum ts_code show_foreign(struct showing *s, struct ts_slice text,
                                     json_t **ret_document, struct ts_err *err);

#endif
