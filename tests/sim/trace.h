/*
 * trace -- what happened, one line an event, for people.
 *
 *     12.345 a  takes over: epoch 4
 *
 * Silent unless asked for: a seed that fails is run again with it.
 */
#ifndef TESTS_SIM_TRACE_H
#define TESTS_SIM_TRACE_H

#include "tests/sim/agenda.h"

struct sim_trace {
    bool enabled;
    uint64_t lines;
};

/* `node`: whose line it is, or AGENDA_NOBODY for the world's. */
void trace(struct world *world, int node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
