/* The register's one outstanding call: what is asked next, and when. */
#include <string.h>

#include "node/cluster/private.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- pace --------------------------------------------------------------- */

/* A standby reads more often when the holder may be gone. */
static bool is_worried(const struct member *member)
{
    const struct observed *seen = &member->seen;
    return !seen->ok || seen->value.released || !member->peer.link_up ||
           peer_is_silent(member) || member->op.failover.open ||
           member->peer.last.register_serial > seen->value.serial ||
           ts_elapsed_most(seen->changed, member->now) >
               2 * member->terms.renew_ms;
}

static int64_t pace_ms(const struct member *member)
{
    bool calm = member_is_holder_role(member->role) ? member->seen.ok
                                                    : !is_worried(member);
    return calm ? member->terms.renew_ms
                : least(MEMBER_POLL_MS, member->terms.renew_ms);
}

/* Milliseconds until the register may be asked again by routine. */
static int64_t pace_left(const struct member *member)
{
    const struct claims *claims = &member->claims;
    if (!claims->has_done) {
        return 0;
    }
    int64_t left = pace_ms(member) - ts_elapsed_most(claims->done, member->now);
    return left > 0 ? left : 0;
}

static int64_t renewal_left(const struct member *member)
{
    if (member->lease.is_promised || !member->seen.ok) {
        return pace_left(member);
    }
    int64_t left = member->terms.renew_ms -
                   ts_elapsed_most(member->lease.from, member->now);
    return left > 0 ? left : 0;
}

/* ---- what may be written ------------------------------------------------ */

/* An exporter that hangs must not be kept in office by the thread that renews.
 * Before it exports there is nothing to wait for. */
static bool has_progress(const struct member *member)
{
    return member->engine != ENGINE_ACTIVE || member->lease.progressed ||
           member->wants.token || !TS_RULE(PROGRESS);
}

/* An own epoch, seen as ours, in a register that fits. */
static bool may_write_own(const struct member *member)
{
    return member->seen.has_value && !member->seen.regressed &&
           member_owns_value(member) && !member->seen.value.released &&
           (member_is_voter(member) || !TS_RULE(MEMBER_ONLY));
}

/* In office, and the register says so: nothing to read, only to renew. */
static bool keeps_own(const struct member *member)
{
    return member->lease.held && may_write_own(member) &&
           member->lease.epoch == member->seen.value.epoch;
}

static bool gives_back(const struct member *member)
{
    return !member_is_holder_role(member->role) && !member->lease.held &&
           member->engine == ENGINE_IDLE &&
           member->takeover.step == TAKEOVER_NONE && may_write_own(member) &&
           !promise_binds(member) && member_travel_left(member) == 0;
}

static bool writes_own(const struct member *member)
{
    if (!keeps_own(member)) {
        return false;
    }
    bool is_due = renewal_left(member) == 0;
    bool is_wanted = wants_swap(member) && (member->seen.ok || is_due);
    return (is_due || is_wanted) && has_progress(member);
}

static bool writes_claim(const struct member *member)
{
    return member->takeover.step == TAKEOVER_CLAIMING && !member->lease.held &&
           !member->seen.regressed &&
           (!promise_binds(member) || !TS_RULE(PROMISE_NO_CAS)) &&
           (!member->claims.claimed || pace_left(member) == 0);
}

/* ---- calls -------------------------------------------------------------- */

static void begin(struct member *member, enum claim_op op)
{
    struct claims *claims = &member->claims;
    claims->op = op;
    claims->wrote_init = false;
    claims->asked_epoch = member_epoch_known(member);
    claims->asked_membership = member->facts.membership;
}

static void read(struct member *member)
{
    begin(member, CLAIM_READ);
    (void) member_emit(member, MEMBER_DO_READ);
}

static void swap(struct member *member, const struct register_value *value,
                 struct ts_slice expected)
{
    struct claims *claims = &member->claims;
    struct ts_slice bytes;
    struct ts_err err = { 0 };
    if (register_pack(value, &member->arena, &bytes, &err) != TS_OK) {
        member->seen.ok = false;
        member_copy_text(member->seen.text, sizeof member->seen.text, err.text);
        claims->done = member->now;
        claims->has_done = claims->failed = true;
        return;
    }
    begin(member, CLAIM_SWAP);
    claims->tried = *value;
    memcpy(claims->tried_room, bytes.data, bytes.size);
    claims->tried_bytes = ts_slice(claims->tried_room, bytes.size);
    claims->serial_last = value->serial;
    claims->attempts[claims->attempts_next] =
        (struct attempt){ .serial = value->serial, .at = member->now };
    claims->attempts_next = (claims->attempts_next + 1) % MEMBER_ATTEMPTS;
    struct member_effect *effect = member_emit(member, MEMBER_DO_SWAP);
    effect->swap.expected = expected;
    effect->swap.bytes = claims->tried_bytes;
}

static void swap_composed(struct member *member,
                          void (*compose)(const struct member *,
                                          struct register_value *))
{
    ts_arena_reset(&member->arena);
    struct register_value *value =
        ts_arena_array(&member->arena, 1, sizeof *value);
    if (value != NULL) {
        compose(member, value);
        swap(member, value, member->seen.bytes);
    }
}

static void swap_initial(struct member *member)
{
    struct observed *seen = &member->seen;
    struct ts_slice expected = TS_SLICE_NONE;
    /* Somebody else has repaired it since this value was composed. */
    if (seen->has_rejected &&
        seen->rejected.epoch >= member->wants.initial.epoch) {
        command_lost_init(member);
        return;
    }
    if (seen->has_rejected) {
        expected = seen->rejected_bytes;
    }
    ts_arena_reset(&member->arena);
    swap(member, &member->wants.initial, expected);
    member->claims.wrote_init = member->claims.op == CLAIM_SWAP;
}

void claims_pump(struct member *member)
{
    struct claims *claims = &member->claims;
    if (claims->op != CLAIM_NONE || member->role == MEMBER_STOPPED) {
        return;
    }
    if (!member->seen.was_read || claims->read_next) {
        if (!claims->failed || pace_left(member) == 0) {
            read(member);
        }
    } else if (member->wants.init &&
               member->facts_durable >= member->wants.init_number) {
        swap_initial(member);
    } else if (writes_own(member)) {
        member->lease.progressed = false;
        swap_composed(member, compose_next);
    } else if (writes_claim(member)) {
        if (!claims->claimed) {
            member->takeover.claimed_at = member->now;
        }
        claims->claimed = true;
        swap_composed(member, compose_claim);
    } else if (gives_back(member) && pace_left(member) == 0) {
        member->wants.release = true;
        member->wants.release_planned = false;
        swap_composed(member, compose_next);
        member->wants.release = false;
    } else if (!keeps_own(member) && pace_left(member) == 0) {
        read(member);
    }
}

int64_t claims_deadline(const struct member *member)
{
    const struct claims *claims = &member->claims;
    if (claims->op != CLAIM_NONE || member->role == MEMBER_STOPPED) {
        return INT64_MAX;
    }
    if (!member->seen.was_read || claims->read_next) {
        return claims->failed ? pace_left(member) : 0;
    }
    if (keeps_own(member)) {
        return has_progress(member) ? renewal_left(member) : INT64_MAX;
    }
    return pace_left(member);
}
