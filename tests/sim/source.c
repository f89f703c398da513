#include "tests/sim/source.h"

#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/world.h"

#define TENSE_MS 4000 /* after each bout */
#define CALMER   8
#define CALM_MS  9000 /* the longest pause while nothing is at stake */

static void append(struct sim_source *source, int anchor, int64_t value)
{
    source->values[anchor] = value;
    source->log[source->log_count++] = (struct source_change){ anchor, value };
}

static int some_present(struct world *world)
{
    struct sim_source *source = &world->source;
    int from = (int) random_below(&world->random, source->anchor_count + 1);
    for (int i = 0; i < source->anchor_count; i++) {
        int anchor = 1 + (from + i) % source->anchor_count;
        if (source->values[anchor] != 0) {
            return anchor;
        }
    }
    return 0;
}

static void change_one(struct world *world)
{
    struct sim_source *source = &world->source;
    if (source->log_count == SOURCE_LOG_MAX) {
        return;
    }
    int choice = (int) random_below(&world->random, 100);
    int anchor = some_present(world);
    bool room = source->anchor_count < SOURCE_ANCHORS_MAX;
    if (room && (anchor == 0 || choice < 40)) {
        append(source, ++source->anchor_count, ++source->next_value);
    } else if (anchor == 0) {
        return;
    } else if (choice < 78) {
        append(source, anchor, ++source->next_value);
    } else {
        append(source, anchor, 0);
    }
    const struct source_change *last = &source->log[source->log_count - 1];
    trace(world, AGENDA_NOBODY, "source: u%d %s %lld", last->anchor,
          last->value == 0 ? "is deleted" : "=", (long long) last->value);
}

/* Somebody may export, and its lease has not been renewed as it should: what
 * leaves now is what may come late. */
static bool is_tense(const struct world *world)
{
    const struct sim_settings *settings = &world->settings;
    int64_t allowed_ms =
        settings->ttl_ms * (100 - (int64_t) settings->error_percent) / 100 -
        settings->margin_ms;
    for (int i = 0; i < 2; i++) {
        const struct sim_node *node = world->nodes[i];
        int64_t left_ms =
            node->up ? member_gate_left(&node->gate, node_clocks(node)) : 0;
        if (left_ms > 0 && left_ms < allowed_ms - 2 * settings->renew_ms) {
            return true;
        }
    }
    return world->now_ms < world->faults.stirred_ms + TENSE_MS;
}

static void on_change(struct world *world, struct occasion *occasion)
{
    (void) occasion;
    if (world->source.calm) {
        return;
    }
    int64_t count = random_chance(&world->random, 50)
                        ? random_between(&world->random, 2, 6)
                        : 1;
    for (int64_t i = 0; i < count; i++) {
        change_one(world);
    }
    int64_t longest_ms = world->settings.change_ms;
    if (longest_ms < CALM_MS && !is_tense(world)) {
        longest_ms *= CALMER;
        longest_ms = longest_ms < CALM_MS ? longest_ms : CALM_MS;
    }
    int64_t pause_ms = random_between(&world->random, 50, longest_ms);
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + pause_ms,
                                    .run = on_change,
                                    .node = AGENDA_NOBODY });
}

static void on_stir(struct world *world, struct occasion *occasion)
{
    (void) occasion;
    if (!world->source.calm) {
        change_one(world);
    }
}

void source_stir(struct world *world, int64_t within_ms)
{
    int64_t count = random_between(&world->random, 0, 2);
    world->faults.stirred_ms = world->now_ms;
    for (int64_t i = 0; i < count; i++) {
        int64_t after_ms = random_below(&world->random, within_ms);
        agenda_note(&world->agenda,
                    &(struct occasion){ .at_ms = world->now_ms + after_ms,
                                        .run = on_stir,
                                        .node = AGENDA_NOBODY });
    }
}

void source_start(struct world *world)
{
    int64_t count = random_between(&world->random, 3, 8);
    for (int64_t i = 0; i < count; i++) {
        append(&world->source, ++world->source.anchor_count,
               ++world->source.next_value);
    }
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + 100,
                                    .run = on_change,
                                    .node = AGENDA_NOBODY });
}

int64_t source_reach(struct world *world, int64_t cookie)
{
    const struct sim_source *source = &world->source;
    int64_t end = (int64_t) source->log_count;
    if (random_chance(&world->random, source->stale) && end > cookie) {
        return random_between(&world->random, cookie, end);
    }
    return end;
}

void source_as_of(const struct sim_source *source, int64_t cookie,
                  int64_t values[static SOURCE_ANCHORS_MAX + 1])
{
    memset(values, 0, (SOURCE_ANCHORS_MAX + 1) * sizeof values[0]);
    for (int64_t i = 0; i < cookie && i < (int64_t) source->log_count; i++) {
        values[source->log[i].anchor] = source->log[i].value;
    }
}

bool source_had_lost(const struct sim_source *source, int anchor)
{
    return source->values[anchor] == 0;
}
