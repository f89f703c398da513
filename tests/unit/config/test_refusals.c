/* Every refusal of the loader: its position and its sentence. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/config/loader.h"
#include "tests/unit/config/base.h"

/* The right configuration with `old` replaced by `new`. Free the result. */
static char *edited(const char *old, const char *new)
{
    const char *at = strstr(base_yaml, old);
    assert_non_null(at);
    size_t size = sizeof base_yaml + strlen(new);
    char *text = malloc(size);
    assert_non_null(text);
    (void) snprintf(text, size, "%.*s%s%s", (int) (at - base_yaml), base_yaml,
                    new, at + strlen(old));
    return text;
}

static void refuses_text(struct ts_slice text, const char *message)
{
    struct config *config = NULL;
    struct ts_err err = { .text = "" };
    enum ts_code code = config_parse(text, "c.yaml", &config, NULL, &err);
    assert_string_equal(err.text, message);
    assert_int_equal(code, TS_E_CONFIG);
    assert_null(config);
}

static void refuses(const char *old, const char *new, const char *message)
{
    char *text = edited(old, new);
    refuses_text(ts_slice_str(text), message);
    free(text);
}

static void accepts(const char *old, const char *new)
{
    char *text = edited(old, new);
    struct config *config = NULL;
    struct ts_err err = { .text = "" };
    if (config_parse(ts_slice_str(text), "c.yaml", &config, NULL, &err) !=
        TS_OK) {
        fail_msg("%s: %s", new, err.text);
    }
    config_free(config);
    free(text);
}

static void what_is_not_yaml(void **state)
{
    (void) state;
    refuses("this-node: alpha", "this-node: [alpha",
            "c.yaml:3:8: cannot read this as YAML: did not find expected ',' "
            "or ']' while parsing a flow sequence");
    refuses("cluster: corp", "cluster: \"\\q\"",
            "c.yaml:1:11: cannot read this as YAML: found unknown escape "
            "character while parsing a quoted scalar");
    refuses("cluster: corp", "cluster: a\001b",
            "c.yaml:1:11: cannot read this as YAML: control characters are "
            "not allowed");
    refuses("alpha\n", "alpha\xc3\n",
            "c.yaml:2:17: the file is not UTF-8 here");
    refuses_text(ts_slice_str(""), "c.yaml:1:1: the file is empty");
    refuses_text(ts_slice_str("# nothing\n"), "c.yaml:1:1: the file is empty");
    refuses_text(ts_slice_str("- a\n"),
                 "c.yaml:1:1: a configuration is a mapping of keys to values");
}

static void what_yaml_has_and_we_do_not_need(void **state)
{
    (void) state;
    refuses("cluster: corp", "cluster: &a corp",
            "c.yaml:1:10: cannot accept an anchor (&) here: write the value "
            "out");
    refuses("cluster: corp", "cluster: *a",
            "c.yaml:1:10: cannot accept an alias (*) here: write the value "
            "out");
    refuses("cluster: corp", "cluster: !!str corp",
            "c.yaml:1:10: cannot accept a tag (!) here: write the value out");
    refuses("cluster: corp", "? [a]\n: b",
            "c.yaml:1:3: a key must be text, not a list or mapping");
    refuses("schedule:", "---\nschedule:",
            "c.yaml:27:1: a second document begins: a configuration is one "
            "document");
    refuses("cluster: corp", "cluster: \"a\\0b\"",
            "c.yaml:1:10: cannot accept a value with a NUL character");
}

static void keys_twice(void **state)
{
    (void) state;
    refuses("this-node: alpha", "cluster: alpha",
            "c.yaml:2:1: key \"cluster\" is given twice, first on line 1");
    refuses("displayName: first(cn)", "\"userName\": first(cn)",
            "c.yaml:16:7: key \"userName\" is given twice, first on line 15");
}

static void unknown_keys(void **state)
{
    (void) state;
    refuses("every-seconds", "evry-seconds",
            "c.yaml:27:12: unknown key \"evry-seconds\", did you mean "
            "\"every-seconds\"");
    refuses("  type: scim", "  quite-another: 1\n  type: scim",
            "c.yaml:24:3: unknown key \"quite-another\"");
    refuses("cluster: corp", "cluster: corp\nleases: {}",
            "c.yaml:2:1: unknown key \"leases\", did you mean \"lease\"");
    refuses("    when: mail IS", "    when-line: 7\n    when: mail IS",
            "c.yaml:12:5: unknown key \"when-line\"");
    refuses("cluster: corp", "\"a\\nb\": 1\ncluster: corp",
            "c.yaml:1:1: unknown key \"a?b\"");
}

