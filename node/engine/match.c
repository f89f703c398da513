#include "node/engine/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <unicase.h>

#include "node/engine/contest.h"
#include "node/engine/flow.h"

/* Between values; no UTF-8 has it. */
#define SEPARATOR 0x01

static const struct config_rule *match_rule(const struct engine_context *engine,
                                            enum config_kind kind)
{
    for (uint32_t i = 0; i < engine->config->rules_count; i++) {
        const struct config_rule *rule = &engine->config->rules[i];
        if (rule->kind == kind && rule->match_count > 0) {
            return rule;
        }
    }
    return NULL;
}

/* Append `value` without regard to case, and a separator. */
static bool append_folded(struct ts_arena *arena, struct ts_slice *joined,
                          struct ts_slice value)
{
    size_t size = 0;
    uint8_t *folded =
        u8_casefold(value.data, value.size, NULL, NULL, NULL, &size);
    uint8_t *text =
        folded == NULL ? NULL : ts_arena_take(arena, joined->size + size + 1);
    if (text != NULL) {
        if (joined->size > 0) {
            memcpy(text, joined->data, joined->size);
        }
        memcpy(text + joined->size, folded, size);
        text[joined->size + size] = SEPARATOR;
        *joined = ts_slice(text, joined->size + size + 1);
    }
    free(folded);
    return text != NULL;
}

enum ts_code match_value_of(const struct engine_context *engine,
                            enum config_kind kind,
                            const struct ts_entry *values,
                            struct ts_arena *arena, struct ts_slice *ret_value,
                            struct ts_err *err)
{
    const struct config_rule *rule = match_rule(engine, kind);
    struct ts_slice joined = TS_SLICE_NONE;
    for (uint32_t i = 0; rule != NULL && i < rule->match_count; i++) {
        const struct ts_attribute *attribute =
            ts_entry_find(values, ts_slice_str(rule->match[i]));
        if (attribute == NULL || attribute->value_count != 1 ||
            attribute->kind == TS_KIND_BLOB || attribute->values[0].size == 0) {
            joined = TS_SLICE_NONE;
            break;
        }
        if (!append_folded(arena, &joined, attribute->values[0])) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "could not compare \"%s\" of an object: it is too "
                           "large",
                           rule->match[i]);
        }
    }
    *ret_value = joined;
    return TS_OK;
}

enum ts_code match_value_one(struct ts_slice text, struct ts_arena *arena,
                             struct ts_slice *ret_value, struct ts_err *err)
{
    *ret_value = TS_SLICE_NONE;
    return append_folded(arena, ret_value, text)
               ? TS_OK
               : ts_fail(err, TS_E_LIMIT, 0, "could not fold a name");
}

static bool equal_folded(struct ts_slice folded, const char *text)
{
    size_t size = 0;
    uint8_t *other = u8_casefold((const uint8_t *) text, strlen(text), NULL,
                                 NULL, NULL, &size);
    bool equal = other != NULL && ts_slice_equal(folded, ts_slice(other, size));
    free(other);
    return equal;
}

bool match_is_never(const struct engine_context *engine,
                    struct ts_slice match_value)
{
    const struct config_target *target = &engine->config->target;
    size_t begin = 0;
    for (size_t i = 0; i < match_value.size; i++) {
        if (match_value.data[i] != SEPARATOR) {
            continue;
        }
        struct ts_slice one = ts_slice(match_value.data + begin, i - begin);
        for (uint32_t n = 0; n < target->never_match_count; n++) {
            if (equal_folded(one, target->never_match[n])) {
                return true;
            }
        }
        begin = i + 1;
    }
    return false;
}

/* ---- one search ------------------------------------------------------------
 */

struct search {
    struct engine_context *engine;
    const struct metaverse_object *object;
    struct ts_arena *arena;
    struct target_candidates found;
    struct contest contest; /* key, and why when refused */
    char by[64];            /* "its anchor", "userName" */
    char text[320];
    enum match_verdict verdict;
};

