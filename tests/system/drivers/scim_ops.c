/*
 * scim_ops -- drives the SCIM target from a test: JSON in, JSON out.
 *
 *   scim_ops SETTINGS.json < operations > outcomes
 *
 * One document a line. Lines with a "verb" are operations; they are submitted
 * together until another line comes: {"discover"}, {"enumerate": kind},
 * {"check"}, {"describe": path}, {"bench": {...}}, {"cancel_after_ms": n},
 * {"records"} (what the token hook was told, and how often the loop went
 * round), each answered by one line after all operations before it have ended.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/target/target.h"

#define RUN_MS 200

struct driver {
    struct target *target;
    struct target_options options;
    struct config_target config;
    struct config_oauth oauth;
    json_t *settings;
    long gate_after; /* closes after so many questions; -1: never */
    struct target_principal principal;
    struct ts_time lease_end;
    json_t *records; /* tokens */
    long ticks;
    struct ts_arena arena;
    json_t *waiting; /* operations not submitted yet */
    long bench_left, bench_done;
};

static struct driver driver;

static const char *const results[] = { "DONE",  "GONE",    "CONFLICT",
                                       "STALE", "REFUSED", "DENIED",
                                       "LATER", "UNKNOWN", "STOPPED" };

static const char *text(json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static char *copy(const char *from)
{
    return from == NULL ? NULL : strdup(from);
}

static struct ts_slice slice(json_t *json)
{
    return json_is_string(json)
               ? ts_arena_copy(&driver.arena,
                               ts_slice(json_string_value(json),
                                        json_string_length(json)))
               : TS_SLICE_NONE;
}

static void print(json_t *json)
{
    char *line = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    (void) printf("%s\n", line == NULL ? "null" : line);
    (void) fflush(stdout);
    free(line);
    json_decref(json);
}

/* -- objects and outcomes ---------------------------------------------------
 */

static json_t *text_of(struct ts_slice bytes)
{
    return bytes.size == 0
               ? json_null()
               : json_stringn_nocheck((const char *) bytes.data, bytes.size);
}

static json_t *describe_object(const struct target_object *object)
{
    json_t *values = json_object(), *links = json_array();
    for (size_t i = 0; i < object->values.count; i++) {
        const struct ts_attribute *attribute = &object->values.attributes[i];
        json_t *list = json_array();
        for (size_t j = 0; j < attribute->value_count; j++) {
            (void) json_array_append_new(list, text_of(attribute->values[j]));
        }
        (void) json_object_setn_new(values, (const char *) attribute->name.data,
                                    attribute->name.size, list);
    }
    for (size_t i = 0; i < object->link_count; i++) {
        (void) json_array_append_new(links, text_of(object->links[i]));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:o, s:b}", "id",
                     text_of(object->id), "etag", text_of(object->etag),
                     "anchor", text_of(object->anchor), "values", values,
                     "values_known", object->values_known, "links", links,
                     "links_known", object->links_known);
}

static void op_done(struct target_op *op, const struct target_outcome *outcome)
{
    if (op->owner == NULL) { /* of a bench */
        driver.bench_left--;
        driver.bench_done += outcome->result == TARGET_DONE;
        return;
    }
    json_t *objects = json_array();
    for (size_t i = 0; i < outcome->object_count; i++) {
        (void) json_array_append_new(objects,
                                     describe_object(&outcome->objects[i]));
    }
    print(json_pack("{s:I, s:s, s:i, s:s?, s:s?, s:o, s:i, s:i}", "intent",
                    (json_int_t) op->tag.intent, "result",
                    results[outcome->result], "status", outcome->status, "text",
                    outcome->text, "attribute", outcome->attribute, "objects",
                    objects, "retries", (int) outcome->retries, "throttled_ms",
                    (int) outcome->throttled_ms));
}

/* -- operations --------------------------------------------------------------
 */

static void set_value(struct ts_attribute *attribute, json_t *value)
{
    static const char *const truth[] = { "false", "true" };
    char number[32];
    attribute->value_count = 1;
    attribute->values = ts_arena_array(
        &driver.arena, json_array_size(value) + 1, sizeof *attribute->values);
    if (json_is_null(value)) {
        attribute->kind = TS_KIND_CLEAR;
        attribute->value_count = 0;
    } else if (json_is_boolean(value)) {
        attribute->kind = TS_KIND_BOOLEAN;
        attribute->values[0] = ts_slice_str(truth[json_is_true(value)]);
    } else if (json_is_integer(value)) {
        attribute->kind = TS_KIND_INTEGER;
        (void) snprintf(number, sizeof number, "%lld",
                        (long long) json_integer_value(value));
        attribute->values[0] =
            ts_arena_copy(&driver.arena, ts_slice_str(number));
    } else if (json_is_object(value)) {
        attribute->kind = TS_KIND_JSON;
        char *dump = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
        attribute->values[0] = ts_arena_copy(&driver.arena, ts_slice_str(dump));
        free(dump);
    } else if (json_is_array(value)) {
        attribute->value_count = json_array_size(value);
        for (size_t i = 0; i < attribute->value_count; i++) {
            attribute->values[i] = slice(json_array_get(value, i));
        }
    } else {
        attribute->values[0] = slice(value);
    }
}