static void missing_keys(void **state)
{
    (void) state;
    refuses("cluster: corp\n", "", "c.yaml:1:1: \"cluster\" is missing");
    refuses("    uri: ldaps://ldap.example.org\n", "",
            "c.yaml:4:5: \"uri\" is missing in \"sources\"");
    refuses("{dn: cn=reader, password-file: /etc/twinsync/bind}",
            "{dn: cn=reader}",
            "c.yaml:8:11: \"password-file\" is missing in \"bind\"");
    refuses("    bind: {dn: cn=reader, password-file: /etc/twinsync/bind}\n",
            "", "c.yaml:4:5: \"bind\" is missing in \"sources\"");
    refuses("    when: mail IS NOT NULL\n", "",
            "c.yaml:10:5: \"when\" is missing in \"rules\"");
}

static void values_of_the_wrong_kind(void **state)
{
    (void) state;
    refuses("cluster: corp", "cluster: [corp]",
            "c.yaml:1:10: \"cluster\" must be one value, not a list");
    refuses("cluster: corp",
            "cluster:", "c.yaml:1:9: \"cluster\" has no value");
    refuses("cluster: corp", "cluster: null",
            "c.yaml:1:10: \"cluster\" has no value");
    refuses("cluster: corp", "cluster: ''",
            "c.yaml:1:10: \"cluster\" is empty");
    refuses("schedule: {every-seconds: 60}", "schedule: 60",
            "c.yaml:27:11: \"schedule\" must be a mapping, not one value");
    refuses("schedule: {every-seconds: 60}", "schedule: [60]",
            "c.yaml:27:11: \"schedule\" must be a mapping, not a list");
    refuses("schedule: {every-seconds: 60}",
            "schedule:", "c.yaml:27:10: \"schedule\" has no value");
    refuses("sources: [corp]", "sources: corp",
            "c.yaml:11:14: \"sources\" must be a list, not one value");
    refuses("userName: mail", "userName: [mail]",
            "c.yaml:15:17: \"userName\" must be one value, not a list");
    refuses("userName: mail",
            "userName:", "c.yaml:15:16: \"userName\" has no value");
    refuses("[member, uniqueMember]", "[member, {a: b}]",
            "c.yaml:22:36: \"members\" must be one value, not a mapping");
    refuses("sources: [corp]", "sources: [corp, ~]",
            "c.yaml:11:21: an item of \"sources\" has no value");
}

static void numbers(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "0", "86401", "-1", "1.5", "0x10", "060", "1e2", "18446744073709551676"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char new[64], message[160];
        (void) snprintf(new, sizeof new, "every-seconds: %s", bad[i]);
        (void) snprintf(message, sizeof message,
                        "c.yaml:27:27: \"every-seconds\" must be a whole "
                        "number from 1 to 86400, not \"%s\"",
                        bad[i]);
        refuses("every-seconds: 60", new, message);
    }
    accepts("every-seconds: 60", "every-seconds: 1");
    accepts("every-seconds: 60", "every-seconds: 86400");
}

static void switches_and_words(void **state)
{
    (void) state;
    refuses("    type: contentsync",
            "    start-tls: yes\n    type: contentsync",
            "c.yaml:5:16: \"start-tls\" must be true or false, not \"yes\"");
    refuses("kind: group", "kind: gruop",
            "c.yaml:18:11: \"kind\" must be user or group, not \"gruop\", did "
            "you mean \"group\"");
    refuses("cluster: corp", "cluster: corp\ndeprovision: {user: remove}",
            "c.yaml:2:21: \"user\" must be deactivate, delete or keep, not "
            "\"remove\"");
    refuses("cluster: corp", "cluster: corp\ndeprovision: {group: deactivate}",
            "c.yaml:2:22: \"group\" must be delete or keep, not "
            "\"deactivate\"");
    refuses("type: scim", "type: 0",
            "c.yaml:24:9: \"type\" must be scim, not "
            "\"0\"");
}

