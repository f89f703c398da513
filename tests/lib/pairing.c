#include "tests/lib/pairing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "node/config/loader.h"
#include "node/db/capture.h"
#include "node/engine/state.h"
#include "replication/generation.h"
#include "tests/lib/test.h"

#define DEADLINE_S 20

static const char yaml[] =
    "cluster: corp\n"
    "this-node: alpha\n"
    "state-directory: %s\n"
    "sources:\n"
    "- {name: hq, type: contentsync, uri: 'ldap://127.0.0.1:1', base: dc=a,\n"
    "   bind: {dn: cn=b, password-file: credential},\n"
    "   allow-plaintext-loopback: true}\n"
    "rules:\n"
    "- {kind: user, sources: [hq], when: '1',\n"
    "   flow: {userName: uid}}\n"
    "target: {type: scim, url: 'http://127.0.0.1:1/scim', token-file: t,\n"
    "   allow-plaintext-loopback: true, quiesce-seconds: 1, fence: none}\n"
    "schedule: {every-seconds: 3600, full-every-days: 7}\n"
    "nodes:\n"
    "- {name: alpha, endpoint: 'tcp://127.0.0.1:7400'}\n"
    "- {name: beta, endpoint: 'tcp://127.0.0.2:7400'}\n"
    "register: {type: manual}\n";

/* ---- the port ----------------------------------------------------------- */

static bool may_export(void *context, struct ts_time deadline)
{
    (void) context;
    (void) deadline;
    return true;
}

static int64_t remaining_ms(void *context)
{
    (void) context;
    return 10000;
}

static void tick(void *context)
{
    (void) context;
}

static enum ts_code token(void *context, const struct ts_hash *hash,
                          int64_t lifetime_s, struct ts_err *err)
{
    (void) context;
    (void) hash;
    (void) lifetime_s;
    (void) err;
    return TS_OK;
}

static void committed(void *context, const struct journal_position *position)
{
    struct pairing *pairing = context;
    (void) pthread_mutex_lock(&pairing->lock);
    pairing->committed++;
    pairing->last = *position;
    (void) pthread_mutex_unlock(&pairing->lock);
}

static enum engine_ack acked(void *context,
                             const struct journal_position *position)
{
    struct pairing *pairing = context;
    (void) position;
    (void) pthread_mutex_lock(&pairing->lock);
    enum engine_ack ack = pairing->ack;
    (void) pthread_mutex_unlock(&pairing->lock);
    return ack;
}

static enum engine_ack generation(void *context, int64_t number)
{
    (void) number;
    return acked(context, NULL);
}

static bool unprotected(void *context)
{
    return acked(context, NULL) == ENGINE_ACK_UNPROTECTED;
}

static bool paused(void *context)
{
    (void) context;
    return false;
}

static void selected(void *context, const char *path)
{
    (void) context;
    (void) path;
}

/* ---- life --------------------------------------------------------------- */

static void make_config(struct pairing *pairing)
{
    char text[2048];
    struct ts_err err = { .code = TS_OK };
    (void) snprintf(text, sizeof text, yaml, pairing->folder);
    enum ts_code code = config_parse(ts_slice_str(text), "c.yaml",
                                     &pairing->config, NULL, &err);
    if (code != TS_OK) {
        fail_msg("%s", err.text);
    }
}

static void make_state(const struct pairing *pairing)
{
    struct state state;
    struct ts_err err;
    assert_int_equal(state_open(&state, pairing->folder, 1, &err), TS_OK);
    assert_int_equal(state_build(&state, &err), TS_OK);
    assert_int_equal(state_begin(&state, &err), TS_OK);
    state.numbers.batch = 5;
    assert_int_equal(state_commit(&state, &err), TS_OK);
    assert_int_equal(state_select(&state, &err), TS_OK);
    state_close(&state);
}

int pairing_make(void **state)
{
    struct pairing *pairing = calloc(1, sizeof *pairing);
    struct ts_err err;
    assert_non_null(pairing);
    assert_int_equal(capture_setup(&err), TS_OK);
    folder_make(pairing->folder);
    make_config(pairing);
    make_state(pairing);
    (void) pthread_mutex_init(&pairing->lock, NULL);
    (void) pthread_cond_init(&pairing->came, NULL);
    pairing->pair = (struct engine_pair){ .may_export = may_export,
                                          .remaining_ms = remaining_ms,
                                          .tick = tick,
                                          .token = token,
                                          .committed = committed,
                                          .acked = acked,
                                          .selected = selected,
                                          .generation = generation,
                                          .unprotected = unprotected,
                                          .paused = paused,
                                          .context = pairing };
    *state = pairing;
    return 0;
}

int pairing_remove(void **state)
{
    struct pairing *pairing = *state;
    pairing_stop(pairing);
    config_free(pairing->config);
    folder_remove(pairing->folder);
    (void) pthread_mutex_destroy(&pairing->lock);
    (void) pthread_cond_destroy(&pairing->came);
    free(pairing);
    return 0;
}

