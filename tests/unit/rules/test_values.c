/* rules: what names and helpers mean, and what results become. */
#include "tests/lib/test.h"

#include <string.h>

#include "tests/lib/rules_fixture.h"

/* expression of the path "text" -> outcome, see rules_fixture.h */
#define IS(expression, expected) \
    assert_string_equal(fixture_eval(expression), expected)
#define PATH_IS(path, expression, expected) \
    assert_string_equal(fixture_eval_path(path, expression), expected)
#define SAYS(expression, part) \
    assert_non_null(strstr(fixture_eval(expression), part))

/* ---- names ------------------------------------------------------------- */

static void bare_name_is_its_one_value(void **state)
{
    (void) state;
    IS("mail", "Ada@Example.ORG");
    IS("MAIL", "Ada@Example.ORG");
    IS("employeeNumber", "0042");
}

static void absent_name_is_null(void **state)
{
    (void) state;
    IS("sn", "NULL");
    IS("CASE WHEN sn IS NULL THEN 'none' END", "none");
}

static void cleared_attribute_is_null(void **state)
{
    (void) state;
    struct ts_attribute cleared = { .name = ts_slice_str("sn"),
                                    .kind = TS_KIND_CLEAR };
    struct ts_entry entry = { .count = 1, .attributes = &cleared };
    struct rules_input input = { .source_name = FIXTURE_SOURCE,
                                 .entry = &entry,
                                 .run_date = "2026-11-22" };
    assert_string_equal(
        fixture_eval_input("text", "iif(sn IS NULL, n('sn'), 'set')", &input),
        "0");
}

static void type_follows_the_schema(void **state)
{
    (void) state;
    IS("typeof(uidNumber)", "integer");
    IS("uidNumber + 8", "1");
    IS("typeof(pwdReset) || pwdReset", "integer1");
    IS("typeof(employeeNumber)", "text");
    IS("typeof(jpegPhoto)", "blob"); /* its bytes would do as text */
    IS("typeof(cn)", "problem: could not evaluate \"text\" of rule 1: cn has "
                     "several values: use first(cn) for the least or "
                     "vals('cn') for all");
    IS("typeof(first(cn))", "text");
}

static void text_that_is_not_utf8_or_has_nul_is_a_blob(void **state)
{
    (void) state;
    IS("typeof(pager)", "blob");
    IS("typeof(mobile)", "blob");
    IS("length(mobile)", "10");
}

static void integer_beyond_64_bits_is_an_error(void **state)
{
    (void) state;
    SAYS("roomNumber", "problem: ");
    SAYS("roomNumber", "none of 64 bits");
    assert_null(strstr(fixture_eval("roomNumber"), "9999"));
}

static void several_values_are_an_error_wherever_the_bare_name_stands(void **s)
{
    (void) s;
    SAYS("cn", "use first(cn)");
    SAYS("coalesce(cn, first(cn))", "use first(cn)");
    SAYS("CASE WHEN cn = 'x' THEN 1 END", "use first(cn)");
    SAYS("cn IS NOT NULL", "use first(cn)");
    SAYS("fold(cn)", "use first(cn)");
    SAYS("(SELECT value FROM json_each('[1]') WHERE value = cn)",
         "use first(cn)");
    SAYS("(SELECT cn FROM entry)", "use first(cn)");
    SAYS("\"objectClass\"", "use first(objectClass)");
    IS("coalesce(sn, first(cn))", "Ada King");
    IS("CASE WHEN n('cn') = 1 THEN cn ELSE 'many' END", "many");
}

static void suggestion_quotes_names_that_need_it(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, 1 << 20);
    struct ts_entry entry = { 0 };
    entry = fixture_entry_add(&arena, entry, "x-strange-name", "a", "b", NULL);
    struct rules_input input = { .source_name = FIXTURE_SOURCE,
                                 .entry = &entry,
                                 .run_date = "2026-11-22" };
    assert_non_null(
        strstr(fixture_eval_input("text", "\"x-strange-name\"", &input),
               "use first(\"x-strange-name\")"));
    ts_arena_done(&arena);
}

