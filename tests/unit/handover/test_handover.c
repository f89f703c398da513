/* handover: every interleaving of two nodes, crashes, failovers and operators'
 * orders over the machine itself. A world is small enough to be a key, so all
 * that can be reached within the budgets is looked at once. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/handover/handover.h"

#define ALPHA  0
#define BETA   1
#define NOBODY 2
#define NO_ROW 15
#define ALL    ((1U << HANDOVER_STEPS) - 1)

/* All that decides what happens next. */
struct world {
    uint8_t alive[2], retired[2];
    uint8_t holder, epoch; /* NOBODY: the lease is released */
    uint8_t open, step, written, reset_begun, retire, from_dead, back;
    uint8_t rows[HANDOVER_STEPS][2]; /* own ones; [1]: of the way back */
    uint8_t faults, orders;          /* that may still come */
    uint8_t ever_begun;              /* the reset, in this handover */
    uint8_t outcome;                 /* of the last one that ended */
};

static const char *const names[] = { "alpha", "beta" };

/* ---- the world and the machine ------------------------------------------ */

static struct handover_field field_of(const struct world *w)
{
    struct handover_field field = { .id = "0123456789abcdef",
                                    .from = "alpha",
                                    .to = "beta",
                                    .actor = "root",
                                    .step = (enum handover_step) w->step,
                                    .epoch = w->written,
                                    .pass = 1,
                                    .reset_begun = w->reset_begun,
                                    .retire = w->retire,
                                    .from_dead = w->from_dead,
                                    .back = w->back };
    return field;
}

static const struct handover_evidence *evidence_of(const struct world *w)
{
    static struct handover_evidence list;
    list.count = 0;
    for (int step = 0; step < HANDOVER_STEPS; step++) {
        for (int back = 0; back < 2; back++) {
            if (w->rows[step][back] != NO_ROW) {
                struct evidence_row row =
                    evidence_make((enum handover_step) step,
                                  (enum evidence_state) w->rows[step][back],
                                  back ? "back" : "", "");
                assert_true(evidence_put(&list, &row));
            }
        }
    }
    return &list;
}

static bool holds(const struct world *w, int node)
{
    return w->holder == node && w->alive[node];
}

static struct handover_seen seen_of(const struct world *w, int node)
{
    int other = 1 - node;
    return (struct handover_seen){ .self = names[node],
                                   .other =
                                       w->retired[other] ? NULL : names[other],
                                   .holds = holds(w, node),
                                   .other_up = w->alive[other],
                                   .epoch = w->epoch,
                                   .does = ALL };
}

/* H1, H3: what is written is the same handover, and never goes back. */
static void write_field(struct world *w, const struct handover_field *next)
{
    if (w->open && w->reset_begun) {
        assert_true(next->reset_begun);
        assert_true(next->step >= w->step);
        assert_false(next->back);
    }
    assert_true(next->epoch == w->epoch);
    w->open = 1;
    w->step = (uint8_t) next->step;
    w->written = (uint8_t) next->epoch;
    w->reset_begun = next->reset_begun;
    w->retire = next->retire;
    w->from_dead = next->from_dead;
    w->back = next->back;
    w->ever_begun |= w->reset_begun;
}

static void clear_field(struct world *w, enum handover_outcome outcome)
{
    if (w->ever_begun) {
        assert_true(outcome == HANDOVER_COMPLETE ||
                    outcome == HANDOVER_INCOMPLETE);
    }
    w->outcome = (uint8_t) outcome;
    w->open = w->step = w->written = w->reset_begun = 0;
    w->retire = w->from_dead = w->back = w->ever_begun = 0;
    memset(w->rows, NO_ROW, sizeof w->rows);
}

static void forget(struct world *w, const struct handover_field *next)
{
    static struct handover_evidence list;
    list = *evidence_of(w);
    handover_forget(&list, next);
    memset(w->rows, NO_ROW, sizeof w->rows);
    for (size_t i = 0; i < list.count; i++) {
        w->rows[list.rows[i].step][list.rows[i].name[0] != '\0'] =
            (uint8_t) list.rows[i].state;
    }
}

