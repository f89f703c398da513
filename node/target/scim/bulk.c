#include "node/target/scim/bulk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/base/json.h"
#include "node/target/scim/compose.h"

#define HEAD "{\"schemas\":[\"" SCIM_URN_BULK "\"],\"Operations\":["
#define TAIL "]}"

bool scim_bulk_fits(const struct scim *scim, const struct scim_task *task)
{
    bool conditional = scim->schema.etag && task->work.verb != TARGET_CREATE &&
                       (task->work.etag.size > 0 || task->etag != NULL);
    return task->step == SCIM_STEP_WRITE && !conditional &&
           !scim_must_read(scim, task);
}

static const char *method_of(const struct scim *scim,
                             const struct scim_task *task)
{
    return task->work.verb == TARGET_CREATE   ? "POST"
           : task->work.verb == TARGET_DELETE ? "DELETE"
           : scim->schema.patch               ? "PATCH"
                                              : "PUT";
}

/* -- request --------------------------------------------------------------- */

/* One operation as text in the send's arena. */
static enum ts_code compose_item(struct scim_send *send, struct scim_task *task,
                                 struct ts_slice *ret_text,
                                 const char **ret_attribute, struct ts_err *err)
{
    struct scim *scim = send->scim;
    const struct target_op *op = &task->work;
    TS_AUTOJSON json_t *data = NULL;
    TS_AUTOJSON json_t *item = NULL;
    char bulk_id[24];

    if (op->verb != TARGET_DELETE) {
        enum ts_code rc =
            scim_compose_body(send, task, ret_attribute, &data, err);
        if (rc != TS_OK) {
            return rc;
        }
    }
    const char *id = ts_http_escape(&send->arena, op->id);
    const char *path = id == NULL ? NULL
                                  : scim_print(&send->arena, "%s%s%s",
                                               scim->schema.endpoint[op->kind],
                                               op->id.size > 0 ? "/" : "", id);
    (void) snprintf(bulk_id, sizeof bulk_id, "%llu",
                    (unsigned long long) op->tag.intent);
    item = path == NULL ? NULL
                        : json_pack("{s:s, s:s, s:s, s:O*}", "method",
                                    method_of(scim, task), "path", path,
                                    "bulkId", bulk_id, "data", data);
    *ret_text =
        item == NULL ? TS_SLICE_NONE : ts_json_print(item, &send->arena);
    return ret_text->data != NULL
               ? TS_OK
               : ts_fail(err, TS_E_NOMEM, 0,
                         "could not compose a request: out of memory");
}

static void join(char *to, const struct ts_slice *texts, size_t count)
{
    assert(texts != NULL);
    to = stpcpy(to, HEAD);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            *to++ = ',';
        }
        memcpy(to, texts[i].data, texts[i].size);
        to += texts[i].size;
    }
    memcpy(to, TAIL, sizeof TAIL - 1);
}

/* Request line and headers around the body. */
static bool finish_request(struct scim_send *send, const struct ts_slice *texts,
                           size_t size)
{
    struct scim *scim = send->scim;
    struct target_tag tag = { .batch = send->tasks[0]->op->tag.batch };
    const char *header =
        scim_op_header(scim, tag, send->tasks[0]->retries, &send->arena);
    char *body = ts_arena_take(&send->arena, size);
    if (body == NULL ||
        !scim_request_init(scim, &send->request, header, &send->arena)) {
        return false;
    }
    join(body, texts, send->task_count);
    send->request.method = TS_HTTP_POST;
    send->request.url = scim_print(&send->arena, "%s/Bulk", scim->url);
    send->request.headers[3] = SCIM_CONTENT_TYPE;
    send->request.body = ts_slice(body, size);
    send->request.gated = true;
    send->request.replayable = false;
    send->request.answer_max = SCIM_WRITE_ANSWER_SIZE_MAX;
    return send->request.url != NULL;
}

/* Back into the queue, in their order. */
static void put_back(struct scim_send *send)
{
    while (send->task_count > 0) {
        scim_queue_first(send->scim, send->tasks[--send->task_count]);
    }
}

bool scim_bulk_prepare(struct scim_send *send, size_t most)
{
    struct scim *scim = send->scim;
    size_t limit = scim->schema.bulk_payload_max;
    size_t size = sizeof HEAD - 1 + sizeof TAIL - 1;
    struct ts_slice *texts = ts_arena_array(&send->arena, most, sizeof *texts);

    while (texts != NULL && send->task_count < most && scim->queue_count > 0 &&
           scim_bulk_fits(scim, scim->queue)) {
        struct ts_err err = { .text = "" };
        const char *attribute = NULL;
        struct scim_task *task = scim_queue_take(scim);
        struct ts_slice *text = &texts[send->task_count];
        enum ts_code rc = compose_item(send, task, text, &attribute, &err);
        if (rc != TS_OK) {
            scim_finish_refused(scim, task, rc, attribute, err.text);
            continue;
        }
        if (size + text->size + 1 > limit) {
            scim_queue_first(scim, task);
            break;
        }
        size += text->size + (send->task_count > 0 ? 1 : 0);
        send->tasks[send->task_count++] = task;
    }
    if (send->task_count > 1 && finish_request(send, texts, size)) {
        return true;
    }
    put_back(send);
    return false;
}

