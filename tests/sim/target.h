/*
 * target -- the cloud directory, and the authorization server before it.
 *
 * A request travels, is admitted (its token is looked at), takes effect up to
 * Q later, and is answered; each step may fail on its own. Admission and effect
 * are two moments: what was admitted takes effect although its sender has
 * died, and although its principal was fenced in between.
 *
 * Principals are made, asked for tokens, and deleted. A token outlives its
 * principal by the seed's lag. Deletions may arrive late or twice.
 *
 * The target's own account of what happened is what the judge (judge.h) goes
 * by; the nodes never see it.
 */
#ifndef TESTS_SIM_TARGET_H
#define TESTS_SIM_TARGET_H

#include "tests/sim/agenda.h"

#define TARGET_PRINCIPALS_MAX 256
#define TARGET_TOKENS_MAX     1024
#define TARGET_OBJECTS_MAX    512
#define TARGET_GIVEN_UP       256
#define TARGET_ID_SIZE        24

enum target_verb {
    SIM_CREATE,
    SIM_UPDATE,
    SIM_DELETE,
    SIM_LOOK, /* by anchor */
    SIM_LIST
};

enum target_status {
    SIM_ANSWERED, /* done; LOOK: `found`; LIST: `listed` */
    SIM_NO_SUCH,  /* update, delete: it is not there */
    SIM_TAKEN,    /* create: the anchor is there already */
    SIM_DENIED,   /* 401 */
    SIM_BUSY,     /* 503: not admitted */
    SIM_NO_ANSWER /* time-out, connection lost: it may have been done */
};

struct target_request {
    uint64_t ticket;
    int node;
    int64_t epoch; /* Twinsync-Op: in which epoch it was decided to send */
    int64_t token; /* 0: the target knows no tokens */
    enum target_verb verb;
    int anchor;
    int64_t value;
    int64_t id;      /* of the object; update, delete */
    uint64_t op;     /* the intent's: the same whenever it is sent */
    int64_t left_ms; /* of the lease, on the sender's clock */
};

struct target_found {
    int anchor;
    int64_t id, value;
};

struct target_answer {
    uint64_t ticket;
    enum target_verb verb;
    enum target_status status;
    int anchor;
    int64_t id, value;
    size_t count;                /* LOOK: 0 or more; LIST */
    struct target_found found[]; /* as of the effect */
};

struct target_object {
    int anchor; /* 0: the slot is free */
    int64_t id, value;
    int64_t effect_epoch; /* of the last effect on it */
};

struct target_principal {
    bool used, deleted;
    int64_t epoch, deleted_ms;
    int node; /* who made it */
    char id[TARGET_ID_SIZE];
    int64_t uses; /* admissions */
};

struct target_token {
    int principal; /* index */
    int64_t expires_ms;
};

struct target_way {
    bool cut;
    int busy, lose_request, lose_answer; /* permille */
    int64_t delay_ms;
};

struct sim_target {
    bool fences, unique;
    int64_t quiet_ms;    /* Q: the longest from admission to effect */
    int64_t slow_ms;     /* effects take up to this; at most Q */
    int64_t travel_ms;   /* some requests are on their way for so long */
    int64_t wire_ms;     /* what left arrives, for so long after a reset */
    int64_t lag_ms;      /* a token outlives its principal */
    int64_t lifetime_ms; /* of a token */
    struct target_way ways[2];
    int busy; /* everywhere, permille */
    /* Its own outage: who gives tokens and keeps clients is there. */
    int64_t out_from_ms, out_until_ms;
    size_t principal_count, token_count, object_count;
    struct target_principal principals[TARGET_PRINCIPALS_MAX];
    struct target_token tokens[TARGET_TOKENS_MAX];
    struct target_object objects[TARGET_OBJECTS_MAX];
    int64_t next_id;
    uint64_t admissions, effects, denials;
    int64_t journeys;
    struct {
        int64_t number, at_ms;
    } given_up[TARGET_GIVEN_UP]; /* the last ones */
    size_t given_up_count;
    int under_way; /* admitted, not yet in effect */
};

/* Answered by node_on_target() unless the node's life ends first. */
void target_send(struct world *world, const struct target_request *request);

/* The authorization server, at the moment of the call: whoever calls lets the
 * time of the way pass. -1: none. */
int target_mint(struct world *world, int node, int64_t epoch);
int target_principal_find(const struct sim_target *target, const char *id);
void target_principal_delete(struct world *world, int principal);
/* A token of it; 0: it is gone. */
int64_t target_token(struct world *world, int principal);
bool target_admits(const struct world *world, int64_t token);
bool target_is_out(const struct world *world);

const struct target_object *target_by_anchor(const struct sim_target *target,
                                             int anchor);
size_t target_count_of(const struct sim_target *target, int anchor);
void target_heal(struct sim_target *target);

#endif
