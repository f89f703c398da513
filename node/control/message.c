#include "node/control/message.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/cleanup.h"

static void decref_slot(json_t **slot)
{
    json_decref(*slot);
}
#define AUTO_JSON __attribute__((cleanup(decref_slot))) json_t *

/* --- requests ----------------------------------------------------------- */

static bool command_is_sound(const char *command, size_t size)
{
    if (size == 0 || size >= CONTROL_COMMAND_SIZE) {
        return false;
    }
    return strspn(command, "abcdefghijklmnopqrstuvwxyz-") == size;
}

static enum ts_code check_members(const json_t *root, struct ts_err *err)
{
    const char *key;
    json_t *value;
    // The iterator takes a non-const pointer but only reads.
    json_object_foreach((json_t *) (uintptr_t) root, key, value)
    {
        if (strcmp(key, "v") != 0 && strcmp(key, "command") != 0 &&
            strcmp(key, "args") != 0) {
            return ts_fail(err, TS_E_PROTOCOL, 0,
                           "cannot read the request: it has an unknown member "
                           "\"%.40s\"",
                           key);
        }
    }
    return TS_OK;
}

enum ts_code control_request_parse(struct ts_slice line,
                                   struct control_request *ret,
                                   struct ts_err *err)
{
    if (line.size > CONTROL_REQUEST_SIZE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read the request: it is longer than %zu bytes",
                       CONTROL_REQUEST_SIZE_MAX);
    }
    json_error_t why;
    AUTO_JSON root = json_loadb((const char *) line.data, line.size,
                                JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read the request: not one JSON document a line "
                       "(column %d: %.80s)",
                       why.column, why.text);
    }
    if (!json_is_object(root)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read the request: it is not an object");
    }
    const json_t *version = json_object_get(root, "v");
    if (!json_is_integer(version) ||
        json_integer_value(version) != CONTROL_VERSION) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot read the request: its \"v\" is not %d, the "
                       "version that this daemon speaks",
                       CONTROL_VERSION);
    }
    if (check_members(root, err) != TS_OK) {
        return TS_E_PROTOCOL;
    }
    json_t *command = json_object_get(root, "command");
    if (!json_is_string(command) ||
        !command_is_sound(json_string_value(command),
                          json_string_length(command))) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read the request: \"command\" is not a name of "
                       "1 to %d letters a-z and \"-\"",
                       CONTROL_COMMAND_SIZE - 1);
    }
    json_t *args = json_object_get(root, "args");
    if (args != NULL && !json_is_object(args)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read the request: \"args\" is not an object");
    }
    args = args == NULL ? json_object() : json_incref(args);
    if (args == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read the request");
    }
    memcpy(ret->command, json_string_value(command),
           json_string_length(command) + 1);
    ret->args = args;
    return TS_OK;
}

/* --- printing ----------------------------------------------------------- */

/* Where json_dump_callback writes: grows by doubling, never past size_max. */
struct printed {
    char *text;
    size_t size, room, size_max;
};

static int append(const char *bytes, size_t size, void *context)
{
    struct printed *out = context;
    if (size > out->size_max - out->size) {
        return -1;
    }
    if (out->size + size > out->room) {
        size_t room = out->room == 0 ? 256 : out->room;
        while (room < out->size + size) {
            room *= 2;
        }
        char *grown = realloc(out->text, room);
        if (grown == NULL) {
            return -1;
        }
        out->text = grown;
        out->room = room;
    }
    memcpy(out->text + out->size, bytes, size);
    out->size += size;
    return 0;
}

/* One compact line with its line feed and a NUL behind it; NULL when it does
 * not fit or memory has run out. */
static char *print_line(const json_t *document, size_t size_max,
                        size_t *ret_size)
{
    struct printed out = { .size_max = size_max };
    if (json_dump_callback(document, append, &out, JSON_COMPACT) != 0) {
        free(out.text);
        return NULL;
    }
    out.size_max = SIZE_MAX;
    if (append("\n", 2, &out) != 0) {
        free(out.text);
        return NULL;
    }
    *ret_size = out.size - 1;
    return out.text;
}

char *control_request_print(const char *command, const json_t *args)
{
    json_t *borrowed = (json_t *) (uintptr_t) args;
    AUTO_JSON document =
        json_pack("{s:i, s:s, s:o}", "v", CONTROL_VERSION, "command", command,
                  "args", args == NULL ? json_object() : json_incref(borrowed));
    size_t size;
    return document == NULL
               ? NULL
               : print_line(document, CONTROL_REQUEST_SIZE_MAX, &size);
}

