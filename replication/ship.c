#include "replication/ship.h"

#include <stdlib.h>

#include "replication/generation.h"
#include "replication/snapshot_build.h"
#include "replication/snapshot_install.h"

/* What one result may take: hints, or the pieces of a frame. */
#define RESULT_SIZE_MAX ((size_t) 64 * 1024 * 1024)

struct ship {
    struct ship_options options;
    struct db db; /* .handle NULL: no state */
    struct snapshot_build *build;
    struct snapshot_install *install;
    int64_t folder; /* of the last one that was begun; 0: none */
    int hold;       /* of the last one that came in whole; -1: none */
};

/* It is the state now, or given up. */
static void release(struct ship *ship)
{
    generation_release(ship->hold);
    ship->hold = -1;
}

enum ts_code ship_new(const struct ship_options *options,
                      struct ship **ret_ship, struct ts_err *err)
{
    struct ship *ship = calloc(1, sizeof *ship);
    if (ship == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start replication");
    }
    ship->options = *options;
    ship->hold = -1;
    snapshot_build_clean(options->directory);
    *ret_ship = ship;
    return TS_OK;
}

void ship_free(struct ship *ship)
{
    if (ship != NULL) {
        snapshot_build_free(ship->build);
        snapshot_install_free(ship->install);
        release(ship);
        db_close(&ship->db);
        free(ship);
    }
}

enum ts_code ship_open(struct ship *ship, const char *path, struct ts_err *err)
{
    db_close(&ship->db);
    if (path != NULL) {
        release(ship);
    }
    return path == NULL ? TS_OK
                        : db_open_kept(path, DB_READ_ONLY, ship->options.schema,
                                       &ship->db, err);
}

void ship_result_done(struct ship_result *result)
{
    ts_arena_done(&result->arena);
    *result = (struct ship_result){ .count = 0 };
}

/* ---- the jobs ----------------------------------------------------------- */

typedef enum ts_code job_fn(struct ship *ship, const struct ship_job *job,
                            struct ship_result *result);

static enum ts_code run_find(struct ship *ship, const struct ship_job *job,
                             struct ship_result *result)
{
    return lineage_find(&ship->db, &job->at, &result->answer, &result->err);
}

static enum ts_code run_read(struct ship *ship, const struct ship_job *job,
                             struct ship_result *result)
{
    const struct lineage_range range = { .after = job->at,
                                         .offset = job->offset,
                                         .size_max = job->size_max };
    return lineage_read(&ship->db, &range, &result->arena, &result->pieces,
                        &result->count, &result->err);
}

static enum ts_code run_build(struct ship *ship, const struct ship_job *job,
                              struct ship_result *result)
{
    (void) job;
    snapshot_build_free(ship->build);
    ship->build = NULL;
    enum ts_code code = snapshot_build_new(&ship->db, ship->options.directory,
                                           &ship->build, &result->err);
    if (code == TS_OK) {
        result->offer = snapshot_build_offer(ship->build);
        result->offer.hashes =
            ts_arena_copy(&result->arena, result->offer.hashes);
        if (result->offer.hashes.data == NULL) {
            code = ts_fail(&result->err, TS_E_NOMEM, 0,
                           "could not offer a snapshot");
        }
    }
    return code;
}

static enum ts_code run_chunk(struct ship *ship, const struct ship_job *job,
                              struct ship_result *result)
{
    struct frame_offer offer = { .size = 0 };
    if (ship->build != NULL) {
        offer = snapshot_build_offer(ship->build);
    }
    if (!frame_id_equal(&offer.id, &job->id)) {
        return ts_fail(&result->err, TS_E_NOT_FOUND, 0,
                       "could not send that snapshot: it is no longer kept");
    }
    return snapshot_build_chunk(ship->build, job->index, &result->arena,
                                &result->chunk, &result->err);
}

static enum ts_code run_drop(struct ship *ship, const struct ship_job *job,
                             struct ship_result *result)
{
    (void) job;
    (void) result;
    snapshot_build_free(ship->build);
    ship->build = NULL;
    return TS_OK;
}

