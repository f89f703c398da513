#include "tests/sim/tally.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 10

static void count(struct spread *spread, uint64_t number)
{
    spread->seeds[number < TALLY_SPREAD ? number : TALLY_SPREAD - 1]++;
    spread->sum += number;
}

static uint64_t median(const struct spread *spread, uint64_t seeds)
{
    uint64_t below = 0;
    size_t i = 0;
    while (i + 1 < TALLY_SPREAD && (below += spread->seeds[i]) * 2 < seeds) {
        i++;
    }
    return i;
}

/* Too few of what a seed is for: it proves less than it is counted for. */
static bool is_sparse(const struct world_verdict *verdict)
{
    return verdict->takeovers < FAULTS_TAKEOVERS ||
           verdict->faults < FAULTS_MIN;
}

static void add_failure(struct tally *tally, uint64_t seed,
                        const char *violated, const char *text)
{
    if (tally->failed++ == 0) {
        tally->first_failed = seed;
        (void) snprintf(tally->violated, sizeof tally->violated, "%s",
                        violated);
        (void) snprintf(tally->text, sizeof tally->text, "%s", text);
    }
    if (tally->failed <= SHOWN_MAX) {
        (void) printf("seed %llu: %s: %s\n", (unsigned long long) seed,
                      violated, text);
        (void) fflush(stdout);
    }
}

void tally_add(struct tally *tally, const struct world_verdict *verdict,
               uint64_t seed)
{
    tally->sparse += is_sparse(verdict);
    count(&tally->takeovers, (uint64_t) verdict->takeovers);
    count(&tally->faults, (uint64_t) verdict->faults);
    count(&tally->rows, verdict->commits);
    count(&tally->admissions, verdict->admissions);
    count(&tally->snapshots, verdict->snapshots);
    count(&tally->virtual_s, (uint64_t) verdict->virtual_ms / 1000);
    tally->seeds++;
    if (verdict->violated != NULL) {
        add_failure(tally, seed, verdict->violated, verdict->text);
    }
}

static void merge_spread(struct spread *into, const struct spread *from)
{
    into->sum += from->sum;
    for (size_t i = 0; i < TALLY_SPREAD; i++) {
        into->seeds[i] += from->seeds[i];
    }
}

void tally_merge(struct tally *into, const struct tally *from)
{
    if (from->failed > 0 &&
        (into->failed == 0 || from->first_failed < into->first_failed)) {
        into->first_failed = from->first_failed;
        memcpy(into->violated, from->violated, sizeof into->violated);
        memcpy(into->text, from->text, sizeof into->text);
    }
    into->seeds += from->seeds;
    into->failed += from->failed;
    into->sparse += from->sparse;
    into->took_s += from->took_s;
    into->cpu_s += from->cpu_s;
    merge_spread(&into->takeovers, &from->takeovers);
    merge_spread(&into->faults, &from->faults);
    merge_spread(&into->rows, &from->rows);
    merge_spread(&into->admissions, &from->admissions);
    merge_spread(&into->snapshots, &from->snapshots);
    merge_spread(&into->virtual_s, &from->virtual_s);
    coverage_merge(&into->coverage, &from->coverage);
}

static void print_spread(const char *name, const struct spread *spread,
                         uint64_t seeds)
{
    (void) printf("%-20s %12llu %12llu\n", name,
                  (unsigned long long) spread->sum,
                  (unsigned long long) median(spread, seeds));
}

void tally_print(const struct tally *all)
{
    double seeds = all->seeds > 0 ? (double) all->seeds : 1;
    (void) printf("\n%-20s %12s %12s\n", "", "all", "median");
    print_spread("takeovers", &all->takeovers, all->seeds);
    print_spread("faults", &all->faults, all->seeds);
    print_spread("journal rows", &all->rows, all->seeds);
    print_spread("admissions", &all->admissions, all->seeds);
    print_spread("snapshots", &all->snapshots, all->seeds);
    print_spread("virtual seconds", &all->virtual_s, all->seeds);
    (void) printf("%-20s %12.1f\n%-20s %12.1f  (%.1f ms of a processor each)\n"
                  "%-20s %12llu\n%-20s %12llu  (fewer than %d takeovers or %d "
                  "faults: not counted as run)\n%-20s %12llu\n",
                  "seconds", all->took_s, "processor seconds", all->cpu_s,
                  all->cpu_s * 1000 / seeds, "seeds",
                  (unsigned long long) all->seeds, "sparse",
                  (unsigned long long) all->sparse, FAULTS_TAKEOVERS,
                  FAULTS_MIN, "failed", (unsigned long long) all->failed);
    if (all->failed > 0) {
        (void) printf("first: simulate --seed %llu --trace   (%s: %s)\n",
                      (unsigned long long) all->first_failed, all->violated,
                      all->text);
    }
}

/* ---- between chunks ----------------------------------------------------- */

/* FNV-1a over the program itself. */
static uint64_t this_program(void)
{
    uint64_t hash = 0xcbf29ce484222325u;
    FILE *file = fopen("/proc/self/exe", "rb");
    uint8_t bytes[65536];
    size_t size = 0;
    while (file != NULL && (size = fread(bytes, 1, sizeof bytes, file)) > 0) {
        for (size_t i = 0; i < size; i++) {
            hash = (hash ^ bytes[i]) * 0x100000001b3u;
        }
    }
    if (file != NULL) {
        (void) fclose(file);
    }
    return hash;
}

void tally_load(const char *path, uint64_t first, struct tally *ret_tally)
{
    uint64_t program = this_program();
    FILE *file = fopen(path, "rb");
    bool is_whole =
        file != NULL && fread(ret_tally, sizeof *ret_tally, 1, file) == 1;
    if (file != NULL) {
        (void) fclose(file);
    }
    if (!is_whole || ret_tally->program != program ||
        ret_tally->first != first) {
        memset(ret_tally, 0, sizeof *ret_tally);
        ret_tally->program = program;
        ret_tally->first = first;
    }
}

bool tally_save(const char *path, const struct tally *tally)
{
    char next[4096];
    if (snprintf(next, sizeof next, "%s.next", path) >= (int) sizeof next) {
        return false;
    }
    FILE *file = fopen(next, "wb");
    bool written = file != NULL && fwrite(tally, sizeof *tally, 1, file) == 1;
    written = file != NULL && fclose(file) == 0 && written;
    return written && rename(next, path) == 0;
}
