/* What a pair's options must have in common. */
#include <string.h>

#include "node/config/cross_private.h"
#include "node/config/format.h"

static void check_nodes(struct cross *c)
{
    const struct config *config = c->config;
    const struct config_node *list = at(c->root, "nodes");
    bool found = config->nodes_count == 0;
    for (uint32_t i = 0; i < config->nodes_count; i++) {
        const struct config_member *member = &config->nodes[i];
        const struct config_node *node = config_tree_item(list, i);
        found = found || strcmp(member->name, config->this_node) == 0;
        for (uint32_t other = 0; other < i; other++) {
            const struct config_member *before = &config->nodes[other];
            if (strcmp(before->name, member->name) == 0) {
                COMPLAIN(c, at(node, "name"),
                         "there are two nodes called \"%s\"", member->name);
            } else if (strcmp(before->endpoint, member->endpoint) == 0) {
                COMPLAIN(c, at(node, "endpoint"),
                         "\"%s\" and \"%s\" have the same endpoint",
                         before->name, member->name);
            }
        }
        if (config->reg != NULL && config->reg->endpoint != NULL &&
            strcmp(config->reg->endpoint, member->endpoint) == 0) {
            COMPLAIN(c, at(node, "endpoint"),
                     "\"%s\" listens where the witness does: the witness "
                     "belongs on a third computer",
                     member->name);
        }
    }
    if (!found) {
        COMPLAIN(c, at(c->root, "this-node"),
                 "\"nodes\" has no node called \"%s\"", config->this_node);
    }
}

/* Two renewals may be lost before the lease is given up: DESIGN, the lease. */
static void check_lease(struct cross *c)
{
    const struct config_lease *lease = &c->config->lease;
    int64_t usable =
        (int64_t) lease->ttl_ms * (100 - lease->clock_error_percent) / 100 -
        lease->margin_ms;
    if ((int64_t) lease->renew_ms * 3 > usable) {
        COMPLAIN(c, at(at(c->root, "lease"), "renew-seconds"),
                 "\"renew-seconds\" must be at most %.3g: a third of what "
                 "clock-error-percent and margin-seconds leave of ttl-seconds",
                 usable > 0 ? (double) usable / 3000.0 : 0.0);
    }
}

static void check_register_exposure(struct cross *c)
{
    const struct config_register *reg = c->config->reg;
    const struct config_node *node = at(c->root, "register");
    const struct config_node *where = at(node, "uri");
    enum config_exposure exposure = CONFIG_PRIVATE;
    if (reg->type == CONFIG_REGISTER_LDAP && !reg->start_tls) {
        exposure = config_exposure_ldap(reg->uri);
    }
    for (uint32_t i = 0; i < reg->endpoints_count; i++) {
        enum config_exposure one = config_exposure_url(reg->endpoints[i]);
        if (one != CONFIG_PRIVATE) {
            exposure = one == CONFIG_PLAIN ? one : exposure;
            exposure = exposure == CONFIG_PRIVATE ? one : exposure;
            where = config_tree_item(at(node, "endpoints"), i);
        }
    }
    if (exposure == CONFIG_PLAIN ||
        (exposure == CONFIG_PLAIN_LOOPBACK && !reg->allow_plaintext_loopback)) {
        COMPLAIN(c, where,
                 "\"register\" would send secrets unencrypted: use https://, "
                 "ldaps:// or start-tls (allow-plaintext-loopback covers "
                 "127.0.0.0/8 and ::1 only)");
    }
}

static void check_register(struct cross *c)
{
    const struct config_register *reg = c->config->reg;
    const struct config_node *node = at(c->root, "register");
    if (reg->type == CONFIG_REGISTER_ETCD &&
        (reg->user == NULL) != (reg->password_file == NULL)) {
        COMPLAIN(c, node, "\"user\" and \"password-file\" come together");
    }
    if (reg->type == CONFIG_REGISTER_LDAP && strchr(reg->uri, ' ') != NULL) {
        COMPLAIN(c, at(node, "uri"),
                 "\"uri\" of the register must name one server: a second one "
                 "is another register");
    }
    check_register_exposure(c);
}

static void check_fence(struct cross *c)
{
    const struct config_target *target = &c->config->target;
    const struct config_node *node = at(c->root, "target");
    if (c->config->nodes_count > 1 &&
        config_tree_child(node, "fence") == NULL) {
        COMPLAIN(c, node,
                 "\"fence\" is missing: with two nodes it must be said how one "
                 "of them is shut out of the target, or none that it cannot "
                 "be");
    }
    if (target->fence == CONFIG_FENCE_REGISTRATION &&
        (target->oauth == NULL || target->oauth->registration == NULL)) {
        COMPLAIN(c, at(node, "fence"),
                 "\"fence: registration\" needs \"registration\" in "
                 "\"oauth\"");
    }
    if (target->fence_command_count > 0 && target->fence_command[0][0] != '/') {
        COMPLAIN(c, at(node, "fence-command"),
                 "\"fence-command\" must begin with the absolute path of a "
                 "program");
    }
}

void cross_check_pair(struct cross *c)
{
    const struct config *config = c->config;
    if ((config->nodes_count > 0) != (config->reg != NULL)) {
        COMPLAIN(c, at(c->root, config->reg == NULL ? "nodes" : "register"),
                 "\"nodes\" and \"register\" come together");
    }
    check_nodes(c);
    check_lease(c);
    if (config->reg != NULL) {
        check_register(c);
    }
    check_fence(c);
}
