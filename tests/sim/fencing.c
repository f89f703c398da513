#include "tests/sim/fencing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/world.h"

#define TIMEOUT_MS 2000

static bool reached(struct sim_node *node)
{
    const struct sim_target *target = &node->world->target;
    const struct target_way *way = &target->ways[node->index];
    return !way->cut &&
           !random_chance(&node->world->random, target->busy + way->busy) &&
           !random_chance(&node->world->random, way->lose_request);
}

static bool answered(struct sim_node *node)
{
    const struct target_way *way = &node->world->target.ways[node->index];
    return !random_chance(&node->world->random, way->lose_answer);
}

static int64_t travel(struct sim_node *node)
{
    const struct target_way *way = &node->world->target.ways[node->index];
    return random_between(&node->world->random, 2, 8 + way->delay_ms);
}

/* ---- making ------------------------------------------------------------- */

struct making {
    uint64_t epoch;
    bool enables;
    struct register_principal again;
};

static void describe(struct sim_node *node, uint64_t epoch, int principal,
                     struct register_principal *row)
{
    struct sim_target *target = &node->world->target;
    row->epoch = epoch;
    row->kind = target->fences ? REGISTER_KIND_OAUTH : REGISTER_KIND_NONE;
    (void) snprintf(row->node, sizeof row->node, "%s", node->name);
    if (principal >= 0) {
        (void) snprintf(row->id, sizeof row->id, "%s",
                        target->principals[principal].id);
        row->sealed_size = 16;
        memset(row->sealed, 0x5e, row->sealed_size);
    }
}

static void on_mint(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    const struct making *making = occasion->data;
    struct register_principal row = { .epoch = 0 };
    struct member_event event = { .kind = MEMBER_MINTED };
    int principal = -1;
    if (!world->target.fences) {
        describe(node, making->epoch, -1, &row);
        event.minted = &row;
    } else if (reached(node)) {
        principal =
            making->enables
                ? target_principal_find(&world->target, making->again.id)
                : target_mint(world, node->index, (int64_t) making->epoch);
        if (making->enables && principal >= 0) {
            world->target.principals[principal].deleted = false;
        }
        if (principal >= 0 && answered(node)) {
            describe(node, making->epoch, principal, &row);
            event.minted = &row;
        }
    }
    event.text = event.minted == NULL ? "no answer" : NULL;
    trace(world, node->index, "mints for epoch %lld: %s",
          (long long) making->epoch,
          event.minted == NULL ? "no answer" : row.id);
    node_step(node, &event);
}

void fencing_mint(struct sim_node *node, uint64_t epoch,
                  const struct register_principal *again)
{
    struct making *making = sim_alloc(sizeof *making);
    making->epoch = epoch;
    making->enables = again != NULL;
    if (again != NULL) {
        making->again = *again;
    }
    node_after(node, travel(node), on_mint,
               &(struct occasion){ .data = making, .size = sizeof *making });
}

static void on_unmint(struct world *world, struct occasion *occasion)
{
    if (reached(world->nodes[occasion->node])) {
        target_principal_delete(world, (int) occasion->number);
    }
}

void fencing_unmint(struct sim_node *node,
                    const struct register_principal *principal)
{
    int index = target_principal_find(&node->world->target, principal->id);
    if (index >= 0) {
        node_after(node, travel(node), on_unmint,
                   &(struct occasion){ .number = index });
    }
}

/* ---- fencing ------------------------------------------------------------ */

static void go_on(struct sim_node *node);
static void on_resume(struct world *world, struct occasion *occasion);

static enum fence_answer yes_if(bool yes)
{
    return yes ? FENCE_YES : FENCE_NO;
}

/* What the target says to one act, at this moment. */
static enum fence_answer play(struct sim_node *node, enum fence_act act,
                              int64_t *ret_lifetime_s)
{
    struct world *world = node->world;
    struct sim_fencing *fencing = &node->fencing;
    int principal = fencing->rows[fencing->at].principal;
    int64_t token = 0;
    switch (act) {
    case FENCE_ASK_CANARY:
        fencing->rows[fencing->at].canary = target_token(world, principal);
        *ret_lifetime_s = world->target.lifetime_ms / 1000;
        return yes_if(fencing->rows[fencing->at].canary != 0);
    case FENCE_TRY_CANARY:
    case FENCE_SEE_CANARY:
        return yes_if(target_admits(world, fencing->rows[fencing->at].canary));
    case FENCE_DELETE:
        if (world->target.principals[principal].deleted) {
            return FENCE_NO;
        }
        target_principal_delete(world, principal);
        faults_note_fence(world, principal);
        faults_deleted(world, node->index);
        return FENCE_YES;
    case FENCE_ASK_AGAIN:
        token = target_token(world, principal);
        return yes_if(token != 0);
    case FENCE_TRY_OWN:
    case FENCE_SEE_OWN:
        return yes_if(target_admits(world, fencing->own_token));
    case FENCE_WAIT:
    case FENCE_DONE:
        break;
    }
    return FENCE_ODD;
}

/* With a token, at the target itself. */
static bool is_read(enum fence_act act)
{
    return act == FENCE_TRY_CANARY || act == FENCE_TRY_OWN;
}

static void on_act(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    struct sim_fencing *fencing = &node->fencing;
    const enum fence_act *act = occasion->data;
    int64_t lifetime_s = 0;
    if ((uint64_t) occasion->number != fencing->round) {
        return;
    }
    enum fence_answer answer = FENCE_BUSY;
    if (reached(node) && !(is_read(*act) && target_is_out(world))) {
        answer = play(node, *act, &lifetime_s);
        answer = answered(node) ? answer : FENCE_BUSY;
    }
    fence_tell(&fencing->rows[fencing->at].fence, answer, lifetime_s,
               node_clocks(node));
    go_on(node);
}

