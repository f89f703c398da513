#include "tests/lib/cluster_world.h"

#include "tests/lib/test.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL_MS     15000
#define RENEW_MS   3000
#define MARGIN_MS  2000
#define STEP_MS    20
#define QUEUE_MAX  64
#define EVENTS_MAX 10000 /* at one time: more go to and fro for ever */

/* An event under way, with what it points to. */
struct item {
    int node;
    struct member_event event;
    struct member_message message;
    struct register_principal principal;
    struct member_fencing rows[REGISTER_PRINCIPALS_MAX];
    uint8_t bytes[REGISTER_VALUE_SIZE_MAX];
};

static struct item *queue[QUEUE_MAX];
static size_t queued;

static struct item *push(int node, enum member_event_kind kind)
{
    assert(queued < QUEUE_MAX);
    struct item *item = calloc(1, sizeof *item);
    assert(item != NULL);
    item->node = node;
    item->event.kind = kind;
    queue[queued++] = item;
    return item;
}

static void say(struct world *world, int node, const char *what,
                const char *text)
{
    size_t used = strlen(world->log);
    (void) snprintf(world->log + used, sizeof world->log - used,
                    "%lld %s %s: %s\n", (long long) world->now,
                    world->nodes[node].name, what, text);
}

struct ts_clocks world_clocks(const struct world *world, int node)
{
    const struct world_node *n = &world->nodes[node];
    int64_t passed =
        n->frozen ? 0 : (int64_t) ((double) (world->now - n->since) * n->rate);
    return (struct ts_clocks){ n->base.boot_ms + passed,
                               n->base.raw_ms + passed };
}

/* ---- answers ------------------------------------------------------------ */

static void answer_read(struct world *world, int node)
{
    struct world_node *n = &world->nodes[node];
    if (n->reg == WORLD_REGISTER_SILENT || n->reg == WORLD_REGISTER_LATE) {
        n->held_read = true;
        return;
    }
    struct item *item = push(node, MEMBER_READ);
    if (n->reg == WORLD_REGISTER_DOWN) {
        item->event.read.status = MEMBER_READ_FAILED;
        item->event.text = "could not reach the register";
    } else if (n->reg == WORLD_REGISTER_FOREIGN) {
        item->event.read.status = MEMBER_READ_FOREIGN;
        item->event.text = "another server answers";
    } else if (!world->is_present) {
        item->event.read.status = MEMBER_READ_ABSENT;
    } else {
        item->event.read.status = MEMBER_READ_VALUE;
        memcpy(item->bytes, world->bytes, world->size);
        item->event.read.bytes = ts_slice(item->bytes, world->size);
    }
}

static void put_bytes(struct world *world, struct ts_slice bytes)
{
    memcpy(world->bytes, bytes.data, bytes.size);
    world->size = bytes.size;
    world->is_present = true;
}

/* The first one only: what is sent after it is lost. */
static void keep_late(struct world_node *n, const struct member_effect *effect)
{
    if (n->has_late) {
        return;
    }
    n->has_late = true;
    n->late_expected_size = effect->swap.expected.size;
    n->late_size = effect->swap.bytes.size;
    memcpy(n->late_expected, effect->swap.expected.data, n->late_expected_size);
    memcpy(n->late_bytes, effect->swap.bytes.data, n->late_size);
}

