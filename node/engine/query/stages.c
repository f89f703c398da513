/* The stages that `show` tells, in the order in which data flows: from the
 * source to the metaverse. What follows: stages_target.c. */
#include "node/engine/query/show.h"

#include <stdio.h>

#include "node/engine/compare.h"
#include "node/engine/deviation.h"
#include "node/engine/query/common.h"
#include "proto/entry_codec.h"

/* ---- pieces
 * ------------------------------------------------------------------------------
 */

json_t *show_stage(struct showing *s, const char *name, const char *state)
{
    json_t *document =
        json_pack("{s:s, s:s, s:{}}", "stage", name, "state", state, "facts");
    (void) json_array_append_new(s->stages, document);
    return document;
}

void show_fact(json_t *stage_document, const char *name, json_t *value)
{
    (void) json_object_set_new(json_object_get(stage_document, "facts"), name,
                               value);
}

/* The list called `name` of the stage, made when it is first needed. */
static json_t *list_in(json_t *stage_document, const char *name)
{
    json_t *list = json_object_get(stage_document, name);
    if (list == NULL) {
        list = json_array();
        (void) json_object_set_new(stage_document, name, list);
    }
    return list;
}

void show_value(json_t *stage_document, struct ts_slice path, json_t *values,
                const char *from)
{
    (void) json_array_append_new(list_in(stage_document, "values"),
                                 json_pack("{s:o, s:o, s:s?}", "path",
                                           query_text(path), "values", values,
                                           "from", from));
}

void show_difference(json_t *stage_document, struct ts_slice path, json_t *ours,
                     json_t *theirs)
{
    (void) json_array_append_new(list_in(stage_document, "differences"),
                                 json_pack("{s:o, s:o, s:o}", "path",
                                           query_text(path), "ours", ours,
                                           "theirs", theirs));
}

void show_problem(json_t *stage_document, struct ts_slice path,
                  struct ts_slice text)
{
    (void) json_array_append_new(list_in(stage_document, "problems"),
                                 json_pack("{s:o, s:o}", "path",
                                           query_text(path), "text",
                                           query_text(text)));
}

/* ---- source
 * ------------------------------------------------------------------------------
 */

static const char *source_name(const struct showing *s,
                               const struct flow_part *part)
{
    size_t index = (size_t) part->object.source_id - 1;
    return index < s->engine->config->sources_count
               ? s->engine->config->sources[index].name
               : NULL;
}

/* References as the source wrote them: DNs. */
static enum ts_code add_source_links(struct showing *s, int64_t object_id,
                                     json_t *document, struct ts_err *err)
{
    static const char sql[] =
        "SELECT attribute, dn FROM source_link WHERE object_id = ?1 "
        "ORDER BY attribute, dn_key LIMIT ?2";
    sqlite3_stmt *stmt = NULL;
    json_t *last = NULL;
    enum ts_code code = metaverse_query(
        s->mv, sql, DB_VALUES(DB_INT(object_id), DB_INT(SHOW_LINKS_MAX)), &stmt,
        err);
    while (db_next(&s->mv->db, stmt, &code, err)) {
        struct ts_slice name = db_column(stmt, 0);
        const char *known = json_string_value(json_object_get(last, "path"));
        if (known == NULL || !ts_slice_equal(ts_slice_str(known), name)) {
            show_value(document, name, json_array(), NULL);
            json_t *values = json_object_get(document, "values");
            last = json_array_get(values, json_array_size(values) - 1);
        }
        (void) json_array_append_new(json_object_get(last, "values"),
                                     query_text(db_column(stmt, 1)));
    }
    return code;
}

static enum ts_code show_one_source(struct showing *s,
                                    const struct flow_part *part,
                                    struct ts_err *err)
{
    struct ts_entry entry;
    struct ts_slice dn = TS_SLICE_NONE;
    const char *name = source_name(s, part);
    enum ts_code code =
        entry_unpack(part->object.packed, &s->arena, &entry, err);
    if (code == TS_OK) {
        code = place_dn(s->engine, &part->object, &s->arena, &dn, err);
    }
    if (code != TS_OK) {
        return code;
    }
    json_t *document =
        show_stage(s, "source", part->object.gone ? "missing" : "ok");
    show_fact(document, "source",
              name != NULL ? json_string(name) : json_null());
    show_fact(document, "dn", dn.size > 0 ? query_text(dn) : json_null());
    show_fact(document, "anchor", query_text(part->object.anchor));
    for (size_t i = 0; i < entry.count; i++) {
        show_value(document, entry.attributes[i].name,
                   query_values(&entry.attributes[i]), NULL);
    }
    if (part->object.changed > s->engine->state.numbers.synchronized) {
        show_fact(document, "synchronized", json_false());
        show_because(s, SHOW_NEW,
                     "it was read from the source and not synchronized yet; "
                     "that is the next step of the cycle");
    }
    return add_source_links(s, part->object.id, document, err);
}

