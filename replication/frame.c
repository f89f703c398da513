#include "replication/frame.h"

const char *frame_type_name(enum frame_type type)
{
    static const char *const names[FRAME_TYPES] = {
        [FRAME_FOLLOW] = "follow",         [FRAME_ROWS] = "rows",
        [FRAME_APPLIED] = "applied",       [FRAME_DIVERGED] = "diverged",
        [FRAME_OFFER] = "offer",           [FRAME_WANT] = "want",
        [FRAME_CHUNK] = "chunk",           [FRAME_TAIL] = "tail",
        [FRAME_TAIL_TAKEN] = "tail-taken", [FRAME_REFUSED] = "refused",
    };
    return names[type];
}

bool frame_id_equal(const struct frame_id *a, const struct frame_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
