#include "node/metaverse/hold.h"

#include <stdio.h>

#include "node/base/time.h"

/* The guard relies on it: a bit of the one is a bit of the other. */
_Static_assert(INTENT_CLASS_CREATE == 1 << HOLD_CREATES &&
                   INTENT_CLASS_DELETE == 1 << HOLD_DELETES &&
                   INTENT_CLASS_DEACTIVATE == 1 << HOLD_DEACTIVATIONS &&
                   INTENT_CLASS_EXIT == 1 << HOLD_EXITS &&
                   INTENT_CLASS_KEY == 1 << HOLD_KEYS &&
                   INTENT_CLASS_MEMBERS == 1 << HOLD_MEMBERS &&
                   INTENT_CLASS_LOST == 1 << HOLD_ATTRIBUTE_VANISHED,
               "stored by number");

const char *hold_class_name(enum hold_class class)
{
    static const char *const names[HOLD_CLASSES] = {
        [HOLD_CREATES] = "creates",
        [HOLD_DELETES] = "deletes",
        [HOLD_DEACTIVATIONS] = "deactivations",
        [HOLD_EXITS] = "scope-exits",
        [HOLD_KEYS] = "key-changes",
        [HOLD_MEMBERS] = "members",
        [HOLD_ATTRIBUTE_VANISHED] = "attribute-vanished",
        [HOLD_ANCHORS_REPLACED] = "anchors-replaced",
        [HOLD_ORPHANS] = "orphans",
        [HOLD_REANCHOR] = "reanchor",
    };
    return names[class];
}

/* The next number of `counter`, in the caller's transaction. */
static enum ts_code draw(struct metaverse *mv, const char *counter,
                         int64_t *ret_number, struct ts_err *err)
{
    int64_t last = 0;
    enum ts_code code = metaverse_counter(mv, counter, &last, err);
    if (code == TS_OK) {
        code = metaverse_set_counter(mv, counter, last + 1, err);
    }
    if (code == TS_OK) {
        *ret_number = last + 1;
    }
    return code;
}

/* The first column of the first row, or 0. */
static enum ts_code first_number(struct metaverse *mv, const char *sql,
                                 struct db_values values, int64_t *ret_number,
                                 struct ts_err *err)
{
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(mv, sql, values, &row, err);
    if (code == TS_OK) {
        *ret_number = row == NULL ? 0 : db_column_int(row, 0);
        if (row != NULL) {
            db_reset(row);
        }
    }
    return code;
}

/* ---- holds ----------------------------------------------------------------
 */

enum ts_code hold_find(struct metaverse *mv, const struct hold_reason *reason,
                       int64_t *ret_id, struct ts_err *err)
{
    static const char sql[] =
        "SELECT id FROM hold WHERE class = ?1 AND kind = ?2 AND detail = ?3";
    return first_number(mv, sql,
                        DB_VALUES(DB_INT(reason->class), DB_INT(reason->kind),
                                  DB_TEXT(reason->detail)),
                        ret_id, err);
}

enum ts_code hold_open(struct metaverse *mv, const struct hold_reason *reason,
                       const char *text, int64_t *ret_id, struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO hold(id, class, kind, detail, text, since) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
    enum ts_code code = hold_find(mv, reason, ret_id, err);
    if (code != TS_OK || *ret_id > 0) {
        return code;
    }
    code = draw(mv, "hold", ret_id, err);
    return code == TS_OK
               ? metaverse_run(mv, sql,
                               DB_VALUES(DB_INT(*ret_id), DB_INT(reason->class),
                                         DB_INT(reason->kind),
                                         DB_TEXT(reason->detail),
                                         DB_TEXT(ts_slice_str(text)),
                                         DB_INT(ts_wall_seconds())),
                               err)
               : code;
}

