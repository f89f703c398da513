/*
 * private -- the state of a member, for the files of this folder.
 *
 * A step has three phases, so that no rule depends on the order of events:
 *
 *   absorb    what the event says is written down (observe, takeover, wants)
 *   role      rows of the table whose guard has become true are taken
 *   pump      what is due now is asked for: a read or a swap, a message, facts
 *
 *   observe.c     the register's value, its changes, regressions, doubt
 *   compose.c     the next value: everything that is wanted, in one swap
 *   claims.c      the one outstanding call of the register
 *   wants.c       tokens, protection, generation, members: asked and confirmed
 *   promise.c     promises asked for, given, counted
 *   retire.c      a member is taken out for good
 *   takeover.c    the steps from candidate to activation
 *   gates.c       conditions, with value, threshold and fix
 *   role.c        the table
 *   command.c     what operators ask
 *   peer.c        heartbeats, the other node's fitness
 */
#ifndef NODE_CLUSTER_PRIVATE_H
#define NODE_CLUSTER_PRIVATE_H

#include "node/base/rule.h"
#include "node/cluster/facts.h"
#include "node/cluster/lease.h"
#include "node/cluster/member.h"

#define MEMBER_POLL_MS        250   /* how often a worried standby reads */
#define MEMBER_PROBE_MS       10000 /* how often a calm node is probed */
#define MEMBER_PROBE_FRESH_MS 1000  /* how old a candidate's probe may be */
#define MEMBER_YIELD_MS       30000 /* how long a peer must be fitter */
#define MEMBER_TAKEOVERS_MS   900000
#define MEMBER_ATTEMPTS       8
#define MEMBER_REPAIR_EPOCHS  1000000 /* see command.c */
#define MEMBER_FENCE_AGAIN_MS 1000

enum claim_op {
    CLAIM_NONE,
    CLAIM_READ,
    CLAIM_SWAP
};

/* A swap that was sent: to which value, and which clocks were read before. */
struct attempt {
    uint64_t serial;
    struct ts_clocks at;
};

/* The register as this node knows it. */
struct observed {
    bool has_value; /* `value` was read and accepted */
    struct register_value value;
    struct ts_slice bytes; /* of `value`, in bytes_room */
    uint8_t bytes_room[REGISTER_VALUE_SIZE_MAX];
    struct ts_clocks changed; /* when it was seen to change */
    struct ts_clocks epoch_changed;
    bool was_read;   /* an answer of any kind since the start */
    bool ok;         /* the last answer was a value that fits */
    bool is_absent;  /* the last answer: there is nothing */
    bool is_foreign; /* the last answer: another server */
    bool regressed;  /* the last answer: a value that cannot follow ours */
    char text[MEMBER_TEXT_SIZE]; /* what is wrong */
    bool has_rejected;           /* a value that is there, but not believed */
    struct register_value rejected;
    struct ts_slice rejected_bytes;
    uint8_t rejected_room[REGISTER_VALUE_SIZE_MAX];
};

/* The register's one outstanding call, and what may still land. */
struct claims {
    enum claim_op op;
    uint64_t asked_epoch, asked_membership; /* known then */
    struct ts_clocks done;                  /* when the last one was answered */
    bool has_done;
    bool failed;        /* it had no effect, or no answer that can be used */
    bool read_next;     /* something must be read before anything is written */
    bool in_doubt;      /* a swap from `observed` may still land */
    bool doubt_members; /* and it changes the members */
    bool doubt_protected; /* and it says that both nodes have everything */
    bool claimed;         /* this takeover's swap was sent at least once */
    struct register_value tried;
    struct ts_slice tried_bytes;
    uint8_t tried_room[REGISTER_VALUE_SIZE_MAX];
    uint64_t serial_last;
    struct attempt attempts[MEMBER_ATTEMPTS];
    size_t attempts_next;
    bool wrote_init; /* the swap under way is an init or a repair */
};

struct lease {
    bool held;
    uint64_t epoch;
    struct ts_clocks from;
    bool is_promised; /* `from` is a promise's */
    bool progressed;  /* the exporter's loop went round since the renewal */
};

