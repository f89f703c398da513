#include "tests/sim/faults.h"

#include "tests/sim/faults_private.h"
#include "tests/sim/node.h"
#include "tests/sim/operator.h"
#include "tests/sim/world.h"

#define OPERATOR_MS    4000
#define WISHES_MAX     3
#define IMAGE_MS       60000
#define FIRST_IMAGE_MS 1000 /* before anybody learns */
#define FIRST_LOAD_MS  9000
#define STIR_MS        2500
#define SETTLED_MS     20000 /* before the first bout, at the latest */

/* ---- bouts -------------------------------------------------------------- */

/* What leads to the place that the seed wishes for: who hands over drains, and
 * after a lost register the other node has to be admitted anew. */
static enum sim_fault leading_fault(const struct world *world)
{
    enum member_role role = coverage_wish(world->seed).role;
    return role == MEMBER_DRAINING ? FAULT_OPERATOR
           : role == MEMBER_LEARNER && world->judge.takeovers > 0
               ? FAULT_CELL_BACK
               : FAULT_KINDS;
}

static enum sim_fault some_fault(struct world *world)
{
    enum sim_fault leading = leading_fault(world);
    if (leading != FAULT_KINDS && random_chance(&world->random, 300)) {
        return leading;
    }
    /* What lets an old holder go on for as long as it may. */
    static const enum sim_fault edges[] = { FAULT_CELL_CUT, FAULT_CELL_CUT,
                                            FAULT_CELL_BAD, FAULT_KILL,
                                            FAULT_POWER,    FAULT_TARGET_BAD,
                                            FAULT_LINK_BAD, FAULT_MID_SEND };
    static const enum sim_fault away[] = { FAULT_CELL_CUT, FAULT_CELL_CUT,
                                           FAULT_CELL_BAD, FAULT_LINK_BAD,
                                           FAULT_LINK_BAD, FAULT_LINK_BOTH };
    if (world->settings.promises && random_chance(&world->random, 700)) {
        return away[random_below(&world->random, sizeof away / sizeof away[0])];
    }
    if (world->settings.edge && random_chance(&world->random, 600)) {
        return edges[random_below(&world->random,
                                  sizeof edges / sizeof edges[0])];
    }
    int sum = 0;
    for (int i = 0; i < FAULT_KINDS; i++) {
        sum += faults_table[i].weight;
    }
    int64_t at = random_below(&world->random, sum);
    for (int i = 0; i < FAULT_KINDS; i++) {
        at -= faults_table[i].weight;
        if (at < 0) {
            return (enum sim_fault) i;
        }
    }
    return FAULT_POWER;
}

static struct sim_node *some_node(struct world *world)
{
    for (int i = 0; i < 2; i++) {
        if (world->nodes[i]->up && world->nodes[i]->role >= MEMBER_FENCING &&
            random_chance(&world->random, 600)) {
            return world->nodes[i];
        }
    }
    return world->nodes[random_below(&world->random, 2)];
}

static void on_end(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[(int) occasion->number & 1];
    int kind = (int) (occasion->number >> 1);
    trace(world, node->index, "fault ends: %s",
          fault_name((enum sim_fault) kind));
    faults_table[kind].end(node);
}

static void note_fault(struct sim_node *node, enum sim_fault kind)
{
    struct world *world = node->world;
    world->faults.count++;
    world->faults.by_kind[kind]++;
    if (node->up && node->member != NULL) {
        struct member_view view;
        member_view(node->member, node_clocks(node), &view);
        size_t place = coverage_place(view.role, view.step);
        const char *why = coverage_impossible(kind, place);
        if (why != NULL) {
            judge_violated(world, "PLACE", "%s meets %s: %s", fault_name(kind),
                           node->name, why);
        } else if (place < COVERAGE_PLACES) {
            world->coverage->cells[kind][place]++;
        }
    }
    trace(world, node->index, "fault: %s", fault_name(kind));
}

/* A fault that is to come. */
struct planned {
    enum sim_fault kind;
    int node;          /* -1: some */
    int64_t length_ms; /* 0: some */
};

