/*
 * ldap -- an attribute of one entry on one pinned server.
 *
 * A connection is kept; each new one is held against the pin and probed for
 * writes before anything is read from it. How the value is written down, and
 * why the first one is a special case: ldap_value.h.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/ldap/connect.h"
#include "node/register/account.h"
#include "node/register/driver.h"
#include "node/register/ldap_server.h"
#include "node/register/ldap_value.h"

#define VALUES_MAX 8
/* The texts of two values of 48 KiB, and the value itself. */
#define ARENA_MAX ((size_t) 1024 * 1024)

struct ldap_register {
    struct register_ldap_options options;
    struct ldap_session_options session_options;
    struct ldap_session *session;
    pthread_mutex_t mutex; /* guards `session` against _cancel */
    struct ldap_server server;
    struct ts_arena arena; /* of one call */
};

/* -- the connection
 * ------------------------------------------------------------- */

static void drop_connection(struct ldap_register *self)
{
    ldap_session_disconnect(self->session);
}

/* Connected, to the server that is meant, which takes writes. */
static enum ts_code reach(struct ldap_register *self,
                          const struct register_call *call, struct ts_err *err)
{
    ldap_session_limit(self->session, call->deadline);
    bool fresh = ldap_session_handle(self->session) == NULL;
    enum ts_code code = TS_OK;
    if (fresh) {
        code = ldap_session_connect(self->session, err);
        if (code == TS_OK) {
            code = ldap_server_read(self->session, self->options.dn,
                                    &self->server, err);
        }
    }
    if (code == TS_OK) {
        code = register_call_server(call, self->server.identity, err);
    }
    if (code == TS_OK && fresh) {
        code = ldap_server_probe(self->session, self->options.dn,
                                 self->options.attribute, err);
    }
    if (code != TS_OK) {
        drop_connection(self);
    }
    return code;
}

/* -- reading
 * ---------------------------------------------------------------------- */

static enum ts_code damaged(const struct ldap_register *self,
                            const struct ts_err *why, struct ts_err *err)
{
    return ts_fail(err, why->code, 0,
                   "cannot use the register in \"%.150s\" at %s: %s; delete "
                   "its attribute %s there, then see twinsync register repair",
                   self->options.dn, ldap_session_uri(self->session), why->text,
                   self->options.attribute);
}

static enum ts_code take_values(struct ldap_register *self, LDAPMessage *entry,
                                struct ts_slice *ret_value, struct ts_err *err)
{
    struct ts_slice texts[VALUES_MAX];
    struct ts_err why = { .code = TS_OK };
    struct berval **values = ldap_get_values_len(
        ldap_session_handle(self->session), entry, self->options.attribute);
    size_t count = 0;
    while (values != NULL && values[count] != NULL && count < VALUES_MAX) {
        texts[count] = ts_slice(values[count]->bv_val, values[count]->bv_len);
        count++;
    }
    enum ts_code code =
        ldap_value_read(texts, count, &self->arena, ret_value, &why);
    ldap_value_free_len(values);
    return code == TS_OK ? code : damaged(self, &why, err);
}

static enum ts_code read_here(struct ldap_register *self,
                              struct ts_slice *ret_value, struct ts_err *err)
{
    const char *const wanted[] = { self->options.attribute, NULL };
    LDAP_AUTOMSG LDAPMessage *entry = NULL;
    enum ts_code code =
        ldap_session_read(self->session, self->options.dn, wanted, &entry, err);
    if (code == TS_OK && entry == NULL) {
        code = ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not find the register's entry \"%.150s\" at %s",
                       self->options.dn, ldap_session_uri(self->session));
    }
    return code == TS_OK ? take_values(self, entry, ret_value, err) : code;
}

