#include "node/base/secret.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>

#include "node/base/cleanup.h"

/* Where the service manager puts credentials: its own access rules hold there
 * (the folder is ours alone, yet files may show an ACL mask as group bits). */
struct place {
    char path[PATH_MAX];
    bool is_credential;
};

static enum ts_code locate(const char *path, struct place *ret_place,
                           struct ts_err *err)
{
    const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");
    bool bare = strchr(path, '/') == NULL;
    if (path[0] != '/' && !bare) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot read the secret \"%s\": give an absolute path, "
                       "or the bare name of a systemd credential",
                       path);
    }
    if (bare && (folder == NULL || folder[0] != '/')) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot read the secret \"%s\": it names a systemd "
                       "credential, but CREDENTIALS_DIRECTORY is not set; give "
                       "an absolute path or add LoadCredential= to the unit",
                       path);
    }
    int n = snprintf(ret_place->path, sizeof ret_place->path, "%s%s%s",
                     bare ? folder : "", bare ? "/" : "", path);
    if (n < 0 || (size_t) n >= sizeof ret_place->path) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read the secret \"%.60s...\": the path is too "
                       "long",
                       path);
    }
    size_t length = folder == NULL ? 0 : strlen(folder);
    ret_place->is_credential = length > 1 &&
                               strncmp(ret_place->path, folder, length) == 0 &&
                               ret_place->path[length] == '/' &&
                               strstr(ret_place->path + length, "/../") == NULL;
    return TS_OK;
}

static enum ts_code check_rights(const struct place *place,
                                 const struct stat *st, struct ts_err *err)
{
    if (!S_ISREG(st->st_mode)) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot read the secret \"%s\": it is not a regular "
                       "file",
                       place->path);
    }
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot read the secret \"%s\": it belongs to user %u, "
                       "not to root or the user that runs this (%u); chown it",
                       place->path, (unsigned) st->st_uid,
                       (unsigned) geteuid());
    }
    mode_t open_bits =
        place->is_credential ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    if ((st->st_mode & open_bits) != 0) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot read the secret \"%s\": others than its owner "
                       "can read it (mode %04o); chmod 0600 it, and change the "
                       "secret if that was so for long",
                       place->path, (unsigned) (st->st_mode & 07777));
    }
    if (st->st_size > (off_t) TS_SECRET_SIZE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read the secret \"%s\": its %lld bytes are over "
                       "the limit of %zu",
                       place->path, (long long) st->st_size,
                       TS_SECRET_SIZE_MAX);
    }
    return TS_OK;
}

/* Opened without following a link (the rights of the file named are what was
 * promised) and without waiting (a FIFO is refused, not read). */
static enum ts_code open_checked(const struct place *place, int *ret_fd,
                                 struct ts_err *err)
{
    TS_AUTOCLOSE int fd = open(place->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
                                                O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ELOOP) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot read the secret \"%s\": it is a symbolic link; "
                       "name the file itself",
                       place->path);
    }
    if (fd < 0) {
        enum ts_code code = errno == ENOENT || errno == ENOTDIR ? TS_E_NOT_FOUND
                            : errno == EACCES || errno == EPERM ? TS_E_REFUSED
                                                                : TS_E_IO;
        return ts_fail(err, code, errno, "could not open the secret \"%s\"",
                       place->path);
    }
    struct stat st = { 0 };
    if (fstat(fd, &st) != 0) {
        return ts_fail(err, TS_E_IO, errno, "could not stat the secret \"%s\"",
                       place->path);
    }
    enum ts_code code = check_rights(place, &st, err);
    if (code == TS_OK) {
        *ret_fd = ts_take_fd(&fd);
    }
    return code;
}

static enum ts_code read_text(const struct place *place, int fd, char *text,
                              size_t *ret_size, struct ts_err *err)
{
    size_t size = 0;
    for (;;) {
        ssize_t n = read(fd, text + size, TS_SECRET_SIZE_MAX + 1 - size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return ts_fail(err, TS_E_IO, errno,
                           "could not read the secret \"%s\"", place->path);
        }
        size += (size_t) n;
        if (n == 0 || size > TS_SECRET_SIZE_MAX) {
            break;
        }
    }
    if (size > TS_SECRET_SIZE_MAX) { /* grew since it was looked at */
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read the secret \"%s\": it is over the limit of "
                       "%zu bytes",
                       place->path, TS_SECRET_SIZE_MAX);
    }
    if (size > 0 && text[size - 1] == '\n') {
        size -= size > 1 && text[size - 2] == '\r' ? 2 : 1;
    }
    if (size == 0 || memchr(text, '\0', size) != NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the secret \"%s\": the file %s", place->path,
                       size == 0 ? "is empty" : "holds a NUL byte");
    }
    text[size] = '\0';
    *ret_size = size;
    return TS_OK;
}

enum ts_code ts_secret_open(const char *path, int *ret_fd, struct ts_err *err)
{
    struct place place = { "", false };
    enum ts_code code = locate(path, &place, err);
    return code == TS_OK ? open_checked(&place, ret_fd, err) : code;
}

enum ts_code ts_secret_read(const char *path, struct ts_secret *ret_secret,
                            struct ts_err *err)
{
    struct place place = { "", false };
    enum ts_code code = locate(path, &place, err);
    TS_AUTOCLOSE int fd = -1;
    if (code == TS_OK) {
        code = open_checked(&place, &fd, err);
    }
    if (code != TS_OK) {
        return code;
    }

    struct ts_secret secret = { malloc(TS_SECRET_SIZE_MAX + 2), 0 };
    if (secret.text == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read the secret \"%s\"",
                       place.path);
    }
    code = read_text(&place, fd, secret.text, &secret.size, err);
    if (code != TS_OK) {
        secret.size = TS_SECRET_SIZE_MAX + 1; /* wipe whatever came in */
        ts_secret_done(&secret);
        return code;
    }
    *ret_secret = secret;
    return TS_OK;
}

enum ts_code ts_secret_check(const char *path, struct ts_err *err)
{
    TS_AUTOSECRET struct ts_secret secret = { NULL, 0 };
    return ts_secret_read(path, &secret, err);
}

enum ts_code ts_secret_ask(const struct ts_secret_keeper *keeper,
                           const char *path, struct ts_secret *ret_secret,
                           struct ts_err *err)
{
    return keeper == NULL ? ts_secret_read(path, ret_secret, err)
                          : keeper->read(keeper, path, ret_secret, err);
}

static enum ts_code answer_given(const struct ts_secret_keeper *port,
                                 const char *path, struct ts_secret *ret_secret,
                                 struct ts_err *err)
{
    const struct ts_secret_given *given = (const struct ts_secret_given *) port;
    (void) path;
    return ts_secret_copy(given->text, strlen(given->text), ret_secret, err);
}

struct ts_secret_given ts_secret_give(const char *text)
{
    return (struct ts_secret_given){ { answer_given }, text };
}

enum ts_code ts_secret_copy(const char *text, size_t size,
                            struct ts_secret *ret_secret, struct ts_err *err)
{
    char *copy = malloc(size + 1);
    if (copy == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not keep a secret");
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    *ret_secret = (struct ts_secret){ copy, size };
    return TS_OK;
}

void ts_secret_done(struct ts_secret *secret)
{
    if (secret != NULL && secret->text != NULL) {
        OPENSSL_cleanse(secret->text, secret->size + 1);
        free(secret->text);
        *secret = (struct ts_secret){ NULL, 0 };
    }
}
