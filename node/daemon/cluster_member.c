#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "node/base/log.h"
#include "node/daemon/cluster_private.h"

/* --- what is owed -------------------------------------------------------- */

static void owe(struct cluster *c, bool *what, enum ts_code code)
{
    *what = true;
    cluster_say(c->owed.text, ts_code_text(code));
}

/* One answer that a thread could not give; false: none is owed. */
static bool next_owed(struct cluster *c, struct member_event *event)
{
    struct cluster_owed *owed = &c->owed;
    *event = (struct member_event){ .text = owed->text };
    if (owed->read) {
        event->kind = MEMBER_READ;
        event->read.status = MEMBER_READ_FAILED;
        owed->read = false;
    } else if (owed->swap) {
        event->kind = MEMBER_SWAPPED;
        event->swapped = MEMBER_SWAP_FAILED;
        owed->swap = false;
    } else if (owed->persist) {
        event->kind = MEMBER_PERSISTED;
        event->persisted.number = owed->persist_number;
        owed->persist = false;
    } else if (owed->mint) {
        event->kind = MEMBER_MINTED;
        owed->mint = false;
    } else if (owed->fence) {
        event->kind = MEMBER_FENCED;
        event->fenced.again_ms = 1000;
        owed->fence = false;
    } else if (owed->probe) {
        event->kind = MEMBER_PROBED;
        owed->probe = false;
    } else if (owed->activate) {
        event->kind = MEMBER_ACTIVATED;
        owed->activate = false;
    } else if (owed->deactivate) {
        event->kind = MEMBER_DEACTIVATED;
        owed->deactivate = false;
    } else {
        return false;
    }
    return true;
}

/* --- the register -------------------------------------------------------- */

static void do_read(struct cluster *c, const struct member_effect *effect)
{
    (void) effect;
    enum ts_code code = cluster_register_read(c->reg);
    if (code != TS_OK) {
        owe(c, &c->owed.read, code);
    }
}

static void do_swap(struct cluster *c, const struct member_effect *effect)
{
    enum ts_code code = cluster_register_swap(c->reg, effect->swap.expected,
                                              effect->swap.bytes);
    if (code != TS_OK) {
        owe(c, &c->owed.swap, code);
    }
}

static void do_pin(struct cluster *c, const struct member_effect *effect)
{
    cluster_register_pin(c->reg, effect->pin);
}

static enum member_read_status
read_status(const struct cluster_register_answer *answer)
{
    if (answer->code == TS_E_CONFLICT) {
        return MEMBER_READ_FOREIGN;
    }
    if (answer->code != TS_OK) {
        return MEMBER_READ_FAILED;
    }
    return answer->value.size == 0 ? MEMBER_READ_ABSENT : MEMBER_READ_VALUE;
}

static enum member_swap_outcome
swap_outcome(const struct cluster_register_answer *answer)
{
    if (answer->code != TS_OK) {
        return MEMBER_SWAP_FAILED;
    }
    return answer->outcome == REGISTER_SWAP_DONE   ? MEMBER_SWAP_DONE
           : answer->outcome == REGISTER_SWAP_LOST ? MEMBER_SWAP_LOST
                                                   : MEMBER_SWAP_UNKNOWN;
}

void cluster_on_register(void *context,
                         const struct cluster_register_answer *answer)
{
    struct cluster *c = context;
    struct member_event event = { .text =
                                      answer->code != TS_OK || answer->was_swap
                                          ? answer->err->text
                                          : NULL };
    if (answer->was_swap) {
        event.kind = MEMBER_SWAPPED;
        event.swapped = swap_outcome(answer);
    } else {
        event.kind = MEMBER_READ;
        event.read.status = read_status(answer);
        event.read.bytes = answer->value;
    }
    cluster_feed(c, &event);
}

/* --- this node's own disk ------------------------------------------------ */

static void persisted(struct cluster *c,
                      const struct cluster_store_answer *answer,
                      uint64_t number)
{
    cluster_feed(c, &(struct member_event){
                        .kind = MEMBER_PERSISTED,
                        .text = answer->err.text,
                        .persisted = { .number = number,
                                       .ok = answer->code == TS_OK } });
}

