#include "tests/lib/fault_vfs.h"

#include <sqlite3.h>
#include <string.h>

#include "tests/lib/test.h"

static struct {
    int countdown;
    enum fault_kind kind;
    bool fired;
} fault;

void fault_vfs_arm(int k, enum fault_kind kind)
{
    fault.countdown = k;
    fault.kind = kind;
    fault.fired = false;
}

bool fault_vfs_fired(void)
{
    return fault.fired;
}

/* Does this call fail, and is it the one that does first? */
static bool strike(bool *ret_first)
{
    *ret_first = false;
    if (fault.fired) {
        return fault.kind != FAULT_ONCE;
    }
    if (fault.countdown == 0 || --fault.countdown > 0) {
        return false;
    }
    fault.fired = true;
    *ret_first = true;
    return true;
}

static int failure(int io_code)
{
    return fault.kind == FAULT_FULL ? SQLITE_FULL : io_code;
}

/* The real file lies behind ours, in the memory that SQLite gave us. */
struct fault_file {
    sqlite3_file base;
    sqlite3_file *real;
};

static sqlite3_file *real(sqlite3_file *file)
{
    return ((struct fault_file *) file)->real;
}

static int file_close(sqlite3_file *file)
{
    return real(file)->pMethods->xClose(real(file));
}

static int file_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    return real(file)->pMethods->xRead(real(file), data, size, at);
}

static int file_write(sqlite3_file *file, const void *data, int size,
                      sqlite3_int64 at)
{
    bool first = false;
    if (!strike(&first)) {
        return real(file)->pMethods->xWrite(real(file), data, size, at);
    }
    if (first && fault.kind == FAULT_TORN) {
        (void) real(file)->pMethods->xWrite(real(file), data, size / 2, at);
    }
    return failure(SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    bool first = false;
    return strike(&first) ? failure(SQLITE_IOERR_TRUNCATE)
                          : real(file)->pMethods->xTruncate(real(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    bool first = false;
    return strike(&first) ? failure(SQLITE_IOERR_FSYNC)
                          : real(file)->pMethods->xSync(real(file), flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real(file)->pMethods->xFileSize(real(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xLock(real(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xUnlock(real(file), level);
}

static int file_check_lock(sqlite3_file *file, int *reserved)
{
    return real(file)->pMethods->xCheckReservedLock(real(file), reserved);
}

static int file_control(sqlite3_file *file, int verb, void *argument)
{
    return real(file)->pMethods->xFileControl(real(file), verb, argument);
}

static int file_sector_size(sqlite3_file *file)
{
    return real(file)->pMethods->xSectorSize(real(file));
}

static int file_traits(sqlite3_file *file)
{
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int shm_map(sqlite3_file *file, int page, int size, int extend,
                   void volatile **memory)
{
    return real(file)->pMethods->xShmMap(real(file), page, size, extend,
                                         memory);
}

static int shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}

static void shm_barrier(sqlite3_file *file)
{
    real(file)->pMethods->xShmBarrier(real(file));
}

static int shm_unmap(sqlite3_file *file, int delete)
{
    return real(file)->pMethods->xShmUnmap(real(file), delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

static sqlite3_vfs *below;

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
                    int flags, int *ret_flags)
{
    (void) vfs;
    struct fault_file *own = (struct fault_file *) file;
    own->real = (sqlite3_file *) (own + 1);
    own->base.pMethods = NULL;
    int code = below->xOpen(below, name, own->real, flags, ret_flags);
    if (own->real->pMethods != NULL) {
        own->base.pMethods = &methods;
    }
    return code;
}

void fault_vfs_install(void)
{
    static sqlite3_vfs vfs;
    if (below == NULL) {
        assert_int_equal(sqlite3_initialize(), SQLITE_OK);
        below = sqlite3_vfs_find(NULL);
        vfs = *below;
        vfs.pNext = NULL;
        vfs.zName = "fault";
        vfs.szOsFile = (int) sizeof(struct fault_file) + below->szOsFile;
        vfs.xOpen = vfs_open;
        assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
    }
}
