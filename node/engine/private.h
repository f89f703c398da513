/* private -- the engine's own struct, for engine.c, commands.c and queries. */
#ifndef NODE_ENGINE_PRIVATE_H
#define NODE_ENGINE_PRIVATE_H

#include <pthread.h>

#include "node/base/queue.h"
#include "node/engine/context.h"
#include "node/engine/engine.h"
#include "node/engine/job.h"
#include "node/engine/pair.h"
#include "node/engine/snapshot.h"
#include "node/metaverse/local.h"

#define ENGINE_WAITERS_MAX 32

/* One operator's request on its way. */
struct request {
    char command[32];
    json_t *args;
    struct engine_reply reply;
    bool nudge; /* nobody's: the store's thread is to look around */
};

void request_free(struct request *request);
/* Answer and free. `result` is stolen. */
void request_finish(struct request *request, int exit_status, json_t *result,
                    const char *error);
void request_fail(struct request *request, const struct ts_err *err);
/* The exit status that an error means (INTERFACE). */
int request_exit_of(enum ts_code code);

/* What this node is; see pair.h. */
enum engine_role {
    ENGINE_ALONE,
    ENGINE_STANDBY,
    ENGINE_ACTIVE
};

/* What the wiring wants to be shown. */
struct engine_shown {
    char role[32]; /* "": by enum engine_role */
    char active[128];
    json_t *fields;
    json_t *problems; /* besides; NULL: none */
};

struct engine {
    struct engine_context context;
    const struct config *config;
    bool approve_first;    /* as the daemon was started */
    struct local *local;   /* runs, events, what outlives a restart */
    struct ts_slice facts; /* the member's, of this node's start; owned */
    int64_t wrote_epoch;   /* in which this node was active last */
    char wrote_boot[LOCAL_ID_SIZE];
    struct target_options target;
    struct ts_arena target_arena;      /* what target_options borrows */
    struct target_principal principal; /* of this epoch; copies, wiped */
    struct ts_queue *commands;
    struct jobs jobs;
    struct request nudge;
    atomic_bool nudged;
    atomic_bool ending;     /* for good; context.stopping: the cycle at hand */
    atomic_bool closed;     /* pair.h, P5 */
    atomic_uint departures; /* calls of engine_deactivate */
    pthread_t thread;
    int event_fd;

    /* The store's thread only. */
    enum engine_role role;
    struct ts_time recounted;                    /* as a standby */
    struct request *waiting[ENGINE_WAITERS_MAX]; /* for an idle engine */
    size_t waiting_count;
    struct request *in_cycle[ENGINE_WAITERS_MAX]; /* `sync --wait` */
    size_t in_cycle_count;
    struct request *to_begin; /* `sync` without --wait, answered at the start */
    bool in_a_cycle;
    struct ts_time due; /* of the next cycle */
    struct ts_time last_breath;
    int64_t full_at; /* seconds since 1970: the last complete cycle */
    bool recalled;   /* the snapshot has the state's report of a reconcile */

    pthread_mutex_t lock; /* of the rest */
    struct snapshot snapshot;
    char state_path[STATE_PATH_SIZE]; /* of the selected state, or "" */
    struct engine_shown shown;
    struct prober *prober; /* probe.c: threads under way */
    bool ended;
    struct ts_err end;
};

/* Answer, or keep for when the engine is idle. Takes `request` over. */
void commands_take(struct engine *engine, struct request *request);
/* One command each, in a file of its own. Takes `request` over. */
void commands_members_adopt(struct engine *engine, struct request *request);
void commands_reanchor(struct engine *engine, struct request *request);
void commands_retry(struct engine *engine, struct request *request);
void commands_approve(struct engine *engine, struct request *request);
void commands_reject(struct engine *engine, struct request *request);
/* An event for each hold that has new items since it was told of. */
TS_MUSTUSE enum ts_code engine_tell_holds(struct engine *engine,
                                          struct ts_err *err);
/* Run a cycle now, for those who wait for it. */
void engine_cycle(struct engine *engine, enum cycle_kind kind,
                  struct cycle_outcome *ret_outcome);
void engine_lock(struct engine *engine);
void engine_unlock(struct engine *engine);
/* The report of a reconcile has changed, for the snapshot; context.h. */
void engine_reconciled(void *owner, const json_t *report);
/* The same as read from the state, where that may not be known yet. */
void engine_recall_report(struct engine *engine);
/* Count the rows that `status` shows. */
void engine_recount(struct engine *engine);
/* Start the export thread, as `principal` (NULL: whom the configuration names)
 * in the state's epoch. */
TS_MUSTUSE enum ts_code engine_open_target(struct engine *engine,
                                           const struct engine_principal *who,
                                           int64_t epoch, struct ts_err *err);
/* End it; NULL is fine. Waits until no request is under way. */
void engine_close_target(struct engine *engine);
/* The time of the last complete reading of all sources; 0: not known. */
int64_t engine_complete_at(struct engine *engine);
/* Where the state is, and how far: for answers and `status`. */
void engine_note_position(struct engine *engine);
/* What `status` says beside the snapshot; under the lock. */
void engine_show(const struct engine *engine, json_t *document);
/* Does this node only answer? Then the request is refused. */
bool engine_refuse_as_standby(struct engine *engine, struct request *request);

#endif
