#include "replication/retirement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "node/base/failpoint.h"
#include "node/base/file.h"
#include "node/base/json.h"
#include "node/base/time.h"
#include "replication/destroy.h"
#include "replication/pair_folder.h"

#define MARK    "retired"
#define JOINING "joining"

/* ---- the mark ------------------------------------------------------------ */

static enum ts_code mark_path(const char *state_directory,
                              char path[static PAIR_PATH_SIZE],
                              struct ts_err *err)
{
    int n = snprintf(path, PAIR_PATH_SIZE, "%s/" MARK, state_directory);
    return n > 0 && n < PAIR_PATH_SIZE
               ? TS_OK
               : ts_fail(err, TS_E_LIMIT, 0,
                         "cannot use the state directory \"%.60s...\": its "
                         "name is too long",
                         state_directory);
}

static enum ts_code store(const char *state_directory,
                          const struct retirement *retirement,
                          struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    enum ts_code code = mark_path(state_directory, path, err);
    if (code != TS_OK) {
        return code;
    }
    TS_AUTOJSON json_t *json =
        json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:b, s:b}", "cluster",
                  retirement->cluster, "node", retirement->node, "at",
                  (json_int_t) retirement->at_s, "membership",
                  (json_int_t) retirement->membership, "actor",
                  retirement->actor, "reason", retirement->reason, "wipe",
                  (int) retirement->wipe, "wiped", (int) retirement->wiped);
    char text[RETIREMENT_FILE_MAX];
    size_t size = json == NULL ? 0
                               : json_dumpb(json, text, sizeof text,
                                            JSON_INDENT(2) | JSON_SORT_KEYS);
    if (size == 0 || size > sizeof text) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not write down that this computer is retired: "
                       "no room");
    }
    return ts_file_replace(path, ts_slice(text, size), TS_FILE_OURS, err);
}

static void copy(char *to, size_t room, const char *from)
{
    (void) snprintf(to, room, "%.*s", (int) room - 1, from == NULL ? "" : from);
}

static enum ts_code parse(struct ts_slice bytes, struct retirement *ret,
                          struct ts_err *err)
{
    TS_AUTOJSON json_t *json = NULL;
    enum ts_code code = ts_json_parse(bytes, &json, err);
    if (code == TS_OK && ts_json_text(json, "node") == NULL) {
        code = ts_fail(err, TS_E_CORRUPT, 0, "it names no node");
    }
    if (code != TS_OK) {
        return code;
    }
    *ret = (struct retirement){
        .at_s = ts_json_number(json, "at", 0),
        .membership = (uint64_t) ts_json_number(json, "membership", 0),
        .wipe = ts_json_flag(json, "wipe", false),
        .wiped = ts_json_flag(json, "wiped", false),
    };
    copy(ret->cluster, sizeof ret->cluster, ts_json_text(json, "cluster"));
    copy(ret->node, sizeof ret->node, ts_json_text(json, "node"));
    copy(ret->actor, sizeof ret->actor, ts_json_text(json, "actor"));
    copy(ret->reason, sizeof ret->reason, ts_json_text(json, "reason"));
    return TS_OK;
}

enum ts_code retirement_load(const char *state_directory,
                             struct retirement *ret, struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    uint8_t bytes[RETIREMENT_FILE_MAX];
    size_t size = 0;
    enum ts_code code = mark_path(state_directory, path, err);
    if (code == TS_OK) {
        code = pair_get(path, PAIR_SECRET, bytes, sizeof bytes, &size, err);
    }
    if (code != TS_OK) {
        return code;
    }
    if (parse(ts_slice(bytes, size), ret, err) != TS_OK) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot run here: \"%s\" says that this computer is "
                       "retired, but it is damaged; join anew with a token of "
                       "the active node (twinsync join)",
                       path);
    }
    return TS_OK;
}

/* ---- entering ------------------------------------------------------------ */

/* RT2: the register's witness and the link know this node by it. */
static enum ts_code drop_keys(const char *state_directory, struct ts_err *err)
{
    static const char *const files[] = { "pair/node.cert_secret",
                                         "pair/node.cert" };
    enum ts_code code = TS_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct ts_err own;
        if (destroy(state_directory, files[i], &own) != TS_OK &&
            code == TS_OK) {
            *err = own;
            code = own.code;
        }
    }
    return code;
}

enum ts_code retirement_enter(const char *state_directory,
                              const struct retirement *retirement,
                              struct ts_err *err)
{
    struct retirement known;
    enum ts_code code = retirement_load(state_directory, &known, err);
    if (code != TS_OK) {
        code = store(state_directory, retirement, err);
    }
    TS_FAILPOINT(RETIRED_MARKED);
    return code == TS_OK ? drop_keys(state_directory, err) : code;
}

/* ---- wiping -------------------------------------------------------------- */

/* Secrets first; "NAME*" is every name that begins so. */
static const char *const made_here[] = {
    "vault",      "pair",       "local.db*", "state.*",
    "diverged.*", "register.*", "current",
};

enum ts_code retirement_wipe(const char *state_directory,
                             struct retirement *retirement, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; i < sizeof made_here / sizeof *made_here; i++) {
        struct ts_err own;
        if (destroy(state_directory, made_here[i], &own) != TS_OK &&
            code == TS_OK) {
            *err = own; /* the rest goes all the same */
            code = own.code;
        }
        TS_FAILPOINT(RETIRED_WIPING);
    }
    if (code == TS_OK) {
        retirement->wiped = true;
        code = store(state_directory, retirement, err);
    }
    return code;
}

/* ---- told ---------------------------------------------------------------- */

enum ts_code retirement_refuse(const struct retirement *retirement,
                               struct ts_err *err)
{
    char since[TS_WALL_TEXT_SIZE] = "";
    char by[RETIREMENT_NAME_SIZE + 8] = "";
    if (retirement->at_s > 0) {
        ts_wall_text_of(retirement->at_s, since);
    }
    if (retirement->actor[0] != '\0') {
        (void) snprintf(by, sizeof by, " by %s", retirement->actor);
    }
    return ts_fail(
        err, TS_E_REFUSED, 0,
        "cannot run as \"%s\" of cluster \"%s\": this computer was retired%s%s"
        "%s%s%s%s; to join anew, run twinsync token create --node %s on the "
        "active node, and twinsync join --token here",
        retirement->node, retirement->cluster, since[0] == 0 ? "" : " at ",
        since, by, retirement->reason[0] == 0 ? "" : " (", retirement->reason,
        retirement->reason[0] == 0 ? "" : ")", retirement->node);
}

/* ---- joining anew -------------------------------------------------------- */

enum ts_code retirement_leave(const char *state_directory, struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    enum ts_code code =
        pair_put(state_directory, JOINING, ts_slice_str("not listed yet\n"),
                 PAIR_PUBLIC, err);
    if (code == TS_OK) {
        code = mark_path(state_directory, path, err);
    }
    return code == TS_OK ? ts_file_remove(path, err) : code;
}

enum ts_code retirement_is_joining(const char *state_directory, bool *ret,
                                   struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    enum ts_code code = pair_path(state_directory, JOINING, path, err);
    if (code != TS_OK) {
        return code;
    }
    struct stat st;
    *ret = lstat(path, &st) == 0;
    return *ret || errno == ENOENT || errno == ENOTDIR
               ? TS_OK
               : ts_fail(err, TS_E_IO, errno, "could not look at \"%s\"", path);
}

enum ts_code retirement_joined(const char *state_directory, struct ts_err *err)
{
    return pair_remove(state_directory, JOINING, err);
}
