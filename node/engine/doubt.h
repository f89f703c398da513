/*
 * doubt -- when an operation in doubt may be looked up, and what the look says.
 *
 * A request whose answer was lost, or whose sender died, may still be worked on
 * at the target for the quiet time Q; nothing that is seen before its end is
 * the end of the story. So a look is made only after Q, counted on this node's
 * own clock from the moment in which no part of the request could be admitted
 * any more: the loss of its answer, or the takeover, which follows the fence.
 *
 *   in doubt --Q--> look --effect there--------> DONE
 *                        \-absent, after Q-----> NOT DONE: decided anew,
 * through \                      the guard, from the present
 *                          \-absent, before Q--> UNKNOWN: looked up again
 *
 * Settlement observes: no verdict ever leads to the old request being sent.
 * Pure; the simulator judges its own target with it.
 */
#ifndef NODE_ENGINE_DOUBT_H
#define NODE_ENGINE_DOUBT_H

#include <stdbool.h>
#include <stdint.h>

enum doubt_verdict {
    DOUBT_DONE,
    DOUBT_NOT_DONE,
    DOUBT_UNKNOWN,
    DOUBT_SEND_AGAIN /* never, but where a test has switched that rule off */
};

/* Since when nothing of it can be admitted, what time it is, and Q: one clock,
 * one unit, whichever. */
struct doubt_times {
    int64_t since, now, quiet;
};

/* Is it quiet: can what is seen now be believed to be the end of it? */
bool doubt_is_quiet(const struct doubt_times *times);

/* May it be looked up? */
bool doubt_may_look(bool quiet);

/* From a takeover on, for how long nothing is read of the target or written to
 * it: all of Q where `anything` may be under way, which is after an unprotected
 * period and of a node that was behind; 0 where that is known by object. */
int64_t doubt_rest(bool anything, int64_t quiet);

/* What a look shows that was made when doubt_is_quiet() said `quiet`. */
enum doubt_verdict doubt_judge(bool effect_seen, bool quiet);

#endif
