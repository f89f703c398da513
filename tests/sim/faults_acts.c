/* What each fault does to a node and its ways; see faults.h. */
#include "tests/sim/faults_private.h"

#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/operator.h"
#include "tests/sim/world.h"

/* ---- processes and hosts ------------------------------------------------ */

static void on_restart(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[(int) occasion->number & 1];
    if (!node->up) {
        node_start(node, (occasion->number & 2) != 0);
        if (node->up && random_chance(&world->random, 250)) {
            judge_state(world, node->index);
        }
    }
}

static void restart_after(struct world *world, int node, int64_t delay_ms,
                          bool boots)
{
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + delay_ms,
                                    .run = on_restart,
                                    .node = AGENDA_NOBODY,
                                    .number = node | (boots ? 2 : 0) });
}

int64_t faults_pause(struct world *world)
{
    static const int permille_of_ttl[] = { 20, 100, 500, 1500, 3000 };
    int64_t part = permille_of_ttl[random_below(&world->random, 5)];
    return 10 + world->settings.ttl_ms * part / 1000 +
           random_below(&world->random, 300);
}

void faults_restart(struct world *world, int node)
{
    restart_after(world, node, faults_pause(world), true);
    node_link_changed(world->nodes[1 - node]);
}

/* The supervisor has reaped its worker: one swap, `released`. */
static void on_release(struct world *world, struct occasion *occasion)
{
    const uint8_t *boot = occasion->data;
    int node = (int) occasion->number;
    if (!world->cell.down && !world->cell.ways[node].cut) {
        supervisor_release(world, node, boot);
    }
}

static void begin_power(struct sim_node *node)
{
    node_crash(node, NODE_POWER);
    faults_restart(node->world, node->index);
}

static void begin_kill(struct sim_node *node)
{
    struct world *world = node->world;
    uint8_t boot[REGISTER_ID_SIZE];
    /* As node/daemon/release.h has it. */
    int64_t wait_ms = world->target.fences
                          ? 0
                          : world->settings.margin_ms *
                                    (100 + world->settings.error_percent) /
                                    100 +
                                1;
    memcpy(boot, node->boot, sizeof boot);
    node_crash(node, NODE_KILLED);
    restart_after(world, node->index, faults_pause(world), false);
    node_link_changed(world->nodes[1 - node->index]);
    if (random_chance(&world->random, 600)) {
        agenda_note(
            &world->agenda,
            &(struct occasion){ .at_ms = world->now_ms +
                                         clock_stretch(&node->clock, wait_ms) +
                                         random_between(&world->random, 3, 60),
                                .run = on_release,
                                .node = AGENDA_NOBODY,
                                .number = node->index,
                                .data = sim_copy(boot, sizeof boot),
                                .size = sizeof boot });
    }
}

static void on_watchdog(struct world *world, struct occasion *occasion)
{
    node_crash(world->nodes[occasion->node], NODE_KILLED);
    restart_after(world, occasion->node, 1000, false);
    node_link_changed(world->nodes[1 - occasion->node]);
}

void faults_watchdog(struct world *world, int node)
{
    node_after(world->nodes[node], 3 * world->settings.ttl_ms, on_watchdog,
               &(struct occasion){ .number = 0 });
}

/* A fence is cut off when the principal is gone and nothing is proved yet. */
static void on_cut_off(struct world *world, struct occasion *occasion)
{
    trace(world, occasion->node, "its fence is cut off");
    node_crash(world->nodes[occasion->node], NODE_POWER);
    restart_after(world, occasion->node, 20, false);
    node_link_changed(world->nodes[1 - occasion->node]);
}

void faults_deleted(struct world *world, int node)
{
    struct sim_target *target = &world->target;
    if (world->settings.outage && !world->faults.calm &&
        random_chance(&world->random, 700)) {
        target->out_from_ms =
            world->now_ms + random_between(&world->random, 8, 60);
        target->out_until_ms =
            target->out_from_ms + random_between(&world->random, 500, 6000);
        trace(world, AGENDA_NOBODY, "the target is out for %lld ms",
              (long long) (target->out_until_ms - target->out_from_ms));
    }
    if (world->settings.edge && !world->faults.calm &&
        random_chance(&world->random, 200)) {
        node_after(world->nodes[node], 1, on_cut_off,
                   &(struct occasion){ .number = 0 });
    }
}

