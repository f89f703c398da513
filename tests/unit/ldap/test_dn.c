/* dn: one key for all spellings of a name, different keys for different names.
 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/ldap/dn.h"

static struct ldap_dn_keys *keys;

static int setup(void **state)
{
    (void) state;
    keys = ldap_dn_keys_new();
    return keys == NULL;
}

static int teardown(void **state)
{
    (void) state;
    ldap_dn_keys_free(keys);
    return 0;
}

static struct ldap_dn read_dn(const char *text)
{
    struct ldap_dn fast;
    struct ldap_dn slow;
    struct ts_err err;
    struct ts_slice dn = ts_slice_str(text);
    if (ldap_dn_key(keys, dn, &fast, &err) != TS_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(ldap_dn_key_slowly(keys, dn, &slow, &err), TS_OK);
    if (!ldap_dn_key_equal(fast.key, slow.key) ||
        !ldap_dn_key_equal(fast.parent, slow.parent) ||
        !ts_slice_equal(fast.rdn, slow.rdn)) {
        fail_msg("the two paths differ for \"%s\"", text);
    }
    return fast;
}

static bool same(const char *a, const char *b)
{
    return ldap_dn_key_equal(read_dn(a).key, read_dn(b).key);
}

static void every_spelling_of_a_name_has_one_key(void **state)
{
    (void) state;
    static const char *const rows[][2] = {
        { "uid=ada,ou=People,dc=ex", "UID=Ada, OU=people , DC=EX" },
        { "cn=Ada Lovelace,dc=ex", "cn=  ada   LOVELACE  ,dc=ex" },
        { "cn=Ada Lovelace,dc=ex", "cn=ada\\20lovelace,dc=ex" },
        { "cn=Ada Lovelace,dc=ex", "2.5.4.3=ada lovelace,dc=ex" },
        { "cn=Ada Lovelace,dc=ex", "commonName=ada lovelace,dc=ex" },
        { "cn=Ada,dc=ex", "2.5.4.3=#0C03416461,0.9.2342.19200300.100.1.25=ex" },
        { "uid=x,dc=ex", "0.9.2342.19200300.100.1.1=x,domainComponent=ex" },
        { "sn=x,dc=ex", "surname=X,dc=ex" },
        { "cn=Doe\\, John,dc=ex", "cn=\"Doe, John\",dc=ex" },
        { "cn=Doe\\, John,dc=ex", "cn=doe\\2C john;dc=ex" },
        { "cn=a+uid=b,dc=ex", "uid=B + CN=A,dc=ex" },
        { "cn=Zo\xc3\x8b,dc=ex", "cn=zo\xc3\xab,dc=ex" },
        { "cn=Zo\xc3\xab,dc=ex", "cn=zoe\xcc\x88,dc=ex" }, /* NFKC */
        { "cn=Zo\xc3\xab,dc=ex", "cn=Zo\\C3\\AB,dc=ex" },
        { "cn=a b,dc=ex", "cn=a\xc2\xa0"
                          "b,dc=ex" }, /* no-break space */
        { "displayName=a,dc=ex", "2.16.840.1.113730.3.1.241=A,dc=ex" },
        { "employeeNumber=1,dc=ex", "2.16.840.1.113730.3.1.3=1,dc=ex" },
        { "o=x,c=de", "organizationName=x,2.5.4.6=DE" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!same(rows[i][0], rows[i][1])) {
            fail_msg("%s is not %s", rows[i][0], rows[i][1]);
        }
    }
}

