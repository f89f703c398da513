/* document -- the register's value as JSON, for `register status`: what an
 * operator may see of it, and no secret (node/control/commands.md). */
#ifndef NODE_REGISTER_DOCUMENT_H
#define NODE_REGISTER_DOCUMENT_H

#include <jansson.h>

#include "proto/register_codec.h"

/* `age_ms`: since it was seen to change; -1: not known.
 * Owns     json_decref. Errors: NULL: out of memory. */
json_t *register_document(const struct register_value *value, int64_t age_ms);

#endif
