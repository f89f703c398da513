/*
 * scim -- a SCIM 2.0 service (RFC 7643, RFC 7644) as a target.
 *
 * What an operation goes through:
 *
 *   submit --> queue --> [READ_FIRST] --> WRITE ---------> done
 *                |  ^                       |
 *                |  +-- wait, new token ----+   (certainly no effect)
 *                +-> FIND_ANCHOR --> [FIND_MATCH] -------> done
 *                +-> READ -------------------------------> done
 *
 * A task is one operation; a send is one HTTP request, which carries one task
 * or, where Bulk pays, many. Sends are as many as connections may be, and are
 * used again. Bodies are composed when they are sent, so what waits is small.
 *
 * Invariants, beyond target.h's:
 *   M1  a task is in the queue, in one send, or finished.
 *   M2  a write goes back into the queue only from a verdict that says that it
 *       had no effect.
 *   M3  an answer is used only if the object in it has the id, or the anchor,
 *       that was asked for.
 *
 * Internal to node/target/scim/; the world sees target.h.
 */
#ifndef NODE_TARGET_SCIM_SCIM_H
#define NODE_TARGET_SCIM_SCIM_H

#include "node/base/http.h"
#include "node/target/connector.h"
#include "node/target/oauth.h"
#include "node/target/pace.h"
#include "node/target/scim/decode.h"
#include "node/target/scim/schema.h"
#include "node/target/scim/verdict.h"

enum {
    /* One answer. A group of 250,000 members is 15 to 50 MiB of JSON, and
     * about four times that while it is parsed. */
    SCIM_ANSWER_SIZE_MAX = 64 * 1024 * 1024,
    SCIM_WRITE_ANSWER_SIZE_MAX = 16 * 1024 * 1024,
    SCIM_ARENA_MAX = 256 * 1024 * 1024,
    SCIM_PENDING_MAX = 2048,
    SCIM_PENDING_MIN = 64,
    SCIM_LINKS_PER_OPERATION = 500,
    SCIM_ATTEMPTS_MAX = 6,        /* waits and repeated reads of one task */
    SCIM_PATIENCE_MS = 60 * 1000, /* longer waits are the next cycle's */
    SCIM_UNREACHABLE_MAX = 3,     /* failed connections in a row: give up */
    SCIM_DISCOVERY_SIZE_MAX = 4 * 1024 * 1024
};

enum scim_step {
    SCIM_STEP_READ_FIRST,
    SCIM_STEP_WRITE,
    SCIM_STEP_FIND_ANCHOR,
    SCIM_STEP_FIND_MATCH,
    SCIM_STEP_READ
};

struct scim_task {
    struct target_op *op;  /* the caller's */
    struct target_op work; /* as composed: DEACTIVATE is an update here */
    enum scim_step step;
    json_t *current; /* as read first, or NULL */
    char *etag;      /* of `current` */
    bool renewed;
    uint32_t retries, throttled_ms;
    struct ts_attribute active; /* what DEACTIVATE, REACTIVATE set */
    struct ts_slice active_value;
    struct scim_task *next;
};

struct scim;

struct scim_send {
    struct scim *scim;
    struct ts_http_request request;
    struct ts_arena arena;
    struct scim_task **tasks;
    size_t task_count, task_room;
    uint64_t token;         /* oauth_generation() that it carries */
    struct scim_send *next; /* among the idle */
};

struct scim {
    struct target base;
    struct target_options options;
    char *url; /* of the service, without a slash at the end */
    struct ts_http *http;
    struct oauth *oauth;
    struct pace pace;
    struct scim_schema schema;
    bool discovered;

    struct scim_task *queue, **queue_end;
    size_t queue_count;
    struct target_op *starved; /* chained through `queued` */
    size_t starved_count;
    size_t sending;  /* tasks in sends */
    size_t active;   /* sends under way */
    size_t finished; /* tasks done since target_run began */
    uint32_t unreachable;
    struct scim_send *idle;
};

static inline struct scim *scim_of(struct target *target)
{
    return (struct scim *) (void *) target;
}

/* The userName of the account that we log on with, or NULL. */
static inline const char *scim_self(const struct scim *scim)
{
    const struct config_oauth *oauth = scim->options.config->oauth;
    return scim->options.principal != NULL ? scim->options.principal->id
           : oauth == NULL                 ? NULL
                                           : oauth->client_id;
}

