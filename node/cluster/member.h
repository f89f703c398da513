/*
 * member -- one node of the pair: may it export, and if not, what is missing?
 *
 * The whole of lease, promise, membership and takeover as one machine that does
 * no I/O, reads no clock and draws no random number: events come in with the
 * node's clocks, effects go out. The daemon's reactor and the simulator run the
 * same code.
 *
 *   STARTING --> STANDBY --> FENCING --> ACTIVE --> DRAINING --> STANDBY
 *      |  \         ^           |           |                       |
 *      |   LEARNER -+           +-----------+--> STANDBY            +-->
 * STOPPED
 *      +--> RETIRED (from any role: the register no longer lists this node;
 *           not while it waits to be listed, having joined anew)
 *
 * The table in role.c has a row, and a sentence, for every arrow.
 *
 * A takeover goes through these steps; a crash at any of them starts anew with
 * the next epoch, and nothing of an older step is ever trusted again:
 *
 *   probe -> mint P(e) -> swap the register to (e, this node, P(e)) -> make e
 *   durable -> fence every principal below e -> swap again (fenced; proves that
 *   nobody came between) -> activate the engine
 *
 * Invariants (asserted after each step, but M3, which takes two nodes):
 *   M1  the gate is open only as ACTIVE or DRAINING, in the epoch that the
 *       register was last seen to have with this node and this start as holder,
 *       and only until allowed_ms after the clocks that were read before the
 *       last confirmed renewal (or the request of the last promise) was sent.
 *   M2  nothing is activated before the register shows fenced for our epoch and
 *       the epoch is durable here.
 *   M3  at no instant do two nodes have a gate open in time.
 *   M4  at most one read or swap is outstanding; an unanswered swap is read
 *       back, and its outcome is what the register then shows, never a guess.
 *   M5  no promise is given while a swap is unanswered or in doubt, nor within
 *       the start wait; and none is broken, not by an operator either.
 *   M6  the highest epoch, membership and register id are durable, and no
 *       lower or other one is accepted.
 *   M7  only a listed voter swaps, but for init and repair by an operator.
 *   M8  a principal is listed in the register before anything asks for a token
 *       of it, and stays listed until its fence is confirmed.
 *
 * Every effect that has an answer gets exactly one event for it. Effects of one
 * step are performed in their order. What an effect points to lives until the
 * next step.
 */
#ifndef NODE_CLUSTER_MEMBER_H
#define NODE_CLUSTER_MEMBER_H

#include "node/base/clock.h"
#include "proto/register_codec.h"

#define MEMBER_TEXT_SIZE   384
#define MEMBER_EFFECTS_MAX 32
#define MEMBER_GATES_MAX   24
#define MEMBER_NONCE_SIZE  16
/* Of the facts that local.db keeps as one blob. */
#define MEMBER_FACTS_SIZE_MAX ((size_t) 64 * 1024)

struct member;

/* ---- options ------------------------------------------------------------ */

enum member_unprotected {
    MEMBER_UNPROTECTED_CONTINUE,
    MEMBER_UNPROTECTED_HOLD_DELETES, /* the engine holds; here as CONTINUE */
    MEMBER_UNPROTECTED_STOP          /* never record protected:false */
};

struct member_options {
    const char *name;               /* of this node; copied */
    uint8_t boot[REGISTER_ID_SIZE]; /* random, of this start of the process */
    int64_t ttl_ms, renew_ms, margin_ms;
    uint32_t clock_error_percent; /* epsilon */
    bool is_manual;               /* the register's driver knows no lease: no
                                     takeover but by an operator */
    enum member_unprotected unprotected;
    uint32_t level_max; /* the newest schema level this program writes */
    /* What was persisted last: the blob and, apart from it, the epoch of
     * local.db. Copied. */
    struct ts_slice facts; /* empty: local.db is new */
    uint64_t epoch;
    struct register_position position; /* of the state that is selected */
    bool has_state;                    /* a complete state is selected */
    bool is_joining; /* it has joined (anew) and was not listed since */
    struct ts_clocks now;
};

