/* Roles: one table, a row for each way from one to the other. Events only write
 * down what they say; after each, the first row of the present role whose guard
 * holds is taken, and its sentence is what people are told. */
#include <assert.h>
#include <string.h>

#include "node/cluster/private.h"

/* ---- guards: what the register says ------------------------------------- */

static bool has_valid_value(const struct member *member)
{
    return member->seen.ok && member->seen.has_value;
}

static bool is_listed_as_learner(const struct member *member)
{
    return has_valid_value(member) &&
           strcmp(member->seen.value.learner, member->name) == 0;
}

static bool is_learner(const struct member *member)
{
    return is_listed_as_learner(member) && TS_RULE(MEMBER_ONLY);
}

static bool is_voter(const struct member *member)
{
    return has_valid_value(member) && !member->facts.retired &&
           (member_is_voter(member) ||
            (is_listed_as_learner(member) && !TS_RULE(MEMBER_ONLY)));
}

static bool is_unlisted(const struct member *member)
{
    return has_valid_value(member) && retire_is_out(member) &&
           TS_RULE(MEMBER_ONLY);
}

static bool was_retired(const struct member *member)
{
    return is_unlisted(member) || (member->facts.retired &&
                                   !member->is_joining && !is_learner(member));
}

static bool register_is_silent(const struct member *member)
{
    return member->seen.was_read && !has_valid_value(member) &&
           !member->facts.retired;
}

/* ---- guards: the lease -------------------------------------------------- */

static bool is_claim_won(const struct member *member)
{
    return member->lease.held && member->takeover.step == TAKEOVER_PERSISTING;
}

static bool is_superseded(const struct member *member)
{
    return member_epoch_known(member) > member->lease.epoch ||
           (has_valid_value(member) && !member_owns_value(member));
}

static bool is_lapsed(const struct member *member)
{
    return lease_left_ms(&member->terms, member->lease.from, member->now) == 0;
}

/* ---- guards: exporting -------------------------------------------------- */

static bool is_activated(const struct member *member)
{
    return member->engine == ENGINE_ACTIVE &&
           member->takeover.step == TAKEOVER_NONE;
}

static bool has_failed_to_activate(const struct member *member)
{
    return member->takeover.step == TAKEOVER_ACTIVATING &&
           member->engine == ENGINE_IDLE;
}

static bool is_stopping(const struct member *member)
{
    return member->stopping;
}

static bool is_handing(const struct member *member)
{
    return member->seen.ok &&
           (member->op.handing.open || member->facts.maintenance);
}

static bool peer_wants(const struct member *member)
{
    return member->seen.ok && peer_is_fit(member) &&
           member->peer.last.wants_lease;
}

static bool peer_is_fitter(const struct member *member)
{
    return member->seen.ok && member->peer.fitter && peer_is_fit(member) &&
           ts_elapsed_least(member->peer.fitter_from, member->now) >=
               MEMBER_YIELD_MS;
}

static bool has_released(const struct member *member)
{
    return member_owns_value(member) && member->seen.value.released;
}

static bool has_released_to_stop(const struct member *member)
{
    return member->stopping && has_released(member);
}

static bool is_at_rest(const struct member *member)
{
    return member->stopping && member->engine == ENGINE_IDLE &&
           (member->takeover.step == TAKEOVER_NONE ||
            member->takeover.step == TAKEOVER_CLAIMING ||
            member->takeover.step == TAKEOVER_MINTING);
}

/* ---- actions ------------------------------------------------------------ */

static void leave_engine(struct member *member, enum member_leave how,
                         const char *why)
{
    if (member->engine == ENGINE_IDLE ||
        (member->engine == ENGINE_LEAVING && how == MEMBER_LEAVE_DRAINED)) {
        return;
    }
    if (how == MEMBER_LEAVE_AT_ONCE) {
        member_copy_text(member_emit(member, MEMBER_DO_CANCEL)->text,
                         MEMBER_TEXT_SIZE, why);
    }
    if (member->engine != ENGINE_LEAVING) {
        struct member_effect *effect =
            member_emit(member, MEMBER_DO_DEACTIVATE);
        effect->deactivate = how;
        member_copy_text(effect->text, sizeof effect->text, why);
        member->engine = ENGINE_LEAVING;
    }
}

