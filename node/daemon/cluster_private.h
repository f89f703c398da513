/*
 * cluster_private -- what the files of the cluster share; see cluster.h.
 *
 *   cluster.c          life, and the reactor's parts
 *   cluster_member.c   the member: events in, effects performed
 *   cluster_sweep.c    credentials that nobody will ever use
 *   cluster_probe.c    whether this node is fit to export
 *   cluster_store.c    calls to the engine, and their answers
 *   cluster_follow.c   the leader, the follower and their work
 *   cluster_peer.c     messages of the link
 *   cluster_secrets_feed.c  changed passwords: who is to have them
 *   cluster_retire.c   another node is taken out for good
 *   cluster_rekey.c    the pair's key becomes another one
 *   cluster_retired.c  this one was
 *   cluster_view.c     what is shown of all that
 *   cluster_command.c  what operators ask
 */
#ifndef NODE_DAEMON_CLUSTER_PRIVATE_H
#define NODE_DAEMON_CLUSTER_PRIVATE_H

#include "node/cluster/member.h"
#include "node/daemon/cluster.h"
#include "node/daemon/cluster_fence.h"
#include "node/daemon/cluster_gate.h"
#include "node/daemon/cluster_recount.h"
#include "node/daemon/cluster_register.h"
#include "node/daemon/cluster_rekey.h"
#include "node/daemon/cluster_retire.h"
#include "node/daemon/cluster_secrets.h"
#include "node/daemon/cluster_ship.h"
#include "node/register/configured.h"
#include "proto/wire_codec.h"
#include "replication/certificate.h"
#include "replication/follower.h"
#include "replication/generation.h"
#include "replication/leader.h"
#include "replication/retirement.h"

#define CLUSTER_COMMANDS_MAX 8 /* of operators, unanswered */

/* An operator's command that the member has not answered. */
struct cluster_pending {
    uint64_t id; /* 0: free */
    enum member_command command;
    struct control_reply *reply;
};

/* Answers that the member is owed because a thread did not take the call. */
struct cluster_owed {
    bool read, swap, persist, mint, fence, probe, activate, deactivate;
    uint64_t persist_number;
    char text[MEMBER_TEXT_SIZE];
};

/* Likewise what the leader and the follower are owed: told at the next tick,
 * since a machine is not stepped from within its own actions. Of several jobs
 * the last: a machine waits for one, and takes a chunk's write for lost. */
struct cluster_refused_job {
    enum ts_code code; /* TS_OK: none */
    enum ship_type type;
    uint64_t ticket;
    uint32_t index;
};
struct cluster_refused {
    struct cluster_refused_job leader, follower;
    bool hints, apply, install;
};

/* What two probes found, joined. */
struct cluster_probe {
    int outstanding;
    bool ok[MEMBER_PROBES];
    char texts[MEMBER_PROBES][MEMBER_TEXT_SIZE];
};

struct cluster_handover;

struct cluster {
    struct cluster_options options;
    const struct config *config;
    const struct config_member *peer; /* the one whom the link is to; NULL:
                                         this node is named alone */
    struct ts_hash config_hash;
    struct engine_pair port;
    struct engine *engine;
    struct reactor *reactor;
    struct post *post;
    struct cluster_gate *gate;
    struct register_configured register_options;
    struct cluster_register *reg;
    char server[REGISTER_IDENTITY_SIZE]; /* that answered last; "": none */
    struct cluster_fence *fence;
    struct cluster_ship *ship;
    struct cluster_link *link;
    struct cluster_secrets *secrets;
    char peer_key[CERTIFICATE_TEXT_SIZE]; /* of the link's peer; "": none */
    struct cluster_retire *retire;
    struct cluster_rekey *rekey;
    bool closed;

    /* The member. */
    struct member *member;
    struct member_effects effects;
    bool stepping;
    struct cluster_owed owed;
    struct cluster_probe probe;
    bool unmint_wanted;
    struct ts_time sweep_from; /* not before; TS_NEVER: nothing to sweep */
    struct {
        bool wanted;
        uint64_t number;
        struct ts_hash hash;
    } token;
    enum member_role role; /* as it was published last */
    uint8_t boot[REGISTER_ID_SIZE];
    char boot_text[2 * REGISTER_ID_SIZE + 1];

