#include "tests/sim/cell.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/world.h"

/* One call on its way: its bytes lie behind the struct. */
struct call {
    int node;
    uint32_t life;
    uint64_t ticket;
    bool swapping;
    size_t expected_size, value_size;
};

static const uint8_t *expected_of(const struct call *call)
{
    return (const uint8_t *) (call + 1);
}

static const uint8_t *value_of(const struct call *call)
{
    return expected_of(call) + call->expected_size;
}

struct answer {
    uint64_t ticket;
    enum cell_status status;
    size_t size;
};

static void on_answer(struct world *world, struct occasion *occasion)
{
    const struct answer *answer = occasion->data;
    int node = occasion->node;
    if (world->cell.calls[node].ticket == answer->ticket) {
        world->cell.calls[node].ticket = 0;
        node_on_cell(world, node, answer->status,
                     ts_slice((const uint8_t *) (answer + 1), answer->size));
    }
}

static void on_timeout(struct world *world, struct occasion *occasion)
{
    int node = occasion->node;
    if (world->cell.calls[node].ticket == (uint64_t) occasion->number) {
        bool swapping = world->cell.calls[node].swapping;
        world->cell.calls[node].ticket = 0;
        node_on_cell(world, node, swapping ? CELL_UNKNOWN : CELL_UNREACHABLE,
                     TS_SLICE_NONE);
    }
}

static int64_t delay(struct world *world, const struct cell_way *way)
{
    return random_between(&world->random, 1, 2 + way->delay_ms);
}

static void reply(struct world *world, const struct call *call,
                  enum cell_status status, struct ts_slice bytes)
{
    struct cell_way *way = &world->cell.ways[call->node];
    if (way->cut || random_chance(&world->random, way->lose_answer)) {
        return;
    }
    struct answer *answer = sim_alloc(sizeof *answer + bytes.size);
    *answer = (struct answer){ call->ticket, status, bytes.size };
    if (bytes.size > 0) {
        memcpy(answer + 1, bytes.data, bytes.size);
    }
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + delay(world, way),
                                    .run = on_answer,
                                    .node = call->node,
                                    .life = call->life,
                                    .data = answer,
                                    .size = sizeof *answer + bytes.size });
}

static void remember(struct sim_cell *cell)
{
    size_t slot = cell->history_count++ % CELL_HISTORY;
    free(cell->history[slot].value);
    cell->history[slot].value = cell->value;
    cell->history[slot].size = cell->size;
}

static void set(struct world *world, const uint8_t *bytes, size_t size)
{
    struct sim_cell *cell = &world->cell;
    remember(cell);
    cell->value = sim_copy(bytes, size);
    cell->size = size;
}

static void apply_swap(struct world *world, const struct call *call)
{
    struct sim_cell *cell = &world->cell;
    if (cell->size != call->expected_size ||
        (cell->size > 0 &&
         memcmp(cell->value, expected_of(call), cell->size) != 0)) {
        reply(world, call, CELL_LOST, TS_SLICE_NONE);
        return;
    }
    bool late = cell->calls[call->node].ticket != call->ticket ||
                node_life(world, call->node) != call->life;
    judge_swap(world, call->node, ts_slice(value_of(call), call->value_size),
               late);
    set(world, value_of(call), call->value_size);
    cell->swaps++;
    cell->late_swaps += late;
    reply(world, call, CELL_DONE, TS_SLICE_NONE);
}

static void land(struct world *world, struct occasion *occasion)
{
    const struct call *call = occasion->data;
    struct sim_cell *cell = &world->cell;
    if (cell->down) {
        reply(world, call, CELL_UNREACHABLE, TS_SLICE_NONE);
    } else if (call->swapping) {
        apply_swap(world, call);
    } else {
        reply(world, call, CELL_VALUE, ts_slice(cell->value, cell->size));
    }
}

/* A lost request is the network's: it happens although the node crashes. */
static void send_call(struct world *world, struct call *call, size_t size)
{
    struct sim_cell *cell = &world->cell;
    struct cell_way *way = &cell->ways[call->node];
    call->life = node_life(world, call->node);
    call->ticket = ++cell->tickets;
    cell->calls[call->node].ticket = call->ticket;
    cell->calls[call->node].swapping = call->swapping;
    int64_t timeout_ms =
        clock_stretch(&world->nodes[call->node]->clock, CELL_TIMEOUT_MS);
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + timeout_ms,
                                    .run = on_timeout,
                                    .node = call->node,
                                    .life = call->life,
                                    .number = (int64_t) call->ticket });
    if (way->cut || random_chance(&world->random, way->lose_request)) {
        free(call);
        return;
    }
    int64_t delay_ms = delay(world, way);
    if (random_chance(&world->random, way->late)) {
        delay_ms += random_between(&world->random, 500, 20000);
    }
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + delay_ms,
                                    .run = land,
                                    .node = AGENDA_NOBODY,
                                    .data = call,
                                    .size = size });
}

void cell_read(struct world *world, int node)
{
    struct call *call = sim_alloc(sizeof *call);
    call->node = node;
    send_call(world, call, sizeof *call);
}

void cell_swap(struct world *world, int node, struct ts_slice expected,
               struct ts_slice value)
{
    size_t size = sizeof(struct call) + expected.size + value.size;
    struct call *call = sim_alloc(size);
    *call = (struct call){ .node = node,
                           .swapping = true,
                           .expected_size = expected.size,
                           .value_size = value.size };
    uint8_t *bytes = (uint8_t *) (call + 1);
    if (expected.size > 0) {
        memcpy(bytes, expected.data, expected.size);
    }
    memcpy(bytes + expected.size, value.data, value.size);
    send_call(world, call, size);
}

void cell_put(struct world *world, struct ts_slice value)
{
    set(world, value.data, value.size);
}

bool cell_roll_back(struct world *world, size_t back)
{
    struct sim_cell *cell = &world->cell;
    size_t kept =
        cell->history_count < CELL_HISTORY ? cell->history_count : CELL_HISTORY;
    if (back == 0 || back > kept) {
        return false;
    }
    size_t slot = (cell->history_count - back) % CELL_HISTORY;
    if (cell->history[slot].size == 0) {
        return false;
    }
    set(world, cell->history[slot].value, cell->history[slot].size);
    return true;
}

void cell_clear(struct world *world)
{
    set(world, NULL, 0);
}

void cell_heal(struct sim_cell *cell)
{
    cell->down = false;
    for (int i = 0; i < 2; i++) {
        cell->ways[i] = (struct cell_way){ .cut = false };
    }
}

void cell_done(struct sim_cell *cell)
{
    free(cell->value);
    for (size_t i = 0; i < CELL_HISTORY; i++) {
        free(cell->history[i].value);
    }
}
