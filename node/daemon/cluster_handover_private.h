/*
 * cluster_handover_private -- what the files of the handover share; see
 * cluster_handover.h.
 *
 *   cluster_handover.c            life, the tick, field and evidence
 *   cluster_handover_steps.c      the work of each step
 *   cluster_handover_parts.c      that of reset, reconcile and retire: other
 *                                 parts of the daemon do it
 *   cluster_handover_preflight.c  the gates, asked and answered
 *   cluster_handover_command.c    what operators ask, and the dry run
 *   cluster_handover_report.c     documents, and the report's files
 */
#ifndef NODE_DAEMON_CLUSTER_HANDOVER_PRIVATE_H
#define NODE_DAEMON_CLUSTER_HANDOVER_PRIVATE_H

#include "node/daemon/cluster_handover.h"
#include "node/daemon/errands.h"
#include "node/handover/handover.h"

#define HANDOVER_TICK_MS      20    /* while this node drives */
#define HANDOVER_WATCH_MS     250   /* while the other one does */
#define HANDOVER_ASK_MS       1000  /* between two questions of a preflight */
#define HANDOVER_PREFLIGHT_MS 30000 /* until the other node is given up */
#define HANDOVER_TAIL_MS      30000
#define HANDOVER_SESSION_MS   5000 /* for a last session to begin */
#define HANDOVER_CLOCK_MS     1000 /* two readings of a clock are this apart */

/* A condition with value, threshold and fix. */
struct handover_gate {
    char name[HANDOVER_NAME_SIZE]; /* "beta: source" */
    bool ok;
    char value[HANDOVER_TEXT_SIZE];
    char threshold[128];
    char fix[192]; /* "" when ok */
};
#define HANDOVER_GATES_MAX 32

/* The question of the other node, answered here. */
struct handover_answer {
    uint64_t number; /* 0: none */
    int outstanding; /* probes */
    struct cluster_probe found;
    int64_t free_bytes; /* where the state is */
};

/* Ours, under way. */
struct handover_asking {
    bool running, ended, timed_out;
    uint64_t number;
    char peer[HANDOVER_NAME_SIZE];
    struct ts_time from, next;
    bool has_first, has_clock; /* readings of the other's clock */
    int64_t own_first_ms, other_first_ms, own_ms, other_ms;
    bool has_gates;
    char release[64];
    size_t count;
    struct handover_gate gates[HANDOVER_GATES_MAX];
};

enum handover_call {
    HANDOVER_CALL_NONE,
    HANDOVER_CALL_KEPT, /* what is kept is being read */
    HANDOVER_CALL_KEEP  /* evidence is being kept */
};

/* What an operator wants, until it stands in the register. */
struct handover_due {
    bool open;
    bool is_clear;
    struct handover_field next;
    struct control_reply *reply; /* NULL: nobody waits any more */
};

struct cluster_handover {
    struct cluster *c;
    struct errands *errands; /* writes reports */
    struct ts_arena arena;

    /* As the register shows it. */
    bool open;
    struct handover_field field;
    size_t raw_size;
    uint8_t raw[REGISTER_HANDOVER_MAX];
    char trouble[MEMBER_TEXT_SIZE]; /* it cannot be understood: why */

    /* Evidence: as kept, or to be kept. */
    struct handover_evidence evidence;
    bool known; /* read since this node became what it is */
    bool dirty; /* not yet kept */
    bool waits; /* kept here, not yet on the other node: `kept_at` */
    struct journal_position kept_at;
    enum handover_call call;
    struct ts_time call_again;
    int64_t read_generation, read_epoch; /* of the rows when it was read */
    char head[TS_HASH_TEXT_SIZE];        /* of this node's chain of events */
    int64_t head_seq;

    /* The member. */
    uint64_t asked; /* its command under way; 0: none */
    int asked_status;
    bool asked_failed; /* the last one was refused */
    struct ts_time ask_again;
    uint64_t failover_id; /* of --from-dead, before anything else */
    struct handover_wish failover_wish;
    char failover_id_text[HANDOVER_ID_SIZE];
    char failover_actor[HANDOVER_NAME_SIZE], failover_to[HANDOVER_NAME_SIZE];
    char failover_reason[HANDOVER_TEXT_SIZE];
    struct control_reply *failover_reply;
    bool failover_over;

    /* Operators and steps. */
    struct handover_due order;
    bool drove;                /* the lease was here at the last tick */
    struct handover_work work; /* as decided last */
    struct {
        bool running;
        enum handover_step step;
        struct ts_time from;
        int64_t cycle;                 /* the last one when it began, */
        bool ran;                      /* and whether that was running */
        char text[HANDOVER_TEXT_SIZE]; /* what it waits for */
    } step;
    struct {
        bool begun;                            /* in this step */
        bool resetting, reconciling, retiring; /* unanswered, from whenever */
    } part;
    struct handover_asking asking;
    struct handover_answer answer;
    struct control_reply *dry;       /* a dry run waits for the gates */
    char reported[HANDOVER_ID_SIZE]; /* whose report was written */
    struct ts_time tick_from;
};

/* ---- cluster_handover.c -------------------------------------------------- */

/* Put a row, with this node and the time. */
void handover_put(struct cluster_handover *h, enum handover_step step,
                  enum evidence_state state, const char *name,
                  const char *text);
/* The row of the step under way: it has ended. */
void handover_step_over(struct cluster_handover *h, enum evidence_state state,
                        const char *text);
/* The lease is here, and the register answers. */
struct handover_seen handover_look(struct cluster_handover *h);
/* "source 10, metaverse 10, target 10, ledger 10, pending 0, held 0" */
void handover_counts(struct cluster_handover *h, enum handover_step step,
                     const char *name);
/* Drop a reply with a sentence. */
void handover_answer(struct control_reply **reply, int status, json_t *result,
                     const char *text);

/* ---- cluster_handover_steps.c -------------------------------------------- */

/* Begin the step, or look whether it has ended. */
void handover_work_on(struct cluster_handover *h, enum handover_step step,
                      struct ts_time now);
unsigned handover_does(void);

/* ---- cluster_handover_parts.c -------------------------------------------- */

void handover_work_reset(struct cluster_handover *h);
void handover_work_reconcile(struct cluster_handover *h);
void handover_work_retire(struct cluster_handover *h);

/* ---- cluster_handover_preflight.c ---------------------------------------- */

void handover_preflight_begin(struct cluster_handover *h, const char *peer);
/* Ask again, and time out; true: it has ended. */
bool handover_preflight_tick(struct cluster_handover *h, struct ts_time now);
/* The first that is closed, or NULL. */
const struct handover_gate *
handover_first_closed(const struct handover_asking *asking);
/* "value; wanted: threshold; fix" */
void handover_gate_text(const struct handover_gate *gate,
                        char text[static HANDOVER_TEXT_SIZE]);
/* What the other computer would write that this one would not. */
void handover_difference(struct cluster_handover *h,
                         char text[static HANDOVER_TEXT_SIZE]);

/* ---- cluster_handover_command.c ------------------------------------------ */

void handover_dry_run_tick(struct cluster_handover *h, struct ts_time now);
/* A --from-dead whose failover has ended. */
void handover_from_dead_tick(struct cluster_handover *h);

/* ---- cluster_handover_report.c ------------------------------------------- */

json_t *handover_document(const struct cluster_handover *h);
json_t *handover_gates_document(const struct handover_asking *asking);
/* Once a handover, when it has ended. */
void handover_report(struct cluster_handover *h);

#endif