static void texts_of_the_wrong_form(void **state)
{
    (void) state;
    refuses("cluster: corp", "cluster: Corp",
            "c.yaml:1:10: \"cluster\" must be 1 to 32 of a-z, 0-9 and -, not "
            "\"Corp\"");
    refuses("this-node: alpha", "this-node: a23456789012345678901234567890123",
            "c.yaml:2:12: \"this-node\" is over 32 bytes long");
    refuses("cluster: corp", "cluster: corp\nstate-directory: var/lib",
            "c.yaml:2:18: \"state-directory\" must be an absolute path "
            "without . and .., not \"var/lib\"");
    refuses("cluster: corp", "cluster: corp\nstate-directory: /var/../etc",
            "c.yaml:2:18: \"state-directory\" must be an absolute path "
            "without . and .., not \"/var/../etc\"");
    refuses("/etc/twinsync/bind", "etc/bind",
            "c.yaml:8:42: \"password-file\" must be an absolute path without "
            ". and .., or the bare name of a systemd credential, not "
            "\"etc/bind\"");
    refuses("base: dc=example,dc=org", "base: example.org",
            "c.yaml:7:11: \"base\" must be a DN such as dc=example,dc=org (RFC "
            "4514), not \"example.org\"");
    refuses("    base:", "    filter: (a=b\n    base:",
            "c.yaml:7:13: \"filter\" must be an LDAP filter in brackets such "
            "as (objectClass=person) (RFC 4515), not \"(a=b\"");
    refuses("    base:", "    anchor: entry UUID\n    base:",
            "c.yaml:7:13: \"anchor\" must be the name of an attribute (RFC "
            "4512), not \"entry UUID\"");
    refuses("mail IS NOT NULL", "\"mail\\x01\"",
            "c.yaml:12:11: \"when\" must be text without control characters, "
            "not \"mail?\"");
}

static void uris_of_the_wrong_form(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "ldap.example.org", "http://ldap.example.org", "ldaps://",
        "ldaps://h/dc=x",   "ldaps://a,ldaps://b",     "cldap://a"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char new[64], message[200];
        (void) snprintf(new, sizeof new, "uri: %s", bad[i]);
        (void) snprintf(message, sizeof message,
                        "c.yaml:6:10: \"uri\" must be LDAP URIs such as "
                        "ldaps://ldap.example.org, separated by spaces, not "
                        "\"%s\"",
                        bad[i]);
        refuses("uri: ldaps://ldap.example.org", new, message);
    }
    static const char *const bad_url[] = { "scim.example.org", "ftp://h/",
                                           "https://u:p@h/", "https://h/#a",
                                           "https://h h/" };
    for (size_t i = 0; i < sizeof bad_url / sizeof *bad_url; i++) {
        char new[64], message[200];
        (void) snprintf(new, sizeof new, "url: \"%s\"", bad_url[i]);
        (void) snprintf(message, sizeof message,
                        "c.yaml:25:8: \"url\" must be an https:// URL without "
                        "user and fragment, not \"%s\"",
                        bad_url[i]);
        refuses("url: https://scim.example.org/v2", new, message);
    }
}

static void options_that_exclude_or_need_each_other(void **state)
{
    (void) state;
    refuses("  token-file: /etc/twinsync/token\n", "",
            "c.yaml:24:3: exactly one of \"oauth\" and \"token-file\" must be "
            "given, not none");
    refuses("  token-file: /etc/twinsync/token",
            "  token-file: /t\n  oauth: {token-url: https://i/t, client-id: c, "
            "client-secret-file: /s}",
            "c.yaml:26:3: exactly one of \"oauth\" and \"token-file\" must be "
            "given, not both");
    refuses("token-file: /etc/twinsync/token",
            "oauth: {token-url: https://i/t, client-id: c, "
            "client-secret-file: /s, private-key-file: /k}",
            "c.yaml:26:73: exactly one of \"client-secret-file\" and "
            "\"private-key-file\" must be given, not both");
    refuses("token-file: /etc/twinsync/token",
            "oauth: {token-url: https://i/t, client-id: c, "
            "client-secret-file: /s, key-id: k}",
            "c.yaml:26:81: \"key-id\" names the key in \"private-key-file\", "
            "and there is none");
    refuses("  type: scim", "  type: scim\n  tls: {key-file: /k}",
            "c.yaml:25:9: \"key-file\" needs \"certificate-file\" beside it");
    refuses("  type: scim", "  type: scim\n  tls: {certificate-file: /k}",
            "c.yaml:25:9: \"certificate-file\" needs \"key-file\" beside it");
    refuses("bind: {dn", "bind: {method: external, dn",
            "c.yaml:8:30: \"dn\" applies only where \"method\" is \"simple\"");
    refuses("  - kind: user", "  - kind: user\n    nested: omit",
            "c.yaml:11:5: \"nested\" applies only where \"kind\" is \"group\"");
}