static void on_fault(struct world *world, struct occasion *occasion)
{
    const struct planned *what = occasion->data;
    const struct fault *fault = &faults_table[what->kind];
    struct sim_node *node =
        what->node < 0 ? some_node(world) : world->nodes[what->node];
    if (world->faults.calm || !node->up || node->thaw_ms != 0 ||
        (fault->can != NULL && !fault->can(node))) {
        return;
    }
    note_fault(node, what->kind);
    fault->begin(node);
    if (fault->end != NULL) {
        int64_t length_ms =
            what->length_ms > 0 ? what->length_ms : faults_pause(world);
        agenda_note(&world->agenda,
                    &(struct occasion){ .at_ms = world->now_ms + length_ms,
                                        .run = on_end,
                                        .node = AGENDA_NOBODY,
                                        .number = (int64_t) what->kind << 1 |
                                                  node->index });
    }
}

static void plan(struct world *world, int64_t after_ms,
                 const struct planned *what)
{
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + after_ms,
                                    .run = on_fault,
                                    .node = AGENDA_NOBODY,
                                    .data = sim_copy(what, sizeof *what),
                                    .size = sizeof *what });
}

/* Nobody was fenced while the first learner learns, so nothing can come again:
 * unless the active node is killed, and comes back as another epoch. */
static void plan_fence_to_replay(struct world *world, int learner)
{
    plan(world, 0,
         &(struct planned){ .kind = FAULT_KILL, .node = 1 - learner });
    for (int64_t i = 1; i <= 8; i++) {
        plan(world, i * world->settings.ttl_ms / 4,
             &(struct planned){ .kind = FAULT_REPLAY, .node = learner });
    }
}

void faults_came_to(struct world *world, int node, size_t place)
{
    struct sim_faults *faults = &world->faults;
    struct coverage_wish wish = coverage_wish(world->seed);
    bool begins = faults->bouts == 0 && wish.role != MEMBER_LEARNER;
    if (wish.place != place || faults->calm || begins ||
        faults->wishes == WISHES_MAX || random_chance(&world->random, 300)) {
        return;
    }
    faults->wishes++;
    if (wish.role == MEMBER_LEARNER && wish.fault == FAULT_REPLAY) {
        plan_fence_to_replay(world, node);
        return;
    }
    /* A node drains for a moment only. */
    plan(world,
         wish.role == MEMBER_DRAINING ? 0 : random_below(&world->random, 2),
         &(struct planned){ .kind = wish.fault, .node = node });
}

static void calm_down(struct world *world)
{
    world->faults.calm = true;
    world->faults.calm_ms = world->now_ms;
    trace(world, AGENDA_NOBODY, "all faults end");
    network_heal(&world->network);
    cell_heal(&world->cell);
    target_heal(&world->target);
    world->source.stale = 0;
    world->source.cut[0] = world->source.cut[1] = false;
    world->source.calm = true;
    for (int i = 0; i < 2; i++) {
        struct sim_node *node = world->nodes[i];
        node->die_between = 0;
        node->disk.die_in = 0;
        faults_links_changed(node);
        if (node->up) {
            faults_end_operator(node);
        }
    }
}

/* A few at nearly the same moment; returns when the next bout may come. */
static int64_t blind_bout(struct world *world)
{
    int64_t count = random_between(&world->random, 1, 3);
    for (int64_t i = 0; i < count; i++) {
        int64_t offset_ms = random_chance(&world->random, 500)
                                ? random_below(&world->random, 30)
                                : random_below(&world->random, 2000);
        plan(world, offset_ms,
             &(struct planned){ .kind = some_fault(world), .node = -1 });
    }
    return random_between(&world->random, world->settings.ttl_ms / 8,
                          world->settings.ttl_ms * 2);
}

static int active_node(const struct world *world)
{
    for (int i = 0; i < 2; i++) {
        if (world->nodes[i]->up && world->nodes[i]->role == MEMBER_ACTIVE) {
            return i;
        }
    }
    return -1;
}

/* What the scene has in mind, where somebody is active and it has anything;
 * 0: it has not. */
