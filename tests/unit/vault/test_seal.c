/* seal: what is sealed opens only here, unaltered, and under the pair's key. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/vault/seal_file.h"
#include "tests/lib/folder.h"

#define SECRET "the token that may delete it"

static struct seal_key key;
static uint8_t sealed[256];
static struct ts_slice box;

static struct ts_slice text(const char *words)
{
    return ts_slice_str(words);
}

static int make(void **state)
{
    (void) state;
    struct ts_err err;
    struct seal_room room = { sealed, sizeof sealed };
    memset(&key, 42, sizeof key);
    assert_int_equal(seal_close(&key, text("row 7"), text(SECRET), &room, &err),
                     TS_OK);
    assert_int_equal(room.size, strlen(SECRET) + SEAL_OVERHEAD);
    box = ts_slice(sealed, room.size);
    return 0;
}

static enum ts_code opens(const struct seal_key *with, const char *context,
                          struct ts_slice bytes, struct ts_slice *ret)
{
    static uint8_t plain[256];
    struct ts_err err = { .text = "" };
    struct seal_room room = { plain, sizeof plain };
    enum ts_code rc = seal_open(with, text(context), bytes, &room, &err);
    if (rc != TS_OK) {
        assert_null(strstr(err.text, SECRET));
        assert_non_null(strstr(err.text, "cannot open a sealed secret"));
    } else {
        *ret = ts_slice(plain, room.size);
    }
    return rc;
}

static void what_was_sealed_opens_for_its_place(void **state)
{
    (void) state;
    struct ts_slice plain;
    assert_int_equal(opens(&key, "row 7", box, &plain), TS_OK);
    assert_true(ts_slice_equal(plain, text(SECRET)));
    assert_null(memmem(sealed, sizeof sealed, SECRET, 8));
}

static void nothing_opens_elsewhere_or_under_another_key(void **state)
{
    (void) state;
    struct ts_slice plain;
    struct seal_key other = key;
    other.bytes[31] ^= 1;
    assert_int_equal(opens(&key, "row 8", box, &plain), TS_E_CORRUPT);
    assert_int_equal(opens(&other, "row 7", box, &plain), TS_E_CORRUPT);
}

static void each_altered_bit_is_refused(void **state)
{
    (void) state;
    struct ts_slice plain;
    for (size_t bit = 0; bit < 8 * box.size; bit++) {
        sealed[bit / 8] ^= (uint8_t) (1U << bit % 8);
        assert_int_equal(opens(&key, "row 7", box, &plain),
                         bit < 8 ? TS_E_VERSION : TS_E_CORRUPT);
        sealed[bit / 8] ^= (uint8_t) (1U << bit % 8);
    }
    assert_int_equal(opens(&key, "row 7", box, &plain), TS_OK);
}

static void each_cut_is_refused(void **state)
{
    (void) state;
    struct ts_slice plain;
    for (size_t size = 0; size < box.size; size++) {
        assert_int_equal(opens(&key, "row 7", ts_slice(sealed, size), &plain),
                         TS_E_CORRUPT);
    }
}

static void one_text_is_sealed_differently_each_time(void **state)
{
    (void) state;
    uint8_t again[256];
    struct ts_err err;
    struct seal_room room = { again, sizeof again };
    assert_int_equal(seal_close(&key, text("row 7"), text(SECRET), &room, &err),
                     TS_OK);
    assert_int_equal(room.size, box.size);
    assert_memory_not_equal(again + 1, sealed + 1, 12);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void) state;
    uint8_t small[SEAL_OVERHEAD + 3];
    struct ts_err err;
    struct seal_room room = { small, sizeof small };
    assert_int_equal(seal_close(&key, text(""), text("four"), &room, &err),
                     TS_E_LIMIT);
    assert_int_equal(seal_close(&key, text(""), text("abc"), &room, &err),
                     TS_OK);
    struct seal_room narrow = { sealed + 100, 2 };
    assert_int_equal(
        seal_open(&key, text(""), ts_slice(small, sizeof small), &narrow, &err),
        TS_E_LIMIT);
}

static char folder[FOLDER_SIZE], path[FOLDER_SIZE + 16];

static int make_folder(void **state)
{
    folder_make(folder);
    (void) snprintf(path, sizeof path, "%s/sealed", folder);
    return make(state);
}

static int remove_folder(void **state)
{
    (void) state;
    folder_remove(folder);
    return 0;
}

static enum ts_code get(const char *context, const char *expected)
{
    uint8_t plain[64];
    struct seal_room room = { plain, sizeof plain };
    struct ts_err err;
    enum ts_code rc = seal_file_get(path, &key, text(context), &room, &err);
    if (rc == TS_OK) {
        assert_true(ts_slice_equal(ts_slice(plain, room.size), text(expected)));
    }
    return rc;
}

static void a_file_holds_what_was_put_last_for_its_owner_alone(void **state)
{
    (void) state;
    struct stat about;
    struct ts_err err;
    assert_int_equal(get("c", ""), TS_E_NOT_FOUND);
    assert_int_equal(seal_file_put(path, &key, text("c"), text("one"), &err),
                     TS_OK);
    assert_int_equal(seal_file_put(path, &key, text("c"), text("two"), &err),
                     TS_OK);
    assert_int_equal(get("c", "two"), TS_OK);
    assert_int_equal(get("d", ""), TS_E_CORRUPT);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & ALLPERMS, 0600);
}

static void a_file_that_others_can_read_or_that_was_cut_is_refused(void **state)
{
    (void) state;
    struct ts_err err;
    assert_int_equal(seal_file_put(path, &key, text("c"), text("one"), &err),
                     TS_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(get("c", ""), TS_E_REFUSED);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, SEAL_OVERHEAD), 0);
    assert_int_equal(get("c", ""), TS_E_CORRUPT);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(get("c", ""), TS_E_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_was_sealed_opens_for_its_place, make),
        cmocka_unit_test_setup(nothing_opens_elsewhere_or_under_another_key,
                               make),
        cmocka_unit_test_setup(each_altered_bit_is_refused, make),
        cmocka_unit_test_setup(each_cut_is_refused, make),
        cmocka_unit_test_setup(one_text_is_sealed_differently_each_time, make),
        cmocka_unit_test_setup(what_does_not_fit_is_refused, make),
        cmocka_unit_test_setup_teardown(
            a_file_holds_what_was_put_last_for_its_owner_alone, make_folder,
            remove_folder),
        cmocka_unit_test_setup_teardown(
            a_file_that_others_can_read_or_that_was_cut_is_refused, make_folder,
            remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
