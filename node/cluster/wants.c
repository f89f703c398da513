/* What the holder wants in the register: asked for, swapped, confirmed. */
#include <inttypes.h>
#include <string.h>

#include "node/cluster/private.h"

/* ---- tokens ------------------------------------------------------------- */

static void answer_token(struct member *member, const uint8_t *hash,
                         const char *refusal)
{
    (void) member;
    struct member_effect *effect = member_emit(member, MEMBER_DO_TOKEN);
    memcpy(effect->token.hash, hash, sizeof effect->token.hash);
    effect->token.ok = refusal == NULL;
    member_copy_text(effect->text, sizeof effect->text, refusal);
}

static bool is_recorded(const struct member *member, const uint8_t *hash,
                        uint32_t lifetime_s)
{
    const struct register_principal *own =
        register_principal_of(&member->seen.value, member->seen.value.epoch);
    return own == NULL ||
           (memcmp(own->token_hash, hash, sizeof own->token_hash) == 0 &&
            own->token_lifetime_s >= lifetime_s);
}

void wants_token(struct member *member, const struct member_event *event)
{
    struct wants *wants = &member->wants;
    const uint8_t *hash = event->token.hash;
    if (!TS_RULE(TOKEN_EXPIRY)) {
        answer_token(member, hash, NULL);
    } else if (!member->lease.held || !member_owns_value(member)) {
        answer_token(member, hash, "cannot use the token: the lease was lost");
    } else if (is_recorded(member, hash, event->token.lifetime_s)) {
        answer_token(member, hash, NULL);
    } else if (wants->token) {
        answer_token(member, hash,
                     "could not record the token: another one is being "
                     "recorded");
    } else {
        wants->token = true;
        memcpy(wants->token_hash, hash, sizeof wants->token_hash);
        wants->token_lifetime_s = event->token.lifetime_s;
    }
}

/* ---- protection and members --------------------------------------------- */

static bool leads(const struct member *member)
{
    return member->lease.held && member_owns_value(member) &&
           member->role == MEMBER_ACTIVE && member->engine == ENGINE_ACTIVE;
}

/* It has read the register and made it durable that it belongs to it: else a
 * crash would leave a voter that knows nothing of its past. */
static bool is_ready_learner(const struct member *member)
{
    const struct peer *peer = &member->peer;
    return peer->link_up && peer->heard && peer->last.role == MEMBER_LEARNER &&
           strcmp(peer->name, member->seen.value.learner) == 0 &&
           memcmp(peer->cluster, member->seen.value.id, sizeof peer->cluster) ==
               0;
}

bool wants_swap_in(const struct member *member)
{
    const struct register_value *value = &member->seen.value;
    return leads(member) && value->learner[0] != '\0' && member->equal &&
           is_ready_learner(member) && member->seen.ok &&
           !member->claims.in_doubt && !member->lease.is_promised &&
           value->handover_size == 0 && !member->op.admit.open;
}

/* The one that acknowledges is the one that could take over: a learner beside a
 * voter that is lost protects nothing until it has that vote. */
static bool follows_voter(const struct member *member)
{
    const char *other = member_other_voter(member);
    return other != NULL && strcmp(member->peer.name, other) == 0;
}

/* Under the policy `stop` no such period begins; one that there is, as before
 * the second computer has joined, is used until it ends. */
bool wants_may_unprotect(const struct member *member)
{
    return member->unprotected != MEMBER_UNPROTECTED_STOP ||
           member->seen.value.is_unprotected;
}

/* Before the register says "protected" again, the engine has waited for
 * acknowledgements for a while, and the follower has everything: nothing that
 * was let through without one is younger than what it holds. */
bool wants_protect(const struct member *member)
{
    const struct wants *wants = &member->wants;
    return wants->protecting && member->equal && leads(member) &&
           !wants->unprotected && !wants->generation &&
           (follows_voter(member) || wants_swap_in(member)) &&
           ts_elapsed_least(wants->protecting_from, member->now) >=
               member->terms.renew_ms;
}

static void show_protection(struct member *member, bool is_unprotected)
{
    member->wants.shown = is_unprotected;
    struct member_effect *effect = member_emit(member, MEMBER_DO_PROTECTION);
    effect->protection.is_unprotected = is_unprotected;
    effect->protection.epoch = member->lease.epoch;
}

/* A swap that says "protected" may be under way or still land: the last one
 * tried, or any before it whose outcome nobody knows. */
static bool may_be_flipping(const struct member *member)
{
    const struct claims *claims = &member->claims;
    return (claims->op == CLAIM_SWAP && !claims->tried.is_unprotected) ||
           claims->doubt_protected;
}

void wants_pump(struct member *member)
{
    struct wants *wants = &member->wants;
    const struct register_value *value = &member->seen.value;
    if (!leads(member)) {
        return;
    }
    if (wants->unprotected && !wants_may_unprotect(member)) {
        wants->unprotected = false;
    }
    if (wants->unprotected) {
        wants->protecting = false;
        if (value->is_unprotected && !may_be_flipping(member)) {
            wants->unprotected = false;
            show_protection(member, true);
        }
    } else if (value->is_unprotected && !wants->protecting && member->equal &&
               !wants->generation &&
               (follows_voter(member) || value->learner[0] != '\0')) {
        wants->protecting = true;
        wants->protecting_from = member->now;
        show_protection(member, false);
    }
}

