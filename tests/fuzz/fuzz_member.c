/* Whatever happens, in whatever order: the member asserts its invariants after
 * each step, never spins, and its gate is closed without a lease.
 *
 * The input is a program of two bytes a step: what happens, and with which
 * detail. Events that answer an effect may come without one; a step of its own
 * answers all that was asked, well. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/cluster/member.h"

#define STEPS_MAX 400

struct world {
    struct member *member;
    struct member_effects out;
    struct ts_clocks now;
    uint8_t stored[REGISTER_VALUE_SIZE_MAX]; /* what the register holds */
    size_t stored_size;
    uint8_t wanted[REGISTER_VALUE_SIZE_MAX]; /* the last swap's */
    size_t wanted_size;
    uint64_t number; /* of the facts asked for last */
    bool asked[MEMBER_EFFECT_KINDS];
    struct member_message message, sent;
    struct register_principal principal;
    struct member_fencing rows[REGISTER_PRINCIPALS_MAX];
    size_t row_count;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(struct world *world, const struct member_effect *effect)
{
    world->asked[effect->kind] = true;
    if (effect->kind == MEMBER_DO_SWAP) {
        assert(effect->swap.bytes.size <= sizeof world->wanted);
        memcpy(world->wanted, effect->swap.bytes.data, effect->swap.bytes.size);
        world->wanted_size = effect->swap.bytes.size;
    } else if (effect->kind == MEMBER_DO_PERSIST) {
        assert(effect->persist.number > world->number);
        world->number = effect->persist.number;
    } else if (effect->kind == MEMBER_DO_FENCE) {
        assert(effect->fence.count > 0);
        world->row_count = effect->fence.count;
        for (size_t i = 0; i < effect->fence.count; i++) {
            assert(effect->fence.rows[i]->epoch < effect->fence.own->epoch);
            world->rows[i].epoch = effect->fence.rows[i]->epoch;
        }
    } else if (effect->kind == MEMBER_DO_SEND) {
        world->sent = *effect->send;
    }
}

static void step(struct world *world, const struct member_event *event)
{
    member_step(world->member, event, world->now, &world->out);
    for (size_t i = 0; i < world->out.count; i++) {
        note(world, &world->out.items[i]);
    }
    struct member_gate gate = member_gate(world->member);
    assert(!gate.open || gate.held);
}

/* ---- what may be in the register ---------------------------------------- */

static void store(struct world *world, const struct register_value *value)
{
    struct ts_arena arena;
    struct ts_slice bytes;
    struct ts_err err = { 0 };
    ts_arena_init(&arena, REGISTER_ARENA_SIZE);
    if (register_pack(value, &arena, &bytes, &err) == TS_OK) {
        memcpy(world->stored, bytes.data, bytes.size);
        world->stored_size = bytes.size;
    }
    ts_arena_done(&arena);
}

/* Somebody changes one thing about the value. */
static void change(struct world *world, uint8_t detail)
{
    struct ts_arena arena;
    struct ts_err err = { 0 };
    struct register_value *value = calloc(1, sizeof *value);
    assert(value != NULL);
    ts_arena_init(&arena, REGISTER_ARENA_SIZE);
    if (register_unpack(ts_slice(world->stored, world->stored_size), &arena,
                        value, &err) != TS_OK) {
        memset(value->id, 1, sizeof value->id);
        value->membership = value->voter_count = 1;
        memcpy(value->voters[0], "alpha", 6);
    }
    value->serial++;
    switch (detail % 10) {
    case 0:
        value->epoch++;
        memcpy(value->holder, "beta", 5);
        break;
    case 1:
        value->released = !value->released;
        break;
    case 2:
        value->membership++;
        value->voter_count = 2;
        memcpy(value->voters[1], "beta", 5);
        break;
    case 3:
        value->membership++;
        value->voter_count = 1;
        memcpy(value->voters[0], (detail & 16) != 0 ? "beta\0" : "alpha", 6);
        memset(value->voters[1], 0, sizeof value->voters[1]);
        break;
    case 4:
        memcpy(value->learner, "alpha", 6);
        break;
    case 5:
        value->id[0] ^= detail;
        break;
    case 6:
        value->serial -= value->serial > 5 ? 5 : 0;
        break;
    case 7:
        value->is_unprotected = !value->is_unprotected;
        break;
    case 8:
        value->paused = !value->paused;
        break;
    default:
        value->epoch -= value->epoch > 0;
        break;
    }
    store(world, value);
    ts_arena_done(&arena);
    free(value);
}

