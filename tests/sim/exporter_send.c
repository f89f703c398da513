/* Requests: sending, answers, doubts; see exporter.h. */
#include "tests/sim/exporter.h"

#include "node/base/http.h"
#include "node/engine/doubt.h"
#include "node/engine/order.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

bool exporter_idle(const struct sim_exporter *exporter)
{
    for (size_t i = 0; i < EXPORTER_SLOTS; i++) {
        if (exporter->slots[i].ticket != 0) {
            return false;
        }
    }
    return true;
}

static struct exporter_slot *free_slot(struct sim_exporter *exporter)
{
    for (size_t i = 0; i < EXPORTER_SLOTS; i++) {
        if (exporter->slots[i].ticket == 0) {
            return &exporter->slots[i];
        }
    }
    return NULL;
}

static enum target_verb verb_of(enum intent_verb verb)
{
    return verb == INTENT_CREATE   ? SIM_CREATE
           : verb == INTENT_UPDATE ? SIM_UPDATE
                                   : SIM_DELETE;
}

/* The number by which the target's log knows an operation for ever. */
static uint64_t op_number(const struct store_op *op)
{
    return (uint64_t) op->batch * 100000 + (uint64_t) op->intent;
}

static void launch(struct sim_node *node, struct exporter_slot *slot)
{
    struct sim_exporter *exporter = &node->exporter;
    slot->ticket = ++exporter->tickets;
    slot->request.node = node->index;
    slot->request.epoch = exporter->epoch;
    slot->request.token = exporter->token;
    slot->request.ticket = slot->ticket;
    slot->request.left_ms = member_gate_left(&node->gate, node_clocks(node));
    judge_launch(node->world, &slot->request);
    target_send(node->world, &slot->request);
}

/* What no rule of the product allows: the same request once more. */
static void launch_again(struct sim_node *node,
                         const struct exporter_slot *from)
{
    struct exporter_slot *slot = free_slot(&node->exporter);
    if (slot != NULL) {
        *slot = *from;
        launch(node, slot);
    }
}

/* ---- doubts ------------------------------------------------------------- */

void exporter_doubt(struct sim_node *node, int64_t intent)
{
    struct sim_exporter *exporter = &node->exporter;
    size_t i = 0;
    while (i < exporter->doubt_count && exporter->doubts[i].intent != intent) {
        i++;
    }
    if (i == EXPORTER_DOUBTS) {
        i = 0; /* the oldest then waits from now */
    }
    exporter->doubts[i].intent = intent;
    exporter->doubts[i].since = node_clocks(node);
    exporter->doubt_count += i == exporter->doubt_count;
}

static struct ts_clocks doubt_since(const struct sim_exporter *exporter,
                                    int64_t intent)
{
    for (size_t i = 0; i < exporter->doubt_count; i++) {
        if (exporter->doubts[i].intent == intent) {
            return exporter->doubts[i].since;
        }
    }
    return exporter->quiet_from;
}

static bool under_way(const struct sim_exporter *exporter, int64_t intent)
{
    for (size_t i = 0; i < EXPORTER_SLOTS; i++) {
        if (exporter->slots[i].ticket != 0 &&
            exporter->slots[i].op.intent == intent) {
            return true;
        }
    }
    for (size_t i = 0; i < exporter->waiting_count; i++) {
        if (exporter->waiting[i].intent == intent) {
            return true;
        }
    }
    return false;
}

void exporter_settle(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    struct store_op ops[STORE_BATCH_MAX];
    if (!node->up || !exporter_may_send(node)) {
        return;
    }
    size_t count = store_doubts(&node->store, ops, STORE_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        struct exporter_slot *slot = free_slot(exporter);
        struct ts_clocks since = doubt_since(exporter, ops[i].intent);
        struct doubt_times times = {
            .now = ts_elapsed_least(since, node_clocks(node)),
            .quiet = exporter_quiet_ms(node),
        };
        bool quiet = doubt_is_quiet(&times);
        if (slot == NULL || under_way(exporter, ops[i].intent) ||
            !doubt_may_look(quiet)) {
            continue;
        }
        *slot = (struct exporter_slot){
            .op = ops[i],
            .looking = true,
            .quiet = quiet,
            .request = { .verb = SIM_LOOK, .anchor = ops[i].anchor },
        };
        launch(node, slot);
    }
}

