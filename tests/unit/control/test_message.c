/* message: a line of the control protocol is checked before it is believed. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "node/control/message.h"

static enum ts_code parse(const char *line, struct control_request *request,
                          struct ts_err *err)
{
    return control_request_parse(ts_slice_str(line), request, err);
}

static void reads_a_request(void **state)
{
    (void) state;
    struct control_request request;
    assert_int_equal(parse("{\"v\":1,\"command\":\"sync\","
                           "\"args\":{\"full\":true}}",
                           &request, NULL),
                     TS_OK);
    assert_string_equal(request.command, "sync");
    assert_true(json_is_true(json_object_get(request.args, "full")));
    json_decref(request.args);
}

static void takes_absent_arguments_as_none(void **state)
{
    (void) state;
    struct control_request request;
    assert_int_equal(parse("{\"v\":1,\"command\":\"status\"}", &request, NULL),
                     TS_OK);
    assert_int_equal(json_object_size(request.args), 0);
    json_decref(request.args);
}

static void refuses_everything_else_with_a_sentence(void **state)
{
    (void) state;
    static const struct {
        const char *line, *why;
        enum ts_code code;
    } cases[] = {
        { "", "not one JSON document", TS_E_PROTOCOL },
        { "hello", "not one JSON document", TS_E_PROTOCOL },
        { "[]", "not an object", TS_E_PROTOCOL },
        { "{\"v\":1,\"command\":\"a\"}{}", "not one JSON", TS_E_PROTOCOL },
        { "{\"command\":\"status\"}", "\"v\" is not 1", TS_E_VERSION },
        { "{\"v\":2,\"command\":\"status\"}", "\"v\" is not 1", TS_E_VERSION },
        { "{\"v\":1}", "\"command\" is not a name", TS_E_PROTOCOL },
        { "{\"v\":1,\"command\":7}", "\"command\" is not", TS_E_PROTOCOL },
        { "{\"v\":1,\"command\":\"Sync\"}", "\"command\"", TS_E_PROTOCOL },
        { "{\"v\":1,\"command\":\"\"}", "\"command\"", TS_E_PROTOCOL },
        { "{\"v\":1,\"command\":\"a\\u0000b\"}", "column", TS_E_PROTOCOL },
        { "{\"v\":1,\"command\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
          "1 to 32", TS_E_PROTOCOL },
        { "{\"v\":1,\"command\":\"sync\",\"args\":[]}", "\"args\"",
          TS_E_PROTOCOL },
        { "{\"v\":1,\"command\":\"sync\",\"full\":1}",
          "unknown member \"full\"", TS_E_PROTOCOL },
        { "{\"v\":1,\"v\":1,\"command\":\"sync\"}", "duplicate",
          TS_E_PROTOCOL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct control_request request = { .args = NULL };
        struct ts_err err;
        assert_int_equal(parse(cases[i].line, &request, &err), cases[i].code);
        assert_non_null(strstr(err.text, cases[i].why));
        assert_null(request.args);
    }
}

static void refuses_a_request_over_the_limit(void **state)
{
    (void) state;
    size_t size = CONTROL_REQUEST_SIZE_MAX + 1;
    char *line = malloc(size);
    memset(line, ' ', size);
    struct control_request request;
    struct ts_err err;
    assert_int_equal(
        control_request_parse(ts_slice(line, size), &request, &err),
        TS_E_LIMIT);
    free(line);
}

static void what_is_printed_can_be_read_back(void **state)
{
    (void) state;
    json_t *args = json_pack("{s:s}", "object", "uid=ada\n,o=x");
    char *line = control_request_print("show", args);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    struct control_request request;
    assert_int_equal(parse(line, &request, NULL), TS_OK);
    assert_string_equal(request.command, "show");
    assert_true(json_equal(request.args, args));
    json_decref(request.args);
    json_decref(args);
    free(line);

    size_t size = 0;
    json_t *result = json_pack("{s:i}", "n", 7);
    line = control_answer_print(CONTROL_REFUSED, result, "no", &size);
    assert_int_equal(size, strlen(line));
    struct control_answer answer;
    assert_int_equal(
        control_answer_parse(ts_slice(line, size - 1), &answer, NULL), TS_OK);
    assert_int_equal(answer.exit_status, CONTROL_REFUSED);
    assert_string_equal(answer.error, "no");
    assert_true(json_equal(answer.result, result));
    control_answer_done(&answer);
    json_decref(result);
    free(line);
}

static void progress_keeps_its_phase_and_counts(void **state)
{
    (void) state;
    struct control_progress progress = { "import", UINT64_MAX, 10 };
    size_t size = 0;
    char *line = control_progress_print(&progress, &size);
    struct control_answer answer;
    assert_int_equal(control_answer_parse(ts_slice(line, size), &answer, NULL),
                     TS_OK);
    assert_true(answer.is_progress);
    assert_string_equal(answer.progress.phase, "import");
    assert_int_equal(answer.progress.done, INT64_MAX);
    assert_int_equal(answer.progress.total, 10);
    free(line);
}

static void an_error_with_bytes_that_json_cannot_carry_is_replaced(void **state)
{
    (void) state;
    size_t size = 0;
    char *line = control_answer_print(CONTROL_FAILED, NULL, "bad \xff", &size);
    assert_non_null(strstr(line, "not valid UTF-8"));
    free(line);
}

static void an_answer_over_the_limit_becomes_a_refusal(void **state)
{
    (void) state;
    size_t size = CONTROL_ANSWER_SIZE_MAX;
    char *big = malloc(size);
    memset(big, 'a', size);
    json_t *result = json_pack("{s:o}", "x", json_stringn_nocheck(big, size));
    char *line = control_answer_print(CONTROL_DONE, result, NULL, &size);
    assert_non_null(strstr(line, "larger than 64 MiB"));
    json_decref(result);
    free(line);
    free(big);
}

static void refuses_answers_of_the_wrong_shape(void **state)
{
    (void) state;
    static const char *const lines[] = {
        "",
        "7",
        "{}",
        "{\"exit\":9}",
        "{\"exit\":-1}",
        "{\"exit\":\"0\"}",
        "{\"exit\":0,\"result\":[]}",
        "{\"exit\":1,\"error\":{}}",
        "{\"progress\":1}",
        ("{\"progress\":{\"phase\":\"x\",\"done\":-1,"
         "\"total\":0}}"),
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct control_answer answer;
        struct ts_err err;
        assert_int_equal(
            control_answer_parse(ts_slice_str(lines[i]), &answer, &err),
            TS_E_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_request),
        cmocka_unit_test(takes_absent_arguments_as_none),
        cmocka_unit_test(refuses_everything_else_with_a_sentence),
        cmocka_unit_test(refuses_a_request_over_the_limit),
        cmocka_unit_test(what_is_printed_can_be_read_back),
        cmocka_unit_test(progress_keeps_its_phase_and_counts),
        cmocka_unit_test(
            an_error_with_bytes_that_json_cannot_carry_is_replaced),
        cmocka_unit_test(an_answer_over_the_limit_becomes_a_refusal),
        cmocka_unit_test(refuses_answers_of_the_wrong_shape),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
