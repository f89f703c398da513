#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/log.h"
#include "node/daemon/cluster_handover.h"
#include "node/daemon/cluster_pairing.h"
#include "node/daemon/cluster_private.h"
#include "replication/frame_wire.h"
#include "replication/link.h"
#include "replication/pair_folder.h"

/* A message of the link holds at most this besides what it was given. */
#define PEER_ARENA_SIZE ((size_t) 2 * WIRE_FRAME_MAX)
#define ADMIT_AGAIN_MS  2000

struct cluster_link {
    struct zap *zap;
    struct link *link;
    struct cluster_pairing *pairing;
    struct ts_arena arena; /* of the frame that is being heard or sent */
};

/* --- out -------------------------------------------------------------------
 */

static void fill_header(const struct cluster *c, struct wire_header *header)
{
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    header->epoch = (int64_t) view.epoch;
    memcpy(header->boot.bytes, c->boot, sizeof header->boot.bytes);
    if (view.cluster != NULL) {
        memcpy(header->cluster.bytes, view.cluster,
               sizeof header->cluster.bytes);
    }
    if (view.has_value) {
        header->membership = (int64_t) view.value->membership;
    }
}

/* What is not sent is not sent later: whoever needs an answer asks again. */
static void send(struct cluster *c, const struct wire_message *message)
{
    struct ts_err err;
    enum ts_code code = link_send(c->link->link, message, &err);
    if (code != TS_OK && code != TS_E_UNREACHABLE && code != TS_E_TIMEOUT) {
        ts_log(TS_LOG_WARNING, "peer-not-told", "kind=%s reason=\"%s\"",
               wire_kind_text(message->kind), err.text);
    }
}

void cluster_peer_tell(struct cluster *c, struct wire_message *message)
{
    if (c->link != NULL) {
        message->header.sender = c->config->this_node;
        fill_header(c, &message->header);
        send(c, message);
    }
}

static struct wire_position
wire_position_of(const struct register_position *position)
{
    struct wire_position found = { .generation = (int64_t) position->generation,
                                   .epoch = (int64_t) position->epoch,
                                   .seq = (int64_t) position->seq };
    memcpy(found.sum, position->sum, sizeof found.sum);
    return found;
}

static void put_heartbeat(const struct cluster *c,
                          const struct member_message *from,
                          struct wire_message *to)
{
    const struct member_heartbeat *beat = &from->heartbeat;
    to->kind = WIRE_HEARTBEAT;
    to->heartbeat = (struct wire_heartbeat){
        .role = (uint32_t) beat->role,
        .position = wire_position_of(&beat->position),
        .level_max = beat->level_max,
        .config_hash = c->config_hash,
        .fit = beat->fit,
        .equal = beat->equal,
        .paused = beat->paused,
        .maintenance = beat->maintenance,
        .wants_lease = beat->wants_lease,
        .register_serial = beat->register_serial,
        .register_age_ms = (int64_t) beat->register_age_ms,
    };
}

static struct wire_promise wire_promise_of(const struct member_promise *promise)
{
    struct wire_promise found = { .number = promise->number,
                                  .epoch = (int64_t) promise->epoch,
                                  .membership = (int64_t) promise->membership };
    memcpy(found.boot.bytes, promise->boot, sizeof found.boot.bytes);
    memcpy(found.nonce.bytes, promise->nonce, sizeof found.nonce.bytes);
    return found;
}

void cluster_peer_send(struct cluster *c, const struct member_message *message)
{
    struct wire_message to = { .header = { .sender = c->config->this_node } };
    fill_header(c, &to.header);
    switch (message->kind) {
    case MEMBER_MESSAGE_HEARTBEAT:
        put_heartbeat(c, message, &to);
        break;
    case MEMBER_MESSAGE_PROMISE_REQUEST:
        to.kind = WIRE_PROMISE_REQUEST;
        to.promise_request = wire_promise_of(&message->promise);
        break;
    case MEMBER_MESSAGE_PROMISE_GRANT:
        to.kind = WIRE_PROMISE_GRANT;
        to.promise_grant = wire_promise_of(&message->promise);
        break;
    case MEMBER_MESSAGE_PROMISE_REFUSAL:
        to.kind = WIRE_PROMISE_REFUSAL;
        to.promise_refusal =
            (struct wire_promise_refusal){ wire_promise_of(&message->promise),
                                           message->text };
        break;
    case MEMBER_MESSAGES:
        return;
    }
    send(c, &to);
}

