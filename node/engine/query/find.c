#include "node/engine/query/find.h"

#include <strings.h>
#include <unicase.h>

#include "node/engine/place.h"
#include "node/engine/query/common.h"
#include "node/metaverse/connector.h"
#include "node/metaverse/object.h"
#include "proto/entry_codec.h"

#define LOOK_AT_CLOCK 1024 /* rows */

struct search {
    struct engine_context *engine;
    struct metaverse *mv;
    struct ts_slice text;
    bool ascii;
    struct ts_time until;
    struct query_found *found;
};

/* ---- what was found
 * -----------------------------------------------------------------------------
 */

static void add(struct search *s, struct query_object object)
{
    struct query_found *found = s->found;
    for (size_t i = 0; i < found->count; i++) {
        const struct query_object *known = &found->objects[i];
        if (object.metaverse > 0
                ? known->metaverse == object.metaverse
                : known->source_object == object.source_object) {
            return;
        }
    }
    if (found->count == QUERY_FOUND_MAX) {
        found->more = true;
        return;
    }
    found->objects[found->count++] = object;
}

/* The metaverse object of that anchor: of one that left the scope, which is
 * joined to nothing any more. */
static enum ts_code by_former_join(struct search *s, int64_t source_object,
                                   int64_t *ret_id, struct ts_err *err)
{
    struct ts_arena arena;
    struct connector_object object;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code =
        connector_get(s->mv, source_object, &arena, &object, err);
    for (int kind = 0; code == TS_OK && *ret_id == 0 && kind < CONFIG_KINDS;
         kind++) {
        code = object_by_anchor(s->mv, kind, object.anchor, ret_id, err);
    }
    ts_arena_done(&arena);
    return code;
}

static enum ts_code add_source(struct search *s, int64_t source_object,
                               struct ts_err *err)
{
    int64_t id = 0;
    enum ts_code code = object_joined_to(s->mv, source_object, &id, err);
    if (code == TS_OK && id == 0) {
        code = by_former_join(s, source_object, &id, err);
    }
    if (code == TS_OK) {
        add(s, (struct query_object){ source_object, id });
    }
    return code;
}

static enum ts_code add_metaverse(struct search *s, int64_t id,
                                  struct ts_err *err)
{
    int64_t contributor = 0;
    size_t count = 1;
    enum ts_code code =
        object_contributors(s->mv, id, &contributor, &count, err);
    if (code == TS_OK) {
        add(s, (struct query_object){ count > 0 ? contributor : 0, id });
    }
    return code;
}

/* ---- by what an index has
 * ----------------------------------------------------------------------- */

/* The id that `sql` answers, or 0. */
static enum ts_code look_up(struct search *s, const char *sql,
                            struct db_values values, int64_t *ret_id,
                            struct ts_err *err)
{
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(s->mv, sql, values, &row, err);
    *ret_id = 0;
    if (code == TS_OK && row != NULL) {
        *ret_id = db_column_int(row, 0);
        db_reset(row);
    }
    return code;
}

static enum ts_code by_anchor(struct search *s, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id FROM source_object WHERE source_id = ?1 AND anchor = ?2";
    enum ts_code code = TS_OK;
    for (int64_t source = 1;
         code == TS_OK && source <= s->engine->config->sources_count;
         source++) {
        int64_t id = 0;
        code = look_up(s, sql, DB_VALUES(DB_INT(source), DB_TEXT(s->text)), &id,
                       err);
        if (code == TS_OK && id > 0) {
            code = add_source(s, id, err);
        }
    }
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        int64_t id = 0;
        code = object_by_anchor(s->mv, kind, s->text, &id, err);
        if (code == TS_OK && id > 0) {
            code = add_metaverse(s, id, err);
        }
    }
    return code;
}

static enum ts_code by_target_id(struct search *s, struct ts_err *err)
{
    static const char sql[] = "SELECT metaverse_id FROM target_object WHERE "
                              "target_id = ?1 AND metaverse_id IS NOT NULL";
    int64_t id = 0;
    enum ts_code code = look_up(s, sql, DB_VALUES(DB_TEXT(s->text)), &id, err);
    return code == TS_OK && id > 0 ? add_metaverse(s, id, err) : code;
}

static enum ts_code by_dn(struct search *s, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id FROM source_object WHERE dn_key = ?1 AND source_id = ?2 AND "
        "gone = 0";
    enum ts_code code = TS_OK;
    if (memchr(s->text.data, '=', s->text.size) == NULL) {
        return TS_OK;
    }
    for (int64_t source = 1;
         code == TS_OK && source <= s->engine->config->sources_count;
         source++) {
        uint8_t key[CONNECTOR_KEY_SIZE];
        bool known = false;
        int64_t id = 0;
        code = place_key(s->engine, (size_t) source - 1, s->text, key, &known,
                         err);
        if (code == TS_OK && known) {
            code = look_up(
                s, sql,
                DB_VALUES(DB_BLOB(ts_slice(key, sizeof key)), DB_INT(source)),
                &id, err);
        }
        if (code == TS_OK && id > 0) {
            code = add_source(s, id, err);
        }
    }
    return code;
}

