/*
 * message -- the lines of the control protocol, checked.
 *
 * Requests come from an operator's process and answers from a daemon that may
 * be of another version: neither is believed before its members, types and
 * sizes were seen. Unknown members of a request are refused (a newer tool
 * must not have half of its words ignored); those of an answer are ignored.
 *
 * Pure: no socket, no state.
 */
#ifndef NODE_CONTROL_MESSAGE_H
#define NODE_CONTROL_MESSAGE_H

#include "node/base/slice.h"
#include "node/control/control.h"

#define CONTROL_COMMAND_SIZE 33 /* 32 letters and the NUL */

struct control_request {
    char command[CONTROL_COMMAND_SIZE]; /* a-z and '-' */
    json_t *args;                       /* an object */
};

/* One line, without its line feed.
 * Owns     ret->args: json_decref() it.
 * Errors   TS_E_PROTOCOL, TS_E_LIMIT, TS_E_VERSION; *ret is untouched. */
TS_MUSTUSE enum ts_code control_request_parse(struct ts_slice line,
                                              struct control_request *ret,
                                              struct ts_err *err);
/* The line for it, with its line feed. `args` is borrowed; NULL is {}.
 * Owns     free() the text. Errors: NULL when out of memory. */
char *control_request_print(const char *command, const json_t *args);

struct control_progress {
    char phase[CONTROL_PHASE_SIZE];
    uint64_t done, total;
};

struct control_answer {
    bool is_progress;
    struct control_progress progress; /* is_progress */
    enum control_exit exit_status;    /* else, with: */
    json_t *result;                   /* may be NULL */
    char *error;                      /* may be NULL */
};
void control_answer_done(struct control_answer *answer);

/* Owns     release `ret` with control_answer_done().
 * Errors   TS_E_PROTOCOL; *ret is untouched. */
TS_MUSTUSE enum ts_code control_answer_parse(struct ts_slice line,
                                             struct control_answer *ret,
                                             struct ts_err *err);

/* Lines with their line feed; `result` is borrowed. An answer that would pass
 * CONTROL_ANSWER_SIZE_MAX is replaced by an error that says so.
 * Owns     free() the text. Errors: NULL when out of memory. */
char *control_answer_print(enum control_exit exit_status, const json_t *result,
                           const char *error, size_t *ret_size);
char *control_progress_print(const struct control_progress *progress,
                             size_t *ret_size);

#endif
