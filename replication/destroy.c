#include "replication/destroy.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/cleanup.h"

#define PIECE_SIZE ((size_t) 64 * 1024)

struct destroying {
    dev_t device;
    enum ts_code code; /* the first failure */
    struct ts_err *err;
};

static void fail(struct destroying *d, enum ts_code code, const char *what,
                 const char *name)
{
    if (d->code == TS_OK) {
        d->code = ts_fail(d->err, code, code == TS_E_IO ? errno : 0,
                          "could not destroy \"%s\": %s", name, what);
    }
}

static bool write_zeros(int fd, off_t size)
{
    static const char zeros[PIECE_SIZE];
    while (size > 0) {
        size_t piece = size < (off_t) PIECE_SIZE ? (size_t) size : PIECE_SIZE;
        ssize_t n = write(fd, zeros, piece);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        size -= n > 0 ? n : 0;
    }
    return fdatasync(fd) == 0;
}

/* A file whose bytes cannot be overwritten is unlinked all the same. */
static void destroy_file(struct destroying *d, int parent, const char *name)
{
    TS_AUTOCLOSE int fd =
        openat(parent, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st = { 0 };
    if (fd < 0 || fstat(fd, &st) != 0 || !write_zeros(fd, st.st_size)) {
        fail(d, TS_E_IO, "it could not be overwritten", name);
    }
    if (unlinkat(parent, name, 0) != 0 && errno != ENOENT) {
        fail(d, TS_E_IO, "it could not be unlinked", name);
    }
}

static void destroy_entry(struct destroying *d, int parent, const char *name,
                          int depth);

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Every entry that begins with `prefix`. */
static void destroy_entries(struct destroying *d, int folder,
                            const char *prefix, int depth)
{
    int copy = dup(folder);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (dir == NULL) {
        fail(d, TS_E_IO, "its folder could not be read", prefix);
        if (copy >= 0) {
            (void) close(copy);
        }
        return;
    }
    rewinddir(dir);
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (!is_dots(entry->d_name) &&
            strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            destroy_entry(d, folder, entry->d_name, depth);
        }
    }
    (void) closedir(dir);
    if (fsync(folder) != 0) {
        fail(d, TS_E_IO, "its folder could not be synced", prefix);
    }
}

static void destroy_folder(struct destroying *d, int parent, const char *name,
                           int depth)
{
    TS_AUTOCLOSE int folder =
        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) {
        fail(d, TS_E_IO, "it could not be opened", name);
        return;
    }
    if (depth == DESTROY_DEPTH_MAX) {
        fail(d, TS_E_LIMIT, "it is too deep to be one of ours", name);
        return;
    }
    destroy_entries(d, folder, "", depth + 1);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        fail(d, TS_E_IO, "it could not be removed", name);
    }
}

static void destroy_entry(struct destroying *d, int parent, const char *name,
                          int depth)
{
    struct stat st;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
            fail(d, TS_E_IO, "it could not be looked at", name);
        }
    } else if (st.st_dev != d->device) {
        fail(d, TS_E_REFUSED, "it is on another file system", name);
    } else if (S_ISDIR(st.st_mode)) {
        destroy_folder(d, parent, name, depth);
    } else if (S_ISREG(st.st_mode)) {
        destroy_file(d, parent, name);
    } else if (unlinkat(parent, name, 0) != 0) { /* a link, a socket */
        fail(d, TS_E_IO, "it could not be unlinked", name);
    }
}

/* The folder of the last name of a path; -1 with ENOENT: it is not there. */
static int open_folder(const char *directory, const char *name,
                       const char **ret_last)
{
    int root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *slash = strrchr(name, '/');
    *ret_last = slash == NULL ? name : slash + 1;
    if (root < 0 || slash == NULL) {
        return root;
    }
    char inner[NAME_MAX + 1];
    (void) snprintf(inner, sizeof inner, "%.*s", (int) (slash - name), name);
    TS_AUTOCLOSE int outer = root;
    return openat(outer, inner,
                  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

enum ts_code destroy(const char *directory, const char *name,
                     struct ts_err *err)
{
    struct destroying d = { .code = TS_OK, .err = err };
    const char *last = NULL;
    TS_AUTOCLOSE int folder = open_folder(directory, name, &last);
    struct stat st;
    if (folder < 0 && errno == ENOENT && last != name) {
        return TS_OK;
    }
    if (folder < 0 || fstat(folder, &st) != 0) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not open the folder of \"%s\" in \"%s\"", name,
                       directory);
    }
    d.device = st.st_dev;
    size_t size = strlen(last);
    if (size > 0 && last[size - 1] == '*') {
        char prefix[NAME_MAX + 1];
        (void) snprintf(prefix, sizeof prefix, "%.*s", (int) size - 1, last);
        destroy_entries(&d, folder, prefix, 0);
        return d.code;
    }
    destroy_entry(&d, folder, last, 0);
    if (d.code == TS_OK && fsync(folder) != 0) {
        fail(&d, TS_E_IO, "its folder could not be synced", last);
    }
    return d.code;
}