/* H2, H3, H4 hold where a step's work is done. */
static void run_step(struct world *w, int node, enum handover_step step,
                     enum evidence_state result)
{
    const char *own = w->back ? "back" : "";
    if (step == HANDOVER_DRAIN) {
        assert_true(evidence_is_over(evidence_of(w), HANDOVER_PREFLIGHT, own));
    }
    if (step >= HANDOVER_RESET) {
        assert_true(evidence_is_over(evidence_of(w), HANDOVER_LEASE, own));
        assert_true(w->reset_begun);
        assert_false(w->back);
    }
    if (step == HANDOVER_RETIRE) {
        assert_true(w->retire);
        assert_int_equal(node, BETA);
        if (result != EVIDENCE_FAILED) {
            w->retired[ALPHA] = 1;
            w->alive[ALPHA] = 0;
        }
    }
    w->rows[step][w->back] = (uint8_t) result;
}

static struct handover_work work_of(const struct world *w, int node)
{
    struct handover_field field = field_of(w);
    struct handover_seen seen = seen_of(w, node);
    struct handover_work work;
    handover_next(&field, evidence_of(w), &seen, &work);
    return work;
}

/* One thing that the holder has to do; false: it waits. */
static bool drive(struct world *w, int node, enum evidence_state result)
{
    struct handover_work work = work_of(w, node);
    switch (work.kind) {
    case HANDOVER_RUN:
        run_step(w, node, work.step, result);
        return true;
    case HANDOVER_MARK:
        write_field(w, &work.next);
        return true;
    case HANDOVER_RELEASE:
        write_field(w, &work.next);
        w->holder = NOBODY;
        return true;
    case HANDOVER_END:
        clear_field(w, work.outcome);
        return true;
    case HANDOVER_WAIT:
        break;
    }
    return false;
}

static bool give_order(struct world *w, int node,
                       const struct handover_wish *wish)
{
    struct handover_field field = field_of(w), next;
    struct handover_seen seen = seen_of(w, node);
    struct ts_err err = { .text = "" };
    enum handover_verdict verdict =
        handover_order(w->open ? &field : NULL, &seen, wish, &next, &err);
    if (wish->order == HANDOVER_BEGIN && w->open) {
        assert_int_equal(verdict, HANDOVER_REFUSE); /* H1 */
    }
    if (verdict == HANDOVER_REFUSE) {
        assert_true(err.text[0] != '\0');
        return false;
    }
    if (verdict == HANDOVER_CLEAR) {
        clear_field(w, HANDOVER_ABORTED);
    } else {
        forget(w, &next);
        write_field(w, &next);
    }
    return true;
}

static bool take_over(struct world *w, int node)
{
    if (!w->alive[node] || w->retired[node] || holds(w, node)) {
        return false;
    }
    w->holder = (uint8_t) node;
    w->epoch++;
    return true;
}

/* ---- after all faults: H5 ------------------------------------------------ */

static const struct handover_wish resume = { .order = HANDOVER_RESUME,
                                             .actor = "root" };

static void must_end(struct world w, int first)
{
    for (int node = 0; node < 2; node++) {
        w.alive[node] = !w.retired[node];
    }
    if (w.holder == NOBODY && !take_over(&w, first)) {
        assert_true(take_over(&w, 1 - first));
    }
    int steps = 0;
    while (w.open) {
        assert_true(++steps < 60);
        if (w.holder == NOBODY) { /* who released it lets the other go first */
            assert_true(take_over(&w, w.back ? ALPHA : BETA));
        }
        if (!drive(&w, w.holder, EVIDENCE_DONE)) {
            if (w.step == HANDOVER_RETIRE && w.holder == ALPHA) {
                assert_true(take_over(&w, BETA));
            }
            assert_true(give_order(&w, w.holder, &resume));
        }
        w.epoch %= 100;
    }
    assert_true(holds(&w, ALPHA) != holds(&w, BETA));
}

