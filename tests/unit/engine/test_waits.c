/* waits: who is moved out of the way so that all others can begin. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/engine/waits.h"
#include "tests/lib/sample.h"

/* Anchors of one letter; ids are the letter's number times `factor`, so that
 * both orders of ids are tried. */
static void add(struct waits *waits, char from, char to, int64_t factor)
{
    char anchor[2] = { from, 0 };
    const struct waits_edge edge = {
        .from = { (from - 'a' + 1) * factor, ts_slice_str(anchor), 0 },
        .to = (to - 'a' + 1) * factor,
    };
    struct ts_err err;
    assert_int_equal(waits_add(waits, &edge, &err), TS_OK);
}

/* `edges` is "ab bc": a waits for b, b for c. `expected` are anchors. */
static void assert_opens(const char *edges, const char *expected)
{
    for (int64_t factor = -1; factor <= 1; factor += 2) {
        struct waits waits;
        struct ts_err err;
        int64_t *ids = NULL;
        size_t count = 0;
        waits_init(&waits);
        for (const char *e = edges; e[0] != 0; e += e[2] == 0 ? 2 : 3) {
            add(&waits, e[0], e[1], factor);
        }
        assert_int_equal(waits_open(&waits, &ids, &count, &err), TS_OK);
        assert_int_equal(count, strlen(expected));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(ids[i], (expected[i] - 'a' + 1) * factor);
        }
        free(ids);
        waits_done(&waits);
    }
}

static void a_chain_needs_nobody_moved(void **state)
{
    (void) state;
    assert_opens("ab bc cd de", "");
    assert_opens("ed dc cb ba", "");
    assert_opens("ab cb", "");
}

static void of_a_ring_the_first_by_anchor_is_moved(void **state)
{
    (void) state;
    assert_opens("ab ba", "a");
    assert_opens("cd db bc", "b");
}

static void who_leads_to_a_ring_or_away_from_it_stays(void **state)
{
    (void) state;
    assert_opens("ac cd dc", "c");
    assert_opens("cd dc ca", "c");
    assert_opens("ac cd dc db", "c");
    assert_opens("cd dc db ba ae", "c");
}

static void each_ring_is_opened(void **state)
{
    (void) state;
    assert_opens("ab ba cd dc", "ac");
    assert_opens("dc cd fe ef", "ce");
}

static void rings_that_share_one_are_opened_together(void **state)
{
    (void) state;
    assert_opens("ab ba ac ca", "a");
    assert_opens("ba ab cb bc", "ab");
}

static void an_edge_said_twice_counts_once(void **state)
{
    (void) state;
    assert_opens("ab ab ba ba", "a");
    assert_opens("ab ab", "");
}

/* Objects that can begin in turn leave; what is left is stuck.
 * `moved` wait for nobody. */
static bool has_ring(bool waits[8][8], unsigned moved)
{
    unsigned left = 0xFF & ~moved;
    for (bool changed = true; changed;) {
        changed = false;
        for (unsigned i = 0; i < 8; i++) {
            bool stuck = false;
            for (unsigned j = 0; j < 8; j++) {
                stuck = stuck || (waits[i][j] && (left & 1U << j) != 0);
            }
            if ((left & 1U << i) != 0 && !stuck) {
                left &= ~(1U << i);
                changed = true;
            }
        }
    }
    return left != 0;
}

static void no_ring_is_left_whatever_the_graph(void **state)
{
    struct sample_random random = { .state = 99 };
    (void) state;
    for (int round = 0; round < 2000; round++) {
        bool graph[8][8] = { { false } };
        struct waits waits;
        struct ts_err err;
        int64_t *ids = NULL;
        size_t count = 0;
        unsigned moved = 0;
        waits_init(&waits);
        for (uint64_t n = sample_next(&random, 14); n > 0; n--) {
            uint64_t from = sample_next(&random, 8);
            uint64_t to = sample_next(&random, 8);
            if (from != to) {
                graph[from][to] = true;
                add(&waits, (char) ('a' + from), (char) ('a' + to), 1);
            }
        }
        assert_int_equal(waits_open(&waits, &ids, &count, &err), TS_OK);
        for (size_t i = 0; i < count; i++) {
            moved |= 1U << (ids[i] - 1);
        }
        assert_false(has_ring(graph, moved));
        assert_true(count == 0 || has_ring(graph, 0));
        free(ids);
        waits_done(&waits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_needs_nobody_moved),
        cmocka_unit_test(of_a_ring_the_first_by_anchor_is_moved),
        cmocka_unit_test(who_leads_to_a_ring_or_away_from_it_stays),
        cmocka_unit_test(each_ring_is_opened),
        cmocka_unit_test(rings_that_share_one_are_opened_together),
        cmocka_unit_test(an_edge_said_twice_counts_once),
        cmocka_unit_test(no_ring_is_left_whatever_the_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
