/* Asking this node's own source, target, registration, disk and state whether
 * they would do, regularly, and just before they have to. */
#include "node/cluster/private.h"

void probe_take(struct member *member, const struct member_event *event)
{
    struct probing *probe = &member->probe;
    if (!probe->asked) {
        return;
    }
    probe->asked = false;
    probe->has_result = true;
    probe->done = member->now;
    for (size_t i = 0; i < MEMBER_PROBES; i++) {
        probe->ok[i] = event->probed.ok[i];
        member_copy_text(probe->texts[i], sizeof probe->texts[i],
                         event->probed.texts[i]);
    }
}

/* Soon to be a candidate: the lease is or may be over. */
static bool is_near(const struct member *member)
{
    const struct observed *seen = &member->seen;
    return member->role == MEMBER_STANDBY && seen->has_value &&
           (seen->value.released || !member->peer.link_up ||
            peer_is_silent(member) || member->op.failover.open ||
            observe_expired(member));
}

static int64_t period_ms(const struct member *member)
{
    return is_near(member) || gates_candidate(member) ? MEMBER_PROBE_FRESH_MS
                                                      : MEMBER_PROBE_MS;
}

static int64_t left_ms(const struct member *member)
{
    const struct probing *probe = &member->probe;
    if (!probe->has_result) {
        return 0;
    }
    int64_t left =
        period_ms(member) - ts_elapsed_most(probe->done, member->now);
    return left > 0 ? left : 0;
}

static bool is_asker(const struct member *member)
{
    return !member->probe.asked &&
           (member->role == MEMBER_STANDBY || member->role == MEMBER_ACTIVE);
}

void probe_pump(struct member *member)
{
    if (is_asker(member) && left_ms(member) == 0) {
        member->probe.asked = true;
        member->probe.asked_at = member->now;
        (void) member_emit(member, MEMBER_DO_PROBE);
    }
}

int64_t probe_deadline(const struct member *member)
{
    return is_asker(member) ? left_ms(member) : INT64_MAX;
}
