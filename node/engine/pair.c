#include "node/engine/pair.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/failpoint.h"
#include "node/engine/hints.h"
#include "node/engine/inherit.h"
#include "node/engine/role.h"
#include "node/engine/touch.h"
#include "replication/batch.h"

void engine_nudge(struct engine *engine)
{
    if (atomic_exchange(&engine->nudged, true)) {
        return;
    }
    /* A full queue wakes it as well. */
    if (ts_queue_push(engine->commands, &engine->nudge,
                      (struct ts_time){ .ms = 0 }) != TS_OK) {
        atomic_store(&engine->nudged, false);
    }
}

/* ---- activate, leave ------------------------------------------------------
 */

struct activate_job {
    struct job job;
    struct engine_activation activation;
    char id[ENGINE_CLIENT_ID_MAX], secret[ENGINE_CLIENT_ID_MAX];
    unsigned departures; /* when it was asked for */
};

static void release_activate(struct job *job)
{
    struct activate_job *a = (struct activate_job *) job;
    explicit_bzero(a->secret, sizeof a->secret);
}

static enum ts_code run_activate(struct engine *engine, struct job *job,
                                 struct ts_err *err)
{
    struct activate_job *a = (struct activate_job *) job;
    if (a->departures != atomic_load(&engine->departures)) {
        return ts_fail(err, TS_E_CANCELLED, 0,
                       "could not begin to export: the lease was given up "
                       "meanwhile");
    }
    return role_activate(engine, &a->activation, err);
}

static bool copy_text(char *to, size_t size, const char *from)
{
    return from == NULL || (size_t) snprintf(to, size, "%s", from) < size;
}

void engine_activate(struct engine *engine,
                     const struct engine_activation *activation,
                     struct engine_done done)
{
    struct activate_job *a = calloc(1, sizeof *a);
    struct ts_err err;
    if (a == NULL) {
        job_post(engine, NULL, done);
        return;
    }
    a->job = (struct job){ .run = run_activate,
                           .release = release_activate,
                           .needs_idle = true };
    a->departures = atomic_load(&engine->departures);
    a->activation = *activation;
    const struct engine_principal *who = &activation->principal;
    if (!copy_text(a->id, sizeof a->id, who->id) ||
        !copy_text(a->secret, sizeof a->secret, who->secret)) {
        free(a);
        job_answer(engine, done,
                   ts_fail(&err, TS_E_LIMIT, 0,
                           "cannot begin to export: the client that was made "
                           "for it has a name or secret of over %d bytes",
                           ENGINE_CLIENT_ID_MAX - 1),
                   &err);
        return;
    }
    a->activation.principal =
        (struct engine_principal){ .id = who->id == NULL ? NULL : a->id,
                                   .secret =
                                       who->secret == NULL ? NULL : a->secret };
    job_post(engine, &a->job, done);
}

void engine_cancel(struct engine *engine)
{
    atomic_store(&engine->context.draining, false);
    atomic_store(&engine->context.stopping, true);
    engine_lock(engine);
    if (engine->context.exporter != NULL) {
        exporter_cancel(engine->context.exporter);
    }
    engine_unlock(engine);
}

static enum ts_code run_leave(struct engine *engine, struct job *job,
                              struct ts_err *err)
{
    (void) job;
    (void) err;
    role_leave(engine);
    return TS_OK;
}

void engine_deactivate(struct engine *engine, enum engine_leave how,
                       struct engine_done done)
{
    struct job *job = calloc(1, sizeof *job);
    if (job != NULL) {
        *job = (struct job){ .run = run_leave, .needs_idle = true };
    }
    atomic_fetch_add(&engine->departures, 1);
    if (how == ENGINE_LEAVE_AT_ONCE) {
        atomic_store(&engine->closed, true);
        engine_cancel(engine);
    } else {
        atomic_store(&engine->context.draining, true);
        atomic_store(&engine->context.stopping, true);
    }
    job_post(engine, job, done);
}

/* ---- follow ----------------------------------------------------------------
 */

struct apply_job {
    struct job job;
    struct batch *batch;
};

static void release_apply(struct job *job)
{
    batch_free(((struct apply_job *) job)->batch);
}

static enum ts_code run_apply(struct engine *engine, struct job *job,
                              struct ts_err *err)
{
    return role_apply(engine, ((struct apply_job *) job)->batch, err);
}

void engine_apply(struct engine *engine, struct batch *batch,
                  struct engine_done done)
{
    struct apply_job *a = calloc(1, sizeof *a);
    if (a == NULL) {
        batch_free(batch);
        job_post(engine, NULL, done);
        return;
    }
    a->job = (struct job){ .run = run_apply,
                           .release = release_apply,
                           .needs_idle = true };
    a->batch = batch;
    job_post(engine, &a->job, done);
}

