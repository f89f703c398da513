/* From tasks to requests. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "node/base/json.h"
#include "node/target/scim/bulk.h"
#include "node/target/scim/compose.h"
#include "node/target/scim/scim.h"

#define ACCEPT "Accept: application/scim+json, application/json"

char *scim_print(struct ts_arena *arena, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    char *text = size < 0 ? NULL : ts_arena_take(arena, (size_t) size + 1);
    if (text != NULL) {
        (void) vsnprintf(text, (size_t) size + 1, fmt, again);
    }
    va_end(again);
    va_end(args);
    return text;
}

uint32_t scim_random(void)
{
    uint32_t bits = 0;
    (void) !getrandom(&bits, sizeof bits, GRND_NONBLOCK);
    return bits;
}

const char *scim_op_header(const struct scim *scim, struct target_tag tag,
                           uint32_t retries, struct ts_arena *arena)
{
    const struct target_options *options = &scim->options;
    char intent[32] = "", retry[24] = "";
    if (tag.intent != 0) {
        (void) snprintf(intent, sizeof intent, ";i=%llu",
                        (unsigned long long) tag.intent);
    }
    if (retries != 0) {
        (void) snprintf(retry, sizeof retry, ";r=%u", retries);
    }
    return scim_print(arena, "Twinsync-Op: %s/%s/%llu/%s/%llu%s%s",
                      options->cluster, options->node,
                      (unsigned long long) options->epoch, options->boot_id,
                      (unsigned long long) tag.batch, intent, retry);
}

bool scim_request_init(struct scim *scim, struct ts_http_request *request,
                       const char *op_header, struct ts_arena *arena)
{
    /* Copied: the token may be renewed while this request is under way. */
    struct ts_slice token =
        ts_arena_copy(arena, ts_slice_str(oauth_header(scim->oauth)));
    *request = (struct ts_http_request){
        .method = TS_HTTP_GET,
        .headers = { (const char *) token.data, op_header, ACCEPT },
        .replayable = true,
        .timeout_ms =
            scim->options.config->request_timeout_seconds * (int64_t) 1000,
        .answer_max = SCIM_ANSWER_SIZE_MAX,
    };
    return token.data != NULL && op_header != NULL;
}

/* -- URLs ------------------------------------------------------------------ */

/* An answer to a changed member need not list the 250,000 others (RFC 7644
 * section 3.9). */
static const char *object_url(const struct scim *scim,
                              const struct scim_task *task,
                              struct ts_arena *arena)
{
    const struct target_op *op = &task->work;
    const char *id = ts_http_escape(arena, op->id);
    bool brief = task->step == SCIM_STEP_WRITE && op->verb == TARGET_UPDATE &&
                 op->kind == CONFIG_KIND_GROUP && scim->schema.patch;
    return id == NULL ? NULL
                      : scim_print(arena, "%s%s/%s%s", scim->url,
                                   scim->schema.endpoint[op->kind], id,
                                   brief ? "?excludedAttributes=members" : "");
}

/* Two answers are asked for: enough to see that there is more than one. */
static const char *search_url(const struct scim *scim,
                              const struct target_op *op, const char *attribute,
                              struct ts_slice value, struct ts_arena *arena)
{
    const char *filter = scim_compose_filter(arena, attribute, value);
    const char *text =
        filter == NULL ? NULL : ts_http_escape(arena, ts_slice_str(filter));
    return text == NULL
               ? NULL
               : scim_print(arena, "%s%s?filter=%s&startIndex=1&count=2",
                            scim->url, scim->schema.endpoint[op->kind], text);
}

/* -- composing ------------------------------------------------------------- */

/* If-Match, where the service says that it understands it. */
static bool add_etag(struct scim_send *send, const struct scim_task *task)
{
    struct ts_slice etag =
        task->work.etag.size > 0 ? task->work.etag : ts_slice_str(task->etag);
    if (!send->scim->schema.etag || etag.size == 0) {
        return true;
    }
    const char *line =
        scim_print(&send->arena, "If-Match: %.*s", TS_SLICE_ARGS(etag));
    send->request.headers[4] = line;
    return line != NULL && strpbrk(line, "\r\n") == NULL;
}

static enum ts_code set_body(struct scim_send *send, const json_t *json,
                             struct ts_err *err)
{
    send->request.body = ts_json_print(json, &send->arena);
    send->request.headers[3] = SCIM_CONTENT_TYPE;
    return send->request.body.data != NULL
               ? TS_OK
               : ts_fail(err, TS_E_LIMIT, 0,
                         "could not compose a request: it is too large");
}

