/* cluster_world -- two members, a register, a link and a target, in memory and
 * on a clock that the test moves. Everything answers at once and well, unless a
 * knob says otherwise; it is told in world.log. */
#ifndef TESTS_LIB_CLUSTER_WORLD_H
#define TESTS_LIB_CLUSTER_WORLD_H

#include "node/cluster/member.h"

enum world_register {
    WORLD_REGISTER_UP,
    WORLD_REGISTER_DOWN,      /* certain failures */
    WORLD_REGISTER_SILENT,    /* no answer until it is UP again */
    WORLD_REGISTER_DONE_LOST, /* swaps land, their answer does not come */
    WORLD_REGISTER_DROPPED    /* swaps are lost, and nobody knows */
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
    bool fence_pending, mint_fails, activate_fails, stuck_engine;
    bool probe_ok[MEMBER_PROBES];
    bool is_engine_active, has_activation;
    struct member_activation activation;
    struct register_principal principal;
    bool shows_unprotected;
    struct register_position position;
    bool has_state;
    uint8_t facts[65536];
    size_t facts_size;
    uint64_t epoch;
    int answers;
    int status;
    char answer[MEMBER_TEXT_SIZE];
    int token_ok, token_no, mints, unmints, fences, swaps, grants, refusals;
    uint64_t generation_ok;
    char refusal[MEMBER_TEXT_SIZE];
};

struct world {
    int64_t now;
    struct world_node nodes[2];
    bool is_present;
    uint8_t bytes[REGISTER_VALUE_SIZE_MAX];
    size_t size;
    bool link_up, equal;
    bool is_manual;
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
struct ts_clocks world_clocks(const struct world *world, int node);
enum member_role world_role(struct world *world, int node);
/* The register's value as it stands. */
void world_value(const struct world *world, struct register_value *value);
void world_put(struct world *world, const struct register_value *value);
bool world_exports(struct world *world, int node);
/* A pair: alpha active, beta standby, protected. */
struct world *world_pair(void);

#endif
