/* certificate: keys are made here, kept private, and not believed unread. */
#include "tests/lib/test.h"

#include <czmq.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "replication/certificate.h"
#include "replication/pair_folder.h"
#include "tests/lib/folder.h"

static char folder[FOLDER_SIZE];
static struct ts_err err;

static int make_folder(void **state)
{
    (void) state;
    folder_make(folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void) state;
    folder_remove(folder);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[PAIR_PATH_SIZE];
    assert_int_equal(pair_path(folder, name, path, &err), TS_OK);
    return path;
}

static unsigned mode_of(const char *name)
{
    struct stat st;
    assert_int_equal(stat(path_of(name), &st), 0);
    return st.st_mode & 07777;
}

static void write_over(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    (void) fputs(text, file);
    (void) fclose(file);
}

static struct certificate make_own(void)
{
    struct certificate own;
    assert_int_equal(certificate_own(folder, "alpha", &own, &err), TS_OK);
    return own;
}

static void own_keys_are_made_once_and_secret(void **state)
{
    (void) state;
    struct certificate first, loaded;
    mode_t usual = umask(0);
    first = make_own();
    (void) umask(usual);
    assert_int_equal(mode_of("node.cert_secret"), 0600);
    assert_int_equal(mode_of("node.cert"), 0644);
    assert_int_equal(mode_of(""), 0700);
    struct certificate again = make_own();
    assert_memory_equal(&first, &again, sizeof first);
    assert_int_equal(certificate_load_own(folder, &loaded, &err), TS_OK);
    assert_memory_equal(&first, &loaded, sizeof first);
    assert_true(certificate_is_key(first.public_key));
    assert_string_not_equal(first.public_key, first.secret_key);
}

/* CZMQ reads what we have written, with both halves of the key. */
static void files_are_in_the_format_of_zcert(void **state)
{
    (void) state;
    struct certificate own = make_own();
    zcert_t *cert = zcert_load(path_of("node.cert"));
    assert_non_null(cert);
    assert_string_equal(zcert_public_txt(cert), own.public_key);
    assert_string_equal(zcert_secret_txt(cert), own.secret_key);
    zcert_destroy(&cert);
}

static void a_crash_between_the_two_files_is_made_good(void **state)
{
    (void) state;
    struct certificate first = make_own();
    assert_int_equal(unlink(path_of("node.cert")), 0);
    struct certificate again = make_own();
    assert_string_equal(first.public_key, again.public_key);
    assert_int_equal(mode_of("node.cert"), 0644);
}

static void a_secret_that_others_can_read_is_refused(void **state)
{
    (void) state;
    struct certificate own = make_own();
    assert_int_equal(chmod(path_of("node.cert_secret"), 0640), 0);
    assert_int_equal(certificate_load_own(folder, &own, &err), TS_E_REFUSED);
    assert_non_null(strstr(err.text, "others than its owner can read it"));
    assert_int_equal(certificate_own(folder, "alpha", &own, &err),
                     TS_E_REFUSED);
}

static void a_certificate_that_others_can_change_is_refused(void **state)
{
    (void) state;
    struct certificate peer = make_own();
    assert_int_equal(certificate_store_peer(folder, &peer, &err), TS_OK);
    assert_int_equal(chmod(path_of("peers/alpha.cert"), 0666), 0);
    assert_int_equal(certificate_load(path_of("peers/alpha.cert"), &peer, &err),
                     TS_E_REFUSED);
    assert_int_equal(unlink(path_of("peers/alpha.cert")), 0);
    assert_int_equal(symlink("../node.cert", path_of("peers/alpha.cert")), 0);
    assert_int_equal(certificate_load(path_of("peers/alpha.cert"), &peer, &err),
                     TS_E_REFUSED);
}

