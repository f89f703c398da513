/* server -- the witness's sockets: a ROUTER behind CURVE, one request at a
 * time, each answered before the next is taken. */
#ifndef TOOLS_WITNESS_SERVER_H
#define TOOLS_WITNESS_SERVER_H

#include "tools/witness/state.h"

/* Serve on `endpoint` until SIGTERM or SIGINT, which must be blocked.
 * Errors   TS_E_CONFIG (cannot listen there), TS_E_IO, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code server_run(const struct witness_state *state,
                                   const char *endpoint, struct ts_err *err);

#endif
