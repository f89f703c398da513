/* pairing: two processes and a token, with crashes in between. The issuer does
 * what the daemon does; this process only looks at the two folders. */
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/time.h"
#include "replication/link.h"
#include "replication/pair_folder.h"
#include "replication/pairing.h"
#include "tests/lib/folder.h"

#define JOIN_MS    5000
#define STARTUP_MS 10000

static char alpha_folder[FOLDER_SIZE], beta_folder[FOLDER_SIZE];
static char endpoint[64];
static struct pairing alpha, beta;
static struct pairing_invitation invitation;
static pid_t issuer;
static struct ts_err err;

/* ---- the issuer's process ------------------------------------------------ */

struct host {
    struct link *link;
    bool is_met;
};

static void heard(void *context, const struct wire_message *message)
{
    (void) context;
    (void) message;
}

static void changed(void *context, bool is_up)
{
    (void) context;
    (void) is_up;
}

static void refused(void *context, const char *address, const char *key,
                    const char *why)
{
    (void) context;
    (void) address;
    (void) key;
    (void) why;
}

static void met(void *context)
{
    struct host *host = context;
    host->is_met = true;
}

static void guest(void *context, const struct link_guest_message *message)
{
    struct host *host = context;
    struct pairing_served served;
    struct ts_err why;
    if (pairing_serve(&alpha, message->bytes, &served, &why) == TS_OK &&
        (!served.is_met ||
         link_meet(host->link, served.peer.public_key, &why) == TS_OK)) {
        link_reply(host->link, message->reply,
                   ts_slice(served.reply.data, served.reply.size));
    }
}

static bool host_open(struct host *host)
{
    struct certificate own, peer;
    struct pairing_invitation open;
    struct zap *zap = NULL;
    char path[PAIR_PATH_SIZE];
    struct ts_err why;
    bool is_paired =
        certificate_peer_path(alpha_folder, "beta", path, &why) == TS_OK &&
        certificate_load(path, &peer, &why) == TS_OK;
    struct link_options options = {
        .own = &own,
        .endpoint = endpoint,
        .peer_name = "beta",
        .peer_endpoint = "tcp://127.0.0.1:9", /* beta does not run yet */
        .peer_key = is_paired ? peer.public_key : NULL,
        .heartbeat_ms = 10000,
        .events = { heard, changed, met, refused, guest, host },
    };
    if (certificate_load_own(alpha_folder, &own, &why) != TS_OK ||
        zap_new(&zap, &why) != TS_OK) {
        return false;
    }
    options.zap = zap;
    if (link_open(&options, &host->link, &why) != TS_OK) {
        return false;
    }
    return pairing_open(&alpha, &open, &why) != TS_OK ||
           link_invite(host->link, open.guest_key,
                       ts_time_after(ts_time_now(), open.left_ms),
                       &why) == TS_OK;
}

static void host_run(int ready)
{
    struct host host = { .is_met = false };
    struct ts_err why;
    if (!host_open(&host) || write(ready, "r", 1) != 1) {
        _exit(1);
    }
    for (;;) {
        struct pollfd fd = { .fd = link_fd(host.link), .events = POLLIN };
        (void) poll(&fd, 1, 20);
        link_step(host.link, ts_time_now());
        if (host.is_met) {
            host.is_met = false;
            link_dismiss(host.link, "");
            if (pairing_close(&alpha, &why) != TS_OK) {
                _exit(2);
            }
        }
    }
}

/* With `failpoint` (NULL: none) it dies there. */
static void start_issuer(const char *failpoint)
{
    int fds[2];
    char byte = 0;
    assert_int_equal(pipe(fds), 0);
    issuer = fork();
    assert_true(issuer >= 0);
    if (issuer == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) (failpoint == NULL ? 0
                                  : setenv("TWINSYNC_FAILPOINT", failpoint, 1));
        host_run(fds[1]);
    }
    struct pollfd ready = { .fd = fds[0], .events = POLLIN };
    (void) close(fds[1]);
    assert_int_equal(poll(&ready, 1, STARTUP_MS), 1);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    (void) close(fds[0]);
}

