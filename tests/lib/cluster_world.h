/* cluster_world -- two members, a register, a link and a target, in memory and
 * on a clock that the test moves. Everything answers at once and well, unless a
 * knob says otherwise; it is told in world.log. */
#ifndef TESTS_LIB_CLUSTER_WORLD_H
#define TESTS_LIB_CLUSTER_WORLD_H

#include "node/cluster/member.h"

enum world_register {
    WORLD_REGISTER_UP,
    WORLD_REGISTER_DOWN,        /* certain failures */
    WORLD_REGISTER_SILENT,      /* no effect; "unknown" when it is UP again */
    WORLD_REGISTER_SILENT_LATE, /* "unknown" at once; world_land() does it */
    WORLD_REGISTER_LATE,        /* done at once, answered when it is UP again */
    WORLD_REGISTER_DONE_LOST,   /* swaps land, their answer does not come */
    WORLD_REGISTER_FOREIGN,     /* another server, until it is pinned */
    WORLD_REGISTER_DROPPED      /* swaps are lost, and nobody knows */
};

struct world_node {
    struct member *member;
    const char *name;
    uint8_t boot;
    bool alive, frozen, hangs; /* hangs: its exporter makes no progress */
    double rate;               /* of its clocks */
    struct ts_clocks base;     /* at `since` */
    int64_t since;
    enum world_register reg;
    bool held_read, held_swap; /* unanswered calls */
    enum member_swap_outcome held_outcome;
    bool fence_pending, mint_fails, activate_fails, stuck_engine;
    bool mint_slow, persist_slow; /* answered by world_mint, world_persist */
    struct register_principal slow_principal;
    uint64_t slow_number;
    bool has_late;
    uint8_t late_expected[REGISTER_VALUE_SIZE_MAX];
    uint8_t late_bytes[REGISTER_VALUE_SIZE_MAX];
    size_t late_expected_size, late_size;
    bool probe_ok[MEMBER_PROBES];
    bool is_engine_active, has_activation;
    struct member_activation activation;
    struct register_principal principal;
    bool shows_unprotected;
    struct register_position position;
    bool has_state;
    bool is_joining; /* at its next start */
    uint8_t facts[65536];
    size_t facts_size;
    uint64_t epoch;
    int answers;
    int status;
    char answer[MEMBER_TEXT_SIZE];
    int token_ok, token_no, mints, unmints, fences, swaps, grants, refusals;
    uint64_t generation_ok;
    bool reenabled; /* asked to enable an old principal again */
    char refusal[MEMBER_TEXT_SIZE];
};

struct world {
    int64_t now;
    int64_t events_at; /* `events` is the number of events then */
    int events;
    struct world_node nodes[2];
    bool is_present;
    uint8_t bytes[REGISTER_VALUE_SIZE_MAX];
    size_t size;
    bool link_up, equal;
    bool drops_grants;
    int64_t delay_ms; /* of grants, on their way back */
    int64_t late_at;  /* when `late` arrives; 0: none */
    int late_node;
    struct member_message late;
    bool is_manual;
    bool unfenced; /* principals that are minted cannot be fenced */
    enum member_unprotected unprotected;
    int overlaps; /* instants at which both gates were open in time */
    char log[65536];
};

/* Alpha is 0, beta is 1; nobody runs. */
struct world *world_new(void);
void world_free(struct world *world);
/* Start a process: its facts are what it persisted before. */
void world_start(struct world *world, int node);
void world_kill(struct world *world, int node);
void world_link(struct world *world, bool up);
/* Let `ms` pass, with every tick and message in between. */
void world_run(struct world *world, int64_t ms);
/* Until the node has this role; false after `most_ms`. */
bool world_until(struct world *world, int node, enum member_role role,
                 int64_t most_ms);
void world_tell(struct world *world, int node,
                const struct member_event *event);
/* Command with a reason; the answer is in the node. */
void world_command(struct world *world, int node, enum member_command command,
                   const char *other);
void world_mint(struct world *world, int node);
void world_persist(struct world *world, int node);
/* The swap that was kept back arrives at the register. */
void world_land(struct world *world, int node);
struct ts_clocks world_clocks(const struct world *world, int node);
enum member_role world_role(struct world *world, int node);
/* The register's value as it stands. */
void world_value(const struct world *world, struct register_value *value);
void world_put(struct world *world, const struct register_value *value);
bool world_exports(struct world *world, int node);
/* Assert, and print the log where it fails. */
void world_told(const struct world *world, bool ok);
/* A pair: alpha active, beta standby, protected. */
struct world *world_pair(void);

#endif
