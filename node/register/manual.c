/* manual -- a file of this node. Nothing is shared with the other node, so a
 * lease cannot be taken from it: an operator says who exports, on both. */
#include <stdlib.h>

#include "node/register/cell.h"
#include "node/register/driver.h"

struct manual {
    struct register_cell *cell;
};

static void manual_close(void *state)
{
    struct manual *manual = state;
    register_cell_close(manual->cell);
    free(manual);
}

static enum ts_code manual_open(const struct register_options *options,
                                void **ret_state, struct ts_err *err)
{
    if (options->manual_file == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the manual register: it has no file");
    }
    struct manual *manual = calloc(1, sizeof *manual);
    if (manual == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the register");
    }
    enum ts_code code =
        register_cell_open(options->manual_file, &manual->cell, err);
    if (code != TS_OK) {
        free(manual);
        return code;
    }
    *ret_state = manual;
    return TS_OK;
}

static enum ts_code manual_read(void *state, const struct register_call *call,
                                struct ts_arena *arena,
                                struct ts_slice *ret_value, struct ts_err *err)
{
    const struct manual *manual = state;
    struct ts_slice value = TS_SLICE_NONE;
    enum ts_code code =
        register_call_server(call, register_driver_manual.name, err);
    if (code == TS_OK) {
        code = register_cell_read(manual->cell, &value, err);
    }
    if (code != TS_OK || value.size == 0) {
        *ret_value = TS_SLICE_NONE;
        return code;
    }
    struct ts_slice copy = ts_arena_copy(arena, value);
    if (copy.data == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not read the register: no room for %zu bytes",
                       value.size);
    }
    *ret_value = copy;
    return TS_OK;
}

static enum ts_code manual_swap(void *state, const struct register_call *call,
                                const struct ts_slice values[2],
                                enum register_outcome *ret_outcome,
                                struct ts_err *err)
{
    const struct manual *manual = state;
    enum ts_code code =
        register_call_server(call, register_driver_manual.name, err);
    return code != TS_OK ? code
                         : register_cell_swap(manual->cell, values[0],
                                              values[1], ret_outcome, err);
}

static void manual_check(void *state, const struct register_call *call,
                         struct register_findings *findings)
{
    (void) state, (void) call;
    register_add_finding(findings, "failover", NULL,
                         "by an operator only: a manual register is a file of "
                         "this node, and proves nothing about the other");
}

/* The disk alone decides how long a call takes. */
static void manual_cancel(void *state)
{
    (void) state;
}

const struct register_driver register_driver_manual = {
    .name = "manual",
    .automatic = false,
    .open = manual_open,
    .close = manual_close,
    .read = manual_read,
    .swap = manual_swap,
    .check = manual_check,
    .cancel = manual_cancel,
    .resume = manual_cancel,
};