/* ---- by name
 * ------------------------------------------------------------------------------------
 */

static bool same_name(const struct search *s, struct ts_slice name)
{
    int order = 1;
    if (s->ascii) {
        return name.size == s->text.size &&
               strncasecmp((const char *) name.data,
                           (const char *) s->text.data, name.size) == 0;
    }
    return u8_casecmp(name.data, name.size, s->text.data, s->text.size, NULL,
                      NULL, &order) == 0 &&
           order == 0;
}

/* "uid=ada" is called by all of it, and by "ada". */
static bool same_rdn(const struct search *s, struct ts_slice rdn)
{
    const uint8_t *sign = memchr(rdn.data, '=', rdn.size);
    if (sign == NULL) {
        return false;
    }
    size_t type = (size_t) (sign - rdn.data) + 1;
    return same_name(s, ts_slice(rdn.data + type, rdn.size - type)) ||
           same_name(s, rdn);
}

static bool same_values(const struct search *s, struct ts_slice packed,
                        struct ts_arena *arena)
{
    static const char *const paths[] = { "userName", "displayName" };
    struct ts_entry values;
    struct ts_err ignored;
    ts_arena_reset(arena);
    if (entry_unpack(packed, arena, &values, &ignored) != TS_OK) {
        return false;
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const struct ts_attribute *name =
            ts_entry_find(&values, ts_slice_str(paths[i]));
        if (name != NULL && name->value_count > 0 &&
            same_name(s, name->values[0])) {
            return true;
        }
    }
    return false;
}

/* Ids of rows whose second column is the name that is looked for. */
static enum ts_code scan(struct search *s, const char *sql,
                         bool (*same)(const struct search *s,
                                      struct ts_slice column,
                                      struct ts_arena *arena),
                         int64_t ids[static QUERY_FOUND_MAX + 1],
                         size_t *ret_count, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    struct ts_arena arena;
    bool row = true;
    size_t count = 0;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    enum ts_code code = db_prepare(&s->mv->db, sql, &stmt, err);
    for (size_t i = 1; code == TS_OK && row && count <= QUERY_FOUND_MAX; i++) {
        code = db_step(&s->mv->db, stmt, &row, err);
        if (code == TS_OK && row && same(s, db_column(stmt, 1), &arena)) {
            ids[count++] = db_column_int(stmt, 0);
        }
        if (i % LOOK_AT_CLOCK == 0 &&
            ts_time_reached(ts_time_now(), s->until)) {
            s->found->unfinished = true;
            break;
        }
    }
    ts_arena_done(&arena);
    *ret_count = count;
    return code;
}

static bool rdn_matches(const struct search *s, struct ts_slice column,
                        struct ts_arena *arena)
{
    (void) arena;
    return same_rdn(s, column);
}

static enum ts_code by_name(struct search *s, struct ts_err *err)
{
    int64_t ids[QUERY_FOUND_MAX + 1];
    size_t count = 0;
    enum ts_code code =
        scan(s, "SELECT id, rdn FROM source_object WHERE gone = 0", rdn_matches,
             ids, &count, err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = add_source(s, ids[i], err);
    }
    if (code != TS_OK || s->found->count > 0) {
        return code;
    }
    code = scan(s, "SELECT id, packed FROM metaverse", same_values, ids, &count,
                err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = add_metaverse(s, ids[i], err);
    }
    return code;
}

/* ---- the whole
 * ----------------------------------------------------------------------------------
 */

static bool all_ascii(struct ts_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

enum ts_code query_find(struct engine_context *engine, struct ts_slice text,
                        struct query_found *ret_found, struct ts_err *err)
{
    static enum ts_code (*const ways[])(
        struct search * s, struct ts_err * err) = { by_anchor, by_target_id,
                                                    by_dn, by_name };
    struct search s = {
        .engine = engine,
        .mv = engine->state.mv,
        .text = text,
        .ascii = all_ascii(text),
        .until = ts_time_after(ts_time_now(), QUERY_SCAN_MS),
        .found = ret_found,
    };
    *ret_found = (struct query_found){ .count = 0 };
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && ret_found->count == 0 &&
                       i < sizeof ways / sizeof ways[0];
         i++) {
        code = ways[i](&s, err);
    }
    return code;
}
