/* show, for an object of the target that is nobody's here: whose it may be, and
 * why nothing is done to it. */
#include "node/engine/query/show.h"

#include "node/engine/match.h"
#include "node/engine/query/common.h"
#include "proto/entry_codec.h"

/* By its id, by its anchor, or by its name where that is what it is matched
 * by: a `match_value` of one path. */
static enum ts_code find_row(struct showing *s, struct ts_slice text,
                             bool *ret_found, struct ts_err *err)
{
    static const char sql[] =
        "SELECT target_id FROM target_object WHERE target_id = ?1 AND "
        "metaverse_id IS NULL UNION ALL "
        "SELECT target_id FROM target_object WHERE anchor = ?1 AND "
        "anchor <> '' AND metaverse_id IS NULL UNION ALL "
        "SELECT target_id FROM target_object WHERE match_value = ?2 AND "
        "match_value <> '' AND metaverse_id IS NULL LIMIT 1";
    struct ts_slice name = TS_SLICE_NONE;
    sqlite3_stmt *row = NULL;
    *ret_found = false;
    enum ts_code code = match_value_one(text, &s->arena, &name, err);
    if (code == TS_OK) {
        code = metaverse_row(
            s->mv, sql, DB_VALUES(DB_TEXT(text), DB_TEXT(name)), &row, err);
    }
    if (code != TS_OK || row == NULL) {
        return code;
    }
    struct ts_slice id = ts_arena_copy(&s->arena, db_column(row, 0));
    db_reset(row);
    return target_row_by_id(s->mv, id, &s->arena, &s->row, ret_found, err);
}

static const char *explain(const struct showing *s, bool found)
{
    const struct target_row *row = &s->row;
    if (row->shielded) {
        return "it is an administrator or a service identity at the target, "
               "or named by never-match, and so never taken over";
    }
    if (row->disowned) {
        return "an operator rejected it: it is not ours";
    }
    if (found) {
        return "no source shows its anchor: it is left alone until an operator "
               "approves it by name or rejects it; see twinsync hold list";
    }
    return row->anchor.size > 0
               ? "it carries an anchor and has no counterpart here: another "
                 "system's, or one too many"
               : "nobody here matches it";
}

static enum ts_code add_stages(struct showing *s, bool *ret_found,
                               struct ts_err *err)
{
    enum ledger_provenance provenance;
    struct ts_entry seen;
    bool listed = false;
    enum ts_code code = entry_unpack(s->row.seen, &s->arena, &seen, err);
    if (code == TS_OK) {
        code = ledger_get(s->mv, s->row.kind, s->row.anchor, &listed,
                          &provenance, err);
    }
    if (code != TS_OK) {
        return code;
    }
    json_t *target = show_stage(s, "target", "ok");
    show_fact(target, "id", query_text(s->row.target_id));
    show_fact(target, "created",
              s->row.created.size > 0 ? query_text(s->row.created)
                                      : json_null());
    show_fact(target, "shielded", json_boolean(s->row.shielded));
    show_fact(target, "disowned", json_boolean(s->row.disowned));
    for (size_t i = 0; i < seen.count; i++) {
        show_value(target, seen.attributes[i].name,
                   query_values(&seen.attributes[i]), NULL);
    }
    *ret_found = listed && provenance == LEDGER_FOUND;
    return *ret_found ? show_ledger(s, err) : TS_OK;
}

enum ts_code show_foreign(struct showing *s, struct ts_slice text,
                          json_t **ret_document, struct ts_err *err)
{
    bool exists = false;
    bool found = false;
    *ret_document = NULL;
    enum ts_code code = find_row(s, text, &exists, err);
    if (code != TS_OK || !exists) {
        return code;
    }
    s->object.kind = s->row.kind;
    s->object.anchor = s->row.anchor;
    code = add_stages(s, &found, err);
    if (code != TS_OK) {
        return code;
    }
    struct ts_slice name = query_packed_name(s->row.kind, s->row.seen,
                                             s->row.target_id, &s->arena);
    *ret_document =
        json_pack("{s:o, s:s, s:o, s:n, s:b, s:s, s:O}", "anchor",
                  query_text(s->row.anchor), "kind", query_kind(s->row.kind),
                  "name", query_text(name), "dn", "in_step", 1, "why",
                  explain(s, found), "stages", s->stages);
    return TS_OK;
}
