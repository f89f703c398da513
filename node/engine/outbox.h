/*
 * outbox -- composed operations on their way from the commit of their intents
 * to the exporter.
 *
 * Alone, they go at once. In a pair they wait until the standby has the intents
 * too, while the next ones are composed: one round trip a batch, and most of it
 * is hidden.
 *
 *   commit --> [parcel, parcel] --acked--> exporter
 *                    |  \--lease lost, or gone by: in doubt, looked up later
 *                    \-----no answer in time, or not to be sent now: back to
 *                          due, they certainly did not leave
 *
 * Invariants:
 *   O1  a parcel goes when the position after its commit is durable on the
 *       standby, or the register shows an unprotected period (pair.h, P2).
 *   O2  parcels go in the order in which they came.
 *   O3  under the policy `hold-deletes` no deletion goes in an unprotected
 *       period.
 */
#ifndef NODE_ENGINE_OUTBOX_H
#define NODE_ENGINE_OUTBOX_H

#include "node/engine/context.h"

#define OUTBOX_PARCELS 2
/* How long the standby is waited for: a renewal of the lease, which may tell of
 * an unprotected period, takes a fraction of it. */
#define OUTBOX_WAIT_MS 30000

struct outbox_parcel {
    struct journal_position at; /* after the commit of the intents */
    size_t count;
    struct export_op *ops[ENGINE_LIST_MAX];
};

/* Zeroed it is empty. */
struct outbox {
    size_t count;
    struct outbox_parcel parcels[OUTBOX_PARCELS];
};

/* Would the policy keep this one back now? Then it stays due. */
bool outbox_keeps_back(const struct engine_context *engine,
                       const struct intent *intent);

/* Take `count` operations over, whose intents were just committed. There is
 * room: outbox_flush(..., OUTBOX_PARCELS - 1) was called before. */
void outbox_put(struct engine_context *engine, struct outbox *outbox,
                struct export_op *const *ops, size_t count);

/* Wait, answering operators, until at most `leave` parcels are left.
 * Errors   TS_E_CANCELLED (the lease is lost, or the cycle is to end),
 *          TS_E_UNREACHABLE (no answer in time), of the store. After an error
 *          the outbox is empty. */
TS_MUSTUSE enum ts_code outbox_flush(struct engine_context *engine,
                                     struct outbox *outbox, size_t leave,
                                     struct ts_err *err);

/* Give the operations back; their intents stay in doubt. */
void outbox_done(struct outbox *outbox);

#endif
