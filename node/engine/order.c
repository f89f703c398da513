#include "node/engine/order.h"

#include "node/base/rule.h"

bool order_watermark(bool rows_left)
{
    return !rows_left || !TS_RULE(WATERMARK_LAST);
}

enum engine_ack order_ack(const struct order_sending *sending)
{
    if (!sending->has_lease) {
        return ENGINE_ACK_LOST;
    }
    if (sending->is_acked || !TS_RULE(INTENT_FIRST)) {
        return ENGINE_ACK_DURABLE;
    }
    return sending->is_unprotected ? ENGINE_ACK_UNPROTECTED : ENGINE_ACK_WAIT;
}

unsigned order_leaving(enum intent_verb verb, bool found, bool gone)
{
    unsigned class = verb == INTENT_DEACTIVATE ? INTENT_CLASS_DEACTIVATE
                                               : INTENT_CLASS_DELETE;
    return found ? INTENT_CLASS_ORPHAN : gone ? class : INTENT_CLASS_EXIT;
}

bool order_keeps(unsigned classes, bool is_approved)
{
    return (classes & INTENT_CLASS_ORPHAN) != 0 && !is_approved &&
           TS_RULE(FOUND_KEPT);
}