/* "cannot take over WHAT of the target: WHY" */
static void refuse(struct search *s, const char *code, const char *what,
                   const char *why)
{
    struct ts_slice id = s->found.target_id;
    (void) snprintf(s->text, sizeof s->text,
                    "cannot take over %s %.*s of the target, which matches by "
                    "%s: %s",
                    what, id.size > 100 ? 100 : (int) id.size,
                    (const char *) id.data, s->by, why);
    s->contest.code = code;
    s->contest.text = s->text;
    s->verdict = MATCH_REFUSED;
}

static void refuse_several(struct search *s)
{
    (void) snprintf(s->text, sizeof s->text,
                    "cannot take over any of %lld objects of the target that "
                    "match by %s: it is not known which of them it is; remove "
                    "or rename all but one there",
                    (long long) s->found.usable, s->by);
    s->contest.code = "match";
    s->contest.text = s->text;
    s->verdict = MATCH_REFUSED;
}

/* What is there is of no use: say the first of the reasons. */
static void refuse_unusable(struct search *s)
{
    if (s->found.shielded > 0) {
        refuse(s, "shielded", "the object",
               "it is an administrator, a service identity or named by "
               "never-match, and those are never taken over; rename one of "
               "the two");
    } else if (s->found.anchored > 0) {
        refuse(s, "invalid-soft-match", "the object",
               "it carries another anchor as its externalId; clear that if "
               "the object belongs to this one, else rename one of the two");
    } else if (s->found.of_other_kind > 0) {
        refuse(s, "object-type-mismatch",
               s->object->kind == CONFIG_KIND_USER ? "the group" : "the user",
               s->object->kind == CONFIG_KIND_USER
                   ? "this one is a user; rename or remove one of the two"
                   : "this one is a group; rename or remove one of the two");
    }
}

/* ---- by anchor -------------------------------------------------------------
 */

static enum ts_code take_hard(struct search *s, struct ts_err *err)
{
    enum ledger_provenance provenance;
    bool known = false;
    if (s->found.usable > 1) {
        refuse_several(s);
        return TS_OK;
    }
    s->verdict = MATCH_HARD;
    if (!s->engine->config->target.block_hard_match_takeover) {
        return TS_OK;
    }
    enum ts_code code = ledger_get(s->engine->state.mv, s->object->kind,
                                   s->object->anchor, &known, &provenance, err);
    if (code == TS_OK && (!known || provenance == LEDGER_FOUND)) {
        refuse(s, "hard-match-blocked", "the object",
               "it is not in the ledger, and block-hard-match-takeover is "
               "set; clear its externalId, or the switch");
    }
    return code;
}

/* Several source objects may make up a person, and the target may know it by
 * the anchor of another than was seen first this time. Only before the first
 * export: after it the anchor is in the ledger. */
static enum ts_code search_by_joined(struct search *s, struct ts_err *err)
{
    struct metaverse *mv = s->engine->state.mv;
    struct target_candidates found;
    int64_t ids[FLOW_CONTRIBUTORS_MAX];
    size_t count = FLOW_CONTRIBUTORS_MAX;
    bool exported = false;
    enum ts_code code =
        ledger_has(mv, s->object->kind, s->object->anchor, &exported, err);
    if (code == TS_OK && !exported) {
        code = object_contributors(mv, s->object->id, ids, &count, err);
    }
    for (size_t i = 0; code == TS_OK && !exported && i < count; i++) {
        struct connector_object joined;
        int64_t other = 0;
        code = connector_get(mv, ids[i], s->arena, &joined, err);
        if (code == TS_OK) {
            code = object_by_anchor(mv, s->object->kind, joined.anchor, &other,
                                    err);
        }
        if (code == TS_OK) {
            code = target_candidates_by_anchor(
                mv, s->object->kind, joined.anchor, s->arena, &found, err);
        }
        if (code == TS_OK && other == 0 && found.usable == 1) {
            s->found = found;
            return take_hard(s, err);
        }
    }
    return code;
}

