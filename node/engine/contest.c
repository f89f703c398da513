#include "node/engine/contest.h"

#include <stdio.h>

#include "node/engine/touch.h"
#include "node/metaverse/problem.h"

#define STAGE "match"

static struct ts_hash key_of(const char *what, struct ts_slice text)
{
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    ts_hasher_add_field(hasher, ts_slice_str(what));
    ts_hasher_add_field(hasher, text);
    struct ts_hash key = ts_hasher_end(hasher);
    ts_hasher_free(hasher);
    return key;
}

struct ts_hash contest_key_of_value(struct ts_slice match_value)
{
    return key_of("value", match_value);
}

struct ts_hash contest_key_of_anchor(struct ts_slice anchor)
{
    return key_of("anchor", anchor);
}

static struct ts_slice bytes_of(const struct ts_hash *key)
{
    return ts_slice(key->bytes, sizeof key->bytes);
}

/* ---- refusing --------------------------------------------------------------
 */

static enum ts_code refuse(struct engine_context *engine, int kind,
                           struct ts_slice anchor,
                           const struct contest *contest, struct ts_err *err)
{
    struct problem problem = {
        .kind = kind,
        .anchor = anchor,
        .stage = STAGE,
        .path = ts_slice_str(contest->code),
        .text = ts_slice_str(contest->text),
        .after = contest->key,
        .retry_at = ts_wall_seconds() + ENGINE_RETRY_SECONDS,
    };
    engine->problems_known = true;
    return problem_set(engine->state.mv, &problem, err);
}

enum ts_code contest_refuse(struct engine_context *engine,
                            const struct metaverse_object *object,
                            const struct contest *contest, struct ts_err *err)
{
    return refuse(engine, object->kind, object->anchor, contest, err);
}

void contest_several(char text[static 320], int kind, int64_t claimants,
                     struct ts_slice target_id)
{
    (void) snprintf(text, 320,
                    "cannot take over the object %.*s of the target: %lld %s "
                    "have the value by which it matches, so none of them gets "
                    "it; make the value unique at the source",
                    target_id.size > 100 ? 100 : (int) target_id.size,
                    (const char *) target_id.data, (long long) claimants,
                    kind == CONFIG_KIND_USER ? "users" : "groups");
}

/* ---- claimants -------------------------------------------------------------
 */

/* How many others were refused what the key stands for. */
static enum ts_code count_refused(struct engine_context *engine,
                                  const struct metaverse_object *object,
                                  const struct ts_hash *key, int64_t *ret_count,
                                  struct ts_err *err)
{
    static const char sql[] =
        "SELECT count(DISTINCT anchor) FROM object_error WHERE "
        "stage = 'match' AND after = ?1 AND kind = ?2 AND anchor <> ?3";
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(engine->state.mv, sql,
                      DB_VALUES(DB_BLOB(bytes_of(key)), DB_INT(object->kind),
                                DB_TEXT(object->anchor)),
                      &row, err);
    if (code == TS_OK) {
        *ret_count = db_column_int(row, 0);
        db_reset(row);
    }
    return code;
}

/* Whose adoption of the object is decided: its anchor, in `arena`, and whether
 * it can still be revoked. */
struct adopter {
    int64_t metaverse_id; /* 0: nobody */
    struct ts_slice anchor;
    bool sent;
};

static enum ts_code find_adopter(struct engine_context *engine, int64_t me,
                                 struct ts_slice target_id,
                                 struct ts_arena *arena,
                                 struct adopter *ret_adopter,
                                 struct ts_err *err)
{
    static const char sql[] =
        "SELECT metaverse_id, anchor, batch > 0 FROM intent WHERE "
        "target_id = ?1 AND verb = 5 AND metaverse_id <> ?2";
    sqlite3_stmt *row = NULL;
    *ret_adopter = (struct adopter){ .metaverse_id = 0 };
    enum ts_code code =
        metaverse_row(engine->state.mv, sql,
                      DB_VALUES(DB_TEXT(target_id), DB_INT(me)), &row, err);
    if (code != TS_OK || row == NULL) {
        return code;
    }
    *ret_adopter = (struct adopter){
        .metaverse_id = db_column_int(row, 0),
        .anchor = ts_arena_copy(arena, db_column(row, 1)),
        .sent = db_column_int(row, 2) != 0,
    };
    db_reset(row);
    return ret_adopter->anchor.data != NULL
               ? TS_OK
               : ts_fail(err, TS_E_NOMEM, 0, "could not compare claimants");
}

/* All that were refused it until now are told the new number. */
static enum ts_code tell_all(struct engine_context *engine, int kind,
                             const struct ts_hash *key, const char *text,
                             struct ts_err *err)
{
    static const char sql[] =
        "UPDATE object_error SET text = ?3 WHERE stage = 'match' AND "
        "after = ?1 AND kind = ?2 AND path = 'match' AND text <> ?3";
    return metaverse_run(engine->state.mv, sql,
                         DB_VALUES(DB_BLOB(bytes_of(key)), DB_INT(kind),
                                   DB_TEXT(ts_slice_str(text))),
                         err);
}

