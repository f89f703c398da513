/* Any bytes as a stored watermark: refused, or the same text comes out again,
 * or a shorter one of the same meaning (a trail at rest). */
#include <assert.h>

#include "node/source/trail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct trail trail;
    static uint8_t text[TRAIL_TEXT_MAX];
    static uint8_t again[TRAIL_TEXT_MAX];
    if (trail_parse(ts_slice(data, size), &trail, NULL) != TS_OK) {
        return 0;
    }
    size_t printed = trail_print(&trail, text);
    assert(printed > 0 && printed <= size);
    assert(trail_parse(ts_slice(text, printed), &trail, NULL) == TS_OK);
    assert(trail_print(&trail, again) == printed);
    assert(memcmp(text, again, printed) == 0);
    return 0;
}
