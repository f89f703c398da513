/*
 * cell -- the register: one value, replaced by compare-and-swap.
 *
 * Each node's way to it has its own ills. A request may be lost before it is
 * applied, or its answer after; it may land long after its sender has given up
 * (R3 of node/register/register.h); the cell may be down, be put back to an
 * older value, or be made anew.
 *
 * A node has one call outstanding; what comes later than its time-out is
 * dropped, and the swap is then of unknown outcome.
 */
#ifndef TESTS_SIM_CELL_H
#define TESTS_SIM_CELL_H

#include "node/base/slice.h"
#include "tests/sim/agenda.h"

#define CELL_HISTORY    24
#define CELL_TIMEOUT_MS 1000

enum cell_status {
    CELL_VALUE,      /* read: the bytes, none when it is absent */
    CELL_DONE,       /* swapped */
    CELL_LOST,       /* certainly not */
    CELL_UNKNOWN,    /* no answer in time */
    CELL_UNREACHABLE /* refused at once: no effect */
};

struct cell_way {
    int lose_request, lose_answer, late; /* permille */
    int64_t delay_ms;
    bool cut; /* no answer at all */
};

struct sim_cell {
    bool down;
    uint8_t *value;
    size_t size;
    struct {
        uint8_t *value;
        size_t size;
    } history[CELL_HISTORY]; /* of values, in a ring */
    size_t history_count;
    struct cell_way ways[2];
    struct {
        uint64_t ticket; /* 0: no call is outstanding */
        bool swapping;
    } calls[2];
    uint64_t tickets, swaps, late_swaps;
};

/* Answered by node_on_cell(), once, unless the node's life ends first. */
void cell_read(struct world *world, int node);
void cell_swap(struct world *world, int node, struct ts_slice expected,
               struct ts_slice value);
/* By somebody else, at once. */
void cell_put(struct world *world, struct ts_slice value);
/* Put back to a value of `back` swaps ago; false: there is none. */
bool cell_roll_back(struct world *world, size_t back);
/* Made anew: nothing is in it. */
void cell_clear(struct world *world);
void cell_heal(struct sim_cell *cell);
void cell_done(struct sim_cell *cell);

#endif
