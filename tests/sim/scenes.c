#include "tests/sim/scenes.h"

#include <string.h>

#include "tests/sim/world.h"

struct scene {
    const char *name;
    int weight;
    void (*adjust)(struct world *world); /* what was drawn; NULL: nothing */
    const struct scene_step *steps;
    size_t count;
};

/* ---- settings ----------------------------------------------------------- */

static void draw_settings(struct world *world)
{
    static const struct {
        int64_t ttl_ms, renew_ms, margin_ms;
    } leases[] = { { 15000, 3000, 2000 }, { 5000, 500, 500 } };
    struct sim_random *random = &world->random;
    size_t lease = random_chance(random, 600) ? 0 : 1;
    world->settings = (struct sim_settings){
        .ttl_ms = leases[lease].ttl_ms,
        .renew_ms = leases[lease].renew_ms,
        .margin_ms = leases[lease].margin_ms,
        .error_percent = 10,
        .change_ms = random_between(random, 8000, 40000),
        .cycle_ms = random_between(random, 400, 1500),
        .patience_ms = random_between(random, 500, 3000),
        .deletes_max = (int) random_between(random, 3, 8),
        .introspection = random_chance(random, 500),
        .stop_unprotected = random_chance(random, 200),
        .harsh_clocks = random_chance(random, 400),
    };
    world->target.fences = random_chance(random, 700);
    world->target.unique = random_chance(random, 500);
    world->target.quiet_ms = random_between(random, 1000, 8000);
    world->target.slow_ms = world->target.quiet_ms;
    world->target.lag_ms =
        random_chance(random, 500) ? random_below(random, 6000) : 0;
    world->target.lifetime_ms = random_between(random, 10, 60) * 1000;
}

static void set_lease(struct world *world, int64_t ttl_ms, int64_t renew_ms)
{
    world->settings.ttl_ms = ttl_ms;
    world->settings.renew_ms = renew_ms;
    world->settings.margin_ms = 2000;
}

/* Q counts from the moment at which an answer was given up: what arrives after
 * that is within it. */
static void set_slowness(struct world *world, int64_t slow_ms)
{
    world->target.slow_ms = slow_ms;
    world->target.quiet_ms = world->target.wire_ms + slow_ms + 4;
}

/* Tokens outlive their fence, and requests with them are on their way for ever.
 */
static void adjust_edge(struct world *world)
{
    struct sim_random *random = &world->random;
    world->settings.edge = world->settings.apart = true;
    world->settings.change_ms = 1200;
    world->settings.cycle_ms = 150;
    world->target.fences = true;
    world->target.travel_ms = 3 * world->settings.ttl_ms;
    world->target.lag_ms =
        world->target.travel_ms + random_below(random, 20000);
    world->target.lifetime_ms = 90000;
    world->target.busy = random_chance(random, 400) ? 250 : 0;
}

/* Only the lease protects: a request travels for less than its margin. */
static void adjust_unfenced(struct world *world)
{
    world->settings.edge = world->settings.apart = true;
    world->settings.change_ms = 1200;
    world->settings.cycle_ms = 150;
    set_lease(world, 15000, 3000);
    world->target.fences = false;
    world->target.lag_ms = 0;
    world->target.travel_ms = world->settings.margin_ms - 4;
    world->target.wire_ms = world->target.travel_ms;
    set_slowness(world, 1000);
}

static void adjust_promises(struct world *world)
{
    world->settings.promises = world->settings.apart = true;
}

static void calm_source(struct world *world)
{
    world->settings.change_ms = 2 * world->settings.ttl_ms;
    world->settings.cycle_ms = 900;
}

static void adjust_long_lease(struct world *world)
{
    world->settings.apart = true;
    set_lease(world, 60000, 15000);
    calm_source(world);
}

static void adjust_late_answer(struct world *world)
{
    adjust_unfenced(world);
    calm_source(world);
    world->settings.cell = (struct cell_way){ .lose_answer = 1000 };
}

static void adjust_late_request(struct world *world)
{
    adjust_unfenced(world);
    world->settings.patience_ms = 100;
    world->settings.stop_unprotected = false;
    set_slowness(world, 200);
}

static void adjust_late_promise(struct world *world)
{
    adjust_unfenced(world);
    world->settings.stop_unprotected = true;
    set_lease(world, 60000, 12000);
    calm_source(world);
    world->settings.way = (struct network_way){ .delay_ms = 7000 };
}

static void adjust_late_asking(struct world *world)
{
    world->settings.apart = world->settings.stop_unprotected = true;
    set_lease(world, 15000, 3000);
    world->settings.way =
        (struct network_way){ .loss = 300, .delay_ms = 20000 };
    world->settings.cell = (struct cell_way){ .late = 500 };
}

static void adjust_outage(struct world *world)
{
    adjust_edge(world);
    world->settings.outage = true;
}

static void adjust_torn(struct world *world)
{
    world->settings.change_ms = 500;
    world->settings.cycle_ms = 900;
}

