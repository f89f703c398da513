#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "node/config/loader.h"
#include "replication/pairing.h"
#include "replication/retirement.h"
#include "tools/twinsync/commands.h"
#include "tools/twinsync/output.h"

enum {
    OPTION_TOKEN,
    OPTION_WAIT
};

#define WAIT_SECONDS     15
#define WAIT_SECONDS_MAX 600

/* ---- what it is called with ---------------------------------------------- */

static enum ts_code read_token(const char *word,
                               char token[static TOKEN_TEXT_SIZE],
                               struct ts_err *err)
{
    if (strcmp(word, "-") != 0) {
        (void) snprintf(token, TOKEN_TEXT_SIZE, "%s", word);
        return TS_OK;
    }
    if (fgets(token, TOKEN_TEXT_SIZE, stdin) == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot join: no token came on standard input");
    }
    return TS_OK;
}

/* Of several others it is the one that made the token. */
static enum ts_code find_issuer(const struct config *config, const char *text,
                                struct pairing *pairing, struct ts_err *err)
{
    struct join_token token;
    enum ts_code code = token_parse(text, &token, err);
    for (uint32_t i = 0; code == TS_OK && i < config->nodes_count; i++) {
        const char *name = config->nodes[i].name;
        if (strcmp(name, token.issuer) == 0 &&
            strcmp(name, config->this_node) != 0) {
            pairing->peer = name;
        }
    }
    OPENSSL_cleanse(&token, sizeof token);
    return code;
}

static enum ts_code find_nodes(const struct config *config,
                               struct pairing *pairing, struct ts_err *err)
{
    *pairing = (struct pairing){ .state_directory = config->state_directory,
                                 .cluster = config->cluster,
                                 .node = config->this_node };
    for (uint32_t i = 0; i < config->nodes_count; i++) {
        const struct config_member *node = &config->nodes[i];
        if (strcmp(node->name, config->this_node) == 0) {
            pairing->endpoint = node->endpoint;
        } else if (pairing->peer == NULL) {
            pairing->peer = node->name;
        }
        if (node->certificate != NULL) {
            return ts_fail(err, TS_E_CONFIG, 0,
                           "cannot join: nodes says where the certificate of "
                           "\"%s\" is, so that what is agreed here would not "
                           "be used; leave out certificate",
                           node->name);
        }
    }
    if (pairing->endpoint == NULL || pairing->peer == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot join: the configuration does not name two "
                       "computers; add nodes, with this node (\"%s\") and the "
                       "other one",
                       config->this_node);
    }
    return TS_OK;
}

/* The files become those of the daemon's user, whose the state directory is:
 * root gives up its rights before it writes anything there. */
static enum ts_code become_owner(const char *directory, struct ts_err *err)
{
    struct stat st;
    if (stat(directory, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return ts_fail(err, TS_E_CONFIG, errno,
                       "cannot join: the state directory \"%s\" is not there; "
                       "make it as the user that runs twinsyncd (install -d -m "
                       "700 -o twinsync -g twinsync)",
                       directory);
    }
    if (geteuid() != 0 || st.st_uid == 0) {
        return TS_OK;
    }
    if (setgroups(0, NULL) != 0 || setgid(st.st_gid) != 0 ||
        setuid(st.st_uid) != 0) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not join as user %u, whose the state directory "
                       "is",
                       (unsigned) st.st_uid);
    }
    return TS_OK;
}

/* ---- what came of it ----------------------------------------------------- */

static void show(const struct cli_call *call, const struct pairing *pairing,
                 const struct pairing_joined *joined)
{
    if (call->json) {
        json_t *document = json_pack(
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "cluster", pairing->cluster,
            "node", pairing->node, "issuer", joined->issuer, "endpoint",
            joined->endpoint, "key", joined->own_key, "issuer_key",
            joined->issuer_key, "was_joined", joined->was_joined);
        cli_print_json(document);
        json_decref(document);
        return;
    }
    (void) printf("%s and %s of %s %s a pair\n"
                  "start twinsyncd here now (restart it if it runs): it takes "
                  "over a copy of all that %s holds\n",
                  joined->issuer, pairing->node, pairing->cluster,
                  joined->was_joined ? "are already" : "are", joined->issuer);
}

static enum ts_code join(const struct cli_call *call,
                         const struct config *config, struct ts_err *err)
{
    char token[TOKEN_TEXT_SIZE];
    struct pairing pairing;
    struct pairing_joined joined;
    int64_t seconds = WAIT_SECONDS;
    enum ts_code code = find_nodes(config, &pairing, err);
    if (code == TS_OK && call->options[OPTION_WAIT] != NULL) {
        code = cli_number(call->options[OPTION_WAIT], "--wait", 1,
                          WAIT_SECONDS_MAX, &seconds, err);
    }
    if (code == TS_OK) {
        code = read_token(call->options[OPTION_TOKEN], token, err);
    }
    if (code == TS_OK) {
        code = find_issuer(config, token, &pairing, err);
    }
    if (code == TS_OK) {
        code = become_owner(config->state_directory, err);
    }
    if (code == TS_OK) {
        code = pairing_join(&pairing, token, seconds * 1000, &joined, err);
    }
    if (code == TS_OK) {
        code = retirement_leave(config->state_directory, err);
    }
    OPENSSL_cleanse(token, sizeof token);
    if (code == TS_OK) {
        show(call, &pairing, &joined);
    }
    return code;
}

static enum control_exit run(const struct cli_call *call)
{
    struct ts_err err;
    enum control_exit exit_status = CONTROL_DONE;
    if (call->options[OPTION_TOKEN] == NULL) {
        return cli_fail(call, CONTROL_USAGE,
                        "cannot join without --token: it is what `twinsync "
                        "token create` prints on the other computer");
    }
    struct config *config = cli_config(call, &exit_status);
    if (config == NULL) {
        return exit_status;
    }
    if (join(call, config, &err) != TS_OK) {
        exit_status = cli_fail_err(call, &err);
    }
    config_free(config);
    return exit_status;
}

const struct cli_command command_join = {
    .name = "join",
    .words = "",
    .summary = "Make this computer the second one of a pair",
    .details =
        "Run it once, before twinsyncd is started here; the daemon of the "
        "other\n"
        "computer has to run. Both computers have the same configuration, but "
        "for\n"
        "this-node. Keys are made here and stay here. A join that was "
        "interrupted,\n"
        "or whose answer was lost, is ended by the same command again.\n",
    .examples =
        "  twinsync join --token twinsync1-...   as printed by token create\n"
        "  twinsync join --token - <token.txt    not seen in the list of "
        "processes\n",
    .options = { [OPTION_TOKEN] = { "token", "TOKEN",
                                    "the token; - reads it from standard "
                                    "input" },
                 [OPTION_WAIT] = { "wait", "SECONDS",
                                   "for the other computer; 15 by default" } },
    .run = run,
};
