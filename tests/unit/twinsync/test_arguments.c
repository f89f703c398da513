/* arguments: the command line is held against the table. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "node/config/loader.h"
#include "tools/twinsync/arguments.h"

/* `words` ends with NULL; getopt wants to reorder them, and may. */
static enum ts_code parse(struct arguments *ret, struct ts_err *err,
                          const char *const *words)
{
    char *argv[16] = { (char *) (uintptr_t) "twinsync" };
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++) {
        argv[argc] = (char *) (uintptr_t) words[argc - 1];
    }
    return arguments_parse(argc, argv, ret, err);
}
#define PARSE(ret, err, ...) \
    parse(ret, err, (const char *const[]){ __VA_ARGS__, NULL })

static void finds_the_command_its_words_and_options(void **state)
{
    (void) state;
    struct arguments got;
    assert_int_equal(PARSE(&got, NULL, "sync", "--full", "--wait"), TS_OK);
    assert_string_equal(got.command->name, "sync");
    assert_string_equal(got.call.options[0], "");
    assert_string_equal(got.call.options[1], "");
    assert_int_equal(PARSE(&got, NULL, "show", "uid=ada,dc=x"), TS_OK);
    assert_int_equal(got.call.word_count, 1);
    assert_string_equal(got.call.words[0], "uid=ada,dc=x");
    assert_string_equal(got.call.config_path, CONFIG_DEFAULT_PATH);
    assert_false(got.call.json);
}

static void globals_may_stand_before_and_after_the_command(void **state)
{
    (void) state;
    struct arguments got;
    assert_int_equal(PARSE(&got, NULL, "-c", "a.yaml", "--json", "status"),
                     TS_OK);
    assert_string_equal(got.call.config_path, "a.yaml");
    assert_true(got.call.json);
    assert_int_equal(PARSE(&got, NULL, "status", "--json", "--config=b.yaml"),
                     TS_OK);
    assert_string_equal(got.call.config_path, "b.yaml");
    assert_true(got.call.json);
    assert_int_equal(PARSE(&got, NULL, "show", "ada", "-c", "b.yaml"), TS_OK);
    assert_string_equal(got.call.words[0], "ada");
}

static void
an_option_of_a_command_stands_for_the_global_of_its_name(void **state)
{
    (void) state;
    struct arguments got;
    assert_int_equal(PARSE(&got, NULL, "-c", "now.yaml", "rules", "test", "ada",
                           "--config", "draft.yaml"),
                     TS_OK);
    assert_string_equal(got.call.config_path, "now.yaml");
    assert_string_equal(got.call.options[1], "draft.yaml");
}

static void words_after_two_dashes_are_words(void **state)
{
    (void) state;
    struct arguments got;
    assert_int_equal(PARSE(&got, NULL, "show", "--", "--full"), TS_OK);
    assert_string_equal(got.call.words[0], "--full");
}

static void refuses_what_it_does_not_know_and_says_where_help_is(void **state)
{
    (void) state;
    struct arguments got;
    struct ts_err err;
    assert_int_equal(PARSE(&got, &err, "frob"), TS_E_CONFIG);
    assert_string_equal(err.text, "cannot run \"frob\": there is no such "
                                  "command, see twinsync --help");
    assert_int_equal(PARSE(&got, &err, "status", "--frob"), TS_E_CONFIG);
    assert_string_equal(err.text, "cannot understand the option \"--frob\": "
                                  "see twinsync status --help");
    assert_int_equal(PARSE(&got, &err, "-x", "status"), TS_E_CONFIG);
    assert_string_equal(err.text, "cannot understand the option \"-x\": see "
                                  "twinsync --help");
    assert_int_equal(PARSE(&got, &err, "pause", "--for"), TS_E_CONFIG);
    assert_string_equal(err.text, "cannot understand \"--for\" without its "
                                  "value: see twinsync pause --help");
    assert_int_equal(PARSE(&got, &err, "status", "now"), TS_E_CONFIG);
    assert_non_null(strstr(err.text, "\"now\" after twinsync status"));
    assert_int_equal(PARSE(&got, &err, "show"), TS_E_CONFIG);
    assert_non_null(strstr(err.text, "without ANCHOR|DN|NAME"));
    assert_int_equal(PARSE(&got, &err, "events", "wipe"), TS_E_CONFIG);
    assert_non_null(strstr(err.text, "twinsync events takes verify"));
    assert_int_equal(PARSE(&got, &err, "rules", "OBJECT"), TS_E_CONFIG);
    assert_int_equal(PARSE(&got, &err, "--json"), TS_E_CONFIG);
    assert_non_null(strstr(err.text, "without a command"));
}

