#include "tools/twinsync/hold_hash.h"

#include <stdio.h>
#include <string.h>

#include "tools/twinsync/daemon.h"
#include "tools/twinsync/output.h"

static bool is_hash(const char *typed)
{
    size_t size = strlen(typed);
    return size >= HOLD_HASH_LEAST && size < HOLD_HASH_SIZE &&
           strspn(typed, "0123456789abcdefABCDEF") == size;
}

static enum control_exit choose(const struct cli_call *call, const char *typed,
                                const json_t *holds,
                                char hash[static HOLD_HASH_SIZE])
{
    size_t found = 0;
    size_t index;
    const json_t *hold;
    json_array_foreach(holds, index, hold)
    {
        const char *whole = text_at(hold, "hash");
        if (strncasecmp(whole, typed, strlen(typed)) == 0) {
            (void) snprintf(hash, HOLD_HASH_SIZE, "%s", whole);
            found++;
        }
    }
    if (found == 0) {
        return cli_fail(call, CONTROL_FAILED,
                        "could not find a hold whose hash begins with \"%s\": "
                        "twinsync hold list shows those there are; that of an "
                        "earlier list has to be given whole",
                        typed);
    }
    if (found > 1) {
        return cli_fail(call, CONTROL_FAILED,
                        "cannot tell which of %zu holds is meant: their hashes "
                        "all begin with \"%s\"; give more of it",
                        found, typed);
    }
    return CONTROL_DONE;
}

enum control_exit hold_hash_find(const struct cli_call *call, const char *typed,
                                 char hash[static HOLD_HASH_SIZE])
{
    if (!is_hash(typed)) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot take \"%s\" for the hash of a hold: it is 64 "
                        "hexadecimal digits, or at least the first %d of them, "
                        "as twinsync hold list shows",
                        typed, HOLD_HASH_LEAST);
    }
    if (strlen(typed) == HOLD_HASH_SIZE - 1) {
        (void) snprintf(hash, HOLD_HASH_SIZE, "%s", typed);
        return CONTROL_DONE;
    }
    const struct daemon_question question = { .command = "hold-list",
                                              .wait_ms = CONTROL_CLIENT_WAIT_MS,
                                              .silent = true };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (exit_status == CONTROL_DONE) {
        exit_status =
            choose(call, typed, json_object_get(result, "holds"), hash);
    }
    json_decref(result);
    return exit_status;
}
