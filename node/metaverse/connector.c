#include "node/metaverse/connector.h"

#include <assert.h>

#include "node/metaverse/ancestry.h"
#include "node/metaverse/identity.h"
#include "node/metaverse/reference.h"

/* Deeper trees are refused by the DN parser; this bounds loops over damaged
 * parent links. */
#define DEPTH_MAX CONNECTOR_DEPTH_MAX

enum ts_code connector_find(struct connector_writer *w, struct ts_slice anchor,
                            int64_t *ret_id, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id FROM source_object WHERE source_id = ?1 AND anchor = ?2";
    sqlite3_stmt *row = NULL;
    if (w->anchors != NULL) {
        *ret_id = anchors_find(w->anchors, anchor);
        return TS_OK;
    }
    enum ts_code code = metaverse_row(
        w->mv, sql, DB_VALUES(DB_INT(w->source_id), DB_TEXT(anchor)), &row,
        err);
    if (code != TS_OK) {
        return code;
    }
    *ret_id = row == NULL ? 0 : db_column_int(row, 0);
    if (row != NULL) {
        db_reset(row);
    }
    return TS_OK;
}

static enum ts_code link_insert(struct metaverse *mv, int64_t id,
                                const struct connector_link *link,
                                struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO source_link(object_id, attribute, dn_key, dn) "
        "VALUES(?1, ?2, ?3, ?4)";
    return metaverse_run(mv, sql,
                         DB_VALUES(DB_INT(id), DB_TEXT(link->attribute),
                                   DB_BLOB(link->key), DB_TEXT(link->dn)),
                         err);
}

enum ts_code connector_link_add(struct metaverse *mv, int64_t id,
                                const struct connector_link *link,
                                struct ts_err *err)
{
    enum ts_code code = link_insert(mv, id, link, err);
    if (code == TS_OK) {
        code =
            reference_link_changed(mv, id, link->attribute, link->key, 1, err);
    }
    return code;
}

enum ts_code connector_link_drop(struct metaverse *mv, int64_t id,
                                 struct ts_slice attribute, struct ts_slice key,
                                 struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM source_link "
        "WHERE object_id = ?1 AND attribute = ?2 AND dn_key = ?3";
    enum ts_code code = metaverse_run(
        mv, sql, DB_VALUES(DB_INT(id), DB_TEXT(attribute), DB_BLOB(key)), err);
    if (code == TS_OK) {
        code = reference_link_changed(mv, id, attribute, key, -1, err);
    }
    return code;
}

struct old_link {
    struct ts_slice attribute, key;
};

struct old_links {
    struct ts_arena arena;
    struct old_link *items;
    size_t count;
};

static int link_order(const struct connector_link *link,
                      const struct old_link *old)
{
    int order = ts_slice_compare(link->attribute, old->attribute);
    return order != 0 ? order : ts_slice_compare(link->key, old->key);
}

/* The stored links of `id` but those of the attribute `partial`, in key order,
 * copied: they change under way. */
static enum ts_code links_load(struct metaverse *mv, int64_t id,
                               struct ts_slice partial, struct old_links *old,
                               struct ts_err *err)
{
    static const char count_sql[] =
        "SELECT count(*) FROM source_link WHERE object_id = ?1 AND attribute "
        "<> ?2";
    static const char sql[] =
        "SELECT attribute, dn_key FROM source_link WHERE object_id = ?1 AND "
        "attribute <> ?2 ORDER BY attribute, dn_key";
    struct db_values values = DB_VALUES(
        DB_INT(id), DB_TEXT(partial.size > 0 ? partial : ts_slice_str("")));
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code = metaverse_row(mv, count_sql, values, &stmt, err);
    if (code != TS_OK) {
        return code;
    }
    size_t count = (size_t) db_column_int(stmt, 0);
    db_reset(stmt);

    struct old_link *links = ts_arena_array(&old->arena, count, sizeof *links);
    size_t n = 0;
    code = metaverse_query(mv, sql, values, &stmt, err);
    while (code == TS_OK && links != NULL && n < count) {
        code = db_step(&mv->db, stmt, &row, err);
        if (code != TS_OK || !row) {
            break;
        }
        links[n].attribute = ts_arena_copy(&old->arena, db_column(stmt, 0));
        links[n].key = ts_arena_copy(&old->arena, db_column(stmt, 1));
        if (links[n].attribute.data == NULL || links[n].key.data == NULL) {
            links = NULL;
            break;
        }
        n++;
    }
    db_reset(stmt);
    if (code == TS_OK && links == NULL) {
        code = ts_fail(err, TS_E_LIMIT, 0,
                       "could not load the %zu links of object %lld: out of "
                       "memory",
                       count, (long long) id);
    }
    old->items = links;
    old->count = n;
    return code;
}

