#include "replication/pair_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "node/base/cleanup.h"
#include "node/base/file.h"

enum ts_code pair_path(const char *state_directory, const char *name,
                       char path[static PAIR_PATH_SIZE], struct ts_err *err)
{
    int n = snprintf(path, PAIR_PATH_SIZE, "%s/pair/%s", state_directory, name);
    if (n < 0 || n >= PAIR_PATH_SIZE) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot use the state directory \"%.60s...\": its name "
                       "is too long",
                       state_directory);
    }
    return TS_OK;
}

static enum ts_code could_not(struct ts_err *err, const char *what,
                              const char *path)
{
    return ts_fail(err, TS_E_IO, errno, "could not %s \"%s\"", what, path);
}

static enum ts_code make_folder(const char *state_directory, const char *name,
                                struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    enum ts_code code = pair_path(state_directory, name, path, err);
    if (code != TS_OK) {
        return code;
    }
    path[strlen(path) - 1] = '\0'; /* the slash at the end of "pair/" */
    return ts_file_folder(path, err);
}

enum ts_code pair_put(const char *state_directory, const char *name,
                      struct ts_slice content, enum pair_secrecy secrecy,
                      struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    enum ts_code code = pair_path(state_directory, name, path, err);
    if (code == TS_OK) {
        code = make_folder(state_directory, "", err);
    }
    if (code == TS_OK) {
        code = make_folder(state_directory, "peers/", err);
    }
    if (code == TS_OK) {
        code = ts_file_replace(
            path, content,
            secrecy == PAIR_SECRET ? TS_FILE_OURS : TS_FILE_SHOWN, err);
    }
    return code;
}

static enum ts_code check_file(const char *path, const struct stat *st,
                               enum pair_secrecy secrecy, struct ts_err *err)
{
    if (!S_ISREG(st->st_mode)) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot read \"%s\": it is not a regular file", path);
    }
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot trust \"%s\": it belongs to user %u, not to "
                       "root or the user that runs this (%u); chown it",
                       path, (unsigned) st->st_uid, (unsigned) geteuid());
    }
    mode_t open_bits =
        secrecy == PAIR_SECRET ? S_IRWXG | S_IRWXO : S_IWGRP | S_IWOTH;
    if ((st->st_mode & open_bits) != 0) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot trust \"%s\": others than its owner can %s it "
                       "(mode %04o); remove it and pair the nodes again",
                       path, secrecy == PAIR_SECRET ? "read" : "change",
                       (unsigned) (st->st_mode & 07777));
    }
    return TS_OK;
}

enum ts_code pair_get(const char *path, enum pair_secrecy secrecy,
                      uint8_t *content, size_t size_max, size_t *ret_size,
                      struct ts_err *err)
{
    TS_AUTOCLOSE int fd =
        open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        enum ts_code code = errno == ENOENT || errno == ENOTDIR ? TS_E_NOT_FOUND
                            : errno == EACCES || errno == ELOOP ? TS_E_REFUSED
                                                                : TS_E_IO;
        return ts_fail(err, code, errno, "could not read \"%s\"", path);
    }
    struct stat st = { 0 };
    if (fstat(fd, &st) != 0) {
        return could_not(err, "look at", path);
    }
    enum ts_code code = check_file(path, &st, secrecy, err);
    if (code != TS_OK) {
        return code;
    }
    if (st.st_size > (off_t) size_max) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read \"%s\": its %lld bytes are more than %zu",
                       path, (long long) st.st_size, size_max);
    }
    ssize_t got = read(fd, content, size_max);
    if (got < 0) {
        return could_not(err, "read", path);
    }
    *ret_size = (size_t) got;
    return TS_OK;
}

enum ts_code pair_remove(const char *state_directory, const char *name,
                         struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    enum ts_code code = pair_path(state_directory, name, path, err);
    if (code != TS_OK) {
        return code;
    }
    return ts_file_remove(path, err);
}
