#include "node/engine/import.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/failpoint.h"
#include "node/base/queue.h"
#include "node/engine/absence.h"
#include "node/engine/order.h"
#include "node/engine/reuse.h"
#include "node/engine/seen.h"
#include "node/engine/unresolved.h"
#include "node/ldap/dn.h"
#include "node/metaverse/connector.h"

/* How long an operator waits, at most, while the source says nothing. */
#define BREATHE_MS    200
#define COOKIE_MEMORY ((size_t) 128 * 1024)

/* What the source's thread works on, and what it leaves behind. */
struct reader {
    struct source *source;
    struct ts_queue *batches;
    struct source_watermark from;
    struct ts_arena arena;
    struct source_result result;
    enum ts_code code;
    struct ts_err err;
};

struct importer {
    struct engine_context *engine;
    const struct config_source *config;
    struct connector_writer writer;
    struct loss_watch watch;
    struct reader reader;
    struct seen seen;
    struct anchors anchors;       /* a first load */
    struct connector_link *links; /* of the row at hand; grows */
    size_t link_room;
    int64_t last_count; /* of the last complete enumeration */
    struct ts_hash last_fingerprint;
    bool had_fingerprint;
    bool torn; /* something could not be stored whole: read all of it again */
    struct import_outcome outcome;
};

static enum ts_code child_key(void *context, struct ts_slice rdn,
                              const uint8_t parent[CONNECTOR_KEY_SIZE],
                              uint8_t ret_key[CONNECTOR_KEY_SIZE],
                              struct ts_err *err)
{
    struct ldap_dn_key above;
    struct ldap_dn_key key;
    memcpy(above.bytes, parent, sizeof above.bytes);
    enum ts_code code = ldap_dn_child_key(context, above, rdn, &key, err);
    if (code == TS_OK) {
        memcpy(ret_key, key.bytes, sizeof key.bytes);
    }
    return code;
}

static void destroy_batch(void *item)
{
    source_batch_free(item);
}

static enum ts_code queue_sink(void *context, struct source_batch *batch,
                               struct ts_err *err)
{
    struct reader *reader = context;
    if (ts_queue_push(reader->batches, batch, TS_NEVER) != TS_OK) {
        source_batch_free(batch);
        return ts_fail(err, TS_E_CANCELLED, 0, "the import was stopped");
    }
    return TS_OK;
}

static void *reader_thread(void *context)
{
    struct reader *reader = context;
    reader->code =
        source_import(reader->source, &reader->from, queue_sink, reader,
                      &reader->arena, &reader->result, &reader->err);
    ts_queue_close(reader->batches);
    return NULL;
}

/* ---- the watermark ------------------------------------------------------ */

/* A source's rows are kept under its place in the configuration, so one that
 * moved would be taken for another that lost all its objects (P4). `stored` is
 * the name at its place; empty: none yet. */
static enum ts_code same_place(struct importer *im, struct ts_slice stored,
                               struct ts_err *err)
{
    static const char sql[] = "SELECT id FROM source WHERE name = ?1";
    const struct config *config = im->engine->config;
    struct ts_slice name = ts_slice_str(im->config->name);
    sqlite3_stmt *row = NULL;
    if (ts_slice_equal(stored, name)) {
        return TS_OK;
    }
    enum ts_code code = metaverse_row(im->engine->state.mv, sql,
                                      DB_VALUES(DB_TEXT(name)), &row, err);
    bool moved = code == TS_OK && row != NULL;
    if (moved) {
        db_reset(row);
    }
    for (uint32_t i = 0; i < config->sources_count; i++) {
        moved = moved ||
                ts_slice_equal(ts_slice_str(config->sources[i].name), stored);
    }
    return code != TS_OK || !moved
               ? code
               : ts_fail(err, TS_E_CONFIG, 0,
                         "cannot import source \"%s\" from another place among "
                         "the sources than before: what it showed would be "
                         "taken for gone; keep their order, and add new ones "
                         "at the end",
                         im->config->name);
}

