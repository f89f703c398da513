/* principal: what the register holds of one, and the operator's command. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/target/principal.h"

static struct seal_key key;
static char shell[] = "/bin/sh", option[] = "-c", script[1024];
static char *command[] = { shell, option, script };
static struct config_target target = {
    .fence_command = command,
    .fence_command_count = 3,
    .request_timeout_seconds = 5,
};
static struct principal_keeper *keeper;
static struct principal own;

static int open_keeper(void **state)
{
    (void) state;
    struct ts_err err;
    const struct principal_options options = {
        .target = &target,
        .cluster = "hr",
        .node = "alpha",
        .boot_id = "b",
        .key = &key,
    };
    memset(&key, 42, sizeof key);
    assert_int_equal(principal_open(&options, &keeper, &err), TS_OK);
    own = (struct principal){ .epoch = 5,
                              .kind = principal_kind(&target),
                              .node = "alpha",
                              .id = "p5",
                              .secret = "s" };
    return 0;
}

static int close_keeper(void **state)
{
    (void) state;
    principal_close(keeper);
    return 0;
}

static int open_exec(void **state)
{
    target.fence = CONFIG_FENCE_EXEC;
    return open_keeper(state);
}

static int open_none(void **state)
{
    target.fence = CONFIG_FENCE_NONE;
    return open_keeper(state);
}

static void runs(const char *text)
{
    (void) snprintf(script, sizeof script, "%s", text);
}

static struct register_principal row_of(uint64_t epoch, const char *id)
{
    struct register_principal row = { .epoch = epoch,
                                      .kind = principal_kind(&target),
                                      .node = "beta" };
    (void) snprintf(row.id, sizeof row.id, "%s", id);
    return row;
}

static struct principal_fencing fence_one(const struct register_principal *row)
{
    struct ts_err err = { .text = "" };
    struct principal_fencing fencing = { .row = row };
    assert_int_equal(principal_fence(keeper, &own, &fencing, 1, &err), TS_OK);
    return fencing;
}

/* -- sealing --------------------------------------------------------------- */

static const struct principal full = { .epoch = 7,
                                       .kind = REGISTER_KIND_OAUTH,
                                       .node = "alpha",
                                       .id = "client-7",
                                       .secret = "s \"3\" cret",
                                       .uri = "https://x/reg/client-7",
                                       .token = "manage" };

static void a_sealed_principal_comes_back_whole(void **state)
{
    (void) state;
    struct register_principal row;
    struct principal back;
    struct ts_err err;
    assert_int_equal(principal_seal(&key, &full, &row, &err), TS_OK);
    assert_null(memmem(row.sealed, row.sealed_size, "manage", 6));
    assert_int_equal(row.token_lifetime_s, 0);
    assert_int_equal(principal_unseal(&key, &row, &back, &err), TS_OK);
    assert_memory_equal(&back, &full, sizeof full);
}

static void a_row_that_was_altered_does_not_open(void **state)
{
    (void) state;
    struct register_principal row, other;
    struct principal back;
    struct ts_err err;
    assert_int_equal(principal_seal(&key, &full, &row, &err), TS_OK);
    other = row;
    other.epoch = 8;
    assert_int_equal(principal_unseal(&key, &other, &back, &err), TS_E_CORRUPT);
    other = row;
    other.id[0] = 'C';
    assert_int_equal(principal_unseal(&key, &other, &back, &err), TS_E_CORRUPT);
    other = row;
    other.node[0] = 'b';
    assert_int_equal(principal_unseal(&key, &other, &back, &err), TS_E_CORRUPT);
    other = row;
    other.sealed[20] ^= 1;
    assert_int_equal(principal_unseal(&key, &other, &back, &err), TS_E_CORRUPT);
}

static void the_longest_principal_fits_the_register(void **state)
{
    (void) state;
    struct principal longest = full;
    struct register_principal row;
    struct ts_err err;
    memset(longest.secret, '"', sizeof longest.secret - 1);
    memset(longest.uri, 'u', sizeof longest.uri - 1);
    memset(longest.token, 't', sizeof longest.token - 1);
    assert_int_equal(principal_seal(&key, &longest, &row, &err), TS_E_LIMIT);
    memset(longest.secret, 's', sizeof longest.secret - 1);
    assert_int_equal(principal_seal(&key, &longest, &row, &err), TS_OK);
}