static enum ts_code links_diff(struct metaverse *mv, int64_t id,
                               const struct connector_row *row,
                               const struct old_links *known,
                               struct ts_err *err)
{
    const struct old_link *old = known->items;
    const size_t old_count = known->count;
    enum ts_code code = TS_OK;
    size_t i = 0;
    size_t j = 0;
    assert(old != NULL || old_count == 0);
    while (code == TS_OK && (i < row->link_count || j < old_count)) {
        int order = i == row->link_count ? 1
                    : j == old_count     ? -1
                                         : link_order(&row->links[i], &old[j]);
        if (order < 0) {
            const struct connector_link *link = &row->links[i++];
            code = ts_slice_equal(link->attribute, row->partial)
                       ? connector_link_patch(mv, id, link, err)
                       : connector_link_add(mv, id, link, err);
        } else if (order > 0) {
            code =
                connector_link_drop(mv, id, old[j].attribute, old[j].key, err);
            j++;
        } else {
            i++;
            j++;
        }
    }
    return code;
}

static enum ts_code links_put(struct metaverse *mv, int64_t id,
                              const struct connector_row *row,
                              struct ts_err *err)
{
    struct old_links old = { .count = 0 };
    ts_arena_init(&old.arena, (size_t) 512 * 1024 * 1024);
    enum ts_code code = links_load(mv, id, row->partial, &old, err);
    if (code == TS_OK) {
        code = links_diff(mv, id, row, &old, err);
    }
    ts_arena_done(&old.arena);
    return code;
}

static enum ts_code insert(struct connector_writer *w,
                           const struct connector_row *row, int64_t *ret_id,
                           struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO source_object(id, source_id, anchor, dn_key, parent_key, "
        "rdn, packed, hash, gone, changed) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9)";
    int64_t id = w->next_id++;
    enum ts_code code = metaverse_run(
        w->mv, sql,
        DB_VALUES(DB_INT(id), DB_INT(w->source_id), DB_TEXT(row->anchor),
                  DB_BLOB(row->key), DB_BLOB(row->parent), DB_TEXT(row->rdn),
                  DB_BLOB(row->packed), DB_BLOB(row->hash),
                  DB_INT(w->next_change++)),
        err);
    for (size_t i = 0; code == TS_OK && i < row->link_count; i++) {
        code = link_insert(w->mv, id, &row->links[i], err);
    }
    *ret_id = id;
    return code;
}

struct child {
    int64_t id;
    uint8_t old_key[CONNECTOR_KEY_SIZE], new_key[CONNECTOR_KEY_SIZE];
};

static enum ts_code child_move(struct connector_writer *w,
                               const struct child *child, const uint8_t *parent,
                               struct ts_err *err)
{
    static const char sql[] =
        "UPDATE source_object SET dn_key = ?2, parent_key = ?3, changed = ?4 "
        "WHERE id = ?1";
    struct ts_slice key = ts_slice(child->new_key, CONNECTOR_KEY_SIZE);
    struct ts_slice old = ts_slice(child->old_key, CONNECTOR_KEY_SIZE);
    enum ts_code code = reference_dn_left(w->mv, child->id, old, err);
    if (code == TS_OK) {
        code = metaverse_run(
            w->mv, sql,
            DB_VALUES(DB_INT(child->id), DB_BLOB(key),
                      DB_BLOB(ts_slice(parent, CONNECTOR_KEY_SIZE)),
                      DB_INT(w->next_change++)),
            err);
    }
    if (code == TS_OK) {
        code = reference_dn_taken(w->mv, child->id, key, err);
    }
    return code;
}

struct children {
    struct ts_arena arena;
    struct child *items;
    size_t count;
};

/* The children of `old_parent`, with the keys that they will have. */
static enum ts_code children_load(struct connector_writer *w,
                                  const uint8_t *old_parent,
                                  const uint8_t *new_parent,
                                  struct children *ret_children,
                                  struct ts_err *err)
{
    static const char count_sql[] = "SELECT count(*) FROM source_object "
                                    "WHERE parent_key = ?1 AND source_id = ?2";
    static const char sql[] = "SELECT id, dn_key, rdn FROM source_object "
                              "WHERE parent_key = ?1 AND source_id = ?2";
    struct db_values values =
        DB_VALUES(DB_BLOB(ts_slice(old_parent, CONNECTOR_KEY_SIZE)),
                  DB_INT(w->source_id));
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_row(w->mv, count_sql, values, &stmt, err);
    if (code != TS_OK) {
        return code;
    }
    size_t count = (size_t) db_column_int(stmt, 0);
    db_reset(stmt);
    struct child *children =
        ts_arena_array(&ret_children->arena, count, sizeof *children);
    if (children == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not rename %zu entries below a renamed one: out "
                       "of memory",
                       count);
    }

    size_t n = 0;
    bool row = true;
    code = metaverse_query(w->mv, sql, values, &stmt, err);
    while (code == TS_OK && n < count) {
        code = db_step(&w->mv->db, stmt, &row, err);
        if (code != TS_OK || !row) {
            break;
        }
        struct ts_slice key = db_column(stmt, 1);
        if (key.size == CONNECTOR_KEY_SIZE) {
            children[n].id = db_column_int(stmt, 0);
            memcpy(children[n].old_key, key.data, key.size);
            code = w->child_key(w->child_key_context, db_column(stmt, 2),
                                new_parent, children[n].new_key, err);
            n++;
        }
    }
    db_reset(stmt);
    ret_children->items = children;
    ret_children->count = n;
    return code;
}

