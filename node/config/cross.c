#include "node/config/cross_private.h"

#include <string.h>

#include "node/base/nearest.h"
#include "node/config/format.h"

/* ---- nothing secret in clear -------------------------------------------- */

static void check_exposure(struct cross *c, const struct config_node *node,
                           enum config_exposure exposure, bool allowed,
                           const char *cure)
{
    if (exposure == CONFIG_PLAIN) {
        COMPLAIN(c, node,
                 "\"%s\" would send secrets unencrypted to another computer: "
                 "%s%s",
                 node->key, cure,
                 allowed ? " (allow-plaintext-loopback covers 127.0.0.0/8 and "
                           "::1 only)"
                         : "");
    } else if (exposure == CONFIG_PLAIN_LOOPBACK && !allowed) {
        COMPLAIN(c, node,
                 "\"%s\" would send secrets unencrypted: %s, or, where that is "
                 "meant, set allow-plaintext-loopback: true beside it",
                 node->key, cure);
    }
}

/* ---- sources ------------------------------------------------------------ */

static void check_source(struct cross *c, uint32_t index,
                         const struct config_node *list)
{
    const struct config_source *source = &c->config->sources[index];
    const struct config_node *node = config_tree_item(list, index);
    for (uint32_t i = 0; i < index; i++) {
        if (strcmp(c->config->sources[i].name, source->name) == 0) {
            COMPLAIN(c, at(node, "name"), "there are two sources called \"%s\"",
                     source->name);
        }
    }
    if (source->start_tls) {
        if (!config_uris_all(source->uri, "ldap")) {
            COMPLAIN(c, at(node, "start-tls"),
                     "\"start-tls\" is for ldap:// only, and \"uri\" names "
                     "another scheme");
        }
    } else {
        check_exposure(c, at(node, "uri"), config_exposure_ldap(source->uri),
                       source->allow_plaintext_loopback,
                       "use ldaps:// or set start-tls: true");
    }
    if (source->bind.method == CONFIG_BIND_EXTERNAL &&
        source->tls.certificate_file == NULL &&
        !config_uris_all(source->uri, "ldapi")) {
        COMPLAIN(c, at(at(node, "bind"), "method"),
                 "method external needs a certificate-file in \"tls\", or "
                 "ldapi:// URIs only");
    }
}

/* ---- rules -------------------------------------------------------------- */

static void check_rule_sources(struct cross *c, const struct config_rule *rule,
                               const struct config_node *list)
{
    for (uint32_t i = 0; i < rule->sources_count; i++) {
        struct ts_nearest nearest;
        bool found = false;
        ts_nearest_init(&nearest, rule->sources[i]);
        for (uint32_t s = 0; s < c->config->sources_count && !found; s++) {
            found = strcmp(c->config->sources[s].name, rule->sources[i]) == 0;
            ts_nearest_offer(&nearest, c->config->sources[s].name);
        }
        if (!found) {
            bool near = nearest.best != NULL;
            COMPLAIN(c, config_tree_item(list, i),
                     "there is no source \"%s\"%s%s%s", rule->sources[i],
                     near ? ", did you mean \"" : "", near ? nearest.best : "",
                     near ? "\"" : "");
        }
    }
}

/* Each target path is written by one line of one mapping. */
static void check_paths(struct cross *c, const struct config_node *rule)
{
    static const char *const maps[] = { "flow", "once", "references" };
    for (size_t m = 1; m < sizeof maps / sizeof *maps; m++) {
        const struct config_node *map = config_tree_child(rule, maps[m]);
        const struct config_node *item = map == NULL ? NULL : map->children;
        for (; item != NULL; item = item->next) {
            for (size_t other = 0; other < m; other++) {
                if (config_tree_child(config_tree_child(rule, maps[other]),
                                      item->key) != NULL) {
                    const struct config_node key = { .mark = item->key_mark };
                    COMPLAIN(c, &key, "\"%s\" is already in \"%s\"",
                             config_shown(item->key).text, maps[other]);
                }
            }
        }
    }
}

/* What objects are compared by must be something that a rule gives them. */
static void check_given(struct cross *c, const struct config_node *rule,
                        const char *key, bool once_too)
{
    const struct config_node *list = config_tree_child(rule, key);
    const struct config_node *flow = config_tree_child(rule, "flow");
    const struct config_node *once = config_tree_child(rule, "once");
    const struct config_node *item = list == NULL ? NULL : list->children;
    for (; item != NULL; item = item->next) {
        if (config_tree_child(flow, item->text) == NULL &&
            (!once_too || config_tree_child(once, item->text) == NULL)) {
            COMPLAIN(c, item, "\"%s\" names \"%s\", which is not in %s", key,
                     config_shown(item->text).text,
                     once_too ? "\"flow\" or \"once\"" : "\"flow\"");
        }
    }
}

static void check_rule(struct cross *c, uint32_t index,
                       const struct config_node *list)
{
    const struct config_node *node = config_tree_item(list, index);
    check_rule_sources(c, &c->config->rules[index], at(node, "sources"));
    check_paths(c, node);
    check_given(c, node, "match", true);
    if (c->config->sources_count > 1) { /* else there is nothing to join */
        check_given(c, node, "join", false);
    }
}

/* ---- target ------------------------------------------------------------- */

static void check_target(struct cross *c, const struct config_node *node)
{
    const struct config_target *target = &c->config->target;
    check_exposure(c, at(node, "url"), config_exposure_url(target->url),
                   target->allow_plaintext_loopback, "use https://");
    if (target->oauth == NULL) {
        return;
    }
    const struct config_node *oauth = at(node, "oauth");
    check_exposure(c, at(oauth, "token-url"),
                   config_exposure_url(target->oauth->token_url),
                   target->allow_plaintext_loopback, "use https://");
    const struct config_registration *registration =
        target->oauth->registration;
    for (int i = 0; registration != NULL && i < 3; i++) {
        const char *const keys[] = { "url", "revocation-url",
                                     "introspection-url" };
        const char *const urls[] = { registration->url,
                                     registration->revocation_url,
                                     registration->introspection_url };
        if (urls[i] != NULL) {
            check_exposure(c, at(at(oauth, "registration"), keys[i]),
                           config_exposure_url(urls[i]),
                           target->allow_plaintext_loopback, "use https://");
        }
    }
    if (target->oauth->key_id != NULL &&
        target->oauth->private_key_file == NULL) {
        COMPLAIN(c, at(oauth, "key-id"),
                 "\"key-id\" names the key in \"private-key-file\", and there "
                 "is none");
    }
}

enum ts_code config_check_cross(const struct config *config,
                                const struct config_node *root,
                                struct config_problems *problems)
{
    struct cross c = { config, root, problems, TS_OK };
    for (uint32_t i = 0; i < config->sources_count; i++) {
        check_source(&c, i, at(root, "sources"));
    }
    for (uint32_t i = 0; i < config->rules_count; i++) {
        check_rule(&c, i, at(root, "rules"));
    }
    check_target(&c, at(root, "target"));
    cross_check_pair(&c);
    return c.code;
}
