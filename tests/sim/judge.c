#include "tests/sim/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/world.h"

const char *target_verb_name(enum target_verb verb)
{
    static const char *const names[] = { "create", "update", "delete", "look",
                                         "list" };
    return names[verb];
}

const char *target_status_name(enum target_status status)
{
    static const char *const names[] = {
        "done", "no such object", "taken", "denied", "busy", "no answer"
    };
    return names[status];
}

void judge_start(struct world *world)
{
    world->judge.rows = sim_alloc(JUDGE_ROWS * sizeof world->judge.rows[0]);
    world->judge.ops = sim_alloc(JUDGE_OPS * sizeof world->judge.ops[0]);
}

void judge_done_with(struct world *world)
{
    free(world->judge.rows);
    free(world->judge.ops);
}

void judge_violated(struct world *world, const char *invariant,
                    const char *format, ...)
{
    struct sim_judge *judge = &world->judge;
    if (judge->violated != NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(judge->text, sizeof judge->text, format, arguments);
    va_end(arguments);
    judge->violated = invariant;
    world->ended = true;
    trace(world, AGENDA_NOBODY, "VIOLATED %s: %s", invariant, judge->text);
}

/* Without a fence only the lease keeps epochs apart, and it rests on clocks. */
static bool epochs_count(const struct world *world)
{
    return world->target.fences ||
           (!world->nodes[0]->clock.broken && !world->nodes[1]->clock.broken);
}

bool judge_claims_nothing(const struct world *world)
{
    return !epochs_count(world) || world->judge.let_in;
}

/* ---- the register ------------------------------------------------------- */

/* By the members of what stands there, which may have been put back. */
static void judge_swapper(struct world *world, int node,
                          const struct register_value *value)
{
    const char *name = world->nodes[node]->name;
    struct register_value old;
    struct ts_err err = { .code = TS_OK };
    struct ts_arena arena;
    ts_arena_init(&arena, REGISTER_ARENA_SIZE);
    bool same = world->cell.size > 0 &&
                register_unpack(ts_slice(world->cell.value, world->cell.size),
                                &arena, &old, &err) == TS_OK &&
                memcmp(old.id, value->id, sizeof old.id) == 0;
    ts_arena_done(&arena);
    if (same && !register_has_voter(&old, name)) {
        judge_violated(world, "I8", "%s swapped the register and is no voter",
                       name);
    }
    if ((int64_t) value->epoch < world->judge.register_epoch) {
        judge_violated(world, "I1",
                       "%s put epoch %lld into a register that had epoch %lld",
                       name, (long long) value->epoch,
                       (long long) world->judge.register_epoch);
    }
}

/* T(1+e) + 1 s, by its own clock. */
static bool has_waited(const struct world *world, int node,
                       struct ts_clocks from)
{
    const struct sim_settings *settings = &world->settings;
    int64_t wait_ms =
        settings->ttl_ms * (100 + (int64_t) settings->error_percent) / 100 +
        1000;
    return ts_elapsed_least(from, node_clocks(world->nodes[node])) >= wait_ms;
}

/* It is this start of the node that takes the lease. A register that an
 * operator repairs has another id and a higher epoch, and names its last
 * holder: nobody takes anything by that. */
static void judge_taking(struct world *world, int node,
                         const struct register_value *value)
{
    const struct sim_judge *judge = &world->judge;
    const struct judge_life *life = &judge->lives[node];
    const struct sim_node *at = world->nodes[node];
    if (!judge->has_value ||
        memcmp(judge->value.id, value->id, sizeof value->id) != 0 || !at->up ||
        strcmp(value->holder, at->name) != 0 ||
        memcmp(value->boot, at->boot, sizeof value->boot) != 0 ||
        (int64_t) value->epoch <= judge->register_epoch) {
        return;
    }
    if (life->has_promised && !has_waited(world, node, life->promised)) {
        judge_violated(world, "M5",
                       "%s takes epoch %lld and has promised not to", at->name,
                       (long long) value->epoch);
    }
    if (judge->value.voter_count > 1 &&
        !has_waited(world, node, life->started)) {
        judge_violated(world, "M5", "%s takes epoch %lld just after its start",
                       at->name, (long long) value->epoch);
    }
}

void judge_promised(struct world *world, int node)
{
    struct judge_life *life = &world->judge.lives[node];
    if (!has_waited(world, node, life->started)) {
        judge_violated(world, "M5", "%s gives a promise just after its start",
                       world->nodes[node]->name);
    }
    life->promised = node_clocks(world->nodes[node]);
    life->has_promised = true;
}

static void note_epoch(struct world *world, const struct register_value *value)
{
    struct sim_judge *judge = &world->judge;
    if ((int64_t) value->epoch <= judge->register_epoch) {
        return;
    }
    if (judge->has_value && value->holder[0] != 0) {
        judge->takeovers += judge->value.holder[0] != 0;
        judge->before_epoch = (int64_t) judge->value.epoch;
        memcpy(judge->before_boot, judge->value.boot,
               sizeof judge->before_boot);
    }
    judge->register_epoch = (int64_t) value->epoch;
}

void judge_swap(struct world *world, int node, struct ts_slice bytes, bool late)
{
    struct sim_judge *judge = &world->judge;
    struct register_value value;
    struct ts_err err = { .code = TS_OK };
    struct ts_arena arena;
    ts_arena_init(&arena, REGISTER_ARENA_SIZE);
    enum ts_code code = register_unpack(bytes, &arena, &value, &err);
    ts_arena_done(&arena);
    if (code != TS_OK) {
        judge_violated(world, "ERROR", "register: %s", err.text);
        return;
    }
    if (!late) {
        judge_swapper(world, node, &value);
    }
    judge_taking(world, node, &value);
    note_epoch(world, &value);
    if (value.fenced && (int64_t) value.epoch > judge->fenced_below) {
        judge->fenced_below = (int64_t) value.epoch;
        judge->fenced_ms = world->now_ms;
    }
    if (!judge->has_value || judge->value.epoch != value.epoch ||
        judge->value.fenced != value.fenced ||
        judge->value.is_unprotected != value.is_unprotected ||
        judge->value.released != value.released) {
        trace(world, node, "register: epoch %lld, holder %s%s%s%s%s",
              (long long) value.epoch, value.holder,
              value.fenced ? ", fenced" : "",
              value.released ? ", released" : "",
              value.is_unprotected ? ", unprotected" : "",
              late ? " (landed late)" : "");
    }
    if ((int64_t) value.epoch >= judge->register_epoch) {
        judge->is_unprotected = value.is_unprotected;
    }
    judge->value = value;
    judge->has_value = true;
}

/* ---- the target --------------------------------------------------------- */

static bool sent_before(struct sim_judge *judge, uint64_t op)
{
    size_t at = (size_t) (op * 0x9e3779b97f4a7c15u >> 40) % JUDGE_OPS;
    for (size_t i = 0; i < JUDGE_OPS; i++, at = (at + 1) % JUDGE_OPS) {
        if (judge->ops[at] == op) {
            return true;
        }
        if (judge->ops[at] == 0) {
            judge->ops[at] = op;
            return false;
        }
    }
    return false;
}

static void judge_delete(struct world *world,
                         const struct target_request *request)
{
    struct sim_judge *judge = &world->judge;
    int anchor = request->anchor;
    if (anchor > SOURCE_ANCHORS_MAX) {
        judge_violated(world, "I9", "u%d is deleted, which was only found",
                       anchor);
        return;
    }
    if (world->source.values[anchor] != 0) {
        judge_violated(world, "I9", "u%d is deleted, and the source has it",
                       anchor);
    }
    if (!judge->deleted[anchor]) {
        judge->deleted[anchor] = true;
        judge->deletes++;
        judge->deletes_unprotected += judge->value.is_unprotected;
    }
    int64_t allowed = world->settings.deletes_max + judge->approved +
                      judge->deletes_unprotected;
    if (judge->deletes > allowed) {
        judge_violated(world, "I9",
                       "%lld deletions are admitted, %lld are allowed",
                       (long long) judge->deletes, (long long) allowed);
    }
}

void judge_launch(struct world *world, const struct target_request *request)
{
    if (request->op != 0 && sent_before(&world->judge, request->op)) {
        judge_violated(world, "I5", "the %s of u%d is sent twice",
                       target_verb_name(request->verb), request->anchor);
    }
}

void judge_rebuilding(struct world *world, int64_t spent)
{
    struct sim_judge *judge = &world->judge;
    if (spent < judge->deletes) {
        judge->deletes = spent;
        judge->deletes_unprotected = 0;
    }
}

void judge_admission(struct world *world, const struct target_request *request)
{
    struct sim_judge *judge = &world->judge;
    judge->let_in = judge->let_in || (!epochs_count(world) &&
                                      request->epoch < judge->register_epoch);
    if (epochs_count(world) && request->epoch < judge->admitted_epoch) {
        judge_violated(world, "I1", "epoch %lld is admitted after epoch %lld",
                       (long long) request->epoch,
                       (long long) judge->admitted_epoch);
    }
    if (request->epoch > judge->admitted_epoch) {
        judge->admitted_epoch = request->epoch;
    }
    if (world->target.fences && request->epoch < judge->fenced_below) {
        judge_violated(
            world, "I2", "epoch %lld is admitted, all below %lld are fenced",
            (long long) request->epoch, (long long) judge->fenced_below);
    }
    if (request->epoch > judge->fenced_below) {
        judge_violated(world, "I2",
                       "epoch %lld is admitted, and the register does not show "
                       "that all below it are fenced",
                       (long long) request->epoch);
    }
    if (request->verb == SIM_DELETE) {
        judge_delete(world, request);
    }
}

void judge_effect(struct world *world, const struct target_request *request,
                  const struct target_object *object)
{
    const struct sim_judge *judge = &world->judge;
    if (epochs_count(world) && request->epoch < object->effect_epoch) {
        judge_violated(world, "I1",
                       "u%d: an effect of epoch %lld after one of epoch %lld",
                       request->anchor, (long long) request->epoch,
                       (long long) object->effect_epoch);
    }
    if (world->target.fences && request->epoch < judge->fenced_below &&
        world->now_ms > judge->fenced_ms + world->target.quiet_ms) {
        judge_violated(world, "I2",
                       "u%d: an effect of epoch %lld, Q after all below %lld "
                       "were fenced",
                       request->anchor, (long long) request->epoch,
                       (long long) judge->fenced_below);
    }
}

/* ---- rows --------------------------------------------------------------- */

static struct judge_row *row_of(struct sim_judge *judge,
                                const struct journal_position *at)
{
    uint64_t key = (uint64_t) at->generation * 1000003u +
                   (uint64_t) at->epoch * 100003u + (uint64_t) at->seq;
    size_t slot = (size_t) (key * 0x9e3779b97f4a7c15u >> 40) % JUDGE_ROWS;
    for (size_t i = 0; i < JUDGE_ROWS; i++, slot = (slot + 1) % JUDGE_ROWS) {
        struct judge_row *row = &judge->rows[slot];
        if (row->epoch == 0) {
            row->generation = at->generation;
            row->epoch = at->epoch;
            row->seq = at->seq;
            row->post = at->sum;
            return row;
        }
        if (row->generation == at->generation && row->epoch == at->epoch &&
            row->seq == at->seq) {
            return row;
        }
    }
    return &judge->rows[0];
}

void judge_row(struct world *world, int node, const struct journal_position *at,
               bool wrote)
{
    struct judge_row *row = row_of(&world->judge, at);
    world->judge.commits += wrote;
    if (wrote && row->written) {
        judge_violated(world, "I6", "%s wrote row %lld of epoch %lld again",
                       world->nodes[node]->name, (long long) at->seq,
                       (long long) at->epoch);
    }
    if (!wrote && !row->written) {
        judge_violated(world, "I6",
                       "%s made row %lld of epoch %lld, which nobody wrote",
                       world->nodes[node]->name, (long long) at->seq,
                       (long long) at->epoch);
    }
    if (!sum_equal(row->post, at->sum)) {
        judge_violated(world, "I6", "row %lld of epoch %lld differs on %s",
                       (long long) at->seq, (long long) at->epoch,
                       world->nodes[node]->name);
    }
    row->written = row->written || wrote;
    row->durable |= (uint8_t) (1u << node);
}

void judge_batch(struct world *world, int node, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i].kind == JOURNAL_ROW) {
            struct journal_position at = journal_item_end(&batch->items[i]);
            judge_row(world, node, &at, false);
            world->judge.applied++;
        }
    }
}

