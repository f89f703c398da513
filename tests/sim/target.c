#include "tests/sim/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/world.h"

#define TIMEOUT_MS 8000

/* A request on its way, and what became of it. */
struct journey {
    struct target_request request;
    uint32_t life;
    int64_t number;
};

/* ---- principals and tokens ---------------------------------------------- */

int target_mint(struct world *world, int node, int64_t epoch)
{
    struct sim_target *target = &world->target;
    if (target->principal_count == TARGET_PRINCIPALS_MAX) {
        return -1;
    }
    int index = (int) target->principal_count++;
    struct target_principal *principal = &target->principals[index];
    *principal =
        (struct target_principal){ .used = true, .epoch = epoch, .node = node };
    (void) snprintf(principal->id, sizeof principal->id, "P%d-%lld", index,
                    (long long) epoch);
    return index;
}

int target_principal_find(const struct sim_target *target, const char *id)
{
    for (size_t i = 0; i < target->principal_count; i++) {
        if (strcmp(target->principals[i].id, id) == 0) {
            return (int) i;
        }
    }
    return -1;
}

void target_principal_delete(struct world *world, int principal)
{
    struct target_principal *gone = &world->target.principals[principal];
    if (!gone->deleted) {
        gone->deleted = true;
        gone->deleted_ms = world->now_ms;
    }
}

int64_t target_token(struct world *world, int principal)
{
    struct sim_target *target = &world->target;
    if (principal < 0 || target->principals[principal].deleted ||
        target->token_count + 1 >= TARGET_TOKENS_MAX) {
        return 0;
    }
    int64_t token = (int64_t) ++target->token_count;
    target->tokens[token] = (struct target_token){
        .principal = principal,
        .expires_ms = world->now_ms + target->lifetime_ms,
    };
    return token;
}

bool target_admits(const struct world *world, int64_t token)
{
    const struct sim_target *target = &world->target;
    if (!target->fences) {
        return true;
    }
    if (token <= 0 || token > (int64_t) target->token_count) {
        return false;
    }
    const struct target_token *held = &target->tokens[token];
    const struct target_principal *of = &target->principals[held->principal];
    return world->now_ms < held->expires_ms &&
           (!of->deleted || world->now_ms < of->deleted_ms + target->lag_ms);
}

bool target_is_out(const struct world *world)
{
    return world->now_ms >= world->target.out_from_ms &&
           world->now_ms < world->target.out_until_ms;
}

/* ---- objects ------------------------------------------------------------ */

const struct target_object *target_by_anchor(const struct sim_target *target,
                                             int anchor)
{
    for (size_t i = 0; i < target->object_count; i++) {
        if (target->objects[i].anchor == anchor) {
            return &target->objects[i];
        }
    }
    return NULL;
}

size_t target_count_of(const struct sim_target *target, int anchor)
{
    size_t count = 0;
    for (size_t i = 0; i < target->object_count; i++) {
        count += target->objects[i].anchor == anchor;
    }
    return count;
}

static struct target_object *by_id(struct sim_target *target, int64_t id)
{
    for (size_t i = 0; i < target->object_count; i++) {
        if (target->objects[i].anchor != 0 && target->objects[i].id == id) {
            return &target->objects[i];
        }
    }
    return NULL;
}

static struct target_object *add_object(struct sim_target *target)
{
    for (size_t i = 0; i < target->object_count; i++) {
        if (target->objects[i].anchor == 0) {
            return &target->objects[i];
        }
    }
    return target->object_count < TARGET_OBJECTS_MAX
               ? &target->objects[target->object_count++]
               : NULL;
}

static enum target_status create(struct world *world,
                                 const struct target_request *request,
                                 int64_t *ret_id)
{
    struct sim_target *target = &world->target;
    if (target->unique && target_by_anchor(target, request->anchor) != NULL) {
        return SIM_TAKEN;
    }
    struct target_object *object = add_object(target);
    if (object == NULL) {
        return SIM_BUSY;
    }
    *object = (struct target_object){ .anchor = request->anchor,
                                      .id = ++target->next_id,
                                      .value = request->value,
                                      .effect_epoch = request->epoch };
    *ret_id = object->id;
    return SIM_ANSWERED;
}