static void stop_issuer(void)
{
    if (issuer > 0) {
        (void) kill(issuer, SIGKILL);
        assert_int_equal(waitpid(issuer, NULL, 0), issuer);
        issuer = 0;
    }
}

/* ---- the joiner's process ------------------------------------------------ */

struct outcome {
    bool was_killed;
    enum ts_code code;
    struct pairing_joined joined;
    char text[512];
};

static void joiner_run(const struct pairing *as, const char *token,
                       int64_t timeout_ms, int report)
{
    struct outcome outcome = { .was_killed = false };
    struct ts_err why = { 0 };
    outcome.code = pairing_join(as, token, timeout_ms, &outcome.joined, &why);
    memcpy(outcome.text, why.text, sizeof outcome.text);
    _exit(write(report, &outcome, sizeof outcome) == sizeof outcome ? 0 : 1);
}

static struct outcome join_as(const struct pairing *as, const char *token,
                              const char *failpoint, int64_t timeout_ms)
{
    struct outcome outcome = { .was_killed = true };
    int fds[2], status = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t joiner = fork();
    assert_true(joiner >= 0);
    if (joiner == 0) {
        (void) (failpoint == NULL ? 0
                                  : setenv("TWINSYNC_FAILPOINT", failpoint, 1));
        joiner_run(as, token, timeout_ms, fds[1]);
    }
    (void) close(fds[1]);
    ssize_t got = read(fds[0], &outcome, sizeof outcome);
    (void) close(fds[0]);
    assert_int_equal(waitpid(joiner, &status, 0), joiner);
    outcome.was_killed = got != sizeof outcome;
    assert_int_equal(outcome.was_killed, WIFSIGNALED(status));
    return outcome;
}

static struct outcome join(void)
{
    return join_as(&beta, invitation.token, NULL, JOIN_MS);
}

/* ---- what is on the disks ------------------------------------------------ */

static bool is_there(const char *folder, const char *name)
{
    char path[PAIR_PATH_SIZE];
    assert_int_equal(pair_path(folder, name, path, &err), TS_OK);
    return access(path, F_OK) == 0;
}

static void assert_paired(void)
{
    struct certificate a, b, of_a, of_b;
    uint8_t key_a[PAIR_KEY_SIZE], key_b[PAIR_KEY_SIZE];
    char path[PAIR_PATH_SIZE];
    assert_int_equal(certificate_load_own(alpha_folder, &a, &err), TS_OK);
    assert_int_equal(certificate_load_own(beta_folder, &b, &err), TS_OK);
    assert_int_equal(certificate_peer_path(alpha_folder, "beta", path, &err),
                     TS_OK);
    assert_int_equal(certificate_load(path, &of_b, &err), TS_OK);
    assert_int_equal(certificate_peer_path(beta_folder, "alpha", path, &err),
                     TS_OK);
    assert_int_equal(certificate_load(path, &of_a, &err), TS_OK);
    assert_string_equal(a.public_key, of_a.public_key);
    assert_string_equal(b.public_key, of_b.public_key);
    assert_int_equal(pair_key_load(alpha_folder, key_a, &err), TS_OK);
    assert_int_equal(pair_key_load(beta_folder, key_b, &err), TS_OK);
    assert_memory_equal(key_a, key_b, sizeof key_a);
    char partner[CERTIFICATE_NAME_SIZE];
    assert_int_equal(pair_partner_load(alpha_folder, partner, &err), TS_OK);
    assert_string_equal(partner, "beta");
    assert_int_equal(pair_partner_load(beta_folder, partner, &err), TS_OK);
    assert_string_equal(partner, "alpha");
}

