#include "node/engine/members.h"

#include <stdio.h>

#include "node/engine/observe.h"
#include "node/engine/seen.h"
#include "node/metaverse/object.h"
#include "node/metaverse/problem.h"
#include "node/metaverse/stranger.h"

/* One object's references under observation. */
struct observation {
    const struct engine_context *engine;
    struct metaverse *mv;
    int64_t owner;
    const struct metaverse_reference_path *path;
    const struct target_object *object;
    bool keeps; /* whom we know and did not send stays too */
    struct seen shown;
    struct ts_arena arena;
    struct ts_slice *strangers;
    size_t stranger_count;
};

static const struct metaverse_reference_path *
link_path(const struct metaverse *mv, int kind)
{
    for (size_t i = 0; i < mv->reference_path_count; i++) {
        if (mv->reference_paths[i].kind == kind) {
            return &mv->reference_paths[i];
        }
    }
    return NULL;
}

/* ---- shown
 * ------------------------------------------------------------------ */

/* Is there a row at all: wanted, or held and to be removed? */
static enum ts_code has_reference(const struct observation *o, int64_t member,
                                  bool *ret_wanted, bool *ret_held,
                                  struct ts_err *err)
{
    static const char sql[] = "SELECT wanted > 0, held FROM reference WHERE "
                              "owner_id = ?1 AND path = ?2 AND member_id = ?3";
    sqlite3_stmt *row = NULL;
    *ret_wanted = false;
    *ret_held = false;
    enum ts_code code = metaverse_row(
        o->mv, sql,
        DB_VALUES(DB_INT(o->owner), DB_TEXT(ts_slice_str(o->path->path)),
                  DB_INT(member)),
        &row, err);
    if (code == TS_OK && row != NULL) {
        *ret_wanted = db_column_int(row, 0) != 0;
        *ret_held = db_column_int(row, 1) != 0;
        db_reset(row);
    }
    return code;
}

static void note_stranger(struct observation *o, struct ts_slice id)
{
    if (o->strangers != NULL) {
        o->strangers[o->stranger_count++] = id;
    }
}

static enum ts_code observe_known(struct observation *o, struct ts_slice id,
                                  int64_t member, struct ts_err *err)
{
    bool wanted = true;
    bool held = false;
    enum ts_code code = TS_OK;
    if (o->path->additive || o->keeps) {
        code = has_reference(o, member, &wanted, &held, err);
    }
    if (code == TS_OK && !wanted && !held && o->keeps) {
        note_stranger(o, id);
    } else if (code == TS_OK && (wanted || !o->path->additive)) {
        code = reference_set_held(o->mv, o->owner, ts_slice_str(o->path->path),
                                  member, true, err);
    }
    if (code == TS_OK && !seen_add(&o->shown, member)) {
        code = ts_fail(err, TS_E_NOMEM, 0, "could not compare references");
    }
    return code;
}

static enum ts_code observe_shown(struct observation *o, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < o->object->link_count; i++) {
        struct ts_slice id = o->object->links[i];
        int64_t member = 0;
        code = observe_member(o->mv, id, &member, err);
        if (code == TS_OK && member == 0 && o->engine->free_objects) {
            /* Who refers may be adopted before whom it refers to. */
            code = observe_adopter(o->mv, id, &member, err);
        }
        if (code == TS_OK && member > 0) {
            code = observe_known(o, id, member, err);
        } else if (code == TS_OK) {
            note_stranger(o, id);
        }
    }
    return code;
}

/* ---- not shown
 * -------------------------------------------------------------- */

/* The next member after `after` that is held but was not shown; 0: none. */
static enum ts_code next_unshown(const struct observation *o,
                                 int64_t *after_and_found, struct ts_err *err)
{
    static const char sql[] =
        "SELECT member_id FROM reference WHERE owner_id = ?1 AND path = ?2 AND "
        "member_id > ?3 AND held = 1 ORDER BY member_id";
    sqlite3_stmt *stmt = NULL;
    int64_t found = 0;
    enum ts_code code = metaverse_query(
        o->mv, sql,
        DB_VALUES(DB_INT(o->owner), DB_TEXT(ts_slice_str(o->path->path)),
                  DB_INT(*after_and_found)),
        &stmt, err);
    while (found == 0 && db_next(&o->mv->db, stmt, &code, err)) {
        if (!seen_has(&o->shown, db_column_int(stmt, 0))) {
            found = db_column_int(stmt, 0);
        }
    }
    db_reset(stmt);
    *after_and_found = found;
    return code;
}

static enum ts_code observe_unshown(struct observation *o, struct ts_err *err)
{
    int64_t member = 0;
    enum ts_code code = TS_OK;
    do {
        code = next_unshown(o, &member, err);
        if (code == TS_OK && member > 0) {
            code =
                reference_set_held(o->mv, o->owner, ts_slice_str(o->path->path),
                                   member, false, err);
        }
    } while (code == TS_OK && member > 0);
    return code;
}

/* ---- strangers
 * -------------------------------------------------------------- */

