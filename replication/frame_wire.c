#include "replication/frame_wire.h"

_Static_assert(WIRE_ID_SIZE == FRAME_ID_SIZE, "ids are copied");
enum {
    SENT_CHUNK_SIZE = WIRE_CHUNK_SIZE,
    KEPT_CHUNK_SIZE = FRAME_CHUNK_SIZE
};
_Static_assert(SENT_CHUNK_SIZE == KEPT_CHUNK_SIZE, "chunks are the same");
_Static_assert(WIRE_CHUNKS_MAX == FRAME_CHUNKS_MAX, "of the same number");
_Static_assert(FRAME_PIECES_MAX <= WIRE_ROWS_MAX, "a frame fits a message");
_Static_assert(FRAME_HINTS_MAX <= WIRE_HINTS_MAX, "a tail fits a message");
_Static_assert((int) FRAME_UNKNOWN == (int) WIRE_DIVERGED_UNKNOWN &&
                   (int) FRAME_TOO_OLD == (int) WIRE_DIVERGED_TOO_OLD &&
                   (int) FRAME_NO_STATE == (int) WIRE_DIVERGED_NO_STATE,
               "the reasons have the same numbers");

static struct wire_position position_out(const struct journal_position *at)
{
    struct wire_position to = { .generation = at->generation,
                                .epoch = at->epoch,
                                .seq = at->seq,
                                .level = (uint32_t) at->level };
    sum_store(at->sum, to.sum);
    return to;
}

static struct journal_position position_in(const struct wire_position *at)
{
    return (struct journal_position){ .generation = at->generation,
                                      .epoch = at->epoch,
                                      .level = at->level,
                                      .seq = at->seq,
                                      .sum = sum_load(at->sum) };
}

static struct wire_id id_out(const struct frame_id *id)
{
    struct wire_id to;
    memcpy(to.bytes, id->bytes, sizeof to.bytes);
    return to;
}

static struct frame_id id_in(const struct wire_id *id)
{
    struct frame_id to;
    memcpy(to.bytes, id->bytes, sizeof to.bytes);
    return to;
}

static enum ts_code no_memory(struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0,
                   "could not translate a message of replication: it needs "
                   "more memory than it may have");
}

/* ---- out ---------------------------------------------------------------- */

static struct wire_row row_out(const struct frame_piece *piece)
{
    const struct journal_item *item = &piece->item;
    struct wire_row row = {
        .is_mark = item->kind == JOURNAL_EPOCH,
        .generation = item->generation,
        .epoch = item->epoch,
        .seq = item->seq,
        .at = item->at,
        .level = (uint32_t) item->level,
        .changeset = item->changeset,
        .offset = piece->offset,
        .size = piece->total,
    };
    sum_store(item->pre, row.pre_sum);
    sum_store(item->post, row.post_sum);
    return row;
}

static enum ts_code rows_out(const struct frame_rows *from,
                             struct ts_arena *arena, struct wire_rows *to,
                             struct ts_err *err)
{
    to->count = from->count;
    to->leader = position_out(&from->leader);
    to->rows = ts_arena_array(arena, from->count, sizeof *to->rows);
    if (to->rows == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < from->count; i++) {
        to->rows[i] = row_out(&from->pieces[i]);
    }
    return TS_OK;
}

static enum ts_code tail_out(const struct frame_tail *from,
                             struct ts_arena *arena, struct wire_tail *to,
                             struct ts_err *err)
{
    *to = (struct wire_tail){ .epoch = from->epoch,
                              .boot = id_out(&from->boot),
                              .index = from->number,
                              .last = from->last,
                              .cut = from->cut,
                              .count = from->count };
    to->hints = ts_arena_array(arena, from->count, sizeof *to->hints);
    if (to->hints == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < from->count; i++) {
        to->hints[i] =
            (struct wire_hint){ .kind = (uint32_t) from->hints[i].kind,
                                .anchor = from->hints[i].anchor };
    }
    return TS_OK;
}

static const struct {
    enum ts_code code;
    enum wire_refusal refusal;
} refusals[] = {
    { TS_E_NOT_FOUND, WIRE_REFUSED_SNAPSHOT },
    { TS_E_REFUSED, WIRE_REFUSED_EPOCH },
    { TS_E_VERSION, WIRE_REFUSED_LEVEL },
    { TS_E_IO, WIRE_REFUSED_OTHER },
};
#define REFUSALS (sizeof refusals / sizeof refusals[0])

static enum ts_code refused_out(const struct frame_refused *from,
                                struct ts_arena *arena, struct wire_refused *to,
                                struct ts_err *err)
{
    struct ts_slice text = from->text;
    to->refusal = WIRE_REFUSED_OTHER;
    to->about = WIRE_UNKNOWN;
    for (size_t i = 0; i < REFUSALS; i++) {
        if (refusals[i].code == from->code) {
            to->refusal = refusals[i].refusal;
        }
    }
    text.size = text.size < WIRE_TEXT_MAX ? text.size : WIRE_TEXT_MAX;
    to->text = (const char *) ts_arena_copy(arena, text).data;
    return to->text == NULL && text.size > 0 ? no_memory(err) : TS_OK;
}

