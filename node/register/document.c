#include "node/register/document.h"

#include <stdio.h>

#include "node/base/time.h"

static json_t *names_document(const struct register_value *value)
{
    json_t *names = json_array();
    for (size_t i = 0; i < value->voter_count; i++) {
        (void) json_array_append_new(names, json_string(value->voters[i]));
    }
    return names;
}

static json_t *principals_document(const struct register_value *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < value->principal_count; i++) {
        const struct register_principal *row = &value->principals[i];
        (void) json_array_append_new(
            list, json_pack("{s:I, s:s, s:s}", "epoch", (json_int_t) row->epoch,
                            "node", row->node, "id", row->id));
    }
    return list;
}

static json_t *retired_document(const struct register_value *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < value->retired_count; i++) {
        const struct register_retired *row = &value->retired[i];
        char at[TS_WALL_TEXT_SIZE] = "";
        if (row->at_s > 0) {
            ts_wall_text_of((int64_t) row->at_s, at);
        }
        (void) json_array_append_new(
            list, json_pack("{s:s, s:s?, s:s, s:s}", "node", row->node, "at",
                            at[0] == 0 ? NULL : at, "by", row->actor, "reason",
                            row->reason));
    }
    return list;
}

json_t *register_document(const struct register_value *value, int64_t age_ms)
{
    char id[2 * REGISTER_ID_SIZE + 1];
    for (size_t i = 0; i < REGISTER_ID_SIZE; i++) {
        (void) snprintf(id + 2 * i, 3, "%02x", value->id[i]);
    }
    return json_pack(
        "{s:s, s:I, s:I, s:o, s:s?, s:I, s:s?, s:b, s:b, s:b, s:I, s:I, s:o, "
        "s:o, s:o}",
        "id", id, "serial", (json_int_t) value->serial, "membership",
        (json_int_t) value->membership, "voters", names_document(value),
        "learner", value->learner[0] == 0 ? NULL : value->learner, "epoch",
        (json_int_t) value->epoch, "holder",
        value->holder[0] == 0 ? NULL : value->holder, "released",
        value->released, "fenced", value->fenced, "protected",
        !value->is_unprotected, "level", (json_int_t) value->level,
        "generation", (json_int_t) value->data_generation, "principals",
        principals_document(value), "retired", retired_document(value),
        "age_ms", age_ms < 0 ? json_null() : json_integer((json_int_t) age_ms));
}
