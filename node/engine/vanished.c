#include "node/engine/vanished.h"

#include "node/metaverse/loss.h"

enum ts_code vanished_clearance(struct engine_context *engine,
                                int64_t metaverse_id, struct intent *intent,
                                struct ts_err *err)
{
    bool lost = false;
    if (!engine->losses_known) {
        return TS_OK;
    }
    enum ts_code code =
        loss_of_object(engine->state.mv, metaverse_id, &lost, err);
    if (code == TS_OK && lost) {
        intent->classes |= INTENT_CLASS_LOST;
    }
    return code;
}
