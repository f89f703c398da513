/*
 * register_ops -- a register's driver alone, for system tests.
 *
 *   register_ops SETTINGS.json
 *
 * reads commands from standard input, one JSON object a line, and prints what
 * each brought, one a line:
 *
 *   {"op":"read"}  {"op":"swap","expected":"","value":"a"}  {"op":"identity"}
 *   {"op":"pin","identity":"..."}  {"op":"check"}  {"op":"resume"}
 *
 * "cancel_ms" in a command cancels it from another thread after that time.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/json.h"
#include "node/base/time.h"
#include "node/register/account.h"
#include "node/register/register.h"

#define LINE_MAX_SIZE ((size_t) 256 * 1024)

static const char *text(const json_t *object, const char *name)
{
    return ts_json_text(object, name);
}

static struct register_options settings_of(const json_t *json)
{
    static const char *bases[8];
    const json_t *peer = json_object_get(json, "peer");
    const json_t *etcd = json_object_get(json, "etcd");
    const json_t *ldap = json_object_get(json, "ldap");
    const json_t *list = json_object_get(ldap, "source_bases");
    struct register_options options = {
        .kind = peer != NULL   ? REGISTER_PEER
                : etcd != NULL ? REGISTER_ETCD
                : ldap != NULL ? REGISTER_LDAP
                               : REGISTER_MANUAL,
        .cluster = text(json, "cluster"),
        .node = text(json, "node"),
        .timeout_ms = (uint32_t) ts_json_number(json, "timeout_ms", 2000),
        .manual_file = text(json, "manual_file"),
        .peer = { text(peer, "endpoint"), text(peer, "certificate"),
                  text(peer, "own") },
        .etcd = { .key = text(etcd, "key"),
                  .user = text(etcd, "user"),
                  .password_file = text(etcd, "password_file"),
                  .ca_file = text(etcd, "ca_file"),
                  .allow_plaintext_loopback =
                      ts_json_flag(etcd, "plaintext", false) },
        .ldap = { .uri = text(ldap, "uri"),
                  .dn = text(ldap, "dn"),
                  .attribute = text(ldap, "attribute"),
                  .bind_dn = text(ldap, "bind_dn"),
                  .password_file = text(ldap, "password_file"),
                  .ca_file = text(ldap, "ca_file"),
                  .start_tls = ts_json_flag(ldap, "start_tls", false),
                  .allow_plaintext_loopback =
                      ts_json_flag(ldap, "plaintext", false),
                  .source_bases = bases },
    };
    size_t i;
    const json_t *each;
    json_array_foreach(json_object_get(etcd, "endpoints"), i, each)
    {
        options.etcd.endpoints[options.etcd.endpoints_count++] =
            json_string_value(each);
    }
    json_array_foreach(list, i, each)
    {
        bases[options.ldap.source_bases_count++] = json_string_value(each);
    }
    return options;
}

struct canceller {
    struct register_client *client;
    int64_t after_ms;
};

static void *cancel_later(void *context)
{
    const struct canceller *canceller = context;
    struct timespec wait = { .tv_sec = (time_t) (canceller->after_ms / 1000),
                             .tv_nsec = (long) (canceller->after_ms % 1000) *
                                        1000000 };
    (void) nanosleep(&wait, NULL);
    register_cancel(canceller->client);
    return NULL;
}

static void put_findings(struct register_client *client, json_t *answer)
{
    struct ts_arena arena;
    struct register_finding found[REGISTER_FINDINGS_MAX];
    json_t *list = json_array();
    ts_arena_init(&arena, (size_t) 1024 * 1024);
    size_t count = register_check(client, &arena, found);
    for (size_t i = 0; i < count; i++) {
        (void) json_array_append_new(
            list, json_pack("{s:s, s:b, s:s, s:s?}", "name", found[i].name,
                            "ok", (int) found[i].ok, "value", found[i].value,
                            "fix", found[i].fix));
    }
    ts_arena_done(&arena);
    (void) json_object_set_new(answer, "findings", list);
}

static enum ts_code do_swap(struct register_client *client,
                            const json_t *command, json_t *answer,
                            struct ts_err *err)
{
    static const char *const outcomes[] = { "done", "lost", "unknown" };
    enum register_outcome outcome = REGISTER_SWAP_UNKNOWN;
    enum ts_code code =
        register_swap(client, ts_slice_str(text(command, "expected")),
                      ts_slice_str(text(command, "value")), &outcome, err);
    if (code == TS_OK) {
        (void) json_object_set_new(answer, "outcome",
                                   json_string(outcomes[outcome]));
    }
    if (code == TS_OK && outcome == REGISTER_SWAP_UNKNOWN) {
        (void) json_object_set_new(answer, "why", json_string(err->text));
    }
    return code;
}

/* "try" and "change": of the account, beside the client. */
static const struct register_options *account;

