#include "tests/sim/exporter.h"

#include <string.h>

#include "node/engine/doubt.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

#define LATENCY_MS 15

static void on_cycle(struct world *world, struct occasion *occasion);

static void note_cycle(struct sim_node *node, int64_t delay_ms)
{
    node_after(node, delay_ms, on_cycle,
               &(struct occasion){ .number = (int64_t) node->exporter.cycles });
}

static void tell(struct sim_node *node, enum member_event_kind kind, bool yes)
{
    struct member_event event = { .kind = kind };
    if (kind == MEMBER_ACTIVATED) {
        event.activated = yes;
    }
    node_step(node, &event);
}

/* ---- activation --------------------------------------------------------- */

/* With deletions held the engine would go on; here it reads first, too. */
static bool take_over(struct sim_node *node,
                      const struct engine_activation *order)
{
    struct sim_exporter *exporter = &node->exporter;
    struct inherit_found found;
    if (!node->store.open) { /* a first load: both sides are read */
        exporter->rebuild = true;
        exporter->rest_ms =
            doubt_rest(order->quiesce_all || order->reconcile_first,
                       exporter_quiet_ms(node));
        return true;
    }
    /* The rows of the other node have moved the counters. */
    if (!store_refresh(&node->store) ||
        !store_take_over(&node->store, order, &found)) {
        return false;
    }
    exporter->rebuild = found.reconcile_first || found.hold_deletions;
    exporter->keep_deletes = found.hold_deletions;
    exporter->rest_ms = doubt_rest(exporter->rebuild || order->quiesce_all,
                                   exporter_quiet_ms(node));
    return true;
}

static void on_activated(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    struct sim_exporter *exporter = &node->exporter;
    const struct engine_activation *order = occasion->data;
    if (exporter->phase != EXPORTER_ACTIVATING ||
        exporter->epoch != order->epoch) {
        return;
    }
    if (store_position(&node->store).epoch > order->epoch) {
        exporter->phase = EXPORTER_STANDBY;
        tell(node, MEMBER_ACTIVATED, false);
        return;
    }
    if (!take_over(node, order)) {
        (void) node_died(node);
        return;
    }
    exporter->phase = EXPORTER_EXPORTING;
    exporter->quiet_from = node_clocks(node);
    node_lead(node, exporter->epoch);
    trace(world, node->index, "exports as epoch %lld%s",
          (long long) exporter->epoch,
          exporter->rebuild ? ", after reading both sides" : "");
    note_cycle(node, 1);
    tell(node, MEMBER_ACTIVATED, true);
}

void exporter_activate(struct sim_node *node,
                       const struct member_activation *activation)
{
    struct sim_exporter *exporter = &node->exporter;
    uint64_t cycles = exporter->cycles + 1;
    uint64_t tickets = exporter->tickets;
    bool hung = exporter->hung;
    *exporter = (struct sim_exporter){
        .phase = EXPORTER_ACTIVATING,
        .epoch = (int64_t) activation->epoch,
        .principal = -1,
        .hung = hung,
        .cycles = cycles,
        .tickets = tickets,
        .unprotected_ok = node->unprotected,
    };
    if (activation->principal != NULL && node->world->target.fences) {
        exporter->principal = target_principal_find(&node->world->target,
                                                    activation->principal->id);
    }
    /* Objects under way at two crashes wait for an operator: not here. */
    const struct engine_activation order = {
        .epoch = (int64_t) activation->epoch,
        .reconcile_first = activation->reconcile_first,
        .quiesce_all = activation->quiesce_all,
        .accept_data_loss = activation->accept_data_loss,
    };
    node_after(node, random_between(&node->world->random, 1, LATENCY_MS),
               on_activated,
               &(struct occasion){ .data = sim_copy(&order, sizeof order),
                                   .size = sizeof order });
}

/* ---- deactivation ------------------------------------------------------- */

static void on_left(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    if (node->exporter.leaving) {
        store_abandon(&node->store);
        node->exporter.leaving = false;
        node->exporter.phase = EXPORTER_STANDBY;
        node->exporter.cycles++;
        node_follow(node);
        tell(node, MEMBER_DEACTIVATED, true);
    }
}

/* A thread that hangs does not say that it has ended: the process is ended. */
static void leave(struct sim_node *node)
{
    if (node->exporter.hung) {
        faults_watchdog(node->world, node->index);
        return;
    }
    node_after(node, random_between(&node->world->random, 0, 3), on_left,
               &(struct occasion){ .number = 0 });
}

void exporter_cancel(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    for (size_t i = 0; i < EXPORTER_SLOTS; i++) {
        struct exporter_slot *slot = &exporter->slots[i];
        if (slot->ticket != 0 && !slot->looking && !slot->listing) {
            exporter_doubt(node, slot->op.intent);
        }
        slot->ticket = 0;
    }
    /* Marked, and never sent: without the lease nothing is written any more,
     * so they are in doubt like the others. */
    exporter->waiting_count = 0;
    exporter->reading_target = false;
    exporter->token = exporter->token_asked = 0;
    if (exporter->leaving) {
        leave(node); /* nothing is under way any more */
    }
}

void exporter_deactivate(struct sim_node *node, enum member_leave how)
{
    struct sim_exporter *exporter = &node->exporter;
    exporter->leaving = true;
    if (how == MEMBER_LEAVE_AT_ONCE || exporter->phase != EXPORTER_EXPORTING) {
        exporter_cancel(node);
        return;
    }
    if (exporter->waiting_count > 0) {
        size_t count = exporter->waiting_count;
        exporter->waiting_count = 0;
        if (!store_unsent(&node->store, exporter->waiting, count)) {
            (void) node_died(node);
            return;
        }
    }
    if (exporter_idle(exporter)) {
        leave(node);
    }
}