enum ts_code hold_say(struct metaverse *mv, int64_t id, const char *text,
                      struct ts_err *err)
{
    static const char sql[] =
        "UPDATE hold SET text = ?2 WHERE id = ?1 AND text <> ?2";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_INT(id), DB_TEXT(ts_slice_str(text))), err);
}

static bool read_hold(sqlite3_stmt *stmt, struct ts_arena *arena,
                      struct hold *hold)
{
    int64_t class = db_column_int(stmt, 1);
    *hold = (struct hold){
        .id = db_column_int(stmt, 0),
        .reason = { .class = (enum hold_class) class,
                    .kind = (int) db_column_int(stmt, 2),
                    .detail = ts_arena_copy(arena, db_column(stmt, 3)) },
        .text = ts_arena_copy(arena, db_column(stmt, 4)),
        .since = db_column_int(stmt, 5),
    };
    return hold->reason.detail.data != NULL && hold->text.data != NULL &&
           class >= 0 && class < HOLD_CLASSES;
}

enum ts_code hold_all(struct metaverse *mv, int64_t id, struct ts_arena *arena,
                      struct hold **ret_holds, size_t *ret_count,
                      struct ts_err *err)
{
    static const char count_sql[] =
        "SELECT count(*) FROM hold WHERE ?1 IN (0, id)";
    static const char sql[] =
        "SELECT id, class, kind, detail, text, since FROM hold "
        "WHERE ?1 IN (0, id) ORDER BY class, kind, detail";
    int64_t room = 0;
    size_t n = 0;
    sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        first_number(mv, count_sql, DB_VALUES(DB_INT(id)), &room, err);
    struct hold *holds = ts_arena_array(arena, (size_t) room, sizeof *holds);
    if (code == TS_OK) {
        code = metaverse_query(mv, sql, DB_VALUES(DB_INT(id)), &stmt, err);
    }
    while (holds != NULL && n < (size_t) room &&
           db_next(&mv->db, stmt, &code, err)) {
        if (!read_hold(stmt, arena, &holds[n++])) {
            holds = NULL;
        }
    }
    db_reset(stmt);
    if (code == TS_OK && holds == NULL) {
        code = ts_fail(err, TS_E_LIMIT, 0,
                       "could not read the holds of \"%s\": out of memory or "
                       "not of this version",
                       mv->db.path);
    }
    *ret_holds = holds;
    *ret_count = n;
    return code;
}

enum ts_code hold_forget_lists(struct metaverse *mv, int64_t id,
                               struct ts_err *err)
{
    static const char sql[] = "DELETE FROM hold_list WHERE hold_id = ?1";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(id)), err);
}

enum ts_code hold_remove(struct metaverse *mv, int64_t id, struct ts_err *err)
{
    static const char items_sql[] = "DELETE FROM hold_item WHERE hold_id = ?1";
    static const char sql[] = "DELETE FROM hold WHERE id = ?1";
    enum ts_code code = hold_forget_lists(mv, id, err);
    if (code == TS_OK) {
        code = metaverse_run(mv, items_sql, DB_VALUES(DB_INT(id)), err);
    }
    return code == TS_OK ? metaverse_run(mv, sql, DB_VALUES(DB_INT(id)), err)
                         : code;
}

enum ts_code hold_sweep(struct metaverse *mv, bool *ret_open,
                        struct ts_err *err)
{
    static const char empty_sql[] =
        "SELECT id FROM hold WHERE NOT EXISTS (SELECT 1 FROM hold_item i "
        "WHERE i.hold_id = hold.id) LIMIT 1";
    static const char open_sql[] = "SELECT EXISTS(SELECT 1 FROM hold)";
    int64_t id = 0;
    enum ts_code code = TS_OK;
    do {
        code = first_number(mv, empty_sql, DB_NO_VALUES, &id, err);
        if (code == TS_OK && id > 0) {
            code = hold_remove(mv, id, err);
        }
    } while (code == TS_OK && id > 0);
    if (code == TS_OK) {
        code = first_number(mv, open_sql, DB_NO_VALUES, &id, err);
    }
    *ret_open = code == TS_OK && id > 0;
    return code;
}

