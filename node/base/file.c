#include "node/base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "node/base/cleanup.h"

static enum ts_code could_not(struct ts_err *err, const char *what,
                              const char *path)
{
    return ts_fail(err, TS_E_IO, errno, "could not %s \"%s\"", what, path);
}

/* What names the folder that holds `path` is durable. */
static enum ts_code sync_parent(const char *path, struct ts_err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int size = slash == NULL ? 0 : (int) (slash - path);
    (void) snprintf(folder, sizeof folder, "%.*s", size, path);
    TS_AUTOCLOSE int fd = open(slash == NULL ? "."
                               : size == 0   ? "/"
                                             : folder,
                               O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0
               ? TS_OK
               : could_not(err, "sync the folder of", path);
}

static enum ts_code write_fresh(const char *fresh, struct ts_slice bytes,
                                mode_t mode, struct ts_err *err)
{
    if (unlink(fresh) != 0 && errno != ENOENT) { /* of a crash */
        return could_not(err, "remove", fresh);
    }
    TS_AUTOCLOSE int fd =
        open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) {
        return could_not(err, "write", fresh);
    }
    ssize_t put = write(fd, bytes.data, bytes.size);
    if (put != (ssize_t) bytes.size) {
        errno = put < 0 ? errno : ENOSPC;
        return could_not(err, "write", fresh);
    }
    return fsync(fd) == 0 ? TS_OK : could_not(err, "sync", fresh);
}

enum ts_code ts_file_replace(const char *path, struct ts_slice bytes,
                             mode_t mode, struct ts_err *err)
{
    char fresh[PATH_MAX];
    int size = snprintf(fresh, sizeof fresh, "%s.new", path);
    if (size < 0 || (size_t) size >= sizeof fresh) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot write \"%.60s...\": the path is too long", path);
    }
    enum ts_code code = write_fresh(fresh, bytes, mode, err);
    if (code == TS_OK && rename(fresh, path) != 0) {
        code = could_not(err, "put in place", path);
    }
    if (code != TS_OK) {
        (void) unlink(fresh);
        return code;
    }
    return sync_parent(path, err);
}

enum ts_code ts_file_remove(const char *path, struct ts_err *err)
{
    if (unlink(path) != 0) {
        return errno == ENOENT ? TS_OK : could_not(err, "remove", path);
    }
    return sync_parent(path, err);
}

enum ts_code ts_file_folder(const char *path, struct ts_err *err)
{
    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST ? TS_OK
                               : could_not(err, "make the folder", path);
    }
    return sync_parent(path, err);
}
