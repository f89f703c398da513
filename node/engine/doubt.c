#include "node/engine/doubt.h"

#include "node/base/rule.h"

bool doubt_is_quiet(const struct doubt_times *times)
{
    return !TS_RULE(QUIESCE) || times->now - times->since > times->quiet;
}

enum doubt_verdict doubt_judge(bool effect_seen, bool quiet)
{
    if (effect_seen) {
        return DOUBT_DONE;
    }
    if (!TS_RULE(SETTLE_OBSERVES)) {
        return DOUBT_SEND_AGAIN;
    }
    return quiet || !TS_RULE(LATE_EFFECT) ? DOUBT_NOT_DONE : DOUBT_UNKNOWN;
}
