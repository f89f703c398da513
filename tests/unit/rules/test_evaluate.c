/* rules: scope, errors that name their flow, and the term that decided. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "tests/lib/rules_fixture.h"

/* Rules compiled for one test, and what they made of an input. */
struct fixture {
    struct ts_arena arena;
    struct rules *rules;
    struct rules_result result;
    struct ts_err err;
};

static void open_fixture(struct fixture *f, struct config_rule *list,
                         size_t count)
{
    *f = (struct fixture){ 0 };
    ts_arena_init(&f->arena, 1 << 20);
    if (rules_compile(list, count, &FIXTURE_WORLD, &f->rules, &f->err) !=
        TS_OK) {
        print_error("%s\n", f->err.text);
        fail();
    }
}

static void close_fixture(struct fixture *f)
{
    rules_free(f->rules);
    ts_arena_done(&f->arena);
}

static void evaluate(struct fixture *f, const struct rules_input *input)
{
    assert_int_equal(
        rules_evaluate(f->rules, input, &f->arena, &f->result, &f->err), TS_OK);
}

static void evaluate_person(struct fixture *f)
{
    struct rules_input person = fixture_person(&f->arena);
    evaluate(f, &person);
}

static void assert_value(const struct ts_entry *entry, const char *path,
                         const char *expected)
{
    assert_string_equal(fixture_describe(entry, path), expected);
}

/* ---- scope ------------------------------------------------------------- */

static void first_rule_whose_when_is_true_decides(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("text", "mail");
    struct config_flow later = fixture_flow("text", "uid");
    struct config_rule list[] = { fixture_rule("uid = 'bob'", NULL, 0),
                                  fixture_rule("uid = 'ada'", &flow, 1),
                                  fixture_rule("1", &later, 1) };
    struct fixture f;
    open_fixture(&f, list, 3);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_IN);
    assert_int_equal(f.result.rule, 1);
    assert_value(&f.result.values, "text", "Ada@Example.ORG");
    close_fixture(&f);
}

static void rules_of_other_sources_are_passed_over(void **state)
{
    (void) state;
    static char name[] = "other";
    static char *sources[] = { name };
    struct config_rule rule = fixture_rule("1", NULL, 0);
    rule.sources = sources;
    struct fixture f;
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_OUT);
    assert_null(f.result.false_term);
    close_fixture(&f);
}

static void missing_when_is_true(void **state)
{
    (void) state;
    struct config_rule rule = fixture_rule(NULL, NULL, 0);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_IN);
    assert_int_equal(f.result.values.count, 0);
    close_fixture(&f);
}

static void null_when_is_out_of_scope(void **state)
{
    (void) state;
    struct config_rule rule = fixture_rule("sn = 'x'", NULL, 0);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_OUT);
    assert_string_equal(f.result.false_term, "sn = 'x'");
    close_fixture(&f);
}

static void failing_when_is_undecided_and_never_an_exit(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("text", "mail");
    struct config_rule list[] = { fixture_rule("cn = 'Ada King'", &flow, 1),
                                  fixture_rule("1", NULL, 0) };
    struct fixture f;
    open_fixture(&f, list, 2);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_UNDECIDED);
    assert_int_equal(f.result.problem_count, 1);
    assert_string_equal(f.result.problems[0].path, "when");
    assert_string_equal(
        f.result.problems[0].text,
        "could not evaluate \"when\" of rule 1: cn has several values: use "
        "first(cn) for the least or vals('cn') for all");
    assert_int_equal(f.result.values.count, 0);
    close_fixture(&f);
}

static void the_rule_that_came_closest_explains_why_not(void **state)
{
    (void) state;
    struct config_rule list[] = {
        fixture_rule("sn = 'x'", NULL, 0),
        fixture_rule("uid = 'ada' AND uid <> 'eve' AND sn = 'y'", NULL, 0),
        fixture_rule("uid = 'ada' AND sn = 'z'", NULL, 0),
    };
    struct fixture f;
    open_fixture(&f, list, 3);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_OUT);
    assert_string_equal(f.result.false_term, "sn = 'y'");
    assert_int_equal(f.result.rule, 1);
    close_fixture(&f);
}

static void terms_are_tried_from_left_to_right(void **state)
{
    (void) state;
    /* The second term would fail; the first one says no before that. */
    struct config_rule rule =
        fixture_rule("n('cn') = 1 AND cn = 'Ada King'", NULL, 0);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_OUT);
    assert_string_equal(f.result.false_term, "n('cn') = 1");
    close_fixture(&f);
    /* SQLite would try the term without a subselect first. */
    rule = fixture_rule("(SELECT count(*) FROM json_each(vals('cn')) WHERE "
                        "value = uid) = 1 AND cn = 'Ada King'",
                        NULL, 0);
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_OUT);
    close_fixture(&f);
}

