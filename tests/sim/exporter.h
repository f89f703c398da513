/*
 * exporter -- what the engine does with a lease, in its bare order.
 *
 *   STANDBY --activate--> (wait Q, read both sides) --> EXPORTING
 *      ^                                                    |
 *      +------------------ deactivate, cancel --------------+
 *
 * A cycle: import -> decide, with the guard -> mark as sent -> wait until the
 * standby has the marks -> ask the gate -> send -> results. What is in doubt is
 * looked up after Q, and judged by node/engine/doubt.h; it is never sent again.
 */
#ifndef TESTS_SIM_EXPORTER_H
#define TESTS_SIM_EXPORTER_H

#include "node/cluster/member.h"
#include "tests/sim/store.h"

struct sim_node;

#define EXPORTER_SLOTS  STORE_BATCH_MAX
#define EXPORTER_DOUBTS 64

enum exporter_phase {
    EXPORTER_STANDBY,
    EXPORTER_ACTIVATING,
    EXPORTER_EXPORTING
};

/* A request under way. */
struct exporter_slot {
    uint64_t ticket; /* 0: free */
    struct store_op op;
    bool looking, listing;
    bool quiet; /* was the object's quiet time over when the look left? */
    struct target_request request;
};

struct sim_exporter {
    enum exporter_phase phase;
    int64_t epoch;
    int principal;              /* index at the target, -1: none */
    int64_t token, token_asked; /* usable; waiting for a yes */
    bool token_under_way;
    bool rebuild, reading_target, keep_deletes;
    bool loading; /* a first load is complete, and not selected yet */
    struct ts_clocks quiet_from;
    int64_t rest_ms; /* from then on; 0: it is over */
    int64_t rebuild_cookie;
    bool leaving, hung;
    struct exporter_slot slots[EXPORTER_SLOTS];
    /* Marked, and waiting for the standby or the register. */
    struct store_op waiting[STORE_BATCH_MAX];
    size_t waiting_count;
    struct journal_position marked;
    struct ts_clocks waiting_from;
    bool unprotected_ok; /* the register shows an unprotected period */
    bool unprotected_asked;
    struct {
        int64_t intent;
        struct ts_clocks since;
    } doubts[EXPORTER_DOUBTS];
    size_t doubt_count;
    uint64_t cycles, tickets;
    /* Where the last cycle found nothing to do; nothing has come since. */
    struct journal_position at_rest;
    size_t rest_changes; /* of the source */
};

void exporter_activate(struct sim_node *node,
                       const struct member_activation *activation);
void exporter_deactivate(struct sim_node *node, enum member_leave how);
/* At once: nothing leaves any more, what is under way is in doubt. */
void exporter_cancel(struct sim_node *node);
void exporter_token(struct sim_node *node, bool ok);
void exporter_protection(struct sim_node *node, bool is_unprotected);
/* The standby has more, or the gate has changed. */
void exporter_nudge(struct sim_node *node);
/* exporter_send.c */
void exporter_settle(struct sim_node *node);
void exporter_send(struct sim_node *node);
void exporter_read_target(struct sim_node *node);
bool exporter_idle(const struct sim_exporter *exporter);
/* May requests leave now: the lease, the token, the process? */
bool exporter_may_send(struct sim_node *node);
int64_t exporter_quiet_ms(const struct sim_node *node);
void exporter_doubt(struct sim_node *node, int64_t intent);
void exporter_answered(struct sim_node *node,
                       const struct target_answer *answer);

#endif
