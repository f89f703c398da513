#include "node/daemon/cluster.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "node/base/log.h"
#include "node/config/print.h"
#include "node/daemon/cluster_handover.h"
#include "node/daemon/cluster_private.h"
#include "node/vault/seal.h"
#include "replication/certificate.h"
#include "replication/pair_turn.h"

/* --- beginning ------------------------------------------------------------ */

/* Who joined last, or through whom this node did; where nobody has yet, or the
 * configuration has another one in its place, the first other one. */
static const struct config_member *find_peer(const struct config *config)
{
    const struct config_member *found = NULL;
    char partner[CERTIFICATE_NAME_SIZE] = "";
    struct ts_err err;
    enum ts_code code =
        pair_partner_load(config->state_directory, partner, &err);
    if (code != TS_OK && code != TS_E_NOT_FOUND) {
        ts_log(TS_LOG_WARNING, "partner-not-known", "reason=\"%s\"", err.text);
    }
    for (uint32_t i = 0; i < config->nodes_count; i++) {
        const struct config_member *node = &config->nodes[i];
        bool other = strcmp(node->name, config->this_node) != 0;
        if (other && (found == NULL ||
                      (code == TS_OK && !strcmp(node->name, partner)))) {
            found = node;
        }
    }
    return found;
}

enum ts_code cluster_new(const struct cluster_options *options,
                         struct cluster **ret_cluster, struct ts_err *err)
{
    struct cluster *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start the cluster");
    }
    c->options = *options;
    c->config = options->config;
    c->peer = find_peer(options->config);
    c->release_by = TS_NEVER;
    enum ts_code code = config_fingerprint(c->config, &c->config_hash, err);
    if (code == TS_OK) {
        code = post_new(&c->post, err);
    }
    if (code == TS_OK) {
        code = cluster_gate_new(c->post, cluster_on_token, c, &c->gate, err);
    }
    if (code == TS_OK) {
        code = cluster_secrets_start(c, err);
    }
    if (code != TS_OK) {
        cluster_free(c);
        return code;
    }
    cluster_store_port(c);
    *ret_cluster = c;
    return TS_OK;
}

const struct engine_pair *cluster_port(const struct cluster *c)
{
    return &c->port;
}

static void read_boot(const char *hex, uint8_t boot[static REGISTER_ID_SIZE])
{
    for (size_t i = 0; i < REGISTER_ID_SIZE; i++) {
        char digits[3] = { hex[2 * i], hex[2 * i + 1], 0 };
        boot[i] = (uint8_t) strtoul(digits, NULL, 16);
    }
}

static enum ts_code start_member(struct cluster *c,
                                 const struct engine_facts *facts,
                                 struct ts_err *err)
{
    static const enum member_unprotected policies[] = {
        [CONFIG_UNPROTECTED_CONTINUE] = MEMBER_UNPROTECTED_CONTINUE,
        [CONFIG_UNPROTECTED_HOLD_DELETES] = MEMBER_UNPROTECTED_HOLD_DELETES,
        [CONFIG_UNPROTECTED_STOP] = MEMBER_UNPROTECTED_STOP,
    };
    const struct config_lease *lease = &c->config->lease;
    struct member_options options = {
        .name = c->config->this_node,
        .ttl_ms = lease->ttl_ms,
        .renew_ms = lease->renew_ms,
        .margin_ms = lease->margin_ms,
        .clock_error_percent = lease->clock_error_percent,
        .is_manual = !cluster_register_is_automatic(c->reg),
        .unprotected = policies[c->config->unprotected],
        .level_max = (uint32_t) c->schema.migration_count,
        .facts = facts->facts,
        .epoch = (uint64_t) facts->epoch,
        .position = cluster_register_position(&facts->position),
        .has_state = facts->position.generation > 0,
        .is_joining = c->retired.is_joining,
        .now = ts_clocks_now(),
    };
    memcpy(options.boot, c->boot, sizeof options.boot);
    enum ts_code code = member_check(&options, err);
    return code == TS_OK ? member_new(&options, &c->member, err) : code;
}

/* Register and link know this node by it; made at the first start. */
static enum ts_code make_certificate(const struct cluster *c,
                                     struct ts_err *err)
{
    TS_AUTOCERTIFICATE struct certificate own = { .name = "" };
    return certificate_own(c->config->state_directory, c->config->this_node,
                           &own, err);
}

