#include "node/target/fence.h"

#include <assert.h>
#include <stdio.h>

#include "node/base/rule.h"

void fence_init(struct fence *fence, const struct fence_options *options)
{
    *fence = (struct fence){
        .options = *options,
        .next = options->lifetime_s == 0 ? FENCE_DELETE : FENCE_ASK_CANARY,
    };
}

/* -- time -------------------------------------------------------------------
 */

/* From the client's end until every recorded token has ended; INT64_MAX: it
 * cannot be said. */
static int64_t expiry_ms(const struct fence *fence)
{
    int64_t seconds = fence->options.lifetime_s;
    if (!TS_RULE(TOKEN_EXPIRY)) {
        seconds = 0;
    }
    if (seconds >= FENCE_LIFETIME_UNKNOWN) {
        return INT64_MAX;
    }
    return seconds == 0 ? 0
                        : seconds * 10 * (100 + fence->options.error_percent) +
                              FENCE_EXPIRY_MARGIN_MS;
}

/* May the canary still be judged? Not once it can have ended by itself. */
static bool canary_lives(const struct fence *fence, struct ts_clocks now)
{
    int64_t passed = ts_elapsed_most(fence->canary_from, now);
    return fence->canary &&
           passed / 100 * (100 + fence->options.error_percent) <
               fence->canary_life_ms;
}

/* By a quarter each: what has taken a while is noticed, when it is over, a
 * quarter of that while later at most. Nothing is exported meanwhile. */
static void rest(struct fence *fence, struct ts_clocks now)
{
    int64_t longer = fence->back_off_ms + fence->back_off_ms / 4;
    fence->back_off_ms = fence->back_off_ms == 0      ? FENCE_WAIT_MIN_MS
                         : longer > FENCE_WAIT_MAX_MS ? FENCE_WAIT_MAX_MS
                                                      : longer;
    fence->wait_from = now;
    fence->wait_ms = fence->back_off_ms;
}

static void go(struct fence *fence, enum fence_act next)
{
    fence->next = next;
    fence->odd = 0;
    fence->back_off_ms = fence->wait_ms = 0;
}

static void confirm(struct fence *fence, enum fence_evidence evidence)
{
    fence->evidence = evidence;
    go(fence, FENCE_DONE);
}

/* -- what to do ---------------------------------------------------------------
 */

/* The way of verifying that is open; WAIT: only expiry is. */
static enum fence_act verify(const struct fence *fence, struct ts_clocks now)
{
    if (!canary_lives(fence, now)) {
        return FENCE_WAIT;
    }
    return fence->admitted ? FENCE_TRY_CANARY
           : fence->seen   ? FENCE_SEE_CANARY
                           : FENCE_WAIT;
}

enum fence_act fence_next(struct fence *fence, struct ts_clocks now)
{
    fence->began = now;
    if (fence->gone && fence->next != FENCE_DONE) {
        int64_t expiry = expiry_ms(fence);
        if (expiry != INT64_MAX &&
            ts_elapsed_least(fence->gone_at, now) >= expiry) {
            confirm(fence, fence->options.lifetime_s == 0 ? FENCE_BY_NO_TOKEN
                                                          : FENCE_BY_EXPIRY);
        } else if (verify(fence, now) == FENCE_WAIT) {
            fence->next = FENCE_WAIT;
        }
    }
    return fence_wait_ms(fence, now) > 0 ? FENCE_WAIT : fence->next;
}

int64_t fence_wait_ms(const struct fence *fence, struct ts_clocks now)
{
    int64_t left = fence->wait_ms - ts_elapsed_least(fence->wait_from, now);
    if (fence->next == FENCE_WAIT) {
        int64_t expiry = expiry_ms(fence);
        left = expiry == INT64_MAX
                   ? FENCE_WAIT_MAX_MS
                   : expiry - ts_elapsed_least(fence->gone_at, now);
    }
    left = left > FENCE_WAIT_MAX_MS ? FENCE_WAIT_MAX_MS : left;
    return fence->next == FENCE_DONE || left < 0 ? 0 : left;
}

/* -- what came of it ----------------------------------------------------------
 */

/* No answer that helps: once more, or on to `next` when enough were odd. */
static void unhelpful(struct fence *fence, enum fence_answer answer,
                      enum fence_act next, struct ts_clocks now)
{
    fence->odd += answer != FENCE_BUSY;
    if (fence->odd >= FENCE_PATIENCE) {
        go(fence, next);
        return;
    }
    rest(fence, now);
    if (answer != FENCE_BUSY) { /* waiting longer would not change its mind */
        fence->wait_ms = fence->back_off_ms = FENCE_WAIT_MIN_MS;
    }
}