static enum target_status change(struct world *world,
                                 const struct target_request *request)
{
    struct target_object *object = by_id(&world->target, request->id);
    if (object == NULL) {
        return SIM_NO_SUCH;
    }
    judge_effect(world, request, object);
    object->effect_epoch = request->epoch;
    if (request->verb == SIM_UPDATE) {
        object->value = request->value;
    } else {
        object->anchor = 0;
    }
    return SIM_ANSWERED;
}

/* ---- a request's way ---------------------------------------------------- */

/* Most are quick; some are as late as the way allows. */
static int64_t arrival(struct world *world, const struct target_way *way)
{
    int64_t longest_ms = way->delay_ms > world->target.travel_ms
                             ? way->delay_ms
                             : world->target.travel_ms;
    longest_ms = random_chance(&world->random, 400) ? longest_ms : 0;
    return random_between(&world->random, 1 + longest_ms / 2, 3 + longest_ms);
}

static void on_answer(struct world *world, struct occasion *occasion)
{
    node_on_target(world, occasion->node, occasion->data);
}

static void answer(struct world *world, const struct journey *journey,
                   struct target_answer *answer, size_t size)
{
    const struct target_request *request = &journey->request;
    const struct target_way *way = &world->target.ways[request->node];
    if (way->cut || random_chance(&world->random, way->lose_answer)) {
        free(answer);
        return;
    }
    int64_t delay_ms = arrival(world, way);
    agenda_note(&world->agenda,
                &(struct occasion){ .at_ms = world->now_ms + delay_ms,
                                    .run = on_answer,
                                    .node = request->node,
                                    .life = journey->life,
                                    .data = answer,
                                    .size = size });
}

static void answer_status(struct world *world, const struct journey *journey,
                          enum target_status status, int64_t id)
{
    struct target_answer *said = sim_alloc(sizeof *said);
    *said = (struct target_answer){ .ticket = journey->request.ticket,
                                    .verb = journey->request.verb,
                                    .status = status,
                                    .anchor = journey->request.anchor,
                                    .id = id,
                                    .value = journey->request.value };
    answer(world, journey, said, sizeof *said);
}

/* What is there now: all of it, or of one anchor. */
static void answer_found(struct world *world, const struct journey *journey)
{
    const struct sim_target *target = &world->target;
    const struct target_request *request = &journey->request;
    size_t size = sizeof(struct target_answer) +
                  target->object_count * sizeof(struct target_found);
    struct target_answer *said = sim_alloc(size);
    *said = (struct target_answer){ .ticket = request->ticket,
                                    .verb = request->verb,
                                    .status = SIM_ANSWERED,
                                    .anchor = request->anchor };
    for (size_t i = 0; i < target->object_count; i++) {
        const struct target_object *object = &target->objects[i];
        if (object->anchor != 0 &&
            (request->verb == SIM_LIST || object->anchor == request->anchor)) {
            said->found[said->count++] =
                (struct target_found){ object->anchor, object->id,
                                       object->value };
        }
    }
    answer(world, journey, said, size);
}

static void take_effect(struct world *world, struct occasion *occasion)
{
    const struct journey *journey = occasion->data;
    const struct target_request *request = &journey->request;
    int64_t id = request->id;
    enum target_status status = SIM_ANSWERED;
    world->target.under_way--;
    world->target.effects++;
    if (request->verb == SIM_CREATE) {
        status = create(world, request, &id);
    } else {
        status = change(world, request);
    }
    trace(world, AGENDA_NOBODY,
          "target: epoch %lld's %s of u%d (id %lld, value %lld): %s",
          (long long) request->epoch, target_verb_name(request->verb),
          request->anchor, (long long) id, (long long) request->value,
          target_status_name(status));
    answer_status(world, journey, status, id);
}

