#include "node/register/register.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/register/driver.h"

#define TIMEOUT_MIN_MS 100
#define TIMEOUT_MAX_MS 60000

static const struct register_driver *const drivers[REGISTER_DRIVERS] = {
    [REGISTER_PEER] = &register_driver_peer,
    [REGISTER_ETCD] = &register_driver_etcd,
    [REGISTER_LDAP] = &register_driver_ldap,
    [REGISTER_MANUAL] = &register_driver_manual,
};

struct register_client {
    const struct register_driver *driver;
    void *state;
    uint32_t timeout_ms;
    atomic_bool cancelled;
    char pinned[REGISTER_IDENTITY_SIZE];
};

/* -- for drivers ------------------------------------------------------------
 */

enum ts_code register_call_server(const struct register_call *call,
                                  const char *identity, struct ts_err *err)
{
    if (call->pinned[0] == 0) {
        (void) snprintf(call->pinned, REGISTER_IDENTITY_SIZE, "%s", identity);
    }
    return strcmp(call->pinned, identity) == 0
               ? TS_OK
               : ts_fail(err, TS_E_CONFLICT, 0,
                         "cannot use the register: \"%.150s\" answers where "
                         "\"%.150s\" did, so its value may be an older one; "
                         "bring that server back, or see twinsync register "
                         "repin --help",
                         identity, call->pinned);
}

static void add_finding(struct register_findings *findings, const char *name,
                        const char *fix, const char *value)
{
    struct ts_slice copy = ts_arena_copy(findings->arena, ts_slice_str(value));
    if (findings->count < REGISTER_FINDINGS_MAX) {
        findings->list[findings->count++] = (struct register_finding){
            .name = name,
            .ok = fix == NULL,
            .value = copy.data == NULL ? "" : (const char *) copy.data,
            .fix = fix,
        };
    }
}

void register_add_finding(struct register_findings *findings, const char *name,
                          const char *fix, const char *fmt, ...)
{
    char value[600];
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    add_finding(findings, name, fix, value);
}

void register_add_fault(struct register_findings *findings, const char *name,
                        const char *fix, const struct ts_err *err)
{
    add_finding(findings, name, fix, err->text);
}

/* -- life -------------------------------------------------------------------
 */

enum ts_code register_open(const struct register_options *options,
                           struct register_client **ret_client,
                           struct ts_err *err)
{
    assert((unsigned) options->kind < REGISTER_DRIVERS);
    if (options->timeout_ms < TIMEOUT_MIN_MS ||
        options->timeout_ms > TIMEOUT_MAX_MS) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the register with a time-out of %u ms: %d "
                       "to %d are allowed",
                       options->timeout_ms, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS);
    }
    struct register_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the register");
    }
    client->driver = drivers[options->kind];
    client->timeout_ms = options->timeout_ms;
    enum ts_code code = client->driver->open(options, &client->state, err);
    if (code != TS_OK) {
        free(client);
        return code;
    }
    *ret_client = client;
    return TS_OK;
}

void register_close(struct register_client *client)
{
    if (client != NULL) {
        client->driver->close(client->state);
        free(client);
    }
}

void register_cancel(struct register_client *client)
{
    atomic_store(&client->cancelled, true);
    client->driver->cancel(client->state);
}

void register_resume(struct register_client *client)
{
    client->driver->resume(client->state);
    atomic_store(&client->cancelled, false);
}

void register_pin(struct register_client *client, const char *identity)
{
    (void) snprintf(client->pinned, sizeof client->pinned, "%s", identity);
}

const char *register_server(const struct register_client *client)
{
    return client->pinned;
}

bool register_is_automatic(const struct register_client *client)
{
    return client->driver->automatic;
}

const char *register_kind_text(enum register_driver_kind kind)
{
    return drivers[kind]->name;
}

/* -- calls ------------------------------------------------------------------
 */

static enum ts_code begin(struct register_client *client, char *pinned,
                          struct register_call *call, struct ts_err *err)
{
    *call = (struct register_call){
        .deadline = ts_time_after(ts_time_now(), client->timeout_ms),
        .pinned = pinned,
    };
    return atomic_load(&client->cancelled)
               ? ts_fail(err, TS_E_CANCELLED, 0,
                         "asking the register was cancelled")
               : TS_OK;
}

static enum ts_code check_read(struct ts_slice value, struct ts_err *err)
{
    return value.size <= REGISTER_VALUE_MAX
               ? TS_OK
               : ts_fail(err, TS_E_CORRUPT, 0,
                         "cannot use the register: its value has %zu bytes, "
                         "and %zu is the most that is ever written",
                         value.size, REGISTER_VALUE_MAX);
}

