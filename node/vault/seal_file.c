#include "node/vault/seal_file.h"

#include <errno.h>

#include "node/base/cleanup.h"
#include "node/base/file.h"
#include "node/base/secret.h"

static enum ts_code could_not(const char *what, const char *path,
                              struct ts_err *err)
{
    return ts_fail(err, TS_E_IO, errno, "could not %s the sealed file \"%s\"",
                   what, path);
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
    return rc == TS_OK ? ts_file_replace(path, ts_slice(bytes, room.size),
                                         TS_FILE_OURS, err)
                       : rc;
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