/* C3, depth first. `depth` bounds damaged, cyclic parent links. */
// NOLINTNEXTLINE(misc-no-recursion)
static enum ts_code descendants_move(struct connector_writer *w,
                                     const uint8_t *old_parent,
                                     const uint8_t *new_parent, int depth,
                                     struct ts_err *err)
{
    struct children children = { .count = 0 };
    if (depth == DEPTH_MAX) {
        return TS_OK;
    }
    ts_arena_init(&children.arena, (size_t) 256 * 1024 * 1024);
    enum ts_code code =
        children_load(w, old_parent, new_parent, &children, err);
    for (size_t i = 0; code == TS_OK && i < children.count; i++) {
        const struct child *child = &children.items[i];
        code = child_move(w, child, new_parent, err);
        if (code == TS_OK) {
            code = descendants_move(w, child->old_key, child->new_key,
                                    depth + 1, err);
        }
    }
    ts_arena_done(&children.arena);
    return code;
}

/* How it was stored. */
struct before {
    uint8_t key[CONNECTOR_KEY_SIZE];
    bool gone, replaced; /* replaced: under another RDN (though it may mean the
                            same) or another parent */
};

static enum ts_code update(struct connector_writer *w, int64_t id,
                           const struct connector_row *row,
                           const struct before *before, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE source_object SET dn_key = ?2, parent_key = ?3, rdn = ?4, "
        "packed = ?5, hash = ?6, gone = 0, changed = ?7 WHERE id = ?1";
    struct ts_slice old = ts_slice(before->key, CONNECTOR_KEY_SIZE);
    bool moved = !ts_slice_equal(row->key, old);
    enum ts_code code =
        w->watch == NULL ? TS_OK : loss_take(w->watch, id, row, err);
    if (code == TS_OK && moved) {
        code = reference_dn_left(w->mv, id, old, err);
    }
    if (code == TS_OK) {
        code = metaverse_run(w->mv, sql,
                             DB_VALUES(DB_INT(id), DB_BLOB(row->key),
                                       DB_BLOB(row->parent), DB_TEXT(row->rdn),
                                       DB_BLOB(row->packed), DB_BLOB(row->hash),
                                       DB_INT(w->next_change++)),
                             err);
    }
    if (code == TS_OK && moved) {
        code = reference_dn_taken(w->mv, id, row->key, err);
    }
    if (code == TS_OK && (moved || before->gone || before->replaced)) {
        code = ancestry_changed(w, row->key, err); /* who is there already */
    }
    if (code == TS_OK && moved) {
        code = descendants_move(w, before->key, row->key.data, 0, err);
    }
    if (code == TS_OK) {
        code = links_put(w->mv, id, row, err);
    }
    return code;
}

