/* The joiner's side of pairing.h. */
#include <stdio.h>

#include <openssl/crypto.h>

#include "node/base/failpoint.h"
#include "node/base/time.h"
#include "replication/knock.h"
#include "replication/pairing.h"

/* The two nodes, and what the one has of the other. */
struct join {
    const struct pairing *pairing;
    int64_t timeout_ms;
    struct join_token token;
    struct certificate own;
    struct certificate issuer; /* as the token has it */
};

static void join_done(struct join *join)
{
    OPENSSL_cleanse(join, sizeof *join);
}

/* Is the token for us? Whether its time is over is asked later: a join that was
 * all but done is ended even then. */
static enum ts_code check_token(const struct join *join, struct ts_err *err)
{
    const struct join_token *token = &join->token;
    const struct pairing *pairing = join->pairing;
    if (strcmp(token->cluster, pairing->cluster) != 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot join with this token: it is of cluster \"%s\", "
                       "and this configuration is of \"%s\"",
                       token->cluster, pairing->cluster);
    }
    if (strcmp(token->node, pairing->node) != 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot join with this token: it is for node \"%s\", "
                       "and this is \"%s\"",
                       token->node, pairing->node);
    }
    if (strcmp(token->issuer, pairing->peer) != 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot join with this token: it is from node \"%s\", "
                       "and the other one in nodes is \"%s\"",
                       token->issuer, pairing->peer);
    }
    return TS_OK;
}

/* Do we have all that joining gives? */
static bool has_all(const struct join *join)
{
    char path[512], partner[CERTIFICATE_NAME_SIZE];
    uint8_t key[PAIR_KEY_SIZE];
    struct certificate known;
    struct ts_err err;
    const char *directory = join->pairing->state_directory;
    bool has = certificate_peer_path(directory, join->issuer.name, path,
                                     &err) == TS_OK &&
               certificate_load(path, &known, &err) == TS_OK &&
               strcmp(known.public_key, join->issuer.public_key) == 0 &&
               pair_key_load(directory, key, &err) == TS_OK &&
               pair_partner_load(directory, partner, &err) == TS_OK &&
               strcmp(partner, join->issuer.name) == 0;
    OPENSSL_cleanse(key, sizeof key);
    return has;
}

/* "could not join through node "alpha" at tcp://...: why; what to do" */
static enum ts_code explain(const struct join *join, enum ts_code code,
                            struct ts_err *err)
{
    const char *what =
        code == TS_E_AUTH ? "the token was used, has expired, or was replaced "
                            "by a later one; create a new one there with "
                            "`twinsync token create`"
        : code == TS_E_UNREACHABLE
            ? "no node with the token's key answers there; see that twinsyncd "
              "runs and that a firewall lets the port through, then run this "
              "again"
        : code == TS_E_TIMEOUT ? "it did not answer in time; run this again"
                               : NULL;
    if (what == NULL) {
        ts_err_wrap(err, "could not join through node \"%s\" at %s",
                    join->issuer.name, join->token.endpoint);
        return code;
    }
    return ts_fail(err, code, 0, "could not join through node \"%s\" at %s: %s",
                   join->issuer.name, join->token.endpoint, what);
}

/* A connection with our own key to the issuer's: both are proved. */
static enum ts_code prove(const struct join *join, struct ts_err *err)
{
    const struct knock as_us = {
        .endpoint = join->token.endpoint,
        .server_key = join->issuer.public_key,
        .own = &join->own,
        .timeout_ms = join->timeout_ms,
    };
    uint8_t nothing[1];
    size_t size = 0;
    return knock(&as_us, nothing, sizeof nothing, &size, err);
}

static enum ts_code ask(const struct join *join, struct join_answer *ret_answer,
                        struct ts_err *err)
{
    TS_AUTOCERTIFICATE struct certificate guest = { .name = "guest" };
    struct join_request request = { .node = "" };
    struct join_bytes packed, reply = { .size = 0 };
    certificate_key_text(join->token.guest_public, guest.public_key);
    certificate_key_text(join->token.guest_secret, guest.secret_key);
    certificate_key_bytes(join->own.public_key, request.public_key);
    (void) snprintf(request.cluster, sizeof request.cluster, "%s",
                    join->pairing->cluster);
    (void) snprintf(request.node, sizeof request.node, "%s",
                    join->pairing->node);
    enum ts_code code = join_pack_request(&request, &packed, err);
    if (code != TS_OK) {
        return code;
    }
    const struct knock as_guest = {
        .endpoint = join->token.endpoint,
        .server_key = join->issuer.public_key,
        .own = &guest,
        .request = ts_slice(packed.data, packed.size),
        .timeout_ms = join->timeout_ms,
    };
    code = knock(&as_guest, reply.data, sizeof reply.data, &reply.size, err);
    if (code == TS_OK) {
        code = join_unpack_answer(ts_slice(reply.data, reply.size), ret_answer,
                                  err);
    }
    OPENSSL_cleanse(&reply, sizeof reply);
    return code == TS_OK ? TS_OK : explain(join, code, err);
}