static void different_names_have_different_keys(void **state)
{
    (void) state;
    static const char *const names[] = {
        "",
        "dc=ex",
        "cn=a,dc=ex",
        "cn=a b,dc=ex",
        "cn=ab,dc=ex",
        "uid=a,dc=ex",
        "cn=a+uid=b,dc=ex",
        "cn=a,uid=b,dc=ex",
        "cn=a\\+uid=b,dc=ex",
        "cn=a\\,uid=b,dc=ex",
        "cn=#04024869,dc=ex",
        "cn=\\#04024869,dc=ex",
        "cn=#04023132,dc=ex",
        "cn=\\04\\0212,dc=ex", /* the same bytes, as text */
        "cn=,dc=ex",
        "cn=Strasse,dc=ex", /* slapd keeps these two apart, */
        "cn=Stra\xc3\x9f"
        "e,dc=ex", /* so they must not be one */
        "cn=\xff\xfe,dc=ex",
    };
    const size_t count = sizeof names / sizeof *names;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++) {
            if (same(names[i], names[k])) {
                fail_msg("%s is taken for %s", names[i], names[k]);
            }
        }
    }
}

static void a_child_key_follows_from_its_parent_and_rdn(void **state)
{
    (void) state;
    struct ldap_dn child = read_dn("cn=Doe\\2C John,ou=People,dc=ex");
    struct ldap_dn parent = read_dn("ou=people,dc=EX");
    struct ldap_dn_key key;
    assert_true(ldap_dn_key_equal(child.parent, parent.key));
    assert_int_equal(ldap_dn_child_key(keys, parent.key, child.rdn, &key, NULL),
                     TS_OK);
    assert_true(ldap_dn_key_equal(key, child.key));
    assert_int_equal(child.rdn.size, strlen("cn=Doe\\2C John"));
    assert_int_not_equal(ldap_dn_child_key(keys, parent.key,
                                           ts_slice_str("cn=a,cn=b"), &key,
                                           NULL),
                         TS_OK);
}

static void the_root_is_its_own_parent(void **state)
{
    (void) state;
    static const struct ldap_dn_key zero;
    struct ldap_dn root = read_dn("");
    assert_true(ldap_dn_key_equal(root.key, zero));
    assert_true(ldap_dn_key_equal(root.parent, zero));
    assert_int_equal(root.rdn.size, 0);
}

static void what_is_no_dn_is_refused(void **state)
{
    (void) state;
    static const char *const names[] = {
        "nonsense",    "cn=a,",  "=a",
        "cn",          ",",      "cn=a,,dc=ex",
        "cn=a\\",      "cn=\"a", "cn=a\\zz,dc=ex",
        "cn=#0,dc=ex",
    };
    struct ldap_dn dn;
    struct ts_err err;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (ldap_dn_key(keys, ts_slice_str(names[i]), &dn, &err) == TS_OK ||
            ldap_dn_key_slowly(keys, ts_slice_str(names[i]), &dn, &err) ==
                TS_OK) {
            fail_msg("%s was taken for a DN", names[i]);
        }
    }
    assert_int_equal(ldap_dn_key(keys, ts_slice("cn=a\0b", 6), &dn, &err),
                     TS_E_PROTOCOL);
}

static void limits_of_length_and_depth_hold(void **state)
{
    (void) state;
    char text[LDAP_DN_SIZE_MAX + 2];
    struct ldap_dn dn;
    struct ts_err err;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "cn=", 3);
    text[sizeof text - 1] = 0;
    assert_int_equal(ldap_dn_key(keys, ts_slice_str(text), &dn, &err),
                     TS_E_LIMIT);

    size_t size = 0;
    for (int i = 0; i < LDAP_DN_DEPTH_MAX; i++) {
        size += (size_t) snprintf(text + size, sizeof text - size, "%sou=%d",
                                  i == 0 ? "" : ",", i);
    }
    (void) read_dn(text);
    (void) snprintf(text + size, sizeof text - size, ",ou=last");
    assert_int_equal(ldap_dn_key(keys, ts_slice_str(text), &dn, &err),
                     TS_E_LIMIT);
    assert_int_equal(ldap_dn_key_slowly(keys, ts_slice_str(text), &dn, &err),
                     TS_E_LIMIT);
}

