/* rules: expressions that want out, or want everything, get an error. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "node/base/time.h"
#include "tests/lib/rules_fixture.h"

#if defined(__has_feature) /* clang's */
#if __has_feature(address_sanitizer)
#define ASAN
#endif
#endif

static void assert_begins(const char *text, const char *with,
                          const char *expression)
{
    if (strncmp(text, with, strlen(with)) != 0) {
        print_error("%.200s\n  gave %.300s\n", expression, text);
        fail();
    }
}

#define REFUSED(expression) \
    assert_begins(fixture_eval(expression), "refused: ", expression)
#define PROBLEM(expression) \
    assert_begins(fixture_eval(expression), "problem: ", expression)

/* ---- out of the sandbox ------------------------------------------------ */

static void nothing_but_the_entry_and_json_can_be_read(void **state)
{
    (void) state;
    REFUSED("(SELECT name FROM sqlite_master)");
    REFUSED("(SELECT count(*) FROM sqlite_schema)");
    REFUSED("(SELECT count(*) FROM sqlite_temp_master)");
    REFUSED("(SELECT count(*) FROM pragma_database_list)");
    REFUSED("(SELECT * FROM pragma_compile_options)");
    REFUSED("(SELECT 1 FROM pragma_function_list LIMIT 1)");
    REFUSED("(SELECT count(*) FROM dbstat)");
    REFUSED("(SELECT count(*) FROM sqlite_dbpage)");
    REFUSED("(SELECT count(*) FROM sqlite_stmt)");
    REFUSED("(SELECT count(*) FROM fts3tokenize('simple', 'a b'))");
    REFUSED("(SELECT count(*) FROM bytecode('SELECT 1'))");
    REFUSED("(SELECT value FROM nosuchtable)");
    REFUSED("rowid");
    REFUSED("oid");
    REFUSED("(SELECT _rowid_ FROM entry)");
    REFUSED("\"(nothing)\"");
    REFUSED("(SELECT * FROM entry)");
}

static void statements_cannot_hide_in_expressions(void **state)
{
    (void) state;
    REFUSED("ATTACH '/etc/passwd' AS x");
    REFUSED("(ATTACH '/etc/passwd' AS x)");
    REFUSED("PRAGMA user_version = 1");
    REFUSED("(PRAGMA database_list)");
    REFUSED("(INSERT INTO entry VALUES (1) RETURNING 1)");
    REFUSED("(DELETE FROM entry)");
    REFUSED("(CREATE TABLE t (a))");
    REFUSED("RAISE(ABORT, 'x')");
    REFUSED("1; DROP TABLE entry");
    REFUSED("1) FROM entry UNION SELECT (2");
}

static void functions_outside_the_list_are_denied(void **state)
{
    (void) state;
    static const char *const CALLS[] = {
        "random()",
        "randomblob(8)",
        "zeroblob(8)",
        "printf('%d', 1)",
        "format('%d', 1)",
        "date('now')",
        "date()",
        "time()",
        "datetime()",
        "julianday()",
        "unixepoch()",
        "strftime('%s')",
        "CURRENT_TIMESTAMP",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "load_extension('x')",
        "sqlite_version()",
        "sqlite_source_id()",
        "sqlite_compileoption_get(0)",
        "sqlite_log(1, 'x')",
        "changes()",
        "last_insert_rowid()",
        "total_changes()",
        "fts3_tokenizer('simple')",
        "json_patch('{}', '{}')",
        "sqlite_offset(mail)",
        "likelihood(1, 0.5)",
        "row_number() OVER ()",
        "soundex('x')",
        "quote('x')",
        "mail MATCH 'x'",
        "mail REGEXP 'x'",
        "\"random\"()",
        "[date]('now')",
        "`printf`('x')",
        "RANDOM()",
        "(SELECT random() FROM json_each('[1]'))",
        "CASE WHEN 0 THEN random() END",
    };
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        REFUSED(CALLS[i]);
    }
}

static void recursive_queries_are_denied(void **state)
{
    (void) state;
    REFUSED("(WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) "
            "SELECT count(*) FROM t)");
    REFUSED("(WITH t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT "
            "max(x) FROM t)");
    assert_string_equal(
        fixture_eval("(WITH t AS (SELECT 7 AS x) SELECT x FROM t)"), "7");
}

/* ---- limits ------------------------------------------------------------ */