static void offer_out(const struct frame_offer *from,
                      struct wire_snapshot_offer *to)
{
    to->id = id_out(&from->id);
    to->position = position_out(&from->at);
    to->file_size = from->size;
    to->chunk_count = from->hashes.size / TS_HASH_SIZE;
    to->chunk_hashes = (const struct ts_hash *) from->hashes.data;
}

/* Those without an array or text. */
static void small_out(const struct frame *frame, struct wire_message *to)
{
    switch (frame->type) {
    case FRAME_FOLLOW:
        to->follow_from = (struct wire_follow_from){
            .position = position_out(&frame->follow.at),
            .credit = frame->follow.credit,
        };
        break;
    case FRAME_APPLIED:
        to->applied = (struct wire_applied){
            .position = position_out(&frame->applied.at),
            .received = frame->applied.received,
            .consumed = frame->applied.consumed,
        };
        break;
    case FRAME_DIVERGED:
        to->diverged = (struct wire_diverged){
            .why = (enum wire_divergence) frame->diverged.why,
            .fork_known = frame->diverged.fork_known,
            .fork = position_out(&frame->diverged.fork),
        };
        break;
    case FRAME_OFFER:
        offer_out(&frame->offer, &to->snapshot_offer);
        break;
    case FRAME_WANT:
        to->snapshot_want = (struct wire_snapshot_want){
            .id = id_out(&frame->want.id),
            .index = frame->want.index,
            .credit = frame->want.credit,
        };
        break;
    case FRAME_CHUNK:
        to->snapshot_chunk = (struct wire_snapshot_chunk){
            .id = id_out(&frame->chunk.id),
            .index = frame->chunk.index,
            .raw_size = frame->chunk.raw_size,
            .data = frame->chunk.packed,
        };
        break;
    case FRAME_TAIL_TAKEN:
        to->tail_taken =
            (struct wire_tail_taken){ .index = frame->tail_taken.number,
                                      .accepted = frame->tail_taken.accepted };
        break;
    case FRAME_ROWS:
    case FRAME_TAIL:
    case FRAME_REFUSED:
    case FRAME_TYPES:
        break;
    }
}

enum ts_code frame_to_wire(const struct frame *frame, struct ts_arena *arena,
                           struct wire_message *ret_message, struct ts_err *err)
{
    static const enum wire_kind kinds[FRAME_TYPES] = {
        [FRAME_FOLLOW] = WIRE_FOLLOW_FROM,    [FRAME_ROWS] = WIRE_ROWS,
        [FRAME_APPLIED] = WIRE_APPLIED,       [FRAME_DIVERGED] = WIRE_DIVERGED,
        [FRAME_OFFER] = WIRE_SNAPSHOT_OFFER,  [FRAME_WANT] = WIRE_SNAPSHOT_WANT,
        [FRAME_CHUNK] = WIRE_SNAPSHOT_CHUNK,  [FRAME_TAIL] = WIRE_TAIL,
        [FRAME_TAIL_TAKEN] = WIRE_TAIL_TAKEN, [FRAME_REFUSED] = WIRE_REFUSED,
    };
    struct wire_message *to = ret_message;
    to->kind = kinds[frame->type];
    to->header.epoch = frame->epoch;
    to->header.stream = frame->stream;
    if (frame->type == FRAME_ROWS) {
        return rows_out(&frame->rows, arena, &to->rows, err);
    }
    if (frame->type == FRAME_TAIL) {
        return tail_out(&frame->tail, arena, &to->tail, err);
    }
    if (frame->type == FRAME_REFUSED) {
        return refused_out(&frame->refused, arena, &to->refused, err);
    }
    small_out(frame, to);
    return TS_OK;
}

/* ---- in ----------------------------------------------------------------- */

static struct frame_piece piece_in(const struct wire_row *row)
{
    return (struct frame_piece){
        .item = { .kind = row->is_mark ? JOURNAL_EPOCH : JOURNAL_ROW,
                  .seq = row->seq,
                  .generation = row->generation,
                  .epoch = row->epoch,
                  .level = row->level,
                  .at = row->at,
                  .pre = sum_load(row->pre_sum),
                  .post = sum_load(row->post_sum),
                  .changeset = row->changeset },
        .total = (size_t) row->size,
        .offset = (size_t) row->offset,
    };
}

static enum ts_code rows_in(const struct wire_rows *from,
                            struct ts_arena *arena, struct frame_rows *to,
                            struct ts_err *err)
{
    if (from->count > FRAME_PIECES_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot take %zu rows in one message: the limit is %d",
                       from->count, FRAME_PIECES_MAX);
    }
    struct frame_piece *pieces =
        ts_arena_array(arena, from->count, sizeof *pieces);
    if (pieces == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < from->count; i++) {
        pieces[i] = piece_in(&from->rows[i]);
    }
    *to = (struct frame_rows){ .leader = position_in(&from->leader),
                               .count = from->count,
                               .pieces = pieces };
    return TS_OK;
}