static void begin_mid_step(struct sim_node *node)
{
    node->die_between = (int) random_between(&node->world->random, 1, 8);
}

static void begin_mid_write(struct sim_node *node)
{
    node->disk.die_in = random_between(&node->world->random, 1, 40);
}

bool faults_between(struct world *world, int node)
{
    struct sim_node *at = world->nodes[node];
    return at->die_between > 0 && --at->die_between == 0;
}

static void freeze(struct sim_node *node, int64_t for_ms)
{
    node->thaw_ms = node->world->now_ms + for_ms;
    trace(node->world, node->index, "is frozen for %lld ms",
          (long long) for_ms);
}

static void begin_freeze(struct sim_node *node)
{
    freeze(node, faults_pause(node->world));
}

static void on_wake(struct world *world, struct occasion *occasion)
{
    clock_set(&world->nodes[(int) occasion->number]->clock, world->now_ms,
              SIM_CLOCK_RUNS);
}

static void sleep_clock(struct sim_node *node, enum sim_clock_state state)
{
    struct world *world = node->world;
    freeze(node, faults_pause(world));
    clock_set(&node->clock, world->now_ms, state);
    agenda_note(&world->agenda, &(struct occasion){ .at_ms = node->thaw_ms,
                                                    .run = on_wake,
                                                    .node = AGENDA_NOBODY,
                                                    .number = node->index });
}

/* Only a fence protects from that. */
static bool can_mid_send(const struct sim_node *node)
{
    return node->world->target.fences;
}

static void begin_mid_send(struct sim_node *node)
{
    node->freeze_at_send = true;
}

int64_t faults_sending(struct world *world, int index)
{
    struct sim_node *node = world->nodes[index];
    if (!node->freeze_at_send) {
        return 0;
    }
    node->freeze_at_send = false;
    freeze(node, faults_pause(world));
    return node->thaw_ms - world->now_ms;
}

/* The sums of its rows are those of other rows: before and after alike, so that
 * only who knows its own sum can tell. */
void faults_frame(struct world *world, struct frame *frame)
{
    const struct sum other = { .limb = { 1 } };
    if (frame->type != FRAME_ROWS || frame->rows.count == 0 ||
        world->faults.calm ||
        !random_chance(&world->random, world->settings.wrong_sums)) {
        return;
    }
    trace(world, AGENDA_NOBODY, "rows with the sums of others");
    /* Our own copy of what was sent (frames.h). */
    struct frame_piece *pieces =
        (struct frame_piece *) (uintptr_t) frame->rows.pieces;
    for (size_t i = 0; i < frame->rows.count; i++) {
        sum_add(&pieces[i].item.pre, other);
        sum_add(&pieces[i].item.post, other);
    }
}

static void begin_suspend(struct sim_node *node)
{
    sleep_clock(node, SIM_CLOCK_SUSPENDED);
}

static void begin_pause_vm(struct sim_node *node)
{
    sleep_clock(node, SIM_CLOCK_PAUSED);
}

void faults_take_image(struct sim_node *node)
{
    if (node->up && !node->disk.dead && node->store.open) {
        disk_image_done(&node->image);
        disk_image_take(&node->disk, &node->image);
        node->image_at = store_position(&node->store);
    }
}

/* What has come since the image must show in the register: when it was written
 * after the last renewal, and the other node dies with it, nobody knows. */
static bool can_revive(const struct sim_node *node)
{
    const struct world *world = node->world;
    const struct register_position *shown = &world->judge.value.position;
    const struct journal_position *then = &node->image_at;
    struct journal_position now = store_position(&node->store);
    bool behind = (int64_t) shown->epoch > then->epoch ||
                  ((int64_t) shown->epoch == then->epoch &&
                   (int64_t) shown->seq > then->seq);
    return node->image.count > 0 && !world->faults.register_lost &&
           (behind || journal_position_equal(&now, then));
}

static void begin_revive(struct sim_node *node)
{
    node_crash(node, NODE_POWER);
    node->known_epoch = 0;
    disk_image_put(&node->disk, &node->image);
    disk_image_done(&node->image);
    trace(node->world, node->index, "its disk is put back to an old image");
    faults_restart(node->world, node->index);
}