static char *repeat(const char *part, size_t count, const char *middle,
                    const char *tail)
{
    size_t part_size = strlen(part);
    size_t middle_size = strlen(middle);
    size_t tail_size = strlen(tail);
    char *text = malloc(count * (part_size + tail_size) + middle_size + 1);
    assert_non_null(text);
    char *at = text;
    for (size_t i = 0; i < count; i++, at += part_size) {
        memcpy(at, part, part_size);
    }
    memcpy(at, middle, middle_size);
    at += middle_size;
    for (size_t i = 0; i < count; i++, at += tail_size) {
        memcpy(at, tail, tail_size);
    }
    *at = 0;
    return text;
}

static void assert_refused_repeat(const char *part, size_t count,
                                  const char *middle, const char *tail)
{
    char *text = repeat(part, count, middle, tail);
    REFUSED(text);
    free(text);
}

static void deep_nesting_is_refused(void **state)
{
    (void) state;
    assert_refused_repeat("(", 20000, "1", ")");
    assert_refused_repeat("abs(", 200, "1", ")");
    assert_refused_repeat("-", 20001, "1", "");
    assert_refused_repeat("NOT ", 500, "1", "");
    assert_refused_repeat("1 + ", 200, "1", "");
    assert_refused_repeat("CASE WHEN 1 THEN ", 200, "1", " END");
    assert_refused_repeat("(SELECT ", 200, "1", ")");
    assert_refused_repeat("'x' || ", 200, "'x'", "");
}

static void sizes_are_limited(void **state)
{
    (void) state;
    assert_refused_repeat("1+", 40000, "1", "");
    REFUSED("coalesce(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17)");
    REFUSED("(SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION "
            "SELECT 5)");
    char *pattern = repeat("a", 200, "%", "b");
    char expression[600];
    (void) snprintf(expression, sizeof expression, "mail LIKE '%s'", pattern);
    PROBLEM(expression);
    (void) snprintf(expression, sizeof expression, "mail GLOB '%s'", pattern);
    PROBLEM(expression);
    (void) snprintf(expression, sizeof expression, "trim(mail, '%.100s')",
                    pattern);
    PROBLEM(expression);
    free(pattern);
    char *regexp = repeat("a", 600, "b", "c");
    char *call = malloc(2000);
    (void) snprintf(call, 2000, "regexp_replace(mail, '%s', '')", regexp);
    PROBLEM(call);
    free(call);
    free(regexp);
}

/* ---- work -------------------------------------------------------------- */

static const char BIG_NAME[] = "description";

/* An input whose description is `size` bytes of `byte`. */
static struct rules_input big_input(struct ts_arena *arena, size_t size,
                                    char byte)
{
    char *text = ts_arena_take(arena, size + 1);
    struct ts_entry *entry = ts_arena_array(arena, 1, sizeof *entry);
    assert_non_null(text);
    assert_non_null(entry);
    memset(text, byte, size);
    text[size] = 0;
    *entry = fixture_entry_add(arena, *entry, BIG_NAME, text, NULL);
    return (struct rules_input){ .source_name = FIXTURE_SOURCE,
                                 .entry = entry,
                                 .run_date = "2026-11-22" };
}

/* Evaluating on a megabyte ends within `ms_max` and with what is expected. */
static void assert_bounded(const char *expression, const char *begins,
                           int64_t ms_max)
{
    struct ts_arena arena;
    ts_arena_init(&arena, 64 << 20);
    struct rules_input input = big_input(&arena, 1 << 20, 'a');
    struct ts_time before = ts_time_worked();
    const char *said = fixture_eval_input("text", expression, &input);
    int64_t ms = ts_time_worked().ms - before.ms;
    assert_begins(said, begins, expression);
    if (ms > ms_max) {
        print_error("%s took %lld ms\n", expression, (long long) ms);
        fail();
    }
    ts_arena_done(&arena);
}

/* Generous, because the sanitizers run it too: unbounded would be hours. */
#define MS_MAX 30000

