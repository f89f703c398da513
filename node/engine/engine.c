#include "node/engine/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "node/config/print.h"
#include "node/db/capture.h"
#include "node/engine/configure.h"
#include "node/engine/hints.h"
#include "node/engine/plan.h"
#include "node/engine/probe.h"
#include "node/engine/role.h"
#include "node/engine/staging.h"
#include "node/engine/unique.h"

/* Progress is published, and operators answered, at most so often. */
#define BREATH_MS     50
#define FIRST_EPOCH   1
#define TARGET_MEMORY ((size_t) 1024 * 1024)
#define DAY_SECONDS   86400

void engine_lock(struct engine *engine)
{
    (void) pthread_mutex_lock(&engine->lock);
}

void engine_unlock(struct engine *engine)
{
    (void) pthread_mutex_unlock(&engine->lock);
}

/* ---- requests ----------------------------------------------------------- */

static void destroy_request(void *item)
{
    if (((struct request *) item)->nudge) {
        return;
    }
    request_finish(item, 1, NULL,
                   "could not do that because the daemon is stopping; start it "
                   "and try again");
}

void engine_request(struct engine *engine, const char *command,
                    const json_t *args, const struct engine_reply *reply)
{
    if (strcmp(command, "status") == 0) {
        engine_lock(engine);
        json_t *document = snapshot_status(&engine->snapshot, engine->config);
        engine_show(engine, document);
        bool unhealthy = snapshot_unhealthy(document);
        engine_unlock(engine);
        reply->finish(reply->context, unhealthy ? 1 : 0, document, NULL);
        return;
    }
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        reply->finish(reply->context, 1, NULL,
                      "could not take the request: out of memory");
        return;
    }
    request->reply = *reply;
    request->args = json_deep_copy(args);
    (void) snprintf(request->command, sizeof request->command, "%s", command);
    enum ts_code code =
        ts_queue_push(engine->commands, request, (struct ts_time){ .ms = 0 });
    if (code == TS_E_TIMEOUT) {
        request_finish(request, 1, NULL,
                       "could not take the request: too many wait already; try "
                       "again");
    } else if (code != TS_OK) {
        destroy_request(request);
    }
}

static void take_commands(struct engine *engine, struct ts_time until)
{
    struct request *request;
    job_run_due(engine);
    while ((request = ts_queue_pop(engine->commands, until)) != NULL) {
        if (request->nudge) {
            atomic_store(&engine->nudged, false);
        } else {
            commands_take(engine, request);
        }
        job_run_due(engine);
        until = (struct ts_time){ .ms = 0 };
    }
}

/* ---- between transactions ----------------------------------------------- */

static void breathe(void *owner, enum engine_phase phase, uint64_t done,
                    uint64_t total)
{
    struct engine *engine = owner;
    struct ts_time now = ts_time_now();
    if (phase == engine->snapshot.cycle.phase &&
        now.ms - engine->last_breath.ms < BREATH_MS) {
        return;
    }
    engine->last_breath = now;
    engine_lock(engine);
    engine->snapshot.cycle.phase = phase;
    engine->snapshot.cycle.done = done;
    engine->snapshot.cycle.total = total;
    engine->snapshot.cycle.did = engine->context.counts;
    engine_unlock(engine);
    for (size_t i = 0; i < engine->in_cycle_count; i++) {
        const struct engine_reply *reply = &engine->in_cycle[i]->reply;
        reply->progress(reply->context, engine_phase_name(phase), done, total);
    }
    for (size_t i = 0; i < engine->waiting_count; i++) {
        const struct engine_reply *reply = &engine->waiting[i]->reply;
        reply->progress(reply->context, engine_phase_name(phase), done, total);
    }
    if (!atomic_load(&engine->ending)) {
        take_commands(engine, (struct ts_time){ .ms = 0 });
    }
}

static void rest(void *owner, int64_t ms)
{
    struct engine *engine = owner;
    take_commands(engine, ts_time_after(ts_time_now(), ms));
}

/* While the target is read: whoever does not need an idle engine. */
static void look_around(void *owner)
{
    struct engine *engine = owner;
    if (!atomic_load(&engine->ending)) {
        take_commands(engine, (struct ts_time){ .ms = 0 });
    }
}

static bool may_export(void *context, struct ts_time deadline)
{
    /* One node alone: it may, until it stops. A pair asks its lease. */
    struct engine_context *engine = context;
    const struct engine_pair *pair = engine->pair;
    return !atomic_load(&engine->stopping) &&
           (pair == NULL || pair->may_export(pair->context, deadline));
}

