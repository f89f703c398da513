#include "replication/leader_private.h"

#include <stdlib.h>

void leader_forget_offer(struct leader *leader)
{
    free((void *) (uintptr_t) leader->offer.hashes.data);
    leader->offer = (struct frame_offer){ .size = 0 };
    leader->offered = false;
}

static void send_offer(struct leader_step *step)
{
    struct frame *frame = leader_say(step, FRAME_OFFER);
    frame->offer = step->leader->offer;
    step->leader->wanted_at = step->now;
}

static void pump_chunks(struct leader_step *step)
{
    struct leader *leader = step->leader;
    if (leader->phase == LEADER_OFFERED && leader->ticket == 0 &&
        leader->chunk < leader->limit && leader->chunk < leader->chunks) {
        struct ship_job *job = leader_ask(step, SHIP_CHUNK);
        job->id = leader->offer.id;
        job->index = leader->chunk;
    }
}

static void want_new(struct leader_step *step)
{
    struct leader *leader = step->leader;
    if (leader->phase == LEADER_OFFERED) {
        send_offer(step);
    } else if (leader->phase != LEADER_BUILDING) {
        leader_forget_offer(leader);
        leader->phase = LEADER_BUILDING;
        (void) leader_ask(step, SHIP_BUILD);
    }
}

void leader_take_want(struct leader_step *step)
{
    static const struct frame_id none;
    struct leader *leader = step->leader;
    const struct frame_want *want = &step->event->frame->want;
    if (frame_id_equal(&want->id, &none)) {
        want_new(step);
        return;
    }
    if (!leader->offered || !frame_id_equal(&want->id, &leader->offer.id)) {
        leader_refuse(step, TS_E_NOT_FOUND,
                      "could not send that snapshot: it is no longer kept");
        return;
    }
    if (want->index > leader->chunks) {
        return;
    }
    if (leader->phase != LEADER_OFFERED) {
        /* The link was cut, and the follower goes on where it was. */
        leader->phase = LEADER_OFFERED;
        leader->ticket = 0;
        leader->chunk = want->index;
    } else if (want->index < leader->want) {
        return; /* it was overtaken */
    } else if (want->index == leader->want) {
        leader->chunk = want->index; /* said twice: something was lost */
        leader->ticket = 0;
    }
    leader->want = want->index;
    leader->limit = want->credit < leader->chunks - want->index
                        ? want->index + want->credit
                        : leader->chunks;
    if (leader->chunk < want->index) {
        leader->chunk = want->index;
    }
    leader->wanted_at = step->now;
    pump_chunks(step);
}

void leader_take_built(struct leader_step *step)
{
    struct leader *leader = step->leader;
    const struct frame_offer *offer = &step->event->result->offer;
    uint8_t *hashes = malloc(offer->hashes.size);
    if (hashes == NULL) {
        leader->phase = LEADER_PARTED;
        leader_refuse(step, TS_E_NOMEM,
                      "could not offer a snapshot: out of memory");
        return;
    }
    memcpy(hashes, offer->hashes.data, offer->hashes.size);
    leader->offer = *offer;
    leader->offer.hashes.data = hashes;
    leader->offered = true;
    leader->chunks = (uint32_t) (offer->hashes.size / TS_HASH_SIZE);
    leader->want = 0;
    leader->limit = 0;
    leader->chunk = 0;
    leader->phase = LEADER_OFFERED;
    leader_tell(step, "snapshot-built", "a snapshot is ready for the standby");
    send_offer(step);
}

void leader_take_chunk(struct leader_step *step)
{
    struct leader *leader = step->leader;
    struct frame *frame = leader_say(step, FRAME_CHUNK);
    frame->chunk = step->event->result->chunk;
    leader->chunk = frame->chunk.index + 1;
    pump_chunks(step);
}

void leader_drop_offer(struct leader_step *step)
{
    if (step->leader->offered) {
        leader_forget_offer(step->leader);
        (void) leader_ask(step, SHIP_DROP);
        step->leader->ticket = 0;
    }
}

static void answer_tail(struct leader_step *step, uint32_t number,
                        bool accepted)
{
    struct frame *frame = leader_say(step, FRAME_TAIL_TAKEN);
    frame->tail_taken.number = number;
    frame->tail_taken.accepted = accepted;
}

void leader_take_tail(struct leader_step *step)
{
    struct leader *leader = step->leader;
    const struct frame_tail *tail = &step->event->frame->tail;
    if (tail->number < leader->tail_taken) {
        answer_tail(step, tail->number, true); /* said again */
        return;
    }
    if (leader->before.epoch == 0 || tail->epoch != leader->before.epoch ||
        !frame_id_equal(&tail->boot, &leader->before.boot)) {
        answer_tail(step, tail->number, false);
        return;
    }
    if (leader->hinting || tail->number > leader->tail_taken) {
        return;
    }
    leader->hinting = true;
    struct leader_action *action = leader_add(step, LEADER_HINTS);
    action->frame = *step->event->frame;
}

void leader_on_hinted(struct leader_step *step)
{
    struct leader *leader = step->leader;
    if (leader->hinting && !step->event->failed) {
        answer_tail(step, leader->tail_taken, true);
        leader->tail_taken++;
    }
    leader->hinting = false;
}
