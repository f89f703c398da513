/* show: finds the object that is meant and tells all that is known of it. The
 * rules are evaluated anew, so that scope and values are those of now. */
#include "node/engine/query/show.h"

#include <stdio.h>

#include "node/engine/query/common.h"
#include "node/engine/query/queries.h"
#include "proto/entry_codec.h"

void show_because(struct showing *s, enum show_reason reason, const char *text)
{
    if (reason < s->reason) {
        s->reason = reason;
        (void) snprintf(s->why, sizeof s->why, "%s", text);
    }
}

/* ---- what is known
 * ------------------------------------------------------------------------------
 */

/* The source objects it is made of; one that left the scope is joined to none,
 * but was found. */
static enum ts_code load_parts(struct showing *s, struct ts_err *err)
{
    int64_t ids[FLOW_CONTRIBUTORS_MAX];
    size_t count = FLOW_CONTRIBUTORS_MAX;
    enum ts_code code =
        object_contributors(s->mv, s->what.metaverse, ids, &count, err);
    if (code == TS_OK && count == 0 && s->what.source_object > 0) {
        ids[0] = s->what.source_object;
        count = 1;
    }
    s->evaluated = s->engine->rules != NULL;
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        struct connector_object object;
        code = connector_get(s->mv, ids[i], &s->arena, &object, err);
        if (code != TS_OK) {
            break;
        }
        s->parts[i].object = object;
        s->part_count = i + 1;
        if (s->evaluated) {
            code =
                flow_evaluate(s->engine, &object, &s->arena, &s->parts[i], err);
        }
    }
    return code;
}

static enum ts_code load(struct showing *s, struct ts_err *err)
{
    enum ts_code code = load_parts(s, err);
    if (code != TS_OK || s->what.metaverse == 0) {
        return code;
    }
    s->in_metaverse = true;
    code = object_get(s->mv, s->what.metaverse, &s->arena, &s->object, err);
    if (code == TS_OK) {
        code = entry_unpack(s->object.packed, &s->arena, &s->values, err);
    }
    return code == TS_OK
               ? target_row_by_metaverse(s->mv, s->what.metaverse, &s->arena,
                                         &s->row, &s->at_target, err)
               : code;
}

static enum ts_code fill_stages(struct showing *s, struct ts_err *err)
{
    enum ts_code code = show_source(s, err);
    if (code == TS_OK) {
        show_scope(s);
        code = show_join(s, err);
    }
    if (code != TS_OK || !s->in_metaverse) {
        return code;
    }
    code = show_metaverse(s, err);
    if (code == TS_OK) {
        code = show_references(s, err);
    }
    if (code == TS_OK) {
        code = show_target(s, err);
    }
    if (code == TS_OK) {
        code = show_deprovision(s, err);
    }
    if (code == TS_OK) {
        code = show_unique(s, err);
    }
    if (code == TS_OK) {
        code = show_ledger(s, err);
    }
    return code == TS_OK ? show_intents(s, err) : code;
}

/* ---- documents
 * ----------------------------------------------------------------------------------
 */

/* anchor, kind, name, dn: of one object, and of a candidate. */
static enum ts_code head_document(struct showing *s, json_t **ret_head,
                                  struct ts_err *err)
{
    struct ts_slice dn = TS_SLICE_NONE;
    struct ts_slice anchor = s->in_metaverse     ? s->object.anchor
                             : s->part_count > 0 ? s->parts[0].object.anchor
                                                 : TS_SLICE_NONE;
    struct ts_slice name = s->part_count > 0 ? s->parts[0].object.rdn : anchor;
    const char *kind = NULL;
    if (s->part_count > 0) {
        enum ts_code code =
            place_dn(s->engine, &s->parts[0].object, &s->arena, &dn, err);
        if (code != TS_OK) {
            return code;
        }
    }
    if (s->in_metaverse) {
        kind = query_kind(s->object.kind);
        name = query_name(s->object.kind, &s->values, name);
    }
    *ret_head = json_pack("{s:o, s:s?, s:o, s:o}", "anchor", query_text(anchor),
                          "kind", kind, "name", query_text(name), "dn",
                          dn.size > 0 ? query_text(dn) : json_null());
    return TS_OK;
}

static void showing_begin(struct showing *s, struct engine_context *engine,
                          const struct query_object *what)
{
    *s = (struct showing){ .engine = engine,
                           .mv = engine->state.mv,
                           .what = *what,
                           .reason = SHOW_REASONS };
    ts_arena_init(&s->arena, ENGINE_OBJECT_MEMORY);
    s->stages = json_array();
}

