/*
 * simulate -- run seeds of the simulated pair.
 *
 *   simulate --seeds N [--first S] [--jobs J] [--seconds T] [--without RULE]
 *            [--twice]
 *   simulate --seed S [--trace] [--without RULE]
 *   simulate --mutations [--jobs J] [--without RULE]
 *
 * Each seed draws its scene; --scene NAME (see scenes.c) makes it that one.
 * A seed that fails is printed with the command that shows it again. --twice
 * runs each once more, in a process that has kept nothing (kept.h): all must
 * happen as before.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node/base/rule.h"
#include "node/db/capture.h"
#include "tests/sim/disk.h"
#include "tests/sim/kept.h"
#include "tests/sim/mutations.h"
#include "tests/sim/world.h"

#define JOBS_MAX  16
#define SHOWN_MAX 10

struct options {
    uint64_t first, seeds;
    double until; /* seconds(); 0: no end */
    bool one, traced, mutations, twice;
    int jobs;
    const char *without;
    enum sim_scene scene;
};

/* What a process has done; in shared memory. */
struct tally {
    uint64_t seeds, failed, takeovers, faults, sparse, virtual_s;
    uint64_t commits, applied, snapshots, admissions;
    uint64_t first_failed;
    char violated[16], text[512];
    struct sim_coverage coverage;
};

static double seconds(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void add(struct tally *tally, const struct world_verdict *verdict)
{
    tally->seeds++;
    tally->takeovers += (uint64_t) verdict->takeovers;
    tally->faults += (uint64_t) verdict->faults;
    tally->sparse +=
        verdict->takeovers < FAULTS_TAKEOVERS || verdict->faults < FAULTS_MIN;
    tally->virtual_s += (uint64_t) verdict->virtual_ms / 1000;
    tally->commits += verdict->commits;
    tally->applied += verdict->applied;
    tally->snapshots += verdict->snapshots;
    tally->admissions += verdict->admissions;
}

static void run_again(const struct options *options,
                      const struct world_options *what,
                      struct world_verdict *verdict)
{
    static struct sim_coverage ignored;
    struct world_verdict again;
    if (!options->twice) {
        return;
    }
    kept_drop();
    world_run(what, &ignored, &again);
    if (again.digest != verdict->digest) {
        verdict->violated = "REPLAY";
        (void) snprintf(verdict->text, sizeof verdict->text,
                        "another history the second time: %lld s, not %lld s",
                        (long long) again.virtual_ms / 1000,
                        (long long) verdict->virtual_ms / 1000);
    }
}

static void run_range(const struct options *options, int job,
                      struct tally *tally)
{
    for (uint64_t i = (uint64_t) job; i < options->seeds;
         i += (uint64_t) options->jobs) {
        struct world_verdict verdict;
        uint64_t seed = options->first + i;
        if (options->until > 0 && seconds() > options->until) {
            return;
        }
        const struct world_options what = { .seed = seed,
                                            .scene = options->scene };
        world_run(&what, &tally->coverage, &verdict);
        run_again(options, &what, &verdict);
        add(tally, &verdict);
        if (verdict.violated == NULL) {
            continue;
        }
        if (tally->failed++ == 0) {
            tally->first_failed = seed;
            (void) snprintf(tally->violated, sizeof tally->violated, "%s",
                            verdict.violated);
            (void) snprintf(tally->text, sizeof tally->text, "%s",
                            verdict.text);
        }
        if (tally->failed <= SHOWN_MAX) {
            (void) printf("seed %llu: %s: %s\n", (unsigned long long) seed,
                          verdict.violated, verdict.text);
            (void) fflush(stdout);
        }
    }
}

static struct tally *run_jobs(const struct options *options)
{
    size_t size = JOBS_MAX * sizeof(struct tally);
    struct tally *tallies = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tallies == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    (void) fflush(stdout);
    for (int i = 0; i < options->jobs; i++) {
        pid_t child = fork();
        if (child == 0) {
            run_range(options, i, &tallies[i]);
            (void) fflush(stdout);
            _exit(0);
        }
    }
    int status = 0;
    while (wait(&status) > 0) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            (void) printf("a process of the simulator ended badly\n");
            tallies[0].failed++;
        }
    }
    return tallies;
}

/* All of them in the first. */
static void merge(struct tally *tallies, int count)
{
    struct tally *all = &tallies[0];
    for (int i = 1; i < count; i++) {
        const struct tally *one = &tallies[i];
        if (one->failed > 0 &&
            (all->failed == 0 || one->first_failed < all->first_failed)) {
            all->first_failed = one->first_failed;
            memcpy(all->violated, one->violated, sizeof all->violated);
            memcpy(all->text, one->text, sizeof all->text);
        }
        all->seeds += one->seeds;
        all->failed += one->failed;
        all->takeovers += one->takeovers;
        all->faults += one->faults;
        all->sparse += one->sparse;
        all->virtual_s += one->virtual_s;
        all->commits += one->commits;
        all->applied += one->applied;
        all->snapshots += one->snapshots;
        all->admissions += one->admissions;
        coverage_merge(&all->coverage, &one->coverage);
    }
}

