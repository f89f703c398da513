#include "node/control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/base/cleanup.h"
#include "node/base/time.h"
#include "node/control/address.h"

/* An answer's largest line: the document, and what surrounds the result. */
#define LINE_SIZE_MAX (CONTROL_ANSWER_SIZE_MAX + 4096)

struct control_client {
    int fd;
    char *in;
    size_t in_size, in_room;
    size_t searched; /* bytes of `in` known to hold no line feed */
};

static enum ts_code connect_failed(int why, const char *directory,
                                   struct ts_err *err)
{
    if (why == EACCES || why == EPERM) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot control the daemon of \"%s\" as this user: run "
                       "the command as root or as the daemon's user",
                       directory);
    }
    if (why == ENOENT || why == ECONNREFUSED || why == ENOTDIR) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not reach the daemon because none is running on "
                       "\"%s\": start twinsyncd",
                       directory);
    }
    return ts_fail(err, TS_E_UNREACHABLE, why,
                   "could not reach the daemon of \"%s\"", directory);
}

enum ts_code control_client_open(const char *state_directory,
                                 struct control_client **ret_client,
                                 struct ts_err *err)
{
    struct control_address address;
    if (control_address(state_directory, &address, err) != TS_OK) {
        return connect_failed(err->sys_errno, state_directory, err);
    }
    TS_AUTOCLOSE int directory_fd = address.directory_fd;
    TS_AUTOCLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *) &address.name,
                          address.size) != 0) {
        return connect_failed(errno, state_directory, err);
    }
    struct control_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not reach the daemon");
    }
    client->fd = fd;
    fd = -1;
    *ret_client = client;
    return TS_OK;
}

void control_client_close(struct control_client *client)
{
    if (client == NULL) {
        return;
    }
    (void) close(client->fd);
    free(client->in);
    free(client);
}

static enum ts_code wait_for(struct control_client *client, short events,
                             int wait_ms, struct ts_err *err)
{
    struct ts_time deadline =
        wait_ms == 0 ? TS_NEVER : ts_time_after(ts_time_now(), wait_ms);
    for (;;) {
        struct pollfd waited = { .fd = client->fd, .events = events };
        int64_t left = ts_time_left(deadline);
        int n = poll(&waited, 1, wait_ms == 0 ? -1 : (int) left);
        if (n > 0) {
            return TS_OK;
        }
        if (n == 0) {
            return ts_fail(err, TS_E_TIMEOUT, 0,
                           "could not get an answer from the daemon within %d "
                           "seconds: look at its log",
                           wait_ms / 1000);
        }
        if (errno != EINTR) {
            return ts_fail(err, TS_E_IO, errno,
                           "could not wait for the "
                           "daemon");
        }
    }
}

static enum ts_code send_line(struct control_client *client, const char *line,
                              int wait_ms, struct ts_err *err)
{
    size_t size = strlen(line);
    while (size > 0) {
        enum ts_code code = wait_for(client, POLLOUT, wait_ms, err);
        if (code != TS_OK) {
            return code;
        }
        ssize_t n = send(client->fd, line, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            line += n;
            size -= (size_t) n;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            // It may have said why before it hung up: read on.
            return TS_OK;
        } else if (errno != EAGAIN && errno != EINTR) {
            return ts_fail(err, TS_E_UNREACHABLE, errno,
                           "could not send the command to the daemon");
        }
    }
    return TS_OK;
}

static enum ts_code receive(struct control_client *client, struct ts_err *err)
{
    if (client->in_size == client->in_room) {
        size_t room = client->in_room == 0 ? 65536 : client->in_room * 2;
        if (client->in_room >= LINE_SIZE_MAX) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "cannot read the daemon's answer: it is longer than "
                           "%zu bytes",
                           LINE_SIZE_MAX);
        }
        char *grown = realloc(client->in, room);
        if (grown == NULL) {
            return ts_fail(err, TS_E_NOMEM, 0, "could not read the answer");
        }
        client->in = grown;
        client->in_room = room;
    }
    ssize_t n = recv(client->fd, client->in + client->in_size,
                     client->in_room - client->in_size, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno == ECONNRESET)) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "could not get an answer because the daemon ended or "
                       "hung up: look at its log");
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        return ts_fail(err, TS_E_IO, errno, "could not read the answer");
    }
    client->in_size += n > 0 ? (size_t) n : 0;
    return TS_OK;
}

/* The next line, waited for. `*ret` borrows from the client's buffer. */
static enum ts_code next_line(struct control_client *client, int wait_ms,
                              struct ts_slice *ret, struct ts_err *err)
{
    for (;;) {
        const char *end = client->in_size == client->searched
                              ? NULL
                              : memchr(client->in + client->searched, '\n',
                                       client->in_size - client->searched);
        if (end != NULL) {
            *ret = ts_slice(client->in, (size_t) (end - client->in));
            return TS_OK;
        }
        client->searched = client->in_size;
        enum ts_code code = wait_for(client, POLLIN, wait_ms, err);
        if (code == TS_OK) {
            code = receive(client, err);
        }
        if (code != TS_OK) {
            return code;
        }
    }
}

static void drop_line(struct control_client *client, struct ts_slice line)
{
    size_t used = line.size + 1;
    memmove(client->in, client->in + used, client->in_size - used);
    client->in_size -= used;
    client->searched = 0;
}

enum ts_code control_client_call(struct control_client *client,
                                 const struct control_call *call,
                                 struct control_answer *ret, struct ts_err *err)
{
    TS_AUTOFREE char *line = control_request_print(call->command, call->args);
    if (line == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot send the command: its arguments are too large");
    }
    enum ts_code code = send_line(client, line, call->wait_ms, err);
    while (code == TS_OK) {
        struct ts_slice answer_line;
        struct control_answer answer;
        code = next_line(client, call->wait_ms, &answer_line, err);
        if (code != TS_OK) {
            break;
        }
        code = control_answer_parse(answer_line, &answer, err);
        drop_line(client, answer_line);
        if (code != TS_OK) {
            break;
        }
        if (!answer.is_progress) {
            *ret = answer;
            return TS_OK;
        }
        if (call->progress != NULL) {
            call->progress(call->context, &answer.progress);
        }
    }
    return code;
}
