#include "node/daemon/credential_work.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "node/base/failpoint.h"
#include "node/base/log.h"
#include "node/base/time.h"
#include "node/daemon/credential.h"

/* A directory that counts failed tries forgets them within this; a change
 * whose answer was lost has taken effect, or never will, after that. */
static const struct rotation_terms terms = { .lockout_ms = 15 * 60 * 1000,
                                             .settle_ms = 10 * 1000,
                                             .pause_ms = 2000 };

const struct config_secret *
credential_find(const struct credential_world *world, const char *name)
{
    size_t count = 0;
    const struct config_secret *all = keeper_secrets(world->keeper, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return &all[i];
        }
    }
    return NULL;
}

/* ---- what a rotation asks for -------------------------------------------- */

struct changing {
    const struct credential_world *world;
    const struct config_secret *secret;
};

/* Alone: there is nobody to tell. A pair is refused before. */
static enum ts_code share(void *context, const struct vault_kept *kept,
                          struct ts_err *err)
{
    (void) context;
    (void) kept;
    (void) err;
    return TS_OK;
}

static enum ts_code keep(void *context, const struct vault_kept *kept,
                         struct ts_err *err)
{
    const struct changing *changing = context;
    enum ts_code code =
        vault_put(keeper_vault(changing->world->keeper), kept, err);
    TS_FAILPOINT(CREDENTIAL_KEPT);
    return code;
}

static enum rotation_answer answer_of(enum ts_code code)
{
    return code == TS_OK          ? ROTATION_YES
           : code == TS_E_REFUSED ? ROTATION_NO
                                  : ROTATION_UNKNOWN;
}

static enum rotation_answer ask(void *context, const struct vault_kept *kept,
                                struct ts_err *err)
{
    const struct changing *changing = context;
    TS_FAILPOINT(CREDENTIAL_BEFORE_ASK);
    enum ts_code code =
        credential_change(changing->world->config, changing->secret,
                          kept->current, kept->candidate, err);
    TS_FAILPOINT(CREDENTIAL_ASKED);
    return answer_of(code);
}

static enum rotation_answer try_secret(void *context, const char *secret,
                                       struct ts_err *err)
{
    const struct changing *changing = context;
    return answer_of(
        credential_try(changing->world->config, changing->secret, secret, err));
}

static bool wait_for(void *context, int64_t ms)
{
    const struct changing *changing = context;
    return changing->world->wait(changing->world->context, ms);
}

static int64_t now(void *context)
{
    (void) context;
    return ts_wall_seconds();
}

static enum ts_code run(const struct credential_world *world,
                        const struct config_secret *secret,
                        struct vault_kept *kept, enum rotation_end *ret_end,
                        struct ts_err *err)
{
    struct changing changing = { world, secret };
    const struct rotation_ops ops = { .share = share,
                                      .keep = keep,
                                      .ask = ask,
                                      .try = try_secret,
                                      .wait = wait_for,
                                      .now = now,
                                      .context = &changing };
    return rotation_run(kept, &terms, &ops, ret_end, err);
}

/* ---- rotate -------------------------------------------------------------- */

/* What rules now, as a record: the vault's, or the file's taken over. */
static enum ts_code load(const struct credential_world *world,
                         const struct config_secret *secret,
                         struct vault_kept *kept, struct ts_err *err)
{
    enum ts_code code =
        vault_get(keeper_vault(world->keeper), secret->name, kept, err);
    if (code != TS_E_NOT_FOUND) {
        return code;
    }
    TS_AUTOSECRET struct ts_secret file = { 0 };
    code = ts_secret_read(secret->file, &file, err);
    if (code == TS_OK && file.size >= sizeof kept->current) {
        code = ts_fail(err, TS_E_LIMIT, 0,
                       "cannot keep the secret of \"%s\": it has over %zu "
                       "bytes",
                       secret->name, sizeof kept->current - 1);
    }
    if (code == TS_OK) {
        *kept = (struct vault_kept){ .has_file = true };
        (void) snprintf(kept->name, sizeof kept->name, "%s", secret->name);
        memcpy(kept->current, file.text, file.size + 1);
        keeper_hash(&file, kept->file_hash);
    }
    return code;
}

const char *credential_end_text(enum rotation_end end)
{
    static const char *const words[] = {
        [ROTATION_PROVED] = "proved",
        [ROTATION_PENDING] = "pending",
        [ROTATION_GIVEN_UP] = "not-changed",
        [ROTATION_IN_DOUBT] = "in-doubt",
    };
    return words[end];
}