enum ts_code scim_compose_body(struct scim_send *send, struct scim_task *task,
                               const char **ret_attribute, json_t **ret_json,
                               struct ts_err *err)
{
    struct scim *scim = send->scim;
    struct scim_writer writer = { .schema = &scim->schema,
                                  .arena = &send->arena,
                                  .attribute = ret_attribute };
    if (task->work.verb == TARGET_CREATE) {
        return scim_compose_create(&writer, &task->work, ret_json, err);
    }
    if (scim->schema.patch) {
        return scim_compose_patch(&writer, &task->work, task->current, ret_json,
                                  err);
    }
    enum ts_code rc =
        scim_compose_put(&writer, &task->work, task->current, err);
    if (rc == TS_OK) {
        *ret_json = json_incref(task->current);
    }
    return rc;
}

static enum ts_code compose_write(struct scim_send *send,
                                  struct scim_task *task,
                                  const char **ret_attribute,
                                  struct ts_err *err)
{
    struct scim *scim = send->scim;
    struct ts_http_request *request = &send->request;
    TS_AUTOJSON json_t *json = NULL;
    enum ts_code rc = TS_OK;

    request->gated = true;
    request->replayable = false;
    request->answer_max = SCIM_WRITE_ANSWER_SIZE_MAX;
    if (task->work.verb == TARGET_CREATE) {
        request->method = TS_HTTP_POST;
        request->url = scim_print(&send->arena, "%s%s", scim->url,
                                  scim->schema.endpoint[task->work.kind]);
    } else {
        request->method = task->work.verb == TARGET_DELETE ? TS_HTTP_DELETE
                          : scim->schema.patch             ? TS_HTTP_PATCH
                                                           : TS_HTTP_PUT;
        request->url = object_url(scim, task, &send->arena);
    }
    if (task->work.verb != TARGET_DELETE) {
        rc = scim_compose_body(send, task, ret_attribute, &json, err);
        if (rc == TS_OK) {
            rc = set_body(send, json, err);
        }
    }
    if (rc == TS_OK && task->work.verb != TARGET_CREATE &&
        !add_etag(send, task)) {
        rc = ts_fail(err, TS_E_REFUSED, 0,
                     "cannot send the object's version: it is no header value");
    }
    return rc;
}

static enum ts_code compose(struct scim_send *send, struct scim_task *task,
                            const char **ret_attribute, struct ts_err *err)
{
    struct scim *scim = send->scim;
    const struct target_op *op = &task->work;
    struct ts_http_request *request = &send->request;
    enum ts_code rc = TS_OK;

    if (!scim_request_init(
            scim, request,
            scim_op_header(scim, op->tag, task->retries, &send->arena),
            &send->arena)) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not compose a request: out of memory");
    }
    switch (task->step) {
    case SCIM_STEP_READ_FIRST:
    case SCIM_STEP_READ:
        request->url = object_url(scim, task, &send->arena);
        break;
    case SCIM_STEP_FIND_ANCHOR:
        request->url =
            search_url(scim, op, "externalId", op->anchor, &send->arena);
        break;
    case SCIM_STEP_FIND_MATCH:
        request->url =
            search_url(scim, op, op->match_path, op->match_value, &send->arena);
        break;
    case SCIM_STEP_WRITE:
        rc = compose_write(send, task, ret_attribute, err);
        break;
    }
    if (rc == TS_OK && request->url == NULL) {
        rc = ts_fail(err, TS_E_REFUSED, 0,
                     "cannot compose a request: an id or value is not UTF-8, "
                     "or memory is short");
    }
    return rc;
}

/* -- sends ----------------------------------------------------------------- */

static struct scim_send *send_take(struct scim *scim)
{
    struct scim_send *send = scim->idle;
    if (send != NULL) {
        scim->idle = send->next;
        return send;
    }
    send = calloc(1, sizeof *send);
    struct scim_task **tasks =
        send == NULL ? NULL : calloc(SCIM_BULK_OPERATIONS_MAX, sizeof(*tasks));
    if (tasks == NULL) {
        free(send);
        return NULL;
    }
    send->scim = scim;
    send->tasks = tasks;
    send->task_room = SCIM_BULK_OPERATIONS_MAX;
    ts_arena_init(&send->arena, SCIM_ARENA_MAX);
    return send;
}

static void send_give_back(struct scim_send *send)
{
    ts_arena_reset(&send->arena);
    send->task_count = 0;
    send->next = send->scim->idle;
    send->scim->idle = send;
}

void scim_sends_free(struct scim *scim)
{
    while (scim->idle != NULL) {
        struct scim_send *send = scim->idle;
        scim->idle = send->next;
        ts_arena_done(&send->arena);
        free(send->tasks);
        free(send);
    }
}

static void send_ended(struct ts_http_request *request,
                       const struct ts_http_answer *answer)
{
    struct scim_send *send = request->owner;
    struct scim *scim = send->scim;

    scim->active--;
    scim->sending -= send->task_count;
    if (send->task_count > 1) {
        scim_bulk_answer(send, answer);
    } else {
        scim_answer(send, send->tasks[0], answer);
    }
    send_give_back(send);
}

