#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "node/base/time.h"
#include "proto/vault_codec.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/daemon.h"
#include "tools/twinsync/operator.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_REASON,
    OPTION_ALL,
    OPTION_EXPIRES
};

#define DAY_SECONDS 86400
#define WARN_DAYS   30 /* as twinsyncd does, in status */

/* --- list --------------------------------------------------------------- */

/* "2027-01-31", with or without what follows; below 0: it is no date. */
static int64_t seconds_of(const char *day)
{
    struct tm utc = { .tm_isdst = 0 };
    const char *end = strptime(day, "%Y-%m-%d", &utc);
    return end == NULL || (*end != '\0' && *end != 'T')
               ? -1
               : (int64_t) timegm(&utc);
}

static int64_t days_left(const char *day, int64_t now)
{
    return (seconds_of(day) - now) / DAY_SECONDS;
}

static void show_list(const json_t *result)
{
    static const struct column columns[] = { { .title = "NAME" },
                                             { .title = "FROM" },
                                             { .title = "CHANGED" },
                                             { .title = "EXPIRES" },
                                             { .title = "OLD ONE REFUSED" },
                                             { .title = "STATE",
                                               .wraps = true },
                                             { .title = NULL } };
    struct screen screen = screen_of(stdout);
    struct libscols_table *table = table_new(&screen, columns);
    int64_t now = ts_wall_seconds();
    size_t index;
    const json_t *row;
    json_array_foreach(json_object_get(result, "credentials"), index, row)
    {
        char changed[TEXT_SIZE], proved[TEXT_SIZE];
        const char *state = text_at(row, "state");
        bool well = strcmp(state, "settled") == 0;
        bool by_hand = flag_at(row, "file_changed");
        const char *since = text_at(row, "proved");
        const char *expires = text_at(row, "expires");
        bool soon = expires[0] != '\0' && days_left(expires, now) < WARN_DAYS;
        char day[11];
        (void) snprintf(day, sizeof day, "%.10s", expires);
        const char *const cells[] = {
            text_at(row, "name"),
            text_at(row, "from"),
            ago_text(changed, text_at(row, "changed"), now),
            day,
            since[0] == '\0' ? "" : ago_text(proved, since, now),
            !well     ? state
            : by_hand ? "its file has another one, which was not accepted yet"
            : soon    ? "expires soon"
                      : state,
        };
        table_row(&screen, table,
                  !well             ? TONE_BAD
                  : by_hand || soon ? TONE_WARN
                                    : TONE_PLAIN,
                  cells);
    }
    table_done(table);
}

/* --- set ---------------------------------------------------------------- */

/* From a terminal unseen, from a pipe as it comes; one line.
 * Errors   TS_E_CONFIG (none, too long). */
static enum ts_code read_secret(const char *name, char *secret, size_t size,
                                struct ts_err *err)
{
    struct termios before;
    bool asks =
        isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &before) == 0;
    if (asks) {
        struct termios silent = before;
        silent.c_lflag &= ~(tcflag_t) ECHO;
        (void) fprintf(stderr, "New secret of %s: ", name);
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    const char *line = fgets(secret, (int) size, stdin);
    if (asks) {
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void) fputc('\n', stderr);
    }
    size_t length = line == NULL ? 0 : strcspn(secret, "\r\n");
    if (length == 0 || length + 2 >= size) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot set \"%s\": give the secret as one line of at "
                       "most %zu bytes on standard input",
                       name, size - 3);
    }
    secret[length] = '\0';
    return TS_OK;
}

/* --- both --------------------------------------------------------------- */

static void show_outcome(const json_t *result)
{
    const char *outcome = text_at(result, "outcome");
    const char *name = text_at(result, "name");
    const char *later = text_at(result, "other_later");
    if (strcmp(outcome, "kept") == 0) {
        (void) printf("%s: accepted, and kept in the vault\n", name);
        if (later[0] != '\0') {
            (void) printf("The other computer gets it as soon as it can: %s\n",
                          later);
        }
    } else if (strcmp(outcome, "proved") == 0) {
        (void) printf("%s: changed, and proved: %s\n", name,
                      text_at(result, "evidence"));
    } else if (strcmp(outcome, "pending") == 0) {
        (void) printf("%s: changed; the new one is accepted, that the old one "
                      "is refused is not proved: %s\n",
                      name, text_at(result, "evidence"));
    }
}

static void show_reset(const json_t *result)
{
    static const struct column columns[] = { { .title = "NAME" },
                                             { .title = "STATE" },
                                             { .title = "EVIDENCE, OR WHY",
                                               .wraps = true },
                                             { .title = NULL } };
    struct screen screen = screen_of(stdout);
    struct libscols_table *table = table_new(&screen, columns);
    size_t index;
    const json_t *row;
    json_array_foreach(json_object_get(result, "credentials"), index, row)
    {
        const char *state = text_at(row, "state");
        const char *const cells[] = { text_at(row, "name"), state,
                                      text_at(row, "text") };
        table_row(&screen, table,
                  strcmp(state, "failed") == 0    ? TONE_BAD
                  : strcmp(state, "pending") == 0 ? TONE_WARN
                                                  : TONE_PLAIN,
                  cells);
    }
    table_done(table);
}