/* -- the command -------------------------------------------------------------
 */

static void the_command_is_told_whom_to_fence_and_gives_evidence(void **state)
{
    (void) state;
    struct register_principal row = row_of(4, "p4");
    runs("echo \"$TWINSYNC_FENCE_ACTION $TWINSYNC_FENCE_CLUSTER"
         " $TWINSYNC_FENCE_NODE $TWINSYNC_FENCE_EPOCH"
         " $TWINSYNC_FENCE_PRINCIPAL $TWINSYNC_FENCE_HOLDER"
         " $TWINSYNC_FENCE_OWN_EPOCH $TWINSYNC_FENCE_OWN_PRINCIPAL\";"
         " echo more");
    assert_int_equal(setenv("TWINSYNC_FENCE_EPOCH", "99", 1), 0);
    struct principal_fencing got = fence_one(&row);
    assert_int_equal(got.state, PRINCIPAL_CONFIRMED);
    assert_string_equal(got.text, "the fence command confirmed it: fence hr "
                                  "alpha 4 p4 beta 5 p5");
}

static void only_exit_0_confirms(void **state)
{
    (void) state;
    struct register_principal row = row_of(4, "p4");
    runs("echo replicating; exit 75");
    struct principal_fencing got = fence_one(&row);
    assert_int_equal(got.state, PRINCIPAL_PENDING);
    assert_string_equal(got.text, "the fence command waits: replicating");
    assert_true(got.again_ms > 0);
    runs("echo broken; exit 1");
    got = fence_one(&row);
    assert_int_equal(got.state, PRINCIPAL_PENDING);
    assert_string_equal(got.text,
                        "the fence command failed with status 1: broken");
    runs("kill -9 $$");
    got = fence_one(&row);
    assert_int_equal(got.state, PRINCIPAL_PENDING);
    assert_string_equal(got.text, "the fence command failed with status -1: ");
}

static void
a_command_that_does_not_end_is_killed_and_confirms_nothing(void **state)
{
    (void) state;
    struct register_principal row = row_of(4, "p4");
    target.request_timeout_seconds = 1;
    runs("echo done; (sleep 60; echo late) & sleep 60");
    struct principal_fencing got = fence_one(&row);
    target.request_timeout_seconds = 5;
    assert_int_equal(got.state, PRINCIPAL_PENDING);
    assert_non_null(strstr(got.text, "did not end within 1 s"));
}

static void a_command_that_left_something_behind_has_ended(void **state)
{
    (void) state;
    struct register_principal row = row_of(4, "p4");
    struct ts_time begun = ts_time_now();
    runs("sleep 60 & echo gone");
    struct principal_fencing got = fence_one(&row);
    assert_int_equal(got.state, PRINCIPAL_CONFIRMED);
    assert_true(ts_time_now().ms - begun.ms < 5000);
}

static void what_it_prints_is_bounded_and_harmless(void **state)
{
    (void) state;
    struct register_principal row = row_of(4, "p4");
    runs("printf 'a\\033[2Jb\\377c'; head -c 10000000 /dev/zero");
    struct principal_fencing got = fence_one(&row);
    assert_int_equal(got.state, PRINCIPAL_CONFIRMED);
    assert_string_equal(got.text, "the fence command confirmed it: a?[2Jb?c");
}

static void a_cancelled_command_is_ended(void **state)
{
    (void) state;
    struct register_principal row = row_of(4, "p4");
    struct principal_fencing fencing = { .row = &row };
    struct ts_err err;
    runs("sleep 60");
    principal_cancel(keeper);
    assert_int_equal(principal_fence(keeper, &own, &fencing, 1, &err),
                     TS_E_CANCELLED);
    principal_resume(keeper);
    runs("echo yes");
    assert_int_equal(fence_one(&row).state, PRINCIPAL_CONFIRMED);
}