static void flow_errors_do_not_touch_objects_out_of_scope(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("text", "cn");
    struct config_rule rule = fixture_rule("uid = 'bob'", &flow, 1);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_OUT);
    assert_int_equal(f.result.problem_count, 0);
    close_fixture(&f);
}

/* ---- errors ------------------------------------------------------------ */

static void error_names_its_flow_and_harms_no_other(void **state)
{
    (void) state;
    struct config_flow flows[] = { fixture_flow("text", "mail"),
                                   fixture_flow("pz", "uid"),
                                   fixture_flow("pb", "cn"),
                                   fixture_flow("number", "uidNumber"),
                                   fixture_flow("pd", "guid(mail)") };
    struct config_flow once[] = { fixture_flow("truth", "pwdReset"),
                                  fixture_flow("po", "json('no json')") };
    struct config_rule rule = fixture_rule("1", flows, 5);
    rule.once = once;
    rule.once_count = 2;
    struct fixture f;
    open_fixture(&f, &rule, 1);
    for (int round = 0; round < 2; round++) {
        evaluate_person(&f);
        assert_int_equal(f.result.scope, RULES_IN);
        assert_int_equal(f.result.problem_count, 3);
        assert_string_equal(f.result.problems[0].path, "pb");
        assert_string_equal(f.result.problems[1].path, "pd");
        assert_string_equal(f.result.problems[1].text,
                            "could not evaluate \"pd\" of rule 1: guid() takes "
                            "16 bytes");
        assert_string_equal(f.result.problems[2].path, "po");
        assert_int_equal(f.result.values.count, 3);
        assert_value(&f.result.values, "text", "Ada@Example.ORG");
        assert_value(&f.result.values, "pz", "ada");
        assert_value(&f.result.values, "number", "-7");
        assert_int_equal(f.result.once.count, 1);
        assert_value(&f.result.once, "truth", "true");
    }
    close_fixture(&f);
}

static void wrong_result_names_its_flow_and_harms_no_other(void **state)
{
    (void) state;
    struct config_flow flows[] = { fixture_flow("text", "jpegPhoto"),
                                   fixture_flow("pa", "vals('cn')"),
                                   fixture_flow("pz", "uid") };
    struct config_rule rule = fixture_rule("1", flows, 3);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.problem_count, 2);
    assert_string_equal(f.result.problems[0].path, "pa");
    assert_string_equal(f.result.problems[1].path, "text");
    assert_int_equal(f.result.values.count, 1);
    assert_value(&f.result.values, "pz", "ada");
    close_fixture(&f);
}

static void object_after_a_bad_one_is_evaluated_as_ever(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("text", "cn");
    struct config_rule rule = fixture_rule("1", &flow, 1);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.problem_count, 1);

    struct ts_entry entry = { 0 };
    entry = fixture_entry_add(&f.arena, entry, "cn", "Bob", NULL);
    struct rules_input bob = { .source_name = FIXTURE_SOURCE,
                               .entry = &entry,
                               .run_date = "2026-11-22" };
    evaluate(&f, &bob);
    assert_int_equal(f.result.problem_count, 0);
    assert_value(&f.result.values, "text", "Bob");
    close_fixture(&f);
}

static void problems_never_show_values(void **state)
{
    (void) state;
    const char *const EXPRESSIONS[] = {
        "guid(secret)",
        "sid(secret)",
        "ad_time(secret)",
        "rdn(secret)",
        "json(secret)",
        "abs(roomNumber)",
        "regexp_replace(secret, '(', '')",
        "cn",
        "vals('roomNumber')",
        "json_extract('{}', secret)",
    };
    for (size_t i = 0; i < sizeof EXPRESSIONS / sizeof EXPRESSIONS[0]; i++) {
        const char *said = fixture_eval(EXPRESSIONS[i]);
        assert_ptr_equal(strstr(said, "problem: "), said);
        assert_null(strstr(said, "Exact"));
        assert_null(strstr(said, "9999"));
        assert_null(strstr(said, "Lovelace"));
    }
}

static void full_arena_is_an_error_not_a_result(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("text", "hex(mail) || hex(mail)");
    struct config_rule rule = fixture_rule("1", &flow, 1);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    struct rules_input person = fixture_person(&f.arena);
    struct ts_arena small;
    for (size_t size = 0; size < 300; size += 16) {
        ts_arena_init(&small, size);
        enum ts_code code =
            rules_evaluate(f.rules, &person, &small, &f.result, &f.err);
        assert_true(code == TS_E_LIMIT || (code == TS_OK && size > 100));
        ts_arena_done(&small);
    }
    close_fixture(&f);
}