enum ts_code register_read(struct register_client *client,
                           struct ts_arena *arena, struct ts_slice *ret_value,
                           struct ts_err *err)
{
    struct register_call call;
    struct ts_err unheard;
    struct ts_slice value = TS_SLICE_NONE;
    err = err == NULL ? &unheard : err;
    enum ts_code code = begin(client, client->pinned, &call, err);
    if (code == TS_OK) {
        code = client->driver->read(client->state, &call, arena, &value, err);
    }
    if (code == TS_OK) {
        code = check_read(value, err);
    }
    if (code == TS_OK) {
        *ret_value = value;
    }
    return code;
}

enum ts_code register_swap(struct register_client *client,
                           struct ts_slice expected, struct ts_slice value,
                           enum register_outcome *ret_outcome,
                           struct ts_err *err)
{
    struct ts_err unheard;
    err = err == NULL ? &unheard : err;
    if (value.size == 0 || value.size > REGISTER_VALUE_MAX ||
        expected.size > REGISTER_VALUE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot put %zu bytes into the register in place of "
                       "%zu: 1 to %zu fit",
                       value.size, expected.size, REGISTER_VALUE_MAX);
    }
    struct register_call call;
    enum ts_code code = begin(client, client->pinned, &call, err);
    return code != TS_OK ? code
                         : client->driver->swap(
                               client->state, &call,
                               (const struct ts_slice[2]){ expected, value },
                               ret_outcome, err);
}

enum ts_code register_identity(struct register_client *client,
                               char identity[static REGISTER_IDENTITY_SIZE],
                               struct ts_err *err)
{
    struct register_call call;
    struct ts_arena arena;
    struct ts_slice value;
    char found[REGISTER_IDENTITY_SIZE] = "";
    struct ts_err unheard;
    err = err == NULL ? &unheard : err;
    enum ts_code code = begin(client, found, &call, err);
    ts_arena_init(&arena, 16 * REGISTER_VALUE_MAX);
    if (code == TS_OK) {
        code = client->driver->read(client->state, &call, &arena, &value, err);
    }
    ts_arena_done(&arena);
    if (code == TS_OK || found[0] != 0) {
        memcpy(identity, found, sizeof found);
        code = TS_OK;
    }
    return code;
}

/* -- check ------------------------------------------------------------------
 */

static const char *fix_of(enum ts_code code)
{
    switch (code) {
    case TS_E_AUTH:
        return "give this node's account the right to read and write there, "
               "and to nobody but the two nodes";
    case TS_E_NOT_FOUND:
        return "create it as the manual of twinsync.yaml shows";
    case TS_E_CONFLICT:
    case TS_E_CORRUPT:
        return "see twinsync register repair --help";
    case TS_E_REFUSED:
        return "use a server that takes writes and keeps them";
    case TS_OK:
    case TS_E_NOMEM:
    case TS_E_IO:
    case TS_E_LIMIT:
    case TS_E_CONFIG:
    case TS_E_PROTOCOL:
    case TS_E_UNREACHABLE:
    case TS_E_TIMEOUT:
    case TS_E_CANCELLED:
    case TS_E_RULE:
    case TS_E_VERSION:
        break;
    }
    return "start it, or correct its address and certificate under register:";
}

size_t
register_check(struct register_client *client, struct ts_arena *arena,
               struct register_finding ret_findings[REGISTER_FINDINGS_MAX])
{
    struct register_findings findings = { arena, ret_findings, 0 };
    struct register_call call;
    struct ts_slice value = TS_SLICE_NONE;
    struct ts_err err = { .code = TS_OK };
    enum ts_code code = begin(client, client->pinned, &call, &err);
    if (code == TS_OK) {
        code = client->driver->read(client->state, &call, arena, &value, &err);
    }
    if (code != TS_OK) {
        bool there = code == TS_E_AUTH || code == TS_E_NOT_FOUND;
        register_add_fault(&findings, there ? "rights" : "reachable",
                           fix_of(code), &err);
        return findings.count;
    }
    register_add_finding(&findings, "reachable", NULL, "%s", client->pinned);
    register_add_finding(&findings, "value", NULL,
                         value.size == 0 ? "none yet: twinsync register init "
                                           "writes the first"
                                         : "%zu bytes",
                         value.size);
    call.deadline = ts_time_after(ts_time_now(), client->timeout_ms);
    client->driver->check(client->state, &call, &findings);
    return findings.count;
}
