/* From answers to outcomes. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>

#include "node/base/json.h"
#include "node/target/scim/scim.h"

enum scim_act scim_act_of(const struct scim_task *task)
{
    switch (task->step) {
    case SCIM_STEP_WRITE:
        return task->work.verb == TARGET_CREATE ? SCIM_ACT_CREATE
                                                : SCIM_ACT_CHANGE;
    case SCIM_STEP_FIND_ANCHOR:
    case SCIM_STEP_FIND_MATCH:
        return SCIM_ACT_SEARCH;
    case SCIM_STEP_READ_FIRST:
    case SCIM_STEP_READ:
        break;
    }
    return SCIM_ACT_READ;
}

static bool is_write(enum scim_act act)
{
    return act == SCIM_ACT_CREATE || act == SCIM_ACT_CHANGE;
}

static const char *const verbs[] = {
    [TARGET_CREATE] = "create",         [TARGET_UPDATE] = "update",
    [TARGET_DEACTIVATE] = "deactivate", [TARGET_REACTIVATE] = "reactivate",
    [TARGET_DELETE] = "delete",         [TARGET_READ] = "read",
    [TARGET_FIND] = "look up"
};

/* "could not create the user 4711: why (status 409, uniqueness: detail)" */
static const char *sentence(struct scim_send *send,
                            const struct scim_task *task, const char *why,
                            int status, const struct scim_complaint *complaint)
{
    const struct target_op *op = task->op;
    struct ts_slice who = op->id.size > 0 ? op->id : op->anchor;
    bool detail = complaint->detail[0] != '\0';
    bool type = complaint->type[0] != '\0';
    const char *text = scim_print(
        &send->arena, "could not %s the %s %.*s: %s (status %d%s%s%s%s)",
        verbs[op->verb], op->kind == CONFIG_KIND_USER ? "user" : "group",
        who.size > 200 ? 200 : (int) who.size,
        who.size == 0 ? "" : (const char *) who.data, why, status,
        type ? ", " : "", complaint->type, detail ? ": " : "",
        complaint->detail);
    return text == NULL ? why : text;
}

/* Does `text` speak of `word`, not only of "userName" where the word is "name"?
 */
static bool speaks_of(const char *text, struct ts_slice word)
{
    const char *start = (const char *) word.data;
    for (const char *at = text; (at = strcasestr(at, start)) != NULL; at++) {
        if ((at == text || isalnum((unsigned char) at[-1]) == 0) &&
            isalnum((unsigned char) at[word.size]) == 0) {
            return true;
        }
    }
    return false;
}

/* The flowed path that a complaint speaks of, if it names one. */
static const char *attribute_at_fault(struct scim_send *send,
                                      const struct scim_task *task,
                                      const char *detail)
{
    const struct ts_entry *set = &task->work.set;
    for (size_t i = 0; i < set->count; i++) {
        struct scim_path path;
        if (scim_path_parse(set->attributes[i].name, &path, NULL) != TS_OK) {
            continue;
        }
        struct ts_slice name = ts_arena_copy(&send->arena, path.attribute);
        if (name.data != NULL && name.size > 0 && speaks_of(detail, name)) {
            return (const char *) ts_arena_copy(&send->arena,
                                                set->attributes[i].name)
                .data;
        }
    }
    return NULL;
}

static void tell(struct scim_send *send, struct scim_task *task,
                 enum target_result result, const char *text)
{
    scim_finish_with(send->scim, task, result, text);
}

/* A success whose body cannot be believed: a write has happened or not, a read
 * has not. */
static void tell_garbage(struct scim_send *send, struct scim_task *task,
                         const char *why)
{
    tell(send, task,
         is_write(scim_act_of(task)) ? TARGET_UNKNOWN : TARGET_LATER, why);
}

static void tell_objects(struct scim_send *send, struct scim_task *task,
                         int status, const struct target_object *objects,
                         size_t count)
{
    struct target_outcome outcome = { .result = TARGET_DONE,
                                      .status = status,
                                      .objects = objects,
                                      .object_count = count };
    scim_finish(send->scim, task, &outcome);
}

/* -- successes ------------------------------------------------------------- */

static enum ts_code parse(const struct ts_http_answer *answer,
                          json_t **ret_json, struct ts_err *err)
{
    if (!scim_is_json(answer->content_type)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot use the service's answer: its content type is "
                       "not application/scim+json");
    }
    enum ts_code rc = ts_json_parse(answer->body, ret_json, err);
    if (rc != TS_OK) {
        ts_err_wrap(err, "cannot use the service's answer");
    }
    return rc;
}

static enum ts_code decode(struct scim_send *send, const struct scim_task *task,
                           json_t *json, struct target_object *ret,
                           struct ts_err *err)
{
    const struct scim_reader reader = {
        .schema = &send->scim->schema,
        .paths = &send->scim->options.paths[task->op->kind],
        .kind = task->op->kind,
        .origin =
            is_write(scim_act_of(task)) ? SCIM_FROM_WRITE : SCIM_FROM_READ,
        .self = scim_self(send->scim),
        .arena = &send->arena
    };
    return scim_decode_object(&reader, json, ret, err);
}

