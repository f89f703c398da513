/* What operators are told of staging. */
#include "node/engine/staging.h"

#include "node/engine/plan.h"

#include <stdio.h>

#include "node/engine/query/common.h"

const char *staging_name(enum staging why)
{
    static const char *const names[] = { NULL, "first", "rules",
                                         "maintenance" };
    return names[why];
}

/* 1044 as "1,044". */
static void grouped(int64_t n, char text[static 32])
{
    char digits[24];
    size_t at = 0;
    int length = snprintf(digits, sizeof digits, "%lld", (long long) n);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            text[at++] = ',';
        }
        text[at++] = digits[i];
    }
    text[at] = 0;
}

static void add_count(char *text, size_t size, int64_t n, const char *what)
{
    char count[32];
    size_t length = strlen(text);
    if (n > 0) {
        grouped(n, count);
        (void) snprintf(text + length, size - length, "%s%s %s%s",
                        length > 0 ? ", " : "", count, what, n == 1 ? "" : "s");
    }
}

static enum ts_code count_waiting(struct metaverse *mv,
                                  int64_t ret_counts[INTENT_VERBS],
                                  struct ts_err *err)
{
    /* Spelled so that the partial index of what is kept is used. */
    static const char sql[] =
        "SELECT verb, count(*) FROM intent WHERE batch = 0 AND clearance > 1 "
        "AND clearance = 2 GROUP BY verb";
    sqlite3_stmt *stmt = NULL;
    enum ts_code code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, err);
    while (db_next(&mv->db, stmt, &code, err)) {
        int64_t verb = db_column_int(stmt, 0);
        if (verb >= 0 && verb < INTENT_VERBS) {
            ret_counts[verb] = db_column_int(stmt, 1);
        }
    }
    return code;
}

static void say_waiting(const int64_t n[INTENT_VERBS], char *text, size_t size)
{
    add_count(text, size, n[INTENT_CREATE], "creation");
    add_count(text, size, n[INTENT_ADOPT], "adoption");
    add_count(text, size, n[INTENT_UPDATE] + n[INTENT_REACTIVATE], "update");
    add_count(text, size, n[INTENT_DEACTIVATE], "deactivation");
    add_count(text, size, n[INTENT_DELETE], "deletion");
}

enum ts_code staging_view(struct engine_context *engine,
                          struct staging_view *ret_view, struct ts_err *err)
{
    static const char *const why[] = {
        [STAGING_FIRST] = "nothing was written yet: this store never exported",
        [STAGING_RULES] = "nothing is written: rules or scope changed",
        [STAGING_MAINTENANCE] =
            "nothing is written: an operator asked for staging",
    };
    int64_t counts[INTENT_VERBS] = { 0 };
    char waiting[128] = "";
    *ret_view = (struct staging_view){ .why = engine->staging,
                                       .since = engine->staging_since };
    (void) snprintf(ret_view->plan, sizeof ret_view->plan, "%s",
                    plan_hash(engine->plan));
    if (engine->staging == STAGING_NONE || engine->state.mv == NULL) {
        return TS_OK;
    }
    enum ts_code code = count_waiting(engine->state.mv, counts, err);
    for (int i = 0; i < INTENT_VERBS; i++) {
        ret_view->waiting += counts[i];
    }
    say_waiting(counts, waiting, sizeof waiting);
    (void) snprintf(ret_view->text, sizeof ret_view->text, "%s%s%s%s",
                    why[engine->staging], waiting[0] == 0 ? "" : "; ", waiting,
                    waiting[0] == 0          ? ""
                    : ret_view->waiting == 1 ? " waits"
                                             : " wait");
    return code;
}

json_t *staging_document(const struct staging_view *view)
{
    if (view->why == STAGING_NONE) {
        return json_null();
    }
    return json_pack("{s:s, s:o, s:s, s:I, s:s?}", "why",
                     staging_name(view->why), "since", query_time(view->since),
                     "text", view->text, "waiting", (json_int_t) view->waiting,
                     "plan", view->plan[0] == 0 ? NULL : view->plan);
}