static void begin_hang(struct sim_node *node)
{
    node->exporter.hung = true;
    trace(node->world, node->index, "its exporter hangs");
}

/* ---- ways --------------------------------------------------------------- */

void faults_links_changed(struct sim_node *node)
{
    node_link_changed(node);
    node_link_changed(node->world->nodes[1 - node->index]);
}

static void cut(struct sim_node *node, bool out, bool in)
{
    node->world->network.ways[node->index].cut |= out;
    node->world->network.ways[1 - node->index].cut |= in;
    faults_links_changed(node);
}

static void begin_link_both(struct sim_node *node)
{
    cut(node, true, true);
}

static void begin_link_out(struct sim_node *node)
{
    cut(node, true, false);
}

static void begin_link_in(struct sim_node *node)
{
    cut(node, false, true);
}

static void begin_link_bad(struct sim_node *node)
{
    struct sim_random *random = &node->world->random;
    const struct network_way *set = &node->world->settings.way;
    for (int i = 0; i < 2; i++) {
        struct network_way *way = &node->world->network.ways[i];
        if (set->delay_ms > 0) {
            way->loss = set->loss;
            way->delay_ms = set->delay_ms;
            continue;
        }
        way->loss = node->world->settings.promises
                        ? 0
                        : (int) random_below(random, 500);
        way->doubled = (int) random_below(random, 300);
        way->delay_ms =
            random_below(random, random_chance(random, 300) ? 4000 : 400);
    }
}

static void end_link(struct sim_node *node)
{
    network_heal(&node->world->network);
    faults_links_changed(node);
}

static void begin_cell_cut(struct sim_node *node)
{
    node->world->cell.ways[node->index].cut = true;
}

static void begin_cell_bad(struct sim_node *node)
{
    struct sim_random *random = &node->world->random;
    const struct cell_way *set = &node->world->settings.cell;
    struct cell_way *way = &node->world->cell.ways[node->index];
    if (set->lose_answer > 0 || set->late > 0) {
        *way = *set;
        return;
    }
    way->lose_request = (int) random_below(random, 200);
    way->lose_answer = (int) random_below(random, 600);
    way->late = (int) random_below(random, 500);
    way->delay_ms = random_below(random, 900);
}

static void begin_cell_down(struct sim_node *node)
{
    node->world->cell.down = true;
}

static void end_cell(struct sim_node *node)
{
    node->world->cell.down = false;
    node->world->cell.ways[node->index] = (struct cell_way){ .cut = false };
}

/* When the register forgets an epoch that only one node knows of, the other
 * cannot tell: that takes two disasters, and is claimed nowhere. */
static bool can_cell_back(const struct sim_node *node)
{
    const struct world *world = node->world;
    return world->nodes[0]->known_epoch >= world->judge.register_epoch &&
           world->nodes[1]->known_epoch >= world->judge.register_epoch;
}

static void begin_cell_back(struct sim_node *node)
{
    struct world *world = node->world;
    /* That it showed no protection may be known to one node only: likewise. */
    bool cleared =
        random_chance(&world->random, 200) || world->judge.value.is_unprotected;
    if (cleared) {
        cell_clear(world);
    } else if (!cell_roll_back(
                   world, (size_t) random_between(&world->random, 1, 20))) {
        return;
    }
    world->faults.register_lost = true;
    for (int i = 0; i < 2; i++) {
        if (random_chance(&world->random, 400)) {
            begin_kill(world->nodes[i]);
        }
    }
    trace(world, AGENDA_NOBODY, "the register is %s",
          cleared ? "made anew" : "put back to an old value");
}

static void begin_target_cut(struct sim_node *node)
{
    node->world->target.ways[node->index].cut = true;
}

static void begin_target_bad(struct sim_node *node)
{
    struct world *world = node->world;
    struct target_way *way = &world->target.ways[node->index];
    way->busy = (int) random_below(&world->random, 500);
    way->lose_request = (int) random_below(&world->random, 300);
    way->lose_answer = (int) random_below(&world->random, 500);
    /* Where nothing is fenced, m bounds how long a request may travel. */
    int64_t longest_ms = world->target.fences ? 2 * world->settings.ttl_ms
                                              : world->settings.margin_ms - 4;
    way->delay_ms = random_below(&world->random, longest_ms);
}