static struct ts_entry entry(json_t *set)
{
    struct ts_entry result = { 0 };
    const char *name;
    json_t *value;
    result.attributes = ts_arena_array(&driver.arena, json_object_size(set) + 1,
                                       sizeof *result.attributes);
    json_object_foreach(set, name, value)
    {
        struct ts_attribute *attribute = &result.attributes[result.count++];
        attribute->name = ts_arena_copy(&driver.arena, ts_slice_str(name));
        set_value(attribute, value);
    }
    ts_entry_normalise(&result);
    return result;
}

static const struct ts_slice *ids(json_t *list, size_t *ret_count)
{
    struct ts_slice *slices = ts_arena_array(
        &driver.arena, json_array_size(list) + 1, sizeof *slices);
    for (size_t i = 0; i < json_array_size(list); i++) {
        slices[i] = slice(json_array_get(list, i));
    }
    *ret_count = json_array_size(list);
    return slices;
}

static enum config_kind kind_of(const char *name)
{
    return name != NULL && strcmp(name, "group") == 0 ? CONFIG_KIND_GROUP
                                                      : CONFIG_KIND_USER;
}

static void submit(json_t *json)
{
    static const char *const verbs[] = { "create",     "update", "deactivate",
                                         "reactivate", "delete", "read",
                                         "find" };
    struct target_op *op = ts_arena_array(&driver.arena, 1, sizeof *op);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i], text(json, "verb")) == 0) {
            op->verb = (enum target_verb) i;
        }
    }
    op->kind = kind_of(text(json, "kind"));
    op->tag.batch =
        (uint64_t) json_integer_value(json_object_get(json, "batch"));
    op->tag.intent =
        (uint64_t) json_integer_value(json_object_get(json, "intent"));
    op->id = slice(json_object_get(json, "id"));
    op->etag = slice(json_object_get(json, "etag"));
    op->anchor = slice(json_object_get(json, "anchor"));
    op->match_path =
        (const char *) slice(json_object_get(json, "match_path")).data;
    op->match_value = slice(json_object_get(json, "match_value"));
    op->set = entry(json_object_get(json, "set"));
    op->link_path =
        (const char *) slice(json_object_get(json, "link_path")).data;
    op->link_add = ids(json_object_get(json, "add"), &op->link_add_count);
    op->link_remove =
        ids(json_object_get(json, "remove"), &op->link_remove_count);
    op->done = op_done;
    op->owner = &driver;
    target_submit(driver.target, op);
}

static void run_all(void)
{
    size_t next = 0;
    while (next < json_array_size(driver.waiting) ||
           target_pending(driver.target) > 0) {
        while (next < json_array_size(driver.waiting) &&
               target_appetite(driver.target) > 0) {
            submit(json_array_get(driver.waiting, next++));
        }
        target_run(driver.target, -1, ts_time_after(ts_time_now(), RUN_MS));
    }
    (void) json_array_clear(driver.waiting);
    ts_arena_reset(&driver.arena);
}

/* -- other lines --------------------------------------------------------------
 */

static enum ts_code sink(void *context, const struct target_object *object,
                         struct ts_err *err)
{
    (void) err;
    (void) json_array_append_new(context, describe_object(object));
    return TS_OK;
}

static void enumerate(const char *kind)
{
    struct ts_err err = { .text = "" };
    json_t *objects = json_array();
    enum ts_code rc =
        target_enumerate(driver.target, kind_of(kind), sink, objects, &err);
    print(json_pack("{s:s, s:s, s:o}", "enumerate", ts_code_text(rc), "text",
                    err.text, "objects", objects));
}

static void discover(void)
{
    struct ts_err err = { .text = "" };
    struct target_limits limits = { 0 };
    enum ts_code rc = target_discover(driver.target, &limits, &err);
    print(json_pack("{s:s, s:s, s:I, s:b, s:b, s:b}", "discover",
                    ts_code_text(rc), "text", err.text, "links_max",
                    (json_int_t) limits.links_max, "etag", limits.etag, "patch",
                    limits.patch, "bulk", limits.bulk));
}

