/* Leader, follower and their jobs in a node; see node.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replication/apply.h"
#include "replication/generation.h"
#include "tests/sim/frames.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

#define PARCEL_FRAME 'F'
#define FRAME_HEAD   16 /* keeps what follows aligned */

static void lead(struct sim_node *node, const struct leader_event *event);
static void follow(struct sim_node *node, const struct follower_event *event);
static void note_tick(struct sim_node *node);
static void open_ship(struct sim_node *node);

static struct ts_time ship_now(const struct sim_node *node)
{
    return (struct ts_time){ .ms = node_clocks(node).boot_ms };
}

static void send_frame(struct sim_node *node, const struct frame *frame)
{
    size_t size = 0;
    uint8_t *parcel = frames_pack(frame, FRAME_HEAD, &size);
    parcel[0] = PARCEL_FRAME;
    trace(node->world, node->index, "sends %s", frame_type_name(frame->type));
    network_send(node->world, node->index, parcel, size);
    free(parcel);
}

void node_hear_frame(struct sim_node *node, const uint8_t *bytes, size_t size)
{
    struct frame frame;
    uint8_t *copy = sim_copy(bytes + FRAME_HEAD - 1, size - FRAME_HEAD + 1);
    frames_unpack(copy, size - FRAME_HEAD + 1, &frame);
    node->tail_answered = node->tail_answered ||
                          frame.type == FRAME_TAIL_TAKEN ||
                          frame.type == FRAME_REFUSED;
    faults_frame(node->world, &frame);
    if (node->leading) {
        lead(node,
             &(struct leader_event){ .type = LEADER_FRAME, .frame = &frame });
    } else {
        follow(node, &(struct follower_event){ .type = FOLLOWER_FRAME,
                                               .frame = &frame });
    }
    free(copy);
}

/* ---- jobs --------------------------------------------------------------- */

static void on_death(struct world *world, struct occasion *occasion)
{
    (void) node_died(world->nodes[occasion->node]);
}

static void on_result(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    struct ship_result *result = occasion->data;
    if (occasion->number == 1) {
        lead(node,
             &(struct leader_event){ .type = LEADER_RESULT, .result = result });
    } else {
        follow(node, &(struct follower_event){ .type = FOLLOWER_RESULT,
                                               .result = result });
    }
    ship_result_done(result);
}

static void drop_result(void *data)
{
    ship_result_done(data);
}

static void drop_batch(void *data)
{
    batch_free(*(struct batch **) data);
}

/* Done at once, answered later: a crash may come in between. */
static void run_job(struct sim_node *node, const struct ship_job *job,
                    bool for_leader)
{
    struct ship_result *result = sim_alloc(sizeof *result);
    ship_run(node->ship, job, result);
    if (job->type == SHIP_BUILD && result->err.code == TS_OK) {
        node->world->judge.snapshots++;
    }
    if (job->type == SHIP_HINTS && result->tail.count == 0) {
        node->tail_answered = true; /* there is nothing to hand over */
    }
    if (node->disk.dead) {
        ship_result_done(result);
        free(result);
        node_after(node, 0, on_death, &(struct occasion){ .number = 0 });
        return;
    }
    if (result->err.code != TS_OK) {
        trace(node->world, node->index, "job %d: %s", job->type,
              result->err.text);
    }
    node_after(node, random_between(&node->world->random, 0, 3), on_result,
               &(struct occasion){ .number = for_leader ? 1 : 0,
                                   .data = result,
                                   .size = sizeof *result,
                                   .drop = drop_result });
}

/* ---- leader ------------------------------------------------------------- */

static void on_hinted(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    const int *anchors = occasion->data;
    bool failed =
        node->exporter.phase != EXPORTER_EXPORTING || !node->store.open;
    if (!failed &&
        !store_touch(&node->store, anchors, (size_t) occasion->number)) {
        (void) node_died(node);
        return;
    }
    lead(node,
         &(struct leader_event){ .type = LEADER_HINTED, .failed = failed });
}

static void take_hints(struct sim_node *node, const struct frame_tail *tail)
{
    int *anchors = sim_alloc((tail->count + 1) * sizeof *anchors);
    for (size_t i = 0; i < tail->count; i++) {
        anchors[i] = store_anchor_of(tail->hints[i].anchor);
    }
    node_after(
        node, 1, on_hinted,
        &(struct occasion){ .number = (int64_t) tail->count, .data = anchors });
}

static void after_lead(struct sim_node *node)
{
    struct leader_figures figures;
    if (!node->leading) {
        return;
    }
    leader_figures(node->leader, ship_now(node), &figures);
    node_tell_equal(node, figures.equal);
    if (node->exporter.phase == EXPORTER_EXPORTING) {
        exporter_nudge(node);
    }
}

