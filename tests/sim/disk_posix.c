/* The calls of POSIX that the product makes on its state directory, led to the
 * simulated disks (disk.h) by the linker's --wrap. Descriptors of theirs begin
 * at VIRTUAL; all others go to the system.
 *
 * A name is durable when its folder was synced, a file's content when the file
 * was. A rename that was not synced may be undone by a crash. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/agenda.h"
#include "tests/sim/disk.h"

#define VIRTUAL     (1 << 20)
#define HANDLES_MAX 64

/* Each call, and the system's own behind it. */
#define CALL(type, name, parameters) \
    type __real_##name parameters;   \
    type __wrap_##name parameters;   \
    type __wrap_##name parameters

struct posix_handle {
    struct disk *disk; /* NULL: free */
    uint32_t life;
    char path[DISK_NAME_SIZE];
    size_t at;
};
static struct posix_handle handles[HANDLES_MAX];

const char *disk_left_open(void)
{
    for (int i = 0; i < HANDLES_MAX; i++) {
        if (handles[i].disk != NULL) {
            handles[i].disk = NULL; /* told once */
            return handles[i].path;
        }
    }
    return NULL;
}

static struct posix_handle *handle_of(int fd)
{
    return fd >= VIRTUAL && fd < VIRTUAL + HANDLES_MAX ? &handles[fd - VIRTUAL]
                                                       : NULL;
}

static int fail(int why)
{
    errno = why;
    return -1;
}

/* Power has gone since, or goes now. */
static bool lost(const struct posix_handle *handle)
{
    return handle->disk == NULL || handle->life != handle->disk->life ||
           handle->disk->dead;
}

static struct disk_file *file_of(const struct posix_handle *handle)
{
    return lost(handle) ? NULL : disk_find(handle->disk, handle->path);
}

/* The path that `name` means in `folder`; false: it is the system's. */
static bool resolve(int folder, const char *name,
                    char path[static DISK_NAME_SIZE])
{
    if (name[0] == '/') {
        (void) snprintf(path, DISK_NAME_SIZE, "%s", name);
        return disk_of(path) != NULL;
    }
    const struct posix_handle *handle = handle_of(folder);
    if (handle == NULL) {
        return false;
    }
    int size = snprintf(path, DISK_NAME_SIZE, "%s/%s", handle->path, name);
    assert(size < DISK_NAME_SIZE);
    return true;
}

static bool is_root(const char *path)
{
    return path[2] == 0;
}

static int open_virtual(const char *path, int flags)
{
    struct disk *disk = disk_of(path);
    struct disk_file *file = disk_find(disk, path);
    if (disk->dead) {
        return fail(EIO);
    }
    if ((flags & O_DIRECTORY) != 0 && !is_root(path) &&
        (file == NULL || !file->is_folder)) {
        return fail(ENOENT);
    }
    if (file == NULL && !is_root(path)) {
        if ((flags & O_CREAT) == 0) {
            return fail(ENOENT);
        }
        if (disk_strike(disk)) {
            return fail(EIO);
        }
        file = disk_create(disk, path);
    } else if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
        return fail(EEXIST);
    }
    if ((flags & O_TRUNC) != 0) {
        disk_truncate(file, 0);
    }
    for (int i = 0; i < HANDLES_MAX; i++) {
        if (handles[i].disk == NULL) {
            handles[i] =
                (struct posix_handle){ .disk = disk, .life = disk->life };
            (void) snprintf(handles[i].path, DISK_NAME_SIZE, "%s", path);
            return VIRTUAL + i;
        }
    }
    return fail(EMFILE);
}

CALL(int, open, (const char *path, int flags, ...))
{
    char virtual[DISK_NAME_SIZE];
    if (resolve(-1, path, virtual)) {
        return open_virtual(virtual, flags);
    }
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return __real_open(path, flags, mode);
}

CALL(int, openat, (int folder, const char *path, int flags, ...))
{
    char virtual[DISK_NAME_SIZE];
    if (resolve(folder, path, virtual)) {
        return open_virtual(virtual, flags);
    }
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return __real_openat(folder, path, flags, mode);
}

CALL(int, close, (int fd))
{
    struct posix_handle *handle = handle_of(fd);
    if (handle == NULL) {
        return __real_close(fd);
    }
    handle->disk = NULL;
    return 0;
}

static ssize_t read_at(struct posix_handle *handle, void *bytes, size_t size,
                       size_t at)
{
    const struct disk_file *file = file_of(handle);
    if (file == NULL) {
        return fail(EIO);
    }
    size_t left = at < file->size ? file->size - at : 0;
    left = left < size ? left : size;
    if (left > 0) {
        memcpy(bytes, file->data + at, left);
    }
    return (ssize_t) left;
}

static ssize_t write_at(struct posix_handle *handle, const void *bytes,
                        size_t size, size_t at)
{
    struct disk_file *file = file_of(handle);
    if (file == NULL || disk_strike(handle->disk)) {
        return fail(EIO);
    }
    disk_write(file, bytes, size, at);
    return (ssize_t) size;
}

