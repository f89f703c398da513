/*
 * rule -- the rules of safety that a test may switch off, one by one.
 *
 * A rule that no test can miss is not known to be needed. So each rule on which
 * the pair's guarantees rest is written as `TS_RULE(NAME)` where it is kept:
 *
 *     if (TS_RULE(PRE_SUM) && !sum_equal(&row->pre_sum, &own)) { refuse }
 *
 * and the simulator switches one off, runs seeds, and must see an invariant
 * broken. The release build has no switch: there TS_RULE() is 1, and neither
 * the names nor the table exist.
 *
 * The switches are process-wide and not synchronised: a test sets them before
 * it starts anything.
 */
#ifndef NODE_BASE_RULE_H
#define NODE_BASE_RULE_H

#include <stdbool.h>

/* X(NAME, text for the table that sim-mutations prints). The text says what is
 * done when the rule is off. */
#define TS_RULE_LIST(X)                                                        \
    X(CLOCK_BEFORE_SEND, "clock read after the send")                          \
    X(EPSILON, "epsilon ignored")                                              \
    X(MARGIN, "m ignored")                                                     \
    X(OBSERVED_CHANGE, "standby counts from the lease's own age")              \
    X(REREAD_AFTER_FENCE, "no re-read after the fence")                        \
    X(FENCE_VERIFIED, "fence unverified")                                      \
    X(TOKEN_EXPIRY, "token expiry ignored")                                    \
    X(NOTHING_WHILE_PENDING, "deletes while pending")                          \
    X(PROGRESS, "renewal without progress")                                    \
    X(EPOCH_PERSISTED, "epoch not persisted")                                  \
    X(REGISTER_REGRESSED, "restored register accepted")                        \
    X(CANDIDATE_CURRENT, "stale candidate accepted")                           \
    X(INTENT_FIRST, "intent after effect")                                     \
    X(WATERMARK_LAST, "watermark before rows")                                 \
    X(POSITION_IN_APPLY, "position outside the apply transaction")             \
    X(PRE_SUM, "pre-sum unchecked")                                            \
    X(GUARD_WINDOW, "guard window lost at takeover")                           \
    X(TAIL_FIRST, "old primary takes a snapshot before handing over its tail") \
    X(PRINCIPAL_OWN, "one credential for both nodes")                          \
    X(NO_SILENT_RESEND, "silent re-send allowed")                              \
    X(FOUND_KEPT, "found ledger rows deletable")                               \
    X(LATE_EFFECT, "late effect not looked up again")                          \
    X(NEVER_REENABLE, "a fenced principal re-enabled")                         \
    X(PUBLISH_FIRST, "principal used before it is published")                  \
    X(PROMISE_NO_CAS, "promise given with a CAS unanswered")                   \
    X(PROMISE_FROM_REQUEST, "promise counted from receipt")                    \
    X(QUIESCE, "quiesce skipped")                                              \
    X(SETTLE_OBSERVES, "settlement executes")                                  \
    X(OUTAGE_NOT_REFUSAL, "outage taken for refusal")                          \
    X(SUM_RECOMPUTED, "sum copied instead of recomputed")                      \
    X(LINEAGE, "lineage unchecked")                                            \
    X(START_WAIT, "acquisition right after a start")                           \
    X(MEMBER_ONLY, "non-member CAS")

enum ts_rule {
#define TS_RULE_ENUM(id, text) TS_RULE_##id,
    TS_RULE_LIST(TS_RULE_ENUM)
#undef TS_RULE_ENUM
    TS_RULES_COUNT
};

#if defined(TS_FAILPOINTS) || defined(TS_RULES)

#define TS_RULES_SWITCHABLE 1
bool ts_rule_holds(enum ts_rule rule);
#define TS_RULE(id) ts_rule_holds(TS_RULE_##id)

/* Off until ts_rules_restore(). */
void ts_rule_disable(enum ts_rule rule);
void ts_rules_restore(void);
/* "EPSILON" and "epsilon ignored". */
const char *ts_rule_name(enum ts_rule rule);
const char *ts_rule_text(enum ts_rule rule);
/* TS_RULES_COUNT when there is no rule of that name. */
enum ts_rule ts_rule_find(const char *name);

#else
#define TS_RULES_SWITCHABLE 0
#define TS_RULE(id)         ((void) TS_RULE_##id, true)
#endif

#endif