static void quoted_names_reach_hyphens_and_options(void **state)
{
    (void) state;
    IS("\"x-strange-name\"", "strange");
    IS("\"cn;lang-de\"", "Ada Gr\xc3\xa4"
                         "fin Lovelace");
    IS("first(\"cn;lang-de\")", "Ada Gr\xc3\xa4"
                                "fin Lovelace");
    IS("first([x-strange-name])", "strange");
    IS("n('CN;LANG-DE')", "1");
    IS("\"cn;lang-fr\"", "NULL");
    IS("typeof(\"cn;binary\")", "null");
    SAYS("\"cn;\"", "refused: ");
    SAYS("\"cn;;x\"", "refused: ");
    SAYS("\"cn;a b\"", "refused: ");
}

static void anchor_and_dn_can_be_read(void **state)
{
    (void) state;
    IS("anchor", "5ddda9a4-2cf2-4bf8-8a6c-a844950ff7ca");
    IS("dn", "uid=ada\\2C l+cn=Ada,ou=People,dc=example,dc=org");
}

static void comparisons_follow_the_declared_type(void **state)
{
    (void) state;
    IS("CASE WHEN uidNumber = '-7' THEN 'same' END", "same");
    IS("CASE WHEN employeeNumber = 42 THEN 'same' ELSE 'other' END", "other");
}

/* ---- vals, has, n, first ----------------------------------------------- */

static void first_is_least_in_byte_order(void **state)
{
    (void) state;
    IS("first(cn)", "Ada King");
    IS("first(cn) || '!'", "Ada King!");
    IS("first(sn)", "NULL");
    IS("first(mail)", "Ada@Example.ORG");
    IS("first('cn')", "Ada King");
    IS("\"first\"(cn)", "Ada King");
    IS("first /* least */ ( cn )", "Ada King");
}

static void first_takes_one_name_only(void **state)
{
    (void) state;
    SAYS("first(coalesce(cn, sn))", "refused: ");
    SAYS("first(cn, sn)", "first() takes one attribute's name");
    SAYS("first(1)", "first() takes one attribute's name");
    SAYS("first()", "refused: ");
    SAYS("first(nosuch)", "the source has no attribute \"nosuch\"");
}

static void vals_is_a_sorted_json_array(void **state)
{
    (void) state;
    PATH_IS("texts", "vals('objectClass')", "inetOrgPerson|top");
    IS("vals('objectClass') || ''", "[\"inetOrgPerson\",\"top\"]");
    IS("vals('sn') || ''", "[]");
    IS("vals('uidNumber') || ''", "[-7]");
    IS("vals('pwdReset') || ''", "[true]");
    IS("vals('pager') || ''", "[\"bm90/3V0Zjg=\"]");
    IS("vals('objectGUID') || ''", "[\"pKndXfIs+EuKbKhElQ/3yg==\"]");
}

static void vals_can_be_taken_apart(void **state)
{
    (void) state;
    IS("(SELECT group_concat(value, '/') FROM json_each(vals('cn')))",
       "Ada King/Ada Lovelace");
    PATH_IS("texts",
            "(SELECT json_group_array(fold(value)) FROM json_each(vals('cn')))",
            "ada king|ada lovelace");
    IS("vals('cn')->>1", "Ada Lovelace");
    IS("(SELECT value FROM json_tree(vals('cn')) WHERE key = 1)",
       "Ada Lovelace");
    IS("(SELECT count(*) FROM json_each(vals('sn')))", "0");
}

static void n_counts(void **state)
{
    (void) state;
    IS("n('cn')", "2");
    IS("n('mail')", "1");
    IS("n('sn')", "0");
}

