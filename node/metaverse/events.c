#include "node/metaverse/events.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* So many are dropped at once, that most appends drop none. */
#define DROP_ROWS 1000

enum statement {
    ADD,
    SET_END,
    READ_END,
    READ,
    READ_NAMED,
    DROPPED,
    DROP,
    STATEMENTS
};

static const char *const statements[STATEMENTS] = {
    [ADD] = "INSERT INTO event(seq,at,name,actor,fields,prev,hash) "
            "VALUES(?1,?2,?3,?4,?5,?6,?7)",
    [SET_END] = "INSERT INTO event_end(name,seq,hash) VALUES(?1,?2,?3) "
                "ON CONFLICT(name) DO UPDATE SET seq=?2,hash=?3",
    [READ_END] = "SELECT seq,hash FROM event_end WHERE name=?1",
    [READ] = "SELECT seq,at,name,actor,fields,prev,hash FROM event "
             "WHERE seq>?1 ORDER BY seq LIMIT ?2",
    [READ_NAMED] = "SELECT seq,at,name,actor,fields,prev,hash FROM event "
                   "WHERE name=?1 ORDER BY seq DESC LIMIT ?2",
    [DROPPED] = "SELECT hash FROM event WHERE seq=?1",
    [DROP] = "DELETE FROM event WHERE seq<=?1",
};

struct events {
    struct db *db;
    int64_t rows_max;
    struct events_head floor, head;
    struct ts_hasher *hasher;
    sqlite3_stmt *stmt[STATEMENTS];
};

/* ---- the chain ---------------------------------------------------------- */

static struct ts_hash genesis(void)
{
    return ts_hash_of(ts_slice_str("twinsync.events.1"));
}

static struct ts_hash hash_event(struct ts_hasher *hasher,
                                 const struct event *event,
                                 struct ts_slice prev)
{
    uint8_t seq[8];
    for (size_t i = 0; i < sizeof seq; i++) {
        seq[i] = (uint8_t) ((uint64_t) event->seq >> (56 - 8 * i));
    }
    ts_hasher_begin(hasher);
    ts_hasher_add_field(hasher, ts_slice(seq, sizeof seq));
    ts_hasher_add_field(hasher, event->at);
    ts_hasher_add_field(hasher, event->name);
    ts_hasher_add_field(hasher, event->actor);
    ts_hasher_add_field(hasher, event->fields);
    ts_hasher_add_field(hasher, prev);
    return ts_hasher_end(hasher);
}

static bool is_hash(struct ts_slice bytes, struct ts_hash hash)
{
    return ts_slice_equal(bytes, ts_slice(hash.bytes, sizeof hash.bytes));
}

/* A wrong size is a hash that nothing matches. */
static struct ts_hash hash_of_column(sqlite3_stmt *stmt, int column)
{
    struct ts_hash hash = { { 0 } };
    struct ts_slice bytes = db_column(stmt, column);
    if (bytes.size == sizeof hash.bytes) {
        memcpy(hash.bytes, bytes.data, sizeof hash.bytes);
    }
    return hash;
}

/* ---- opening ------------------------------------------------------------ */

/* A file without an end has no events yet. */
static enum ts_code read_end(struct events *events, const char *name,
                             struct events_head *ret_end, struct ts_err *err)
{
    sqlite3_stmt *stmt = events->stmt[READ_END];
    bool row = false;
    *ret_end = (struct events_head){ .seq = 0, .hash = genesis() };
    db_bind_text(stmt, 1, ts_slice_str(name));
    enum ts_code code = db_step(events->db, stmt, &row, err);
    if (code == TS_OK && row) {
        ret_end->seq = db_column_int(stmt, 0);
        ret_end->hash = hash_of_column(stmt, 1);
        db_reset(stmt);
    }
    return code;
}

static enum ts_code write_end(struct events *events, const char *name,
                              const struct events_head *end, struct ts_err *err)
{
    sqlite3_stmt *stmt = events->stmt[SET_END];
    db_bind_text(stmt, 1, ts_slice_str(name));
    db_bind_int(stmt, 2, end->seq);
    db_bind_blob(stmt, 3, ts_slice(end->hash.bytes, sizeof end->hash.bytes));
    return db_run(events->db, stmt, err);
}

enum ts_code events_open(struct db *db, int64_t rows_max,
                         struct events **ret_events, struct ts_err *err)
{
    struct events *events = calloc(1, sizeof *events);
    if (events == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not open the events of \"%s\"", db->path);
    }
    events->db = db;
    events->rows_max = rows_max > 0 ? rows_max : EVENTS_MAX;
    events->hasher = ts_hasher_new();
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < STATEMENTS; i++) {
        code = db_prepare(db, statements[i], &events->stmt[i], err);
    }
    if (code == TS_OK) {
        code = read_end(events, "floor", &events->floor, err);
    }
    if (code == TS_OK) {
        code = read_end(events, "head", &events->head, err);
    }
    if (code != TS_OK) {
        events_close(events);
        return code;
    }
    *ret_events = events;
    return TS_OK;
}

