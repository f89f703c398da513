/* random -- every choice of a seed, from one number. No other source of chance
 * exists in the simulator, so that a seed replays exactly. */
#ifndef TESTS_SIM_RANDOM_H
#define TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

void random_seed(struct sim_random *random, uint64_t seed);
uint64_t random_next(struct sim_random *random);
/* 0 to count - 1. */
int64_t random_below(struct sim_random *random, int64_t count);
/* Both ends included. */
int64_t random_between(struct sim_random *random, int64_t low, int64_t high);
bool random_chance(struct sim_random *random, int permille);
void random_fill(struct sim_random *random, uint8_t *bytes, size_t size);

#endif