static void running_out_of_memory_is_never_a_scope_exit(void **state)
{
    (void) state;
    struct config_flow flows[] = { fixture_flow("text", "fold(mail) || 'x'"),
                                   fixture_flow("texts", "vals('cn')") };
    struct config_rule rule =
        fixture_rule("has('cn', 'ada king') AND mail LIKE 'ada%'", flows, 2);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    struct rules_input person = fixture_person(&f.arena);
    evaluate(&f, &person); /* what stays allocated is allocated now */
    bool failed = false;
    bool done = false;
    for (int64_t room = 1; !done && room < 1 << 20; room += 40) {
        (void) sqlite3_hard_heap_limit64(sqlite3_memory_used() + room);
        enum ts_code code =
            rules_evaluate(f.rules, &person, &f.arena, &f.result, &f.err);
        (void) sqlite3_hard_heap_limit64(0);
        assert_true(code == TS_OK || code == TS_E_NOMEM);
        failed = failed || code != TS_OK;
        if (code == TS_OK) {
            assert_int_not_equal(f.result.scope, RULES_OUT);
            done = f.result.values.count == 2;
        }
    }
    assert_true(failed);
    assert_true(done);
    close_fixture(&f);
}

static void compiling_without_memory_is_an_error(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("text", "fold(mail) || 'x'");
    struct config_rule rule = fixture_rule("mail LIKE 'ada%'", &flow, 1);
    struct rules *rules = NULL;
    size_t failures = 0;
    for (int64_t room = 1; rules == NULL && room < 1 << 22; room += 997) {
        struct ts_err err = { 0 };
        (void) sqlite3_hard_heap_limit64(sqlite3_memory_used() + room);
        enum ts_code code =
            rules_compile(&rule, 1, &FIXTURE_WORLD, &rules, &err);
        (void) sqlite3_hard_heap_limit64(0);
        if (code != TS_OK) {
            failures++;
            if (code != TS_E_NOMEM) {
                print_error("%s\n", err.text);
            }
            assert_int_equal(code, TS_E_NOMEM);
        }
    }
    assert_true(failures > 0);
    assert_non_null(rules);
    rules_free(rules);
}

/* ---- results ----------------------------------------------------------- */

static void entries_are_normalised(void **state)
{
    (void) state;
    struct config_flow flows[] = { fixture_flow("texts", "vals('cn')"),
                                   fixture_flow("pa", "mail"),
                                   fixture_flow("number", "sn"),
                                   fixture_flow("pB", "keep()") };
    struct config_flow once[] = { fixture_flow("truth", "1"),
                                  fixture_flow("object", "NULL"),
                                  fixture_flow("pc", "clear()") };
    struct config_rule rule = fixture_rule("1", flows, 4);
    rule.once = once;
    rule.once_count = 3;
    struct fixture f;
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.values.count, 3);
    assert_memory_equal(f.result.values.attributes[0].name.data, "pB", 2);
    assert_memory_equal(f.result.values.attributes[1].name.data, "pa", 2);
    assert_int_equal(f.result.once.count, 2);
    assert_value(&f.result.once, "pc", "CLEAR");
    struct ts_entry copy = f.result.values;
    ts_entry_normalise(&copy);
    assert_true(ts_entry_equal(&copy, &f.result.values));
    close_fixture(&f);
}

static void results_outlive_the_entry_and_later_evaluations(void **state)
{
    (void) state;
    struct config_flow flow = fixture_flow("text", "mail");
    struct config_rule rule = fixture_rule("1", &flow, 1);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    char mail[] = "a@example.org";
    struct ts_slice value = ts_slice_str(mail);
    struct ts_attribute attribute = { .name = ts_slice_str("mail"),
                                      .kind = TS_KIND_TEXT,
                                      .value_count = 1,
                                      .values = &value };
    struct ts_entry entry = { .count = 1, .attributes = &attribute };
    struct rules_input input = { .source_name = FIXTURE_SOURCE,
                                 .entry = &entry,
                                 .run_date = "2026-11-22" };
    evaluate(&f, &input);
    struct rules_result first = f.result;
    memset(mail, 'z', sizeof mail - 1);
    evaluate(&f, &input);
    assert_value(&first.values, "text", "a@example.org");
    assert_value(&f.result.values, "text", "zzzzzzzzzzzzz");
    close_fixture(&f);
}

