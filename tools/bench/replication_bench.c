/*
 * replication_bench -- what a snapshot and following cost.
 *
 *   replication_bench FOLDER [OBJECTS]
 *
 * A state of OBJECTS objects (100,000) goes from one folder to another, five
 * times each, interleaved: copied plainly through a pipe between two threads
 * with an fsync (what nc of the same file does), and as a snapshot's chunks
 * through the wire's codec and the same pipe. The building (SQLite's backup and
 * the hashes) and the checking (quick_check, the sum of all rows) are measured
 * apart. Then 2,000 small transactions are read, packed, unpacked and applied
 * one by one, as a follower does: the median and the 99th percentile of one.
 * Prints one JSON document of medians.
 */
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/wire_codec.h"
#include "replication/apply.h"
#include "replication/frame_wire.h"
#include "replication/generation.h"
#include "replication/journal.sql.h"
#include "replication/lineage.h"
#include "replication/snapshot_build.h"
#include "replication/snapshot_install.h"

enum {
    RUNS = 5,
    ROWS = 2000,
    PATH_SIZE = 400
};

static const char *const names[] = { "object" };
static const struct capture_tables tables = { names, 1 };
static const char *const migrations[] = {
    journal_sql,
    "CREATE TABLE object(id INTEGER NOT NULL PRIMARY KEY, anchor TEXT NOT NULL,"
    "parent BLOB NOT NULL, rdn TEXT NOT NULL, packed BLOB NOT NULL,"
    "hash BLOB NOT NULL, change INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX object_anchor ON object(anchor);",
};
static const struct db_schema schema = { 0x7262, migrations, 2 };
static struct ts_err err;

#define MUST(call)                                    \
    do {                                              \
        if ((call) != TS_OK) {                        \
            (void) fprintf(stderr, "%s\n", err.text); \
            exit(1);                                  \
        }                                             \
    } while (0)

static void must_do(bool done, const char *what)
{
    if (!done) {
        perror(what);
        exit(1);
    }
}

static double now_ms(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, size_t percent)
{
    qsort(values, count, sizeof *values, compare);
    size_t at = count * percent / 100;
    return values[at < count ? at : count - 1];
}

/* ---- the pipe: a size, then so many bytes ------------------------------- */

static void write_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t part = write(fd, at, size);
        must_do(part > 0, "write");
        at += part;
        size -= (size_t) part;
    }
}

static bool read_all(int fd, void *data, size_t size)
{
    uint8_t *at = data;
    while (size > 0) {
        ssize_t part = read(fd, at, size);
        must_do(part >= 0, "read");
        if (part == 0) {
            return false;
        }
        at += part;
        size -= (size_t) part;
    }
    return true;
}

struct transfer {
    struct snapshot_build *build;
    struct frame_offer offer;
    const char *from, *to;
    int out; /* the sender's end */
};

static void *send_plain(void *context)
{
    struct transfer *transfer = context;
    static uint8_t bytes[FRAME_CHUNK_SIZE];
    int file = open(transfer->from, O_RDONLY | O_CLOEXEC);
    ssize_t size = 0;
    must_do(file >= 0, "open");
    while ((size = read(file, bytes, sizeof bytes)) > 0) {
        write_all(transfer->out, bytes, (size_t) size);
    }
    (void) close(file);
    (void) close(transfer->out);
    return NULL;
}

