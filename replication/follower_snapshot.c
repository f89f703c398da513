#include "replication/follower_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/rule.h"

/* The same chunk may come damaged so often before the snapshot is given up. */
#define DAMAGED_MAX 3

void follower_forget_offer(struct follower *follower)
{
    free((void *) (uintptr_t) follower->offer.hashes.data);
    follower->offer = (struct frame_offer){ .size = 0 };
    follower->chunks = 0;
    follower->arrived = 0;
    follower->stored = 0;
    follower->damaged = 0;
}

void follower_abandon(struct follower_step *step)
{
    /* One that is being begun is known by its folder only when it is. */
    if (step->follower->folder != 0 ||
        step->follower->phase == FOLLOWER_BEGINNING) {
        step->follower->folder = 0;
        (void) follower_ask_job(step, SHIP_ABANDON);
    }
    step->follower->ticket = 0;
    follower_forget_offer(step->follower);
}

void follower_want(struct follower_step *step)
{
    struct follower *follower = step->follower;
    struct frame *frame = follower_say(step, FRAME_WANT);
    follower->acted = step->now;
    if (follower->phase == FOLLOWER_FETCHING) {
        frame->want.id = follower->offer.id;
        frame->want.index = follower->stored;
        frame->want.credit = FOLLOWER_CHUNKS_CREDIT;
    }
}

void follower_hand_over(struct follower_step *step)
{
    struct follower *follower = step->follower;
    size_t first = (size_t) follower->part * FRAME_HINTS_MAX;
    size_t left = follower->tail.count - first;
    struct frame *frame = follower_say(step, FRAME_TAIL);
    frame->tail = (struct frame_tail){
        .epoch = follower->wrote.epoch,
        .boot = follower->wrote.boot,
        .number = follower->part,
        .last = left <= FRAME_HINTS_MAX,
        .cut = follower->tail.cut,
        .count = left < FRAME_HINTS_MAX ? left : FRAME_HINTS_MAX,
        .hints = follower->tail.hints + first,
    };
    follower->acted = step->now;
}

static void wait_for_offer(struct follower_step *step)
{
    ts_arena_done(&step->follower->arena);
    step->follower->tail = (struct tail){ .count = 0 };
    follower_go(step, FOLLOWER_WAITING);
    follower_want(step);
}

/* This state cannot go on: F4. */
void follower_part(struct follower_step *step, enum frame_divergence why)
{
    struct follower *follower = step->follower;
    bool state = follower->applied.generation > 0;
    bool wrote = follower->wrote.epoch > 0 &&
                 follower->wrote.epoch >= follower->applied.epoch;
    /* Who only followed and was away during a first load has nothing to lose.
     */
    bool outdated =
        !wrote && follower->applied.generation < follower->fork.generation;
    follower_drop_queue(follower);
    follower->keep = state && why == FRAME_UNKNOWN && !outdated;
    if (follower->keep) {
        follower_tell(
            step, "diverged",
            "this state is not a part of the active node's history: it is "
            "kept aside and replaced by a snapshot");
    }
    if (TS_RULE(TAIL_FIRST) && follower->keep && wrote) {
        follower_go(step, FOLLOWER_HINTING);
        struct ship_job *job = follower_ask_job(step, SHIP_HINTS);
        job->at = follower->fork;
        if (!follower->fork_known) {
            job->at = (struct journal_position){ .epoch = follower->wrote.epoch,
                                                 .seq = -1 };
        }
        return;
    }
    wait_for_offer(step);
}

void follower_take_diverged(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct frame_diverged *diverged = &step->event->frame->diverged;
    if (follower->phase == FOLLOWER_ASKING ||
        follower->phase == FOLLOWER_STREAMING) {
        follower->fork_known = diverged->fork_known;
        follower->fork = diverged->fork;
        follower_part(step, diverged->why);
    }
}

void follower_take_tail_taken(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct frame_tail_taken *taken = &step->event->frame->tail_taken;
    if (follower->phase != FOLLOWER_HANDING ||
        taken->number != follower->part) {
        return;
    }
    follower->part++;
    follower->repeats = 0;
    if (!taken->accepted) {
        follower_tell(
            step, "tail-refused",
            "the active node took no hints from us: it did not take over "
            "from this process");
    }
    if (!taken->accepted ||
        (size_t) follower->part * FRAME_HINTS_MAX >= follower->tail.count) {
        wait_for_offer(step);
    } else {
        follower_hand_over(step);
    }
}

static bool offer_is_sane(const struct frame_offer *offer)
{
    uint64_t chunks = (offer->size + FRAME_CHUNK_SIZE - 1) / FRAME_CHUNK_SIZE;
    return offer->size > 0 && offer->at.generation > 0 &&
           offer->size <= (uint64_t) FRAME_CHUNKS_MAX * FRAME_CHUNK_SIZE &&
           offer->hashes.size == chunks * TS_HASH_SIZE;
}

