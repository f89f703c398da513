/* supervisor: the worker is started again, but not for ever. */
#include "tests/lib/test.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/daemon/supervisor.h"

#define STORY_SECONDS_MAX 10

/* Shared by the test, the supervisor and its workers. */
struct story {
    atomic_int starts;
    int crashes;     /* how many workers die of SIGKILL first */
    int exit_status; /* of the one after them */
    bool ready;      /* workers say so before they act */
    bool stays;      /* waits for SIGTERM instead of ending */
    bool silent;     /* stays, but gives no sign of life */
    uint64_t epoch;  /* each worker asks for the lease of it; 0: for none */
    bool orphan;     /* the first leaves a process that leads its own group */
    atomic_int released;
    char lease[64]; /* the last that was given back */
};

static struct story *story;
static struct board *board;

/* A worker writes to the pipe when it starts, and holds its end until it is
 * dead. */
static int started[2];

static void wait_for_term(void)
{
    sigset_t set;
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGTERM);
    int signal_number;
    (void) sigwait(&set, &signal_number);
}

/* Alive until the test has seen that nothing was given back meanwhile. */
static int orphan_ends[2];

static void leave_orphan(void)
{
    int apart[2];
    char ignored;
    if (pipe(apart) != 0) {
        return;
    }
    if (fork() == 0) {
        (void) setsid();
        (void) !write(apart[1], "", 1);
        (void) close(orphan_ends[1]);
        (void) !read(orphan_ends[0], &ignored, 1);
        _exit(0);
    }
    (void) !read(apart[0], &ignored, 1); // it has left our group
    (void) close(apart[0]);
    (void) close(apart[1]);
}

static int release(void *context, const char *lease)
{
    (void) context;
    (void) snprintf(story->lease, sizeof story->lease, "%s", lease);
    (void) atomic_fetch_add(&story->released, 1);
    return 0;
}

static int work(void *context, int lifeline_fd)
{
    (void) context;
    int start = atomic_fetch_add(&story->starts, 1);
    (void) !write(started[1], "", 1);
    if (story->epoch > 0) {
        board_note(board, "00112233445566778899aabbccddeeff", story->epoch);
    }
    if (story->orphan && start == 0) {
        leave_orphan();
    }
    if (story->ready) {
        supervisor_tell_ready(lifeline_fd);
    }
    if (start < story->crashes) {
        (void) kill(getpid(), SIGKILL);
    }
    while (story->silent && start == story->crashes) {
        pause();
    }
    if (story->stays) {
        wait_for_term();
    }
    return story->exit_status;
}

/* The supervisor blocks signals and forks: it gets a process of its own, which
 * ends, with its worker, when the story does not. */
static pid_t begin(int64_t hang_ms, int64_t stop_ms)
{
    pid_t child = fork();
    if (child == 0) {
        const struct supervisor_options options = { .work = work,
                                                    .first_delay_ms = 1,
                                                    .hang_ms = hang_ms,
                                                    .stop_ms = stop_ms,
                                                    .board = board,
                                                    .release = release };
        (void) close(orphan_ends[1]);
        (void) freopen("/dev/null", "w", stderr);
        (void) alarm(STORY_SECONDS_MAX);
        _exit(supervisor_run(&options));
    }
    return child;
}

