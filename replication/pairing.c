/* The issuer's side; the joiner's is in pairing_join.c. */
#include "replication/pairing.h"

#include <openssl/crypto.h>

#include "node/base/failpoint.h"
#include "node/base/time.h"
#include "replication/pair_folder.h"

#define INVITATION "token"

#define ASK_AGAIN "create a new one with `twinsync token create`"

/* ---- the invitation's file ----------------------------------------------- */

static enum ts_code store(const struct pairing *pairing,
                          const struct join_invitation *invitation,
                          struct ts_err *err)
{
    struct join_bytes bytes;
    enum ts_code code = join_pack_invitation(invitation, &bytes, err);
    if (code == TS_OK) {
        code = pair_put(pairing->state_directory, INVITATION,
                        ts_slice(bytes.data, bytes.size), PAIR_SECRET, err);
    }
    return code;
}

static enum ts_code load(const struct pairing *pairing,
                         struct join_invitation *ret, struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    uint8_t bytes[JOIN_SIZE_MAX];
    size_t size = 0;
    enum ts_code code =
        pair_path(pairing->state_directory, INVITATION, path, err);
    if (code == TS_OK) {
        code = pair_get(path, PAIR_SECRET, bytes, sizeof bytes, &size, err);
    }
    if (code == TS_OK) {
        code = join_unpack_invitation(ts_slice(bytes, size), ret, err);
    }
    return code;
}

/* ---- inviting ------------------------------------------------------------ */

static void fill_token(const struct pairing *pairing,
                       const struct certificate *own,
                       const struct certificate *guest,
                       struct join_token *token)
{
    (void) snprintf(token->cluster, sizeof token->cluster, "%s",
                    pairing->cluster);
    (void) snprintf(token->issuer, sizeof token->issuer, "%s", pairing->node);
    (void) snprintf(token->endpoint, sizeof token->endpoint, "%s",
                    pairing->endpoint);
    (void) snprintf(token->node, sizeof token->node, "%s", pairing->peer);
    certificate_key_bytes(own->public_key, token->issuer_key);
    certificate_key_bytes(guest->public_key, token->guest_public);
    certificate_key_bytes(guest->secret_key, token->guest_secret);
}

/* Everything that an invitation needs of this node, made if it is missing. */
static enum ts_code prepare(const struct pairing *pairing,
                            struct certificate *ret_own, struct ts_err *err)
{
    uint8_t key[PAIR_KEY_SIZE];
    enum ts_code code =
        certificate_own(pairing->state_directory, pairing->node, ret_own, err);
    if (code == TS_OK) {
        code = pair_key_own(pairing->state_directory, key, err);
    }
    OPENSSL_cleanse(key, sizeof key);
    return code;
}

enum ts_code pairing_invite(const struct pairing *pairing, int64_t lifetime_s,
                            struct pairing_invitation *ret, struct ts_err *err)
{
    TS_AUTOCERTIFICATE struct certificate own = { .name = "" };
    TS_AUTOCERTIFICATE struct certificate guest = { .name = "" };
    struct join_token token = { .expires = ts_wall_seconds() + lifetime_s };
    struct join_invitation invitation = { .expires = token.expires };
    enum ts_code code = prepare(pairing, &own, err);
    if (code == TS_OK) {
        code = certificate_draw(pairing->peer, &guest, err);
    }
    if (code == TS_OK) {
        fill_token(pairing, &own, &guest, &token);
        memcpy(invitation.guest_public, token.guest_public, JOIN_KEY_SIZE);
        memcpy(invitation.node, token.node, sizeof invitation.node);
        code = token_format(&token, ret->token, err);
    }
    if (code == TS_OK) {
        code = store(pairing, &invitation, err);
    }
    if (code == TS_OK) {
        memcpy(ret->guest_key, guest.public_key, sizeof ret->guest_key);
        (void) snprintf(ret->node, sizeof ret->node, "%s", pairing->peer);
        ret->expires = token.expires;
        ret->is_taken = false;
        ret->left_ms = lifetime_s * 1000;
    }
    OPENSSL_cleanse(&token, sizeof token);
    return code;
}

enum ts_code pairing_open(const struct pairing *pairing,
                          struct pairing_invitation *ret, struct ts_err *err)
{
    struct join_invitation invitation;
    enum ts_code code = load(pairing, &invitation, err);
    if (code != TS_OK) {
        return code;
    }
    int64_t left_s = invitation.expires - ts_wall_seconds();
    if (left_s <= 0) {
        return ts_fail(err, TS_E_NOT_FOUND, 0, "the token has expired");
    }
    *ret = (struct pairing_invitation){ .expires = invitation.expires,
                                        .is_taken = invitation.is_taken };
    ret->left_ms =
        (left_s < PAIRING_LIFETIME_MAX_S ? left_s : PAIRING_LIFETIME_MAX_S) *
        1000;
    (void) snprintf(ret->node, sizeof ret->node, "%s", invitation.node);
    certificate_key_text(invitation.guest_public, ret->guest_key);
    return TS_OK;
}

