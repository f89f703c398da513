#include "node/metaverse/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "node/metaverse/events.sql.h"
#include "node/metaverse/local.sql.h"

#define APPLICATION_ID 0x74776c63 /* "twlc" */

/* Machine ids are not to be shown as they are: machine-id(5). */
static const sd_id128_t machine_salt = {
    .bytes = { 0x5d, 0x0c, 0x9e, 0x3b, 0x71, 0x44, 0x4f, 0x1e, 0x92, 0x0a, 0xc6,
               0x57, 0x2b, 0xe8, 0x13, 0xf4 }
};

static const char *const migrations[] = { local_sql, events_sql };
static const struct db_schema schema = { APPLICATION_ID, migrations, 2 };

struct local {
    struct db db;
    struct events *events;
    struct local_identity identity;
    int64_t epoch, generation;
};

/* ---- one statement ------------------------------------------------------ */

/* Prepare and bind. What runs through here is rare: a few a cycle. */
static enum ts_code query(struct local *local, const char *sql,
                          struct db_values values, sqlite3_stmt **ret_stmt,
                          struct ts_err *err)
{
    enum ts_code code = db_prepare(&local->db, sql, ret_stmt, err);
    if (code == TS_OK) {
        db_bind(*ret_stmt, values);
    }
    return code;
}

static enum ts_code run(struct local *local, const char *sql,
                        struct db_values values, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    enum ts_code code = query(local, sql, values, &stmt, err);
    return code == TS_OK ? db_run(&local->db, stmt, err) : code;
}

/* ---- identity ----------------------------------------------------------- */

static void copy_column(sqlite3_stmt *stmt, int column, char *text, size_t size)
{
    struct ts_slice bytes = db_column(stmt, column);
    (void) snprintf(text, size, "%.*s", TS_SLICE_ARGS(bytes));
}

static void read_machine(char text[static LOCAL_ID_SIZE])
{
    sd_id128_t id;
    text[0] = 0;
    if (sd_id128_get_machine_app_specific(machine_salt, &id) == 0) {
        (void) sd_id128_to_string(id, text);
    }
}

/* *ret_found is false in a new file. */
static enum ts_code read_identity(struct local *local,
                                  struct local_identity *stored,
                                  bool *ret_found, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    enum ts_code code =
        query(local,
              "SELECT cluster,node,machine,starts,epoch,generation "
              "FROM identity",
              DB_NO_VALUES, &stmt, err);
    if (code == TS_OK) {
        code = db_step(&local->db, stmt, ret_found, err);
    }
    if (code == TS_OK && *ret_found) {
        copy_column(stmt, 0, stored->cluster, sizeof stored->cluster);
        copy_column(stmt, 1, stored->node, sizeof stored->node);
        copy_column(stmt, 2, stored->machine, sizeof stored->machine);
        stored->starts = db_column_int(stmt, 3);
        local->epoch = db_column_int(stmt, 4);
        local->generation = db_column_int(stmt, 5);
    }
    return code;
}

static enum ts_code write_identity(struct local *local, struct ts_err *err)
{
    const struct local_identity *own = &local->identity;
    return run(local,
               "INSERT INTO identity(one,cluster,node,machine,boot,starts,"
               "epoch,generation) VALUES(1,?1,?2,?3,?4,?5,0,0) "
               "ON CONFLICT(one) DO UPDATE SET machine=?3,boot=?4,starts=?5",
               DB_VALUES(DB_TEXT(ts_slice_str(own->cluster)),
                         DB_TEXT(ts_slice_str(own->node)),
                         DB_TEXT(ts_slice_str(own->machine)),
                         DB_TEXT(ts_slice_str(own->boot)), DB_INT(own->starts)),
               err);
}

/* L1, L3. */
static enum ts_code take_identity(struct local *local,
                                  const struct local_options *options,
                                  struct ts_err *err)
{
    struct local_identity stored = { .starts = 0 };
    struct local_identity *own = &local->identity;
    bool found = false;
    sd_id128_t boot;
    enum ts_code code = read_identity(local, &stored, &found, err);
    if (code != TS_OK) {
        return code;
    }
    if (found && (strcmp(stored.cluster, options->cluster) != 0 ||
                  strcmp(stored.node, options->node) != 0)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use \"%s\" for node %s of %s: it belongs to "
                       "node %s of %s; correct cluster and this-node, or name "
                       "another state-directory",
                       local->db.path, options->node, options->cluster,
                       stored.node, stored.cluster);
    }
    (void) snprintf(own->cluster, sizeof own->cluster, "%s", options->cluster);
    (void) snprintf(own->node, sizeof own->node, "%s", options->node);
    read_machine(own->machine);
    int failed = sd_id128_randomize(&boot);
    if (failed != 0) {
        return ts_fail(err, TS_E_IO, -failed,
                       "could not draw an id for this start");
    }
    (void) sd_id128_to_string(boot, own->boot);
    own->starts = stored.starts + 1;
    own->moved = stored.machine[0] != 0 && own->machine[0] != 0 &&
                 strcmp(stored.machine, own->machine) != 0;
    return write_identity(local, err);
}

