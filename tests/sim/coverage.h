/*
 * coverage -- which fault met which role in which step, counted over all seeds.
 *
 * The places, a role and a step of a takeover in it, are a table (coverage.c),
 * with a reason for each place that no seed can come to; so is each cell that
 * cannot be, of the others. A seed that comes to what is said to be unreachable
 * has failed, and a long run in which a reachable cell stays empty has, too.
 *
 * Where chance leads seldom, each seed has a wish: one cell, by its number.
 * When a node comes to that place, that fault is made to meet it; and where
 * nodes come seldom, bouts lead there (faults.c).
 */
#ifndef TESTS_SIM_COVERAGE_H
#define TESTS_SIM_COVERAGE_H

#include <stdint.h>
#include <stdio.h>

#include "node/cluster/member.h"

enum sim_fault {
    FAULT_POWER,     /* cut: what was not synced may be lost */
    FAULT_KILL,      /* of the process; the disk keeps what was written */
    FAULT_MID_STEP,  /* power cut between two effects of one step */
    FAULT_MID_WRITE, /* power cut in the middle of a write */
    FAULT_FREEZE,    /* the process stands still, its clocks do not */
    FAULT_MID_SEND,  /* freeze between the look at the gate and the send */
    FAULT_SUSPEND,   /* BOOTTIME goes on, MONOTONIC_RAW does not */
    FAULT_PAUSE_VM,  /* both clocks stand still */
    FAULT_LINK_BOTH,
    FAULT_LINK_OUT,
    FAULT_LINK_IN,
    FAULT_LINK_BAD, /* lossy, slow, doubling, out of order */
    FAULT_CELL_CUT,
    FAULT_CELL_BAD, /* answers lost, late, landing late */
    FAULT_CELL_DOWN,
    FAULT_CELL_BACK, /* restored from an old copy, or made anew */
    FAULT_TARGET_CUT,
    FAULT_TARGET_BAD,
    FAULT_SOURCE_CUT,
    FAULT_HANG,     /* the exporter's loop stands still */
    FAULT_REVIVE,   /* the disk is put back to an older image */
    FAULT_REPLAY,   /* of an old fence call */
    FAULT_OPERATOR, /* failover, pause, maintenance at an odd moment */
    FAULT_KINDS
};
const char *fault_name(enum sim_fault fault);

/* Those that nodes come to. */
#define COVERAGE_PLACES 11
/* Fewer seeds cannot have been everywhere. */
#define COVERAGE_SEEDS 20000

struct sim_coverage {
    uint64_t cells[FAULT_KINDS][COVERAGE_PLACES];
    uint64_t seen[COVERAGE_PLACES]; /* steps of the machine */
    uint64_t transitions[MEMBER_ROLES][MEMBER_ROLES];
};

/* COVERAGE_PLACES: no node comes there, coverage_unreachable() says why. */
size_t coverage_place(enum member_role role, const char *step);
const char *coverage_unreachable(enum member_role role);
/* Why that fault cannot meet a node there; NULL: it can. */
const char *coverage_impossible(enum sim_fault fault, size_t place);

struct coverage_wish {
    enum sim_fault fault;
    size_t place;
    enum member_role role; /* of that place */
};
struct coverage_wish coverage_wish(uint64_t seed);

void coverage_merge(struct sim_coverage *into, const struct sim_coverage *from);
/* The table, and the names of reachable cells that nothing met; their number.
 */
size_t coverage_print(const struct sim_coverage *coverage, FILE *out);

#endif
