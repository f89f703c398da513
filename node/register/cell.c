#include "node/register/cell.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "node/base/cleanup.h"
#include "node/base/failpoint.h"
#include "node/base/hash.h"
#include "node/base/time.h"

/* The file: these 8 bytes, the SHA-256 of the value, the value. */
static const uint8_t magic[8] = { 'T', 'S', 'C', 'E', 'L', 'L', '1', '\n' };
#define HEAD_SIZE (sizeof magic + TS_HASH_SIZE)
#define FILE_MAX  (HEAD_SIZE + REGISTER_VALUE_MAX)

struct register_cell {
    char path[REGISTER_CELL_PATH_MAX + 1], next[REGISTER_CELL_PATH_MAX + 8];
    /* Held, so that a name that is given can be made durable even when
     * strangers have used up all other descriptors. */
    int folder_fd;
    bool doubtful; /* C2 */
    size_t size;   /* 0: absent */
    uint8_t value[REGISTER_VALUE_MAX];
};

/* -- the file ---------------------------------------------------------------
 */

static enum ts_code damaged(const char *path, const char *why,
                            struct ts_err *err)
{
    return ts_fail(err, TS_E_CORRUPT, 0,
                   "cannot use the register in \"%s\": %s; nothing is served "
                   "until it has been repaired",
                   path, why);
}

/* Up to `room` bytes of a file; *ret_size is `room` when there are more. */
static enum ts_code read_file(int fd, const char *path, uint8_t *bytes,
                              size_t room, size_t *ret_size, struct ts_err *err)
{
    size_t size = 0;
    while (size < room) {
        ssize_t n = read(fd, bytes + size, room - size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return ts_fail(err, TS_E_IO, errno, "could not read \"%s\"", path);
        }
        if (n == 0) {
            break;
        }
        size += (size_t) n;
    }
    *ret_size = size;
    return TS_OK;
}

/* The value in `path`, of *ret_size bytes: 0 when there is no such file. */
static enum ts_code load(const char *path, uint8_t value[REGISTER_VALUE_MAX],
                         size_t *ret_size, struct ts_err *err)
{
    TS_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        *ret_size = 0;
        return TS_OK;
    }
    if (fd < 0) {
        return ts_fail(err, TS_E_IO, errno, "could not open \"%s\"", path);
    }
    TS_AUTOFREE uint8_t *bytes = malloc(FILE_MAX + 1);
    if (bytes == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read \"%s\"", path);
    }
    size_t size = 0;
    enum ts_code code = read_file(fd, path, bytes, FILE_MAX + 1, &size, err);
    if (code != TS_OK) {
        return code;
    }
    if (size <= HEAD_SIZE || size > FILE_MAX ||
        memcmp(bytes, magic, sizeof magic) != 0) {
        return damaged(path, "it is cut, too large or no such file at all",
                       err);
    }
    struct ts_hash sum =
        ts_hash_of(ts_slice(bytes + HEAD_SIZE, size - HEAD_SIZE));
    if (memcmp(sum.bytes, bytes + sizeof magic, TS_HASH_SIZE) != 0) {
        return damaged(path, "its contents are not those that were written",
                       err);
    }
    memcpy(value, bytes + HEAD_SIZE, size - HEAD_SIZE);
    *ret_size = size - HEAD_SIZE;
    return TS_OK;
}

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes += n;
        size -= (size_t) n;
    }
    return true;
}

/* PATH.new with `value`, durable but for its name. */
static enum ts_code write_next(const struct register_cell *cell,
                               struct ts_slice value, struct ts_err *err)
{
    TS_AUTOCLOSE int fd =
        open(cell->next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
             0600);
    struct ts_hash sum = ts_hash_of(value);
    if (fd < 0 || !write_all(fd, magic, sizeof magic) ||
        !write_all(fd, sum.bytes, TS_HASH_SIZE) ||
        !write_all(fd, value.data, value.size)) {
        return ts_fail(err, TS_E_IO, errno, "could not write \"%s\"",
                       cell->next);
    }
    TS_FAILPOINT(CELL_WRITTEN);
    if (fsync(fd) != 0) {
        return ts_fail(err, TS_E_IO, errno, "could not sync \"%s\"",
                       cell->next);
    }
    TS_FAILPOINT(CELL_SYNCED);
    return TS_OK;
}

static enum ts_code sync_folder(int folder_fd, const char *path,
                                struct ts_err *err)
{
    return fsync(folder_fd) == 0
               ? TS_OK
               : ts_fail(err, TS_E_IO, errno,
                         "could not sync the folder of \"%s\"", path);
}

/* *ret_touched: PATH may be the new file already. */
static enum ts_code replace(const struct register_cell *cell,
                            struct ts_slice value, bool *ret_touched,
                            struct ts_err *err)
{
    *ret_touched = false;
    enum ts_code code = write_next(cell, value, err);
    if (code != TS_OK) {
        return code;
    }
    *ret_touched = true;
    if (rename(cell->next, cell->path) != 0) {
        return ts_fail(err, TS_E_IO, errno, "could not rename \"%s\"",
                       cell->next);
    }
    TS_FAILPOINT(CELL_RENAMED);
    code = sync_folder(cell->folder_fd, cell->path, err);
    if (code == TS_OK) {
        TS_FAILPOINT(CELL_DURABLE);
    }
    return code;
}