static int64_t remaining_ms(void *context)
{
    const struct engine_context *engine = context;
    const struct engine_pair *pair = engine->pair;
    return pair->remaining_ms(pair->context);
}

static void tick(void *context)
{
    const struct engine_context *engine = context;
    engine->pair->tick(engine->pair->context);
}

static enum ts_code selected(void *owner, struct ts_err *err)
{
    struct engine *engine = owner;
    const struct engine_pair *pair = engine->context.pair;
    const struct state *state = &engine->context.state;
    char path[STATE_PATH_SIZE];
    state_path(state, path);
    if (pair != NULL) {
        pair->selected(pair->context, path);
    }
    return local_raise_generation(engine->local, state->generation, err);
}

static void tell_committed(void *owner, const struct journal_position *position)
{
    const struct engine *engine = owner;
    const struct engine_pair *pair = engine->context.pair;
    if (pair != NULL) {
        pair->committed(pair->context, position);
    }
}

/* ---- the store's thread ------------------------------------------------- */

/* A pair's pause is in the register, where it outlives a takeover. */
static bool paused_now(struct engine *engine)
{
    const struct engine_pair *pair = engine->context.pair;
    if (pair != NULL) {
        return pair->paused(pair->context);
    }
    engine_lock(engine);
    struct snapshot *s = &engine->snapshot;
    if (s->paused && s->paused_until > 0 &&
        s->paused_until <= ts_wall_seconds()) {
        s->paused = false;
    }
    bool paused = s->paused;
    engine_unlock(engine);
    return paused;
}

/* The time of the last complete reading of all sources; 0: not known. */
int64_t engine_complete_at(struct engine *engine)
{
    struct metaverse *mv = engine->context.state.mv;
    struct ts_err ignored;
    int64_t at = 0;
    if (mv == NULL ||
        db_query_int(&mv->db, "SELECT ifnull(min(complete_at), 0) FROM source",
                     &at, &ignored) != TS_OK) {
        return 0;
    }
    return at;
}

static void scheduled_cycle(struct engine *engine)
{
    struct cycle_outcome outcome;
    const struct config_schedule *schedule = &engine->config->schedule;
    struct engine_inheritance *inherited = &engine->context.inherited;
    bool full = ts_wall_seconds() - engine->full_at >=
                (int64_t) schedule->full_every_days * DAY_SECONDS;
    engine->context.reconcile_reason = "schedule";
    engine_cycle(engine, full ? CYCLE_RECONCILE : CYCLE_DELTA, &outcome);
    /* What an operator did not wait for comes next, once. */
    bool next = inherited->hold_deletions && !inherited->read_all;
    inherited->read_all = inherited->read_all || next;
    engine->due = ts_time_after(
        ts_time_now(), next ? 0 : (int64_t) schedule->every_seconds * 1000);
}

/* What had to wait for the cycle to end: each may run a cycle of its own. */
static void take_waiting(struct engine *engine)
{
    while (engine->waiting_count > 0 && !atomic_load(&engine->ending)) {
        struct request *request = engine->waiting[0];
        engine->waiting_count--;
        memmove(engine->waiting, engine->waiting + 1,
                engine->waiting_count * sizeof engine->waiting[0]);
        commands_take(engine, request);
    }
}

/* Until when there is nothing to do but to answer. */
static struct ts_time idle_until(struct engine *engine)
{
    struct ts_time soon = ts_time_after(ts_time_now(), 1000);
    if (engine->role == ENGINE_STANDBY) {
        role_recount(engine);
        return soon;
    }
    return paused_now(engine) ? soon : engine->due;
}

static bool cycle_is_due(struct engine *engine)
{
    return engine->role != ENGINE_STANDBY &&
           !atomic_load(&engine->context.stopping) && !paused_now(engine) &&
           engine->waiting_count == 0 &&
           ts_time_reached(ts_time_now(), engine->due);
}

static void *store_thread(void *context)
{
    struct engine *engine = context;
    while (!atomic_load(&engine->ending)) {
        take_waiting(engine);
        take_commands(engine, idle_until(engine));
        if (cycle_is_due(engine)) {
            scheduled_cycle(engine);
        }
    }
    job_run_due(engine);
    job_close_all(engine);
    ts_queue_close(engine->commands);
    while (engine->waiting_count > 0) {
        destroy_request(engine->waiting[--engine->waiting_count]);
    }
    take_commands(engine, (struct ts_time){ .ms = 0 });
    engine_lock(engine);
    engine->ended = true;
    engine_unlock(engine);
    (void) eventfd_write(engine->event_fd, 1);
    return NULL;
}

/* ---- life --------------------------------------------------------------- */