static void answer_swap(struct world *world, int node,
                        const struct member_effect *effect)
{
    struct world_node *n = &world->nodes[node];
    struct ts_slice there =
        world->is_present ? ts_slice(world->bytes, world->size) : TS_SLICE_NONE;
    bool fits = ts_slice_equal(there, effect->swap.expected);
    n->swaps++;
    if (n->reg == WORLD_REGISTER_SILENT) {
        n->held_swap = true;
        n->held_outcome = MEMBER_SWAP_UNKNOWN;
        return;
    }
    if (n->reg == WORLD_REGISTER_SILENT_LATE) {
        keep_late(n, effect);
        struct item *item = push(node, MEMBER_SWAPPED);
        item->event.swapped = MEMBER_SWAP_UNKNOWN;
        return;
    }
    if (n->reg == WORLD_REGISTER_LATE) {
        n->held_swap = true;
        n->held_outcome = fits ? MEMBER_SWAP_DONE : MEMBER_SWAP_LOST;
        if (fits) {
            put_bytes(world, effect->swap.bytes);
        }
        return;
    }
    struct item *item = push(node, MEMBER_SWAPPED);
    item->event.swapped = MEMBER_SWAP_FAILED;
    item->event.text = "could not reach the register";
    if (n->reg == WORLD_REGISTER_DOWN || n->reg == WORLD_REGISTER_FOREIGN) {
        return;
    }
    if (fits && n->reg != WORLD_REGISTER_DROPPED) {
        put_bytes(world, effect->swap.bytes);
    }
    item->event.swapped = n->reg != WORLD_REGISTER_UP ? MEMBER_SWAP_UNKNOWN
                          : fits                      ? MEMBER_SWAP_DONE
                                                      : MEMBER_SWAP_LOST;
}

static void answer_fence(struct world *world, int node,
                         const struct member_effect *effect)
{
    struct world_node *n = &world->nodes[node];
    struct item *item = push(node, MEMBER_FENCED);
    n->fences++;
    item->event.fenced.rows = item->rows;
    item->event.fenced.count = effect->fence.count;
    item->event.fenced.again_ms = 500;
    for (size_t i = 0; i < effect->fence.count; i++) {
        item->rows[i].epoch = effect->fence.rows[i]->epoch;
        item->rows[i].confirmed = !n->fence_pending;
        (void) snprintf(item->rows[i].text, sizeof item->rows[i].text, "%s",
                        n->fence_pending ? "still admitted"
                                         : "refused 5 times");
    }
}

static void answer_mint(struct world *world, int node,
                        const struct member_effect *effect)
{
    struct world_node *n = &world->nodes[node];
    struct register_principal *made = &n->slow_principal;
    n->mints++;
    n->reenabled |= effect->mint.again != NULL;
    memset(made, 0, sizeof *made);
    made->epoch = effect->mint.epoch;
    made->kind = world->unfenced ? REGISTER_KIND_NONE : REGISTER_KIND_OAUTH;
    (void) snprintf(made->node, sizeof made->node, "%s", n->name);
    (void) snprintf(made->id, sizeof made->id, "%s-%llu-%d", n->name,
                    (unsigned long long) effect->mint.epoch, n->mints);
    if (n->mint_slow) {
        return;
    }
    struct item *item = push(node, MEMBER_MINTED);
    item->event.text = "could not make a client";
    item->principal = *made;
    item->event.minted = n->mint_fails ? NULL : &item->principal;
}

static void deliver(struct world *world, int node,
                    const struct member_message *message)
{
    bool is_grant = message->kind == MEMBER_MESSAGE_PROMISE_GRANT;
    if (is_grant && world->delay_ms > 0) {
        world->late = *message;
        world->late_node = 1 - node;
        world->late_at = world->now + world->delay_ms;
    } else if (is_grant && world->drops_grants) {
        return;
    } else if (world->link_up && world->nodes[1 - node].alive &&
               !world->nodes[1 - node].frozen) {
        struct item *item = push(1 - node, MEMBER_HEARD);
        item->message = *message;
        item->event.heard = &item->message;
    }
    world->nodes[node].grants += message->kind == MEMBER_MESSAGE_PROMISE_GRANT;
    if (message->kind == MEMBER_MESSAGE_PROMISE_REFUSAL) {
        world->nodes[node].refusals++;
        say(world, node, "no promise", message->text);
        memcpy(world->nodes[node].refusal, message->text, sizeof message->text);
    }
}

static void answer_probe(struct world *world, int node)
{
    struct item *item = push(node, MEMBER_PROBED);
    memcpy(item->event.probed.ok, world->nodes[node].probe_ok,
           sizeof item->event.probed.ok);
}

static void activate(struct world *world, int node,
                     const struct member_effect *effect)
{
    struct world_node *n = &world->nodes[node];
    n->activation = effect->activate;
    n->principal = *effect->activate.principal;
    n->has_activation = true;
    n->is_engine_active = !n->activate_fails;
    struct item *item = push(node, MEMBER_ACTIVATED);
    item->event.activated = !n->activate_fails;
    item->event.text = "could not open the target";
}