/* JSON's integers are signed. */
static json_int_t clamp(uint64_t count)
{
    return count > INT64_MAX ? INT64_MAX : (json_int_t) count;
}

char *control_progress_print(const struct control_progress *progress,
                             size_t *ret_size)
{
    AUTO_JSON document = json_pack(
        "{s:{s:s, s:I, s:I}}", "progress", "phase", progress->phase, "done",
        clamp(progress->done), "total", clamp(progress->total));
    return document == NULL
               ? NULL
               : print_line(document, CONTROL_ANSWER_SIZE_MAX, ret_size);
}

static json_t *answer_document(enum control_exit exit_status,
                               const json_t *result, const char *error)
{
    AUTO_JSON document = json_pack("{s:i}", "exit", (int) exit_status);
    if (document == NULL) {
        return NULL;
    }
    if (result != NULL && json_object_set(document, "result",
                                          (json_t *) (uintptr_t) result) != 0) {
        return NULL;
    }
    if (result == NULL && error == NULL &&
        json_object_set_new(document, "result", json_object()) != 0) {
        return NULL;
    }
    // A sentence built from directory values may hold bytes that are not
    // UTF-8, which JSON cannot carry.
    if (error != NULL &&
        json_object_set_new(document, "error", json_string(error)) != 0) {
        (void) json_object_set_new(
            document, "error",
            json_string("failed with a reason that is not valid UTF-8: see "
                        "the daemon's log"));
    }
    json_t *taken = document;
    document = NULL;
    return taken;
}

char *control_answer_print(enum control_exit exit_status, const json_t *result,
                           const char *error, size_t *ret_size)
{
    AUTO_JSON document = answer_document(exit_status, result, error);
    if (document == NULL) {
        return NULL;
    }
    char *text = print_line(document, CONTROL_ANSWER_SIZE_MAX, ret_size);
    if (text != NULL) {
        return text;
    }
    AUTO_JSON refusal = answer_document(
        CONTROL_FAILED, NULL,
        "cannot send the answer: it is larger than 64 MiB; ask for less");
    return refusal == NULL
               ? NULL
               : print_line(refusal, CONTROL_ANSWER_SIZE_MAX, ret_size);
}

/* --- answers ------------------------------------------------------------ */

void control_answer_done(struct control_answer *answer)
{
    if (answer == NULL) {
        return;
    }
    json_decref(answer->result);
    free(answer->error);
    *answer = (struct control_answer){ .is_progress = false };
}

static enum ts_code parse_progress(const json_t *node,
                                   struct control_answer *ret,
                                   struct ts_err *err)
{
    const char *phase = json_string_value(json_object_get(node, "phase"));
    const json_t *done = json_object_get(node, "done");
    const json_t *total = json_object_get(node, "total");
    if (phase == NULL || !json_is_integer(done) || !json_is_integer(total) ||
        json_integer_value(done) < 0 || json_integer_value(total) < 0) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read the daemon's answer: its \"progress\" is "
                       "not {phase, done, total}");
    }
    struct control_answer answer = { .is_progress = true };
    (void) strncpy(answer.progress.phase, phase, CONTROL_PHASE_SIZE - 1);
    answer.progress.done = (uint64_t) json_integer_value(done);
    answer.progress.total = (uint64_t) json_integer_value(total);
    *ret = answer;
    return TS_OK;
}

enum ts_code control_answer_parse(struct ts_slice line,
                                  struct control_answer *ret,
                                  struct ts_err *err)
{
    json_error_t why;
    AUTO_JSON root = json_loadb((const char *) line.data, line.size,
                                JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(root)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read the daemon's answer: not a JSON object "
                       "(%.80s)",
                       root == NULL ? why.text : "another type");
    }
    const json_t *progress = json_object_get(root, "progress");
    if (progress != NULL) {
        return parse_progress(progress, ret, err);
    }
    const json_t *status = json_object_get(root, "exit");
    json_t *result = json_object_get(root, "result");
    const json_t *error = json_object_get(root, "error");
    if (!json_is_integer(status) || json_integer_value(status) < 0 ||
        json_integer_value(status) > CONTROL_UNREACHABLE ||
        (result != NULL && !json_is_object(result)) ||
        (error != NULL && !json_is_string(error))) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read the daemon's answer: it is not {exit, "
                       "result or error}");
    }
    char *text = NULL;
    if (error != NULL && (text = strdup(json_string_value(error))) == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read the answer");
    }
    *ret = (struct control_answer){
        .exit_status = (enum control_exit) json_integer_value(status),
        .result = json_incref(result),
        .error = text,
    };
    return TS_OK;
}