static enum ts_code source_insert(struct importer *im, struct ts_err *err)
{
    static const char sql[] =
        "INSERT INTO source(id, name, cookie, fingerprint, object_count, "
        "complete_at) VALUES(?1, ?2, x'', x'', 0, 0)";
    struct state *state = &im->engine->state;
    enum ts_code code = same_place(im, TS_SLICE_NONE, err);
    if (code == TS_OK) {
        code = state_begin(state, err);
    }
    if (code != TS_OK) {
        return code;
    }
    code = metaverse_run(state->mv, sql,
                         DB_VALUES(DB_INT(im->writer.source_id),
                                   DB_TEXT(ts_slice_str(im->config->name))),
                         err);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    return state_commit(state, err);
}

/* While it is open whether the source lost a right, only a full reading can
 * tell that it has it back. */
static enum ts_code recheck_due(struct importer *im, int64_t complete_at,
                                bool *ret_due, struct ts_err *err)
{
    int64_t wait = im->engine->import_ms[im->writer.source_id - 1] *
                   IMPORT_RECHECK_SHARE / 1000;
    wait = wait < IMPORT_RECHECK_SECONDS ? wait : IMPORT_RECHECK_SECONDS;
    *ret_due = false;
    return ts_wall_seconds() - complete_at < wait
               ? TS_OK
               : loss_of_source(im->engine->state.mv, im->writer.source_id,
                                ret_due, err);
}

static enum ts_code watermark_load(struct importer *im, bool full,
                                   struct ts_err *err)
{
    static const char sql[] = "SELECT cookie, fingerprint, object_count, name, "
                              "complete_at FROM source WHERE id = ?1";
    sqlite3_stmt *row = NULL;
    bool recheck = false;
    enum ts_code code =
        metaverse_row(im->engine->state.mv, sql,
                      DB_VALUES(DB_INT(im->writer.source_id)), &row, err);
    if (code != TS_OK) {
        return code;
    }
    if (row == NULL) {
        return source_insert(im, err);
    }
    struct ts_slice fingerprint = db_column(row, 1);
    im->had_fingerprint = fingerprint.size == TS_HASH_SIZE;
    if (im->had_fingerprint) {
        memcpy(im->last_fingerprint.bytes, fingerprint.data, TS_HASH_SIZE);
        im->reader.from.fingerprint = im->last_fingerprint;
        im->reader.from.cookie =
            ts_arena_copy(&im->reader.arena, db_column(row, 0));
    }
    im->last_count = db_column_int(row, 2);
    code = same_place(im, db_column(row, 3), err);
    int64_t complete_at = db_column_int(row, 4);
    db_reset(row);
    if (code == TS_OK) {
        code = recheck_due(im, complete_at, &recheck, err);
    }
    im->reader.from.whole = full || recheck;
    im->reader.from.complete_at = complete_at;
    return code;
}

static enum ts_code watermark_store(struct importer *im, struct ts_err *err)
{
    static const char sql[] =
        "UPDATE source SET cookie = ?2, fingerprint = ?3, name = ?4 WHERE id = "
        "?1 AND (cookie, fingerprint, name) IS NOT (?2, ?3, ?4)";
    static const char complete_sql[] =
        "UPDATE source SET object_count = ?2, complete_at = ?3 WHERE id = ?1";
    const struct source_result *result = &im->reader.result;
    struct metaverse *mv = im->engine->state.mv;
    /* Without a cookie the next import reads everything again: that is how
     * what could not be concluded now is looked at once more. */
    bool open =
        im->torn || (im->outcome.missing_held && result->keep_because == NULL);
    struct ts_slice cookie = open ? TS_SLICE_NONE : result->cookie;
    enum ts_code code = metaverse_run(
        mv, sql,
        DB_VALUES(DB_INT(im->writer.source_id), DB_BLOB(cookie),
                  DB_BLOB(ts_slice(result->fingerprint.bytes, TS_HASH_SIZE)),
                  DB_TEXT(ts_slice_str(im->config->name))),
        err);
    if (code == TS_OK && im->outcome.complete && !open) {
        code = metaverse_run(mv, complete_sql,
                             DB_VALUES(DB_INT(im->writer.source_id),
                                       DB_INT((int64_t) im->seen.count),
                                       DB_INT(ts_wall_seconds())),
                             err);
        if (code == TS_OK) {
            code = unresolved_complete(im->engine, im->writer.source_id, err);
        }
    }
    return code;
}

