#include "node/source/contentsync.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/base/time.h"
#include "node/source/account.h"
#include "node/source/driver.h"
#include "node/source/schema.h"

#define ANCHOR_UUID "entryUUID"
/* Delta searches after a complete one, until nothing has changed meanwhile. On
 * an idle directory the first one says so; beyond this many, a list of what is
 * there settles it at the price of one more enumeration. */
#define SETTLE_PASSES_MAX 16

static const char because_fingerprint[] =
    "base, filter, attributes, anchor or identity are not those of the last "
    "import";
static const char because_cookie[] =
    "the watermark's cookie is not one that slapd gives";
static const char because_restored[] =
    "the server's state is older than what it told before, as after a restore";
static const char because_anchor[] =
    "deletions are only told by entryUUID, which is not the anchor";

/* --- life
 * ------------------------------------------------------------------------
 */

static void sync_close(void *state)
{
    struct contentsync *sync = state;
    if (sync != NULL) {
        ldap_session_free(sync->session);
        source_rows_free(sync->rows);
        free(sync);
    }
}

static enum ts_code sync_open(const struct source_options *options,
                              void **ret_state, struct ts_err *err)
{
    const struct config_source *config = options->config;
    struct contentsync *sync = calloc(1, sizeof *sync);
    if (sync == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare source \"%s\"",
                       config->name);
    }
    sync->options = *options;
    sync->config = config;
    sync->anchor_is_uuid = strcasecmp(config->anchor, ANCHOR_UUID) == 0;
    sync->extras[CONTENTSYNC_CSN] = "entryCSN";
    sync->extras[CONTENTSYNC_ANCHOR] =
        sync->anchor_is_uuid ? NULL : config->anchor;
    sync->kind.extras = sync->extras;
    const struct ldap_session_options session =
        source_session_options(config, options->secrets);
    enum ts_code rc = ldap_session_new(&session, &sync->session, err);
    if (rc == TS_OK) {
        rc = source_rows_new(options, &sync->kind, &sync->rows, err);
    }
    if (rc != TS_OK) {
        sync_close(sync);
        return rc;
    }
    *ret_state = sync;
    return TS_OK;
}

static void sync_cancel(void *state)
{
    struct contentsync *sync = state;
    ldap_session_cancel(sync->session);
}

/* --- import
 * -----------------------------------------------------------------------
 */

/* Take the watermark over if it may be used; else say why not. */
static const char *accept_watermark(const struct contentsync *sync,
                                    const struct source_watermark *from,
                                    struct ts_hash fingerprint,
                                    struct trail *trail)
{
    if (from == NULL || from->whole || from->cookie.size == 0) {
        return NULL; /* a full import was asked for */
    }
    if (!sync->anchor_is_uuid) {
        return because_anchor;
    }
    if (!ts_hash_equal(from->fingerprint, fingerprint)) {
        return because_fingerprint;
    }
    struct trail read;
    if (trail_parse(from->cookie, &read, NULL) != TS_OK) {
        return because_cookie;
    }
    *trail = read;
    return NULL;
}

/* One import under way. */
struct run {
    struct contentsync *sync;
    struct source_builder builder;
    struct trail trail; /* where it began; later the new one */
    struct source_result result;
};

/* After a COMPLETE answer with the trail's mark: fetch what slapd left out
 * because it changed meanwhile. The mark moves on only over passes that told
 * deletions; a present phase tells them by silence, which the rows handed over
 * earlier would drown. */
static enum ts_code settle(struct run *run, struct ts_err *err)
{
    struct contentsync_mark probe = *trail_from(&run->trail, TRAIL_SOON);
    bool keep = true;
    for (int i = 0; i < SETTLE_PASSES_MAX && probe.size > 0; i++) {
        struct contentsync_answer answer;
        enum ts_code rc = source_builder_flush(&run->builder, err);
        if (rc == TS_OK) {
            rc = contentsync_pass(run->sync, &probe, &run->builder, &answer,
                                  err);
        }
        if (rc != TS_OK || answer.outcome == CONTENTSYNC_NOTHING) {
            return rc;
        }
        if (answer.outcome == CONTENTSYNC_TORN) {
            continue;
        }
        if (answer.outcome == CONTENTSYNC_STALE) {
            break;
        }
        keep = keep && answer.outcome == CONTENTSYNC_CHANGES;
        probe = answer.mark;
        if (keep) {
            trail_extend(&run->trail, &probe, ts_wall_seconds());
        }
    }
    return contentsync_list(run->sync, &run->builder, err);
}

static enum ts_code read_everything(struct run *run,
                                    const struct contentsync_mark *mark,
                                    struct ts_err *err)
{
    run->result.extent = SOURCE_COMPLETE;
    trail_rest(&run->trail, mark);
    return settle(run, err);
}

/* T6 of trail.h. A COMPLETE answer tells everything whatever was before. */
static bool has_forgotten(const struct run *run,
                          const struct contentsync_answer *answer,
                          const struct contentsync_mark *from)
{
    bool is_change = answer->outcome == CONTENTSYNC_CHANGES ||
                     answer->outcome == CONTENTSYNC_TORN;
    return (is_change && trail_is_past(&run->trail, &answer->mark)) ||
           (answer->outcome == CONTENTSYNC_NOTHING && answer->is_same &&
            trail_is_past(&run->trail, from));
}