static void has_follows_the_matching_rule(void **state)
{
    (void) state;
    IS("has('objectClass', 'INETORGPERSON')", "1");
    IS("has('objectClass', 'device')", "0");
    IS("has('cn', '  ada   LOVELACE ')", "1");
    IS("has('cn', 'adalovelace')", "0");
    IS("has('displayName', 'ada \xc3\xa9"
       "lise strassess')",
       "1");
    IS("has('secret', 'Exact')", "1");
    IS("has('secret', 'exact')", "0");
    IS("has('uidNumber', -7)", "1");
    IS("has('uidNumber', '-7')", "1");
    IS("has('uidNumber', -7.5)", "0");
    IS("has('pwdReset', 1)", "1");
    IS("has('pwdReset', 'true')", "1");
    IS("has('pwdReset', 0)", "0");
    IS("has('jpegPhoto', x'00')", "0");
    IS("has('objectGUID', x'a4a9dd5df22cf84b8a6ca844950ff7ca')", "1");
    IS("has('cn', NULL)", "0");
    IS("has('sn', '')", "0");
    IS("has('cn', first(cn))", "1");
}

static void names_in_strings_must_be_known_literals(void **state)
{
    (void) state;
    SAYS("vals('mial')", "did you mean \"mail\"");
    SAYS("has('objectClas', 'x')", "did you mean \"objectClass\"");
    SAYS("n('emploeeNumber')", "did you mean \"employeeNumber\"");
    SAYS("vals(mail)", "in single quotes");
    SAYS("vals('ma' || 'il')", "in single quotes");
    SAYS("has('mail')", "has() takes an attribute's name in single quotes and "
                        "a value");
    SAYS("n(0)", "in single quotes");
    SAYS("vals(\"mail\")", "in single quotes");
}

/* ---- helpers ----------------------------------------------------------- */

static void fold_is_unicode_case_folding(void **state)
{
    (void) state;
    IS("fold(mail)", "ada@example.org");
    IS("fold('\xc3\x89LISE STRA\xc3\x9f"
       "E')",
       "\xc3\xa9lise strasse");
    IS("fold('E\xcc\x81')", "\xc3\xa9"); /* composed */
    IS("fold(NULL)", "NULL");
    IS("fold(12)", "12");
    SAYS("fold(x'ff')", "fold() takes a text");
    SAYS("fold(CAST(x'ff' AS TEXT))", "fold() takes valid UTF-8");
}

static void trim_takes_unicode_white_space(void **state)
{
    (void) state;
    IS("'[' || trim('\xc2\xa0\t a b \xe3\x80\x80') || ']'", "[a b]");
    IS("'[' || ltrim('  a ') || ']'", "[a ]");
    IS("'[' || rtrim('  a ') || ']'", "[  a]");
    IS("trim('xxaxbyx', 'xy')", "axb");
    IS("trim('   ')", "NULL");
    IS("trim(NULL)", "NULL");
}

static void base64_encodes_bytes(void **state)
{
    (void) state;
    IS("base64(objectGUID)", "pKndXfIs+EuKbKhElQ/3yg==");
    IS("base64('a')", "YQ==");
    IS("base64('')", "NULL");
}

static void guid_is_mixed_endian(void **state)
{
    (void) state;
    IS("guid(objectGUID)", "5ddda9a4-2cf2-4bf8-8a6c-a844950ff7ca");
    SAYS("guid(mail)", "guid() takes 16 bytes");
    IS("guid(NULL)", "NULL");
}

static void sid_is_printed(void **state)
{
    (void) state;
    IS("sid(objectSid)", "S-1-5-21-1-2-3-500");
    IS("sid(x'0100ffffffffffff')", "S-1-0xFFFFFFFFFFFF");
    SAYS("sid(x'0102000000000005')", "sid() takes a binary SID");
    SAYS("sid('x')", "sid() takes a binary SID");
    IS("sid(NULL)", "NULL");
}

static void ad_time_is_iso_or_never(void **state)
{
    (void) state;
    IS("ad_time(accountExpires)", "2025-01-01T00:00:00Z");
    IS("ad_time('133801632000000000')", "2025-01-01T00:00:00Z");
    IS("ad_time(1)", "1601-01-01T00:00:00Z");
    IS("ad_time(0)", "NULL");
    IS("ad_time(9223372036854775807)", "NULL");
    IS("ad_time(NULL)", "NULL");
    SAYS("ad_time(-1)", "ad_time() takes");
    SAYS("ad_time(9223372036854775806)", "ad_time() takes");
    SAYS("ad_time('20250101000000Z')", "ad_time() takes");
    SAYS("ad_time(1.5)", "ad_time() takes");
}

