/*
 * answer -- from a request's bytes to a reply's: the witness without its
 * sockets.
 *
 * Who asks is known and admitted before this is called; here it is held
 * against the cluster that the request names.
 */
#ifndef TOOLS_WITNESS_ANSWER_H
#define TOOLS_WITNESS_ANSWER_H

#include "tools/witness/state.h"

struct answerer;

/* Owns     *ret_answerer: free it. Borrows `state`. */
TS_MUSTUSE enum ts_code answerer_new(const struct witness_state *state,
                                     struct answerer **ret_answerer,
                                     struct ts_err *err);
void answerer_free(struct answerer *answerer);

/* What to reply to `request` of somebody who speaks for `cluster`. The result
 * lives until the next call; it is empty when the bytes deserve no reply (no
 * request of any version). `err` tells what to log, or has the code TS_OK. */
struct ts_slice answer_request(struct answerer *answerer, const char *cluster,
                               struct ts_slice request, struct ts_err *err);

#endif