/* L4. */
static enum ts_code end_orphans(struct local *local, struct ts_err *err)
{
    char now[TS_WALL_TEXT_SIZE];
    ts_wall_text(now);
    return run(local,
               "UPDATE run SET finished=?1,duration_ms=0,result='failed',"
               "counts='{\"interrupted\":true}' WHERE finished IS NULL",
               DB_VALUES(DB_TEXT(ts_slice_str(now))), err);
}

static enum ts_code start(struct local *local,
                          const struct local_options *options,
                          struct ts_err *err)
{
    enum ts_code code = db_begin(&local->db, err);
    if (code == TS_OK) {
        code = take_identity(local, options, err);
    }
    if (code == TS_OK) {
        code = end_orphans(local, err);
    }
    if (code == TS_OK) {
        code = db_commit(&local->db, err);
    }
    if (code == TS_OK) {
        code = events_open(&local->db, 0, &local->events, err);
    }
    return code;
}

static enum ts_code check_names(const struct local_options *options,
                                struct ts_err *err)
{
    if (strlen(options->cluster) >= LOCAL_NAME_SIZE ||
        strlen(options->node) >= LOCAL_NAME_SIZE) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the names of this cluster or node: one is "
                       "longer than %d bytes; shorten it",
                       LOCAL_NAME_SIZE - 1);
    }
    return TS_OK;
}

#define PATH_SIZE sizeof((struct db *) NULL)->path

static enum ts_code path_in(const char *directory, char path[static PATH_SIZE],
                            struct ts_err *err)
{
    int size = snprintf(path, PATH_SIZE, "%s/" LOCAL_FILE_NAME, directory);
    if (size < 0 || (size_t) size >= PATH_SIZE) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot keep state in \"%.60s...\": the path is too "
                       "long; use a shorter state-directory",
                       directory);
    }
    return TS_OK;
}

enum ts_code local_open(const struct local_options *options,
                        struct local **ret_local, struct ts_err *err)
{
    char path[PATH_SIZE];
    enum ts_code code = check_names(options, err);
    if (code == TS_OK) {
        code = path_in(options->directory, path, err);
    }
    if (code != TS_OK) {
        return code;
    }
    struct local *local = calloc(1, sizeof *local);
    if (local == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open \"%s\"", path);
    }
    code = db_open(path, DB_DURABLE, &schema, &local->db, err);
    if (code == TS_OK) {
        code = start(local, options, err);
    }
    if (code != TS_OK) {
        local_close(local);
        return code;
    }
    *ret_local = local;
    return TS_OK;
}

enum ts_code local_verify_events(const char *directory,
                                 struct events_verdict *ret_verdict,
                                 struct ts_err *err)
{
    char path[PATH_SIZE];
    enum ts_code code = path_in(directory, path, err);
    if (code != TS_OK) {
        return code;
    }
    if (access(path, F_OK) != 0) {
        return ts_fail(err, TS_E_NOT_FOUND, errno,
                       "could not verify the events in \"%s\"", path);
    }
    struct db db = { .handle = NULL };
    struct events *events = NULL;
    code = db_open(path, DB_READ_ONLY, &schema, &db, err);
    if (code == TS_OK) {
        code = events_open(&db, 0, &events, err);
    }
    if (code == TS_OK) {
        code = events_verify(events, ret_verdict, err);
    }
    events_close(events);
    db_close(&db);
    return code;
}

void local_close(struct local *local)
{
    if (local != NULL) {
        events_close(local->events);
        db_close(&local->db);
        free(local);
    }
}

const struct local_identity *local_identity(const struct local *local)
{
    return &local->identity;
}

struct events *local_events(struct local *local)
{
    return local->events;
}

/* ---- epoch and generation ----------------------------------------------- */

int64_t local_epoch(const struct local *local)
{
    return local->epoch;
}

int64_t local_generation(const struct local *local)
{
    return local->generation;
}