/* The issuer's loop closes the invitation soon after the proof. */
static void assert_invitation_ends(void)
{
    struct ts_time deadline = ts_time_after(ts_time_now(), STARTUP_MS);
    while (is_there(alpha_folder, "token")) {
        assert_false(ts_time_reached(ts_time_now(), deadline));
    }
}

static void assert_refused(struct outcome outcome, enum ts_code code,
                           const char *text)
{
    assert_false(outcome.was_killed);
    assert_int_equal(outcome.code, code);
    if (strstr(outcome.text, text) == NULL) {
        fail_msg("not in \"%s\": \"%s\"", outcome.text, text);
    }
}

/* ---- setting up ---------------------------------------------------------- */

static void choose_endpoint(void)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
    } at = { .v4 = { .sin_family = AF_INET,
                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, &at.any, sizeof at.v4), 0);
    assert_int_equal(getsockname(fd, &at.any, &size), 0);
    (void) close(fd);
    (void) snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u",
                    ntohs(at.v4.sin_port));
}

static int set_up(void **state)
{
    (void) state;
    folder_make(alpha_folder);
    folder_make(beta_folder);
    choose_endpoint();
    alpha = (struct pairing){ alpha_folder, "corp", "alpha", endpoint, "beta" };
    beta = (struct pairing){ beta_folder, "corp", "beta", "tcp://127.0.0.1:9",
                             "alpha" };
    assert_int_equal(
        pairing_invite(&alpha, PAIRING_LIFETIME_S, &invitation, &err), TS_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void) state;
    stop_issuer();
    folder_remove(alpha_folder);
    folder_remove(beta_folder);
    return 0;
}

/* ---- joining ------------------------------------------------------------- */

static void a_token_pairs_two_computers(void **state)
{
    (void) state;
    start_issuer(NULL);
    struct outcome outcome = join();
    assert_int_equal(outcome.code, TS_OK);
    assert_false(outcome.joined.was_joined);
    assert_string_equal(outcome.joined.issuer, "alpha");
    assert_paired();
    assert_invitation_ends();
}

static void secrets_are_private_on_both_sides(void **state)
{
    (void) state;
    static const char *const secrets[] = { "node.cert_secret", "pair.key" };
    const char *folders[] = { alpha_folder, beta_folder };
    start_issuer(NULL);
    assert_int_equal(join().code, TS_OK);
    for (size_t i = 0; i < 4; i++) {
        char path[PAIR_PATH_SIZE];
        struct stat st;
        assert_int_equal(pair_path(folders[i / 2], secrets[i % 2], path, &err),
                         TS_OK);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static void a_token_works_once(void **state)
{
    (void) state;
    char other_folder[FOLDER_SIZE];
    folder_make(other_folder);
    start_issuer(NULL);
    assert_int_equal(join().code, TS_OK);
    assert_invitation_ends();
    struct pairing thief = beta;
    thief.state_directory = other_folder;
    assert_refused(join_as(&thief, invitation.token, NULL, JOIN_MS), TS_E_AUTH,
                   "the token was used, has expired, or was replaced");
    assert_false(is_there(other_folder, "pair.key"));
    assert_paired();
    folder_remove(other_folder);
}

/* Also while the first computer has not ended its joining. */
static void a_token_belongs_to_the_first_key_that_uses_it(void **state)
{
    (void) state;
    char other_folder[FOLDER_SIZE];
    folder_make(other_folder);
    start_issuer(NULL);
    assert_true(
        join_as(&beta, invitation.token, "join-answered", JOIN_MS).was_killed);
    struct pairing thief = beta;
    thief.state_directory = other_folder;
    assert_refused(join_as(&thief, invitation.token, NULL, JOIN_MS),
                   TS_E_REFUSED,
                   "the token was used by a computer with another key");
    assert_false(is_there(other_folder, "pair.key"));
    assert_int_equal(join().code, TS_OK);
    assert_paired();
    folder_remove(other_folder);
}

static void joining_again_only_proves(void **state)
{
    (void) state;
    start_issuer(NULL);
    assert_int_equal(join().code, TS_OK);
    assert_invitation_ends();
    struct outcome again = join();
    assert_int_equal(again.code, TS_OK);
    assert_true(again.joined.was_joined);
}

static void a_joiner_that_dies_anywhere_may_run_again(void **state)
{
    (void) state;
    static const char *const points[] = { "join-own-made", "join-answered",
                                          "join-peer-kept", "join-key-kept" };
    start_issuer(NULL);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        assert_true(
            join_as(&beta, invitation.token, points[i], JOIN_MS).was_killed);
        assert_true(is_there(alpha_folder, "token"));
    }
    assert_int_equal(join().code, TS_OK);
    assert_paired();
    assert_invitation_ends();
}

static void an_issuer_that_dies_anywhere_goes_on_after_its_restart(void **state)
{
    (void) state;
    static const char *const points[] = { "join-taken", "join-admitted" };
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        start_issuer(points[i]);
        struct outcome outcome = join_as(&beta, invitation.token, NULL, 1000);
        assert_refused(outcome, TS_E_TIMEOUT, "run this again");
        stop_issuer();
    }
    start_issuer(NULL);
    assert_int_equal(join().code, TS_OK);
    assert_paired();
}