enum takeover_step {
    TAKEOVER_NONE,
    TAKEOVER_MINTING,    /* the principal is being made */
    TAKEOVER_CLAIMING,   /* the swap to our epoch is to be, or may be, done */
    TAKEOVER_PERSISTING, /* the epoch is being made durable */
    TAKEOVER_FENCING,    /* principals below are being destroyed */
    TAKEOVER_CONFIRMING, /* the swap that re-reads and records the fence */
    TAKEOVER_ACTIVATING, /* the engine is being told */
    TAKEOVER_STEPS
};

struct takeover {
    enum takeover_step step;
    bool abandoned; /* while minting: what comes is unmade */
    uint64_t epoch;
    bool has_principal;
    struct register_principal principal;
    uint64_t persist_number; /* to be confirmed */
    bool reconcile_first, quiesce_all, accept_data_loss, crashed;
    bool planned;       /* by an operator here */
    bool was_planned;   /* the lease was released on purpose */
    bool is_own_return; /* a single voter's own, and not because it hung */
    int64_t backoff_ms; /* after a failure, before the next try */
    struct ts_clocks failed_at;
    char failed_text[MEMBER_TEXT_SIZE];
    struct ts_clocks claimed_at; /* before the first swap was sent */
    struct ts_clocks early;      /* only with a rule off */
    bool has_last;               /* the principal that this start used last */
    struct register_principal last;
    bool fence_asked;
    struct ts_clocks fence_again_from;
    int64_t fence_again_ms;
    size_t confirmed_count;
    uint64_t confirmed[REGISTER_PRINCIPALS_MAX]; /* epochs of principals */
    char fence_text[MEMBER_TEXT_SIZE];
    char actor[REGISTER_NAME_SIZE];
    char reason[MEMBER_TEXT_SIZE];
};

enum engine_state {
    ENGINE_IDLE,
    ENGINE_ACTIVATING,
    ENGINE_ACTIVE,
    ENGINE_LEAVING
};

/* A promise that this node gave. */
struct promised {
    bool given;
    struct ts_clocks at;
    uint64_t epoch;
};

/* A promise that this node asked for. */
struct asking {
    bool open;
    struct member_promise request;
    struct ts_clocks sent;
    uint64_t number;
};

/* What the next swap is to bring about. */
struct wants {
    bool token;
    uint8_t token_hash[REGISTER_HASH_SIZE];
    uint32_t token_lifetime_s;
    bool unprotected;
    bool shown;      /* the engine was told that it may go on unprotected */
    bool protecting; /* the engine waits for acknowledgements again */
    struct ts_clocks protecting_from;
    bool generation;
    uint64_t generation_number;
    bool release; /* drained: give the lease up */
    bool release_planned;
    bool init;            /* init or repair */
    uint64_t init_number; /* the facts that must be durable before */
    struct register_value initial;
};

/* A command that waits for its effect. */
struct pending {
    bool open;
    uint64_t id;
    char actor[REGISTER_NAME_SIZE];
    char reason[MEMBER_TEXT_SIZE];
    struct ts_clocks from;
};

struct operating {
    struct pending failover; /* this node is to take over */
    bool accept_data_loss;
    struct pending handing; /* this holder is to hand over */
    size_t handing_size;    /* what its release writes; 0: nothing */
    uint8_t handing_field[REGISTER_HANDOVER_MAX];
    struct pending handover; /* the field is to be this; 0 bytes: none */
    size_t handover_size;
    uint8_t handover_field[REGISTER_HANDOVER_MAX];
    struct pending admit, level, init, repin, pause, maintenance, stop;
    struct pending retire, reseal;
    size_t sealed_size;
    uint8_t sealed[REGISTER_SEALED_MAX];
    char admit_node[REGISTER_NAME_SIZE];
    uint64_t admit_at_s;
    struct register_retired retire_record;
    uint32_t level_wanted;
    bool pause_wanted; /* of `pause`: on or off */
    int64_t pause_ms;
    uint64_t maintenance_number; /* the facts that must be durable */
    size_t server_size;
    uint8_t server[REGISTER_SERVER_MAX];
};

struct peer {
    bool link_up;
    struct ts_clocks link_changed;
    bool heard;
    char name[REGISTER_NAME_SIZE]; /* of who was heard last */
    struct ts_clocks heard_at;
    uint64_t epoch; /* the highest it ever said */
    uint8_t cluster[REGISTER_ID_SIZE];
    struct member_heartbeat last;
    bool fitter; /* than this holder, without a break */
    struct ts_clocks fitter_from;
};