static enum ts_code start_register(struct cluster *c, struct ts_err *err)
{
    enum ts_code code = register_options_of(c->config, c->options.secrets,
                                            &c->register_options, err);
    const struct cluster_register_options options = {
        .driver = &c->register_options.options,
        .post = c->post,
        .answered = cluster_on_register,
        .context = c,
    };
    return code == TS_OK ? cluster_register_new(&options, &c->reg, err) : code;
}

static enum ts_code record_token(void *context, const struct ts_hash *hash,
                                 int64_t lifetime_s, struct ts_err *err)
{
    return cluster_gate_token(context, hash, lifetime_s, err);
}

/* None yet is no error: nothing can be exported until there is one. */
static enum ts_code start_fence(struct cluster *c, struct ts_err *err)
{
    struct seal_key key = { { 0 } };
    enum ts_code code =
        pair_key_load(c->config->state_directory, key.bytes, err);
    if (code == TS_E_NOT_FOUND) {
        return TS_OK;
    }
    uint8_t others[PAIR_KEYS_OTHER][PAIR_KEY_SIZE];
    struct seal_key opening[PAIR_KEYS_OTHER] = { { { 0 } } };
    size_t count = 0;
    if (code == TS_OK) {
        code = pair_key_others(c->config->state_directory, others, &count, err);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(opening[i].bytes, others[i], sizeof opening[i].bytes);
    }
    const struct cluster_fence_options options = {
        .principal = { .target = &c->config->target,
                       .cluster = c->config->cluster,
                       .node = c->config->this_node,
                       .boot_id = c->boot_text,
                       .key = &key,
                       .others = opening,
                       .others_count = count,
                       .secrets = c->options.secrets,
                       .clock_error_percent =
                           c->config->lease.clock_error_percent,
                       .token = { .record = record_token,
                                  .context = c->gate } },
        .state_directory = c->config->state_directory,
        .post = c->post,
        .answered = cluster_on_fence,
        .context = c,
    };
    code = code == TS_OK ? cluster_fence_new(&options, &c->fence, err) : code;
    seal_key_done(&key);
    OPENSSL_cleanse(others, sizeof others);
    OPENSSL_cleanse(opening, sizeof opening);
    return code;
}

enum ts_code cluster_make_key(struct cluster *c, struct ts_err *err)
{
    struct seal_key key = { { 0 } };
    enum ts_code code =
        pair_key_own(c->config->state_directory, key.bytes, err);
    seal_key_done(&key);
    if (code == TS_OK && c->fence == NULL) {
        code = start_fence(c, err);
    }
    return code;
}

enum ts_code cluster_start(struct cluster *c, struct engine *engine,
                           struct ts_err *err)
{
    struct engine_facts facts;
    c->engine = engine;
    engine_facts(engine, &facts);
    c->position = facts.position;
    (void) snprintf(c->boot_text, sizeof c->boot_text, "%s", facts.boot);
    read_boot(facts.boot, c->boot);
    c->epoch_told = facts.epoch;
    c->wrote.epoch = facts.wrote_epoch;
    if (facts.wrote_boot[0] != 0) {
        read_boot(facts.wrote_boot, c->wrote.boot.bytes);
    }
    enum ts_code code = make_certificate(c, err);
    if (code == TS_OK) {
        code = start_register(c, err);
    }
    if (code == TS_OK) {
        code = start_fence(c, err);
    }
    if (code == TS_OK) {
        code = cluster_follow_start(c, facts.state_path, err);
    }
    if (code == TS_OK) {
        code = retirement_is_joining(c->config->state_directory,
                                     &c->retired.is_joining, err);
    }
    if (code == TS_OK) {
        code = cluster_retire_new(c, &c->retire, err);
    }
    if (code == TS_OK) {
        code = cluster_rekey_new(c, &c->rekey, err);
    }
    if (code == TS_OK) {
        code = start_member(c, &facts, err);
    }
    if (code == TS_OK) {
        code = cluster_handover_new(c, &c->handover, err);
    }
    return code == TS_OK ? cluster_peer_start(c, err) : code;
}

/* --- the reactor's parts -------------------------------------------------- */

static void on_post(void *context, struct ts_time now)
{
    struct cluster *c = context;
    (void) now;
    post_step(c->post);
}

static void on_signs(void *context, struct ts_time now)
{
    struct cluster *c = context;
    (void) now;
    if (!c->closed) {
        cluster_store_signs(c);
    }
}