static void the_command_makes_a_principal(void **state)
{
    (void) state;
    struct principal made;
    struct ts_err err = { .text = "" };
    runs("echo id-$TWINSYNC_FENCE_ACTION-$TWINSYNC_FENCE_EPOCH; echo top");
    assert_int_equal(principal_mint(keeper, 9, &made, &err), TS_OK);
    assert_string_equal(made.id, "id-mint-9");
    assert_string_equal(made.secret, "top");
    assert_string_equal(made.node, "alpha");
    assert_int_equal(made.epoch, 9);
    runs("echo only-an-id");
    assert_int_equal(principal_mint(keeper, 9, &made, &err), TS_E_PROTOCOL);
    runs("echo no such realm; exit 3");
    assert_int_equal(principal_mint(keeper, 9, &made, &err), TS_E_UNREACHABLE);
    assert_non_null(strstr(err.text, "no such realm"));
    runs("test \"$TWINSYNC_FENCE_ACTION $TWINSYNC_FENCE_PRINCIPAL\" = "
         "'unmint id-mint-9'");
    assert_int_equal(principal_unmint(keeper, &made, &err), TS_OK);
    runs("test $TWINSYNC_FENCE_ACTION = probe");
    assert_int_equal(principal_probe(keeper, &err), TS_OK);
}

/* -- whom
 * ---------------------------------------------------------------------- */

static void our_own_and_higher_epochs_are_never_fenced(void **state)
{
    (void) state;
    struct ts_err err = { .text = "" };
    const struct register_principal rows[] = { row_of(4, "p4"), row_of(5, "x"),
                                               row_of(6, "p6"),
                                               row_of(3, "p5") };
    runs("echo ran");
    for (size_t i = 1; i < 4; i++) {
        struct principal_fencing both[] = { { .row = &rows[0] },
                                            { .row = &rows[i] } };
        assert_int_equal(principal_fence(keeper, &own, both, 2, &err),
                         TS_E_REFUSED);
        assert_int_equal(both[0].state, PRINCIPAL_PENDING);
        assert_string_equal(both[0].text, ""); /* not even begun */
    }
}

static void a_principal_of_another_kind_waits_for_its_own_fence(void **state)
{
    (void) state;
    struct register_principal row = row_of(4, "p4");
    row.kind = REGISTER_KIND_OAUTH;
    runs("echo ran");
    struct principal_fencing got = fence_one(&row);
    assert_int_equal(got.state, PRINCIPAL_PENDING);
    assert_non_null(strstr(got.text, "\"registration\""));
}

static void a_target_without_a_fence_is_said_to_be_unfenced(void **state)
{
    (void) state;
    struct principal made;
    struct ts_err err;
    assert_int_equal(principal_mint(keeper, 5, &made, &err), TS_OK);
    assert_string_equal(made.secret, "");
    struct register_principal row = row_of(4, made.id); /* one for all epochs */
    struct principal_fencing got = fence_one(&row);
    assert_int_equal(got.state, PRINCIPAL_UNFENCED);
    assert_non_null(strstr(got.text, "not fenced"));
}

int main(void)
{
#define EXEC(name) \
    cmocka_unit_test_setup_teardown(name, open_exec, close_keeper)
#define NONE(name) \
    cmocka_unit_test_setup_teardown(name, open_none, close_keeper)
    const struct CMUnitTest tests[] = {
        NONE(a_sealed_principal_comes_back_whole),
        NONE(a_row_that_was_altered_does_not_open),
        NONE(the_longest_principal_fits_the_register),
        EXEC(the_command_is_told_whom_to_fence_and_gives_evidence),
        EXEC(only_exit_0_confirms),
        EXEC(a_command_that_does_not_end_is_killed_and_confirms_nothing),
        EXEC(a_command_that_left_something_behind_has_ended),
        EXEC(what_it_prints_is_bounded_and_harmless),
        EXEC(a_cancelled_command_is_ended),
        EXEC(the_command_makes_a_principal),
        EXEC(our_own_and_higher_epochs_are_never_fenced),
        EXEC(a_principal_of_another_kind_waits_for_its_own_fence),
        NONE(a_target_without_a_fence_is_said_to_be_unfenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
