#include "node/engine/leaver.h"

#include "node/base/time.h"
#include "node/engine/compare.h"
#include "node/engine/touch.h"
#include "node/metaverse/appointment.h"
#include "node/metaverse/problem.h"

#define DAY_SECONDS 86400

/* ---- delays ---------------------------------------------------------------
 */

/* When the object left. A store that was made before anybody noted that begins
 * to count now. */
static enum ts_code left_at(struct engine_context *engine,
                            const struct metaverse_object *object,
                            int64_t *ret_at, struct ts_err *err)
{
    static const char sql[] = "UPDATE metaverse SET left_at = ?2 WHERE id = ?1";
    *ret_at = object->left_at;
    if (object->left_at > 0) {
        return TS_OK;
    }
    *ret_at = ts_wall_seconds();
    return metaverse_run(engine->state.mv, sql,
                         DB_VALUES(DB_INT(object->id), DB_INT(*ret_at)), err);
}

/* Whether `days` have passed since `since`; if not, there is an appointment. */
static enum ts_code wait_for(struct engine_context *engine, int64_t id,
                             int64_t since, uint32_t days, bool *ret_over,
                             struct ts_err *err)
{
    int64_t at = since + (int64_t) days * DAY_SECONDS;
    *ret_over = at <= ts_wall_seconds();
    if (*ret_over) {
        return leaver_returned(engine, id, err);
    }
    engine->appointments_known = true;
    return appointment_set(engine->state.mv, id, at, err);
}

static enum ts_code decide_group(struct engine_context *engine,
                                 const struct metaverse_object *object,
                                 enum leaver_step *ret_step, struct ts_err *err)
{
    uint32_t days = engine->config->deprovision.group_delay_days;
    int64_t since = 0;
    bool over = false;
    enum ts_code code = left_at(engine, object, &since, err);
    if (code == TS_OK) {
        code = wait_for(engine, object->id, since, days, &over, err);
    }
    *ret_step = over ? LEAVER_DELETE : LEAVER_NOTHING;
    return code;
}

static enum ts_code decide_inactive(struct engine_context *engine,
                                    const struct metaverse_object *object,
                                    enum leaver_step *ret_step,
                                    struct ts_err *err)
{
    uint32_t days = engine->config->deprovision.delete_after_days;
    int64_t left = 0;
    int64_t inactive = 0;
    bool over = false;
    *ret_step = LEAVER_NOTHING;
    if (days == 0 || object->presence != OBJECT_GONE) {
        return leaver_returned(engine, object->id, err);
    }
    enum ts_code code = left_at(engine, object, &left, err);
    if (code == TS_OK) {
        code = target_row_inactive_since(engine->state.mv, object->id,
                                         &inactive, err);
    }
    if (code == TS_OK) {
        code = wait_for(engine, object->id, left > inactive ? left : inactive,
                        days, &over, err);
    }
    *ret_step = over ? LEAVER_DELETE : LEAVER_NOTHING;
    return code;
}

enum ts_code leaver_decide(struct engine_context *engine,
                           const struct metaverse_object *object,
                           const struct target_row *row,
                           enum leaver_step *ret_step, struct ts_err *err)
{
    *ret_step = LEAVER_NOTHING;
    switch (compare_leaver(engine->config, object->kind, object->presence)) {
    case CONFIG_LEAVER_DELETE:
        if (object->kind == CONFIG_KIND_GROUP) {
            return decide_group(engine, object, ret_step, err);
        }
        *ret_step = LEAVER_DELETE;
        return TS_OK;
    case CONFIG_LEAVER_DEACTIVATE:
        if (!row->active) {
            return decide_inactive(engine, object, ret_step, err);
        }
        *ret_step = LEAVER_DEACTIVATE;
        return TS_OK;
    case CONFIG_LEAVER_KEEP:
        break;
    }
    return leaver_returned(engine, object->id, err);
}

enum ts_code leaver_returned(struct engine_context *engine,
                             int64_t metaverse_id, struct ts_err *err)
{
    return engine->appointments_known
               ? appointment_cancel(engine->state.mv, metaverse_id, err)
               : TS_OK;
}

/* ---- coming back ----------------------------------------------------------
 */

enum ts_code leaver_kept(struct engine_context *engine,
                         const struct target_row *row, struct ts_entry *wanted,
                         bool *ret_kept, struct ts_err *err)
{
    int64_t since = 0;
    *ret_kept = false;
    if (row->active || row->metaverse_id == 0 ||
        engine->config->deprovision.returning != CONFIG_RETURN_KEEP) {
        return TS_OK;
    }
    enum ts_code code = target_row_inactive_since(
        engine->state.mv, row->metaverse_id, &since, err);
    *ret_kept = code == TS_OK && since > 0;
    for (size_t i = 0; *ret_kept && wanted != NULL && i < wanted->count; i++) {
        struct ts_attribute *attribute = &wanted->attributes[i];
        if (ts_slice_equal(attribute->name, ts_slice_str(TARGET_ACTIVE_PATH))) {
            *attribute = (struct ts_attribute){ .name = attribute->name,
                                                .kind = TS_KIND_KEEP };
        }
    }
    return code;
}

enum ts_code leaver_note(struct engine_context *engine,
                         const struct metaverse_object *object, bool kept,
                         struct ts_err *err)
{
    if (!kept) {
        return engine->problems_known
                   ? problem_clear(engine->state.mv, object->kind,
                                   object->anchor, "policy", err)
                   : TS_OK;
    }
    struct problem problem = {
        .kind = object->kind,
        .anchor = object->anchor,
        .stage = "policy",
        .path = ts_slice_str(TARGET_ACTIVE_PATH),
        .text = ts_slice_str(
            "the user came back and stays deactivated, because deprovision "
            "says \"return: keep\"; twinsync retry NAME reactivates it"),
    };
    engine->problems_known = true;
    return problem_set(engine->state.mv, &problem, err);
}

enum ts_code leaver_release(struct engine_context *engine,
                            const struct metaverse_object *object,
                            bool *ret_was, struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    int64_t since = 0;
    *ret_was = false;
    enum ts_code code = target_row_inactive_since(mv, object->id, &since, err);
    if (code != TS_OK || since == 0 || object->presence != OBJECT_IN) {
        return code;
    }
    *ret_was = true;
    code = target_row_set_inactive(mv, object->id, 0, err);
    if (code == TS_OK) {
        code = problem_clear(mv, object->kind, object->anchor, "policy", err);
    }
    return code == TS_OK ? touch_one(engine, object->id, err) : code;
}

/* ---- a cycle's start --------------------------------------------------------
 */

static enum ts_code touch_due(struct engine_context *engine, struct ts_err *err)
{
    static const char sql[] =
        "SELECT metaverse_id FROM appointment WHERE metaverse_id > ?1 AND "
        "at <= ?2 ORDER BY metaverse_id LIMIT 64";
    int64_t now = ts_wall_seconds();
    struct db_value values[2] = { DB_INT(0), DB_INT(now) };
    enum ts_code code = touch_all(engine, sql, values, 2, err);
    return code == TS_OK ? appointment_forget(engine->state.mv, now, err)
                         : code;
}

enum ts_code leaver_begin(struct engine_context *engine, struct ts_err *err)
{
    struct state *state = &engine->state;
    int64_t some = 0;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = touch_due(engine, err);
    if (code == TS_OK) {
        code = db_query_int(&state->mv->db,
                            "SELECT EXISTS(SELECT 1 FROM appointment)", &some,
                            err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    engine->appointments_known = some != 0;
    return state_commit(state, err);
}