static void describe(const char *path, const char *kind)
{
    struct ts_err err = { .text = "" };
    struct target_attribute attribute = { 0 };
    enum ts_code rc =
        target_describe(driver.target, kind_of(kind), path, &attribute, &err);
    print(json_pack("{s:s, s:s, s:i, s:b, s:b}", "describe", ts_code_text(rc),
                    "text", err.text, "kind", (int) attribute.kind,
                    "multi_valued", attribute.multi_valued, "unique",
                    attribute.unique));
}

static void check(void)
{
    struct target_finding rows[TARGET_FINDINGS_MAX];
    struct ts_arena arena;
    ts_arena_init(&arena, 1 << 20);
    size_t count = target_check(driver.target, &arena, rows);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        (void) json_array_append_new(
            list,
            json_pack("{s:s, s:b, s:s, s:s?}", "name", rows[i].name, "ok",
                      rows[i].ok, "value", rows[i].value, "fix", rows[i].fix));
    }
    ts_arena_done(&arena);
    print(json_pack("{s:o}", "check", list));
}

/* {"count": n, "prefix": p}: n creates, timed. */
static void bench(json_t *json)
{
    static const char *const names[] = { "active", "displayName",
                                         "name.familyName", "name.givenName",
                                         "userName" };
    long count = (long) json_integer_value(json_object_get(json, "count"));
    const char *prefix = text(json, "prefix");
    long next = 0;
    struct ts_time from = ts_time_now();

    driver.bench_left = count;
    driver.bench_done = 0;
    while (driver.bench_left > 0) {
        while (next < count && target_appetite(driver.target) > 0) {
            char name[64];
            struct target_op *op = ts_arena_array(&driver.arena, 1, sizeof *op);
            (void) snprintf(name, sizeof name, "%s%ld", prefix, next++);
            struct ts_slice value =
                ts_arena_copy(&driver.arena, ts_slice_str(name));
            op->set.attributes =
                ts_arena_array(&driver.arena, 5, sizeof *op->set.attributes);
            op->set.count = 5;
            for (size_t i = 0; i < 5; i++) {
                struct ts_attribute *attribute = &op->set.attributes[i];
                attribute->name = ts_slice_str(names[i]);
                attribute->kind = i == 0 ? TS_KIND_BOOLEAN : TS_KIND_TEXT;
                attribute->value_count = 1;
                attribute->values =
                    ts_arena_array(&driver.arena, 1, sizeof *attribute->values);
                attribute->values[0] = i == 0 ? ts_slice_str("true") : value;
            }
            op->anchor = value;
            op->tag.intent = (uint64_t) next;
            op->done = op_done;
            target_submit(driver.target, op);
        }
        target_run(driver.target, -1, ts_time_after(ts_time_now(), RUN_MS));
    }
    print(json_pack("{s:I, s:I}", "bench_done", (json_int_t) driver.bench_done,
                    "ms", (json_int_t) (ts_time_now().ms - from.ms)));
    ts_arena_reset(&driver.arena);
}

static void *cancel_later(void *context)
{
    const int *ms = context;
    struct timespec delay = { *ms / 1000, (*ms % 1000) * 1000000L };
    (void) nanosleep(&delay, NULL);
    target_cancel(driver.target);
    return NULL;
}

static void handle(json_t *json)
{
    static int cancel_ms;
    if (text(json, "verb") != NULL) {
        (void) json_array_append(driver.waiting, json);
        return;
    }
    run_all();
    if (json_object_get(json, "discover") != NULL) {
        discover();
    } else if (json_object_get(json, "enumerate") != NULL) {
        enumerate(text(json, "enumerate"));
    } else if (json_object_get(json, "check") != NULL) {
        check();
    } else if (json_object_get(json, "describe") != NULL) {
        describe(text(json, "describe"), text(json, "kind"));
    } else if (json_object_get(json, "records") != NULL) {
        print(json_pack("{s:O, s:i}", "records", driver.records, "ticks",
                        (int) driver.ticks));
    } else if (json_object_get(json, "bench") != NULL) {
        bench(json_object_get(json, "bench"));
    } else if (json_object_get(json, "cancel_after_ms") != NULL) {
        pthread_t thread;
        cancel_ms =
            (int) json_integer_value(json_object_get(json, "cancel_after_ms"));
        (void) pthread_create(&thread, NULL, cancel_later, &cancel_ms);
        (void) pthread_detach(thread);
    }
}

/* -- set-up -------------------------------------------------------------------
 */

static bool may_export(void *context, struct ts_time deadline)
{
    (void) context, (void) deadline;
    if (driver.gate_after == 0) {
        return false;
    }
    driver.gate_after -= driver.gate_after > 0 ? 1 : 0;
    return true;
}

static int64_t remaining_ms(void *context)
{
    (void) context;
    return ts_time_left(driver.lease_end);
}

static void tick(void *context)
{
    (void) context;
    driver.ticks++;
}

