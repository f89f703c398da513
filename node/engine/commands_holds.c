/* approve, reject: what operators decide on what is held; and how it is told.
 */
#include "node/engine/private.h"
#include "node/engine/release.h"

#define ONLY_MAX 1000

static struct ts_slice text_of(const json_t *value)
{
    return json_is_string(value)
               ? ts_slice(json_string_value(value), json_string_length(value))
               : ts_slice_str("");
}

/* The argument "only": null, or texts. */
static bool read_only_list(const struct request *request,
                           struct ts_slice only[static ONLY_MAX],
                           struct release_order *order)
{
    const json_t *list = json_object_get(request->args, "only");
    if (list == NULL || json_is_null(list)) {
        return true;
    }
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0 || count > ONLY_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        only[i] = text_of(json_array_get(list, i));
        if (only[i].size == 0) {
            return false;
        }
    }
    order->only = only;
    order->only_count = count;
    return true;
}

static json_t *document_of(const struct release_order *order,
                           const struct release_outcome *outcome)
{
    json_t *document = json_pack(
        "{s:s%, s:s, s:I, s:I}", "hash", order->hash.data, order->hash.size,
        "class", hold_class_name(outcome->class),
        order->reject ? "kept" : "released", (json_int_t) outcome->decided,
        "left", (json_int_t) outcome->left);
    (void) json_object_set_new(document, "dropped",
                               json_integer(outcome->dropped));
    return document;
}

static enum ts_code tell(struct engine *engine, const struct request *request,
                         bool reject, const json_t *document,
                         struct ts_err *err)
{
    const char *who = json_string_value(json_object_get(request->args, "who"));
    json_t *fields = json_deep_copy(document);
    (void) json_object_set(fields, "reason",
                           json_object_get(request->args, "reason"));
    enum ts_code code = events_append(
        local_events(engine->local), reject ? "rejected" : "approved",
        who != NULL ? who : "operator", fields, err);
    json_decref(fields);
    return code;
}

static void decide(struct engine *engine, struct request *request, bool reject)
{
    struct release_order order = {
        .reject = reject,
        .hash = text_of(json_object_get(request->args, "hash")),
        .who = text_of(json_object_get(request->args, "who")),
        .reason = text_of(json_object_get(request->args, "reason")),
    };
    struct ts_slice only[ONLY_MAX];
    struct release_outcome outcome;
    struct ts_err err;
    if (order.hash.size == 0 || !read_only_list(request, only, &order)) {
        request_finish(request, 2, NULL,
                       "cannot decide on a hold without a hash, or with an "
                       "argument \"only\" that is no list of 1 to 1000 texts");
        return;
    }
    if (engine->context.state.mv == NULL || engine->context.state.building) {
        request_finish(request, 1, NULL,
                       "could not decide on a hold: nothing was read yet; try "
                       "again after the first cycle");
        return;
    }
    enum ts_code code =
        release_decide(&engine->context, &order, &outcome, &err);
    json_t *document = code == TS_OK ? document_of(&order, &outcome) : NULL;
    if (code == TS_OK) {
        code = tell(engine, request, reject, document, &err);
    }
    if (code != TS_OK) {
        json_decref(document);
        request_fail(request, &err);
        return;
    }
    engine_recount(engine);
    request_finish(request, 0, document, NULL);
}

void commands_approve(struct engine *engine, struct request *request)
{
    decide(engine, request, false);
}

void commands_reject(struct engine *engine, struct request *request)
{
    decide(engine, request, true);
}

/* ---- telling ---------------------------------------------------------------
 */

static enum ts_code tell_hold(struct engine *engine, int64_t id,
                              struct ts_err *err)
{
    struct metaverse *mv = engine->context.state.mv;
    struct hold_list list;
    struct hold *hold = NULL;
    struct ts_arena arena;
    size_t count = 0;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = hold_all(mv, id, &arena, &hold, &count, err);
    if (code == TS_OK && count == 1) {
        code = hold_last_list(mv, id, &list, err);
    }
    if (code == TS_OK && count == 1) {
        json_t *fields = json_pack("{s:s, s:s, s:I, s:s%}", "class",
                                   hold_class_name(hold->reason.class), "hash",
                                   list.hash, "items", (json_int_t) list.items,
                                   "text", hold->text.data, hold->text.size);
        code = events_append(local_events(engine->local), "held", "daemon",
                             fields, err);
        json_decref(fields);
    }
    ts_arena_done(&arena);
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

enum ts_code engine_tell_holds(struct engine *engine, struct ts_err *err)
{
    struct engine_context *context = &engine->context;
    enum ts_code code = TS_OK;
    for (size_t i = 0;
         code == TS_OK && context->state.mv != NULL && i < context->noted_count;
         i++) {
        code = tell_hold(engine, context->noted[i], err);
    }
    context->noted_count = 0;
    return code;
}