/* ---- all that can be reached --------------------------------------------- */

#define WORLDS_MAX 2000000

struct search {
    struct world *worlds;
    size_t count, next;
    uint32_t *table;
    size_t table_size;
};

static uint64_t key_of(const struct world *w)
{
    uint64_t hash = 14695981039346656037ULL;
    const uint8_t *bytes = (const uint8_t *) w;
    for (size_t i = 0; i < sizeof *w; i++) {
        hash = (hash ^ bytes[i]) * 1099511628211ULL;
    }
    return hash;
}

static void reach(struct search *s, struct world w)
{
    /* Only the difference of two epochs decides. */
    if (w.open) {
        uint8_t ahead = (uint8_t) (w.epoch - w.written);
        w.written = 1;
        w.epoch = (uint8_t) (1 + (ahead > 2 ? 2 : ahead));
    } else {
        w.epoch = 1;
    }
    size_t at = key_of(&w) % s->table_size;
    while (s->table[at] != 0) {
        if (memcmp(&s->worlds[s->table[at] - 1], &w, sizeof w) == 0) {
            return;
        }
        at = (at + 1) % s->table_size;
    }
    assert_true(s->count < WORLDS_MAX);
    s->worlds[s->count] = w;
    s->table[at] = (uint32_t) ++s->count;
}

static void reach_by_work(struct search *s, const struct world *w)
{
    for (int node = 0; node < 2; node++) {
        if (!w->open || !holds(w, node)) {
            continue;
        }
        struct world next = *w;
        if (drive(&next, node, EVIDENCE_DONE)) {
            reach(s, next);
        }
        next = *w;
        if (w->faults > 0 && work_of(w, node).kind == HANDOVER_RUN) {
            next.faults--;
            (void) drive(&next, node, EVIDENCE_FAILED);
            reach(s, next);
        }
    }
}

static void reach_by_fault(struct search *s, const struct world *w)
{
    for (int node = 0; node < 2; node++) {
        struct world next = *w;
        if (w->alive[node] && w->faults > 0) {
            next.alive[node] = 0;
            next.faults--;
            reach(s, next);
        }
        next = *w;
        if (!w->alive[node] && !w->retired[node]) {
            next.alive[node] = 1;
            reach(s, next);
            /* It comes back as the holder, in an epoch of its own. */
            if (w->holder == node && take_over(&next, node) == false) {
                next.epoch++;
                reach(s, next);
            }
        }
        next = *w;
        bool lapsed = w->holder == NOBODY || !w->alive[w->holder];
        if (lapsed && take_over(&next, node)) {
            reach(s, next);
        }
        next = *w;
        if (!lapsed && w->orders > 0 && take_over(&next, node)) {
            next.orders--; /* an operator's failover */
            reach(s, next);
        }
    }
}

static void reach_by_order(struct search *s, const struct world *w)
{
    static const enum handover_order orders[] = { HANDOVER_BEGIN,
                                                  HANDOVER_RESUME,
                                                  HANDOVER_ABORT };
    for (int i = 0; w->orders > 0 && i < 12; i++) {
        int node = i % 2;
        struct handover_wish wish = { .order = orders[i / 4],
                                      .id = "0123456789abcdef",
                                      .to = "beta",
                                      .actor = "root",
                                      .retire = i / 2 % 2 == 1,
                                      .from_dead = node == BETA };
        struct world next = *w;
        next.orders--;
        if (give_order(&next, node, &wish)) {
            reach(s, next);
        }
    }
}

static void explore(struct search *s, uint8_t faults, uint8_t orders)
{
    struct world first = { .alive = { 1, 1 },
                           .holder = ALPHA,
                           .epoch = 1,
                           .faults = faults,
                           .orders = orders };
    memset(first.rows, NO_ROW, sizeof first.rows);
    s->worlds = calloc(WORLDS_MAX, sizeof *s->worlds);
    s->table_size = 2 * WORLDS_MAX + 1;
    s->table = calloc(s->table_size, sizeof *s->table);
    assert_non_null(s->worlds);
    assert_non_null(s->table);
    reach(s, first);
    while (s->next < s->count) {
        struct world w = s->worlds[s->next++];
        reach_by_work(s, &w);
        reach_by_fault(s, &w);
        reach_by_order(s, &w);
    }
}