enum ts_code show_source(struct showing *s, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < s->part_count; i++) {
        code = show_one_source(s, &s->parts[i], err);
    }
    if (code == TS_OK && s->part_count == 0) {
        (void) show_stage(s, "source", "missing");
    }
    return code;
}

/* ---- scope
 * -------------------------------------------------------------------------------
 */

/* "user 1": the kind and the number of the rule among those of its kind. */
static json_t *rule_name(const struct config *config, size_t index)
{
    int number = 1;
    for (size_t i = 0; i < index; i++) {
        number += config->rules[i].kind == config->rules[index].kind;
    }
    return json_sprintf("%s %d", query_kind((int) config->rules[index].kind),
                        number);
}

static void explain_out(struct showing *s, const struct rules_result *result)
{
    char text[sizeof s->why] = "it is out of scope: no rule is for its source";
    json_t *rule = rule_name(s->engine->config, result->rule);
    if (result->false_term != NULL) {
        (void) snprintf(text, sizeof text,
                        "it is out of scope: \"%.300s\" in \"when\" of rule "
                        "%s is not true",
                        result->false_term, json_string_value(rule));
    }
    json_decref(rule);
    show_because(s, SHOW_SCOPE, text);
}

static void show_one_scope(struct showing *s, const struct rules_result *result)
{
    static const char *const verdicts[] = {
        [RULES_IN] = "in", [RULES_OUT] = "out", [RULES_UNDECIDED] = "undecided"
    };
    char text[sizeof s->why];
    const char *state =
        result->scope == RULES_OUT ? "out"
        : result->scope == RULES_UNDECIDED || result->problem_count > 0
            ? "problem"
            : "ok";
    json_t *document = show_stage(s, "scope", state);
    show_fact(document, "verdict", json_string(verdicts[result->scope]));
    show_fact(document, "rule",
              result->scope == RULES_IN || result->false_term != NULL
                  ? rule_name(s->engine->config, result->rule)
                  : json_null());
    show_fact(document, "false_term",
              result->scope == RULES_OUT && result->false_term != NULL
                  ? query_text(ts_slice_str(result->false_term))
                  : json_null());
    for (size_t i = 0; i < result->problem_count; i++) {
        show_problem(document, ts_slice_str(result->problems[i].path),
                     ts_slice_str(result->problems[i].text));
        (void) snprintf(text, sizeof text,
                        "the rule of \"%.100s\" failed, so it stays as it is: "
                        "%.300s",
                        result->problems[i].path, result->problems[i].text);
        show_because(s, SHOW_RULES, text);
    }
    if (result->scope == RULES_OUT) {
        explain_out(s, result);
    }
}

void show_scope(struct showing *s)
{
    for (size_t i = 0; s->evaluated && i < s->part_count; i++) {
        show_one_scope(s, &s->parts[i].result);
    }
    if (!s->evaluated && s->part_count > 0) {
        json_t *document = show_stage(s, "scope", "waiting");
        show_fact(document, "verdict", json_null());
        show_because(s, SHOW_NEW,
                     "no rule was evaluated since the daemon started, because "
                     "no source could be reached; see twinsync status");
    }
}

/* ---- join
 * --------------------------------------------------------------------------------
 */

static bool any_in_scope(const struct showing *s)
{
    for (size_t i = 0; s->evaluated && i < s->part_count; i++) {
        if (s->parts[i].result.scope == RULES_IN) {
            return true;
        }
    }
    return false;
}

static bool has_the_anchor(const struct showing *s)
{
    for (size_t i = 0; i < s->part_count; i++) {
        if (ts_slice_equal(s->parts[i].object.anchor, s->object.anchor)) {
            return true;
        }
    }
    return false;
}