static void yield(struct member *member)
{
    member->yielded = true;
    member->yielded_at = member->now;
}

static void lose(struct member *member)
{
    if (member->engine == ENGINE_ACTIVE && !member->lease.progressed) {
        yield(member); /* its exporter hangs: the other node goes first */
        member->hung = true;
    }
    leave_engine(member, MEMBER_LEAVE_AT_ONCE, member->sentence);
    member_record(member, "lease-lost", "automatic", "%s", member->sentence);
    wants_drop(member, member->sentence);
    if (member->op.handing.open) {
        command_answer(member, &member->op.handing, 0, "%s", member->sentence);
    }
    member->lease.held = false;
    member->takeover.step = TAKEOVER_NONE;
    member->asking.open = false;
    member->peer.fitter = false;
}

static void drain(struct member *member)
{
    member->drain_from = member->now;
    member->drain_cut = false;
    member->wants.release_planned =
        member->stopping || member->op.handing.open ||
        member->facts.maintenance || peer_wants(member);
    bool at_once = member->engine != ENGINE_ACTIVE;
    member->takeover.step = TAKEOVER_NONE;
    leave_engine(member, at_once ? MEMBER_LEAVE_AT_ONCE : MEMBER_LEAVE_DRAINED,
                 member->sentence);
}

static void released(struct member *member)
{
    const char *other = member_other_voter(member);
    member_record(member, "released", "automatic", "%s", member->sentence);
    wants_drop(member, "the lease was released");
    member->lease.held = false;
    member->asking.open = false;
    yield(member);
    if (member->op.handing.open) {
        command_answer(member, &member->op.handing, 0,
                       "released; %s takes over",
                       other != NULL ? other : "the other node");
    }
}

static void retire(struct member *member)
{
    takeover_abandon(member);
    if (!member->facts.retired) {
        member->facts.retired = member->facts_changed = true;
        member_record(member, "retired", "automatic", "%s", member->sentence);
    }
}

static void learn(struct member *member)
{
    takeover_abandon(member);
    member->is_joining = false;
    if (member->facts.retired) {
        member->facts.retired = false;
        member->facts_changed = true;
    }
}

static void stop(struct member *member)
{
    if (member->lease.held) {
        released(member);
    }
    takeover_abandon(member);
    if (member->op.stop.open) {
        command_answer(member, &member->op.stop, 0, "stopped");
    }
}

static void nothing(struct member *member)
{
    (void) member;
}

/* ---- the table ---------------------------------------------------------- */

struct row {
    struct member_transition told;
    bool (*guard)(const struct member *member);
    void (*action)(struct member *member);
};