static enum ts_code describe_target(struct engine *engine, int64_t epoch,
                                    struct ts_err *err)
{
    const struct config *config = engine->config;
    const struct engine_pair *pair = engine->context.pair;
    ts_arena_done(&engine->target_arena);
    ts_arena_init(&engine->target_arena, TARGET_MEMORY);
    engine->target = (struct target_options){
        .config = &config->target,
        .gate = { .may_export = may_export,
                  .remaining_ms = pair == NULL ? NULL : remaining_ms,
                  .tick = pair == NULL ? NULL : tick,
                  .context = &engine->context },
        .cluster = config->cluster,
        .node = config->this_node,
        .epoch = (uint64_t) epoch,
        .boot_id = local_identity(engine->local)->boot,
        .secrets = engine->context.secrets,
    };
    enum ts_code code = TS_OK;
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        code = configure_paths(config, (enum config_kind) kind,
                               &engine->target_arena,
                               &engine->target.paths[kind], err);
    }
    return code;
}

/* To the end of the epoch; wiped then. */
static enum ts_code keep_principal(struct engine *engine,
                                   const struct engine_principal *who,
                                   struct ts_err *err)
{
    struct target_principal *kept = &engine->principal;
    kept->id = strdup(who->id);
    kept->secret = strdup(who->secret == NULL ? "" : who->secret);
    if (kept->id == NULL || kept->secret == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not begin to export");
    }
    engine->target.principal = kept;
    return TS_OK;
}

static void forget_principal(struct engine *engine)
{
    char *secret = (char *) (uintptr_t) engine->principal.secret;
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
    }
    free(secret);
    free((char *) (uintptr_t) engine->principal.id);
    engine->principal = (struct target_principal){ .id = NULL };
}

enum ts_code engine_open_target(struct engine *engine,
                                const struct engine_principal *who,
                                int64_t epoch, struct ts_err *err)
{
    struct exporter *exporter = NULL;
    const struct engine_pair *pair = engine->context.pair;
    enum ts_code code = describe_target(engine, epoch, err);
    if (code == TS_OK && pair != NULL) {
        engine->target.token =
            (struct target_token_hook){ .record = pair->token,
                                        .context = pair->context };
    }
    if (code == TS_OK && who != NULL && who->id != NULL) {
        code = keep_principal(engine, who, err);
    }
    if (code == TS_OK) {
        code = exporter_new(&engine->target, &exporter, err);
    }
    if (code != TS_OK) {
        forget_principal(engine);
        return code;
    }
    exporter_set_idle(exporter, look_around, engine);
    engine_lock(engine);
    engine->context.exporter = exporter;
    engine_unlock(engine);
    return TS_OK;
}

void engine_close_target(struct engine *engine)
{
    engine_lock(engine);
    struct exporter *exporter = engine->context.exporter;
    engine->context.exporter = NULL;
    engine_unlock(engine);
    exporter_free(exporter);
    forget_principal(engine);
}

static void restore_pause(struct engine *engine)
{
    char value[LOCAL_SETTING_MAX];
    struct ts_err ignored;
    if (engine->context.pair != NULL ||
        local_setting(engine->local, "paused-until", value, &ignored) !=
            TS_OK ||
        value[0] == 0) {
        return;
    }
    engine->snapshot.paused = true;
    engine->snapshot.paused_until = strtoll(value, NULL, 10);
}

/* What this node keeps of itself. */
static enum ts_code open_local(struct engine *engine, struct ts_err *err)
{
    const struct config *config = engine->config;
    struct local_options options = { .directory = config->state_directory,
                                     .cluster = config->cluster,
                                     .node = config->this_node };
    char wrote[LOCAL_SETTING_MAX] = "";
    enum ts_code code = local_open(&options, &engine->local, err);
    if (code == TS_OK) {
        code = local_facts(engine->local, &engine->facts, err);
    }
    if (code == TS_OK) {
        code = local_setting(engine->local, "wrote", wrote, err);
    }
    const char *boot = strchr(wrote, ' ');
    if (code == TS_OK && boot != NULL) {
        engine->wrote_epoch = strtoll(wrote, NULL, 10);
        (void) snprintf(engine->wrote_boot, sizeof engine->wrote_boot, "%s",
                        boot + 1);
    }
    return code;
}

/* The lone node goes on in its epoch; one of a pair follows until it is told to
 * lead. */
