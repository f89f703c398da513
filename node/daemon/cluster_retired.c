/* This node is no member any more: the process ends, and says why. */
#include <stdio.h>
#include <string.h>

#include "node/base/log.h"
#include "node/daemon/cluster_private.h"

static void copy(char *to, size_t room, const char *from)
{
    (void) snprintf(to, room, "%.*s", (int) room - 1, from);
}

/* As the register shows it; where it says nothing of us, that is all. */
static void describe(const struct cluster *c, struct retirement *retirement)
{
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    const struct register_retired *record =
        view.has_value ? register_retired_of(view.value, c->config->this_node)
                       : NULL;
    *retirement = (struct retirement){ .at_s = 0 };
    copy(retirement->cluster, sizeof retirement->cluster, c->config->cluster);
    copy(retirement->node, sizeof retirement->node, c->config->this_node);
    if (record != NULL) {
        retirement->at_s = (int64_t) record->at_s;
        retirement->membership = record->membership;
        retirement->wipe = record->wipe;
        copy(retirement->actor, sizeof retirement->actor, record->actor);
        copy(retirement->reason, sizeof retirement->reason, record->reason);
    } else {
        copy(retirement->reason, sizeof retirement->reason,
             "the register no longer lists it");
    }
}

void cluster_retired_settle(struct cluster *c)
{
    if (c->role == MEMBER_RETIRED && !c->retired.is_out) {
        c->retired.is_out = true;
        describe(c, &c->retired.what);
        c->options.released(c->options.context);
    }
    bool is_listed = c->role == MEMBER_LEARNER || c->role == MEMBER_STANDBY;
    if (is_listed && c->retired.is_joining) {
        struct member_view view;
        member_view(c->member, ts_clocks_now(), &view);
        if (view.has_value &&
            register_has_member(view.value, c->config->this_node)) {
            c->retired.is_joining = false;
            cluster_retire_joined(c);
        }
    }
}

bool cluster_retired(const struct cluster *c, struct retirement *ret)
{
    if (c->retired.is_out) {
        *ret = c->retired.what;
    }
    return c->retired.is_out;
}

bool cluster_retire_is_old_key(const struct cluster *c, const char *node,
                               const char *key)
{
    struct member_view view;
    uint8_t bytes[CERTIFICATE_KEY_SIZE];
    member_view(c->member, ts_clocks_now(), &view);
    const struct register_retired *record =
        view.has_value ? register_retired_of(view.value, node) : NULL;
    if (record == NULL || !certificate_is_key(key)) {
        return record != NULL;
    }
    certificate_key_bytes(key, bytes);
    return memcmp(record->key, bytes, sizeof bytes) == 0;
}
