#include "replication/generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/cleanup.h"

#define POINTER      "current"
#define POINTER_NEXT "current.next"
#define POINTER_SIZE 16
#define MARK         "building"
#define MARK_KEPT    "diverged"
#define FOLDER_SIZE  32

static void cleanup_dir(DIR **dir)
{
    if (*dir != NULL) {
        (void) closedir(*dir);
    }
}
#define AUTO_DIR __attribute__((cleanup(cleanup_dir)))

static const char *remedy(int why)
{
    switch (why) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return "free space on that disk";
    case EACCES:
    case EPERM:
    case EROFS:
        return "make it writable for this user";
    default:
        return "check that disk";
    }
}

/* `name` may be "": the directory itself. */
static enum ts_code io_failed(struct ts_err *err, const char *what,
                              const char *directory, const char *name)
{
    int why = errno;
    return ts_fail(err, TS_E_IO, why, "could not %s \"%s%s%s\" (%s)", what,
                   directory, name[0] == 0 ? "" : "/", name, remedy(why));
}

static enum ts_code open_directory(const char *directory, int *ret_fd,
                                   struct ts_err *err)
{
    *ret_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? io_failed(err, "open", directory, "") : TS_OK;
}

/* One at a time may look for what is left over, and make a folder: two threads
 * of the process do. A file system without such locks has to do without. */
static enum ts_code open_alone(const char *directory, int *ret_fd,
                               struct ts_err *err)
{
    enum ts_code code = open_directory(directory, ret_fd, err);
    if (code == TS_OK) {
        (void) flock(*ret_fd, LOCK_EX);
    }
    return code;
}

/* ---- names -------------------------------------------------------------- */

/* A number from 1 to GENERATION_MAX without leading zeros, or 0. */
static int64_t parse_number(const char *text)
{
    int64_t number = 0;
    for (size_t i = 0; text[i] != 0; i++) {
        if (text[i] < '0' || text[i] > '9' || (i == 0 && text[i] == '0')) {
            return 0;
        }
        number = number * 10 + (text[i] - '0');
        if (number > GENERATION_MAX) {
            return 0;
        }
    }
    return number;
}

static void folder_name(int64_t generation, char name[static FOLDER_SIZE])
{
    (void) snprintf(name, FOLDER_SIZE, "state.%lld", (long long) generation);
}

enum ts_code generation_path(const char *directory, int64_t generation,
                             char path[static GENERATION_PATH_SIZE],
                             struct ts_err *err)
{
    int size = snprintf(path, GENERATION_PATH_SIZE, "%s/state.%lld/state.db",
                        directory, (long long) generation);
    /* Room for what SQLite appends to it. */
    if (size < 0 || size > GENERATION_PATH_SIZE - 16) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot keep state in \"%.60s...\": the path is too "
                       "long; use a shorter state-directory",
                       directory);
    }
    return TS_OK;
}

/* ---- the pointer -------------------------------------------------------- */

enum ts_code generation_current(const char *directory, int64_t *ret_generation,
                                struct ts_err *err)
{
    TS_AUTOCLOSE int folder = -1;
    TS_AUTOCLOSE int fd = -1;
    enum ts_code code = open_directory(directory, &folder, err);
    if (code != TS_OK) {
        return code;
    }
    fd = openat(folder, POINTER, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        *ret_generation = 0;
        return TS_OK;
    }
    char text[POINTER_SIZE + 1];
    ssize_t size = fd < 0 ? -1 : read(fd, text, POINTER_SIZE);
    if (size < 0) {
        return io_failed(err, "read", directory, POINTER);
    }
    text[size] = 0;
    int64_t number = 0;
    if (size > 1 && text[size - 1] == '\n') {
        text[size - 1] = 0;
        number = parse_number(text);
    }
    if (number == 0) {
        return ts_fail(
            err, TS_E_CORRUPT, 0,
            "cannot tell which state in \"%s\" counts: \"%s/" POINTER
            "\" holds no number; restore that directory from a backup, or move "
            "it away and run \"twinsync sync --full\", which rebuilds it from "
            "source and target",
            directory, directory);
    }
    *ret_generation = number;
    return TS_OK;
}