enum ts_code local_raise_epoch(struct local *local, int64_t epoch,
                               struct ts_err *err)
{
    if (epoch <= local->epoch) {
        return TS_OK;
    }
    enum ts_code code = run(local, "UPDATE identity SET epoch=?1",
                            DB_VALUES(DB_INT(epoch)), err);
    if (code == TS_OK) {
        local->epoch = epoch;
    }
    return code;
}

enum ts_code local_raise_generation(struct local *local, int64_t generation,
                                    struct ts_err *err)
{
    if (generation <= local->generation) {
        return TS_OK;
    }
    enum ts_code code = run(local, "UPDATE identity SET generation=?1",
                            DB_VALUES(DB_INT(generation)), err);
    if (code == TS_OK) {
        local->generation = generation;
    }
    return code;
}

/* ---- runs --------------------------------------------------------------- */

static enum ts_code begin_inside(struct local *local, const char *kind,
                                 struct ts_err *err)
{
    char now[TS_WALL_TEXT_SIZE];
    ts_wall_text(now);
    enum ts_code code = run(
        local,
        "DELETE FROM run WHERE finished<"
        "strftime('%Y-%m-%dT%H:%M:%fZ',?1,?2||' days')",
        DB_VALUES(DB_TEXT(ts_slice_str(now)), DB_INT(-LOCAL_RUN_DAYS)), err);
    if (code == TS_OK) {
        code = run(
            local, "INSERT INTO run(kind,started,counts) VALUES(?1,?2,'{}')",
            DB_VALUES(DB_TEXT(ts_slice_str(kind)), DB_TEXT(ts_slice_str(now))),
            err);
    }
    return code == TS_OK ? db_commit(&local->db, err) : code;
}

enum ts_code local_run_begin(struct local *local, const char *kind,
                             int64_t *ret_id, struct ts_err *err)
{
    enum ts_code code = db_begin(&local->db, err);
    if (code == TS_OK) {
        code = begin_inside(local, kind, err);
    }
    if (code != TS_OK) {
        db_rollback(&local->db);
        return code;
    }
    *ret_id = sqlite3_last_insert_rowid(local->db.handle);
    return TS_OK;
}

enum ts_code local_run_end(struct local *local, const struct local_run_end *end,
                           struct ts_err *err)
{
    char now[TS_WALL_TEXT_SIZE];
    ts_wall_text(now);
    char *counts = json_dumps(end->counts, JSON_COMPACT);
    if (counts == NULL || strlen(counts) > LOCAL_COUNTS_SIZE_MAX) {
        free(counts);
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not record the end of run %lld: its counts are "
                       "over %d bytes",
                       (long long) end->id, LOCAL_COUNTS_SIZE_MAX);
    }
    enum ts_code code =
        run(local,
            "UPDATE run SET finished=?2,duration_ms=?3,result=?4,counts=?5,"
            "kind=ifnull(?6,kind) WHERE id=?1",
            DB_VALUES(
                DB_INT(end->id), DB_TEXT(ts_slice_str(now)),
                DB_INT(end->duration_ms), DB_TEXT(ts_slice_str(end->result)),
                DB_TEXT(ts_slice_str(counts)),
                end->kind == NULL ? DB_NULL : DB_TEXT(ts_slice_str(end->kind))),
            err);
    free(counts);
    return code;
}

enum ts_code local_runs(struct local *local, int64_t limit, local_run_fn *each,
                        void *context, struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code =
        query(local,
              "SELECT id,coalesce(duration_ms,0),kind,started,"
              "coalesce(finished,''),coalesce(result,''),counts FROM run "
              "ORDER BY id DESC LIMIT ?1",
              DB_VALUES(DB_INT(limit > 0 ? limit : 0)), &stmt, err);
    while (code == TS_OK &&
           (code = db_step(&local->db, stmt, &row, err)) == TS_OK && row) {
        const struct local_run found = {
            .id = db_column_int(stmt, 0),
            .duration_ms = db_column_int(stmt, 1),
            .kind = db_column(stmt, 2),
            .started = db_column(stmt, 3),
            .finished = db_column(stmt, 4),
            .result = db_column(stmt, 5),
            .counts = db_column(stmt, 6),
        };
        each(context, &found);
    }
    return code;
}

/* ---- settings ----------------------------------------------------------- */

