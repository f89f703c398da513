/* rules: what the compiler refuses, and what it learns from expressions. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/rules_fixture.h"

static struct ts_err err;

static struct rules *compile(struct config_rule *list, size_t count)
{
    struct rules *rules = NULL;
    err = (struct ts_err){ 0 };
    return rules_compile(list, count, &FIXTURE_WORLD, &rules, &err) == TS_OK
               ? rules
               : NULL;
}

static void assert_refused(struct config_rule *list, size_t count,
                           const char *text)
{
    assert_null(compile(list, count));
    assert_int_equal(err.code, TS_E_CONFIG);
    assert_string_equal(err.text, text);
}

#define REFUSED(expression, part)                          \
    do {                                                   \
        const char *said = fixture_eval(expression);       \
        assert_ptr_equal(strstr(said, "refused: "), said); \
        assert_non_null(strstr(said, part));               \
    } while (0)

/* ---- sentences --------------------------------------------------------- */

static void unknown_name_comes_with_rule_path_line_and_nearest(void **state)
{
    (void) state;
    struct config_flow flow =
        fixture_flow("text", "coalesce(dispalyName, uid)");
    flow.line = 12;
    struct config_rule rule = fixture_rule("mail IS NOT NULL", &flow, 1);
    assert_refused(&rule, 1,
                   "rule 1 (user), line 12, text: cannot compile "
                   "\"coalesce(dispalyName, uid)\": the source has no "
                   "attribute \"dispalyName\": did you mean \"displayName\"");
}

static void error_in_when_is_named_as_such(void **state)
{
    (void) state;
    struct config_rule rules[2] = { fixture_rule("1", NULL, 0),
                                    fixture_rule("mial = 'x'", NULL, 0) };
    rules[1].kind = CONFIG_KIND_GROUP;
    assert_refused(rules, 2,
                   "rule 2 (group), when: cannot compile \"mial = 'x'\": the "
                   "source has no attribute \"mial\": did you mean \"mail\"");
}

static void typo_in_double_quotes_is_no_literal(void **state)
{
    (void) state;
    REFUSED("coalesce(mail, \"nobody\")",
            "the source has no attribute \"nobody\"");
    REFUSED("\"maill\"", "did you mean \"mail\"");
}

static void unknown_and_forbidden_functions_differ(void **state)
{
    (void) state;
    REFUSED("foldd(mail)", "there is no function foldd(): did you mean fold()");
    REFUSED("xyzzy(mail)", "there is no function xyzzy(): see the list");
    REFUSED("random()", "random() is not allowed in rules");
    REFUSED("fold(mail, 2)", "wrong number of arguments to function fold()");
}

static void unknown_target_path_is_refused_with_the_targets_words(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("txet", "mail");
    struct config_rule rule = fixture_rule(NULL, &flow, 1);
    assert_refused(&rule, 1,
                   "rule 1 (user), txet: cannot compile \"mail\": the target "
                   "has no path \"txet\": did you mean \"text\"");
}

static void long_expression_is_shown_cut(void **state)
{
    (void) state;
    char text[300];
    memset(text, ' ', sizeof text);
    memcpy(text, "nosuch", 6);
    memcpy(text + 200, "+1", 3);
    REFUSED(text, "...\": the source has no attribute");
}

/* ---- what would be something else than an expression ------------------- */

static void only_one_expression_is_taken(void **state)
{
    (void) state;
    REFUSED("mail, uid", "a comma outside parentheses");
    REFUSED("mail; SELECT 1", "a semicolon");
    REFUSED("mail) FROM entry --", "a closing parenthesis has no opening");
    REFUSED("mail) + (1", "a closing parenthesis has no opening");
    REFUSED("(mail", "a parenthesis is not closed");
    REFUSED("'mail", "a quote is not closed");
    REFUSED("\"mail", "a quoted name is not closed");
    REFUSED("[mail", "a quoted name is not closed");
    REFUSED("x'00", "a quote is not closed");
    REFUSED("mail /* and so on", "a comment is not closed");
    REFUSED("", "it is empty");
    REFUSED(" -- nothing", "it is empty");
    REFUSED("coalesce(mail, ?)", "parameters");
    REFUSED(":mail", "parameters");
    REFUSED("@mail", "parameters");
    REFUSED("$mail", "parameters");
    REFUSED("mail \\ 2", "no meaning in SQL");
    REFUSED("'\xff'", "not valid UTF-8");
    REFUSED("\xef\xbb\xbfmail", "no meaning in SQL");
    REFUSED("(mail, uid)", "refused: ");
    REFUSED("*", "refused: ");
}