static enum ts_code driver_read(void *state, const struct register_call *call,
                                struct ts_arena *arena,
                                struct ts_slice *ret_value, struct ts_err *err)
{
    struct ldap_register *self = state;
    struct ts_slice value = TS_SLICE_NONE;
    ts_arena_reset(&self->arena);
    enum ts_code code = reach(self, call, err);
    if (code != TS_OK) {
        return code;
    }
    code = read_here(self, &value, err);
    if (code != TS_OK) {
        drop_connection(self);
        return code;
    }
    struct ts_slice copy =
        value.size == 0 ? TS_SLICE_NONE : ts_arena_copy(arena, value);
    if (value.size > 0 && copy.data == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not read the register: no room for %zu bytes",
                       value.size);
    }
    *ret_value = copy;
    return TS_OK;
}

/* -- swapping
 * --------------------------------------------------------------------- */

/* Could the server have done it although it says this? */
static bool is_ambiguous(int result)
{
    return result == -1 || result == LDAP_TIMELIMIT_EXCEEDED ||
           result == LDAP_ADMINLIMIT_EXCEEDED || result == LDAP_UNAVAILABLE ||
           result == LDAP_OTHER;
}

static enum ts_code judge(struct ldap_register *self,
                          const struct ldap_session_change *change,
                          enum ts_code code, enum register_outcome *ret_outcome,
                          struct ts_err *err)
{
    if (change->sent && change->result == LDAP_SUCCESS) {
        *ret_outcome = REGISTER_SWAP_DONE;
        return TS_OK;
    }
    if (change->result == LDAP_NO_SUCH_ATTRIBUTE ||
        change->result == LDAP_TYPE_OR_VALUE_EXISTS) {
        *ret_outcome = REGISTER_SWAP_LOST;
        return TS_OK;
    }
    drop_connection(self);
    if (change->sent && is_ambiguous(change->result)) {
        *ret_outcome = REGISTER_SWAP_UNKNOWN;
        return TS_OK;
    }
    if (change->result == LDAP_REFERRAL) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot write the register in \"%.150s\": the server "
                       "has become a read-only replica",
                       self->options.dn);
    }
    return code;
}

/* libldap only reads these. */
static char *unconst(const char *text)
{
    union {
        const char *in;
        char *out;
    } pointer = { .in = text };
    return pointer.out;
}

static enum ts_code driver_swap(void *state, const struct register_call *call,
                                const struct ts_slice values[2],
                                enum register_outcome *ret_outcome,
                                struct ts_err *err)
{
    struct ldap_register *self = state;
    ts_arena_reset(&self->arena);
    enum ts_code code = reach(self, call, err);
    if (code != TS_OK) {
        return code;
    }
    bool first = values[0].size == 0;
    const char *before =
        first ? LDAP_VALUE_TAKEN : ldap_value_text(&self->arena, values[0]);
    const char *after = ldap_value_text(&self->arena, values[1]);
    if (before == NULL || after == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not write the register");
    }
    char *adds[] = { unconst(after), first ? unconst(before) : NULL, NULL };
    char *deletes[] = { unconst(before), NULL };
    LDAPMod delete = { .mod_op = LDAP_MOD_DELETE,
                       .mod_type = unconst(self->options.attribute),
                       .mod_values = deletes };
    LDAPMod add = { .mod_op = LDAP_MOD_ADD,
                    .mod_type = unconst(self->options.attribute),
                    .mod_values = adds };
    LDAPMod *mods[] = { first ? &add : &delete, first ? NULL : &add, NULL };
    struct ldap_session_change change;
    code = ldap_session_modify(self->session, self->options.dn, mods, &change,
                               err);
    if (first && change.result == LDAP_NO_SUCH_ATTRIBUTE) {
        /* Nothing was to be deleted: Active Directory's word for an attribute
         * that it does not know. */
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot keep the register in the attribute %s of "
                       "\"%.150s\": the entry cannot have one",
                       self->options.attribute, self->options.dn);
    }
    return judge(self, &change, code, ret_outcome, err);
}

/* -- the rest
 * --------------------------------------------------------------------- */