CALL(ssize_t, read, (int fd, void *bytes, size_t size))
{
    struct posix_handle *handle = handle_of(fd);
    if (handle == NULL) {
        return __real_read(fd, bytes, size);
    }
    ssize_t done = read_at(handle, bytes, size, handle->at);
    handle->at += done > 0 ? (size_t) done : 0;
    return done;
}

CALL(ssize_t, write, (int fd, const void *bytes, size_t size))
{
    struct posix_handle *handle = handle_of(fd);
    if (handle == NULL) {
        return __real_write(fd, bytes, size);
    }
    ssize_t done = write_at(handle, bytes, size, handle->at);
    handle->at += done > 0 ? (size_t) done : 0;
    return done;
}

CALL(ssize_t, pread, (int fd, void *bytes, size_t size, off_t at))
{
    struct posix_handle *handle = handle_of(fd);
    return handle == NULL ? __real_pread(fd, bytes, size, at)
                          : read_at(handle, bytes, size, (size_t) at);
}

CALL(ssize_t, pwrite, (int fd, const void *bytes, size_t size, off_t at))
{
    struct posix_handle *handle = handle_of(fd);
    return handle == NULL ? __real_pwrite(fd, bytes, size, at)
                          : write_at(handle, bytes, size, (size_t) at);
}

/* The names directly in a folder are on the disk. */
static void sync_folder(struct disk *disk, const char *path)
{
    size_t size = strlen(path);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *file = &disk->files[i];
        if (strncmp(file->name, path, size) == 0 && file->name[size] == '/' &&
            strchr(file->name + size + 1, '/') == NULL) {
            file->durable_name = true;
        }
    }
    disk_settle_renames(disk);
}

static int sync_virtual(struct posix_handle *handle)
{
    struct disk_file *file = file_of(handle);
    if (lost(handle) || disk_strike(handle->disk) ||
        (file == NULL && !is_root(handle->path))) {
        return fail(EIO);
    }
    if (file == NULL || file->is_folder) {
        sync_folder(handle->disk, handle->path);
    } else {
        bool named = file->durable_name;
        disk_sync(handle->disk, file);
        file->durable_name = named;
    }
    return 0;
}

CALL(int, fsync, (int fd))
{
    struct posix_handle *handle = handle_of(fd);
    return handle == NULL ? __real_fsync(fd) : sync_virtual(handle);
}

CALL(int, fdatasync, (int fd))
{
    struct posix_handle *handle = handle_of(fd);
    return handle == NULL ? __real_fdatasync(fd) : sync_virtual(handle);
}

CALL(int, ftruncate, (int fd, off_t size))
{
    struct posix_handle *handle = handle_of(fd);
    if (handle == NULL) {
        return __real_ftruncate(fd, size);
    }
    struct disk_file *file = file_of(handle);
    if (file == NULL || disk_strike(handle->disk)) {
        return fail(EIO);
    }
    disk_truncate(file, (size_t) size);
    return 0;
}

static void describe(const char *path, const struct disk_file *file,
                     struct stat *status)
{
    memset(status, 0, sizeof *status);
    bool folder = is_root(path) || (file != NULL && file->is_folder);
    status->st_mode = folder ? S_IFDIR | 0700 : S_IFREG | 0600;
    status->st_size = file == NULL ? 0 : (off_t) file->size;
}

CALL(int, fstat, (int fd, struct stat *status))
{
    struct posix_handle *handle = handle_of(fd);
    if (handle == NULL) {
        return __real_fstat(fd, status);
    }
    describe(handle->path, file_of(handle), status);
    return 0;
}

CALL(int, lstat, (const char *name, struct stat *status))
{
    char path[DISK_NAME_SIZE];
    if (!resolve(-1, name, path)) {
        return __real_lstat(name, status);
    }
    const struct disk_file *file = disk_find(disk_of(path), path);
    if (file == NULL && !is_root(path)) {
        return fail(ENOENT);
    }
    describe(path, file, status);
    return 0;
}

CALL(int, mkdirat, (int folder, const char *name, mode_t mode))
{
    char path[DISK_NAME_SIZE];
    if (!resolve(folder, name, path)) {
        return __real_mkdirat(folder, name, mode);
    }
    struct disk *disk = disk_of(path);
    if (disk_find(disk, path) != NULL) {
        return fail(EEXIST);
    }
    if (disk_strike(disk)) {
        return fail(EIO);
    }
    disk_create(disk, path)->is_folder = true;
    return 0;
}

CALL(int, mkdir, (const char *name, mode_t mode))
{
    char path[DISK_NAME_SIZE];
    return resolve(-1, name, path) ? __wrap_mkdirat(-1, name, mode)
                                   : __real_mkdir(name, mode);
}

static bool holds_files(struct disk *disk, const char *path)
{
    size_t size = strlen(path);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (strncmp(disk->files[i].name, path, size) == 0 &&
            disk->files[i].name[size] == '/') {
            return true;
        }
    }
    return false;
}