/* Refuse what cannot be safe: renew <= (T(1-e) - m) / 3 and the ranges.
 * Errors   TS_E_CONFIG: the sentence gives the figures. */
TS_MUSTUSE enum ts_code member_check(const struct member_options *options,
                                     struct ts_err *err);

/* Owns     *ret_member: free it.
 * Errors   member_check's; TS_E_CORRUPT, TS_E_VERSION (facts); TS_E_NOMEM. */
TS_MUSTUSE enum ts_code member_new(const struct member_options *options,
                                   struct member **ret_member,
                                   struct ts_err *err);
void member_free(struct member *member); /* NULL is fine */

/* ---- messages to and from the peer -------------------------------------- */

enum member_role {
    MEMBER_STARTING, /* has not read the register since its start */
    MEMBER_LEARNER,  /* replicates; no candidate, promises nothing */
    MEMBER_STANDBY,  /* replicates; a candidate */
    MEMBER_FENCING,  /* holds the lease, exports nothing yet */
    MEMBER_ACTIVE,   /* exports while the gate is open */
    MEMBER_DRAINING, /* finishes what is under way, then releases */
    MEMBER_STOPPED,  /* released; waits for the process to end */
    MEMBER_RETIRED,  /* no longer a member; for good */
    MEMBER_ROLES
};

enum member_message_kind {
    MEMBER_MESSAGE_HEARTBEAT, /* sent every renew_ms while the link is up */
    MEMBER_MESSAGE_PROMISE_REQUEST,
    MEMBER_MESSAGE_PROMISE_GRANT,
    MEMBER_MESSAGE_PROMISE_REFUSAL,
    MEMBER_MESSAGES
};

struct member_heartbeat {
    enum member_role role;
    struct register_position position;
    uint32_t level_max;
    bool fit;   /* every gate of its own is open */
    bool equal; /* follower: nothing of the leader is missing */
    bool paused, maintenance;
    bool wants_lease; /* an operator's failover there: the holder releases */
    uint64_t register_serial; /* of the value that it saw last */
    uint64_t register_age_ms; /* since it saw that value change */
};

/* The request; grant and refusal echo it. */
struct member_promise {
    uint64_t number, epoch, membership;
    uint8_t boot[REGISTER_ID_SIZE]; /* the holder's */
    uint8_t nonce[MEMBER_NONCE_SIZE];
};

struct member_message {
    enum member_message_kind kind;
    char from[REGISTER_NAME_SIZE];     /* authenticated by the link */
    uint8_t boot[REGISTER_ID_SIZE];    /* of the sender */
    uint8_t cluster[REGISTER_ID_SIZE]; /* the register's id as the sender knows
                                          it; zero: none */
    uint64_t epoch;                    /* the highest that the sender knows */
    uint64_t membership;               /* the same of the member list */
    struct member_heartbeat heartbeat;
    struct member_promise promise;
    char text[MEMBER_TEXT_SIZE]; /* of a refusal */
};

/* ---- events ------------------------------------------------------------- */

/* The gates that only a probe can know; it answers all of them at once. */
enum member_probe {
    MEMBER_PROBE_SOURCE,
    MEMBER_PROBE_TARGET,
    MEMBER_PROBE_REGISTRATION, /* where principals are made */
    MEMBER_PROBE_DISK,
    MEMBER_PROBE_STATE,  /* selected, complete, its sums right */
    MEMBER_PROBE_CONFIG, /* the peer's configuration is not another one */
    MEMBER_PROBES
};