static void adjust_first_load(struct world *world)
{
    world->settings.first_load = true;
}

static void adjust_wrong_sums(struct world *world)
{
    world->settings.wrong_sums = 20;
}

/* ---- scripts ------------------------------------------------------------ */

/* Cut off from its peer and the register, and not from the target. */
static const struct scene_step isolated[] = {
    { 0, 2500, FAULT_LINK_BOTH, false },
    { 0, 2500, FAULT_CELL_CUT, false },
};

/* First the standby goes, so that it exports without waiting for anybody. */
static const struct scene_step alone_first[] = {
    { 0, 3000, FAULT_LINK_BOTH, false },
    { 400, 2400, FAULT_CELL_CUT, false },
};

static const struct scene_step late_answer[] = {
    { 0, 3000, FAULT_LINK_BOTH, false },
    { 0, 450, FAULT_CELL_BAD, false },
    { 500, 2000, FAULT_CELL_CUT, false },
};

/* Carried by promises for a while, then by nothing. */
static const struct scene_step late_promise[] = {
    { 0, 3500, FAULT_CELL_CUT, false },
    { 0, 900, FAULT_LINK_BAD, false },
    { 1000, 2500, FAULT_LINK_BOTH, false },
};

static const struct scene_step late_asking[] = {
    { 0, 2500, FAULT_CELL_CUT, false },
    { 0, 2500, FAULT_LINK_BAD, false },
    { 900, 1600, FAULT_CELL_BAD, true },
};

static const struct scene_step torn[] = {
    { 0, 0, FAULT_MID_WRITE, false },
    { 0, 0, FAULT_MID_WRITE, true },
};

static const struct scene_step restored[] = {
    { 0, 0, FAULT_CELL_BACK, false },
    { 0, 0, FAULT_KILL, false },
    { 0, 0, FAULT_KILL, true },
};

static const struct scene_step hang[] = { { 0, 0, FAULT_HANG, false } };

#define STEPS(steps) (steps), sizeof(steps) / sizeof(steps)[0]

static const struct scene scenes[SCENES] = {
    [SCENE_PLAIN] = { "plain", 16, NULL, NULL, 0 },
    [SCENE_EDGE] = { "edge", 8, adjust_edge, NULL, 0 },
    [SCENE_UNFENCED] = { "unfenced", 4, adjust_unfenced, NULL, 0 },
    [SCENE_PROMISES] = { "promises", 3, adjust_promises, NULL, 0 },
    [SCENE_LONG_LEASE] = { "long-lease", 1, adjust_long_lease,
                           STEPS(isolated) },
    [SCENE_LATE_ANSWER] = { "late-answer", 1, adjust_late_answer,
                            STEPS(late_answer) },
    [SCENE_LATE_REQUEST] = { "late-request", 1, adjust_late_request,
                             STEPS(alone_first) },
    [SCENE_LATE_PROMISE] = { "late-promise", 1, adjust_late_promise,
                             STEPS(late_promise) },
    [SCENE_LATE_ASKING] = { "late-asking", 1, adjust_late_asking,
                            STEPS(late_asking) },
    [SCENE_OUTAGE] = { "outage", 1, adjust_outage, NULL, 0 },
    [SCENE_TORN] = { "torn", 2, adjust_torn, STEPS(torn) },
    [SCENE_RESTORED] = { "restored", 1, NULL, STEPS(restored) },
    [SCENE_HANG] = { "hang", 1, NULL, STEPS(hang) },
    [SCENE_FIRST_LOAD] = { "first-load", 2, adjust_first_load, NULL, 0 },
    [SCENE_WRONG_SUMS] = { "wrong-sums", 1, adjust_wrong_sums, NULL, 0 },
};

/* ---- drawing ------------------------------------------------------------ */

static enum sim_scene by_weight(struct world *world)
{
    int sum = 0;
    for (int i = 0; i < SCENES; i++) {
        sum += scenes[i].weight;
    }
    int64_t at = random_below(&world->random, sum);
    for (int i = 0; i < SCENES; i++) {
        at -= scenes[i].weight;
        if (at < 0) {
            return (enum sim_scene) i;
        }
    }
    return SCENE_PLAIN;
}

void scenes_draw(struct world *world, enum sim_scene scene)
{
    draw_settings(world);
    world->scene = by_weight(world);
    if (scene != SCENE_DRAWN) {
        world->scene = scene;
    }
    if (scenes[world->scene].adjust != NULL) {
        scenes[world->scene].adjust(world);
    }
}

const struct scene_step *scenes_script(enum sim_scene scene, size_t *ret_count)
{
    *ret_count = scenes[scene].count;
    return scenes[scene].steps;
}

const char *scenes_name(enum sim_scene scene)
{
    return scene < SCENES ? scenes[scene].name : "drawn";
}

enum sim_scene scenes_find(const char *name)
{
    int i = 0;
    while (i < SCENES && strcmp(scenes[i].name, name) != 0) {
        i++;
    }
    return (enum sim_scene) i;
}
