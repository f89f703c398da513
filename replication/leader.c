#include "replication/leader_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct leader *leader_new(void)
{
    struct leader *leader = calloc(1, sizeof *leader);
    if (leader != NULL) {
        leader->phase = LEADER_RESTING;
    }
    return leader;
}

void leader_free(struct leader *leader)
{
    if (leader != NULL) {
        leader_forget_offer(leader);
        free(leader);
    }
}

const char *leader_phase_name(enum leader_phase phase)
{
    static const char *const names[] = {
        [LEADER_RESTING] = "resting", [LEADER_OPEN] = "open",
        [LEADER_FINDING] = "finding", [LEADER_STREAMING] = "streaming",
        [LEADER_PARTED] = "parted",   [LEADER_BUILDING] = "building",
        [LEADER_OFFERED] = "offered",
    };
    return names[phase];
}

/* ---- actions ------------------------------------------------------------ */

struct leader_action *leader_add(struct leader_step *step,
                                 enum leader_action_type type)
{
    assert(step->out->count < LEADER_ACTIONS_MAX);
    struct leader_action *action = &step->out->items[step->out->count++];
    *action = (struct leader_action){ .type = type };
    return action;
}

struct frame *leader_say(struct leader_step *step, enum frame_type type)
{
    struct leader_action *action = leader_add(step, LEADER_SEND);
    action->frame.type = type;
    action->frame.epoch = step->leader->epoch;
    action->frame.stream = step->leader->stream;
    return &action->frame;
}

void leader_refuse(struct leader_step *step, enum ts_code code,
                   const char *text)
{
    struct frame *frame = leader_say(step, FRAME_REFUSED);
    frame->refused.code = code;
    frame->refused.text = ts_slice_str(text);
}

void leader_tell(struct leader_step *step, const char *name, const char *text)
{
    struct leader_action *action = leader_add(step, LEADER_TELL);
    action->name = name;
    (void) snprintf(action->text, sizeof action->text, "%s", text);
}

struct ship_job *leader_ask(struct leader_step *step, enum ship_type type)
{
    struct leader_action *action = leader_add(step, LEADER_JOB);
    action->job.type = type;
    action->job.ticket = ++step->leader->tickets;
    step->leader->ticket = action->job.ticket;
    return &action->job;
}

/* ---- streaming ---------------------------------------------------------- */

static bool behind(const struct journal_position *at,
                   const struct journal_position *own)
{
    return at->seq < own->seq || at->epoch < own->epoch;
}

static void send_position(struct leader_step *step)
{
    struct frame *frame = leader_say(step, FRAME_ROWS);
    frame->rows.leader = step->leader->own;
    step->leader->last_sent = step->now;
}

/* The shipper may have seen a commit that we were not told of yet. */
static void note_own(struct leader *leader, const struct journal_position *at)
{
    if (at->generation == leader->own.generation && behind(&leader->own, at)) {
        leader->own = *at;
    }
}

/* L2: with the credit used up, only the row that was begun is ended. */
static uint64_t room(const struct leader *leader)
{
    uint64_t moving = leader->sent - leader->received;
    uint64_t held = leader->sent - leader->consumed;
    uint64_t left = moving < leader->credit ? leader->credit - moving : 0;
    if (held >= leader->credit && left > leader->rest) {
        left = leader->rest;
    }
    return left < FRAME_ROWS_SIZE_MAX ? left : FRAME_ROWS_SIZE_MAX;
}

static void pump_rows(struct leader_step *step)
{
    struct leader *leader = step->leader;
    uint64_t size = room(leader);
    if (leader->phase != LEADER_STREAMING || leader->ticket != 0 || size == 0 ||
        !behind(&leader->next, &leader->own)) {
        return;
    }
    struct ship_job *job = leader_ask(step, SHIP_READ);
    job->at = leader->next;
    job->offset = leader->offset;
    job->size_max = (size_t) size;
}

