/* What operators ask of a member. Each request is answered once, when the
 * register or local.db shows its effect, or when it cannot be had. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/cluster/private.h"

/* How long `failover` tries before it says which gate is closed. */
#define FAILOVER_MS 120000
/* And `register init` or `repair`. */
#define INIT_MS 60000

void command_answer(struct member *member, struct pending *pending, int status,
                    const char *fmt, ...)
{
    if (!pending->open) {
        return;
    }
    pending->open = false;
    struct member_effect *effect = member_emit(member, MEMBER_DO_ANSWER);
    effect->answer.id = pending->id;
    effect->answer.status = status;
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(effect->text, sizeof effect->text, fmt, args);
    va_end(args);
}

static void open_pending(struct member *member, struct pending *pending,
                         const struct member_request *request)
{
    pending->open = true;
    pending->id = request->id;
    pending->from = member->now;
    member_copy_text(pending->actor, sizeof pending->actor, request->actor);
    member_copy_text(pending->reason, sizeof pending->reason, request->reason);
}

TS_PRINTF(4, 5)
static void reply(struct member *member, const struct member_request *request,
                  int status, const char *fmt, ...)
{
    struct member_effect *effect = member_emit(member, MEMBER_DO_ANSWER);
    effect->answer.id = request->id;
    effect->answer.status = status;
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(effect->text, sizeof effect->text, fmt, args);
    va_end(args);
}

#define REFUSED 3
#define FAILED  1
#define DONE    0

static bool is_holder(const struct member *member)
{
    return member->role == MEMBER_ACTIVE && member->lease.held;
}

static const char *holder_name(const struct member *member)
{
    const char *name = member->seen.value.holder;
    return name[0] != '\0' && strcmp(name, member->name) != 0
               ? name
               : "the active node";
}

/* A command for the holder; refused elsewhere and while another one of its
 * kind is under way. */
static bool take_as_holder(struct member *member,
                           const struct member_request *request,
                           struct pending *pending, const char *what)
{
    if (!is_holder(member)) {
        reply(member, request, REFUSED, "cannot %s on %s, which is %s: ask %s",
              what, member->name, member_role_name(member->role),
              holder_name(member));
        return false;
    }
    if (pending->open) {
        reply(member, request, FAILED,
              "could not %s: the same is under way already; try again in a "
              "moment",
              what);
        return false;
    }
    open_pending(member, pending, request);
    return true;
}

/* ---- failover, maintenance ---------------------------------------------- */

/* One that does not fit is none: packed ones do (handover_codec.h). */
static void keep_field(struct ts_slice from, uint8_t *to, size_t *ret_size)
{
    *ret_size = from.size <= REGISTER_HANDOVER_MAX ? from.size : 0;
    if (*ret_size > 0) {
        memcpy(to, from.data, *ret_size);
    }
}

static void hand_over(struct member *member,
                      const struct member_request *request)
{
    const char *other = member_other_voter(member);
    if (other == NULL) {
        reply(member, request, REFUSED,
              "cannot hand over: %s is the only member with a vote; join a "
              "second node first",
              member->name);
    } else if (!peer_is_fit(member)) {
        reply(member, request, REFUSED,
              "cannot hand over to %s: it %s; see twinsync explain there",
              other,
              peer_is_silent(member) ? "is not connected"
                                     : "is not fit to export");
    } else if (take_as_holder(member, request, &member->op.handing,
                              "hand over")) {
        keep_field(request->handover, member->op.handing_field,
                   &member->op.handing_size);
        member_record(member, "handing-over", request->actor, "%s",
                      request->reason);
    }
}

static void failover(struct member *member,
                     const struct member_request *request)
{
    if (is_holder(member)) {
        hand_over(member, request);
    } else if (member->role != MEMBER_STANDBY) {
        reply(member, request, REFUSED, "cannot take over on %s, which is %s",
              member->name, member_role_name(member->role));
    } else if (member->op.failover.open) {
        reply(member, request, FAILED,
              "could not take over: a failover is under way already");
    } else {
        open_pending(member, &member->op.failover, request);
        member->op.accept_data_loss = request->accept_data_loss;
        member->heartbeat_due = true;
        member_record(member, "failover-asked", request->actor, "%s",
                      request->reason);
    }
}