static void row_bombs_end(void **state)
{
    (void) state;
    PROBLEM("(SELECT count(*) FROM json_each('[1,2,3,4,5,6,7,8,9,0]') a, "
            "json_each('[1,2,3,4,5,6,7,8,9,0]') b, "
            "json_each('[1,2,3,4,5,6,7,8,9,0]') c, "
            "json_each('[1,2,3,4,5,6,7,8,9,0]') d, "
            "json_each('[1,2,3,4,5,6,7,8,9,0]') e, "
            "json_each('[1,2,3,4,5,6,7,8,9,0]') f, "
            "json_each('[1,2,3,4,5,6,7,8,9,0]') g)");
#ifndef ASAN
    /* Five seconds of work, twice, all of it in SQLite: where a sanitizer sees
     * nothing. */
    assert_bounded("(SELECT count(DISTINCT a.json || b.key || c.key) FROM "
                   "json_each(json_array(1,2,3,4,5,6,7,8,description)) a, "
                   "json_each('[1,2,3,4,5,6,7,8,9,0]') b, "
                   "json_each('[1,2,3,4,5,6,7,8,9,0]') c, "
                   "json_each('[1,2,3,4,5,6,7,8,9,0]') d, "
                   "json_each('[1,2,3,4,5,6,7,8,9,0]') e)",
                   "problem: could not evaluate \"text\" of rule 1: it takes "
                   "more than five seconds of work",
                   MS_MAX);
#endif
}

static void memory_of_one_statement_is_bounded(void **state)
{
    (void) state;
    struct rusage usage;
    assert_bounded("(SELECT count(*) FROM (SELECT description || a.key || "
                   "b.key || c.key AS x FROM json_each('[1,2,3,4,5,6,7,8]') a,"
                   " json_each('[1,2,3,4,5,6,7,8]') b, "
                   "json_each('[1,2,3,4,5,6,7,8]') c, "
                   "json_each('[1,2,3,4,5,6,7,8]') d ORDER BY x))",
                   "problem: ", MS_MAX);
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    assert_in_range(usage.ru_maxrss, 0, 2 * 1024 * 1024); /* KiB */
}

static void growing_values_end_at_the_limit(void **state)
{
    (void) state;
    assert_bounded("description || description || description",
                   "problem: ", MS_MAX);
    assert_bounded("hex(description) || 'x'", "problem: ", MS_MAX);
    assert_bounded("replace(description, 'a', 'aaaaaaaa')",
                   "problem: ", MS_MAX);
    assert_bounded("regexp_replace(description, 'a', 'aaaaaaaa')",
                   "problem: ", MS_MAX);
    assert_bounded("base64(description) || base64(description)",
                   "problem: ", MS_MAX);
    assert_bounded("json_array(description, description, description)",
                   "problem: ", MS_MAX);
    assert_bounded(
        "length(replace(substr(description, 1, 1000000), 'a', 'ab'))",
        "2000000", MS_MAX);
}

static void megabyte_values_work(void **state)
{
    (void) state;
    assert_bounded("length(fold(description))", "1048576", MS_MAX);
    assert_bounded("length(trim(description))", "1048576", MS_MAX);
    assert_bounded("length(description)", "1048576", MS_MAX);
    assert_bounded("has('description', description)", "1", MS_MAX);
    assert_bounded("length(vals('description'))", "1048580", MS_MAX);
    assert_bounded("substr(description, 1, 3)", "aaa", MS_MAX);
    assert_bounded("instr(description, 'b')", "0", MS_MAX);
    assert_bounded("length(first(description))", "1048576", MS_MAX);
}

static void value_over_the_limit_is_an_error(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, 64 << 20);
    struct rules_input input = big_input(&arena, (2 << 20) + 1, 'a');
    const char *const READERS[] = { "length(description)", "first(description)",
                                    "vals('description')" };
    for (size_t i = 0; i < 3; i++) {
        assert_begins(fixture_eval_input("text", READERS[i], &input),
                      "problem: ", READERS[i]);
    }
    assert_string_equal(fixture_eval_input("text", "n('description')", &input),
                        "1");
    ts_arena_done(&arena);
}

static void catastrophic_patterns_end(void **state)
{
    (void) state;
    /* Classes, because PCRE2 sees at once that a required letter is missing. */
    static const char *const PATTERNS[] = {
        "(a+)+[b-c]",         "(a|aa)+[b-c]",   "a*[b-c]",
        "[^b]*+[b-c]",        "(?=(a*))[b-c]",  "(a*)\\1[b-c]",
        "(a(?1)?)[b-c]",      "(?<=a)a*?[b-c]", "(.*)*[b-c]",
        "(a{1,9}){1,9}[b-c]",
    };
    for (size_t i = 0; i < sizeof PATTERNS / sizeof PATTERNS[0]; i++) {
        char expression[200];
        (void) snprintf(expression, sizeof expression,
                        "regexp_replace(description, '%s', 'x')", PATTERNS[i]);
        assert_bounded(expression, "problem: ", MS_MAX);
    }
    PROBLEM("regexp_replace('aaaa', '((((a{1,200}){1,200}){1,200}){1,200})', "
            "'')");
    PROBLEM("regexp_replace('a', '(*LIMIT_MATCH=1)(a|b)+', '')");
    PROBLEM("regexp_replace('a', '\\C', '')");
}