/* -- answer ---------------------------------------------------------------- */

/* "201", 201, or {"code": "201"} of an early draft that lives on. */
static int status_of(json_t *result)
{
    json_t *status = json_object_get(result, "status");
    if (json_is_object(status)) {
        status = json_object_get(status, "code");
    }
    const char *text = json_string_value(status);
    json_int_t number = json_integer_value(status);
    if (text != NULL && strlen(text) == 3 && strspn(text, "0123456789") == 3) {
        number = strtol(text, NULL, 10);
    }
    return number >= 100 && number <= 599 ? (int) number : 0;
}

/* The last segment of a location, percent-encoded as it is there. */
static struct ts_slice last_segment(const char *location)
{
    const char *slash = location == NULL ? NULL : strrchr(location, '/');
    return slash == NULL ? TS_SLICE_NONE : ts_slice_str(slash + 1);
}

static struct scim_bulk_item *
item_of(json_t *result, struct scim_bulk_item *items, size_t count)
{
    const char *bulk_id = ts_json_text(result, "bulkId");
    const char *method = ts_json_text(result, "method");
    struct ts_slice id = last_segment(ts_json_text(result, "location"));
    for (size_t i = 0; i < count; i++) {
        struct scim_bulk_item *item = &items[i];
        if (bulk_id != NULL) {
            char *end;
            unsigned long long number = strtoull(bulk_id, &end, 10);
            if (*end == '\0' && end != bulk_id && number == item->bulk_id) {
                return item;
            }
        } else if (item->id.size > 0 && method != NULL &&
                   strcasecmp(method, item->method) == 0 &&
                   ts_slice_equal(id, item->id)) {
            return item;
        }
    }
    return NULL;
}

bool scim_bulk_match(json_t *json, struct scim_bulk_item *items, size_t count)
{
    json_t *results = scim_member(json, ts_slice_str("Operations"));
    size_t index;
    json_t *result;
    if (!json_is_array(results)) {
        return false;
    }
    json_array_foreach(results, index, result)
    {
        struct scim_bulk_item *item = item_of(result, items, count);
        if (item != NULL) {
            item->results++;
            item->status = status_of(result);
            item->location = ts_json_text(result, "location");
            item->version = ts_json_text(result, "version");
            item->response = json_object_get(result, "response");
        }
    }
    return true;
}

/* What was sent, without what was to be empty anyway. */
static struct ts_entry sent_values(struct scim_send *send,
                                   const struct ts_entry *set)
{
    struct ts_entry sent = { .attributes =
                                 ts_arena_array(&send->arena, set->count,
                                                sizeof *sent.attributes) };
    for (size_t i = 0; sent.attributes != NULL && i < set->count; i++) {
        if (set->attributes[i].value_count > 0) {
            sent.attributes[sent.count++] = set->attributes[i];
        }
    }
    return sent;
}

/* A created object as far as a location tells: the values were not shown. */
static bool created(struct scim_send *send, const struct scim_bulk_item *item,
                    const struct scim_task *task, struct target_object *ret)
{
    const char *shown = ts_json_text(item->response, "id");
    struct ts_slice id =
        shown != NULL
            ? ts_arena_copy(&send->arena, ts_slice_str(shown))
            : ts_http_unescape(&send->arena, last_segment(item->location));
    *ret =
        (struct target_object){ .kind = task->op->kind,
                                .id = id,
                                .anchor = task->op->anchor,
                                .values = sent_values(send, &task->work.set) };
    if (send->scim->schema.etag && item->version != NULL) {
        ret->etag = ts_slice_str(item->version);
    }
    return id.size > 0 && id.size <= SCIM_ID_SIZE_MAX;
}

static void tell_item(struct scim_send *send, struct scim_task *task,
                      const struct scim_bulk_item *item,
                      const struct ts_http_answer *answer)
{
    struct scim *scim = send->scim;
    struct target_object object;
    struct target_outcome outcome = { .result = TARGET_DONE,
                                      .status = item->status };

    if (item->results != 1) {
        scim_finish_with(scim, task, TARGET_UNKNOWN,
                         "could not tell what became of the operation: the "
                         "service's bulk answer does not say");
        return;
    }
    if (item->status < 200 || item->status > 299 || item->status == 202) {
        struct ts_slice body =
            item->response == NULL
                ? TS_SLICE_NONE
                : ts_json_print(item->response, &send->arena);
        struct ts_http_answer part = { .end = TS_HTTP_ANSWERED,
                                       .status = item->status,
                                       .body = body,
                                       .retry_after = answer->retry_after,
                                       .date = answer->date };
        scim_answer(send, task, &part);
        return;
    }
    if (task->work.verb == TARGET_CREATE) {
        if (!created(send, item, task, &object)) {
            scim_finish_with(scim, task, TARGET_UNKNOWN,
                             "could not tell which object was created: the "
                             "service's bulk answer has no location");
            return;
        }
        outcome.objects = &object;
        outcome.object_count = 1;
    }
    scim_finish(scim, task, &outcome);
}