static void secrets_in_clear(void **state)
{
    (void) state;
    refuses("uri: ldaps://ldap.example.org", "uri: ldaps://a ldap://b",
            "c.yaml:6:10: \"uri\" would send secrets unencrypted to another "
            "computer: use ldaps:// or set start-tls: true");
    refuses("uri: ldaps://ldap.example.org",
            "uri: ldap://10.0.0.1\n    allow-plaintext-loopback: true",
            "c.yaml:6:10: \"uri\" would send secrets unencrypted to another "
            "computer: use ldaps:// or set start-tls: true "
            "(allow-plaintext-loopback covers 127.0.0.0/8 and ::1 only)");
    refuses("uri: ldaps://ldap.example.org", "uri: ldap://127.0.0.1:3890",
            "c.yaml:6:10: \"uri\" would send secrets unencrypted: use ldaps:// "
            "or set start-tls: true, or, where that is meant, set "
            "allow-plaintext-loopback: true beside it");
    refuses("uri: ldaps://ldap.example.org",
            "uri: ldap://localhost\n    allow-plaintext-loopback: true",
            "c.yaml:6:10: \"uri\" would send secrets unencrypted to another "
            "computer: use ldaps:// or set start-tls: true "
            "(allow-plaintext-loopback covers 127.0.0.0/8 and ::1 only)");
    refuses("uri: ldaps://ldap.example.org",
            "uri: LDAP://127.0.0.1.example.org\n    "
            "allow-plaintext-loopback: true",
            "c.yaml:6:10: \"uri\" would send secrets unencrypted to another "
            "computer: use ldaps:// or set start-tls: true "
            "(allow-plaintext-loopback covers 127.0.0.0/8 and ::1 only)");
    refuses("url: https://scim.example.org/v2", "url: HTTP://scim.example.org",
            "c.yaml:25:8: \"url\" would send secrets unencrypted to another "
            "computer: use https://");
    refuses("url: https://scim.example.org/v2", "url: http://[::1]:8080/v2",
            "c.yaml:25:8: \"url\" would send secrets unencrypted: use "
            "https://, or, where that is meant, set allow-plaintext-loopback: "
            "true beside it");
    refuses("token-file: /etc/twinsync/token",
            "oauth: {token-url: http://i/t, client-id: c, client-secret-file: "
            "/s}",
            "c.yaml:26:22: \"token-url\" would send secrets unencrypted to "
            "another computer: use https://");
}

static void loopback_and_tls_are_accepted(void **state)
{
    (void) state;
    static const char *const uris[] = {
        "uri: ldap://127.0.0.1:3890\n    allow-plaintext-loopback: true",
        ("uri: ldap://127.255.1.2 ldap://[::1]:3\n"
         "    allow-plaintext-loopback: true"),
        "uri: ldap://ldap.example.org\n    start-tls: true",
        "uri: ldapi://%2frun%2fldapi",
        "uri: ldaps://a ldaps://b:3636",
    };
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        accepts("uri: ldaps://ldap.example.org", uris[i]);
    }
    accepts("url: https://scim.example.org/v2",
            "url: http://[::1]:8080/v2\n  allow-plaintext-loopback: true");
    accepts("url: https://scim.example.org/v2",
            "url: http://127.0.0.1/v2\n  allow-plaintext-loopback: true");
}

static void start_tls_and_external_where_they_cannot_be(void **state)
{
    (void) state;
    refuses("uri: ldaps://ldap.example.org",
            "uri: ldap://a ldaps://b\n    start-tls: true",
            "c.yaml:7:16: \"start-tls\" is for ldap:// only, and \"uri\" names "
            "another scheme");
    refuses("{dn: cn=reader, password-file: /etc/twinsync/bind}",
            "{method: external}",
            "c.yaml:8:20: method external needs a certificate-file in \"tls\", "
            "or ldapi:// URIs only");
    accepts("uri: ldaps://ldap.example.org\n    base: dc=example,dc=org\n    "
            "bind: {dn: cn=reader, password-file: /etc/twinsync/bind}",
            "uri: ldapi:///\n    base: dc=example,dc=org\n    "
            "bind: {method: external}");
}

