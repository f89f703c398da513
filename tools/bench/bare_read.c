/*
 * bare_read -- the peer beside an import: libldap and nothing else.
 *
 *   bare_read URI CA-FILE BIND-DN PASSWORD-FILE BASE FILTER plain|sync ATTR...
 *
 * Binds, searches the subtree, walks every attribute of every entry without
 * copying (ldap_get_attribute_ber), and throws all of it away. `sync` adds the
 * RFC 4533 request control and decodes each entry's state control, as every
 * content-sync client must. Prints one JSON line: entries, values, bytes, and
 * the seconds from the search request to its last answer.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ldap.h>

enum {
    ARG_URI = 1,
    ARG_CA,
    ARG_DN,
    ARG_PASSWORD,
    ARG_BASE,
    ARG_FILTER,
    ARG_MODE,
    ARG_ATTRIBUTES
};

#define ANSWER_SECONDS_MAX 120

struct tally {
    unsigned long entries, values, bytes, states;
};

static double seconds_now(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static bool complain(const char *what, const char *why)
{
    (void) fprintf(stderr, "could not %s: %s\n", what, why);
    return false;
}

/* The first line of the file, without its line break. */
static bool read_password(const char *path, char *text, int size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return complain("read the password file", path);
    }
    bool got = fgets(text, size, file) != NULL;
    (void) fclose(file);
    if (got) {
        text[strcspn(text, "\n")] = 0;
    }
    return got || complain("read the password file", "it is empty");
}

static bool connect_and_bind(char **argv, LDAP **ret_ld)
{
    const int version = LDAP_VERSION3;
    const int demand = LDAP_OPT_X_TLS_DEMAND;
    const int client = 0;
    char password[256];
    if (!read_password(argv[ARG_PASSWORD], password, sizeof password)) {
        return false;
    }
    int rc = ldap_initialize(ret_ld, argv[ARG_URI]);
    if (rc == LDAP_SUCCESS) {
        (void) ldap_set_option(*ret_ld, LDAP_OPT_PROTOCOL_VERSION, &version);
        (void) ldap_set_option(*ret_ld, LDAP_OPT_X_TLS_CACERTFILE,
                               argv[ARG_CA]);
        (void) ldap_set_option(*ret_ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
        (void) ldap_set_option(*ret_ld, LDAP_OPT_X_TLS_NEWCTX, &client);
        struct berval secret = { strlen(password), password };
        rc = ldap_sasl_bind_s(*ret_ld, argv[ARG_DN], LDAP_SASL_SIMPLE, &secret,
                              NULL, NULL, NULL);
    }
    return rc == LDAP_SUCCESS || complain("bind", ldap_err2string(rc));
}

/* Sync State Value: SEQUENCE { ENUMERATED state, OCTET STRING uuid, ... } */
static void count_state(LDAP *ld, LDAPMessage *entry, struct tally *tally)
{
    LDAPControl **controls = NULL;
    if (ldap_get_entry_controls(ld, entry, &controls) != LDAP_SUCCESS) {
        return;
    }
    const LDAPControl *state =
        ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
    if (state != NULL) {
        struct berval value = state->ldctl_value;
        struct berval uuid = { 0, NULL };
        ber_int_t kind = 0;
        BerElement *ber = ber_init(&value);
        if (ber != NULL && ber_scanf(ber, "{em", &kind, &uuid) != LBER_ERROR &&
            uuid.bv_len == 16) {
            tally->states++;
        }
        ber_free(ber, 1);
    }
    ldap_controls_free(controls);
}

static void count_entry(LDAP *ld, LDAPMessage *entry, struct tally *tally)
{
    BerElement *ber = NULL;
    struct berval name = { 0, NULL };
    struct berval *values = NULL;
    /* Controls first: the getters below edit the message in place. */
    count_state(ld, entry, tally);
    if (ldap_get_dn_ber(ld, entry, &ber, &name) != LDAP_SUCCESS) {
        return;
    }
    tally->entries++;
    tally->bytes += name.bv_len;
    while (ldap_get_attribute_ber(ld, entry, ber, &name, &values) ==
               LDAP_SUCCESS &&
           name.bv_val != NULL) {
        for (size_t i = 0; values != NULL && values[i].bv_val != NULL; i++) {
            tally->values++;
            tally->bytes += values[i].bv_len;
        }
        ber_memfree(values);
        values = NULL;
    }
    ber_free(ber, 0);
}

/* Until the search's last answer. */
static bool read_answers(LDAP *ld, int id, struct tally *tally)
{
    for (;;) {
        struct timeval wait = { .tv_sec = ANSWER_SECONDS_MAX };
        LDAPMessage *message = NULL;
        int type = ldap_result(ld, id, LDAP_MSG_ONE, &wait, &message);
        if (type <= 0) {
            return complain("read an answer", type == 0 ? "time-out" : "lost");
        }
        if (type == LDAP_RES_SEARCH_RESULT) {
            int rc = LDAP_OTHER;
            (void) ldap_parse_result(ld, message, &rc, NULL, NULL, NULL, NULL,
                                     1);
            return rc == LDAP_SUCCESS ||
                   complain("search", ldap_err2string(rc));
        }
        if (type == LDAP_RES_SEARCH_ENTRY) {
            count_entry(ld, message, tally);
        }
        ldap_msgfree(message);
    }
}

static bool search(LDAP *ld, char **argv, struct tally *tally)
{
    /* SEQUENCE { ENUMERATED refreshOnly } */
    char refresh_only[] = { 0x30, 0x03, 0x0a, 0x01, 0x01 };
    char oid[] = LDAP_CONTROL_SYNC;
    LDAPControl sync = { oid, { sizeof refresh_only, refresh_only }, 1 };
    LDAPControl *controls[] = { &sync, NULL };
    bool plain = strcmp(argv[ARG_MODE], "plain") == 0;
    int id = -1;
    int rc = ldap_search_ext(ld, argv[ARG_BASE], LDAP_SCOPE_SUBTREE,
                             argv[ARG_FILTER], argv + ARG_ATTRIBUTES, 0,
                             plain ? NULL : controls, NULL, NULL, LDAP_NO_LIMIT,
                             &id);
    if (rc != LDAP_SUCCESS) {
        return complain("search", ldap_err2string(rc));
    }
    if (!read_answers(ld, id, tally)) {
        return false;
    }
    return plain || tally->states == tally->entries ||
           complain("search", "entries came without a state control");
}

int main(int argc, char **argv)
{
    if (argc < ARG_ATTRIBUTES || (strcmp(argv[ARG_MODE], "plain") != 0 &&
                                  strcmp(argv[ARG_MODE], "sync") != 0)) {
        (void) fprintf(stderr,
                       "usage: bare_read URI CA-FILE BIND-DN PASSWORD-FILE "
                       "BASE FILTER plain|sync ATTRIBUTE...\n");
        return 2;
    }
    LDAP *ld = NULL;
    struct tally tally = { 0 };
    bool good = connect_and_bind(argv, &ld);
    double begun = seconds_now();
    good = good && search(ld, argv, &tally);
    double took = seconds_now() - begun;
    if (ld != NULL) {
        (void) ldap_unbind_ext_s(ld, NULL, NULL);
    }
    if (good) {
        (void) printf("{\"entries\":%lu,\"values\":%lu,\"bytes\":%lu,"
                      "\"seconds\":%.6f}\n",
                      tally.entries, tally.values, tally.bytes, took);
    }
    return good ? 0 : 1;
}