enum member_event_kind {
    MEMBER_TICK,        /* member_deadline() has come; harmless at any time */
    MEMBER_READ,        /* answers MEMBER_DO_READ */
    MEMBER_SWAPPED,     /* answers MEMBER_DO_SWAP */
    MEMBER_PERSISTED,   /* answers MEMBER_DO_PERSIST */
    MEMBER_MINTED,      /* answers MEMBER_DO_MINT */
    MEMBER_FENCED,      /* answers MEMBER_DO_FENCE */
    MEMBER_PROBED,      /* answers MEMBER_DO_PROBE */
    MEMBER_ACTIVATED,   /* answers MEMBER_DO_ACTIVATE */
    MEMBER_DEACTIVATED, /* answers MEMBER_DO_DEACTIVATE: no request is under
                           way any more */
    MEMBER_HEARD,       /* a message of the peer */
    MEMBER_LINK,        /* the link to the peer came up or went down */
    MEMBER_PROGRESS,    /* the exporter's loop went round since the last one */
    MEMBER_POSITION,    /* the state of this node moved */
    MEMBER_EQUAL, /* leader: has the follower all of ours on its disk? Sent
                     with every acknowledgement; a new position says no */
    MEMBER_TOKEN, /* our principal received a token: may it be used? */
    MEMBER_UNPROTECTED, /* a batch waits for a silent standby */
    MEMBER_GENERATION,  /* a first load is complete: record its generation */
    MEMBER_COMMAND,     /* of an operator or of the daemon; answered by id */
    MEMBER_EVENTS
};

enum member_read_status {
    MEMBER_READ_VALUE,
    MEMBER_READ_ABSENT, /* the register holds nothing */
    MEMBER_READ_FAILED, /* not reached: nothing is known */
    MEMBER_READ_FOREIGN /* another server than the pinned one answers */
};

enum member_swap_outcome {
    MEMBER_SWAP_DONE,
    MEMBER_SWAP_LOST,    /* another value was there: certainly not done */
    MEMBER_SWAP_UNKNOWN, /* may have been done, or still be */
    MEMBER_SWAP_FAILED   /* certainly not done: not sent, or refused */
};

/* What became of one principal below our epoch. */
struct member_fencing {
    uint64_t epoch;              /* the principal's */
    bool confirmed;              /* gone, or of a kind that nobody can fence */
    char text[MEMBER_TEXT_SIZE]; /* evidence, or what it waits for */
};

enum member_command {
    MEMBER_COMMAND_FAILOVER, /* here; as holder: to the peer */
    MEMBER_COMMAND_PAUSE,    /* export nothing; keep the lease */
    MEMBER_COMMAND_RESUME,
    MEMBER_COMMAND_MAINTENANCE_ON, /* no candidate; a holder hands over first */
    MEMBER_COMMAND_MAINTENANCE_OFF,
    MEMBER_COMMAND_ADMIT,  /* `node` becomes the learner; by the holder */
    MEMBER_COMMAND_RETIRE, /* `node` is no member any more; by the holder */
    MEMBER_COMMAND_RESEAL, /* our own principal is sealed as `sealed` */
    MEMBER_COMMAND_LEVEL,  /* `level` becomes the schema level; by the holder */
    MEMBER_COMMAND_INIT,   /* write the first value; needs `random` */
    MEMBER_COMMAND_REPAIR, /* a lost or restored register; needs `random` */
    MEMBER_COMMAND_REPIN,  /* accept the server that answers as `server` */
    MEMBER_COMMAND_ACCEPT_FENCE, /* the operator answers for the fence that is
                                    pending; by who fences */
    MEMBER_COMMAND_HANDOVER, /* `handover` becomes the register's field; by the
                                holder */
    MEMBER_COMMAND_RELEASE,  /* the process is to end: drain, release, stop */
    MEMBER_COMMANDS
};

struct member_request {
    uint64_t id; /* echoed by MEMBER_DO_ANSWER */
    enum member_command command;
    const char *actor, *reason;     /* for the history; not NULL */
    bool accept_data_loss;          /* FAILOVER */
    int64_t for_ms;                 /* PAUSE; 0: until resumed */
    const char *node;               /* ADMIT, RETIRE */
    struct ts_slice sealed;         /* RESEAL */
    uint64_t at_s;                  /* the same: wall clock, to be told only */
    bool wipe;                      /* RETIRE: it is to destroy what it knows */
    uint8_t key[REGISTER_KEY_SIZE]; /* RETIRE: its link's; zero: not known */
    uint32_t level;                 /* LEVEL */
    struct ts_slice server;         /* REPIN, INIT, REPAIR; empty: none */
    struct ts_slice handover; /* HANDOVER: empty clears it. FAILOVER, by the
                                 holder: written in the swap that releases;
                                 empty: it stays */
    uint8_t random[REGISTER_ID_SIZE];
};

