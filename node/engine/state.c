#include "node/engine/state.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/metaverse/indexes.h"
#include "replication/generation.h"
#include "replication/journal.sql.h"
#include "replication/level.h"

/* Level of the replicated schema; both nodes of a pair must know it. */
#define SCHEMA_LEVEL METAVERSE_LEVELS
/* Rows of an older level have other columns, and so another sum: the journal
 * of a store that was brought to a new level begins anew. */
#define JOURNAL_ANEW \
    "DELETE FROM journal; DELETE FROM journal_state; DELETE FROM lineage;"

/* Made once, by whichever thread asks first. */
static struct db_schema newest;
static struct capture_tables replicated;
static pthread_once_t described = PTHREAD_ONCE_INIT;

static void describe(void)
{
    static const char *migrations[SCHEMA_LEVEL + 1];
    static char level_1[sizeof journal_sql + 32 * 1024];
    static char level_2[32 * 1024];
    (void) snprintf(level_1, sizeof level_1, "%s\n%s", metaverse_sql[0],
                    journal_sql);
    (void) snprintf(level_2, sizeof level_2, "%s\n%s", metaverse_sql[1],
                    JOURNAL_ANEW);
    migrations[0] = level_1;
    migrations[1] = level_2;
    newest = (struct db_schema){ .application_id = 0x54534d56, /* "TSMV" */
                                 .migrations = migrations,
                                 .migration_count = SCHEMA_LEVEL };
#ifdef TS_FAILPOINTS
    /* A test plays the next version with it: the release build has no such
     * name. */
    const char *level = getenv("TWINSYNC_TEST_LEVEL");
    if (level != NULL && strcmp(level, "3") == 0) {
        migrations[SCHEMA_LEVEL] =
            "INSERT INTO setting VALUES('test level', x'03');"
            "CREATE INDEX test_level ON decision(at);";
        newest.migration_count = SCHEMA_LEVEL + 1;
    }
#endif
    replicated.names = metaverse_tables;
    while (metaverse_tables[replicated.count] != NULL) {
        replicated.count++;
    }
}

struct db_schema state_schema(void)
{
    (void) pthread_once(&described, describe);
    return newest;
}

const struct capture_tables *state_tables(void)
{
    (void) pthread_once(&described, describe);
    return &replicated;
}

/* ---- numbers ----------------------------------------------------------------
 */

struct number {
    const char *name;
    size_t offset;
};

static const struct number numbers[] = {
    { "object", offsetof(struct state_numbers, object) },
    { "change", offsetof(struct state_numbers, change) },
    { "intent", offsetof(struct state_numbers, intent) },
    { "batch", offsetof(struct state_numbers, batch) },
    { "synchronized", offsetof(struct state_numbers, synchronized) },
    { "compared", offsetof(struct state_numbers, compared) },
};
#define NUMBER_COUNT (sizeof numbers / sizeof numbers[0])

static int64_t *number_in(struct state_numbers *in, const struct number *number)
{
    return (int64_t *) (void *) ((char *) in + number->offset);
}

static enum ts_code numbers_load(struct state *state, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < NUMBER_COUNT; i++) {
        code = metaverse_counter(state->mv, numbers[i].name,
                                 number_in(&state->numbers, &numbers[i]), err);
    }
    state->committed = state->numbers;
    return code;
}

static enum ts_code numbers_store(struct state *state, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < NUMBER_COUNT; i++) {
        int64_t now = *number_in(&state->numbers, &numbers[i]);
        if (now != *number_in(&state->committed, &numbers[i])) {
            code = metaverse_set_counter(state->mv, numbers[i].name, now, err);
        }
    }
    return code;
}

/* ---- opening
 * ----------------------------------------------------------------- */

static enum ts_code open_file(struct state *state, const char *path,
                              enum db_mode mode, struct ts_err *err)
{
    struct journal_options options = { .tables = state_tables(),
                                       .schema = &newest };
    struct db_schema schema = state_schema();
    if (mode == DB_BUILDING && state->level > 0) {
        schema.migration_count = (int) state->level;
    }
    enum ts_code code =
        state->kept ? metaverse_open_kept(path, mode, &schema, &state->mv, err)
                    : metaverse_open(path, mode, &schema, &state->mv, err);
    if (code == TS_OK) {
        code = journal_open(&state->mv->db, &options, &state->journal, err);
    }
    if (code == TS_OK) {
        code = numbers_load(state, err);
    }
    return code;
}

