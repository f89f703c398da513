/* A dead worker's lease is given back, and nobody else's: release.h, over the
 * register that is a file. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/daemon/release.h"
#include "proto/register_codec.h"
#include "tests/lib/folder.h"

#define BOOT "00112233445566778899aabbccddeeff"

static char folder[FOLDER_SIZE];
static char path[FOLDER_SIZE + 24];
static struct ts_arena arena;
static struct ts_err err;

/* Of a process of its own, each time: whoever has the file open keeps it. */
static struct register_client *open_client(void)
{
    const struct register_options options = { .kind = REGISTER_MANUAL,
                                              .cluster = "corp",
                                              .node = "alpha",
                                              .timeout_ms = 1000,
                                              .manual_file = path };
    struct register_client *client = NULL;
    assert_int_equal(TS_OK, register_open(&options, &client, &err));
    return client;
}

static enum ts_code release(const char *words, bool *ret_done)
{
    struct register_client *client = open_client();
    enum ts_code code = release_lease(client, "alpha", words, ret_done, &err);
    register_close(client);
    return code;
}

static struct register_value held(void)
{
    struct register_value value = {
        .serial = 4, .membership = 1, .voter_count = 1, .epoch = 7
    };
    memset(value.id, 1, sizeof value.id);
    (void) snprintf(value.voters[0], sizeof value.voters[0], "alpha");
    (void) snprintf(value.holder, sizeof value.holder, "alpha");
    for (size_t i = 0; i < sizeof value.boot; i++) {
        value.boot[i] = (uint8_t) (0x11 * i);
    }
    return value;
}

static void put(const struct register_value *value)
{
    struct ts_slice before, bytes;
    struct register_client *client = open_client();
    enum register_outcome outcome = REGISTER_SWAP_UNKNOWN;
    assert_int_equal(TS_OK, register_read(client, &arena, &before, &err));
    assert_int_equal(TS_OK, register_pack(value, &arena, &bytes, &err));
    assert_int_equal(TS_OK,
                     register_swap(client, before, bytes, &outcome, &err));
    assert_int_equal(REGISTER_SWAP_DONE, outcome);
    register_close(client);
}

static struct register_value get(void)
{
    struct ts_slice bytes;
    struct register_value value;
    struct register_client *client = open_client();
    assert_int_equal(TS_OK, register_read(client, &arena, &bytes, &err));
    assert_int_equal(TS_OK, register_unpack(bytes, &arena, &value, &err));
    register_close(client);
    return value;
}

static int set_up(void **state)
{
    (void) state;
    folder_make(folder);
    (void) snprintf(path, sizeof path, "%s/register.manual", folder);
    ts_arena_init(&arena, 64 * REGISTER_ARENA_SIZE);
    struct register_value value = held();
    put(&value);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    ts_arena_done(&arena);
    folder_remove(folder);
    return 0;
}

static void its_own_lease_is_given_back_and_nothing_else_changes(void **state)
{
    (void) state;
    bool done = false;
    struct register_value expected = held();
    expected.released = true;
    expected.serial++;
    assert_int_equal(TS_OK, release("7:" BOOT, &done));
    assert_true(done);
    struct register_value found = get();
    assert_memory_equal(&expected, &found, sizeof found);
}

static void the_lease_of_another_process_epoch_or_node_stays(void **state)
{
    (void) state;
    bool done = true;
    assert_int_equal(TS_OK, release("6:" BOOT, &done));
    assert_false(done);
    assert_int_equal(TS_OK,
                     release("7:ff112233445566778899aabbccddeeff", &done));
    assert_false(done);
    struct register_value value = held();
    value.serial++;
    (void) snprintf(value.holder, sizeof value.holder, "beta");
    put(&value);
    assert_int_equal(TS_OK, release("7:" BOOT, &done));
    assert_false(done);
    assert_false(get().released);
}

static void what_was_released_is_not_written_again(void **state)
{
    (void) state;
    bool done = false;
    assert_int_equal(TS_OK, release("7:" BOOT, &done));
    uint64_t serial = get().serial;
    assert_int_equal(TS_OK, release("7:" BOOT, &done));
    assert_false(done);
    assert_int_equal(serial, get().serial);
}

static void other_words_are_refused(void **state)
{
    (void) state;
    static const char *const words[] = {
        "", "7", "7:", "7:00", ":" BOOT, "7:" BOOT "00", "x:" BOOT
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        bool done = true;
        assert_int_equal(TS_E_CONFIG, release(words[i], &done));
    }
    assert_false(get().released);
}

static void what_was_sent_unfenced_has_the_margin_to_arrive(void **state)
{
    struct config config = { .lease = { .margin_ms = 2000,
                                        .clock_error_percent = 10 } };
    (void) state;
    config.target.fence = CONFIG_FENCE_NONE;
    assert_int_equal(release_wait_ms(&config), 2201);
    config.target.fence = CONFIG_FENCE_REGISTRATION;
    assert_int_equal(release_wait_ms(&config), 0);
    config.target.fence = CONFIG_FENCE_EXEC;
    assert_int_equal(release_wait_ms(&config), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(its_own_lease_is_given_back_and_nothing_else_changes),
        TEST(the_lease_of_another_process_epoch_or_node_stays),
        TEST(what_was_released_is_not_written_again),
        TEST(other_words_are_refused),
        TEST(what_was_sent_unfenced_has_the_margin_to_arrive),
    };
    return cmocka_run_group_tests_name("release", tests, NULL, NULL);
}