void follower_take_offer(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct frame_offer *offer = &step->event->frame->offer;
    if (follower->phase != FOLLOWER_WAITING || !offer_is_sane(offer)) {
        return;
    }
    uint8_t *hashes = malloc(offer->hashes.size);
    if (hashes == NULL) {
        follower_stick(step, "could not take a snapshot: out of memory");
        return;
    }
    memcpy(hashes, offer->hashes.data, offer->hashes.size);
    follower_forget_offer(follower);
    follower->offer = *offer;
    follower->offer.hashes.data = hashes;
    follower->chunks = (uint32_t) (offer->hashes.size / TS_HASH_SIZE);
    follower_go(step, FOLLOWER_BEGINNING);
    follower_ask_job(step, SHIP_BEGIN)->offer = follower->offer;
    follower->begun = follower->ticket;
}

void follower_take_chunk(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct frame_chunk *chunk = &step->event->frame->chunk;
    if (follower->phase != FOLLOWER_FETCHING ||
        chunk->index != follower->arrived || chunk->index >= follower->chunks ||
        chunk->index >= follower->stored + FOLLOWER_CHUNKS_CREDIT ||
        !frame_id_equal(&chunk->id, &follower->offer.id)) {
        return;
    }
    follower->arrived++;
    follower->acted = step->now;
    struct ship_job *job = follower_ask_job(step, SHIP_WRITE);
    job->index = chunk->index;
    job->raw_size = chunk->raw_size;
    job->packed = chunk->packed;
}

void follower_take_refused(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct frame_refused *refused = &step->event->frame->refused;
    char why[512];
    if (follower->phase == FOLLOWER_CHECKING ||
        follower->phase == FOLLOWER_INSTALLING) {
        return; /* it is here already */
    }
    if (follower->phase == FOLLOWER_FETCHING &&
        refused->code == TS_E_NOT_FOUND) {
        follower_abandon(step);
        follower_ask(step);
        return;
    }
    (void) snprintf(why, sizeof why, "the active node refused: %.*s",
                    refused->text.size > 400 ? 400 : (int) refused->text.size,
                    (const char *) refused->text.data);
    follower_stick(step, why);
}

static void on_written(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct ship_result *result = step->event->result;
    if (result->err.code != TS_OK && result->err.code != TS_E_PROTOCOL) {
        follower_stick(step, result->err.text);
        return;
    }
    if (result->index != follower->stored) {
        return; /* behind one that was damaged */
    }
    if (result->err.code == TS_E_PROTOCOL) {
        follower->arrived = follower->stored;
        if (++follower->damaged >= DAMAGED_MAX) {
            follower_stick(step, result->err.text);
        } else {
            follower_want(step);
        }
        return;
    }
    follower->damaged = 0;
    follower->stored++;
    if (follower->arrived < follower->stored) {
        follower->arrived = follower->stored; /* it had been given up */
    }
    if (follower->stored < follower->chunks) {
        follower_want(step);
        return;
    }
    follower_go(step, FOLLOWER_CHECKING);
    (void) follower_ask_job(step, SHIP_FINISH);
}

static void on_hints(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct tail *tail = &step->event->result->tail;
    ts_arena_done(&follower->arena);
    ts_arena_init(&follower->arena, TAIL_HINTS_MAX * FRAME_HINT_SIZE_MAX * 2);
    struct frame_hint *hints =
        ts_arena_array(&follower->arena, tail->count, sizeof *hints);
    if (hints == NULL) {
        follower_stick(step, "could not hand over the tail: out of memory");
        return;
    }
    for (size_t i = 0; i < tail->count; i++) {
        hints[i] = tail->hints[i];
        hints[i].anchor =
            ts_arena_copy(&follower->arena, tail->hints[i].anchor);
    }
    follower->tail = (struct tail){ tail->count, hints, tail->cut };
    follower->part = 0;
    follower->repeats = 0;
    if (tail->count == 0 && !tail->cut) {
        wait_for_offer(step);
        return;
    }
    follower_go(step, FOLLOWER_HANDING);
    if (follower->up) {
        follower_hand_over(step);
    }
}

static void on_finished(struct follower_step *step)
{
    struct follower *follower = step->follower;
    follower_go(step, FOLLOWER_INSTALLING);
    struct follower_action *action = follower_add(step, FOLLOWER_INSTALL);
    action->folder = follower->folder;
    action->keep = follower->keep;
}

void follower_on_result(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct ship_result *result = step->event->result;
    if (result->type == SHIP_WRITE) {
        if (follower->phase == FOLLOWER_FETCHING &&
            result->ticket > follower->begun) {
            on_written(step);
        }
        return;
    }
    if (result->ticket != follower->ticket || follower->ticket == 0) {
        return;
    }
    if (result->err.code != TS_OK) {
        follower_stick(step, result->err.text);
        return;
    }
    if (result->type == SHIP_HINTS && follower->phase == FOLLOWER_HINTING) {
        on_hints(step);
    } else if (result->type == SHIP_BEGIN &&
               follower->phase == FOLLOWER_BEGINNING) {
        follower->folder = result->folder;
        follower_go(step, FOLLOWER_FETCHING);
        follower_want(step);
    } else if (result->type == SHIP_FINISH &&
               follower->phase == FOLLOWER_CHECKING) {
        on_finished(step);
    }
}
