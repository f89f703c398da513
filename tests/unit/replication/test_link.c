/* link: real ZeroMQ with CURVE, over TCP. */
#include "tests/lib/test.h"

#include "tests/lib/links.h"

static struct links links;

static int open_links(void **state)
{
    (void) state;
    links_make(&links);
    return 0;
}

static int close_links(void **state)
{
    (void) state;
    links_done(&links);
    return 0;
}

/* The bytes of an Applied as `from` would send it. */
static size_t forge(const char *from, uint64_t session, uint64_t number,
                    uint8_t *bytes, size_t size)
{
    struct ts_arena arena;
    struct ts_slice packed = TS_SLICE_NONE;
    struct ts_err err;
    ts_arena_init(&arena, WIRE_FRAME_MAX);
    struct wire_message message = {
        .header = { .sender = from,
                    .boot = { { 1 } },
                    .session = session,
                    .number = number },
        .kind = WIRE_APPLIED,
    };
    message.applied.position.seq = (int64_t) number;
    assert_int_equal(wire_pack(&message, &arena, &packed, &err), TS_OK);
    assert_true(packed.size <= size);
    memcpy(bytes, packed.data, packed.size);
    ts_arena_done(&arena);
    return packed.size;
}

static void say_as(zsock_t *socket, const char *from, uint64_t session,
                   uint64_t number)
{
    uint8_t bytes[512];
    size_t size = forge(from, session, number, bytes, sizeof bytes);
    assert_true(zmq_send(zsock_resolve(socket), bytes, size, 0) >= 0);
}

/* ---- talking ------------------------------------------------------------- */

static bool both_heard_one(struct links *l)
{
    return l->alpha.heard == 1 && l->beta.heard == 1;
}

static void both_hear_each_other(void **state)
{
    (void) state;
    struct ts_err err;
    links_connect(&links);
    assert_int_equal(links_say(&links.alpha, 41, &err), TS_OK);
    assert_int_equal(links_say(&links.beta, 42, &err), TS_OK);
    links_until(&links, both_heard_one);
    assert_int_equal(links.beta.numbers[0], 41);
    assert_int_equal(links.alpha.numbers[0], 42);
    struct link_stats stats = link_stats(links.alpha.link);
    assert_int_equal(stats.sent, 1);
    assert_int_equal(stats.received, 1);
    assert_true(stats.silent_ms >= 0);
    assert_true(stats.is_met);
    assert_int_equal(stats.connects, 1);
}

static void beat(struct end *end)
{
    struct ts_err err;
    struct wire_message message = { .kind = WIRE_HEARTBEAT };
    assert_int_equal(link_send(end->link, &message, &err), TS_OK);
}

static bool answered(struct links *l)
{
    return link_stats(l->alpha.link).round_trip_us > 0;
}

static void a_heartbeat_gives_the_round_trip(void **state)
{
    (void) state;
    links_connect(&links);
    assert_int_equal(link_stats(links.alpha.link).round_trip_us, -1);
    beat(&links.alpha);
    links_until(&links, answered);
    assert_int_equal(links.beta.kinds[WIRE_HEARTBEAT], 1);
    assert_int_equal(links.alpha.kinds[WIRE_HEARTBEAT_REPLY], 0);
    assert_int_equal(link_stats(links.alpha.link).unanswered_ms, 0);
    assert_true(link_stats(links.alpha.link).round_trip_us < 5000000);
}

static bool beta_says_it_hears_nothing(struct links *l)
{
    struct link_stats stats = link_stats(l->alpha.link);
    bool is_seen = stats.peer_silent_ms >= 50 && stats.unanswered_ms >= 50;
    if (!is_seen) {
        beat(&l->beta);
    }
    return is_seen;
}

static bool beta_heard_a_heartbeat(struct links *l)
{
    return l->beta.kinds[WIRE_HEARTBEAT] > 0;
}