static void showing_end(struct showing *s)
{
    json_decref(s->stages);
    ts_arena_done(&s->arena);
}

static enum ts_code document_of(struct engine_context *engine,
                                const struct query_object *what, bool whole,
                                json_t **ret_document, struct ts_err *err)
{
    struct showing s;
    json_t *document = NULL;
    showing_begin(&s, engine, what);
    enum ts_code code = load(&s, err);
    if (code == TS_OK) {
        code = head_document(&s, &document, err);
    }
    if (code == TS_OK && whole) {
        code = fill_stages(&s, err);
    }
    if (code == TS_OK && whole) {
        bool in_step = s.reason >= SHOW_SCOPE;
        (void) json_object_set_new(document, "in_step", json_boolean(in_step));
        (void) json_object_set_new(
            document, "why",
            s.why[0] != 0 ? query_text(ts_slice_str(s.why)) : json_null());
        (void) json_object_set(document, "stages", s.stages);
    }
    showing_end(&s);
    if (code != TS_OK) {
        json_decref(document);
        return code;
    }
    *ret_document = document;
    return TS_OK;
}

/* ---- answers
 * ------------------------------------------------------------------------------------
 */

static void answer_one(struct engine *engine, const struct query_object *what,
                       struct request *request)
{
    json_t *document = NULL;
    struct ts_err err;
    if (document_of(&engine->context, what, true, &document, &err) == TS_OK) {
        request_finish(request, 0, document, NULL);
    } else {
        request_fail(request, &err);
    }
}

static void answer_several(struct engine *engine,
                           const struct query_found *found, const char *name,
                           struct request *request)
{
    char text[240];
    struct ts_err err;
    json_t *list = json_array();
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < found->count; i++) {
        json_t *candidate = NULL;
        code = document_of(&engine->context, &found->objects[i], false,
                           &candidate, &err);
        if (code == TS_OK) {
            (void) json_array_append_new(list, candidate);
        }
    }
    if (code != TS_OK) {
        json_decref(list);
        request_fail(request, &err);
        return;
    }
    (void) snprintf(text, sizeof text,
                    "cannot show \"%.80s\": %s%zu objects have that name; give "
                    "the anchor or the DN of one",
                    name, found->more ? "more than " : "", found->count);
    request_finish(request, 1, json_pack("{s:o}", "candidates", list), text);
}

/* Nobody here has that name: somebody at the target? */
static enum ts_code find_foreign(struct engine *engine, struct ts_slice text,
                                 json_t **ret_document, struct ts_err *err)
{
    static const struct query_object nobody = { 0, 0 };
    struct showing s;
    showing_begin(&s, &engine->context, &nobody);
    enum ts_code code = show_foreign(&s, text, ret_document, err);
    showing_end(&s);
    return code;
}

static void answer_none(const struct query_found *found, const char *name,
                        struct request *request)
{
    char text[240];
    (void) snprintf(text, sizeof text,
                    found->unfinished
                        ? "could not find \"%.80s\" in time: too many objects "
                          "to look through by name; give its anchor or its DN"
                        : "cannot show \"%.80s\": no object has that anchor, "
                          "DN or name; twinsync rules test tells why an entry "
                          "is left out",
                    name);
    request_finish(request, 1, NULL, text);
}

void query_show(struct engine *engine, struct request *request)
{
    struct query_found found;
    struct ts_err err;
    json_t *name = json_object_get(request->args, "object");
    if (!json_is_string(name) || json_string_length(name) == 0) {
        request_finish(request, 2, NULL,
                       "cannot show an object without a name: give an anchor, "
                       "a DN or a name");
        return;
    }
    const struct state *state = &engine->context.state;
    if (state->mv == NULL || state->building) {
        request_finish(request, 1, NULL,
                       "could not show an object: the sources were not read "
                       "to their end yet; try again after the first cycle");
        return;
    }
    struct ts_slice text =
        ts_slice(json_string_value(name), json_string_length(name));
    json_t *foreign = NULL;
    enum ts_code code = query_find(&engine->context, text, &found, &err);
    if (code == TS_OK && found.count == 0) {
        code = find_foreign(engine, text, &foreign, &err);
    }
    if (code != TS_OK) {
        request_fail(request, &err);
    } else if (foreign != NULL) {
        request_finish(request, 0, foreign, NULL);
    } else if (found.count == 1 && !found.more) {
        answer_one(engine, &found.objects[0], request);
    } else if (found.count > 0) {
        answer_several(engine, &found, json_string_value(name), request);
    } else {
        answer_none(&found, json_string_value(name), request);
    }
}