/* ---- rows ---------------------------------------------------------------- */

static enum ts_code convert_links(struct importer *im,
                                  const struct source_row *row,
                                  struct ts_err *err)
{
    if (row->link_count > im->link_room) {
        size_t room = 2 * row->link_count;
        struct connector_link *links = realloc(im->links, room * sizeof *links);
        if (links == NULL) {
            return ts_fail(err, TS_E_NOMEM, 0,
                           "could not store %zu references of one object",
                           row->link_count);
        }
        im->links = links;
        im->link_room = room;
    }
    for (size_t i = 0; i < row->link_count; i++) {
        const struct source_link *link = &row->links[i];
        im->links[i] = (struct connector_link){
            .attribute = link->attribute,
            .key = ts_slice(link->key.bytes, sizeof link->key.bytes),
            .dn = link->dn,
            .gone = link->gone,
        };
    }
    return TS_OK;
}

static enum ts_code store_put(struct importer *im, const struct source_row *row,
                              int64_t *ret_id, struct ts_err *err)
{
    enum connector_change change = CONNECTOR_SAME;
    enum ts_code code = convert_links(im, row, err);
    if (code != TS_OK) {
        return code;
    }
    struct connector_row stored = {
        .anchor = row->anchor,
        .key = ts_slice(row->key.bytes, sizeof row->key.bytes),
        .parent = ts_slice(row->parent.bytes, sizeof row->parent.bytes),
        .rdn = row->rdn,
        .packed = row->packed,
        .hash = ts_slice(row->hash.bytes, sizeof row->hash.bytes),
        .links = im->links,
        .link_count = row->link_count,
        .partial = row->partial,
    };
    if (row->partial.size > 0) {
        stored.hash = TS_SLICE_NONE;
        code = connector_find(&im->writer, row->anchor, ret_id, err);
        if (code != TS_OK || *ret_id == 0) {
            im->torn = true; /* a part of what is not known */
            return code;
        }
    }
    code = connector_put(&im->writer, &stored, ret_id, &change, err);
    im->outcome.put++;
    im->outcome.added += change == CONNECTOR_NEW;
    im->outcome.changed += change != CONNECTOR_SAME;
    return code;
}

static enum ts_code store_row(struct importer *im, const struct source_row *row,
                              struct ts_err *err)
{
    struct ts_slice key = ts_slice(row->key.bytes, sizeof row->key.bytes);
    int64_t id = 0;
    enum ts_code code = TS_OK;
    if (row->verb == SOURCE_PUT) {
        code = row->returned ? connector_unlink(&im->writer, key, err) : TS_OK;
        code = code == TS_OK ? store_put(im, row, &id, err) : code;
    } else if (row->verb == SOURCE_DELETE && row->anchor.size == 0) {
        bool known = false; /* it is named by its identity */
        code = connector_lose(&im->writer, key, &known, err);
        im->outcome.gone += known;
    } else {
        code = connector_find(&im->writer, row->anchor, &id, err);
        if (code == TS_OK && row->verb == SOURCE_DELETE && id > 0) {
            im->outcome.gone++;
            return connector_mark_gone(&im->writer, id, err);
        }
    }
    if (code == TS_OK && id > 0 && row->verb != SOURCE_DELETE &&
        !seen_add(&im->seen, id)) {
        code = ts_fail(err, TS_E_NOMEM, 0,
                       "could not remember what the "
                       "source has shown");
    }
    return code;
}

static void numbers_out(struct importer *im)
{
    im->writer.next_id = im->engine->state.numbers.object + 1;
    im->writer.next_change = im->engine->state.numbers.change + 1;
}

static void numbers_back(struct importer *im)
{
    im->engine->state.numbers.object = im->writer.next_id - 1;
    im->engine->state.numbers.change = im->writer.next_change - 1;
}

