/*
 * order -- what comes before what in a cycle, as answers without a state.
 *
 * The engine asks this page at the places where the order is kept; a simulator
 * that plays the engine's part asks it too, so that one rule has one place.
 *
 *   O1  a watermark is durable with or after the last row that it covers.
 *   O2  a request leaves when its intent is durable on both nodes, or in a
 *       period that the register shows as unprotected; never without the lease.
 *   O3  what was only found is not taken away unless an operator named it.
 */
#ifndef NODE_ENGINE_ORDER_H
#define NODE_ENGINE_ORDER_H

#include <stdbool.h>

#include "node/engine/pair.h"
#include "node/metaverse/intent.h"

/* May the transaction that ends now carry the watermark? `rows_left`: some that
 * the watermark covers are still to come. (O1) */
bool order_watermark(bool rows_left);

/* What is known of an intent that is durable here. */
struct order_sending {
    bool has_lease;
    bool is_acked;       /* the standby has it on its disk */
    bool is_unprotected; /* the register shows such a period */
};
/* May its request leave? (O2) */
enum engine_ack order_ack(const struct order_sending *sending);

/* The class of a deletion or deactivation (enum intent_class): of what was only
 * found, is gone from its source, or has left by a rule. */
unsigned order_leaving(enum intent_verb verb, bool found, bool gone);
/* Is what has these classes kept, whatever the budgets say? (O3) */
bool order_keeps(unsigned classes, bool is_approved);

#endif
