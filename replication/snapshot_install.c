#include "replication/snapshot_install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "replication/generation.h"

struct snapshot_install {
    struct snapshot_install_options options;
    struct frame_offer offer;
    uint8_t *hashes;
    uint32_t chunks;
    int64_t folder;
    int hold; /* of the folder's mark */
    char path[GENERATION_PATH_SIZE];
    int fd;
    ZSTD_DCtx *unpacker;
    uint8_t raw[FRAME_CHUNK_SIZE];
};

static enum ts_code failed(const struct snapshot_install *install,
                           const char *what, struct ts_err *err)
{
    return ts_fail(err, TS_E_IO, errno,
                   "could not %s the snapshot \"%s\"; check that disk and its "
                   "free space",
                   what, install->path);
}

void snapshot_install_free(struct snapshot_install *install)
{
    if (install != NULL) {
        if (install->fd >= 0) {
            (void) close(install->fd);
        }
        generation_release(install->hold);
        free(install->hashes);
        (void) ZSTD_freeDCtx(install->unpacker);
        free(install);
    }
}

int snapshot_install_take_hold(struct snapshot_install *install)
{
    int hold = install->hold;
    install->hold = -1;
    return hold;
}

int64_t snapshot_install_folder(const struct snapshot_install *install)
{
    return install->folder;
}

static enum ts_code take_offer(struct snapshot_install *install,
                               const struct frame_offer *offer,
                               struct ts_err *err)
{
    uint64_t chunks = (offer->size + FRAME_CHUNK_SIZE - 1) / FRAME_CHUNK_SIZE;
    if (offer->size == 0 ||
        offer->size > (uint64_t) FRAME_CHUNKS_MAX * FRAME_CHUNK_SIZE ||
        offer->hashes.size != chunks * TS_HASH_SIZE ||
        offer->at.generation <= 0) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot take a snapshot of %llu bytes with %zu bytes of "
                       "hashes: they do not fit each other, or pass the limit",
                       (unsigned long long) offer->size, offer->hashes.size);
    }
    install->hashes = malloc(offer->hashes.size);
    install->unpacker = ZSTD_createDCtx();
    if (install->hashes == NULL || install->unpacker == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not take a snapshot");
    }
    memcpy(install->hashes, offer->hashes.data, offer->hashes.size);
    install->offer = *offer;
    install->chunks = (uint32_t) chunks;
    return TS_OK;
}

enum ts_code
snapshot_install_new(const struct snapshot_install_options *options,
                     const struct frame_offer *offer,
                     struct snapshot_install **ret_install, struct ts_err *err)
{
    struct snapshot_install *install = calloc(1, sizeof *install);
    if (install == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not take a snapshot");
    }
    install->options = *options;
    install->fd = -1;
    install->hold = -1;
    enum ts_code code = take_offer(install, offer, err);
    if (code == TS_OK) {
        code = generation_build_hold(options->directory, 0, &install->folder,
                                     &install->hold, err);
    }
    if (code == TS_OK) {
        code = generation_path(options->directory, install->folder,
                               install->path, err);
    }
    if (code == TS_OK) {
        install->fd =
            open(install->path,
                 O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        code = install->fd < 0 ? failed(install, "create", err) : TS_OK;
    }
    if (code != TS_OK) {
        snapshot_install_free(install);
        return code;
    }
    *ret_install = install;
    return TS_OK;
}

/* ---- chunks ------------------------------------------------------------- */

static size_t chunk_size(const struct snapshot_install *install, uint32_t index)
{
    uint64_t left = install->offer.size - (uint64_t) index * FRAME_CHUNK_SIZE;
    return left < FRAME_CHUNK_SIZE ? (size_t) left : FRAME_CHUNK_SIZE;
}

/* I1. */
static enum ts_code unpack(struct snapshot_install *install,
                           const struct frame_chunk *chunk, struct ts_err *err)
{
    bool ours = chunk->index < install->chunks &&
                chunk->raw_size == chunk_size(install, chunk->index);
    size_t size = ours
                      ? ZSTD_decompressDCtx(install->unpacker, install->raw,
                                            chunk->raw_size, chunk->packed.data,
                                            chunk->packed.size)
                      : 0;
    struct ts_hash hash = { { 0 } };
    if (ours && ZSTD_isError(size) == 0 && size == chunk->raw_size) {
        hash = ts_hash_of(ts_slice(install->raw, size));
        if (memcmp(hash.bytes,
                   install->hashes + (size_t) chunk->index * TS_HASH_SIZE,
                   TS_HASH_SIZE) == 0) {
            return TS_OK;
        }
    }
    return ts_fail(err, TS_E_PROTOCOL, 0,
                   "could not use chunk %u of a snapshot of %u: it is damaged; "
                   "it will be fetched again",
                   (unsigned) chunk->index, (unsigned) install->chunks);
}

enum ts_code snapshot_install_write(struct snapshot_install *install,
                                    const struct frame_chunk *chunk,
                                    struct ts_err *err)
{
    enum ts_code code = unpack(install, chunk, err);
    if (code != TS_OK) {
        return code;
    }
    size_t done = 0;
    off_t at = (off_t) chunk->index * (off_t) FRAME_CHUNK_SIZE;
    while (done < chunk->raw_size) {
        ssize_t part = pwrite(install->fd, install->raw + done,
                              chunk->raw_size - done, at + (off_t) done);
        if (part <= 0) {
            errno = part == 0 ? ENOSPC : errno;
            return failed(install, "write", err);
        }
        done += (size_t) part;
    }
    /* The disk begins with it while the next ones are on their way; what was
     * not begun, _sync ends. */
    (void) sync_file_range(install->fd, at, (off_t) chunk->raw_size,
                           SYNC_FILE_RANGE_WRITE);
    return TS_OK;
}

/* ---- the whole ---------------------------------------------------------- */

static enum ts_code check_position(const struct snapshot_install *install,
                                   const struct journal_position *at,
                                   struct ts_err *err)
{
    if (journal_position_equal(at, &install->offer.at)) {
        return TS_OK;
    }
    return ts_fail(err, TS_E_CORRUPT, 0,
                   "cannot use the snapshot \"%s\": it is at row %lld of epoch "
                   "%lld, and row %lld of epoch %lld was offered",
                   install->path, (long long) at->seq, (long long) at->epoch,
                   (long long) install->offer.at.seq,
                   (long long) install->offer.at.epoch);
}

/* I2: opening runs quick_check. */
static enum ts_code check_file(struct snapshot_install *install,
                               struct journal_position *ret_at,
                               struct ts_err *err)
{
    struct db db = { .handle = NULL };
    uint64_t rows = 0;
    enum ts_code code = db_open_kept(install->path, DB_DURABLE,
                                     install->options.schema, &db, err);
    if (code == TS_OK) {
        code = journal_verify(&db, install->options.tables, ret_at, &rows, err);
    }
    if (code == TS_OK) {
        code = check_position(install, ret_at, err);
    }
    db_close(&db);
    return code;
}

enum ts_code snapshot_install_sync(struct snapshot_install *install,
                                   struct ts_err *err)
{
    return fsync(install->fd) == 0 ? TS_OK : failed(install, "sync", err);
}

enum ts_code snapshot_install_finish(struct snapshot_install *install,
                                     struct journal_position *ret_at,
                                     struct ts_err *err)
{
    enum ts_code code = snapshot_install_sync(install, err);
    if (code != TS_OK) {
        return code;
    }
    (void) close(install->fd);
    install->fd = -1;
    return check_file(install, ret_at, err);
}