void judge_has_all(struct world *world, int node,
                   const struct journal_position *at)
{
    for (size_t i = 0; i < JUDGE_ROWS; i++) {
        struct judge_row *row = &world->judge.rows[i];
        if (row->epoch == at->epoch && row->generation == at->generation &&
            row->seq <= at->seq) {
            row->durable |= (uint8_t) (1u << node);
        }
    }
}

void judge_started(struct world *world, int node)
{
    struct journal_position at = store_position(&world->nodes[node]->store);
    world->judge.lives[node] =
        (struct judge_life){ .started = node_clocks(world->nodes[node]) };
    if (at.seq > 0) {
        struct judge_row *row = row_of(&world->judge, &at);
        row->written = true;
        row->durable |= (uint8_t) (1u << node);
        judge_has_all(world, node, &at); /* a whole batch, or a snapshot */
    }
}

static bool is_durable_on(struct world *world, int node,
                          const struct journal_position *at)
{
    return (row_of(&world->judge, at)->durable & (1u << node)) != 0;
}

void judge_sending(struct world *world, const struct target_request *request,
                   const struct journal_position *marked)
{
    const struct sim_judge *judge = &world->judge;
    bool alone = judge->has_value && judge->value.voter_count < 2;
    int own = request->node;
    bool others = is_durable_on(world, 1 - own, marked);
    if (!is_durable_on(world, own, marked) ||
        (!others && !alone && !judge->is_unprotected)) {
        judge_violated(world, "I7",
                       "%s sends the %s of u%d, its intent is not durable on "
                       "both nodes, and the register shows protection",
                       world->nodes[own]->name, target_verb_name(request->verb),
                       request->anchor);
    }
}

/* ---- gates -------------------------------------------------------------- */

void judge_gates(struct world *world)
{
    bool open[2];
    for (int i = 0; i < 2; i++) {
        const struct sim_node *node = world->nodes[i];
        open[i] = node->up && !node->clock.broken &&
                  member_gate_left(&node->gate, node_clocks(node)) > 0;
    }
    if (open[0] && open[1]) {
        judge_violated(world, "I1", "both gates are open: epochs %lld, %lld",
                       (long long) world->nodes[0]->gate.epoch,
                       (long long) world->nodes[1]->gate.epoch);
    }
}

void judge_ledger_left(struct world *world, int node, int anchor)
{
    /* What a broken clock let in unfenced, nobody here can know of. */
    if (!judge_claims_nothing(world) &&
        target_by_anchor(&world->target, anchor) != NULL) {
        judge_violated(world, "I4",
                       "u%d left the ledger of %s, and is at the target",
                       anchor, world->nodes[node]->name);
    }
}
