#include "node/engine/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "node/base/log.h"
#include "node/config/print.h"
#include "node/db/capture.h"
#include "node/engine/configure.h"
#include "node/engine/foreign.h"
#include "node/engine/plan.h"
#include "node/engine/reuse.h"
#include "node/engine/staging.h"
#include "node/engine/staging_events.h"
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
        bool unhealthy = snapshot_unhealthy(&engine->snapshot);
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
    while ((request = ts_queue_pop(engine->commands, until)) != NULL) {
        commands_take(engine, request);
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
    if (!atomic_load(&engine->context.stopping)) {
        take_commands(engine, (struct ts_time){ .ms = 0 });
    }
}

static void rest(void *owner, int64_t ms)
{
    struct engine *engine = owner;
    take_commands(engine, ts_time_after(ts_time_now(), ms));
}

static bool may_export(void *context, struct ts_time deadline)
{
    /* One node alone: it may, until it stops. A pair asks its lease here. */
    struct engine_context *engine = context;
    (void) deadline;
    return !atomic_load(&engine->stopping);
}

/* ---- cycles ------------------------------------------------------------- */

static enum ts_code note_begin(struct engine *engine, enum cycle_kind kind,
                               struct ts_err *err)
{
    int64_t id = 0;
    enum ts_code code =
        local_run_begin(engine->local, cycle_kind_name(kind), &id, err);
    engine_lock(engine);
    engine->snapshot.cycle.running = true;
    engine->snapshot.cycle.id = id;
    engine->snapshot.cycle.kind = kind;
    engine->snapshot.cycle.begun = ts_time_now();
    ts_wall_text(engine->snapshot.cycle.started);
    engine_unlock(engine);
    return code;
}

static enum ts_code note_end(struct engine *engine,
                             const struct cycle_outcome *outcome,
                             struct ts_err *err)
{
    engine_lock(engine);
    struct snapshot *s = &engine->snapshot;
    s->cycle.running = false;
    s->cycle.duration_ms = ts_time_now().ms - s->cycle.begun.ms;
    s->cycle.result = outcome->result;
    s->cycle.did = engine->context.counts;
    snapshot_set_outcome(s, outcome);
    json_t *counts = snapshot_exports(&s->cycle.did);
    json_t *cycle = snapshot_cycle(s);
    struct local_run_end end = {
        .id = s->cycle.id,
        .result = cycle_result_name(outcome->result),
        .duration_ms = s->cycle.duration_ms,
        .counts = counts,
    };
    engine_unlock(engine);

    (void) json_object_set(counts, "phases_ms",
                           json_object_get(cycle, "phases_ms"));
    enum ts_code code = local_run_end(engine->local, &end, err);
    if (code == TS_OK) {
        code = foreign_tell(&engine->context, local_events(engine->local), err);
    }
    if (code == TS_OK) {
        code = reuse_tell(&engine->context, local_events(engine->local), err);
    }
    json_t *fields =
        json_pack("{s:I, s:O, s:s, s:O?}", "id", (json_int_t) end.id, "kind",
                  json_object_get(cycle, "kind"), "result", end.result,
                  "exports", counts);
    if (outcome->result != CYCLE_SUCCESS) {
        (void) json_object_set_new(fields, "why",
                                   json_string(outcome->err.text));
    }
    if (code == TS_OK) {
        code = events_append(local_events(engine->local), "cycle-finished",
                             "daemon", fields, err);
    }
    json_decref(fields);
    json_decref(counts);
    json_decref(cycle);
    return code;
}

/* What a follower no longer needs; a bounded part at a time. */
static enum ts_code trim_journal(struct engine *engine, struct ts_err *err)
{
    struct journal *journal = engine->context.state.journal;
    bool more = journal != NULL && !engine->context.state.building;
    enum ts_code code = TS_OK;
    while (code == TS_OK && more && !atomic_load(&engine->context.stopping)) {
        code = journal_trim(journal, &more, err);
    }
    return code;
}

/* A disk that cannot be written to ends the engine (E4). */
static bool disk_failed(const struct cycle_outcome *outcome)
{
    return outcome->result == CYCLE_FAILED &&
           (outcome->err.code == TS_E_IO || outcome->err.code == TS_E_CORRUPT);
}