/* ---- items ----------------------------------------------------------------
 */

enum ts_code hold_add(struct metaverse *mv, int64_t id,
                      const struct hold_item *item, struct ts_err *err)
{
    static const char find_sql[] =
        "SELECT 1 FROM hold_item WHERE hold_id = ?1 AND kind = ?2 AND "
        "anchor = ?3 AND verb = ?4 AND amount >= ?5";
    static const char sql[] =
        "INSERT INTO hold_item(hold_id, kind, anchor, verb, amount, seq, "
        "since) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET "
        "verb = excluded.verb, amount = excluded.amount, seq = excluded.seq";
    int64_t there = 0;
    int64_t seq = 0;
    enum ts_code code = first_number(
        mv, find_sql,
        DB_VALUES(DB_INT(id), DB_INT(item->kind), DB_TEXT(item->anchor),
                  DB_INT(item->verb), DB_INT(item->amount)),
        &there, err);
    if (code != TS_OK || there != 0) {
        return code;
    }
    code = draw(mv, "item", &seq, err);
    return code == TS_OK
               ? metaverse_run(mv, sql,
                               DB_VALUES(DB_INT(id), DB_INT(item->kind),
                                         DB_TEXT(item->anchor),
                                         DB_INT(item->verb),
                                         DB_INT(item->amount), DB_INT(seq),
                                         DB_INT(ts_wall_seconds())),
                               err)
               : code;
}

enum ts_code hold_drop(struct metaverse *mv, int64_t id, int kind,
                       struct ts_slice anchor, struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM hold_item WHERE hold_id = ?1 AND kind = ?2 AND "
        "anchor = ?3";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_INT(id), DB_INT(kind), DB_TEXT(anchor)), err);
}

enum ts_code hold_drop_class(struct metaverse *mv, enum hold_class class,
                             int kind, struct ts_slice anchor,
                             struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM hold_item WHERE kind = ?2 AND anchor = ?3 AND "
        "hold_id IN (SELECT id FROM hold WHERE class = ?1)";
    return metaverse_run(
        mv, sql, DB_VALUES(DB_INT(class), DB_INT(kind), DB_TEXT(anchor)), err);
}

enum ts_code hold_drop_object(struct metaverse *mv, int kind,
                              struct ts_slice anchor, struct ts_err *err)
{
    static const char sql[] =
        "DELETE FROM hold_item WHERE kind = ?1 AND anchor = ?2";
    return metaverse_run(mv, sql, DB_VALUES(DB_INT(kind), DB_TEXT(anchor)),
                         err);
}

enum ts_code hold_items(struct metaverse *mv, int64_t id,
                        const int64_t after_last[static 2],
                        struct ts_arena *arena, struct hold_item *items,
                        size_t *count, struct ts_err *err)
{
    static const char sql[] =
        "SELECT kind, anchor, verb, amount, seq, since FROM hold_item "
        "WHERE hold_id = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4";
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql,
        DB_VALUES(DB_INT(id), DB_INT(after_last[0]), DB_INT(after_last[1]),
                  DB_INT((int64_t) *count)),
        &stmt, err);
    while (n < *count && db_next(&mv->db, stmt, &code, err)) {
        items[n] = (struct hold_item){
            .kind = (int) db_column_int(stmt, 0),
            .anchor = ts_arena_copy(arena, db_column(stmt, 1)),
            .verb = (enum intent_verb) db_column_int(stmt, 2),
            .amount = db_column_int(stmt, 3),
            .seq = db_column_int(stmt, 4),
            .since = db_column_int(stmt, 5),
        };
        if (items[n].anchor.data == NULL || items[n].verb >= INTENT_VERBS) {
            code = ts_fail(err, TS_E_LIMIT, 0,
                           "could not read an item of hold %lld: out of memory "
                           "or not of this version",
                           (long long) id);
            break;
        }
        n++;
    }
    db_reset(stmt);
    *count = n;
    return code;
}

