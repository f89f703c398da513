#include "node/engine/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node/base/cleanup.h"
#include "node/base/http.h"
#include "node/engine/private.h"

#define ASKERS_MAX     8
#define TARGET_WAIT_MS 5000
#define ANSWER_MAX     ((size_t) 1024 * 1024)
#define PROBE_MEMORY   ((size_t) 1024 * 1024)
#define PROBE_FILE     "probe" /* in the state directory, for a moment */

/* All but the looking is under the engine's lock. */
struct prober {
    pthread_t thread;
    bool running; /* the thread is looking */
    bool to_join;
    bool ending;
    size_t asker_count, next_count; /* of this look, and of the next */
    struct engine_done askers[ASKERS_MAX], next[ASKERS_MAX];
    struct source *source; /* being asked */
    struct ts_http *http;
    struct engine_gate_result gates[ENGINE_GATES];
};

static void pass(struct prober *prober, enum engine_gate gate, const char *what)
{
    struct engine_gate_result *result = &prober->gates[gate];
    result->ok = true;
    (void) snprintf(result->text, sizeof result->text, "%s", what);
}

static void fail(struct prober *prober, enum engine_gate gate, const char *what,
                 const char *why, const char *fix)
{
    struct engine_gate_result *result = &prober->gates[gate];
    result->ok = false;
    (void) snprintf(result->text, sizeof result->text, "%.90s%s%.200s%s%.90s",
                    what, why[0] == 0 ? "" : ": ", why, fix[0] == 0 ? "" : "; ",
                    fix);
}

/* ---- sources ----------------------------------------------------------------
 */

/* From here on probe_done() may cancel it; false: it has ended already. */
static bool begin_source(struct engine *engine, struct source *source)
{
    engine_lock(engine);
    bool go_on = !engine->prober->ending;
    engine->prober->source = go_on ? source : NULL;
    engine_unlock(engine);
    return go_on;
}

static bool source_is_fit(struct engine *engine,
                          const struct config_source *config)
{
    struct prober *prober = engine->prober;
    struct source_options options = { .config = config,
                                      .secrets = engine->context.secrets };
    struct source_finding findings[SOURCE_FINDINGS_MAX];
    struct source *source = NULL;
    struct ts_arena arena;
    struct ts_err err;
    bool fit = true;
    if (source_open(&options, &source, &err) != TS_OK) {
        fail(prober, ENGINE_GATE_SOURCE, config->name, err.text, "");
        return false;
    }
    ts_arena_init(&arena, PROBE_MEMORY);
    size_t count = begin_source(engine, source)
                       ? source_check(source, &arena, findings)
                       : 0;
    for (size_t i = 0; fit && i < count; i++) {
        if (!findings[i].ok) {
            fit = false;
            fail(prober, ENGINE_GATE_SOURCE, config->name,
                 findings[i].value == NULL ? findings[i].name
                                           : findings[i].value,
                 findings[i].fix == NULL ? "" : findings[i].fix);
        }
    }
    engine_lock(engine);
    prober->source = NULL;
    engine_unlock(engine);
    source_close(source);
    ts_arena_done(&arena);
    return fit;
}

static void probe_sources(struct engine *engine)
{
    const struct config *config = engine->config;
    pass(engine->prober, ENGINE_GATE_SOURCE, "every source answers");
    for (uint32_t i = 0; i < config->sources_count; i++) {
        if (!source_is_fit(engine, &config->sources[i])) {
            return;
        }
    }
}

/* ---- the target's front door
 * -------------------------------------------------
 */

struct knock {
    bool ended, answered;
    char text[sizeof(((struct ts_err *) 0)->text)];
};

static void knocked(struct ts_http_request *request,
                    const struct ts_http_answer *answer)
{
    struct knock *knock = request->owner;
    knock->ended = true;
    knock->answered =
        answer->end == TS_HTTP_ANSWERED || answer->end == TS_HTTP_OVERSIZE;
    (void) snprintf(knock->text, sizeof knock->text, "%s",
                    knock->answered ? "" : answer->err.text);
}

static void knock_at(struct engine *engine, const char *url,
                     struct ts_http *http)
{
    struct knock knock = { .ended = false };
    struct ts_http_request request = { .method = TS_HTTP_GET,
                                       .url = url,
                                       .replayable = true,
                                       .timeout_ms = TARGET_WAIT_MS,
                                       .answer_max = ANSWER_MAX,
                                       .done = knocked,
                                       .owner = &knock };
    struct ts_err err;
    if (ts_http_start(http, &request, &err) != TS_OK) {
        fail(engine->prober, ENGINE_GATE_TARGET, "the target", err.text, "");
        return;
    }
    while (!knock.ended) {
        (void) ts_http_run(http, -1, ts_time_after(ts_time_now(), 1000));
    }
    if (knock.answered) {
        pass(engine->prober, ENGINE_GATE_TARGET, "the target answers");
    } else {
        fail(engine->prober, ENGINE_GATE_TARGET, "the target", knock.text,
             "check the target's url and the network");
    }
}

static void probe_target(struct engine *engine)
{
    const struct config_target *target = &engine->config->target;
    struct ts_http_options options = {
        .ca_file = target->tls.ca_file,
        .certificate_file = target->tls.certificate_file,
        .key_file = target->tls.key_file,
        .user_agent = "twinsync/" TS_VERSION,
        .allow_plaintext = target->allow_plaintext_loopback,
        .connections_max = 1,
    };
    char url[1024];
    struct ts_http *http = NULL;
    struct ts_err err;
    (void) snprintf(url, sizeof url, "%s/ServiceProviderConfig", target->url);
    if (ts_http_new(&options, &http, &err) != TS_OK) {
        fail(engine->prober, ENGINE_GATE_TARGET, "the target", err.text, "");
        return;
    }
    knock_at(engine, url, http);
    ts_http_free(http);
}