/* The stored row of `anchor`, stepped to, or NULL. */
static enum ts_code lookup(struct connector_writer *w, struct ts_slice anchor,
                           sqlite3_stmt **ret_row, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id, hash, gone, dn_key, rdn, parent_key FROM source_object "
        "WHERE source_id = ?1 AND anchor = ?2";
    static const char id_sql[] =
        "SELECT id, hash, gone, dn_key, rdn, parent_key FROM source_object "
        "WHERE id = ?3 AND source_id = ?1 AND anchor = ?2";
    *ret_row = NULL;
    if (w->anchors == NULL) {
        return metaverse_row(w->mv, sql,
                             DB_VALUES(DB_INT(w->source_id), DB_TEXT(anchor)),
                             ret_row, err);
    }
    int64_t id = anchors_find(w->anchors, anchor);
    return id == 0 ? TS_OK
                   : metaverse_row(w->mv, id_sql,
                                   DB_VALUES(DB_INT(w->source_id),
                                             DB_TEXT(anchor), DB_INT(id)),
                                   ret_row, err);
}

static enum ts_code put_new(struct connector_writer *w,
                            const struct connector_row *row, int64_t *ret_id,
                            struct ts_err *err)
{
    enum ts_code code = insert(w, row, ret_id, err);
    if (code == TS_OK && w->anchors != NULL &&
        !anchors_add(w->anchors, row->anchor, *ret_id)) {
        code = ts_fail(err, TS_E_NOMEM, 0, "could not remember an anchor");
    }
    if (code == TS_OK) {
        code = ancestry_changed(w, row->key, err);
    }
    return code == TS_OK ? ancestry_arrived(w, *ret_id, row, err) : code;
}

enum ts_code connector_put(struct connector_writer *w,
                           const struct connector_row *row, int64_t *ret_id,
                           enum connector_change *ret_change,
                           struct ts_err *err)
{
    assert(row->key.size == CONNECTOR_KEY_SIZE &&
           row->parent.size == CONNECTOR_KEY_SIZE);
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = lookup(w, row->anchor, &stmt, err);
    if (code != TS_OK) {
        return code;
    }
    if (stmt == NULL) {
        *ret_change = CONNECTOR_NEW;
        return put_new(w, row, ret_id, err);
    }

    *ret_id = db_column_int(stmt, 0);
    struct before before = {
        .gone = db_column_int(stmt, 2) != 0,
        .replaced = !ts_slice_equal(db_column(stmt, 4), row->rdn) ||
                    !ts_slice_equal(db_column(stmt, 5), row->parent),
    };
    bool same = ts_slice_equal(db_column(stmt, 1), row->hash) && !before.gone &&
                row->partial.size == 0;
    struct ts_slice key = db_column(stmt, 3);
    if (key.size == sizeof before.key) {
        memcpy(before.key, key.data, sizeof before.key);
    }
    db_reset(stmt);
    *ret_change = same ? CONNECTOR_SAME : CONNECTOR_CHANGED;
    return same ? TS_OK : update(w, *ret_id, row, &before, err);
}

enum ts_code connector_mark_gone(struct connector_writer *w, int64_t id,
                                 struct ts_err *err)
{
    static const char sql[] = "UPDATE source_object SET gone = 1, changed = ?2 "
                              "WHERE id = ?1 AND gone = 0";
    enum ts_code code = metaverse_run(
        w->mv, sql, DB_VALUES(DB_INT(id), DB_INT(w->next_change++)), err);
    return code == TS_OK ? ancestry_gone(w, id, err) : code;
}

#define OBJECT_COLUMNS \
    "id, source_id, anchor, dn_key, parent_key, rdn, packed, gone, changed"

static bool object_read(sqlite3_stmt *stmt, struct ts_arena *arena,
                        struct connector_object *object)
{
    *object = (struct connector_object){
        .id = db_column_int(stmt, 0),
        .source_id = db_column_int(stmt, 1),
        .anchor = ts_arena_copy(arena, db_column(stmt, 2)),
        .key = ts_arena_copy(arena, db_column(stmt, 3)),
        .parent = ts_arena_copy(arena, db_column(stmt, 4)),
        .rdn = ts_arena_copy(arena, db_column(stmt, 5)),
        .packed = ts_arena_copy(arena, db_column(stmt, 6)),
        .gone = db_column_int(stmt, 7) != 0,
        .changed = db_column_int(stmt, 8),
    };
    return object->anchor.data != NULL && object->key.data != NULL &&
           object->parent.data != NULL && object->rdn.data != NULL &&
           object->packed.data != NULL;
}