static enum ts_code open_state(struct engine *engine, struct ts_err *err)
{
    struct engine_context *context = &engine->context;
    struct state *state = &context->state;
    int64_t epoch = local_epoch(engine->local);
    if (epoch == 0) {
        epoch = FIRST_EPOCH;
    }
    enum ts_code code = state_open(state, engine->config->state_directory,
                                   context->pair == NULL ? epoch : 0, err);
    state->committed_row = tell_committed;
    state->owner = engine;
    state->generation_seen = local_generation(engine->local);
    if (code == TS_OK) {
        code = local_raise_epoch(engine->local, state->epoch, err);
    }
    if (code == TS_OK) {
        code = local_raise_generation(engine->local, state->generation, err);
    }
    if (code == TS_OK && context->pair != NULL) {
        state->closed = &engine->closed;
        engine->role = ENGINE_STANDBY;
        return TS_OK;
    }
    if (code == TS_OK) {
        code = staging_recall(context, err);
    }
    return code == TS_OK ? engine_open_target(engine, NULL, state->epoch, err)
                         : code;
}

static enum ts_code open_parts(struct engine *engine, struct ts_err *err)
{
    enum ts_code code = capture_setup(err);
    if (code == TS_OK) {
        code = config_effect(engine->config, &engine->context.effect, err);
    }
    if (code == TS_OK) {
        code = open_local(engine, err);
    }
    if (code == TS_OK) {
        code = open_state(engine, err);
    }
    if (code != TS_OK) {
        return code;
    }
    engine->snapshot.started = true;
    engine->snapshot.epoch = engine->context.state.epoch;
    engine->full_at = engine_complete_at(engine);
    restore_pause(engine);
    engine_recount(engine);
    return TS_OK;
}

static void close_parts(struct engine *engine)
{
    probe_done(engine);
    engine_close_target(engine);
    configure_done(&engine->context);
    unique_done(&engine->context);
    plan_free(engine->context.plan);
    json_decref(engine->context.plan_report);
    json_decref(engine->context.reconcile_report);
    json_decref(engine->snapshot.reconcile);
    state_discard(&engine->context.state);
    state_close(&engine->context.state);
    local_close(engine->local);
    free((uint8_t *) (uintptr_t) engine->facts.data);
    json_decref(engine->shown.fields);
    json_decref(engine->shown.problems);
    hints_forget(&engine->context);
    ts_arena_done(&engine->target_arena);
    ts_queue_free(engine->commands);
    if (engine->event_fd >= 0) {
        (void) close(engine->event_fd);
    }
    (void) pthread_mutex_destroy(&engine->lock);
    free(engine);
}

enum ts_code engine_start(const struct engine_options *options,
                          struct engine **ret_engine, struct ts_err *err)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start the engine");
    }
    engine->config = options->config;
    engine->context.config = options->config;
    engine->approve_first = options->approve_first;
    engine->context.secrets = options->secrets;
    engine->context.approve_first = options->approve_first;
    engine->context.breathe = breathe;
    engine->context.rest = rest;
    engine->context.selected = selected;
    engine->context.reconciled = engine_reconciled;
    engine->context.owner = engine;
    engine->context.started_at = ts_wall_seconds();
    engine->context.pair = options->pair;
    engine->due = ts_time_now();
    engine->nudge.nudge = true;
    atomic_store(&engine->closed, options->pair != NULL);
    jobs_init(&engine->jobs);
    (void) pthread_mutex_init(&engine->lock, NULL);
    engine->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    engine->commands = ts_queue_new(TS_QUEUE_COMMAND_DEPTH, destroy_request);
    enum ts_code code = TS_OK;
    if (engine->event_fd < 0 || engine->commands == NULL) {
        code = ts_fail(err, TS_E_NOMEM, errno, "could not start the engine");
    }
    if (code == TS_OK) {
        code = open_parts(engine, err);
    }
    if (code == TS_OK) {
        int failed =
            pthread_create(&engine->thread, NULL, store_thread, engine);
        code = failed == 0 ? TS_OK
                           : ts_fail(err, TS_E_NOMEM, failed,
                                     "could not start the store's thread");
    }
    if (code != TS_OK) {
        close_parts(engine);
        return code;
    }
    *ret_engine = engine;
    return TS_OK;
}

int engine_event_fd(const struct engine *engine)
{
    return engine->event_fd;
}

bool engine_ended(struct engine *engine, struct ts_err *ret_err)
{
    engine_lock(engine);
    bool ended = engine->ended;
    *ret_err = engine->end;
    engine_unlock(engine);
    return ended;
}

void engine_stop(struct engine *engine)
{
    atomic_store(&engine->ending, true);
    engine_cancel(engine);
    ts_queue_close(engine->commands); /* wakes the store's thread */
}

void engine_free(struct engine *engine)
{
    if (engine != NULL) {
        (void) pthread_join(engine->thread, NULL);
        close_parts(engine);
    }
}