/* -- queue.c: tasks and what becomes of them ------------------------------- */

/* NULL: out of memory. */
struct scim_task *scim_task_new(struct target_op *op);
/* Keep an operation for which there was no memory, to be told in _run. */
void scim_starve(struct scim *scim, struct target_op *op);
void scim_finish_starved(struct scim *scim);
void scim_queue_last(struct scim *scim, struct scim_task *task);
void scim_queue_first(struct scim *scim, struct scim_task *task);
struct scim_task *scim_queue_take(struct scim *scim);
/* Tell the caller and free the task. */
void scim_finish(struct scim *scim, struct scim_task *task,
                 struct target_outcome *outcome);
void scim_finish_with(struct scim *scim, struct scim_task *task,
                      enum target_result result, const char *text);
/* It could not be composed; `attribute` is the path at fault, or NULL. */
void scim_finish_refused(struct scim *scim, struct scim_task *task,
                         enum ts_code why, const char *attribute,
                         const char *text);
/* Everything in the queue ends so. */
void scim_finish_queue(struct scim *scim, enum target_result result,
                       const char *text);

/* -- send.c: requests and their answers ------------------------------------ */

#define SCIM_CONTENT_TYPE "Content-Type: application/scim+json"

/* An update that needs the object's present state, and has not read it. */
bool scim_must_read(const struct scim *scim, const struct scim_task *task);
/* The body of a write.
 * Owns     *ret_json: json_decref. Errors: see compose.h. */
enum ts_code scim_compose_body(struct scim_send *send, struct scim_task *task,
                               const char **ret_attribute, json_t **ret_json,
                               struct ts_err *err);

/* Send what may be sent now. */
void scim_dispatch(struct scim *scim);
void scim_sends_free(struct scim *scim);

/* The value of a Twinsync-Op header for this tag, in `arena`; NULL: no memory.
 */
const char *scim_op_header(const struct scim *scim, struct target_tag tag,
                           uint32_t retries, struct ts_arena *arena);
/* Fill in what all requests have in common. The token must be READY. */
bool scim_request_init(struct scim *scim, struct ts_http_request *request,
                       const char *op_header, struct ts_arena *arena);
/* printf into the arena; NULL: out of memory. */
char *scim_print(struct ts_arena *arena, const char *fmt, ...) TS_PRINTF(2, 3);
uint32_t scim_random(void);

/* -- answer.c: what an answer means for its task --------------------------- */

void scim_answer(struct scim_send *send, struct scim_task *task,
                 const struct ts_http_answer *answer);
enum scim_act scim_act_of(const struct scim_task *task);

/* -- call.c: requests that are waited for ---------------------------------- */

/* GET `path` (below the service's URL); the document is the caller's.
 * Errors   TS_E_UNREACHABLE, TS_E_AUTH, TS_E_PROTOCOL, TS_E_TIMEOUT,
 *          TS_E_CANCELLED, TS_E_NOT_FOUND (404, 501), TS_E_LIMIT. */
enum ts_code scim_get(struct scim *scim, const char *path, size_t answer_max,
                      json_t **ret_json, struct ts_err *err);
/* The same in two steps: what is asked for now comes while the caller works on
 * something else. `_begin` answers NULL where it cannot be asked for at once;
 * `_end` waits, and where the answer was of no use asks again as scim_get().
 * Owns     _end or _drop, before the target is used for anything else. */
struct scim_ahead;
struct scim_ahead *scim_get_begin(struct scim *scim, const char *path,
                                  size_t answer_max);
enum ts_code scim_get_end(struct scim_ahead *ahead, json_t **ret_json,
                          struct ts_err *err);
/* NULL is fine. */
void scim_get_drop(struct scim_ahead *ahead);
/* Read what the service can do, once. */
enum ts_code scim_discover(struct scim *scim, struct ts_err *err);
enum ts_code scim_enumerate(struct target *target, enum config_kind kind,
                            target_sink_fn *sink, void *context,
                            struct ts_err *err);
size_t scim_check(struct target *target, struct ts_arena *arena,
                  struct target_finding findings[]);

#endif