static void receive_plain(const struct transfer *transfer, int in)
{
    static uint8_t bytes[FRAME_CHUNK_SIZE];
    int file =
        open(transfer->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t size = 0;
    must_do(file >= 0, "open");
    while ((size = read(in, bytes, sizeof bytes)) > 0) {
        write_all(file, bytes, (size_t) size);
    }
    must_do(fsync(file) == 0, "fsync");
    (void) close(file);
}

static void send_frame(int fd, const struct frame *frame,
                       struct ts_arena *arena)
{
    struct wire_message message = {
        .header = { .sender = "bench", .boot = { { 1 } } },
    };
    struct ts_slice bytes;
    MUST(frame_to_wire(frame, arena, &message, &err));
    MUST(wire_pack(&message, arena, &bytes, &err));
    uint64_t size = bytes.size;
    write_all(fd, &size, sizeof size);
    write_all(fd, bytes.data, bytes.size);
}

static void *send_chunks(void *context)
{
    struct transfer *transfer = context;
    struct ts_arena arena;
    size_t chunks = transfer->offer.hashes.size / TS_HASH_SIZE;
    ts_arena_init(&arena, 4 * WIRE_FRAME_MAX);
    for (uint32_t i = 0; i < chunks; i++) {
        struct frame frame = { .type = FRAME_CHUNK };
        MUST(snapshot_build_chunk(transfer->build, i, &arena, &frame.chunk,
                                  &err));
        send_frame(transfer->out, &frame, &arena);
        ts_arena_reset(&arena);
    }
    ts_arena_done(&arena);
    (void) close(transfer->out);
    return NULL;
}

static void receive_chunks(struct snapshot_install *install, int in)
{
    static uint8_t bytes[WIRE_FRAME_MAX];
    struct ts_arena arena;
    uint64_t size = 0;
    ts_arena_init(&arena, 4 * WIRE_FRAME_MAX);
    while (read_all(in, &size, sizeof size)) {
        struct wire_message message;
        struct frame frame;
        must_do(size <= sizeof bytes && read_all(in, bytes, size), "frame");
        MUST(wire_unpack(ts_slice(bytes, size), &arena, &message, &err));
        MUST(frame_of_wire(&message, &arena, &frame, &err));
        MUST(snapshot_install_write(install, &frame.chunk, &err));
        ts_arena_reset(&arena);
    }
    ts_arena_done(&arena);
}

/* The sender on a thread, `*ret_in` is the receiver's end. */
static pthread_t start(struct transfer *transfer, void *(*run)(void *),
                       int *ret_in)
{
    int ends[2];
    pthread_t thread;
    must_do(pipe2(ends, O_CLOEXEC) == 0, "pipe");
    (void) fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    transfer->out = ends[1];
    *ret_in = ends[0];
    must_do(pthread_create(&thread, NULL, run, transfer) == 0, "thread");
    return thread;
}

static double run_plain(struct transfer *transfer)
{
    int in = -1;
    double begun = now_ms();
    pthread_t thread = start(transfer, send_plain, &in);
    receive_plain(transfer, in);
    (void) pthread_join(thread, NULL);
    (void) close(in);
    double end = now_ms();
    (void) unlink(transfer->to);
    return end - begun;
}

static double run_snapshot(struct transfer *transfer, const char *directory,
                           double *ret_check)
{
    const struct snapshot_install_options options = { directory, &tables,
                                                      &schema };
    struct snapshot_install *install = NULL;
    struct journal_position at;
    int in = -1;
    double begun = now_ms();
    MUST(snapshot_install_new(&options, &transfer->offer, &install, &err));
    pthread_t thread = start(transfer, send_chunks, &in);
    receive_chunks(install, in);
    (void) pthread_join(thread, NULL);
    (void) close(in);
    /* With its fsync, as the plain copy. */
    MUST(snapshot_install_sync(install, &err));
    double end = now_ms();
    MUST(snapshot_install_finish(install, &at, &err));
    *ret_check = now_ms() - end;
    int64_t folder = snapshot_install_folder(install);
    snapshot_install_free(install);
    MUST(generation_abandon(directory, folder, &err));
    return end - begun;
}

/* ---- the state ---------------------------------------------------------- */

struct node {
    struct db db;
    struct journal *journal;
};

static void make_state(const char *path, int64_t objects, struct node *node)
{
    const struct journal_options options = { .tables = &tables };
    const struct journal_position from = { .generation = 1,
                                           .epoch = 1,
                                           .level = 2 };
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    MUST(db_open(path, DB_BUILDING, &schema, &node->db, &err));
    MUST(db_begin(&node->db, &err));
    /* Half of what is packed can be compressed, as names can. */
    MUST(db_prepare(&node->db,
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 "
                    "FROM n LIMIT ?1) INSERT INTO object SELECT i,"
                    "lower(hex(randomblob(18))),randomblob(16),'uid=person'||i,"
                    "CAST(hex(randomblob(120)) AS BLOB),randomblob(32),i FROM "
                    "n",
                    &stmt, &err));
    db_bind_int(stmt, 1, objects);
    MUST(db_run(&node->db, stmt, &err));
    MUST(db_commit(&node->db, &err));
    MUST(journal_open(&node->db, &options, &node->journal, &err));
    MUST(journal_start(node->journal, &from, &err));
    journal_close(node->journal);
    db_finalize(&stmt);
    db_close(&node->db);
    MUST(db_open(path, DB_DURABLE, &schema, &node->db, &err));
    MUST(journal_open(&node->db, &options, &node->journal, &err));
}

static void bench_snapshot(const struct node *leader, const char *folder,
                           json_t *out)
{
    char plain[PATH_SIZE + 32];
    double copy_ms[RUNS];
    double transfer_ms[RUNS];
    double check_ms[RUNS];
    double build_ms[RUNS];
    struct transfer transfer = { .from = leader->db.path, .to = plain };
    (void) snprintf(plain, sizeof plain, "%s/plain.db", folder);
    for (size_t run = 0; run < RUNS; run++) {
        double begun = now_ms();
        MUST(snapshot_build_new(&leader->db, folder, &transfer.build, &err));
        build_ms[run] = now_ms() - begun;
        transfer.offer = snapshot_build_offer(transfer.build);
        copy_ms[run] = run_plain(&transfer);
        transfer_ms[run] = run_snapshot(&transfer, folder, &check_ms[run]);
        snapshot_build_free(transfer.build);
    }
    double copy = quantile(copy_ms, RUNS, 50);
    double sent = quantile(transfer_ms, RUNS, 50);
    (void) json_object_set_new(out, "file_bytes",
                               json_integer((json_int_t) transfer.offer.size));
    (void) json_object_set_new(out, "build_ms",
                               json_real(quantile(build_ms, RUNS, 50)));
    (void) json_object_set_new(out, "plain_copy_ms", json_real(copy));
    (void) json_object_set_new(out, "transfer_ms", json_real(sent));
    (void) json_object_set_new(out, "transfer_ratio", json_real(sent / copy));
    (void) json_object_set_new(out, "check_ms",
                               json_real(quantile(check_ms, RUNS, 50)));
}

/* One row on its way: read, packed, unpacked, applied. */
static void follow(struct node *leader, struct node *follower)
{
    struct ts_arena arena;
    struct frame frame = { .type = FRAME_ROWS };
    struct frame_piece *pieces = NULL;
    struct wire_message message = {
        .header = { .sender = "bench", .boot = { { 1 } } },
    };
    struct ts_slice bytes;
    const struct lineage_range range = {
        .after = journal_position(follower->journal),
        .size_max = FRAME_ROWS_SIZE_MAX,
    };
    ts_arena_init(&arena, 4 * WIRE_FRAME_MAX);
    MUST(lineage_read(&leader->db, &range, &arena, &pieces, &frame.rows.count,
                      &err));
    frame.rows.pieces = pieces;
    MUST(frame_to_wire(&frame, &arena, &message, &err));
    MUST(wire_pack(&message, &arena, &bytes, &err));
    MUST(wire_unpack(bytes, &arena, &message, &err));
    MUST(frame_of_wire(&message, &arena, &frame, &err));
    MUST(journal_apply(follower->journal, &frame.rows.pieces[0].item,
                       frame.rows.count, &err));
    ts_arena_done(&arena);
}

static void bench_following(struct node *leader, struct node *follower,
                            int64_t objects, json_t *out)
{
    static double ms[ROWS];
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    MUST(db_prepare(&leader->db,
                    "UPDATE object SET packed=randomblob(240),change=?1 WHERE "
                    "id=?2",
                    &stmt, &err));
    for (int64_t i = 0; i < ROWS; i++) {
        MUST(journal_begin(leader->journal, &err));
        db_bind_int(stmt, 1, i);
        db_bind_int(stmt, 2, i * 7919 % objects + 1);
        MUST(db_run(&leader->db, stmt, &err));
        MUST(journal_commit(leader->journal, NULL, &err));
        double begun = now_ms();
        follow(leader, follower);
        ms[i] = now_ms() - begun;
    }
    (void) json_object_set_new(out, "follow_median_ms",
                               json_real(quantile(ms, ROWS, 50)));
    (void) json_object_set_new(out, "follow_p99_ms",
                               json_real(quantile(ms, ROWS, 99)));
}

int main(int argc, char **argv)
{
    char folder[PATH_SIZE];
    char paths[2][PATH_SIZE + 32];
    struct node nodes[2];
    const struct journal_options options = { .tables = &tables };
    int64_t objects = argc > 2 ? strtoll(argv[2], NULL, 10) : 100000;
    if (argc < 2 || strlen(argv[1]) > 300 || objects < 1 ||
        capture_setup(&err) != TS_OK) {
        (void) fprintf(stderr, "usage: replication_bench FOLDER [OBJECTS]\n");
        return 2;
    }
    (void) snprintf(folder, sizeof folder, "%s/replication_bench", argv[1]);
    must_do(mkdir(folder, 0700) == 0, folder);
    (void) snprintf(paths[0], sizeof paths[0], "%s/leader.db", folder);
    (void) snprintf(paths[1], sizeof paths[1], "%s/plain.db", folder);
    make_state(paths[0], objects, &nodes[0]);

    json_t *out = json_object();
    (void) json_object_set_new(out, "objects", json_integer(objects));
    bench_snapshot(&nodes[0], folder, out);

    struct transfer copy = { .from = paths[0], .to = paths[1] };
    MUST(db_exec(&nodes[0].db, "PRAGMA wal_checkpoint(TRUNCATE)", &err));
    int in = -1;
    pthread_t thread = start(&copy, send_plain, &in);
    receive_plain(&copy, in);
    (void) pthread_join(thread, NULL);
    (void) close(in);
    MUST(db_open(paths[1], DB_DURABLE, &schema, &nodes[1].db, &err));
    MUST(journal_open(&nodes[1].db, &options, &nodes[1].journal, &err));
    bench_following(&nodes[0], &nodes[1], objects, out);

    (void) json_dumpf(out, stdout, JSON_INDENT(2));
    (void) printf("\n");
    json_decref(out);
    for (size_t i = 0; i < 2; i++) {
        journal_close(nodes[i].journal);
        db_close(&nodes[i].db);
        (void) unlink(paths[i]);
    }
    (void) rmdir(folder);
    return 0;
}
