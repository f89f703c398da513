/*
 * jwt -- the signed assertion by which a client proves who it is (RFC 7523).
 *
 * RS256 for an RSA key of at least 2,048 bits, ES256 for one on P-256; any
 * other key is refused. Signing is OpenSSL's.
 */
#ifndef NODE_TARGET_JWT_H
#define NODE_TARGET_JWT_H

#include "node/base/arena.h"
#include "node/base/err.h"

/* An assertion is used at once; a long life would only help a thief. */
#define JWT_LIFETIME_SECONDS 120
#define JWT_ID_SIZE          16

struct jwt_claims {
    const char *client_id;   /* iss and sub */
    const char *audience;    /* the token endpoint's URL */
    const char *key_id;      /* header "kid", or NULL */
    int64_t now;             /* seconds since 1970: iat; exp follows */
    uint8_t id[JWT_ID_SIZE]; /* jti: fresh random bytes, never used again */
};

/* The compact serialization, as a C string in `arena`.
 * Errors   TS_E_CONFIG (not a PEM private key, or one of a wrong kind or size),
 *          TS_E_NOMEM. */
TS_MUSTUSE enum ts_code jwt_sign(const char *pem,
                                 const struct jwt_claims *claims,
                                 struct ts_arena *arena, const char **ret_jwt,
                                 struct ts_err *err);

#endif