static enum ts_code read_all(struct run *run, struct ts_err *err)
{
    static const struct contentsync_mark none = { .size = 0 };
    struct contentsync_answer answer;
    int64_t asked = ts_wall_seconds();
    enum trail_kind kind = trail_next(&run->trail, asked);
    struct contentsync_mark from = *trail_from(&run->trail, kind);
    enum ts_code rc =
        contentsync_pass(run->sync, &from, &run->builder, &answer, err);
    if (rc == TS_OK && from.size > 0 && has_forgotten(run, &answer, &from)) {
        answer.outcome = CONTENTSYNC_STALE;
        answer.why = because_restored;
    }
    if (rc == TS_OK && answer.outcome == CONTENTSYNC_STALE) {
        run->result.full_because = answer.why;
        rc = contentsync_pass(run->sync, &none, &run->builder, &answer, err);
    }
    if (rc != TS_OK) {
        return rc;
    }
    if (answer.outcome == CONTENTSYNC_COMPLETE) {
        return read_everything(run, &answer.mark, err);
    }
    run->result.extent = SOURCE_INCREMENTAL;
    if (answer.outcome == CONTENTSYNC_TORN) {
        return TS_OK;
    }
    trail_answer(&run->trail, kind, asked,
                 answer.outcome == CONTENTSYNC_NOTHING ? &from : &answer.mark,
                 ts_wall_seconds());
    return TS_OK;
}

static enum ts_code import_connected(struct run *run,
                                     const struct source_watermark *from,
                                     struct ts_err *err)
{
    struct contentsync *sync = run->sync;
    enum ts_code rc = contentsync_meet(sync, err);
    if (rc == TS_OK) {
        rc = contentsync_find_base(sync, err);
    }
    if (rc == TS_OK && !sync->aliases_known) {
        rc = contentsync_learn_aliases(sync, err);
        sync->aliases_known = rc == TS_OK;
    }
    if (rc != TS_OK) {
        return rc;
    }
    run->result.fingerprint = contentsync_fingerprint(sync);
    run->result.full_because =
        accept_watermark(sync, from, run->result.fingerprint, &run->trail);
    rc = read_all(run, err);
    if (rc == TS_OK) {
        rc = source_builder_flush(&run->builder, err);
    }
    if (!sync->anchor_is_uuid) { /* of no use: see contentsync.h */
        trail_rest(&run->trail, &(struct contentsync_mark){ .size = 0 });
    }
    return rc;
}

static enum ts_code sync_import(void *state,
                                const struct source_import_call *call,
                                struct ts_err *err)
{
    struct contentsync *sync = state;
    struct run run = { .sync = sync,
                       .builder = { .sink = call->sink,
                                    .context = call->context } };
    enum ts_code rc = ldap_session_connect(sync->session, err);
    if (rc == TS_OK) {
        rc = import_connected(&run, call->from, err);
    }
    source_builder_drop(&run.builder);
    ldap_session_disconnect(sync->session);
    if (rc == TS_OK) {
        uint8_t text[TRAIL_TEXT_MAX];
        run.result.cookie = ts_arena_copy(
            call->arena, ts_slice(text, trail_print(&run.trail, text)));
        if (run.result.cookie.data == NULL) {
            rc = ts_fail(err, TS_E_NOMEM, 0, "could not keep the watermark");
        }
    }
    if (rc != TS_OK) {
        ts_err_wrap(err, "importing source \"%s\"", sync->config->name);
        return rc;
    }
    run.result.put_count = run.builder.put_count;
    run.result.present_count = run.builder.present_count;
    run.result.delete_count = run.builder.delete_count;
    *call->ret_result = run.result;
    return TS_OK;
}

/* --- schema and check
 * --------------------------------------------------------------
 */

static enum ts_code sync_schema(void *state, struct ts_arena *arena,
                                struct source_attribute **ret_attributes,
                                size_t *ret_count, struct ts_err *err)
{
    struct contentsync *sync = state;
    struct source_schema schema = { NULL, 0 };
    enum ts_code rc = ldap_session_connect(sync->session, err);
    if (rc == TS_OK) {
        rc = contentsync_meet(sync, err);
    }
    if (rc == TS_OK) {
        rc = source_schema_read(sync->session, sync->server.subschema,
                                SCHEMA_MATCHES_BY_RULE, arena, &schema, err);
    }
    ldap_session_disconnect(sync->session);
    *ret_attributes = schema.attributes;
    *ret_count = schema.count;
    if (rc != TS_OK) {
        ts_err_wrap(err, "reading the schema of source \"%s\"",
                    sync->config->name);
    }
    return rc;
}

static size_t
sync_check(void *state, struct ts_arena *arena,
           struct source_finding findings[static SOURCE_FINDINGS_MAX])
{
    return contentsync_check(state, arena, findings);
}

const struct source_driver source_contentsync = {
    .open = sync_open,
    .close = sync_close,
    .import = sync_import,
    .cancel = sync_cancel,
    .schema = sync_schema,
    .check = sync_check,
};