/* -- public -----------------------------------------------------------------
 */

static enum ts_code open_folder(const char *path, int *ret_fd,
                                struct ts_err *err)
{
    char folder[REGISTER_CELL_PATH_MAX + 1];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        path = ".";
    }
    size_t size = slash == NULL || slash == path ? 1 : (size_t) (slash - path);
    memcpy(folder, path, size);
    folder[size] = 0;
    *ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd >= 0 ? TS_OK
                        : ts_fail(err, TS_E_IO, errno,
                                  "could not open the folder \"%s\"", folder);
}

enum ts_code register_cell_open(const char *path,
                                struct register_cell **ret_cell,
                                struct ts_err *err)
{
    if (strlen(path) > REGISTER_CELL_PATH_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot keep a register in \"%.100s...\": the path is "
                       "too long",
                       path);
    }
    struct register_cell *cell = calloc(1, sizeof *cell);
    if (cell == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open \"%s\"", path);
    }
    (void) snprintf(cell->path, sizeof cell->path, "%s", path);
    (void) snprintf(cell->next, sizeof cell->next, "%s.new", path);
    enum ts_code code = open_folder(path, &cell->folder_fd, err);
    if (code == TS_OK) {
        code = load(path, cell->value, &cell->size, err);
    }
    if (code == TS_OK && cell->size > 0) {
        bool touched;
        code = replace(cell, ts_slice(cell->value, cell->size), &touched, err);
    }
    if (code != TS_OK) {
        register_cell_close(cell);
        return code;
    }
    *ret_cell = cell;
    return TS_OK;
}

void register_cell_close(struct register_cell *cell)
{
    if (cell != NULL && cell->folder_fd >= 0) {
        (void) close(cell->folder_fd);
    }
    free(cell);
}

enum ts_code register_cell_read(const struct register_cell *cell,
                                struct ts_slice *ret_value, struct ts_err *err)
{
    if (cell->doubtful) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use the register in \"%s\": a write did not "
                       "become durable; see to the disk, then start again",
                       cell->path);
    }
    *ret_value = ts_slice(cell->value, cell->size);
    return TS_OK;
}

enum ts_code register_cell_swap(struct register_cell *cell,
                                struct ts_slice expected, struct ts_slice value,
                                enum register_outcome *ret_outcome,
                                struct ts_err *err)
{
    struct ts_slice now = TS_SLICE_NONE;
    enum ts_code code = register_cell_read(cell, &now, err);
    if (code != TS_OK) {
        return code;
    }
    if (value.size == 0 || value.size > REGISTER_VALUE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot keep %zu bytes in the register: 1 to %zu fit",
                       value.size, REGISTER_VALUE_MAX);
    }
    if (!ts_slice_equal(now, expected)) {
        *ret_outcome = REGISTER_SWAP_LOST;
        return TS_OK;
    }
    bool touched;
    code = replace(cell, value, &touched, err);
    if (code != TS_OK && !touched) {
        return code;
    }
    cell->doubtful = code != TS_OK;
    if (code == TS_OK) {
        memcpy(cell->value, value.data, value.size);
        cell->size = value.size;
    }
    *ret_outcome = code == TS_OK ? REGISTER_SWAP_DONE : REGISTER_SWAP_UNKNOWN;
    return TS_OK;
}

enum ts_code register_cell_repair(const char *path,
                                  char aside[REGISTER_CELL_PATH_MAX + 32],
                                  struct ts_err *err)
{
    TS_AUTOFREE uint8_t *value = malloc(REGISTER_VALUE_MAX);
    size_t size = 0;
    struct ts_err why = { .code = TS_OK };
    if (value == NULL || strlen(path) > REGISTER_CELL_PATH_MAX) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not repair \"%.100s\"", path);
    }
    enum ts_code code = load(path, value, &size, &why);
    if (code == TS_OK) {
        return size == 0
                   ? ts_fail(err, TS_E_NOT_FOUND, 0,
                             "could not repair \"%s\": it does not exist", path)
                   : ts_fail(err, TS_E_REFUSED, 0,
                             "cannot repair \"%s\": it is not damaged", path);
    }
    if (code != TS_E_CORRUPT) {
        if (err != NULL) {
            *err = why;
        }
        return code;
    }
    TS_AUTOCLOSE int folder_fd = -1;
    code = open_folder(path, &folder_fd, err);
    if (code != TS_OK) {
        return code;
    }
    (void) snprintf(aside, REGISTER_CELL_PATH_MAX + 32, "%s.damaged-%lld", path,
                    (long long) ts_wall_seconds());
    if (rename(path, aside) != 0) {
        return ts_fail(err, TS_E_IO, errno, "could not put \"%s\" aside", path);
    }
    return sync_folder(folder_fd, path, err);
}
