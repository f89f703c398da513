#include <stdio.h>
#include <string.h>

#include "node/daemon/cluster_handover.h"
#include "node/daemon/cluster_private.h"
#include "node/register/document.h"

static const char *register_name(const struct cluster *c)
{
    static const enum register_driver_kind of[] = {
        [CONFIG_REGISTER_PEER] = REGISTER_PEER,
        [CONFIG_REGISTER_ETCD] = REGISTER_ETCD,
        [CONFIG_REGISTER_LDAP] = REGISTER_LDAP,
        [CONFIG_REGISTER_MANUAL] = REGISTER_MANUAL,
    };
    return register_kind_text(of[c->config->reg->type]);
}

/* Which role a node is on its way to. */
static const char *assigned_role(enum member_role role)
{
    return role == MEMBER_FENCING    ? "active"
           : role == MEMBER_STARTING ? "standby"
           : role == MEMBER_DRAINING ? "standby"
                                     : member_role_name(role);
}

/* How much of the lease is left: by the holder's own count, or, elsewhere, what
 * the last change of the register leaves of it. */
static int64_t remaining_ms(const struct cluster *c,
                            const struct member_view *view)
{
    if (!view->has_value || view->value->released) {
        return 0;
    }
    if (view->remaining_ms > 0) {
        return view->remaining_ms;
    }
    int64_t left = (int64_t) c->config->lease.ttl_ms - view->value_age_ms;
    return left > 0 ? left : 0;
}

static json_t *lease_document(const struct cluster *c,
                              const struct member_view *view)
{
    const char *holder =
        view->has_value && !view->value->released ? view->value->holder : "";
    return json_pack(
        "{s:s?, s:I, s:I, s:s, s:b, s:s?, s:b, s:b}", "holder",
        holder[0] == 0 ? NULL : holder, "remaining_ms",
        (json_int_t) remaining_ms(c, view), "ttl_ms",
        (json_int_t) c->config->lease.ttl_ms, "register", register_name(c),
        "register_ok", view->register_ok, "register_text",
        view->register_text[0] == 0 ? NULL : view->register_text, "promised",
        view->is_promised, "in_doubt", view->swap_in_doubt);
}

static json_t *fence_document(const struct cluster *c,
                              const struct member_view *view)
{
    const char *state = "none";
    if (c->config->target.fence == CONFIG_FENCE_NONE) {
        state = "unsupported";
    } else if (view->has_value && view->value->epoch > 0) {
        state = view->value->fenced ? "confirmed" : "pending";
    }
    return json_pack("{s:I, s:s, s:s?}", "below_epoch",
                     (json_int_t) view->epoch, "state", state, "evidence",
                     c->fence_evidence[0] == 0 ? NULL : c->fence_evidence);
}

static json_t *peer_document(const struct cluster *c,
                             const struct member_view *view)
{
    struct cluster_peer_view link;
    cluster_peer_view(c, &link);
    return json_pack(
        "{s:s?, s:b, s:I, s:s?, s:I, s:b, s:I}", "node",
        c->peer == NULL ? NULL : c->peer->name, "connected", link.connected,
        "silent_ms", (json_int_t) link.silent_ms, "role",
        view->peer == NULL ? NULL : member_role_name(view->peer->role),
        "round_trip_us", (json_int_t) link.round_trip_us, "fit",
        view->peer != NULL && view->peer->fit, "strangers",
        (json_int_t) link.strangers);
}

static json_t *replication_document(const struct cluster *c,
                                    const struct member_view *view)
{
    bool is_protected = view->has_value && !view->value->is_unprotected;
    struct ts_time now = ts_time_now();
    if (c->leads) {
        struct leader_figures found;
        leader_figures(c->leader, now, &found);
        return json_pack("{s:I, s:I, s:b, s:b, s:s, s:n}", "acked",
                         (json_int_t) found.acked.seq, "lag_ms",
                         (json_int_t) found.behind_ms, "equal", found.equal,
                         "protected", is_protected, "phase",
                         leader_phase_name(found.phase), "why");
    }
    struct follower_figures found;
    follower_figures(c->follower, now, &found);
    bool is_led = c->link_up && c->peer_leads; /* else behind nobody */
    return json_pack(
        "{s:I, s:I, s:o, s:b, s:s, s:s?}", "acked",
        (json_int_t) found.applied.seq, "lag_ms",
        (json_int_t) (found.equal || !is_led ? 0 : found.silent_ms), "equal",
        is_led ? json_boolean(found.equal) : json_null(), "protected",
        is_protected, "phase", follower_phase_name(found.phase), "why",
        found.why[0] == 0 ? NULL : found.why);
}

static json_t *recount_document(const struct cluster *c)
{
    return c->recount.done[0] == 0
               ? json_null()
               : json_pack("{s:s, s:I}", "at", c->recount.done, "seq",
                           (json_int_t) c->recount.seq);
}

/* --- problems ------------------------------------------------------------- */

struct problem {
    const char *code, *severity, *text, *fix;
};