void pairing_start(struct pairing *pairing)
{
    const struct engine_options options = { .config = pairing->config,
                                            .pair = &pairing->pair };
    struct ts_err err = { .code = TS_OK };
    if (engine_start(&options, &pairing->engine, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
}

void pairing_stop(struct pairing *pairing)
{
    if (pairing->engine != NULL) {
        engine_stop(pairing->engine);
        engine_free(pairing->engine);
        pairing->engine = NULL;
    }
}

/* ---- the state ---------------------------------------------------------- */

void pairing_exec(struct pairing *pairing, const char *sql)
{
    struct state state;
    struct ts_err err = { .code = TS_OK };
    assert_null(pairing->engine);
    assert_int_equal(state_open(&state, pairing->folder, 0, &err), TS_OK);
    assert_int_equal(state_begin(&state, &err), TS_OK);
    if (db_exec(&state.mv->db, sql, &err) != TS_OK ||
        state_commit(&state, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    state_close(&state);
}

int64_t pairing_int(const struct pairing *pairing, const char *sql)
{
    char path[GENERATION_PATH_SIZE];
    int64_t generation = 0;
    int64_t value = 0;
    struct db db = { .handle = NULL };
    struct db_schema schema = state_schema();
    struct ts_err err = { .code = TS_OK };
    assert_int_equal(
        generation_locate(pairing->folder, &generation, path, &err), TS_OK);
    if (db_open(path, DB_READ_ONLY, &schema, &db, &err) != TS_OK ||
        db_query_int(&db, sql, &value, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    db_close(&db);
    return value;
}

/* ---- calls -------------------------------------------------------------- */

static void take_answer(void *context, const struct engine_result *result)
{
    struct pairing_answer *answer = context;
    struct pairing *pairing = answer->pairing;
    (void) pthread_mutex_lock(&pairing->lock);
    assert_false(answer->came);
    answer->code = result->code;
    answer->position = result->position;
    (void) snprintf(answer->text, sizeof answer->text, "%s",
                    result->err == NULL ? "" : result->err->text);
    if (result->gates != NULL) {
        memcpy(answer->gates, result->gates, sizeof answer->gates);
    }
    answer->came = true;
    pairing->answers++;
    (void) pthread_cond_broadcast(&pairing->came);
    (void) pthread_mutex_unlock(&pairing->lock);
}

struct engine_done pairing_done(struct pairing *pairing,
                                struct pairing_answer *answer)
{
    *answer = (struct pairing_answer){ .pairing = pairing };
    return (struct engine_done){ .call = take_answer, .context = answer };
}

enum ts_code pairing_await(struct pairing_answer *answer)
{
    struct pairing *pairing = answer->pairing;
    struct timespec until;
    int failed = 0;
    (void) clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_S;
    (void) pthread_mutex_lock(&pairing->lock);
    while (!answer->came && failed == 0) {
        failed = pthread_cond_timedwait(&pairing->came, &pairing->lock, &until);
    }
    (void) pthread_mutex_unlock(&pairing->lock);
    assert_int_equal(failed, 0);
    return answer->code;
}

enum ts_code pairing_activate(struct pairing *pairing,
                              const struct engine_activation *activation)
{
    struct pairing_answer answer;
    engine_activate(pairing->engine, activation,
                    pairing_done(pairing, &answer));
    return pairing_await(&answer);
}

enum ts_code pairing_deactivate(struct pairing *pairing)
{
    struct pairing_answer answer;
    engine_deactivate(pairing->engine, ENGINE_LEAVE_AT_ONCE,
                      pairing_done(pairing, &answer));
    return pairing_await(&answer);
}

struct asked {
    struct pairing_answer answer;
    int exit_status;
};

static void told_progress(void *context, const char *phase, uint64_t done,
                          uint64_t total)
{
    (void) context;
    (void) phase;
    (void) done;
    (void) total;
}

static void told(void *context, int exit_status, json_t *result,
                 const char *error)
{
    struct asked *asked = context;
    struct ts_err err = { .code = TS_OK };
    struct engine_result answer = { .code = TS_OK, .err = &err };
    char *text = json_dumps(result, JSON_COMPACT);
    (void) snprintf(err.text, sizeof err.text, "%s",
                    error != NULL  ? error
                    : text != NULL ? text
                                   : "");
    free(text);
    asked->exit_status = exit_status;
    take_answer(&asked->answer, &answer);
    json_decref(result);
}

int pairing_ask(struct pairing *pairing, const char *command, json_t *args,
                char text[static 512])
{
    struct asked asked = { .exit_status = -1 };
    struct engine_reply reply = { .progress = told_progress,
                                  .finish = told,
                                  .context = &asked };
    (void) pairing_done(pairing, &asked.answer);
    engine_request(pairing->engine, command, args, &reply);
    (void) pairing_await(&asked.answer);
    json_decref(args);
    (void) snprintf(text, 512, "%s", asked.answer.text);
    return asked.exit_status;
}