struct member_event {
    enum member_event_kind kind;
    const char *text; /* of a failure: the driver's sentence; may be NULL */
    union {
        struct {
            enum member_read_status status;
            struct ts_slice bytes;
        } read;
        enum member_swap_outcome swapped;
        struct {
            uint64_t number;
            bool ok;
        } persisted;
        const struct register_principal *minted; /* NULL: failed */
        struct {
            const struct member_fencing *rows; /* of those that were asked */
            size_t count;
            int64_t again_ms; /* pending: ask again after this long */
        } fenced;
        struct {
            bool ok[MEMBER_PROBES];
            const char *texts[MEMBER_PROBES]; /* NULL is fine */
        } probed;
        bool activated; /* false: it failed, see text */
        const struct member_message *heard;
        bool link_up;
        struct {
            struct register_position at;
            bool has_state;
        } position;
        bool equal;
        struct {
            uint8_t hash[REGISTER_HASH_SIZE];
            uint32_t lifetime_s;
        } token;
        uint64_t generation;
        struct member_request command;
    };
};

/* ---- effects ------------------------------------------------------------ */

enum member_effect_kind {
    MEMBER_DO_READ,       /* -> MEMBER_READ */
    MEMBER_DO_SWAP,       /* -> MEMBER_SWAPPED; never together with a read */
    MEMBER_DO_PERSIST,    /* -> MEMBER_PERSISTED */
    MEMBER_DO_MINT,       /* -> MEMBER_MINTED */
    MEMBER_DO_UNMINT,     /* no answer; best effort */
    MEMBER_DO_FENCE,      /* -> MEMBER_FENCED */
    MEMBER_DO_PROBE,      /* -> MEMBER_PROBED */
    MEMBER_DO_SEND,       /* to the peer; may be lost */
    MEMBER_DO_ACTIVATE,   /* -> MEMBER_ACTIVATED */
    MEMBER_DO_DEACTIVATE, /* -> MEMBER_DEACTIVATED */
    MEMBER_DO_CANCEL,     /* end every export at once; no answer */
    MEMBER_DO_TOKEN,      /* answers MEMBER_TOKEN */
    MEMBER_DO_PROTECTION, /* the register now shows this, confirmed */
    MEMBER_DO_GENERATION, /* answers MEMBER_GENERATION: it is recorded */
    MEMBER_DO_PIN,        /* accept `bytes` as the register's server */
    MEMBER_DO_RECORD,     /* a line of the history */
    MEMBER_DO_ANSWER,     /* answers MEMBER_COMMAND */
    MEMBER_EFFECT_KINDS
};

enum member_leave {
    MEMBER_LEAVE_AT_ONCE, /* the lease is lost */
    MEMBER_LEAVE_DRAINED  /* finish what is under way first */
};

struct member_activation {
    uint64_t epoch;
    const struct register_principal *principal; /* our own, published */
    bool reconcile_first; /* behind, or after an unprotected period */
    bool quiesce_all;     /* every object waits Q, not only those in doubt */
    bool accept_data_loss;
    bool crashed; /* the last holder ended without handing over, as far as is
                   * known: one that lapsed and lives is known to itself only */
    uint64_t data_generation;
};