static void a_silence_in_one_direction_is_seen_by_both(void **state)
{
    (void) state;
    links_proxy(&links);
    links_connect(&links);
    beat(&links.alpha);
    links_until(&links, beta_heard_a_heartbeat);
    links_mute(&links);
    beat(&links.alpha);
    links_until(&links, beta_says_it_hears_nothing);
    struct link_stats alpha = link_stats(links.alpha.link);
    struct link_stats beta = link_stats(links.beta.link);
    assert_true(beta.silent_ms >= alpha.peer_silent_ms);
    assert_true(alpha.silent_ms < beta.silent_ms);
}

/* ---- whoever is not the peer --------------------------------------------- */

static bool beta_refused(struct links *l)
{
    return l->beta.refused > 0;
}

static void a_stranger_with_a_valid_key_is_refused_and_told(void **state)
{
    (void) state;
    struct certificate stranger;
    struct ts_err err;
    links_connect(&links);
    assert_int_equal(certificate_draw("mallory", &stranger, &err), TS_OK);
    zsock_t *socket = links_knock(&links.beta, &stranger);
    say_as(socket, "alpha", 1, 1);
    links_until(&links, beta_refused);
    assert_string_equal(links.beta.address, "127.0.0.1");
    assert_string_equal(links.beta.key, stranger.public_key);
    assert_string_equal(links.beta.why, "its key is not the peer's");
    links_for(&links, 100);
    assert_int_equal(links.beta.heard, 0);
    assert_int_equal(link_stats(links.beta.link).strangers, 1);
    zsock_destroy(&socket);
}

static void a_stranger_without_a_key_is_refused_and_told(void **state)
{
    (void) state;
    links_connect(&links);
    zsock_t *socket = links_knock(&links.beta, NULL);
    links_until(&links, beta_refused);
    assert_string_equal(links.beta.key, "");
    assert_string_equal(links.beta.why, "it did not speak CURVE to our key");
    zsock_destroy(&socket);
}

static bool somebody_knocked(struct links *l)
{
    return link_stats(l->beta.link).knocks == 2; /* the peer, and he */
}

static void another_protocol_on_the_port_is_told(void **state)
{
    (void) state;
    links_connect(&links);
    int fd = links_dial(&links.beta);
    static const char request[] = "GET / HTTP/1.0\r\n\r\n0123456789012345678901"
                                  "23456789012345678901234567890123456789";
    links_until(&links, somebody_knocked);
    assert_int_equal(send(fd, request, sizeof request, 0), sizeof request);
    links_until(&links, beta_refused);
    assert_memory_equal(links.beta.address, "127.0.0.1:", 10);
    (void) close(fd);
}

static bool many_strangers(struct links *l)
{
    return link_stats(l->beta.link).strangers >= LINK_STRANGERS_TOLD + 3;
}

static void many_strangers_are_counted_but_not_all_told(void **state)
{
    (void) state;
    links_connect(&links);
    zsock_t *sockets[LINK_STRANGERS_TOLD + 3];
    struct certificate stranger;
    struct ts_err err;
    assert_int_equal(certificate_draw("mallory", &stranger, &err), TS_OK);
    for (int i = 0; i < LINK_STRANGERS_TOLD + 3; i++) {
        sockets[i] = links_knock(&links.beta, &stranger);
    }
    links_until(&links, many_strangers);
    assert_int_equal(links.beta.refused, LINK_STRANGERS_TOLD);
    for (int i = 0; i < LINK_STRANGERS_TOLD + 3; i++) {
        zsock_destroy(&sockets[i]);
    }
}

static bool beta_lost_nothing_more(struct links *l)
{
    struct link_stats stats = link_stats(l->beta.link);
    return stats.received + stats.replayed + stats.corrupt + stats.foreign +
               stats.versions ==
           8;
}