static void whatever_cuts_it_off_it_comes_to_its_end(void **state)
{
    (void) state;
    struct search s = { .count = 0 };
    bool seen[HANDOVER_STEPS] = { false }, back = false, forward = false;
    explore(&s, 3, 3);
    for (size_t i = 0; i < s.count; i++) {
        const struct world *w = &s.worlds[i];
        must_end(*w, ALPHA);
        must_end(*w, BETA);
        seen[w->step] |= w->open;
        back |= w->back;
        forward |= w->reset_begun && w->holder == ALPHA;
    }
    for (int step = 0; step < HANDOVER_STEPS; step++) {
        assert_true(seen[step]);
    }
    assert_true(back && forward && s.count > 5000);
    print_message("%zu worlds\n", s.count);
    free(s.worlds);
    free(s.table);
}

/* ---- stories ------------------------------------------------------------- */

static struct world begun(bool retire)
{
    struct world w = { .alive = { 1, 1 }, .holder = ALPHA, .epoch = 7 };
    const struct handover_wish wish = { .order = HANDOVER_BEGIN,
                                        .id = "0123456789abcdef",
                                        .to = "beta",
                                        .actor = "root",
                                        .retire = retire };
    memset(w.rows, NO_ROW, sizeof w.rows);
    assert_true(give_order(&w, ALPHA, &wish));
    return w;
}

static void drive_to(struct world *w, enum handover_step step)
{
    while (w->open && w->step != step) {
        if (w->holder == NOBODY) {
            assert_true(take_over(w, BETA));
        }
        assert_true(drive(w, w->holder, EVIDENCE_DONE));
    }
}

static void a_planned_move_needs_nobody_after_its_beginning(void **state)
{
    (void) state;
    struct world w = begun(true);
    drive_to(&w, HANDOVER_RETIRE);
    while (w.open) {
        assert_true(drive(&w, w.holder, EVIDENCE_DONE));
    }
    assert_true(holds(&w, BETA) && w.retired[ALPHA]);
    assert_int_equal(w.epoch, 8);
    assert_int_equal(w.outcome, HANDOVER_COMPLETE);
}

static void a_closed_gate_ends_it_with_nothing_changed(void **state)
{
    (void) state;
    struct world w = begun(false);
    assert_true(drive(&w, ALPHA, EVIDENCE_FAILED));
    struct handover_work work = work_of(&w, ALPHA);
    assert_int_equal(work.kind, HANDOVER_END);
    assert_int_equal(work.outcome, HANDOVER_REFUSED);
    assert_true(holds(&w, ALPHA) && w.epoch == 7);
}

static void aborting_after_the_lease_hands_back_through_the_gates(void **state)
{
    (void) state;
    static const struct handover_wish abort_wish = { .order = HANDOVER_ABORT,
                                                     .actor = "root" };
    struct world w = begun(false);
    drive_to(&w, HANDOVER_LEASE);
    assert_true(take_over(&w, BETA));
    assert_true(give_order(&w, BETA, &abort_wish));
    assert_int_equal(w.step, HANDOVER_PREFLIGHT);
    while (w.holder == BETA) {
        assert_true(drive(&w, BETA, EVIDENCE_DONE));
    }
    assert_true(take_over(&w, ALPHA));
    assert_true(drive(&w, ALPHA, EVIDENCE_DONE)); /* the lease's row */
    struct handover_work work = work_of(&w, ALPHA);
    assert_int_equal(work.kind, HANDOVER_END);
    assert_int_equal(work.outcome, HANDOVER_ABORTED);
    assert_int_equal(w.epoch, 9);
}

