/* The member machine in its node: events in, effects performed; see node.h. */
#include "tests/sim/node.h"

#include <string.h>

#include "tests/sim/world.h"

#define PARCEL_MEMBER 'M'
#define PARCEL_FRAME  'F'

static void after_step(struct sim_node *node);

/* ---- effects ------------------------------------------------------------ */

struct persisting {
    uint64_t number, epoch;
    size_t size;
};

static void on_persist(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    const struct persisting *what = occasion->data;
    if (!store_persist(&node->store, (const uint8_t *) (what + 1), what->size,
                       (int64_t) what->epoch)) {
        (void) node_died(node);
        return;
    }
    struct member_event event = { .kind = MEMBER_PERSISTED };
    event.persisted.number = what->number;
    event.persisted.ok = true;
    node_step(node, &event);
}

static void persist(struct sim_node *node, const struct member_effect *effect)
{
    size_t size = effect->persist.facts.size;
    struct persisting *what = sim_alloc(sizeof *what + size);
    *what = (struct persisting){ effect->persist.number, effect->persist.epoch,
                                 size };
    memcpy(what + 1, effect->persist.facts.data, size);
    node_after(node, random_between(&node->world->random, 0, 4), on_persist,
               &(struct occasion){ .data = what, .size = sizeof *what + size });
}

static void on_probe(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    const struct target_way *way = &world->target.ways[node->index];
    struct member_event event = { .kind = MEMBER_PROBED };
    bool target = !way->cut && !random_chance(&world->random, way->busy) &&
                  !random_chance(&world->random, world->target.busy);
    for (int i = 0; i < MEMBER_PROBES; i++) {
        event.probed.ok[i] = true;
    }
    event.probed.ok[MEMBER_PROBE_SOURCE] = !world->source.cut[node->index];
    event.probed.ok[MEMBER_PROBE_TARGET] = target;
    event.probed.ok[MEMBER_PROBE_REGISTRATION] = target;
    event.probed.ok[MEMBER_PROBE_STATE] = true;
    node_step(node, &event);
}

static void send_message(struct sim_node *node,
                         const struct member_message *message)
{
    uint8_t parcel[1 + sizeof *message];
    if (message->kind == MEMBER_MESSAGE_PROMISE_GRANT) {
        judge_promised(node->world, node->index);
    }
    parcel[0] = PARCEL_MEMBER;
    memcpy(parcel + 1, message, sizeof *message);
    network_send(node->world, node->index, parcel, sizeof parcel);
}

static void record(struct sim_node *node, const struct member_effect *effect)
{
    trace(node->world, node->index, "history: %s, epoch %lld, %s: %s",
          effect->record.name, (long long) effect->record.epoch,
          effect->record.actor == NULL ? "-" : effect->record.actor,
          effect->text);
}

static void token(struct sim_node *node, const struct member_effect *effect)
{
    if (!fencing_token(node, effect->token.ok)) {
        exporter_token(node, effect->token.ok);
    }
}

/* One effect; its answer comes from the agenda (N1). */
static void perform(struct sim_node *node, const struct member_effect *effect)
{
    struct world *world = node->world;
    switch (effect->kind) {
    case MEMBER_DO_READ:
        cell_read(world, node->index);
        break;
    case MEMBER_DO_SWAP:
        cell_swap(world, node->index, effect->swap.expected,
                  effect->swap.bytes);
        break;
    case MEMBER_DO_PERSIST:
        persist(node, effect);
        break;
    case MEMBER_DO_MINT:
        fencing_mint(node, effect->mint.epoch, effect->mint.again);
        break;
    case MEMBER_DO_UNMINT:
        fencing_unmint(node, effect->unmint);
        break;
    case MEMBER_DO_FENCE:
        fencing_begin(node, effect);
        break;
    case MEMBER_DO_PROBE:
        node_after(node, random_between(&world->random, 2, 20), on_probe,
                   &(struct occasion){ .number = 0 });
        break;
    case MEMBER_DO_SEND:
        send_message(node, effect->send);
        break;
    case MEMBER_DO_ACTIVATE:
        node_remember_before(node);
        exporter_activate(node, &effect->activate);
        break;
    case MEMBER_DO_DEACTIVATE:
        trace(world, node->index, "leaves: %s", effect->text);
        exporter_deactivate(node, effect->deactivate);
        break;
    case MEMBER_DO_CANCEL:
        exporter_cancel(node);
        break;
    case MEMBER_DO_TOKEN:
        token(node, effect);
        break;
    case MEMBER_DO_PROTECTION:
        node->unprotected = effect->protection.is_unprotected;
        exporter_protection(node, effect->protection.is_unprotected);
        break;
    case MEMBER_DO_RECORD:
        record(node, effect);
        break;
    case MEMBER_DO_ANSWER:
        node->failover =
            node->failover == effect->answer.id ? 0 : node->failover;
        trace(world, node->index, "answers the operator: %d, %s",
              effect->answer.status, effect->text);
        break;
    case MEMBER_DO_GENERATION:
    case MEMBER_DO_PIN:
    case MEMBER_EFFECT_KINDS:
        break;
    }
}

