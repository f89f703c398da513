#include "tests/sim/network.h"

#include "tests/sim/node.h"
#include "tests/sim/world.h"

static void arrive(struct world *world, struct occasion *occasion)
{
    node_hear(world, (int) occasion->number, occasion->data, occasion->size);
}

static void deliver(struct world *world, int from, const void *bytes,
                    size_t size)
{
    struct network_way *way = &world->network.ways[from];
    int64_t delay_ms = random_between(&world->random, 0, 1);
    if (way->delay_ms > 0) {
        delay_ms = random_between(&world->random, 1, way->delay_ms);
    } else if (world->now_ms + delay_ms < way->last_ms) {
        delay_ms = way->last_ms - world->now_ms;
    }
    way->last_ms = world->now_ms + delay_ms;
    int to = 1 - from;
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + delay_ms,
                                    .run = arrive,
                                    .node = to,
                                    .life = node_life(world, to),
                                    .number = to,
                                    .data = sim_copy(bytes, size),
                                    .size = size });
}

void network_send(struct world *world, int from, const void *bytes, size_t size)
{
    struct network_way *way = &world->network.ways[from];
    world->network.sent++;
    if (way->cut || random_chance(&world->random, way->loss)) {
        world->network.lost++;
        return;
    }
    deliver(world, from, bytes, size);
    if (random_chance(&world->random, way->doubled)) {
        world->network.doubled++;
        deliver(world, from, bytes, size);
    }
}

void network_heal(struct sim_network *network)
{
    for (int i = 0; i < 2; i++) {
        struct network_way *way = &network->ways[i];
        way->cut = false;
        way->loss = way->doubled = 0;
        way->delay_ms = 0;
    }
}