static void do_persist(struct cluster *c, const struct member_effect *effect)
{
    struct engine_done done;
    if (!cluster_store_call(c, persisted, effect->persist.number, &done)) {
        c->owed.persist_number = effect->persist.number;
        owe(c, &c->owed.persist, TS_E_NOMEM);
        return;
    }
    engine_persist(c->engine, effect->persist.facts,
                   (int64_t) effect->persist.epoch, done);
}

/* --- principals ---------------------------------------------------------- */

static const struct principal *own_principal(const struct cluster *c,
                                             uint64_t epoch)
{
    return c->fence == NULL ? NULL : cluster_fence_own(c->fence, epoch);
}

static void do_mint(struct cluster *c, const struct member_effect *effect)
{
    // The swap that asks for the lease of this epoch comes next.
    board_note(c->options.board, c->boot_text, effect->mint.epoch);
    enum ts_code code = c->fence == NULL
                            ? TS_E_NOT_FOUND
                            : cluster_fence_mint(c->fence, effect->mint.epoch);
    if (code != TS_OK) {
        owe(c, &c->owed.mint, code);
    }
}

static void do_unmint(struct cluster *c, const struct member_effect *effect)
{
    c->unmint_wanted = own_principal(c, effect->unmint->epoch) != NULL;
    if (c->unmint_wanted && !cluster_fence_busy(c->fence)) {
        c->unmint_wanted = cluster_fence_unmint(c->fence) == TS_E_LIMIT;
    }
}

static void do_fence(struct cluster *c, const struct member_effect *effect)
{
    struct register_principal rows[REGISTER_PRINCIPALS_MAX];
    for (size_t i = 0; i < effect->fence.count; i++) {
        rows[i] = *effect->fence.rows[i];
    }
    enum ts_code code =
        c->fence == NULL
            ? TS_E_NOT_FOUND
            : cluster_fence_destroy(c->fence, rows, effect->fence.count);
    if (code != TS_OK) {
        owe(c, &c->owed.fence, code);
    }
}

static void on_fenced(struct cluster *c,
                      const struct cluster_fence_answer *answer)
{
    struct member_fencing rows[REGISTER_PRINCIPALS_MAX];
    struct member_event event = { .kind = MEMBER_FENCED,
                                  .text = answer->err->text,
                                  .fenced = { .rows = rows } };
    c->fence_pending = answer->code != TS_OK;
    for (size_t i = 0; i < answer->count; i++) {
        const struct principal_fencing *found = &answer->fencings[i];
        bool pending =
            answer->code != TS_OK || found->state == PRINCIPAL_PENDING;
        rows[i] = (struct member_fencing){ .epoch = found->row->epoch,
                                           .confirmed = !pending };
        cluster_say(rows[i].text,
                    answer->code == TS_OK ? found->text : answer->err->text);
        if (pending && (event.fenced.again_ms == 0 ||
                        found->again_ms < event.fenced.again_ms)) {
            event.fenced.again_ms =
                found->again_ms > 0 ? found->again_ms : 1000;
        }
        c->fence_pending = c->fence_pending || pending;
        if (!c->fence_accepted) {
            cluster_say(c->fence_evidence, rows[i].text);
        }
    }
    event.fenced.count = answer->count;
    cluster_feed(c, &event);
}

void cluster_on_fence(void *context, const struct cluster_fence_answer *answer)
{
    struct cluster *c = context;
    bool done = answer->code == TS_OK;
    switch (answer->call) {
    case CLUSTER_FENCE_MINT:
        c->sweep_from = ts_time_now(); // its note, once it is published
        cluster_feed(
            c, &(struct member_event){ .kind = MEMBER_MINTED,
                                       .text = answer->err->text,
                                       .minted = done ? answer->row : NULL });
        break;
    case CLUSTER_FENCE_UNMINT:
        if (!done) { // a client whose secret nobody knows any more
            ts_log(TS_LOG_WARNING, "principal-left-behind",
                   "epoch=%llu reason=\"%s\"",
                   (unsigned long long) answer->epoch, answer->err->text);
            c->sweep_from =
                ts_time_after(ts_time_now(), CLUSTER_SWEEP_AGAIN_MS);
        }
        break;
    case CLUSTER_FENCE_DESTROY:
        on_fenced(c, answer);
        break;
    case CLUSTER_FENCE_PROBE:
        cluster_probe_registration(c, done, answer->err->text);
        break;
    case CLUSTER_FENCE_SWEEP:
        cluster_on_swept(c, answer);
        break;
    case CLUSTER_FENCE_REKEY:
        cluster_rekey_fenced(c, answer);
        break;
    }
    if (c->unmint_wanted && !cluster_fence_busy(c->fence)) {
        c->unmint_wanted = cluster_fence_unmint(c->fence) == TS_E_LIMIT;
    }
}

