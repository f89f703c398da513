/* rotation: whatever is lost, late or cut off, nobody is locked out.
 *
 * A directory of one account answers as a script says, and the process dies
 * where the script says; all scripts up to a length are tried. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "node/vault/rotation.h"

#define OLD "old"
#define NEW "new"

/* What can happen to one call. */
enum mishap {
    FINE,
    LOST_BEFORE, /* the call has no effect, and no answer */
    LOST_AFTER,  /* it has its effect, and no answer */
    LATE,        /* no answer, and the effect comes with the next wait */
    REFUSED,     /* said no; to a try: the account is locked for a while */
    DEATH,       /* the process ends before it */
    DEATH_AFTER, /* and right after its effect */
    MISHAPS
};

static struct {
    const enum mishap *script;
    size_t length, at;
    char password[8]; /* of the account */
    bool is_late;     /* a change that is still to come */
    bool is_shared;   /* the other member has the candidate on its disk */
    struct vault_kept durable;
    int tries_in_a_row, asks;
    bool is_dead; /* whatever it still does has no effect */
} world;

static enum mishap mishap(void)
{
    enum mishap what = world.at < world.length ? world.script[world.at] : FINE;
    world.at += !world.is_dead;
    world.is_dead = world.is_dead || what == DEATH;
    return world.is_dead ? LOST_BEFORE : what;
}

static void after(enum mishap what)
{
    world.is_dead = world.is_dead || what == DEATH_AFTER;
}

/* R1: what the account accepts, now or when what is late comes, is kept. */
static void assert_nobody_is_locked_out(void)
{
    const struct vault_kept *kept = &world.durable;
    assert_true(strcmp(world.password, kept->current) == 0 ||
                strcmp(world.password, kept->candidate) == 0);
    if (world.is_late) {
        assert_true(strcmp(NEW, kept->current) == 0 ||
                    strcmp(NEW, kept->candidate) == 0);
    }
    if (strcmp(world.password, NEW) == 0) {
        assert_true(world.is_shared);
    }
}

static enum ts_code share(void *context, const struct vault_kept *kept,
                          struct ts_err *err)
{
    (void) context;
    assert_string_equal(kept->candidate, NEW);
    enum mishap what = mishap();
    if (what == FINE || what == LOST_AFTER || what == DEATH_AFTER) {
        world.is_shared = true;
    }
    after(what);
    return what == FINE ? TS_OK
                        : ts_fail(err, TS_E_UNREACHABLE, 0, "no answer");
}

static enum ts_code keep(void *context, struct vault_kept *kept,
                         struct ts_err *err)
{
    (void) context;
    enum mishap what = mishap();
    if (what == LOST_BEFORE || what == REFUSED || what == LATE) {
        return ts_fail(err, TS_E_IO, 0, "disk full");
    }
    world.durable = *kept;
    assert_nobody_is_locked_out();
    after(what);
    return what == DEATH_AFTER ? ts_fail(err, TS_E_IO, 0, "dead") : TS_OK;
}

static enum rotation_answer ask(void *context, const struct vault_kept *kept,
                                struct ts_err *err)
{
    (void) context;
    (void) err;
    assert_int_equal(world.durable.phase, VAULT_ASKED); /* R2 */
    assert_true(world.is_shared);
    assert_string_equal(kept->candidate, NEW);
    enum mishap what = mishap();
    world.asks += !world.is_dead;
    if (what == FINE || what == LOST_AFTER || what == DEATH_AFTER) {
        memcpy(world.password, NEW, sizeof NEW);
    }
    world.is_late = world.is_late || what == LATE;
    assert_nobody_is_locked_out();
    after(what);
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
    after(what);
    if (what != FINE && what != REFUSED) {
        return ROTATION_UNKNOWN;
    }
    if (what == FINE && strcmp(secret, world.password) == 0) {
        world.tries_in_a_row = 0;
        return ROTATION_YES;
    }
    world.tries_in_a_row++;
    assert_true(world.tries_in_a_row <= 2); /* R4 */
    return ROTATION_NO;
}

static bool wait(void *context, int64_t ms)
{
    (void) context;
    if (world.is_dead) {
        return false;
    }
    if (ms >= 1000 && world.is_late) { /* settle_ms and more */
        world.is_late = false;
        memcpy(world.password, NEW, sizeof NEW);
        assert_nobody_is_locked_out();
    }
    if (ms >= 1000) {
        world.tries_in_a_row = 0;
    }
    return true;
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
    memcpy(world.password, OLD, sizeof OLD);
    world.durable = (struct vault_kept){ .name = "source/corp",
                                         .current = OLD,
                                         .candidate = NEW,
                                         .phase = VAULT_DRAWN };
}

