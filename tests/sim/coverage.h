/*
 * coverage -- which fault met which role in which step, counted over all seeds.
 *
 * A cell is reachable when the machine can be in that role and step at all; one
 * that no seed has met is printed, and fails the run that was large enough.
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

#define COVERAGE_STEPS_MAX 24

struct sim_coverage {
    size_t step_count;
    char steps[COVERAGE_STEPS_MAX][32]; /* member_view.step, "" is "-" */
    uint64_t cells[FAULT_KINDS][MEMBER_ROLES][COVERAGE_STEPS_MAX];
    uint64_t seen[MEMBER_ROLES][COVERAGE_STEPS_MAX]; /* steps of the machine */
    uint64_t transitions[MEMBER_ROLES][MEMBER_ROLES];
};

size_t coverage_step(struct sim_coverage *coverage, const char *step);
void coverage_merge(struct sim_coverage *into, const struct sim_coverage *from);
/* The number of reachable cells that nothing met. */
size_t coverage_print(const struct sim_coverage *coverage, FILE *out);

#endif
