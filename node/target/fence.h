/*
 * fence -- when is a principal certainly gone? A pure machine.
 *
 * It says what to do next and is told what came of it; it sends nothing and
 * reads no clock. principal_oauth.c does what it says over HTTP, the simulator
 * against a target of its own.
 *
 *   ASK_CANARY --> TRY_CANARY -------------------> DELETE --> ASK_AGAIN -->
 * verify a token as     a read with it: served            the        a token as
 * the the old one       | not served                   client     old one:
 * refused v                                ^ SEE_CANARY: active by
 * introspection-+
 *
 * What verifies, the first that is open:
 *   refusals        FENCE_REFUSALS reads with the canary got 401, each beside a
 *                   read with our own token that was served;
 *   introspection   the canary, active before, is inactive now, and our own is
 *                   active: for a canary that the target did not serve, since a
 *                   target may remember longer than its authorization server;
 *   expiry          every token that was ever recorded has ended by itself.
 *
 * The canary is a second token of the old principal. The old node's own is
 * known by its hash only, so what is shown for the canary has to hold for it:
 *   - The canary is not revoked (RFC 7009) before it is judged. A revoked token
 *     says nothing about its sisters.
 *   - It counts as evidence only when it was admitted before the client was
 *     deleted (positive control), and only while it cannot have expired by
 *     itself: a younger token might live on.
 *   - A service that remembers tokens for a while may have seen the old node's
 *     later than the canary. So the last refusal comes at least as long after
 *     the first as the deletion came after the canary's admission.
 *
 * Invariants:
 *   F1  DONE is reached only after the client was found gone, and by one of the
 *       three kinds of evidence.
 *   F2  only an authentication refusal is one: an outage, 403, 429 or 5xx is
 *       neither a refusal nor a success, and changes no count.
 *   F3  a principal that never received a token, by the register's row, has
 *       none to wait for: a token is recorded there before its first use.
 *   F4  every state can be entered again from the beginning: what was deleted
 *       already is found so. What is lost then is the canary, so that only
 *       expiry is left as evidence; unless this host remembers (fence_memory).
 */
#ifndef NODE_TARGET_FENCE_H
#define NODE_TARGET_FENCE_H

#include <stddef.h>

#include "node/base/clock.h"

enum {
    FENCE_REFUSALS = 5,
    FENCE_PATIENCE = 5, /* odd answers before going on without the canary */
    FENCE_WAIT_MIN_MS = 250,
    FENCE_WAIT_MAX_MS = 5000,
    FENCE_EXPIRY_MARGIN_MS = 1000,
    /* A canary whose life the server does not tell counts for so long. */
    FENCE_UNSAID_LIFE_S = 60
};
#define FENCE_LIFETIME_UNKNOWN ((int64_t) UINT32_MAX)

enum fence_act {
    FENCE_ASK_CANARY, /* a token as the principal to be fenced */
    FENCE_TRY_CANARY, /* a read with it at the target, a fresh connection */
    FENCE_SEE_CANARY, /* introspect it */
    FENCE_DELETE,     /* the client */
    FENCE_ASK_AGAIN,  /* another token as it; to be thrown away if granted */
    FENCE_TRY_OWN,    /* the same read with our own token, a fresh connection */
    FENCE_SEE_OWN,    /* introspect our own */
    FENCE_WAIT,       /* fence_wait_ms() */
    FENCE_DONE
};

enum fence_answer {
    FENCE_YES,  /* granted, served, active, deleted */
    FENCE_NO,   /* 401; of DELETE also 404; of a token request invalid_client;
                   of introspection active:false */
    FENCE_BUSY, /* no answer, 429, 5xx */
    FENCE_ODD   /* anything else */
};

enum fence_evidence {
    FENCE_BY_NOTHING, /* not confirmed */
    FENCE_BY_INTROSPECTION,
    FENCE_BY_REFUSALS,
    FENCE_BY_EXPIRY,
    FENCE_BY_NO_TOKEN /* F3 */
};

struct fence_options {
    bool introspection;     /* there is an endpoint */
    int64_t lifetime_s;     /* the longest recorded; 0: it never had a token */
    uint32_t error_percent; /* of clock rates */
};

/* Treat the fields as private. */
struct fence {
    struct fence_options options;
    enum fence_act next;
    struct ts_clocks began; /* the act that is under way */
    struct ts_clocks wait_from;
    int64_t wait_ms, back_off_ms;
    uint32_t odd; /* answers since the last step forward */

    bool canary, admitted, seen;
    struct ts_clocks canary_from, admitted_at;
    int64_t canary_life_ms;

    bool gone;
    struct ts_clocks gone_at;
    int64_t span_ms; /* from the canary's admission to the end */
    uint32_t refusals;
    struct ts_clocks first_refusal;
    enum fence_evidence evidence;

    enum fence_act last; /* for the text */
    enum fence_answer answer;
};

void fence_init(struct fence *fence, const struct fence_options *options);

/* What to do now. The same until it was told, or time has passed. */
enum fence_act fence_next(struct fence *fence, struct ts_clocks now);
/* WAIT: for how long at the most, from `now`. */
int64_t fence_wait_ms(const struct fence *fence, struct ts_clocks now);
/* What came of the act that fence_next() gave. `lifetime_s`: of the canary that
 * was granted, else ignored. */
void fence_tell(struct fence *fence, enum fence_answer answer,
                int64_t lifetime_s, struct ts_clocks now);

/* What a fence has come to that cannot be had twice. Its clocks are those of
 * one boot of one host, and mean nothing after the next. */
struct fence_memory {
    bool canary, admitted, seen, gone;
    struct ts_clocks canary_from, admitted_at, gone_at;
    int64_t canary_life_ms;
};
void fence_remember(const struct fence *fence, struct fence_memory *ret_memory);
/* Go on from there: a fence that was initialised and not begun. */
void fence_resume(struct fence *fence, const struct fence_memory *memory,
                  struct ts_clocks now);

enum fence_evidence fence_evidence(const struct fence *fence);
/* DONE: the evidence; else what it waits for. Half a sentence. */
void fence_text(const struct fence *fence, struct ts_clocks now, char *text,
                size_t size);

#endif
