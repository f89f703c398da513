/*
 * world -- one seed: two nodes and all that is around them.
 *
 * Everything happens on one thread, in the order of the agenda. The nodes run
 * the product's own code: the member machine (node/cluster), leader, follower,
 * journal and snapshots (replication/), intents, ledger and budgets
 * (node/metaverse), the machine that judges a fence (node/target/fence.h), and
 * of the engine what decides when (doubt.h, order.h) and what a takeover finds
 * (inherit_rows.h), over SQLite on a simulated disk. What stands in for the
 * rest is kept thin: the exporter (exporter.h) has the order of steps of
 * node/engine, and nothing else of it. No rule of safety is kept, or can be
 * switched off, in this folder.
 *
 *   main --> world_run(seed) --> faults and changes for a while --> calm -->
 *   the pair converges within a bounded time --> verdict
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "tests/sim/agenda.h"
#include "tests/sim/cell.h"
#include "tests/sim/clock.h"
#include "tests/sim/coverage.h"
#include "tests/sim/faults.h"
#include "tests/sim/judge.h"
#include "tests/sim/network.h"
#include "tests/sim/random.h"
#include "tests/sim/scenes.h"
#include "tests/sim/source.h"
#include "tests/sim/target.h"
#include "tests/sim/trace.h"

struct sim_node;

/* What a seed draws once. */
struct sim_settings {
    int64_t ttl_ms, renew_ms, margin_ms;
    uint32_t error_percent;
    int64_t change_ms;   /* the longest pause between changes at the source */
    int64_t cycle_ms;    /* between two cycles of an exporter */
    int64_t patience_ms; /* with a silent standby */
    int deletes_max;     /* the guard's budget */
    bool introspection;  /* the authorization server has it */
    bool stop_unprotected;
    bool edge;              /* dense traffic, everything as late as it may be */
    bool promises;          /* the register is often away, the link slow */
    bool harsh_clocks;      /* rates at the ends of what is allowed */
    bool apart;             /* one at each end */
    int wrong_sums;         /* permille of frames with rows */
    bool first_load;        /* both disks are empty */
    bool outage;            /* the target fails just after a fence */
    struct cell_way cell;   /* a bad way to the register; else drawn */
    struct network_way way; /* a bad link; else drawn */
};

struct world {
    uint64_t seed;
    int64_t now_ms;
    bool ended;
    uint64_t commands; /* of the operator */
    uint64_t digest;   /* of all that has happened */
    struct sim_random random;
    struct agenda agenda;
    enum sim_scene scene;
    struct sim_settings settings;
    struct sim_trace trace;
    struct sim_network network;
    struct sim_cell cell;
    struct sim_target target;
    struct sim_source source;
    struct sim_node *nodes[2];
    struct sim_faults faults;
    struct sim_judge judge;
    struct sim_coverage *coverage; /* of many seeds; not reset */
};

struct world_verdict {
    const char *violated; /* "I1"; NULL: nothing was */
    char text[512];
    int takeovers, faults;
    int64_t virtual_ms, converged_ms;
    uint64_t commits, applied, snapshots, admissions;
    uint64_t digest; /* the same for the same seed, always */
};

struct world_options {
    uint64_t seed;
    bool traced;
    enum sim_scene scene; /* SCENE_DRAWN: the seed draws one */
};

/* Run a seed from its beginning to its verdict. */
void world_run(const struct world_options *options,
               struct sim_coverage *coverage,
               struct world_verdict *ret_verdict);

/* Seconds since 1970 in the world. */
#define WORLD_EPOCH_SECONDS 1700000000

#endif