enum ts_code pairing_close(const struct pairing *pairing, struct ts_err *err)
{
    return pair_remove(pairing->state_directory, INVITATION, err);
}

/* ---- serving ------------------------------------------------------------- */

/* May this one have the answer? "" or why not. */
static void judge(const struct pairing *pairing,
                  const struct join_request *request,
                  const struct join_invitation *invitation,
                  char refusal[static JOIN_TEXT_SIZE])
{
    refusal[0] = '\0';
    if (strcmp(request->cluster, pairing->cluster) != 0) {
        (void) snprintf(refusal, JOIN_TEXT_SIZE,
                        "this is cluster \"%s\", not \"%s\"; give both "
                        "computers the same cluster in their configuration",
                        pairing->cluster, request->cluster);
    } else if (strcmp(request->node, invitation->node) != 0 ||
               strcmp(request->node, pairing->peer) != 0) {
        (void) snprintf(refusal, JOIN_TEXT_SIZE,
                        "the token is for node \"%s\", not for \"%s\"; %s",
                        invitation->node, request->node, ASK_AGAIN);
    } else if (invitation->expires <= ts_wall_seconds()) {
        (void) snprintf(refusal, JOIN_TEXT_SIZE, "the token has expired; %s",
                        ASK_AGAIN);
    } else if (invitation->is_taken &&
               memcmp(invitation->taken_by, request->public_key,
                      JOIN_KEY_SIZE) != 0) {
        (void) snprintf(refusal, JOIN_TEXT_SIZE,
                        "the token was used by a computer with another key; "
                        "if that was not you, somebody else has the token: %s",
                        ASK_AGAIN);
    }
}

/* P2: whose the invitation is stands on the disk before anything is given. */
static enum ts_code admit(const struct pairing *pairing,
                          const struct join_request *request,
                          struct join_invitation *invitation,
                          struct pairing_served *served, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    if (!invitation->is_taken) {
        invitation->is_taken = true;
        memcpy(invitation->taken_by, request->public_key, JOIN_KEY_SIZE);
        code = store(pairing, invitation, err);
    }
    TS_FAILPOINT(JOIN_TAKEN);
    if (code == TS_OK) {
        (void) snprintf(served->peer.name, sizeof served->peer.name, "%s",
                        request->node);
        certificate_key_text(request->public_key, served->peer.public_key);
        code = certificate_store_peer(pairing->state_directory, &served->peer,
                                      err);
    }
    if (code == TS_OK) {
        code = pair_partner_store(pairing->state_directory, served->peer.name,
                                  err);
    }
    TS_FAILPOINT(JOIN_ADMITTED);
    served->is_met = code == TS_OK;
    return code;
}

enum ts_code pairing_serve(const struct pairing *pairing,
                           struct ts_slice request, struct pairing_served *ret,
                           struct ts_err *err)
{
    struct join_request from;
    struct join_invitation invitation = { .is_taken = false };
    struct join_answer answer = { .is_refused = true };
    *ret = (struct pairing_served){ .is_met = false };
    enum ts_code code = join_unpack_request(request, &from, err);
    if (code == TS_OK) {
        code = load(pairing, &invitation, err);
    }
    if (code == TS_OK) {
        judge(pairing, &from, &invitation, ret->refusal);
    } else if (code == TS_E_NOT_FOUND) {
        (void) snprintf(ret->refusal, sizeof ret->refusal,
                        "the token was used or replaced; %s", ASK_AGAIN);
        code = TS_OK;
    }
    if (code == TS_OK && ret->refusal[0] == '\0') {
        code = admit(pairing, &from, &invitation, ret, err);
    }
    if (code == TS_OK && ret->is_met) {
        answer.is_refused = false;
        code = pair_key_load(pairing->state_directory, answer.pair_key, err);
    }
    if (code == TS_OK) {
        (void) snprintf(answer.issuer, sizeof answer.issuer, "%s",
                        pairing->node);
        memcpy(answer.refusal, ret->refusal, sizeof answer.refusal);
        code = join_pack_answer(&answer, &ret->reply, err);
    }
    OPENSSL_cleanse(&answer, sizeof answer);
    return code;
}
