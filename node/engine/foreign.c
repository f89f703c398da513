#include "node/engine/foreign.h"

#include <stdio.h>
#include <string.h>

#include "node/metaverse/object.h"
#include "node/metaverse/problem.h"
#include "proto/entry_codec.h"

/* One path under judgement. */
struct edit {
    const struct target_row *row;
    struct metaverse_object object;
    const struct ts_attribute *sent, *before, *now; /* NULL: no such path */
};

/* ---- telling --------------------------------------------------------------
 */

/* Cut before a character, never within one. */
static size_t told_size(struct ts_slice value)
{
    size_t size = value.size;
    if (size <= FOREIGN_VALUE_MAX) {
        return size;
    }
    size = FOREIGN_VALUE_MAX;
    while (size > 0 && (value.data[size] & 0xc0) == 0x80) {
        size--;
    }
    return size;
}

static json_t *told_values(const struct ts_attribute *attribute)
{
    json_t *list = json_array();
    size_t count = attribute == NULL ? 0 : attribute->value_count;
    for (size_t i = 0; i < count && i < FOREIGN_VALUES_MAX; i++) {
        struct ts_slice value = attribute->values[i];
        json_t *text =
            json_stringn((const char *) value.data, told_size(value));
        (void) json_array_append_new(list,
                                     text != NULL ? text : json_string("?"));
    }
    return list;
}

static void record(struct engine_context *engine, const struct edit *edit)
{
    engine->counts.foreign_paths++;
    if (engine->foreign_events == NULL) {
        engine->foreign_events = json_array();
    }
    if (json_array_size(engine->foreign_events) == FOREIGN_EVENTS_MAX) {
        return;
    }
    const struct ts_slice anchor = edit->object.anchor;
    const struct ts_slice path = edit->sent != NULL
                                     ? edit->sent->name
                                     : ts_slice_str(TARGET_ACTIVE_PATH);
    (void) json_array_append_new(
        engine->foreign_events,
        json_pack("{s:s, s:s%, s:s%, s:o, s:o}", "kind",
                  edit->row->kind == CONFIG_KIND_GROUP ? "group" : "user",
                  "anchor", (const char *) anchor.data, anchor.size, "path",
                  (const char *) path.data, path.size, "theirs",
                  told_values(edit->now), "ours", told_values(edit->sent)));
}

enum ts_code foreign_tell(struct engine_context *engine, struct events *events,
                          struct ts_err *err)
{
    json_t *list = engine->foreign_events;
    engine->foreign_events = NULL;
    size_t index;
    json_t *fields;
    enum ts_code code = TS_OK;
    json_array_foreach(list, index, fields)
    {
        if (code == TS_OK) {
            code = events_append(events, "foreign-edit", "daemon", fields, err);
        }
    }
    if (code == TS_OK && engine->counts.foreign_paths > FOREIGN_EVENTS_MAX) {
        json_t *count = json_pack("{s:I, s:i}", "count",
                                  (json_int_t) engine->counts.foreign_paths,
                                  "told", FOREIGN_EVENTS_MAX);
        code = events_append(events, "foreign-edits", "daemon", count, err);
        json_decref(count);
    }
    json_decref(list);
    return code;
}

/* ---- what was reported ----------------------------------------------------
 */

static struct problem problem_of(const struct edit *edit)
{
    return (struct problem){
        .kind = edit->object.kind,
        .anchor = edit->object.anchor,
        .stage = "foreign",
        .path = edit->sent->name,
    };
}

/* The hash of what the target showed before the edit, as it was noted. */
static enum ts_code reported(struct metaverse *mv, const struct edit *edit,
                             struct ts_hash *ret_before, bool *ret_found,
                             struct ts_err *err)
{
    static const char sql[] =
        "SELECT after FROM object_error WHERE kind = ?1 AND anchor = ?2 AND "
        "stage = 'foreign' AND path = ?3";
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(mv, sql,
                                      DB_VALUES(DB_INT(edit->object.kind),
                                                DB_TEXT(edit->object.anchor),
                                                DB_TEXT(edit->sent->name)),
                                      &row, err);
    *ret_found = code == TS_OK && row != NULL;
    if (!*ret_found) {
        return code;
    }
    struct ts_slice bytes = db_column(row, 0);
    if (bytes.size == sizeof ret_before->bytes) {
        memcpy(ret_before->bytes, bytes.data, bytes.size);
    }
    db_reset(row);
    return TS_OK;
}

