/* SQLite's view of the simulated disks (disk.h): files, locks and the shared
 * memory of a write-ahead log, for several connections of one thread. */
#include "tests/sim/disk.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/agenda.h"
#include "tests/sim/memory.h"

#define DISK_TIME_MS INT64_C(212651092800000) /* some day, in Julian ms */

struct handle {
    sqlite3_file base;
    struct disk *disk; /* NULL: a scratch file */
    struct disk_file *file;
    uint32_t life;
    int level;
    bool failed; /* a call on it has */
    struct disk_shm *shm;
    unsigned shm_shared, shm_exclusive; /* bits of locks held */
    struct disk_file scratch;
};

/* Where handles are that no process has. */
static struct disk nowhere;

static struct handle *of(sqlite3_file *file)
{
    return (struct handle *) file;
}

/* K2. */
static bool stale(const struct handle *handle)
{
    return handle->disk != NULL &&
           (handle->life != handle->disk->life || handle->disk->dead);
}

static int fail(struct handle *handle, int code)
{
    handle->failed = true;
    return code;
}

static int vfs_read(sqlite3_file *base, void *bytes, int size, sqlite3_int64 at)
{
    struct handle *handle = of(base);
    if (stale(handle)) {
        return fail(handle, SQLITE_IOERR_READ);
    }
    const struct disk_file *file = handle->file;
    size_t from = (size_t) at;
    size_t want = (size_t) size;
    size_t have = from < file->size ? file->size - from : 0;
    have = have < want ? have : want;
    if (have > 0) {
        memcpy(bytes, file->data + from, have);
    }
    if (have < want) {
        memset((uint8_t *) bytes + have, 0, want - have);
        return SQLITE_IOERR_SHORT_READ;
    }
    return SQLITE_OK;
}

static int vfs_write(sqlite3_file *base, const void *bytes, int size,
                     sqlite3_int64 at)
{
    struct handle *handle = of(base);
    if (stale(handle)) {
        return fail(handle, SQLITE_IOERR_WRITE);
    }
    if (handle->disk != NULL && disk_strike(handle->disk)) {
        /* The power went in the middle of it. */
        disk_write(handle->file, bytes, (size_t) size / 2, (size_t) at);
        return fail(handle, SQLITE_IOERR_WRITE);
    }
    disk_write(handle->file, bytes, (size_t) size, (size_t) at);
    return SQLITE_OK;
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct handle *handle = of(base);
    if (stale(handle) || (handle->disk != NULL && disk_strike(handle->disk))) {
        return fail(handle, SQLITE_IOERR_TRUNCATE);
    }
    disk_truncate(handle->file, (size_t) size);
    return SQLITE_OK;
}

static int vfs_sync(sqlite3_file *base, int flags)
{
    (void) flags;
    struct handle *handle = of(base);
    if (stale(handle) || (handle->disk != NULL && disk_strike(handle->disk))) {
        return fail(handle, SQLITE_IOERR_FSYNC);
    }
    if (handle->disk != NULL) {
        disk_sync(handle->disk, handle->file);
    }
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    struct handle *handle = of(base);
    if (stale(handle)) {
        return fail(handle, SQLITE_IOERR_FSTAT);
    }
    *ret_size = (sqlite3_int64) handle->file->size;
    return SQLITE_OK;
}

static int vfs_lock(sqlite3_file *base, int level)
{
    struct handle *handle = of(base);
    if (stale(handle)) {
        return fail(handle, SQLITE_IOERR_LOCK);
    }
    struct disk_file *file = handle->file;
    if (level <= handle->level) {
        return SQLITE_OK;
    }
    if (level == SQLITE_LOCK_SHARED) {
        if (file->pending || file->exclusive) {
            return SQLITE_BUSY;
        }
        file->shared++;
    } else if (level == SQLITE_LOCK_RESERVED) {
        if (file->reserved) {
            return SQLITE_BUSY;
        }
        file->reserved = true;
    } else {
        if (handle->level < SQLITE_LOCK_PENDING && file->pending) {
            return SQLITE_BUSY;
        }
        file->pending = true;
        handle->level = SQLITE_LOCK_PENDING;
        if (level == SQLITE_LOCK_EXCLUSIVE) {
            if (file->shared > 1) {
                return SQLITE_BUSY;
            }
            file->exclusive = true;
        }
    }
    handle->level = level;
    return SQLITE_OK;
}

static int vfs_unlock(sqlite3_file *base, int level)
{
    struct handle *handle = of(base);
    int held = handle->level;
    handle->level = level < held ? level : held;
    if (handle->disk == NULL || handle->life != handle->disk->life) {
        return SQLITE_OK;
    }
    struct disk_file *file = handle->file;
    if (held > SQLITE_LOCK_SHARED && level <= SQLITE_LOCK_SHARED) {
        /* Only one handle can have been above SHARED. */
        file->reserved = file->pending = file->exclusive = false;
    }
    if (held >= SQLITE_LOCK_SHARED && level == SQLITE_LOCK_NONE) {
        file->shared--;
    }
    return SQLITE_OK;
}