static enum control_exit rotate_all(const struct cli_call *call)
{
    struct ts_err err;
    json_t *args = json_pack("{s:b}", "all", 1);
    if (operator_sign(args, call->options[OPTION_REASON], &err) != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    const struct daemon_question question = { .command = "credentials-rotate",
                                              .args = args,
                                              .wait_ms = 0 };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        show_reset(result);
    }
    json_decref(result);
    return exit_status;
}

/* Add "expires" to `args`, when there is one. */
static enum ts_code put_expiry(const char *day, json_t *args,
                               struct ts_err *err)
{
    if (day == NULL) {
        return TS_OK;
    }
    int64_t expires = seconds_of(day);
    if (expires < 0 || strlen(day) != strlen("2027-01-31")) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use --expires \"%.40s\": give a day as "
                       "2027-01-31",
                       day);
    }
    (void) json_object_set_new(args, "expires", json_integer(expires));
    return TS_OK;
}

static enum control_exit change(const struct cli_call *call,
                                const char *command)
{
    struct ts_err err;
    char secret[VAULT_SECRET_SIZE] = "";
    const char *name = call->words[1];
    json_t *args = json_pack("{s:s}", "name", name);
    enum ts_code code = operator_sign(args, call->options[OPTION_REASON], &err);
    if (code == TS_OK && strcmp(command, "credentials-set") == 0) {
        code = put_expiry(call->options[OPTION_EXPIRES], args, &err);
        code = code == TS_OK ? read_secret(name, secret, sizeof secret, &err)
                             : code;
        (void) json_object_set_new(args, "secret", json_string(secret));
        OPENSSL_cleanse(secret, sizeof secret);
    }
    if (code != TS_OK) {
        json_decref(args);
        return cli_fail_err(call, &err);
    }
    const struct daemon_question question = { .command = command,
                                              .args = args,
                                              .wait_ms = 0 };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        show_outcome(result);
    }
    json_decref(result);
    return exit_status;
}

static enum control_exit list(const struct cli_call *call)
{
    const struct daemon_question question = { .command = "credentials-list",
                                              .wait_ms = 0 };
    json_t *result = NULL;
    enum control_exit exit_status = daemon_ask(call, &question, &result);
    if (result != NULL) {
        show_list(result);
    }
    json_decref(result);
    return exit_status;
}

static enum control_exit run(const struct cli_call *call)
{
    const char *word = call->words[0];
    bool is_list = strcmp(word, "list") == 0;
    if (call->options[OPTION_ALL] != NULL) {
        return strcmp(word, "rotate") == 0 && call->word_count == 1
                   ? rotate_all(call)
                   : cli_fail(call, CONTROL_USAGE,
                              "cannot use --all but as twinsync credentials "
                              "rotate --all, without a NAME");
    }
    if (is_list != (call->word_count == 1)) {
        return cli_fail(call, CONTROL_USAGE,
                        is_list ? "cannot list one credential alone: twinsync "
                                  "credentials list has no NAME"
                                : "cannot change a credential without its "
                                  "NAME: twinsync credentials list has them");
    }
    if (call->options[OPTION_EXPIRES] != NULL && strcmp(word, "set") != 0) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot use --expires but as twinsync credentials set "
                        "NAME --expires DATE");
    }
    if (is_list) {
        return list(call);
    }
    return change(call, strcmp(word, "set") == 0 ? "credentials-set"
                                                 : "credentials-rotate");
}

const struct cli_command command_credentials = {
    .name = "credentials",
    .words = "list|set|rotate [NAME]",
    .summary = "Passwords and keys: where they come from, and changing them",
    .details =
        "list    each secret that the configuration names, its age, and "
        "whether the\n"
        "        one before is known to be refused\n"
        "set     takes a secret from standard input, tries it at its server, "
        "and keeps\n"
        "        it sealed in the state directory; its file counts again "
        "when it is\n"
        "        changed, and its server accepts what it then holds\n"
        "rotate  makes a new one, has the directory accept it (RFC 3062, or\n"
        "        unicodePwd), and proves that the old one is refused. An "
        "answer that\n"
        "        was lost locks nobody out: both are kept until it is known. "
        "With\n"
        "        --all each of them, and a line for each that says what came "
        "of "
        "it\n"
        "Of a pair, what both use is changed where the lease is held, and is "
        "on the\n"
        "other computer's disk before the directory is asked; the register's "
        "account is\n"
        "each computer's own.\n"
        "Exit status 0 done, 1 not changed or in doubt, 3 refused, 4 not "
        "reachable.\n",
    .examples =
        "  twinsync credentials list\n"
        "  twinsync credentials rotate source/corp --reason \"yearly\"\n"
        "  twinsync credentials rotate --all --reason \"an admin has left\"\n"
        "  twinsync credentials set target <new.secret\n",
    .words_min = 1,
    .words_max = 2,
    .words_are_fixed = true,
    .options = { [OPTION_REASON] = OPERATOR_REASON_OPTION,
                 [OPTION_ALL] = { "all", NULL, "rotate every secret" },
                 [OPTION_EXPIRES] = { "expires", "DATE",
                                      "of what is set: status warns 30 days "
                                      "before" } },
    .run = run,
};
