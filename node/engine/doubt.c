#include "node/engine/doubt.h"

#include "node/base/rule.h"

bool doubt_is_quiet(const struct doubt_times *times)
{
    return !TS_RULE(QUIESCE) || times->now - times->since > times->quiet;
}

bool doubt_may_look(bool quiet)
{
    return quiet || !TS_RULE(LATE_EFFECT);
}

int64_t doubt_rest(bool anything, int64_t quiet)
{
    return anything && TS_RULE(QUIESCE) ? quiet : 0;
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
