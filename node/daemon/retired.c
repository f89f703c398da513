#include "node/daemon/retired.h"

#include <poll.h>
#include <string.h>

#include <openssl/rand.h>

#include "node/base/log.h"
#include "node/cluster/member.h"
#include "replication/link.h"
#include "replication/pair_folder.h"

/* ---- at a start ---------------------------------------------------------- */

static void wipe(const struct config *config, struct retirement *retirement)
{
    struct ts_err err;
    if (!retirement->wipe || retirement->wiped) {
        return;
    }
    if (retirement_wipe(config->state_directory, retirement, &err) != TS_OK) {
        ts_log(TS_LOG_ERROR, "not-wiped", "reason=\"%s\"", err.text);
    } else {
        ts_log(TS_LOG_INFO, "wiped", "directory=\"%s\"",
               config->state_directory);
    }
}

enum ts_code retired_check(const struct config *config, struct ts_err *err)
{
    struct retirement found;
    enum ts_code code = retirement_load(config->state_directory, &found, err);
    if (code == TS_E_NOT_FOUND) {
        return TS_OK;
    }
    if (code == TS_OK) {
        code = retirement_enter(config->state_directory, &found, err);
    }
    if (code == TS_OK) {
        wipe(config, &found);
        code = retirement_refuse(&found, err);
    }
    return code;
}

/* ---- telling that everything is destroyed -------------------------------- */

/* Keys of this node and the other one, read before they are destroyed. */
struct farewell {
    const struct config *config;
    const struct config_member *own_node, *peer_node;
    struct certificate own, peer;
    bool has_keys;
};

static void find_keys(const struct config *config, struct farewell *farewell)
{
    char partner[CERTIFICATE_NAME_SIZE] = "", path[PAIR_PATH_SIZE];
    struct ts_err err;
    *farewell = (struct farewell){ .config = config };
    if (pair_partner_load(config->state_directory, partner, &err) != TS_OK) {
        return;
    }
    for (uint32_t i = 0; i < config->nodes_count; i++) {
        const struct config_member *node = &config->nodes[i];
        if (strcmp(node->name, config->this_node) == 0) {
            farewell->own_node = node;
        } else if (strcmp(node->name, partner) == 0) {
            farewell->peer_node = node;
        }
    }
    farewell->has_keys =
        farewell->own_node != NULL && farewell->peer_node != NULL &&
        certificate_load_own(config->state_directory, &farewell->own, &err) ==
            TS_OK &&
        certificate_peer_path(config->state_directory, partner, path, &err) ==
            TS_OK &&
        certificate_load(path, &farewell->peer, &err) == TS_OK;
}

static void ignore_heard(void *context, const struct wire_message *message)
{
    (void) context;
    (void) message;
}

static void ignore_change(void *context, bool is_up)
{
    (void) context;
    (void) is_up;
}

static void ignore_refusal(void *context, const char *address, const char *key,
                           const char *why)
{
    (void) context;
    (void) address;
    (void) key;
    (void) why;
}

/* Until the peer has answered it: then it has heard it. */
static bool say(struct link *link, const char *node)
{
    const struct wire_message message = {
        .kind = WIRE_HEARTBEAT,
        .header = { .sender = node },
        .heartbeat = { .role = MEMBER_RETIRED, .wiped = true },
    };
    struct ts_time until = ts_time_after(ts_time_now(), RETIRED_TELL_MS);
    struct ts_time next = ts_time_now();
    while (link_stats(link).round_trip_us < 0 && ts_time_left(until) > 0) {
        struct ts_err err;
        if (ts_time_reached(ts_time_now(), next) &&
            link_send(link, &message, &err) == TS_OK) {
            next = ts_time_after(ts_time_now(), 500);
        }
        struct pollfd fd = { .fd = link_fd(link), .events = POLLIN };
        (void) poll(&fd, 1, 50);
        link_step(link, ts_time_now());
    }
    return link_stats(link).round_trip_us >= 0;
}

static void tell(const struct farewell *farewell)
{
    struct zap *zap = NULL;
    struct link *link = NULL;
    struct ts_err err = { .text = "it did not answer" };
    struct link_options options = {
        .own = &farewell->own,
        .endpoint = farewell->own_node->endpoint,
        .peer_name = farewell->peer_node->name,
        .peer_endpoint = farewell->peer_node->endpoint,
        .peer_key = farewell->peer.public_key,
        .heartbeat_ms = farewell->config->lease.renew_ms,
        .events = { .heard = ignore_heard,
                    .changed = ignore_change,
                    .refused = ignore_refusal },
    };
    enum ts_code code = zap_new(&zap, &err);
    options.zap = zap;
    if (code == TS_OK &&
        RAND_bytes(options.boot.bytes, sizeof options.boot.bytes) == 1) {
        code = link_open(&options, &link, &err);
    }
    bool told = link != NULL && say(link, farewell->config->this_node);
    if (told) {
        ts_log(TS_LOG_INFO, "wipe-told", "node=%s", farewell->peer_node->name);
    } else {
        ts_log(TS_LOG_WARNING, "wipe-not-told", "node=%s reason=\"%s\"",
               farewell->peer_node->name, err.text);
    }
    link_close(link);
    zap_free(zap);
}

void retired_end(const struct config *config, struct retirement *retirement)
{
    struct farewell farewell;
    struct ts_err err;
    find_keys(config, &farewell);
    if (retirement_enter(config->state_directory, retirement, &err) != TS_OK) {
        ts_log(TS_LOG_ERROR, "retirement-not-marked", "reason=\"%s\"",
               err.text);
    } else {
        wipe(config, retirement);
    }
    if (farewell.has_keys && retirement->wiped) {
        tell(&farewell);
    }
    certificate_done(&farewell.own);
    certificate_done(&farewell.peer);
}
