/*
 * principal_ops -- drives principals from a test: JSON in, JSON out.
 *
 *   principal_ops SETTINGS.json < commands > answers
 *
 * One document a line, each answered by one:
 *   {"probe": true}
 *   {"mint": NAME, "epoch": N}         a principal, kept under NAME; shown
 * whole
 *   {"unmint": NAME}
 *   {"sweep": [NAME...], "spared": N}  of which these are listed
 *   {"recorded": NAME, "lifetime_s": N} its row says that it had a token
 *   {"fence": [NAME...], "own": NAME}  one round
 *   {"records": true}                  what the token hook was told
 *   {"hook": true | false}             whether tokens may be used
 *   {"restart": true}                  the keeper is lost, as by a crash
 *   {"cancel": true}, {"resume": true}
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/target/principal.h"

#define NAMED_MAX 32

struct named {
    char name[64];
    struct principal principal;
    struct register_principal row;
};

static struct config_registration registration;
static struct config_oauth oauth;
static struct config_target target;
static struct principal_options options;
static struct principal_keeper *keeper;
static struct seal_key key;
static struct named all[NAMED_MAX];
static json_t *records;
static bool may_use = true;

static const char *text(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static char *copy(const char *from)
{
    return from == NULL ? NULL : strdup(from);
}

static void print(json_t *json)
{
    char *line = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    (void) printf("%s\n", line == NULL ? "null" : line);
    (void) fflush(stdout);
    free(line);
    json_decref(json);
}

static json_t *outcome(enum ts_code rc, const struct ts_err *err)
{
    return json_pack("{s:s, s:s}", "code", ts_code_text(rc), "error",
                     rc == TS_OK ? "" : err->text);
}

static enum ts_code record(void *context, const struct ts_hash *hash,
                           int64_t lifetime_s, struct ts_err *err)
{
    char hex[TS_HASH_TEXT_SIZE];
    (void) context;
    ts_hash_text(*hash, hex);
    (void) json_array_append_new(records, json_pack("{s:s, s:I}", "hash", hex,
                                                    "lifetime_s",
                                                    (json_int_t) lifetime_s));
    return may_use ? TS_OK
                   : ts_fail(err, TS_E_CANCELLED, 0,
                             "could not use a token: the lease is lost");
}

static void reopen(void)
{
    struct ts_err err;
    principal_close(keeper);
    if (principal_open(&options, &keeper, &err) != TS_OK) {
        print(json_pack("{s:s}", "open", err.text));
        exit(1);
    }
}

/* The slot of that name, or a free one. */
static struct named *find(const char *name)
{
    for (size_t i = 0; i < NAMED_MAX; i++) {
        if (all[i].name[0] == '\0' || strcmp(all[i].name, name) == 0) {
            (void) snprintf(all[i].name, sizeof all[i].name, "%s", name);
            return &all[i];
        }
    }
    abort();
}

/* -- commands -------------------------------------------------------------- */

static json_t *mint(const json_t *json)
{
    struct named *named = find(text(json, "mint"));
    struct principal *made = &named->principal;
    struct ts_err err = { .text = "" };
    uint64_t epoch =
        (uint64_t) json_integer_value(json_object_get(json, "epoch"));
    enum ts_code rc = principal_mint(keeper, epoch, made, &err);
    if (rc == TS_OK) {
        rc = principal_seal(&key, made, &named->row, &err);
    }
    json_t *answer = outcome(rc, &err);
    if (rc == TS_OK) {
        (void) json_object_update_new(
            answer,
            json_pack("{s:s, s:s, s:s, s:s}", "id", made->id, "secret",
                      made->secret, "uri", made->uri, "token", made->token));
    }
    return answer;
}

static json_t *fence(const json_t *json)
{
    static const char *const states[] = { "pending", "confirmed", "unfenced" };
    const json_t *names = json_object_get(json, "fence");
    struct principal_fencing fencings[NAMED_MAX] = { { .row = NULL } };
    struct ts_err err = { .text = "" };
    size_t count = json_array_size(names);
    for (size_t i = 0; i < count; i++) {
        fencings[i].row =
            &find(json_string_value(json_array_get(names, i)))->row;
    }
    enum ts_code rc = principal_fence(
        keeper, &find(text(json, "own"))->principal, fencings, count, &err);
    json_t *answer = outcome(rc, &err), *rows = json_array();
    for (size_t i = 0; i < count; i++) {
        (void) json_array_append_new(
            rows, json_pack("{s:s, s:s, s:I}", "state",
                            states[fencings[i].state], "text", fencings[i].text,
                            "again_ms", (json_int_t) fencings[i].again_ms));
    }
    (void) json_object_set_new(answer, "rows", rows);
    return answer;
}