static int vfs_reserved(sqlite3_file *base, int *ret_reserved)
{
    const struct handle *handle = of(base);
    *ret_reserved = handle->file->reserved;
    return SQLITE_OK;
}

static int vfs_control(sqlite3_file *base, int verb, void *argument)
{
    (void) base;
    (void) verb;
    (void) argument;
    return SQLITE_NOTFOUND;
}

static int vfs_sector_size(sqlite3_file *base)
{
    (void) base;
    return DISK_BLOCK;
}

static int vfs_traits(sqlite3_file *base)
{
    (void) base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory ------------------------------------------------------ */

/* The last of a living file takes the file's with it. */
static void leave_shm(struct handle *handle)
{
    struct disk_shm *shm = handle->shm;
    bool here = handle->disk != &nowhere;
    if (here && --shm->attached == 0 && handle->life == handle->disk->life &&
        handle->file->shm == shm) {
        handle->file->shm = NULL;
    }
}

static void shm_release(struct handle *handle)
{
    struct disk_shm *shm = handle->shm;
    if (shm == NULL) {
        return;
    }
    leave_shm(handle);
    handle->shm = NULL;
    if (--shm->refs == 0) {
        for (size_t i = 0; i < shm->region_count; i++) {
            free(shm->regions[i]);
        }
        free(shm);
    }
}

static int shm_map(sqlite3_file *base, int index, int size, int extend,
                   void volatile **ret_memory)
{
    struct handle *handle = of(base);
    *ret_memory = NULL;
    if (stale(handle) || handle->disk == NULL) {
        return fail(handle, SQLITE_IOERR_SHMMAP);
    }
    if (handle->shm == NULL) {
        if (handle->file->shm == NULL) {
            handle->file->shm = sim_alloc(sizeof *handle->shm);
        }
        handle->shm = handle->file->shm;
        handle->shm->refs++;
        handle->shm->attached++;
    }
    struct disk_shm *shm = handle->shm;
    size_t wanted = (size_t) index + 1;
    if (wanted > sizeof shm->regions / sizeof shm->regions[0]) {
        return fail(handle, SQLITE_IOERR_SHMMAP);
    }
    while (shm->region_count < wanted && extend != 0) {
        shm->region_size = (size_t) size;
        shm->regions[shm->region_count++] = sim_alloc((size_t) size);
    }
    if (shm->region_count >= wanted) {
        *ret_memory = shm->regions[index];
    }
    return SQLITE_OK;
}

static void shm_unlock(struct handle *handle, unsigned mask)
{
    for (int i = 0; i < DISK_SHM_LOCKS; i++) {
        unsigned bit = 1u << i;
        if ((mask & bit & handle->shm_shared) != 0) {
            handle->shm->shared[i]--;
            handle->shm_shared &= ~bit;
        }
        if ((mask & bit & handle->shm_exclusive) != 0) {
            handle->shm->exclusive[i] = false;
            handle->shm_exclusive &= ~bit;
        }
    }
}

static int shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    struct handle *handle = of(base);
    struct disk_shm *shm = handle->shm;
    unsigned mask = ((1u << count) - 1) << offset;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        shm_unlock(handle, mask);
        return SQLITE_OK;
    }
    if (stale(handle)) {
        return fail(handle, SQLITE_IOERR_SHMLOCK);
    }
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    for (int i = offset; i < offset + count; i++) {
        int others = shm->shared[i] - (int) ((handle->shm_shared >> i) & 1u);
        bool held = (handle->shm_exclusive >> i) & 1u;
        if ((shm->exclusive[i] && !held) || (exclusive && others > 0)) {
            return SQLITE_BUSY;
        }
    }
    for (int i = offset; i < offset + count; i++) {
        unsigned bit = 1u << i;
        if (exclusive) {
            shm->exclusive[i] = true;
            handle->shm_exclusive |= bit;
        } else if ((handle->shm_shared & bit) == 0) {
            shm->shared[i]++;
            handle->shm_shared |= bit;
        }
    }
    return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base)
{
    (void) base;
}

static int shm_unmap(sqlite3_file *base, int delete)
{
    (void) delete;
    struct handle *handle = of(base);
    if (handle->shm != NULL) {
        shm_unlock(handle, handle->shm_shared | handle->shm_exclusive);
        shm_release(handle);
    }
    return SQLITE_OK;
}