/* ---- refusals ------------------------------------------------------------ */

static void a_token_of_another_cluster_is_refused(void **state)
{
    (void) state;
    struct pairing other = beta;
    other.cluster = "branch";
    assert_refused(join_as(&other, invitation.token, NULL, JOIN_MS),
                   TS_E_CONFIG,
                   "it is of cluster \"corp\", and this configuration is of "
                   "\"branch\"");
    assert_false(is_there(beta_folder, "node.cert"));
}

static void a_token_for_another_node_is_refused(void **state)
{
    (void) state;
    struct pairing other = beta;
    other.node = "gamma";
    assert_refused(join_as(&other, invitation.token, NULL, JOIN_MS),
                   TS_E_CONFIG, "it is for node \"beta\", and this is");
    other = beta;
    other.peer = "delta";
    assert_refused(join_as(&other, invitation.token, NULL, JOIN_MS),
                   TS_E_CONFIG, "it is from node \"alpha\", and the other");
}

/* What the joiner checks, the issuer checks again: it believes nobody. */
static void the_issuer_checks_cluster_and_name_itself(void **state)
{
    (void) state;
    struct pairing_served served;
    struct join_request request = { "branch", "beta", { 1 } };
    struct join_bytes bytes;
    assert_int_equal(join_pack_request(&request, &bytes, &err), TS_OK);
    assert_int_equal(
        pairing_serve(&alpha, ts_slice(bytes.data, bytes.size), &served, &err),
        TS_OK);
    assert_false(served.is_met);
    assert_non_null(strstr(served.refusal, "this is cluster \"corp\""));

    request = (struct join_request){ "corp", "gamma", { 1 } };
    assert_int_equal(join_pack_request(&request, &bytes, &err), TS_OK);
    assert_int_equal(
        pairing_serve(&alpha, ts_slice(bytes.data, bytes.size), &served, &err),
        TS_OK);
    assert_false(served.is_met);
    assert_non_null(strstr(served.refusal, "for node \"beta\", not for"));
    assert_false(is_there(alpha_folder, "peers/gamma.cert"));

    assert_int_equal(
        pairing_serve(&alpha, ts_slice("nonsense", 8), &served, &err),
        TS_E_CORRUPT);
}