void cluster_peer_frame(struct cluster *c, const struct frame *frame)
{
    struct wire_message to = { .header = { .sender = c->config->this_node } };
    struct ts_err err;
    ts_arena_reset(&c->link->arena);
    enum ts_code code = frame_to_wire(frame, &c->link->arena, &to, &err);
    if (code != TS_OK) {
        ts_log(TS_LOG_WARNING, "peer-not-told", "kind=%s reason=\"%s\"",
               frame_type_name(frame->type), err.text);
        return;
    }
    int64_t epoch = to.header.epoch; // the machine's own
    fill_header(c, &to.header);
    to.header.epoch = epoch;
    send(c, &to);
}

void cluster_peer_secret(struct cluster *c, struct wire_message *message)
{
    if (c->link != NULL) {
        message->header.sender = c->config->this_node;
        fill_header(c, &message->header);
        send(c, message);
    }
}

/* --- in --------------------------------------------------------------------
 */

static void copy_name(char to[static REGISTER_NAME_SIZE], const char *from)
{
    (void) snprintf(to, REGISTER_NAME_SIZE, "%.*s", REGISTER_NAME_SIZE - 1,
                    from);
}

static struct member_promise promise_of(const struct wire_promise *promise)
{
    struct member_promise found = { .number = promise->number,
                                    .epoch = (uint64_t) promise->epoch,
                                    .membership =
                                        (uint64_t) promise->membership };
    memcpy(found.boot, promise->boot.bytes, sizeof found.boot);
    memcpy(found.nonce, promise->nonce.bytes, sizeof found.nonce);
    return found;
}

static struct member_heartbeat heartbeat_of(const struct wire_heartbeat *beat)
{
    struct member_heartbeat found = {
        .role = beat->role < MEMBER_ROLES ? (enum member_role) beat->role
                                          : MEMBER_STARTING,
        .level_max = beat->level_max,
        .fit = beat->fit,
        .equal = beat->equal,
        .paused = beat->paused,
        .maintenance = beat->maintenance,
        .wants_lease = beat->wants_lease,
        .register_serial = beat->register_serial,
        .register_age_ms = (uint64_t) beat->register_age_ms,
    };
    found.position.generation = (uint64_t) beat->position.generation;
    found.position.epoch = (uint64_t) beat->position.epoch;
    found.position.seq = (uint64_t) beat->position.seq;
    memcpy(found.position.sum, beat->position.sum, sizeof found.position.sum);
    return found;
}

/* True when the message is one of the member's. */
static bool member_message_of(const struct wire_message *from,
                              struct member_message *to)
{
    if (from->kind == WIRE_HEARTBEAT) {
        to->kind = MEMBER_MESSAGE_HEARTBEAT;
        to->heartbeat = heartbeat_of(&from->heartbeat);
    } else if (from->kind == WIRE_PROMISE_REQUEST) {
        to->kind = MEMBER_MESSAGE_PROMISE_REQUEST;
        to->promise = promise_of(&from->promise_request);
    } else if (from->kind == WIRE_PROMISE_GRANT) {
        to->kind = MEMBER_MESSAGE_PROMISE_GRANT;
        to->promise = promise_of(&from->promise_grant);
    } else if (from->kind == WIRE_PROMISE_REFUSAL) {
        to->kind = MEMBER_MESSAGE_PROMISE_REFUSAL;
        to->promise = promise_of(&from->promise_refusal.request);
        (void) snprintf(to->text, sizeof to->text, "%.*s",
                        (int) sizeof to->text - 1, from->promise_refusal.text);
    } else {
        return false;
    }
    return true;
}

