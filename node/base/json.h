/* json.h -- JSON from outside: jansson behind size, depth and duplicate checks.
 *
 * Every document that crosses the process's border is parsed here, so that the
 * limits stand in one place. Strings are valid UTF-8 (jansson's promise);
 * "\u0000" in a string is refused. */
#ifndef NODE_BASE_JSON_H
#define NODE_BASE_JSON_H

#include <jansson.h>

#include "node/base/arena.h"
#include "node/base/err.h"

#define TS_JSON_DEPTH_MAX 32

static inline void ts_cleanup_json(json_t **slot)
{
    json_decref(*slot);
}
#define TS_AUTOJSON __attribute__((cleanup(ts_cleanup_json)))

/* The one object or array in `bytes`.
 * Owns     the result: json_decref.
 * Errors   TS_E_PROTOCOL: not JSON, a name twice in an object, deeper than
 *          TS_JSON_DEPTH_MAX. The caller bounds the size. */
TS_MUSTUSE enum ts_code ts_json_parse(struct ts_slice bytes, json_t **ret_json,
                                      struct ts_err *err);

/* `json` in compact form with sorted names (equal documents print equally), in
 * `arena`.
 * Errors   a NULL slice: out of memory or past the arena's maximum. */
struct ts_slice ts_json_print(const json_t *json, struct ts_arena *arena);

/* Member `name` of an object when it is a string (or boolean, integer), else
 * the fallback; `object` may be NULL or of another type. */
const char *ts_json_text(const json_t *object, const char *name);
bool ts_json_flag(const json_t *object, const char *name, bool fallback);
int64_t ts_json_number(const json_t *object, const char *name,
                       int64_t fallback);

#endif