/* One life of the process. False: it died, or its disk failed. */
static bool live(enum rotation_end *ret_end)
{
    struct vault_kept kept = world.durable;
    struct ts_err err = { .text = "" };
    world.is_dead = false;
    return rotation_run(&kept, &terms, &ops, ret_end, &err) == TS_OK &&
           !world.is_dead;
}

/* Lives until it settles; the script's mishaps end, so that it does. */
static enum rotation_end settle(void)
{
    enum rotation_end end = ROTATION_IN_DOUBT;
    for (int lives = 0; lives < 20; lives++) {
        bool lived = live(&end);
        world.tries_in_a_row = 0; /* an operator takes longer than a lock-out */
        if (lived && world.durable.phase == VAULT_SETTLED) {
            return end;
        }
    }
    fail_msg("it does not settle: phase %d", (int) world.durable.phase);
    return end;
}

static void assert_settled(void)
{
    /* What is late then changes nothing any more. */
    assert_true(!world.is_late || strcmp(world.password, NEW) == 0);
    assert_string_equal(world.durable.current, world.password);
    assert_string_equal(world.durable.candidate, "");
}

static void a_change_is_proved_by_both_answers(void **state)
{
    (void) state;
    begin(NULL, 0);
    assert_int_equal(settle(), ROTATION_PROVED);
    assert_string_equal(world.durable.current, NEW);
    assert_int_equal(world.durable.proved, 1000);
    assert_int_equal(world.asks, 1);
}

static void what_is_not_shared_is_not_asked(void **state)
{
    (void) state;
    const enum mishap script[] = { LOST_BEFORE };
    begin(script, 1);
    assert_int_equal(settle(), ROTATION_GIVEN_UP);
    assert_int_equal(world.asks, 0);
    assert_string_equal(world.durable.current, OLD);
}

static void a_refusal_in_so_many_words_gives_up_at_once(void **state)
{
    (void) state;
    const enum mishap script[] = { FINE, FINE, FINE, REFUSED };
    begin(script, 4);
    assert_int_equal(settle(), ROTATION_GIVEN_UP);
    assert_int_equal(world.asks, 1);
}

static void a_lost_answer_is_found_out_by_trying(void **state)
{
    (void) state;
    const enum mishap script[] = { FINE, FINE, FINE, LOST_AFTER };
    begin(script, 4);
    assert_int_equal(settle(), ROTATION_PROVED);
    assert_int_equal(world.asks, 1);
}

static void a_late_effect_is_waited_for(void **state)
{
    (void) state;
    const enum mishap script[] = { FINE, FINE, FINE, LATE };
    begin(script, 4);
    assert_int_equal(settle(), ROTATION_PROVED);
    assert_int_equal(world.asks, 1);
}

/* Every script of five mishaps from the first call on, and from the question
 * on. */
static void no_script_of_mishaps_locks_anybody_out(void **state)
{
    (void) state;
    enum mishap script[8] = { FINE, FINE, FINE };
    unsigned long tried = 0;
    for (size_t from = 0; from <= 3; from += 3) {
        for (unsigned long number = 0; number < 16807; number++) {
            unsigned long rest = number;
            for (size_t i = from; i < from + 5; i++) {
                script[i] = (enum mishap)(rest % MISHAPS);
                rest /= MISHAPS;
            }
            begin(script, from + 5);
            (void) settle();
            assert_settled();
            tried++;
        }
        memset(script, 0, sizeof script);
    }
    assert_int_equal(tried, 2UL * 16807);
}

static void a_drawn_secret_has_every_class_and_is_another_one(void **state)
{
    (void) state;
    char one[ROTATION_SECRET_SIZE], other[ROTATION_SECRET_SIZE];
    struct ts_err err;
    assert_int_equal(rotation_draw(one, &err), TS_OK);
    assert_int_equal(rotation_draw(other, &err), TS_OK);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), ROTATION_SECRET_SIZE - 1);
    assert_non_null(strpbrk(one, "0123456789"));
    assert_non_null(strpbrk(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
    assert_non_null(strpbrk(one, "abcdefghijklmnopqrstuvwxyz"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_proved_by_both_answers),
        cmocka_unit_test(what_is_not_shared_is_not_asked),
        cmocka_unit_test(a_refusal_in_so_many_words_gives_up_at_once),
        cmocka_unit_test(a_lost_answer_is_found_out_by_trying),
        cmocka_unit_test(a_late_effect_is_waited_for),
        cmocka_unit_test(no_script_of_mishaps_locks_anybody_out),
        cmocka_unit_test(a_drawn_secret_has_every_class_and_is_another_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
