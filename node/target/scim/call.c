/* Requests that are waited for: discovery, enumeration, check. */

#include <stdlib.h>

#include "node/base/json.h"
#include "node/target/scim/scim.h"

/* -- one GET --------------------------------------------------------------- */

struct call {
    struct ts_http_request request;
    struct scim *scim;
    bool ended;
    enum ts_http_end end;
    int status;
    int64_t retry_after_ms;
    json_t *json;
    enum ts_code code; /* of parsing */
    struct ts_err err;
};

static void call_ended(struct ts_http_request *request,
                       const struct ts_http_answer *answer)
{
    struct call *call = request->owner;
    call->ended = true;
    call->end = answer->end;
    call->status = answer->status;
    call->err = answer->err;
    call->retry_after_ms =
        pace_retry_after(answer->retry_after, answer->date, ts_wall_seconds());
    if (answer->end != TS_HTTP_ANSWERED || answer->status != 200) {
        return;
    }
    call->code = scim_is_json(answer->content_type)
                     ? ts_json_parse(answer->body, &call->json, &call->err)
                     : ts_fail(&call->err, TS_E_PROTOCOL, 0,
                               "its content type is not application/scim+json");
}

static enum ts_code cancelled(struct ts_err *err)
{
    return ts_fail(err, TS_E_CANCELLED, 0,
                   "could not read from the service: cancelled");
}

/* Wait for a token. */
static enum ts_code await_token(struct scim *scim, struct ts_err *err)
{
    for (;;) {
        if (ts_http_cancelled(scim->http)) {
            return cancelled(err);
        }
        switch (oauth_state(scim->oauth, ts_time_now())) {
        case OAUTH_READY:
            return TS_OK;
        case OAUTH_FAILED:
            return oauth_take_error(scim->oauth, err);
        case OAUTH_ABSENT:
            oauth_ask(scim->oauth);
            break;
        case OAUTH_ASKING:
            (void) ts_http_run(scim->http, -1,
                               ts_time_after(ts_time_now(), 1000));
            break;
        }
    }
}

/* Send once and wait for its end. The request is bounded by its time-out. */
static enum ts_code attempt(struct scim *scim, struct call *call,
                            struct ts_err *err)
{
    call->ended = false;
    enum ts_code rc = ts_http_start(scim->http, &call->request, err);
    if (rc != TS_OK) {
        return rc;
    }
    while (!call->ended) {
        (void) ts_http_run(scim->http, -1, TS_NEVER);
    }
    return TS_OK;
}

/* Wait as pace says; false when cancelled or longer than a call may wait. */
static bool wait_turn(struct scim *scim)
{
    struct ts_time until = scim->pace.not_before;
    if (until.ms > ts_time_now().ms + SCIM_PATIENCE_MS) {
        return false;
    }
    while (!ts_http_cancelled(scim->http) &&
           !ts_time_reached(ts_time_now(), until)) {
        (void) ts_http_run(scim->http, -1, until);
    }
    return !ts_http_cancelled(scim->http);
}

static enum ts_code judge(struct call *call, struct ts_err *err)
{
    const char *url = call->request.url;
    int status = call->status;
    if (call->end != TS_HTTP_ANSWERED) {
        *err = call->err;
        return err->code;
    }
    if (status == 200) {
        return call->code == TS_OK ? TS_OK
                                   : ts_fail(err, TS_E_PROTOCOL, 0,
                                             "cannot use the answer of %s: %s",
                                             url, call->err.text);
    }
    if (status == 401 || status == 403) {
        return ts_fail(err, TS_E_AUTH, 0,
                       "could not read %s: the service refused the token with "
                       "status %d; check the client's rights and scope",
                       url, status);
    }
    if (status == 404 || status == 501) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not read %s: the service has no such page "
                       "(status %d)",
                       url, status);
    }
    return ts_fail(
        err, status == 429 || status >= 500 ? TS_E_UNREACHABLE : TS_E_PROTOCOL,
        0, "could not read %s: the service answered with status %d", url,
        status);
}

/* May this answer be followed by another attempt? Does what it needs. */
static bool may_repeat(struct scim *scim, const struct call *call,
                       uint64_t token, bool *renewed)
{
    if (call->end == TS_HTTP_ANSWERED && call->status == 401) {
        oauth_refused(scim->oauth, token);
        bool first = !*renewed;
        *renewed = true;
        return first;
    }
    if (call->end == TS_HTTP_LOST ||
        (call->end == TS_HTTP_ANSWERED &&
         (call->status == 429 || call->status == 408 || call->status >= 500) &&
         call->status != 501)) {
        pace_refused(&scim->pace, ts_time_now(), call->retry_after_ms,
                     scim_random());
        return true;
    }
    return false;
}

/* Make the request of `call`; what it needs lives in `arena`. */
static enum ts_code prepare(struct call *call, const char *path, int attempts,
                            struct ts_arena *arena, struct ts_err *err)
{
    struct scim *scim = call->scim;
    const char *header = scim_op_header(scim, (struct target_tag){ 0 },
                                        (uint32_t) attempts, arena);
    const char *url = scim_print(arena, "%s%s", scim->url, path);
    if (url == NULL ||
        !scim_request_init(scim, &call->request, header, arena)) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not read from the service: out of memory");
    }
    call->request.url = url;
    call->request.done = call_ended;
    call->request.owner = call;
    return TS_OK;
}

