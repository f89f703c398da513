/*
 * pairing -- how a second computer becomes one of a pair.
 *
 *   issuer (running)                            joiner (not running yet)
 *   pairing_invite: keys, invitation -> token
 *            ........ the operator carries the token ........
 *                                               its own keys, made there
 *             <---- request {name, key} ------- as the guest, to the issuer's
 * key pairing_serve: the invitation is this key's, its certificate is known
 *             ----- answer {pair's key} ------>
 *                                               issuer's certificate, pair's
 * key
 *             <==== a connection with its own key: both are proved
 *   pairing_close: the invitation is gone
 *
 * Both sides are proved twice: the joiner speaks only to the issuer's key,
 * which is in the token; the issuer admits only the guest key, which is in the
 * token alone. What each gave as its own key is proved by the connection at the
 * end.
 *
 * Invariants:
 *   P1  secret keys never leave the computer that made them; the pair's key
 *       leaves the issuer only to whom the invitation belongs.
 *   P2  an invitation belongs to the first key that uses it: from then on
 *       another key is refused, and the same one gets the same answer.
 *   P3  each step is durable before the next one is begun, on both sides: after
 *       a crash anywhere, running `twinsync join` again ends it.
 *       Last of all is written who the partner is.
 *   P4  there is one invitation at a time; it ends by its use, by its time, or
 *       by the next one.
 *
 * All calls block on the disk, pairing_join() on the network too: never on the
 * reactor. The caller holds the lock of the state directory, or is the daemon
 * that does.
 */
#ifndef REPLICATION_PAIRING_H
#define REPLICATION_PAIRING_H

#include "replication/certificate.h"
#include "replication/token.h"

#define PAIRING_LIFETIME_S     3600
#define PAIRING_LIFETIME_MIN_S 60
#define PAIRING_LIFETIME_MAX_S ((int64_t) 7 * 24 * 3600)

/* This node and the other one, as configured. Borrowed. */
struct pairing {
    const char *state_directory;
    const char *cluster;
    const char *node, *endpoint; /* ours */
    /* The other node's name: who is invited, or who invites. With a third node
     * it need not be the one of before, whose place it takes. */
    const char *peer;
};

/* ---- the issuer ---------------------------------------------------------- */

struct pairing_invitation {
    char token[TOKEN_TEXT_SIZE];           /* of pairing_invite(); secret */
    char guest_key[CERTIFICATE_TEXT_SIZE]; /* for link_invite() */
    int64_t expires;                       /* seconds since 1970 */
    int64_t left_ms;                       /* until then */
    char node[CERTIFICATE_NAME_SIZE];      /* whom it is for */
    bool is_taken; /* somebody was admitted: the proof is outstanding */
};

/* Invite the peer, in place of any invitation before.
 * Errors   TS_E_CONFIG, TS_E_CONFLICT (the certificate is another node's),
 *          TS_E_IO and those of certificate_own(). */
TS_MUSTUSE enum ts_code pairing_invite(const struct pairing *pairing,
                                       int64_t lifetime_s,
                                       struct pairing_invitation *ret,
                                       struct ts_err *err);
/* The invitation that is open, without its token: after a restart.
 * Errors   TS_E_NOT_FOUND (none, or its time is over), TS_E_CORRUPT, TS_E_IO.
 */
TS_MUSTUSE enum ts_code pairing_open(const struct pairing *pairing,
                                     struct pairing_invitation *ret,
                                     struct ts_err *err);
/* It was used, or shall not be.
 * Errors   TS_E_IO. */
TS_MUSTUSE enum ts_code pairing_close(const struct pairing *pairing,
                                      struct ts_err *err);

struct pairing_served {
    struct join_bytes reply; /* for link_reply(); wipe it */
    bool is_met;             /* the peer's certificate is known from now on: */
    struct certificate peer; /* for link_meet(), before the reply is sent */
    char refusal[JOIN_TEXT_SIZE]; /* what the joiner is told; "" if it may */
};

/* What a guest said. A refusal is an answer, not an error.
 * Errors   TS_E_CORRUPT, TS_E_LIMIT, TS_E_VERSION (no request: say nothing),
 *          TS_E_IO. */
TS_MUSTUSE enum ts_code pairing_serve(const struct pairing *pairing,
                                      struct ts_slice request,
                                      struct pairing_served *ret,
                                      struct ts_err *err);

/* ---- the joiner ---------------------------------------------------------- */

struct pairing_joined {
    char issuer[CERTIFICATE_NAME_SIZE];
    char endpoint[JOIN_ENDPOINT_SIZE];
    char own_key[CERTIFICATE_TEXT_SIZE], issuer_key[CERTIFICATE_TEXT_SIZE];
    bool was_joined; /* nothing was left to do but the proof */
};

/* Join with a token.
 * Errors   TS_E_CONFIG (no token, altered, of another cluster, for another node
 *          or from one that is not the peer), TS_E_AUTH (used, expired, or
 *          replaced), TS_E_REFUSED (the issuer says why), TS_E_UNREACHABLE,
 *          TS_E_TIMEOUT, TS_E_VERSION, TS_E_PROTOCOL, TS_E_IO.
 * Blocks   `timeout_ms` for each of its two conversations. */
TS_MUSTUSE enum ts_code pairing_join(const struct pairing *pairing,
                                     const char *token, int64_t timeout_ms,
                                     struct pairing_joined *ret,
                                     struct ts_err *err);

#endif