/* --- the engine ---------------------------------------------------------- */

/* What `history` lists: who held an epoch, by whose decision and why. */
static void tell_epoch(struct cluster *c, int64_t epoch, const char *node)
{
    bool ours = strcmp(node, c->config->this_node) == 0;
    const char *evidence = ours ? c->fence_evidence : "";
    c->epoch_told = epoch;
    engine_record(
        c->engine, "epoch", ours ? c->takeover_actor : "daemon",
        json_pack("{s:I, s:s, s:s, s:s?}", "epoch", (json_int_t) epoch, "node",
                  node, "reason",
                  ours ? c->takeover_reason : "as the register shows it",
                  "evidence", evidence[0] == 0 ? NULL : evidence),
        cluster_store_forget());
}

static void activated(struct cluster *c,
                      const struct cluster_store_answer *answer, uint64_t epoch)
{
    bool done = answer->code == TS_OK;
    c->engine_active = done;
    c->position = answer->position;
    c->tail_hints = 0;
    if (done) {
        tell_epoch(c, (int64_t) epoch, c->config->this_node);
        c->leads = true;
        c->wrote.epoch = (int64_t) epoch;
        memcpy(c->wrote.boot.bytes, c->boot, sizeof c->wrote.boot.bytes);
        cluster_lead(c, &(struct leader_event){ .type = LEADER_BEGIN,
                                                .epoch = (int64_t) epoch,
                                                .position = answer->position,
                                                .before = c->before });
    }
    cluster_feed(c, &(struct member_event){ .kind = MEMBER_ACTIVATED,
                                            .text = answer->err.text,
                                            .activated = done });
}

/* Of the schema: a first load writes what both nodes understand. */
static int64_t level_of(const struct cluster *c)
{
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    return view.has_value ? (int64_t) view.value->level : 0;
}

static void do_activate(struct cluster *c, const struct member_effect *effect)
{
    const struct member_activation *asked = &effect->activate;
    const struct principal *own = own_principal(c, asked->epoch);
    struct engine_done done;
    if (own == NULL && c->config->target.fence != CONFIG_FENCE_NONE) {
        // The configuration's client would be one credential for both nodes.
        c->owed.activate = true;
        cluster_say(c->owed.text, "this process has no credential of its own "
                                  "for that epoch");
        return;
    }
    /* Never the configuration's client in its place: both nodes have that. */
    if (own == NULL) {
        owe(c, &c->owed.activate, TS_E_NOT_FOUND);
        cluster_say(c->owed.text, "the credential of this epoch is not in "
                                  "this process: another one has to be made");
        return;
    }
    if (!cluster_store_call(c, activated, asked->epoch, &done)) {
        owe(c, &c->owed.activate, TS_E_NOMEM);
        return;
    }
    bool configured = own->kind == REGISTER_KIND_NONE;
    const struct engine_activation activation = {
        .epoch = (int64_t) asked->epoch,
        .principal = { .id = configured ? NULL : own->id,
                       .secret = configured ? NULL : own->secret },
        .reconcile_first = asked->reconcile_first,
        .quiesce_all = asked->quiesce_all,
        .accept_data_loss = asked->accept_data_loss,
        .crashed = asked->crashed,
        .data_generation = (int64_t) asked->data_generation,
        .level = level_of(c),
    };
    c->engine_active = true;
    engine_activate(c->engine, &activation, done);
}

