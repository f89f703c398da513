#include "tools/twinsync/session.h"

#include <time.h>

#include "node/base/time.h"
#include "node/config/loader.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/output.h"

#define LOOK_MS 200

/* Its number; 0: none runs, or nobody can tell. Owns: json_decref(*ret_cycle).
 */
static int64_t look(struct control_client *client, json_t **ret_cycle)
{
    const struct control_call request = { .command = "status" };
    struct control_answer answer;
    struct ts_err err;
    *ret_cycle = NULL;
    if (control_client_call(client, &request, &answer, &err) != TS_OK) {
        return 0;
    }
    *ret_cycle = json_incref(json_object_get(answer.result, "cycle"));
    control_answer_done(&answer);
    return flag_at(*ret_cycle, "running") ? count_at(*ret_cycle, "id") : 0;
}

static struct control_client *connect(const struct cli_call *call)
{
    struct control_client *client = NULL;
    struct ts_err err;
    struct config *config = NULL;
    if (config_load(call->config_path, &config, NULL, &err) == TS_OK &&
        control_client_open(config->state_directory, &client, &err) != TS_OK) {
        client = NULL; /* it does not run: whoever needs it says so */
    }
    config_free(config);
    return client;
}

static void pause_ms(int64_t ms)
{
    const struct timespec span = { ms / 1000, ms % 1000 * 1000000 };
    (void) nanosleep(&span, NULL);
}

static void warn(const json_t *cycle, const char *what)
{
    char text[TEXT_SIZE];
    (void) fprintf(stderr,
                   "twinsync: cycle #%lld (%s) has been running for %s: %s "
                   "when it has ended\n",
                   (long long) count_at(cycle, "id"), text_at(cycle, "kind"),
                   span_text(text, count_at(cycle, "duration_ms")), what);
}

bool session_wait(const struct cli_call *call, const char *what,
                  int64_t most_ms)
{
    struct control_client *client = connect(call);
    struct ts_time began = ts_time_now();
    json_t *cycle = NULL;
    char text[TEXT_SIZE];
    bool in_time = true;
    int64_t first = client == NULL ? 0 : look(client, &cycle);
    if (first != 0) {
        warn(cycle, what);
    }
    for (int64_t now = first; first != 0 && now == first && in_time;) {
        json_decref(cycle);
        pause_ms(LOOK_MS);
        now = look(client, &cycle);
        in_time = most_ms == 0 || ts_time_now().ms - began.ms < most_ms;
    }
    if (first != 0) {
        (void) fprintf(stderr, "twinsync: it %s after %s\n",
                       in_time ? "has ended" : "still runs",
                       span_text(text, ts_time_now().ms - began.ms));
    }
    json_decref(cycle);
    control_client_close(client);
    return in_time;
}