static void rdn_is_the_leftmost(void **state)
{
    (void) state;
    IS("rdn(dn)", "uid=ada\\2C l+cn=Ada");
    IS("rdn(dn, 'uid')", "ada, l");
    IS("rdn(dn, 'CN')", "Ada");
    IS("rdn(dn, 'ou')", "NULL");
    IS("rdn('')", "NULL");
    IS("rdn(NULL)", "NULL");
    SAYS("rdn('no dn')", "rdn() takes a distinguished name");
}

static void ou_under_looks_at_ancestors_by_anchor(void **state)
{
    (void) state;
    IS("ou_under('ou-root')", "1");
    IS("ou_under('ou-elsewhere')", "0");
    IS("ou_under(anchor)", "0");
    IS("ou_under(NULL)", "NULL");
    SAYS("ou_under(x'00')", "ou_under() takes a text");
}

static void ou_under_never_says_no_with_ancestors_missing(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, 1 << 20);
    struct rules_input input = fixture_person(&arena);
    input.ancestors_complete = false;

    assert_string_equal(
        fixture_eval_input("text", "ou_under('ou-root')", &input), "1");
    assert_non_null(
        strstr(fixture_eval_input("text", "ou_under('ou-else')", &input),
               "not every ancestor"));
    ts_arena_done(&arena);
}

static void a_dn_that_is_not_known_is_an_error_not_a_short_dn(void **state)
{
    (void) state;
    static const char *const uses[] = { "dn", "first(dn)", "n('dn') || ''",
                                        "has('dn', 'x') || ''",
                                        "dn LIKE '%x' || ''" };
    struct ts_arena arena;
    ts_arena_init(&arena, 1 << 20);
    struct rules_input input = fixture_person(&arena);
    input.dn = TS_SLICE_NONE;

    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        const char *said = fixture_eval_input("text", uses[i], &input);
        if (strstr(said, "not every entry above") == NULL) {
            fail_msg("%s: %s", uses[i], said);
        }
    }
    assert_string_equal(fixture_eval_input("text", "'x'", &input), "x");
    ts_arena_done(&arena);
}

static void regexp_replace_replaces_every_match(void **state)
{
    (void) state;
    IS("regexp_replace('a1b22', '[0-9]+', '#')", "a#b#");
    IS("regexp_replace('Lovelace, Ada', '^(\\w+), (\\w+)$', '$2 $1')",
       "Ada Lovelace");
    IS("regexp_replace('x', '(y)|x', '[$1]')", "[]");
    IS("regexp_replace('\xc3\xa9\xc3\xa9', '.', 'e')", "ee");
    IS("regexp_replace(sn, 'a', 'b')", "NULL");
    SAYS("regexp_replace('a', '(', 'b')", "regexp_replace() ");
    SAYS("regexp_replace('a', 'a', '$9')", "regexp_replace() ");
    SAYS("regexp_replace(x'ff', 'a', 'b')", "takes a text");
}

static void run_date_is_the_runs_day(void **state)
{
    (void) state;
    IS("run_date()", "2026-11-22");
    IS("CASE WHEN ad_time(accountExpires) < run_date() THEN 'over' END",
       "over");
}

static void replaced_functions_do_what_sqlites_do(void **state)
{
    (void) state;
    IS("replace('aXbX', 'X', 'yy')", "ayybyy");
    IS("replace('abc', '', 'z')", "abc");
    IS("replace('aa', 'a', '')", "NULL");
    IS("replace('abc', NULL, 'z')", "NULL");
    IS("instr('abcabc', 'ca')", "3");
    IS("instr('\xc3\xa9x', 'x')", "2");
    IS("instr(x'c3a978', x'78')", "3");
    IS("instr('abc', 'z')", "0");
    IS("instr('abc', '')", "1");
    IS("mail LIKE 'ada@%'", "1");
    IS("mail LIKE '%.com'", "0");
    IS("'a_b' LIKE 'a!_b' ESCAPE '!'", "1");
    IS("'axb' LIKE 'a!_b' ESCAPE '!'", "0");
    IS("mail GLOB 'Ada@*'", "1");
    IS("mail GLOB 'ada@*'", "0");
    IS("sn LIKE '%'", "NULL");
}