static void lead(struct sim_node *node, const struct leader_event *event)
{
    struct leader_actions *actions = sim_alloc(sizeof *actions);
    uint32_t life = node->life;
    leader_step(node->leader, event, ship_now(node), actions);
    for (size_t i = 0; i < actions->count && node->life == life; i++) {
        const struct leader_action *action = &actions->items[i];
        switch (action->type) {
        case LEADER_SEND:
            send_frame(node, &action->frame);
            break;
        case LEADER_JOB:
            run_job(node, &action->job, true);
            break;
        case LEADER_HINTS:
            take_hints(node, &action->frame.tail);
            break;
        case LEADER_YIELD:
            trace(node->world, node->index, "a higher epoch is known");
            break;
        case LEADER_TELL:
            trace(node->world, node->index, "leader: %s %s", action->name,
                  action->text);
            break;
        }
    }
    free(actions);
    if (node->life == life) {
        note_tick(node);
        after_lead(node);
    }
}

/* ---- follower ----------------------------------------------------------- */

static void on_apply(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    struct batch *batch = *(struct batch **) occasion->data;
    struct follower_event event = { .type = FOLLOWER_APPLIED };
    struct ts_err err = { .code = TS_OK };
    enum ts_code code =
        journal_apply(node->store.journal, batch->items, batch->count, &err);
    if (node_died(node)) {
        batch_free(batch);
        return;
    }
    event.position = store_position(&node->store);
    if (code == TS_OK) {
        judge_batch(world, node->index, batch);
        node_tell_position(node);
    } else {
        trace(world, node->index, "cannot make rows: %s", err.text);
        event.err = &err;
    }
    batch_free(batch);
    follow(node, &event);
}

struct installing {
    int64_t folder;
    bool keep;
};

static void on_install(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    const struct installing *what = occasion->data;
    struct follower_event event = { .type = FOLLOWER_INSTALLED };
    struct ts_err err = { .code = TS_OK };
    char directory[3] = { '/', node->disk.letter, 0 };
    if (ship_open(node->ship, NULL, &err) != TS_OK) {
        trace(world, node->index, "%s", err.text);
    }
    int64_t before = node->store.folder;
    store_shut(&node->store);
    enum ts_code code = TS_OK;
    if (what->keep && before > 0) {
        code = generation_keep(directory, before, &err);
    }
    if (code == TS_OK) {
        code = generation_select(directory, what->folder, &err);
    }
    if (!node->disk.dead && store_reopen(&node->store)) {
        event.position = store_position(&node->store);
    }
    if (node_died(node)) {
        return;
    }
    open_ship(node);
    trace(world, node->index, "installs a snapshot: %s",
          code == TS_OK ? "done" : err.text);
    event.err = code == TS_OK ? NULL : &err;
    node->wrote_epoch = code == TS_OK ? 0 : node->wrote_epoch;
    judge_installed(world, node->index);
    node_tell_position(node);
    follow(node, &event);
}

static void apply(struct sim_node *node, struct batch *batch)
{
    node_after(node, random_between(&node->world->random, 0, 3), on_apply,
               &(struct occasion){ .data = sim_copy(&batch, sizeof batch),
                                   .size = sizeof batch,
                                   .drop = drop_batch });
}

static void install(struct sim_node *node, const struct follower_action *action)
{
    struct installing what = { action->folder, action->keep };
    node_after(node, random_between(&node->world->random, 0, 5), on_install,
               &(struct occasion){ .data = sim_copy(&what, sizeof what),
                                   .size = sizeof what });
}

static void after_follow(struct sim_node *node)
{
    struct follower_figures figures;
    if (!node->leading) {
        follower_figures(node->follower, ship_now(node), &figures);
        node_tell_equal(node, figures.equal);
    }
}

static void follow(struct sim_node *node, const struct follower_event *event)
{
    struct follower_actions *actions = sim_alloc(sizeof *actions);
    uint32_t life = node->life;
    follower_step(node->follower, event, ship_now(node), actions);
    for (size_t i = 0; i < actions->count && node->life == life; i++) {
        const struct follower_action *action = &actions->items[i];
        switch (action->type) {
        case FOLLOWER_SEND:
            send_frame(node, &action->frame);
            break;
        case FOLLOWER_JOB:
            run_job(node, &action->job, false);
            break;
        case FOLLOWER_APPLY:
            apply(node, action->batch);
            break;
        case FOLLOWER_INSTALL:
            if (action->keep && !node->tail_answered && node->wrote_epoch > 0 &&
                node->wrote_epoch >= store_position(&node->store).epoch) {
                judge_violated(node->world, "I4",
                               "%s replaces its state, and nobody has its tail",
                               node->name);
            }
            install(node, action);
            break;
        case FOLLOWER_TELL:
            trace(node->world, node->index, "follower: %s %s", action->name,
                  action->text);
            break;
        }
    }
    free(actions);
    if (node->life == life) {
        note_tick(node);
        after_follow(node);
    }
}

/* ---- the node's side ---------------------------------------------------- */

static void on_ship_tick(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    if (node->ship_tick_ms != occasion->number) {
        return;
    }
    node->ship_tick_ms = 0;
    if (node->leading) {
        lead(node, &(struct leader_event){ .type = LEADER_TICK });
    } else {
        follow(node, &(struct follower_event){ .type = FOLLOWER_TICK });
    }
}