enum ts_code show_join(struct showing *s, struct ts_err *err)
{
    static const char *const stages[] = { "join", NULL };
    int64_t ignored = 0;
    if (!s->in_metaverse && !any_in_scope(s)) {
        return TS_OK; /* not reached */
    }
    json_t *document =
        show_stage(s, "join", s->in_metaverse ? "ok" : "waiting");
    show_fact(document, "joined_by",
              !s->in_metaverse     ? json_null()
              : has_the_anchor(s)  ? json_string("anchor")
              : s->part_count == 0 ? json_null()
                                   : json_string("value"));
    show_fact(document, "sources", json_integer((json_int_t) s->part_count));
    if (!s->in_metaverse) {
        show_because(s, SHOW_NEW,
                     "it is in scope and in no person or group yet; the next "
                     "cycle makes one");
    }
    return show_noted(s, stages, document, &ignored, err);
}

/* ---- metaverse
 * ---------------------------------------------------------------------------
 */

/* Which source a value comes from: the first by precedence that gives it. */
static const char *provenance(const struct showing *s,
                              const struct ts_attribute *value)
{
    const struct flow_part *best = NULL;
    for (size_t i = 0; s->evaluated && i < s->part_count; i++) {
        const struct flow_part *part = &s->parts[i];
        const struct ts_attribute *theirs =
            ts_entry_find(&part->result.values, value->name);
        if (part->result.scope == RULES_IN && theirs != NULL &&
            ts_attribute_equal(theirs, value) &&
            (best == NULL || part->precedence < best->precedence)) {
            best = part;
        }
    }
    return best != NULL ? source_name(s, best) : NULL;
}

/* References by the names of those they lead to: as wanted. */
static enum ts_code add_references(struct showing *s, json_t *document,
                                   const char *sql, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    json_t *values = NULL;
    char last[256] = "";
    enum ts_code code = db_prepare(&s->mv->db, sql, &stmt, err);
    if (code == TS_OK) {
        db_bind(stmt, DB_VALUES(DB_INT(s->object.id), DB_INT(SHOW_LINKS_MAX)));
    }
    while (db_next(&s->mv->db, stmt, &code, err)) {
        struct ts_slice path = db_column(stmt, 0);
        if (values == NULL || !ts_slice_equal(path, ts_slice_str(last))) {
            (void) snprintf(last, sizeof last, "%.*s", TS_SLICE_ARGS(path));
            values = json_array();
            show_value(document, path, values, NULL);
        }
        struct ts_slice name =
            query_packed_name((int) db_column_int(stmt, 1), db_column(stmt, 2),
                              db_column(stmt, 3), &s->arena);
        (void) json_array_append_new(values, query_text(name));
    }
    return code;
}

static enum ts_code add_reference_counts(struct showing *s, json_t *document,
                                         struct ts_err *err)
{
    static const char sql[] =
        "SELECT path, sum(wanted > 0), sum(held), sum((wanted > 0) <> held) "
        "FROM reference WHERE owner_id = ?1 GROUP BY path";
    sqlite3_stmt *stmt = NULL;
    char name[280];
    enum ts_code code = metaverse_query(
        s->mv, sql, DB_VALUES(DB_INT(s->object.id)), &stmt, err);
    while (db_next(&s->mv->db, stmt, &code, err)) {
        struct ts_slice path = db_column(stmt, 0);
        (void) snprintf(name, sizeof name, "%.*s wanted", TS_SLICE_ARGS(path));
        show_fact(document, name, json_integer(db_column_int(stmt, 1)));
        (void) snprintf(name, sizeof name, "%.*s held", TS_SLICE_ARGS(path));
        show_fact(document, name, json_integer(db_column_int(stmt, 2)));
    }
    return code;
}

enum ts_code show_metaverse(struct showing *s, struct ts_err *err)
{
    static const char sql[] =
        "SELECT r.path, m.kind, m.packed, m.anchor FROM reference r "
        "JOIN metaverse m ON m.id = r.member_id WHERE r.owner_id = ?1 AND "
        "r.wanted > 0 ORDER BY r.path, r.member_id LIMIT ?2";
    static const char *const presences[] = { [OBJECT_IN] = "in scope",
                                             [OBJECT_OUT] = "out of scope",
                                             [OBJECT_GONE] =
                                                 "gone from the sources" };
    enum object_presence presence = s->object.presence;
    json_t *document =
        show_stage(s, "metaverse", presence == OBJECT_IN ? "ok" : "out");
    show_fact(document, "presence", json_string(presences[presence]));
    for (size_t i = 0; i < s->values.count; i++) {
        const struct ts_attribute *value = &s->values.attributes[i];
        show_value(document, value->name, query_values(value),
                   provenance(s, value));
    }
    enum ts_code code = add_reference_counts(s, document, err);
    return code == TS_OK ? add_references(s, document, sql, err) : code;
}