static enum ts_code report(struct observation *o, bool tell, struct ts_err *err)
{
    struct metaverse_object object;
    char text[200];
    enum ts_code code = object_get(o->mv, o->owner, &o->arena, &object, err);
    if (code != TS_OK) {
        return code;
    }
    (void) snprintf(text, sizeof text,
                    "%zu members were added at the target and not by us: they "
                    "stay, because foreign-edits is \"report\"; twinsync "
                    "members adopt --dry-run names them",
                    o->stranger_count);
    struct problem problem = {
        .kind = object.kind,
        .anchor = object.anchor,
        .stage = "foreign",
        .path = ts_slice_str(o->path->path),
        .text = ts_slice_str(text),
    };
    return tell ? problem_set(o->mv, &problem, err)
                : problem_clear_path(o->mv, &problem, err);
}

static enum ts_code strangers_begin(struct observation *o, struct ts_err *err)
{
    if (o->path->kind != o->mv->group_kind || o->path->additive) {
        return TS_OK;
    }
    enum ts_code code =
        members_kept(o->engine, o->path->kind, o->owner, &o->keeps, err);
    if (code == TS_OK) {
        o->strangers = ts_arena_array(&o->arena, o->object->link_count + 1,
                                      sizeof *o->strangers);
        if (o->strangers == NULL) {
            code = ts_fail(err, TS_E_LIMIT, 0,
                           "could not compare the %zu members of a group: out "
                           "of memory",
                           o->object->link_count);
        }
    }
    return code;
}

static enum ts_code strangers_end(struct observation *o, struct ts_err *err)
{
    if (o->path->kind != o->mv->group_kind) {
        struct ts_slice shown =
            o->object->link_count > 0 ? o->object->links[0] : ts_slice_str("");
        return stranger_only(o->mv, o->owner, o->path->path, shown, err);
    }
    enum ts_code code = stranger_set(o->mv, o->owner, o->path->path,
                                     o->strangers, o->stranger_count, err);
    bool tell = o->keeps && o->path->reported && o->stranger_count > 0;
    return code == TS_OK && (tell || o->engine->problems_known)
               ? report(o, tell, err)
               : code;
}

enum ts_code members_kept(const struct engine_context *engine, int kind,
                          int64_t owner, bool *ret_kept, struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    enum stranger_policy policy = STRANGERS_AS_CONFIGURED;
    const struct metaverse_reference_path *path = link_path(mv, kind);
    *ret_kept = path == NULL || path->additive;
    if (*ret_kept || kind != mv->group_kind) {
        return TS_OK;
    }
    enum ts_code code = stranger_policy(mv, owner, &policy, err);
    *ret_kept = policy == STRANGERS_STAY ||
                (policy == STRANGERS_AS_CONFIGURED && path->reported);
    return code;
}

/* Does the target show exactly what is held, and nobody else is known there?
 * Then all is noted already: one look instead of some for each member. */
static enum ts_code as_held(const struct observation *o, bool *ret_same,
                            struct ts_err *err)
{
    static const char strangers_sql[] =
        "SELECT 1 FROM stranger WHERE owner_id = ?1 AND path = ?2 UNION ALL "
        "SELECT 1 FROM target_object WHERE metaverse_id = ?1 AND "
        "keeps_strangers <> 0";
    static const char held_sql[] =
        "SELECT t.target_id FROM reference r LEFT JOIN target_object t ON "
        "t.metaverse_id = r.member_id WHERE r.owner_id = ?1 AND r.path = ?2 "
        "AND r.held = 1 ORDER BY t.target_id";
    struct db_values values =
        DB_VALUES(DB_INT(o->owner), DB_TEXT(ts_slice_str(o->path->path)));
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    bool row = true;
    enum ts_code code = metaverse_row(o->mv, strangers_sql, values, &stmt, err);
    *ret_same = code == TS_OK && stmt == NULL;
    if (stmt != NULL) {
        db_reset(stmt);
    }
    if (!*ret_same) {
        return code;
    }
    code = metaverse_query(o->mv, held_sql, values, &stmt, err);
    while (code == TS_OK && row && *ret_same) {
        code = db_step(&o->mv->db, stmt, &row, err);
        if (code == TS_OK && row) {
            *ret_same =
                count < o->object->link_count &&
                ts_slice_equal(db_column(stmt, 0), o->object->links[count]);
            count++;
        }
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    *ret_same = *ret_same && count == o->object->link_count;
    return code;
}

enum ts_code members_observe(struct engine_context *engine, int64_t owner,
                             const struct target_object *object,
                             struct ts_err *err)
{
    struct metaverse *mv = engine->state.mv;
    struct observation o = { .engine = engine,
                             .mv = mv,
                             .owner = owner,
                             .path = link_path(mv, (int) object->kind),
                             .object = object };
    if (o.path == NULL || !object->links_known) {
        return TS_OK;
    }
    bool same = false;
    bool group = (int) object->kind == mv->group_kind;
    enum ts_code code = TS_OK;
    if (!group || !engine->problems_known) {
        code = as_held(&o, &same, err);
    }
    if (code != TS_OK || same) {
        return code;
    }
    ts_arena_init(&o.arena, ENGINE_OBJECT_MEMORY);
    code = strangers_begin(&o, err);
    if (code == TS_OK) {
        code = observe_shown(&o, err);
    }
    if (code == TS_OK) {
        code = observe_unshown(&o, err);
    }
    if (code == TS_OK) {
        code = strangers_end(&o, err);
    }
    seen_done(&o.shown);
    ts_arena_done(&o.arena);
    return code;
}