#define ROW(from, to, guard, action, when, sentence)                          \
    {                                                                         \
        { MEMBER_##from, MEMBER_##to, (when), (sentence) }, (guard), (action) \
    }

#define LOST_EPOCH "the register belongs to another epoch: export no more"
#define LOST_LEASE "the lease was not renewed in time: export no more"
#define UNLISTED   "the register no longer lists this node"
#define STOPPING   "the process is to end"

static const struct row rows[] = {
    ROW(STARTING, STOPPED, is_at_rest, stop, "stop", STOPPING),
    ROW(STARTING, RETIRED, was_retired, retire, "not listed", UNLISTED),
    ROW(STARTING, LEARNER, is_learner, learn, "listed as learner",
        "the register lists this node as a learner: replicate"),
    ROW(STARTING, STANDBY, is_voter, nothing, "listed as voter",
        "the register lists this node: replicate, and be ready"),
    ROW(STARTING, STANDBY, register_is_silent, nothing, "register unreachable",
        "the register could not be read: replicate, and keep asking"),

    ROW(LEARNER, STOPPED, is_at_rest, stop, "stop", STOPPING),
    ROW(LEARNER, RETIRED, was_retired, retire, "not listed", UNLISTED),
    ROW(LEARNER, STANDBY, is_voter, nothing, "listed as voter",
        "this node has everything and a vote: be ready"),

    ROW(STANDBY, STOPPED, is_at_rest, stop, "stop", STOPPING),
    ROW(STANDBY, RETIRED, was_retired, retire, "not listed", UNLISTED),
    ROW(STANDBY, LEARNER, is_learner, learn, "listed as learner",
        "the register lists this node as a learner: replicate"),
    ROW(STANDBY, FENCING, is_claim_won, nothing, "claim won",
        "the register gave this node a new epoch: fence every older one"),

    ROW(FENCING, STANDBY, is_superseded, lose, "superseded", LOST_EPOCH),
    ROW(FENCING, STANDBY, is_lapsed, lose, "lease lapsed", LOST_LEASE),
    ROW(FENCING, DRAINING, is_stopping, drain, "stop", STOPPING),
    ROW(FENCING, DRAINING, has_failed_to_activate, drain, "activation failed",
        "the engine could not be activated: give the lease back"),
    ROW(FENCING, ACTIVE, is_activated, nothing, "activated",
        "every older principal is fenced: export"),

    ROW(ACTIVE, STANDBY, is_superseded, lose, "superseded", LOST_EPOCH),
    ROW(ACTIVE, STANDBY, is_lapsed, lose, "lease lapsed", LOST_LEASE),
    ROW(ACTIVE, DRAINING, is_stopping, drain, "stop", STOPPING),
    ROW(ACTIVE, DRAINING, is_handing, drain, "hand over",
        "an operator asked for it: finish, then release"),
    ROW(ACTIVE, DRAINING, peer_wants, drain, "peer asks",
        "an operator asked for it on the other node: finish, then release"),
    ROW(ACTIVE, DRAINING, peer_is_fitter, drain, "peer is fitter",
        "this node is not fit and the other one is, for 30 s: release"),

    ROW(DRAINING, STANDBY, is_superseded, lose, "superseded", LOST_EPOCH),
    ROW(DRAINING, STOPPED, has_released_to_stop, stop, "released", STOPPING),
    ROW(DRAINING, STANDBY, has_released, released, "released",
        "everything under way has ended, and the lease is released"),
    ROW(DRAINING, STANDBY, is_lapsed, lose, "lease lapsed", LOST_LEASE),

    ROW(RETIRED, STOPPED, is_at_rest, stop, "stop", STOPPING),
    ROW(RETIRED, LEARNER, is_learner, learn, "listed as learner",
        "this node has joined anew: replicate"),
};
#define ROWS_COUNT (sizeof rows / sizeof rows[0])
/* No chain of rows is longer; a longer one would be a circle. */
#define ROWS_A_STEP 6

void role_run(struct member *member)
{
    for (int taken = 0; taken < ROWS_A_STEP; taken++) {
        const struct row *found = NULL;
        for (size_t i = 0; i < ROWS_COUNT && found == NULL; i++) {
            if (rows[i].told.from == member->role && rows[i].guard(member)) {
                found = &rows[i];
            }
        }
        if (found == NULL) {
            return;
        }
        member->sentence = found->told.sentence;
        found->action(member);
        member->role = found->told.to;
        member->heartbeat_due = true;
    }
    assert(false); /* roles go in a circle */
}

/* ---- shown -------------------------------------------------------------- */

const char *member_role_name(enum member_role role)
{
    static const char *const names[MEMBER_ROLES] = {
        [MEMBER_STARTING] = "starting", [MEMBER_LEARNER] = "learner",
        [MEMBER_STANDBY] = "standby",   [MEMBER_FENCING] = "fencing",
        [MEMBER_ACTIVE] = "active",     [MEMBER_DRAINING] = "draining",
        [MEMBER_STOPPED] = "stopped",   [MEMBER_RETIRED] = "retired",
    };
    assert(role < MEMBER_ROLES);
    return names[role];
}

const struct member_transition *member_transitions(size_t *ret_count)
{
    static struct member_transition told[ROWS_COUNT];
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        told[i] = rows[i].told;
    }
    *ret_count = ROWS_COUNT;
    return told;
}
