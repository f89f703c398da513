#include <sys/stat.h>
#include <time.h>

#include "node/daemon/credential.h"
#include "node/daemon/credential_work.h"

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
    const char *why = credential_fixed_because(secret);
    const char *state = code != TS_OK && in_vault     ? "unreadable"
                        : kept.phase != VAULT_SETTLED ? "in-doubt"
                                                      : "settled";
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:b, s:b, s:s?, s:s?}", "name",
        secret->name, "from", in_vault ? "vault" : "file", "file", secret->file,
        "changed", time_of(in_vault ? kept.changed : file_time(secret->file)),
        "proved", time_of(kept.proved), "expires", time_of(kept.expires),
        "state", state, "file_changed",
        (int) keeper_file_changed(keeper, secret), "rotatable",
        (int) (why == NULL), "fixed_because", why, "error",
        code != TS_OK && in_vault ? err.text : NULL);
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