/* ---- events ------------------------------------------------------------- */

static void answer_register(struct world *world, uint8_t detail)
{
    struct member_event event = { .kind = MEMBER_READ, .text = "no answer" };
    if ((detail & 1) != 0) {
        event.kind = MEMBER_SWAPPED;
        event.swapped = (enum member_swap_outcome)((detail >> 1) % 4);
        bool lands = event.swapped == MEMBER_SWAP_DONE ||
                     (event.swapped == MEMBER_SWAP_UNKNOWN && detail > 127);
        if (lands && world->wanted_size > 0) {
            memcpy(world->stored, world->wanted, world->wanted_size);
            world->stored_size = world->wanted_size;
        }
    } else {
        event.read.status = (detail & 6) != 0
                                ? MEMBER_READ_VALUE
                                : (enum member_read_status)(detail / 8 % 4);
        event.read.bytes = ts_slice(world->stored, world->stored_size);
    }
    step(world, &event);
}

static void answer_fence(struct world *world, uint8_t detail)
{
    struct member_event event = { .kind = MEMBER_FENCED };
    for (size_t i = 0; i < world->row_count; i++) {
        world->rows[i].confirmed = (detail >> i & 1) != 0;
    }
    event.fenced.rows = world->rows;
    event.fenced.count = world->row_count;
    step(world, &event);
}

static void hear(struct world *world, uint8_t detail)
{
    struct member_message *message = &world->message;
    if ((detail & 64) != 0) { /* an echo of what it sent */
        *message = world->sent;
    }
    message->kind = (enum member_message_kind)(detail % MEMBER_MESSAGES);
    memcpy(message->from, "beta", 5);
    message->epoch += (detail & 32) != 0;
    message->heartbeat.role = MEMBER_STANDBY;
    message->heartbeat.fit = (detail & 16) != 0;
    message->heartbeat.wants_lease = (detail & 128) != 0;
    struct member_event event = { .kind = MEMBER_HEARD, .heard = message };
    step(world, &event);
}

static void command(struct world *world, uint8_t detail)
{
    struct member_event event = { .kind = MEMBER_COMMAND };
    event.command = (struct member_request){
        .id = detail,
        .command = (enum member_command)(detail % MEMBER_COMMANDS),
        .actor = "root",
        .reason = "a test",
        .node = "beta",
        .level = detail / 32,
        .for_ms = detail * 100,
        .accept_data_loss = (detail & 64) != 0,
        .server = ts_slice_str("server"),
    };
    memset(event.command.random, detail | 1, sizeof event.command.random);
    step(world, &event);
}

static void happen(struct world *world, uint8_t what, uint8_t detail)
{
    struct member_event event = { .kind = (enum member_event_kind)(what % 18) };
    switch (event.kind) {
    case MEMBER_READ:
    case MEMBER_SWAPPED:
        answer_register(world, detail);
        return;
    case MEMBER_FENCED:
        answer_fence(world, detail);
        return;
    case MEMBER_HEARD:
        hear(world, detail);
        return;
    case MEMBER_COMMAND:
        command(world, detail);
        return;
    case MEMBER_PERSISTED:
        event.persisted.number = world->number;
        event.persisted.ok = detail < 200;
        break;
    case MEMBER_MINTED:
        world->principal.id[0] = (char) ('a' + detail % 26);
        event.minted = detail < 200 ? &world->principal : NULL;
        break;
    case MEMBER_PROBED:
        for (size_t i = 0; i < MEMBER_PROBES; i++) {
            event.probed.ok[i] = detail >= 200 ? (detail >> i & 1) != 0 : true;
        }
        break;
    case MEMBER_ACTIVATED:
        event.activated = detail < 200;
        break;
    case MEMBER_LINK:
        event.link_up = (detail & 1) != 0;
        break;
    case MEMBER_POSITION:
        event.position.at.seq = detail;
        event.position.has_state = (detail & 1) != 0;
        break;
    case MEMBER_EQUAL:
        event.equal = (detail & 1) != 0;
        break;
    case MEMBER_TOKEN:
        memset(event.token.hash, detail | 1, sizeof event.token.hash);
        event.token.lifetime_s = detail;
        break;
    case MEMBER_GENERATION:
        event.generation = detail;
        break;
    case MEMBER_TICK:
    case MEMBER_DEACTIVATED:
    case MEMBER_PROGRESS:
    case MEMBER_UNPROTECTED:
    case MEMBER_EVENTS:
        break;
    }
    step(world, &event);
}