static int vfs_close(sqlite3_file *base)
{
    struct handle *handle = of(base);
    (void) shm_unmap(base, 0);
    (void) vfs_unlock(base, SQLITE_LOCK_NONE);
    if (handle->disk == NULL) {
        free(handle->scratch.data);
        free(handle->scratch.dirty);
    } else if (handle->life == handle->disk->life) {
        handle->file->opened--;
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_reserved,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector_size,
    .xDeviceCharacteristics = vfs_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- handles that stay -------------------------------------------------- */

bool disk_handles_leave(struct sqlite3_file *main, struct sqlite3_file *log)
{
    struct handle *own[] = { of(main), of(log) };
    if (main->pMethods != &methods || log->pMethods != &methods ||
        own[0]->failed || own[1]->failed || own[0]->shm == NULL ||
        own[0]->shm_shared != 0 || own[0]->shm_exclusive != 0 ||
        own[0]->level != SQLITE_LOCK_SHARED) {
        return false;
    }
    bool lives = own[0]->life == own[0]->disk->life;
    if (lives && (own[0]->disk->dead || own[0]->file->shared < 2)) {
        return false;
    }
    leave_shm(own[0]);
    for (int i = 0; i < 2; i++) {
        if (lives) {
            (void) vfs_unlock(&own[i]->base, SQLITE_LOCK_NONE);
            own[i]->file->opened--;
        }
        own[i]->disk = &nowhere;
        own[i]->life = nowhere.life + 1;
        own[i]->file = NULL;
    }
    return true;
}

/* Bytes 18 and 19 of a database say that it is written through a log. */
static bool has_log(const struct disk_file *file)
{
    return file != NULL && file->size > 100 && file->data[18] == 2 &&
           file->data[19] == 2;
}

static void come_back(struct handle *handle, struct disk *disk,
                      struct disk_file *file)
{
    handle->disk = disk;
    handle->life = disk->life;
    handle->file = file;
    file->opened++;
}

bool disk_handles_return(const char *path, struct sqlite3_file *main,
                         struct sqlite3_file *log)
{
    struct disk *disk = disk_of(path);
    struct disk_file *file =
        disk == NULL || disk->dead ? NULL : disk_find(disk, path);
    struct disk_shm *shm = of(main)->shm;
    char name[DISK_NAME_SIZE + 4];
    if (!has_log(file) || file->pending || file->exclusive ||
        (file->shm == NULL ? shm->attached > 0 : file->shm != shm)) {
        return false;
    }
    (void) sqlite3_snprintf((int) sizeof name, name, "%s-wal", path);
    struct disk_file *log_file = disk_find(disk, name);
    if (log_file == NULL && disk_strike(disk)) {
        return false;
    }
    come_back(of(main), disk, file);
    come_back(of(log), disk,
              log_file == NULL ? disk_create(disk, name) : log_file);
    of(main)->level = SQLITE_LOCK_SHARED;
    file->shared++;
    if (file->shm == NULL) {
        file->shm = shm;
        for (size_t i = 0; i < shm->region_count; i++) {
            memset(shm->regions[i], 0, shm->region_size);
        }
        memset(shm->shared, 0, sizeof shm->shared);
        memset(shm->exclusive, 0, sizeof shm->exclusive);
    }
    shm->attached++;
    return true;
}

/* ---- the file system ---------------------------------------------------- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base,
                    int flags, int *ret_flags)
{
    (void) vfs;
    struct handle *handle = of(base);
    memset(handle, 0, sizeof *handle);
    if (ret_flags != NULL) {
        *ret_flags = flags;
    }
    if (name == NULL) {
        handle->file = &handle->scratch;
        handle->base.pMethods = &methods;
        return SQLITE_OK;
    }
    struct disk *disk = disk_of(name);
    if (disk == NULL || disk->dead) {
        return SQLITE_CANTOPEN;
    }
    struct disk_file *file = disk_find(disk, name);
    if (file == NULL) {
        if ((flags & SQLITE_OPEN_CREATE) == 0 || disk_strike(disk)) {
            return SQLITE_CANTOPEN;
        }
        file = disk_create(disk, name);
    }
    file->opened++;
    handle->disk = disk;
    handle->life = disk->life;
    handle->file = file;
    handle->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void) vfs;
    (void) sync_folder;
    struct disk *disk = disk_of(name);
    struct disk_file *file = disk == NULL ? NULL : disk_find(disk, name);
    if (file == NULL) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    if (disk_strike(disk)) {
        return SQLITE_IOERR_DELETE;
    }
    disk_remove(disk, file);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags,
                      int *ret_exists)
{
    (void) vfs;
    (void) flags;
    struct disk *disk = disk_of(name);
    *ret_exists = disk != NULL && !disk->dead && disk_find(disk, name) != NULL;
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size,
                         char *ret_path)
{
    (void) vfs;
    return sqlite3_snprintf(size, ret_path, "%s", name) == NULL
               ? SQLITE_CANTOPEN
               : SQLITE_OK;
}

/* SQLite draws salts from it: they decide nothing, but a seed replays. */
static int vfs_randomness(sqlite3_vfs *vfs, int size, char *bytes)
{
    static struct sim_random random = { 1 };
    (void) vfs;
    random_fill(&random, (uint8_t *) bytes, (size_t) size);
    return size;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void) vfs;
    return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_ms)
{
    (void) vfs;
    *ret_ms = DISK_TIME_MS;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *text)
{
    (void) vfs;
    (void) size;
    (void) text;
    return 0;
}

void disk_setup(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = (int) sizeof(struct handle),
        .mxPathname = DISK_NAME_SIZE - 1,
        .zName = "sim",
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_time,
    };
    memory_setup();
    /* One thread: SQLite needs neither locks nor statistics. */
    (void) sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void) sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite3_vfs_find("sim") == NULL) {
        int code = sqlite3_vfs_register(&vfs, 1);
        assert(code == SQLITE_OK);
        (void) code;
    }
}