static void note_tick(struct sim_node *node)
{
    struct ts_time due = node->leading ? leader_deadline(node->leader)
                                       : follower_deadline(node->follower);
    if (due.ms == TS_NEVER.ms) {
        return;
    }
    int64_t left_ms = due.ms - ship_now(node).ms;
    int64_t delay_ms = left_ms <= 0 ? 1 : clock_stretch(&node->clock, left_ms);
    int64_t at_ms = node->world->now_ms + delay_ms;
    if (node->ship_tick_ms == 0 || at_ms < node->ship_tick_ms) {
        node->ship_tick_ms = at_ms;
        node_after(node, delay_ms, on_ship_tick,
                   &(struct occasion){ .number = at_ms });
    }
}

static void open_ship(struct sim_node *node)
{
    char directory[3] = { '/', node->disk.letter, 0 };
    char path[GENERATION_PATH_SIZE];
    struct ts_err err = { .code = TS_OK };
    if (node->store.open &&
        (generation_path(directory, node->store.folder, path, &err) != TS_OK ||
         ship_open(node->ship, path, &err) != TS_OK)) {
        trace(node->world, node->index, "%s", err.text);
    }
}

bool node_ship_start(struct sim_node *node)
{
    struct ts_err err = { .code = TS_OK };
    static char directories[2][3] = { "/a", "/b" };
    static const struct tail_table tails[] = {
        { .table = "ledger",
          .by_key = "SELECT kind, anchor, -1 FROM ledger WHERE kind = ?1 AND "
                    "anchor = ?2",
          .kind_column = 0,
          .anchor_column = 1 },
        { .table = "metaverse",
          .by_key = "SELECT kind, anchor, -1 FROM metaverse WHERE id = ?1",
          .kind_column = 1,
          .anchor_column = 2 },
    };
    struct ship_options options = {
        .directory = directories[node->index],
        .tables = store_tables(),
        .schema = store_schema(),
        .tail_tables = tails,
        .tail_table_count = sizeof tails / sizeof tails[0],
    };
    node->leader = leader_new();
    node->follower = follower_new();
    if (ship_new(&options, &node->ship, &err) != TS_OK) {
        trace(node->world, node->index, "%s", err.text);
        return false;
    }
    open_ship(node);
    return true;
}

void node_ship_stop(struct sim_node *node)
{
    ship_free(node->ship);
    leader_free(node->leader);
    follower_free(node->follower);
    node->ship = NULL;
    node->leader = NULL;
    node->follower = NULL;
}

void node_lead(struct sim_node *node, int64_t epoch)
{
    follow(node, &(struct follower_event){ .type = FOLLOWER_END });
    node->leading = true;
    node->ship_tick_ms = 0;
    node->wrote_epoch = epoch;
    memcpy(node->wrote_boot.bytes, node->boot, sizeof node->wrote_boot.bytes);
    lead(node, &(struct leader_event){ .type = LEADER_BEGIN,
                                       .epoch = epoch,
                                       .position = store_position(&node->store),
                                       .before = node->before });
    if (!node->link_up) {
        lead(node, &(struct leader_event){ .type = LEADER_CUT });
    }
}

void node_follow(struct sim_node *node)
{
    if (node->leading) {
        lead(node, &(struct leader_event){ .type = LEADER_END });
        node->leading = false;
        node->tail_answered = false;
    }
    node->ship_tick_ms = 0;
    follow(node, &(struct follower_event){
                     .type = FOLLOWER_BEGIN,
                     .epoch = node->store.epoch,
                     .nonce = random_next(&node->world->random),
                     .position = store_position(&node->store),
                     .wrote = { node->wrote_epoch, node->wrote_boot } });
    if (node->link_up) {
        follow(node,
               &(struct follower_event){ .type = FOLLOWER_LINK, .up = true });
    }
}

void node_committed(struct sim_node *node)
{
    node_tell_position(node);
    if (node->leading) {
        lead(node, &(struct leader_event){ .type = LEADER_COMMITTED,
                                           .position =
                                               store_position(&node->store) });
    }
}

void node_selected(struct sim_node *node)
{
    open_ship(node);
    node_committed(node);
}

void node_remember_before(struct sim_node *node)
{
    /* What the register said before our own swap is what the judge noted. */
    node->before.epoch = node->world->judge.before_epoch;
    memcpy(node->before.boot.bytes, node->world->judge.before_boot,
           sizeof node->before.boot.bytes);
}

/* The link's own heartbeats have found out, some time after it happened. */
static void on_link(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    const struct sim_node *peer = world->nodes[1 - node->index];
    bool up =
        peer->up && !world->network.ways[0].cut && !world->network.ways[1].cut;
    if (up == node->link_up) {
        return;
    }
    node_tell_link(node, up);
    if (node->leading && !up) {
        lead(node, &(struct leader_event){ .type = LEADER_CUT });
    } else if (!node->leading) {
        follow(node,
               &(struct follower_event){ .type = FOLLOWER_LINK, .up = up });
    }
}

void node_link_changed(struct sim_node *node)
{
    if (node->up) {
        node_after(node, random_between(&node->world->random, 5, 800), on_link,
                   &(struct occasion){ .number = 0 });
    }
}