static void the_depth_limit_holds_with_cached_parents(void **state)
{
    (void) state;
    char text[1024] = "dc=root";
    char child[sizeof text + 16];
    struct ldap_dn dn;
    for (int depth = 2; depth <= LDAP_DN_DEPTH_MAX; depth++) {
        (void) snprintf(child, sizeof child, "ou=%d,%s", depth, text);
        memcpy(text, child, strlen(child) + 1);
        assert_int_equal(ldap_dn_key(keys, ts_slice_str(text), &dn, NULL),
                         TS_OK);
    }
    (void) snprintf(child, sizeof child, "ou=deeper,%s", text);
    assert_int_equal(ldap_dn_key(keys, ts_slice_str(child), &dn, NULL),
                     TS_E_LIMIT);
}

static void bytes_that_are_no_dn_have_keys_of_their_own(void **state)
{
    (void) state;
    struct ldap_dn_key a = ldap_dn_opaque_key(keys, ts_slice_str("dc=ex"));
    struct ldap_dn_key b = ldap_dn_opaque_key(keys, ts_slice_str("dc=ey"));
    assert_false(ldap_dn_key_equal(a, b));
    assert_false(ldap_dn_key_equal(a, read_dn("dc=ex").key));
}

/* --- property: the fast path and the general one agree ---------------------
 */

static uint32_t random_state = 7;
static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

static size_t random_dn(char *text, size_t size_max)
{
    static const char *const types[] = { "cn", "UID",     "ou",    "2.5.4.3",
                                         "dc", "Surname", "x-y",   "sn",
                                         "o",  "userid",  "street" };
    static const char *const pieces[] = {
        "a",  "B",        "Z",    "9",   " ",    "  ",  "-",   "=",
        "'",  "(",        "\\2C", "\\,", "\\\\", "\\ ", "#",   "\xc3\x84",
        "ss", "\xc3\x9f", "@",    "*",   ".",    "_",   "\\+", "&",
    };
    size_t size = 0;
    uint32_t levels = 1 + random_below(4);
    for (uint32_t level = 0; level < levels; level++) {
        size += (size_t) snprintf(
            text + size, size_max - size, "%s%s=", level == 0 ? "" : ",",
            types[random_below(sizeof types / sizeof *types)]);
        uint32_t count = random_below(8);
        for (uint32_t i = 0; i < count; i++) {
            size += (size_t) snprintf(
                text + size, size_max - size, "%s",
                pieces[random_below(sizeof pieces / sizeof *pieces)]);
        }
    }
    return size;
}

static void fast_and_general_path_agree_on_random_names(void **state)
{
    (void) state;
    size_t good = 0;
    for (int i = 0; i < 20000; i++) {
        char text[512];
        size_t size = random_dn(text, sizeof text);
        struct ldap_dn fast;
        struct ldap_dn slow;
        enum ts_code a = ldap_dn_key(keys, ts_slice(text, size), &fast, NULL);
        enum ts_code b =
            ldap_dn_key_slowly(keys, ts_slice(text, size), &slow, NULL);
        if (a != b ||
            (a == TS_OK && (!ldap_dn_key_equal(fast.key, slow.key) ||
                            !ldap_dn_key_equal(fast.parent, slow.parent) ||
                            !ts_slice_equal(fast.rdn, slow.rdn)))) {
            fail_msg("the two paths differ for \"%s\" (%d, %d)", text, (int) a,
                     (int) b);
        }
        good += a == TS_OK;
    }
    assert_true(good > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_a_name_has_one_key),
        cmocka_unit_test(different_names_have_different_keys),
        cmocka_unit_test(a_child_key_follows_from_its_parent_and_rdn),
        cmocka_unit_test(the_root_is_its_own_parent),
        cmocka_unit_test(what_is_no_dn_is_refused),
        cmocka_unit_test(limits_of_length_and_depth_hold),
        cmocka_unit_test(the_depth_limit_holds_with_cached_parents),
        cmocka_unit_test(bytes_that_are_no_dn_have_keys_of_their_own),
        cmocka_unit_test(fast_and_general_path_agree_on_random_names),
    };
    return cmocka_run_group_tests_name("dn", tests, setup, teardown);
}