static void perform_own(struct world *world, int node,
                        const struct member_effect *effect)
{
    struct world_node *n = &world->nodes[node];
    if (effect->kind == MEMBER_DO_PERSIST) {
        assert(effect->persist.facts.size <= sizeof n->facts);
        memcpy(n->facts, effect->persist.facts.data,
               effect->persist.facts.size);
        n->facts_size = effect->persist.facts.size;
        n->epoch = effect->persist.epoch;
        n->slow_number = effect->persist.number;
        if (!n->persist_slow) {
            struct item *item = push(node, MEMBER_PERSISTED);
            item->event.persisted.number = n->slow_number;
            item->event.persisted.ok = true;
        }
    } else if (effect->kind == MEMBER_DO_DEACTIVATE) {
        say(world, node, "deactivate", effect->text);
        n->is_engine_active = false;
        if (!n->stuck_engine) {
            (void) push(node, MEMBER_DEACTIVATED);
        }
    } else if (effect->kind == MEMBER_DO_TOKEN) {
        n->token_ok += effect->token.ok;
        n->token_no += !effect->token.ok;
    } else if (effect->kind == MEMBER_DO_PROTECTION) {
        n->shows_unprotected = effect->protection.is_unprotected;
    } else if (effect->kind == MEMBER_DO_GENERATION) {
        n->generation_ok = effect->generation;
    } else if (effect->kind == MEMBER_DO_RECORD) {
        say(world, node, effect->record.name, effect->text);
    } else if (effect->kind == MEMBER_DO_ANSWER) {
        n->answers++;
        n->status = effect->answer.status;
        memcpy(n->answer, effect->text, sizeof n->answer);
        say(world, node, "answer", effect->text);
    } else if (effect->kind == MEMBER_DO_PIN) {
        n->reg = WORLD_REGISTER_UP;
    } else if (effect->kind == MEMBER_DO_UNMINT) {
        n->unmints++;
    } else if (effect->kind == MEMBER_DO_CANCEL) {
        say(world, node, "cancel", effect->text);
    }
}

static void perform(struct world *world, int node,
                    const struct member_effects *out)
{
    for (size_t i = 0; i < out->count; i++) {
        const struct member_effect *effect = &out->items[i];
        if (effect->kind == MEMBER_DO_READ) {
            answer_read(world, node);
        } else if (effect->kind == MEMBER_DO_SWAP) {
            answer_swap(world, node, effect);
        } else if (effect->kind == MEMBER_DO_FENCE) {
            answer_fence(world, node, effect);
        } else if (effect->kind == MEMBER_DO_MINT) {
            answer_mint(world, node, effect);
        } else if (effect->kind == MEMBER_DO_SEND) {
            deliver(world, node, effect->send);
        } else if (effect->kind == MEMBER_DO_PROBE) {
            answer_probe(world, node);
        } else if (effect->kind == MEMBER_DO_ACTIVATE) {
            activate(world, node, effect);
        } else {
            perform_own(world, node, effect);
        }
    }
}

/* ---- running ------------------------------------------------------------ */

static void step(struct world *world, int node,
                 const struct member_event *event)
{
    static struct member_effects out;
    struct world_node *n = &world->nodes[node];
    if (!n->alive || n->frozen) {
        return;
    }
    struct ts_clocks now = world_clocks(world, node);
    enum member_role before = world_role(world, node);
    member_step(n->member, event, now, &out);
    if (world_role(world, node) != before) {
        struct member_view view;
        member_view(n->member, now, &view);
        say(world, node, member_role_name(view.role), view.sentence);
    }
    perform(world, node, &out);
}

static void drain(struct world *world)
{
    while (queued > 0) {
        world->events = world->now == world->events_at ? world->events + 1 : 0;
        world->events_at = world->now;
        world_told(world, world->events < EVENTS_MAX);
        struct item *item = queue[0];
        memmove(queue, queue + 1, --queued * sizeof queue[0]);
        step(world, item->node, &item->event);
        free(item);
    }
}

