/*
 * simulate -- run seeds of the simulated pair.
 *
 *   simulate --seeds N [--first S] [--jobs J] [--seconds T] [--without RULE]
 *            [--twice] [--resume FILE]
 *   simulate --seed S [--trace] [--without RULE]
 *   simulate --mutations [--jobs J] [--without RULE]
 *
 * Each seed draws its scene; --scene NAME (see scenes.c) makes it that one.
 * A seed that fails is printed with the command that shows it again. --twice
 * runs each once more, in a process that has kept nothing (kept.h): all must
 * happen as before. A seed with too few faults or takeovers is not counted:
 * --resume runs another one for it, and keeps the counts in a file: the same
 * command goes on with the run that was interrupted.
 */
#include <getopt.h>
#include <signal.h>
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
#include "tests/sim/tally.h"

#define JOBS_MAX    64
#define PROGRESS_US 500000
#define CHUNK       2000 /* seeds; what an interruption loses at most */

struct options {
    uint64_t first, seeds;
    double until; /* seconds(); 0: no end */
    bool one, traced, mutations, twice;
    int jobs;
    const char *without, *resume;
    enum sim_scene scene;
};

static double seconds(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct timespec used;
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double) used.tv_sec + (double) used.tv_nsec / 1e9;
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
        tally->running = seed;
        const struct world_options what = { .seed = seed,
                                            .scene = options->scene };
        world_run(&what, &tally->coverage, &verdict);
        run_again(options, &what, &verdict);
        tally_add(tally, &verdict, seed);
    }
}

/* Until the first of the processes ends; on a terminal only. */
static void show_progress(const struct options *options,
                          const struct tally *tallies)
{
    double from = seconds();
    siginfo_t ended = { .si_pid = 0 };
    while (isatty(STDERR_FILENO) && ended.si_pid == 0 &&
           waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0) {
        uint64_t done = 0;
        uint64_t failed = 0;
        for (int i = 0; i < options->jobs; i++) {
            done += tallies[i].seeds;
            failed += tallies[i].failed;
        }
        double rate = (double) done / (seconds() - from + 1e-3);
        double left_s = (double) (options->seeds - done) / (rate + 1e-3);
        (void) fprintf(stderr,
                       "\r%llu of %llu seeds, %.0f a second, %.0f min left, "
                       "%llu failed \033[K",
                       (unsigned long long) done,
                       (unsigned long long) options->seeds, rate, left_s / 60,
                       (unsigned long long) failed);
        (void) usleep(PROGRESS_US);
    }
    (void) fprintf(stderr, isatty(STDERR_FILENO) ? "\r\033[K" : "");
}

/* Adds what they came to; false: one of them ended badly. */
static bool run_jobs(const struct options *options, struct tally *total)
{
    double from = seconds();
    pid_t children[JOBS_MAX];
    size_t size = JOBS_MAX * sizeof(struct tally);
    struct tally *tallies = mmap(NULL, size, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tallies == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    (void) fflush(stdout);
    for (int i = 0; i < options->jobs; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            run_range(options, i, &tallies[i]);
            tallies[i].cpu_s = cpu_seconds();
            (void) fflush(stdout);
            _exit(0);
        }
        if (children[i] < 0) {
            perror("fork");
            exit(1);
        }
    }
    show_progress(options, tallies);
    bool whole = true;
    for (int i = 0; i < options->jobs; i++) {
        int status = 0;
        if (waitpid(children[i], &status, 0) < 0 || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 0) {
            (void) printf("seed %llu: the process ended badly\n",
                          (unsigned long long) tallies[i].running);
            whole = false;
        }
    }
    for (int i = 0; i < options->jobs; i++) {
        tally_merge(total, &tallies[i]);
    }
    total->took_s += seconds() - from;
    (void) munmap(tallies, size);
    return whole;
}

/* Chunk after chunk, each kept when it is done. */
static int run_resumed(const struct options *options, struct tally *all)
{
    tally_load(options->resume, options->first, all);
    if (all->seeds > 0) {
        (void) printf("goes on after %llu seeds\n",
                      (unsigned long long) all->seeds);
    }
    while (all->seeds - all->sparse < options->seeds) {
        struct options chunk = *options;
        uint64_t left = options->seeds - (all->seeds - all->sparse);
        chunk.first = options->first + all->seeds;
        chunk.seeds = left < CHUNK ? left : CHUNK;
        if (!run_jobs(&chunk, all)) {
            return 1; /* the counts are those of fewer seeds */
        }
        if (!tally_save(options->resume, all)) {
            perror(options->resume);
            return 1;
        }
    }
    return 0;
}

static int run_seeds(const struct options *options)
{
    static struct tally total;
    struct tally *all = &total;
    bool whole = true;
    if (options->resume == NULL) {
        whole = run_jobs(options, all);
    } else if (run_resumed(options, all) != 0) {
        return 1;
    }
    size_t empty = coverage_print(&all->coverage, stdout);
    tally_print(all);
    bool uncovered = empty > 0 && all->seeds >= COVERAGE_SEEDS;
    if (uncovered) {
        (void) printf("%zu cells that can be reached are empty\n", empty);
    }
    return all->failed > 0 || uncovered || !whole;
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
        { "resume", required_argument, NULL, 'r' },
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
        case 'r':
            options->resume = optarg;
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
    struct options options = { .first = 1, .scene = SCENE_DRAWN };
    struct ts_err err;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    options.jobs = processors < 1          ? 1
                   : processors > JOBS_MAX ? JOBS_MAX
                                           : (int) processors;
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