static void end_target(struct sim_node *node)
{
    node->world->target.ways[node->index] = (struct target_way){ .cut = false };
}

static void begin_source_cut(struct sim_node *node)
{
    node->world->source.cut[node->index] =
        random_chance(&node->world->random, 500);
    node->world->source.stale = 500;
}

static void end_source(struct sim_node *node)
{
    node->world->source.cut[node->index] = false;
    node->world->source.stale = 0;
}

/* ---- others ------------------------------------------------------------- */

void faults_note_fence(struct world *world, int principal)
{
    struct sim_faults *faults = &world->faults;
    faults->fenced[faults->fenced_count++ % FAULTS_FENCES_MAX] = principal;
}

static bool can_replay(const struct sim_node *node)
{
    return node->world->faults.fenced_count > 0;
}

static void begin_replay(struct sim_node *node)
{
    struct world *world = node->world;
    size_t count = world->faults.fenced_count;
    count = count < FAULTS_FENCES_MAX ? count : FAULTS_FENCES_MAX;
    if (count > 0) {
        int64_t some = random_below(&world->random, (int64_t) count);
        target_principal_delete(world, world->faults.fenced[some]);
    }
}

static void begin_operator(struct sim_node *node)
{
    static const enum member_command commands[] = {
        MEMBER_COMMAND_FAILOVER,       MEMBER_COMMAND_FAILOVER,
        MEMBER_COMMAND_FAILOVER,       MEMBER_COMMAND_PAUSE,
        MEMBER_COMMAND_MAINTENANCE_ON,
    };
    enum member_command command =
        commands[random_below(&node->world->random, 5)];
    trace(node->world, node->index, "the operator: command %d", command);
    node_command(node, command, random_chance(&node->world->random, 100));
}

void faults_end_operator(struct sim_node *node)
{
    node_command(node, MEMBER_COMMAND_RESUME, false);
    node_command(node, MEMBER_COMMAND_MAINTENANCE_OFF, false);
}

const struct fault faults_table[FAULT_KINDS] = {
    [FAULT_POWER] = { begin_power, NULL, 8, NULL },
    [FAULT_KILL] = { begin_kill, NULL, 8, NULL },
    [FAULT_MID_STEP] = { begin_mid_step, NULL, 6, NULL },
    [FAULT_MID_WRITE] = { begin_mid_write, NULL, 6, NULL },
    [FAULT_FREEZE] = { begin_freeze, NULL, 8, NULL },
    [FAULT_MID_SEND] = { begin_mid_send, NULL, 5, can_mid_send },
    [FAULT_SUSPEND] = { begin_suspend, NULL, 4, NULL },
    [FAULT_PAUSE_VM] = { begin_pause_vm, NULL, 3, NULL },
    [FAULT_LINK_BOTH] = { begin_link_both, end_link, 6, NULL },
    [FAULT_LINK_OUT] = { begin_link_out, end_link, 4, NULL },
    [FAULT_LINK_IN] = { begin_link_in, end_link, 4, NULL },
    [FAULT_LINK_BAD] = { begin_link_bad, end_link, 5, NULL },
    [FAULT_CELL_CUT] = { begin_cell_cut, end_cell, 6, NULL },
    [FAULT_CELL_BAD] = { begin_cell_bad, end_cell, 6, NULL },
    [FAULT_CELL_DOWN] = { begin_cell_down, end_cell, 4, NULL },
    [FAULT_CELL_BACK] = { begin_cell_back, NULL, 2, can_cell_back },
    [FAULT_TARGET_CUT] = { begin_target_cut, end_target, 4, NULL },
    [FAULT_TARGET_BAD] = { begin_target_bad, end_target, 6, NULL },
    [FAULT_SOURCE_CUT] = { begin_source_cut, end_source, 3, NULL },
    [FAULT_HANG] = { begin_hang, NULL, 2, NULL },
    [FAULT_REVIVE] = { begin_revive, NULL, 5, can_revive },
    [FAULT_REPLAY] = { begin_replay, NULL, 2, can_replay },
    [FAULT_OPERATOR] = { begin_operator, faults_end_operator, 5, NULL },
};
