#include "node/base/rule.h"

#if TS_RULES_SWITCHABLE

#include <assert.h>
#include <string.h>

static bool disabled[TS_RULES_COUNT];

static const struct {
    const char *name, *text;
} rules[TS_RULES_COUNT] = {
#define TS_RULE_ROW(id, text) { #id, text },
    TS_RULE_LIST(TS_RULE_ROW)
#undef TS_RULE_ROW
};

bool ts_rule_holds(enum ts_rule rule)
{
    return !disabled[rule];
}

void ts_rule_disable(enum ts_rule rule)
{
    assert(rule < TS_RULES_COUNT);
    disabled[rule] = true;
}

void ts_rules_restore(void)
{
    memset(disabled, 0, sizeof disabled);
}

const char *ts_rule_name(enum ts_rule rule)
{
    assert(rule < TS_RULES_COUNT);
    return rules[rule].name;
}

const char *ts_rule_text(enum ts_rule rule)
{
    assert(rule < TS_RULES_COUNT);
    return rules[rule].text;
}

enum ts_rule ts_rule_find(const char *name)
{
    for (unsigned i = 0; i < TS_RULES_COUNT; i++) {
        if (strcmp(rules[i].name, name) == 0) {
            return (enum ts_rule) i;
        }
    }
    return TS_RULES_COUNT;
}

#endif
