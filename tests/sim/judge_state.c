/* What takes a look at whole states; see judge.h. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/world.h"

static bool verify(struct world *world, const struct sim_node *node,
                   struct journal_position *ret_at)
{
    struct ts_err err = { .code = TS_OK };
    uint64_t rows = 0;
    struct db *db = &node->store.mv->db;
    if (journal_verify(db, store_tables(), ret_at, &rows, &err) != TS_OK) {
        judge_violated(world, "I6", "%s: %s", node->name, err.text);
        return false;
    }
    return true;
}

void judge_state(struct world *world, int node)
{
    struct journal_position at;
    if (world->nodes[node]->store.open) {
        (void) verify(world, world->nodes[node], &at);
    }
}

void judge_installed(struct world *world, int node)
{
    const struct sim_node *at_node = world->nodes[node];
    struct journal_position at = store_position(&at_node->store);
    if (at_node->store.open && at.seq > 0) {
        judge_has_all(world, node, &at);
        judge_state(world, node);
    }
}

/* ---- convergence -------------------------------------------------------- */

struct comparison {
    struct world *world;
    struct sim_node *node;
    bool seen[TARGET_OBJECTS_MAX];
    bool known[SOURCE_ANCHORS_MAX + 1];
    char *why;
    size_t size;
    bool differs;
};

static void differ(struct comparison *comparison, int anchor, const char *what)
{
    if (!comparison->differs) {
        (void) snprintf(comparison->why, comparison->size, "u%d %s", anchor,
                        what);
    }
    comparison->differs = true;
}

static void on_ledger(void *context, int anchor, int64_t id, int provenance)
{
    struct comparison *comparison = context;
    const struct sim_target *target = &comparison->world->target;
    (void) provenance;
    for (size_t i = 0; i < target->object_count; i++) {
        if (target->objects[i].anchor == anchor &&
            target->objects[i].id == id) {
            comparison->seen[i] = true;
            return;
        }
    }
    differ(comparison, anchor, "is in the ledger, not at the target");
}

/* A second object of an anchor, where nobody claims that there is but one. */
static bool is_excused(const struct world *world,
                       const struct target_object *object)
{
    return judge_claims_nothing(world) &&
           target_count_of(&world->target, object->anchor) > 1;
}

static void compare_target(struct comparison *comparison)
{
    struct world *world = comparison->world;
    for (size_t i = 0; i < world->target.object_count; i++) {
        const struct target_object *object = &world->target.objects[i];
        if (object->anchor == 0 || object->anchor > SOURCE_ANCHORS_MAX) {
            continue;
        }
        int64_t wanted = world->source.values[object->anchor];
        if (!comparison->seen[i] && is_excused(world, object)) {
            continue;
        }
        if (!comparison->seen[i]) {
            differ(comparison, object->anchor,
                   "is at the target, not in the ledger");
        } else if (comparison->known[object->anchor]) {
            differ(comparison, object->anchor, "is at the target twice");
        } else if (wanted == 0 &&
                   !store_held(&comparison->node->store, object->anchor)) {
            differ(comparison, object->anchor,
                   "is gone from the source, and not held");
        } else if (wanted != 0 && wanted != object->value) {
            differ(comparison, object->anchor,
                   "has another value at the target");
        }
        comparison->known[object->anchor] = true;
    }
    for (int i = 1; i <= world->source.anchor_count; i++) {
        if (world->source.values[i] != 0 && !comparison->known[i]) {
            differ(comparison, i, "is not at the target");
        }
    }
}

static struct sim_node *active_of(struct world *world)
{
    struct sim_node *active = NULL;
    for (int i = 0; i < 2; i++) {
        struct sim_node *node = world->nodes[i];
        if (node->up && node->role == MEMBER_ACTIVE &&
            node->exporter.phase == EXPORTER_EXPORTING &&
            member_gate_left(&node->gate, node_clocks(node)) > 0) {
            active = node;
        }
    }
    return active;
}

bool judge_converged(struct world *world, char *why, size_t size)
{
    struct sim_node *active = active_of(world);
    if (active == NULL) {
        (void) snprintf(why, size, "nobody exports");
        return false;
    }
    const struct sim_node *other = world->nodes[1 - active->index];
    struct journal_position at = store_position(&active->store);
    struct journal_position there = store_position(&other->store);
    if (active->exporter.rebuild || active->exporter.rest_ms > 0 ||
        store_open_intents(&active->store) != 0 ||
        world->target.under_way > 0) {
        (void) snprintf(why, size, "%s has %lld intents open%s", active->name,
                        (long long) store_open_intents(&active->store),
                        active->exporter.rebuild ? ", reads both sides" : "");
        return false;
    }
    if (!other->up || !other->store.open ||
        !journal_position_equal(&at, &there)) {
        (void) snprintf(why, size, "%s is at %lld.%lld, %s at %lld.%lld",
                        active->name, (long long) at.epoch, (long long) at.seq,
                        other->name, (long long) there.epoch,
                        (long long) there.seq);
        return false;
    }
    if (world->judge.value.is_unprotected ||
        world->judge.value.voter_count < 2) {
        (void) snprintf(why, size, "the register still shows %s",
                        world->judge.value.is_unprotected ? "no protection"
                                                          : "one voter");
        return false;
    }
    struct comparison comparison = { .world = world, .node = active };
    comparison.why = why;
    comparison.size = size;
    (void) store_ledger(&active->store, on_ledger, &comparison);
    compare_target(&comparison);
    return !comparison.differs;
}

void judge_end(struct world *world)
{
    struct journal_position at[2];
    for (int i = 0; i < 2; i++) {
        if (!verify(world, world->nodes[i], &at[i])) {
            return;
        }
    }
    if (!sum_equal(at[0].sum, at[1].sum)) {
        judge_violated(world, "I6", "the two nodes' rows have other sums");
    }
    for (int i = 1; i <= SOURCE_ANCHORS_MAX; i++) {
        if (target_count_of(&world->target, i) > 1 &&
            !judge_claims_nothing(world)) {
            judge_violated(world, "I5", "u%d is at the target twice", i);
        }
    }
}
