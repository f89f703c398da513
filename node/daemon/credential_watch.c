#include "node/daemon/credential_watch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "node/base/log.h"
#include "node/base/time.h"
#include "node/daemon/credential.h"

/* ---- adopting ------------------------------------------------------------ */

/* A file beside a settled record: what it holds, and its hash. */
static bool read_file(const struct credential_world *world,
                      const struct config_secret *secret,
                      struct vault_kept *kept, struct ts_secret *file,
                      uint8_t hash[static VAULT_HASH_SIZE])
{
    bool both = vault_get(keeper_vault(world->keeper), secret->name, kept,
                          NULL) == TS_OK &&
                kept->phase == VAULT_SETTLED &&
                ts_secret_read(secret->file, file, NULL) == TS_OK;
    if (both) {
        keeper_hash(file, hash);
    }
    return both;
}

static bool is_as_taken(const struct vault_kept *kept,
                        const uint8_t hash[static VAULT_HASH_SIZE])
{
    return kept->has_file &&
           memcmp(kept->file_hash, hash, VAULT_HASH_SIZE) == 0;
}

static bool was_refused(const struct credential_watch *watch, size_t index,
                        const uint8_t hash[static VAULT_HASH_SIZE])
{
    return watch->refused[index].is_known &&
           memcmp(watch->refused[index].hash, hash, VAULT_HASH_SIZE) == 0;
}

/* CW1 */
static bool adopt(const struct credential_world *world,
                  const struct config_secret *secret, const char *text,
                  bool *ret_is_refused)
{
    const struct credential_new fresh = { .text = text };
    const struct credential_actor actor = { "configuration file", "" };
    struct ts_err err = { .text = "" };
    bool is_shared = false;
    enum ts_code code =
        credential_set(world, secret, &fresh, &actor, &is_shared, &err);
    *ret_is_refused = code == TS_E_REFUSED;
    if (code == TS_OK) {
        ts_log(TS_LOG_INFO, "credential-adopted", "name=%s file=%s",
               secret->name, secret->file);
    } else if (*ret_is_refused) {
        ts_log(TS_LOG_WARNING, "credential-file-refused",
               "name=%s file=%s reason=\"%s\"", secret->name, secret->file,
               err.text);
    }
    return code == TS_OK;
}

json_t *credential_adopt(const struct credential_world *world,
                         struct credential_watch *watch)
{
    json_t *adopted = json_array();
    size_t count = 0;
    const struct config_secret *all = keeper_secrets(world->keeper, &count);
    for (size_t i = 0; i < count; i++) {
        TS_AUTOKEPT struct vault_kept kept = { .name = "" };
        TS_AUTOSECRET struct ts_secret file = { 0 };
        uint8_t hash[VAULT_HASH_SIZE];
        bool is_refused = false;
        if (!read_file(world, &all[i], &kept, &file, hash)) {
            continue;
        }
        bool same = strcmp(file.text, kept.current) == 0;
        if (is_as_taken(&kept, hash) && !same && !watch->has_noticed) {
            ts_log(TS_LOG_INFO, "credential-file-ignored",
                   "name=%s file=%s reason=\"it was changed since, and is kept "
                   "in the vault\"",
                   all[i].name, all[i].file);
        }
        if (is_as_taken(&kept, hash) || same ||
            !credential_drives(world, &all[i]) || was_refused(watch, i, hash)) {
            continue;
        }
        if (adopt(world, &all[i], file.text, &is_refused)) {
            (void) json_array_append_new(adopted, json_string(all[i].name));
        } else if (is_refused) { /* CW2 */
            watch->refused[i].is_known = true;
            memcpy(watch->refused[i].hash, hash, sizeof hash);
        }
    }
    watch->has_noticed = true;
    return adopted;
}

/* ---- problems ------------------------------------------------------------ */

struct problem {
    const char *code, *severity;
    char text[512], fix[512];
};

static void add(json_t *list, const struct problem *problem)
{
    (void) json_array_append_new(
        list, json_pack("{s:s, s:s, s:s, s:s}", "code", problem->code,
                        "severity", problem->severity, "text", problem->text,
                        "fix", problem->fix));
}