/* The header rules over meta.version: it belongs to this very answer. */
static void take_etag(struct scim_send *send,
                      const struct ts_http_answer *answer,
                      struct target_object *object)
{
    if (answer->etag != NULL) {
        object->etag = ts_arena_copy(&send->arena, ts_slice_str(answer->etag));
    }
    if (!send->scim->schema.etag) {
        object->etag = TS_SLICE_NONE; /* not a promise, see PROTOCOLS */
    }
}

/* One object in the body, which must be the one that was asked for (M3). */
static void object_answered(struct scim_send *send, struct scim_task *task,
                            const struct ts_http_answer *answer)
{
    TS_AUTOJSON json_t *json = NULL;
    struct target_object object;
    struct ts_err err;
    const struct target_op *op = task->op;

    if (parse(answer, &json, &err) != TS_OK ||
        decode(send, task, json, &object, &err) != TS_OK) {
        tell_garbage(send, task, err.text);
        return;
    }
    bool same = op->verb == TARGET_CREATE
                    ? object.anchor.size == 0 ||
                          ts_slice_equal(object.anchor, op->anchor)
                    : ts_slice_equal(object.id, op->id);
    if (!same) {
        tell_garbage(send, task,
                     "cannot use the service's answer: it shows another "
                     "object than the one that was asked for");
        return;
    }
    take_etag(send, answer, &object);
    tell_objects(send, task, answer->status, &object, 1);
}

/* Keep what was read, and go on to the write. */
static void current_answered(struct scim_send *send, struct scim_task *task,
                             const struct ts_http_answer *answer)
{
    TS_AUTOJSON json_t *json = NULL;
    struct target_object object;
    struct ts_err err;

    if (parse(answer, &json, &err) != TS_OK ||
        decode(send, task, json, &object, &err) != TS_OK) {
        tell_garbage(send, task, err.text);
        return;
    }
    if (!ts_slice_equal(object.id, task->op->id)) {
        tell_garbage(send, task,
                     "cannot use the service's answer: it shows another "
                     "object than the one that was asked for");
        return;
    }
    take_etag(send, answer, &object);
    free(task->etag);
    json_decref(task->current);
    task->etag =
        object.etag.size == 0
            ? NULL
            : strndup((const char *) object.etag.data, object.etag.size);
    task->current = json_incref(json);
    task->step = SCIM_STEP_WRITE;
    scim_queue_first(send->scim, task);
}

static bool text_equal(struct ts_slice a, struct ts_slice b, bool case_exact)
{
    int order = 1;
    if (ts_slice_equal(a, b)) {
        return true;
    }
    return !case_exact &&
           u8_casecmp(a.data, a.size, b.data, b.size, NULL, UNINORM_NFC,
                      &order) == 0 &&
           order == 0;
}

/* Did the service find what was searched for? One that ignores filters answers
 * with anybody, and a wrong soft match is a person's account given away. */
static bool is_match(struct scim_send *send, const struct scim_task *task,
                     json_t *json, const struct target_object *object)
{
    const struct target_op *op = task->op;
    if (task->step == SCIM_STEP_FIND_ANCHOR) {
        return ts_slice_equal(object->anchor, op->anchor);
    }
    struct scim_path path;
    if (scim_path_parse(ts_slice_str(op->match_path), &path, NULL) != TS_OK) {
        return false;
    }
    const struct scim_attribute *attribute =
        scim_schema_find(&send->scim->schema, op->kind, &path);
    bool exact = attribute != NULL && attribute->case_exact;
    json_t *top = scim_path_attribute(&path, json);
    size_t count = json_is_array(top) ? json_array_size(top) : 1;
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_is_array(top) ? json_array_get(top, i) : top;
        value = path.sub.size > 0 ? scim_member(value, path.sub) : value;
        if (json_is_string(value) &&
            text_equal(
                ts_slice(json_string_value(value), json_string_length(value)),
                op->match_value, exact)) {
            return true;
        }
    }
    return false;
}

static void search_answered(struct scim_send *send, struct scim_task *task,
                            const struct ts_http_answer *answer)
{
    TS_AUTOJSON json_t *json = NULL;
    struct scim_page page;
    struct target_object objects[2];
    struct ts_err err;

    if (parse(answer, &json, &err) != TS_OK ||
        scim_decode_page(json, &page, &err) != TS_OK) {
        tell_garbage(send, task, err.text);
        return;
    }
    size_t count = page.count > 2 ? 2 : page.count;
    for (size_t i = 0; i < count; i++) {
        json_t *one = json_array_get(page.resources, i);
        if (decode(send, task, one, &objects[i], &err) != TS_OK) {
            tell_garbage(send, task, err.text);
            return;
        }
        if (!send->scim->schema.etag) {
            objects[i].etag = TS_SLICE_NONE;
        }
        if (!is_match(send, task, one, &objects[i])) {
            tell_garbage(send, task,
                         "cannot look the object up: the service answers with "
                         "objects that do not match the filter");
            return;
        }
    }
    if (count == 0 && page.total > 0) {
        tell_garbage(send, task,
                     "cannot look the object up: the service counts matches "
                     "but lists none");
        return;
    }
    if (count == 0 && task->step == SCIM_STEP_FIND_ANCHOR &&
        task->op->match_path != NULL) {
        task->step = SCIM_STEP_FIND_MATCH;
        scim_queue_first(send->scim, task);
        return;
    }
    tell_objects(send, task, answer->status, objects, count);
}

