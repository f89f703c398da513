#include "replication/follower_private.h"

/* So often the stream may break off without one row being made. */
#define ASKS_MAX 8

void follower_drop_queue(struct follower *follower)
{
    while (follower->first != NULL) {
        struct batch *batch = follower->first;
        follower->first = batch->next;
        batch_free(batch);
    }
    follower->last = NULL;
    follower->partial = 0;
    follower->held = 0;
}

void follower_ask(struct follower_step *step)
{
    struct follower *follower = step->follower;
    follower_drop_queue(follower);
    follower_go(step, FOLLOWER_ASKING);
    follower->ask_then = follower->applying;
    if (follower->applying) {
        return;
    }
    follower->stream = follower->nonce + ++follower->streams;
    follower->received = 0;
    follower->consumed = 0;
    follower->told = 0;
    follower->taken = follower->applied;
    struct frame *frame = follower_say(step, FRAME_FOLLOW);
    frame->follow.at = follower->applied;
    frame->follow.credit = FOLLOWER_CREDIT;
}

void follower_acknowledge(struct follower_step *step)
{
    struct follower *follower = step->follower;
    struct frame *frame = follower_say(step, FRAME_APPLIED);
    frame->applied.at = follower->applied;
    frame->applied.received = follower->received;
    frame->applied.consumed = follower->consumed;
    follower->told = follower->received;
}

/* F1: a whole batch, when the store has none. The one that is being filled is
 * whole when it ends with a whole item. */
void follower_feed_store(struct follower_step *step)
{
    struct follower *follower = step->follower;
    struct batch *batch = follower->first;
    if (follower->applying || batch == NULL ||
        (batch == follower->last && follower->partial > 0)) {
        return;
    }
    follower->first = batch->next;
    if (follower->first == NULL) {
        follower->last = NULL;
    }
    batch->next = NULL;
    follower->applying = true;
    follower->applying_size = batch->size;
    follower_add(step, FOLLOWER_APPLY)->batch = batch;
}

/* Where the next item goes; NULL: out of memory. */
static struct batch *room_for(struct follower *follower, size_t size)
{
    if (follower->last != NULL && batch_fits(follower->last, size)) {
        return follower->last;
    }
    struct batch *batch = batch_new();
    if (batch == NULL) {
        return NULL;
    }
    if (follower->last == NULL) {
        follower->first = batch;
    } else {
        follower->last->next = batch;
    }
    follower->last = batch;
    return batch;
}

/* Is it the piece that comes next? Epoch marks have no bytes. */
static bool follows(const struct follower *follower,
                    const struct frame_piece *piece)
{
    const struct journal_item *item = &piece->item;
    bool row = item->kind == JOURNAL_ROW;
    size_t size = item->changeset.size;
    if (piece->total > CAPTURE_SIZE_MAX || piece->offset > piece->total ||
        size > piece->total - piece->offset || (size > 0) != row ||
        (piece->total > 0) != row) {
        return false;
    }
    return item->generation == follower->taken.generation &&
           item->epoch >= follower->taken.epoch &&
           item->seq - (row ? 1 : 0) == follower->taken.seq &&
           piece->offset == follower->partial;
}

static struct journal_item *item_of(struct follower *follower,
                                    const struct frame_piece *piece)
{
    if (follower->partial > 0) {
        struct journal_item *item =
            &follower->last->items[follower->last->count - 1];
        return item->changeset.size == piece->total ? item : NULL;
    }
    struct batch *batch = room_for(follower, piece->total);
    struct journal_item head = piece->item;
    head.changeset = TS_SLICE_NONE;
    return batch == NULL ? NULL : batch_add(batch, &head, piece->total);
}

static bool take_piece(struct follower *follower,
                       const struct frame_piece *piece)
{
    struct journal_item *item =
        follows(follower, piece) ? item_of(follower, piece) : NULL;
    size_t size = piece->item.changeset.size;
    if (item == NULL) {
        return false;
    }
    if (size > 0) {
        memcpy((uint8_t *) (uintptr_t) item->changeset.data + piece->offset,
               piece->item.changeset.data, size);
    }
    follower->received += size;
    follower->held += size;
    follower->partial += size;
    if (follower->partial == piece->total) {
        follower->taken = journal_item_end(item);
        follower->partial = 0;
    }
    return true;
}

/* A gap: what a network loses once, it does not lose every time. */
static void lost(struct follower_step *step)
{
    if (++step->follower->asks < ASKS_MAX) {
        follower_ask(step);
    } else {
        step->follower->asks = 0;
        follower_stick(step,
                       "could not follow: the active node's rows do not follow "
                       "each other");
    }
}

void follower_take_rows(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct frame_rows *rows = &step->event->frame->rows;
    if (follower->phase != FOLLOWER_ASKING &&
        follower->phase != FOLLOWER_STREAMING) {
        return;
    }
    follower->leader = rows->leader;
    if (follower->phase == FOLLOWER_ASKING) {
        follower_go(step, FOLLOWER_STREAMING);
    }
    for (size_t i = 0; i < rows->count; i++) {
        if (!take_piece(follower, &rows->pieces[i])) {
            lost(step);
            return;
        }
        follower->acted = step->now;
    }
    follower_feed_store(step);
    if (rows->count == 0 ||
        follower->received - follower->told >= FOLLOWER_CREDIT / 4) {
        follower_acknowledge(step);
    }
}