static enum ts_code perform(struct register_client *client,
                            const json_t *command, json_t *answer,
                            struct ts_err *err)
{
    const char *op = text(command, "op");
    enum ts_code code = TS_OK;
    if (strcmp(op, "read") == 0) {
        struct ts_arena arena;
        struct ts_slice value;
        ts_arena_init(&arena, 2 * REGISTER_VALUE_MAX);
        code = register_read(client, &arena, &value, err);
        if (code == TS_OK) {
            (void) json_object_set_new(
                answer, "value",
                json_stringn(value.size == 0 ? "" : (const char *) value.data,
                             value.size));
        }
        ts_arena_done(&arena);
    } else if (strcmp(op, "swap") == 0) {
        code = do_swap(client, command, answer, err);
    } else if (strcmp(op, "identity") == 0) {
        char identity[REGISTER_IDENTITY_SIZE];
        code = register_identity(client, identity, err);
        if (code == TS_OK) {
            (void) json_object_set_new(answer, "identity",
                                       json_string(identity));
        }
    } else if (strcmp(op, "pin") == 0) {
        register_pin(client, text(command, "identity"));
    } else if (strcmp(op, "try") == 0) {
        code = register_account_try(account, text(command, "password"), err);
    } else if (strcmp(op, "change") == 0) {
        code = register_account_change(account, text(command, "old"),
                                       text(command, "fresh"), err);
    } else if (strcmp(op, "resume") == 0) {
        register_resume(client);
    } else {
        put_findings(client, answer);
    }
    return code;
}

static json_t *run(struct register_client *client, const json_t *command)
{
    json_t *answer = json_object();
    struct ts_err err = { .code = TS_OK };
    struct canceller canceller = { client,
                                   ts_json_number(command, "cancel_ms", -1) };
    pthread_t thread;
    struct ts_time began = ts_time_now();
    bool cancels = canceller.after_ms >= 0 &&
                   pthread_create(&thread, NULL, cancel_later, &canceller) == 0;
    enum ts_code code = perform(client, command, answer, &err);
    (void) json_object_set_new(answer, "ms",
                               json_integer(ts_time_now().ms - began.ms));
    if (cancels) {
        (void) pthread_join(thread, NULL);
    }
    (void) json_object_set_new(answer, "code", json_string(ts_code_text(code)));
    if (code != TS_OK) {
        (void) json_object_set_new(answer, "error", json_string(err.text));
    }
    return answer;
}

static void put_line(json_t *answer)
{
    (void) json_dumpf(answer, stdout, JSON_COMPACT);
    (void) putchar('\n');
    (void) fflush(stdout);
    json_decref(answer);
}

int main(int argc, char **argv)
{
    TS_AUTOJSON json_t *json =
        argc == 2 ? json_load_file(argv[1], 0, NULL) : NULL;
    if (json == NULL) {
        (void) fprintf(stderr, "usage: register_ops SETTINGS.json\n");
        return 2;
    }
    struct register_options options = settings_of(json);
    struct register_client *client = NULL;
    struct ts_err err = { .code = TS_OK };
    account = &options;
    enum ts_code code = register_open(&options, &client, &err);
    put_line(
        json_pack("{s:s, s:s}", "code", ts_code_text(code), "error", err.text));
    static char line[LINE_MAX_SIZE];
    while (code == TS_OK && fgets(line, sizeof line, stdin) != NULL) {
        TS_AUTOJSON json_t *command = json_loads(line, 0, NULL);
        put_line(run(client, command));
    }
    register_close(client);
    return 0;
}