static void add(json_t *list, const struct problem *problem)
{
    (void) json_array_append_new(
        list, json_pack("{s:s, s:s, s:s, s:s}", "code", problem->code,
                        "severity", problem->severity, "text", problem->text,
                        "fix", problem->fix));
}

static void add_register(const struct member_view *view, json_t *list)
{
    char text[MEMBER_TEXT_SIZE + 64];
    if (view->register_ok || view->register_text[0] == 0) {
        return;
    }
    (void) snprintf(text, sizeof text, "the register does not answer: %s",
                    view->register_text);
    add(list,
        &(struct problem){ .code = "register",
                           .severity = view->is_promised ? "warning" : "error",
                           .text = text,
                           .fix = "twinsync register status tells more; "
                                  "without it no node can take over" });
}

/* No other node is a member: one was retired, or none has joined yet. */
static bool is_alone(const struct cluster *c, const struct member_view *view)
{
    return view->has_value && view->value->voter_count == 1 &&
           register_has_voter(view->value, c->config->this_node) &&
           view->value->learner[0] == 0;
}

static void add_alone(json_t *list)
{
    add(list, &(struct problem){
                  .code = "alone",
                  .severity = "warning",
                  .text = "no other computer is a member: what is written is "
                          "on this one only, and nobody could take over",
                  .fix = "bring another one in: twinsync token create --node "
                         "NAME here, twinsync join there" });
}

static void add_pair(const struct cluster *c, const struct member_view *view,
                     json_t *list)
{
    struct cluster_peer_view link;
    cluster_peer_view(c, &link);
    char text[160];
    if (is_alone(c, view)) {
        add_alone(list);
    } else if (c->peer != NULL && !link.connected) {
        (void) snprintf(text, sizeof text, "node %.60s is not heard",
                        c->peer->name);
        add(list, &(struct problem){ .code = "peer-silent",
                                     .severity = "warning",
                                     .text = text,
                                     .fix = "start it, or look at the network "
                                            "between the two; until then "
                                            "nobody could take over" });
    }
    if (cluster_peer_differs(c)) {
        add(list, &(struct problem){
                      .code = "configurations-differ",
                      .severity = "error",
                      .text = "the two nodes have different configurations: "
                              "neither takes over from the other",
                      .fix = "make the files equal but for this-node and "
                             "state-directory, and restart the node that was "
                             "changed last" });
    }
    if (view->paused) {
        add(list, &(struct problem){ .code = "paused",
                                     .severity = "warning",
                                     .text = "the pair is paused by an "
                                             "operator: neither node writes",
                                     .fix = "twinsync resume on the active "
                                            "node" });
    }
    if (view->has_value && view->value->is_unprotected && !is_alone(c, view)) {
        add(list, &(struct problem){
                      .code = "unprotected",
                      .severity = "warning",
                      .text = "what is written is on one computer only since "
                              "the other was lost",
                      .fix = "bring the other node back: it catches up by "
                             "itself" });
    }
}

static bool is_office(enum member_role role)
{
    return role == MEMBER_FENCING || role == MEMBER_ACTIVE ||
           role == MEMBER_DRAINING;
}

/* A takeover takes less; the other node may go on by a promise of this one. */
static void add_nobody(const struct cluster *c, const struct member_view *view,
                       json_t *list)
{
    int64_t patience_ms = 3 * (int64_t) c->config->lease.ttl_ms;
    char text[160];
    if (view->role != MEMBER_STANDBY || view->paused || !view->has_value ||
        view->value_age_ms < patience_ms ||
        (c->link_up && view->peer != NULL && is_office(view->peer->role))) {
        return;
    }
    (void) snprintf(text, sizeof text,
                    "nobody exports, as far as this node knows: the lease was "
                    "not renewed for %lld s",
                    (long long) (view->value_age_ms / 1000));
    add(list, &(struct problem){ .code = "nobody-exports",
                                 .severity = "error",
                                 .text = text,
                                 .fix = "twinsync explain says what keeps this "
                                        "node from taking over" });
}

static void add_fence(const struct cluster *c, const struct member_view *view,
                      json_t *list)
{
    char text[MEMBER_TEXT_SIZE + 80];
    if (c->config->target.fence == CONFIG_FENCE_NONE) {
        add(list, &(struct problem){
                      .code = "unfenced",
                      .severity = "warning",
                      .text = "the target cannot take a lost node's credential "
                              "away: that only one node writes is not "
                              "guaranteed there",
                      .fix = "use target.fence: registration, or exec, where "
                             "the target's operator offers it" });
    } else if (view->role == MEMBER_FENCING && c->fence_pending) {
        (void) snprintf(text, sizeof text,
                        "nothing is exported until the old credential is "
                        "proved to be gone: %s",
                        c->fence_evidence);
        add(list, &(struct problem){ .code = "fence-pending",
                                     .severity = "error",
                                     .text = text,
                                     .fix = "bring the authorization server "
                                            "and the target into reach, and it "
                                            "goes on by itself; twinsync "
                                            "explain says what else there "
                                            "is" });
    } else if (c->fence_accepted && is_office(view->role)) {
        add(list, &(struct problem){
                      .code = "fence-accepted",
                      .severity = "warning",
                      .text = "an operator took the old credential to be gone: "
                              "that only one node writes is not proved in this "
                              "epoch",
                      .fix = "see that the client in twinsync history is "
                             "deleted at the authorization server; it ends "
                             "with the next epoch" });
    }
}