static enum ts_code store_batch(struct importer *im,
                                const struct source_batch *batch,
                                struct ts_err *err)
{
    struct state *state = &im->engine->state;
    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    numbers_out(im);
    for (size_t i = 0; code == TS_OK && i < batch->row_count; i++) {
        code = store_row(im, &batch->rows[i], err);
    }
    numbers_back(im);
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    code = state_commit(state, err);
    TS_FAILPOINT(IMPORT_CHUNK);
    return code;
}

static enum ts_code store_batches(struct importer *im, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    while (!ts_queue_finished(im->reader.batches)) {
        struct source_batch *batch = ts_queue_pop(
            im->reader.batches, ts_time_after(ts_time_now(), BREATHE_MS));
        if (batch != NULL && code == TS_OK) {
            code = store_batch(im, batch, err);
        }
        source_batch_free(batch);
        if (code == TS_OK && atomic_load(&im->engine->stopping)) {
            code = ts_fail(err, TS_E_CANCELLED, 0, "the import was stopped");
        }
        if (code != TS_OK) {
            ts_queue_close(im->reader.batches);
            source_cancel(im->reader.source);
        }
        im->engine->breathe(im->engine->owner, ENGINE_IMPORT, im->outcome.put,
                            (uint64_t) im->last_count);
    }
    return code;
}

/* ---- the end ------------------------------------------------------------- */

/* Draw the conclusions from what was not seen (absence.h). */
static enum ts_code absent(struct importer *im, struct ts_err *err)
{
    struct import_outcome *outcome = &im->outcome;
    struct absence absence = {
        .engine = im->engine,
        .writer = &im->writer,
        .config = im->config,
        .seen = &im->seen,
        .added = outcome->added,
        .keep_because = im->reader.result.keep_because,
        .same_reading =
            !im->had_fingerprint ||
            ts_hash_equal(im->last_fingerprint, im->reader.result.fingerprint),
    };
    enum ts_code code = absence_judge(&absence, err);
    outcome->missing = absence.missing;
    if (code != TS_OK || absence.missing == 0) {
        return code;
    }
    if (!absence.believed) {
        outcome->missing_held = true;
        (void) snprintf(outcome->because, sizeof outcome->because, "%s",
                        absence.because);
        return TS_OK;
    }
    uint64_t gone = 0;
    code = absence_mark(&absence, &gone, err);
    outcome->gone += gone;
    return code;
}

/* As it must not be: durable before the deletions that it covers. */
static enum ts_code watermark_first(struct importer *im, struct ts_err *err)
{
    struct state *state = &im->engine->state;
    enum ts_code code = watermark_store(im, err);
    if (code == TS_OK) {
        code = state_commit(state, err);
    }
    return code == TS_OK ? state_begin(state, err) : code;
}

static enum ts_code conclude(struct importer *im, struct ts_err *err)
{
    struct state *state = &im->engine->state;
    const struct source_result *result = &im->reader.result;
    const struct config_guard *guard = &im->engine->config->guard;
    struct loss_limit limit = { .source_id = im->writer.source_id,
                                .always_allowed = guard->always_allowed,
                                .percent = guard->attribute_loss_percent };
    im->outcome.complete = result->extent == SOURCE_COMPLETE;
    if (result->full_because != NULL) {
        (void) snprintf(im->outcome.because, sizeof im->outcome.because, "%s",
                        result->full_because);
    }

    enum ts_code code = state_begin(state, err);
    if (code != TS_OK) {
        return code;
    }
    if (order_watermark(true)) {
        code = watermark_first(im, err);
    }
    numbers_out(im);
    if (code == TS_OK && im->outcome.complete) {
        code = absent(im, err);
    }
    numbers_back(im);
    if (code == TS_OK) {
        code = reuse_conclude(im->engine, err);
    }
    if (code == TS_OK) {
        code = loss_conclude(state->mv, &limit, err);
    }
    if (code == TS_OK) {
        code = watermark_store(im, err);
    }
    if (code != TS_OK) {
        state_rollback(state);
        return code;
    }
    code = state_commit(state, err);
    TS_FAILPOINT(IMPORT_WATERMARK);
    return code;
}

/* ---- the import ---------------------------------------------------------- */