/* ---- results ----------------------------------------------------------- */

static void null_and_empty_text_are_no_value(void **state)
{
    (void) state;
    IS("NULL", "NULL");
    IS("''", "NULL");
    IS("description", "NULL");
    PATH_IS("number", "''", "NULL");
    PATH_IS("texts", "json_array('', NULL)", "NULL");
    PATH_IS("texts", "vals('sn')", "NULL");
    PATH_IS("texts", "json_array('b', '', 'a', 'b')", "a|b");
}

static void clear_and_keep_are_told_apart_from_values(void **state)
{
    (void) state;
    IS("clear()", "CLEAR");
    IS("keep()", "KEEP");
    IS("coalesce(sn, keep())", "KEEP");
    IS("CASE WHEN sn IS NULL THEN clear() ELSE sn END", "CLEAR");
    PATH_IS("texts", "clear()", "CLEAR");
    PATH_IS("truth", "keep()", "KEEP");
    PATH_IS("object", "clear()", "CLEAR");
    SAYS("clear() || ''", "problem: ");
    SAYS("hex(clear()) || jpegPhoto || clear()", "problem: ");
}

static void array_for_a_single_value_is_an_error(void **state)
{
    (void) state;
    SAYS("vals('mail')", "gives an array and the target takes one value");
    SAYS("vals('sn')", "gives an array");
    SAYS("json_array(1)", "gives an array");
    SAYS("CASE WHEN 1 THEN vals('mail') END", "gives an array");
    SAYS("coalesce(sn, vals('mail'))", "gives an array");
    SAYS("(SELECT json_group_array(value) FROM json_each(vals('cn')))",
         "gives an array");
    SAYS("json_object('a', 1)", "gives a JSON object");
    IS("'[Ext] Ada'", "[Ext] Ada"); /* text that only begins like one */
    IS("'[1]'", "[1]");
}

static void array_from_a_named_subselect_is_text_until_wrapped(void **state)
{
    (void) state;
    PATH_IS("texts", "(SELECT x FROM (SELECT vals('cn') AS x LIMIT 1))",
            "[\"Ada King\",\"Ada Lovelace\"]");
    PATH_IS("texts", "json((SELECT x FROM (SELECT vals('cn') AS x LIMIT 1)))",
            "Ada King|Ada Lovelace");
}

static void blob_is_an_error(void **state)
{
    (void) state;
    SAYS("jpegPhoto", "gives bytes");
    SAYS("objectGUID", "use base64(x), guid(x) or sid(x)");
    SAYS("pager", "gives bytes");
    SAYS("x''", "gives bytes");
    PATH_IS("texts", "x'00'",
            "problem: could not evaluate \"texts\" of rule 1: gives bytes and "
            "the target takes none: use base64(x), guid(x) or sid(x)");
}

static void text_must_be_utf8_without_nul(void **state)
{
    (void) state;
    SAYS("CAST(x'ff' AS TEXT)", "not UTF-8 or holds NUL");
    SAYS("'a' || char(0) || 'b'", "not UTF-8 or holds NUL");
}

static void values_take_the_targets_kind(void **state)
{
    (void) state;
    IS("uidNumber", "-7");
    IS("1.5", "1.5");
    IS("2.0", "2.0");
    PATH_IS("number", "'0042'", "42");
    PATH_IS("number", "3.0", "3");
    PATH_IS("number", "uidNumber", "-7");
    PATH_IS("truth", "sn IS NULL", "true");
    PATH_IS("truth", "0", "false");
    PATH_IS("truth", "'TRUE'", "true");
    PATH_IS("truth", "pwdReset", "true");
    PATH_IS("texts", "mail", "Ada@Example.ORG");
    PATH_IS("texts", "json_array('b', 2, 1.5)", "1.5|2|b");
    assert_non_null(
        strstr(fixture_eval_path("number", "1.5"), "gives no integer"));
    assert_non_null(
        strstr(fixture_eval_path("number", "1e300"), "gives no integer"));
    assert_non_null(
        strstr(fixture_eval_path("number", "'x'"), "gives no integer"));
    assert_non_null(
        strstr(fixture_eval_path("truth", "2"), "neither true (1)"));
    assert_non_null(
        strstr(fixture_eval_path("truth", "'yes'"), "neither true (1)"));
}