static void maintenance(struct member *member,
                        const struct member_request *request)
{
    bool on = request->command == MEMBER_COMMAND_MAINTENANCE_ON;
    if (member->op.maintenance.open) {
        reply(member, request, FAILED,
              "could not change maintenance: the same is under way already");
        return;
    }
    if (on && is_holder(member) && !peer_is_fit(member)) {
        reply(member, request, REFUSED,
              "cannot begin maintenance on %s: it exports, and no other node "
              "is fit to; use twinsync pause",
              member->name);
        return;
    }
    open_pending(member, &member->op.maintenance, request);
    member->facts.maintenance = on;
    member->facts_changed = true;
    member->op.maintenance_number = member->facts_number + 1;
    member_record(member, on ? "maintenance-on" : "maintenance-off",
                  request->actor, "%s", request->reason);
}

/* ---- the holder's ------------------------------------------------------- */

static void pause_or_resume(struct member *member,
                            const struct member_request *request)
{
    bool on = request->command == MEMBER_COMMAND_PAUSE;
    const char *what = on ? "pause" : "resume";
    if (is_holder(member) &&
        (member->claims.in_doubt || member->lease.is_promised)) {
        reply(member, request, FAILED,
              "could not %s: the register is out of reach; try again when it "
              "answers",
              what);
    } else if (take_as_holder(member, request, &member->op.pause, what)) {
        member->op.pause_wanted = on;
        member->op.pause_ms = on && request->for_ms > 0 ? request->for_ms : 0;
        member_record(member, on ? "paused" : "resumed", request->actor, "%s",
                      request->reason);
    }
}

/* What only the holder may write, and only where it is seen at once. */
static void set_handover(struct member *member,
                         const struct member_request *request)
{
    if (is_holder(member) &&
        (member->claims.in_doubt || member->lease.is_promised)) {
        reply(member, request, FAILED,
              "could not write the handover into the register, which is out of "
              "reach; try again when it answers");
    } else if (take_as_holder(member, request, &member->op.handover,
                              "hand over")) {
        keep_field(request->handover, member->op.handover_field,
                   &member->op.handover_size);
    }
}

static void admit(struct member *member, const struct member_request *request)
{
    const char *node = request->node != NULL ? request->node : "";
    size_t size = strlen(node);
    if (size == 0 || size >= REGISTER_NAME_SIZE ||
        strcmp(node, member->name) == 0) {
        reply(member, request, REFUSED,
              "cannot admit \"%.64s\": it is not the name of another node",
              node);
    } else if (member->claims.in_doubt || member->lease.is_promised) {
        reply(member, request, FAILED,
              "could not admit %s: the register is out of reach; try again "
              "when it answers",
              node);
    } else if (take_as_holder(member, request, &member->op.admit, "admit")) {
        member_copy_text(member->op.admit_node, sizeof member->op.admit_node,
                         node);
        member->op.admit_at_s = request->at_s;
        member_record(member, "admitted", request->actor, "%s: %s", node,
                      request->reason);
    }
}

static void retire(struct member *member, const struct member_request *request)
{
    if (take_as_holder(member, request, &member->op.retire, "retire a node")) {
        retire_take(member, request);
    }
}

static void reseal(struct member *member, const struct member_request *request)
{
    if (take_as_holder(member, request, &member->op.reseal, "reseal")) {
        reseal_take(member, request);
    }
}

/* NULL, or why the other node keeps the schema where it is. */
static const char *level_bar(const struct member *member, uint32_t level)
{
    const struct member_heartbeat *other = &member->peer.last;
    bool alone = member_other_voter(member) == NULL &&
                 member->seen.value.learner[0] == '\0';
    if (alone || member->role != MEMBER_ACTIVE) {
        return NULL;
    }
    if (peer_is_silent(member)) {
        return "the other node is not connected, so nobody can tell what it "
               "understands: bring it back first";
    }
    if (other->level_max > level) {
        return "this node runs the older version: upgrade it first";
    }
    return other->level_max < level ? "upgrade the other node first" : NULL;
}