/* Its connection was reset before it arrived: what had left the sender's host
 * by then comes all the same. */
static bool given_up(const struct world *world, int64_t number)
{
    const struct sim_target *target = &world->target;
    for (size_t i = 0; i < TARGET_GIVEN_UP; i++) {
        if (target->given_up[i].number == number) {
            return world->now_ms >= target->given_up[i].at_ms + target->wire_ms;
        }
    }
    return false;
}

static void arrive(struct world *world, struct occasion *occasion)
{
    struct journey *journey = occasion->data;
    const struct target_request *request = &journey->request;
    struct sim_target *target = &world->target;
    if (given_up(world, journey->number)) {
        return;
    }
    int busy = target->busy + target->ways[request->node].busy;
    if (target_is_out(world) || random_chance(&world->random, busy)) {
        answer_status(world, journey, SIM_BUSY, request->id);
        return;
    }
    if (!target_admits(world, request->token)) {
        target->denials++;
        answer_status(world, journey, SIM_DENIED, request->id);
        return;
    }
    target->admissions++;
    if (request->verb == SIM_LOOK || request->verb == SIM_LIST) {
        answer_found(world, journey);
        return;
    }
    trace(world, AGENDA_NOBODY, "target: admits epoch %lld's %s of u%d",
          (long long) request->epoch, target_verb_name(request->verb),
          request->anchor);
    judge_admission(world, request);
    target->under_way++;
    int64_t slow_ms = random_chance(&world->random, 300) ? target->slow_ms : 3;
    occasion->data = NULL;
    agenda_note(
        &world->agenda,
        &(struct occasion){ .at_ms = world->now_ms +
                                     random_between(&world->random, 0, slow_ms),
                            .run = take_effect,
                            .node = AGENDA_NOBODY,
                            .data = journey,
                            .size = sizeof *journey });
}

static void on_timeout(struct world *world, struct occasion *occasion)
{
    struct sim_target *target = &world->target;
    size_t slot = target->given_up_count++ % TARGET_GIVEN_UP;
    target->given_up[slot].number = occasion->number;
    target->given_up[slot].at_ms = world->now_ms;
    node_on_target(world, occasion->node, occasion->data);
}

void target_send(struct world *world, const struct target_request *request)
{
    struct target_way *way = &world->target.ways[request->node];
    struct journey *journey = sim_alloc(sizeof *journey);
    *journey = (struct journey){ .request = *request,
                                 .life = node_life(world, request->node) };
    struct target_answer *late = sim_alloc(sizeof *late);
    *late = (struct target_answer){ .ticket = request->ticket,
                                    .verb = request->verb,
                                    .status = SIM_NO_ANSWER,
                                    .anchor = request->anchor,
                                    .id = request->id,
                                    .value = request->value };
    int64_t patience_ms =
        request->left_ms < TIMEOUT_MS ? request->left_ms : TIMEOUT_MS;
    patience_ms =
        clock_stretch(&world->nodes[request->node]->clock, patience_ms);
    int64_t held_ms = faults_sending(world, request->node);
    journey->number = ++world->target.journeys;
    struct occasion occasion = { .at_ms = world->now_ms + held_ms + patience_ms,
                                 .run = on_timeout,
                                 .node = request->node,
                                 .life = journey->life,
                                 .number = journey->number,
                                 .data = late,
                                 .size = sizeof *late };
    agenda_note(&world->agenda, &occasion);
    if (way->cut || random_chance(&world->random, way->lose_request)) {
        free(journey);
        return;
    }
    occasion = (struct occasion){ .at_ms = world->now_ms + arrival(world, way),
                                  .run = arrive,
                                  .node = AGENDA_NOBODY,
                                  .data = journey,
                                  .size = sizeof *journey };
    agenda_note(&world->agenda, &occasion);
}

void target_heal(struct sim_target *target)
{
    target->busy = 0;
    target->out_until_ms = target->travel_ms = 0;
    for (int i = 0; i < 2; i++) {
        target->ways[i] = (struct target_way){ .cut = false };
    }
}