/* ---- stepping ----------------------------------------------------------- */

static void on_tick(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    if (node->tick_ms == occasion->number) {
        node->tick_ms = 0;
        node_step(node, &(struct member_event){ .kind = MEMBER_TICK });
    }
}

static void note_tick(struct sim_node *node)
{
    int64_t left_ms = member_deadline(node->member, node_clocks(node));
    int64_t delay_ms =
        left_ms > 3600000 ? 3600000 : clock_stretch(&node->clock, left_ms);
    int64_t at_ms = node->world->now_ms + (delay_ms > 0 ? delay_ms : 1);
    if (node->tick_ms == 0 || at_ms < node->tick_ms) {
        node->tick_ms = at_ms;
        node_after(node, at_ms - node->world->now_ms, on_tick,
                   &(struct occasion){ .number = at_ms });
    }
}

static void after_step(struct sim_node *node)
{
    struct world *world = node->world;
    struct member_view view;
    struct ts_clocks now = node_clocks(node);
    node->gate = member_gate(node->member);
    member_view(node->member, now, &view);
    size_t place = coverage_place(view.role, view.step);
    if (place == COVERAGE_PLACES) {
        judge_violated(world, "PLACE", "%s is %s, in step \"%s\": %s",
                       node->name, member_role_name(view.role), view.step,
                       coverage_unreachable(view.role));
        return;
    }
    world->coverage->seen[place]++;
    if (place != node->place) {
        node->place = place;
        faults_came_to(world, node->index, place);
    }
    if (view.role != node->role) {
        world->coverage->transitions[node->role][view.role]++;
        trace(world, node->index, "%s -> %s: %s", member_role_name(node->role),
              member_role_name(view.role), view.sentence);
        node->role = view.role;
    }
    judge_gates(world);
    note_tick(node);
}

void node_step(struct sim_node *node, const struct member_event *event)
{
    struct world *world = node->world;
    if (!node->up || node->member == NULL || world->ended) {
        return;
    }
    uint32_t life = node->life;
    member_step(node->member, event, node_clocks(node), node->effects);
    after_step(node);
    if (event->kind == MEMBER_PERSISTED) {
        struct member_view view;
        member_view(node->member, node_clocks(node), &view);
        node->known_epoch = (int64_t) view.epoch;
    }
    for (size_t i = 0; i < node->effects->count && !world->ended; i++) {
        if (i > 0 && faults_between(world, node->index)) {
            node_crash(node, NODE_POWER);
            faults_restart(world, node->index);
        }
        if (node->life != life) {
            return;
        }
        perform(node, &node->effects->items[i]);
    }
    if (node->life == life) {
        note_tick(node);
    }
}

bool node_member_start(struct sim_node *node)
{
    const struct sim_settings *settings = &node->world->settings;
    struct journal_position at = store_position(&node->store);
    struct ts_err err = { .code = TS_OK };
    struct member_options options = {
        .name = node->name,
        .ttl_ms = settings->ttl_ms,
        .renew_ms = settings->renew_ms,
        .margin_ms = settings->margin_ms,
        .clock_error_percent = settings->error_percent,
        .unprotected = settings->stop_unprotected ? MEMBER_UNPROTECTED_STOP
                                                  : MEMBER_UNPROTECTED_CONTINUE,
        .level_max = METAVERSE_LEVELS,
        .facts = ts_slice(node->store.facts, node->store.facts_size),
        .epoch = (uint64_t) node->store.epoch,
        .position = node_register_position(&at),
        .has_state = node->store.open,
        .now = node_clocks(node),
    };
    memcpy(options.boot, node->boot, sizeof options.boot);
    if (member_new(&options, &node->member, &err) != TS_OK) {
        judge_violated(node->world, "ERROR", "%s", err.text);
        return false;
    }
    note_tick(node);
    return true;
}

/* ---- what is told to it ------------------------------------------------- */

struct register_position
node_register_position(const struct journal_position *at)
{
    struct register_position position = {
        .generation = (uint64_t) at->generation,
        .epoch = (uint64_t) at->epoch,
        .seq = (uint64_t) at->seq,
    };
    sum_store(at->sum, position.sum);
    return position;
}