    /* The epoch below the present one, and who held it. */
    struct leader_predecessor holder, before;
    int64_t epoch_told; /* the highest that the history has */
    char takeover_actor[REGISTER_NAME_SIZE];
    char takeover_reason[MEMBER_TEXT_SIZE];

    /* Replication. */
    struct leader *leader;
    struct leader_actions leader_actions;
    struct follower *follower;
    struct follower_actions follower_actions;
    struct cluster_refused refused;
    struct journal_position position; /* of the selected state */
    struct follower_wrote wrote;
    bool leads, follows;
    bool engine_active; /* from the call that activates to the answer of the
                           one that deactivates */
    int under_way;      /* apply and install, unanswered */
    bool link_up, equal;
    bool follower_counts; /* as in the gate (CG3) */
    bool batch_waits;     /* for the standby, since its last acknowledgement */
    struct db_schema schema;
    struct ship_options ship_options;
    struct journal_position acked;

    /* Are the rows those of the sum? */
    struct {
        struct cluster_recount *counter;
        char path[GENERATION_PATH_SIZE]; /* of the selected state; "": none */
        struct ts_time due;
        bool damaged;
        struct ts_err why;            /* damaged */
        char done[TS_WALL_TEXT_SIZE]; /* when the last one ended; "": none */
        int64_t seq;                  /* at which */
    } recount;

    /* The peer, as it said last. */
    bool peer_heard, peer_leads;
    struct ts_hash peer_config_hash;
    struct ts_time admit_from;     /* not before */
    struct ts_time strangers_from; /* an event tells of them not before */
    uint64_t strangers_told;       /* how many there were when one did */

    /* This node, as a member. */
    struct {
        bool is_joining; /* it was not listed since it joined */
        bool is_out;
        struct retirement what; /* is_out */
    } retired;

    struct cluster_handover *handover;
    size_t tail_hints; /* of the other node's tail, in this epoch */

    /* Operators. */
    struct cluster_pending pending[CLUSTER_COMMANDS_MAX];
    uint64_t last_id, release_id;
    struct ts_time release_by;
    char fence_evidence[MEMBER_TEXT_SIZE];
    bool fence_pending;
    bool fence_accepted; /* by an operator, without proof, in this epoch */
};

/* --- cluster.c ------------------------------------------------------------ */

/* The pair's key is there from now on, and with it the fence.
 * Blocks   on the disk, once in the life of a pair. Errors: of the parts. */
TS_MUSTUSE enum ts_code cluster_make_key(struct cluster *c, struct ts_err *err);

/* --- cluster_member.c ---------------------------------------------------- */

/* Step the member, publish, perform, and pay what is owed. */
void cluster_feed(struct cluster *c, const struct member_event *event);
void cluster_tick(struct cluster *c);
struct ts_time cluster_member_deadline(const struct cluster *c);
/* What came of calls, as the options of the threads' adapters want it. */
void cluster_on_register(void *context,
                         const struct cluster_register_answer *answer);
void cluster_on_fence(void *context, const struct cluster_fence_answer *answer);
void cluster_on_token(void *context, const struct cluster_token *token);

/* A sentence, cut where it is longer than the member keeps. */
void cluster_say(char text[static MEMBER_TEXT_SIZE], const char *what);

/* --- cluster_sweep.c ------------------------------------------------------ */

#define CLUSTER_SWEEP_AGAIN_MS 10000 /* after a failure */

/* When it is due, and nothing can be about to be published. */
void cluster_sweep(struct cluster *c);
void cluster_on_swept(struct cluster *c,
                      const struct cluster_fence_answer *answer);

/* --- cluster_probe.c ------------------------------------------------------ */

/* Another member has told another configuration than ours. */
bool cluster_peer_differs(const struct cluster *c);
void cluster_probe(struct cluster *c, const struct member_effect *effect);
/* The fence's part of the answer. */
void cluster_probe_registration(struct cluster *c, bool ok, const char *text);

/* --- cluster_store.c ----------------------------------------------------- */