static void close_file(struct state *state)
{
    journal_close(state->journal);
    metaverse_close(state->mv);
    state->journal = NULL;
    state->mv = NULL;
}

static struct journal_position beginning(const struct state *state)
{
    return (struct journal_position){ .generation = state->generation,
                                      .epoch = state->epoch,
                                      .level =
                                          state->building && state->level > 0
                                              ? state->level
                                              : newest.migration_count };
}

/* A selected store without a position was brought to a new level just now, of
 * a node that was alone: its generation is its folder's number. */
static enum ts_code start_anew(struct state *state, struct ts_err *err)
{
    struct journal_position from = beginning(state);
    from.generation = state->generation > 0 ? state->generation : state->folder;
    from.epoch = state->epoch > 0 ? state->epoch : 1;
    return journal_loading(state->journal)
               ? journal_start(state->journal, &from, err)
               : TS_OK;
}

static enum ts_code open_selected(struct state *state, enum db_mode mode,
                                  struct ts_err *err)
{
    char path[GENERATION_PATH_SIZE];
    enum ts_code code =
        generation_locate(state->directory, &state->folder, path, err);
    if (code == TS_OK) {
        code = open_file(state, path, mode, err);
    }
    if (code == TS_OK) {
        code = start_anew(state, err);
    }
    if (code == TS_OK && state->epoch > 0) {
        code = journal_raise_epoch(state->journal, state->epoch, err);
    }
    if (code != TS_OK) {
        close_file(state);
        return code;
    }
    struct journal_position at = journal_position(state->journal);
    state->epoch = at.epoch;
    state->generation = at.generation;
    if (state->generation_seen < at.generation) {
        state->generation_seen = at.generation;
    }
    return TS_OK;
}

enum ts_code state_open(struct state *state, const char *directory,
                        int64_t epoch, struct ts_err *err)
{
    *state = (struct state){ .epoch = epoch, .kept = epoch == 0 };
    if (strlen(directory) >= sizeof state->directory) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot use state-directory \"%.60s...\": its name is "
                       "longer than %zu bytes",
                       directory, sizeof state->directory - 1);
    }
    (void) snprintf(state->directory, sizeof state->directory, "%s", directory);
    enum ts_code code = generation_current(directory, &state->folder, err);
    if (code != TS_OK || state->folder == 0) {
        return code;
    }
    /* What an interrupted first load left behind. */
    code = generation_discard(directory, err);
    return code == TS_OK ? open_selected(state, DB_DURABLE, err) : code;
}

static void end_building(struct state *state)
{
    if (state->building) {
        state->building = false;
        generation_release(state->hold);
    }
}

void state_close(struct state *state)
{
    close_file(state);
    end_building(state);
}

static enum ts_code refuse_when_closed(const struct state *state,
                                       struct ts_err *err)
{
    return state->closed != NULL && atomic_load(state->closed)
               ? ts_fail(err, TS_E_CANCELLED, 0,
                         "could not write to the state: this node does not "
                         "hold the lease any more")
               : TS_OK;
}

static void tell(const struct state *state)
{
    if (state->committed_row != NULL && state->journal != NULL) {
        struct journal_position at = journal_position(state->journal);
        state->committed_row(state->owner, &at);
    }
}

enum ts_code state_lead(struct state *state, int64_t epoch, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    if (state->mv != NULL) {
        code = numbers_load(state, err);
    }
    if (code == TS_OK) {
        state->epoch = epoch;
    }
    return code;
}

enum ts_code state_raise(struct state *state, int64_t epoch, struct ts_err *err)
{
    state->raised = true;
    return journal_raise_epoch(state->journal, epoch, err);
}

void state_path(const struct state *state, char path[static STATE_PATH_SIZE])
{
    path[0] = 0;
    if (state->mv != NULL) {
        (void) snprintf(path, STATE_PATH_SIZE, "%s", state->mv->db.path);
    }
}