struct install_job {
    struct job job;
    int64_t number;
    bool keep;
};

static enum ts_code run_install(struct engine *engine, struct job *job,
                                struct ts_err *err)
{
    const struct install_job *i = (const struct install_job *) job;
    return role_install(engine, i->number, i->keep, err);
}

void engine_install(struct engine *engine, int64_t number, bool keep,
                    struct engine_done done)
{
    struct install_job *i = calloc(1, sizeof *i);
    if (i != NULL) {
        i->job = (struct job){ .run = run_install, .needs_idle = true };
        i->number = number;
        i->keep = keep;
    }
    job_post(engine, i == NULL ? NULL : &i->job, done);
}

struct finalize_job {
    struct job job;
    int64_t level;
};

static enum ts_code run_finalize(struct engine *engine, struct job *job,
                                 struct ts_err *err)
{
    int64_t level = ((const struct finalize_job *) job)->level;
    if (engine->role != ENGINE_ACTIVE) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot bring the state to schema level %lld here: this "
                       "node does not export",
                       (long long) level);
    }
    enum ts_code code = state_finalize(&engine->context.state, level, err);
    engine_note_position(engine);
    return code;
}

void engine_finalize(struct engine *engine, int64_t level,
                     struct engine_done done)
{
    struct finalize_job *f = calloc(1, sizeof *f);
    if (f != NULL) {
        f->job = (struct job){ .run = run_finalize, .needs_idle = true };
        f->level = level;
    }
    job_post(engine, f == NULL ? NULL : &f->job, done);
}

/* ---- this node's own file ---------------------------------------------------
 */

struct persist_job {
    struct job job;
    int64_t epoch;
    size_t size;
    uint8_t facts[];
};

static enum ts_code run_persist(struct engine *engine, struct job *job,
                                struct ts_err *err)
{
    const struct persist_job *p = (const struct persist_job *) job;
    enum ts_code code = local_set_facts(
        engine->local, ts_slice(p->facts, p->size), p->epoch, err);
    TS_FAILPOINT(FACTS_PERSISTED);
    return code;
}

void engine_persist(struct engine *engine, struct ts_slice facts, int64_t epoch,
                    struct engine_done done)
{
    struct ts_err err;
    if (facts.size > ENGINE_FACTS_MAX) {
        job_answer(engine, done,
                   ts_fail(&err, TS_E_LIMIT, 0,
                           "cannot keep what this node knows of its pair: it "
                           "is longer than %d bytes",
                           ENGINE_FACTS_MAX),
                   &err);
        return;
    }
    struct persist_job *p = calloc(1, sizeof *p + facts.size);
    if (p != NULL) {
        p->job = (struct job){ .run = run_persist };
        p->epoch = epoch;
        p->size = facts.size;
        if (facts.size > 0) {
            memcpy(p->facts, facts.data, facts.size);
        }
    }
    job_post(engine, p == NULL ? NULL : &p->job, done);
}

struct record_job {
    struct job job;
    char name[64], actor[128];
    json_t *fields;
};

static void release_record(struct job *job)
{
    json_decref(((struct record_job *) job)->fields);
}

static enum ts_code run_record(struct engine *engine, struct job *job,
                               struct ts_err *err)
{
    const struct record_job *r = (const struct record_job *) job;
    return events_append(local_events(engine->local), r->name, r->actor,
                         r->fields, err);
}

void engine_record(struct engine *engine, const char *name, const char *actor,
                   json_t *fields, struct engine_done done)
{
    struct record_job *r = calloc(1, sizeof *r);
    if (r == NULL) {
        json_decref(fields);
        job_post(engine, NULL, done);
        return;
    }
    r->job = (struct job){ .run = run_record, .release = release_record };
    (void) snprintf(r->name, sizeof r->name, "%s", name);
    (void) snprintf(r->actor, sizeof r->actor, "%s", actor);
    r->fields = fields;
    job_post(engine, &r->job, done);
}

/* ---- hints ------------------------------------------------------------------
 */

struct hints_job {
    struct job job;
    struct ts_arena arena;
    bool cut;
    size_t count;
    struct engine_hint hints[];
};

static void release_hints(struct job *job)
{
    ts_arena_done(&((struct hints_job *) job)->arena);
}

static enum ts_code run_hints(struct engine *engine, struct job *job,
                              struct ts_err *err)
{
    const struct hints_job *h = (const struct hints_job *) job;
    struct state *state = &engine->context.state;
    if (engine->role != ENGINE_ACTIVE) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot look into what another node wrote last: this "
                       "node does not export");
    }
    const struct engine_tail tail = { h->hints, h->count, h->cut };
    if (state->mv == NULL || (h->count == 0 && !h->cut)) {
        return TS_OK;
    }
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    code = hints_note(&engine->context, &tail, err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    /* They are looked at, or all is read, and the normal cycle decides. */
    engine->due = ts_time_now();
    return state_commit(state, err);
}