enum ts_code local_setting(struct local *local, const char *name,
                           char value[static LOCAL_SETTING_MAX],
                           struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code =
        query(local, "SELECT value FROM setting WHERE name=?1",
              DB_VALUES(DB_TEXT(ts_slice_str(name))), &stmt, err);
    if (code == TS_OK) {
        code = db_step(&local->db, stmt, &row, err);
    }
    if (code == TS_OK) {
        value[0] = 0;
    }
    if (code == TS_OK && row) {
        copy_column(stmt, 0, value, LOCAL_SETTING_MAX);
    }
    return code;
}

enum ts_code local_set_setting(struct local *local, const char *name,
                               const char *value, struct ts_err *err)
{
    if (strlen(value) >= LOCAL_SETTING_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot keep %s: it is longer than %d bytes", name,
                       LOCAL_SETTING_MAX - 1);
    }
    return run(
        local,
        "INSERT INTO setting(name,value) VALUES(?1,?2) "
        "ON CONFLICT(name) DO UPDATE SET value=?2",
        DB_VALUES(DB_TEXT(ts_slice_str(name)), DB_TEXT(ts_slice_str(value))),
        err);
}

/* ---- facts --------------------------------------------------------------- */

/* They are kept as hex digits, in a setting, so that an older program can still
 * open the file. */
#define FACTS "member-facts"

static enum ts_code set_inside(struct local *local, const char *text,
                               int64_t epoch, struct ts_err *err)
{
    enum ts_code code = run(
        local,
        "INSERT INTO setting(name,value) VALUES(?1,?2) "
        "ON CONFLICT(name) DO UPDATE SET value=?2",
        DB_VALUES(DB_TEXT(ts_slice_str(FACTS)), DB_TEXT(ts_slice_str(text))),
        err);
    if (code == TS_OK && epoch > local->epoch) {
        code = run(local, "UPDATE identity SET epoch=?1",
                   DB_VALUES(DB_INT(epoch)), err);
    }
    return code == TS_OK ? db_commit(&local->db, err) : code;
}

enum ts_code local_set_facts(struct local *local, struct ts_slice facts,
                             int64_t epoch, struct ts_err *err)
{
    static const char digits[] = "0123456789abcdef";
    if (facts.size > LOCAL_FACTS_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot keep what this node knows of its pair: it is "
                       "longer than %zu bytes",
                       LOCAL_FACTS_MAX);
    }
    char *text = malloc(2 * facts.size + 1);
    if (text == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not keep what this node knows of its pair");
    }
    for (size_t i = 0; i < facts.size; i++) {
        uint8_t byte = (uint8_t) facts.data[i];
        text[2 * i] = digits[byte >> 4];
        text[2 * i + 1] = digits[byte & 15];
    }
    text[2 * facts.size] = 0;
    enum ts_code code = db_begin(&local->db, err);
    if (code == TS_OK) {
        code = set_inside(local, text, epoch, err);
        if (code != TS_OK) {
            db_rollback(&local->db);
        }
    }
    free(text);
    if (code == TS_OK && epoch > local->epoch) {
        local->epoch = epoch;
    }
    return code;
}

static int digit_value(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                                          : -1;
}

static enum ts_code read_facts(struct local *local, struct ts_slice text,
                               struct ts_slice *ret_facts, struct ts_err *err)
{
    bool sound = text.size % 2 == 0 && text.size / 2 <= LOCAL_FACTS_MAX;
    char *bytes = malloc(text.size / 2 + 1);
    if (bytes == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not read what this node knows of its pair");
    }
    for (size_t i = 0; sound && i < text.size / 2; i++) {
        int high = digit_value((char) text.data[2 * i]);
        int low = digit_value((char) text.data[2 * i + 1]);
        sound = high >= 0 && low >= 0;
        bytes[i] = (char) (high * 16 + low);
    }
    if (!sound) {
        free(bytes);
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use \"%s\": what this node knows of its pair is "
                       "damaged; join the pair anew with an empty state "
                       "directory",
                       local->db.path);
    }
    *ret_facts = ts_slice(bytes, text.size / 2);
    return TS_OK;
}

enum ts_code local_facts(struct local *local, struct ts_slice *ret_facts,
                         struct ts_err *err)
{
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum ts_code code =
        query(local, "SELECT value FROM setting WHERE name=?1",
              DB_VALUES(DB_TEXT(ts_slice_str(FACTS))), &stmt, err);
    if (code == TS_OK) {
        code = db_step(&local->db, stmt, &row, err);
    }
    *ret_facts = TS_SLICE_NONE;
    return code == TS_OK && row
               ? read_facts(local, db_column(stmt, 0), ret_facts, err)
               : code;
}