static void wildcards_and_sets_on_long_text_end(void **state)
{
    (void) state;
    char many[260];
    char expression[400];
    memset(many, 'a', sizeof many);
    many[0] = '%';
    many[254] = 'b';
    many[255] = 0;
    (void) snprintf(expression, sizeof expression, "description LIKE '%s'",
                    many);
    assert_bounded(expression, "0", MS_MAX);
    many[0] = '*';
    (void) snprintf(expression, sizeof expression, "description GLOB '%s'",
                    many);
    assert_bounded(expression, "0", MS_MAX);
    assert_bounded("ltrim(description, description)", "problem: ", MS_MAX);
    assert_bounded("instr(description, substr(description, 1, 500000) || 'b')",
                   "0", MS_MAX);
    assert_bounded("length(replace(description, substr(description, 1, 500000)"
                   " || 'b', ''))",
                   "1048576", MS_MAX);
}

static void many_expensive_calls_in_one_expression_end(void **state)
{
    (void) state;
    char many[260];
    memset(many, 'a', sizeof many);
    many[0] = '%';
    many[254] = 'b';
    many[255] = 0;
    char *expression = calloc(1, 40000);
    assert_non_null(expression);
    for (size_t i = 0; i < 5; i++) { /* reading alone is in the budget */
        size_t size = strlen(expression);
        (void) snprintf(expression + size, 40000 - size,
                        "%s(description LIKE '%s')", i == 0 ? "" : " + ", many);
    }
    assert_bounded(expression,
                   "problem: could not evaluate \"text\" of rule 1: it takes "
                   "more than 1,000,000 steps",
                   MS_MAX);
    free(expression);
}

static void deep_json_is_an_error(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, 64 << 20);
    struct rules_input input = big_input(&arena, 1 << 20, '[');
    assert_begins(fixture_eval_input("texts", "json(description)", &input),
                  "problem: ", "json of brackets");
    assert_begins(fixture_eval_input("object", "description", &input),
                  "problem: ", "object of brackets");
    ts_arena_done(&arena);
}

static void long_runs_of_combining_marks_fold_in_bounded_time(void **state)
{
    (void) state;
    struct ts_arena arena;
    ts_arena_init(&arena, 64 << 20);
    size_t size = 1 << 20;
    char *text = ts_arena_take(&arena, size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i += 4) { /* two classes, out of order */
        memcpy(text + i, "\xcc\x81\xcc\xa3", 4);
    }
    text[size] = 0;
    struct ts_entry entry = { 0 };
    entry = fixture_entry_add(&arena, entry, BIG_NAME, text, NULL);
    struct rules_input input = { .source_name = FIXTURE_SOURCE,
                                 .entry = &entry,
                                 .run_date = "2026-11-22" };
    struct ts_time before = ts_time_worked();
    assert_string_equal(
        fixture_eval_input("text", "fold(description) IS NOT NULL", &input),
        "1");
    assert_in_range(ts_time_worked().ms - before.ms, 0, MS_MAX);
    ts_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_but_the_entry_and_json_can_be_read),
        cmocka_unit_test(statements_cannot_hide_in_expressions),
        cmocka_unit_test(functions_outside_the_list_are_denied),
        cmocka_unit_test(recursive_queries_are_denied),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(row_bombs_end),
        cmocka_unit_test(memory_of_one_statement_is_bounded),
        cmocka_unit_test(growing_values_end_at_the_limit),
        cmocka_unit_test(megabyte_values_work),
        cmocka_unit_test(value_over_the_limit_is_an_error),
        cmocka_unit_test(catastrophic_patterns_end),
        cmocka_unit_test(wildcards_and_sets_on_long_text_end),
        cmocka_unit_test(many_expensive_calls_in_one_expression_end),
        cmocka_unit_test(deep_json_is_an_error),
        cmocka_unit_test(long_runs_of_combining_marks_fold_in_bounded_time),
    };
    return cmocka_run_group_tests_name("rules hostile", tests, NULL, NULL);
}
