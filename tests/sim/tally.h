/*
 * tally -- what many seeds came to: counts, coverage, and the first that
 * failed.
 *
 * One a process while they run, merged when they have ended; kept in a file
 * between the chunks of a long run, so that one that was interrupted goes on
 * where it stopped. A file of another program is not gone on with: its seeds
 * had other histories.
 */
#ifndef TESTS_SIM_TALLY_H
#define TESTS_SIM_TALLY_H

#include "tests/sim/world.h"

#define TALLY_SPREAD 512 /* of a count in one seed; more is counted as that */

/* How often a seed had so many. */
struct spread {
    uint64_t seeds[TALLY_SPREAD], sum;
};

struct tally {
    uint64_t program; /* which one counted */
    uint64_t first;   /* the seed that the run began with */
    volatile uint64_t seeds, failed;
    volatile uint64_t running; /* the seed under way */
    uint64_t sparse;
    struct spread takeovers, faults, rows, admissions, snapshots, virtual_s;
    double took_s, cpu_s;
    uint64_t first_failed;
    char violated[16], text[512];
    struct sim_coverage coverage;
};

void tally_add(struct tally *tally, const struct world_verdict *verdict,
               uint64_t seed);
void tally_merge(struct tally *into, const struct tally *from);
void tally_print(const struct tally *tally);

/* What the file holds, when this program wrote it for a run from that seed;
 * else an empty one. */
void tally_load(const char *path, uint64_t first, struct tally *ret_tally);
/* As a whole or not at all; false: it is not there, errno says why. */
bool tally_save(const char *path, const struct tally *tally);

#endif
