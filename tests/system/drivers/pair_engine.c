/*
 * pair_engine -- half of a pair, with a test for register, link and peer.
 *
 *   pair_engine CONFIG < orders > answers
 *
 * One document a line; each order is answered by one line, in any order, which
 * repeats its "id". What the port is asked (node/engine/pair.h) is answered as
 * the last {"do": "ack"} said: "durable" (as if the standby were so many ms
 * away), "wait", "unprotected" or "lost".
 *
 *   {"do": "activate", "epoch": 7, "reconcile_first": true, ...}
 *   {"do": "deactivate", "how": "drained"}
 *   {"do": "ack", "answer": "durable", "ms": 3}
 *   {"do": "ask", "command": "sync", "args": {"wait": true}}
 *   {"do": "hints", "anchors": ["..."]}
 *   {"do": "reconcile"}, answered at its end
 *   {"do": "probe"}, {"do": "port"}: how often it was asked
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/config/loader.h"
#include "node/engine/engine.h"
#include "node/engine/pair.h"

#define COMMITS_MAX 4096
#define LINE_SIZE   65536

static struct {
    struct engine *engine;
    pthread_mutex_t lock;
    enum engine_ack ack;
    int64_t delay_ms;
    int64_t waited, committed;      /* how often */
    struct ts_time at[COMMITS_MAX]; /* of the commit of row seq */
} driver = { .lock = PTHREAD_MUTEX_INITIALIZER, .ack = ENGINE_ACK_DURABLE };

/* ---- answers ------------------------------------------------------------ */

static void say(json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);
    (void) pthread_mutex_lock(&driver.lock);
    (void) puts(text);
    (void) fflush(stdout);
    (void) pthread_mutex_unlock(&driver.lock);
    free(text);
    json_decref(line);
}

static json_t *gates(const struct engine_gate_result *results)
{
    json_t *list = json_array();
    for (int i = 0; results != NULL && i < ENGINE_GATES; i++) {
        (void) json_array_append_new(list, json_pack("{s:b, s:s}", "ok",
                                                     results[i].ok, "text",
                                                     results[i].text));
    }
    return list;
}

static void answered(void *context, const struct engine_result *result)
{
    json_t *id = context;
    say(json_pack(
        "{s:o, s:i, s:s?, s:I, s:o}", "id", id, "code", (int) result->code,
        "error", result->err == NULL ? NULL : result->err->text, "seq",
        (json_int_t) result->position.seq, "gates", gates(result->gates)));
}

static void told(void *context, int exit_status, json_t *result,
                 const char *error)
{
    say(json_pack("{s:o, s:i, s:o?, s:s?}", "id", (json_t *) context, "code",
                  exit_status, "result", result, "error", error));
}

static void progress(void *context, const char *phase, uint64_t done,
                     uint64_t total)
{
    (void) context;
    (void) phase;
    (void) done;
    (void) total;
}

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
    return 60000;
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
    (void) context;
    (void) pthread_mutex_lock(&driver.lock);
    driver.at[position->seq % COMMITS_MAX] = ts_time_now();
    driver.committed++;
    (void) pthread_mutex_unlock(&driver.lock);
}

static enum engine_ack acked(void *context,
                             const struct journal_position *position)
{
    (void) context;
    (void) pthread_mutex_lock(&driver.lock);
    enum engine_ack ack = driver.ack;
    struct ts_time due =
        ts_time_after(driver.at[position->seq % COMMITS_MAX], driver.delay_ms);
    if (ack == ENGINE_ACK_DURABLE && !ts_time_reached(ts_time_now(), due)) {
        ack = ENGINE_ACK_WAIT;
    }
    driver.waited += ack == ENGINE_ACK_WAIT;
    (void) pthread_mutex_unlock(&driver.lock);
    return ack;
}

static enum engine_ack generation(void *context, int64_t number)
{
    (void) context;
    (void) number;
    return ENGINE_ACK_UNPROTECTED;
}