void exporter_read_target(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    struct world *world = node->world;
    struct exporter_slot *slot = free_slot(exporter);
    if (exporter->reading_target || slot == NULL ||
        world->source.cut[node->index] || !exporter_may_send(node)) {
        return;
    }
    exporter->rebuild_cookie = source_reach(world, 0);
    if (exporter->rebuild_cookie < store_cookie(&node->store)) {
        return; /* that reading is older than what we know */
    }
    exporter->reading_target = true;
    *slot = (struct exporter_slot){ .listing = true,
                                    .request = { .verb = SIM_LIST } };
    launch(node, slot);
}

/* ---- sending ------------------------------------------------------------ */

static bool acknowledged(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    const struct order_sending sending = {
        .has_lease = member_gate_left(&node->gate, node_clocks(node)) > 0,
        .is_acked = node->leader != NULL && node->leading &&
                    leader_has_acked(node->leader, &exporter->marked),
        .is_unprotected = exporter->unprotected_ok,
    };
    enum engine_ack ack = order_ack(&sending);
    if (ack == ENGINE_ACK_WAIT && !exporter->unprotected_asked &&
        !node->world->settings.stop_unprotected &&
        ts_elapsed_least(exporter->waiting_from, node_clocks(node)) >
            node->world->settings.patience_ms) {
        exporter->unprotected_asked = true;
        node_tell_unprotected(node);
    }
    return ack == ENGINE_ACK_DURABLE || ack == ENGINE_ACK_UNPROTECTED;
}

static void send_waiting(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    while (exporter->waiting_count > 0 && exporter_may_send(node)) {
        struct exporter_slot *slot = free_slot(exporter);
        if (slot == NULL) {
            return;
        }
        const struct store_op *op =
            &exporter->waiting[--exporter->waiting_count];
        *slot = (struct exporter_slot){
            .op = *op,
            .request = { .node = node->index,
                         .verb = verb_of(op->verb),
                         .anchor = op->anchor,
                         .value = op->value,
                         .id = op->id,
                         .op = op_number(op) },
        };
        judge_sending(node->world, &slot->request, &exporter->marked);
        launch(node, slot);
    }
}

static bool mark_due(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    size_t count = store_due(&node->store, exporter->waiting, STORE_BATCH_MAX);
    if (!store_mark(&node->store, exporter->waiting, &count,
                    &exporter->marked)) {
        (void) node_died(node);
        return false;
    }
    exporter->waiting_count = count;
    exporter->waiting_from = node_clocks(node);
    exporter->unprotected_asked = false;
    return true;
}

void exporter_send(struct sim_node *node)
{
    struct sim_exporter *exporter = &node->exporter;
    if (!node->up || !exporter_may_send(node)) {
        return;
    }
    if (exporter->waiting_count == 0 && !mark_due(node)) {
        return;
    }
    if (exporter->waiting_count > 0 && acknowledged(node)) {
        send_waiting(node);
    }
}

/* ---- answers ------------------------------------------------------------ */

static bool effect_seen(const struct target_answer *answer, struct store_op *op)
{
    switch (op->verb) {
    case INTENT_CREATE:
        if (answer->count > 0) {
            op->id = answer->found[0].id;
            op->value = answer->found[0].value;
        }
        return answer->count > 0;
    case INTENT_DELETE:
        return answer->count == 0;
    case INTENT_UPDATE:
    case INTENT_DEACTIVATE:
    case INTENT_REACTIVATE:
    case INTENT_ADOPT:
    case INTENT_PARK:
    case INTENT_VERBS:
        break;
    }
    return answer->count > 0 && answer->found[0].value == op->value;
}

