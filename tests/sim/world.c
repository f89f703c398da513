#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/node.h"

/* How long the pair may take to converge once all faults have ended: waits of
 * three lease times, Q and tokens, a few takeovers that fail half-way. */
#define CONVERGE_MS(world)                                          \
    (40 * (world)->settings.ttl_ms + 6 * (world)->target.quiet_ms + \
     3 * (world)->target.lifetime_ms + 120000)
#define CHECK_MS      1000
#define OCCASIONS_MAX 3000000
#define FOREIGN       2

static struct disk_image template;
static bool has_template;

static void add_foreign(struct world *world)
{
    for (int i = 0; i < FOREIGN; i++) {
        world->target.objects[world->target.object_count++] =
            (struct target_object){ .anchor = SOURCE_ANCHORS_MAX + 1 + i,
                                    .id = ++world->target.next_id,
                                    .value = 1 };
    }
}

static int some_rate(struct world *world)
{
    if (world->settings.harsh_clocks) {
        return random_chance(&world->random, 500) ? 901 : 1099;
    }
    return (int) random_between(&world->random, 905, 1095);
}

/* The template's names begin with its own disk's letter. */
static void give_disk(struct sim_node *node)
{
    disk_image_put(&node->disk, &template);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (node->disk.files[i].name[0] != 0) {
            node->disk.files[i].name[1] = node->disk.letter;
        }
    }
}

static void begin(struct world *world, enum sim_scene scene)
{
    if (!has_template) {
        store_template(&template);
        has_template = true;
    }
    scenes_draw(world, scene);
    judge_start(world);
    add_foreign(world);
    for (int i = 0; i < 2; i++) {
        world->nodes[i] = node_new(world, i);
        if (!world->settings.first_load) {
            give_disk(world->nodes[i]);
        }
        clock_start(&world->nodes[i]->clock, 0, some_rate(world));
    }
    if (world->settings.apart) {
        clock_start(&world->nodes[0]->clock, 0, 900);
        clock_start(&world->nodes[1]->clock, 0, 1100);
    }
    source_start(world);
    node_start(world->nodes[0], false);
    node_start(world->nodes[1], false);
    faults_start(world);
}

/* An occasion of a life that has ended never happens; that of a frozen process
 * waits for it. */
static void run_one(struct world *world, struct occasion *occasion)
{
    world->now_ms =
        occasion->at_ms > world->now_ms ? occasion->at_ms : world->now_ms;
    if (occasion->node != AGENDA_NOBODY) {
        struct sim_node *node = world->nodes[occasion->node];
        if (!node->up || node->life != occasion->life) {
            agenda_drop(occasion, false);
            return;
        }
        if (node->thaw_ms > world->now_ms) {
            occasion->at_ms = node->thaw_ms;
            agenda_note(&world->agenda, occasion);
            return;
        }
        node->thaw_ms = 0;
    }
    world->digest =
        (world->digest ^ world->random.state ^ (uint64_t) world->now_ms) *
        0x100000001b3u;
    occasion->run(world, occasion);
    agenda_drop(occasion, true);
}

/* For the trace of a pair that hangs: what each node says is missing. */
static void explain(struct world *world)
{
    for (int i = 0; world->trace.enabled && i < 2; i++) {
        const struct sim_node *node = world->nodes[i];
        struct member_gate_row rows[MEMBER_GATES_MAX];
        if (!node->up) {
            trace(world, i, "is down");
            continue;
        }
        size_t count = member_explain(node->member, node_clocks(node), rows);
        struct store_op ops[STORE_BATCH_MAX];
        size_t doubts = node->store.open ? store_doubts(&world->nodes[i]->store,
                                                        ops, STORE_BATCH_MAX)
                                         : 0;
        for (size_t k = 0; k < doubts; k++) {
            trace(world, i, "in doubt: u%d, verb %d, batch %lld", ops[k].anchor,
                  ops[k].verb, (long long) ops[k].batch);
        }
        for (size_t k = 0; k < count; k++) {
            trace(world, i, "%s %s: %s (%s) %s", rows[k].ok ? "ok " : "NOT",
                  rows[k].name, rows[k].value, rows[k].threshold, rows[k].fix);
        }
    }
}

static bool check_converged(struct world *world, int64_t *next_ms)
{
    char why[256] = "";
    if (!world->faults.calm || world->now_ms < *next_ms) {
        return false;
    }
    *next_ms = world->now_ms + CHECK_MS;
    (void) snprintf(why, sizeof why, "no row has rotted");
    bool waits = world->seed % 4 == 0 && !world->faults.rotted;
    if (!waits && judge_converged(world, why, sizeof why)) {
        judge_end(world);
        return true;
    }
    if (world->now_ms - world->faults.calm_ms > CONVERGE_MS(world)) {
        explain(world);
        (void) judge_converged(world, why, sizeof why);
        judge_violated(world, "LIVE",
                       "not converged %lld s after the faults "
                       "ended: %s",
                       (long long) (CONVERGE_MS(world) / 1000), why);
    }
    return false;
}

static void run(struct world *world)
{
    struct occasion occasion;
    int64_t next_ms = 0;
    for (uint64_t count = 0; !world->ended; count++) {
        if (!agenda_take(&world->agenda, &occasion)) {
            judge_violated(world, "LIVE", "nothing happens any more");
            return;
        }
        run_one(world, &occasion);
        if (!world->ended && check_converged(world, &next_ms)) {
            return;
        }
        if (count > OCCASIONS_MAX) {
            judge_violated(world, "LIVE", "it goes on without an end");
        }
    }
}

static void sum_up(const struct world *world, struct world_verdict *verdict)
{
    *verdict = (struct world_verdict){
        .violated = world->judge.violated,
        .takeovers = world->judge.takeovers,
        .faults = world->faults.count,
        .virtual_ms = world->now_ms,
        .converged_ms = world->now_ms - world->faults.calm_ms,
        .commits = world->judge.commits,
        .applied = world->judge.applied,
        .snapshots = world->judge.snapshots,
        .admissions = world->target.admissions,
        .digest = world->digest,
    };
    (void) snprintf(verdict->text, sizeof verdict->text, "%s",
                    world->judge.text);
}

void world_run(const struct world_options *options,
               struct sim_coverage *coverage, struct world_verdict *ret_verdict)
{
    struct world *world = sim_alloc(sizeof *world);
    world->seed = options->seed;
    world->trace.enabled = options->traced;
    world->coverage = coverage;
    random_seed(&world->random, world->seed);
    begin(world, options->scene);
    run(world);
    agenda_done(&world->agenda);
    for (int i = 0; i < 2; i++) {
        node_free(world->nodes[i]);
    }
    const char *left = disk_left_open();
    if (left != NULL) {
        judge_violated(world, "ERROR", "%s was left open", left);
    }
    sum_up(world, ret_verdict);
    cell_done(&world->cell);
    judge_done_with(world);
    free(world);
}