struct member_effect {
    enum member_effect_kind kind;
    union {
        struct {
            struct ts_slice expected; /* empty: it must be absent */
            struct ts_slice bytes;
        } swap;
        struct {
            uint64_t number, epoch;
            struct ts_slice facts;
        } persist;
        struct {
            uint64_t epoch;
            /* NULL but in a test that breaks a rule: the principal that is to
             * be enabled again instead of making one. */
            const struct register_principal *again;
        } mint;
        const struct register_principal *unmint;
        struct {
            const struct register_principal *own;
            const struct register_principal *rows[REGISTER_PRINCIPALS_MAX];
            size_t count;
        } fence;
        const struct member_message *send;
        struct member_activation activate;
        enum member_leave deactivate;
        struct {
            uint8_t hash[REGISTER_HASH_SIZE];
            bool ok; /* false: it must not be used */
        } token;
        struct {
            bool is_unprotected;
            uint64_t epoch;
        } protection;
        uint64_t generation;
        struct ts_slice pin;
        struct {
            const char *name;  /* "takeover", "fenced", "released", ... */
            const char *actor; /* "automatic" or who asked */
            uint64_t epoch;
        } record;
        struct {
            uint64_t id;
            int status; /* of the process: 0 done, 1 failed, 3 refused */
        } answer;
    };
    char text[MEMBER_TEXT_SIZE]; /* why: RECORD, ANSWER, DEACTIVATE, CANCEL,
                                    TOKEN */
};

struct member_effects {
    size_t count;
    struct member_effect items[MEMBER_EFFECTS_MAX];
};

/* ---- running ------------------------------------------------------------ */

/* The one entrance. `out` is overwritten. Any event may come at any time: what
 * does not fit is ignored. */
void member_step(struct member *member, const struct member_event *event,
                 struct ts_clocks now, struct member_effects *out);

/* Milliseconds until it wants a MEMBER_TICK; 0: now. */
int64_t member_deadline(struct member *member, struct ts_clocks now);

/* What other threads need to decide by themselves, published by the wiring
 * after every step. */
struct member_gate {
    bool open; /* it may export */
    bool held; /* it holds the lease: a token may be recorded, also while
                  it fences */
    uint64_t epoch;
    struct ts_clocks from; /* read before what renewed the lease was sent */
    int64_t allowed_ms;    /* T(1-e) - m */
    bool may_unprotected; /* what no follower has acknowledged may be sent: less
                             than what the register shows (wants.c) */
};
struct member_gate member_gate(const struct member *member);
/* Of the lease, by fresh clocks of the calling thread; 0: do not send. */
int64_t member_gate_left(const struct member_gate *gate, struct ts_clocks now);

/* ---- what is shown ------------------------------------------------------ */

struct member_view {
    enum member_role role;
    const char *sentence; /* why it is in this role */
    const char *step;     /* of a takeover, or "" */
    uint64_t epoch;       /* the highest known */
    /* The register's id, once it is durable here that this node belongs to it:
     * what it tells the peer in each message. NULL: none. */
    const uint8_t *cluster;
    bool has_value;                     /* the register was read */
    const struct register_value *value; /* as seen last */
    int64_t value_age_ms;               /* since it was seen to change */
    bool register_ok;          /* the last call had an answer that fits */
    const char *register_text; /* what is wrong with it, or "" */
    int64_t remaining_ms;      /* of the lease, as holder */
    bool is_promised;          /* it rests on a promise, not on the register */
    bool has_promised;         /* a promise of ours is in force */
    bool paused, maintenance;
    bool swap_in_doubt;                  /* a swap unanswered or ambiguous */
    const struct member_heartbeat *peer; /* NULL: nothing heard */
    int64_t peer_age_ms;
};
void member_view(struct member *member, struct ts_clocks now,
                 struct member_view *ret_view);

/* The conditions for exporting on this node, in the order in which they are
 * needed. */
struct member_gate_row {
    const char *name;
    bool ok;
    char value[MEMBER_TEXT_SIZE];
    char threshold[96];
    char fix[MEMBER_TEXT_SIZE]; /* "" when ok */
};
size_t member_explain(struct member *member, struct ts_clocks now,
                      struct member_gate_row rows[static MEMBER_GATES_MAX]);

const char *member_role_name(enum member_role role); /* "standby" */

/* The table of roles, for `explain`, the manual and coverage. */
struct member_transition {
    enum member_role from, to;
    const char *when;     /* the guard's name: "lease lost" */
    const char *sentence; /* what a person is told */
};
const struct member_transition *member_transitions(size_t *ret_count);

#endif
