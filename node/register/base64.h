/* base64 -- RFC 4648 with padding, by OpenSSL, strictly. */
#ifndef NODE_REGISTER_BASE64_H
#define NODE_REGISTER_BASE64_H

#include "node/base/arena.h"

/* As a C string. Errors: NULL: out of memory, or past INT_MAX. */
const char *register_base64(struct ts_arena *arena, struct ts_slice bytes);
/* False when `text` is not the one way to write some bytes, or out of memory.
 */
bool register_unbase64(struct ts_arena *arena, struct ts_slice text,
                       struct ts_slice *ret_bytes);

#endif
