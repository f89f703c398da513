#include "tests/sim/random.h"

void random_seed(struct sim_random *random, uint64_t seed)
{
    random->state = seed * 0x9e3779b97f4a7c15u + 0x1234567;
}

/* splitmix64: public domain, Sebastiano Vigna. */
uint64_t random_next(struct sim_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t random_below(struct sim_random *random, int64_t count)
{
    return count <= 1 ? 0 : (int64_t) (random_next(random) % (uint64_t) count);
}

int64_t random_between(struct sim_random *random, int64_t low, int64_t high)
{
    return low + random_below(random, high - low + 1);
}

bool random_chance(struct sim_random *random, int permille)
{
    return random_below(random, 1000) < permille;
}

void random_fill(struct sim_random *random, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t) random_next(random);
    }
}
