/* config: what is left out has its default, what is printed loads to the same,
 * and what is named can be read by us alone. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/config/loader.h"
#include "node/config/print.h"
#include "tests/unit/config/base.h"

static struct config *parse(const char *text)
{
    struct config *config = NULL;
    struct ts_err err = { .text = "" };
    if (config_parse(ts_slice_str(text), "c.yaml", &config, NULL, &err) !=
        TS_OK) {
        fail_msg("%s\n%s", err.text, text);
    }
    return config;
}

static char *print(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(config_print(config, out, NULL), TS_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void what_is_left_out_has_its_default(void **state)
{
    (void) state;
    struct config *c = parse(base_yaml);
    const struct config_source *s = &c->sources[0];

    assert_string_equal(c->state_directory, "/var/lib/twinsync");
    assert_string_equal(s->filter, "(objectClass=*)");
    assert_string_equal(s->anchor, "entryUUID");
    assert_int_equal(s->bind.method, CONFIG_BIND_SIMPLE);
    assert_null(s->tls.ca_file);
    assert_false(s->start_tls);
    assert_false(s->allow_plaintext_loopback);
    assert_int_equal(s->connect_timeout_seconds, 5);
    assert_int_equal(s->operation_timeout_seconds, 30);
    assert_int_equal(c->rules[0].join_count, 0);
    assert_int_equal(c->rules[0].once_count, 0);
    assert_int_equal(c->rules[1].nested, CONFIG_NESTED_SEND);
    assert_int_equal(c->rules[1].members, CONFIG_MEMBERS_AUTHORITATIVE);
    assert_int_equal(c->deprovision.user, CONFIG_LEAVER_DEACTIVATE);
    assert_int_equal(c->deprovision.group, CONFIG_LEAVER_DELETE);
    assert_int_equal(c->deprovision.out_of_scope, CONFIG_LEAVER_DEACTIVATE);
    assert_null(c->target.oauth);
    assert_int_equal(c->target.bulk, CONFIG_BULK_AUTO);
    assert_int_equal(c->target.connections_max, 8);
    assert_int_equal(c->target.request_timeout_seconds, 30);
    assert_int_equal(c->schedule.every_seconds, 60);
    assert_int_equal(c->schedule.full_every_days, 7);
    config_free(c);
}

static void what_is_given_arrives(void **state)
{
    (void) state;
    struct config *c = parse(base_yaml);

    assert_string_equal(c->cluster, "corp");
    assert_string_equal(c->this_node, "alpha");
    assert_int_equal(c->sources_count, 1);
    assert_string_equal(c->sources[0].uri, "ldaps://ldap.example.org");
    assert_string_equal(c->sources[0].bind.dn, "cn=reader");
    assert_int_equal(c->rules_count, 2);
    assert_int_equal(c->rules[0].kind, CONFIG_KIND_USER);
    assert_string_equal(c->rules[0].when, "mail IS NOT NULL");
    assert_string_equal(c->rules[0].match[0], "userName");
    assert_int_equal(c->rules[0].flow_count, 2);
    assert_string_equal(c->rules[0].flow[1].path, "displayName");
    assert_string_equal(c->rules[0].flow[1].expression, "first(cn)");
    assert_int_equal(c->rules[0].references_count, 1);
    assert_string_equal(c->rules[0].references[0].attributes[0], "manager");
    assert_int_equal(c->rules[1].kind, CONFIG_KIND_GROUP);
    assert_int_equal(c->rules[1].references[0].attributes_count, 2);
    assert_string_equal(c->rules[1].references[0].attributes[1],
                        "uniqueMember");
    assert_string_equal(c->target.token_file, "/etc/twinsync/token");
    config_free(c);
}

static void expressions_keep_their_lines(void **state)
{
    (void) state;
    struct config *c = parse(base_yaml);
    assert_int_equal(c->rules[0].when_line, 12);
    assert_int_equal(c->rules[0].flow[0].line, 15);
    assert_int_equal(c->rules[0].flow[1].line, 16);
    assert_int_equal(c->rules[1].when_line, 20);
    config_free(c);
}

/* Each of these as the value of one flow, in YAML's double quotes. */
static const char *const odd_expressions[] = {
    "null",
    "~",
    "true",
    "12",
    "'en'",
    "a: b",
    "# not a comment",
    "- x",
    "[a, b]",
    "{a: b}",
    "*alias",
    "&anchor",
    "!tag",
    "%x",
    "@x",
    "`x",
    "a\\nb",
    " a",
    "a ",
    "a\\n\\n b\\n",
    "\\\"x\\\"",
    "a\\tb",
    "\\u00e5\\u4e2d",
    "\\U0001f600",
    "\\u2028x",
    "x\\u0085y",
    "---",
    "...",
    "? x",
    "|",
    ">",
    "first(cn) || ' #1: '",
    "a\\\\b",
    "\\ufeffx",
    ":",
    "=",
    "<<",
    "0x1f",
    "1e3",
    "2024-01-01",
    "\\n",
    "\\n a",
    "a \\n b",
    "'",
};

