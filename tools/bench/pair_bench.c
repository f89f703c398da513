/*
 * pair_bench -- two nodes' replication, over the link that they really have.
 *
 *   pair_bench snapshot STATE FOLDER
 *   pair_bench lag      STATE FOLDER [SECONDS [CHANGES_A_SECOND]]
 *
 * STATE is the state directory of a daemon that was stopped; it is copied.
 * Two processes, alpha and beta, have a state directory below FOLDER each, and
 * what a daemon has: a reactor, the link (ZeroMQ, CURVE, loopback), the
 * machines of leader and follower, the thread that works on files, and one that
 * writes the state. Nothing of the engine: who writes is this program.
 *
 *   snapshot  beta has no state. From its first question for a chunk until the
 *             file is wholly on its disk (fsync); building it and checking it
 *             (quick_check, the sum of all rows) are told apart.
 *   lag       both hold the same; alpha commits so many transactions a second
 *             of one changed row each, durably. From the end of each commit
 *             there to the end of the commit with it here.
 *
 * Prints one JSON document.
 */
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/daemon/cluster_ship.h"
#include "node/daemon/errands.h"
#include "node/daemon/reactor.h"
#include "node/engine/state.h"
#include "replication/apply.h"
#include "replication/follower.h"
#include "replication/frame_wire.h"
#include "replication/generation.h"
#include "replication/leader.h"
#include "replication/link.h"
#include "tools/bench/bench.h"

#define CHANGES_MAX 100000
#define COPY_SIZE   ((size_t) 1024 * 1024)
#define PATH_SIZE   400
#define PATIENCE_S  300
#define ARENA_SIZE  ((size_t) 4 * WIRE_FRAME_MAX)

enum mode {
    SNAPSHOT,
    LAG
};

/* What the processes tell each other and the one that started them. */
struct shared {
    double build_ms, want_ms, stored_ms, installed_ms; /* snapshot */
    uint64_t file_bytes, wire_bytes;
    int64_t seq; /* lag: change i has number seq + 1 + i */
    double committed_ms[CHANGES_MAX], applied_ms[CHANGES_MAX];
};

struct task {
    enum mode mode;
    int64_t changes, rate;
    struct certificate keys[2];
    char endpoints[2][64], folders[2][PATH_SIZE + 16];
    struct shared *shared;
};

/* One process. */
struct node {
    const struct task *task;
    struct shared *shared;
    bool leads;
    struct reactor *reactor;
    struct post *post;
    struct zap *zap;
    struct link *link;
    struct ts_arena arena; /* of the frame that is being sent or heard */
    struct db_schema schema;
    struct ship_options ship_options;
    struct cluster_ship *ship;
    struct db db;
    struct journal *journal;
    struct errands *store; /* beta's; alpha has a thread of its own */
    pthread_t writer;
    struct leader *leader;
    struct leader_actions leader_actions;
    struct follower *follower;
    struct follower_actions follower_actions;
    double build_ms;
};

static const char *const node_names[] = { "alpha", "beta" };

static double now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

static void forget(struct post_letter *letter)
{
    free(letter);
}

/* ---- out ----------------------------------------------------------------- */

static void say(struct node *node, const struct frame *frame)
{
    struct wire_message message = { .header = { .sender = "" } };
    ts_arena_reset(&node->arena);
    MUST(frame_to_wire(frame, &node->arena, &message, &err));
    /* What is not sent is asked for again. */
    enum ts_code ignored = link_send(node->link, &message, &err);
    (void) ignored;
}

static void lead(struct node *node, const struct leader_event *event)
{
    leader_step(node->leader, event, ts_time_now(), &node->leader_actions);
    for (size_t i = 0; i < node->leader_actions.count; i++) {
        const struct leader_action *action = &node->leader_actions.items[i];
        if (action->type == LEADER_SEND) {
            say(node, &action->frame);
        } else if (action->type == LEADER_JOB) {
            if (action->job.type == SHIP_BUILD) {
                node->build_ms = now_ms();
            }
            MUST(cluster_ship_give(node->ship, &action->job));
        } else if (action->type == LEADER_TELL) {
            (void) fprintf(stderr, "alpha: %s\n", action->text);
        }
    }
}