static void answer_waiting(struct engine *engine,
                           const struct cycle_outcome *outcome)
{
    int exit_status = outcome->result == CYCLE_SUCCESS   ? 0
                      : outcome->result == CYCLE_PARTIAL ? 0
                      : outcome->result == CYCLE_HELD
                          ? 3
                          : request_exit_of(outcome->err.code);
    char why[SNAPSHOT_SENTENCE_SIZE];
    engine_lock(engine);
    snapshot_sentence(&engine->snapshot, outcome, why);
    engine_unlock(engine);
    for (size_t i = 0; i < engine->in_cycle_count; i++) {
        engine_lock(engine);
        json_t *result = json_object();
        (void) json_object_set_new(result, "cycle",
                                   snapshot_cycle(&engine->snapshot));
        (void) json_object_set_new(
            result, "exports", snapshot_exports(&engine->snapshot.cycle.did));
        engine_unlock(engine);
        (void) json_object_set_new(result, "plan",
                                   plan_report(&engine->context));
        request_finish(engine->in_cycle[i], exit_status, result,
                       outcome->result == CYCLE_FAILED ||
                               outcome->result == CYCLE_HELD
                           ? why
                           : NULL);
    }
    engine->in_cycle_count = 0;
}

/* Whoever only wanted it to begin is told that it has. */
static void answer_begun(struct engine *engine)
{
    struct request *request = engine->to_begin;
    engine->to_begin = NULL;
    if (request == NULL) {
        return;
    }
    engine_lock(engine);
    json_t *cycle = snapshot_cycle(&engine->snapshot);
    engine_unlock(engine);
    request_finish(request, 0, json_pack("{s:o}", "cycle", cycle), NULL);
}

void engine_cycle(struct engine *engine, enum cycle_kind kind,
                  struct cycle_outcome *ret_outcome)
{
    struct ts_err err = { .code = TS_OK };
    struct staging_moment before = staging_moment(&engine->context);
    enum ts_code code = note_begin(engine, kind, &err);
    answer_begun(engine);
    engine->in_a_cycle = true;
    if (code == TS_OK) {
        cycle_run(&engine->context, kind, ret_outcome);
        code = note_end(engine, ret_outcome, &err);
    }
    if (code == TS_OK) {
        code = engine_tell_holds(engine, &err);
    }
    if (code == TS_OK) {
        code = staging_note_change(engine, &before, "daemon", "", &err);
    }
    if (code == TS_OK) {
        code = trim_journal(engine, &err);
    }
    engine->in_a_cycle = false;
    if (code != TS_OK) {
        *ret_outcome =
            (struct cycle_outcome){ .result = CYCLE_FAILED, .err = err };
    }
    /* Whatever waits for an operator: all was read. */
    if ((ret_outcome->result == CYCLE_SUCCESS ||
         ret_outcome->hold == CYCLE_HOLD_STAGED ||
         ret_outcome->hold == CYCLE_HOLD_GUARD) &&
        kind == CYCLE_FULL) {
        engine->full_at = ts_wall_seconds();
    }
    engine_recount(engine);
    ts_log(ret_outcome->result == CYCLE_FAILED ? TS_LOG_ERROR : TS_LOG_INFO,
           "cycle-finished", "id=%lld kind=%s ms=%lld result=%s%s%s",
           (long long) engine->snapshot.cycle.id, cycle_kind_name(kind),
           (long long) engine->snapshot.cycle.duration_ms,
           cycle_result_name(ret_outcome->result),
           ret_outcome->err.code == TS_OK ? "" : " why=",
           ret_outcome->err.code == TS_OK ? "" : ret_outcome->err.text);
    answer_waiting(engine, ret_outcome);
    if (disk_failed(ret_outcome)) {
        engine_lock(engine);
        engine->end = ret_outcome->err;
        engine_unlock(engine);
        atomic_store(&engine->context.stopping, true);
    }
}

/* ---- the store's thread ------------------------------------------------- */

static bool paused_now(struct engine *engine)
{
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
static int64_t complete_at(struct engine *engine)
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
    bool full = ts_wall_seconds() - engine->full_at >=
                (int64_t) schedule->full_every_days * DAY_SECONDS;
    engine_cycle(engine, full ? CYCLE_FULL : CYCLE_DELTA, &outcome);
    engine->due =
        ts_time_after(ts_time_now(), (int64_t) schedule->every_seconds * 1000);
}