static void send_pieces(struct leader_step *step)
{
    struct leader *leader = step->leader;
    const struct ship_result *result = step->event->result;
    if (result->count == 0) {
        return;
    }
    struct frame *frame = leader_say(step, FRAME_ROWS);
    frame->rows.leader = leader->own;
    frame->rows.pieces = result->pieces;
    frame->rows.count = result->count;
    leader->last_sent = step->now;
    for (size_t i = 0; i < result->count; i++) {
        const struct frame_piece *piece = &result->pieces[i];
        size_t end = piece->offset + piece->item.changeset.size;
        leader->sent += piece->item.changeset.size;
        leader->rest = piece->total - end;
        leader->offset = leader->rest > 0 ? end : 0;
        if (leader->offset == 0) {
            leader->next = journal_item_end(&piece->item);
            note_own(leader, &leader->next);
        }
    }
}

static void note_acked(struct leader *leader)
{
    size_t done = 0;
    while (done < leader->commit_count &&
           leader->commits[done].seq <= leader->acked.seq) {
        done++;
    }
    leader->commit_count -= done;
    memmove(leader->commits, leader->commits + done,
            leader->commit_count * sizeof leader->commits[0]);
}

/* L3. */
static void take_applied(struct leader_step *step)
{
    struct leader *leader = step->leader;
    const struct frame_applied *applied = &step->event->frame->applied;
    const struct journal_position *at = &applied->at;
    if (leader->phase != LEADER_STREAMING || applied->received > leader->sent ||
        applied->consumed > applied->received ||
        applied->received < leader->received ||
        applied->consumed < leader->consumed ||
        at->generation != leader->own.generation ||
        at->seq > leader->next.seq || behind(at, &leader->acked) ||
        at->epoch > leader->next.epoch) {
        return;
    }
    if (at->seq == leader->own.seq && !sum_equal(at->sum, leader->own.sum)) {
        leader_tell(step, "follower-differs",
                    "the standby has other rows at the same place");
        leader->phase = LEADER_OPEN;
        leader->acked = (struct journal_position){ .seq = 0 };
        return;
    }
    leader->received = applied->received;
    leader->consumed = applied->consumed;
    leader->acked = *at;
    note_acked(leader);
    pump_rows(step);
}

/* ---- asking ------------------------------------------------------------- */

static void take_follow(struct leader_step *step)
{
    struct leader *leader = step->leader;
    const struct frame *frame = step->event->frame;
    leader->stream = frame->stream;
    leader->credit = frame->follow.credit;
    leader->sent = 0;
    leader->received = 0;
    leader->consumed = 0;
    leader->offset = 0;
    leader->rest = 0;
    leader->asked = frame->follow.at;
    leader->acked = (struct journal_position){ .seq = 0 };
    leader->tail_taken = 0;
    leader->hinting = false;
    leader->phase = LEADER_FINDING;
    struct ship_job *job = leader_ask(step, SHIP_FIND);
    job->at = leader->asked;
}

static void part(struct leader_step *step, enum frame_divergence why)
{
    const struct ship_result *result = step->event->result;
    struct frame *frame = leader_say(step, FRAME_DIVERGED);
    frame->diverged.why = why;
    frame->diverged.fork.generation = step->leader->own.generation;
    if (why == FRAME_UNKNOWN && result->answer.fork_known) {
        frame->diverged.fork_known = true;
        frame->diverged.fork = result->answer.fork;
    }
    step->leader->phase = LEADER_PARTED;
}

