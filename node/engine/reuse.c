#include "node/engine/reuse.h"

void reuse_note(void *context, int64_t other, struct ts_slice was,
                struct ts_slice is)
{
    struct engine_context *engine = context;
    if (engine->reused == NULL) {
        engine->reused = json_array();
    }
    if (json_array_size(engine->reused) < REUSE_EVENTS_MAX) {
        (void) json_array_append_new(engine->reused,
                                     json_pack("{s:I, s:s%, s:s%}", "object",
                                               (json_int_t) other, "old_anchor",
                                               was.data, was.size, "new_anchor",
                                               is.data, is.size));
    }
}

static enum ts_code still_shared(struct metaverse *mv, const json_t *noted,
                                 bool *ret_shared, struct ts_err *err)
{
    static const char sql[] =
        "SELECT 1 FROM source_object o JOIN source_object n "
        "ON n.dn_key = o.dn_key AND n.source_id = o.source_id "
        "WHERE o.id = ?1 AND n.anchor = ?2";
    const char *anchor =
        json_string_value(json_object_get(noted, "new_anchor"));
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(
        mv, sql,
        DB_VALUES(DB_INT(json_integer_value(json_object_get(noted, "object"))),
                  DB_TEXT(ts_slice_str(anchor != NULL ? anchor : ""))),
        &row, err);
    *ret_shared = code == TS_OK && row != NULL;
    if (*ret_shared) {
        db_reset(row);
    }
    return code;
}

enum ts_code reuse_conclude(struct engine_context *engine, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = json_array_size(engine->reused); code == TS_OK && i > 0;
         i--) {
        bool shared = false;
        json_t *noted = json_array_get(engine->reused, i - 1);
        if (json_object_get(noted, "object") == NULL) {
            continue; /* of a source that was read before */
        }
        code = still_shared(engine->state.mv, noted, &shared, err);
        (void) json_object_del(noted, "object");
        if (!shared) {
            (void) json_array_remove(engine->reused, i - 1);
        }
    }
    return code;
}

enum ts_code reuse_tell(struct engine_context *engine, struct events *events,
                        struct ts_err *err)
{
    json_t *list = engine->reused;
    json_t *fields;
    size_t index;
    enum ts_code code = TS_OK;
    engine->reused = NULL;
    json_array_foreach(list, index, fields)
    {
        /* What was not concluded comes again with the next reading. */
        if (code == TS_OK && json_object_get(fields, "object") == NULL) {
            code = events_append(events, "dn-reused", "daemon", fields, err);
        }
    }
    json_decref(list);
    return code;
}
