#include "tests/sim/mutations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/rule.h"
#include "tests/sim/world.h"

#define BOUND 60 /* where a rule needs no more, or fewer */

struct mutation {
    const char *where; /* of the switch */
    enum sim_scene scene;
    int bound;
};

static const struct mutation mutations[TS_RULES_COUNT] = {
    [TS_RULE_CLOCK_BEFORE_SEND] = { "cluster/observe.c", SCENE_LATE_ANSWER,
                                    BOUND },
    [TS_RULE_EPSILON] = { "cluster/lease.c", SCENE_LONG_LEASE, BOUND },
    [TS_RULE_MARGIN] = { "cluster/lease.c", SCENE_LATE_REQUEST, BOUND },
    [TS_RULE_OBSERVED_CHANGE] = { "cluster/observe.c", SCENE_PLAIN, BOUND },
    [TS_RULE_REREAD_AFTER_FENCE] = { "cluster/takeover.c", SCENE_PLAIN, BOUND },
    [TS_RULE_FENCE_VERIFIED] = { "target/fence.c", SCENE_EDGE, BOUND },
    [TS_RULE_TOKEN_EXPIRY] = { "target/fence.c", SCENE_EDGE, BOUND },
    [TS_RULE_NOTHING_WHILE_PENDING] = { "cluster/takeover.c", SCENE_EDGE,
                                        BOUND },
    [TS_RULE_PROGRESS] = { "cluster/claims.c", SCENE_HANG, BOUND },
    [TS_RULE_EPOCH_PERSISTED] = { "cluster/member.c", SCENE_RESTORED, BOUND },
    [TS_RULE_REGISTER_REGRESSED] = { "cluster/observe.c", SCENE_RESTORED,
                                     BOUND },
    [TS_RULE_CANDIDATE_CURRENT] = { "cluster/takeover.c", SCENE_PLAIN, BOUND },
    [TS_RULE_INTENT_FIRST] = { "engine/order.c", SCENE_PLAIN, BOUND },
    [TS_RULE_WATERMARK_LAST] = { "engine/order.c", SCENE_TORN, BOUND },
    [TS_RULE_POSITION_IN_APPLY] = { "replication/apply.c", SCENE_TORN, BOUND },
    [TS_RULE_PRE_SUM] = { "replication/apply.c", SCENE_WRONG_SUMS, BOUND },
    [TS_RULE_GUARD_WINDOW] = { "engine/inherit_rows.c", SCENE_PLAIN, BOUND },
    [TS_RULE_TAIL_FIRST] = { "replication/follower_snapshot.c", SCENE_PLAIN,
                             BOUND },
    [TS_RULE_PRINCIPAL_OWN] = { "cluster/takeover.c", SCENE_EDGE, BOUND },
    [TS_RULE_NO_SILENT_RESEND] = { "base/http.c", SCENE_PLAIN, BOUND },
    [TS_RULE_FOUND_KEPT] = { "engine/order.c", SCENE_PLAIN, BOUND },
    [TS_RULE_LATE_EFFECT] = { "engine/doubt.c", SCENE_PLAIN, BOUND },
    [TS_RULE_NEVER_REENABLE] = { "cluster/takeover.c", SCENE_EDGE, BOUND },
    [TS_RULE_PUBLISH_FIRST] = { "cluster/takeover.c", SCENE_PLAIN, BOUND },
    [TS_RULE_PROMISE_NO_CAS] = { "cluster/promise.c", SCENE_LATE_ASKING,
                                 BOUND },
    [TS_RULE_PROMISE_FROM_REQUEST] = { "cluster/promise.c", SCENE_LATE_PROMISE,
                                       BOUND },
    [TS_RULE_QUIESCE] = { "engine/doubt.c", SCENE_PLAIN, BOUND },
    [TS_RULE_SETTLE_OBSERVES] = { "engine/doubt.c", SCENE_PLAIN, BOUND },
    [TS_RULE_OUTAGE_NOT_REFUSAL] = { "target/fence.c", SCENE_OUTAGE, BOUND },
    [TS_RULE_SUM_RECOMPUTED] = { "replication/apply.c", SCENE_PLAIN, BOUND },
    [TS_RULE_LINEAGE] = { "replication/lineage.c", SCENE_PLAIN, BOUND },
    [TS_RULE_START_WAIT] = { "cluster/member.c", SCENE_PLAIN, BOUND },
    [TS_RULE_MEMBER_ONLY] = { "cluster/role.c", SCENE_PLAIN, BOUND },
};

/* What the process of a rule has found; in shared memory. */
struct finding {
    int seeds; /* run with the switch; the last of them noticed it */
    bool noticed, controlled;
    char violated[16], text[512];
    char
        control[512]; /* what the same seeds break with the rule; "": nothing */
    double cpu_s;
};

