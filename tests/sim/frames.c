#include "tests/sim/frames.h"

#include <assert.h>
#include <string.h>

#include "tests/sim/agenda.h"

/* Written once without memory, to learn the size, and once with. */
struct cursor {
    uint8_t *bytes; /* NULL: only counts */
    size_t at;
};

static void put(struct cursor *cursor, const void *bytes, size_t size)
{
    if (cursor->bytes != NULL && size > 0) {
        memcpy(cursor->bytes + cursor->at, bytes, size);
    }
    cursor->at += (size + 15) / 16 * 16;
}

static uint8_t *take(struct cursor *cursor, size_t size)
{
    uint8_t *bytes = cursor->bytes + cursor->at;
    cursor->at += (size + 15) / 16 * 16;
    return bytes;
}

static void write(struct cursor *cursor, const struct frame *frame)
{
    put(cursor, frame, sizeof *frame);
    switch (frame->type) {
    case FRAME_ROWS:
        put(cursor, frame->rows.pieces,
            frame->rows.count * sizeof frame->rows.pieces[0]);
        for (size_t i = 0; i < frame->rows.count; i++) {
            struct ts_slice piece = frame->rows.pieces[i].item.changeset;
            put(cursor, piece.data, piece.size);
        }
        break;
    case FRAME_OFFER:
        put(cursor, frame->offer.hashes.data, frame->offer.hashes.size);
        break;
    case FRAME_CHUNK:
        put(cursor, frame->chunk.packed.data, frame->chunk.packed.size);
        break;
    case FRAME_TAIL:
        put(cursor, frame->tail.hints,
            frame->tail.count * sizeof frame->tail.hints[0]);
        for (size_t i = 0; i < frame->tail.count; i++) {
            struct ts_slice anchor = frame->tail.hints[i].anchor;
            put(cursor, anchor.data, anchor.size);
        }
        break;
    case FRAME_REFUSED:
        put(cursor, frame->refused.text.data, frame->refused.text.size);
        break;
    case FRAME_FOLLOW:
    case FRAME_APPLIED:
    case FRAME_DIVERGED:
    case FRAME_WANT:
    case FRAME_TAIL_TAKEN:
    case FRAME_TYPES:
        break;
    }
}

uint8_t *frames_pack(const struct frame *frame, size_t head, size_t *ret_size)
{
    struct cursor cursor = { .at = head };
    write(&cursor, frame);
    *ret_size = cursor.at;
    cursor = (struct cursor){ .bytes = sim_alloc(cursor.at), .at = head };
    write(&cursor, frame);
    return cursor.bytes;
}

static void read_rows(struct cursor *cursor, struct frame_rows *rows)
{
    struct frame_piece *pieces = (struct frame_piece *) (void *) take(
        cursor, rows->count * sizeof *pieces);
    for (size_t i = 0; i < rows->count; i++) {
        size_t size = pieces[i].item.changeset.size;
        pieces[i].item.changeset.data = take(cursor, size);
    }
    rows->pieces = pieces;
}

static void read_tail(struct cursor *cursor, struct frame_tail *tail)
{
    struct frame_hint *hints = (struct frame_hint *) (void *) take(
        cursor, tail->count * sizeof *hints);
    for (size_t i = 0; i < tail->count; i++) {
        hints[i].anchor.data = take(cursor, hints[i].anchor.size);
    }
    tail->hints = hints;
}

void frames_unpack(uint8_t *bytes, size_t size, struct frame *ret_frame)
{
    struct cursor cursor = { .bytes = bytes };
    memcpy(ret_frame, take(&cursor, sizeof *ret_frame), sizeof *ret_frame);
    switch (ret_frame->type) {
    case FRAME_ROWS:
        read_rows(&cursor, &ret_frame->rows);
        break;
    case FRAME_OFFER:
        ret_frame->offer.hashes.data =
            take(&cursor, ret_frame->offer.hashes.size);
        break;
    case FRAME_CHUNK:
        ret_frame->chunk.packed.data =
            take(&cursor, ret_frame->chunk.packed.size);
        break;
    case FRAME_TAIL:
        read_tail(&cursor, &ret_frame->tail);
        break;
    case FRAME_REFUSED:
        ret_frame->refused.text.data =
            take(&cursor, ret_frame->refused.text.size);
        break;
    case FRAME_FOLLOW:
    case FRAME_APPLIED:
    case FRAME_DIVERGED:
    case FRAME_WANT:
    case FRAME_TAIL_TAKEN:
    case FRAME_TYPES:
        break;
    }
    assert(cursor.at <= size);
    (void) size;
}