static void names_that_are_not_there(void **state)
{
    (void) state;
    refuses("sources: [corp]", "sources: [crop]",
            "c.yaml:11:15: there is no source \"crop\", did you mean \"corp\"");
    refuses("sources: [corp]", "sources: [corp, elsewhere]",
            "c.yaml:11:21: there is no source \"elsewhere\"");
    refuses("sources: [corp]", "sources: [corp, corp]",
            "c.yaml:11:21: \"corp\" is listed twice in \"sources\"");
    refuses("rules:\n",
            "  - {name: corp, type: contentsync, uri: ldaps://b, base: dc=b, "
            "bind: {dn: cn=b, password-file: /b}}\nrules:\n",
            "c.yaml:9:12: there are two sources called \"corp\"");
    refuses("match: [userName]", "match: [username]",
            "c.yaml:13:13: \"match\" names \"username\", which is not in "
            "\"flow\" or \"once\"");
    refuses(
        "rules:\n  - kind: user\n",
        "  - {name: b, type: contentsync, uri: ldaps://b, base: dc=b, bind: "
        "{dn: cn=b, password-file: /b}}\nrules:\n  - kind: user\n    "
        "join: [mail]\n",
        "c.yaml:12:12: \"join\" names \"mail\", which is not in \"flow\"");
    accepts("    when: mail IS", "    join: [mail]\n    when: mail IS");
    refuses("references: {manager: manager}", "references: {userName: manager}",
            "c.yaml:17:18: \"userName\" is already in \"flow\"");
    refuses("references: {manager: manager}", "once: {userName: mail}",
            "c.yaml:17:12: \"userName\" is already in \"flow\"");
}

static void counts_and_sizes(void **state)
{
    (void) state;
    refuses("sources: [corp]", "sources: []",
            "c.yaml:11:14: \"sources\" has 0 items, it must have at least 1");
    refuses("    flow: {displayName: first(cn)}", "    flow: {}",
            "c.yaml:21:11: \"flow\" has 0 items, it must have at least 1");
    refuses("[member, uniqueMember]", "[]",
            "c.yaml:22:27: \"members\" has 0 items, it must have at least 1");
    refuses("[member, uniqueMember]",
            "[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]",
            "c.yaml:22:27: \"members\" has 17 items, it must have at most 16");
    refuses("cluster: corp", "cluster: [[[[[[[[[x]]]]]]]]]",
            "c.yaml:1:17: more than 8 levels of nesting");

    static char long_when[70000];
    memset(long_when, 'x', sizeof long_when - 1);
    refuses("mail IS NOT NULL", long_when,
            "c.yaml:12:11: \"when\" is over 65536 bytes long");
}

/* The first problem's text has `part` in it. */
static void kinds_of_sources_have_options_of_their_own(void **state)
{
    (void) state;
    accepts("    type: contentsync\n", "    type: ad\n");
    accepts("    type: contentsync\n",
            "    type: ad\n    consistency-guid: ignore\n");
    refuses("    type: contentsync\n", "    type: ad\n    anchor: objectGUID\n",
            "c.yaml:6:5: \"anchor\" applies only where \"type\" is "
            "\"contentsync\"");
    refuses("    type: contentsync\n",
            "    type: contentsync\n    consistency-guid: ignore\n",
            "c.yaml:6:5: \"consistency-guid\" applies only where \"type\" is "
            "\"ad\"");
}

