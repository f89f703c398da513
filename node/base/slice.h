/* slice.h -- (pointer, length): directory values are bytes, not C strings. */
#ifndef NODE_BASE_SLICE_H
#define NODE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrows `data`; says nothing about NUL, UTF-8 or ownership. */
struct ts_slice {
    const uint8_t *data;
    size_t size;
};

#define TS_SLICE_NONE ((struct ts_slice){ NULL, 0 })

static inline struct ts_slice ts_slice(const void *data, size_t size)
{
    return (struct ts_slice){ (const uint8_t *) data, size };
}

/* NULL gives the empty slice. */
static inline struct ts_slice ts_slice_str(const char *text)
{
    return ts_slice(text, text == NULL ? 0 : strlen(text));
}

static inline bool ts_slice_equal(struct ts_slice a, struct ts_slice b)
{
    return a.size == b.size &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Byte order; a prefix sorts before what it begins. */
static inline int ts_slice_compare(struct ts_slice a, struct ts_slice b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n == 0 ? 0 : memcmp(a.data, b.data, n);
    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

/* For printf("%.*s", TS_SLICE_ARGS(s)); cut at INT_MAX by the caller's limits.
 */
#define TS_SLICE_ARGS(s) (int) (s).size, (const char *) (s).data

#endif
