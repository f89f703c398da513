/*
 * network -- what lies between the two nodes.
 *
 * Two directions, each with its own ills: cut, lossy, slow, doubling, and out
 * of order. A message is bytes; it arrives, if it does, as an occasion in the
 * receiver's life. Nobody is told that one was lost.
 */
#ifndef TESTS_SIM_NETWORK_H
#define TESTS_SIM_NETWORK_H

#include "tests/sim/agenda.h"

struct network_way {
    bool cut;
    int loss, doubled; /* permille */
    int64_t delay_ms;  /* the longest; arrivals within it may change places */
    int64_t last_ms;   /* in order unless `delay_ms` says otherwise */
};

struct sim_network {
    struct network_way ways[2]; /* by the sender */
    uint64_t sent, lost, doubled;
};

/* To the other node; copied. */
void network_send(struct world *world, int from, const void *bytes,
                  size_t size);
void network_heal(struct sim_network *network);

#endif
