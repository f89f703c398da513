/* share: two members keep one secret. Whatever of their messages is lost, late
 * or doubled, and whoever dies when, both keep what the directory accepts.
 *
 * The world of test_rotation.c with two computers: the holder drives, what it
 * writes is given to the other one through share_judge(), and where it dies the
 * other one may take over. All scripts up to a length are tried. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/vault/rotation.h"
#include "node/vault/share.h"

#define OLD "old"
#define NEW "new"

/* What can happen to one call of the holder. */
enum mishap {
    FINE,
    LOST_BEFORE, /* no effect, and no answer; of what is written: not given */
    LOST_AFTER,  /* its effect, and no answer; written, and given twice */
    LATE,        /* the effect comes with the next wait; given after later ones
                  */
    REFUSED,     /* said no */
    DEATH,       /* the holder ends before it, and comes back */
    TAKEOVER,    /* it ends before it, and the other one takes over */
    TAKEOVER_LATE, /* the same, and what it asked comes after that */
    MISHAPS
};

static struct {
    const enum mishap *script;
    size_t length, at;
    char password[8];
    bool is_late; /* a change that is still to come */
    bool has[2];
    struct vault_kept durable[2];
    struct vault_kept delayed; /* a message that comes later */
    bool is_delayed;
    size_t holder;
    int64_t epoch;
    bool is_dead, is_away; /* the holder; the other one */
} world;

static enum mishap mishap(void)
{
    enum mishap what = world.at < world.length ? world.script[world.at] : FINE;
    world.at += !world.is_dead;
    if (!world.is_dead && (what == DEATH || what >= TAKEOVER)) {
        world.is_dead = true;
        if (what >= TAKEOVER && !world.is_away) {
            world.holder = !world.holder;
            world.is_away = true; /* the dead one, for now */
            world.epoch++;
        }
    }
    return world.is_dead && what != TAKEOVER_LATE ? LOST_BEFORE : what;
}

static void receive_at(size_t to, const struct vault_kept *message)
{
    struct vault_kept given = *message;
    if (share_judge(world.has[to] ? &world.durable[to] : NULL, &given) ==
        SHARE_TAKE) {
        world.durable[to] = given;
        world.has[to] = true;
    }
}

/* The receiver: the member that is not the holder. */
static void receive(const struct vault_kept *message)
{
    receive_at(!world.holder, message);
}

/* The two meet: each gives what it keeps. */
static void meet(void)
{
    for (size_t node = 0; node < 2; node++) {
        if (world.has[node]) {
            receive_at(!node, &world.durable[node]);
        }
    }
    world.is_away = false;
}

static bool knows(size_t node, const char *password)
{
    return world.has[node] &&
           (strcmp(password, world.durable[node].current) == 0 ||
            strcmp(password, world.durable[node].candidate) == 0);
}

/* Whoever will drive knows what rules, and what may come to rule. */
static void assert_nobody_is_locked_out(void)
{
    for (size_t node = 0; node < 2; node++) {
        if (world.has[node]) {
            assert_true(knows(node, world.password));
            assert_true(!world.is_late || knows(node, NEW));
        } else {
            assert_string_equal(world.password, OLD); /* its file rules */
            assert_false(world.is_late);
        }
    }
}

static enum ts_code share(void *context, const struct vault_kept *kept,
                          struct ts_err *err)
{
    (void) context;
    enum mishap what = mishap();
    bool arrives = (what == FINE || what == LOST_AFTER) && !world.is_away;
    if (arrives && !world.is_dead) {
        receive(kept);
    }
    return arrives && what == FINE ? TS_OK
                                   : ts_fail(err, TS_E_TIMEOUT, 0, "no answer");
}

/* Also what a holder that has lost the lease meanwhile must not do. */
static enum ts_code keep(void *context, struct vault_kept *kept,
                         struct ts_err *err)
{
    (void) context;
    enum mishap what = mishap();
    if (world.is_dead || what == REFUSED) {
        return ts_fail(err, TS_E_IO, 0, "disk full");
    }
    share_stamp(kept, world.epoch);
    world.durable[world.holder] = *kept;
    world.has[world.holder] = true;
    bool arrives = !world.is_away && what != LOST_BEFORE && what != LATE;
    for (int times = 0; arrives && times < (what == LOST_AFTER ? 2 : 1);
         times++) {
        receive(kept);
    }
    if (arrives && world.is_delayed) {
        world.is_delayed = false;
        receive(&world.delayed); /* overtaken */
    }
    if (what == LATE) {
        world.delayed = *kept;
        world.is_delayed = true;
    }
    assert_nobody_is_locked_out();
    return TS_OK;
}

