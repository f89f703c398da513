/*
 * registration -- what is said to and by an authorization server about clients:
 * registration (RFC 7591), its management (RFC 7592), introspection (RFC 7662).
 * Documents in, documents out; nothing is sent from here.
 *
 * A registered client's answer is believed only as far as it can be used:
 *   R1  every text has a size and an alphabet; what goes into a header field
 *       cannot hold a second one.
 *   R2  the management URL has the origin of the registration endpoint: a fence
 *       whose deletion went elsewhere would prove nothing.
 *   R3  a client that cannot do what it was registered for (client credentials,
 *       by secret, for as long as an epoch may last) is refused.
 */
#ifndef NODE_TARGET_REGISTRATION_H
#define NODE_TARGET_REGISTRATION_H

#include "node/target/fence.h"
#include "node/target/principal.h"

#define REGISTRATION_ANSWER_MAX ((size_t) 64 * 1024)
/* A secret that ends sooner than this would end an epoch in its middle. */
#define REGISTRATION_SECRET_LIFE_MIN_S ((int64_t) 30 * 24 * 3600)

struct registration_names {
    const char *cluster, *node, *scope; /* scope may be NULL */
    uint64_t epoch;
};

/* The document that asks for a client; the names tell an operator whose it is.
 * Errors   a NULL slice: out of memory. */
struct ts_slice registration_ask(const struct registration_names *names,
                                 struct ts_arena *arena);

/* What the answer says: id, secret, uri, token; the rest is left alone.
 * Errors   TS_E_AUTH (refused: the initial access token), TS_E_UNREACHABLE
 * (5xx, 429), TS_E_PROTOCOL. Unchanged then. */
struct registration_place {
    const char *url; /* of the registration endpoint */
    bool allow_plaintext;
    int64_t now_s; /* wall clock, for the secret's end */
};
TS_MUSTUSE enum ts_code
registration_parse(int status, struct ts_slice body,
                   const struct registration_place *place,
                   struct principal *principal, struct ts_err *err);

/* YES: active. NO: said inactive. */
enum fence_answer introspection_parse(int status, struct ts_slice body);

/* What a status says: 2xx YES, 401 NO, no answer (0), 429, 5xx BUSY. */
enum fence_answer registration_answer(int status);

#endif