static void on_member(void *context, struct ts_time now)
{
    struct cluster *c = context;
    if (c->closed) {
        return;
    }
    cluster_tick(c);
    if (ts_time_reached(now, c->release_by)) {
        c->release_by = TS_NEVER;
        c->options.released(c->options.context);
    }
}

static struct ts_time member_deadline_of(void *context)
{
    const struct cluster *c = context;
    if (c->closed) {
        return TS_NEVER;
    }
    struct ts_time due = cluster_member_deadline(c);
    return c->release_by.ms < due.ms ? c->release_by : due;
}

static void on_secrets(void *context, struct ts_time now)
{
    struct cluster *c = context;
    if (!c->closed) {
        cluster_secrets_step(c->secrets, now);
    }
}

static struct ts_time secrets_deadline_of(void *context)
{
    struct cluster *c = context;
    return c->closed ? TS_NEVER : cluster_secrets_deadline(c->secrets);
}

static void on_retire(void *context, struct ts_time now)
{
    struct cluster *c = context;
    if (!c->closed) {
        cluster_retire_step(c, now);
        cluster_rekey_step(c, now);
    }
}

static struct ts_time retire_deadline_of(void *context)
{
    const struct cluster *c = context;
    if (c->closed) {
        return TS_NEVER;
    }
    struct ts_time due = cluster_retire_deadline(c);
    struct ts_time other = cluster_rekey_deadline(c);
    return other.ms < due.ms ? other : due;
}

static void on_follow(void *context, struct ts_time now)
{
    struct cluster *c = context;
    if (!c->closed) {
        cluster_follow_tick(c, now);
    }
}

static struct ts_time follow_deadline_of(void *context)
{
    const struct cluster *c = context;
    return c->closed ? TS_NEVER : cluster_follow_deadline(c);
}

static void on_handover(void *context, struct ts_time now)
{
    struct cluster *c = context;
    if (!c->closed) {
        cluster_handover_tick(c->handover, now);
    }
}

static struct ts_time handover_deadline_of(void *context)
{
    const struct cluster *c = context;
    return c->closed ? TS_NEVER : cluster_handover_deadline(c->handover);
}

enum ts_code cluster_attach(struct cluster *c, struct reactor *reactor,
                            struct ts_err *err)
{
    c->reactor = reactor;
    const struct reactor_part parts[] = {
        { "post", post_fd(c->post), on_post, NULL, c },
        { "gate", cluster_gate_fd(c->gate), on_signs, NULL, c },
        { "member", -1, on_member, member_deadline_of, c },
        { "replication", -1, on_follow, follow_deadline_of, c },
        { "secrets", -1, on_secrets, secrets_deadline_of, c },
        { "retire", -1, on_retire, retire_deadline_of, c },
        { "handover", -1, on_handover, handover_deadline_of, c },
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        enum ts_code code = reactor_add(reactor, &parts[i], err);
        if (code != TS_OK) {
            return code;
        }
    }
    return cluster_peer_attach(c, err);
}

/* --- the end -------------------------------------------------------------- */

void cluster_close(struct cluster *c)
{
    if (c == NULL || c->closed) {
        return;
    }
    c->closed = true;
    cluster_gate_close(c->gate);
    cluster_secrets_close(c->secrets);
    cluster_forget_commands(c);
    cluster_retire_free(c->retire);
    cluster_rekey_free(c->rekey);
    cluster_handover_close(c->handover);
    cluster_register_free(c->reg);
    cluster_fence_free(c->fence);
    cluster_ship_free(c->ship);
    cluster_recount_free(c->recount.counter);
    cluster_peer_close(c);
    register_configured_done(&c->register_options);
    c->retire = NULL;
    c->rekey = NULL;
    c->reg = NULL;
    c->fence = NULL;
    c->ship = NULL;
    c->recount.counter = NULL;
    post_close(c->post);
}

void cluster_free(struct cluster *c)
{
    if (c == NULL) {
        return;
    }
    if (c->post != NULL && c->gate != NULL) {
        cluster_close(c);
    }
    cluster_handover_free(c->handover);
    leader_free(c->leader);
    follower_free(c->follower);
    member_free(c->member);
    cluster_gate_free(c->gate);
    post_free(c->post);
    cluster_secrets_free(c->secrets);
    free(c);
}
