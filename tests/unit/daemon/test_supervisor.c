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
};

static struct story *story;

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

static int work(void *context, int lifeline_fd)
{
    (void) context;
    int start = atomic_fetch_add(&story->starts, 1);
    (void) !write(started[1], "", 1);
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
                                                    .stop_ms = stop_ms };
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
    return pipe(started);
}

static int tear_down(void **state)
{
    (void) state;
    (void) close(started[0]);
    (void) close(started[1]);
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
    assert_int_equal(end(begin(20, 60000)), 0);
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
        cmocka_unit_test(delays_double_up_to_a_limit_and_a_steady_run_forgives),
    };
    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