/* ---- what the follower makes --------------------------------------------- */

struct making {
    struct errand errand;
    struct node *node;
    struct batch *batch;
    struct journal_position at;
    double ended_ms;
};

static void follow(struct node *node, const struct follower_event *event);

static void make(struct errand *errand)
{
    struct making *making = (struct making *) errand;
    struct node *node = making->node;
    MUST(journal_apply(node->journal, making->batch->items,
                       making->batch->count, &err));
    making->ended_ms = now_ms();
    making->at = journal_position(node->journal);
}

static void made(struct post_letter *letter)
{
    struct making *making = (struct making *) letter;
    struct node *node = making->node;
    for (size_t i = 0; i < making->batch->count; i++) {
        int64_t change = making->batch->items[i].seq - node->shared->seq - 1;
        if (change >= 0 && change < CHANGES_MAX) {
            node->shared->applied_ms[change] = making->ended_ms;
        }
    }
    follow(node, &(struct follower_event){ .type = FOLLOWER_APPLIED,
                                           .position = making->at });
    if (making->at.seq >= node->shared->seq + node->task->changes) {
        reactor_stop(node->reactor);
    }
    batch_free(making->batch);
    free(making);
}

static void apply(struct node *node, struct batch *batch)
{
    struct making *making = calloc(1, sizeof *making);
    must_do(making != NULL, "memory");
    making->errand =
        (struct errand){ .letter = { .deliver = made, .drop = forget },
                         .work = make };
    making->node = node;
    making->batch = batch;
    MUST(errands_give(node->store, &making->errand));
}

/* All chunks are written: what the copy with nc ends with as well, an fsync. */
static void end_transfer(struct node *node)
{
    char path[GENERATION_PATH_SIZE];
    MUST(generation_path(node->task->folders[1], 1, path, &err));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    must_do(fd >= 0 && fsync(fd) == 0, path);
    node->shared->stored_ms = now_ms();
    node->shared->wire_bytes = link_stats(node->link).received_bytes;
    (void) close(fd);
}

static void perform(struct node *node, const struct follower_action *action)
{
    static const struct frame_id none;
    char path[PATH_SIZE + 64];
    switch (action->type) {
    case FOLLOWER_SEND:
        if (action->frame.type == FRAME_WANT && node->shared->want_ms == 0 &&
            !frame_id_equal(&action->frame.want.id, &none)) {
            node->shared->want_ms = now_ms();
        }
        say(node, &action->frame);
        break;
    case FOLLOWER_JOB:
        if (action->job.type == SHIP_FINISH) {
            end_transfer(node);
        } else if (action->job.type == SHIP_BEGIN) {
            (void) snprintf(path, sizeof path, "%s/touched",
                            node->task->folders[1]);
            touch_pages(path, action->job.offer.size);
        }
        MUST(cluster_ship_give(node->ship, &action->job));
        break;
    case FOLLOWER_APPLY:
        apply(node, action->batch);
        break;
    case FOLLOWER_INSTALL:
        node->shared->installed_ms = now_ms();
        reactor_stop(node->reactor);
        break;
    case FOLLOWER_TELL:
        (void) fprintf(stderr, "beta: %s\n", action->text);
        break;
    }
}

static void follow(struct node *node, const struct follower_event *event)
{
    follower_step(node->follower, event, ts_time_now(),
                  &node->follower_actions);
    for (size_t i = 0; i < node->follower_actions.count; i++) {
        perform(node, &node->follower_actions.items[i]);
    }
}

/* ---- in ------------------------------------------------------------------ */