CALL(int, unlinkat, (int folder, const char *name, int flags))
{
    char path[DISK_NAME_SIZE];
    if (!resolve(folder, name, path)) {
        return __real_unlinkat(folder, name, flags);
    }
    struct disk *disk = disk_of(path);
    struct disk_file *file = disk_find(disk, path);
    if (file == NULL) {
        return fail(ENOENT);
    }
    if (file->is_folder && holds_files(disk, path)) {
        return fail(ENOTEMPTY);
    }
    if (disk_strike(disk)) {
        return fail(EIO);
    }
    disk_remove(disk, file);
    return 0;
}

CALL(int, unlink, (const char *name))
{
    char path[DISK_NAME_SIZE];
    return resolve(-1, name, path) ? __wrap_unlinkat(-1, name, 0)
                                   : __real_unlink(name);
}

CALL(int, rmdir, (const char *name))
{
    char path[DISK_NAME_SIZE];
    return resolve(-1, name, path) ? __wrap_unlinkat(-1, name, AT_REMOVEDIR)
                                   : __real_rmdir(name);
}

CALL(int, renameat,
     (int from_folder, const char *from, int to_folder, const char *to))
{
    char from_path[DISK_NAME_SIZE];
    char to_path[DISK_NAME_SIZE];
    if (!resolve(from_folder, from, from_path) ||
        !resolve(to_folder, to, to_path)) {
        return __real_renameat(from_folder, from, to_folder, to);
    }
    struct disk *disk = disk_of(from_path);
    if (disk_find(disk, from_path) == NULL) {
        return fail(ENOENT);
    }
    if (disk_strike(disk)) {
        return fail(EIO);
    }
    disk_rename(disk, from_path, to_path);
    return 0;
}

CALL(int, rename, (const char *from, const char *to))
{
    char path[DISK_NAME_SIZE];
    return resolve(-1, from, path) ? __wrap_renameat(-1, from, -1, to)
                                   : __real_rename(from, to);
}

CALL(int, faccessat, (int folder, const char *name, int mode, int flags))
{
    char path[DISK_NAME_SIZE];
    if (!resolve(folder, name, path)) {
        return __real_faccessat(folder, name, mode, flags);
    }
    return is_root(path) || disk_find(disk_of(path), path) != NULL
               ? 0
               : fail(ENOENT);
}

CALL(int, access, (const char *name, int mode))
{
    char path[DISK_NAME_SIZE];
    return resolve(-1, name, path) ? __wrap_faccessat(-1, name, mode, 0)
                                   : __real_access(name, mode);
}

/* ---- listing ------------------------------------------------------------ */

struct listing {
    uint64_t mark;
    int fd;
    size_t next;
    struct dirent item;
};
#define LISTING_MARK UINT64_C(0x73696d2d6c697374)

static struct listing *listing_of(DIR *folder)
{
    struct listing *listing = (struct listing *) (void *) folder;
    return listing->mark == LISTING_MARK ? listing : NULL;
}

static DIR *list(int fd)
{
    struct listing *listing = sim_alloc(sizeof *listing);
    *listing = (struct listing){ .mark = LISTING_MARK, .fd = fd };
    return (DIR *) (void *) listing;
}

CALL(DIR *, opendir, (const char *path))
{
    char virtual[DISK_NAME_SIZE];
    if (!resolve(-1, path, virtual)) {
        return __real_opendir(path);
    }
    int fd = open_virtual(virtual, O_RDONLY | O_DIRECTORY);
    return fd < 0 ? NULL : list(fd);
}

CALL(DIR *, fdopendir, (int fd))
{
    return handle_of(fd) == NULL ? __real_fdopendir(fd) : list(fd);
}

CALL(struct dirent *, readdir, (DIR * folder))
{
    struct listing *listing = listing_of(folder);
    if (listing == NULL) {
        return __real_readdir(folder);
    }
    const struct posix_handle *handle = handle_of(listing->fd);
    size_t size = strlen(handle->path);
    while (listing->next < DISK_FILES_MAX) {
        const struct disk_file *file = &handle->disk->files[listing->next++];
        if (strncmp(file->name, handle->path, size) == 0 &&
            file->name[size] == '/' &&
            strchr(file->name + size + 1, '/') == NULL) {
            (void) snprintf(listing->item.d_name, sizeof listing->item.d_name,
                            "%s", file->name + size + 1);
            listing->item.d_type = file->is_folder ? DT_DIR : DT_REG;
            return &listing->item;
        }
    }
    return NULL;
}

CALL(int, closedir, (DIR * folder))
{
    struct listing *listing = listing_of(folder);
    if (listing == NULL) {
        return __real_closedir(folder);
    }
    (void) __wrap_close(listing->fd);
    free(listing);
    return 0;
}

CALL(int, dirfd, (DIR * folder))
{
    struct listing *listing = listing_of(folder);
    return listing == NULL ? __real_dirfd(folder) : listing->fd;
}
