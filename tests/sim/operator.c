#include "tests/sim/operator.h"

#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/world.h"

#define RECONCILE_MS 120000

static struct sim_node *some_up(struct world *world)
{
    int first = (int) random_below(&world->random, 2);
    for (int i = 0; i < 2; i++) {
        struct sim_node *node = world->nodes[(first + i) % 2];
        if (node->up && node->thaw_ms == 0 && node->member != NULL) {
            return node;
        }
    }
    return NULL;
}

static bool somebody_active(const struct world *world)
{
    for (int i = 0; i < 2; i++) {
        const struct sim_node *node = world->nodes[i];
        if (node->up && node->role >= MEMBER_FENCING &&
            node->role <= MEMBER_DRAINING) {
            return true;
        }
    }
    return false;
}

static void approve(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        struct sim_node *node = world->nodes[i];
        int64_t count = 0;
        if (node->up && node->exporter.phase == EXPORTER_EXPORTING &&
            !node->exporter.rebuild && !node->exporter.leaving &&
            member_gate_left(&node->gate, node_clocks(node)) > 0 &&
            random_chance(&world->random, 150)) {
            /* Counted first: what is sent at once is approved. */
            if (!store_approve(&node->store, &count)) {
                (void) node_died(node);
            }
            world->judge.approved += count;
        }
    }
}

static bool is_lost(const struct sim_node *node)
{
    struct member_view view;
    member_view(node->member, node_clocks(node), &view);
    return !view.register_ok;
}

/* What was switched off on purpose is switched on again, when all is calm. */
static void resume(struct world *world)
{
    for (int i = 0; i < 2 && world->faults.calm; i++) {
        struct sim_node *node = world->nodes[i];
        struct member_view view;
        if (!node->up || node->thaw_ms != 0) {
            continue;
        }
        member_view(node->member, node_clocks(node), &view);
        if (view.paused && view.role == MEMBER_ACTIVE) {
            node_command(node, MEMBER_COMMAND_RESUME, false);
        } else if (view.maintenance) {
            node_command(node, MEMBER_COMMAND_MAINTENANCE_OFF, false);
        }
    }
}

/* A row of the standby rots, unseen: when the pair touches that row, the sum
 * that the standby computes from its own rows must tell. */
static void rot(struct world *world)
{
    static const char sql[] = "UPDATE metaverse SET left_by = 'rot' WHERE "
                              "id = (SELECT max(id) FROM metaverse "
                              "WHERE presence = 0)";
    int anchors[SOURCE_ANCHORS_MAX];
    struct ts_err err = { .code = TS_OK };
    char why[256];
    /* It must stay the standby: what takes over is not compared any more. */
    if (!world->faults.calm || world->faults.rotted || world->seed % 4 != 0 ||
        world->nodes[0]->failover != 0 || world->nodes[1]->failover != 0 ||
        !judge_converged(world, why, sizeof why)) {
        return;
    }
    int active = world->nodes[0]->role == MEMBER_ACTIVE ? 0 : 1;
    struct sim_node *standby = world->nodes[1 - active];
    world->faults.rotted = true;
    trace(world, standby->index, "a row rots");
    if (db_exec(&standby->store.mv->db, sql, &err) != TS_OK) {
        judge_violated(world, "ERROR", "%s", err.text);
        return;
    }
    for (int i = 0; i < SOURCE_ANCHORS_MAX; i++) {
        anchors[i] = i + 1;
    }
    (void) store_touch(&world->nodes[active]->store, anchors,
                       SOURCE_ANCHORS_MAX);
}

/* Where a broken clock let an unfenced node write late, no state knows of it:
 * the next reconcile finds it. */
static void reconcile(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        struct sim_exporter *exporter = &world->nodes[i]->exporter;
        if (exporter->phase == EXPORTER_EXPORTING && !exporter->rebuild &&
            judge_claims_nothing(world) && world->faults.calm &&
            world->now_ms - world->faults.calm_ms > RECONCILE_MS &&
            !world->faults.reconciled && !exporter->leaving) {
            world->faults.reconciled = true;
            exporter->rebuild = true;
            exporter->quiet_from = node_clocks(world->nodes[i]);
        }
    }
}

/* The first value, or another one in the place of a lost one. */
static bool look_after_register(struct world *world, struct sim_node *node)
{
    if (!world->judge.has_value) {
        node_command(node, MEMBER_COMMAND_INIT, false);
        return true;
    }
    if (world->cell.down || world->cell.ways[node->index].cut ||
        !world->faults.register_lost || !is_lost(node)) {
        return false;
    }
    trace(world, node->index, "the operator repairs the register");
    node_command(node, MEMBER_COMMAND_REPAIR, false);
    return true;
}

void operator_looks(struct world *world)
{
    struct sim_node *node =
        world->judge.has_value ? some_up(world) : world->nodes[0];
    if (node == NULL || !node->up || world->ended) {
        return;
    }
    approve(world);
    resume(world);
    reconcile(world);
    rot(world);
    if (!node->up || look_after_register(world, node)) {
        return; /* its disk may have died in an approval */
    }
    if (world->judge.value.voter_count < 2 &&
        world->judge.value.learner[0] == 0) {
        for (int i = 0; i < 2; i++) {
            if (world->nodes[i]->role == MEMBER_ACTIVE) {
                node_command(world->nodes[i], MEMBER_COMMAND_ADMIT, false);
            }
        }
        return;
    }
    if (somebody_active(world)) {
        world->faults.idle_ms = 0;
        return;
    }
    if (world->faults.idle_ms == 0) {
        world->faults.idle_ms = world->now_ms;
    } else if (world->now_ms - world->faults.idle_ms >
               4 * world->settings.ttl_ms) {
        trace(world, node->index, "the operator calls for a failover");
        world->faults.idle_ms = world->now_ms;
        node_command(node, MEMBER_COMMAND_FAILOVER, false);
    }
}

void supervisor_release(struct world *world, int node, const uint8_t *boot)
{
    struct register_value value;
    struct ts_err err = { .code = TS_OK };
    struct ts_slice bytes = TS_SLICE_NONE;
    struct ts_arena arena;
    ts_arena_init(&arena, 2 * REGISTER_ARENA_SIZE);
    if (register_unpack(ts_slice(world->cell.value, world->cell.size), &arena,
                        &value, &err) == TS_OK &&
        strcmp(value.holder, world->nodes[node]->name) == 0 &&
        memcmp(value.boot, boot, sizeof value.boot) == 0 && !value.released) {
        value.released = true;
        value.serial++;
        if (register_pack(&value, &arena, &bytes, &err) == TS_OK) {
            trace(world, node, "its supervisor releases epoch %lld",
                  (long long) value.epoch);
            cell_put(world, bytes);
            judge_swap(world, node, bytes, true);
        }
    }
    ts_arena_done(&arena);
}