static void heard(void *context, const struct wire_message *message)
{
    struct node *node = context;
    struct ts_arena arena;
    struct frame frame;
    ts_arena_init(&arena, ARENA_SIZE);
    MUST(frame_of_wire(message, &arena, &frame, &err));
    if (node->leads) {
        lead(node,
             &(struct leader_event){ .type = LEADER_FRAME, .frame = &frame });
    } else {
        follow(node, &(struct follower_event){ .type = FOLLOWER_FRAME,
                                               .frame = &frame });
    }
    ts_arena_done(&arena);
}

static void refused(void *context, const char *address, const char *key,
                    const char *why)
{
    (void) context;
    (void) key;
    (void) fprintf(stderr, "refused %s: %s\n", address, why);
}

static void done(void *context, const struct ship_result *result)
{
    struct node *node = context;
    if (result->type == SHIP_BUILD) {
        node->shared->build_ms = now_ms() - node->build_ms;
        node->shared->file_bytes = result->offer.size;
    }
    if (node->leads) {
        lead(node,
             &(struct leader_event){ .type = LEADER_RESULT, .result = result });
    } else {
        follow(node, &(struct follower_event){ .type = FOLLOWER_RESULT,
                                               .result = result });
    }
}

/* ---- what the leader writes ---------------------------------------------- */

struct commit {
    struct post_letter letter;
    struct node *node;
    struct journal_position at;
};

static void committed(struct post_letter *letter)
{
    struct commit *commit = (struct commit *) letter;
    lead(commit->node, &(struct leader_event){ .type = LEADER_COMMITTED,
                                               .position = commit->at });
    free(commit);
}

static void change(struct node *node, sqlite3_stmt *stmt, int64_t number)
{
    struct commit *commit = calloc(1, sizeof *commit);
    must_do(commit != NULL, "memory");
    MUST(journal_begin(node->journal, &err));
    db_bind_int(stmt, 1, number * 7919);
    MUST(db_run(&node->db, stmt, &err));
    MUST(journal_commit(node->journal, NULL, &err));
    node->shared->committed_ms[number] = now_ms();
    *commit =
        (struct commit){ .letter = { .deliver = committed, .drop = forget },
                         .node = node,
                         .at = journal_position(node->journal) };
    post_send(node->post, &commit->letter);
}

static void *write_changes(void *context)
{
    struct node *node = context;
    const struct task *task = node->task;
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    struct timespec next;
    /* Another packed entry of the same size. */
    MUST(db_prepare(&node->db,
                    "UPDATE metaverse SET packed=randomblob(length(packed)),"
                    "changed=changed+1 WHERE id=(SELECT id FROM metaverse "
                    "WHERE id>=?1%(SELECT max(id) FROM metaverse) ORDER BY id "
                    "LIMIT 1)",
                    &stmt, &err));
    (void) clock_gettime(CLOCK_MONOTONIC, &next);
    for (int64_t i = 0; i < task->changes; i++) {
        next.tv_nsec += 1000000000 / task->rate;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        change(node, stmt, i);
    }
    return NULL;
}

/* ---- a process ----------------------------------------------------------- */

static void open_state(struct node *node)
{
    char path[GENERATION_PATH_SIZE] = "";
    int64_t number = 0;
    const char *folder = node->task->folders[node->leads ? 0 : 1];
    const struct journal_options options = { .tables = state_tables(),
                                             .schema = &node->schema };
    MUST(generation_current(folder, &number, &err));
    if (number > 0) {
        MUST(generation_locate(folder, &number, path, &err));
        MUST(db_open_kept(path, DB_DURABLE, &node->schema, &node->db, &err));
        MUST(journal_open(&node->db, &options, &node->journal, &err));
    }
    MUST(cluster_ship_open(node->ship, path));
}

static void begin(struct node *node)
{
    struct journal_position at = { .seq = 0 };
    if (node->journal != NULL) {
        at = journal_position(node->journal);
    }
    if (node->leads) {
        node->shared->seq = at.seq;
        lead(node, &(struct leader_event){ .type = LEADER_BEGIN,
                                           .epoch = at.epoch,
                                           .position = at });
        return;
    }
    follow(node, &(struct follower_event){ .type = FOLLOWER_BEGIN,
                                           .nonce = 1,
                                           .epoch = at.epoch,
                                           .position = at });
}