static void an_expired_token_is_refused_by_both(void **state)
{
    (void) state;
    struct pairing_served served;
    struct pairing_invitation open;
    struct join_request request = { "corp", "beta", { 1 } };
    struct join_bytes bytes;
    assert_int_equal(pairing_invite(&alpha, -1, &invitation, &err), TS_OK);
    assert_refused(join(), TS_E_AUTH, "it has expired 1 s ago; create a new");
    assert_int_equal(pairing_open(&alpha, &open, &err), TS_E_NOT_FOUND);
    assert_int_equal(join_pack_request(&request, &bytes, &err), TS_OK);
    assert_int_equal(
        pairing_serve(&alpha, ts_slice(bytes.data, bytes.size), &served, &err),
        TS_OK);
    assert_false(served.is_met);
    assert_non_null(strstr(served.refusal, "the token has expired"));
}

static void a_later_token_replaces_the_one_before(void **state)
{
    (void) state;
    struct pairing_invitation later;
    assert_int_equal(pairing_invite(&alpha, PAIRING_LIFETIME_S, &later, &err),
                     TS_OK);
    start_issuer(NULL);
    assert_refused(join(), TS_E_AUTH, "replaced by a later one");
    assert_int_equal(join_as(&beta, later.token, NULL, JOIN_MS).code, TS_OK);
}

static void a_third_computer_becomes_the_partner(void **state)
{
    (void) state;
    char partner[CERTIFICATE_NAME_SIZE];
    struct pairing_served served;
    struct join_request request = { "corp", "gamma", { 7 } };
    struct join_bytes bytes;
    assert_int_equal(pair_partner_load(alpha_folder, partner, &err),
                     TS_E_NOT_FOUND);
    assert_int_equal(pair_partner_store(alpha_folder, "beta", &err), TS_OK);
    alpha.peer = "gamma"; /* as `token create --node gamma` has it */
    assert_int_equal(
        pairing_invite(&alpha, PAIRING_LIFETIME_S, &invitation, &err), TS_OK);
    assert_string_equal(invitation.node, "gamma");
    assert_int_equal(pair_partner_load(alpha_folder, partner, &err), TS_OK);
    assert_string_equal(partner, "beta"); /* until it is used */
    assert_int_equal(join_pack_request(&request, &bytes, &err), TS_OK);
    assert_int_equal(
        pairing_serve(&alpha, ts_slice(bytes.data, bytes.size), &served, &err),
        TS_OK);
    assert_true(served.is_met);
    assert_int_equal(pair_partner_load(alpha_folder, partner, &err), TS_OK);
    assert_string_equal(partner, "gamma");
    assert_int_equal(pair_put(alpha_folder, "partner", ts_slice_str("../x"),
                              PAIR_PUBLIC, &err),
                     TS_OK);
    assert_int_equal(pair_partner_load(alpha_folder, partner, &err),
                     TS_E_CORRUPT);
}

static void an_altered_token_is_refused(void **state)
{
    (void) state;
    char *at = invitation.token + strlen(invitation.token) / 2;
    *at = *at == 'A' ? 'B' : 'A';
    assert_refused(join(), TS_E_CONFIG, "incomplete or was altered");
}

static void an_issuer_that_does_not_run_is_told(void **state)
{
    (void) state;
    assert_refused(join_as(&beta, invitation.token, NULL, 300),
                   TS_E_UNREACHABLE,
                   "no node with the token's key answers there");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_pairs_two_computers),
        TEST(secrets_are_private_on_both_sides),
        TEST(a_token_works_once),
        TEST(a_token_belongs_to_the_first_key_that_uses_it),
        TEST(joining_again_only_proves),
        TEST(a_joiner_that_dies_anywhere_may_run_again),
        TEST(an_issuer_that_dies_anywhere_goes_on_after_its_restart),
        TEST(a_token_of_another_cluster_is_refused),
        TEST(a_token_for_another_node_is_refused),
        TEST(the_issuer_checks_cluster_and_name_itself),
        TEST(an_expired_token_is_refused_by_both),
        TEST(a_later_token_replaces_the_one_before),
        TEST(a_third_computer_becomes_the_partner),
        TEST(an_altered_token_is_refused),
        TEST(an_issuer_that_does_not_run_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