static void set_level(struct member *member,
                      const struct member_request *request)
{
    const char *bar = level_bar(member, request->level);
    if (bar != NULL || request->level > member->level_max ||
        request->level < member->seen.value.level) {
        reply(member, request, REFUSED,
              "cannot set schema level %" PRIu32 ": this node knows level "
              "%" PRIu32 ", the other one %" PRIu32 ", and %" PRIu32
              " is in use; %s",
              request->level, member->level_max, member->peer.last.level_max,
              member->seen.value.level,
              bar != NULL ? bar : "there is no way back");
    } else if (take_as_holder(member, request, &member->op.level,
                              "change the schema level")) {
        member->op.level_wanted = request->level;
    }
}

static void repin(struct member *member, const struct member_request *request)
{
    if (request->server.size == 0 ||
        request->server.size > REGISTER_SERVER_MAX) {
        reply(member, request, FAILED,
              "could not pin the register's server: none answers");
        return;
    }
    if (!is_holder(member)) {
        /* A standby only believes the server; the holder writes there. */
        member_emit(member, MEMBER_DO_PIN)->pin = request->server;
        member->claims.read_next = true;
        reply(member, request, DONE,
              "the register is read from the new server");
        return;
    }
    if (member_other_voter(member) != NULL && !member->lease.is_promised &&
        !member->seen.ok) {
        reply(member, request, REFUSED,
              "cannot pin the register's server: %s has given no promise; "
              "bring the link to it up first",
              member_other_voter(member));
        return;
    }
    if (take_as_holder(member, request, &member->op.repin, "repin")) {
        member->op.server_size = request->server.size;
        memcpy(member->op.server, request->server.data, request->server.size);
        member_emit(member, MEMBER_DO_PIN)->pin =
            ts_slice(member->op.server, member->op.server_size);
        member->claims.read_next = true;
        member_record(member, "repinned", request->actor, "%s",
                      request->reason);
    }
}

/* ---- the first value, and a new one after a loss ------------------------ */

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static uint64_t highest_known(const struct member *member)
{
    uint64_t epoch = member_epoch_known(member);
    const struct register_value *values[] = { &member->seen.value,
                                              &member->seen.rejected,
                                              &member->facts.value };
    const bool has[] = { member->seen.has_value, member->seen.has_rejected,
                         member->facts.has_value };
    for (size_t v = 0; v < 3; v++) {
        for (size_t i = 0; has[v] && i < values[v]->principal_count; i++) {
            if (epoch < values[v]->principals[i].epoch) {
                epoch = values[v]->principals[i].epoch;
            }
        }
        if (has[v] && epoch < values[v]->epoch) {
            epoch = values[v]->epoch;
        }
    }
    if (epoch < member->position.epoch) {
        epoch = member->position.epoch;
    }
    return epoch;
}

/* Facts first: a crash between them and the swap leaves a node that knows an
 * id which the register does not have yet, and may write it again. */
static void write_initial(struct member *member,
                          const struct member_request *request)
{
    struct register_value *value = &member->wants.initial;
    struct facts *facts = &member->facts;
    memcpy(value->id, request->random, sizeof value->id);
    value->serial = 1;
    if (request->server.size > 0 &&
        request->server.size <= REGISTER_SERVER_MAX) {
        value->server_size = request->server.size;
        memcpy(value->server, request->server.data, request->server.size);
    }
    memcpy(facts->id, value->id, sizeof facts->id);
    facts->known = true;
    if (facts->epoch < value->epoch) {
        facts->epoch = value->epoch;
    }
    member->facts_changed = true;
    member->wants.init_number = member->facts_number + 1;
    member->wants.init = true;
    member->seen.has_value = false;
    open_pending(member, &member->op.init, request);
}

