/* reanchor: who is gone and came under another anchor, as pairs to approve. */
#include "node/engine/commands.h"

#include <stdio.h>

#include "node/engine/query/common.h"
#include "node/engine/reanchor.h"
#include "node/engine/twins.h"
#include "node/metaverse/object.h"

#define PAIRS_LISTED 5000 /* in one answer; the count is of all */

struct proposal {
    struct engine *engine;
    const char *path;
    struct twins_key key[CONFIG_KINDS];
    struct reanchor_hold hold;
    int64_t count;
    json_t *pairs, *ambiguous;
};

/* ---- what is compared
 * ------------------------------------------------------- */

static bool flows(const struct config_rule *rule, const char *path)
{
    for (uint32_t i = 0; i < rule->flow_count; i++) {
        if (strcmp(rule->flow[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* The kinds that have that path; none: there is nothing to compare. */
static bool choose_kinds(struct proposal *p)
{
    const struct config *config = p->engine->config;
    bool any = false;
    for (uint32_t i = 0; i < config->rules_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        if (flows(rule, p->path)) {
            p->key[rule->kind] =
                (struct twins_key){ .paths = { p->path }, .count = 1 };
            any = true;
        }
    }
    return any;
}

/* ---- what is told
 * ----------------------------------------------------------- */

static enum ts_code add_pair(struct proposal *p, const struct twins_pair *pair,
                             struct ts_arena *arena, struct ts_err *err)
{
    struct metaverse_object object;
    enum ts_code code = object_get(p->engine->context.state.mv, pair->new_id,
                                   arena, &object, err);
    if (code != TS_OK) {
        return code;
    }
    struct ts_slice name =
        query_packed_name(pair->kind, object.packed, pair->new_anchor, arena);
    (void) json_array_append_new(
        p->pairs,
        json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", query_kind(pair->kind),
                  "old", query_text(pair->old_anchor), "new",
                  query_text(pair->new_anchor), "name", query_text(name),
                  "value", query_text(pair->value)));
    return TS_OK;
}

static enum ts_code list_pairs(struct proposal *p, struct ts_err *err)
{
    struct twins_pair pairs[REANCHOR_CHUNK];
    struct ts_arena arena;
    int64_t after = 0;
    enum ts_code code = TS_OK;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    for (size_t count = 1; code == TS_OK && count > 0 &&
                           json_array_size(p->pairs) < PAIRS_LISTED;) {
        ts_arena_reset(&arena);
        count = REANCHOR_CHUNK;
        code = twins_pairs(p->engine->context.state.mv, after, &arena, pairs,
                           &count, err);
        for (size_t i = 0; code == TS_OK && i < count; i++) {
            after = pairs[i].number;
            code = add_pair(p, &pairs[i], &arena, err);
        }
    }
    ts_arena_done(&arena);
    return code;
}

static void add_ambiguous(void *context,
                          const struct twins_candidate *candidate)
{
    struct proposal *p = context;
    size_t count = json_array_size(p->ambiguous);
    json_t *last = json_array_get(p->ambiguous, count > 0 ? count - 1 : 0);
    json_t *value = query_text(candidate->value);
    const char *kind = query_kind(candidate->kind);
    if (last == NULL || !json_equal(json_object_get(last, "value"), value) ||
        strcmp(json_string_value(json_object_get(last, "kind")), kind) != 0) {
        last = json_pack("{s:s, s:O, s:[], s:[]}", "kind", kind, "value", value,
                         "old", "new");
        (void) json_array_append_new(p->ambiguous, last);
    }
    (void) json_array_append_new(
        json_object_get(last, candidate->is_new ? "new" : "old"),
        query_text(candidate->anchor));
    json_decref(value);
}

/* ---- what is done
 * ----------------------------------------------------------- */

static enum ts_code note_decision(struct proposal *p, const json_t *args,
                                  struct ts_err *err)
{
    const char *who = json_string_value(json_object_get(args, "who"));
    const char *reason = json_string_value(json_object_get(args, "reason"));
    struct decision decision = {
        .what = "reanchor",
        .subject = ts_slice_str(p->hold.hash),
        .items = p->count,
        .actor = ts_slice_str(who == NULL ? "operator" : who),
        .reason = ts_slice_str(reason == NULL ? "" : reason),
    };
    enum ts_code code = commands_decided(p->engine, &decision, err);
    if (code != TS_OK) {
        return code;
    }
    json_t *fields =
        json_pack("{s:s, s:s, s:I, s:s?}", "hash", p->hold.hash, "match",
                  p->path, "pairs", (json_int_t) p->count, "reason", reason);
    code = events_append(local_events(p->engine->local), "reanchor-proposed",
                         who != NULL ? who : "operator", fields, err);
    json_decref(fields);
    return code;
}

static enum ts_code propose(struct proposal *p, const json_t *args,
                            struct ts_err *err)
{
    struct engine_context *engine = &p->engine->context;
    struct twins_count counts[CONFIG_KINDS];
    enum ts_code code = twins_find(engine, p->key, counts, err);
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        p->count += counts[kind].pairs;
    }
    if (code == TS_OK) {
        code = list_pairs(p, err);
    }
    if (code == TS_OK) {
        code = twins_ambiguous(engine->state.mv, add_ambiguous, p, err);
    }
    if (code != TS_OK || p->count == 0 ||
        json_is_true(json_object_get(args, "dry_run"))) {
        return code;
    }
    code = reanchor_propose(engine, p->path, &p->hold, err);
    return code == TS_OK ? note_decision(p, args, err) : code;
}

static void answer(struct proposal *p, struct request *request)
{
    struct ts_err err = { .code = TS_OK };
    p->pairs = json_array();
    p->ambiguous = json_array();
    if (propose(p, request->args, &err) != TS_OK) {
        json_decref(p->pairs);
        json_decref(p->ambiguous);
        request_fail(request, &err);
        return;
    }
    request_finish(request, 0,
                   json_pack("{s:s?, s:I, s:o, s:o}", "hash",
                             p->hold.id > 0 ? p->hold.hash : NULL, "count",
                             (json_int_t) p->count, "pairs", p->pairs,
                             "ambiguous", p->ambiguous),
                   NULL);
}

void commands_reanchor(struct engine *engine, struct request *request)
{
    struct proposal p = {
        .engine = engine,
        .path = json_string_value(json_object_get(request->args, "match")),
    };
    char why[300];
    if (engine->context.state.mv == NULL || engine->context.state.building) {
        request_finish(request, 1, NULL,
                       "could not pair anchors: nothing was read yet; wait for "
                       "the first cycle");
        return;
    }
    if (p.path == NULL || !choose_kinds(&p)) {
        (void) snprintf(why, sizeof why,
                        "cannot pair anchors by \"%.100s\": no rule flows it; "
                        "name a target path of a flow, such as userName",
                        p.path == NULL ? "" : p.path);
        request_finish(request, 2, NULL, why);
        return;
    }
    answer(&p, request);
}