/* The link to beta is up at both ends: alpha may begin to write. */
static void changed(void *context, bool is_up)
{
    struct node *node = context;
    if (!node->leads) {
        follow(node,
               &(struct follower_event){ .type = FOLLOWER_LINK, .up = is_up });
    } else if (!is_up) {
        reactor_stop(node->reactor);
    } else if (node->task->mode == LAG) {
        must_do(pthread_create(&node->writer, NULL, write_changes, node) == 0,
                "thread");
    }
}

static void on_post(void *context, struct ts_time now)
{
    struct node *node = context;
    (void) now;
    post_step(node->post);
}

static void on_link(void *context, struct ts_time now)
{
    struct node *node = context;
    link_step(node->link, now);
}

static struct ts_time link_due(void *context)
{
    const struct node *node = context;
    return link_deadline(node->link);
}

static void on_tick(void *context, struct ts_time now)
{
    struct node *node = context;
    (void) now;
    if (node->leads) {
        lead(node, &(struct leader_event){ .type = LEADER_TICK });
    } else {
        follow(node, &(struct follower_event){ .type = FOLLOWER_TICK });
    }
}

static struct ts_time tick_due(void *context)
{
    const struct node *node = context;
    return node->leads ? leader_deadline(node->leader)
                       : follower_deadline(node->follower);
}

static void open_link(struct node *node)
{
    const struct task *task = node->task;
    size_t own = node->leads ? 0 : 1;
    const struct link_options options = {
        .own = &task->keys[own],
        .zap = node->zap,
        .endpoint = task->endpoints[own],
        .peer_name = node_names[1 - own],
        .peer_endpoint = task->endpoints[1 - own],
        .peer_key = task->keys[1 - own].public_key,
        .boot = { { (uint8_t) (own + 1) } },
        .heartbeat_ms = 5000,
        .events = { .heard = heard,
                    .changed = changed,
                    .refused = refused,
                    .context = node },
    };
    MUST(link_open(&options, &node->link, &err));
}

static void open_node(struct node *node)
{
    const char *folder = node->task->folders[node->leads ? 0 : 1];
    node->schema = state_schema();
    node->ship_options = (struct ship_options){ .directory = folder,
                                                .tables = state_tables(),
                                                .schema = &node->schema };
    struct cluster_ship_options options = { .ship = &node->ship_options,
                                            .done = done,
                                            .context = node };
    ts_arena_init(&node->arena, ARENA_SIZE);
    MUST(capture_setup(&err));
    MUST(post_new(&node->post, &err));
    MUST(reactor_new(&node->reactor, &err));
    MUST(zap_new(&node->zap, &err));
    options.post = node->post;
    MUST(cluster_ship_new(&options, &node->ship, &err));
    MUST(errands_new("store", 4, node->post, &node->store, &err));
    node->leader = leader_new();
    node->follower = follower_new();
    must_do(node->leader != NULL && node->follower != NULL, "memory");
}

/* Ends when beta has what was to be measured, and alpha when beta has ended. */
static void run_node(const struct task *task, bool leads)
{
    static struct node node;
    node.task = task;
    node.shared = task->shared;
    node.leads = leads;
    open_node(&node);
    open_state(&node);
    open_link(&node);
    begin(&node);
    const struct reactor_part parts[] = {
        { "post", post_fd(node.post), on_post, NULL, &node },
        { "link", link_fd(node.link), on_link, link_due, &node },
        { "tick", -1, on_tick, tick_due, &node },
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        MUST(reactor_add(node.reactor, &parts[i], &err));
    }
    MUST(reactor_run(node.reactor, &err));
    /* The operating system takes the rest back. */
    _exit(0);
}

/* ---- before and after ---------------------------------------------------- */