static void what_is_printed_loads_to_the_same(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof odd_expressions / sizeof *odd_expressions;
         i++) {
        char text[sizeof base_yaml + 200];
        const char *mark = "userName: mail";
        const char *at = strstr(base_yaml, mark);
        (void) snprintf(text, sizeof text, "%.*suserName: \"%s\"%s",
                        (int) (at - base_yaml), base_yaml, odd_expressions[i],
                        at + strlen(mark));
        struct config *first = parse(text);
        char *printed = print(first);
        struct config *second = parse(printed);
        char *again = print(second);
        json_t *a = config_json(first), *b = config_json(second);

        assert_string_equal(first->rules[0].flow[0].expression,
                            second->rules[0].flow[0].expression);
        assert_true(json_equal(a, b));
        assert_string_equal(printed, again);
        json_decref(a);
        json_decref(b);
        config_free(first);
        config_free(second);
        free(printed);
        free(again);
    }
}

static void every_option_survives_printing(void **state)
{
    (void) state;
    static const char full[] =
        "cluster: c\nthis-node: n\nstate-directory: /s\n"
        "sources:\n"
        "- {name: one, type: contentsync, uri: ldap://a, base: dc=a,\n"
        "   filter: (a=b), bind: {method: external}, start-tls: true,\n"
        "   tls: {ca-file: /ca, certificate-file: /c, key-file: /k},\n"
        "   anchor: nsUniqueId, connect-timeout-seconds: 7,\n"
        "   operation-timeout-seconds: 8}\n"
        "- {name: two, type: contentsync, uri: 'ldap://127.0.0.1', base: "
        "dc=b,\n"
        "   bind: {dn: cn=b, password-file: credential},\n"
        "   allow-plaintext-loopback: true}\n"
        "rules:\n"
        "- {kind: group, sources: [two, one], when: '1', join: [x], match: "
        "[y],\n"
        "   flow: {x: a}, once: {y: b}, references: {m: [d, e], n: f},\n"
        "   nested: omit, members: additive}\n"
        "deprovision: {user: delete, group: keep, out-of-scope: keep}\n"
        "target:\n"
        "  {type: scim, url: https://h/, bulk: never, connections-max: 3,\n"
        "   request-timeout-seconds: 4, tls: {ca-file: /ca},\n"
        "   oauth: {token-url: https://t/, client-id: me, private-key-file: "
        "/p,\n"
        "           key-id: k1, scope: a b, resource: 'urn:x',\n"
        "           registration: {url: 'https://r/', token-file: /t}},\n"
        "   fence: exec, fence-command: [/bin/fence, now]}\n"
        "schedule: {every-seconds: 9, full-every-days: 2}\n"
        "nodes:\n"
        "- {name: n, endpoint: 'tcp://10.0.0.1:7400', certificate: n.cert}\n"
        "- {name: o, endpoint: 'tcp://[fd00::2]:7400'}\n"
        "lease: {ttl-seconds: 5, renew-seconds: 0.5, margin-seconds: 0.25}\n"
        "register: {type: etcd, endpoints: ['https://e/'], user: u, "
        "password-file: /p}\n"
        "unprotected: hold-deletes\n";
    struct config *first = parse(full);
    char *printed = print(first);
    struct config *second = parse(printed);
    json_t *a = config_json(first), *b = config_json(second);

    assert_true(json_equal(a, b));
    assert_int_equal(second->sources[0].bind.method, CONFIG_BIND_EXTERNAL);
    assert_null(second->sources[0].bind.dn);
    assert_string_equal(second->sources[0].tls.key_file, "/k");
    assert_true(second->sources[0].start_tls);
    assert_true(second->sources[1].allow_plaintext_loopback);
    assert_string_equal(second->rules[0].sources[1], "one");
    assert_int_equal(second->rules[0].nested, CONFIG_NESTED_OMIT);
    assert_int_equal(second->rules[0].members, CONFIG_MEMBERS_ADDITIVE);
    assert_string_equal(second->rules[0].once[0].path, "y");
    assert_int_equal(second->deprovision.group, CONFIG_LEAVER_KEEP);
    assert_int_equal(second->target.bulk, CONFIG_BULK_NEVER);
    assert_string_equal(second->target.oauth->key_id, "k1");
    assert_string_equal(second->target.oauth->resource, "urn:x");
    assert_null(second->target.oauth->client_secret_file);
    assert_string_equal(second->target.oauth->registration->token_file, "/t");
    assert_int_equal(second->target.fence, CONFIG_FENCE_EXEC);
    assert_string_equal(second->target.fence_command[1], "now");
    assert_string_equal(second->nodes[1].endpoint, "tcp://[fd00::2]:7400");
    assert_int_equal(second->lease.renew_ms, 500);
    assert_int_equal(second->lease.margin_ms, 250);
    assert_int_equal(second->lease.clock_error_percent, 10);
    assert_int_equal(second->reg->type, CONFIG_REGISTER_ETCD);
    assert_int_equal(second->unprotected, CONFIG_UNPROTECTED_HOLD_DELETES);
    json_decref(a);
    json_decref(b);
    config_free(first);
    config_free(second);
    free(printed);
}