static enum ts_code record(void *context, const struct ts_hash *hash,
                           int64_t lifetime_s, struct ts_err *err)
{
    char hex[TS_HASH_TEXT_SIZE];
    (void) context;
    ts_hash_text(*hash, hex);
    (void) json_array_append_new(
        driver.records, json_pack("{s:s, s:I}", "hash", hex, "lifetime_s",
                                  (json_int_t) lifetime_s));
    return json_object_get(driver.settings, "refuse_tokens") == NULL
               ? TS_OK
               : ts_fail(err, TS_E_CANCELLED, 0,
                         "could not use a token: the lease is lost");
}

static const char *const *names(json_t *list, size_t *ret_count)
{
    const char **result = calloc(json_array_size(list) + 1, sizeof *result);
    for (size_t i = 0; i < json_array_size(list); i++) {
        result[i] = json_string_value(json_array_get(list, i));
    }
    *ret_count = json_array_size(list);
    return result;
}

static uint32_t number(json_t *json, const char *name, int fallback)
{
    json_t *value = json_object_get(json, name);
    return (uint32_t) (json_is_integer(value) ? json_integer_value(value)
                                              : fallback);
}

static void set_up(json_t *json)
{
    json_t *oauth = json_object_get(json, "oauth");
    driver.config = (struct config_target){
        .url = copy(text(json, "url")),
        .tls = { .ca_file = copy(text(json, "ca_file")) },
        .token_file = copy(text(json, "token_file")),
        .oauth = oauth == NULL ? NULL : &driver.oauth,
        .allow_plaintext_loopback =
            json_is_true(json_object_get(json, "plaintext")),
        .bulk = json_is_true(json_object_get(json, "bulk")) ? CONFIG_BULK_AUTO
                                                            : CONFIG_BULK_NEVER,
        .connections_max = number(json, "connections", 8),
        .request_timeout_seconds = number(json, "timeout_seconds", 10),
    };
    driver.oauth = (struct config_oauth){
        .token_url = copy(text(oauth, "token_url")),
        .client_id = copy(text(oauth, "client_id")),
        .client_secret_file = copy(text(oauth, "client_secret_file")),
        .private_key_file = copy(text(oauth, "private_key_file")),
        .key_id = copy(text(oauth, "key_id")),
        .scope = copy(text(oauth, "scope")),
        .resource = copy(text(oauth, "resource")),
    };
    json_t *principal = json_object_get(json, "principal");
    json_t *lease = json_object_get(json, "lease_ms");
    driver.principal = (struct target_principal){ text(principal, "id"),
                                                  text(principal, "secret") };
    driver.lease_end =
        lease == NULL ? TS_NEVER
                      : ts_time_after(ts_time_now(), json_integer_value(lease));
    driver.records = json_array();
    driver.gate_after = json_object_get(json, "gate_after") == NULL
                            ? -1
                            : (long) number(json, "gate_after", 0);
    driver.options = (struct target_options){
        .config = &driver.config,
        .gate = { .may_export = may_export,
                  .remaining_ms = lease == NULL ? NULL : remaining_ms,
                  .tick = lease == NULL ? NULL : tick },
        .principal = principal == NULL ? NULL : &driver.principal,
        .token = { .record = record },
        .cluster = "test",
        .node = "alpha",
        .epoch = 1,
        .boot_id = "b0",
    };
    struct target_paths *users = &driver.options.paths[CONFIG_KIND_USER];
    struct target_paths *groups = &driver.options.paths[CONFIG_KIND_GROUP];
    users->paths =
        names(json_object_get(json, "user_paths"), &users->path_count);
    users->link_paths =
        names(json_object_get(json, "user_links"), &users->link_path_count);
    groups->paths =
        names(json_object_get(json, "group_paths"), &groups->path_count);
    groups->link_paths =
        names(json_object_get(json, "group_links"), &groups->link_path_count);
}

int main(int argc, char **argv)
{
    json_error_t why;
    struct ts_err err = { .text = "" };
    driver.settings = argc == 2 ? json_load_file(argv[1], 0, &why) : NULL;
    if (driver.settings == NULL) {
        (void) fprintf(stderr, "usage: scim_ops SETTINGS.json\n");
        return 2;
    }
    set_up(driver.settings);
    ts_arena_init(&driver.arena, (size_t) 1 << 30);
    driver.waiting = json_array();
    if (target_open(&driver.options, &driver.target, &err) != TS_OK) {
        print(json_pack("{s:s}", "open", err.text));
        return 1;
    }
    json_t *json;
    while ((json = json_loadf(stdin, JSON_DISABLE_EOF_CHECK, &why)) != NULL) {
        handle(json);
        json_decref(json);
    }
    run_all();
    target_close(driver.target);
    return 0;
}
