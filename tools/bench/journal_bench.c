/*
 * journal_bench -- what capturing, summing and journalling cost.
 *
 *   journal_bench FOLDER [ROWS [RUNS]]
 *
 * The same random updates and inserts of source objects, in the schema and by
 * the statements of the product, in durable transactions of 1,000 rows,
 * run three ways, interleaved RUNS times (5) on fresh copies: plain, captured
 * (session extension only), journalled (captured, summed, one journal row).
 * Then the full sum, the follower's apply, and quick_check of the file. Prints
 * one JSON document of medians; ratios are to plain.
 */
#include <jansson.h>
#include <unistd.h>

#include "node/engine/state.h"
#include "replication/journal.h"
#include "replication/summer.h"
#include "tools/bench/bench.h"

enum {
    RUNS_MAX = 99,
    BATCH = 1000,
    BATCHES = 40,
    PATH_SIZE = 480
};

enum way {
    PLAIN,
    CAPTURED,
    JOURNALLED,
    WAYS
};

static const struct capture_tables *tables; /* of the product's schema */
static struct db_schema schema;
static size_t runs = 5;

/* Wall time, and this thread's own: on a busy machine only the latter can be
 * compared. */
struct clock {
    double wall_ms, cpu_ms;
};

static struct clock now(void)
{
    return (struct clock){ clock_ms(CLOCK_MONOTONIC),
                           clock_ms(CLOCK_THREAD_CPUTIME_ID) };
}

static struct clock since(struct clock start)
{
    struct clock end = now();
    return (struct clock){ end.wall_ms - start.wall_ms,
                           end.cpu_ms - start.cpu_ms };
}

static struct clock median(const struct clock *values)
{
    double wall[RUNS_MAX];
    double cpu[RUNS_MAX];
    for (size_t i = 0; i < runs; i++) {
        wall[i] = values[i].wall_ms;
        cpu[i] = values[i].cpu_ms;
    }
    return (struct clock){ quantile(wall, runs, 50), quantile(cpu, runs, 50) };
}

/* Values of the size that an imported person has: 375 bytes a row. */
static void fill(struct db *db, int64_t rows)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    MUST(db_begin(db, &err));
    MUST(db_prepare(db,
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 "
                    "FROM n LIMIT ?1) INSERT INTO source_object SELECT i,1,"
                    "lower(hex(randomblob(18))),randomblob(16),randomblob(16),"
                    "'uid=person'||i,randomblob(240),randomblob(32),0,i FROM n",
                    &stmt, &err));
    db_bind_int(stmt, 1, rows);
    MUST(db_run(db, stmt, &err));
    MUST(db_commit(db, &err));
}

static void copy(struct db *from, const char *path)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    (void) unlink(path);
    MUST(db_prepare(from, "VACUUM INTO ?1", &stmt, &err));
    db_bind_text(stmt, 1, ts_slice_str(path));
    MUST(db_run(from, stmt, &err));
}

struct bench {
    struct db db;
    struct journal *journal;
    struct capture capture;
    enum way way;
    unsigned seed;
    int64_t rows;
};

static void begin(struct bench *bench)
{
    if (bench->way == JOURNALLED) {
        MUST(journal_begin(bench->journal, &err));
        return;
    }
    MUST(db_begin(&bench->db, &err));
    if (bench->way == CAPTURED) {
        MUST(capture_begin(&bench->capture, &bench->db, tables, &err));
    }
}

static void commit(struct bench *bench)
{
    struct ts_slice changeset = TS_SLICE_NONE;
    if (bench->way == JOURNALLED) {
        MUST(journal_commit(bench->journal, NULL, &err));
        return;
    }
    if (bench->way == CAPTURED) {
        MUST(capture_end(&bench->capture, &changeset, &err));
        capture_free(&changeset);
    }
    MUST(db_commit(&bench->db, &err));
}

