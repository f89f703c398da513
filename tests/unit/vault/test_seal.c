/* seal: what is sealed opens only here, unaltered, and under the pair's key. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/vault/seal.h"
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
    assert_int_equal(seal_key_make(&key, &err), TS_OK);
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
    struct ts_err err;
    struct seal_key other;
    assert_int_equal(seal_key_make(&other, &err), TS_OK);
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

static void a_key_survives_its_file(void **state)
{
    (void) state;
    char folder[FOLDER_SIZE], path[FOLDER_SIZE + 16];
    struct seal_key back;
    struct stat about;
    struct ts_err err;
    folder_make(folder);
    (void) snprintf(path, sizeof path, "%s/pair.key", folder);

    assert_int_equal(seal_key_write(path, &key, &err), TS_OK);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & ALLPERMS, 0600);
    assert_int_equal(seal_key_read(path, &back, &err), TS_OK);
    assert_memory_equal(&back, &key, sizeof key);
    assert_int_equal(seal_key_write(path, &key, &err), TS_E_CONFLICT);
    folder_remove(folder);
}

static void a_key_that_others_can_read_is_refused(void **state)
{
    (void) state;
    char folder[FOLDER_SIZE], path[FOLDER_SIZE + 16];
    struct seal_key back;
    struct ts_err err;
    folder_make(folder);
    (void) snprintf(path, sizeof path, "%s/pair.key", folder);

    assert_int_equal(seal_key_write(path, &key, &err), TS_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(seal_key_read(path, &back, &err), TS_E_REFUSED);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, SEAL_KEY_SIZE - 1), 0);
    assert_int_equal(seal_key_read(path, &back, &err), TS_E_CORRUPT);
    assert_int_equal(truncate(path, SEAL_KEY_SIZE + 1), 0);
    assert_int_equal(seal_key_read(path, &back, &err), TS_E_CORRUPT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(seal_key_read(path, &back, &err), TS_E_NOT_FOUND);
    folder_remove(folder);
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
        cmocka_unit_test_setup(a_key_survives_its_file, make),
        cmocka_unit_test_setup(a_key_that_others_can_read_is_refused, make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