static void comments_and_quotes_end_where_sqlite_ends_them(void **state)
{
    (void) state;
    assert_string_equal(fixture_eval("mail -- the address"), "Ada@Example.ORG");
    assert_string_equal(fixture_eval("'a' -- b\n || 'c'"), "ac");
    assert_string_equal(fixture_eval("'a'/* ' */||/**/'b'"), "ab");
    assert_string_equal(fixture_eval("'it''s; -- (no) comment'"),
                        "it's; -- (no) comment");
    assert_string_equal(fixture_eval("2-/**/-1"), "3");
    assert_string_equal(fixture_eval("1<=2"), "1");
    assert_string_equal(fixture_eval("vals('cn')->>0||'x'"), "Ada Kingx");
    assert_string_equal(fixture_eval("1.5e+1"), "15.0");
    assert_string_equal(fixture_eval("0x1F"), "31");
    assert_string_equal(fixture_eval("hex(x'ff')"), "FF");
}

static void aggregates_of_the_row_itself_are_refused(void **state)
{
    (void) state;
    /* Such a statement has a row even when `when` is false. */
    REFUSED("count(*)", "an aggregate works over many rows");
    REFUSED("max(mail)", "an aggregate works over many rows");
    REFUSED("group_concat(uid) || 'x'", "an aggregate");
    REFUSED("(SELECT max(mail) FROM json_each('[1]'))", "an aggregate");
    REFUSED("count(*) OVER ()", "an aggregate");
    assert_string_equal(fixture_eval("max('a', 'b')"), "b");
}

static void path_has_one_flow(void **state)
{
    (void) state;
    struct config_flow twice[] = { fixture_flow("text", "mail"),
                                   fixture_flow("number", "1"),
                                   fixture_flow("text", "uid") };
    struct config_rule rule = fixture_rule(NULL, twice, 3);
    assert_null(compile(&rule, 1));
    assert_non_null(strstr(err.text, "has a flow already"));

    struct config_flow flow = fixture_flow("text", "mail");
    struct config_flow once = fixture_flow("text", "uid");
    rule = fixture_rule(NULL, &flow, 1);
    rule.once = &once;
    rule.once_count = 1;
    assert_null(compile(&rule, 1));
    assert_non_null(strstr(err.text, "under flow and under once"));
}

static void whole_rule_must_fit_sqlites_limit(void **state)
{
    (void) state;
    static char text[2][40000];
    struct config_flow flows[] = { fixture_flow("pa", text[0]),
                                   fixture_flow("pb", text[1]) };
    for (size_t i = 0; i < 2; i++) {
        memset(text[i], 'x', sizeof text[i] - 1);
        text[i][0] = '\'';
        text[i][sizeof text[i] - 2] = '\'';
    }
    struct config_rule rule = fixture_rule(NULL, flows, 1);
    struct rules *rules = compile(&rule, 1);
    assert_non_null(rules);
    rules_free(rules);
    rule.flow_count = 2;
    assert_null(compile(&rule, 1));
    assert_non_null(strstr(err.text, "together are longer than 65536 bytes"));
}

/* ---- attributes read --------------------------------------------------- */

static void assert_reads(const struct rules *rules, const char *source,
                         const char *expected)
{
    const char *const *names;
    char text[500] = "";
    size_t used = 0;
    size_t count = rules_attributes_read(rules, source, &names);
    for (size_t i = 0; i < count && used < sizeof text; i++) {
        used += (size_t) snprintf(text + used, sizeof text - used, "%s%s",
                                  i == 0 ? "" : " ", names[i]);
    }
    assert_string_equal(text, expected);
}

static char name_a[] = "a";
static char name_b[] = "b";
static char *source_a[] = { name_a };
static char *source_b[] = { name_b };
static char *source_both[] = { name_b, name_a };
static char member[] = "MEMBER";
static char *member_list[] = { member };
static char path_members[] = "members";

static void attributes_read_are_what_expressions_read(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow(
        "text", "coalesce(MAIL, first(\"CN;Lang-DE\"), vals('ou')->>0, anchor, "
                "dn, (SELECT value AS pager FROM json_each(vals('c')) WHERE "
                "value = 'sn' OR n('uid') > 0))");
    struct config_flow once = fixture_flow("number", "uidNumber");
    struct config_rule rule = fixture_rule(
        "has('objectclass', 'x') AND employeeNumber IS NULL", &flow, 1);
    rule.once = &once;
    rule.once_count = 1;
    struct rules *rules = compile(&rule, 1);
    assert_non_null(rules);
    assert_reads(rules, FIXTURE_SOURCE,
                 "c cn;lang-de employeeNumber mail objectClass ou uid "
                 "uidNumber");
    assert_reads(rules, "elsewhere", "");
    assert_false(rules_depend_on_date(rules));
    assert_false(rules_depend_on_ancestors(rules));
    rules_free(rules);
}

static void attributes_read_are_kept_apart_by_source(void **state)
{
    (void) state;
    struct config_flow flows[] = { fixture_flow("text", "mail"),
                                   fixture_flow("text", "sn"),
                                   fixture_flow("text", "uid") };
    struct config_reference reference = { path_members, member_list, 1 };
    struct config_rule list[3];
    for (size_t i = 0; i < 3; i++) {
        list[i] = fixture_rule(NULL, &flows[i], 1);
    }
    list[0].sources = source_a;
    list[1].sources = source_b;
    list[2].sources = source_both;
    list[2].sources_count = 2;
    list[1].references = &reference;
    list[1].references_count = 1;
    struct rules *rules = compile(list, 3);
    assert_non_null(rules);
    assert_reads(rules, "a", "mail uid");
    assert_reads(rules, "b", "member sn uid");
    rules_free(rules);
}