static enum ts_code tail_in(const struct wire_tail *from,
                            struct ts_arena *arena, struct frame_tail *to,
                            struct ts_err *err)
{
    if (from->count > FRAME_HINTS_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot take %zu hints in one message: the limit is %d",
                       from->count, FRAME_HINTS_MAX);
    }
    struct frame_hint *hints =
        ts_arena_array(arena, from->count, sizeof *hints);
    if (hints == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < from->count; i++) {
        hints[i] = (struct frame_hint){ .kind = from->hints[i].kind,
                                        .anchor = from->hints[i].anchor };
    }
    *to = (struct frame_tail){ .epoch = from->epoch,
                               .boot = id_in(&from->boot),
                               .number = from->index,
                               .last = from->last,
                               .cut = from->cut,
                               .count = from->count,
                               .hints = hints };
    return TS_OK;
}

static void refused_in(const struct wire_refused *from,
                       struct frame_refused *to)
{
    to->code = TS_E_IO;
    to->text = ts_slice_str(from->text);
    for (size_t i = 0; i < REFUSALS; i++) {
        if (refusals[i].refusal == from->refusal) {
            to->code = refusals[i].code;
        }
    }
}

static void offer_in(const struct wire_snapshot_offer *from,
                     struct frame_offer *to)
{
    *to = (struct frame_offer){
        .id = id_in(&from->id),
        .at = position_in(&from->position),
        .size = from->file_size,
        .hashes =
            ts_slice(from->chunk_hashes, from->chunk_count * TS_HASH_SIZE),
    };
}

/* Those without an array. */
static enum ts_code small_in(const struct wire_message *from, struct frame *to,
                             struct ts_err *err)
{
    if (from->kind == WIRE_FOLLOW_FROM) {
        to->type = FRAME_FOLLOW;
        to->follow.at = position_in(&from->follow_from.position);
        to->follow.credit = from->follow_from.credit;
    } else if (from->kind == WIRE_APPLIED) {
        to->type = FRAME_APPLIED;
        to->applied.at = position_in(&from->applied.position);
        to->applied.received = from->applied.received;
        to->applied.consumed = from->applied.consumed;
    } else if (from->kind == WIRE_DIVERGED) {
        to->type = FRAME_DIVERGED;
        to->diverged.why = (enum frame_divergence) from->diverged.why;
        to->diverged.fork_known = from->diverged.fork_known;
        to->diverged.fork = position_in(&from->diverged.fork);
    } else if (from->kind == WIRE_SNAPSHOT_OFFER) {
        to->type = FRAME_OFFER;
        offer_in(&from->snapshot_offer, &to->offer);
    } else if (from->kind == WIRE_SNAPSHOT_WANT) {
        to->type = FRAME_WANT;
        to->want.id = id_in(&from->snapshot_want.id);
        to->want.index = from->snapshot_want.index;
        to->want.credit = from->snapshot_want.credit;
    } else if (from->kind == WIRE_SNAPSHOT_CHUNK) {
        to->type = FRAME_CHUNK;
        to->chunk.id = id_in(&from->snapshot_chunk.id);
        to->chunk.index = from->snapshot_chunk.index;
        to->chunk.raw_size = from->snapshot_chunk.raw_size;
        to->chunk.packed = from->snapshot_chunk.data;
    } else if (from->kind == WIRE_TAIL_TAKEN) {
        to->type = FRAME_TAIL_TAKEN;
        to->tail_taken.number = from->tail_taken.index;
        to->tail_taken.accepted = from->tail_taken.accepted;
    } else if (from->kind == WIRE_REFUSED) {
        to->type = FRAME_REFUSED;
        refused_in(&from->refused, &to->refused);
    } else {
        return ts_fail(err, TS_E_NOT_FOUND, 0,
                       "a message of kind %s is not one of replication",
                       wire_kind_text(from->kind));
    }
    return TS_OK;
}

enum ts_code frame_of_wire(const struct wire_message *message,
                           struct ts_arena *arena, struct frame *ret_frame,
                           struct ts_err *err)
{
    struct frame frame = { .epoch = message->header.epoch,
                           .stream = message->header.stream };
    enum ts_code code;
    if (message->kind == WIRE_ROWS) {
        frame.type = FRAME_ROWS;
        code = rows_in(&message->rows, arena, &frame.rows, err);
    } else if (message->kind == WIRE_TAIL) {
        frame.type = FRAME_TAIL;
        code = tail_in(&message->tail, arena, &frame.tail, err);
    } else {
        code = small_in(message, &frame, err);
    }
    if (code == TS_OK) {
        *ret_frame = frame;
    }
    return code;
}