static void prepare(struct task *task, const char *state, const char *folder)
{
    for (size_t i = 0; i < 2; i++) {
        (void) snprintf(task->folders[i], sizeof task->folders[i], "%s/%s",
                        folder, node_names[i]);
        must_do(mkdir(task->folders[i], 0700) == 0, task->folders[i]);
        choose_endpoint(task->endpoints[i]);
        MUST(certificate_draw(node_names[i], &task->keys[i], &err));
        if (i == 0 || task->mode == LAG) {
            copy_state(state, task->folders[i]);
        }
    }
    task->shared = mmap(NULL, sizeof *task->shared, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must_do(task->shared != MAP_FAILED, "memory");
}

static void run_nodes(const struct task *task)
{
    pid_t nodes[2];
    for (size_t i = 0; i < 2; i++) {
        nodes[i] = fork();
        must_do(nodes[i] >= 0, "fork");
        if (nodes[i] == 0) {
            (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
            (void) alarm(PATIENCE_S);
            run_node(task, i == 0);
        }
    }
    for (size_t i = 2; i-- > 0;) {
        int status = 0;
        must_do(waitpid(nodes[i], &status, 0) == nodes[i], "wait");
        if (status != 0) {
            (void) fprintf(stderr, "%s ended with %d\n", node_names[i], status);
            (void) kill(nodes[0], SIGKILL);
            exit(1);
        }
    }
}

static json_t *snapshot_report(const struct shared *shared)
{
    return json_pack("{s:I, s:I, s:f, s:f, s:f}", "file_bytes",
                     (json_int_t) shared->file_bytes, "wire_bytes",
                     (json_int_t) shared->wire_bytes, "build_ms",
                     shared->build_ms, "transfer_ms",
                     shared->stored_ms - shared->want_ms, "check_ms",
                     shared->installed_ms - shared->stored_ms);
}

static json_t *lag_report(const struct task *task)
{
    const struct shared *shared = task->shared;
    double *lags = calloc((size_t) task->changes, sizeof *lags);
    must_do(lags != NULL, "memory");
    size_t count = (size_t) task->changes;
    for (size_t i = 0; i < count; i++) {
        must_do(shared->applied_ms[i] > 0, "a change never came");
        lags[i] = shared->applied_ms[i] - shared->committed_ms[i];
    }
    double seconds =
        (shared->committed_ms[count - 1] - shared->committed_ms[0]) / 1e3;
    json_t *report = json_pack(
        "{s:I, s:f, s:f, s:f, s:f}", "changes", (json_int_t) count,
        "changes_a_second", (double) (count - 1) / seconds, "median_ms",
        quantile(lags, count, 50), "p99_ms", quantile(lags, count, 99),
        "worst_ms", quantile(lags, count, 100));
    free(lags);
    return report;
}

int main(int argc, char **argv)
{
    static struct task task;
    if (argc < 4 || strlen(argv[3]) > PATH_SIZE ||
        (strcmp(argv[1], "snapshot") != 0 && strcmp(argv[1], "lag") != 0)) {
        (void) fprintf(stderr, "usage: pair_bench snapshot|lag STATE FOLDER "
                               "[SECONDS [CHANGES_A_SECOND]]\n");
        return 2;
    }
    int64_t seconds = argc > 4 ? strtoll(argv[4], NULL, 10) : 10;
    task.rate = argc > 5 ? strtoll(argv[5], NULL, 10) : 500;
    task.changes = seconds * task.rate;
    must_do(task.rate > 0 && task.changes > 1 && task.changes <= CHANGES_MAX,
            "that many changes");
    task.mode = strcmp(argv[1], "lag") == 0 ? LAG : SNAPSHOT;
    prepare(&task, argv[2], argv[3]);
    run_nodes(&task);
    json_t *report =
        task.mode == LAG ? lag_report(&task) : snapshot_report(task.shared);
    (void) json_dumpf(report, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5));
    (void) putchar('\n');
    json_decref(report);
    return 0;
}
