/*
 * operator -- who looks after the pair: a person, and each node's supervisor.
 *
 * The person does what only a person may: makes and repairs the register,
 * admits the second node, ends a hold after too many takeovers, approves
 * deletions. The supervisor releases the lease of a worker that it has reaped.
 */
#ifndef TESTS_SIM_OPERATOR_H
#define TESTS_SIM_OPERATOR_H

#include <stdint.h>

struct world;

void operator_looks(struct world *world);
/* One compare-and-swap: nobody exports as `boot` any more. */
void supervisor_release(struct world *world, int node, const uint8_t *boot);

#endif