static enum ts_code search_by_anchor(struct search *s, struct ts_err *err)
{
    (void) snprintf(s->by, sizeof s->by, "its anchor");
    s->contest.key = contest_key_of_anchor(s->object->anchor);
    enum ts_code code = target_candidates_by_anchor(
        s->engine->state.mv, s->object->kind, s->object->anchor, s->arena,
        &s->found, err);
    if (code == TS_OK && s->found.usable > 0) {
        return take_hard(s, err);
    }
    if (code == TS_OK) {
        refuse_unusable(s);
    }
    return code == TS_OK && s->verdict == MATCH_NONE &&
                   s->engine->config->sources_count > 1
               ? search_by_joined(s, err)
               : code;
}

/* ---- by value --------------------------------------------------------------
 */

static enum ts_code take_soft(struct search *s, struct ts_err *err)
{
    int64_t others = 0;
    if (s->found.usable > 1) {
        refuse_several(s);
        return TS_OK;
    }
    if (s->engine->config->target.block_soft_match) {
        refuse(s, "soft-match-blocked", "the object",
               "block-soft-match is set; give it this one's anchor as its "
               "externalId, or rename one of the two");
        return TS_OK;
    }
    enum ts_code code = contest_others(s->engine, s->object, &s->contest.key,
                                       s->found.row.target_id, &others, err);
    s->verdict = MATCH_SOFT;
    if (code == TS_OK && others > 0) {
        contest_several(s->text, s->object->kind, others + 1,
                        s->found.row.target_id);
        s->contest.code = "match";
        s->contest.text = s->text;
        s->verdict = MATCH_REFUSED;
    }
    return code;
}

/* Do users and groups match by the same paths, so that their values are of one
 * name space? */
static bool same_paths(const struct engine_context *engine)
{
    const struct config_rule *user = match_rule(engine, CONFIG_KIND_USER);
    const struct config_rule *group = match_rule(engine, CONFIG_KIND_GROUP);
    bool same = user != NULL && group != NULL &&
                user->match_count == group->match_count;
    for (uint32_t i = 0; same && i < user->match_count; i++) {
        same = strcmp(user->match[i], group->match[i]) == 0;
    }
    return same;
}

static enum ts_code search_by_value(struct search *s,
                                    const struct ts_entry *wanted,
                                    struct ts_err *err)
{
    struct ts_slice value = TS_SLICE_NONE;
    enum config_kind kind = (enum config_kind) s->object->kind;
    const struct config_rule *rule = match_rule(s->engine, kind);
    enum ts_code code =
        match_value_of(s->engine, kind, wanted, s->arena, &value, err);
    if (code != TS_OK || value.size == 0 || rule == NULL) {
        return code;
    }
    (void) snprintf(s->by, sizeof s->by, "%.50s%s", rule->match[0],
                    rule->match_count > 1 ? " and others" : "");
    s->contest.key = contest_key_of_value(value);
    code = target_candidates_by_match(s->engine->state.mv, s->object->kind,
                                      value, s->arena, &s->found, err);
    if (code != TS_OK) {
        return code;
    }
    if (s->found.of_other_kind > 0 && !same_paths(s->engine)) {
        s->found.of_other_kind = 0;
    }
    if (s->found.usable > 0) {
        return take_soft(s, err);
    }
    refuse_unusable(s);
    return TS_OK;
}

enum ts_code match_free(struct engine_context *engine,
                        const struct metaverse_object *object,
                        const struct ts_entry *wanted, struct ts_arena *arena,
                        struct target_row *ret_row,
                        enum match_verdict *ret_verdict, struct ts_err *err)
{
    struct search s = { .engine = engine,
                        .object = object,
                        .arena = arena,
                        .verdict = MATCH_NONE };
    enum ts_code code = search_by_anchor(&s, err);
    if (code == TS_OK && s.verdict == MATCH_NONE) {
        code = search_by_value(&s, wanted, err);
    }
    if (code == TS_OK && s.verdict == MATCH_REFUSED) {
        code = contest_refuse(engine, object, &s.contest, err);
    }
    if (code == TS_OK) {
        code =
            contest_over(engine, object,
                         s.verdict == MATCH_REFUSED ? &s.contest : NULL, err);
    }
    *ret_row = s.found.row;
    *ret_verdict = s.verdict;
    return code;
}
