#include "node/vault/seal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>

#include "node/base/cleanup.h"
#include "node/base/secret.h"

static enum ts_code could_not(const char *what, const char *path,
                              struct ts_err *err)
{
    return ts_fail(err, TS_E_IO, errno, "could not %s the sealed file \"%s\"",
                   what, path);
}

static enum ts_code sync_folder(const char *path, struct ts_err *err)
{
    char copy[PATH_MAX];
    (void) snprintf(copy, sizeof copy, "%s", path);
    TS_AUTOCLOSE int fd = open(dirname(copy), O_RDONLY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? TS_OK : could_not("sync", path, err);
}

/* Into a file beside it, which then takes its place. */
static enum ts_code replace(const char *path, struct ts_slice bytes,
                            struct ts_err *err)
{
    char fresh[PATH_MAX];
    int n = snprintf(fresh, sizeof fresh, "%s.new", path);
    if (n < 0 || (size_t) n >= sizeof fresh) {
        errno = ENAMETOOLONG;
        return could_not("write", path, err);
    }
    (void) unlink(fresh); /* of a crash */
    TS_AUTOCLOSE int fd =
        open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    ssize_t put = fd < 0 ? -1 : write(fd, bytes.data, bytes.size);
    if (put >= 0 && put != (ssize_t) bytes.size) {
        errno = ENOSPC;
    }
    if (put != (ssize_t) bytes.size || fsync(fd) != 0 ||
        rename(fresh, path) != 0) {
        enum ts_code rc = could_not("write", path, err);
        (void) unlink(fresh);
        return rc;
    }
    return sync_folder(path, err);
}

enum ts_code seal_file_put(const char *path, const struct seal_key *key,
                           struct ts_slice context, struct ts_slice plain,
                           struct ts_err *err)
{
    struct seal_room room = { NULL, plain.size + SEAL_OVERHEAD };
    TS_AUTOFREE uint8_t *bytes = malloc(room.size);
    if (bytes == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not write the sealed file \"%s\": out of memory",
                       path);
    }
    room.bytes = bytes;
    enum ts_code rc = seal_close(key, context, plain, &room, err);
    return rc == TS_OK ? replace(path, ts_slice(bytes, room.size), err) : rc;
}

enum ts_code seal_file_get(const char *path, const struct seal_key *key,
                           struct ts_slice context, struct seal_room *room,
                           struct ts_err *err)
{
    TS_AUTOCLOSE int fd = -1;
    enum ts_code rc = ts_secret_open(path, &fd, err);
    if (rc != TS_OK) {
        return rc;
    }
    size_t most = SEAL_PLAIN_MAX + SEAL_OVERHEAD;
    TS_AUTOFREE uint8_t *bytes = malloc(most);
    if (bytes == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not read the sealed file \"%s\": out of memory",
                       path);
    }
    ssize_t got = read(fd, bytes, most);
    return got < 0 ? could_not("read", path, err)
                   : seal_open(key, context, ts_slice(bytes, (size_t) got),
                               room, err);
}
