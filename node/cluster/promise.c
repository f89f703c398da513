/*
 * The register is lost, the peer is alive: the peer may promise not to take
 * over for T(1+e) + 1 s from now, and the holder may go on for T(1-e) - m from
 * before it asked. A promise is a renewal through the other node.
 *
 * It needs no durable note: who gave it and starts anew waits as long before it
 * reaches out (start wait).
 */
#include <stdio.h>
#include <string.h>

#include "node/cluster/private.h"

bool promise_binds(const struct member *member)
{
    return member->promised.given &&
           !lease_waited(&member->terms, member->promised.at, member->now);
}

/* ---- giving ------------------------------------------------------------- */

static bool is_current(const struct member *member,
                       const struct member_message *message)
{
    const struct register_value *value = &member->seen.value;
    const struct member_promise *asked = &message->promise;
    return member->seen.has_value && !value->released &&
           strcmp(value->holder, message->from) == 0 &&
           memcmp(value->boot, asked->boot, sizeof value->boot) == 0 &&
           value->epoch == asked->epoch &&
           asked->epoch == member_epoch_known(member) &&
           value->membership == asked->membership &&
           asked->membership == member->facts.membership;
}

/* NULL: it may be given. */
static const char *refusal(const struct member *member,
                           const struct member_message *message)
{
    const struct claims *claims = &member->claims;
    if (member->role != MEMBER_STANDBY || !member_is_voter(member)) {
        return "it is no standby with a vote";
    }
    if (!member->facts.known) {
        return "it does not know which epochs it has seen";
    }
    if (!member_start_waited(member)) {
        return "it has started too recently";
    }
    if (!is_current(member, message)) {
        return "it knows another holder, epoch or member list";
    }
    if (TS_RULE(PROMISE_NO_CAS) &&
        (claims->op == CLAIM_SWAP || claims->in_doubt)) {
        return "its own swap of the register is not answered yet";
    }
    return NULL;
}

static void reply(struct member *member, const struct member_message *request,
                  enum member_message_kind kind, const char *text)
{
    peer_message(member, &member->answer, kind);
    member->answer.promise = request->promise;
    member_copy_text(member->answer.text, sizeof member->answer.text, text);
    member_emit(member, MEMBER_DO_SEND)->send = &member->answer;
}

static void give(struct member *member, const struct member_message *message)
{
    const char *why = refusal(member, message);
    if (why != NULL) {
        reply(member, message, MEMBER_MESSAGE_PROMISE_REFUSAL, why);
        return;
    }
    if (TS_RULE(PROMISE_NO_CAS)) {
        takeover_abandon(member);
    }
    member->promised = (struct promised){ .given = true,
                                          .at = member->now,
                                          .epoch = message->promise.epoch };
    reply(member, message, MEMBER_MESSAGE_PROMISE_GRANT, NULL);
}

/* ---- asking ------------------------------------------------------------- */

static bool may_count(const struct member *member)
{
    const struct claims *claims = &member->claims;
    const struct register_value *value = &member->seen.value;
    bool members_in_doubt = claims->doubt_members ||
                            (claims->op == CLAIM_SWAP &&
                             claims->tried.membership != value->membership);
    return member->lease.held && member_owns_value(member) &&
           (member->role == MEMBER_ACTIVE || (member->role == MEMBER_DRAINING &&
                                              member->engine != ENGINE_IDLE)) &&
           !member->seen.regressed && !member->seen.is_absent &&
           !value->is_unprotected && !members_in_doubt &&
           member_other_voter(member) != NULL &&
           lease_left_ms(&member->terms, member->lease.from, member->now) > 0;
}

static void count(struct member *member, const struct member_message *message)
{
    struct asking *asking = &member->asking;
    const struct member_promise *echo = &message->promise;
    const char *other = member_other_voter(member);
    if (!asking->open || !may_count(member) ||
        strcmp(message->from, other) != 0 ||
        echo->number != asking->request.number ||
        echo->epoch != member->lease.epoch ||
        echo->membership != member->seen.value.membership ||
        memcmp(echo->boot, member->boot, sizeof echo->boot) != 0 ||
        memcmp(echo->nonce, asking->request.nonce, sizeof echo->nonce) != 0) {
        return;
    }
    asking->open = false;
    struct ts_clocks from =
        TS_RULE(PROMISE_FROM_REQUEST) ? asking->sent : member->now;
    if (ts_elapsed_most(from, member->now) <
        ts_elapsed_most(member->lease.from, member->now)) {
        member->lease.from = from;
        member->lease.is_promised = true;
    }
}

/* A swap that changes members would make the promise one of the old list. */
static bool wants_promise(const struct member *member)
{
    return may_count(member) && member->peer.link_up &&
           (member->engine != ENGINE_ACTIVE || member->lease.progressed ||
            !TS_RULE(PROGRESS)) &&
           (member->lease.is_promised ||
            ts_elapsed_most(member->lease.from, member->now) >=
                2 * member->terms.renew_ms);
}

static int64_t pace_left(const struct member *member)
{
    const struct asking *asking = &member->asking;
    if (asking->number == 0) {
        return 0;
    }
    int64_t left =
        member->terms.renew_ms - ts_elapsed_most(asking->sent, member->now);
    return left > 0 ? left : 0;
}

void promise_pump(struct member *member)
{
    struct asking *asking = &member->asking;
    if (!wants_promise(member) || pace_left(member) > 0) {
        return;
    }
    asking->open = true;
    asking->sent = member->now;
    asking->number++;
    member->lease.progressed = false;
    struct member_promise *request = &asking->request;
    memset(request, 0, sizeof *request);
    request->number = asking->number;
    request->epoch = member->lease.epoch;
    request->membership = member->seen.value.membership;
    memcpy(request->boot, member->boot, sizeof request->boot);
    /* Unique, not secret: the boot id is random and the number never comes
     * again within it. */
    memcpy(request->nonce, member->boot, sizeof request->nonce);
    for (size_t i = 0; i < sizeof asking->number; i++) {
        request->nonce[i] ^= (uint8_t) (asking->number >> (8 * i));
    }
    peer_message(member, &member->request, MEMBER_MESSAGE_PROMISE_REQUEST);
    member->request.promise = *request;
    member_emit(member, MEMBER_DO_SEND)->send = &member->request;
}

int64_t promise_deadline(const struct member *member)
{
    if (!may_count(member) || !member->peer.link_up ||
        (member->engine == ENGINE_ACTIVE && !member->lease.progressed)) {
        return INT64_MAX;
    }
    int64_t left = pace_left(member);
    if (!member->lease.is_promised) {
        int64_t overdue = 2 * member->terms.renew_ms -
                          ts_elapsed_most(member->lease.from, member->now);
        left = overdue > left ? overdue : left;
    }
    return left;
}

void promise_heard(struct member *member, const struct member_message *message)
{
    if (message->kind == MEMBER_MESSAGE_PROMISE_REQUEST) {
        give(member, message);
    } else if (message->kind == MEMBER_MESSAGE_PROMISE_GRANT) {
        count(member, message);
    }
}