static void complex_targets_take_objects(void **state)
{
    (void) state;
    PATH_IS("object", "json_object('b', 1, 'a', uidNumber)",
            "{\"a\":-7,\"b\":1}");
    PATH_IS("object", "'{\"x\": [1, 2]}'", "{\"x\":[1,2]}");
    PATH_IS("objects",
            "(SELECT json_group_array(json_object('value', value)) FROM "
            "json_each(vals('cn')))",
            "{\"value\":\"Ada King\"}|{\"value\":\"Ada Lovelace\"}");
    PATH_IS("objects", "json_object('a', 1)", "{\"a\":1}");
    const char *const WRONG[] = { "mail", "1", "json_array(1)",
                                  "json('\"x\"')" };
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        assert_non_null(
            strstr(fixture_eval_path("object", WRONG[i]), "problem: "));
        assert_non_null(
            strstr(fixture_eval_path("objects", WRONG[i]), "problem: "));
    }
    assert_non_null(strstr(fixture_eval_path("texts", "json('[[1]]')"),
                           "an array inside an array"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_name_is_its_one_value),
        cmocka_unit_test(absent_name_is_null),
        cmocka_unit_test(cleared_attribute_is_null),
        cmocka_unit_test(type_follows_the_schema),
        cmocka_unit_test(text_that_is_not_utf8_or_has_nul_is_a_blob),
        cmocka_unit_test(integer_beyond_64_bits_is_an_error),
        cmocka_unit_test(
            several_values_are_an_error_wherever_the_bare_name_stands),
        cmocka_unit_test(suggestion_quotes_names_that_need_it),
        cmocka_unit_test(quoted_names_reach_hyphens_and_options),
        cmocka_unit_test(anchor_and_dn_can_be_read),
        cmocka_unit_test(comparisons_follow_the_declared_type),
        cmocka_unit_test(first_is_least_in_byte_order),
        cmocka_unit_test(first_takes_one_name_only),
        cmocka_unit_test(vals_is_a_sorted_json_array),
        cmocka_unit_test(vals_can_be_taken_apart),
        cmocka_unit_test(n_counts),
        cmocka_unit_test(has_follows_the_matching_rule),
        cmocka_unit_test(names_in_strings_must_be_known_literals),
        cmocka_unit_test(fold_is_unicode_case_folding),
        cmocka_unit_test(trim_takes_unicode_white_space),
        cmocka_unit_test(base64_encodes_bytes),
        cmocka_unit_test(guid_is_mixed_endian),
        cmocka_unit_test(sid_is_printed),
        cmocka_unit_test(ad_time_is_iso_or_never),
        cmocka_unit_test(rdn_is_the_leftmost),
        cmocka_unit_test(ou_under_looks_at_ancestors_by_anchor),
        cmocka_unit_test(ou_under_never_says_no_with_ancestors_missing),
        cmocka_unit_test(a_dn_that_is_not_known_is_an_error_not_a_short_dn),
        cmocka_unit_test(regexp_replace_replaces_every_match),
        cmocka_unit_test(run_date_is_the_runs_day),
        cmocka_unit_test(replaced_functions_do_what_sqlites_do),
        cmocka_unit_test(null_and_empty_text_are_no_value),
        cmocka_unit_test(clear_and_keep_are_told_apart_from_values),
        cmocka_unit_test(array_for_a_single_value_is_an_error),
        cmocka_unit_test(array_from_a_named_subselect_is_text_until_wrapped),
        cmocka_unit_test(blob_is_an_error),
        cmocka_unit_test(text_must_be_utf8_without_nul),
        cmocka_unit_test(values_take_the_targets_kind),
        cmocka_unit_test(complex_targets_take_objects),
    };
    return cmocka_run_group_tests_name("rules values", tests, NULL, NULL);
}