static void a_script_gets_json_also_when_its_words_are_wrong(void **state)
{
    (void) state;
    struct arguments got;
    assert_int_equal(PARSE(&got, NULL, "frob", "--json"), TS_E_CONFIG);
    assert_true(got.call.json);
}

static void help_needs_no_words(void **state)
{
    (void) state;
    struct arguments got;
    assert_int_equal(PARSE(&got, NULL, "show", "--help"), TS_OK);
    assert_true(got.help);
    assert_string_equal(got.command->name, "show");
    assert_int_equal(PARSE(&got, NULL, "-h"), TS_OK);
    assert_true(got.help);
    assert_null(got.command);
}

static void every_row_is_whole(void **state)
{
    (void) state;
    for (const struct cli_group *g = cli_groups; g->title != NULL; g++) {
        for (size_t i = 0; g->commands[i] != NULL; i++) {
            const struct cli_command *command = g->commands[i];
            assert_ptr_equal(cli_command_find(command->name), command);
            assert_non_null(command->run);
            assert_non_null(command->words);
            assert_in_range(strlen(command->summary), 10, 66);
            assert_non_null(strstr(command->examples, "twinsync"));
            assert_true(command->words_max <= CLI_WORDS_MAX);
            assert_true(command->words_min <= command->words_max);
            char *text = NULL;
            size_t size = 0;
            FILE *out = open_memstream(&text, &size);
            arguments_help(out, command);
            (void) fclose(out);
            assert_non_null(strstr(text, "Usage: twinsync"));
            assert_int_equal(text[size - 1], '\n');
            for (const char *line = text; *line != 0;
                 line += strcspn(line, "\n") + 1) {
                assert_in_range(strcspn(line, "\n"), 0, 80);
            }
            free(text);
        }
    }
}

static void numbers_have_bounds(void **state)
{
    (void) state;
    int64_t n = -1;
    struct ts_err err;
    assert_int_equal(cli_number("7", "--limit", 1, 10, &n, &err), TS_OK);
    assert_int_equal(n, 7);
    static const char *const bad[] = {
        "", "0", "11", "-3", "7x", "0x7", " 7", "99999999999999999999"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cli_number(bad[i], "--limit", 1, 10, &n, &err),
                         TS_E_CONFIG);
        assert_non_null(strstr(err.text, "for --limit: a number from 1 to 10"));
    }
    assert_int_equal(n, 7);
}

static void time_spans_have_units_and_bounds(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = { { "90", 90 },    { "90s", 90 },    { "15m", 900 },
                 { "8h", 28800 }, { "2d", 172800 }, { "365d", 31536000 } };
    int64_t seconds = 0;
    struct ts_err err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(cli_span(good[i].text, "--for", &seconds, &err),
                         TS_OK);
        assert_int_equal(seconds, good[i].seconds);
    }
    static const char *const bad[] = { "",    "0",   "m",    "3x",
                                       "-5m", "5 m", "366d", "9999999999s" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cli_span(bad[i], "--for", &seconds, &err),
                         TS_E_CONFIG);
        assert_non_null(strstr(err.text, "such as 90s, 15m, 8h or 2d"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_command_its_words_and_options),
        cmocka_unit_test(globals_may_stand_before_and_after_the_command),
        cmocka_unit_test(
            an_option_of_a_command_stands_for_the_global_of_its_name),
        cmocka_unit_test(words_after_two_dashes_are_words),
        cmocka_unit_test(refuses_what_it_does_not_know_and_says_where_help_is),
        cmocka_unit_test(a_script_gets_json_also_when_its_words_are_wrong),
        cmocka_unit_test(help_needs_no_words),
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(time_spans_have_units_and_bounds),
    };
    return cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
}
