/* bench.h -- what the benchmarks have in common. */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "node/base/err.h"
#include "replication/generation.h"

static _Thread_local struct ts_err err;

/* A benchmark that cannot go on says why, and is over. */
#define MUST(call)                                    \
    do {                                              \
        if ((call) != TS_OK) {                        \
            (void) fprintf(stderr, "%s\n", err.text); \
            exit(1);                                  \
        }                                             \
    } while (0)

static inline void must_do(bool done, const char *what)
{
    if (!done) {
        perror(what);
        exit(1);
    }
}

static inline double clock_ms(clockid_t id)
{
    struct timespec now;
    (void) clock_gettime(id, &now);
    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;
    return (x > y) - (x < y);
}

/* Sorts `values`. */
static inline double quantile(double *values, size_t count, double percent)
{
    qsort(values, count, sizeof *values, bench_compare);
    size_t at = (size_t) ((double) count * percent / 100);
    return values[at < count ? at : count - 1];
}

/* ---- files and ports ------------------------------------------------------
 */

#define BENCH_PIECE_SIZE ((size_t) 1024 * 1024)

/* A virtual machine pays once more for memory that it has not touched lately:
 * not a matter of who copies, so the pages that the file will lie in are used
 * before either way is timed. */
static inline void touch_pages(const char *path, uint64_t size)
{
    uint8_t *bytes = calloc(1, BENCH_PIECE_SIZE);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must_do(bytes != NULL && fd >= 0, path);
    for (uint64_t done = 0; done < size; done += BENCH_PIECE_SIZE) {
        must_do(write(fd, bytes, BENCH_PIECE_SIZE) ==
                    (ssize_t) BENCH_PIECE_SIZE,
                path);
    }
    (void) close(fd);
    (void) unlink(path);
    free(bytes);
}

static inline void copy_file(const char *from, const char *to)
{
    uint8_t *bytes = malloc(BENCH_PIECE_SIZE);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t size = 0;
    must_do(bytes != NULL && in >= 0 && out >= 0, from);
    while ((size = read(in, bytes, BENCH_PIECE_SIZE)) > 0) {
        must_do(write(out, bytes, (size_t) size) == size, to);
    }
    (void) close(in);
    (void) close(out);
    free(bytes);
}

/* The state of a daemon that was stopped, as the selected one of `to`. */
static inline void copy_state(const char *from, const char *to)
{
    char source[GENERATION_PATH_SIZE];
    char copy[GENERATION_PATH_SIZE];
    int64_t number = 0;
    MUST(generation_locate(from, &number, source, &err));
    MUST(generation_build_begin(to, 0, &number, &err));
    MUST(generation_path(to, number, copy, &err));
    copy_file(source, copy);
    MUST(generation_select(to, number, &err));
}

/* A port that nobody listens on. */
static inline void choose_endpoint(char endpoint[static 64])
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
    } at = { .v4 = { .sin_family = AF_INET,
                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must_do(fd >= 0 && bind(fd, &at.any, sizeof at.v4) == 0 &&
                getsockname(fd, &at.any, &size) == 0,
            "port");
    (void) close(fd);
    (void) snprintf(endpoint, 64, "tcp://127.0.0.1:%u",
                    (unsigned) ntohs(at.v4.sin_port));
}

#endif