void world_tell(struct world *world, int node, const struct member_event *event)
{
    step(world, node, event);
    drain(world);
}

void world_mint(struct world *world, int node)
{
    struct member_event event = { .kind = MEMBER_MINTED };
    world->nodes[node].mint_slow = false;
    event.minted = &world->nodes[node].slow_principal;
    world_tell(world, node, &event);
}

void world_persist(struct world *world, int node)
{
    struct member_event event = { .kind = MEMBER_PERSISTED };
    world->nodes[node].persist_slow = false;
    event.persisted.number = world->nodes[node].slow_number;
    event.persisted.ok = true;
    world_tell(world, node, &event);
}

void world_land(struct world *world, int node)
{
    struct world_node *n = &world->nodes[node];
    if (ts_slice_equal(ts_slice(world->bytes, world->size),
                       ts_slice(n->late_expected, n->late_expected_size))) {
        put_bytes(world, ts_slice(n->late_bytes, n->late_size));
    }
    n->has_late = false;
}

static void tell_kind(struct world *world, int node,
                      enum member_event_kind kind)
{
    struct member_event event = { .kind = kind };
    world_tell(world, node, &event);
}

static void release_held(struct world *world, int node)
{
    struct world_node *n = &world->nodes[node];
    if (n->reg == WORLD_REGISTER_SILENT || n->reg == WORLD_REGISTER_LATE) {
        return;
    }
    if (n->held_read) {
        n->held_read = false;
        answer_read(world, node);
    }
    if (n->held_swap) {
        n->held_swap = false;
        struct item *item = push(node, MEMBER_SWAPPED);
        item->event.swapped = n->held_outcome;
        item->event.text = "the register did not answer in time";
    }
    drain(world);
}

static void turn(struct world *world, int node)
{
    struct world_node *n = &world->nodes[node];
    if (!n->alive || n->frozen) {
        return;
    }
    release_held(world, node);
    if (n->is_engine_active && !n->hangs) {
        tell_kind(world, node, MEMBER_PROGRESS);
        if (world->link_up && world->nodes[1 - node].alive) {
            struct member_event event = { .kind = MEMBER_EQUAL,
                                          .equal = world->equal };
            world_tell(world, node, &event);
        }
    }
    struct ts_clocks now = world_clocks(world, node);
    if (member_deadline(n->member, now) == 0) {
        tell_kind(world, node, MEMBER_TICK);
        int64_t left = member_deadline(n->member, now);
        assert(left > 0); /* it must not spin */
    }
}

bool world_exports(struct world *world, int node)
{
    struct world_node *n = &world->nodes[node];
    if (!n->alive || n->frozen) {
        return false;
    }
    struct member_gate gate = member_gate(n->member);
    return member_gate_left(&gate, world_clocks(world, node)) > 0;
}

void world_run(struct world *world, int64_t ms)
{
    for (int64_t end = world->now + ms; world->now < end;) {
        world->now += STEP_MS;
        if (world->late_at != 0 && world->now >= world->late_at) {
            struct member_event event = { .kind = MEMBER_HEARD,
                                          .heard = &world->late };
            world->late_at = 0;
            world_tell(world, world->late_node, &event);
        }
        turn(world, 0);
        turn(world, 1);
        world->overlaps += world_exports(world, 0) && world_exports(world, 1);
    }
}

enum member_role world_role(struct world *world, int node)
{
    struct member_view view;
    member_view(world->nodes[node].member, world_clocks(world, node), &view);
    return view.role;
}

bool world_until(struct world *world, int node, enum member_role role,
                 int64_t most_ms)
{
    for (int64_t end = world->now + most_ms;
         world->now < end && world_role(world, node) != role;) {
        world_run(world, STEP_MS);
    }
    return world_role(world, node) == role;
}

/* ---- setting up --------------------------------------------------------- */

struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert(world != NULL);
    while (queued > 0) {
        free(queue[--queued]); /* of a test that failed */
    }
    world->now = 1000000;
    world->equal = true;
    static const char *const names[2] = { "alpha", "beta" };
    for (int i = 0; i < 2; i++) {
        struct world_node *n = &world->nodes[i];
        n->name = names[i];
        n->rate = 1;
        n->since = world->now;
        n->base = (struct ts_clocks){ 5000 + i * 77777, 900 + i * 55555 };
        memset(n->probe_ok, 1, sizeof n->probe_ok);
    }
    return world;
}

void world_free(struct world *world)
{
    drain(world);
    member_free(world->nodes[0].member);
    member_free(world->nodes[1].member);
    free(world);
}

void world_start(struct world *world, int node)
{
    struct world_node *n = &world->nodes[node];
    struct member_options options = {
        .name = n->name,
        .ttl_ms = TTL_MS,
        .renew_ms = RENEW_MS,
        .margin_ms = MARGIN_MS,
        .clock_error_percent = 10,
        .is_manual = world->is_manual,
        .unprotected = world->unprotected,
        .level_max = 1,
        .facts = ts_slice(n->facts, n->facts_size),
        .epoch = n->epoch,
        .position = n->position,
        .has_state = n->has_state,
        .is_joining = n->is_joining,
        .now = world_clocks(world, node),
    };
    struct ts_err err = { 0 };
    memset(options.boot, ++n->boot + 100 * node, sizeof options.boot);
    member_free(n->member);
    n->member = NULL;
    enum ts_code code = member_new(&options, &n->member, &err);
    assert(code == TS_OK);
    n->alive = true;
    n->is_engine_active = n->held_read = n->held_swap = false;
    tell_kind(world, node, MEMBER_TICK);
    world_link(world, world->link_up);
}

void world_kill(struct world *world, int node)
{
    world->nodes[node].alive = false;
    world->nodes[node].is_engine_active = false;
    world_link(world, world->link_up);
}

void world_link(struct world *world, bool up)
{
    world->link_up = up;
    for (int i = 0; i < 2; i++) {
        struct member_event event = { .kind = MEMBER_LINK,
                                      .link_up =
                                          up && world->nodes[1 - i].alive };
        world_tell(world, i, &event);
    }
}

void world_command(struct world *world, int node, enum member_command command,
                   const char *other)
{
    static uint64_t id;
    struct member_event event = { .kind = MEMBER_COMMAND };
    event.command = (struct member_request){ .id = ++id,
                                             .command = command,
                                             .actor = "root",
                                             .reason = "a test",
                                             .node = other,
                                             .level = 1 };
    memset(event.command.random, (int) (40 + id), REGISTER_ID_SIZE);
    world_tell(world, node, &event);
}

void world_value(const struct world *world, struct register_value *value)
{
    struct ts_arena arena;
    struct ts_err err = { 0 };
    ts_arena_init(&arena, REGISTER_ARENA_SIZE);
    enum ts_code code = register_unpack(ts_slice(world->bytes, world->size),
                                        &arena, value, &err);
    assert(code == TS_OK);
    ts_arena_done(&arena);
}

void world_put(struct world *world, const struct register_value *value)
{
    struct ts_arena arena;
    struct ts_err err = { 0 };
    struct ts_slice bytes;
    ts_arena_init(&arena, REGISTER_ARENA_SIZE);
    enum ts_code code = register_pack(value, &arena, &bytes, &err);
    assert(code == TS_OK);
    put_bytes(world, bytes);
    ts_arena_done(&arena);
}

void world_told(const struct world *world, bool ok)
{
    if (!ok) {
        (void) fprintf(stderr, "%s\n", world->log); /* it may be cut */
    }
    assert_true(ok);
}

struct world *world_pair(void)
{
    struct world *world = world_new();
    world->link_up = true;
    world_start(world, 0);
    world_run(world, 1000);
    world_command(world, 0, MEMBER_COMMAND_INIT, NULL);
    bool active = world_until(world, 0, MEMBER_ACTIVE, 60000);
    world_told(world, active);
    world_start(world, 1);
    world_run(world, 1000);
    world_command(world, 0, MEMBER_COMMAND_ADMIT, "beta");
    bool standby = world_until(world, 1, MEMBER_STANDBY, 60000);
    world_told(world, standby);
    world_run(world, 30000);
    return world;
}