static enum ts_code hash_of(const struct ts_attribute *attribute,
                            struct ts_arena *arena, struct ts_hash *ret_hash,
                            struct ts_err *err)
{
    struct ts_attribute copy[1];
    struct ts_entry entry = { .attributes = copy };
    struct ts_slice packed = TS_SLICE_NONE;
    if (attribute != NULL) {
        copy[0] = *attribute;
        entry.count = 1;
    }
    enum ts_code code = entry_pack(&entry, arena, &packed, err);
    if (code == TS_OK) {
        *ret_hash = ts_hash_of(packed);
    }
    return code;
}

/* "Ada | Grace", cut; "nothing" for no value. */
static void join_values(const struct ts_attribute *attribute, char *text,
                        size_t size)
{
    size_t used = 0;
    size_t count = attribute == NULL ? 0 : attribute->value_count;
    (void) snprintf(text, size, "nothing");
    for (size_t i = 0; i < count && used < FOREIGN_VALUE_MAX; i++) {
        struct ts_slice value = attribute->values[i];
        value.size = told_size(value);
        int wrote = snprintf(text + used, size - used, "%s%.*s",
                             i == 0 ? "\"" : " | ", TS_SLICE_ARGS(value));
        used += wrote < 0 ? 0 : (size_t) wrote;
    }
    if (count > 0 && used < size - 1) {
        (void) snprintf(text + used, size - used, "\"");
    }
}

static enum ts_code report(struct engine_context *engine,
                           const struct edit *edit, struct ts_hash before,
                           struct ts_err *err)
{
    char theirs[3 * FOREIGN_VALUE_MAX];
    char ours[3 * FOREIGN_VALUE_MAX];
    char text[8 * FOREIGN_VALUE_MAX];
    struct problem problem = problem_of(edit);
    join_values(edit->now, theirs, sizeof theirs);
    join_values(edit->sent, ours, sizeof ours);
    (void) snprintf(text, sizeof text,
                    "somebody changed it at the target to %s, where the source "
                    "has %s: \"foreign-edits: report\" leaves it so until "
                    "either side changes; correct one of the two",
                    theirs, ours);
    problem.text = ts_slice_str(text);
    problem.after = before;
    engine->problems_known = true;
    return problem_set(engine->state.mv, &problem, err);
}

enum ts_code foreign_begin(struct engine_context *engine, struct ts_err *err)
{
    int64_t some = 0;
    engine->reports_left = false;
    if (engine->config->target.foreign_edits == CONFIG_FOREIGN_REPORT) {
        return TS_OK;
    }
    enum ts_code code = db_query_int(
        &engine->state.mv->db,
        "SELECT EXISTS(SELECT 1 FROM object_error WHERE stage = 'foreign')",
        &some, err);
    engine->reports_left = some != 0;
    return code;
}

/* ---- judging --------------------------------------------------------------
 */

static bool same(const struct ts_attribute *a, const struct ts_attribute *b)
{
    return a == NULL || b == NULL ? a == b : ts_attribute_equal(a, b);
}

/* `report`: note the edit, or that it was taken back. */
static enum ts_code judge_report(struct engine_context *engine,
                                 const struct edit *edit,
                                 struct ts_arena *arena, struct ts_err *err)
{
    struct ts_hash before, now;
    bool found = false;
    enum ts_code code = TS_OK;
    if (same(edit->before, edit->now)) {
        return TS_OK;
    }
    code = hash_of(edit->before, arena, &before, err);
    if (code == TS_OK && engine->problems_known) {
        code = reported(engine->state.mv, edit, &before, &found, err);
    }
    if (code == TS_OK) {
        code = hash_of(edit->now, arena, &now, err);
    }
    if (code != TS_OK) {
        return code;
    }
    bool taken_back = memcmp(before.bytes, now.bytes, sizeof now.bytes) == 0;
    if (taken_back || same(edit->sent, edit->now)) {
        struct problem problem = problem_of(edit);
        return problem_clear_path(engine->state.mv, &problem, err);
    }
    engine->counts.foreign_edits += !found;
    return report(engine, edit, before, err);
}