/* Run one seed; false: it broke something, *ret_verdict says what. */
static bool holds(enum sim_scene scene, int seed,
                  struct world_verdict *ret_verdict)
{
    static struct sim_coverage coverage;
    struct world_options options = { .seed = (uint64_t) seed, .scene = scene };
    world_run(&options, &coverage, ret_verdict);
    return ret_verdict->violated == NULL;
}

static void control(const struct mutation *mutation, struct finding *finding)
{
    struct world_verdict verdict;
    for (int seed = 1; seed <= finding->seeds; seed++) {
        if (!holds(mutation->scene, seed, &verdict)) {
            (void) snprintf(finding->control, sizeof finding->control,
                            "seed %d: %s: %.450s", seed, verdict.violated,
                            verdict.text);
            return;
        }
    }
    finding->controlled = true;
}

static void search(enum ts_rule rule, struct finding *finding)
{
    const struct mutation *mutation = &mutations[rule];
    struct world_verdict verdict;
    struct rusage usage;
    ts_rules_restore();
    ts_rule_disable(rule);
    while (!finding->noticed && finding->seeds < mutation->bound) {
        if (!holds(mutation->scene, ++finding->seeds, &verdict)) {
            finding->noticed = true;
            (void) snprintf(finding->violated, sizeof finding->violated, "%s",
                            verdict.violated);
            (void) snprintf(finding->text, sizeof finding->text, "%s",
                            verdict.text);
        }
    }
    ts_rules_restore();
    control(mutation, finding);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        finding->cpu_s =
            (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
}

static bool is_good(const struct finding *finding)
{
    return finding->noticed && finding->controlled;
}

static void print(enum ts_rule rule, const struct finding *finding)
{
    const struct mutation *mutation = &mutations[rule];
    (void) printf("%-61s %-29s %-12s %5d %5d  %s%s%.60s\n", ts_rule_text(rule),
                  mutation->where, scenes_name(mutation->scene), finding->seeds,
                  mutation->bound,
                  finding->noticed ? finding->violated : "NOT NOTICED",
                  finding->noticed ? ": " : "", finding->text);
    if (finding->control[0] != 0) {
        (void) printf("    and the same seeds with the rule: %s\n",
                      finding->control);
    } else if (!finding->controlled) {
        (void) printf("    and its process ended badly in that seed\n");
    }
    (void) fflush(stdout);
}

/* One process a rule: its switches are its own, and an assertion that fails is
 * a finding of it alone. */
static pid_t begin(enum ts_rule rule, struct finding *finding)
{
    (void) fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        search(rule, finding);
        _exit(0);
    }
    return pid;
}

/* The rows that are due, in the table's order: each as soon as it and those
 * before it are done. */
struct table {
    const char *name; /* only this one; NULL: all */
    const struct finding *findings;
    int next, count, bad;
    double cpu_s;
};

static bool is_asked(const struct table *table, int rule)
{
    return table->name == NULL ||
           strcmp(table->name, ts_rule_name((enum ts_rule) rule)) == 0;
}

static void print_done(struct table *table, const bool *done)
{
    while (table->next < TS_RULES_COUNT &&
           (done[table->next] || !is_asked(table, table->next))) {
        const struct finding *finding = &table->findings[table->next];
        if (is_asked(table, table->next)) {
            print((enum ts_rule) table->next, finding);
            table->count++;
            table->bad += !is_good(finding);
            table->cpu_s += finding->cpu_s;
        }
        table->next++;
    }
}

static void reap(struct table *table, const pid_t *pids, bool *done)
{
    pid_t pid = wait(NULL);
    for (int i = 0; i < TS_RULES_COUNT; i++) {
        done[i] = done[i] || (pid > 0 && pids[i] == pid);
    }
    print_done(table, done);
}

int mutations_run(const char *name, int jobs)
{
    struct finding *findings =
        mmap(NULL, TS_RULES_COUNT * sizeof *findings, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct table table = { .name = name, .findings = findings };
    pid_t pids[TS_RULES_COUNT] = { 0 };
    bool done[TS_RULES_COUNT] = { false };
    int running = 0;
    if (findings == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    (void) printf("%-61s %-29s %-12s %5s %5s  %s\n", "with this", "switch in",
                  "scene", "seeds", "bound", "the judge says");
    for (int i = 0; i < TS_RULES_COUNT; i++) {
        if (is_asked(&table, i)) {
            if (running == jobs) {
                reap(&table, pids, done);
                running--;
            }
            pids[i] = begin((enum ts_rule) i, &findings[i]);
            running++;
        }
    }
    for (; running > 0; running--) {
        reap(&table, pids, done);
    }
    (void) printf("%d rules, %d of them not noticed alone; %.0f s of CPU\n",
                  table.count, table.bad, table.cpu_s);
    return table.bad > 0;
}