enum ts_code scim_get(struct scim *scim, const char *path, size_t answer_max,
                      json_t **ret_json, struct ts_err *err)
{
    struct ts_arena arena;
    struct call call = { .scim = scim };
    bool renewed = false, repeat = true;
    enum ts_code rc = TS_OK;

    ts_arena_init(&arena, 1024 * 1024);
    for (int i = 0; repeat && i < SCIM_ATTEMPTS_MAX; i++) {
        repeat = false;
        rc = wait_turn(scim) ? await_token(scim, err) : cancelled(err);
        if (rc != TS_OK) {
            break;
        }
        ts_arena_reset(&arena);
        rc = prepare(&call, path, i, &arena, err);
        if (rc != TS_OK) {
            break;
        }
        call.request.answer_max = answer_max;
        uint64_t token = oauth_generation(scim->oauth);
        rc = attempt(scim, &call, err);
        if (rc == TS_OK) {
            rc = judge(&call, err);
            repeat = rc != TS_OK && may_repeat(scim, &call, token, &renewed);
        }
    }
    if (rc == TS_OK) {
        *ret_json = call.json;
    }
    ts_arena_done(&arena);
    return rc;
}

/* -- one ahead ------------------------------------------------------------- */

struct scim_ahead {
    struct call call;
    struct ts_arena arena;
    const char *path;
};

struct scim_ahead *scim_get_begin(struct scim *scim, const char *path,
                                  size_t answer_max)
{
    struct ts_err ignored;
    struct ts_time now = ts_time_now();
    if (ts_http_cancelled(scim->http) ||
        !ts_time_reached(now, scim->pace.not_before) ||
        oauth_state(scim->oauth, now) != OAUTH_READY) {
        return NULL;
    }
    struct scim_ahead *ahead = calloc(1, sizeof *ahead);
    if (ahead == NULL) {
        return NULL;
    }
    ahead->call.scim = scim;
    ts_arena_init(&ahead->arena, 1024 * 1024);
    ahead->path = scim_print(&ahead->arena, "%s", path);
    enum ts_code rc = ahead->path == NULL ? TS_E_NOMEM
                                          : prepare(&ahead->call, path, 0,
                                                    &ahead->arena, &ignored);
    ahead->call.request.answer_max = answer_max;
    if (rc == TS_OK) {
        rc = ts_http_start(scim->http, &ahead->call.request, &ignored);
    }
    if (rc != TS_OK) {
        ts_arena_done(&ahead->arena);
        free(ahead);
        return NULL;
    }
    (void) ts_http_run(scim->http, -1, now); /* the request leaves */
    return ahead;
}

static void await_end(struct scim_ahead *ahead)
{
    while (!ahead->call.ended) {
        (void) ts_http_run(ahead->call.scim->http, -1, TS_NEVER);
    }
}

static void ahead_free(struct scim_ahead *ahead)
{
    ts_arena_done(&ahead->arena);
    free(ahead);
}

enum ts_code scim_get_end(struct scim_ahead *ahead, json_t **ret_json,
                          struct ts_err *err)
{
    struct ts_err ignored;
    struct call *call = &ahead->call;
    await_end(ahead);
    enum ts_code rc = judge(call, &ignored);
    if (rc == TS_OK) {
        *ret_json = call->json;
    } else {
        json_decref(call->json);
        rc = scim_get(call->scim, ahead->path, call->request.answer_max,
                      ret_json, err);
    }
    ahead_free(ahead);
    return rc;
}

void scim_get_drop(struct scim_ahead *ahead)
{
    if (ahead != NULL) {
        await_end(ahead);
        json_decref(ahead->call.json);
        ahead_free(ahead);
    }
}

/* -- discovery ------------------------------------------------------------- */

enum ts_code scim_discover(struct scim *scim, struct ts_err *err)
{
    static const struct {
        const char *path;
        void (*take)(struct scim_schema *schema, json_t *json);
    } pages[] = {
        { "/ServiceProviderConfig", scim_schema_take_config },
        { "/ResourceTypes", scim_schema_take_types },
        { "/Schemas", scim_schema_take_schemas },
    };
    if (scim->discovered) {
        return TS_OK;
    }
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        TS_AUTOJSON json_t *json = NULL;
        enum ts_code rc =
            scim_get(scim, pages[i].path, SCIM_DISCOVERY_SIZE_MAX, &json, err);
        if (rc == TS_OK) {
            pages[i].take(&scim->schema, json);
        } else if (rc != TS_E_NOT_FOUND && rc != TS_E_PROTOCOL &&
                   rc != TS_E_LIMIT) {
            return rc; /* these three: the service does not tell; go without */
        }
    }
    if (scim->schema.bulk && scim->options.config->bulk == CONFIG_BULK_AUTO) {
        pace_init(&scim->pace, scim->options.config->connections_max,
                  scim->schema.bulk_operations_max);
    }
    scim->discovered = true;
    return TS_OK;
}
