/* What the register said: is it a value that can follow what this node knows,
 * has it changed, and did a swap of ours win? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/cluster/private.h"

static void set_text(struct observed *seen, const char *text)
{
    member_copy_text(seen->text, sizeof seen->text, text);
}

static bool is_same_id(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, REGISTER_ID_SIZE) == 0;
}

/* ---- regressions -------------------------------------------------------- */

static bool is_listed(const struct member *member,
                      const struct register_value *value)
{
    return register_has_voter(value, member->name) ||
           strcmp(value->learner, member->name) == 0;
}

/* Another id is believed only when the peer, whom the link has authenticated,
 * knows the register by it too, and no epoch is taken back. */
static bool is_vouched(const struct member *member,
                       const struct register_value *value)
{
    return member->peer.heard && is_same_id(member->peer.cluster, value->id) &&
           value->epoch >= member->claims.asked_epoch &&
           is_listed(member, value);
}

/* Compared with what was known when the call was made: what was learnt since
 * may be younger than the answer. */
static bool regressed(struct member *member, const struct register_value *value,
                      struct ts_slice bytes)
{
    struct observed *seen = &member->seen;
    const struct claims *claims = &member->claims;
    const struct facts *facts = &member->facts;
    bool known = facts->known && facts->membership > 0;
    bool same = seen->has_value && is_same_id(seen->value.id, value->id);
    uint64_t serial = same ? seen->value.serial : 0;
    if (facts->has_value && is_same_id(facts->value.id, value->id) &&
        serial < facts->value.serial) {
        serial = facts->value.serial;
    }
    if (!TS_RULE(REGISTER_REGRESSED)) {
        return false;
    }
    if (known && !is_same_id(member->facts.id, value->id) &&
        !is_vouched(member, value)) {
        set_text(seen, "the register has another id: it was made anew");
    } else if (value->epoch < claims->asked_epoch) {
        (void) snprintf(seen->text, sizeof seen->text,
                        "the register shows epoch %" PRIu64 ", but epoch "
                        "%" PRIu64 " is known: it was restored",
                        value->epoch, claims->asked_epoch);
    } else if (known && is_same_id(facts->id, value->id) &&
               value->membership < claims->asked_membership) {
        (void) snprintf(seen->text, sizeof seen->text,
                        "the register shows member list %" PRIu64 ", but list "
                        "%" PRIu64 " is known: it was restored",
                        value->membership, claims->asked_membership);
    } else if (value->serial < serial ||
               (same && value->serial == seen->value.serial &&
                !ts_slice_equal(bytes, seen->bytes))) {
        (void) snprintf(seen->text, sizeof seen->text,
                        "the register shows write %" PRIu64 ", but another "
                        "write %" PRIu64 " was seen: it was restored",
                        value->serial, serial);
    } else {
        return false;
    }
    return true;
}

static void reject(struct member *member, const struct register_value *value,
                   struct ts_slice bytes)
{
    struct observed *seen = &member->seen;
    seen->ok = false;
    seen->regressed = true;
    seen->has_rejected = value != NULL;
    if (value != NULL) {
        seen->rejected = *value;
        memcpy(seen->rejected_room, bytes.data, bytes.size);
        seen->rejected_bytes = ts_slice(seen->rejected_room, bytes.size);
    }
}

/* ---- accepting ---------------------------------------------------------- */

/* The clocks that were read before this very value was sent. */
static const struct attempt *attempt_of(const struct claims *claims,
                                        uint64_t serial)
{
    for (size_t i = 0; i < MEMBER_ATTEMPTS; i++) {
        if (claims->attempts[i].serial == serial && serial != 0) {
            return &claims->attempts[i];
        }
    }
    return NULL;
}

/* A value of ours stands in the register: the lease counts from the clocks
 * before it was sent, however it was learnt. */
static void confirm(struct member *member)
{
    const struct register_value *value = &member->seen.value;
    const struct attempt *attempt = attempt_of(&member->claims, value->serial);
    if (!member_owns_value(member) || value->released) {
        return;
    }
    if (member->lease.held && member->lease.epoch == value->epoch) {
        /* A promise may have carried the lease further than this value. */
        if (attempt != NULL &&
            ts_elapsed_most(attempt->at, member->now) <
                ts_elapsed_most(member->lease.from, member->now)) {
            member->lease.from =
                TS_RULE(CLOCK_BEFORE_SEND) ? attempt->at : member->now;
            member->lease.is_promised = false;
            member->heartbeat_due = true;
        }
    } else if (member->takeover.step == TAKEOVER_CLAIMING &&
               member->takeover.epoch == value->epoch) {
        if (promise_binds(member) || member->stopping ||
            member->role != MEMBER_STANDBY) {
            takeover_forget(member);
            return;
        }
        /* Which of its attempts won may be forgotten; the first is oldest. */
        struct ts_clocks at =
            attempt != NULL ? attempt->at : member->takeover.claimed_at;
        member->lease = (struct lease){
            .held = true,
            .epoch = value->epoch,
            .from = TS_RULE(CLOCK_BEFORE_SEND) ? at : member->now,
            .progressed = true,
        };
        takeover_won(member);
    }
}