/* As an import writes an object that has changed: connector.c. */
static const char update[] =
    "UPDATE source_object SET dn_key=dn_key,parent_key=parent_key,rdn=rdn,"
    "packed=randomblob(240),hash=randomblob(32),gone=0,changed=?1 WHERE id=?2";
static const char insert[] =
    "INSERT INTO source_object SELECT ?1+?2*0,1,lower(hex(randomblob(18))),"
    "randomblob(16),randomblob(16),'uid=new',randomblob(240),randomblob(32),0,"
    "?1";

static struct clock work(struct bench *bench, const char *sql)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    MUST(db_prepare(&bench->db, sql, &stmt, &err));
    struct clock start = now();
    for (int64_t b = 0; b < BATCHES; b++) {
        begin(bench);
        for (int64_t i = 0; i < BATCH; i++) {
            bench->seed = bench->seed * 1664525u + 1013904223u;
            db_bind_int(stmt, 1, bench->rows + b * BATCH + i + 1);
            db_bind_int(stmt, 2, (int64_t) (bench->seed % bench->rows) + 1);
            MUST(db_run(&bench->db, stmt, &err));
        }
        commit(bench);
    }
    return since(start);
}

/* One way over a fresh copy. */
static void run_way(struct db *origin, const char *path, struct bench *bench,
                    struct clock *ret_updates, struct clock *ret_inserts)
{
    const struct journal_options options = { .tables = tables };
    const struct journal_position start = { .generation = 1,
                                            .epoch = 1,
                                            .level = schema.migration_count };
    copy(origin, path);
    MUST(db_open(path, DB_DURABLE, &schema, &bench->db, &err));
    MUST(journal_open(&bench->db, &options, &bench->journal, &err));
    MUST(journal_start(bench->journal, &start, &err));
    *ret_updates = work(bench, update);
    *ret_inserts = work(bench, insert);
}

static void close_way(struct bench *bench)
{
    journal_close(bench->journal);
    bench->journal = NULL;
    db_close(&bench->db);
}

/* Apply all that the last journalled run wrote to a fresh copy. */
static struct clock follow(struct db *origin, struct bench *leader,
                           const char *path, int64_t *ret_rows)
{
    struct db db;
    struct summer *summer = NULL;
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    copy(origin, path);
    MUST(db_open(path, DB_DURABLE, &schema, &db, &err));
    MUST(summer_new(&db, tables, &summer, &err));
    MUST(db_prepare(&leader->db, "SELECT changeset FROM journal ORDER BY seq",
                    &stmt, &err));
    *ret_rows = 2 * (int64_t) BATCH * BATCHES;
    struct clock start = now();
    for (;;) {
        struct sum sum;
        MUST(db_step(&leader->db, stmt, &row, &err));
        if (!row) {
            break;
        }
        struct ts_slice changeset = db_column(stmt, 0);
        MUST(db_begin(&db, &err));
        MUST(summer_rows(summer, changeset, SUMMER_BEFORE, &sum, &err));
        MUST(capture_apply(&db, tables, changeset, &err));
        MUST(summer_rows(summer, changeset, SUMMER_AFTER, &sum, &err));
        MUST(db_commit(&db, &err));
    }
    struct clock taken = since(start);
    summer_free(summer);
    db_close(&db);
    (void) unlink(path);
    return taken;
}

static json_t *clock_report(struct clock clock)
{
    return json_pack("{s:f, s:f}", "wall_ms", clock.wall_ms, "cpu_ms",
                     clock.cpu_ms);
}