static void on_event(struct world *world, struct occasion *occasion)
{
    struct member_event event = {
        .kind = (enum member_event_kind) occasion->number,
    };
    struct sim_node *node = world->nodes[occasion->node];
    struct journal_position at = store_position(&node->store);
    bool yes = occasion->data != NULL && *(const bool *) occasion->data;
    if (event.kind == MEMBER_POSITION) {
        event.position.at = node_register_position(&at);
        event.position.has_state = node->store.open;
    } else if (event.kind == MEMBER_EQUAL) {
        event.equal = yes;
    } else if (event.kind == MEMBER_LINK) {
        event.link_up = yes;
    }
    node_step(node, &event);
}

static void tell(struct sim_node *node, enum member_event_kind kind, bool yes)
{
    node_after(node, 0, on_event,
               &(struct occasion){ .number = kind,
                                   .data = sim_copy(&yes, sizeof yes),
                                   .size = sizeof yes });
}

void node_tell_position(struct sim_node *node)
{
    tell(node, MEMBER_POSITION, false);
}

void node_tell_equal(struct sim_node *node, bool equal)
{
    struct journal_position at = store_position(&node->store);
    if (equal != node->equal || !journal_position_equal(&at, &node->equal_at)) {
        node->equal = equal;
        node->equal_at = at;
        tell(node, MEMBER_EQUAL, equal);
    }
}

void node_tell_progress(struct sim_node *node)
{
    node_step(node, &(struct member_event){ .kind = MEMBER_PROGRESS });
}

void node_tell_unprotected(struct sim_node *node)
{
    tell(node, MEMBER_UNPROTECTED, true);
}

void node_tell_link(struct sim_node *node, bool up)
{
    if (up != node->link_up) {
        node->link_up = up;
        trace(node->world, node->index, "link %s", up ? "up" : "down");
        tell(node, MEMBER_LINK, up);
    }
}

void node_command(struct sim_node *node, enum member_command command,
                  bool accept_data_loss)
{
    struct member_event event = { .kind = MEMBER_COMMAND };
    struct member_request *request = &event.command;
    request->id = ++node->world->commands;
    request->command = command;
    request->actor = "operator";
    request->reason = "simulated";
    request->accept_data_loss = accept_data_loss;
    request->node = command == MEMBER_COMMAND_ADMIT
                        ? node->world->nodes[1 - node->index]->name
                        : NULL;
    random_fill(&node->world->random, request->random, sizeof request->random);
    if (command == MEMBER_COMMAND_FAILOVER) {
        node->failover = request->id;
    }
    node_step(node, &event);
}

void node_on_cell(struct world *world, int index, enum cell_status status,
                  struct ts_slice bytes)
{
    struct member_event event = { .kind = MEMBER_SWAPPED };
    switch (status) {
    case CELL_VALUE:
        event.kind = MEMBER_READ;
        event.read.status =
            bytes.size > 0 ? MEMBER_READ_VALUE : MEMBER_READ_ABSENT;
        event.read.bytes = bytes;
        break;
    case CELL_DONE:
        event.swapped = MEMBER_SWAP_DONE;
        break;
    case CELL_LOST:
        event.swapped = MEMBER_SWAP_LOST;
        break;
    case CELL_UNKNOWN:
        event.swapped = MEMBER_SWAP_UNKNOWN;
        break;
    case CELL_UNREACHABLE:
        event.swapped = MEMBER_SWAP_FAILED;
        if (!world->cell.calls[index].swapping) {
            event.kind = MEMBER_READ;
            event.read.status = MEMBER_READ_FAILED;
            event.read.bytes = TS_SLICE_NONE;
        }
        break;
    }
    node_step(world->nodes[index], &event);
}

void node_on_target(struct world *world, int index,
                    const struct target_answer *answer)
{
    exporter_answered(world->nodes[index], answer);
}

void node_hear(struct world *world, int index, const uint8_t *bytes,
               size_t size)
{
    struct sim_node *node = world->nodes[index];
    if (size == 1 + sizeof(struct member_message) &&
        bytes[0] == PARCEL_MEMBER) {
        struct member_message message;
        memcpy(&message, bytes + 1, sizeof message);
        struct member_event event = { .kind = MEMBER_HEARD };
        event.heard = &message;
        node_step(node, &event);
    } else if (size > 1 && bytes[0] == PARCEL_FRAME) {
        node_hear_frame(node, bytes + 1, size - 1);
    }
}