static void accept(struct member *member, const struct register_value *value,
                   struct ts_slice bytes)
{
    struct observed *seen = &member->seen;
    bool changed = !seen->has_value || !ts_slice_equal(seen->bytes, bytes);
    if (changed) {
        if (!seen->has_value || seen->value.epoch != value->epoch) {
            seen->epoch_changed = member->now;
        }
        seen->changed = member->now;
        seen->value = *value;
        memcpy(seen->bytes_room, bytes.data, bytes.size);
        seen->bytes = ts_slice(seen->bytes_room, bytes.size);
        /* A swap from an older value can land no more. */
        member->claims.in_doubt = false;
        member->claims.doubt_members = false;
        member->claims.doubt_protected = false;
    }
    seen->has_value = seen->ok = true;
    seen->is_absent = seen->is_foreign = seen->regressed = false;
    seen->has_rejected = false;
    seen->text[0] = '\0';
    if (changed) {
        member_learn_value(member);
    }
    confirm(member);
    if (changed && !member_owns_value(member)) {
        takeover_abandon(member);
    }
    wants_settle(member);
}

static void read_value(struct member *member, struct ts_slice bytes)
{
    struct observed *seen = &member->seen;
    struct ts_err err = { 0 };
    ts_arena_reset(&member->arena);
    struct register_value *value = ts_arena_take(&member->arena, sizeof *value);
    if (value == NULL) {
        seen->ok = false;
        member->claims.failed = true;
        set_text(seen, "could not read the register: out of memory");
        return;
    }
    if (register_unpack(bytes, &member->arena, value, &err) != TS_OK) {
        seen->ok = false;
        member->claims.failed = true;
        set_text(seen, err.text);
        return;
    }
    if (regressed(member, value, bytes)) {
        reject(member, value, bytes);
        return;
    }
    accept(member, value, bytes);
}

/* ---- events ------------------------------------------------------------- */

static void answered(struct member *member)
{
    member->claims.op = CLAIM_NONE;
    member->claims.done = member->now;
    member->claims.has_done = true;
    member->claims.failed = false;
}

void observe_read(struct member *member, const struct member_event *event)
{
    struct observed *seen = &member->seen;
    if (member->claims.op != CLAIM_READ) {
        return;
    }
    answered(member);
    seen->was_read = true;
    switch (event->read.status) {
    case MEMBER_READ_VALUE:
        member->claims.read_next = false;
        read_value(member, event->read.bytes);
        break;
    case MEMBER_READ_ABSENT:
        member->claims.read_next = false;
        seen->is_absent = true;
        seen->ok = false;
        set_text(seen, "the register is empty");
        if (TS_RULE(REGISTER_REGRESSED) && member->facts.known &&
            member->facts.membership > 0) {
            set_text(seen, "the register is empty, but was not: it was lost");
            reject(member, NULL, TS_SLICE_NONE);
        }
        break;
    case MEMBER_READ_FOREIGN:
        seen->is_foreign = true;
        seen->ok = false;
        member->claims.failed = true;
        set_text(seen, event->text);
        break;
    case MEMBER_READ_FAILED:
        seen->ok = false;
        member->claims.failed = true;
        set_text(seen, event->text);
        break;
    }
}

void observe_swapped(struct member *member, const struct member_event *event)
{
    struct claims *claims = &member->claims;
    if (claims->op != CLAIM_SWAP) {
        return;
    }
    answered(member);
    switch (event->swapped) {
    case MEMBER_SWAP_DONE:
        accept(member, &claims->tried, claims->tried_bytes);
        break;
    case MEMBER_SWAP_LOST:
        claims->read_next = true;
        if (claims->wrote_init && !claims->in_doubt) {
            command_lost_init(member);
        }
        break;
    case MEMBER_SWAP_UNKNOWN:
        claims->in_doubt = true;
        claims->doubt_members |=
            claims->tried.membership != member->seen.value.membership;
        claims->doubt_protected |= !claims->tried.is_unprotected;
        claims->read_next = true;
        set_text(&member->seen, event->text);
        break;
    case MEMBER_SWAP_FAILED:
        member->seen.ok = false;
        claims->read_next = claims->failed = true;
        set_text(&member->seen, event->text);
        break;
    }
}

bool observe_expired(const struct member *member)
{
    const struct observed *seen = &member->seen;
    if (!seen->has_value || seen->regressed) {
        return false;
    }
    if (seen->value.released) {
        return true;
    }
    if (member_other_voter(member) == NULL &&
        strcmp(seen->value.holder, member->name) == 0) {
        return true; /* nobody else may ever have it */
    }
    return lease_waited(&member->terms,
                        TS_RULE(OBSERVED_CHANGE) ? seen->changed
                                                 : seen->epoch_changed,
                        member->now);
}
