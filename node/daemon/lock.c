#include "node/daemon/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/cleanup.h"
#include "node/base/time.h"

#define LOCK_POLL_MS 20

static enum ts_code check_directory(int fd, const char *path,
                                    struct ts_err *err)
{
    struct stat found;
    if (fstat(fd, &found) != 0) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not look at the state directory \"%s\"", path);
    }
    if (found.st_uid != geteuid() && found.st_uid != 0) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot use the state directory \"%s\" because it "
                       "belongs to uid %u: give it to the daemon's user",
                       path, (unsigned) found.st_uid);
    }
    if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot use the state directory \"%s\" because others "
                       "may write to it (mode %04o): chmod 0700 it",
                       path, (unsigned) (found.st_mode & 07777));
    }
    return TS_OK;
}

/* The pid that the holder wrote, for people only. */
static void read_holder(int fd, char holder[static 24])
{
    ssize_t n = pread(fd, holder, 23, 0);
    holder[n > 0 ? n : 0] = 0;
    holder[strspn(holder, "0123456789")] = 0;
}

static enum ts_code take(int fd, pid_t pid, const char *path,
                         struct ts_err *err)
{
    struct ts_time deadline = ts_time_after(ts_time_now(), DAEMON_LOCK_WAIT_MS);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return ts_fail(err, TS_E_IO, errno,
                           "could not lock the state directory \"%s\"", path);
        }
        if (ts_time_left(deadline) == 0) {
            char holder[24];
            read_holder(fd, holder);
            return ts_fail(
                err, TS_E_REFUSED, 0,
                "cannot start a second daemon on the state "
                "directory \"%s\": the one with pid %s is running; stop "
                "it first (systemctl stop twinsyncd), or name another "
                "state-directory",
                path, holder[0] != 0 ? holder : "unknown");
        }
        (void) poll(NULL, 0, LOCK_POLL_MS);
    }
    char text[24];
    int size = snprintf(text, sizeof text, "%d\n", (int) pid);
    // What cannot be written here is only missed in a sentence.
    if (ftruncate(fd, 0) == 0) {
        (void) !pwrite(fd, text, (size_t) size, 0);
    }
    return TS_OK;
}

enum ts_code daemon_lock(const char *state_directory, pid_t pid, int *ret_fd,
                         struct ts_err *err)
{
    if (mkdir(state_directory, S_IRWXU) != 0 && errno != EEXIST) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not make the state directory \"%s\"",
                       state_directory);
    }
    TS_AUTOCLOSE int directory_fd =
        open(state_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not open the state directory \"%s\"",
                       state_directory);
    }
    enum ts_code code = check_directory(directory_fd, state_directory, err);
    if (code != TS_OK) {
        return code;
    }
    TS_AUTOCLOSE int fd =
        openat(directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
               S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return ts_fail(err, TS_E_IO, errno, "could not open \"%s/lock\"",
                       state_directory);
    }
    code = take(fd, pid, state_directory, err);
    if (code == TS_OK) {
        *ret_fd = fd;
        fd = -1;
    }
    return code;
}