/* What had to wait for the cycle to end: each may run a cycle of its own. */
static void take_waiting(struct engine *engine)
{
    while (engine->waiting_count > 0 &&
           !atomic_load(&engine->context.stopping)) {
        struct request *request = engine->waiting[0];
        engine->waiting_count--;
        memmove(engine->waiting, engine->waiting + 1,
                engine->waiting_count * sizeof engine->waiting[0]);
        commands_take(engine, request);
    }
}

static void *store_thread(void *context)
{
    struct engine *engine = context;
    while (!atomic_load(&engine->context.stopping)) {
        take_waiting(engine);
        struct ts_time until = paused_now(engine)
                                   ? ts_time_after(ts_time_now(), 1000)
                                   : engine->due;
        take_commands(engine, until);
        if (!atomic_load(&engine->context.stopping) && !paused_now(engine) &&
            engine->waiting_count == 0 &&
            ts_time_reached(ts_time_now(), engine->due)) {
            scheduled_cycle(engine);
        }
    }
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

static enum ts_code open_target(struct engine *engine, struct ts_err *err)
{
    const struct config *config = engine->config;
    ts_arena_init(&engine->target_arena, TARGET_MEMORY);
    engine->target = (struct target_options){
        .config = &config->target,
        .gate = { .may_export = may_export, .context = &engine->context },
        .cluster = config->cluster,
        .node = config->this_node,
        .epoch = (uint64_t) engine->context.state.epoch,
        .boot_id = local_identity(engine->local)->boot,
    };
    enum ts_code code = TS_OK;
    for (int kind = 0; code == TS_OK && kind < CONFIG_KINDS; kind++) {
        code = configure_paths(config, (enum config_kind) kind,
                               &engine->target_arena,
                               &engine->target.paths[kind], err);
    }
    return code == TS_OK
               ? exporter_new(&engine->target, &engine->context.exporter, err)
               : code;
}

static void restore_pause(struct engine *engine)
{
    char value[LOCAL_SETTING_MAX];
    struct ts_err ignored;
    if (local_setting(engine->local, "paused-until", value, &ignored) !=
            TS_OK ||
        value[0] == 0) {
        return;
    }
    engine->snapshot.paused = true;
    engine->snapshot.paused_until = strtoll(value, NULL, 10);
}

static enum ts_code open_parts(struct engine *engine, struct ts_err *err)
{
    const struct config *config = engine->config;
    struct local_options options = { .directory = config->state_directory,
                                     .cluster = config->cluster,
                                     .node = config->this_node };
    enum ts_code code = capture_setup(err);
    if (code == TS_OK) {
        code = config_effect(config, &engine->context.effect, err);
    }
    if (code == TS_OK) {
        code = local_open(&options, &engine->local, err);
    }
    if (code == TS_OK) {
        int64_t epoch = local_epoch(engine->local);
        code = state_open(&engine->context.state, config->state_directory,
                          epoch > 0 ? epoch : FIRST_EPOCH, err);
    }
    if (code == TS_OK) {
        code =
            local_raise_epoch(engine->local, engine->context.state.epoch, err);
    }
    if (code == TS_OK) {
        code = staging_recall(&engine->context, err);
    }
    if (code == TS_OK) {
        code = open_target(engine, err);
    }
    if (code != TS_OK) {
        return code;
    }
    engine->snapshot.started = true;
    engine->snapshot.epoch = engine->context.state.epoch;
    engine->full_at = complete_at(engine);
    restore_pause(engine);
    engine_recount(engine);
    return TS_OK;
}

static void close_parts(struct engine *engine)
{
    exporter_free(engine->context.exporter);
    configure_done(&engine->context);
    unique_done(&engine->context);
    plan_free(engine->context.plan);
    json_decref(engine->context.plan_report);
    state_discard(&engine->context.state);
    state_close(&engine->context.state);
    local_close(engine->local);
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
    engine->context.approve_first = options->approve_first;
    engine->context.breathe = breathe;
    engine->context.rest = rest;
    engine->context.owner = engine;
    engine->context.started_at = ts_wall_seconds();
    engine->due = ts_time_now();
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
    atomic_store(&engine->context.stopping, true);
    exporter_cancel(engine->context.exporter);
    ts_queue_close(engine->commands); /* wakes the store's thread */
}

void engine_free(struct engine *engine)
{
    if (engine != NULL) {
        (void) pthread_join(engine->thread, NULL);
        close_parts(engine);
    }
}