enum ts_code state_install(struct state *state, int64_t number, bool keep,
                           struct ts_err *err)
{
    struct ts_err ignored;
    int64_t selected = 0;
    enum ts_code code =
        keep && state->folder > 0
            ? generation_keep(state->directory, state->folder, err)
            : TS_OK;
    if (code != TS_OK) {
        return code;
    }
    close_file(state);
    end_building(state);
    state->epoch = 0;
    code = generation_select(state->directory, number, err);
    enum ts_code opened =
        generation_current(state->directory, &selected, &ignored);
    if (opened == TS_OK && selected > 0) {
        opened =
            open_selected(state, DB_DURABLE, code == TS_OK ? err : &ignored);
    }
    if (code == TS_OK && opened == TS_OK) {
        /* What was selected before; that it is left over harms nothing. */
        (void) !generation_discard(state->directory, &ignored);
    }
    return code != TS_OK ? code : opened;
}

/* ---- building
 * ---------------------------------------------------------------- */

enum ts_code state_finalize(struct state *state, int64_t level,
                            struct ts_err *err)
{
    enum ts_code code = refuse_when_closed(state, err);
    if (code == TS_OK && state->journal == NULL) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "cannot bring the state to schema level %lld: there is "
                       "none yet",
                       (long long) level);
    }
    if (code == TS_OK && journal_position(state->journal).level == level) {
        return TS_OK; /* asked again */
    }
    bool more = code == TS_OK;
    while (more) { /* each step is a barrier of its own */
        int64_t next = journal_position(state->journal).level + 1;
        code =
            journal_finalize(state->journal, next < level ? next : level, err);
        more = code == TS_OK && next < level;
    }
    if (code == TS_OK) {
        tell(state);
    }
    return code;
}

int64_t state_next_generation(const struct state *state)
{
    return (state->generation > state->generation_seen
                ? state->generation
                : state->generation_seen) +
           1;
}

enum ts_code state_build(struct state *state, struct ts_err *err)
{
    char path[GENERATION_PATH_SIZE];
    close_file(state);
    end_building(state);
    enum ts_code code = generation_build_hold(
        state->directory, state->folder, &state->folder, &state->hold, err);
    state->building = code == TS_OK;
    if (code == TS_OK) {
        state->generation = state_next_generation(state);
        code = generation_path(state->directory, state->folder, path, err);
    }
    if (code == TS_OK) {
        code = open_file(state, path, DB_BUILDING, err);
    }
    if (code == TS_OK) {
        code = indexes_drop(state->mv, err);
    }
    if (code != TS_OK) {
        close_file(state);
        end_building(state);
    }
    return code;
}

enum ts_code state_select(struct state *state, struct ts_err *err)
{
    struct journal_position from = beginning(state);
    int64_t folder = state->folder;
    enum ts_code code = indexes_make(state->mv, NULL, err);
    if (code == TS_OK) {
        code = journal_start(state->journal, &from, err);
    }
    if (code != TS_OK) {
        return code;
    }
    close_file(state);
    code = generation_select(state->directory, folder, err);
    end_building(state);
    if (code == TS_OK) {
        code = open_selected(state, DB_REOPENED, err);
    }
    if (code == TS_OK) {
        tell(state);
    }
    return code;
}

void state_discard(struct state *state)
{
    if (state->building) {
        close_file(state);
        end_building(state);
        state->generation = 0;
        state->folder = 0;
        struct ts_err ignored; /* the next build deletes what is left */
        enum ts_code code = generation_discard(state->directory, &ignored);
        (void) code;
    }
}

/* ---- transactions
 * -------------------------------------------------------------- */

enum ts_code state_begin(struct state *state, struct ts_err *err)
{
    enum ts_code code = refuse_when_closed(state, err);
    return code == TS_OK ? journal_begin(state->journal, err) : code;
}

enum ts_code state_commit(struct state *state, struct ts_err *err)
{
    int64_t seq = 0;
    enum ts_code code = refuse_when_closed(state, err);
    if (code == TS_OK) {
        code = numbers_store(state, err);
    }
    if (code == TS_OK) {
        code = journal_commit(state->journal, &seq, err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    state->committed = state->numbers;
    if (seq > 0 || state->raised) {
        tell(state);
    }
    state->raised = false;
    return TS_OK;
}

void state_rollback(struct state *state)
{
    if (state->journal != NULL) {
        journal_rollback(state->journal);
    }
    state->numbers = state->committed;
    state->raised = false;
}

enum ts_code state_verify(struct state *state,
                          struct journal_position *ret_position,
                          uint64_t *ret_rows, struct ts_err *err)
{
    return journal_verify(&state->mv->db, state_tables(), ret_position,
                          ret_rows, err);
}