static int run_seeds(const struct options *options)
{
    double from = seconds();
    struct tally *all = run_jobs(options);
    merge(all, options->jobs);
    double took = seconds() - from;
    size_t empty = coverage_print(&all->coverage, stdout);
    (void) printf(
        "\n%llu seeds in %.1f s (%.1f ms each on %d processes), %llu failed; "
        "%llu sparse (fewer than %d takeovers or %d faults)\n"
        "%llu takeovers, %llu faults, %llu journal rows, %llu made by the "
        "other node, %llu snapshots, %llu admissions, %llu virtual hours\n"
        "%zu reachable cells of fault, role and step are empty\n",
        (unsigned long long) all->seeds, took,
        took * 1000 * options->jobs / (double) (all->seeds ? all->seeds : 1),
        options->jobs, (unsigned long long) all->failed,
        (unsigned long long) all->sparse, FAULTS_TAKEOVERS, FAULTS_MIN,
        (unsigned long long) all->takeovers, (unsigned long long) all->faults,
        (unsigned long long) all->commits, (unsigned long long) all->applied,
        (unsigned long long) all->snapshots,
        (unsigned long long) all->admissions,
        (unsigned long long) all->virtual_s / 3600, empty);
    if (all->failed > 0) {
        (void) printf("first: simulate --seed %llu --trace   (%s: %s)\n",
                      (unsigned long long) all->first_failed, all->violated,
                      all->text);
    }
    return all->failed > 0;
}

static int run_one(const struct options *options)
{
    static struct sim_coverage coverage;
    struct world_verdict verdict;
    world_run(&(struct world_options){ .seed = options->first,
                                       .traced = options->traced,
                                       .scene = options->scene },
              &coverage, &verdict);
    (void) printf("seed %llu: %s%s%s; %d takeovers, %d faults, %lld s, "
                  "converged %lld s after the last fault\n",
                  (unsigned long long) options->first,
                  verdict.violated == NULL ? "holds" : verdict.violated,
                  verdict.violated == NULL ? "" : ": ", verdict.text,
                  verdict.takeovers, verdict.faults,
                  (long long) (verdict.virtual_ms / 1000),
                  (long long) (verdict.converged_ms / 1000));
    return verdict.violated != NULL;
}

static int parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        { "seeds", required_argument, NULL, 'n' },
        { "first", required_argument, NULL, 'f' },
        { "seed", required_argument, NULL, 's' },
        { "jobs", required_argument, NULL, 'j' },
        { "seconds", required_argument, NULL, 'u' },
        { "trace", no_argument, NULL, 't' },
        { "without", required_argument, NULL, 'w' },
        { "scene", required_argument, NULL, 'c' },
        { "mutations", no_argument, NULL, 'm' },
        { "twice", no_argument, NULL, '2' },
        { NULL, 0, NULL, 0 }
    };
    int option = 0;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'n':
            options->seeds = strtoull(optarg, NULL, 10);
            break;
        case 's':
            options->one = true;
            options->first = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            options->first = strtoull(optarg, NULL, 10);
            break;
        case 'j':
            options->jobs = (int) strtol(optarg, NULL, 10);
            break;
        case 'u':
            options->until = seconds() + strtod(optarg, NULL);
            break;
        case 't':
            options->traced = true;
            break;
        case 'w':
            options->without = optarg;
            break;
        case 'c':
            options->scene = scenes_find(optarg);
            if (options->scene == SCENES) {
                (void) fprintf(stderr, "there is no scene %s\n", optarg);
                return 2;
            }
            break;
        case 'm':
            options->mutations = true;
            break;
        case '2':
            options->twice = true;
            break;
        default:
            return 2;
        }
    }
    return options->jobs >= 1 && options->jobs <= JOBS_MAX ? 0 : 2;
}

int main(int argc, char **argv)
{
    struct options options = { .first = 1, .jobs = 2, .scene = SCENE_DRAWN };
    struct ts_err err;
    if (parse(argc, argv, &options) != 0) {
        (void) fprintf(stderr, "see the head of tests/sim/main.c\n");
        return 2;
    }
    if (options.without != NULL) {
        enum ts_rule rule = ts_rule_find(options.without);
        if (rule == TS_RULES_COUNT) {
            (void) fprintf(stderr, "there is no rule %s\n", options.without);
            return 2;
        }
        ts_rule_disable(rule);
    }
    if (capture_setup(&err) != TS_OK) {
        (void) fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    disk_setup();
    if (options.seeds == 0) {
        options.seeds = 100;
    }
    return options.one         ? run_one(&options)
           : options.mutations ? mutations_run(options.without, options.jobs)
                               : run_seeds(&options);
}
