#include "node/engine/reconcile_report.h"

#include <stdlib.h>
#include <string.h>

#define REPORT "reconcile-report"
#define OPEN   "reconcile-open"

static bool is_running(const json_t *report)
{
    const char *state = json_string_value(json_object_get(report, "state"));
    return state != NULL && strcmp(state, "running") == 0;
}

json_t *reconcile_report_load(struct metaverse *mv)
{
    struct ts_err ignored;
    size_t size = 0;
    char *text = mv == NULL ? NULL : malloc(RECONCILE_REPORT_MAX);
    json_t *report = NULL;
    if (text != NULL &&
        metaverse_setting(mv, REPORT, text, RECONCILE_REPORT_MAX, &size,
                          &ignored) == TS_OK) {
        report = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    }
    free(text);
    return report;
}

enum ts_code reconcile_report_open(struct metaverse *mv, bool *ret_open,
                                   struct ts_err *err)
{
    uint8_t flag[1] = { 0 };
    size_t size = 0;
    enum ts_code code =
        metaverse_setting(mv, OPEN, flag, sizeof flag, &size, err);
    *ret_open = code == TS_OK && size == 1 && flag[0] == 1;
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

static enum ts_code put(struct metaverse *mv, const char *text, bool open,
                        struct ts_err *err)
{
    const uint8_t flag[1] = { open };
    enum ts_code code =
        metaverse_set_setting(mv, OPEN, ts_slice(flag, sizeof flag), err);
    return code == TS_OK
               ? metaverse_set_setting(mv, REPORT, ts_slice_str(text), err)
               : code;
}

enum ts_code reconcile_report_store(struct engine_context *engine,
                                    json_t *report, struct ts_err *err)
{
    struct state *state = &engine->state;
    char *text = json_dumps(report, JSON_COMPACT);
    if (text == NULL || strlen(text) > RECONCILE_REPORT_MAX) {
        free(text);
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not keep the report of a reconcile: it is over "
                       "%zu bytes, or memory is short",
                       RECONCILE_REPORT_MAX);
    }
    enum ts_code code = state_begin(state, err);
    if (code == TS_OK) {
        code = put(state->mv, text, is_running(report), err);
        if (code == TS_OK) {
            code = state_commit(state, err);
        } else {
            state_rollback(state);
        }
    }
    free(text);
    if (code == TS_OK && engine->reconciled != NULL) {
        engine->reconciled(engine->owner, report);
    }
    return code;
}

json_t *reconcile_report_summary(const json_t *report)
{
    static const char *const copied[] = { "state", "reason",      "node",
                                          "epoch", "started",     "finished",
                                          "anew",  "duration_ms", "why" };
    if (!json_is_object(report)) {
        return NULL;
    }
    json_t *summary = json_object();
    json_t *found = json_array();
    json_int_t left = 0;
    size_t index;
    const json_t *item;
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
        (void) json_object_set(summary, copied[i],
                               json_object_get(report, copied[i]));
    }
    json_array_foreach(json_object_get(report, "passes"), index, item)
    {
        (void) json_array_append(found, json_object_get(item, "found"));
    }
    json_array_foreach(json_object_get(report, "left"), index, item)
    {
        left += json_integer_value(json_object_get(item, "count"));
    }
    (void) json_object_set_new(
        summary, "passes", json_integer((json_int_t) json_array_size(found)));
    (void) json_object_set_new(summary, "found", found);
    (void) json_object_set_new(summary, "left", json_integer(left));
    return summary;
}