static void tell_canary(struct fence *fence, enum fence_answer answer,
                        int64_t lifetime_s, struct ts_clocks now)
{
    if (answer == FENCE_YES) {
        fence->canary = true;
        fence->canary_from = fence->began;
        int64_t seconds = lifetime_s >= FENCE_LIFETIME_UNKNOWN
                              ? FENCE_UNSAID_LIFE_S
                              : lifetime_s;
        /* A server that counts in whole seconds may end it one earlier. */
        fence->canary_life_ms =
            seconds > 1 ? 1000 * seconds - FENCE_EXPIRY_MARGIN_MS : 0;
        go(fence, FENCE_TRY_CANARY);
    } else if (answer == FENCE_NO) {
        go(fence, FENCE_DELETE); /* gone already, it seems */
    } else {
        unhelpful(fence, answer, FENCE_DELETE, now);
    }
}

static void tell_admission(struct fence *fence, enum fence_answer answer,
                           struct ts_clocks now)
{
    if (answer == FENCE_YES) {
        fence->admitted = true;
        fence->admitted_at = fence->began;
        go(fence, FENCE_DELETE);
    } else {
        unhelpful(fence, answer,
                  fence->options.introspection ? FENCE_SEE_CANARY
                                               : FENCE_DELETE,
                  now);
    }
}

static void tell_deletion(struct fence *fence, enum fence_answer answer,
                          struct ts_clocks now)
{
    if (answer != FENCE_YES && answer != FENCE_NO) {
        rest(fence, now);
    } else if (!TS_RULE(FENCE_VERIFIED)) {
        confirm(fence, FENCE_BY_NO_TOKEN);
    } else {
        go(fence, FENCE_ASK_AGAIN);
    }
}

static void end_at(struct fence *fence, struct ts_clocks when)
{
    fence->gone = true;
    fence->gone_at = when;
    fence->span_ms =
        fence->admitted ? ts_elapsed_most(fence->admitted_at, when) : 0;
}

static void tell_end(struct fence *fence, enum fence_answer answer,
                     struct ts_clocks now)
{
    if (answer == FENCE_NO) {
        end_at(fence, now);
        go(fence, verify(fence, now));
    } else {
        fence->next = answer == FENCE_YES ? FENCE_DELETE : fence->next;
        rest(fence, now);
    }
}

/* The canary after the end: by introspection, or by a read. */
static void tell_verdict(struct fence *fence, enum fence_answer answer,
                         enum fence_act control, struct ts_clocks now)
{
    bool refused = answer == FENCE_NO ||
                   (!TS_RULE(OUTAGE_NOT_REFUSAL) && answer == FENCE_BUSY);
    if (refused && canary_lives(fence, now)) {
        fence->next = control;
    } else {
        if (answer == FENCE_YES) {
            fence->refusals = 0;
        }
        rest(fence, now);
    }
}

static void tell_control(struct fence *fence, enum fence_answer answer,
                         struct ts_clocks now)
{
    if (answer != FENCE_YES && TS_RULE(OUTAGE_NOT_REFUSAL)) {
        /* The refusal before stands beside no success: it is none. */
        fence->next = verify(fence, now);
        rest(fence, now);
        return;
    }
    if (fence->next == FENCE_SEE_OWN) {
        confirm(fence, FENCE_BY_INTROSPECTION);
        return;
    }
    if (fence->refusals++ == 0) {
        fence->first_refusal = fence->began;
    }
    int64_t span = ts_elapsed_least(fence->first_refusal, now);
    if (fence->refusals >= FENCE_REFUSALS && span >= fence->span_ms) {
        confirm(fence, FENCE_BY_REFUSALS);
        return;
    }
    go(fence, FENCE_TRY_CANARY);
    if (fence->refusals >= FENCE_REFUSALS) { /* only time is missing */
        fence->wait_from = now;
        fence->wait_ms = fence->span_ms - span;
    }
}

void fence_tell(struct fence *fence, enum fence_answer answer,
                int64_t lifetime_s, struct ts_clocks now)
{
    fence->last = fence->next;
    fence->answer = answer;
    switch (fence->next) {
    case FENCE_ASK_CANARY:
        tell_canary(fence, answer, lifetime_s, now);
        break;
    case FENCE_TRY_CANARY:
        if (fence->gone) {
            tell_verdict(fence, answer, FENCE_TRY_OWN, now);
        } else {
            tell_admission(fence, answer, now);
        }
        break;
    case FENCE_SEE_CANARY:
        if (fence->gone) {
            tell_verdict(fence, answer, FENCE_SEE_OWN, now);
        } else if (answer == FENCE_BUSY) {
            unhelpful(fence, FENCE_ODD, FENCE_DELETE, now);
        } else {
            fence->seen = answer == FENCE_YES;
            go(fence, FENCE_DELETE);
        }
        break;
    case FENCE_DELETE:
        tell_deletion(fence, answer, now);
        break;
    case FENCE_ASK_AGAIN:
        tell_end(fence, answer, now);
        break;
    case FENCE_TRY_OWN:
    case FENCE_SEE_OWN:
        tell_control(fence, answer, now);
        break;
    case FENCE_WAIT:
    case FENCE_DONE:
        assert(false); /* told without having been asked */
        break;
    }
    assert(fence->evidence == FENCE_BY_NOTHING || fence->gone ||
           !TS_RULE(FENCE_VERIFIED)); /* F1 */
}

