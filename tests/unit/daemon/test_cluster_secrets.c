/* Passwords on their way to the other member: node/daemon/cluster_secrets.h.
 *
 * The link is this test: what is sent is noted, and answered when the test says
 * so. The credentials' thread is a thread where it has to wait. */
#include "tests/lib/test.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "node/daemon/cluster_secrets.h"
#include "node/vault/share.h"
#include "replication/certificate.h"
#include "tests/lib/folder.h"

#define NAME "source/corp"

static struct {
    char folder[FOLDER_SIZE];
    struct post *post;
    struct cluster_secrets *secrets;
    const struct credential_peer *port;
    int sent, offers, wins;
    uint64_t number; /* of the last that was sent */
    uint8_t sealed[WIRE_SECRET_MAX];
    size_t sealed_size;
    int64_t held_ms;
} world;

static void on_send(void *context, const struct wire_message *message)
{
    (void) context;
    assert_int_equal(message->kind, WIRE_SECRET);
    assert_string_equal(message->secret.name, NAME);
    world.sent++;
    world.number = message->secret.number;
    world.sealed_size = message->secret.sealed.size;
    memcpy(world.sealed, message->secret.sealed.data, world.sealed_size);
}

static void on_offer(void *context)
{
    (void) context;
    world.offers++;
}

static void on_active(void *context)
{
    (void) context;
    world.wins++;
}

static int64_t on_held_ms(void *context)
{
    (void) context;
    return world.held_ms;
}

static int make(void **state)
{
    (void) state;
    struct ts_err err;
    uint8_t key[PAIR_KEY_SIZE];
    memset(&world, 0, sizeof world);
    folder_make(world.folder);
    world.held_ms = 1000;
    assert_int_equal(pair_key_own(world.folder, key, &err), TS_OK);
    assert_int_equal(post_new(&world.post, &err), TS_OK);
    const struct cluster_secrets_options options = {
        .state_directory = world.folder,
        .post = world.post,
        .send = on_send,
        .offer = on_offer,
        .active = on_active,
        .held_ms = on_held_ms,
    };
    assert_int_equal(cluster_secrets_new(&options, &world.secrets, &err),
                     TS_OK);
    world.port = cluster_secrets_port(world.secrets);
    return 0;
}

static int drop(void **state)
{
    (void) state;
    cluster_secrets_close(world.secrets);
    post_close(world.post);
    post_free(world.post);
    cluster_secrets_free(world.secrets);
    folder_remove(world.folder);
    return 0;
}

static struct secrets_view paired(void)
{
    return (struct secrets_view){ .audience = SECRETS_PEER,
                                  .node = "beta",
                                  .link_up = true,
                                  .is_active = true,
                                  .epoch = 3 };
}

static void see(struct secrets_view view)
{
    cluster_secrets_publish(world.secrets, &view);
}

static void give(const char *secret)
{
    const struct ts_hash account = { { 1 } };
    struct vault_kept kept = { .name = NAME, .epoch = 3, .serial = 1 };
    struct ts_err err = { .text = "" };
    (void) snprintf(kept.current, sizeof kept.current, "%s", secret);
    assert_int_equal(
        world.port->give(world.port->context, &kept, &account, &err), TS_OK);
    post_step(world.post);
}

static enum ts_code wait_kept(struct ts_err *err)
{
    return world.port->wait(world.port->context, NAME, err);
}

static void answer(uint64_t number, enum wire_secret_outcome outcome)
{
    cluster_secrets_answered(world.secrets,
                             &(struct wire_secret_kept){ .number = number,
                                                         .name = NAME,
                                                         .outcome = outcome,
                                                         .text = "because" });
}

static void later(int64_t ms)
{
    cluster_secrets_step(world.secrets, ts_time_after(ts_time_now(), ms));
}

static void what_is_given_is_sent_sealed_until_it_is_answered(void **state)
{
    (void) state;
    struct ts_err err;
    see(paired());
    give("a secret");
    assert_int_equal(world.sent, 1);
    assert_null(memmem(world.sealed, world.sealed_size, "a secret", 8));
    later(10);
    assert_int_equal(world.sent, 1);
    later(CLUSTER_SECRETS_AGAIN_MS + 10);
    assert_int_equal(world.sent, 2);
    answer(world.number, WIRE_SECRET_IS_KEPT);
    later(3 * CLUSTER_SECRETS_AGAIN_MS);
    assert_int_equal(world.sent, 2);
    assert_int_equal(wait_kept(&err), TS_OK);
}

static void an_answer_to_an_earlier_one_is_no_answer(void **state)
{
    (void) state;
    struct ts_err err;
    see(paired());
    give("one");
    uint64_t first = world.number;
    give("another");
    assert_true(world.number > first);
    answer(first, WIRE_SECRET_IS_KEPT);
    later(CLUSTER_SECRETS_AGAIN_MS + 10);
    assert_int_equal(world.sent, 3);
    answer(world.number, WIRE_SECRET_REFUSED);
    answer(first, WIRE_SECRET_IS_KEPT);
    assert_int_equal(wait_kept(&err), TS_E_REFUSED);
    assert_non_null(strstr(err.text, "because"));
}