struct probing {
    bool asked, has_result;
    struct ts_clocks asked_at, done;
    bool ok[MEMBER_PROBES];
    char texts[MEMBER_PROBES][MEMBER_TEXT_SIZE];
};

struct member {
    char name[REGISTER_NAME_SIZE];
    uint8_t boot[REGISTER_ID_SIZE];
    struct lease_terms terms;
    bool is_manual;
    enum member_unprotected unprotected;
    uint32_t level_max;

    enum member_role role;
    const char *sentence; /* of the row taken last */
    struct ts_clocks started;
    struct ts_clocks now; /* of the step under way */
    struct member_effects *out;
    struct ts_clocks heartbeat_at;
    bool heartbeat_due;
    bool stopping; /* the process is to end */
    struct ts_clocks drain_from;
    bool drain_cut; /* it took too long: cancelled */
    bool yielded;   /* gave the lease to the peer on purpose */
    struct ts_clocks yielded_at;
    bool hung; /* it lost its last lease because its exporter hung */

    struct facts facts;
    bool facts_changed, facts_asked;
    uint64_t facts_number, facts_durable; /* numbers asked for and confirmed */
    bool facts_with_id; /* those asked for say which register it is */
    bool is_id_durable; /* and so do those that are durable */

    struct register_position position;
    bool has_state;
    bool is_joining; /* not listed yet: that is no retirement */
    bool equal;      /* the follower has all of ours */

    enum engine_state engine;
    bool travels; /* what it sent may arrive for a while: nothing is fenced */
    struct ts_clocks left_at; /* since when nothing more is sent */
    struct observed seen;
    struct claims claims;
    struct lease lease;
    struct takeover takeover;
    struct promised promised;
    struct asking asking;
    struct wants wants;
    struct operating op;
    struct peer peer;
    struct probing probe;
    struct member_message beat, request, answer; /* what SENDs point to */
    struct ts_arena arena;
    struct ts_arena facts_arena;
};

/* ---- member.c: effects and small questions ------------------------------ */

/* The next effect, zeroed; never NULL: the number a step can make is bounded
 * and asserted. */
struct member_effect *member_emit(struct member *member,
                                  enum member_effect_kind kind);
TS_PRINTF(4, 5)
void member_record(struct member *member, const char *name, const char *actor,
                   const char *fmt, ...);
void member_copy_text(char *to, size_t room, const char *from);

bool member_is_holder_role(enum member_role role); /* FENCING .. DRAINING */
/* The register's last value names this start of this node as its holder. */
bool member_owns_value(const struct member *member);
bool member_is_voter(const struct member *member);
/* Milliseconds for which something that this node sent in its last lease, or
 * an earlier process of it, may still arrive, and nothing fences it; INT64_MAX
 * while it is still sending. */
int64_t member_travel_left(const struct member *member);
/* Another voter than this node, or NULL: it waits for nobody. */
const char *member_other_voter(const struct member *member);
/* Does a start have to wait? Not for a single voter. */
bool member_start_waited(const struct member *member);
bool member_is_paused(const struct member *member);
uint64_t member_epoch_known(const struct member *member);

/* ---- facts -------------------------------------------------------------- */

/* Raise what must be durable; asks for it in the pump. */
void member_learn_epoch(struct member *member, uint64_t epoch);
void member_learn_value(struct member *member);
void member_pump_facts(struct member *member);

/* ---- observe.c ---------------------------------------------------------- */

void observe_read(struct member *member, const struct member_event *event);
void observe_swapped(struct member *member, const struct member_event *event);
/* May a standby, by the register alone, reach out? */
bool observe_expired(const struct member *member);

/* ---- compose.c ---------------------------------------------------------- */

/* The holder's next value with all that is wanted. */
void compose_next(const struct member *member, struct register_value *value);
/* A candidate's. */
void compose_claim(const struct member *member, struct register_value *value);
/* May one more principal be listed? */
bool compose_has_room(const struct register_value *value);
void compose_drop_voter(struct register_value *value, const char *name);
/* Unplanned takeovers of the last 15 minutes, as of now. */
size_t compose_takeovers(const struct member *member);

/* ---- retire.c ----------------------------------------------------------- */

