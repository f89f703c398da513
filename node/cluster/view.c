/* What others are shown of a member: the gate for exporters, the figures for
 * `status`, the time of the next tick. */
#include <string.h>

#include "node/cluster/private.h"

/* ---- the gate ----------------------------------------------------------- */

struct member_gate member_gate(const struct member *member)
{
    const struct lease *lease = &member->lease;
    const struct takeover *takeover = &member->takeover;
    struct member_gate gate = {
        .held = lease->held,
        .epoch = lease->epoch,
        .from = lease->from,
        .allowed_ms = lease_allowed_ms(&member->terms),
        .may_unprotected = lease->held && member->wants.shown,
    };
    gate.open =
        lease->held && !member_is_paused(member) &&
        (member->role == MEMBER_ACTIVE || member->role == MEMBER_DRAINING) &&
        (member->engine == ENGINE_ACTIVE || member->engine == ENGINE_LEAVING);
    if (!TS_RULE(PUBLISH_FIRST) && !lease->held &&
        takeover->step == TAKEOVER_CLAIMING &&
        member->engine == ENGINE_ACTIVE) {
        gate.open = true;
        gate.epoch = takeover->epoch;
        gate.from = takeover->early;
    }
    return gate;
}

int64_t member_gate_left(const struct member_gate *gate, struct ts_clocks now)
{
    int64_t left = gate->allowed_ms - ts_elapsed_most(gate->from, now);
    return gate->open && left > 0 ? left : 0;
}

/* ---- time --------------------------------------------------------------- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Waits by the slower clock: when it will have come that far, at the soonest.
 */
static int64_t wait_left(const struct member *member, struct ts_clocks from)
{
    int64_t left =
        lease_wait_ms(&member->terms) - ts_elapsed_least(from, member->now);
    return left > 0 ? left : INT64_MAX;
}

int64_t member_deadline(struct member *member, struct ts_clocks now)
{
    member->now = now;
    int64_t due = claims_deadline(member);
    due = least(due, promise_deadline(member));
    due = least(due, takeover_deadline(member));
    due = least(due, probe_deadline(member));
    due = least(due, peer_deadline(member));
    if (member->lease.held) {
        due =
            least(due, lease_left_ms(&member->terms, member->lease.from, now));
    } else if (member->role == MEMBER_STANDBY) {
        due = least(due, wait_left(member, member->started));
        due = least(due, wait_left(member, member->seen.changed));
        if (member->promised.given) {
            due = least(due, wait_left(member, member->promised.at));
        }
    }
    if (member->role == MEMBER_DRAINING && !member->wants.release) {
        due = least(due, member_travel_left(member));
    }
    return due;
}

/* ---- figures ------------------------------------------------------------ */

void member_view(struct member *member, struct ts_clocks now,
                 struct member_view *ret_view)
{
    member->now = now;
    const struct observed *seen = &member->seen;
    *ret_view = (struct member_view){
        .role = member->role,
        .sentence = member->sentence,
        .step = takeover_step_name(member->takeover.step),
        .epoch = member_epoch_known(member),
        .cluster = member->facts.known && member->is_id_durable
                       ? member->facts.id
                       : NULL,
        .has_value = seen->has_value,
        .value = &seen->value,
        .value_age_ms =
            seen->has_value ? ts_elapsed_least(seen->changed, now) : 0,
        .register_ok = seen->ok,
        .register_text = seen->text,
        .remaining_ms =
            member->lease.held
                ? lease_left_ms(&member->terms, member->lease.from, now)
                : 0,
        .is_promised = member->lease.held && member->lease.is_promised,
        .has_promised = promise_binds(member),
        .paused = member_is_paused(member),
        .maintenance = member->facts.maintenance,
        .swap_in_doubt =
            member->claims.in_doubt || member->claims.op == CLAIM_SWAP,
        .peer = member->peer.heard ? &member->peer.last : NULL,
        .peer_age_ms = member->peer.heard
                           ? ts_elapsed_most(member->peer.heard_at, now)
                           : 0,
    };
}