static enum ts_code run_begin(struct ship *ship, const struct ship_job *job,
                              struct ship_result *result)
{
    const struct snapshot_install_options options = {
        .directory = ship->options.directory,
        .tables = ship->options.tables,
        .schema = ship->options.schema,
    };
    snapshot_install_free(ship->install);
    ship->install = NULL;
    ship->folder = 0;
    release(ship);
    enum ts_code code = snapshot_install_new(&options, &job->offer,
                                             &ship->install, &result->err);
    if (code == TS_OK) {
        ship->folder = snapshot_install_folder(ship->install);
        result->folder = ship->folder;
    }
    return code;
}

static enum ts_code none_begun(struct ship_result *result)
{
    return ts_fail(&result->err, TS_E_NOT_FOUND, 0,
                   "could not take a snapshot in: none was begun");
}

static enum ts_code run_write(struct ship *ship, const struct ship_job *job,
                              struct ship_result *result)
{
    const struct frame_chunk chunk = { .index = job->index,
                                       .raw_size = job->raw_size,
                                       .packed = job->packed };
    result->index = job->index;
    return ship->install == NULL
               ? none_begun(result)
               : snapshot_install_write(ship->install, &chunk, &result->err);
}

static enum ts_code run_finish(struct ship *ship, const struct ship_job *job,
                               struct ship_result *result)
{
    (void) job;
    if (ship->install == NULL) {
        return none_begun(result);
    }
    result->folder = ship->folder;
    enum ts_code code =
        snapshot_install_finish(ship->install, &result->at, &result->err);
    if (code == TS_OK) {
        release(ship);
        ship->hold = snapshot_install_take_hold(ship->install);
    }
    snapshot_install_free(ship->install);
    ship->install = NULL;
    return code;
}

static enum ts_code run_hints(struct ship *ship, const struct ship_job *job,
                              struct ship_result *result)
{
    const struct tail_options options = {
        .tables = ship->options.tables,
        .tail_tables = ship->options.tail_tables,
        .tail_table_count = ship->options.tail_table_count,
    };
    return tail_read(&ship->db, &options, &job->at, &result->arena,
                     &result->tail, &result->err);
}

static enum ts_code run_abandon(struct ship *ship, const struct ship_job *job,
                                struct ship_result *result)
{
    (void) job;
    if (ship->folder == 0) {
        return TS_OK;
    }
    int64_t folder = ship->folder;
    snapshot_install_free(ship->install);
    ship->install = NULL;
    ship->folder = 0; /* the number may be another build's soon */
    release(ship);
    return generation_abandon(ship->options.directory, folder, &result->err);
}

static const struct {
    job_fn *run;
    bool needs_state;
} jobs[SHIP_TYPES] = {
    [SHIP_FIND] = { run_find, true },
    [SHIP_READ] = { run_read, true },
    [SHIP_BUILD] = { run_build, true },
    [SHIP_CHUNK] = { run_chunk, false },
    [SHIP_DROP] = { run_drop, false },
    [SHIP_BEGIN] = { run_begin, false },
    [SHIP_WRITE] = { run_write, false },
    [SHIP_FINISH] = { run_finish, false },
    [SHIP_HINTS] = { run_hints, true },
    [SHIP_ABANDON] = { run_abandon, false },
};

void ship_run(struct ship *ship, const struct ship_job *job,
              struct ship_result *ret_result)
{
    *ret_result =
        (struct ship_result){ .type = job->type, .ticket = job->ticket };
    ts_arena_init(&ret_result->arena, RESULT_SIZE_MAX);
    enum ts_code code =
        jobs[job->type].needs_state && ship->db.handle == NULL
            ? ts_fail(&ret_result->err, TS_E_NOT_FOUND, 0,
                      "could not replicate: this node has no state yet")
            : jobs[job->type].run(ship, job, ret_result);
    if (code == TS_OK) {
        ret_result->err.code = TS_OK; /* what was tried on the way is over */
    }
}
