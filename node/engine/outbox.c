#include "node/engine/outbox.h"

#include "node/engine/pair.h"

#define LOOK_MS 100 /* between looks, where nobody nudges */

static bool holds_deletions(const struct engine_context *engine)
{
    return engine->pair != NULL &&
           engine->config->unprotected == CONFIG_UNPROTECTED_HOLD_DELETES &&
           engine->pair->unprotected(engine->pair->context);
}

static bool takes_away(const struct intent *intent)
{
    return intent->verb == INTENT_DELETE || intent->verb == INTENT_DEACTIVATE ||
           (intent->classes & (INTENT_CLASS_DELETE | INTENT_CLASS_DEACTIVATE |
                               INTENT_CLASS_EXIT | INTENT_CLASS_MEMBERS)) != 0;
}

bool outbox_keeps_back(const struct engine_context *engine,
                       const struct intent *intent)
{
    return takes_away(intent) && holds_deletions(engine);
}

static void drop_parcel(struct outbox *outbox)
{
    struct outbox_parcel *first = &outbox->parcels[0];
    for (size_t i = 0; i < first->count; i++) {
        export_op_free(first->ops[i]);
    }
    outbox->count--;
    memmove(first, first + 1, outbox->count * sizeof *first);
}

void outbox_done(struct outbox *outbox)
{
    while (outbox->count > 0) {
        drop_parcel(outbox);
    }
}

void outbox_put(struct engine_context *engine, struct outbox *outbox,
                struct export_op *const *ops, size_t count)
{
    if (engine->pair == NULL) {
        for (size_t i = 0; i < count; i++) {
            exporter_submit(engine->exporter, ops[i]);
        }
        return;
    }
    struct outbox_parcel *parcel = &outbox->parcels[outbox->count++];
    parcel->at = journal_position(engine->state.journal);
    parcel->count = count;
    memcpy(parcel->ops, ops, count * sizeof ops[0]);
}

/* Back to due: those of the first parcel that are kept back, or all. */
static enum ts_code unsend(struct engine_context *engine,
                           struct outbox_parcel *parcel, bool all,
                           struct ts_err *err)
{
    size_t kept = 0;
    enum ts_code code = state_begin(&engine->state, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < parcel->count; i++) {
        struct export_op *op = parcel->ops[i];
        if (!all && !takes_away(&op->intent)) {
            parcel->ops[kept++] = op;
            continue;
        }
        code = intent_unsend(engine->state.mv, op->intent.id, err);
        if (all) {
            parcel->ops[kept++] = op; /* freed with the parcel */
        } else {
            export_op_free(op);
        }
    }
    if (code == TS_OK) {
        parcel->count = kept;
        return state_commit(&engine->state, err);
    }
    parcel->count = kept;
    state_rollback(&engine->state);
    return code;
}

static enum ts_code send_first(struct engine_context *engine,
                               struct outbox *outbox, struct ts_err *err)
{
    struct outbox_parcel *first = &outbox->parcels[0];
    if (holds_deletions(engine)) {
        enum ts_code code = unsend(engine, first, false, err);
        if (code != TS_OK) {
            return code;
        }
    }
    for (size_t i = 0; i < first->count; i++) {
        exporter_submit(engine->exporter, first->ops[i]);
    }
    first->count = 0;
    drop_parcel(outbox);
    return TS_OK;
}

/* What was not sent is due again, where this node may still write that. */
static enum ts_code give_up(struct engine_context *engine,
                            struct outbox *outbox, enum ts_code why,
                            struct ts_err *err)
{
    struct ts_err ignored;
    while (outbox->count > 0) {
        /* Where it fails they stay in doubt, and are looked up. */
        (void) !unsend(engine, &outbox->parcels[0], true, &ignored);
        drop_parcel(outbox);
    }
    if (why == TS_E_CANCELLED && engine->pair->paused(engine->pair->context)) {
        return ts_fail(err, why, 0,
                       "could not go on exporting: the pair is paused by an "
                       "operator; what is left goes after twinsync resume");
    }
    return why == TS_E_CANCELLED
               ? ts_fail(err, why, 0,
                         "could not go on exporting: this node has no lease, "
                         "or is to give it up")
               : ts_fail(err, why, 0,
                         "could not export: the standby has not confirmed for "
                         "%d seconds that it has what is to be sent, and "
                         "unprotected exports are not recorded in the "
                         "register; start the standby, or see twinsync explain",
                         OUTBOX_WAIT_MS / 1000);
}

enum ts_code outbox_flush(struct engine_context *engine, struct outbox *outbox,
                          size_t leave, struct ts_err *err)
{
    struct ts_time until = ts_time_after(ts_time_now(), OUTBOX_WAIT_MS);
    enum ts_code code = TS_OK;
    while (code == TS_OK && outbox->count > leave) {
        enum engine_ack ack =
            engine->pair->acked(engine->pair->context, &outbox->parcels[0].at);
        if (ack == ENGINE_ACK_LOST || atomic_load(&engine->stopping)) {
            return give_up(engine, outbox, TS_E_CANCELLED, err);
        }
        if (ack != ENGINE_ACK_WAIT) {
            code = send_first(engine, outbox, err);
            until = ts_time_after(ts_time_now(), OUTBOX_WAIT_MS);
        } else if (ts_time_reached(ts_time_now(), until)) {
            return give_up(engine, outbox, TS_E_UNREACHABLE, err);
        } else {
            engine->rest(engine->owner, LOOK_MS);
        }
    }
    if (code != TS_OK) {
        outbox_done(outbox);
    }
    return code;
}
