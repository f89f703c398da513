/* Whatever a line of the control protocol holds: no crash, bounded memory, and
 * what is accepted prints to a line that is accepted as the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/control/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_request(struct ts_slice line)
{
    struct control_request request, again;
    struct ts_err err = { 0 };
    if (control_request_parse(line, &request, &err) != TS_OK) {
        assert(err.code == TS_E_PROTOCOL || err.code == TS_E_VERSION ||
               err.code == TS_E_LIMIT);
        assert(err.text[0] != '\0');
        return;
    }
    char *printed = control_request_print(request.command, request.args);
    assert(printed != NULL);
    assert(control_request_parse(ts_slice(printed, strlen(printed) - 1), &again,
                                 &err) == TS_OK);
    assert(strcmp(request.command, again.command) == 0);
    assert(json_equal(request.args, again.args));
    json_decref(request.args);
    json_decref(again.args);
    free(printed);
}

static void try_answer(struct ts_slice line)
{
    struct control_answer answer;
    struct ts_err err = { 0 };
    if (control_answer_parse(line, &answer, &err) != TS_OK) {
        assert(err.code == TS_E_PROTOCOL);
        return;
    }
    size_t size = 0;
    char *printed =
        answer.is_progress
            ? control_progress_print(&answer.progress, &size)
            : control_answer_print(answer.exit_status, answer.result,
                                   answer.error, &size);
    assert(printed != NULL && printed[size - 1] == '\n');
    assert(memchr(printed, '\n', size) == printed + size - 1);
    free(printed);
    control_answer_done(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_request(ts_slice(data, size));
    try_answer(ts_slice(data, size));
    return 0;
}