static void hear_frame(struct cluster *c, const struct wire_message *message)
{
    struct frame frame;
    struct ts_err err;
    ts_arena_reset(&c->link->arena);
    enum ts_code code = frame_of_wire(message, &c->link->arena, &frame, &err);
    if (code == TS_E_NOT_FOUND) {
        return; // a body of a newer version: passed over
    }
    if (code != TS_OK) {
        ts_log(TS_LOG_WARNING, "peer-not-understood", "kind=%s reason=\"%s\"",
               wire_kind_text(message->kind), err.text);
        return;
    }
    if (c->leads) {
        cluster_lead(
            c, &(struct leader_event){ .type = LEADER_FRAME, .frame = &frame });
    } else if (c->follows) {
        cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_FRAME,
                                                    .frame = &frame });
    }
}

/* Whoever proves the key of the other node, which it got by joining, and is no
 * member yet, becomes a learner; asked again until the register says so. */
static void admit(struct cluster *c)
{
    struct member_view view;
    struct ts_time now = ts_time_now();
    const char *name = c->peer->name;
    member_view(c->member, ts_clocks_now(), &view);
    if (view.role != MEMBER_ACTIVE || !view.has_value ||
        register_has_voter(view.value, name) ||
        strcmp(view.value->learner, name) == 0 ||
        cluster_retire_is_old_key(c, name, c->peer_key) ||
        !ts_time_reached(now, c->admit_from)) {
        return;
    }
    c->admit_from = ts_time_after(now, ADMIT_AGAIN_MS);
    cluster_feed(c, &(struct member_event){
                        .kind = MEMBER_COMMAND,
                        .command = { .id = ++c->last_id,
                                     .command = MEMBER_COMMAND_ADMIT,
                                     .actor = "daemon",
                                     .reason = "it has joined",
                                     .at_s = (uint64_t) ts_wall_seconds(),
                                     .node = name } });
}

static void hear_heartbeat(struct cluster *c, const struct wire_heartbeat *beat)
{
    bool leads = beat->role == MEMBER_ACTIVE;
    bool led = leads && !c->peer_leads;
    c->peer_heard = true;
    c->peer_config_hash = beat->config_hash;
    c->peer_leads = leads;
    if (led && c->follows) {
        cluster_follow(c, &(struct follower_event){ .type = FOLLOWER_LED });
    }
}

static void on_heard(void *context, const struct wire_message *message)
{
    struct cluster *c = context;
    struct member_message heard = { .epoch = (uint64_t) message->header.epoch,
                                    .membership =
                                        (uint64_t) message->header.membership };
    if (message->kind == WIRE_HEARTBEAT) {
        hear_heartbeat(c, &message->heartbeat);
        cluster_retire_heard(c, message->header.sender, &message->heartbeat);
    }
    if (cluster_secrets_heard(c, message)) {
        return;
    }
    if (message->kind == WIRE_PREFLIGHT_ASK) {
        cluster_handover_asked(c->handover, message->preflight_ask.number);
        return;
    }
    if (message->kind == WIRE_PREFLIGHT) {
        cluster_handover_told(c->handover, &message->preflight);
        return;
    }
    if (!member_message_of(message, &heard)) {
        hear_frame(c, message);
        return;
    }
    copy_name(heard.from, message->header.sender);
    memcpy(heard.boot, message->header.boot.bytes, sizeof heard.boot);
    memcpy(heard.cluster, message->header.cluster.bytes, sizeof heard.cluster);
    cluster_feed(
        c, &(struct member_event){ .kind = MEMBER_HEARD, .heard = &heard });
    admit(c);
}

static void on_changed(void *context, bool is_up)
{
    struct cluster *c = context;
    c->link_up = is_up;
    ts_log(TS_LOG_INFO, is_up ? "peer-connected" : "peer-lost", "node=%s",
           c->peer->name);
    if (c->leads && !is_up) {
        cluster_lead(c, &(struct leader_event){ .type = LEADER_CUT });
    }
    if (c->follows) {
        cluster_follow(
            c, &(struct follower_event){ .type = FOLLOWER_LINK, .up = is_up });
    }
    cluster_feed(
        c, &(struct member_event){ .kind = MEMBER_LINK, .link_up = is_up });
}

