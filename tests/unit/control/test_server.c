/* server: commands come in, answers go out, and no client can harm another. */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/control/client.h"
#include "node/control/server.h"

#define STATUS_LINE "{\"v\":1,\"command\":\"status\"}\n"

/* A backend that keeps the reply for the test to finish. */
struct fixture {
    struct control_server *server;
    struct ts_time now;
    struct control_reply *reply; /* the last one */
    char command[64];
    size_t requests;
    bool at_once; /* finish in request() */
};

static void request(void *context, const char *command, const json_t *args,
                    struct control_reply *reply)
{
    struct fixture *f = context;
    assert_true(json_is_object(args));
    (void) snprintf(f->command, sizeof f->command, "%s", command);
    f->requests++;
    f->reply = reply;
    if (f->at_once) {
        control_reply_finish(reply, CONTROL_DONE,
                             json_pack("{s:s}", "did", command), NULL);
    }
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct control_server_options options = {
        .owner = geteuid(), .backend = { .request = request, .context = f }
    };
    struct ts_err err;
    assert_int_equal(control_server_open(&options, &f->server, &err), TS_OK);
    f->now = ts_time_now();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    control_server_close(f->server);
    free(f);
    return 0;
}

static int join(struct fixture *f)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
                     0);
    control_server_adopt(f->server, pair[0], f->now);
    return pair[1];
}

static void say(struct fixture *f, int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
                     (ssize_t) strlen(text));
    control_server_step(f->server, f->now);
}

/* What has come so far, as text; "" when nothing has. */
static const char *heard(struct fixture *f, int fd)
{
    static char text[8192];
    control_server_step(f->server, f->now);
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static bool hung_up(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK) == 0;
}

static void
a_request_reaches_the_backend_and_its_answer_the_client(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, STATUS_LINE);
    assert_string_equal(f->command, "status");
    assert_string_equal(heard(f, fd), "");
    control_reply_finish(f->reply, CONTROL_DONE, json_pack("{s:i}", "n", 1),
                         NULL);
    assert_string_equal(heard(f, fd), "{\"exit\":0,\"result\":{\"n\":1}}\n");
    assert_false(hung_up(fd));
    close(fd);
}

static void a_line_may_come_in_pieces(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, "{\"v\":1,\"comm");
    assert_int_equal(f->requests, 0);
    say(f, fd, "and\":\"status\"}\n");
    assert_int_equal(f->requests, 1);
    control_reply_finish(f->reply, CONTROL_DONE, NULL, NULL);
    close(fd);
}

static void requests_of_one_client_run_one_after_another(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, STATUS_LINE "{\"v\":1,\"command\":\"pause\"}\n");
    assert_int_equal(f->requests, 1);
    control_reply_finish(f->reply, CONTROL_DONE, NULL, NULL);
    assert_string_equal(heard(f, fd), "{\"exit\":0,\"result\":{}}\n");
    assert_int_equal(f->requests, 2);
    assert_string_equal(f->command, "pause");
    control_reply_finish(f->reply, CONTROL_REFUSED, NULL, "no");
    assert_string_equal(heard(f, fd), "{\"exit\":3,\"error\":\"no\"}\n");
    close(fd);
}

static void progress_comes_before_the_answer_and_the_latest_wins(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, STATUS_LINE);
    control_reply_progress(f->reply, "import", 1, 10);
    control_reply_progress(f->reply, "import", 2, 10);
    control_reply_progress(f->reply, "import", 3, 10);
    assert_string_equal(heard(f, fd), "{\"progress\":{\"phase\":\"import\","
                                      "\"done\":3,\"total\":10}}\n");
    control_reply_progress(f->reply, "export", 0, 0);
    assert_non_null(strstr(heard(f, fd), "\"export\""));
    control_reply_finish(f->reply, CONTROL_DONE, NULL, NULL);
    assert_string_equal(heard(f, fd), "{\"exit\":0,\"result\":{}}\n");
    close(fd);
}

static void garbage_is_refused_with_a_sentence_and_hung_up_on(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, "GET / HTTP/1.1\n");
    const char *answer = heard(f, fd);
    assert_non_null(strstr(answer, "\"exit\":2"));
    assert_non_null(strstr(answer, "cannot read the request"));
    assert_true(hung_up(fd));
    assert_int_equal(f->requests, 0);
    assert_int_equal(control_server_clients(f->server), 0);
    close(fd);
}