static int64_t scripted_bout(struct world *world)
{
    size_t count = 0;
    const struct scene_step *steps = scenes_script(world->scene, &count);
    int64_t ttl_ms = world->settings.ttl_ms;
    int64_t jitter_ms = random_below(&world->random, ttl_ms / 10);
    int64_t end_ms = 0;
    int active = active_node(world);
    if (count == 0 || active < 0 || random_chance(&world->random, 200)) {
        return 0;
    }
    if (world->settings.stop_unprotected && world->judge.value.is_unprotected) {
        return 1000; /* nobody promises yet */
    }
    for (size_t i = 0; i < count; i++) {
        struct planned what = {
            .kind = steps[i].fault,
            .node = steps[i].other ? 1 - active : active,
            .length_ms = ttl_ms * steps[i].length / 1000,
        };
        int64_t after_ms = ttl_ms * steps[i].after / 1000;
        after_ms += steps[i].after > 0 ? jitter_ms : 0;
        int64_t over_ms = after_ms + what.length_ms;
        end_ms = over_ms > end_ms ? over_ms : end_ms;
        plan(world, after_ms, &what);
    }
    return end_ms + random_below(&world->random, ttl_ms);
}

static void on_bout(struct world *world, struct occasion *occasion)
{
    struct sim_faults *faults = &world->faults;
    (void) occasion;
    if ((faults->count >= FAULTS_MIN &&
         world->judge.takeovers >= FAULTS_TAKEOVERS) ||
        ++faults->bouts > FAULTS_BOUTS_MAX) {
        calm_down(world);
        return;
    }
    source_stir(world, STIR_MS);
    int64_t pause_ms = scripted_bout(world);
    if (pause_ms == 0) {
        pause_ms = blind_bout(world);
    }
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + pause_ms,
                                    .run = on_bout,
                                    .node = AGENDA_NOBODY });
}

/* ---- the operator ------------------------------------------------------- */

/* Repairs what only a person may: a lost register, a hold after too many
 * takeovers, deletions that are kept back. */
static void on_operator(struct world *world, struct occasion *occasion)
{
    (void) occasion;
    operator_looks(world);
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + OPERATOR_MS,
                                    .run = on_operator,
                                    .node = AGENDA_NOBODY });
}

static void on_image(struct world *world, struct occasion *occasion)
{
    if (world->faults.calm) {
        return;
    }
    faults_take_image(world->nodes[(int) occasion->number]);
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + IMAGE_MS,
                                    .run = on_image,
                                    .node = AGENDA_NOBODY,
                                    .number = occasion->number });
}

static void on_begin(struct world *world, struct occasion *occasion)
{
    (void) occasion;
    if (world->judge.value.voter_count < 2 && world->now_ms < SETTLED_MS * 3) {
        agenda_note(&world->agenda,
                    &(struct occasion){ .at_ms = world->now_ms + 200,
                                        .run = on_begin,
                                        .node = AGENDA_NOBODY });
        return;
    }
    on_bout(world, occasion);
}

/* While nobody has a state yet, and no second voter. */
static void plan_first_load(struct world *world)
{
    int64_t count = random_between(&world->random, 1, 3);
    for (int64_t i = 0; i < count; i++) {
        plan(world, random_below(&world->random, FIRST_LOAD_MS),
             &(struct planned){ .kind = some_fault(world), .node = -1 });
    }
}

void faults_start(struct world *world)
{
    if (world->settings.first_load) {
        plan_first_load(world);
    }
    agenda_note(&world->agenda, &(struct occasion){ .at_ms = 500,
                                                    .run = on_begin,
                                                    .node = AGENDA_NOBODY });
    for (int i = 0; i < 2; i++) {
        bool learner = coverage_wish(world->seed).role == MEMBER_LEARNER;
        int64_t at_ms = learner
                            ? FIRST_IMAGE_MS
                            : random_between(&world->random, 3000, IMAGE_MS);
        agenda_note(&world->agenda, &(struct occasion){ .at_ms = at_ms,
                                                        .run = on_image,
                                                        .node = AGENDA_NOBODY,
                                                        .number = i });
    }
    agenda_note(&world->agenda, &(struct occasion){ .at_ms = 50,
                                                    .run = on_operator,
                                                    .node = AGENDA_NOBODY });
}