static void tell_all(struct scim_send *send, enum target_result result,
                     const char *text)
{
    for (size_t i = 0; i < send->task_count; i++) {
        scim_finish_with(send->scim, send->tasks[i], result, text);
    }
    send->task_count = 0;
}

/* The request as a whole was answered with 200. */
static void distribute(struct scim_send *send,
                       const struct ts_http_answer *answer)
{
    struct scim *scim = send->scim;
    TS_AUTOJSON json_t *json = NULL;
    struct scim_bulk_item *items =
        ts_arena_array(&send->arena, send->task_count, sizeof *items);
    for (size_t i = 0; items != NULL && i < send->task_count; i++) {
        const struct scim_task *task = send->tasks[i];
        items[i] = (struct scim_bulk_item){
            .method = method_of(scim, task),
            .bulk_id = task->op->tag.intent,
            .id = ts_slice_str(ts_http_escape(&send->arena, task->op->id)),
        };
    }
    if (items == NULL || !scim_is_json(answer->content_type) ||
        ts_json_parse(answer->body, &json, NULL) != TS_OK ||
        !scim_bulk_match(json, items, send->task_count)) {
        pace_failed(&scim->pace);
        tell_all(send, TARGET_UNKNOWN,
                 "could not tell what became of the operation: the service's "
                 "bulk answer is not one");
        return;
    }
    size_t reported = 0;
    for (size_t i = 0; i < send->task_count; i++) {
        reported += items[i].results == 1 ? 1 : 0;
        tell_item(send, send->tasks[i], &items[i], answer);
    }
    /* What it did not report was not done faster. */
    pace_answered(&scim->pace, ts_time_now(), reported);
    send->task_count = 0;
}

/* The bundle had no effect: every operation may go again, if it has not too
 * often. */
static void again(struct scim_send *send, const struct scim_verdict *verdict)
{
    struct scim *scim = send->scim;
    size_t kept = 0;
    for (size_t i = 0; i < send->task_count; i++) {
        struct scim_task *task = send->tasks[i];
        bool spent = verdict->next == SCIM_NEXT_RENEW
                         ? task->renewed
                         : task->retries >= SCIM_ATTEMPTS_MAX;
        task->renewed = task->renewed || verdict->next == SCIM_NEXT_RENEW;
        task->retries++;
        if (spent) {
            scim_finish_with(scim, task, verdict->result, verdict->why);
        } else {
            send->tasks[kept++] = task;
        }
    }
    send->task_count = kept;
    put_back(send);
}

static void judged(struct scim_send *send, const struct ts_http_answer *answer)
{
    struct scim *scim = send->scim;
    struct scim_verdict verdict = scim_judge(
        SCIM_ACT_BUNDLE, answer->status, answer->retry_after != NULL, false);
    if (verdict.result == TARGET_DONE) {
        distribute(send, answer);
        return;
    }
    if (verdict.next == SCIM_NEXT_WAIT || answer->status == 503) {
        int64_t ms = pace_retry_after(answer->retry_after, answer->date,
                                      ts_wall_seconds());
        pace_refused(&scim->pace, ts_time_now(), ms, scim_random());
    } else if (verdict.next == SCIM_NEXT_RENEW) {
        oauth_refused(scim->oauth, send->token);
    } else if (verdict.result == TARGET_UNKNOWN) {
        pace_failed(&scim->pace);
    } else {
        /* 413 and other refusals of Bulk as such: smaller, in the end none. */
        pace_bundle_refused(&scim->pace, send->task_count);
        put_back(send);
        return;
    }
    if (verdict.next == SCIM_NEXT_TELL) {
        tell_all(send, verdict.result, verdict.why);
    } else {
        again(send, &verdict);
    }
}

void scim_bulk_answer(struct scim_send *send,
                      const struct ts_http_answer *answer)
{
    struct scim *scim = send->scim;
    scim->unreachable =
        answer->end == TS_HTTP_UNSENT ? scim->unreachable + 1 : 0;
    switch (answer->end) {
    case TS_HTTP_ANSWERED:
        judged(send, answer);
        break;
    case TS_HTTP_OVERSIZE:
    case TS_HTTP_LOST:
        pace_failed(&scim->pace);
        tell_all(send, TARGET_UNKNOWN, answer->err.text);
        break;
    case TS_HTTP_UNSENT:
        pace_failed(&scim->pace);
        tell_all(send, TARGET_LATER, answer->err.text);
        if (scim->unreachable >= SCIM_UNREACHABLE_MAX) {
            scim_finish_queue(scim, TARGET_LATER, answer->err.text);
        }
        break;
    case TS_HTTP_STOPPED:
        tell_all(send, TARGET_STOPPED, answer->err.text);
        break;
    }
}
