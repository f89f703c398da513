/*
 * contest -- who would get an object of the target, if it were clear who.
 *
 * A person who cannot be matched (match.h) has a problem of stage "match" that
 * says why, with the key of what is contended for: the value by which it
 * matches, or the anchor. Through the key the others are found who contend for
 * the same, so that the outcome does not depend on who came first, and so that
 * all are looked at again when the cause is gone:
 *
 *   an object of the target changed or went   contest_stir, of its values
 *   a claimant changed, left, or got another  contest_over, when compared
 *   nothing that we were told of              hourly (problem_retry)
 *
 * Everything here is in the caller's transaction.
 */
#ifndef NODE_ENGINE_CONTEST_H
#define NODE_ENGINE_CONTEST_H

#include "node/engine/context.h"
#include "node/metaverse/object.h"
#include "node/metaverse/target_space.h"

/* What is contended for: equal texts are equal keys. */
struct ts_hash contest_key_of_value(struct ts_slice match_value);
struct ts_hash contest_key_of_anchor(struct ts_slice anchor);

struct contest {
    struct ts_hash key;
    const char *code; /* path of the problem: "match", "invalid-soft-match" */
    const char *text; /* one sentence */
};

/* Note that `object` is not matched, and why. */
TS_MUSTUSE enum ts_code contest_refuse(struct engine_context *engine,
                                       const struct metaverse_object *object,
                                       const struct contest *contest,
                                       struct ts_err *err);

/* Do others of the kind contend for what `object` could take, which has the id
 * `target_id`? Whoever would have got it does not any more: an adoption that is
 * decided and not sent is revoked. *ret_others counts them; all of them get
 * the text that `contest_several` makes. */
TS_MUSTUSE enum ts_code contest_others(struct engine_context *engine,
                                       const struct metaverse_object *object,
                                       const struct ts_hash *key,
                                       struct ts_slice target_id,
                                       int64_t *ret_others, struct ts_err *err);

/* Why none of `claimants` gets the object. */
void contest_several(char text[static 320], int kind, int64_t claimants,
                     struct ts_slice target_id);

/* The object was compared. Its refusals are over, but for `still` (NULL: all):
 * whoever else contends for the same becomes due. */
TS_MUSTUSE enum ts_code contest_over(struct engine_context *engine,
                                     const struct metaverse_object *object,
                                     const struct contest *still,
                                     struct ts_err *err);

/* An object of the target that is not ours was read, and is not as before, or
 * is gone: whoever contends for it becomes due. */
TS_MUSTUSE enum ts_code contest_stir(struct engine_context *engine,
                                     const struct target_row *row,
                                     struct ts_err *err);

#endif