/* ---- tokens ------------------------------------------------------------- */

static void on_token(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    struct sim_exporter *exporter = &node->exporter;
    struct member_event event = { .kind = MEMBER_TOKEN };
    exporter->token_under_way = false;
    if (exporter->phase != EXPORTER_EXPORTING ||
        world->target.ways[node->index].cut ||
        random_chance(&world->random, world->target.busy)) {
        return;
    }
    exporter->token_asked = target_token(world, exporter->principal);
    if (exporter->token_asked == 0) {
        return;
    }
    memcpy(event.token.hash, &exporter->token_asked,
           sizeof exporter->token_asked);
    event.token.lifetime_s = (uint32_t) (world->target.lifetime_ms / 1000);
    exporter->token_under_way = true;
    node_step(node, &event);
}

void exporter_token(struct sim_node *node, bool ok)
{
    struct sim_exporter *exporter = &node->exporter;
    exporter->token_under_way = false;
    exporter->token = ok ? exporter->token_asked : 0;
    exporter->token_asked = 0;
}

static bool have_token(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    if (exporter->token != 0 || !node->world->target.fences) {
        return true;
    }
    if (!exporter->token_under_way) {
        exporter->token_under_way = true;
        node_after(node, random_between(&node->world->random, 1, 6), on_token,
                   &(struct occasion){ .number = 0 });
    }
    return false;
}

void exporter_protection(struct sim_node *node, bool is_unprotected)
{
    node->exporter.unprotected_ok = is_unprotected;
    node->exporter.unprotected_asked = false;
    exporter_nudge(node);
}

/* ---- the cycle ---------------------------------------------------------- */

int64_t exporter_quiet_ms(const struct sim_node *node)
{
    /* Configured in this node's time, so that a fast clock still waits Q. */
    return node->world->target.quiet_ms *
               (100 + node->world->settings.error_percent) / 100 +
           1;
}

bool exporter_may_send(struct sim_node *node)
{
    const struct sim_exporter *exporter = &node->exporter;
    return exporter->phase == EXPORTER_EXPORTING && !exporter->leaving &&
           !exporter->hung &&
           member_gate_left(&node->gate, node_clocks(node)) > 0 &&
           (exporter->token != 0 || !node->world->target.fences);
}

static bool import_changes(struct sim_node *node)
{
    struct world *world = node->world;
    if (world->source.cut[node->index]) {
        return true;
    }
    int64_t cookie = source_reach(world, store_cookie(&node->store));
    return store_import(&node->store, cookie) &&
           store_decide(&node->store, node->exporter.keep_deletes);
}

/* An idle cycle reads the same four times nothing: only time is saved. */
static bool is_at_rest(const struct sim_node *node)
{
    const struct sim_exporter *exporter = &node->exporter;
    struct journal_position at = store_position(&node->store);
    return exporter->rest_changes == node->world->source.log_count &&
           exporter->rest_changes > 0 &&
           journal_position_equal(&exporter->at_rest, &at);
}

static void note_rest(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    const struct sim_source *source = &node->world->source;
    bool rests = exporter_idle(exporter) && exporter->waiting_count == 0 &&
                 store_cookie(&node->store) == (int64_t) source->log_count &&
                 store_open_intents(&node->store) == 0;
    exporter->at_rest = store_position(&node->store);
    exporter->rest_changes = rests ? source->log_count : 0;
}

/* The register names the generation before it is selected anywhere. */
static void select_load(struct sim_node *node)
{
    struct member_view view;
    member_view(node->member, node_clocks(node), &view);
    if (!view.has_value ||
        (int64_t) view.value->data_generation < node->store.generation) {
        return;
    }
    node->exporter.loading = false;
    if (!store_select(&node->store, node->exporter.epoch)) {
        (void) node_died(node);
        return;
    }
    trace(node->world, node->index, "selects its first load: generation %lld",
          (long long) node->store.generation);
    node_selected(node);
}

static void work(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    if (exporter->loading) {
        select_load(node);
        return;
    }
    if (exporter->rest_ms > 0 &&
        ts_elapsed_least(exporter->quiet_from, node_clocks(node)) <=
            exporter->rest_ms) {
        return;
    }
    exporter->rest_ms = 0;
    if (!have_token(node)) {
        return;
    }
    if (exporter->rebuild) {
        exporter_read_target(node);
        return;
    }
    if (is_at_rest(node)) {
        return;
    }
    if (!import_changes(node)) {
        (void) node_died(node);
        return;
    }
    exporter_settle(node);
    exporter_send(node);
    if (node->up) {
        note_rest(node);
    }
}

static void on_cycle(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    struct sim_exporter *exporter = &node->exporter;
    if (occasion->number != (int64_t) exporter->cycles ||
        exporter->phase != EXPORTER_EXPORTING) {
        return;
    }
    note_cycle(node, world->settings.cycle_ms);
    if (exporter->hung) {
        return;
    }
    node_tell_progress(node);
    if (node->exporter.phase != EXPORTER_EXPORTING ||
        member_gate_left(&node->gate, node_clocks(node)) <= 0) {
        return;
    }
    if (exporter->leaving) {
        if (exporter_idle(exporter)) {
            leave(node);
        }
        return;
    }
    work(node);
}

void exporter_nudge(struct sim_node *node)
{
    if (node->exporter.waiting_count > 0) {
        exporter_send(node);
    }
}