typedef enum ts_code hash_fn(const struct config *config,
                             struct ts_hash *ret_hash, struct ts_err *err);

static struct ts_hash hash_with(hash_fn *hash_of, const char *old,
                                const char *new)
{
    char text[sizeof base_yaml + 200];
    const char *at = strstr(base_yaml, old);
    struct ts_hash hash;
    assert_non_null(at);
    (void) snprintf(text, sizeof text, "%.*s%s%s", (int) (at - base_yaml),
                    base_yaml, new, at + strlen(old));
    struct config *config = parse(text);
    assert_int_equal(hash_of(config, &hash, NULL), TS_OK);
    config_free(config);
    return hash;
}

static struct ts_hash fingerprint(const char *old, const char *new)
{
    return hash_with(config_fingerprint, old, new);
}

static void the_effect_is_of_what_decides_writes(void **state)
{
    (void) state;
    struct ts_hash base = hash_with(config_effect, "corp", "corp");
    static const char *const same[][2] = {
        { "this-node: alpha", "this-node: beta" },
        { "cluster: corp", "cluster: other" },
        { "/etc/twinsync/bind", "/etc/elsewhere" },
        { "every-seconds: 60", "every-seconds: 61" },
        { "cluster: corp", "cluster: corp\nguard: {deletes: 7}" },
        { "    base:", "    canaries: ['cn=x']\n    base:" },
        { "    base:", "    operation-timeout-seconds: 7\n    base:" },
        { "  url:", "  connections-max: 3\n  url:" },
        { "  url:", "  bulk: never\n  url:" },
    };
    static const char *const different[][2] = {
        { "mail IS NOT NULL", "mail IS NULL" },
        { "    base:", "    anchor: other\n    base:" },
        { "    base:", "    filter: (cn=*)\n    base:" },
        { "[member, uniqueMember]", "[uniqueMember, member]" },
        { "url: https://scim", "url: https://scin" },
        { "userName: mail", "userName: uid" },
        { "cluster: corp", "cluster: corp\ndeprovision: {user: keep}" },
        { "  url:", "  block-soft-match: true\n  url:" },
        { "  url:", "  never-match: [admin]\n  url:" },
        { "  url:", "  foreign-edits: report\n  url:" },
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(ts_hash_equal(
            base, hash_with(config_effect, same[i][0], same[i][1])));
    }
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        assert_false(ts_hash_equal(
            base, hash_with(config_effect, different[i][0], different[i][1])));
    }
}

static void the_fingerprint_is_of_what_is_done(void **state)
{
    (void) state;
    struct ts_hash base = fingerprint("corp", "corp");
    static const char *const same[][2] = {
        { "this-node: alpha", "this-node: beta" },
        { "/etc/twinsync/bind", "/etc/elsewhere" },
        { "/etc/twinsync/token", "/etc/other" },
        { "cluster: corp", "# comment\ncluster: 'corp'" },
        { "cluster: corp", "cluster: corp\nstate-directory: /srv/x" },
        { "    base:", "    anchor: entryUUID\n    base:" },
        { "userName: mail\n      displayName: first(cn)",
          "displayName: first(cn)\n      userName: mail" },
    };
    static const char *const different[][2] = {
        { "cluster: corp", "cluster: other" },
        { "mail IS NOT NULL", "mail IS NULL" },
        { "    base:", "    anchor: other\n    base:" },
        { "[member, uniqueMember]", "[uniqueMember, member]" },
        { "every-seconds: 60", "every-seconds: 61" },
        { "url: https://scim", "url: https://scin" },
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_true(ts_hash_equal(base, fingerprint(same[i][0], same[i][1])));
    }
    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        assert_false(
            ts_hash_equal(base, fingerprint(different[i][0], different[i][1])));
    }
}

/* ---- files -------------------------------------------------------------- */

static char folder[64];