/* -- memory --------------------------------------------------------------- */

void fence_remember(const struct fence *fence, struct fence_memory *ret_memory)
{
    *ret_memory = (struct fence_memory){
        .canary = fence->canary,
        .admitted = fence->admitted,
        .seen = fence->seen,
        .gone = fence->gone,
        .canary_from = fence->canary_from,
        .admitted_at = fence->admitted_at,
        .gone_at = fence->gone_at,
        .canary_life_ms = fence->canary_life_ms,
    };
}

void fence_resume(struct fence *fence, const struct fence_memory *memory,
                  struct ts_clocks now)
{
    fence->canary = memory->canary;
    fence->admitted = memory->admitted;
    fence->seen = memory->seen;
    fence->canary_from = memory->canary_from;
    fence->admitted_at = memory->admitted_at;
    fence->canary_life_ms = memory->canary_life_ms;
    if (memory->gone) {
        end_at(fence, memory->gone_at);
        go(fence, verify(fence, now));
    } else if (memory->admitted || memory->seen) {
        go(fence, FENCE_DELETE);
    }
}

/* -- for people ---------------------------------------------------------------
 */

enum fence_evidence fence_evidence(const struct fence *fence)
{
    return fence->evidence;
}

/* Whom the last act asked. */
static const char *asked(const struct fence *fence)
{
    static const char *const whom[] = {
        [FENCE_ASK_CANARY] = "the token endpoint",
        [FENCE_TRY_CANARY] = "the target",
        [FENCE_SEE_CANARY] = "the introspection endpoint",
        [FENCE_DELETE] = "the registration endpoint",
        [FENCE_ASK_AGAIN] = "the token endpoint",
        [FENCE_TRY_OWN] = "the target",
        [FENCE_SEE_OWN] = "the introspection endpoint",
        [FENCE_WAIT] = "",
        [FENCE_DONE] = "",
    };
    return whom[fence->last];
}

/* Why it is not confirmed; `who` comes before it. */
static const char *waits_for(const struct fence *fence, const char **ret_who)
{
    *ret_who = "";
    if (fence->next == FENCE_WAIT) {
        return "the client is deleted, no token of it could be judged";
    }
    if (fence->last == FENCE_ASK_AGAIN && fence->answer == FENCE_YES) {
        return "the client still gets tokens: the registration endpoint did "
               "not delete it";
    }
    if (fence->gone && fence->answer == FENCE_YES &&
        (fence->last == FENCE_TRY_CANARY || fence->last == FENCE_SEE_CANARY)) {
        return "the client is deleted, but its tokens are still admitted";
    }
    *ret_who = asked(fence);
    if (fence->answer == FENCE_BUSY) {
        return " does not answer, or is busy";
    }
    switch (fence->last) {
    case FENCE_DELETE:
        return " did not delete the client, nor say that it is gone";
    case FENCE_TRY_OWN:
    case FENCE_SEE_OWN:
        return " does not accept our own credential";
    case FENCE_ASK_CANARY:
    case FENCE_ASK_AGAIN:
        return " neither granted a token nor said that the client is unknown";
    case FENCE_TRY_CANARY:
    case FENCE_SEE_CANARY:
    case FENCE_WAIT:
    case FENCE_DONE:
        break;
    }
    return " answered neither with success nor with 401";
}

void fence_text(const struct fence *fence, struct ts_clocks now, char *text,
                size_t size)
{
    static const char *const by[] = {
        [FENCE_BY_NOTHING] = "",
        [FENCE_BY_INTROSPECTION] =
            "deleted; a token of it that was active is inactive by "
            "introspection, where ours is active",
        [FENCE_BY_REFUSALS] = "deleted; a token of it that was admitted was "
                              "refused (401) each time, beside as many "
                              "successes of our own",
        [FENCE_BY_EXPIRY] = "deleted; the longest life of a token that it "
                            "recorded has passed since",
        [FENCE_BY_NO_TOKEN] = "deleted; it never had a token",
    };
    if (fence->evidence != FENCE_BY_NOTHING) {
        (void) snprintf(text, size, "%s", by[fence->evidence]);
        return;
    }
    int64_t expiry = fence->gone ? expiry_ms(fence) : INT64_MAX;
    const char *who, *why = waits_for(fence, &who);
    if (expiry != INT64_MAX) {
        int64_t left = expiry - ts_elapsed_least(fence->gone_at, now);
        (void) snprintf(text, size, "%s%s; confirmed in %lld s at the latest",
                        who, why,
                        (long long) ((left < 0 ? 0 : left) + 999) / 1000);
    } else if (fence->next == FENCE_WAIT) {
        (void) snprintf(text, size,
                        "%s%s, and how long its tokens live was not said: "
                        "nothing but an operator can end this",
                        who, why);
    } else {
        (void) snprintf(text, size, "%s%s", who, why);
    }
}