static void init(struct member *member, const struct member_request *request)
{
    struct register_value *value = &member->wants.initial;
    if (member->wants.init) {
        reply(member, request, FAILED,
              "could not write the register: the same is under way already");
    } else if (!member->seen.is_absent) {
        reply(member, request, REFUSED,
              "cannot write the first value: the register %s",
              member->seen.ok ? "has one already" : member->seen.text);
    } else if (member->facts.known && member->facts.membership > 0) {
        reply(member, request, REFUSED,
              "cannot write the first value: this node was a member before, "
              "so the register was lost; use twinsync register repair");
    } else {
        uint64_t epoch = highest_known(member);
        memset(value, 0, sizeof *value);
        value->membership = 1;
        value->voter_count = 1;
        memcpy(value->voters[0], member->name, sizeof value->voters[0]);
        value->epoch = epoch;
        value->released = value->planned = value->fenced = true;
        value->is_unprotected = true; /* there is no other node yet */
        value->level = member->level_max;
        value->position = member->position;
        value->data_generation = member->position.generation;
        write_initial(member, request);
    }
}

/* Members and principals as this node knew them last. Nobody can tell what was
 * exported or promised since: unprotected, not released, and an epoch that no
 * node can have reached unseen: an hour has at most 12 unplanned takeovers, so
 * a million is ten years. */
static void compose_repair(struct member *member)
{
    struct register_value *value = &member->wants.initial;
    uint64_t epoch = highest_known(member);
    if (member->seen.has_value) {
        *value = member->seen.value;
    } else if (member->facts.has_value) {
        *value = member->facts.value;
    } else {
        memset(value, 0, sizeof *value);
        value->voter_count = 1;
        memcpy(value->voters[0], member->name, sizeof value->voters[0]);
        value->level = member->level_max;
    }
    value->epoch = epoch + (peer_is_silent(member) ? MEMBER_REPAIR_EPOCHS : 1);
    value->membership =
        (member->facts.membership > value->membership ? member->facts.membership
                                                      : value->membership) +
        1;
    value->released = value->planned = value->fenced = false;
    value->is_unprotected = true;
    memset(&value->unprotected_since, 0, sizeof value->unprotected_since);
    value->server_size = 0;
    memset(value->server, 0, sizeof value->server);
}

/* The other node has repaired it: this one is told to believe it. */
static bool may_adopt(const struct member *member)
{
    const struct register_value *value = &member->seen.rejected;
    return member->seen.has_rejected &&
           value->epoch > member_epoch_known(member) &&
           register_has_voter(value, member->name) &&
           memcmp(value->id, member->facts.id, sizeof value->id) != 0;
}

static void repair(struct member *member, const struct member_request *request)
{
    if (member->wants.init) {
        reply(member, request, FAILED,
              "could not repair the register: the same is under way already");
    } else if (!member->facts.known) {
        reply(member, request, REFUSED,
              "cannot repair the register from %s: it was never a member; use "
              "the other node",
              member->name);
    } else if (member->facts.retired || member->role == MEMBER_LEARNER) {
        reply(member, request, REFUSED,
              "cannot repair the register from %s, which is %s", member->name,
              member_role_name(member->role));
    } else if (!member->seen.was_read ||
               (!member->seen.regressed && !member->seen.is_absent)) {
        reply(member, request, REFUSED, "cannot repair the register: %s",
              member->seen.ok ? "it is well" : member->seen.text);
    } else if (is_zero(request->random, sizeof request->random)) {
        reply(member, request, FAILED,
              "could not repair the register: no random "
              "id was given");
    } else if (may_adopt(member)) {
        memcpy(member->facts.id, member->seen.rejected.id,
               sizeof member->facts.id);
        member->facts_changed = true;
        member->claims.read_next = true;
        reply(member, request, DONE,
              "the register that the other node repaired is believed");
    } else if (member->lease.held) {
        reply(member, request, REFUSED,
              "cannot repair the register while this node still exports: wait "
              "%" PRId64 " ms",
              lease_left_ms(&member->terms, member->lease.from, member->now));
    } else {
        compose_repair(member);
        write_initial(member, request);
    }
}