enum ts_code hold_count(struct metaverse *mv, int64_t id, int64_t *ret_items,
                        struct ts_err *err)
{
    static const char sql[] =
        "SELECT count(*) FROM hold_item WHERE hold_id = ?1";
    return first_number(mv, sql, DB_VALUES(DB_INT(id)), ret_items, err);
}

enum ts_code hold_amount(struct metaverse *mv, int64_t id, int64_t *ret_amount,
                         struct ts_err *err)
{
    static const char sql[] =
        "SELECT ifnull(sum(amount), 0) FROM hold_item WHERE hold_id = ?1";
    return first_number(mv, sql, DB_VALUES(DB_INT(id)), ret_amount, err);
}

enum ts_code hold_classes_of(struct metaverse *mv, int kind,
                             struct ts_slice anchor, unsigned *ret_classes,
                             struct ts_err *err)
{
    static const char sql[] =
        "SELECT ifnull(sum(DISTINCT 1 << h.class), 0) FROM hold_item i "
        "JOIN hold h ON h.id = i.hold_id WHERE i.kind = ?1 AND i.anchor = ?2";
    int64_t bits = 0;
    enum ts_code code = first_number(
        mv, sql, DB_VALUES(DB_INT(kind), DB_TEXT(anchor)), &bits, err);
    *ret_classes = (unsigned) bits;
    return code;
}

/* ---- lists ----------------------------------------------------------------
 */

static void add_number(struct ts_hasher *hasher, int64_t number)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t) ((uint64_t) number >> (56 - 8 * i));
    }
    ts_hasher_add(hasher, ts_slice(bytes, sizeof bytes));
}

/* Over everything that an approval of the list would release, in an order that
 * does not depend on when it came; the numbers make a list that came back after
 * it was decided another one. */
static enum ts_code hash_items(struct metaverse *mv, const struct hold *hold,
                               const struct ts_hash *basis,
                               struct hold_list *list, struct ts_err *err)
{
    static const char sql[] =
        "SELECT kind, anchor, verb, amount, seq FROM hold_item "
        "WHERE hold_id = ?1 ORDER BY kind, anchor";
    sqlite3_stmt *stmt = NULL;
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    ts_hasher_add(hasher, ts_slice(basis->bytes, sizeof basis->bytes));
    add_number(hasher, hold->reason.class);
    add_number(hasher, hold->reason.kind);
    ts_hasher_add_field(hasher, hold->reason.detail);
    enum ts_code code =
        metaverse_query(mv, sql, DB_VALUES(DB_INT(hold->id)), &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        add_number(hasher, db_column_int(stmt, 0));
        ts_hasher_add_field(hasher, db_column(stmt, 1));
        for (int column = 2; column < 5; column++) {
            add_number(hasher, db_column_int(stmt, column));
        }
        list->items++;
    }
    ts_hash_text(ts_hasher_end(hasher), list->hash);
    ts_hasher_free(hasher);
    return code;
}

static enum ts_code put_list(struct metaverse *mv, const struct hold_list *list,
                             struct ts_err *err)
{
    static const char sql[] =
        "INSERT OR REPLACE INTO hold_list(hash, hold_id, last_seq, items, at) "
        "VALUES(?1, ?2, ?3, ?4, ?5)";
    static const char old_sql[] =
        "DELETE FROM hold_list WHERE hold_id = ?1 AND last_seq <= (SELECT "
        "last_seq FROM hold_list WHERE hold_id = ?1 ORDER BY last_seq DESC "
        "LIMIT 1 OFFSET ?2)";
    enum ts_code code =
        metaverse_run(mv, sql,
                      DB_VALUES(DB_TEXT(ts_slice_str(list->hash)),
                                DB_INT(list->hold_id), DB_INT(list->last_seq),
                                DB_INT(list->items), DB_INT(list->at)),
                      err);
    return code == TS_OK ? metaverse_run(mv, old_sql,
                                         DB_VALUES(DB_INT(list->hold_id),
                                                   DB_INT(HOLD_LISTS_KEPT)),
                                         err)
                         : code;
}

