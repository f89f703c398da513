/* errors, history, events: lists that are read as they are stored. */
#include "node/engine/query/queries.h"

#include "node/engine/query/common.h"

#define LIST_LIMIT 1000

static int64_t limit_of(const struct request *request)
{
    json_int_t limit =
        json_integer_value(json_object_get(request->args, "limit"));
    return limit < 1 || limit > LIST_LIMIT ? LIST_LIMIT : limit;
}

/* ---- errors
 * ---------------------------------------------------------------------- */

/* What to do about it: a sentence ends in it, behind the last semicolon. */
static json_t *fix_of(struct ts_slice text)
{
    for (size_t i = text.size; i > 2; i--) {
        if (text.data[i - 2] == ';' && text.data[i - 1] == ' ') {
            return query_text(ts_slice(text.data + i, text.size - i));
        }
    }
    return json_null();
}

static json_t *error_row(sqlite3_stmt *stmt, struct ts_arena *arena)
{
    json_t *row = json_object();
    int kind = (int) db_column_int(stmt, 0);
    struct ts_slice anchor = db_column(stmt, 1);
    ts_arena_reset(arena);
    struct ts_slice name =
        query_packed_name(kind, db_column(stmt, 7), anchor, arena);
    (void) json_object_set_new(row, "kind", json_string(query_kind(kind)));
    (void) json_object_set_new(row, "anchor", query_text(anchor));
    (void) json_object_set_new(row, "name", query_text(name));
    (void) json_object_set_new(row, "code", query_text(db_column(stmt, 2)));
    (void) json_object_set_new(row, "path", query_text(db_column(stmt, 3)));
    (void) json_object_set_new(row, "text", query_text(db_column(stmt, 4)));
    (void) json_object_set_new(row, "fix", fix_of(db_column(stmt, 4)));
    (void) json_object_set_new(row, "stage", query_text(db_column(stmt, 2)));
    (void) json_object_set_new(row, "first_seen",
                               query_time(db_column_int(stmt, 5)));
    (void) json_object_set_new(row, "next_retry",
                               query_time(db_column_int(stmt, 6)));
    (void) json_object_set_new(row, "attempts",
                               json_integer(db_column_int(stmt, 8)));
    return row;
}

void query_errors(struct engine *engine, struct request *request)
{
    static const char sql[] =
        "SELECT e.kind, e.anchor, e.stage, e.path, e.text, e.first_at, "
        "e.retry_at, m.packed, e.attempts FROM object_error e LEFT JOIN "
        "metaverse m ON "
        "m.anchor = e.anchor AND m.kind = e.kind "
        "ORDER BY e.first_at, e.anchor LIMIT 10000";
    struct metaverse *mv = engine->context.state.mv;
    json_t *list = json_array();
    struct ts_arena arena;
    struct ts_err err;
    enum ts_code code = TS_OK;
    ts_arena_init(&arena, ENGINE_OBJECT_MEMORY);
    if (mv != NULL) {
        sqlite3_stmt *stmt = NULL;
        bool row = true;
        code = metaverse_query(mv, sql, DB_NO_VALUES, &stmt, &err);
        while (code == TS_OK && row) {
            code = db_step(&mv->db, stmt, &row, &err);
            if (code == TS_OK && row) {
                (void) json_array_append_new(list, error_row(stmt, &arena));
            }
        }
    }
    ts_arena_done(&arena);
    if (code != TS_OK) {
        json_decref(list);
        request_fail(request, &err);
        return;
    }
    request_finish(request, 0, json_pack("{s:o}", "errors", list), NULL);
}

/* ---- history
 * --------------------------------------------------------------------- */