/* The answer of the engine, on the reactor's thread. */
struct cluster_store_answer {
    enum ts_code code;
    struct ts_err err;
    struct journal_position position;
    bool has_gates;
    struct engine_gate_result gates[ENGINE_GATES];
    char state_path[GENERATION_PATH_SIZE]; /* "": there is none */
    uint8_t *kept; /* engine_handover_kept: its bytes; lives as the answer */
    size_t kept_size;
    struct ts_hash head_hash;
    int64_t head_seq;
};
typedef void cluster_store_fn(struct cluster *c,
                              const struct cluster_store_answer *answer,
                              uint64_t number);
/* False: out of memory, nothing is to be called. `number` comes back. */
bool cluster_store_call(struct cluster *c, cluster_store_fn *answered,
                        uint64_t number, struct engine_done *ret_done);
/* Nobody waits for what comes of it. */
struct engine_done cluster_store_forget(void);
void cluster_store_port(struct cluster *c);
/* Tell the machines what other threads have told the gate. */
void cluster_store_signs(struct cluster *c);
/* The selected state is there now: tell the member. */
void cluster_moved(struct cluster *c, const struct journal_position *position);

/* --- cluster_follow.c ---------------------------------------------------- */

TS_MUSTUSE enum ts_code cluster_follow_start(struct cluster *c,
                                             const char *state_path,
                                             struct ts_err *err);
/* The state is another file now. */
void cluster_selected(struct cluster *c, const char *path);
/* After a change of role, link or engine: begin and end what has to. */
void cluster_follow_settle(struct cluster *c);
void cluster_lead(struct cluster *c, const struct leader_event *event);
void cluster_follow(struct cluster *c, const struct follower_event *event);
void cluster_on_ship(void *context, const struct ship_result *result);
/* The daily recount, when it is due. */
void cluster_recount_tick(struct cluster *c, struct ts_time now);
void cluster_follow_tick(struct cluster *c, struct ts_time now);
struct ts_time cluster_follow_deadline(const struct cluster *c);

/* --- cluster_peer.c ------------------------------------------------------ */

TS_MUSTUSE enum ts_code cluster_peer_start(struct cluster *c,
                                           struct ts_err *err);
TS_MUSTUSE enum ts_code cluster_peer_attach(struct cluster *c,
                                            struct ts_err *err);
void cluster_peer_send(struct cluster *c, const struct member_message *message);
/* One of the pair's own that no machine sends; the header is filled here. */
void cluster_peer_tell(struct cluster *c, struct wire_message *message);
void cluster_peer_frame(struct cluster *c, const struct frame *frame);
/* What is not sent is not sent later. */
void cluster_peer_secret(struct cluster *c, struct wire_message *message);
/* The command token-create; false: this node has no peer. */
bool cluster_peer_token(struct cluster *c, const json_t *args,
                        struct control_reply *reply);
/* The peer is a stranger from now on. */
void cluster_peer_forget(struct cluster *c);
void cluster_peer_close(struct cluster *c);

struct cluster_peer_view {
    bool connected;
    int64_t silent_ms; /* -1: never heard */
    int64_t round_trip_us;
    uint64_t strangers; /* refused */
};
void cluster_peer_view(const struct cluster *c,
                       struct cluster_peer_view *ret_view);
/* Of the link: somebody was not let in. */
void cluster_on_refused(void *context, const char *address, const char *key,
                        const char *why);

/* --- cluster_secrets_feed.c ---------------------------------------------- */

TS_MUSTUSE enum ts_code cluster_secrets_start(struct cluster *c,
                                              struct ts_err *err);
/* After each step of the member, and of the link. */
void cluster_secrets_feed(struct cluster *c);
/* True when the message is one about secrets. */
bool cluster_secrets_heard(struct cluster *c,
                           const struct wire_message *message);

/* --- cluster_view.c ------------------------------------------------------ */

/* Give the engine what `status` shows of the pair. */
void cluster_publish_status(struct cluster *c);
json_t *cluster_explain(struct cluster *c);
json_t *cluster_register_document(struct cluster *c);

/* --- cluster_retired.c ---------------------------------------------------- */

/* After a change of role: out for good, or listed at last? */
void cluster_retired_settle(struct cluster *c);

/* --- cluster_command.c --------------------------------------------------- */

void cluster_answer(struct cluster *c, uint64_t id, int status,
                    const char *text);
void cluster_forget_commands(struct cluster *c);

/* --- small conversions ---------------------------------------------------- */

struct register_position
cluster_register_position(const struct journal_position *position);

#endif