static void a_line_without_end_is_cut_off_at_the_limit(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    size_t sent = 0;
    static char block[65536];
    memset(block, ' ', sizeof block);
    while (control_server_clients(f->server) == 1 &&
           sent < 4 * CONTROL_REQUEST_SIZE_MAX) {
        ssize_t n = send(fd, block, sizeof block, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t) n : 0;
        control_server_step(f->server, f->now);
    }
    assert_in_range(sent, CONTROL_REQUEST_SIZE_MAX,
                    CONTROL_REQUEST_SIZE_MAX + 1024 * 1024);
    assert_non_null(strstr(heard(f, fd), "longer than 1048576 bytes"));
    close(fd);
}

static void one_client_too_many_is_told_so(void **state)
{
    struct fixture *f = *state;
    int fds[CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        fds[i] = join(f);
    }
    int extra = join(f);
    assert_non_null(strstr(heard(f, extra), "16 others"));
    assert_true(hung_up(extra));
    close(extra);

    f->at_once = true;
    say(f, fds[15], STATUS_LINE);
    assert_non_null(strstr(heard(f, fds[15]), "\"exit\":0"));
    close(fds[0]);
    control_server_step(f->server, f->now);
    fds[0] = join(f);
    say(f, fds[0], STATUS_LINE);
    assert_non_null(strstr(heard(f, fds[0]), "\"exit\":0"));
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        close(fds[i]);
    }
}

static void an_idle_client_is_dropped_in_time_and_not_before(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, "{\"v\":1"); // half a line keeps nobody connected
    struct ts_time last = ts_time_after(f->now, CONTROL_IDLE_MS);
    assert_int_equal(control_server_deadline(f->server).ms, last.ms);
    f->now = ts_time_after(last, -1);
    control_server_step(f->server, f->now);
    assert_int_equal(control_server_clients(f->server), 1);
    f->now = last;
    control_server_step(f->server, f->now);
    assert_int_equal(control_server_clients(f->server), 0);
    assert_true(hung_up(fd));
    close(fd);
}

static void who_waits_for_an_answer_is_never_idle(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, STATUS_LINE);
    assert_int_equal(control_server_deadline(f->server).ms, TS_NEVER.ms);
    f->now = ts_time_after(f->now, (int64_t) 3600 * 1000);
    control_reply_finish(f->reply, CONTROL_DONE, NULL, NULL);
    assert_string_equal(heard(f, fd), "{\"exit\":0,\"result\":{}}\n");
    close(fd);
}

static json_t *large_result(void)
{
    size_t size = (size_t) 8 * 1024 * 1024;
    char *text = malloc(size);
    memset(text, 'x', size);
    json_t *result = json_pack("{s:o}", "x", json_stringn(text, size));
    free(text);
    return result;
}

static void a_slow_reader_blocks_nobody_and_is_dropped(void **state)
{
    struct fixture *f = *state;
    int slow = join(f), quick = join(f);
    say(f, slow, STATUS_LINE);
    control_reply_finish(f->reply, CONTROL_DONE, large_result(), NULL);
    control_server_step(f->server, f->now);

    f->at_once = true;
    say(f, quick, STATUS_LINE);
    assert_non_null(strstr(heard(f, quick), "\"exit\":0"));

    f->now = ts_time_after(f->now, CONTROL_SEND_STALL_MS - 1);
    control_server_step(f->server, f->now);
    assert_int_equal(control_server_clients(f->server), 2);
    f->now = ts_time_after(f->now, 1);
    control_server_step(f->server, f->now);
    assert_int_equal(control_server_clients(f->server), 1);
    close(slow);
    close(quick);
}

static void a_large_answer_arrives_whole(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, STATUS_LINE);
    json_t *result = large_result();
    control_reply_finish(f->reply, CONTROL_DONE, json_incref(result), NULL);
    size_t room = (size_t) 9 * 1024 * 1024, size = 0;
    char *text = malloc(room);
    while (size == 0 || text[size - 1] != '\n') {
        control_server_step(f->server, f->now);
        ssize_t n = recv(fd, text + size, room - size, 0);
        size += n > 0 ? (size_t) n : 0;
    }
    struct control_answer answer;
    assert_int_equal(control_answer_parse(ts_slice(text, size), &answer, NULL),
                     TS_OK);
    assert_true(json_equal(answer.result, result));
    control_answer_done(&answer);
    json_decref(result);
    free(text);
    close(fd);
}

static void the_backend_learns_that_the_client_has_gone(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, STATUS_LINE);
    assert_false(control_reply_gone(f->reply));
    close(fd);
    control_server_step(f->server, f->now);
    assert_int_equal(control_server_clients(f->server), 0);
    assert_true(control_reply_gone(f->reply));
    control_reply_progress(f->reply, "export", 1, 2);
    control_reply_finish(f->reply, CONTROL_DONE, json_object(), NULL);
    control_server_step(f->server, f->now);
}

