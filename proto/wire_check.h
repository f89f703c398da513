/* wire_check -- the ranges of a message's fields, the same in both directions
 * (W2). */
#ifndef PROTO_WIRE_CHECK_H
#define PROTO_WIRE_CHECK_H

#include "proto/wire_codec.h"

/* Errors   `code`: "the heartbeat's level is 1000001, more than 1000000". */
TS_MUSTUSE enum ts_code wire_check(const struct wire_message *message,
                                   enum ts_code code, struct ts_err *err);

#endif