static void drop_init(struct member *member, const char *why)
{
    member->wants.init = false;
    if (member->facts.membership == 0) {
        member->facts.known = false;
        member->facts_changed = true;
    }
    command_answer(member, &member->op.init, FAILED,
                   "could not write the register: %.300s", why);
}

void command_lost_init(struct member *member)
{
    drop_init(member, "another value is there; see twinsync register "
                      "status");
}

/* ---- a fence that nothing proves ---------------------------------------- */

static void accept_fence(struct member *member,
                         const struct member_request *request)
{
    if (member->role != MEMBER_FENCING) {
        reply(member, request, REFUSED,
              "cannot accept a fence on %s, which is %s: no fence is pending "
              "here",
              member->name, member_role_name(member->role));
    } else if (!takeover_accept_fence(member, request)) {
        reply(member, request, FAILED,
              "could not accept the fence: it is still being tried; see "
              "twinsync explain for what it waits for");
    } else {
        reply(member, request, DONE,
              "the fence is accepted without proof: %s exports once each "
              "object was read again",
              member->name);
    }
}

/* ---- the end of a process ----------------------------------------------- */

static void release(struct member *member, const struct member_request *request)
{
    if (member->role == MEMBER_STOPPED) {
        reply(member, request, DONE, "stopped");
        return;
    }
    open_pending(member, &member->op.stop, request);
    member->stopping = true;
}

void command_take(struct member *member, const struct member_request *request)
{
    typedef void handler(struct member *, const struct member_request *);
    static handler *const handlers[MEMBER_COMMANDS] = {
        [MEMBER_COMMAND_FAILOVER] = failover,
        [MEMBER_COMMAND_PAUSE] = pause_or_resume,
        [MEMBER_COMMAND_RESUME] = pause_or_resume,
        [MEMBER_COMMAND_MAINTENANCE_ON] = maintenance,
        [MEMBER_COMMAND_MAINTENANCE_OFF] = maintenance,
        [MEMBER_COMMAND_ADMIT] = admit,
        [MEMBER_COMMAND_RETIRE] = retire,
        [MEMBER_COMMAND_RESEAL] = reseal,
        [MEMBER_COMMAND_LEVEL] = set_level,
        [MEMBER_COMMAND_INIT] = init,
        [MEMBER_COMMAND_REPAIR] = repair,
        [MEMBER_COMMAND_REPIN] = repin,
        [MEMBER_COMMAND_ACCEPT_FENCE] = accept_fence,
        [MEMBER_COMMAND_HANDOVER] = set_handover,
        [MEMBER_COMMAND_RELEASE] = release,
    };
    assert(request->command < MEMBER_COMMANDS);
    handlers[request->command](member, request);
}

void command_pump(struct member *member)
{
    struct operating *op = &member->op;
    if (op->failover.open && member->role == MEMBER_ACTIVE) {
        command_answer(member, &op->failover, DONE,
                       "%s is active in epoch %" PRIu64, member->name,
                       member->lease.epoch);
    } else if (op->failover.open && member->role == MEMBER_DRAINING) {
        /* Answered, so that two wishes do not pass the lease to and fro. */
        command_answer(member, &op->failover, FAILED,
                       "could not stay active on %s: the other node was asked "
                       "to take over too",
                       member->name);
    } else if (op->failover.open &&
               ts_elapsed_most(op->failover.from, member->now) >= FAILOVER_MS &&
               member->role == MEMBER_STANDBY) {
        char why[MEMBER_TEXT_SIZE];
        gates_first_closed(member, why, sizeof why);
        command_answer(member, &op->failover, FAILED,
                       "could not take over within %d s: %.300s",
                       FAILOVER_MS / 1000, why);
    }
    if (member->wants.init && !member->claims.in_doubt &&
        member->claims.op != CLAIM_SWAP &&
        ts_elapsed_most(op->init.from, member->now) >= INIT_MS) {
        drop_init(member, member->seen.text);
    }
    if (op->maintenance.open &&
        member->facts_durable >= op->maintenance_number) {
        command_answer(member, &op->maintenance, DONE, "maintenance is %s",
                       member->facts.maintenance ? "on" : "off");
    }
}