static enum rotation_answer ask(void *context, const struct vault_kept *kept,
                                struct ts_err *err)
{
    (void) context;
    (void) err;
    assert_string_equal(kept->candidate, NEW);
    if (!world.is_dead) {
        assert_true(knows(!world.holder, NEW)); /* R2 */
    }
    bool was_dead = world.is_dead;
    enum mishap what = mishap();
    if (what == FINE || what == LOST_AFTER) {
        memcpy(world.password, NEW, sizeof NEW);
    }
    world.is_late =
        world.is_late || (!was_dead && (what == LATE || what == TAKEOVER_LATE));
    assert_nobody_is_locked_out();
    return what == FINE      ? ROTATION_YES
           : what == REFUSED ? ROTATION_NO
                             : ROTATION_UNKNOWN;
}

static enum rotation_answer try(void *context, const char *secret,
                                struct ts_err *err)
{
    (void) context;
    (void) err;
    enum mishap what = mishap();
    return what == REFUSED                       ? ROTATION_NO
           : what != FINE                        ? ROTATION_UNKNOWN
           : strcmp(secret, world.password) == 0 ? ROTATION_YES
                                                 : ROTATION_NO;
}

static void come_late(void)
{
    if (world.is_late) {
        world.is_late = false;
        memcpy(world.password, NEW, sizeof NEW);
    }
}

static bool wait(void *context, int64_t ms)
{
    (void) context;
    if (!world.is_dead && ms >= 1000) { /* settle_ms and more */
        come_late();
        assert_nobody_is_locked_out();
    }
    return !world.is_dead;
}

static int64_t now(void *context)
{
    (void) context;
    return 1000;
}

static const struct rotation_terms terms = { .lockout_ms = 5000,
                                             .settle_ms = 1000,
                                             .pause_ms = 10 };
static const struct rotation_ops ops = { .share = share,
                                         .keep = keep,
                                         .ask = ask,
                                         .try = try,
                                         .wait = wait,
                                         .now = now };

static void begin(const enum mishap *script, size_t length)
{
    memset(&world, 0, sizeof world);
    world.script = script;
    world.length = length;
    world.epoch = 1;
    memcpy(world.password, OLD, sizeof OLD);
    world.durable[0] = (struct vault_kept){ .name = "source/corp",
                                            .current = OLD,
                                            .candidate = NEW,
                                            .phase = VAULT_DRAWN,
                                            .epoch = 1,
                                            .serial = 1 };
    world.has[0] = true;
}

/* One life of a holder; false: it died, or its disk failed. */
static bool live(enum rotation_end *ret_end)
{
    struct vault_kept kept = world.durable[world.holder];
    struct ts_err err = { .text = "" };
    world.is_dead = false;
    return rotation_run(&kept, &terms, &ops, ret_end, &err) == TS_OK &&
           !world.is_dead;
}

/* Lives until it settles; the one that was away comes back, and is given what
 * the holder keeps. */
static void settle(void)
{
    enum rotation_end end = ROTATION_IN_DOUBT;
    for (int lives = 0; lives < 20; lives++) {
        if (!world.has[world.holder]) {
            meet(); /* it has nothing to go on with until then */
        }
        bool lived = live(&end);
        if (lived && world.durable[world.holder].phase == VAULT_SETTLED) {
            meet();
            if (world.is_delayed) {
                receive(&world.delayed);
            }
            return;
        }
    }
    fail_msg("it does not settle: phase %d",
             (int) world.durable[world.holder].phase);
}

static void assert_settled(void)
{
    assert_false(world.is_late && strcmp(world.password, NEW) != 0);
    for (size_t node = 0; node < 2; node++) {
        assert_true(world.has[node]);
        assert_int_equal(world.durable[node].phase, VAULT_SETTLED);
        assert_string_equal(world.durable[node].current, world.password);
        assert_string_equal(world.durable[node].candidate, "");
    }
}

static void a_change_reaches_both(void **state)
{
    (void) state;
    begin(NULL, 0);
    settle();
    assert_settled();
    assert_string_equal(world.password, NEW);
}

static void a_takeover_in_the_middle_goes_on_with_the_candidate(void **state)
{
    (void) state;
    const enum mishap script[] = { FINE, FINE, FINE, TAKEOVER_LATE };
    begin(script, 4);
    settle();
    assert_settled();
    assert_string_equal(world.password, NEW);
    assert_int_equal(world.holder, 1);
}

static void what_the_other_one_does_not_keep_is_not_asked(void **state)
{
    (void) state;
    const enum mishap script[] = { LOST_AFTER };
    begin(script, 1);
    settle();
    assert_settled();
    assert_string_equal(world.password, OLD);
}

/* Every script of five mishaps from the first call on, and from the question
 * on. */