enum ts_code credential_rotate(const struct credential_world *world,
                               const struct config_secret *secret,
                               const char *who, enum rotation_end *ret_end,
                               struct ts_err *err)
{
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    enum ts_code code = load(world, secret, &kept, err);
    if (code == TS_OK && kept.phase == VAULT_SETTLED) {
        kept.phase = VAULT_DRAWN;
        (void) snprintf(kept.by, sizeof kept.by, "%s", who);
        code = rotation_draw(kept.candidate, err);
    }
    return code == TS_OK ? run(world, secret, &kept, ret_end, err) : code;
}

void credential_resume(const struct credential_world *world)
{
    size_t count = 0;
    const struct config_secret *all = keeper_secrets(world->keeper, &count);
    for (size_t i = 0; i < count; i++) {
        TS_AUTOKEPT struct vault_kept kept = { .name = "" };
        enum rotation_end end = ROTATION_IN_DOUBT;
        struct ts_err err = { .text = "" };
        if (vault_get(keeper_vault(world->keeper), all[i].name, &kept, NULL) ==
                TS_OK &&
            kept.phase != VAULT_SETTLED) {
            enum ts_code code = run(world, &all[i], &kept, &end, &err);
            ts_log(TS_LOG_WARNING, "credential-resumed",
                   "name=%s outcome=%s reason=\"%s\"", all[i].name,
                   code == TS_OK ? credential_end_text(end) : "failed",
                   code == TS_OK && end == ROTATION_PROVED ? "" : err.text);
        }
    }
}

/* ---- set ----------------------------------------------------------------- */

enum ts_code credential_set(const struct credential_world *world,
                            const struct config_secret *secret,
                            const char *text, const char *who,
                            struct ts_err *err)
{
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    TS_AUTOSECRET struct ts_secret file = { 0 };
    enum ts_code code = credential_try(world->config, secret, text, err);
    if (code != TS_OK) {
        ts_err_wrap(err, "the secret of \"%s\" was not changed", secret->name);
        return code;
    }
    if (ts_secret_read(secret->file, &file, NULL) == TS_OK) {
        kept.has_file = true;
        keeper_hash(&file, kept.file_hash);
    }
    (void) snprintf(kept.name, sizeof kept.name, "%s", secret->name);
    (void) snprintf(kept.by, sizeof kept.by, "%s", who);
    (void) snprintf(kept.current, sizeof kept.current, "%s", text);
    kept.changed = ts_wall_seconds();
    return vault_put(keeper_vault(world->keeper), &kept, err);
}

/* ---- list ---------------------------------------------------------------- */

static json_t *time_of(int64_t seconds)
{
    char text[32];
    time_t at = (time_t) seconds;
    struct tm utc;
    if (seconds == 0 || gmtime_r(&at, &utc) == NULL) {
        return json_null();
    }
    (void) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &utc);
    return json_string(text);
}

static int64_t file_time(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t) st.st_mtime : 0;
}

static json_t *row_of(const struct credential_world *world,
                      const struct config_secret *secret)
{
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    struct ts_err err = { .text = "" };
    const struct keeper *keeper = world->keeper;
    enum ts_code code =
        vault_get(keeper_vault(keeper), secret->name, &kept, &err);
    bool in_vault = code != TS_E_NOT_FOUND;
    const char *why = credential_fixed_because(world->config, secret);
    const char *state = code != TS_OK && in_vault     ? "unreadable"
                        : kept.phase != VAULT_SETTLED ? "in-doubt"
                                                      : "settled";
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:b, s:b, s:s?, s:s?}",
                     "name", secret->name, "from", in_vault ? "vault" : "file",
                     "file", secret->file, "changed",
                     time_of(in_vault ? kept.changed : file_time(secret->file)),
                     "proved", time_of(kept.proved), "state", state,
                     "file_changed", (int) keeper_file_changed(keeper, secret),
                     "rotatable", (int) (why == NULL), "fixed_because", why,
                     "error", code != TS_OK && in_vault ? err.text : NULL);
}

json_t *credential_list(const struct credential_world *world)
{
    json_t *rows = json_array();
    size_t count = 0;
    const struct config_secret *all = keeper_secrets(world->keeper, &count);
    for (size_t i = 0; i < count; i++) {
        (void) json_array_append_new(rows, row_of(world, &all[i]));
    }
    return json_pack("{s:o}", "credentials", rows);
}