void engine_hints(struct engine *engine, const struct engine_tail *tail,
                  struct engine_done done)
{
    struct ts_err err;
    size_t count = tail->count;
    if (count > ENGINE_HINTS_MAX) {
        job_answer(engine, done,
                   ts_fail(&err, TS_E_LIMIT, 0,
                           "cannot look into %zu objects that another node "
                           "wrote last: at most %d are taken",
                           count, ENGINE_HINTS_MAX),
                   &err);
        return;
    }
    struct hints_job *h = calloc(1, sizeof *h + count * sizeof h->hints[0]);
    if (h == NULL) {
        job_post(engine, NULL, done);
        return;
    }
    h->job = (struct job){ .run = run_hints,
                           .release = release_hints,
                           .needs_idle = true };
    ts_arena_init(&h->arena, ENGINE_OBJECT_MEMORY);
    h->cut = tail->cut;
    for (size_t i = 0; i < count; i++) {
        struct ts_slice anchor =
            ts_arena_copy(&h->arena, tail->hints[i].anchor);
        h->cut = h->cut || anchor.data == NULL;
        if (anchor.data != NULL) {
            h->hints[h->count++] =
                (struct engine_hint){ .kind = tail->hints[i].kind,
                                      .anchor = anchor };
        }
    }
    job_post(engine, &h->job, done);
}

/* ---- what is shown
 * ------------------------------------------------------------
 */

void engine_publish(struct engine *engine, const char *role, const char *active,
                    json_t *fields)
{
    engine_lock(engine);
    struct engine_shown *shown = &engine->shown;
    json_t *before = shown->fields;
    (void) snprintf(shown->role, sizeof shown->role, "%s", role);
    (void) snprintf(shown->active, sizeof shown->active, "%s", active);
    shown->fields = fields;
    engine_unlock(engine);
    json_decref(before);
}

void engine_publish_problems(struct engine *engine, json_t *problems)
{
    engine_lock(engine);
    json_t *before = engine->shown.problems;
    engine->shown.problems = problems;
    engine_unlock(engine);
    json_decref(before);
}

void engine_show(const struct engine *engine, json_t *document)
{
    const struct engine_shown *shown = &engine->shown;
    const char *key;
    json_t *value;
    if (shown->problems != NULL) {
        (void) json_array_extend(json_object_get(document, "problems"),
                                 shown->problems);
    }
    if (engine->context.pair == NULL) {
        return;
    }
    (void) json_object_set_new(
        document, "role",
        json_string(shown->role[0] != 0 ? shown->role : "starting"));
    json_object_foreach(shown->fields, key, value)
    {
        json_t *known = json_object_get(document, key);
        if (json_is_array(known) && json_is_array(value)) {
            (void) json_array_extend(known, value);
        } else if (json_is_object(known) && json_is_object(value)) {
            (void) json_object_update(known, value);
        } else {
            (void) json_object_set(document, key, value);
        }
    }
}

bool engine_refuse_as_standby(struct engine *engine, struct request *request)
{
    char active[128];
    char text[320];
    if (engine->role != ENGINE_STANDBY) {
        return false;
    }
    engine_lock(engine);
    (void) snprintf(active, sizeof active, "%s", engine->shown.active);
    engine_unlock(engine);
    if (active[0] != 0) {
        (void) snprintf(text, sizeof text,
                        "cannot run \"%s\" here: this node is a standby and "
                        "\"%s\" exports; run it there",
                        request->command, active);
    } else {
        (void) snprintf(text, sizeof text,
                        "cannot run \"%s\" here: this node is a standby and no "
                        "node is known to export; see twinsync explain",
                        request->command);
    }
    request_finish(request, 3, NULL, text);
    return true;
}

void engine_facts(struct engine *engine, struct engine_facts *ret_facts)
{
    const struct state *state = &engine->context.state;
    struct engine_facts facts = {
        .facts = engine->facts,
        .epoch = local_epoch(engine->local),
        .generation = local_generation(engine->local),
        .level_max = state_schema().migration_count,
        .boot = local_identity(engine->local)->boot,
        .wrote_epoch = engine->wrote_epoch,
    };
    (void) snprintf(facts.wrote_boot, sizeof facts.wrote_boot, "%s",
                    engine->wrote_boot);
    if (state->journal != NULL) {
        facts.position = journal_position(state->journal);
        state_path(state, facts.state_path);
    }
    *ret_facts = facts;
}