/* --- pairing ----------------------------------------------------------- */

static void on_guest(void *context, const struct link_guest_message *message)
{
    struct cluster *c = context;
    cluster_pairing_guest(c->link->pairing, message);
}

static void on_met(void *context)
{
    struct cluster *c = context;
    cluster_pairing_met(c->link->pairing);
}

/* The pair's key is there: whoever exports can seal. */
static void on_prepared(void *context)
{
    struct cluster *c = context;
    struct ts_err err;
    if (cluster_make_key(c, &err) != TS_OK) {
        ts_log(TS_LOG_ERROR, "fence-not-started", "reason=\"%s\"", err.text);
    }
}

static const struct config_member *find_other(const struct cluster *c,
                                              const char *name)
{
    for (uint32_t i = 0; i < c->config->nodes_count; i++) {
        const struct config_member *node = &c->config->nodes[i];
        if (strcmp(node->name, name) == 0 &&
            strcmp(name, c->config->this_node) != 0) {
            return node;
        }
    }
    return NULL;
}

/* Who joins takes the other one's place: not while that one is there. */
static enum ts_code on_choose(void *context, const char *node,
                              const char **ret_node, struct ts_err *err)
{
    const struct cluster *c = context;
    const struct config_member *chosen =
        node == NULL ? c->peer : find_other(c, node);
    if (chosen == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot create a token for node \"%.80s\": nodes has no "
                       "other computer of that name; add it there, on both, "
                       "and restart twinsyncd",
                       node);
    }
    if (chosen != c->peer && c->link_up) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot create a token for node \"%s\" while \"%s\" is "
                       "connected, whose place it would take; stop twinsyncd "
                       "on \"%s\" first, for good",
                       chosen->name, c->peer->name, c->peer->name);
    }
    *ret_node = chosen->name;
    return TS_OK;
}

/* The one before is a stranger from here on. */
static enum ts_code on_joined(void *context, const struct certificate *peer,
                              struct ts_err *err)
{
    struct cluster *c = context;
    const struct config_member *node = find_other(c, peer->name);
    if (node == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot take \"%.80s\" in: nodes has no other computer "
                       "of that name",
                       peer->name);
    }
    memcpy(c->peer_key, peer->public_key, sizeof c->peer_key);
    if (node == c->peer) {
        return link_meet(c->link->link, peer->public_key, err);
    }
    enum ts_code code = link_turn(c->link->link, node->name, node->endpoint,
                                  peer->public_key, err);
    ts_log(TS_LOG_INFO, "peer-replaced", "node=%s by=%s", c->peer->name,
           node->name);
    c->peer = node;
    c->peer_heard = c->peer_leads = false;
    c->admit_from = ts_time_now();
    return code;
}

static void on_record(void *context, const char *event, const char *actor,
                      json_t *fields)
{
    struct cluster *c = context;
    engine_record(c->engine, event, actor, fields, cluster_store_forget());
}

static enum ts_code start_pairing(struct cluster *c, struct ts_err *err)
{
    const struct cluster_pairing_options options = { .config = c->config,
                                                     .post = c->post,
                                                     .link = c->link->link,
                                                     .prepared = on_prepared,
                                                     .choose = on_choose,
                                                     .met = on_joined,
                                                     .record = on_record,
                                                     .context = c };
    return cluster_pairing_new(&options, &c->link->pairing, err);
}

bool cluster_peer_token(struct cluster *c, const json_t *args,
                        struct control_reply *reply)
{
    if (c->link == NULL) {
        return false;
    }
    cluster_pairing_command(c->link->pairing, args, reply);
    return true;
}

/* --- life ------------------------------------------------------------------
 */

/* The peer's public key; "" when this node was not paired yet. */
static enum ts_code find_key(const struct cluster *c, struct certificate *peer,
                             struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    enum ts_code code = TS_OK;
    if (c->peer->certificate != NULL) {
        (void) snprintf(path, sizeof path, "%s", c->peer->certificate);
    } else {
        code = certificate_peer_path(c->config->state_directory, c->peer->name,
                                     path, err);
    }
    code = code == TS_OK ? certificate_load(path, peer, err) : code;
    return code == TS_E_NOT_FOUND ? TS_OK : code;
}

