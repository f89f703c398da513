/* seen -- a set of row ids, for telling what an enumeration did not mention.
 * A bitmap: ids are drawn one after the other, so it is an eighth of a byte an
 * object that ever was. */
#ifndef NODE_ENGINE_SEEN_H
#define NODE_ENGINE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen {
    uint64_t *words;
    size_t word_count;
    uint64_t count; /* of distinct ids */
};

/* A zeroed struct is the empty set. False: out of memory. */
bool seen_add(struct seen *seen, int64_t id);
bool seen_has(const struct seen *seen, int64_t id);
void seen_done(struct seen *seen);

#endif
