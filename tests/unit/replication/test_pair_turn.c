/* pair_turn: another key for the pair, and nothing sealed is ever lost. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replication/pair_folder.h"
#include "replication/pair_turn.h"
#include "tests/lib/folder.h"

static char state_of[FOLDER_SIZE];
static uint8_t first[PAIR_KEY_SIZE];
static struct ts_err err;

static int make(void **state)
{
    (void) state;
    folder_make(state_of);
    assert_int_equal(pair_key_own(state_of, first, &err), TS_OK);
    return 0;
}

static int drop(void **state)
{
    (void) state;
    folder_remove(state_of);
    return 0;
}

/* Can what was sealed by this key be opened? */
static bool opens(const uint8_t *key)
{
    uint8_t current[PAIR_KEY_SIZE], others[PAIR_KEYS_OTHER][PAIR_KEY_SIZE];
    size_t count = 0;
    assert_int_equal(pair_key_load(state_of, current, &err), TS_OK);
    assert_int_equal(pair_key_others(state_of, others, &count, &err), TS_OK);
    bool found = memcmp(current, key, PAIR_KEY_SIZE) == 0;
    for (size_t i = 0; i < count; i++) {
        found |= memcmp(others[i], key, PAIR_KEY_SIZE) == 0;
    }
    return found;
}

static void a_draft_stays_the_same_until_it_is_turned(void **state)
{
    (void) state;
    uint8_t draft[PAIR_KEY_SIZE], again[PAIR_KEY_SIZE], now[PAIR_KEY_SIZE];
    assert_int_equal(pair_key_draft(state_of, draft, &err), TS_OK);
    assert_int_equal(pair_key_draft(state_of, again, &err), TS_OK);
    assert_memory_equal(draft, again, PAIR_KEY_SIZE);
    assert_memory_not_equal(draft, first, PAIR_KEY_SIZE);
    assert_int_equal(pair_key_load(state_of, now, &err), TS_OK);
    assert_memory_equal(now, first, PAIR_KEY_SIZE);
    assert_true(opens(draft) && opens(first));
    assert_int_equal(pair_key_turn(state_of, &err), TS_OK);
    assert_int_equal(pair_key_load(state_of, now, &err), TS_OK);
    assert_memory_equal(now, draft, PAIR_KEY_SIZE);
    assert_true(opens(first));
    assert_int_equal(pair_key_draft(state_of, again, &err), TS_OK);
    assert_memory_not_equal(draft, again, PAIR_KEY_SIZE);
}

static void without_a_draft_nothing_turns(void **state)
{
    (void) state;
    uint8_t now[PAIR_KEY_SIZE];
    assert_int_equal(pair_key_turn(state_of, &err), TS_OK);
    assert_int_equal(pair_key_load(state_of, now, &err), TS_OK);
    assert_memory_equal(now, first, PAIR_KEY_SIZE);
}

static void a_damaged_draft_is_named(void **state)
{
    (void) state;
    uint8_t key[PAIR_KEY_SIZE];
    assert_int_equal(pair_put(state_of, "pair.key.next", ts_slice_str("short"),
                              PAIR_SECRET, &err),
                     TS_OK);
    assert_int_equal(pair_key_draft(state_of, key, &err), TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "pair.key.next"));
    assert_int_equal(pair_key_turn(state_of, &err), TS_E_CORRUPT);
}

static void a_crash_while_it_turns_loses_neither(void **state)
{
    for (int pass = 1; pass <= 2; pass++) {
        uint8_t draft[PAIR_KEY_SIZE], now[PAIR_KEY_SIZE];
        char failpoint[40];
        (void) snprintf(failpoint, sizeof failpoint, "retire-key-turning:%d",
                        pass);
        assert_int_equal(pair_key_draft(state_of, draft, &err), TS_OK);
        pid_t child = fork();
        if (child == 0) {
            struct ts_err own;
            (void) setenv("TWINSYNC_FAILPOINT", failpoint, 1);
            _exit(pair_key_turn(state_of, &own) == TS_OK ? 0 : 1);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_true(opens(first) && opens(draft));
        assert_int_equal(pair_key_draft(state_of, now, &err), TS_OK);
        assert_memory_equal(now, draft, PAIR_KEY_SIZE);
        assert_int_equal(pair_key_turn(state_of, &err), TS_OK);
        assert_int_equal(pair_key_load(state_of, now, &err), TS_OK);
        assert_memory_equal(now, draft, PAIR_KEY_SIZE);
        assert_true(opens(first));
        (void) drop(state);
        (void) make(state);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
    const struct CMUnitTest tests[] = {
        TEST(a_draft_stays_the_same_until_it_is_turned),
        TEST(without_a_draft_nothing_turns),
        TEST(a_damaged_draft_is_named),
        TEST(a_crash_while_it_turns_loses_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