static json_t *sweep(const json_t *json)
{
    const json_t *names = json_object_get(json, "sweep");
    struct register_principal rows[REGISTER_PRINCIPALS_MAX];
    struct principal_listing listing = {
        .rows = rows,
        .count = json_array_size(names),
        .spared =
            (uint64_t) json_integer_value(json_object_get(json, "spared")),
    };
    struct principal_sweep swept;
    struct ts_err err = { .text = "" };
    for (size_t i = 0; i < listing.count; i++) {
        rows[i] = find(json_string_value(json_array_get(names, i)))->row;
    }
    enum ts_code rc = principal_sweep(keeper, &listing, &swept, &err);
    json_t *answer = outcome(rc, &err), *list = json_array();
    for (size_t i = 0; i < swept.count; i++) {
        (void) json_array_append_new(
            list,
            json_pack("{s:I, s:b, s:s}", "epoch",
                      (json_int_t) swept.swept[i].epoch, "deleted",
                      swept.swept[i].is_deleted, "text", swept.swept[i].text));
    }
    (void) json_object_set_new(answer, "swept", list);
    return answer;
}

static json_t *recorded(const json_t *json)
{
    struct named *named = find(text(json, "recorded"));
    memset(named->row.token_hash, 7, sizeof named->row.token_hash);
    named->row.token_lifetime_s =
        (uint32_t) json_integer_value(json_object_get(json, "lifetime_s"));
    return json_object();
}

static json_t *handle(const json_t *json)
{
    struct ts_err err = { .text = "" };
    if (json_object_get(json, "probe") != NULL) {
        return outcome(principal_probe(keeper, &err), &err);
    }
    if (json_object_get(json, "mint") != NULL) {
        return mint(json);
    }
    if (json_object_get(json, "unmint") != NULL) {
        return outcome(principal_unmint(keeper,
                                        &find(text(json, "unmint"))->principal,
                                        &err),
                       &err);
    }
    if (json_object_get(json, "sweep") != NULL) {
        return sweep(json);
    }
    if (json_object_get(json, "recorded") != NULL) {
        return recorded(json);
    }
    if (json_object_get(json, "fence") != NULL) {
        return fence(json);
    }
    if (json_object_get(json, "records") != NULL) {
        return json_incref(records);
    }
    if (json_object_get(json, "restart") != NULL) {
        reopen();
    } else if (json_object_get(json, "cancel") != NULL) {
        principal_cancel(keeper);
    } else if (json_object_get(json, "resume") != NULL) {
        principal_resume(keeper);
    } else {
        may_use = json_is_true(json_object_get(json, "hook"));
    }
    return json_object();
}

static void set_up(const json_t *json)
{
    registration = (struct config_registration){
        .url = copy(text(json, "registration_url")),
        .token_file = copy(text(json, "registration_token_file")),
        .revocation_url = copy(text(json, "revocation_url")),
        .introspection_url = copy(text(json, "introspection_url")),
    };
    oauth = (struct config_oauth){
        .token_url = copy(text(json, "token_url")),
        .scope = copy(text(json, "scope")),
        .registration = &registration,
    };
    target = (struct config_target){
        .url = copy(text(json, "url")),
        .tls = { .ca_file = copy(text(json, "ca_file")) },
        .oauth = &oauth,
        .allow_plaintext_loopback = true,
        .connections_max = 4,
        .request_timeout_seconds = 5,
        .fence = CONFIG_FENCE_REGISTRATION,
    };
    options = (struct principal_options){
        .target = &target,
        .cluster = "test",
        .node = "alpha",
        .boot_id = "b0",
        .key = &key,
        .clock_error_percent = 10,
        .memory_file = copy(text(json, "memory_file")),
        .notes_file = copy(text(json, "notes_file")),
        .token = { .record = record },
    };
    memset(&key, 42, sizeof key);
}

int main(int argc, char **argv)
{
    json_error_t why;
    json_t *json = argc == 2 ? json_load_file(argv[1], 0, &why) : NULL;
    if (json == NULL) {
        (void) fprintf(stderr, "usage: principal_ops SETTINGS.json\n");
        return 2;
    }
    set_up(json);
    json_decref(json);
    records = json_array();
    reopen();
    while ((json = json_loadf(stdin, JSON_DISABLE_EOF_CHECK, &why)) != NULL) {
        print(handle(json));
        json_decref(json);
    }
    principal_close(keeper);
    json_decref(records);
    return 0;
}