static void measure_full(struct db *db, json_t *report)
{
    struct summer *summer = NULL;
    struct clock sums[RUNS_MAX];
    struct clock checks[RUNS_MAX];
    struct sum sum;
    uint64_t rows = 0;
    int64_t megabytes = 0;
    MUST(summer_new(db, tables, &summer, &err));
    for (size_t i = 0; i < runs; i++) {
        struct clock start = now();
        MUST(summer_scan(summer, &sum, &rows, &err));
        sums[i] = since(start);
        start = now();
        MUST(db_exec(db, "PRAGMA quick_check(1)", &err));
        checks[i] = since(start);
    }
    summer_free(summer);
    MUST(db_query_int(db,
                      "SELECT page_count*page_size/1000000 FROM "
                      "pragma_page_count,pragma_page_size",
                      &megabytes, &err));
    (void) json_object_set_new(report, "rows", json_integer((json_int_t) rows));
    (void) json_object_set_new(report, "file_mb", json_integer(megabytes));
    (void) json_object_set_new(report, "full_sum", clock_report(median(sums)));
    (void) json_object_set_new(report, "quick_check",
                               clock_report(median(checks)));
}

static json_t *ways_report(struct clock times[WAYS][RUNS_MAX])
{
    struct clock plain = median(times[PLAIN]);
    struct clock captured = median(times[CAPTURED]);
    struct clock journalled = median(times[JOURNALLED]);
    double rows = (double) BATCH * BATCHES;
    return json_pack("{s:f, s:{s:f, s:f}, s:{s:f, s:f}}", "plain_rows_per_s",
                     rows / plain.wall_ms * 1e3, "captured_ratio", "wall",
                     captured.wall_ms / plain.wall_ms, "cpu",
                     captured.cpu_ms / plain.cpu_ms, "journalled_ratio", "wall",
                     journalled.wall_ms / plain.wall_ms, "cpu",
                     journalled.cpu_ms / plain.cpu_ms);
}

int main(int argc, char **argv)
{
    char origin_path[PATH_SIZE];
    char path[PATH_SIZE];
    char follower_path[PATH_SIZE];
    struct clock updates[WAYS][RUNS_MAX];
    struct clock inserts[WAYS][RUNS_MAX];
    if (argc < 2) {
        (void) fprintf(stderr, "usage: journal_bench FOLDER [ROWS [RUNS]]\n");
        return 2;
    }
    (void) snprintf(origin_path, sizeof origin_path, "%s/origin.db", argv[1]);
    (void) snprintf(path, sizeof path, "%s/run.db", argv[1]);
    (void) snprintf(follower_path, sizeof follower_path, "%s/follower.db",
                    argv[1]);
    int64_t rows = argc > 2 ? strtoll(argv[2], NULL, 10) : 350000;
    schema = state_schema();
    tables = state_tables();
    runs = argc > 3 ? strtoul(argv[3], NULL, 10) : runs;
    must_do(runs > 0 && runs <= RUNS_MAX, "so many runs");

    struct db origin;
    struct bench bench = { .rows = rows > 0 ? rows : 1, .seed = 1 };
    (void) unlink(origin_path);
    MUST(db_open(origin_path, DB_BUILDING, &schema, &origin, &err));
    fill(&origin, bench.rows);
    json_t *report = json_object();
    measure_full(&origin, report);
    struct clock applied = { 1, 1 };
    int64_t applied_rows = 0;
    for (size_t run = 0; run < runs; run++) {
        for (int way = 0; way < WAYS; way++) {
            bench.way = (enum way) way;
            run_way(&origin, path, &bench, &updates[way][run],
                    &inserts[way][run]);
            if (run == runs - 1 && way == JOURNALLED) {
                applied = follow(&origin, &bench, follower_path, &applied_rows);
            }
            close_way(&bench);
        }
    }
    (void) json_object_set_new(report, "updates", ways_report(updates));
    (void) json_object_set_new(report, "inserts", ways_report(inserts));
    (void) json_object_set_new(
        report, "applied_rows_per_s",
        json_real((double) applied_rows / applied.wall_ms * 1e3));
    db_close(&origin);
    (void) unlink(path);
    (void) unlink(origin_path);
    (void) json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(4));
    (void) putchar('\n');
    json_decref(report);
    return 0;
}