void events_close(struct events *events)
{
    if (events != NULL) {
        for (size_t i = 0; i < STATEMENTS; i++) {
            db_finalize(&events->stmt[i]);
        }
        ts_hasher_free(events->hasher);
        free(events);
    }
}

struct events_head events_head(const struct events *events)
{
    return events->head;
}

/* ---- appending ---------------------------------------------------------- */

static enum ts_code add_row(struct events *events, const struct event *event,
                            struct ts_err *err)
{
    sqlite3_stmt *stmt = events->stmt[ADD];
    const struct ts_hash *prev = &events->head.hash;
    db_bind_int(stmt, 1, event->seq);
    db_bind_text(stmt, 2, event->at);
    db_bind_text(stmt, 3, event->name);
    db_bind_text(stmt, 4, event->actor);
    db_bind_text(stmt, 5, event->fields);
    db_bind_blob(stmt, 6, ts_slice(prev->bytes, sizeof prev->bytes));
    db_bind_blob(stmt, 7, ts_slice(event->hash.bytes, sizeof prev->bytes));
    return db_run(events->db, stmt, err);
}

/* V3. *floor becomes the last event that goes. */
static enum ts_code drop_oldest(struct events *events, int64_t head,
                                struct events_head *floor, struct ts_err *err)
{
    sqlite3_stmt *stmt = events->stmt[DROPPED];
    bool row = false;
    int64_t last = head - events->rows_max;
    db_bind_int(stmt, 1, last);
    enum ts_code code = db_step(events->db, stmt, &row, err);
    if (code != TS_OK || !row) {
        return code;
    }
    *floor =
        (struct events_head){ .seq = last, .hash = hash_of_column(stmt, 0) };
    db_reset(stmt);
    db_bind_int(events->stmt[DROP], 1, last);
    code = db_run(events->db, events->stmt[DROP], err);
    return code == TS_OK ? write_end(events, "floor", floor, err) : code;
}

static enum ts_code append_inside(struct events *events,
                                  const struct event *event,
                                  struct events_head *floor, struct ts_err *err)
{
    const struct events_head head = { .seq = event->seq, .hash = event->hash };
    enum ts_code code = add_row(events, event, err);
    if (code == TS_OK) {
        code = write_end(events, "head", &head, err);
    }
    if (code == TS_OK &&
        event->seq - floor->seq >= events->rows_max + DROP_ROWS) {
        code = drop_oldest(events, event->seq, floor, err);
    }
    return code == TS_OK ? db_commit(events->db, err) : code;
}

static bool is_event_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= EVENT_NAME_SIZE_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

static enum ts_code append(struct events *events, struct event *event,
                           struct ts_err *err)
{
    struct events_head floor = events->floor;
    event->hash = hash_event(events->hasher, event,
                             ts_slice(events->head.hash.bytes, TS_HASH_SIZE));
    enum ts_code code = db_begin(events->db, err);
    if (code == TS_OK) {
        code = append_inside(events, event, &floor, err);
    }
    if (code != TS_OK) {
        db_rollback(events->db);
        return code;
    }
    events->head =
        (struct events_head){ .seq = event->seq, .hash = event->hash };
    events->floor = floor;
    return TS_OK;
}

enum ts_code events_append(struct events *events, const char *name,
                           const char *actor, const json_t *fields,
                           struct ts_err *err)
{
    assert(is_event_name(name) && (fields == NULL || json_is_object(fields)));
    assert(sqlite3_get_autocommit(events->db->handle) != 0);
    char at[TS_WALL_TEXT_SIZE];
    ts_wall_text(at);
    char *text = fields == NULL
                     ? NULL
                     : json_dumps(fields, JSON_COMPACT | JSON_SORT_KEYS);
    if (fields != NULL && text == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not log the event %s", name);
    }
    struct event event = {
        .seq = events->head.seq + 1,
        .at = ts_slice_str(at),
        .name = ts_slice_str(name),
        .actor = ts_slice_str(actor),
        .fields = ts_slice_str(text == NULL ? "{}" : text),
    };
    enum ts_code code = TS_OK;
    if (event.actor.size > EVENT_ACTOR_SIZE_MAX ||
        event.fields.size > EVENT_FIELDS_SIZE_MAX) {
        code = ts_fail(err, TS_E_LIMIT, 0,
                       "cannot log the event %s: its actor has %zu bytes and "
                       "its fields %zu, over the limits of %d and %d",
                       name, event.actor.size, event.fields.size,
                       EVENT_ACTOR_SIZE_MAX, EVENT_FIELDS_SIZE_MAX);
    } else {
        code = append(events, &event, err);
    }
    free(text);
    return code;
}

/* ---- reading ------------------------------------------------------------ */