static int end(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void wait_until_started(void)
{
    struct pollfd waited = { .fd = started[0], .events = POLLIN };
    assert_int_equal(poll(&waited, 1, 10000), 1);
}

static int set_up(void **state)
{
    (void) state;
    story = mmap(NULL, sizeof *story, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    struct ts_err err;
    assert_int_equal(board_new(&board, &err), TS_OK);
    return pipe(started) != 0 || pipe(orphan_ends) != 0;
}

static int tear_down(void **state)
{
    (void) state;
    (void) close(started[0]);
    (void) close(started[1]);
    (void) close(orphan_ends[0]);
    (void) close(orphan_ends[1]); // an orphan ends now
    (void) munmap(board, sizeof *board);
    return munmap(story, sizeof *story);
}

static void a_worker_that_died_is_started_again(void **state)
{
    (void) state;
    *story = (struct story){ .crashes = 3, .ready = true };
    assert_int_equal(end(begin(60000, 60000)), 0);
    assert_int_equal(atomic_load(&story->starts), 4);
}

static void a_crash_loop_ends_the_daemon(void **state)
{
    (void) state;
    *story = (struct story){ .crashes = 1000, .ready = true };
    assert_int_equal(end(begin(60000, 60000)), 1);
    assert_int_equal(atomic_load(&story->starts), SUPERVISOR_CRASHES_MAX);
}

static void a_refusal_is_not_tried_again(void **state)
{
    (void) state;
    for (int status = 2; status <= 3; status++) {
        *story = (struct story){ .exit_status = status, .ready = true };
        assert_int_equal(end(begin(60000, 60000)), status);
        assert_int_equal(atomic_load(&story->starts), 1);
    }
}

static void a_failure_before_the_first_readiness_is_the_daemons(void **state)
{
    (void) state;
    *story = (struct story){ .exit_status = 1 };
    assert_int_equal(end(begin(60000, 60000)), 1);
    assert_int_equal(atomic_load(&story->starts), 1);
}

static void a_failure_after_readiness_is_a_crash(void **state)
{
    (void) state;
    *story = (struct story){ .exit_status = 1, .ready = true };
    assert_int_equal(end(begin(60000, 60000)), 1);
    assert_int_equal(atomic_load(&story->starts), SUPERVISOR_CRASHES_MAX);
}

static void a_stop_is_passed_on_and_waited_for(void **state)
{
    (void) state;
    *story = (struct story){ .stays = true, .ready = true };
    pid_t child = begin(60000, 60000);
    wait_until_started();
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_equal(end(child), 0);
    assert_int_equal(atomic_load(&story->starts), 1);
}

static void a_worker_that_does_not_stop_is_killed(void **state)
{
    (void) state;
    *story = (struct story){ .silent = true };
    pid_t child = begin(60000, 20);
    wait_until_started();
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_equal(end(child), 1);
}

static void a_worker_that_hangs_is_killed_and_started_again(void **state)
{
    (void) state;
    *story = (struct story){ .silent = true, .ready = true };
    assert_int_equal(end(begin(1000, 60000)), 0);
    assert_int_equal(atomic_load(&story->starts), 2);
}

static void no_worker_outlives_its_parent(void **state)
{
    (void) state;
    *story = (struct story){ .silent = true, .ready = true };
    pid_t child = begin(60000, 60000);
    wait_until_started();
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    // Only the worker still holds the end for writing: its death closes it.
    (void) close(started[1]);
    started[1] = -1;
    char bytes[16];
    struct pollfd waited = { .fd = started[0], .events = POLLIN };
    do {
        assert_int_equal(poll(&waited, 1, 10000), 1);
    } while (read(started[0], bytes, sizeof bytes) > 0);
}

static void delays_double_up_to_a_limit_and_a_steady_run_forgives(void **state)
{
    (void) state;
    unsigned crashes = 0;
    assert_int_equal(supervisor_next_delay(&crashes, 0, 100), 100);
    assert_int_equal(supervisor_next_delay(&crashes, 0, 100), 200);
    assert_int_equal(supervisor_next_delay(&crashes, 0, 100), 400);
    assert_int_equal(supervisor_next_delay(&crashes, SUPERVISOR_STEADY_MS, 100),
                     100);
    assert_int_equal(crashes, 1);
    crashes = SUPERVISOR_CRASHES_MAX - 2;
    assert_int_equal(supervisor_next_delay(&crashes, 0, 10000),
                     SUPERVISOR_DELAY_MAX_MS);
    assert_int_equal(supervisor_next_delay(&crashes, 0, 10000), -1);
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* --- the lease of a dead worker ------------------------------------------- */

static void a_dead_workers_lease_is_given_back(void **state)
{
    (void) state;
    *story = (struct story){ .crashes = 1, .ready = true, .epoch = 7 };
    assert_int_equal(end(begin(60000, 60000)), 0);
    assert_string_equal("7:00112233445566778899aabbccddeeff", story->lease);
}

static void a_worker_that_asked_for_no_lease_has_none_to_give_back(void **state)
{
    (void) state;
    *story = (struct story){ .crashes = 3, .ready = true };
    assert_int_equal(end(begin(60000, 60000)), 0);
    assert_int_equal(0, atomic_load(&story->released));
}

static void
nothing_is_given_back_while_an_orphan_of_the_worker_lives(void **state)
{
    (void) state;
    *story = (struct story){
        .crashes = 2, .ready = true, .epoch = 7, .orphan = true
    };
    assert_int_equal(end(begin(60000, 60000)), 0);
    assert_int_equal(4, 1 + atomic_load(&story->starts));
    assert_int_equal(0, atomic_load(&story->released));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_worker_that_died_is_started_again),
        STORY(a_crash_loop_ends_the_daemon),
        STORY(a_refusal_is_not_tried_again),
        STORY(a_failure_before_the_first_readiness_is_the_daemons),
        STORY(a_failure_after_readiness_is_a_crash),
        STORY(a_stop_is_passed_on_and_waited_for),
        STORY(a_worker_that_does_not_stop_is_killed),
        STORY(a_worker_that_hangs_is_killed_and_started_again),
        STORY(no_worker_outlives_its_parent),
        STORY(a_dead_workers_lease_is_given_back),
        STORY(a_worker_that_asked_for_no_lease_has_none_to_give_back),
        STORY(nothing_is_given_back_while_an_orphan_of_the_worker_lives),
        cmocka_unit_test(delays_double_up_to_a_limit_and_a_steady_run_forgives),
    };
    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