/* `overwrite`: is it an edit, made now, or left alone under `report` before? */
static enum ts_code judge_overwrite(struct engine_context *engine,
                                    const struct edit *edit, bool *ret_edited,
                                    struct ts_err *err)
{
    struct ts_hash ignored;
    bool found = false;
    enum ts_code code = engine->reports_left ? reported(engine->state.mv, edit,
                                                        &ignored, &found, err)
                                             : TS_OK;
    if (code == TS_OK && found) {
        struct problem problem = problem_of(edit);
        code = problem_clear_path(engine->state.mv, &problem, err);
    }
    *ret_edited = found || !same(edit->before, edit->now);
    if (code == TS_OK && *ret_edited) {
        record(engine, edit);
    }
    return code;
}

/* Every path that we wrote; `kept` are those that still count as sent. */
static enum ts_code judge_paths(struct engine_context *engine,
                                struct edit *edit, const struct ts_entry *views,
                                struct ts_arena *arena, struct ts_entry *kept,
                                struct ts_err *err)
{
    const struct ts_entry *sent = &views[0];
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < sent->count; i++) {
        bool edited = false;
        edit->sent = &sent->attributes[i];
        edit->before = ts_entry_find(&views[1], edit->sent->name);
        edit->now = ts_entry_find(&views[2], edit->sent->name);
        if (engine->config->target.foreign_edits == CONFIG_FOREIGN_REPORT) {
            code = judge_report(engine, edit, arena, err);
        } else {
            code = judge_overwrite(engine, edit, &edited, err);
        }
        if (!edited) {
            kept->attributes[kept->count++] = sent->attributes[i];
        }
    }
    return code;
}

enum ts_code foreign_judge(struct engine_context *engine,
                           const struct target_row *row,
                           const struct ts_entry *now, struct ts_arena *arena,
                           struct ts_slice *ret_sent, bool *ret_edited,
                           struct ts_err *err)
{
    struct ts_entry views[3]; /* sent, seen before, seen now */
    struct ts_entry kept = { .count = 0 };
    struct edit edit = { .row = row };
    *ret_sent = row->sent;
    *ret_edited = false;
    views[2] = *now;
    enum ts_code code = entry_unpack(row->sent, arena, &views[0], err);
    if (code == TS_OK) {
        code = entry_unpack(row->seen, arena, &views[1], err);
    }
    if (code == TS_OK) {
        code = object_get(engine->state.mv, row->metaverse_id, arena,
                          &edit.object, err);
    }
    if (code != TS_OK) {
        return code;
    }
    kept.attributes =
        ts_arena_array(arena, views[0].count, sizeof *kept.attributes);
    if (kept.attributes == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not compare an object with the target: it is too "
                       "large");
    }
    code = judge_paths(engine, &edit, views, arena, &kept, err);
    if (code != TS_OK || kept.count == views[0].count) {
        return code;
    }
    *ret_edited = true;
    engine->counts.foreign_edits++;
    return entry_pack(&kept, arena, ret_sent, err);
}

enum ts_code foreign_switched_on(struct engine_context *engine,
                                 struct target_row *row,
                                 const struct ts_entry *now, bool *ret_edited,
                                 struct ts_err *err)
{
    const struct ts_attribute *active =
        ts_entry_find(now, ts_slice_str(TARGET_ACTIVE_PATH));
    if (row->active || active == NULL || active->value_count != 1 ||
        !ts_slice_equal(active->values[0], ts_slice_str("true")) ||
        engine->config->target.foreign_edits == CONFIG_FOREIGN_REPORT) {
        return TS_OK;
    }
    row->active = true;
    *ret_edited = true;
    engine->counts.foreign_edits++;
    return target_row_set_inactive(engine->state.mv, row->metaverse_id, 0, err);
}

/* ---- after our own write ----------------------------------------------------
 */

enum ts_code foreign_written(struct engine_context *engine, int kind,
                             struct ts_slice anchor, const struct ts_entry *set,
                             struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0;
         code == TS_OK && engine->problems_known && i < set->count; i++) {
        struct problem problem = { .kind = kind,
                                   .anchor = anchor,
                                   .stage = "foreign",
                                   .path = set->attributes[i].name };
        code = problem_clear_path(engine->state.mv, &problem, err);
    }
    return code;
}