bool wants_swap(const struct member *member)
{
    const struct wants *wants = &member->wants;
    const struct operating *op = &member->op;
    const struct register_value *value = &member->seen.value;
    return wants->token || wants->generation || wants->release ||
           (wants->unprotected && !value->is_unprotected) ||
           (value->is_unprotected && wants_protect(member)) ||
           wants_swap_in(member) || retire_wants(member) || op->admit.open ||
           op->level.open || op->pause.open || op->repin.open ||
           op->handover.open || op->reseal.open ||
           member->takeover.step == TAKEOVER_CONFIRMING;
}

/* ---- confirmed ---------------------------------------------------------- */

static void settle_token(struct member *member)
{
    struct wants *wants = &member->wants;
    if (wants->token &&
        is_recorded(member, wants->token_hash, wants->token_lifetime_s)) {
        wants->token = false;
        answer_token(member, wants->token_hash, NULL);
    }
}

static void settle_protection(struct member *member)
{
    struct wants *wants = &member->wants;
    const struct register_value *value = &member->seen.value;
    if (wants->generation && value->is_unprotected &&
        value->data_generation == wants->generation_number) {
        wants->generation = false;
        member_emit(member, MEMBER_DO_GENERATION)->generation =
            value->data_generation;
        show_protection(member, true);
    }
    if (wants->unprotected && value->is_unprotected &&
        !may_be_flipping(member)) {
        wants->unprotected = false;
        show_protection(member, true);
        member_record(member, "unprotected", "automatic",
                      "exporting without the standby since seq %" PRIu64
                      " of epoch %" PRIu64,
                      value->unprotected_since.seq,
                      value->unprotected_since.epoch);
    }
    if (wants->protecting && !value->is_unprotected) {
        wants->protecting = false;
        member_record(member, "protected", "automatic",
                      "the standby has everything up to seq %" PRIu64
                      " of epoch %" PRIu64,
                      value->position.seq, value->position.epoch);
    }
}

static void settle_commands(struct member *member)
{
    struct operating *op = &member->op;
    const struct register_value *value = &member->seen.value;
    if (op->admit.open && strcmp(value->learner, op->admit_node) == 0) {
        command_answer(member, &op->admit, 0,
                       "%s is a learner: it becomes a standby when it has "
                       "everything",
                       op->admit_node);
    }
    retire_settle(member);
    reseal_settle(member);
    if (op->level.open && value->level == op->level_wanted) {
        command_answer(member, &op->level, 0,
                       "the schema level of the cluster is %" PRIu32,
                       value->level);
    }
    if (op->pause.open && value->paused == op->pause_wanted &&
        (!value->paused || value->pause_left_ms == (uint64_t) op->pause_ms)) {
        command_answer(member, &op->pause, 0,
                       value->paused ? "exporting is paused"
                                     : "exporting goes on");
    }
    if (op->handover.open && value->handover_size == op->handover_size &&
        memcmp(value->handover, op->handover_field, op->handover_size) == 0) {
        command_answer(member, &op->handover, 0, "the register has it");
    }
    if (op->repin.open && value->server_size == op->server_size &&
        memcmp(value->server, op->server, op->server_size) == 0) {
        command_answer(member, &op->repin, 0,
                       "the register's server is pinned anew");
    }
}

void wants_settle(struct member *member)
{
    struct wants *wants = &member->wants;
    const struct register_value *value = &member->seen.value;
    if (wants->init &&
        memcmp(value->id, wants->initial.id, sizeof value->id) == 0) {
        wants->init = false;
        member_record(member, "register-written", member->op.init.actor, "%s",
                      member->op.init.reason);
        command_answer(member, &member->op.init, 0,
                       "the register is written: epoch %" PRIu64
                       ", member list %" PRIu64,
                       value->epoch, value->membership);
    }
    if (!member->lease.held || !member_owns_value(member)) {
        return;
    }
    settle_token(member);
    settle_protection(member);
    settle_commands(member);
    takeover_confirmed(member);
}

void wants_drop(struct member *member, const char *why)
{
    struct wants *wants = &member->wants;
    struct operating *op = &member->op;
    struct pending *const asked[] = { &op->admit, &op->level,    &op->pause,
                                      &op->repin, &op->handover, &op->retire,
                                      &op->reseal };
    if (wants->token) {
        answer_token(member, wants->token_hash, why);
    }
    wants->token = wants->unprotected = wants->generation = false;
    wants->protecting = wants->release = false;
    if (wants->shown) { /* it was of that epoch only */
        show_protection(member, false);
    }
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        if (asked[i]->open) {
            command_answer(member, asked[i], 1,
                           "could not do it on %s: %s; ask the node that "
                           "holds the lease now",
                           member->name, why);
        }
    }
}
