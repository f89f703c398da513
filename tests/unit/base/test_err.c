/* err: the sentence that people read. */
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "node/base/err.h"

static void adds_the_system_reason_and_the_context(void **state)
{
    (void) state;
    struct ts_err err;

    assert_int_equal(
        ts_fail(&err, TS_E_IO, ENOENT, "could not open \"%s\"", "x"), TS_E_IO);
    assert_int_equal(err.sys_errno, ENOENT);
    ts_err_wrap(&err, "starting %s", "replication");
    assert_string_equal(err.text, "starting replication: could not open \"x\": "
                                  "No such file or directory");
    assert_string_equal(ts_code_text(TS_E_CORRUPT), "stored data is corrupt");
}

static void cuts_what_does_not_fit(void **state)
{
    (void) state;
    struct ts_err err;
    char long_text[2000];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;

    assert_int_equal(ts_fail(&err, TS_E_LIMIT, EIO, "%s", long_text),
                     TS_E_LIMIT);
    ts_err_wrap(&err, "%s", long_text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(ts_fail(NULL, TS_E_LIMIT, 0, "nobody listens"),
                     TS_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_the_system_reason_and_the_context),
        cmocka_unit_test(cuts_what_does_not_fit),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