/* Everything that was asked is answered as one would wish. */
static void cooperate(struct world *world)
{
    static const struct {
        enum member_effect_kind asked;
        enum member_event_kind answer;
        uint8_t detail;
    } answers[] = {
        { MEMBER_DO_READ, MEMBER_READ, 2 },
        { MEMBER_DO_SWAP, MEMBER_SWAPPED, 1 },
        { MEMBER_DO_PERSIST, MEMBER_PERSISTED, 0 },
        { MEMBER_DO_MINT, MEMBER_MINTED, 0 },
        { MEMBER_DO_FENCE, MEMBER_FENCED, 255 },
        { MEMBER_DO_PROBE, MEMBER_PROBED, 0 },
        { MEMBER_DO_ACTIVATE, MEMBER_ACTIVATED, 0 },
        { MEMBER_DO_DEACTIVATE, MEMBER_DEACTIVATED, 0 },
    };
    happen(world, (uint8_t) MEMBER_TICK, 0);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (world->asked[answers[i].asked]) {
            world->asked[answers[i].asked] = false;
            bool empty =
                answers[i].answer == MEMBER_READ && world->stored_size == 0;
            happen(world, (uint8_t) answers[i].answer,
                   empty ? 8 : answers[i].detail);
        }
    }
    happen(world, (uint8_t) MEMBER_PROGRESS, 0);
}

/* Time passes to just behind the next deadline, or by a jump. */
static void pass(struct world *world, uint8_t detail)
{
    int64_t due = member_deadline(world->member, world->now);
    int64_t ms = detail < 128 && due < 100000 ? due : detail * 100;
    world->now.boot_ms += ms + (detail % 3 == 0 ? ms / 10 : 0);
    world->now.raw_ms += ms;
    struct member_event tick = { .kind = MEMBER_TICK };
    step(world, &tick);
    /* What was due is done or asked for: it does not want to be woken again at
     * once, whatever is not answered. */
    step(world, &tick);
    assert(member_deadline(world->member, world->now) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct member_options options = {
        .name = "alpha",
        .boot = { 1, 2, 3 },
        .ttl_ms = 15000,
        .renew_ms = 3000,
        .margin_ms = 2000,
        .clock_error_percent = 10,
        .level_max = 2,
        .now = { 1000, 2000 },
    };
    struct ts_err err = { 0 };
    struct world *world = calloc(1, sizeof *world);
    assert(world != NULL);
    world->now = options.now;
    enum ts_code code = member_new(&options, &world->member, &err);
    assert(code == TS_OK);
    size_t steps = size / 2 < STEPS_MAX ? size / 2 : STEPS_MAX;
    for (size_t i = 0; i < steps; i++) {
        uint8_t what = data[2 * i], detail = data[2 * i + 1];
        if (what >= 224) {
            pass(world, detail);
        } else if (what >= 208) {
            change(world, detail);
        } else if (what >= 144) {
            cooperate(world);
        } else {
            happen(world, what, detail);
        }
        struct member_gate_row rows[MEMBER_GATES_MAX];
        if (i % 16 == 0) {
            assert(member_explain(world->member, world->now, rows) > 0);
        }
    }
    member_free(world->member);
    free(world);
    return 0;
}