static void deactivated(struct cluster *c,
                        const struct cluster_store_answer *answer,
                        uint64_t number)
{
    (void) number;
    c->engine_active = false;
    c->position = answer->position;
    if (c->leads) {
        c->leads = false;
        cluster_lead(c, &(struct leader_event){ .type = LEADER_END });
    }
    cluster_feed(c, &(struct member_event){ .kind = MEMBER_DEACTIVATED,
                                            .text = answer->err.text });
}

static void do_deactivate(struct cluster *c, const struct member_effect *effect)
{
    struct engine_done done;
    if (!cluster_store_call(c, deactivated, 0, &done)) {
        engine_cancel(c->engine);
        owe(c, &c->owed.deactivate, TS_E_NOMEM);
        return;
    }
    engine_deactivate(c->engine,
                      effect->deactivate == MEMBER_LEAVE_DRAINED
                          ? ENGINE_LEAVE_DRAINED
                          : ENGINE_LEAVE_AT_ONCE,
                      done);
}

static void do_cancel(struct cluster *c, const struct member_effect *effect)
{
    (void) effect;
    engine_cancel(c->engine);
}

/* --- answers and the rest ------------------------------------------------ */

static void do_send(struct cluster *c, const struct member_effect *effect)
{
    cluster_peer_send(c, effect->send);
}

static void do_token(struct cluster *c, const struct member_effect *effect)
{
    if (c->token.wanted && memcmp(c->token.hash.bytes, effect->token.hash,
                                  sizeof effect->token.hash) == 0) {
        c->token.wanted = false;
        cluster_gate_token_answer(c->gate, c->token.number, effect->token.ok);
    }
}

void cluster_on_token(void *context, const struct cluster_token *token)
{
    struct cluster *c = context;
    struct member_event event = {
        .kind = MEMBER_TOKEN, .token = { .lifetime_s = token->lifetime_s }
    };
    memcpy(event.token.hash, token->hash.bytes, sizeof event.token.hash);
    c->token.wanted = true;
    c->token.number = token->number;
    c->token.hash = token->hash;
    cluster_feed(c, &event);
}

static void do_protection(struct cluster *c, const struct member_effect *effect)
{
    (void) effect; // what it shows was published before this
    engine_nudge(c->engine);
}

static void do_generation(struct cluster *c, const struct member_effect *effect)
{
    (void) effect;
    engine_nudge(c->engine);
}

/* The chain of events has all of it; "epoch" is what `history` lists. */
static void do_record(struct cluster *c, const struct member_effect *effect)
{
    const char *name = effect->record.name;
    const char *actor = strcmp(effect->record.actor, "automatic") == 0
                            ? "daemon"
                            : effect->record.actor;
    if (strcmp(name, "takeover") == 0) {
        cluster_say(c->takeover_reason, effect->text);
        (void) snprintf(c->takeover_actor, sizeof c->takeover_actor, "%.*s",
                        (int) sizeof c->takeover_actor - 1, actor);
        c->fence_evidence[0] = 0;
        c->fence_accepted = false;
    } else if (strcmp(name, "fence-accepted") == 0) {
        cluster_say(c->fence_evidence, effect->text);
        c->fence_accepted = true;
    }
    ts_log(TS_LOG_INFO, name, "epoch=%llu actor=\"%s\" text=\"%s\"",
           (unsigned long long) effect->record.epoch, actor, effect->text);
    engine_record(c->engine, name, actor,
                  json_pack("{s:I, s:s, s:s}", "epoch",
                            (json_int_t) effect->record.epoch, "node",
                            c->config->this_node, "text", effect->text),
                  cluster_store_forget());
}

static void do_answer(struct cluster *c, const struct member_effect *effect)
{
    cluster_answer(c, effect->answer.id, effect->answer.status, effect->text);
}