/* P3: each of the two is durable before the next step. */
static enum ts_code keep(const struct join *join,
                         const struct join_answer *answer, struct ts_err *err)
{
    const char *directory = join->pairing->state_directory;
    if (answer->is_refused) {
        return ts_fail(
            err, TS_E_REFUSED, 0, "cannot join through node \"%s\" at %s: %s",
            join->issuer.name, join->token.endpoint, answer->refusal);
    }
    if (strcmp(answer->issuer, join->issuer.name) != 0) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot join through node \"%s\" at %s: it calls "
                       "itself \"%s\"",
                       join->issuer.name, join->token.endpoint, answer->issuer);
    }
    enum ts_code code = certificate_store_peer(directory, &join->issuer, err);
    TS_FAILPOINT(JOIN_PEER_KEPT);
    if (code == TS_OK) {
        code = pair_key_store(directory, answer->pair_key, err);
    }
    TS_FAILPOINT(JOIN_KEY_KEPT);
    if (code == TS_OK) {
        code = pair_partner_store(directory, join->issuer.name, err);
    }
    return code;
}

static enum ts_code check_time(const struct join *join, struct ts_err *err)
{
    int64_t ago = ts_wall_seconds() - join->token.expires;
    if (ago >= 0) {
        return ts_fail(err, TS_E_AUTH, 0,
                       "cannot join with this token: it has expired %lld s "
                       "ago; create a new one on node \"%s\" with `twinsync "
                       "token create`",
                       (long long) ago, join->issuer.name);
    }
    return TS_OK;
}

static enum ts_code join_anew(const struct join *join, struct ts_err *err)
{
    struct join_answer answer = { .is_refused = true };
    enum ts_code code = check_time(join, err);
    if (code == TS_OK) {
        code = ask(join, &answer, err);
    }
    TS_FAILPOINT(JOIN_ANSWERED);
    if (code == TS_OK) {
        code = keep(join, &answer, err);
    }
    OPENSSL_cleanse(&answer, sizeof answer);
    if (code == TS_OK) {
        code = prove(join, err);
        if (code != TS_OK) {
            ts_err_wrap(err,
                        "could not connect to node \"%s\" at %s with this "
                        "node's own key; run this again",
                        join->issuer.name, join->token.endpoint);
        }
    }
    return code;
}

static void tell(const struct join *join, bool was_joined,
                 struct pairing_joined *ret)
{
    ret->was_joined = was_joined;
    memcpy(ret->issuer, join->issuer.name, sizeof ret->issuer);
    memcpy(ret->endpoint, join->token.endpoint, sizeof ret->endpoint);
    memcpy(ret->own_key, join->own.public_key, sizeof ret->own_key);
    memcpy(ret->issuer_key, join->issuer.public_key, sizeof ret->issuer_key);
}

enum ts_code pairing_join(const struct pairing *pairing, const char *token,
                          int64_t timeout_ms, struct pairing_joined *ret,
                          struct ts_err *err)
{
    struct join join = { .pairing = pairing, .timeout_ms = timeout_ms };
    enum ts_code code = token_parse(token, &join.token, err);
    if (code == TS_OK) {
        code = check_token(&join, err);
    }
    if (code == TS_OK) {
        (void) snprintf(join.issuer.name, sizeof join.issuer.name, "%s",
                        join.token.issuer);
        certificate_key_text(join.token.issuer_key, join.issuer.public_key);
        code = certificate_own(pairing->state_directory, pairing->node,
                               &join.own, err);
    }
    TS_FAILPOINT(JOIN_OWN_MADE);
    bool was_joined =
        code == TS_OK && has_all(&join) && prove(&join, err) == TS_OK;
    if (code == TS_OK && !was_joined) {
        code = join_anew(&join, err);
    }
    if (code == TS_OK) {
        tell(&join, was_joined, ret);
    }
    join_done(&join);
    return code;
}