static void success(struct scim_send *send, struct scim_task *task,
                    const struct ts_http_answer *answer)
{
    switch (task->step) {
    case SCIM_STEP_READ_FIRST:
        current_answered(send, task, answer);
        return;
    case SCIM_STEP_READ:
        object_answered(send, task, answer);
        return;
    case SCIM_STEP_FIND_ANCHOR:
    case SCIM_STEP_FIND_MATCH:
        search_answered(send, task, answer);
        return;
    case SCIM_STEP_WRITE:
        break;
    }
    if (task->work.verb == TARGET_DELETE ||
        (task->work.verb != TARGET_CREATE && answer->body.size == 0)) {
        tell_objects(send, task, answer->status, NULL, 0);
    } else {
        object_answered(send, task, answer);
    }
}

/* -- failures -------------------------------------------------------------- */

static void again(struct scim_send *send, struct scim_task *task)
{
    task->retries++;
    scim_queue_first(send->scim, task);
}

/* Note a wait that the service asked for. */
static void wait_for(struct scim_send *send, struct scim_task *task,
                     const struct ts_http_answer *answer)
{
    struct pace *pace = &send->scim->pace;
    struct ts_time now = ts_time_now();
    int64_t ms =
        pace_retry_after(answer->retry_after, answer->date, ts_wall_seconds());
    pace_refused(pace, now, ms, scim_random());
    if (pace->not_before.ms > now.ms) {
        task->throttled_ms += (uint32_t) (pace->not_before.ms - now.ms);
    }
}

static void judged(struct scim_send *send, struct scim_task *task,
                   const struct ts_http_answer *answer)
{
    struct scim *scim = send->scim;
    struct scim_complaint complaint = { .type = "" };
    if (answer->status < 200 || answer->status > 299) {
        scim_decode_complaint(answer->body, &complaint);
    }
    struct scim_verdict verdict = scim_judge(
        scim_act_of(task), answer->status, answer->retry_after != NULL,
        strcasecmp(complaint.type, "uniqueness") == 0);

    if (verdict.next == SCIM_NEXT_WAIT || verdict.next == SCIM_NEXT_AGAIN ||
        answer->status == 503) {
        wait_for(send, task, answer);
    } else if (answer->status >= 500) {
        pace_failed(&scim->pace);
    } else {
        pace_answered(&scim->pace, ts_time_now(), 1);
    }
    if (verdict.next == SCIM_NEXT_RENEW) {
        oauth_refused(scim->oauth, send->token);
        if (!task->renewed) {
            task->renewed = true;
            again(send, task);
            return;
        }
    } else if (verdict.next != SCIM_NEXT_TELL &&
               task->retries < SCIM_ATTEMPTS_MAX) {
        again(send, task);
        return;
    }
    if (verdict.result == TARGET_DONE) {
        success(send, task, answer);
        return;
    }
    struct target_outcome outcome = {
        .result = verdict.result,
        .status = answer->status,
        .text = sentence(send, task, verdict.why, answer->status, &complaint),
        .attribute = attribute_at_fault(send, task, complaint.detail)
    };
    scim_finish(scim, task, &outcome);
}

/* Sent, and no answer that could be used. */
static void lost(struct scim_send *send, struct scim_task *task,
                 const struct ts_http_answer *answer)
{
    pace_failed(&send->scim->pace);
    if (is_write(scim_act_of(task))) {
        tell(send, task, TARGET_UNKNOWN, answer->err.text);
    } else if (ts_http_cancelled(send->scim->http)) {
        tell(send, task, TARGET_STOPPED, answer->err.text);
    } else if (answer->end == TS_HTTP_LOST &&
               task->retries < SCIM_ATTEMPTS_MAX) {
        again(send, task);
    } else {
        tell(send, task, TARGET_LATER, answer->err.text);
    }
}

void scim_answer(struct scim_send *send, struct scim_task *task,
                 const struct ts_http_answer *answer)
{
    struct scim *scim = send->scim;
    scim->unreachable =
        answer->end == TS_HTTP_UNSENT ? scim->unreachable + 1 : 0;
    switch (answer->end) {
    case TS_HTTP_ANSWERED:
        judged(send, task, answer);
        break;
    case TS_HTTP_OVERSIZE:
    case TS_HTTP_LOST:
        lost(send, task, answer);
        break;
    case TS_HTTP_UNSENT:
        pace_failed(&scim->pace);
        tell(send, task, TARGET_LATER, answer->err.text);
        if (scim->unreachable >= SCIM_UNREACHABLE_MAX) {
            scim_finish_queue(scim, TARGET_LATER, answer->err.text);
        }
        break;
    case TS_HTTP_STOPPED:
        tell(send, task, TARGET_STOPPED, answer->err.text);
        break;
    }
}