/* ---- the false term ---------------------------------------------------- */

static const char *false_term(const char *when)
{
    static char text[300];
    struct config_rule rule = fixture_rule(when, NULL, 0);
    struct fixture f;
    open_fixture(&f, &rule, 1);
    evaluate_person(&f);
    assert_int_equal(f.result.scope, RULES_OUT);
    (void) snprintf(text, sizeof text, "%s", f.result.false_term);
    close_fixture(&f);
    return text;
}

static void false_term_is_the_first_that_is_not_true(void **state)
{
    (void) state;
    assert_string_equal(
        false_term("uid = 'ada' AND sn IS NOT NULL AND uid = 'bob'"),
        "sn IS NOT NULL");
    assert_string_equal(false_term("( uid = 'bob'  and 1 )"), "uid = 'bob'");
    assert_string_equal(false_term("((uid = 'ada') AND (uid = 'bob'))"),
                        "(uid = 'bob')");
    assert_string_equal(false_term("1 AND sn"), "sn");
    assert_string_equal(false_term("NOT uid = 'ada' AND 1"), "NOT uid = 'ada'");
}

static void terms_are_not_cut_where_and_means_something_else(void **state)
{
    (void) state;
    assert_string_equal(
        false_term("uidNumber BETWEEN -9 AND 0 AND uidNumber BETWEEN 1 AND 2 "
                   "AND 1"),
        "uidNumber BETWEEN 1 AND 2");
    assert_string_equal(
        false_term("CASE WHEN 1 AND 1 THEN 1 END AND CASE uid WHEN 'ada' THEN "
                   "0 AND 1 END"),
        "CASE uid WHEN 'ada' THEN 0 AND 1 END");
    assert_string_equal(false_term("uid = 'x AND y' AND 1"), "uid = 'x AND y'");
    assert_string_equal(false_term("1 AND (0 AND 1)"), "(0 AND 1)");
    assert_string_equal(false_term("1 AND 0 OR 1 AND 0"), "1 AND 0 OR 1 AND 0");
    assert_string_equal(false_term("(1 AND 0) OR (1 AND 0)"),
                        "(1 AND 0) OR (1 AND 0)");
    assert_string_equal(false_term("1 /* AND */ AND -- AND\n uid = 'bob'"),
                        "uid = 'bob'");
    assert_string_equal(false_term("SELECT 1 FROM entry WHERE 1 AND 0"),
                        "SELECT 1 FROM entry WHERE 1 AND 0");
    assert_string_equal(false_term("0 BETWEEN 1 BETWEEN 2 AND 3 AND 4 AND 0"),
                        "0");
}

static void false_term_is_of_the_last_rule_tried(void **state)
{
    (void) state;
    struct config_rule list[] = { fixture_rule("uid = 'bob'", NULL, 0),
                                  fixture_rule("1 AND uid = 'eve'", NULL, 0) };
    struct fixture f;
    open_fixture(&f, list, 2);
    evaluate_person(&f);
    assert_string_equal(f.result.false_term, "uid = 'eve'");
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_rule_whose_when_is_true_decides),
        cmocka_unit_test(rules_of_other_sources_are_passed_over),
        cmocka_unit_test(missing_when_is_true),
        cmocka_unit_test(null_when_is_out_of_scope),
        cmocka_unit_test(failing_when_is_undecided_and_never_an_exit),
        cmocka_unit_test(the_rule_that_came_closest_explains_why_not),
        cmocka_unit_test(terms_are_tried_from_left_to_right),
        cmocka_unit_test(flow_errors_do_not_touch_objects_out_of_scope),
        cmocka_unit_test(error_names_its_flow_and_harms_no_other),
        cmocka_unit_test(wrong_result_names_its_flow_and_harms_no_other),
        cmocka_unit_test(object_after_a_bad_one_is_evaluated_as_ever),
        cmocka_unit_test(problems_never_show_values),
        cmocka_unit_test(full_arena_is_an_error_not_a_result),
        cmocka_unit_test(running_out_of_memory_is_never_a_scope_exit),
        cmocka_unit_test(compiling_without_memory_is_an_error),
        cmocka_unit_test(entries_are_normalised),
        cmocka_unit_test(results_outlive_the_entry_and_later_evaluations),
        cmocka_unit_test(false_term_is_the_first_that_is_not_true),
        cmocka_unit_test(terms_are_not_cut_where_and_means_something_else),
        cmocka_unit_test(false_term_is_of_the_last_rule_tried),
    };
    return cmocka_run_group_tests_name("rules evaluate", tests, NULL, NULL);
}