typedef void perform_fn(struct cluster *c, const struct member_effect *effect);
static perform_fn *const performers[MEMBER_EFFECT_KINDS] = {
    [MEMBER_DO_READ] = do_read,
    [MEMBER_DO_SWAP] = do_swap,
    [MEMBER_DO_PERSIST] = do_persist,
    [MEMBER_DO_MINT] = do_mint,
    [MEMBER_DO_UNMINT] = do_unmint,
    [MEMBER_DO_FENCE] = do_fence,
    [MEMBER_DO_PROBE] = cluster_probe,
    [MEMBER_DO_SEND] = do_send,
    [MEMBER_DO_ACTIVATE] = do_activate,
    [MEMBER_DO_DEACTIVATE] = do_deactivate,
    [MEMBER_DO_CANCEL] = do_cancel,
    [MEMBER_DO_TOKEN] = do_token,
    [MEMBER_DO_PROTECTION] = do_protection,
    [MEMBER_DO_GENERATION] = do_generation,
    [MEMBER_DO_PIN] = do_pin,
    [MEMBER_DO_RECORD] = do_record,
    [MEMBER_DO_ANSWER] = do_answer,
};

/* --- stepping ------------------------------------------------------------ */

/* Who held the epoch before the one that the register shows. */
static void note_holder(struct cluster *c, const struct register_value *value)
{
    int64_t epoch = (int64_t) value->epoch;
    if (epoch > c->holder.epoch) {
        c->before = c->holder;
    }
    if (epoch > c->epoch_told && value->holder[0] != 0 &&
        strcmp(value->holder, c->config->this_node) != 0) {
        tell_epoch(c, epoch, value->holder);
    }
    c->holder.epoch = (int64_t) value->epoch;
    memcpy(c->holder.boot.bytes, value->boot, sizeof c->holder.boot.bytes);
}

static void publish_protection(struct cluster *c,
                               const struct register_value *value)
{
    c->follower_counts =
        value->is_unprotected ||
        (c->peer != NULL && register_has_voter(value, c->peer->name));
    cluster_gate_protection(c->gate, &(struct cluster_protection){
                                         .unprotected = value->is_unprotected,
                                         .follower_counts = c->follower_counts,
                                         .generation = value->data_generation,
                                     });
}

/* What other threads may know; before any effect (CL2). */
static void publish(struct cluster *c)
{
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    struct member_gate gate = member_gate(c->member);
    const struct cluster_lease lease = {
        .held = gate.held,
        .open = gate.open,
        .epoch = gate.epoch,
        .from = gate.from,
        .allowed_ms = gate.allowed_ms,
        .may_unprotected = gate.may_unprotected,
    };
    cluster_gate_publish(c->gate, &lease);
    if (view.has_value) {
        note_holder(c, view.value);
        publish_protection(c, view.value);
        cluster_gate_pause(c->gate, view.paused);
    }
    if (view.role != c->role) {
        ts_log(TS_LOG_INFO, "role", "from=%s to=%s epoch=%llu why=\"%s\"",
               member_role_name(c->role), member_role_name(view.role),
               (unsigned long long) view.epoch, view.sentence);
        c->role = view.role;
        engine_nudge(c->engine);
    }
}

static void step(struct cluster *c, const struct member_event *event)
{
    assert(!c->stepping);
    c->stepping = true;
    member_step(c->member, event, ts_clocks_now(), &c->effects);
    publish(c);
    for (size_t i = 0; i < c->effects.count; i++) {
        const struct member_effect *effect = &c->effects.items[i];
        performers[effect->kind](c, effect);
    }
    c->stepping = false;
}

void cluster_feed(struct cluster *c, const struct member_event *event)
{
    if (c->closed) {
        return;
    }
    step(c, event);
    struct member_event owed;
    while (next_owed(c, &owed)) {
        step(c, &owed);
    }
    cluster_follow_settle(c);
    cluster_secrets_feed(c);
    cluster_retired_settle(c);
}

void cluster_tick(struct cluster *c)
{
    cluster_store_signs(c);
    cluster_feed(c, &(struct member_event){ .kind = MEMBER_TICK });
    cluster_sweep(c);
    cluster_recount_tick(c, ts_time_now());
}

struct ts_time cluster_member_deadline(const struct cluster *c)
{
    return ts_time_after(ts_time_now(),
                         member_deadline(c->member, ts_clocks_now()));
}