/* Before the first request of a task: is it to be read first, can it be done?
 */
static enum ts_code route(const struct scim *scim, struct scim_task *task,
                          struct ts_err *err)
{
    if (task->step == SCIM_STEP_WRITE && scim_must_read(scim, task)) {
        task->step = SCIM_STEP_READ_FIRST;
    }
    bool search = task->step == SCIM_STEP_FIND_ANCHOR ||
                  task->step == SCIM_STEP_FIND_MATCH;
    return search && !scim->schema.filter
               ? ts_fail(err, TS_E_REFUSED, 0,
                         "cannot look an object up: the service offers no "
                         "filter")
               : TS_OK;
}

/* Compose for one task. False: the task was finished instead. */
static bool prepare_one(struct scim_send *send, struct scim_task *task)
{
    struct ts_err err = { .text = "" };
    const char *attribute = NULL;
    enum ts_code rc = route(send->scim, task, &err);
    if (rc == TS_OK) {
        rc = compose(send, task, &attribute, &err);
    }
    if (rc == TS_OK) {
        send->tasks[0] = task;
        send->task_count = 1;
        return true;
    }
    scim_finish_refused(send->scim, task, rc, attribute, err.text);
    return false;
}

/* Hand the send to libcurl; its tasks end here if that fails. */
static void launch(struct scim_send *send)
{
    struct scim *scim = send->scim;
    struct ts_err err;

    send->token = oauth_generation(scim->oauth);
    send->request.done = send_ended;
    send->request.owner = send;
    if (ts_http_start(scim->http, &send->request, &err) == TS_OK) {
        scim->active++;
        scim->sending += send->task_count;
        return;
    }
    for (size_t i = 0; i < send->task_count; i++) {
        scim_finish_with(scim, send->tasks[i], TARGET_LATER, err.text);
    }
    send_give_back(send);
}

/* What having no token means for an operation. */
static enum target_result result_of(enum ts_code code)
{
    return code == TS_E_AUTH        ? TARGET_DENIED
           : code == TS_E_CANCELLED ? TARGET_STOPPED
                                    : TARGET_LATER;
}

/* May what waits until `until` still be sent then? */
static bool outlasts(const struct scim *scim, struct ts_time now,
                     struct ts_time until)
{
    const struct target_gate *gate = &scim->options.gate;
    return gate->remaining_ms != NULL &&
           gate->remaining_ms(gate->context) <= until.ms - now.ms;
}

/* True when a token is at hand. Without one: ask, wait, or end the queue. */
static bool have_token(struct scim *scim, struct ts_time now)
{
    struct ts_err err;
    if (oauth_state(scim->oauth, now) == OAUTH_ABSENT) {
        oauth_ask(scim->oauth);
    }
    switch (oauth_state(scim->oauth, now)) {
    case OAUTH_READY:
        return true;
    case OAUTH_FAILED:
        scim_finish_queue(scim, result_of(oauth_take_error(scim->oauth, &err)),
                          err.text);
        return false;
    case OAUTH_ABSENT:
    case OAUTH_ASKING:
        return false;
    }
    return false;
}

/* The front of the queue into one request, if it comes to one. */
static void send_next(struct scim *scim)
{
    struct scim_send *send = send_take(scim);
    size_t bundle = pace_bundle(&scim->pace, scim->queue_count);
    if (send == NULL) {
        scim_finish_with(scim, scim_queue_take(scim), TARGET_LATER,
                         "could not compose a request: out of memory");
        return;
    }
    bool ready = bundle > 1 && scim_bulk_fits(scim, scim->queue) &&
                 scim_bulk_prepare(send, bundle);
    if (!ready && scim->queue_count > 0) {
        ts_arena_reset(&send->arena);
        ready = prepare_one(send, scim_queue_take(scim));
    }
    if (ready) {
        launch(send);
    } else {
        send_give_back(send);
    }
}

void scim_dispatch(struct scim *scim)
{
    struct ts_time now = ts_time_now();
    if (scim->queue_count == 0) {
        pace_idle(&scim->pace);
        return;
    }
    if (scim->pace.not_before.ms > now.ms + SCIM_PATIENCE_MS) {
        scim_finish_queue(scim, TARGET_LATER,
                          "could not send yet: the service asked for a wait "
                          "of more than a minute");
        return;
    }
    if (!ts_time_reached(now, scim->pace.not_before)) {
        if (outlasts(scim, now, scim->pace.not_before)) {
            scim_finish_queue(scim, TARGET_LATER,
                              "could not send yet: the service asked for a "
                              "wait that ends after this node's lease");
        }
        return;
    }
    if (!have_token(scim, now)) {
        return;
    }
    while (scim->queue_count > 0 && scim->active < scim->pace.concurrency) {
        send_next(scim);
    }
}