static void whoever_takes_over_goes_on_with_the_reset(void **state)
{
    (void) state;
    struct world w = begun(false);
    drive_to(&w, HANDOVER_RESET);
    assert_true(drive(&w, BETA, EVIDENCE_DONE)); /* marks that it begins */
    assert_true(w.reset_begun);
    w.alive[BETA] = 0;
    assert_true(take_over(&w, ALPHA));
    assert_true(drive(&w, ALPHA, EVIDENCE_DONE)); /* inherits */
    assert_int_equal(work_of(&w, ALPHA).kind, HANDOVER_RUN);
    assert_int_equal(work_of(&w, ALPHA).step, HANDOVER_RESET);
    while (w.open) {
        assert_true(drive(&w, ALPHA, EVIDENCE_DONE));
    }
    assert_int_equal(w.outcome, HANDOVER_INCOMPLETE); /* alpha exports */
}

static void steps_that_cannot_be_done_yet_are_passed_by(void **state)
{
    (void) state;
    struct world w = begun(true);
    struct handover_field field;
    struct handover_work work;
    drive_to(&w, HANDOVER_LEASE);
    assert_true(take_over(&w, BETA));
    assert_true(drive(&w, BETA, EVIDENCE_DONE));
    field = field_of(&w);
    struct handover_seen seen = seen_of(&w, BETA);
    seen.does = 1U << HANDOVER_TAIL;
    handover_next(&field, evidence_of(&w), &seen, &work);
    assert_int_equal(work.kind, HANDOVER_MARK);
    assert_int_equal(work.next.step, HANDOVER_TAIL);
    assert_false(work.next.reset_begun);
}

static void each_refusal_says_what_to_do(void **state)
{
    (void) state;
    static const struct {
        const char *to, *other;
        bool from_dead, holds, up;
        const char *says;
    } cases[] = {
        { "beta", "beta", false, false, true, "ask beta" },
        { "alpha", "beta", false, true, true, "exports already" },
        { "gamma", "beta", false, true, true, "is beta" },
        { "beta", NULL, false, true, false, "no other computer has a vote" },
        { "beta", "beta", true, true, false, "use --to alpha" },
        { "alpha", "beta", true, true, true, "it is connected" },
        { "alpha", NULL, true, true, false, "the only member" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct handover_wish wish = { .order = HANDOVER_BEGIN,
                                            .id = "0123456789abcdef",
                                            .to = cases[i].to,
                                            .actor = "root",
                                            .from_dead = cases[i].from_dead };
        const struct handover_seen seen = { .self = "alpha",
                                            .other = cases[i].other,
                                            .holds = cases[i].holds,
                                            .other_up = cases[i].up,
                                            .epoch = 7,
                                            .does = ALL };
        struct handover_field field;
        struct ts_err err = { .text = "" };
        assert_int_equal(handover_order(NULL, &seen, &wish, &field, &err),
                         HANDOVER_REFUSE);
        assert_non_null(strstr(err.text, cases[i].says));
    }
}

static void every_step_tells_how_it_is_undone(void **state)
{
    (void) state;
    for (int step = 0; step < HANDOVER_STEPS; step++) {
        const struct handover_row *row =
            handover_row((enum handover_step) step);
        assert_int_equal(row->step, step);
        assert_true(row->does[0] != '\0' && row->waits[0] != '\0' &&
                    row->evidence[0] != '\0' && row->undo[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_planned_move_needs_nobody_after_its_beginning),
        cmocka_unit_test(a_closed_gate_ends_it_with_nothing_changed),
        cmocka_unit_test(aborting_after_the_lease_hands_back_through_the_gates),
        cmocka_unit_test(whoever_takes_over_goes_on_with_the_reset),
        cmocka_unit_test(steps_that_cannot_be_done_yet_are_passed_by),
        cmocka_unit_test(each_refusal_says_what_to_do),
        cmocka_unit_test(every_step_tells_how_it_is_undone),
        cmocka_unit_test(whatever_cuts_it_off_it_comes_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
