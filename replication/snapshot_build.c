#include "replication/snapshot_build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "node/base/cleanup.h"
#include "replication/journal_write.h"

#define FOLDER    "outgoing"
#define NAME      "snapshot.db"
#define PATH_SIZE 512
/* Faster than 1: over a local network a better one costs more than it saves. */
#define LEVEL (-3)

struct snapshot_build {
    char directory[PATH_SIZE], path[PATH_SIZE];
    int fd;
    struct frame_offer offer;
    uint8_t *hashes;
    uint8_t *raw; /* one chunk */
    ZSTD_CCtx *packer;
};

static enum ts_code failed(const struct snapshot_build *build, const char *what,
                           struct ts_err *err)
{
    return ts_fail(err, TS_E_IO, errno,
                   "could not %s the snapshot \"%s\"; check that disk and its "
                   "free space",
                   what, build->path);
}

/* The names SQLite may leave beside a database. */
static void delete_files(const char *directory)
{
    static const char *const names[] = { NAME, NAME "-wal", NAME "-shm",
                                         NAME "-journal" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[PATH_SIZE + 32];
        (void) snprintf(path, sizeof path, "%s/" FOLDER "/%s", directory,
                        names[i]);
        (void) unlink(path);
    }
}

void snapshot_build_clean(const char *directory)
{
    char path[PATH_SIZE];
    delete_files(directory);
    (void) snprintf(path, sizeof path, "%s/" FOLDER, directory);
    (void) rmdir(path);
}

void snapshot_build_free(struct snapshot_build *build)
{
    if (build != NULL) {
        if (build->fd >= 0) {
            (void) close(build->fd);
        }
        snapshot_build_clean(build->directory);
        free(build->hashes);
        free(build->raw);
        (void) ZSTD_freeCCtx(build->packer);
        free(build);
    }
}

/* ---- copying ------------------------------------------------------------ */

static enum ts_code copy_pages(sqlite3 *to, struct db *from, struct ts_err *err)
{
    sqlite3_backup *backup =
        sqlite3_backup_init(to, "main", from->handle, "main");
    int code =
        backup == NULL ? sqlite3_errcode(to) : sqlite3_backup_step(backup, -1);
    (void) sqlite3_backup_finish(backup);
    if (code != SQLITE_DONE) {
        return ts_fail(err, code == SQLITE_NOMEM ? TS_E_NOMEM : TS_E_IO, 0,
                       "could not copy \"%s\" for a snapshot: %s; check that "
                       "disk and its free space",
                       from->path, sqlite3_errstr(code));
    }
    return TS_OK;
}

/* Within a read transaction of `from`: position and pages are of one moment. */
static enum ts_code copy_file(struct snapshot_build *build, struct db *from,
                              struct ts_err *err)
{
    sqlite3 *to = NULL;
    bool found = false;
    enum ts_code code =
        journal_read_position(from, &found, &build->offer.at, err);
    if (code == TS_OK && !found) {
        code = ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not make a snapshot of \"%s\": its first load "
                       "has not ended; try again when it has",
                       from->path);
    }
    if (code != TS_OK) {
        return code;
    }
    if (sqlite3_open_v2(build->path, &to,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                            SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        sqlite3_exec(to, "PRAGMA synchronous=OFF", NULL, NULL, NULL) !=
            SQLITE_OK) {
        code = failed(build, "create", err);
    } else {
        code = copy_pages(to, from, err);
    }
    if (sqlite3_close(to) != SQLITE_OK && code == TS_OK) {
        code = failed(build, "close", err);
    }
    return code;
}

static enum ts_code copy_state(struct snapshot_build *build,
                               const struct db *db, struct ts_err *err)
{
    struct db from = { .handle = NULL };
    enum ts_code code = db_open_again(db, &from, err);
    if (code == TS_OK) {
        code = db_exec(&from, "BEGIN", err);
    }
    if (code == TS_OK) {
        code = copy_file(build, &from, err);
    }
    db_close(&from);
    return code;
}

/* ---- hashing ------------------------------------------------------------ */

static size_t chunk_size(const struct snapshot_build *build, uint32_t index)
{
    uint64_t left = build->offer.size - (uint64_t) index * FRAME_CHUNK_SIZE;
    return left < FRAME_CHUNK_SIZE ? (size_t) left : FRAME_CHUNK_SIZE;
}

static enum ts_code read_chunk(struct snapshot_build *build, uint32_t index,
                               struct ts_err *err)
{
    size_t size = chunk_size(build, index);
    size_t done = 0;
    off_t at = (off_t) index * (off_t) FRAME_CHUNK_SIZE;
    while (done < size) {
        ssize_t part =
            pread(build->fd, build->raw + done, size - done, at + (off_t) done);
        if (part <= 0) {
            errno = part == 0 ? EIO : errno;
            return failed(build, "read", err);
        }
        done += (size_t) part;
    }
    return TS_OK;
}