/* ---- disk and state
 * ------------------------------------------------------------
 */

static int write_a_byte(const char *path)
{
    TS_AUTOCLOSE int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "", 1) != 1 || fsync(fd) != 0) {
        return errno == 0 ? ENOSPC : errno;
    }
    return 0;
}

static void probe_disk(struct engine *engine)
{
    char path[600];
    char what[200];
    errno = 0;
    (void) snprintf(path, sizeof path, "%s/%s", engine->config->state_directory,
                    PROBE_FILE);
    int failed = write_a_byte(path);
    (void) unlink(path);
    struct statvfs disk = { .f_frsize = 0 };
    bool known = statvfs(engine->config->state_directory, &disk) == 0;
    engine->prober->gates[ENGINE_GATE_DISK].free_bytes =
        known ? (int64_t) disk.f_bavail * (int64_t) disk.f_frsize : 0;
    (void) snprintf(what, sizeof what, "state-directory \"%.120s\"",
                    engine->config->state_directory);
    if (failed == 0) {
        pass(engine->prober, ENGINE_GATE_DISK, what);
    } else {
        fail(engine->prober, ENGINE_GATE_DISK, what, strerrordesc_np(failed),
             "make room, or check its rights");
    }
}

static void probe_state(struct engine *engine)
{
    engine_lock(engine);
    struct journal_position at = engine->snapshot.position;
    engine_unlock(engine);
    char what[120];
    (void) snprintf(what, sizeof what, "generation %lld, epoch %lld, row %lld",
                    (long long) at.generation, (long long) at.epoch,
                    (long long) at.seq);
    if (at.generation > 0) {
        pass(engine->prober, ENGINE_GATE_STATE, what);
    } else {
        fail(engine->prober, ENGINE_GATE_STATE, "no state yet", "",
             "it comes with the first reading, or from the other node");
    }
}

/* ---- the thread
 * ------------------------------------------------------------------
 */

static void answer_all(struct engine *engine, enum ts_code code,
                       const struct ts_err *err)
{
    struct prober *prober = engine->prober;
    struct engine_result result = { .code = code,
                                    .err = err,
                                    .gates = prober->gates };
    engine_lock(engine);
    result.position = engine->snapshot.position;
    size_t count = prober->asker_count;
    prober->asker_count = 0;
    engine_unlock(engine);
    for (size_t i = 0; i < count; i++) {
        prober->askers[i].call(prober->askers[i].context, &result);
    }
}

/* Is there another look to be made? Else the thread ends. */
static bool next_look(struct engine *engine)
{
    struct prober *prober = engine->prober;
    engine_lock(engine);
    memcpy(prober->askers, prober->next, sizeof prober->askers);
    prober->asker_count = prober->next_count;
    prober->next_count = 0;
    prober->running = prober->asker_count > 0;
    bool more = prober->running;
    engine_unlock(engine);
    return more;
}

static void *look(void *context)
{
    struct engine *engine = context;
    struct ts_err err;
    do {
        probe_disk(engine);
        probe_state(engine);
        probe_target(engine);
        probe_sources(engine);
        engine_lock(engine);
        bool ending = engine->prober->ending;
        engine_unlock(engine);
        if (ending) {
            answer_all(engine,
                       ts_fail(&err, TS_E_CANCELLED, 0,
                               "could not look whether this node is fit: the "
                               "daemon is stopping"),
                       &err);
        } else {
            answer_all(engine, TS_OK, NULL);
        }
    } while (next_look(engine));
    return NULL;
}

/* Under the lock. */
static enum ts_code begin_look(struct engine *engine, struct engine_done done,
                               struct ts_err *err)
{
    struct prober *prober = engine->prober;
    if (prober->ending) {
        return ts_fail(err, TS_E_CANCELLED, 0,
                       "could not look whether this node is fit: the daemon "
                       "is stopping");
    }
    if (prober->running) {
        if (prober->next_count == ASKERS_MAX) {
            return ts_fail(err, TS_E_TIMEOUT, 0,
                           "could not look whether this node is fit: too many "
                           "ask");
        }
        prober->next[prober->next_count++] = done;
        return TS_OK;
    }
    if (prober->to_join) {
        (void) pthread_join(prober->thread, NULL); /* it has ended */
    }
    prober->askers[0] = done;
    prober->asker_count = 1;
    int failed = pthread_create(&prober->thread, NULL, look, engine);
    prober->running = failed == 0;
    prober->to_join = failed == 0;
    if (failed != 0) {
        prober->asker_count = 0;
        return ts_fail(err, TS_E_NOMEM, failed,
                       "could not look whether this node is fit");
    }
    return TS_OK;
}

void engine_probe(struct engine *engine, struct engine_done done)
{
    struct ts_err err;
    enum ts_code code = TS_OK;
    engine_lock(engine);
    if (engine->prober == NULL) {
        engine->prober = calloc(1, sizeof *engine->prober);
    }
    code = engine->prober == NULL
               ? ts_fail(&err, TS_E_NOMEM, 0,
                         "could not look whether this node is fit")
               : begin_look(engine, done, &err);
    engine_unlock(engine);
    if (code != TS_OK) {
        job_answer(engine, done, code, &err);
    }
}

void probe_done(struct engine *engine)
{
    struct prober *prober = engine->prober;
    if (prober == NULL) {
        return;
    }
    engine_lock(engine);
    prober->ending = true;
    if (prober->source != NULL) {
        source_cancel(prober->source);
    }
    bool join = prober->to_join;
    engine_unlock(engine);
    if (join) {
        (void) pthread_join(prober->thread, NULL);
    }
    free(prober);
    engine->prober = NULL;
}
