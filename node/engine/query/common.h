/*
 * query_common -- pieces of the documents that operators get.
 *
 * Everything that leaves here is bounded and valid UTF-8, whatever the
 * directory holds: bytes that are no text become their size and the beginning
 * of their SHA-256, so that two of them can still be told apart.
 *
 * Functions that return json_t give a new reference, NULL when out of memory
 * (which jansson's setters pass on).
 */
#ifndef NODE_ENGINE_QUERY_COMMON_H
#define NODE_ENGINE_QUERY_COMMON_H

#include <jansson.h>

#include "node/base/entry.h"
#include "node/config/config.h"

#define QUERY_VALUES_MAX 200  /* of one attribute; then "… and 7 more" */
#define QUERY_TEXT_MAX   4096 /* bytes of one value; then "…" */

/* Text as it is, "?" when it is not UTF-8. */
json_t *query_text(struct ts_slice text);
/* Seconds since 1970 as RFC 3339; null for 0. */
json_t *query_time(int64_t seconds);
/* "user", "group" */
const char *query_kind(int kind);

/* The values as a list of texts; [] for NULL, CLEAR and KEEP. */
json_t *query_values(const struct ts_attribute *attribute);
/* A list of one text. */
json_t *query_one(struct ts_slice text);

/* What people call an object with these values: the userName of a user, the
 * displayName of a group, or else `otherwise`. Borrows both. */
struct ts_slice query_name(int kind, const struct ts_entry *values,
                           struct ts_slice otherwise);
/* The same of a packed entry; unpacks into `arena`. */
struct ts_slice query_packed_name(int kind, struct ts_slice packed,
                                  struct ts_slice otherwise,
                                  struct ts_arena *arena);

/* About how many bytes `document` takes when it is sent. */
size_t query_weight(const json_t *document);

#endif