static void add_expiry(json_t *list, const struct config_secret *secret,
                       int64_t expires)
{
    struct problem problem = { .code = "credential-expires",
                               .severity = "warning" };
    int64_t left = expires - ts_wall_seconds();
    int64_t days = left / CREDENTIAL_DAY_SECONDS;
    char day[32] = "";
    time_t at = (time_t) expires;
    struct tm utc;
    if (expires == 0 || days >= CREDENTIAL_WARN_DAYS) {
        return;
    }
    if (gmtime_r(&at, &utc) != NULL) {
        (void) strftime(day, sizeof day, "%Y-%m-%d", &utc);
    }
    if (left <= 0) {
        (void) snprintf(problem.text, sizeof problem.text,
                        "the secret of \"%s\" expired on %s", secret->name,
                        day);
    } else {
        (void) snprintf(problem.text, sizeof problem.text,
                        "the secret of \"%s\" expires on %s, in %lld days",
                        secret->name, day, (long long) days);
    }
    (void) snprintf(problem.fix, sizeof problem.fix,
                    credential_fixed_because(secret) == NULL
                        ? "twinsync credentials rotate %s"
                        : "make a new one at its server, then twinsync "
                          "credentials set %s --expires DATE",
                    secret->name);
    add(list, &problem);
}

static void add_doubt(json_t *list, const struct credential_world *world,
                      const struct config_secret *secret)
{
    struct problem problem = { .code = "credential-in-doubt",
                               .severity = "warning" };
    (void) snprintf(problem.text, sizeof problem.text,
                    "whether the secret of \"%s\" was changed is not known "
                    "yet: both are kept",
                    secret->name);
    if (credential_drives(world, secret)) {
        (void) snprintf(problem.fix, sizeof problem.fix,
                        "it is tried again by itself; at once: twinsync "
                        "credentials rotate %s; with one that you know: "
                        "twinsync credentials set %s",
                        secret->name, secret->name);
    } else {
        (void) snprintf(problem.fix, sizeof problem.fix,
                        "the node that holds the lease finds it out");
    }
    add(list, &problem);
}

static void add_unreadable(json_t *list, const struct config_secret *secret,
                           const struct ts_err *err)
{
    struct problem problem = { .code = "credential-unreadable",
                               .severity = "error" };
    (void) snprintf(problem.text, sizeof problem.text, "%s", err->text);
    (void) snprintf(problem.fix, sizeof problem.fix,
                    "twinsync credentials set %s", secret->name);
    add(list, &problem);
}

static void add_file(json_t *list, const struct config_secret *secret)
{
    struct problem problem = { .code = "credential-file",
                               .severity = "warning" };
    (void) snprintf(problem.text, sizeof problem.text,
                    "%.300s holds another secret than is used for \"%s\", and "
                    "its server refuses it",
                    secret->file, secret->name);
    (void) snprintf(problem.fix, sizeof problem.fix,
                    "correct it, or twinsync credentials set %s", secret->name);
    add(list, &problem);
}

json_t *credential_problems(const struct credential_world *world,
                            const struct credential_watch *watch)
{
    json_t *list = json_array();
    size_t count = 0;
    const struct config_secret *all = keeper_secrets(world->keeper, &count);
    for (size_t i = 0; i < count; i++) {
        TS_AUTOKEPT struct vault_kept kept = { .name = "" };
        TS_AUTOKEPT struct vault_kept again = { .name = "" };
        TS_AUTOSECRET struct ts_secret file = { 0 };
        struct ts_err err = { .text = "" };
        uint8_t hash[VAULT_HASH_SIZE];
        enum ts_code code =
            vault_get(keeper_vault(world->keeper), all[i].name, &kept, &err);
        if (code == TS_E_NOT_FOUND) {
            continue;
        }
        if (code != TS_OK) {
            add_unreadable(list, &all[i], &err);
            continue;
        }
        add_expiry(list, &all[i], kept.expires);
        if (kept.phase != VAULT_SETTLED) {
            add_doubt(list, world, &all[i]);
        } else if (read_file(world, &all[i], &again, &file, hash) &&
                   was_refused(watch, i, hash) && !is_as_taken(&again, hash)) {
            add_file(list, &all[i]);
        }
    }
    return list;
}