static void who_only_stopped_sending_still_gets_the_answer(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, STATUS_LINE);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    control_server_step(f->server, f->now);
    assert_false(control_reply_gone(f->reply));
    control_reply_finish(f->reply, CONTROL_DONE, NULL, NULL);
    assert_string_equal(heard(f, fd), "{\"exit\":0,\"result\":{}}\n");
    close(fd);
}

static void *finish_elsewhere(void *context)
{
    struct fixture *f = context;
    for (uint64_t i = 0; i < 1000; i++) {
        control_reply_progress(f->reply, "import", i, 1000);
    }
    control_reply_finish(f->reply, CONTROL_DONE, NULL, NULL);
    return NULL;
}

static void an_answer_from_another_thread_wakes_the_server(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    say(f, fd, STATUS_LINE);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, finish_elsewhere, f), 0);
    char all[65536];
    size_t size = 0;
    while (size == 0 || strstr(all, "\"exit\"") == NULL) {
        struct pollfd waited = { .fd = control_server_fd(f->server),
                                 .events = POLLIN };
        assert_int_equal(poll(&waited, 1, 10000), 1);
        control_server_step(f->server, f->now);
        ssize_t n = recv(fd, all + size, sizeof all - 1 - size, 0);
        size += n > 0 ? (size_t) n : 0;
        all[size] = 0;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(fd);
}

static void closing_sends_what_is_ready_and_leaves_the_rest_gone(void **state)
{
    struct fixture *f = *state;
    int ready = join(f), waiting = join(f);
    say(f, waiting, STATUS_LINE);
    struct control_reply *late = f->reply;
    say(f, ready, STATUS_LINE STATUS_LINE);
    control_reply_finish(f->reply, CONTROL_DONE, NULL, NULL);

    control_server_close(f->server);
    f->server = NULL;
    char text[64] = "";
    assert_true(recv(ready, text, sizeof text - 1, 0) > 0);
    assert_string_equal(text, "{\"exit\":0,\"result\":{}}\n");
    assert_int_equal(f->requests, 2); // the pipelined one was not begun
    assert_true(control_reply_gone(late));
    control_reply_finish(late, CONTROL_DONE, json_object(), NULL);
    close(ready);
    close(waiting);
}

/* --- the socket in its directory ---------------------------------------- */

struct place {
    char directory[64];
    char socket[96];
    struct fixture fixture;
    struct control_server_options options;
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    (void) snprintf(p->directory, sizeof p->directory,
                    "/tmp/test_server.XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    (void) snprintf(p->socket, sizeof p->socket, "%s/control.sock",
                    p->directory);
    p->fixture.at_once = true;
    p->options = (struct control_server_options){
        .directory = p->directory,
        .owner = geteuid(),
        .backend = { .request = request, .context = &p->fixture },
    };
    *state = p;
    return 0;
}

static int remove_place(void **state)
{
    struct place *p = *state;
    control_server_close(p->fixture.server);
    (void) unlink(p->socket);
    assert_int_equal(rmdir(p->directory), 0);
    free(p);
    return 0;
}

static void
the_socket_is_for_its_owner_alone_and_goes_with_the_server(void **state)
{
    struct place *p = *state;
    mode_t before = umask(0);
    assert_int_equal(control_server_open(&p->options, &p->fixture.server, NULL),
                     TS_OK);
    (void) umask(before);
    struct stat found;
    assert_int_equal(stat(p->socket, &found), 0);
    assert_true(S_ISSOCK(found.st_mode));
    assert_int_equal(found.st_mode & 07777, 0600);
    control_server_close(p->fixture.server);
    p->fixture.server = NULL;
    assert_int_equal(stat(p->socket, &found), -1);
}