static void references_never_pass_through_expressions(void **state)
{
    (void) state;
    const char *const READERS[] = { "n('member')", "member",
                                    "first(\"Member\")" };
    struct config_reference reference = { path_members, member_list, 1 };
    for (size_t i = 0; i < 3; i++) {
        struct config_flow flow = fixture_flow("text", READERS[i]);
        struct config_rule rule = fixture_rule(NULL, &flow, 1);
        rule.references = &reference;
        rule.references_count = 1;
        assert_refused(
            &rule, 1,
            "cannot read \"member\" in an expression for source \"corp\", "
            "because it is listed under references and links never pass "
            "through expressions: remove it from one of them");
    }
}

static void unknown_reference_is_refused(void **state)
{
    (void) state;
    static char wrong[] = "menber";
    static char *list[] = { wrong };
    struct config_reference reference = { path_members, list, 1 };
    struct config_rule rule = fixture_rule(NULL, NULL, 0);
    rule.references = &reference;
    rule.references_count = 1;
    assert_refused(&rule, 1,
                   "rule 1 (user), reference members: the source has no "
                   "attribute \"menber\": did you mean \"member\"");
}

static void uses_of_date_and_ancestors_are_known(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("text", "run_date()");
    struct config_rule rule = fixture_rule("ou_under('x')", &flow, 1);
    struct rules *rules = compile(&rule, 1);
    assert_true(rules_depend_on_date(rules));
    assert_true(rules_depend_on_ancestors(rules));
    assert_false(rules_depend_on_dn(rules));
    rules_free(rules);
}

static void a_use_of_the_dn_is_known(void **state)
{
    (void) state;
    static const char *const uses[] = { "rdn(dn)", "first(dn)", "vals('DN')" };
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        struct config_flow flow = fixture_flow("text", uses[i]);
        struct config_rule rule = fixture_rule(NULL, &flow, 1);
        struct rules *rules = compile(&rule, 1);
        assert_true(rules_depend_on_dn(rules));
        rules_free(rules);
    }
}

/* ---- fingerprint ------------------------------------------------------- */

static struct ts_hash fingerprint_of(struct config_rule *rule)
{
    struct rules *rules = compile(rule, 1);
    assert_non_null(rules);
    struct ts_hash hash = rules_fingerprint(rules);
    rules_free(rules);
    return hash;
}

static void fingerprint_changes_with_what_decides_results(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("text", "mail");
    struct config_flow other = fixture_flow("text", "fold(mail)");
    struct config_rule rule = fixture_rule("uid = 'a'", &flow, 1);
    struct ts_hash base = fingerprint_of(&rule);
    assert_true(ts_hash_equal(base, fingerprint_of(&rule)));

    struct config_rule changed = rule;
    changed.flow = &other;
    assert_false(ts_hash_equal(base, fingerprint_of(&changed)));
    changed = fixture_rule("uid = 'b'", &flow, 1);
    assert_false(ts_hash_equal(base, fingerprint_of(&changed)));
    changed = rule;
    changed.kind = CONFIG_KIND_GROUP;
    assert_false(ts_hash_equal(base, fingerprint_of(&changed)));
    changed = rule;
    changed.sources = source_a;
    assert_false(ts_hash_equal(base, fingerprint_of(&changed)));
    changed = rule;
    changed.once = &flow;
    changed.once_count = 1;
    changed.flow_count = 0;
    assert_false(ts_hash_equal(base, fingerprint_of(&changed)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_name_comes_with_rule_path_line_and_nearest),
        cmocka_unit_test(error_in_when_is_named_as_such),
        cmocka_unit_test(typo_in_double_quotes_is_no_literal),
        cmocka_unit_test(unknown_and_forbidden_functions_differ),
        cmocka_unit_test(unknown_target_path_is_refused_with_the_targets_words),
        cmocka_unit_test(long_expression_is_shown_cut),
        cmocka_unit_test(only_one_expression_is_taken),
        cmocka_unit_test(comments_and_quotes_end_where_sqlite_ends_them),
        cmocka_unit_test(aggregates_of_the_row_itself_are_refused),
        cmocka_unit_test(path_has_one_flow),
        cmocka_unit_test(whole_rule_must_fit_sqlites_limit),
        cmocka_unit_test(attributes_read_are_what_expressions_read),
        cmocka_unit_test(attributes_read_are_kept_apart_by_source),
        cmocka_unit_test(references_never_pass_through_expressions),
        cmocka_unit_test(unknown_reference_is_refused),
        cmocka_unit_test(uses_of_date_and_ancestors_are_known),
        cmocka_unit_test(a_use_of_the_dn_is_known),
        cmocka_unit_test(fingerprint_changes_with_what_decides_results),
    };
    return cmocka_run_group_tests_name("rules compile", tests, NULL, NULL);
}
