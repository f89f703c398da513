/* plan_content: what of a write makes it the one that was shown. */
#include "node/engine/plan.h"

static enum ts_code add_quarantined(struct metaverse *mv,
                                    struct ts_hasher *hasher,
                                    const struct metaverse_object *object,
                                    struct ts_err *err)
{
    static const char sql[] =
        "SELECT path FROM object_error WHERE kind = ?1 AND anchor = ?2 AND "
        "stage = 'unique' ORDER BY path";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(object->kind), DB_TEXT(object->anchor)),
        &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        ts_hasher_add_field(hasher, db_column(stmt, 0));
    }
    return code;
}

enum ts_code plan_content(struct metaverse *mv, struct ts_hasher *hasher,
                          const struct plan_write *write,
                          struct ts_hash *ret_content, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    ts_hasher_begin(hasher);
    if (write->verb != INTENT_DELETE && write->verb != INTENT_DEACTIVATE) {
        ts_hasher_add_field(hasher, write->object->packed);
        code = add_quarantined(mv, hasher, write->object, err);
    }
    if (write->verb == INTENT_CREATE) {
        ts_hasher_add_field(hasher, write->object->once);
    }
    if (write->verb == INTENT_ADOPT) {
        ts_hasher_add_field(hasher, write->target_id);
    }
    *ret_content = ts_hasher_end(hasher);
    return code;
}

struct plan_link plan_link_of(struct ts_hasher *hasher, struct ts_slice path,
                              struct ts_slice member_anchor, bool add)
{
    struct plan_link link;
    uint8_t sign = add;
    ts_hasher_begin(hasher);
    ts_hasher_add_field(hasher, path);
    ts_hasher_add_field(hasher, member_anchor);
    ts_hasher_add(hasher, ts_slice(&sign, 1));
    struct ts_hash hash = ts_hasher_end(hasher);
    memcpy(link.bytes, hash.bytes, sizeof link.bytes);
    return link;
}