static uint32_t chunk_count(const struct snapshot_build *build)
{
    return (uint32_t) ((build->offer.size + FRAME_CHUNK_SIZE - 1) /
                       FRAME_CHUNK_SIZE);
}

static enum ts_code hash_chunks(struct snapshot_build *build,
                                struct ts_err *err)
{
    enum ts_code code = TS_OK;
    uint32_t count = chunk_count(build);
    build->hashes = malloc((size_t) count * TS_HASH_SIZE);
    build->raw = malloc(FRAME_CHUNK_SIZE);
    build->packer = ZSTD_createCCtx();
    if (build->hashes == NULL || build->raw == NULL || build->packer == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not make a snapshot");
    }
    for (uint32_t i = 0; code == TS_OK && i < count; i++) {
        code = read_chunk(build, i, err);
        struct ts_hash hash =
            ts_hash_of(ts_slice(build->raw, chunk_size(build, i)));
        memcpy(build->hashes + (size_t) i * TS_HASH_SIZE, hash.bytes,
               TS_HASH_SIZE);
    }
    build->offer.hashes =
        ts_slice(build->hashes, (size_t) count * TS_HASH_SIZE);
    struct ts_hash id = ts_hash_of(build->offer.hashes);
    memcpy(build->offer.id.bytes, id.bytes, FRAME_ID_SIZE);
    build->offer.id.bytes[0] |= 1; /* all zero means none */
    return code;
}

static enum ts_code measure(struct snapshot_build *build, struct ts_err *err)
{
    struct stat status;
    build->fd = open(build->path, O_RDONLY | O_CLOEXEC);
    if (build->fd < 0 || fstat(build->fd, &status) != 0) {
        return failed(build, "read", err);
    }
    build->offer.size = (uint64_t) status.st_size;
    if (build->offer.size > (uint64_t) FRAME_CHUNKS_MAX * FRAME_CHUNK_SIZE) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot make a snapshot of %llu bytes: the limit is "
                       "%llu",
                       (unsigned long long) build->offer.size,
                       (unsigned long long) FRAME_CHUNKS_MAX *
                           FRAME_CHUNK_SIZE);
    }
    return TS_OK;
}

/* ---- building ----------------------------------------------------------- */

static enum ts_code make_folder(struct snapshot_build *build,
                                const char *directory, struct ts_err *err)
{
    int size =
        snprintf(build->directory, sizeof build->directory, "%s", directory);
    (void) snprintf(build->path, sizeof build->path, "%.400s/" FOLDER "/" NAME,
                    directory);
    if (size < 0 || size > 400) {
        build->directory[0] = '\0';
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot make a snapshot in \"%.60s...\": the path is "
                       "too long; use a shorter state-directory",
                       directory);
    }
    char folder[PATH_SIZE];
    (void) snprintf(folder, sizeof folder, "%.400s/" FOLDER, directory);
    delete_files(directory);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return failed(build, "make a folder for", err);
    }
    return TS_OK;
}

enum ts_code snapshot_build_new(const struct db *db, const char *directory,
                                struct snapshot_build **ret_build,
                                struct ts_err *err)
{
    struct snapshot_build *build = calloc(1, sizeof *build);
    if (build == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not make a snapshot");
    }
    build->fd = -1;
    enum ts_code code = make_folder(build, directory, err);
    if (code == TS_OK) {
        code = copy_state(build, db, err);
    }
    if (code == TS_OK) {
        code = measure(build, err);
    }
    if (code == TS_OK) {
        code = hash_chunks(build, err);
    }
    if (code != TS_OK) {
        snapshot_build_free(build);
        return code;
    }
    *ret_build = build;
    return TS_OK;
}

struct frame_offer snapshot_build_offer(const struct snapshot_build *build)
{
    return build->offer;
}

enum ts_code snapshot_build_chunk(struct snapshot_build *build, uint32_t index,
                                  struct ts_arena *arena,
                                  struct frame_chunk *ret_chunk,
                                  struct ts_err *err)
{
    if (index >= chunk_count(build)) {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not send chunk %u of a snapshot: it has %u",
                       (unsigned) index, (unsigned) chunk_count(build));
    }
    size_t size = chunk_size(build, index);
    size_t room = ZSTD_compressBound(size);
    uint8_t *packed = ts_arena_take(arena, room);
    enum ts_code code = packed == NULL ? ts_fail(err, TS_E_NOMEM, 0,
                                                 "could not send a snapshot")
                                       : read_chunk(build, index, err);
    if (code != TS_OK) {
        return code;
    }
    size_t used =
        ZSTD_compressCCtx(build->packer, packed, room, build->raw, size, LEVEL);
    if (ZSTD_isError(used) != 0) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not compress a chunk of a snapshot: %s",
                       ZSTD_getErrorName(used));
    }
    *ret_chunk = (struct frame_chunk){
        .id = build->offer.id,
        .index = index,
        .raw_size = (uint32_t) size,
        .packed = ts_slice(packed, used),
    };
    return TS_OK;
}