static void a_peer_is_stored_without_its_secret(void **state)
{
    (void) state;
    struct certificate peer, loaded;
    assert_int_equal(certificate_draw("beta", &peer, &err), TS_OK);
    assert_int_equal(certificate_store_peer(folder, &peer, &err), TS_OK);
    assert_int_equal(
        certificate_load(path_of("peers/beta.cert"), &loaded, &err), TS_OK);
    assert_string_equal(loaded.name, "beta");
    assert_string_equal(loaded.public_key, peer.public_key);
    assert_string_equal(loaded.secret_key, "");
}

static void names_cannot_leave_the_folder(void **state)
{
    (void) state;
    struct certificate peer = { .name = "../beta" };
    char path[PAIR_PATH_SIZE];
    assert_int_equal(certificate_store_peer(folder, &peer, &err), TS_E_CONFIG);
    assert_int_equal(certificate_peer_path(folder, "a/b", path, &err),
                     TS_E_CONFIG);
    assert_int_equal(certificate_draw("..", &peer, &err), TS_E_CONFIG);
    assert_true(certificate_is_name("node-1.example"));
    assert_false(certificate_is_name(""));
    assert_false(certificate_is_name("Node"));
}

static void damaged_certificates_are_refused(void **state)
{
    (void) state;
    struct certificate c = make_own();
    static const char *const damaged[] = {
        "",
        "curve\n    public-key = \"short\"\n",
        "metadata\n    name = \"alpha\"\ncurve\n    public-key = \"short\"\n",
        "metadata\n    name = \"a/b\"\ncurve\n    public-key = "
        "\"0123456789012345678901234567890123456789\"\n",
        "metadata\n    name = \"alpha\"\ncurve\n    public-key = "
        "\"                                        \"\n",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        write_over("node.cert", damaged[i]);
        assert_int_equal(certificate_load(path_of("node.cert"), &c, &err),
                         TS_E_CORRUPT);
    }
    /* A secret that is not this public key's. */
    struct certificate other;
    char text[512];
    assert_int_equal(certificate_draw("alpha", &other, &err), TS_OK);
    (void) snprintf(text, sizeof text,
                    "metadata\n    name = \"alpha\"\ncurve\n    public-key = "
                    "\"%s\"\n    secret-key = \"%s\"\n",
                    other.public_key, c.secret_key);
    write_over("node.cert_secret", text);
    assert_int_equal(certificate_load_own(folder, &c, &err), TS_E_CORRUPT);
    assert_non_null(strstr(err.text, "its two keys are no pair"));
}

static void a_state_directory_of_another_node_is_told(void **state)
{
    (void) state;
    struct certificate own = make_own();
    assert_int_equal(certificate_own(folder, "beta", &own, &err),
                     TS_E_CONFLICT);
    assert_non_null(strstr(err.text, "it is of node \"alpha\", and this is"));
}

static void the_pairs_key_is_made_once_and_secret(void **state)
{
    (void) state;
    uint8_t key[PAIR_KEY_SIZE], again[PAIR_KEY_SIZE];
    assert_int_equal(pair_key_load(folder, key, &err), TS_E_NOT_FOUND);
    assert_int_equal(pair_key_own(folder, key, &err), TS_OK);
    assert_int_equal(pair_key_own(folder, again, &err), TS_OK);
    assert_memory_equal(key, again, sizeof key);
    assert_int_equal(mode_of("pair.key"), 0600);
    write_over("pair.key", "short");
    assert_int_equal(pair_key_load(folder, key, &err), TS_E_CORRUPT);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(own_keys_are_made_once_and_secret),
        TEST(files_are_in_the_format_of_zcert),
        TEST(a_crash_between_the_two_files_is_made_good),
        TEST(a_secret_that_others_can_read_is_refused),
        TEST(a_certificate_that_others_can_change_is_refused),
        TEST(a_peer_is_stored_without_its_secret),
        TEST(names_cannot_leave_the_folder),
        TEST(damaged_certificates_are_refused),
        TEST(a_state_directory_of_another_node_is_told),
        TEST(the_pairs_key_is_made_once_and_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
