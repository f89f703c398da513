/* The evidence of a handover: a replicated setting, written by the active node
 * and read on both. */
#include <stdlib.h>
#include <string.h>

#include "node/engine/private.h"

#define SETTING "handover"

struct keep_job {
    struct job job;
    size_t size;
    uint8_t bytes[];
};

static enum ts_code run_keep(struct engine *engine, struct job *job,
                             struct ts_err *err)
{
    const struct keep_job *k = (const struct keep_job *) job;
    struct state *state = &engine->context.state;
    if (engine->role != ENGINE_ACTIVE || state->mv == NULL) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "could not keep the evidence of the handover: this node "
                       "%s",
                       state->mv == NULL ? "has no state yet"
                                         : "does not export");
    }
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = metaverse_set_setting(state->mv, SETTING,
                                 ts_slice(k->bytes, k->size), err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    code = state_commit(state, err);
    engine_note_position(engine);
    return code;
}

void engine_handover_keep(struct engine *engine, struct ts_slice bytes,
                          struct engine_done done)
{
    struct ts_err err;
    if (bytes.size > ENGINE_HANDOVER_MAX) {
        job_answer(engine, done,
                   ts_fail(&err, TS_E_LIMIT, 0,
                           "cannot keep the evidence of the handover: it is "
                           "longer than %d bytes",
                           ENGINE_HANDOVER_MAX),
                   &err);
        return;
    }
    struct keep_job *k = calloc(1, sizeof *k + bytes.size);
    if (k != NULL) {
        k->job = (struct job){ .run = run_keep };
        k->size = bytes.size;
        memcpy(k->bytes, bytes.data, bytes.size);
    }
    job_post(engine, k == NULL ? NULL : &k->job, done);
}

static enum ts_code run_kept(struct engine *engine, struct job *job,
                             struct ts_err *err)
{
    struct state *state = &engine->context.state;
    struct events_head head = events_head(local_events(engine->local));
    struct engine_result result = { .head_hash = head.hash,
                                    .head_seq = head.seq };
    uint8_t *bytes = malloc(ENGINE_HANDOVER_MAX);
    size_t size = 0;
    enum ts_code code = TS_OK;
    if (bytes == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not read the evidence of the handover");
    }
    if (state->mv != NULL) {
        code = metaverse_setting(state->mv, SETTING, bytes, ENGINE_HANDOVER_MAX,
                                 &size, err);
    }
    if (code == TS_OK || code == TS_E_NOT_FOUND) {
        result.kept = ts_slice(bytes, code == TS_OK ? size : 0);
        engine_lock(engine);
        result.position = engine->snapshot.position;
        engine_unlock(engine);
        job->done.call(job->done.context, &result);
        code = TS_OK;
    }
    free(bytes);
    return code;
}

void engine_handover_kept(struct engine *engine, struct engine_done done)
{
    struct job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        *job = (struct job){ .run = run_kept, .answers = true };
    }
    job_post(engine, job, done);
}

void engine_look(struct engine *engine, struct engine_look *ret_look)
{
    engine_lock(engine);
    const struct snapshot *s = &engine->snapshot;
    *ret_look = (struct engine_look){
        .running = s->cycle.running,
        .complete = s->cycle.kind != CYCLE_DELTA,
        .cycle = s->cycle.id,
        .running_ms =
            s->cycle.running ? ts_time_now().ms - s->cycle.begun.ms : 0,
        .phase = s->cycle.running ? engine_phase_name(s->cycle.phase) : "",
        .done = s->cycle.done,
        .total = s->cycle.total,
        .source = s->counts.source,
        .metaverse = s->counts.metaverse,
        .target = s->counts.target,
        .ledger = s->counts.ledger,
        .pending = s->counts.pending,
        .held = s->guard.objects,
        .errors = s->counts.errors,
        .staging = s->staging.why != STAGING_NONE,
    };
    engine_unlock(engine);
}