static char *in_folder(char path[static 128], const char *name)
{
    (void) snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[128];
    int fd = open(in_folder(path, name),
                  O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static int make_folder(void **state)
{
    (void) state;
    (void) snprintf(folder, sizeof folder, "/tmp/twinsync-config-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return unsetenv("CREDENTIALS_DIRECTORY");
}

static int remove_folder(void **state)
{
    (void) state;
    static const char *const names[] = { "c.yaml", "bind", "token", "ca" };
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void) unlink(in_folder(path, names[i]));
    }
    return rmdir(folder);
}

/* The right configuration with its secrets in the folder. */
static void write_config(void)
{
    char text[sizeof base_yaml + 400];
    const char *bind = strstr(base_yaml, "/etc/twinsync/bind");
    const char *token = strstr(base_yaml, "/etc/twinsync/token");
    (void) snprintf(
        text, sizeof text, "%.*s%s/bind%.*s%s/token\n  tls: {ca-file: %s/ca}%s",
        (int) (bind - base_yaml), base_yaml, folder, (int) (token - bind - 18),
        bind + 18, folder, folder, token + 19);
    write_file("c.yaml", text, 0644);
    write_file("bind", "pw\n", 0600);
    write_file("token", "tk\n", 0400);
    write_file("ca", "--\n", 0644);
}

static void load_says(enum ts_code code, const char *format)
{
    char path[128], expected[512];
    struct config *config = NULL;
    struct ts_err err = { .text = "" };
    size_t used = 0;
    for (const char *c = format; *c != '\0';
         c++) { /* @ stands for the folder */
        used += (size_t) snprintf(expected + used, sizeof expected - used,
                                  *c == '@' ? "%s" : "%.1s",
                                  *c == '@' ? folder : c);
    }
    expected[used] = '\0';
    enum ts_code got =
        config_load(in_folder(path, "c.yaml"), &config, NULL, &err);
    assert_string_equal(err.text, expected);
    assert_int_equal(got, code);
    assert_true((got == TS_OK) == (config != NULL));
    config_free(config);
}

static void files_that_are_named_are_looked_at(void **state)
{
    (void) state;
    write_config();
    load_says(TS_OK, "");

    write_file("bind", "pw\n", 0640);
    load_says(TS_E_CONFIG,
              "@/c.yaml:8:42: cannot read the secret \"@/bind\": others than "
              "its owner can read it (mode 0640); chmod 0600 it, and change "
              "the secret if that was so for long");
    write_file("bind", "pw\n", 0600);
    write_file("token", "", 0600);
    load_says(TS_E_CONFIG, "@/c.yaml:26:15: cannot use the secret \"@/token\": "
                           "the file is empty");
    write_file("token", "tk", 0600);
    char path[128];
    assert_int_equal(unlink(in_folder(path, "ca")), 0);
    load_says(TS_E_CONFIG, "@/c.yaml:27:18: could not open \"@/ca\": No such "
                           "file or directory");
}

static void the_file_itself(void **state)
{
    (void) state;
    load_says(TS_E_NOT_FOUND, "could not open the configuration "
                              "\"@/c.yaml\": No such file or directory");
    char path[128];
    assert_int_equal(mkdir(in_folder(path, "c.yaml"), 0700), 0);
    load_says(TS_E_IO, "cannot read the configuration \"@/c.yaml\": it is not "
                       "a regular file");
    assert_int_equal(rmdir(path), 0);

    char *big = malloc(CONFIG_SIZE_MAX + 2);
    assert_non_null(big);
    memset(big, '#', CONFIG_SIZE_MAX + 1);
    big[CONFIG_SIZE_MAX + 1] = '\0';
    write_file("c.yaml", big, 0600);
    load_says(TS_E_LIMIT, "cannot read the configuration \"@/c.yaml\": it is "
                          "over the limit of 1048576 bytes");
    big[CONFIG_SIZE_MAX] = '\0';
    write_file("c.yaml", big, 0600);
    load_says(TS_E_CONFIG, "@/c.yaml:1:1: the file is empty");
    free(big);
}

int main(void)
{
#define IN_FOLDER(name) \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(what_is_given_arrives),
        cmocka_unit_test(expressions_keep_their_lines),
        cmocka_unit_test(what_is_printed_loads_to_the_same),
        cmocka_unit_test(every_option_survives_printing),
        cmocka_unit_test(the_fingerprint_is_of_what_is_done),
        cmocka_unit_test(the_effect_is_of_what_decides_writes),
        IN_FOLDER(files_that_are_named_are_looked_at),
        IN_FOLDER(the_file_itself),
    };
    return cmocka_run_group_tests_name("config loader", tests, NULL, NULL);
}
