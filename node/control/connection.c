#include "node/control/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/control/server.h"

#define READ_SIZE ((size_t) 64 * 1024)

void control_connection_init(struct control_connection *connection, int fd,
                             struct ts_time now)
{
    *connection = (struct control_connection){
        .fd = fd, .deadline = ts_time_after(now, CONTROL_IDLE_MS)
    };
}

void control_connection_done(struct control_connection *connection)
{
    if (connection->fd < 0) {
        return;
    }
    control_reply_release(connection->reply);
    (void) close(connection->fd);
    free(connection->in);
    free(connection->out);
    *connection = (struct control_connection){ .fd = -1 };
}

uint32_t control_connection_wants(const struct control_connection *connection)
{
    if (connection->out != NULL) {
        return EPOLLOUT;
    }
    return connection->reply != NULL ? 0 : EPOLLIN;
}

/* --- in ----------------------------------------------------------------- */

/* Room for the longest line, its line feed, and one byte that proves that it
 * is too long. */
static bool make_room(struct control_connection *connection)
{
    const size_t room_max = CONTROL_REQUEST_SIZE_MAX + 2;
    if (connection->in_size < connection->in_room) {
        return true;
    }
    size_t room = connection->in_room == 0 ? 4096 : connection->in_room * 2;
    room = room < room_max ? room : room_max;
    char *grown = realloc(connection->in, room);
    if (grown == NULL) {
        return false;
    }
    connection->in = grown;
    connection->in_room = room;
    return true;
}

/* One read a step, so that a client that floods does not starve the others. */
static void receive(struct control_connection *connection)
{
    if (!make_room(connection)) {
        connection->over = true;
        return;
    }
    size_t room = connection->in_room - connection->in_size;
    ssize_t n = recv(connection->fd, connection->in + connection->in_size,
                     room < READ_SIZE ? room : READ_SIZE, MSG_DONTWAIT);
    if (n > 0) {
        connection->in_size += (size_t) n;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        connection->over = true;
    }
}

void control_connection_ready(struct control_connection *connection,
                              uint32_t events)
{
    if (connection->reply == NULL && connection->out == NULL &&
        (events & EPOLLIN) != 0) {
        receive(connection);
    } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        connection->over = true;
    }
}

/* --- out ---------------------------------------------------------------- */

static void put(struct control_connection *connection, char *text, size_t size,
                struct ts_time now)
{
    if (text == NULL) { // memory has run out: the peer sees the end
        connection->over = true;
        return;
    }
    connection->out = text;
    connection->out_size = size;
    connection->out_sent = 0;
    connection->deadline = ts_time_after(now, CONTROL_SEND_STALL_MS);
}

/* True when all has gone. */
static bool send_some(struct control_connection *connection, struct ts_time now)
{
    while (connection->out_sent < connection->out_size) {
        ssize_t n = send(connection->fd, connection->out + connection->out_sent,
                         connection->out_size - connection->out_sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            connection->over = errno != EAGAIN && errno != EINTR;
            return false;
        }
        connection->out_sent += (size_t) n;
        connection->deadline = ts_time_after(now, CONTROL_SEND_STALL_MS);
    }
    free(connection->out);
    connection->out = NULL;
    connection->over =
        connection->over || (connection->last && connection->reply == NULL);
    connection->deadline = connection->reply != NULL
                               ? TS_NEVER
                               : ts_time_after(now, CONTROL_IDLE_MS);
    return true;
}

/* What the backend has said meanwhile becomes the next line out. */
static bool collect(struct control_connection *connection, struct ts_time now)
{
    if (connection->reply == NULL || !connection->reply_waits) {
        return false;
    }
    struct control_delivery delivery;
    control_reply_collect(connection->reply, &delivery);
    connection->reply_waits = false;
    if (delivery.finished) {
        control_reply_release(connection->reply);
        connection->reply = NULL;
        put(connection, delivery.answer, delivery.answer_size, now);
        return true;
    }
    if (delivery.progressed) {
        size_t size = 0;
        char *line = control_progress_print(&delivery.progress, &size);
        put(connection, line, size, now);
        return true;
    }
    return false;
}

static void refuse(struct control_connection *connection,
                   const struct ts_err *err, struct ts_time now)
{
    size_t size = 0;
    char *line = control_answer_print(CONTROL_USAGE, NULL, err->text, &size);
    connection->last = true;
    put(connection, line, size, now);
}

/* The next whole line becomes a request under way, or a refusal. */
static bool dispatch(struct control_connection *connection,
                     const struct control_backend *backend,
                     struct control_mailbox *box, struct ts_time now)
{
    if (connection->in_size == 0 || connection->last) {
        return false;
    }
    const char *end = memchr(connection->in, '\n', connection->in_size);
    size_t size =
        end == NULL ? connection->in_size : (size_t) (end - connection->in);
    struct ts_err err;
    struct control_request request;
    if (end == NULL && size <= CONTROL_REQUEST_SIZE_MAX) {
        return false;
    }
    if (control_request_parse(ts_slice(connection->in, size), &request, &err) !=
        TS_OK) {
        refuse(connection, &err, now);
        return true;
    }
    assert(end != NULL); // a line without end is over the limit, and refused
    connection->in_size -= size + 1;
    memmove(connection->in, end + 1, connection->in_size);

    connection->reply = control_reply_new(box, connection);
    if (connection->reply == NULL) {
        connection->over = true;
    } else {
        connection->deadline = TS_NEVER;
        backend->request(backend->context, request.command, request.args,
                         connection->reply);
    }
    json_decref(request.args);
    return !connection->over;
}

void control_connection_pump(struct control_connection *connection,
                             const struct control_backend *backend,
                             struct control_mailbox *box, struct ts_time now)
{
    while (!connection->over) {
        if (connection->out != NULL) {
            if (!send_some(connection, now)) {
                return;
            }
        } else if (connection->reply != NULL) {
            if (!collect(connection, now)) {
                return;
            }
        } else if (!dispatch(connection, backend, box, now)) {
            return;
        }
    }
}
