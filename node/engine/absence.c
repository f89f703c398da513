#include "node/engine/absence.h"

#include <stdio.h>

#include "node/engine/altered.h"
#include "node/engine/place.h"

enum ts_code absence_unseen(const struct absence *absence, int64_t *ids,
                            size_t *count, int64_t *after, struct ts_err *err)
{
    static const char sql[] = "SELECT id FROM source_object WHERE id > ?1 AND "
                              "+source_id = ?2 AND gone = 0 ORDER BY id";
    struct metaverse *mv = absence->writer->mv;
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_INT(*after), DB_INT(absence->writer->source_id)),
        &stmt, err);
    while (n < *count && db_next(&mv->db, stmt, &code, err)) {
        *after = db_column_int(stmt, 0);
        if (!seen_has(absence->seen, *after)) {
            ids[n++] = *after;
        }
    }
    db_reset(stmt);
    *count = n;
    return code;
}

static enum ts_code count_missing(struct absence *absence, struct ts_err *err)
{
    int64_t ids[ENGINE_CHUNK];
    int64_t after = 0;
    size_t count;
    enum ts_code code;
    absence->missing = 0;
    do {
        count = ENGINE_CHUNK;
        code = absence_unseen(absence, ids, &count, &after, err);
        absence->missing += count;
    } while (code == TS_OK && count == ENGINE_CHUNK);
    return code;
}

/* Was one of the objects with that DN seen? */
static enum ts_code key_seen(const struct absence *absence, struct ts_slice key,
                             bool *ret_seen, struct ts_err *err)
{
    static const char sql[] = "SELECT id FROM source_object WHERE dn_key = ?1 "
                              "AND +source_id = ?2 AND gone = 0";
    struct metaverse *mv = absence->writer->mv;
    sqlite3_stmt *stmt = NULL;
    *ret_seen = false;
    enum ts_code code = metaverse_query(
        mv, sql, DB_VALUES(DB_BLOB(key), DB_INT(absence->writer->source_id)),
        &stmt, err);
    while (!*ret_seen && db_next(&mv->db, stmt, &code, err)) {
        *ret_seen = seen_has(absence->seen, db_column_int(stmt, 0));
    }
    db_reset(stmt);
    return code;
}

/* B2. *ret_missing is the first canary that was not seen, or NULL. */
static enum ts_code canaries(const struct absence *absence,
                             const char **ret_missing, struct ts_err *err)
{
    const struct config_source *config = absence->config;
    enum ts_code code = TS_OK;
    *ret_missing = NULL;
    for (uint32_t i = 0;
         code == TS_OK && *ret_missing == NULL && i < config->canaries_count;
         i++) {
        uint8_t key[CONNECTOR_KEY_SIZE];
        bool known = false;
        bool seen = false;
        code =
            place_key(absence->engine, (size_t) absence->writer->source_id - 1,
                      ts_slice_str(config->canaries[i]), key, &known, err);
        if (code == TS_OK && known) {
            code = key_seen(absence, ts_slice(key, sizeof key), &seen, err);
        }
        if (code == TS_OK && !seen) {
            *ret_missing = config->canaries[i];
        }
    }
    return code;
}

/* How many there were before. */
static unsigned long long known(const struct absence *absence)
{
    return absence->seen->count - absence->added + absence->missing;
}

/* B3 */
static bool enough_came(const struct absence *absence)
{
    return absence->seen->count * 100 >= known(absence) * ABSENCE_SHARE_MIN ||
           absence->engine->accept_missing;
}

enum ts_code absence_judge(struct absence *absence, struct ts_err *err)
{
    const char *canary = NULL;
    char *because = absence->because;
    enum ts_code code = count_missing(absence, err);
    absence->believed = true;
    because[0] = 0;
    if (code != TS_OK || absence->missing == 0) {
        return code;
    }
    code = canaries(absence, &canary, err);
    if (code != TS_OK) {
        return code;
    }
    if (!absence->same_reading) {
        (void) snprintf(because, ABSENCE_BECAUSE_SIZE,
                        "the source was read with other attributes, filter or "
                        "identity than before: absence proves nothing yet");
    } else if (canary != NULL) {
        (void) snprintf(because, ABSENCE_BECAUSE_SIZE,
                        "the canary \"%.200s\" was not among what came: the "
                        "source may be damaged or its rights reduced; if it "
                        "is gone for good, name another one in canaries",
                        canary);
    } else if (absence->keep_because != NULL &&
               !absence->engine->accept_missing) {
        (void) snprintf(because, ABSENCE_BECAUSE_SIZE, "%s",
                        absence->keep_because);
    } else if (!enough_came(absence)) {
        (void) snprintf(because, ABSENCE_BECAUSE_SIZE,
                        "only %llu of %llu objects came, which is below %d %%: "
                        "the source may be damaged or its rights reduced",
                        (unsigned long long) absence->seen->count,
                        known(absence), ABSENCE_SHARE_MIN);
    }
    absence->believed = because[0] == 0;
    return TS_OK;
}

static enum ts_code mark(struct absence *absence, const struct seen *kept,
                         uint64_t *gone, struct ts_err *err)
{
    int64_t ids[ENGINE_CHUNK];
    int64_t after = 0;
    size_t count;
    enum ts_code code;
    do {
        count = ENGINE_CHUNK;
        code = absence_unseen(absence, ids, &count, &after, err);
        for (size_t i = 0; code == TS_OK && i < count; i++) {
            if (seen_has(kept, ids[i])) {
                continue;
            }
            ++*gone;
            code = connector_mark_gone(absence->writer, ids[i], err);
            if (code == TS_OK) {
                code = altered_gone(absence->writer, ids[i], err);
            }
        }
    } while (code == TS_OK && count == ENGINE_CHUNK);
    return code;
}

enum ts_code absence_mark(struct absence *absence, uint64_t *ret_gone,
                          struct ts_err *err)
{
    struct seen kept = { .words = NULL };
    *ret_gone = 0;
    enum ts_code code = altered_find(absence, &kept, err);
    if (code == TS_OK) {
        code = mark(absence, &kept, ret_gone, err);
    }
    seen_done(&kept);
    return code;
}
