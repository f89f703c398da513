/*
 * oauth -- the bearer token that requests to a target carry.
 *
 * Either a static token from a file, or OAuth 2.0 client credentials (RFC 6749
 * section 4.4) proved by secret (client_secret_basic) or by a signed assertion
 * (private_key_jwt, RFC 7523); scope, and resource by RFC 8707.
 *
 *                 ask               answer
 *   ABSENT ---------------> ASKING -------> READY --expiry - margin--> ABSENT
 *      ^                       | refused,     |
 *      |                       v lost         | refused by the target (401)
 *      +---- next ask ---- FAILED             +--> ABSENT
 *
 * Invariants:
 *   O1  at most one token request is under way.
 *   O2  neither a token nor a secret appears in an error text or a log.
 *   O3  a token is used only when all its bytes may stand in a header field
 *       (RFC 6750 section 2.1): an answer cannot smuggle in a second one.
 *
 *   O4  a token is used only after the hook has recorded it, each new one
 * again.
 *
 * A principal made for an epoch takes the place of the client that the
 * configuration names; its secret comes from memory. Nothing here registers
 * one: a refused principal stays refused.
 *
 * Secret files are read anew for each request, so that a changed secret needs
 * no restart. Belongs to its target's thread.
 */
#ifndef NODE_TARGET_OAUTH_H
#define NODE_TARGET_OAUTH_H

#include "node/base/http.h"
#include "node/target/target.h"

enum {
    OAUTH_TOKEN_SIZE_MAX = 16 * 1024,
    OAUTH_ANSWER_SIZE_MAX = 64 * 1024,
    OAUTH_EXPIRY_DEFAULT_SECONDS = 300, /* when expires_in is missing */
    OAUTH_EXPIRY_MAX_SECONDS = 24 * 3600,
    OAUTH_MARGIN_MAX_SECONDS = 60
};

enum oauth_state {
    OAUTH_ABSENT,
    OAUTH_ASKING,
    OAUTH_READY,
    OAUTH_FAILED
};

struct oauth_options {
    const struct config_oauth *config; /* exactly one of the two */
    const char *token_file;
    const struct ts_secret_keeper *secrets; /* asked for their files; or NULL */
    const struct target_principal *principal; /* NULL: the configuration's */
    struct target_token_hook token;
    struct ts_http *http;
    int64_t timeout_ms;
};

/* What a token endpoint answered. */
struct oauth_token {
    const char *text;   /* NUL-terminated */
    int64_t use_s;      /* how long to use it, bounded */
    int64_t lifetime_s; /* how long it may live; TARGET_LIFETIME_UNKNOWN */
};

struct oauth;

/* Borrows the options' strings and the client until _free. NULL: no memory. */
struct oauth *oauth_new(const struct oauth_options *options);
/* Only after the client was freed or nothing is under way. NULL is fine. */
void oauth_free(struct oauth *oauth);

enum oauth_state oauth_state(struct oauth *oauth, struct ts_time now);
/* READY: "Authorization: Bearer …", until the next call that takes `oauth`. */
const char *oauth_header(const struct oauth *oauth);
/* READY: how long the token may live, counted from when it was asked for. */
int64_t oauth_lifetime_s(const struct oauth *oauth);
/* Counts tokens, so that a 401 for an old one does not cost the new one. */
uint64_t oauth_generation(const struct oauth *oauth);
/* FAILED: why, once; the state becomes ABSENT. TS_E_AUTH: refused, asking again
 * is useless until somebody changed something; TS_E_CONFIG and what reading a
 * secret can answer; what ts_http and the hook can answer. */
enum ts_code oauth_take_error(struct oauth *oauth, struct ts_err *err);

/* Was the last failure the endpoint's word that it does not know the client, or
 * its secret (RFC 6749 section 5.2)? */
bool oauth_client_refused(const struct oauth *oauth);

/* ABSENT: ask for a token; the answer comes with ts_http_run. A
 * failure to begin shows as FAILED. Reads the secret's file. */
void oauth_ask(struct oauth *oauth);
/* The target refused the token numbered `generation`: forget it, unless there
 * is a newer one already. */
void oauth_refused(struct oauth *oauth, uint64_t generation);

/* For the unit tests and the fuzzer: what a token endpoint's answer says, in
 * `arena`.
 * Errors   TS_E_AUTH (an OAuth error), TS_E_PROTOCOL, TS_E_UNREACHABLE (5xx,
 *          429). */
TS_MUSTUSE enum ts_code oauth_parse(int status, struct ts_slice body,
                                    struct ts_arena *arena,
                                    struct oauth_token *ret_token,
                                    struct ts_err *err);

/* What oauth_client_refused() goes by. */
bool oauth_refuses_client(int status, struct ts_slice body);
/* "Authorization: Basic …" (RFC 6749 section 2.3.1), in `arena`; NULL: out of
 * memory. */
const char *oauth_basic(const char *id, struct ts_slice secret,
                        struct ts_arena *arena);

#endif
