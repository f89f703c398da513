#include "tests/sim/node.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

uint32_t node_life(const struct world *world, int index)
{
    return world->nodes[index]->life;
}

struct ts_clocks node_clocks(const struct sim_node *node)
{
    int64_t now_ms = node->world->now_ms;
    return (struct ts_clocks){ clock_boot(&node->clock, now_ms),
                               clock_raw(&node->clock, now_ms) };
}

void node_after(struct sim_node *node, int64_t delay_ms, agenda_fn *run,
                const struct occasion *what)
{
    struct occasion occasion = *what;
    occasion.at_ms = node->world->now_ms + delay_ms;
    occasion.run = run;
    occasion.node = node->index;
    occasion.life = node->life;
    agenda_note(&node->world->agenda, &occasion);
}

struct sim_node *node_new(struct world *world, int index)
{
    struct sim_node *node = sim_alloc(sizeof *node);
    node->world = world;
    node->index = index;
    node->name[0] = (char) ('a' + index);
    node->effects = sim_alloc(sizeof *node->effects);
    disk_init(&node->disk, node->name[0], &world->random);
    return node;
}

/* Everything of the process; the disk decides what is left. */
static void end_process(struct sim_node *node)
{
    node_ship_stop(node);
    member_free(node->member);
    node->member = NULL;
    store_close(&node->store);
    node->gate = (struct member_gate){ .open = false };
    node->exporter = (struct sim_exporter){ .phase = EXPORTER_STANDBY };
    node->fencing = (struct sim_fencing){ .round = 0 };
    node->up = node->leading = node->equal = false;
    node->thaw_ms = 0;
    node->link_up = node->unprotected = false;
    node->tick_ms = node->ship_tick_ms = 0;
    node->die_between = 0;
    node->failover = 0;
    node->freeze_at_send = node->tail_answered = false;
    node->life++;
    node->world->cell.calls[node->index].ticket = 0;
}

void node_free(struct sim_node *node)
{
    disk_done(&node->disk); /* handles go stale */
    node->disk.life++;
    end_process(node);
    disk_image_done(&node->image);
    free(node->effects);
    free(node);
}

void node_crash(struct sim_node *node, enum node_end how)
{
    if (!node->up) {
        return;
    }
    trace(node->world, node->index, "%s (%s)",
          how == NODE_POWER ? "loses its power" : "is killed",
          member_role_name(node->role));
    disk_end(&node->disk, how == NODE_KILLED);
    end_process(node);
    judge_gates(node->world);
}

bool node_died(struct sim_node *node)
{
    if (node->up && node->disk.dead) {
        node_crash(node, NODE_POWER);
        faults_restart(node->world, node->index);
        return true;
    }
    return false;
}

void node_start(struct sim_node *node, bool boots)
{
    struct world *world = node->world;
    if (node->up || world->ended) {
        return;
    }
    if (boots) {
        clock_start(&node->clock, world->now_ms, node->clock.rate);
    }
    node->up = true;
    node->role = MEMBER_STARTING;
    node->place = COVERAGE_PLACES;
    random_fill(&world->random, node->boot, sizeof node->boot);
    trace(world, node->index, "starts");
    if (!store_open(&node->store, node) || !node_ship_start(node) ||
        !node_member_start(node)) {
        if (!node_died(node)) {
            judge_violated(world, "ERROR", "node %s could not start",
                           node->name);
        }
        return;
    }
    judge_started(world, node->index);
    node_follow(node);
    node_link_changed(node);
    node_link_changed(world->nodes[1 - node->index]);
}