static void finish(struct sim_node *node)
{
    struct sim_fencing *fencing = &node->fencing;
    struct member_fencing rows[REGISTER_PRINCIPALS_MAX];
    struct member_event event = { .kind = MEMBER_FENCED };
    struct ts_clocks now = node_clocks(node);
    int64_t again_ms = 0;
    memset(rows, 0, sizeof rows);
    for (size_t i = 0; i < fencing->count; i++) {
        struct fence *fence = &fencing->rows[i].fence;
        rows[i].epoch = (uint64_t) fencing->rows[i].epoch;
        rows[i].confirmed = fencing->rows[i].principal < 0 ||
                            fence_next(fence, now) == FENCE_DONE;
        if (fencing->rows[i].principal >= 0) {
            fence_text(fence, now, rows[i].text, sizeof rows[i].text);
        }
        trace(node->world, node->index, "fence of epoch %lld: %s (%s)",
              (long long) rows[i].epoch,
              rows[i].confirmed ? "confirmed" : "pending", rows[i].text);
        if (!rows[i].confirmed) {
            int64_t wait_ms = fence_wait_ms(fence, now);
            again_ms = again_ms == 0 || wait_ms < again_ms ? wait_ms : again_ms;
        }
    }
    fencing->round++;
    event.fenced.rows = rows;
    event.fenced.count = fencing->count;
    event.fenced.again_ms = again_ms > 0 ? again_ms : 10;
    node_step(node, &event);
}

/* A token of our own, for the comparison: recorded before it is used. */
static void on_own_token(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    struct sim_fencing *fencing = &node->fencing;
    if ((uint64_t) occasion->number != fencing->round) {
        return;
    }
    int64_t token = reached(node) ? target_token(world, fencing->own) : 0;
    if (token == 0) {
        finish(node);
        return;
    }
    struct member_event event = { .kind = MEMBER_TOKEN };
    fencing->own_asked = token;
    memcpy(event.token.hash, &token, sizeof token);
    event.token.lifetime_s = (uint32_t) (world->target.lifetime_ms / 1000);
    node_step(node, &event);
}

bool fencing_token(struct sim_node *node, bool ok)
{
    struct sim_fencing *fencing = &node->fencing;
    if (fencing->own_asked == 0) {
        return false;
    }
    fencing->own_token = ok ? fencing->own_asked : 0;
    fencing->own_asked = 0;
    /* From the agenda: the member is in the middle of a step (N1). */
    node_after(node, 0, on_resume,
               &(struct occasion){ .number = (int64_t) fencing->round });
    return true;
}

static bool own_token_works(const struct sim_node *node)
{
    return node->fencing.own_token != 0 &&
           target_admits(node->world, node->fencing.own_token);
}

static void go_on(struct sim_node *node)
{
    struct sim_fencing *fencing = &node->fencing;
    struct ts_clocks now = node_clocks(node);
    while (fencing->at < fencing->count) {
        enum fence_act act =
            fencing->rows[fencing->at].principal < 0
                ? FENCE_DONE
                : fence_next(&fencing->rows[fencing->at].fence, now);
        if (act == FENCE_DONE || act == FENCE_WAIT) {
            fencing->at++;
            continue;
        }
        bool needs_own = act == FENCE_TRY_OWN || act == FENCE_SEE_OWN;
        if (needs_own && !own_token_works(node)) {
            node_after(
                node, travel(node), on_own_token,
                &(struct occasion){ .number = (int64_t) fencing->round });
            return;
        }
        node_after(node, travel(node), on_act,
                   &(struct occasion){ .number = (int64_t) fencing->round,
                                       .data = sim_copy(&act, sizeof act),
                                       .size = sizeof act });
        return;
    }
    finish(node);
}

static void on_begin(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    if ((uint64_t) occasion->number == node->fencing.round) {
        go_on(node);
    }
}

static void on_resume(struct world *world, struct occasion *occasion)
{
    struct sim_node *node = world->nodes[occasion->node];
    if ((uint64_t) occasion->number == node->fencing.round) {
        if (node->fencing.own_token == 0) {
            finish(node);
        } else {
            go_on(node);
        }
    }
}

static bool known(const struct sim_fencing *fencing, size_t i,
                  const struct register_principal *row)
{
    return i < fencing->count && fencing->rows[i].epoch == (int64_t) row->epoch;
}

void fencing_begin(struct sim_node *node, const struct member_effect *effect)
{
    struct sim_fencing *fencing = &node->fencing;
    const struct sim_target *target = &node->world->target;
    fencing->round++;
    fencing->own_asked = 0;
    int own = effect->fence.own == NULL || !target->fences
                  ? -1
                  : target_principal_find(target, effect->fence.own->id);
    if (own != fencing->own) {
        fencing->own_token = 0;
    }
    fencing->own = own;
    for (size_t i = 0; i < effect->fence.count; i++) {
        const struct register_principal *row = effect->fence.rows[i];
        if (known(fencing, i, row)) {
            continue;
        }
        fencing->rows[i].epoch = (int64_t) row->epoch;
        fencing->rows[i].principal =
            row->kind == REGISTER_KIND_NONE
                ? -1
                : target_principal_find(target, row->id);
        fencing->rows[i].canary = 0;
        fence_init(&fencing->rows[i].fence,
                   &(struct fence_options){
                       .introspection = node->world->settings.introspection,
                       .lifetime_s = row->token_lifetime_s,
                       .error_percent = node->world->settings.error_percent });
    }
    fencing->count = effect->fence.count;
    fencing->at = 0;
    node_after(node, 1, on_begin,
               &(struct occasion){ .number = (int64_t) fencing->round });
}