static void take_found(struct leader_step *step)
{
    struct leader *leader = step->leader;
    if (leader->asked.generation != leader->own.generation) {
        /* The shipper may still have looked into the generation before. */
        part(step,
             leader->asked.generation == 0 ? FRAME_NO_STATE : FRAME_UNKNOWN);
        return;
    }
    switch (step->event->result->answer.found) {
    case LINEAGE_HELD:
        leader->phase = LEADER_STREAMING;
        leader->next = leader->asked;
        leader->acked = leader->asked;
        note_own(leader, &leader->asked);
        note_acked(leader);
        send_position(step);
        pump_rows(step);
        break;
    case LINEAGE_TOO_OLD:
        part(step, FRAME_TOO_OLD);
        break;
    case LINEAGE_NOT_OURS:
        part(step,
             leader->asked.generation == 0 ? FRAME_NO_STATE : FRAME_UNKNOWN);
        break;
    }
}

/* ---- events ------------------------------------------------------------- */

static void on_begin(struct leader_step *step)
{
    struct leader *leader = step->leader;
    leader->phase = LEADER_OPEN;
    leader->epoch = step->event->epoch;
    leader->before = step->event->before;
    leader->own = step->event->position;
    leader->acked = (struct journal_position){ .seq = 0 };
    leader->ticket = 0;
    leader->commit_count = 0;
}

static void on_end(struct leader_step *step)
{
    leader_drop_offer(step);
    step->leader->phase = LEADER_RESTING;
    step->leader->ticket = 0;
    step->leader->acked = (struct journal_position){ .seq = 0 };
}

static void on_cut(struct leader_step *step)
{
    if (step->leader->phase != LEADER_RESTING) {
        step->leader->phase = LEADER_OPEN;
        step->leader->ticket = 0;
        step->leader->hinting = false;
    }
}

/* L4. */
static void yield(struct leader_step *step)
{
    const struct frame *frame = step->event->frame;
    leader_add(step, LEADER_YIELD)->frame.epoch = frame->epoch;
    on_end(step);
}

static void on_frame(struct leader_step *step)
{
    struct leader *leader = step->leader;
    const struct frame *frame = step->event->frame;
    if (leader->phase == LEADER_RESTING) {
        return;
    }
    if (frame->epoch > leader->epoch) {
        yield(step);
        return;
    }
    if (frame->type == FRAME_FOLLOW) {
        take_follow(step);
    } else if (frame->type == FRAME_WANT) {
        leader->stream = frame->stream;
        leader_take_want(step);
    } else if (frame->type == FRAME_TAIL) {
        leader->stream = frame->stream;
        leader_take_tail(step);
    } else if (frame->type == FRAME_APPLIED &&
               frame->stream == leader->stream) {
        take_applied(step);
    }
}

/* A new first load is the state now: what the follower has is of the one
 * before, and not wrong; it needs a snapshot. */
static void change_generation(struct leader_step *step)
{
    struct leader *leader = step->leader;
    bool told = leader->phase == LEADER_STREAMING;
    leader_drop_offer(step);
    leader->own = step->event->position;
    leader->acked = (struct journal_position){ .seq = 0 };
    leader->commit_count = 0;
    leader->ticket = 0;
    leader->phase = LEADER_OPEN;
    if (told) {
        part(step, FRAME_NO_STATE);
    }
}

static void on_committed(struct leader_step *step)
{
    struct leader *leader = step->leader;
    if (leader->phase == LEADER_RESTING) {
        return;
    }
    if (step->event->position.generation != leader->own.generation) {
        change_generation(step);
        return;
    }
    note_own(leader, &step->event->position);
    if (leader->commit_count < COMMITS &&
        behind(&leader->acked, &leader->own)) {
        leader->commits[leader->commit_count++] =
            (struct commit){ leader->own.seq, step->now };
    }
    pump_rows(step);
}

static void on_failed(struct leader_step *step)
{
    struct leader *leader = step->leader;
    const struct ship_result *result = step->event->result;
    if (result->type == SHIP_READ && result->err.code == TS_E_CONFLICT) {
        part(step, FRAME_TOO_OLD); /* dropped while it was being sent */
        return;
    }
    leader_tell(step, "replication-failed", result->err.text);
    leader_refuse(step, result->err.code, result->err.text);
    leader->phase = LEADER_OPEN;
}