/* The command is taken: `op.retire` is open. */
void retire_take(struct member *member, const struct member_request *request);
/* Is there a node to be taken out in the next swap? */
bool retire_wants(const struct member *member);
void retire_put(const struct member *member, struct register_value *value);
void retire_settle(struct member *member);
/* It has joined anew, or another one has its place: the youngest of the list.
 */
void retire_forget(struct register_value *value, const char *node);
void retire_note(struct register_value *value,
                 const struct register_retired *record);
/* The command is taken: `op.reseal` is open. */
void reseal_take(struct member *member, const struct member_request *request);
void reseal_put(const struct member *member, struct register_value *value);
void reseal_settle(struct member *member);
/* By the register's value: this node is no member any more. */
bool retire_is_out(const struct member *member);

/* ---- claims.c ----------------------------------------------------------- */

void claims_pump(struct member *member);
int64_t claims_deadline(const struct member *member);

/* ---- wants.c ------------------------------------------------------------ */

void wants_token(struct member *member, const struct member_event *event);
/* Compare what is wanted with what the register now shows. */
void wants_settle(struct member *member);
/* Drop what only a holder may want. */
void wants_drop(struct member *member, const char *why);
bool wants_swap(const struct member *member);
void wants_pump(struct member *member);
bool wants_protect(const struct member *member);
bool wants_swap_in(const struct member *member);
bool wants_may_unprotect(const struct member *member);

/* ---- promise.c ---------------------------------------------------------- */

bool promise_binds(const struct member *member);
void promise_heard(struct member *member, const struct member_message *message);
void promise_pump(struct member *member);
int64_t promise_deadline(const struct member *member);

/* ---- takeover.c --------------------------------------------------------- */

void takeover_begin(struct member *member);
void takeover_minted(struct member *member, const struct member_event *event);
/* The claim's swap was seen to have won. */
void takeover_won(struct member *member);
/* Won, but not to be acted on: it is left to lapse. */
void takeover_forget(struct member *member);
/* A swap of ours stands in the register: is it the one that re-reads? */
void takeover_confirmed(struct member *member);
/* Not ours: unmake the principal, unless it may still be published. */
void takeover_abandon(struct member *member);
void takeover_fenced(struct member *member, const struct member_event *event);
/* The operator answers for what is pending; false: nothing is. */
bool takeover_accept_fence(struct member *member,
                           const struct member_request *request);
void takeover_activated(struct member *member,
                        const struct member_event *event);
void takeover_pump(struct member *member);
int64_t takeover_deadline(const struct member *member);
const char *takeover_step_name(enum takeover_step step);
/* Does `a` lack something that `b` has, as far as they can be compared? */
bool takeover_is_before(const struct register_position *a,
                        const struct register_position *b);

/* ---- gates.c ------------------------------------------------------------ */

/* May this node reach for the lease now, by all that it knows itself? */
bool gates_candidate(const struct member *member);
/* Source, target, registration, disk and state answered well, just now. */
bool gates_probed(const struct member *member);
/* Could it export if it had the lease? What the peer is told. */
bool gates_able(const struct member *member);
/* As a holder: its own source, target and disk do. That the register is out of
 * reach is no reason to yield: that is what promises are for. */
bool gates_well(const struct member *member);
/* The first closed gate: "start-wait: 3.2 s of 17.5 s". */
void gates_first_closed(const struct member *member, char *text, size_t room);

/* ---- probe.c ------------------------------------------------------------ */

void probe_take(struct member *member, const struct member_event *event);
void probe_pump(struct member *member);
int64_t probe_deadline(const struct member *member);

/* ---- role.c ------------------------------------------------------------- */

void role_run(struct member *member);

/* ---- command.c ---------------------------------------------------------- */

void command_take(struct member *member, const struct member_request *request);
void command_pump(struct member *member);
/* Somebody else wrote the register first. */
void command_lost_init(struct member *member);
TS_PRINTF(4, 5)
void command_answer(struct member *member, struct pending *pending, int status,
                    const char *fmt, ...);

/* ---- peer.c ------------------------------------------------------------- */

void peer_heard(struct member *member, const struct member_message *message);
void peer_pump(struct member *member);
bool peer_is_fit(const struct member *member); /* heard within 2 heartbeats */
bool peer_is_silent(const struct member *member);
void peer_message(const struct member *member, struct member_message *message,
                  enum member_message_kind kind);
int64_t peer_deadline(const struct member *member);

#endif
