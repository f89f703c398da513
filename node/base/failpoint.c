#include "node/base/failpoint.h"

#ifdef TS_FAILPOINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[TS_FAILPOINTS_COUNT] = {
#define TS_FAILPOINT_NAME(id, name) [TS_FAILPOINT_##id] = name,
    TS_FAILPOINT_LIST(TS_FAILPOINT_NAME)
        TS_FAILPOINT_WITNESS_LIST(TS_FAILPOINT_NAME)
            TS_FAILPOINT_PAIR_LIST(TS_FAILPOINT_NAME)
                TS_FAILPOINT_JOIN_LIST(TS_FAILPOINT_NAME)
                    TS_FAILPOINT_CREDENTIAL_LIST(TS_FAILPOINT_NAME)
                        TS_FAILPOINT_RETIRE_LIST(TS_FAILPOINT_NAME)
                            TS_FAILPOINT_HANDOVER_LIST(TS_FAILPOINT_NAME)
#undef TS_FAILPOINT_NAME
};

void ts_failpoint_pass(enum ts_failpoint point)
{
    static atomic_long passed;

    const char *wanted = getenv("TWINSYNC_FAILPOINT");
    if (wanted == NULL) {
        return;
    }
    size_t length = strcspn(wanted, ":");
    if (strlen(names[point]) != length ||
        strncmp(wanted, names[point], length) != 0) {
        return;
    }
    char *end = NULL;
    long nth =
        wanted[length] == ':' ? strtol(wanted + length + 1, &end, 10) : 1;
    if (atomic_fetch_add(&passed, 1) + 1 == nth) {
        const char *how = end == NULL ? "" : end;
        if (strcmp(how, ":off") == 0) {
            (void) kill(getppid(), SIGKILL);
        }
        (void) kill(getpid(), strcmp(how, ":stop") == 0 ? SIGSTOP : SIGKILL);
    }
}

#define TS_FAILPOINT_PRINT(id, name) (void) fputs(name "\n", out);

int ts_failpoint_print(FILE *out)
{
    TS_FAILPOINT_LIST(TS_FAILPOINT_PRINT)
    return 1;
}

int ts_failpoint_print_pair(FILE *out)
{
    TS_FAILPOINT_PAIR_LIST(TS_FAILPOINT_PRINT)
    return 1;
}

int ts_failpoint_print_witness(FILE *out)
{
    TS_FAILPOINT_WITNESS_LIST(TS_FAILPOINT_PRINT)
    return 1;
}

#else

int ts_failpoint_print(FILE *out)
{
    (void) out;
    return 0;
}

int ts_failpoint_print_pair(FILE *out)
{
    (void) out;
    return 0;
}

int ts_failpoint_print_witness(FILE *out)
{
    (void) out;
    return 0;
}

#endif
