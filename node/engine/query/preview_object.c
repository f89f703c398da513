/* One object of a preview: what is written to it, and which links change. */
#include "node/engine/query/preview.h"

#include "node/engine/difference.h"
#include "node/engine/leaver.h"
#include "node/engine/query/common.h"
#include "node/engine/unique.h"
#include "node/metaverse/reference.h"
#include "node/metaverse/stranger.h"
#include "proto/entry_codec.h"

/* ---- members ------------------------------------------------------------ */

/* The document's "members", or, for a second path of one object, an attribute
 * whose values are anchors. */
static json_t *links_of(struct preview_part *part, struct ts_slice path,
                        json_t *last)
{
    json_t *links = NULL;
    if (last != NULL && json_is_string(json_object_get(last, "path")) &&
        ts_slice_equal(path, ts_slice_str(json_string_value(
                                 json_object_get(last, "path"))))) {
        return last;
    }
    if (last == NULL) {
        links = json_pack("{s:o, s:[], s:[]}", "path", query_text(path), "add",
                          "remove");
        (void) json_object_set_new(part->document, "members", links);
        return links;
    }
    links =
        json_pack("{s:o, s:[], s:[]}", "path", query_text(path), "new", "old");
    (void) json_array_append_new(json_object_get(part->document, "attributes"),
                                 links);
    return links;
}

static void list_link(struct preview_part *part, json_t **last,
                      struct ts_slice path, struct ts_slice anchor, bool add)
{
    *last = links_of(part, path, *last);
    const char *name = add ? "add" : "remove";
    if (json_object_get(*last, name) == NULL) {
        name = add ? "new" : "old";
    }
    (void) json_array_append_new(json_object_get(*last, name),
                                 query_text(anchor));
}

static bool keep_link(struct preview *preview, struct preview_part *part,
                      const struct plan_link *link)
{
    if (part->link_count == part->link_room) {
        size_t room = part->link_room * 2 + 16;
        struct plan_link *links =
            ts_arena_array(&preview->arena, room, sizeof *links);
        if (links == NULL) {
            return false;
        }
        if (part->link_count > 0) {
            memcpy(links, part->links, part->link_count * sizeof *links);
        }
        part->links = links;
        part->link_room = room;
    }
    part->links[part->link_count++] = *link;
    return true;
}

/* Kept, counted and hashed; `other` is a member's anchor, or a stranger's id.
 */
static enum ts_code take_link(struct preview *preview,
                              struct preview_part *part, struct ts_slice path,
                              struct ts_slice other, bool add)
{
    struct plan_link link = plan_link_of(preview->small, path, other, add);
    ts_hasher_add(preview->hasher, ts_slice(link.bytes, sizeof link.bytes));
    preview->counts[PREVIEW_MEMBERS]++;
    return keep_link(preview, part, &link) ? TS_OK : TS_E_NOMEM;
}

/* Members that are nobody's here: told by their ids at the target. */
static enum ts_code take_strangers(struct preview *preview,
                                   struct preview_part *part, json_t *last,
                                   struct ts_err *err)
{
    int64_t due = 0;
    enum ts_code code =
        stranger_count_due(preview->mv, part->object.id, &due, err);
    if (code != TS_OK || due == 0) {
        return code;
    }
    size_t count = (size_t) due;
    struct reference_due *list =
        ts_arena_array(&preview->arena, count, sizeof *list);
    if (list == NULL) {
        return preview_too_large(err);
    }
    code = stranger_due(preview->mv, part->object.id, &preview->arena, list,
                        &count, err);
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        if (take_link(preview, part, list[i].path, list[i].target_id, false) !=
            TS_OK) {
            return preview_too_large(err);
        }
        if (part->document != NULL) {
            list_link(part, &last, list[i].path, list[i].target_id, false);
        }
    }
    return code;
}

/* What is due and can be told by the time the plan is carried out. */
enum ts_code preview_take_links(struct preview *preview,
                                struct preview_part *part, struct ts_err *err)
{
    static const char sql[] =
        "SELECT r.path, m.anchor, r.wanted > 0 FROM reference r "
        "JOIN metaverse m ON m.id = r.member_id "
        "WHERE r.owner_id = ?1 AND (r.wanted > 0) <> r.held AND (EXISTS "
        "(SELECT 1 FROM target_object t WHERE t.metaverse_id = r.member_id) OR "
        "(r.wanted > 0 AND EXISTS (SELECT 1 FROM intent n WHERE "
        "n.metaverse_id = r.member_id AND n.verb IN (0, 5)))) "
        "AND (r.wanted > 0 OR NOT " REFERENCE_KEPT ") "
        "ORDER BY r.path, m.anchor";
    sqlite3_stmt *stmt = NULL;
    json_t *last = NULL;
    enum ts_code code = metaverse_query(
        preview->mv, sql, DB_VALUES(DB_INT(part->object.id)), &stmt, err);
    while (db_next(&preview->mv->db, stmt, &code, err)) {
        struct ts_slice path = db_column(stmt, 0);
        struct ts_slice anchor = db_column(stmt, 1);
        bool add = db_column_int(stmt, 2) != 0;
        if (take_link(preview, part, path, anchor, add) != TS_OK) {
            db_reset(stmt);
            return preview_too_large(err);
        }
        if (part->document != NULL) {
            list_link(part, &last, path, anchor, add);
        }
    }
    return code == TS_OK ? take_strangers(preview, part, last, err) : code;
}

