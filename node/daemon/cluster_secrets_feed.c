#include <string.h>

#include "node/daemon/cluster_handover.h"
#include "node/daemon/cluster_private.h"

/* ---- who is to have them ------------------------------------------------- */

/* One that is to leave is told nothing new, although it is listed for a while
 * yet. */
static bool is_one(const struct cluster *c, const char *name)
{
    return name[0] != '\0' && strcmp(name, c->config->this_node) != 0 &&
           !cluster_handover_is_leaving(c->handover, name);
}

/* A learner is told as soon as it is linked: with an old password it would
 * never be fit for a vote. */
static void find_audience(const struct cluster *c,
                          const struct register_value *value,
                          struct secrets_view *view)
{
    const char *names[REGISTER_VOTERS_MAX + 1] = { NULL };
    size_t count = 0;
    for (size_t i = 0; i < value->voter_count; i++) {
        names[count++] = value->voters[i];
    }
    names[count++] = value->learner;
    for (size_t i = 0; i < count; i++) {
        if (!is_one(c, names[i])) {
            continue;
        }
        if (c->peer != NULL && strcmp(names[i], c->peer->name) == 0) {
            view->node = names[i];
        } else {
            view->absent = names[i];
        }
    }
    view->audience = view->node != NULL     ? SECRETS_PEER
                     : view->absent != NULL ? SECRETS_ABSENT
                                            : SECRETS_NOBODY;
}

void cluster_secrets_feed(struct cluster *c)
{
    struct member_view seen;
    member_view(c->member, ts_clocks_now(), &seen);
    struct secrets_view view = { .audience = SECRETS_UNKNOWN,
                                 .link_up = c->link_up,
                                 .is_active = seen.role == MEMBER_ACTIVE,
                                 .epoch = (int64_t) seen.epoch };
    if (seen.has_value) {
        find_audience(c, seen.value, &view);
    }
    cluster_secrets_publish(c->secrets, &view);
}

/* ---- what the other one gives -------------------------------------------- */

void cluster_kept(struct cluster *c, const struct wire_secret_kept *answer)
{
    struct wire_message message = { .kind = WIRE_SECRET_KEPT,
                                    .secret_kept = *answer };
    if (!c->closed) {
        cluster_peer_secret(c, &message);
    }
}

static void refuse(struct cluster *c, const struct wire_secret *secret,
                   const char *why)
{
    cluster_kept(c, &(struct wire_secret_kept){ .number = secret->number,
                                                .name = secret->name,
                                                .outcome = WIRE_SECRET_REFUSED,
                                                .text = why });
}

static void hear_secret(struct cluster *c, const struct wire_message *message)
{
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    if (!view.has_value || view.cluster == NULL ||
        message->header.epoch < (int64_t) view.epoch) {
        return; /* one of the two has just come; given again in a moment */
    }
    bool is_stranger = memcmp(view.cluster, message->header.cluster.bytes,
                              sizeof message->header.cluster.bytes) != 0;
    if (is_stranger) {
        refuse(c, &message->secret, "it belongs to another pair");
    } else {
        c->options.secret_given(c->options.context, &message->secret);
    }
}

bool cluster_secrets_heard(struct cluster *c,
                           const struct wire_message *message)
{
    if (message->kind == WIRE_SECRET) {
        hear_secret(c, message);
    } else if (message->kind == WIRE_SECRET_KEPT) {
        cluster_secrets_answered(c->secrets, &message->secret_kept);
    } else {
        return false;
    }
    return true;
}

/* ---- life ---------------------------------------------------------------- */

static void on_send(void *context, const struct wire_message *message)
{
    struct wire_message filled = *message;
    cluster_peer_secret(context, &filled);
}

static void on_offer(void *context)
{
    struct cluster *c = context;
    c->options.offer_secrets(c->options.context);
}

static void on_active(void *context)
{
    struct cluster *c = context;
    c->options.active(c->options.context);
}

static int64_t on_held_ms(void *context)
{
    struct cluster *c = context;
    return cluster_gate_held_ms(c->gate);
}

enum ts_code cluster_secrets_start(struct cluster *c, struct ts_err *err)
{
    const struct cluster_secrets_options options = {
        .state_directory = c->config->state_directory,
        .post = c->post,
        .send = on_send,
        .offer = on_offer,
        .active = on_active,
        .held_ms = on_held_ms,
        .context = c,
    };
    return cluster_secrets_new(&options, &c->secrets, err);
}

const struct credential_peer *cluster_credential_peer(struct cluster *c)
{
    return cluster_secrets_port(c->secrets);
}