static void add_replication(const struct cluster *c, json_t *list)
{
    struct follower_figures found;
    follower_figures(c->follower, ts_time_now(), &found);
    if (c->follows && found.phase == FOLLOWER_STUCK && found.why[0] != 0) {
        add(list, &(struct problem){ .code = "replication-stuck",
                                     .severity = "error",
                                     .text = found.why,
                                     .fix = "see the text; it is tried again "
                                            "by itself" });
    }
}

static void add_recount(const struct cluster *c, json_t *list)
{
    if (c->recount.damaged) {
        add(list, &(struct problem){
                      .code = "rows-damaged",
                      .severity = "error",
                      .text = c->recount.why.text,
                      .fix = c->leads ? "a standby that is fit takes over by "
                                        "itself, and this node gets a copy "
                                        "then; look at disk and memory here"
                                      : "a copy is fetched from the active "
                                        "node by itself; look at disk and "
                                        "memory here" });
    }
}

static void add_handover(const struct cluster *c, json_t *list)
{
    const char *why = cluster_handover_interrupted(c->handover);
    if (why != NULL) {
        add(list, &(struct problem){ .code = "handover-interrupted",
                                     .severity = "warning",
                                     .text = why,
                                     .fix = "twinsync handover --resume, or "
                                            "--abort, on the active node" });
    }
}

static json_t *problems_document(const struct cluster *c,
                                 const struct member_view *view)
{
    json_t *list = json_array();
    add_register(view, list);
    add_nobody(c, view, list);
    add_fence(c, view, list);
    add_pair(c, view, list);
    add_replication(c, list);
    add_recount(c, list);
    add_handover(c, list);
    return list;
}

/* --- documents ------------------------------------------------------------ */

/* Who exports instead of this node, which may be the holder of a lease that it
 * could not renew; "": nobody is known to. */
static const char *elsewhere(const struct cluster *c,
                             const struct member_view *view)
{
    return view->has_value && !view->value->released &&
                   strcmp(view->value->holder, c->config->this_node) != 0
               ? view->value->holder
               : "";
}

void cluster_publish_status(struct cluster *c)
{
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    json_t *fields = json_object();
    (void) json_object_set_new(fields, "assigned",
                               json_string(assigned_role(view.role)));
    (void) json_object_set_new(fields, "epoch",
                               json_integer((json_int_t) view.epoch));
    (void) json_object_set_new(fields, "lease", lease_document(c, &view));
    (void) json_object_set_new(fields, "fence", fence_document(c, &view));
    (void) json_object_set_new(fields, "peer", peer_document(c, &view));
    json_t *replication = replication_document(c, &view);
    (void) json_object_set_new(replication, "recounted", recount_document(c));
    (void) json_object_set_new(fields, "replication", replication);
    (void) json_object_set_new(fields, "handover",
                               cluster_handover_summary(c->handover));
    (void) json_object_set_new(fields, "problems", problems_document(c, &view));
    engine_publish(c->engine, member_role_name(view.role), elsewhere(c, &view),
                   fields);
}

json_t *cluster_explain(struct cluster *c)
{
    struct member_gate_row rows[MEMBER_GATES_MAX];
    struct member_view view;
    struct ts_clocks now = ts_clocks_now();
    member_view(c->member, now, &view);
    size_t count = member_explain(c->member, now, rows);
    json_t *gates = json_array();
    for (size_t i = 0; i < count; i++) {
        (void) json_array_append_new(
            gates,
            json_pack("{s:s, s:b, s:s, s:s?, s:s?}", "name", rows[i].name, "ok",
                      rows[i].ok, "value", rows[i].value, "threshold",
                      rows[i].threshold[0] == 0 ? NULL : rows[i].threshold,
                      "fix", rows[i].fix[0] == 0 ? NULL : rows[i].fix));
    }
    return json_pack(
        "{s:s, s:s, s:s, s:s?, s:I, s:b, s:o}", "node", c->config->this_node,
        "role", member_role_name(view.role), "text", view.sentence, "step",
        view.step[0] == 0 ? NULL : view.step, "epoch", (json_int_t) view.epoch,
        "exports",
        view.role == MEMBER_ACTIVE && view.remaining_ms > 0 && !view.paused,
        "gates", gates);
}

json_t *cluster_register_document(struct cluster *c)
{
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    return json_pack(
        "{s:s, s:b, s:s?, s:o}", "type", register_name(c), "ok",
        view.register_ok, "text",
        view.register_text[0] == 0 ? NULL : view.register_text, "value",
        view.has_value ? register_document(view.value, view.value_age_ms)
                       : json_null());
}