static bool unprotected(void *context)
{
    (void) context;
    (void) pthread_mutex_lock(&driver.lock);
    bool is = driver.ack == ENGINE_ACK_UNPROTECTED;
    (void) pthread_mutex_unlock(&driver.lock);
    return is;
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

/* As the link would when an acknowledgement comes. */
static atomic_bool ending;

static void *nudge(void *context)
{
    while (!atomic_load(&ending)) {
        (void) pthread_mutex_lock(&driver.lock);
        bool asked = driver.delay_ms > 0;
        (void) pthread_mutex_unlock(&driver.lock);
        if (asked) {
            engine_nudge(driver.engine);
        }
        (void) usleep(asked ? 500 : 20000);
    }
    return context;
}

/* ---- orders ------------------------------------------------------------- */

static bool flag(const json_t *order, const char *name)
{
    return json_is_true(json_object_get(order, name));
}

static void set_ack(const json_t *order)
{
    static const char *const names[] = { "wait", "durable", "unprotected",
                                         "lost" };
    const char *answer = json_string_value(json_object_get(order, "answer"));
    (void) pthread_mutex_lock(&driver.lock);
    for (int i = 0; answer != NULL && i < 4; i++) {
        if (strcmp(names[i], answer) == 0) {
            driver.ack = (enum engine_ack) i;
        }
    }
    driver.delay_ms = json_integer_value(json_object_get(order, "ms"));
    (void) pthread_mutex_unlock(&driver.lock);
    engine_nudge(driver.engine);
}

static void activate(const json_t *order, struct engine_done done)
{
    const struct engine_activation activation = {
        .epoch = json_integer_value(json_object_get(order, "epoch")),
        .reconcile_first = flag(order, "reconcile_first"),
        .quiesce_all = flag(order, "quiesce_all"),
        .accept_data_loss = flag(order, "accept_data_loss"),
        .crashed = flag(order, "crashed"),
    };
    engine_activate(driver.engine, &activation, done);
}

static void hints(const json_t *order, struct engine_done done)
{
    const json_t *anchors = json_object_get(order, "anchors");
    struct engine_hint list[64];
    size_t count = 0;
    for (; count < json_array_size(anchors) && count < 64; count++) {
        list[count] =
            (struct engine_hint){ .anchor = ts_slice_str(json_string_value(
                                      json_array_get(anchors, count))) };
    }
    const struct engine_tail tail = { .hints = list,
                                      .count = count,
                                      .cut = flag(order, "cut") };
    engine_hints(driver.engine, &tail, done);
}

static void obey(json_t *order)
{
    const char *what = json_string_value(json_object_get(order, "do"));
    json_t *id = json_incref(json_object_get(order, "id"));
    struct engine_done done = { .call = answered, .context = id };
    const struct engine_reply reply = { .progress = progress,
                                        .finish = told,
                                        .context = id };
    if (what == NULL) {
        json_decref(id);
    } else if (strcmp(what, "activate") == 0) {
        activate(order, done);
    } else if (strcmp(what, "deactivate") == 0) {
        const char *how = json_string_value(json_object_get(order, "how"));
        engine_deactivate(driver.engine,
                          how != NULL && strcmp(how, "drained") == 0
                              ? ENGINE_LEAVE_DRAINED
                              : ENGINE_LEAVE_AT_ONCE,
                          done);
    } else if (strcmp(what, "hints") == 0) {
        hints(order, done);
    } else if (strcmp(what, "reconcile") == 0) {
        engine_reconcile(driver.engine, done);
    } else if (strcmp(what, "probe") == 0) {
        engine_probe(driver.engine, done);
    } else if (strcmp(what, "ask") == 0) {
        engine_request(driver.engine,
                       json_string_value(json_object_get(order, "command")),
                       json_object_get(order, "args"), &reply);
    } else {
        if (strcmp(what, "ack") == 0) {
            set_ack(order);
        }
        say(json_pack("{s:o, s:i, s:I, s:I}", "id", id, "code", 0, "waited",
                      (json_int_t) driver.waited, "committed",
                      (json_int_t) driver.committed));
    }
}

int main(int argc, char **argv)
{
    static char line[LINE_SIZE];
    static struct engine_pair pair = { .may_export = may_export,
                                       .remaining_ms = remaining_ms,
                                       .tick = tick,
                                       .token = token,
                                       .committed = committed,
                                       .acked = acked,
                                       .selected = selected,
                                       .generation = generation,
                                       .unprotected = unprotected,
                                       .paused = paused };
    struct config *config = NULL;
    struct ts_err err = { .code = TS_OK };
    pthread_t thread;
    if (argc != 2 || config_load(argv[1], &config, NULL, &err) != TS_OK) {
        (void) fprintf(stderr, "pair_engine: %s\n", err.text);
        return 2;
    }
    const struct engine_options options = { .config = config,
                                            .approve_first = true,
                                            .pair = &pair };
    if (engine_start(&options, &driver.engine, &err) != TS_OK ||
        pthread_create(&thread, NULL, nudge, NULL) != 0) {
        (void) fprintf(stderr, "pair_engine: %s\n", err.text);
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        json_t *order = json_loads(line, 0, NULL);
        obey(order);
        json_decref(order);
    }
    atomic_store(&ending, true);
    (void) pthread_join(thread, NULL);
    engine_stop(driver.engine);
    engine_free(driver.engine);
    return 0;
}