static enum ts_code write_pointer(const char *directory, int folder,
                                  int64_t generation, struct ts_err *err)
{
    TS_AUTOCLOSE int fd =
        openat(folder, POINTER_NEXT,
               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    char text[POINTER_SIZE];
    int size = snprintf(text, sizeof text, "%lld\n", (long long) generation);
    if (fd < 0) {
        return io_failed(err, "create", directory, POINTER_NEXT);
    }
    errno = ENOSPC; /* of a short write */
    if (write(fd, text, (size_t) size) != size || fsync(fd) != 0) {
        return io_failed(err, "write", directory, POINTER_NEXT);
    }
    if (renameat(folder, POINTER_NEXT, folder, POINTER) != 0 ||
        fsync(folder) != 0) {
        return io_failed(err, "replace", directory, POINTER);
    }
    return TS_OK;
}

/* ---- building ----------------------------------------------------------- */

static enum ts_code remove_folder(const char *directory, int state,
                                  const char *name, struct ts_err *err)
{
    /* The mark last: a removal that was cut short can be taken up again. */
    static const char *const files[] = { "state.db",     "state.db-wal",
                                         "state.db-shm", "state.db-journal",
                                         MARK_KEPT,      MARK };
    TS_AUTOCLOSE int folder =
        openat(state, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0) {
        return io_failed(err, "open the unselected", directory, name);
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (unlinkat(folder, files[i], 0) != 0 && errno != ENOENT) {
            return io_failed(err, "empty the unselected", directory, name);
        }
    }
    if (unlinkat(state, name, AT_REMOVEDIR) != 0) {
        return io_failed(err, "remove the unselected", directory, name);
    }
    return TS_OK;
}

static bool holds(int state, const char *name, const char *file)
{
    char path[2 * FOLDER_SIZE];
    (void) snprintf(path, sizeof path, "%.24s/%s", name, file);
    return faccessat(state, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* G5: is it being built by somebody who holds its mark? */
static bool is_held(int state, const char *name)
{
    char path[2 * FOLDER_SIZE];
    (void) snprintf(path, sizeof path, "%.24s/" MARK, name);
    TS_AUTOCLOSE int mark =
        openat(state, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return mark >= 0 && flock(mark, LOCK_EX | LOCK_NB) != 0 &&
           errno == EWOULDBLOCK;
}

static void unmark(int state, const char *name)
{
    char path[2 * FOLDER_SIZE];
    (void) snprintf(path, sizeof path, "%.24s/" MARK, name);
    /* If it fails, the next generation_discard() tries again. */
    (void) unlinkat(state, path, 0);
}

/* A folder diverged.N of which N is not `number`. */
static enum ts_code remove_older(const char *directory, int state,
                                 int64_t number, struct ts_err *err)
{
    AUTO_DIR DIR *dir = opendir(directory);
    if (dir == NULL) {
        return io_failed(err, "list", directory, "");
    }
    enum ts_code code = TS_OK;
    const struct dirent *item = NULL;
    while (code == TS_OK && (item = readdir(dir)) != NULL) {
        int64_t found = strncmp(item->d_name, MARK_KEPT ".", 9) == 0
                            ? parse_number(item->d_name + 9)
                            : 0;
        if (found != 0 && found != number) {
            code = remove_folder(directory, state, item->d_name, err);
        }
    }
    return code;
}

/* Renamed within one folder, to a name that nobody has. */
static enum ts_code put_aside(const char *directory, int state,
                              const char *name, int64_t number,
                              struct ts_err *err)
{
    char aside[FOLDER_SIZE];
    (void) snprintf(aside, sizeof aside, MARK_KEPT ".%lld", (long long) number);
    if (renameat(state, name, state, aside) != 0 || fsync(state) != 0) {
        return io_failed(err, "put aside the replaced", directory, name);
    }
    return remove_older(directory, state, number, err);
}

/* G4: superseded, or a build that was given up; *highest counts one that was
 * not. A database above the pointer without the mark was selected once: the
 * pointer has been lost or put back. */
static enum ts_code discard_one(const char *directory, int state,
                                const char *name, int64_t current,
                                int64_t *highest, struct ts_err *err)
{
    int64_t number =
        strncmp(name, "state.", 6) == 0 ? parse_number(name + 6) : 0;
    if (number == 0) {
        return TS_OK;
    }
    if (number != current && is_held(state, name)) {
        *highest = number > *highest ? number : *highest;
        return TS_OK;
    }
    if (number == current) {
        /* Left by a crash right after the pointer was written. */
        unmark(state, name);
        return TS_OK;
    }
    if (number > current && !holds(state, name, MARK) &&
        holds(state, name, "state.db")) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot start a new state in \"%s\": \"%s\" was in use "
                       "and \"%s/" POINTER "\" does not name it; write %lld "
                       "into that file, or move the directory away",
                       directory, name, directory, (long long) number);
    }
    return number < current && holds(state, name, MARK_KEPT)
               ? put_aside(directory, state, name, number, err)
               : remove_folder(directory, state, name, err);
}

enum ts_code generation_abandon(const char *directory, int64_t generation,
                                struct ts_err *err)
{
    char name[FOLDER_SIZE];
    folder_name(generation, name);
    TS_AUTOCLOSE int state = -1;
    enum ts_code code = open_alone(directory, &state, err);
    return code == TS_OK && holds(state, name, MARK) && !is_held(state, name)
               ? remove_folder(directory, state, name, err)
               : code;
}

enum ts_code generation_keep(const char *directory, int64_t generation,
                             struct ts_err *err)
{
    char name[FOLDER_SIZE];
    folder_name(generation, name);
    TS_AUTOCLOSE int state = -1;
    enum ts_code code = open_directory(directory, &state, err);
    if (code != TS_OK) {
        return code;
    }
    TS_AUTOCLOSE int folder =
        openat(state, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    TS_AUTOCLOSE int mark =
        folder < 0
            ? -1
            : openat(folder, MARK_KEPT, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return mark < 0 || fsync(folder) != 0
               ? io_failed(err, "keep", directory, name)
               : TS_OK;
}

/* `*highest` becomes the number of the highest folder that stays. */
static enum ts_code discard(const char *directory, int state, int64_t *highest,
                            struct ts_err *err)
{
    int64_t current = 0;
    enum ts_code code = generation_current(directory, &current, err);
    if (code != TS_OK) {
        return code;
    }
    *highest = current;
    AUTO_DIR DIR *dir = opendir(directory);
    if (dir == NULL) {
        return io_failed(err, "list", directory, "");
    }
    const struct dirent *item = NULL;
    while (code == TS_OK && (item = readdir(dir)) != NULL) {
        code =
            discard_one(directory, state, item->d_name, current, highest, err);
    }
    return code;
}

enum ts_code generation_discard(const char *directory, struct ts_err *err)
{
    int64_t highest = 0;
    TS_AUTOCLOSE int state = -1;
    enum ts_code code = open_alone(directory, &state, err);
    return code == TS_OK ? discard(directory, state, &highest, err) : code;
}

/* The mark is durable before anything is in the folder. */
static enum ts_code make_folder(const char *directory, int state,
                                const char *name, int *ret_hold,
                                struct ts_err *err)
{
    if (mkdirat(state, name, 0700) != 0) {
        return io_failed(err, "create the folder", directory, name);
    }
    TS_AUTOCLOSE int folder =
        openat(state, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int mark = folder < 0
                   ? -1
                   : openat(folder, MARK,
                            O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (mark < 0 || fsync(folder) != 0) {
        enum ts_code code = io_failed(err, "create a file in", directory, name);
        (void) unlinkat(state, name, AT_REMOVEDIR);
        generation_release(mark);
        return code;
    }
    (void) flock(mark, LOCK_EX | LOCK_NB); /* nobody else knows it yet */
    *ret_hold = mark;
    return TS_OK;
}

enum ts_code generation_build_hold(const char *directory, int64_t seen,
                                   int64_t *ret_generation, int *ret_hold,
                                   struct ts_err *err)
{
    int64_t highest = 0;
    TS_AUTOCLOSE int state = -1;
    enum ts_code code = open_alone(directory, &state, err);
    if (code == TS_OK) {
        code = discard(directory, state, &highest, err);
    }
    if (code != TS_OK) {
        return code;
    }
    int64_t next = (highest > seen ? highest : seen) + 1;
    char name[FOLDER_SIZE];
    folder_name(next, name);
    code = make_folder(directory, state, name, ret_hold, err);
    if (code == TS_OK) {
        *ret_generation = next;
    }
    return code;
}

void generation_release(int hold)
{
    if (hold >= 0) {
        (void) close(hold);
    }
}

enum ts_code generation_build_begin(const char *directory, int64_t seen,
                                    int64_t *ret_generation, struct ts_err *err)
{
    int hold = -1;
    enum ts_code code =
        generation_build_hold(directory, seen, ret_generation, &hold, err);
    generation_release(hold);
    return code;
}

/* ---- selecting ---------------------------------------------------------- */

/* G1: the file, then the folder that names it. */
static enum ts_code sync_generation(const char *directory, int state,
                                    const char *name, struct ts_err *err)
{
    TS_AUTOCLOSE int file = -1;
    TS_AUTOCLOSE int folder =
        openat(state, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0) {
        return io_failed(err, "select", directory, name);
    }
    if (faccessat(folder, "state.db-wal", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return ts_fail(err, TS_E_CONFLICT, 0,
                       "could not select \"%s/%s\": it is still open; close "
                       "it first",
                       directory, name);
    }
    file = openat(folder, "state.db", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0 || fsync(file) != 0 || fsync(folder) != 0) {
        return io_failed(err, "sync", directory, name);
    }
    return TS_OK;
}

enum ts_code generation_select(const char *directory, int64_t generation,
                               struct ts_err *err)
{
    TS_AUTOCLOSE int folder = -1;
    int64_t current = 0;
    enum ts_code code = generation_current(directory, &current, err);
    if (code == TS_OK && generation <= current) {
        code = ts_fail(err, TS_E_REFUSED, 0,
                       "cannot select generation %lld in \"%s\": %lld is "
                       "selected, and generations only grow",
                       (long long) generation, directory, (long long) current);
    }
    if (code == TS_OK) {
        code = open_directory(directory, &folder, err);
    }
    char name[FOLDER_SIZE];
    folder_name(generation, name);
    if (code == TS_OK) {
        code = sync_generation(directory, folder, name, err);
    }
    /* The folder's own name is in this one. */
    if (code == TS_OK && fsync(folder) != 0) {
        code = io_failed(err, "sync", directory, "");
    }
    if (code == TS_OK) {
        code = write_pointer(directory, folder, generation, err);
    }
    if (code == TS_OK) {
        unmark(folder, name);
    }
    return code;
}

/* ---- opening ------------------------------------------------------------ */

enum ts_code generation_locate(const char *directory, int64_t *ret_generation,
                               char path[static GENERATION_PATH_SIZE],
                               struct ts_err *err)
{
    int64_t current = 0;
    enum ts_code code = generation_current(directory, &current, err);
    if (code == TS_OK && current == 0) {
        code = ts_fail(err, TS_E_NOT_FOUND, 0,
                       "could not open a state in \"%s\": none was loaded yet; "
                       "run \"twinsync sync\"",
                       directory);
    }
    if (code == TS_OK) {
        code = generation_path(directory, current, path, err);
    }
    if (code != TS_OK) {
        return code;
    }
    struct stat status;
    bool there = lstat(path, &status) == 0;
    if (!there && errno != ENOENT && errno != ENOTDIR) {
        return io_failed(err, "find", path, "");
    }
    if (!there || !S_ISREG(status.st_mode) || status.st_size == 0) {
        return ts_fail(
            err, TS_E_CORRUPT, 0,
            "cannot use \"%s\": \"%s/" POINTER
            "\" names it and it is missing or empty; restore that directory "
            "from a backup, or move it away and run \"twinsync sync --full\", "
            "which rebuilds it from source and target",
            path, directory);
    }
    *ret_generation = current;
    return TS_OK;
}