static struct event event_of_row(sqlite3_stmt *stmt)
{
    return (struct event){
        .seq = db_column_int(stmt, 0),
        .at = db_column(stmt, 1),
        .name = db_column(stmt, 2),
        .actor = db_column(stmt, 3),
        .fields = db_column(stmt, 4),
        .hash = hash_of_column(stmt, 6),
    };
}

/* What `stmt` finds. */
static enum ts_code read_all(struct events *events, sqlite3_stmt *stmt,
                             event_fn *each, void *context, struct ts_err *err)
{
    bool row = false;
    enum ts_code code = TS_OK;
    while ((code = db_step(events->db, stmt, &row, err)) == TS_OK && row) {
        struct event event = event_of_row(stmt);
        each(context, &event);
    }
    return code;
}

enum ts_code events_read(struct events *events, struct events_range range,
                         event_fn *each, void *context, struct ts_err *err)
{
    sqlite3_stmt *stmt = events->stmt[READ];
    db_bind_int(stmt, 1, range.after);
    db_bind_int(stmt, 2, range.limit > 0 ? range.limit : 0);
    return read_all(events, stmt, each, context, err);
}

enum ts_code events_read_named(struct events *events,
                               const struct events_named *named, event_fn *each,
                               void *context, struct ts_err *err)
{
    sqlite3_stmt *stmt = events->stmt[READ_NAMED];
    db_bind_text(stmt, 1, ts_slice_str(named->name));
    db_bind_int(stmt, 2, named->limit > 0 ? named->limit : 0);
    return read_all(events, stmt, each, context, err);
}

/* ---- verifying ---------------------------------------------------------- */

TS_PRINTF(3, 4)
static void bad(struct events_verdict *verdict, int64_t seq, const char *fmt,
                ...)
{
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(verdict->why, sizeof verdict->why, fmt, args);
    va_end(args);
    verdict->verified = false;
    verdict->bad_seq = seq;
}

/* `last` is the event before, and becomes this one when all is right. */
static void check_row(struct events *events, sqlite3_stmt *stmt,
                      struct events_head *last, struct events_verdict *verdict)
{
    struct event event = event_of_row(stmt);
    struct ts_slice prev = db_column(stmt, 5);
    struct ts_hash hash = hash_event(events->hasher, &event, prev);
    if (event.seq != last->seq + 1) {
        bad(verdict, last->seq + 1, "it is missing; the next is %lld",
            (long long) event.seq);
    } else if (!is_hash(db_column(stmt, 6), hash)) {
        bad(verdict, event.seq, "its content does not give its hash");
    } else if (!is_hash(prev, last->hash)) {
        bad(verdict, event.seq, "it does not continue event %lld",
            (long long) last->seq);
    } else {
        *last = (struct events_head){ .seq = event.seq, .hash = hash };
        verdict->count++;
    }
}

static void check_end(const struct events_head *last, int64_t count,
                      struct events_verdict *verdict)
{
    if (last->seq < verdict->head.seq) {
        bad(verdict, last->seq + 1, "it is missing; the newest was %lld",
            (long long) verdict->head.seq);
    } else if (last->seq != verdict->head.seq || count != verdict->count ||
               !ts_hash_equal(last->hash, verdict->head.hash)) {
        bad(verdict, last->seq, "it is not the newest that was recorded");
    }
}

static enum ts_code verify_inside(struct events *events,
                                  struct events_verdict *verdict,
                                  struct ts_err *err)
{
    sqlite3_stmt *stmt = events->stmt[READ];
    struct events_head last;
    bool row = false;
    enum ts_code code = read_end(events, "floor", &last, err);
    if (code == TS_OK) {
        code = read_end(events, "head", &verdict->head, err);
    }
    if (code != TS_OK) {
        return code;
    }
    /* A row below the floor is one that was added. */
    db_bind_int(stmt, 1, INT64_MIN);
    db_bind_int(stmt, 2, INT64_MAX);
    while (verdict->verified &&
           (code = db_step(events->db, stmt, &row, err)) == TS_OK && row) {
        check_row(events, stmt, &last, verdict);
    }
    db_reset(stmt);
    int64_t count = 0;
    if (code == TS_OK) {
        code =
            db_query_int(events->db, "SELECT count(*) FROM event", &count, err);
    }
    if (code == TS_OK && verdict->verified) {
        check_end(&last, count, verdict);
    }
    return code;
}

enum ts_code events_verify(struct events *events,
                           struct events_verdict *ret_verdict,
                           struct ts_err *err)
{
    assert(sqlite3_get_autocommit(events->db->handle) != 0);
    struct events_verdict verdict = { .verified = true };
    enum ts_code code = db_exec(events->db, "BEGIN", err);
    if (code == TS_OK) {
        code = verify_inside(events, &verdict, err);
        db_rollback(events->db);
    }
    if (code == TS_OK) {
        *ret_verdict = verdict;
    }
    return code;
}