/* The last number among the items, and among those that were listed. */
static enum ts_code last_numbers(struct metaverse *mv, int64_t id,
                                 int64_t *ret_last, int64_t *ret_noted,
                                 struct ts_err *err)
{
    static const char items_sql[] =
        "SELECT max(seq) FROM hold_item WHERE hold_id = ?1";
    static const char noted_sql[] =
        "SELECT max(last_seq) FROM hold_list WHERE hold_id = ?1";
    struct db_values values = DB_VALUES(DB_INT(id));
    enum ts_code code = first_number(mv, items_sql, values, ret_last, err);
    return code == TS_OK ? first_number(mv, noted_sql, values, ret_noted, err)
                         : code;
}

enum ts_code hold_grew(struct metaverse *mv, int64_t id, bool *ret_grew,
                       struct ts_err *err)
{
    int64_t last = 0;
    int64_t noted = 0;
    enum ts_code code = last_numbers(mv, id, &last, &noted, err);
    *ret_grew = code == TS_OK && last > noted;
    return code;
}

enum ts_code hold_note(struct metaverse *mv, const struct hold *hold,
                       const struct ts_hash *basis, struct ts_err *err)
{
    struct hold_list list = { .hold_id = hold->id, .at = ts_wall_seconds() };
    int64_t noted = 0;
    enum ts_code code = last_numbers(mv, hold->id, &list.last_seq, &noted, err);
    if (code != TS_OK || list.last_seq <= noted) {
        return code;
    }
    code = hash_items(mv, hold, basis, &list, err);
    return code == TS_OK ? put_list(mv, &list, err) : code;
}

static enum ts_code one_list(struct metaverse *mv, const char *sql,
                             struct db_values values,
                             struct hold_list *ret_list, struct ts_err *err)
{
    sqlite3_stmt *row = NULL;
    enum ts_code code = metaverse_row(mv, sql, values, &row, err);
    if (code != TS_OK) {
        return code;
    }
    if (row == NULL) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "there is no such list: what it named was decided, is "
                       "no longer due, or was shown under another "
                       "configuration; twinsync hold list shows what is kept "
                       "back now");
    }
    struct ts_slice hash = db_column(row, 0);
    *ret_list = (struct hold_list){ .hold_id = db_column_int(row, 1),
                                    .last_seq = db_column_int(row, 2),
                                    .items = db_column_int(row, 3),
                                    .at = db_column_int(row, 4) };
    (void) snprintf(ret_list->hash, sizeof ret_list->hash, "%.*s",
                    TS_SLICE_ARGS(hash));
    db_reset(row);
    return TS_OK;
}

enum ts_code hold_last_list(struct metaverse *mv, int64_t id,
                            struct hold_list *ret_list, struct ts_err *err)
{
    static const char sql[] =
        "SELECT hash, hold_id, last_seq, items, at FROM hold_list "
        "WHERE hold_id = ?1 ORDER BY last_seq DESC LIMIT 1";
    return one_list(mv, sql, DB_VALUES(DB_INT(id)), ret_list, err);
}

enum ts_code hold_list_of(struct metaverse *mv, struct ts_slice hash,
                          struct hold_list *ret_list, struct ts_err *err)
{
    static const char sql[] = "SELECT hash, hold_id, last_seq, items, at FROM "
                              "hold_list WHERE hash = ?1";
    return one_list(mv, sql, DB_VALUES(DB_TEXT(hash)), ret_list, err);
}
