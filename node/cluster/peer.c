/* The other node: what it says of itself, and what it is told. */
#include <string.h>

#include "node/cluster/private.h"

void peer_message(const struct member *member, struct member_message *message,
                  enum member_message_kind kind)
{
    memset(message, 0, sizeof *message);
    message->kind = kind;
    memcpy(message->from, member->name, sizeof message->from);
    memcpy(message->boot, member->boot, sizeof message->boot);
    if (member->facts.known && member->is_id_durable) {
        memcpy(message->cluster, member->facts.id, sizeof message->cluster);
    }
    message->epoch = member_epoch_known(member);
    message->membership = member->facts.membership;
}

/* ---- hearing ------------------------------------------------------------ */

static bool is_member_name(const struct member *member, const char *name)
{
    const struct register_value *value = &member->seen.value;
    return strcmp(name, member->name) != 0 &&
           (register_has_voter(value, name) ||
            strcmp(value->learner, name) == 0);
}

/* Fitter without a break: from the heartbeat with which it began. */
static void compare(struct member *member)
{
    struct peer *peer = &member->peer;
    bool fitter = member->role == MEMBER_ACTIVE && member->probe.has_result &&
                  !gates_well(member) && peer->last.fit;
    if (fitter && !peer->fitter) {
        peer->fitter_from = member->now;
    }
    peer->fitter = fitter;
}

void peer_heard(struct member *member, const struct member_message *message)
{
    struct peer *peer = &member->peer;
    /* Before the register was read, nobody is known to be a member: that it is
     * the paired node was proved by its key. */
    if (member->seen.has_value && !is_member_name(member, message->from) &&
        !member->seen.has_rejected) {
        return;
    }
    if (strcmp(peer->name, message->from) != 0) {
        /* Another node has taken its place: what that one said is over. */
        memset(&peer->last, 0, sizeof peer->last);
        peer->fitter = false;
        member_copy_text(peer->name, sizeof peer->name, message->from);
    }
    peer->heard = true;
    peer->heard_at = member->now;
    memcpy(peer->cluster, message->cluster, sizeof peer->cluster);
    bool same_register =
        member->facts.known && memcmp(message->cluster, member->facts.id,
                                      sizeof message->cluster) == 0;
    if (same_register || member_is_holder_role(member->role)) {
        member_learn_epoch(member, message->epoch);
    }
    if (message->kind == MEMBER_MESSAGE_HEARTBEAT) {
        peer->last = message->heartbeat;
    } else {
        promise_heard(member, message);
    }
}

bool peer_is_silent(const struct member *member)
{
    return !member->peer.heard ||
           ts_elapsed_most(member->peer.heard_at, member->now) >
               2 * member->terms.renew_ms;
}

bool peer_is_fit(const struct member *member)
{
    const struct peer *peer = &member->peer;
    const char *other = member_other_voter(member);
    return peer->link_up && !peer_is_silent(member) && peer->last.fit &&
           peer->last.role == MEMBER_STANDBY && other != NULL &&
           strcmp(peer->name, other) == 0;
}

/* ---- telling ------------------------------------------------------------ */

/* Who stops says so once: the peer need not find out. */
static bool may_beat(const struct member *member)
{
    return member->peer.link_up &&
           (member->role != MEMBER_STOPPED || member->heartbeat_due);
}

static int64_t beat_left(const struct member *member)
{
    int64_t left = member->terms.renew_ms -
                   ts_elapsed_most(member->heartbeat_at, member->now);
    return member->heartbeat_due || left < 0 ? 0 : left;
}

void peer_pump(struct member *member)
{
    compare(member);
    if (!may_beat(member) || beat_left(member) > 0) {
        return;
    }
    member->heartbeat_due = false;
    member->heartbeat_at = member->now;
    peer_message(member, &member->beat, MEMBER_MESSAGE_HEARTBEAT);
    struct member_heartbeat *beat = &member->beat.heartbeat;
    beat->role = member->role;
    beat->position = member->position;
    beat->level_max = member->level_max;
    beat->fit = member->probe.has_result && gates_able(member);
    beat->equal = member->equal;
    beat->paused = member_is_paused(member);
    beat->maintenance = member->facts.maintenance;
    beat->wants_lease =
        member->op.failover.open && member->role == MEMBER_STANDBY;
    beat->register_serial =
        member->seen.has_value ? member->seen.value.serial : 0;
    beat->register_age_ms =
        (uint64_t) (member->seen.has_value
                        ? ts_elapsed_least(member->seen.changed, member->now)
                        : 0);
    member_emit(member, MEMBER_DO_SEND)->send = &member->beat;
}

int64_t peer_deadline(const struct member *member)
{
    return may_beat(member) ? beat_left(member) : INT64_MAX;
}