enum ts_code connector_due(struct metaverse *mv, int64_t after,
                           struct ts_arena *arena,
                           struct connector_object *objects, size_t *count,
                           struct ts_err *err)
{
    static const char sql[] =
        "SELECT " OBJECT_COLUMNS " FROM source_object WHERE changed > ?1 "
        "ORDER BY changed LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(after), DB_INT((int64_t) *count)), &stmt,
        err);
    while (code == TS_OK && n < *count) {
        code = db_step(&mv->db, stmt, &row, err);
        if (code != TS_OK || !row) {
            break;
        }
        if (!object_read(stmt, arena, &objects[n])) {
            break; /* the arena is full: the rest comes in the next round */
        }
        n++;
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    if (code == TS_OK && n == 0 && row) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not read one object from \"%s\": it is larger "
                       "than the memory set aside for it",
                       mv->db.path);
    }
    *count = n;
    return code;
}

enum ts_code connector_get(struct metaverse *mv, int64_t id,
                           struct ts_arena *arena,
                           struct connector_object *ret_object,
                           struct ts_err *err)
{
    static const char sql[] =
        "SELECT " OBJECT_COLUMNS " FROM source_object WHERE id = ?1";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        metaverse_row(mv, sql, DB_VALUES(DB_INT(id)), &stmt, err);
    if (code != TS_OK) {
        return code;
    }
    if (stmt == NULL) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "source object %lld is not in the connector space",
                       (long long) id);
    }
    if (!object_read(stmt, arena, ret_object)) {
        code = ts_fail(err, TS_E_LIMIT, 0,
                       "could not read source object %lld: it is too large",
                       (long long) id);
    }
    db_reset(stmt);
    return code;
}

enum ts_code connector_remove(struct metaverse *mv, int64_t id,
                              struct ts_err *err)
{
    static const char links_sql[] =
        "DELETE FROM source_link WHERE object_id = ?1";
    static const char sql[] = "DELETE FROM source_object WHERE id = ?1";
    enum ts_code code =
        metaverse_run(mv, links_sql, DB_VALUES(DB_INT(id)), err);
    if (code == TS_OK) {
        code = loss_object_gone(mv, id, err);
    }
    return code == TS_OK ? metaverse_run(mv, sql, DB_VALUES(DB_INT(id)), err)
                         : code;
}

enum ts_code connector_above(struct metaverse *mv,
                             const struct connector_object *object,
                             struct ts_arena *arena,
                             struct connector_ancestor *above, size_t *count,
                             struct ts_err *err)
{
    static const char sql[] =
        "SELECT anchor, dn_key, parent_key, rdn FROM source_object "
        "WHERE dn_key = ?1 AND +source_id = ?2 AND gone = 0 LIMIT 1";
    struct ts_slice next = object->parent;
    size_t n = 0;
    while (n < *count) {
        sqlite3_stmt *row = NULL;
        enum ts_code code = metaverse_row(
            mv, sql, DB_VALUES(DB_BLOB(next), DB_INT(object->source_id)), &row,
            err);
        if (code != TS_OK) {
            return code;
        }
        if (row == NULL) {
            break;
        }
        above[n] = (struct connector_ancestor){
            .anchor = ts_arena_copy(arena, db_column(row, 0)),
            .key = ts_arena_copy(arena, db_column(row, 1)),
            .parent = ts_arena_copy(arena, db_column(row, 2)),
            .rdn = ts_arena_copy(arena, db_column(row, 3)),
        };
        db_reset(row);
        if (above[n].anchor.data == NULL || above[n].key.data == NULL ||
            above[n].parent.data == NULL || above[n].rdn.data == NULL) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "could not look above object \"%.*s\": out of "
                           "memory",
                           TS_SLICE_ARGS(object->anchor));
        }
        next = above[n++].parent;
    }
    *count = n;
    return TS_OK;
}