static enum ts_code open_link(struct cluster *c, struct ts_err *err)
{
    struct certificate own = { .name = "" }, peer = { .name = "" };
    const char *endpoint = NULL;
    for (uint32_t i = 0; i < c->config->nodes_count; i++) {
        if (strcmp(c->config->nodes[i].name, c->config->this_node) == 0) {
            endpoint = c->config->nodes[i].endpoint;
        }
    }
    enum ts_code code =
        certificate_load_own(c->config->state_directory, &own, err);
    code = code == TS_OK ? find_key(c, &peer, err) : code;
    struct link_options options = {
        .own = &own,
        .zap = c->link->zap,
        .endpoint = endpoint,
        .peer_name = c->peer->name,
        .peer_endpoint = c->peer->endpoint,
        .peer_key = peer.public_key[0] == 0 ? NULL : peer.public_key,
        .heartbeat_ms = c->config->lease.renew_ms,
        .events = { .heard = on_heard,
                    .changed = on_changed,
                    .refused = cluster_on_refused,
                    .guest = on_guest,
                    .met = on_met,
                    .context = c },
    };
    memcpy(options.boot.bytes, c->boot, sizeof options.boot.bytes);
    memcpy(c->peer_key, peer.public_key, sizeof c->peer_key);
    code = code == TS_OK ? link_open(&options, &c->link->link, err) : code;
    certificate_done(&own);
    certificate_done(&peer);
    return code;
}

enum ts_code cluster_peer_start(struct cluster *c, struct ts_err *err)
{
    if (c->peer == NULL) { // one node is named: it has a register, no peer
        return TS_OK;
    }
    c->link = calloc(1, sizeof *c->link);
    if (c->link == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open the link");
    }
    ts_arena_init(&c->link->arena, PEER_ARENA_SIZE);
    enum ts_code code = zap_new(&c->link->zap, err);
    code = code == TS_OK ? open_link(c, err) : code;
    return code == TS_OK ? start_pairing(c, err) : code;
}

static void on_link(void *context, struct ts_time now)
{
    struct cluster *c = context;
    if (!c->closed) {
        link_step(c->link->link, now);
    }
}

static struct ts_time link_deadline_of(void *context)
{
    const struct cluster *c = context;
    return c->closed ? TS_NEVER : link_deadline(c->link->link);
}

enum ts_code cluster_peer_attach(struct cluster *c, struct ts_err *err)
{
    if (c->link == NULL) {
        return TS_OK;
    }
    const struct reactor_part parts[] = {
        { "link", link_fd(c->link->link), on_link, link_deadline_of, c },
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        enum ts_code code = reactor_add(c->reactor, &parts[i], err);
        if (code != TS_OK) {
            return code;
        }
    }
    return TS_OK;
}

void cluster_peer_view(const struct cluster *c,
                       struct cluster_peer_view *ret_view)
{
    *ret_view = (struct cluster_peer_view){ .silent_ms = -1 };
    if (c->link != NULL) {
        struct link_stats stats = link_stats(c->link->link);
        *ret_view = (struct cluster_peer_view){
            .connected = stats.is_up,
            .silent_ms = stats.silent_ms,
            .round_trip_us = stats.round_trip_us > 0 ? stats.round_trip_us : 0,
            .strangers = stats.strangers,
        };
    }
}

void cluster_peer_forget(struct cluster *c)
{
    if (c->link != NULL) {
        c->peer_key[0] = '\0';
        c->peer_heard = c->peer_leads = false;
        link_forget(c->link->link);
    }
}

void cluster_peer_close(struct cluster *c)
{
    if (c->link == NULL) {
        return;
    }
    cluster_pairing_free(c->link->pairing);
    link_close(c->link->link);
    zap_free(c->link->zap);
    ts_arena_done(&c->link->arena);
    free(c->link);
    c->link = NULL;
}