static void add_run(void *context, const struct local_run *run)
{
    json_t *exports =
        json_loadb((const char *) run->counts.data, run->counts.size, 0, NULL);
    json_t *row = json_pack(
        "{s:b, s:I, s:o, s:o, s:I, s:o?, s:n, s:i, s:i, s:o?}", "running",
        run->result.size == 0, "id", (json_int_t) run->id, "kind",
        query_text(run->kind), "started", query_text(run->started),
        "duration_ms", (json_int_t) run->duration_ms, "result",
        run->result.size == 0 ? json_null() : query_text(run->result), "phase",
        "done", 0, "total", 0, "exports", exports);
    (void) json_array_append_new(context, row);
}

/* The fields of the event, and when and by whom it was recorded. */
static void add_epoch(void *context, const struct event *event)
{
    json_t *row = json_loadb((const char *) event->fields.data,
                             event->fields.size, 0, NULL);
    if (row != NULL) {
        (void) json_object_set_new(row, "since", query_text(event->at));
        (void) json_object_set_new(row, "actor", query_text(event->actor));
        (void) json_array_append_new(context, row);
    }
}

void query_history(struct engine *engine, struct request *request)
{
    json_t *cycles = json_array(), *epochs = json_array();
    struct ts_err err;
    enum ts_code code =
        local_runs(engine->local, limit_of(request), add_run, cycles, &err);
    if (code == TS_OK) {
        const struct events_named named = { .name = "epoch",
                                            .limit = limit_of(request) };
        code = events_read_named(local_events(engine->local), &named, add_epoch,
                                 epochs, &err);
    }
    if (code != TS_OK) {
        json_decref(cycles);
        json_decref(epochs);
        request_fail(request, &err);
        return;
    }
    request_finish(request, 0,
                   json_pack("{s:o, s:o}", "cycles", cycles, "epochs", epochs),
                   NULL);
}

/* ---- the last reconcile
 * ----------------------------------------------------- */

void query_reconcile(struct engine *engine, struct request *request)
{
    json_t *report = engine_reconcile_report(engine);
    request_finish(
        request, 0,
        json_pack("{s:o}", "reconcile", report != NULL ? report : json_null()),
        NULL);
}

/* ---- events
 * ----------------------------------------------------------------------- */

static void add_event(void *context, const struct event *event)
{
    char hash[TS_HASH_TEXT_SIZE];
    ts_hash_text(event->hash, hash);
    (void) json_array_append_new(
        context,
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:s}", "seq",
                  (json_int_t) event->seq, "time", query_text(event->at),
                  "event", query_text(event->name), "actor",
                  query_text(event->actor), "text", query_text(event->fields),
                  "hash", hash));
}

void query_events(struct engine *engine, struct request *request)
{
    struct events *events = local_events(engine->local);
    json_t *after = json_object_get(request->args, "after");
    struct events_range range = { .limit = limit_of(request) };
    struct ts_err err;
    json_t *list = json_array();
    int64_t last = events_head(events).seq;
    range.after =
        json_is_integer(after) ? json_integer_value(after) : last - range.limit;
    enum ts_code code = events_read(events, range, add_event, list, &err);
    if (code != TS_OK) {
        json_decref(list);
        request_fail(request, &err);
        return;
    }
    request_finish(
        request, 0,
        json_pack("{s:o, s:I}", "events", list, "last", (json_int_t) last),
        NULL);
}

void query_events_verify(struct engine *engine, struct request *request)
{
    struct events_verdict verdict;
    struct ts_err err;
    char head[TS_HASH_TEXT_SIZE];
    enum ts_code code =
        events_verify(local_events(engine->local), &verdict, &err);
    if (code != TS_OK) {
        request_fail(request, &err);
        return;
    }
    ts_hash_text(verdict.head.hash, head);
    json_t *bad = verdict.verified ? json_null()
                                   : json_pack("{s:I, s:s}", "seq",
                                               (json_int_t) verdict.bad_seq,
                                               "why", verdict.why);
    request_finish(
        request, verdict.verified ? 0 : 1,
        json_pack("{s:b, s:I, s:s, s:o}", "verified", verdict.verified, "count",
                  (json_int_t) verdict.count, "head", head, "bad", bad),
        NULL);
}
