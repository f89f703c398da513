#include "node/engine/passes.h"

struct class_rule {
    const char *name;
    bool source; /* only a source tells it (R2) */
};

static const struct class_rule rules[PASS_CLASSES] = {
    [PASS_EDITED] = { "edited", false },
    [PASS_MISSING] = { "missing", false },
    [PASS_MEMBERS] = { "members", false },
    [PASS_UNSETTLED] = { "unsettled", false },
    [PASS_ADOPTED] = { "adopted", true },
    [PASS_DELETED] = { "deleted", true },
    [PASS_CREATED] = { "created", true },
    [PASS_CHANGED] = { "changed", true },
};

const char *pass_class_name(enum pass_class class)
{
    return rules[class].name;
}

bool passes_counts(unsigned pass, enum pass_class class)
{
    return pass <= 1 || !rules[class].source;
}

static uint64_t sum(unsigned pass, const struct pass_found *found, bool counts)
{
    uint64_t n = 0;
    for (int class = 0; class < PASS_CLASSES; class ++) {
        n += passes_counts(pass, (enum pass_class) class) == counts
                 ? found->count[class]
                 : 0;
    }
    return n;
}

uint64_t passes_open(unsigned pass, const struct pass_found *found)
{
    return sum(pass, found, true);
}

uint64_t passes_young(unsigned pass, const struct pass_found *found)
{
    return sum(pass, found, false);
}

enum passes_verdict passes_verdict(unsigned pass,
                                   const struct pass_found *found)
{
    if (!found->carried_out) {
        return PASSES_INCOMPLETE;
    }
    if (passes_open(pass, found) == 0) {
        return PASSES_CLEAN;
    }
    return pass < PASSES_MAX ? PASSES_AGAIN : PASSES_INCOMPLETE;
}