static void a_dead_daemons_socket_is_replaced_but_nothing_else(void **state)
{
    struct place *p = *state;
    struct control_server *dead = NULL;
    assert_int_equal(control_server_open(&p->options, &dead, NULL), TS_OK);
    assert_int_equal(control_server_open(&p->options, &p->fixture.server, NULL),
                     TS_OK);
    control_server_close(dead);
    control_server_close(p->fixture.server);
    p->fixture.server = NULL;

    int fd = open(p->socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    struct ts_err err;
    assert_int_equal(control_server_open(&p->options, &p->fixture.server, &err),
                     TS_E_CONFIG);
    assert_non_null(strstr(err.text, "no socket"));
    struct stat found;
    assert_int_equal(stat(p->socket, &found), 0);
}

/* Connect as another user and report the first bytes heard. */
static void be_a_stranger(const struct place *p, int report_fd)
{
    struct control_client *client = NULL;
    struct control_answer answer;
    struct ts_err err = { .text = "not even connected" };
    const struct control_call call = { .command = "status", .wait_ms = 10000 };
    if ((geteuid() == 0 && setuid(65534) != 0) ||
        control_client_open(p->directory, &client, &err) != TS_OK ||
        control_client_call(client, &call, &answer, &err) != TS_OK) {
        (void) !write(report_fd, err.text, strlen(err.text));
        _exit(1);
    }
    const char *said = answer.error != NULL ? answer.error : "served";
    (void) !write(report_fd, said, strlen(said));
    _exit(0);
}

static void a_stranger_is_refused_even_when_the_file_would_let_him(void **state)
{
    struct place *p = *state;
    p->options.owner = geteuid() == 0 ? 0 : geteuid() + 1;
    assert_int_equal(control_server_open(&p->options, &p->fixture.server, NULL),
                     TS_OK);
    assert_int_equal(chmod(p->directory, 0755), 0);
    assert_int_equal(chmod(p->socket, 0666), 0);
    int report[2];
    assert_int_equal(pipe2(report, O_NONBLOCK), 0);
    pid_t child = fork();
    if (child == 0) {
        be_a_stranger(p, report[1]);
    }
    int status = -1;
    while (waitpid(child, &status, WNOHANG) == 0) {
        struct pollfd waited = { .fd = control_server_fd(p->fixture.server),
                                 .events = POLLIN };
        (void) poll(&waited, 1, 20);
        control_server_step(p->fixture.server, ts_time_now());
    }
    char said[256] = "";
    assert_true(read(report[0], said, sizeof said - 1) > 0);
    assert_non_null(strstr(said, "only root and the daemon's own user"));
    assert_int_equal(p->fixture.requests, 0);
    close(report[0]);
    close(report[1]);
}

static void a_client_says_when_no_daemon_runs(void **state)
{
    struct place *p = *state;
    struct control_client *client = NULL;
    struct ts_err err;
    assert_int_equal(control_client_open(p->directory, &client, &err),
                     TS_E_UNREACHABLE);
    assert_non_null(strstr(err.text, "start twinsyncd"));
    assert_int_equal(control_client_open("/nonexistent", &client, &err),
                     TS_E_UNREACHABLE);
    assert_int_equal(control_exit_of(err.code), CONTROL_UNREACHABLE);
    // A socket whose listener has died.
    assert_int_equal(control_server_open(&p->options, &p->fixture.server, NULL),
                     TS_OK);
    char kept[128];
    (void) snprintf(kept, sizeof kept, "%s/kept", p->directory);
    assert_int_equal(link(p->socket, kept), 0);
    control_server_close(p->fixture.server);
    p->fixture.server = NULL;
    assert_int_equal(rename(kept, p->socket), 0);
    assert_int_equal(control_client_open(p->directory, &client, &err),
                     TS_E_UNREACHABLE);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define PLACED(test) \
    cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(a_request_reaches_the_backend_and_its_answer_the_client),
        SERVED(a_line_may_come_in_pieces),
        SERVED(requests_of_one_client_run_one_after_another),
        SERVED(progress_comes_before_the_answer_and_the_latest_wins),
        SERVED(garbage_is_refused_with_a_sentence_and_hung_up_on),
        SERVED(a_line_without_end_is_cut_off_at_the_limit),
        SERVED(one_client_too_many_is_told_so),
        SERVED(an_idle_client_is_dropped_in_time_and_not_before),
        SERVED(who_waits_for_an_answer_is_never_idle),
        SERVED(a_slow_reader_blocks_nobody_and_is_dropped),
        SERVED(a_large_answer_arrives_whole),
        SERVED(the_backend_learns_that_the_client_has_gone),
        SERVED(who_only_stopped_sending_still_gets_the_answer),
        SERVED(an_answer_from_another_thread_wakes_the_server),
        SERVED(closing_sends_what_is_ready_and_leaves_the_rest_gone),
        PLACED(the_socket_is_for_its_owner_alone_and_goes_with_the_server),
        PLACED(a_dead_daemons_socket_is_replaced_but_nothing_else),
        PLACED(a_stranger_is_refused_even_when_the_file_would_let_him),
        PLACED(a_client_says_when_no_daemon_runs),
    };
    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