static void nobody_but_a_member_is_sent_anything(void **state)
{
    (void) state;
    struct ts_err err;
    struct secrets_view view = paired();
    view.audience = SECRETS_NOBODY;
    view.node = NULL;
    see(view);
    give("a secret");
    later(CLUSTER_SECRETS_AGAIN_MS + 10);
    assert_int_equal(world.sent, 0);
    assert_int_equal(wait_kept(&err), TS_OK);
    view.audience = SECRETS_ABSENT;
    view.absent = "gamma";
    see(view);
    later(2 * CLUSTER_SECRETS_AGAIN_MS);
    assert_int_equal(world.sent, 0);
    assert_int_equal(wait_kept(&err), TS_E_UNREACHABLE);
    assert_non_null(strstr(err.text, "\"gamma\" is away"));
}

/* A lost voter's place is being taken: the learner has it, the lost one not. */
static void
a_learner_is_told_and_does_not_stand_for_the_one_who_is_away(void **state)
{
    (void) state;
    struct ts_err err;
    struct secrets_view view = paired();
    view.node = "gamma";
    view.absent = "beta";
    see(view);
    give("a secret");
    assert_int_equal(world.sent, 1);
    answer(world.number, WIRE_SECRET_IS_KEPT);
    assert_int_equal(world.port->ready(world.port->context, &err),
                     TS_E_UNREACHABLE);
    assert_int_equal(wait_kept(&err), TS_E_UNREACHABLE);
    assert_non_null(strstr(err.text, "\"beta\" is away"));
}

static void a_later_one_there_ends_the_sending(void **state)
{
    (void) state;
    struct ts_err err;
    see(paired());
    give("a secret");
    answer(world.number, WIRE_SECRET_STALE);
    later(2 * CLUSTER_SECRETS_LATER_MS);
    assert_int_equal(world.sent, 1);
    assert_int_equal(wait_kept(&err), TS_E_REFUSED);
}

static void
both_give_what_they_keep_when_they_meet_and_when_the_lease_moves(void **state)
{
    (void) state;
    struct secrets_view view = paired();
    view.is_active = false;
    see(view);
    assert_int_equal(world.offers, 1);
    see(view);
    assert_int_equal(world.offers, 1);
    view.is_active = true;
    see(view);
    assert_int_equal(world.offers, 2);
    assert_int_equal(world.wins, 1);
    view.is_active = false;
    see(view);
    assert_int_equal(world.offers, 3);
    view.link_up = false;
    see(view);
    view.link_up = true;
    see(view);
    assert_int_equal(world.offers, 4);
    view.node = "gamma";
    see(view);
    assert_int_equal(world.offers, 5);
}

static void the_lease_is_held_by_clocks_and_not_by_the_role_alone(void **state)
{
    (void) state;
    see(paired());
    assert_true(world.port->holds(world.port->context));
    world.held_ms = 0;
    assert_false(world.port->holds(world.port->context));
    world.held_ms = 1000;
    struct secrets_view view = paired();
    view.is_active = false;
    see(view);
    assert_false(world.port->holds(world.port->context));
}

static void *wait_in_a_thread(void *context)
{
    struct ts_err err;
    *(enum ts_code *) context = wait_kept(&err);
    return NULL;
}

static void whoever_waits_is_woken_by_the_end_and_by_a_lost_lease(void **state)
{
    (void) state;
    for (int how = 0; how < 2; how++) {
        enum ts_code code = TS_OK;
        pthread_t thread;
        see(paired());
        give("a secret");
        assert_int_equal(pthread_create(&thread, NULL, wait_in_a_thread, &code),
                         0);
        struct ts_time began = ts_time_now();
        struct secrets_view view = paired();
        view.is_active = false;
        if (how == 0) {
            see(view);
        } else {
            cluster_secrets_close(world.secrets);
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(code, TS_E_CANCELLED);
        assert_true(ts_time_now().ms - began.ms < CLUSTER_SECRETS_WAIT_MS / 2);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_given_is_sent_sealed_until_it_is_answered),
        TEST(an_answer_to_an_earlier_one_is_no_answer),
        TEST(nobody_but_a_member_is_sent_anything),
        TEST(a_learner_is_told_and_does_not_stand_for_the_one_who_is_away),
        TEST(a_later_one_there_ends_the_sending),
        TEST(both_give_what_they_keep_when_they_meet_and_when_the_lease_moves),
        TEST(the_lease_is_held_by_clocks_and_not_by_the_role_alone),
        TEST(whoever_waits_is_woken_by_the_end_and_by_a_lost_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