static bool looked(struct sim_node *node, struct exporter_slot *slot,
                   const struct target_answer *answer)
{
    if (answer->status != SIM_ANSWERED) {
        if (answer->status == SIM_DENIED) {
            node->exporter.token = 0;
        }
        return true; /* looked at again */
    }
    bool seen = effect_seen(answer, &slot->op);
    enum doubt_verdict verdict = doubt_judge(seen, slot->quiet);
    trace(node->world, node->index, "finds u%d's %s %s", slot->op.anchor,
          intent_verb_name(slot->op.verb),
          verdict == DOUBT_DONE       ? "done"
          : verdict == DOUBT_NOT_DONE ? "not done"
                                      : "undecided");
    if (verdict == DOUBT_DONE) {
        return store_done(&node->store, &slot->op);
    }
    if (verdict == DOUBT_NOT_DONE) {
        return store_not_done(&node->store, &slot->op);
    }
    if (verdict == DOUBT_SEND_AGAIN && exporter_may_send(node)) {
        struct store_op op = slot->op;
        struct exporter_slot again = {
            .op = op,
            .request = { .verb = verb_of(op.verb),
                         .anchor = op.anchor,
                         .value = op.value,
                         .id = op.id,
                         .op = op_number(&op) },
        };
        launch_again(node, &again);
    }
    return true;
}

/* Of both sides, in a state of its own: the register has to name it. */
static bool load(struct sim_node *node, const struct target_answer *answer)
{
    struct sim_exporter *exporter = &node->exporter;
    struct member_event event = { .kind = MEMBER_GENERATION };
    struct member_view view;
    member_view(node->member, node_clocks(node), &view);
    int64_t seen = (int64_t) view.value->data_generation;
    judge_rebuilding(node->world, 0);
    if (!store_build(&node->store, seen + 1) ||
        !store_rebuild(&node->store, exporter->rebuild_cookie, answer->found,
                       answer->count)) {
        return false;
    }
    exporter->loading = true;
    event.generation = (uint64_t) node->store.generation;
    node_step(node, &event);
    return true;
}

static bool listed(struct sim_node *node, const struct target_answer *answer)
{
    struct sim_exporter *exporter = &node->exporter;
    exporter->reading_target = false;
    if (answer->status != SIM_ANSWERED) {
        exporter->token = answer->status == SIM_DENIED ? 0 : exporter->token;
        return true;
    }
    trace(node->world, node->index, "has read both sides: %zu objects",
          answer->count);
    exporter->rebuild = exporter->keep_deletes = false;
    exporter->doubt_count = 0;
    if (!node->store.open) {
        return load(node, answer);
    }
    judge_rebuilding(node->world, store_spent(&node->store));
    return store_rebuild(&node->store, exporter->rebuild_cookie, answer->found,
                         answer->count);
}

static bool written(struct sim_node *node, struct exporter_slot *slot,
                    const struct target_answer *answer)
{
    struct sim_exporter *exporter = &node->exporter;
    switch (answer->status) {
    case SIM_ANSWERED:
        slot->op.id = answer->id;
        return store_done(&node->store, &slot->op);
    case SIM_NO_SUCH:
        return slot->op.verb == INTENT_DELETE
                   ? store_done(&node->store, &slot->op)
                   : store_vanished(&node->store, &slot->op);
    case SIM_DENIED:
        exporter->token = 0;
        return store_unsent(&node->store, &slot->op, 1);
    case SIM_BUSY:
        return store_unsent(&node->store, &slot->op, 1);
    case SIM_TAKEN:
        break; /* by whom? looked at like a doubt */
    case SIM_NO_ANSWER:
        if (ts_http_may_pass(1, false) && exporter_may_send(node)) {
            launch_again(node, slot); /* libcurl would, by itself */
            return true;
        }
        break;
    }
    exporter_doubt(node, slot->op.intent);
    return true;
}

void exporter_answered(struct sim_node *node,
                       const struct target_answer *answer)
{
    struct sim_exporter *exporter = &node->exporter;
    struct exporter_slot *slot = NULL;
    for (size_t i = 0; i < EXPORTER_SLOTS; i++) {
        if (exporter->slots[i].ticket == answer->ticket) {
            slot = &exporter->slots[i];
        }
    }
    if (slot == NULL || exporter->phase != EXPORTER_EXPORTING) {
        return;
    }
    struct exporter_slot done = *slot;
    slot->ticket = 0;
    if (member_gate_left(&node->gate, node_clocks(node)) <= 0) {
        exporter->reading_target = exporter->reading_target && !done.listing;
        if (!done.looking && !done.listing) {
            exporter_doubt(node, done.op.intent);
        }
        return; /* the lease is lost: nothing is written any more */
    }
    bool fine = done.listing   ? listed(node, answer)
                : done.looking ? looked(node, &done, answer)
                               : written(node, &done, answer);
    if (!fine) {
        (void) node_died(node);
    }
}