static void on_result(struct leader_step *step)
{
    struct leader *leader = step->leader;
    const struct ship_result *result = step->event->result;
    if (result->ticket != leader->ticket || leader->ticket == 0) {
        return; /* L5 */
    }
    leader->ticket = 0;
    if (result->err.code != TS_OK) {
        on_failed(step);
    } else if (result->type == SHIP_FIND) {
        take_found(step);
    } else if (result->type == SHIP_READ) {
        send_pieces(step);
        if (result->count > 0) {
            pump_rows(step);
        }
    } else if (result->type == SHIP_BUILD) {
        leader_take_built(step);
    } else if (result->type == SHIP_CHUNK) {
        leader_take_chunk(step);
    }
}

static struct ts_time beat_at(const struct leader *leader)
{
    return ts_time_after(leader->last_sent, LEADER_BEAT_MS);
}

static struct ts_time expiry(const struct leader *leader)
{
    return ts_time_after(leader->wanted_at, LEADER_OFFER_MS);
}

static void on_tick(struct leader_step *step)
{
    struct leader *leader = step->leader;
    if (leader->phase == LEADER_STREAMING &&
        ts_time_reached(step->now, beat_at(leader))) {
        send_position(step);
    }
    if (leader->offered && ts_time_reached(step->now, expiry(leader))) {
        leader_drop_offer(step);
        if (leader->phase == LEADER_OFFERED) {
            leader->phase = LEADER_OPEN;
        }
    }
}

static void check_invariants(const struct leader *leader)
{
    assert(leader->consumed <= leader->received);
    assert(leader->received <= leader->sent);
    assert(leader->phase != LEADER_OFFERED || leader->offered);
    assert(leader->acked.generation == 0 ||
           leader->acked.seq <= leader->own.seq);
}

void leader_step(struct leader *leader, const struct leader_event *event,
                 struct ts_time now, struct leader_actions *ret_actions)
{
    static void (*const handlers[])(struct leader_step *) = {
        [LEADER_BEGIN] = on_begin,
        [LEADER_END] = on_end,
        [LEADER_CUT] = on_cut,
        [LEADER_FRAME] = on_frame,
        [LEADER_COMMITTED] = on_committed,
        [LEADER_RESULT] = on_result,
        [LEADER_HINTED] = leader_on_hinted,
        [LEADER_TICK] = on_tick,
    };
    struct leader_step step = { leader, event, now, ret_actions };
    ret_actions->count = 0;
    handlers[event->type](&step);
    check_invariants(leader);
}

struct ts_time leader_deadline(const struct leader *leader)
{
    struct ts_time deadline = TS_NEVER;
    if (leader->offered) {
        deadline = expiry(leader);
    }
    if (leader->phase == LEADER_STREAMING &&
        ts_time_reached(deadline, beat_at(leader))) {
        deadline = beat_at(leader);
    }
    return deadline;
}

/* ---- figures ------------------------------------------------------------ */

void leader_figures(const struct leader *leader, struct ts_time now,
                    struct leader_figures *ret_figures)
{
    bool known = leader->acked.generation > 0;
    *ret_figures = (struct leader_figures){
        .phase = leader->phase,
        .equal = known && journal_position_equal(&leader->own, &leader->acked),
        .own = leader->own,
        .acked = leader->acked,
        .behind_rows = leader->own.seq - leader->acked.seq,
        .behind_ms =
            leader->commit_count == 0 ? 0 : now.ms - leader->commits[0].at.ms,
        .outstanding = leader->sent - leader->consumed,
        .chunks = leader->chunks,
        .chunks_sent = leader->chunk,
    };
}

bool leader_has_acked(const struct leader *leader,
                      const struct journal_position *position)
{
    return leader->acked.generation == position->generation &&
           leader->acked.generation > 0 &&
           leader->acked.epoch >= position->epoch &&
           leader->acked.seq >= position->seq;
}
