#include "node/engine/unique_taker.h"

#include "node/engine/unique.h"
#include "proto/entry_codec.h"

enum ts_code unique_take(struct unique_taker *t, int64_t id, bool *ret_takes,
                         struct ts_err *err)
{
    struct ts_entry wanted;
    struct ts_entry other;
    bool found = false;
    bool required = false;
    *ret_takes = false;
    enum ts_code code =
        intent_get(t->mv, id, t->arena, &t->intent, &found, err);
    if (code != TS_OK || !found) {
        return code;
    }
    code = object_get(t->mv, id, t->arena, &t->object, err);
    if (code == TS_OK) {
        code = target_row_by_metaverse(t->mv, id, t->arena, &t->row,
                                       &t->at_target, err);
    }
    if (code != TS_OK || t->object.presence != OBJECT_IN) {
        return code;
    }
    code = entry_unpack(t->object.packed, t->arena, &wanted, err);
    if (code == TS_OK) {
        code = unique_withhold(t->engine, &t->object, &wanted, &required, err);
    }
    if (code == TS_OK) {
        code = entry_unpack(t->at_target ? t->row.sent : t->object.once,
                            t->arena, &other, err);
    }
    if (code == TS_OK) {
        code = t->at_target ? difference_of(&wanted, &other, t->arena,
                                            &t->difference, err)
                            : difference_for_new(&wanted, &other, t->arena,
                                                 &t->difference, err);
    }
    *ret_takes = code == TS_OK && t->intent.batch == 0;
    return code;
}

enum ts_code unique_still_has(const struct unique_taker *t,
                              const struct claim_value *value, bool *ret_has,
                              struct ts_err *err)
{
    const struct ts_entry *after = &t->difference.sent;
    enum ts_code code = TS_OK;
    *ret_has = false;
    for (size_t i = 0; code == TS_OK && i < after->count; i++) {
        const struct ts_attribute *a = &after->attributes[i];
        const struct metaverse_unique_path *path =
            claim_applies(a->kind) ? claim_path(t->mv, t->object.kind, a->name)
                                   : NULL;
        for (size_t v = 0; code == TS_OK && path != NULL && v < a->value_count;
             v++) {
            struct claim_value theirs;
            code = claim_value_of(path, a->values[v], &theirs, err);
            *ret_has =
                *ret_has || (code == TS_OK && memcmp(theirs.bytes, value->bytes,
                                                     sizeof theirs.bytes) == 0);
        }
    }
    return code;
}

/* ---- exchanges
 * ---------------------------------------------------------------------------
 */

/* Who was reached from the holder, over those who have what is to be taken. */
struct exchange {
    const struct unique_taker *taker;
    const struct claim_value *value;
    int64_t reached[UNIQUE_EXCHANGE_MAX];
    size_t count;
    struct claimant gets;
    struct ts_arena arena; /* of the object at hand */
};

static void reach(struct exchange *x, int64_t id)
{
    for (size_t i = 0; i < x->count; i++) {
        if (x->reached[i] == id) {
            return;
        }
    }
    if (x->count < UNIQUE_EXCHANGE_MAX) {
        x->reached[x->count++] = id;
    }
}

static bool comes_before(const struct unique_taker *a, const struct claimant *b)
{
    int order = ts_slice_compare(a->object.anchor, b->anchor);
    return b->metaverse_id == 0 || order < 0 ||
           (order == 0 && a->object.kind < b->kind);
}

/* `t` takes the value that it is about. */
static bool takes_it(struct exchange *x, const struct unique_taker *t)
{
    if (!comes_before(t, &x->gets)) {
        return true;
    }
    struct ts_slice anchor = ts_arena_copy(x->taker->arena, t->object.anchor);
    x->gets = (struct claimant){ .metaverse_id = t->object.id,
                                 .kind = t->object.kind,
                                 .presence = OBJECT_IN,
                                 .anchor = anchor,
                                 .wants = true };
    return anchor.data != NULL;
}

static enum ts_code follow_value(struct exchange *x,
                                 const struct unique_taker *t,
                                 const struct metaverse_unique_path *path,
                                 struct ts_slice text, struct ts_err *err)
{
    struct claim_value value;
    struct claimant holder;
    struct claimant first;
    enum ts_code code = claim_value_of(path, text, &value, err);
    if (code != TS_OK) {
        return code;
    }
    if (memcmp(value.bytes, x->value->bytes, sizeof value.bytes) == 0) {
        return takes_it(x, t) ? TS_OK
                              : ts_fail(err, TS_E_LIMIT, 0,
                                        "could not tell who exchanges a "
                                        "value: out of memory");
    }
    code = claim_rivals(t->mv, &value, t->object.id, t->arena, &holder, &first,
                        err);
    if (code == TS_OK && holder.metaverse_id != 0 &&
        holder.metaverse_id != t->object.id) {
        reach(x, holder.metaverse_id);
    }
    return code;
}

static enum ts_code follow(struct exchange *x, int64_t id, struct ts_err *err)
{
    struct unique_taker t = { .engine = x->taker->engine,
                              .mv = x->taker->mv,
                              .arena = &x->arena };
    bool takes = false;
    ts_arena_reset(&x->arena);
    enum ts_code code = unique_take(&t, id, &takes, err);
    bool update =
        t.intent.verb == INTENT_UPDATE || t.intent.verb == INTENT_REACTIVATE;
    for (size_t i = 0; takes && update && i < t.difference.set.count; i++) {
        const struct ts_attribute *a = &t.difference.set.attributes[i];
        const struct metaverse_unique_path *path =
            claim_applies(a->kind) ? claim_path(t.mv, t.object.kind, a->name)
                                   : NULL;
        for (size_t v = 0; code == TS_OK && path != NULL && v < a->value_count;
             v++) {
            code = follow_value(x, &t, path, a->values[v], err);
        }
    }
    return code;
}

enum ts_code unique_exchange(const struct unique_taker *taker,
                             const struct claimant *holder,
                             const struct claim_value *value,
                             struct claimant *gets, struct ts_err *err)
{
    struct exchange x = { .taker = taker, .value = value };
    int64_t two[2];
    size_t count = 2;
    enum ts_code code = claim_waiting(taker->mv, value, two, &count, err);
    if (code != TS_OK || count < 2) {
        return code;
    }
    ts_arena_init(&x.arena, ENGINE_OBJECT_MEMORY);
    reach(&x, holder->metaverse_id);
    for (size_t i = 0; code == TS_OK && i < x.count; i++) {
        code = follow(&x, x.reached[i], err);
    }
    ts_arena_done(&x.arena);
    if (code == TS_OK && x.gets.metaverse_id != 0) {
        *gets = x.gets;
    }
    return code;
}