static void no_script_of_two_locks_anybody_out(void **state)
{
    (void) state;
    enum mishap script[8] = { FINE, FINE, FINE };
    unsigned long tried = 0;
    for (size_t from = 0; from <= 3; from += 3) {
        for (unsigned long number = 0; number < 32768; number++) {
            unsigned long rest = number;
            for (size_t i = from; i < from + 5; i++) {
                script[i] = (enum mishap)(rest % MISHAPS);
                rest /= MISHAPS;
            }
            begin(script, from + 5);
            settle();
            assert_settled();
            tried++;
        }
        memset(script, 0, sizeof script);
    }
    assert_int_equal(tried, 2UL * 32768);
}

/* ---- one message --------------------------------------------------------- */

static struct vault_kept record(int64_t epoch, int64_t serial,
                                const char *current)
{
    struct vault_kept kept = { .name = "source/corp",
                               .epoch = epoch,
                               .serial = serial };
    (void) snprintf(kept.current, sizeof kept.current, "%s", current);
    return kept;
}

static void an_earlier_record_never_replaces_a_later_one(void **state)
{
    (void) state;
    struct vault_kept own = record(2, 5, "a");
    struct vault_kept before = record(2, 4, "b"), deposed = record(1, 9, "b"),
                      same = record(2, 5, "a"), other = record(2, 5, "b"),
                      later = record(2, 6, "b"), heir = record(3, 1, "b");
    assert_int_equal(share_judge(&own, &before), SHARE_STALE);
    assert_int_equal(share_judge(&own, &deposed), SHARE_STALE);
    assert_int_equal(share_judge(&own, &same), SHARE_SAME);
    assert_int_equal(share_judge(&own, &other), SHARE_STALE);
    assert_int_equal(share_judge(&own, &later), SHARE_TAKE);
    assert_int_equal(share_judge(&own, &heir), SHARE_TAKE);
    assert_int_equal(share_judge(NULL, &before), SHARE_TAKE);
}

static void a_candidate_that_comes_may_have_been_asked_for(void **state)
{
    (void) state;
    for (enum vault_phase phase = VAULT_SETTLED; phase < VAULT_PHASES;
         phase++) {
        struct vault_kept given = record(1, 1, "a");
        given.phase = phase;
        (void) share_judge(NULL, &given);
        assert_int_equal(given.phase,
                         phase == VAULT_DRAWN || phase == VAULT_SHARED
                             ? VAULT_ASKED
                             : phase);
    }
}

static void what_is_known_of_the_file_is_this_computers(void **state)
{
    (void) state;
    struct vault_kept own = record(1, 1, "a"), given = record(1, 2, "b");
    own.has_file = true;
    own.file_hash[0] = 7;
    given.has_file = true;
    given.file_hash[0] = 9;
    assert_int_equal(share_judge(&own, &given), SHARE_TAKE);
    assert_true(given.has_file);
    assert_int_equal(given.file_hash[0], 7);
    assert_int_equal(share_judge(NULL, &given), SHARE_TAKE);
    assert_false(given.has_file);
}

static void sealed_it_opens_for_its_name_and_key_only(void **state)
{
    (void) state;
    struct seal_key key = { { 1 } }, other = { { 2 } };
    struct vault_kept kept = record(3, 4, "a secret"), back;
    struct share_bytes bytes;
    struct ts_err err = { .text = "" };
    assert_int_equal(share_seal(&key, &kept, &bytes, &err), TS_OK);
    assert_null(memmem(bytes.data, bytes.size, "a secret", 8));
    struct ts_slice sealed = ts_slice(bytes.data, bytes.size);
    assert_int_equal(share_open(&key, kept.name, sealed, &back, &err), TS_OK);
    assert_string_equal(back.current, "a secret");
    assert_int_equal(back.epoch, 3);
    assert_int_equal(back.serial, 4);
    assert_int_equal(share_open(&key, "target", sealed, &back, &err),
                     TS_E_CORRUPT);
    assert_int_equal(share_open(&other, kept.name, sealed, &back, &err),
                     TS_E_CORRUPT);
    assert_null(strstr(err.text, "a secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_reaches_both),
        cmocka_unit_test(a_takeover_in_the_middle_goes_on_with_the_candidate),
        cmocka_unit_test(what_the_other_one_does_not_keep_is_not_asked),
        cmocka_unit_test(no_script_of_two_locks_anybody_out),
        cmocka_unit_test(an_earlier_record_never_replaces_a_later_one),
        cmocka_unit_test(a_candidate_that_comes_may_have_been_asked_for),
        cmocka_unit_test(what_is_known_of_the_file_is_this_computers),
        cmocka_unit_test(sealed_it_opens_for_its_name_and_key_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