/* The peer's key, and yet nothing of it is believed unread. */
static void replayed_foreign_and_corrupt_messages_are_dropped(void **state)
{
    (void) state;
    uint8_t bytes[512];
    links_start(&links, &links.beta, &links.alpha, true);
    zsock_t *socket = links_knock(&links.beta, &links.alpha.own);
    void *raw = zsock_resolve(socket);
    say_as(socket, "alpha", 5, 1);
    say_as(socket, "alpha", 5, 2);
    say_as(socket, "alpha", 5, 2); /* replayed */
    say_as(socket, "alpha", 6, 1); /* the next session */
    say_as(socket, "alpha", 5, 3); /* replayed: that session is over */
    say_as(socket, "gamma", 6, 2); /* foreign */
    size_t size = forge("alpha", 6, 3, bytes, sizeof bytes);
    assert_true(zmq_send(raw, bytes, size - 1, 0) >= 0); /* corrupt */
    assert_true(zmq_send(raw, "a", 1, ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(raw, "b", 1, 0) >= 0); /* corrupt: two frames */
    links_until(&links, beta_lost_nothing_more);
    struct link_stats stats = link_stats(links.beta.link);
    assert_int_equal(stats.received, 3);
    assert_int_equal(stats.replayed, 2);
    assert_int_equal(stats.foreign, 1);
    assert_int_equal(stats.corrupt, 2);
    assert_int_equal(links.beta.heard, 3);
    assert_memory_equal(link_complaint(links.beta.link),
                        "cannot take a message", 21);
    zsock_destroy(&socket);
}

static bool beta_complained(struct links *l)
{
    return link_stats(l->beta.link).versions == 1;
}

static void
a_newer_version_is_told_and_an_unknown_body_passed_over(void **state)
{
    (void) state;
    uint8_t bytes[512];
    links_start(&links, &links.beta, &links.alpha, true);
    zsock_t *socket = links_knock(&links.beta, &links.alpha.own);
    size_t size = forge("alpha", 5, 1, bytes, sizeof bytes);
    memcpy(bytes + size, "\xea\x04\x02hi", 5); /* a field of the header */
    assert_true(zmq_send(zsock_resolve(socket), bytes, size + 5, 0) >= 0);
    bytes[1] = bytes[3] = WIRE_VERSION + 1; /* version and its minimum */
    assert_true(zmq_send(zsock_resolve(socket), bytes, size, 0) >= 0);
    links_until(&links, beta_complained);
    assert_int_equal(links.beta.heard, 1);
    assert_int_equal(link_stats(links.beta.link).unknown_fields, 1);
    assert_non_null(strstr(link_complaint(links.beta.link), "upgrade this"));
    zsock_destroy(&socket);
}

/* ---- connections that come and go ---------------------------------------- */

static bool alpha_down(struct links *l)
{
    return !link_stats(l->alpha.link).is_up;
}

static bool both_up_again(struct links *l)
{
    return link_stats(l->alpha.link).is_up && link_stats(l->beta.link).is_up;
}

static bool beta_heard_one(struct links *l)
{
    return l->beta.heard == 1;
}

static void a_peer_that_restarts_is_found_again(void **state)
{
    (void) state;
    struct ts_err err;
    links_connect(&links);
    links_stop(&links.beta);
    links_until(&links, alpha_down);
    assert_int_equal(links.alpha.downs, 1);
    assert_int_equal(links_say(&links.alpha, 1, &err), TS_E_UNREACHABLE);
    links_start(&links, &links.beta, &links.alpha, true);
    links_until(&links, both_up_again);
    assert_int_equal(link_stats(links.alpha.link).connects, 2);
    assert_int_equal(links_say(&links.alpha, 2, &err), TS_OK);
    links_until(&links, beta_heard_one);
    assert_int_equal(links.beta.numbers[0], 2);
}

static void a_peer_that_does_not_know_us_yet_is_asked_again(void **state)
{
    (void) state;
    struct ts_err err;
    links_start(&links, &links.beta, &links.alpha, false);
    links_start(&links, &links.alpha, &links.beta, true);
    links_until(&links, beta_refused);
    links_for(&links, 50);
    assert_false(link_stats(links.alpha.link).is_up);
    assert_non_null(strstr(link_complaint(links.alpha.link), "does not know"));
    assert_int_equal(
        link_meet(links.beta.link, links.alpha.own.public_key, &err), TS_OK);
    links_until(&links, both_up_again);
}

static void a_peer_that_does_not_read_fills_only_the_bound(void **state)
{
    (void) state;
    static uint8_t data[WIRE_CHUNK_MAX];
    struct ts_err err;
    links_connect(&links);
    struct wire_message message = { .kind = WIRE_SNAPSHOT_CHUNK };
    message.snapshot_chunk.id.bytes[0] = 1;
    message.snapshot_chunk.data = ts_slice(data, sizeof data);
    unsigned sent = 0;
    struct ts_time deadline = ts_time_after(ts_time_now(), 500);
    while (!ts_time_reached(ts_time_now(), deadline)) {
        if (link_send(links.alpha.link, &message, &err) == TS_OK) {
            sent++;
            deadline = ts_time_after(ts_time_now(), 500);
        }
    }
    /* Ours, the peer's, and what the kernel's buffers hold. */
    assert_in_range(sent, LINK_QUEUE_MAX, 2 * LINK_QUEUE_MAX + 16);
    assert_int_equal(err.code, TS_E_TIMEOUT);
    assert_true(link_stats(links.alpha.link).full > 0);
    assert_non_null(strstr(err.text, "does not read the 32 messages"));
}

static bool beta_heard_foreign(struct links *l)
{
    return link_stats(l->beta.link).foreign == 1;
}

static void a_peer_with_a_new_key_replaces_the_one_before(void **state)
{
    (void) state;
    struct certificate fresh;
    struct ts_err err;
    links_connect(&links);
    assert_int_equal(certificate_draw("alpha", &fresh, &err), TS_OK);
    assert_int_equal(link_meet(links.beta.link, fresh.public_key, &err), TS_OK);
    /* Alpha's connection is still there, with the key of before. */
    assert_int_equal(links_say(&links.alpha, 1, &err), TS_OK);
    links_until(&links, beta_heard_foreign);
    assert_int_equal(links.beta.heard, 0);
}

static bool beta_refused_one(struct links *l)
{
    return l->beta.refused > 0;
}

static void another_node_takes_the_place_of_the_peer(void **state)
{
    (void) state;
    struct certificate gamma;
    struct ts_err err;
    links_connect(&links);
    assert_int_equal(certificate_draw("gamma", &gamma, &err), TS_OK);
    assert_int_equal(link_turn(links.beta.link, "gamma", "tcp://127.0.0.1:9",
                               gamma.public_key, &err),
                     TS_OK);
    assert_int_equal(links.beta.downs, 1);
    assert_int_equal(link_stats(links.beta.link).silent_ms, -1);
    assert_int_equal(links_say(&links.alpha, 1, &err), TS_OK);
    links_until(&links, beta_heard_foreign);
    assert_int_equal(links.beta.heard, 0);
    links_stop(&links.alpha); /* and a connection of its own is refused */
    links_start(&links, &links.alpha, &links.beta, true);
    links_until(&links, beta_refused_one);
    assert_string_equal(links.beta.key, links.alpha.own.public_key);
    assert_int_equal(link_turn(links.beta.link, "../x", "tcp://127.0.0.1:9",
                               gamma.public_key, &err),
                     TS_E_CONFIG);
}

/* ---- guests -------------------------------------------------------------- */

static bool beta_had_a_guest(struct links *l)
{
    return l->beta.guests == 1;
}

static void a_guest_is_heard_and_answered_until_it_is_dismissed(void **state)
{
    (void) state;
    struct certificate guest;
    struct ts_err err;
    char answer[8] = "";
    links_connect(&links);
    assert_int_equal(certificate_draw("gamma", &guest, &err), TS_OK);
    assert_int_equal(link_invite(links.beta.link, guest.public_key,
                                 ts_time_after(ts_time_now(), 60000), &err),
                     TS_OK);
    zsock_t *socket = links_knock(&links.beta, &guest);
    void *raw = zsock_resolve(socket);
    assert_true(zmq_send(raw, "hello", 5, 0) >= 0);
    links_until(&links, beta_had_a_guest);
    assert_string_equal(links.beta.guest_bytes, "hello");
    link_reply(links.beta.link, links.beta.guest.reply, ts_slice("you", 3));
    zsock_set_rcvtimeo(socket, 5000);
    assert_int_equal(zmq_recv(raw, answer, sizeof answer, 0), 3);
    assert_string_equal(answer, "you");

    /* What a guest says is never a message, even if it is one. */
    say_as(socket, "alpha", 1, 1);
    link_dismiss(links.beta.link, guest.public_key);
    links_until(&links, beta_heard_foreign);
    assert_int_equal(links.beta.guests, 1);
    assert_int_equal(links.beta.heard, 0);
    zsock_destroy(&socket);
}

static void a_guest_that_comes_too_late_is_refused(void **state)
{
    (void) state;
    struct certificate guest;
    struct ts_err err;
    links_connect(&links);
    assert_int_equal(certificate_draw("gamma", &guest, &err), TS_OK);
    assert_int_equal(
        link_invite(links.beta.link, guest.public_key, ts_time_now(), &err),
        TS_OK);
    zsock_t *socket = links_knock(&links.beta, &guest);
    links_until(&links, beta_refused);
    assert_int_equal(links.beta.guests, 0);
    zsock_destroy(&socket);
}

/* ---- opening ------------------------------------------------------------- */

static void an_endpoint_in_use_is_told(void **state)
{
    (void) state;
    struct ts_err err;
    struct link *link = NULL;
    links_start(&links, &links.beta, &links.alpha, true);
    struct link_options options = { .own = &links.alpha.own,
                                    .zap = links.zap,
                                    .endpoint = links.beta.endpoint,
                                    .peer_name = "beta",
                                    .peer_endpoint = links.alpha.endpoint,
                                    .heartbeat_ms = 1000 };
    assert_int_equal(link_open(&options, &link, &err), TS_E_CONFLICT);
    assert_non_null(strstr(err.text, "another program does"));
    options.endpoint = "tcp://192.0.2.1:5999";
    assert_int_equal(link_open(&options, &link, &err), TS_E_CONFIG);
    assert_non_null(strstr(err.text, "must be an address of this computer"));
    assert_null(link);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, open_links, close_links)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_hear_each_other),
        TEST(a_heartbeat_gives_the_round_trip),
        TEST(a_silence_in_one_direction_is_seen_by_both),
        TEST(a_stranger_with_a_valid_key_is_refused_and_told),
        TEST(a_stranger_without_a_key_is_refused_and_told),
        TEST(another_protocol_on_the_port_is_told),
        TEST(many_strangers_are_counted_but_not_all_told),
        TEST(replayed_foreign_and_corrupt_messages_are_dropped),
        TEST(a_newer_version_is_told_and_an_unknown_body_passed_over),
        TEST(a_peer_that_restarts_is_found_again),
        TEST(a_peer_that_does_not_know_us_yet_is_asked_again),
        TEST(a_peer_that_does_not_read_fills_only_the_bound),
        TEST(a_peer_with_a_new_key_replaces_the_one_before),
        TEST(another_node_takes_the_place_of_the_peer),
        TEST(a_guest_is_heard_and_answered_until_it_is_dismissed),
        TEST(a_guest_that_comes_too_late_is_refused),
        TEST(an_endpoint_in_use_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