static enum ts_code run(struct importer *im, struct ts_err *err)
{
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, reader_thread, &im->reader);
    if (failed != 0) {
        return ts_fail(err, TS_E_NOMEM, failed,
                       "could not start the source's thread");
    }
    enum ts_code code = store_batches(im, err);
    (void) pthread_join(thread, NULL);
    if (code == TS_OK && im->reader.code != TS_OK) {
        *err = im->reader.err;
        code = im->reader.code;
    }
    return code == TS_OK ? conclude(im, err) : code;
}

static size_t reference_attributes(const struct config *config,
                                   const char **names, size_t max)
{
    size_t count = 0;
    for (uint32_t r = 0; r < config->rules_count; r++) {
        const struct config_rule *rule = &config->rules[r];
        for (uint32_t i = 0; i < rule->references_count; i++) {
            const struct config_reference *ref = &rule->references[i];
            for (uint32_t a = 0; a < ref->attributes_count && count < max;
                 a++) {
                names[count++] = ref->attributes[a];
            }
        }
    }
    return count;
}

#define REFERENCES_MAX 64

static enum ts_code read_source(struct importer *im,
                                const struct source_options *options, bool full,
                                struct ts_err *err)
{
    struct ts_time begun = ts_time_now();
    enum ts_code code = watermark_load(im, full, err);
    if (code == TS_OK) {
        code = loss_watch(&im->watch, im->writer.mv, err);
    }
    if (code == TS_OK && im->writer.child_key_context == NULL) {
        code = ts_fail(err, TS_E_NOMEM, 0, "could not import");
    }
    if (code == TS_OK) {
        code = source_open(options, &im->reader.source, err);
    }
    if (code == TS_OK) {
        im->reader.batches = ts_queue_new(TS_QUEUE_IMPORT_DEPTH, destroy_batch);
        code = im->reader.batches == NULL
                   ? ts_fail(err, TS_E_NOMEM, 0, "could not import")
                   : run(im, err);
    }
    if (code == TS_OK && im->outcome.complete) {
        im->engine->import_ms[im->writer.source_id - 1] =
            ts_time_now().ms - begun.ms;
    }
    return code;
}

enum ts_code import_source(struct engine_context *engine, size_t index,
                           bool full, struct import_outcome *ret_outcome,
                           struct ts_err *err)
{
    const struct config_source *config = &engine->config->sources[index];
    const char *references[REFERENCES_MAX];
    struct importer im = {
        .engine = engine,
        .config = config,
        .writer = { .mv = engine->state.mv,
                    .source_id = (int64_t) index + 1,
                    .child_key = child_key,
                    .child_key_context = ldap_dn_keys_new() },
    };
    struct source_options options = {
        .config = config,
        .references = references,
        .reference_count =
            reference_attributes(engine->config, references, REFERENCES_MAX),
        .secrets = engine->secrets,
    };
    options.attribute_count =
        rules_attributes_read(engine->rules, config->name, &options.attributes);
    im.watch = (struct loss_watch){
        .attributes = options.attributes,
        .attribute_count = options.attribute_count,
        .references = options.references,
        .reference_count = options.reference_count,
    };
    if (engine->state.building) {
        im.writer.anchors = &im.anchors; /* nobody is joined: nothing is lost */
    } else {
        im.writer.watch = &im.watch;
        im.writer.places = rules_depend_on_dn(engine->rules) ||
                           rules_depend_on_ancestors(engine->rules);
        im.writer.on_same_dn = reuse_note;
        im.writer.same_dn_context = engine;
    }
    TS_FAILPOINT(IMPORT_BEGUN);
    ts_arena_init(&im.reader.arena, COOKIE_MEMORY);
    enum ts_code code = read_source(&im, &options, full, err);
    *ret_outcome = im.outcome;
    engine->counts.imported += im.outcome.changed;
    engine->counts.deleted += im.outcome.gone;
    ts_queue_free(im.reader.batches);
    source_close(im.reader.source);
    loss_watch_done(&im.watch);
    ldap_dn_keys_free(im.writer.child_key_context);
    ts_arena_done(&im.reader.arena);
    seen_done(&im.seen);
    anchors_done(&im.anchors);
    free(im.links);
    return code;
}