enum ts_code contest_others(struct engine_context *engine,
                            const struct metaverse_object *object,
                            const struct ts_hash *key,
                            struct ts_slice target_id, int64_t *ret_others,
                            struct ts_err *err)
{
    struct ts_arena arena;
    struct adopter adopter;
    char text[320];
    const struct contest contest = { *key, "match", text };
    int64_t others = 0;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code =
        find_adopter(engine, object->id, target_id, &arena, &adopter, err);
    if (code == TS_OK && (engine->problems_known || adopter.metaverse_id > 0)) {
        code = count_refused(engine, object, key, &others, err);
    }
    others += code == TS_OK && adopter.metaverse_id > 0 ? 1 : 0;
    contest_several(text, object->kind, others + 1, target_id);
    if (code == TS_OK && adopter.metaverse_id > 0 && !adopter.sent) {
        code = intent_revoke(engine->state.mv, adopter.metaverse_id, err);
        if (code == TS_OK) {
            code = refuse(engine, object->kind, adopter.anchor, &contest, err);
        }
    }
    if (code == TS_OK && others > 0) {
        code = tell_all(engine, object->kind, key, text, err);
    }
    ts_arena_done(&arena);
    *ret_others = others;
    return code;
}

/* ---- over ------------------------------------------------------------------
 */

static enum ts_code touch_claimants(struct engine_context *engine,
                                    const struct ts_hash *key,
                                    struct ts_err *err)
{
    static const char sql[] =
        "SELECT m.id FROM object_error e CROSS JOIN metaverse m ON "
        "m.anchor = e.anchor AND m.kind = e.kind WHERE e.stage = 'match' AND "
        "e.after = ?2 AND m.id > ?1 ORDER BY m.id LIMIT 64";
    struct db_value values[] = { DB_INT(0), DB_BLOB(bytes_of(key)) };
    return touch_all(engine, sql, values, 2, err);
}

/* One refusal that is over, or TS_E_NOT_FOUND. */
static enum ts_code take_over(struct engine_context *engine,
                              const struct metaverse_object *object,
                              const struct contest *still,
                              struct ts_hash *ret_key, struct ts_err *err)
{
    static const char find_sql[] =
        "SELECT path, after FROM object_error WHERE kind = ?1 AND anchor = ?2 "
        "AND stage = 'match' AND NOT (path = ?3 AND after = ?4) LIMIT 1";
    static const char drop_sql[] =
        "DELETE FROM object_error WHERE kind = ?1 AND anchor = ?2 AND "
        "stage = 'match' AND NOT (path = ?3 AND after = ?4) AND after = ?5";
    struct ts_slice path = ts_slice_str(still == NULL ? "" : still->code);
    struct ts_slice key = still == NULL ? TS_SLICE_NONE : bytes_of(&still->key);
    struct metaverse *mv = engine->state.mv;
    sqlite3_stmt *row = NULL;
    enum ts_code code =
        metaverse_row(mv, find_sql,
                      DB_VALUES(DB_INT(object->kind), DB_TEXT(object->anchor),
                                DB_TEXT(path), DB_BLOB(key)),
                      &row, err);
    if (code != TS_OK || row == NULL) {
        return code == TS_OK ? TS_E_NOT_FOUND : code;
    }
    struct ts_slice after = db_column(row, 1);
    memset(ret_key, 0, sizeof *ret_key);
    memcpy(ret_key->bytes, after.data,
           after.size < sizeof ret_key->bytes ? after.size
                                              : sizeof ret_key->bytes);
    db_reset(row);
    return metaverse_run(mv, drop_sql,
                         DB_VALUES(DB_INT(object->kind),
                                   DB_TEXT(object->anchor), DB_TEXT(path),
                                   DB_BLOB(key), DB_BLOB(bytes_of(ret_key))),
                         err);
}

enum ts_code contest_over(struct engine_context *engine,
                          const struct metaverse_object *object,
                          const struct contest *still, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    while (code == TS_OK && engine->problems_known) {
        struct ts_hash key;
        code = take_over(engine, object, still, &key, err);
        if (code == TS_OK &&
            (still == NULL || !ts_hash_equal(key, still->key))) {
            code = touch_claimants(engine, &key, err);
        }
    }
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

/* ---- stirring --------------------------------------------------------------
 */

/* Those who are to get another object by the same value: now there are two. */
static enum ts_code touch_adopters(struct engine_context *engine,
                                   struct ts_slice match_value,
                                   struct ts_err *err)
{
    static const char sql[] =
        "SELECT i.metaverse_id FROM target_object t CROSS JOIN intent i ON "
        "i.target_id = t.target_id AND i.verb = 5 WHERE t.match_value = ?2 AND "
        "t.match_value <> '' AND t.metaverse_id IS NULL AND "
        "i.metaverse_id > ?1 ORDER BY i.metaverse_id LIMIT 64";
    struct db_value values[] = { DB_INT(0), DB_TEXT(match_value) };
    return touch_all(engine, sql, values, 2, err);
}

enum ts_code contest_stir(struct engine_context *engine,
                          const struct target_row *row, struct ts_err *err)
{
    struct ts_hash key;
    enum ts_code code = TS_OK;
    if (row->match_value.size > 0 && engine->problems_known) {
        key = contest_key_of_value(row->match_value);
        code = touch_claimants(engine, &key, err);
    }
    if (code == TS_OK && row->anchor.size > 0 && engine->problems_known) {
        key = contest_key_of_anchor(row->anchor);
        code = touch_claimants(engine, &key, err);
    }
    return code == TS_OK && row->match_value.size > 0 && !engine->state.building
               ? touch_adopters(engine, row->match_value, err)
               : code;
}