static void driver_check(void *state, const struct register_call *call,
                         struct register_findings *findings)
{
    const struct ldap_register *self = state;
    (void) call;
    register_add_finding(findings, "rights", NULL,
                         "may read and write %s of \"%.150s\"",
                         self->options.attribute, self->options.dn);
    if (self->server.writers > 1) {
        register_add_finding(
            findings, "replication",
            "keep the register in a suffix of its own that is not replicated: "
            "it is written with each renewal of the lease, and two servers "
            "that both take writes would both say yes",
            "\"%.150s\" is written to by %zu servers", self->server.suffix,
            self->server.writers);
    }
}

static void driver_cancel(void *state)
{
    struct ldap_register *self = state;
    (void) pthread_mutex_lock(&self->mutex);
    ldap_session_cancel(self->session);
    (void) pthread_mutex_unlock(&self->mutex);
}

/* A session that was cancelled stays so: begin another. Without memory for it
 * the register stays cancelled. */
static void driver_resume(void *state)
{
    struct ldap_register *self = state;
    struct ldap_session *fresh = NULL;
    if (ldap_session_new(&self->session_options, &fresh, NULL) != TS_OK) {
        return;
    }
    (void) pthread_mutex_lock(&self->mutex);
    struct ldap_session *old = self->session;
    self->session = fresh;
    (void) pthread_mutex_unlock(&self->mutex);
    ldap_session_free(old);
}

static void driver_close(void *state)
{
    struct ldap_register *self = state;
    ldap_session_free(self->session);
    (void) pthread_mutex_destroy(&self->mutex);
    ts_arena_done(&self->arena);
    free(self);
}

static enum ts_code check_place(const struct register_ldap_options *options,
                                struct ts_err *err)
{
    struct ldap_connect_target target;
    enum ts_code code = ldap_connect_parse(options->uri, &target, err);
    if (code != TS_OK) {
        return code;
    }
    if (strcmp(target.port, "3268") == 0 || strcmp(target.port, "3269") == 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use %s as a register: port %s is a global "
                       "catalog's, which is read-only; use 389 or 636",
                       options->uri, target.port);
    }
    for (size_t i = 0; i < options->source_bases_count; i++) {
        bool below = false;
        code = ldap_server_is_below(options->dn, options->source_bases[i],
                                    &below, err);
        if (code == TS_OK && below) {
            code = ts_fail(err, TS_E_CONFIG, 0,
                           "cannot keep the register in \"%.150s\": it is "
                           "inside the source base \"%.150s\", where each "
                           "renewal of the lease would be a change to import",
                           options->dn, options->source_bases[i]);
        }
        if (code != TS_OK) {
            return code;
        }
    }
    return TS_OK;
}

static enum ts_code check_options(const struct register_ldap_options *options,
                                  struct ts_err *err)
{
    if (options->uri == NULL || options->dn == NULL ||
        options->attribute == NULL || options->dn[0] == 0 ||
        strchr(options->uri, ' ') != NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the register in LDAP: it needs the uri of "
                       "exactly one server, a dn and an attribute");
    }
    if ((options->bind_dn == NULL) != (options->password_file == NULL)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the register in LDAP: a bind dn needs a "
                       "password-file, and the reverse");
    }
    return check_place(options, err);
}

static enum ts_code driver_open(const struct register_options *options,
                                void **ret_state, struct ts_err *err)
{
    enum ts_code code = check_options(&options->ldap, err);
    if (code != TS_OK) {
        return code;
    }
    struct ldap_register *self = calloc(1, sizeof *self);
    if (self == NULL || pthread_mutex_init(&self->mutex, NULL) != 0) {
        free(self);
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the register");
    }
    self->options = options->ldap;
    self->session_options = register_session_options(options);
    ts_arena_init(&self->arena, ARENA_MAX);
    code = ldap_session_new(&self->session_options, &self->session, err);
    if (code != TS_OK) {
        driver_close(self);
        return code;
    }
    *ret_state = self;
    return TS_OK;
}

const struct register_driver register_driver_ldap = {
    .name = "ldap",
    .automatic = true,
    .open = driver_open,
    .close = driver_close,
    .read = driver_read,
    .swap = driver_swap,
    .check = driver_check,
    .cancel = driver_cancel,
    .resume = driver_resume,
};