/* ---- values ------------------------------------------------------------- */

static void list_change(struct preview_part *part, struct ts_slice path,
                        json_t *old, json_t *new)
{
    (void) json_array_append_new(json_object_get(part->document, "attributes"),
                                 json_pack("{s:o, s:o, s:o}", "path",
                                           query_text(path), "old", old, "new",
                                           new));
}

static void list_set(struct preview_part *part, const struct ts_entry *set,
                     const struct ts_entry *now)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct ts_attribute *attribute = &set->attributes[i];
        list_change(part, attribute->name,
                    query_values(ts_entry_find(now, attribute->name)),
                    query_values(attribute));
    }
}

static void list_active(struct preview_part *part, bool active)
{
    const char *old = active ? "false" : "true";
    const char *new = active ? "true" : "false";
    list_change(part, ts_slice_str(TARGET_ACTIVE_PATH), json_pack("[s]", old),
                json_pack("[s]", new));
}

static enum ts_code list_new(struct preview *preview, struct preview_part *part,
                             const struct ts_entry *wanted, struct ts_err *err)
{
    struct ts_entry once;
    struct ts_entry none = { .count = 0 };
    struct difference difference;
    enum ts_code code =
        entry_unpack(part->object.once, &preview->arena, &once, err);
    if (code == TS_OK) {
        code = difference_for_new(wanted, &once, &preview->arena, &difference,
                                  err);
    }
    if (code == TS_OK) {
        list_set(part, &difference.set, &none);
    }
    return code;
}

/* An object that is there: what is shown there becomes what is wanted. What an
 * adopted one shows counts as sent, from then on. */
static enum ts_code list_there(struct preview *preview,
                               struct preview_part *part,
                               const struct ts_entry *wanted,
                               struct ts_err *err)
{
    const struct target_row *row = &part->row;
    struct ts_slice seen = row->seen.data != NULL ? row->seen : row->sent;
    struct ts_slice base = part->verb == INTENT_ADOPT ? seen : row->sent;
    struct ts_entry sent;
    struct ts_entry now;
    struct difference difference;
    enum ts_code code = entry_unpack(base, &preview->arena, &sent, err);
    if (code == TS_OK) {
        code = entry_unpack(seen, &preview->arena, &now, err);
    }
    if (code == TS_OK) {
        code = difference_of(wanted, &sent, &preview->arena, &difference, err);
    }
    if (code == TS_OK) {
        list_set(part, &difference.set, &now);
    }
    return code;
}

enum ts_code preview_load_row(struct preview *preview,
                              struct preview_part *part, struct ts_err *err)
{
    return part->verb == INTENT_ADOPT
               ? target_row_by_id(preview->mv, part->target_id, &preview->arena,
                                  &part->row, &part->at_target, err)
               : target_row_by_metaverse(preview->mv, part->object.id,
                                         &preview->arena, &part->row,
                                         &part->at_target, err);
}

static enum ts_code list_values(struct preview *preview,
                                struct preview_part *part,
                                const struct ts_entry *wanted,
                                struct ts_err *err)
{
    switch (part->verb) {
    case INTENT_CREATE:
        return list_new(preview, part, wanted, err);
    case INTENT_REACTIVATE:
        list_active(part, true);
        return part->at_target ? list_there(preview, part, wanted, err) : TS_OK;
    case INTENT_UPDATE:
    case INTENT_PARK:
    case INTENT_ADOPT:
        return part->at_target && part->decided
                   ? list_there(preview, part, wanted, err)
                   : TS_OK;
    case INTENT_DEACTIVATE:
        list_active(part, false);
        break;
    case INTENT_DELETE:
    case INTENT_VERBS:
        break;
    }
    return TS_OK;
}

/* ---- one object --------------------------------------------------------- */

bool preview_matches_hard(const struct preview_part *part)
{
    return ts_slice_equal(part->row.anchor, part->object.anchor);
}

/* How it finds its counterpart: null where it has one already. */
static json_t *match_of(const struct preview_part *part)
{
    if (part->verb == INTENT_CREATE) {
        return json_string("create");
    }
    if (part->verb != INTENT_ADOPT) {
        return json_null();
    }
    return json_string(preview_matches_hard(part) ? "hard" : "soft");
}

enum ts_code preview_describe(struct preview *preview,
                              struct preview_part *part, struct ts_err *err)
{
    struct ts_entry wanted;
    bool kept = false;
    bool required = false;
    const struct metaverse_object *object = &part->object;
    enum ts_code code =
        entry_unpack(object->packed, &preview->arena, &wanted, err);
    if (code == TS_OK && part->at_target) {
        code = leaver_kept(preview->engine, &part->row, &wanted, &kept, err);
    }
    if (code != TS_OK) {
        return code;
    }
    part->document = json_pack(
        "{s:s, s:o, s:o, s:s, s:[], s:n}", "kind", query_kind(object->kind),
        "anchor", query_text(object->anchor), "name",
        query_text(query_name(object->kind, &wanted, object->anchor)), "verb",
        intent_verb_name(part->verb), "attributes", "members");
    code = unique_withhold(preview->engine, object, &wanted, &required, err);
    if (code == TS_OK) {
        code = list_values(preview, part, &wanted, err);
    }
    (void) json_object_set_new(part->document, "match", match_of(part));
    return code;
}