static void refuses_with(const char *old, const char *new, const char *part)
{
    char *text = edited(old, new);
    struct config *config = NULL;
    struct ts_err err = { .text = "" };
    assert_int_equal(
        config_parse(ts_slice_str(text), "c.yaml", &config, NULL, &err),
        TS_E_CONFIG);
    if (strstr(err.text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    }
    free(text);
}

/* What a pair's options must have in common. */
#define PAIR(edit_)                                                    \
    "cluster: corp\nregister: {type: peer, endpoint: 'tcp://w:7410', " \
    "certificate: w.cert}\nnodes:\n- {name: alpha, endpoint: "         \
    "'tcp://a:7400'}\n- {name: beta, endpoint: 'tcp://b:7400'}\n" edit_
static void options_of_a_pair(void **state)
{
    (void) state;
    refuses_with("cluster: corp", PAIR(""),
                 "\"fence\" is missing: with two nodes");
    refuses_with("cluster: corp", PAIR("lease: {ttl-seconds: 5}"),
                 "\"renew-seconds\" must be at most 0.833");
    refuses_with(
        "cluster: corp", PAIR("lease: {renew-seconds: 0.0001}"),
        "\"renew-seconds\" must be a number of seconds from 0.05 to 100");
    refuses_with("cluster: corp",
                 PAIR("- {name: beta, endpoint: 'tcp://c:7400'}"),
                 "there are two nodes called \"beta\"");
    refuses_with("cluster: corp", PAIR("- {name: c, endpoint: 'tcp://w:7410'}"),
                 "the witness belongs on a third computer");
    refuses_with("cluster: corp", PAIR("- {name: c, endpoint: 'tcp://b:7400'}"),
                 "have the same endpoint");
    refuses_with("cluster: corp", PAIR("- {name: c, endpoint: 'b:7400'}"),
                 "must be an endpoint such as tcp://10.0.0.1:7400");
    refuses_with("cluster: corp",
                 "cluster: corp\nnodes: [{name: b, endpoint: 'tcp://b:1'}]",
                 "\"nodes\" and \"register\" come together");
    refuses_with("cluster: corp\nthis-node: alpha",
                 "cluster: corp\nthis-node: gamma\nregister: {type: manual}\n"
                 "nodes: [{name: b, endpoint: 'tcp://b:1'}]",
                 "\"nodes\" has no node called \"gamma\"");
    refuses_with(
        "cluster: corp",
        "cluster: corp\nregister: {type: ldap, uri: 'ldap://h', dn: "
        "'cn=x', bind: {dn: 'cn=y', password-file: /p}}\nnodes: [{name: "
        "alpha, endpoint: 'tcp://b:1'}]",
        "\"register\" would send secrets unencrypted");
    refuses_with("  type: scim", "  fence: registration\n  type: scim",
                 "needs \"registration\" in \"oauth\"");
    refuses_with("  type: scim",
                 "  fence: exec\n  fence-command: [run]\n  type: scim",
                 "must begin with the absolute path of a program");
}

static void too_many_items(void **state)
{
    (void) state;
    enum {
        ITEMS = 1100
    };
    static char text[ITEMS * 12];
    size_t used = 0;
    for (int i = 0; i < ITEMS; i++) {
        used += (size_t) snprintf(text + used, sizeof text - used, "- %d\n", i);
    }
    refuses_text(ts_slice(text, used),
                 "c.yaml:1025:3: more than 1024 items in one list or mapping");
}

static void all_problems_are_listed(void **state)
{
    (void) state;
    struct config_problems problems;
    struct config *config = NULL;
    struct ts_err err;
    char *text = edited("cluster: corp\nthis-node: alpha",
                        "cluster: Corp\nthis-nod: alpha");
    assert_int_equal(
        config_parse(ts_slice_str(text), "c.yaml", &config, &problems, &err),
        TS_E_CONFIG);
    assert_int_equal(problems.count, 3);
    assert_string_equal(problems.items[0].text, err.text);
    assert_string_equal(problems.items[1].text,
                        "c.yaml:2:1: unknown key \"this-nod\", did you mean "
                        "\"this-node\"");
    assert_string_equal(problems.items[2].text,
                        "c.yaml:1:1: \"this-node\" is missing");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_yaml),
        cmocka_unit_test(what_yaml_has_and_we_do_not_need),
        cmocka_unit_test(keys_twice),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(values_of_the_wrong_kind),
        cmocka_unit_test(numbers),
        cmocka_unit_test(switches_and_words),
        cmocka_unit_test(kinds_of_sources_have_options_of_their_own),
        cmocka_unit_test(texts_of_the_wrong_form),
        cmocka_unit_test(uris_of_the_wrong_form),
        cmocka_unit_test(options_that_exclude_or_need_each_other),
        cmocka_unit_test(secrets_in_clear),
        cmocka_unit_test(loopback_and_tls_are_accepted),
        cmocka_unit_test(start_tls_and_external_where_they_cannot_be),
        cmocka_unit_test(names_that_are_not_there),
        cmocka_unit_test(counts_and_sizes),
        cmocka_unit_test(options_of_a_pair),
        cmocka_unit_test(too_many_items),
        cmocka_unit_test(all_problems_are_listed),
    };
    return cmocka_run_group_tests_name("config refusals", tests, NULL, NULL);
}
