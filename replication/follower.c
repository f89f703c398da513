#include "replication/follower_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct follower *follower_new(void)
{
    return calloc(1, sizeof(struct follower));
}

void follower_free(struct follower *follower)
{
    if (follower != NULL) {
        follower_drop_queue(follower);
        follower_forget_offer(follower);
        ts_arena_done(&follower->arena);
        free(follower);
    }
}

const char *follower_phase_name(enum follower_phase phase)
{
    static const char *const names[] = {
        [FOLLOWER_RESTING] = "resting",
        [FOLLOWER_CUT] = "cut",
        [FOLLOWER_ASKING] = "asking",
        [FOLLOWER_STREAMING] = "streaming",
        [FOLLOWER_HINTING] = "hinting",
        [FOLLOWER_HANDING] = "handing",
        [FOLLOWER_WAITING] = "waiting",
        [FOLLOWER_BEGINNING] = "beginning",
        [FOLLOWER_FETCHING] = "fetching",
        [FOLLOWER_CHECKING] = "checking",
        [FOLLOWER_INSTALLING] = "installing",
        [FOLLOWER_STUCK] = "stuck",
    };
    return names[phase];
}

/* ---- actions ------------------------------------------------------------ */

struct follower_action *follower_add(struct follower_step *step,
                                     enum follower_action_type type)
{
    assert(step->out->count < FOLLOWER_ACTIONS_MAX);
    struct follower_action *action = &step->out->items[step->out->count++];
    *action = (struct follower_action){ .type = type };
    return action;
}

struct frame *follower_say(struct follower_step *step, enum frame_type type)
{
    struct follower_action *action = follower_add(step, FOLLOWER_SEND);
    action->frame.type = type;
    action->frame.epoch = step->follower->epoch;
    action->frame.stream = step->follower->stream;
    return &action->frame;
}

void follower_tell(struct follower_step *step, const char *name,
                   const char *text)
{
    struct follower_action *action = follower_add(step, FOLLOWER_TELL);
    action->name = name;
    (void) snprintf(action->text, sizeof action->text, "%s", text);
}

struct ship_job *follower_ask_job(struct follower_step *step,
                                  enum ship_type type)
{
    struct follower_action *action = follower_add(step, FOLLOWER_JOB);
    action->job.type = type;
    action->job.ticket = ++step->follower->tickets;
    step->follower->ticket = action->job.ticket;
    return &action->job;
}

void follower_go(struct follower_step *step, enum follower_phase phase)
{
    step->follower->phase = phase;
    step->follower->acted = step->now;
    step->follower->why[0] = '\0';
}

void follower_stick(struct follower_step *step, const char *why)
{
    struct follower *follower = step->follower;
    follower_drop_queue(follower);
    follower_abandon(step);
    follower_go(step, FOLLOWER_STUCK);
    (void) snprintf(follower->why, sizeof follower->why, "%s", why);
    if (strcmp(follower->why, follower->told_why) != 0) {
        follower_tell(step, "replication-stuck", why);
        memcpy(follower->told_why, follower->why, sizeof follower->told_why);
    }
}

/* ---- events ------------------------------------------------------------- */

static void on_begin(struct follower_step *step)
{
    struct follower *follower = step->follower;
    follower->epoch = step->event->epoch;
    follower->nonce = step->event->nonce;
    follower->wrote = step->event->wrote;
    follower->applied = step->event->position;
    follower->leader = (struct journal_position){ .seq = 0 };
    follower->heard = step->now;
    follower->silences = 0;
    if (follower->up) {
        follower_ask(step);
    } else {
        follower_go(step, FOLLOWER_CUT);
    }
}

static void on_end(struct follower_step *step)
{
    follower_drop_queue(step->follower);
    if (step->follower->phase != FOLLOWER_INSTALLING) {
        follower_abandon(step);
    }
    step->follower->ask_then = step->follower->part_then = false;
    follower_go(step, FOLLOWER_RESTING);
}

static void on_link(struct follower_step *step)
{
    struct follower *follower = step->follower;
    bool was_up = follower->up;
    follower->up = step->event->up;
    switch (follower->phase) {
    case FOLLOWER_CUT:
    case FOLLOWER_ASKING:
    case FOLLOWER_STREAMING:
        if (!follower->up) {
            follower_drop_queue(follower);
            follower_go(step, FOLLOWER_CUT);
        } else if (!was_up) {
            follower_ask(step);
        }
        break;
    case FOLLOWER_HANDING:
        if (follower->up && !was_up) {
            follower->part = 0; /* whoever is there now may have none of it */
            follower_hand_over(step);
        }
        break;
    case FOLLOWER_WAITING:
    case FOLLOWER_FETCHING:
        if (follower->up && !was_up) {
            follower_want(step);
        }
        break;
    case FOLLOWER_RESTING:
    case FOLLOWER_HINTING:
    case FOLLOWER_BEGINNING:
    case FOLLOWER_CHECKING:
    case FOLLOWER_INSTALLING:
    case FOLLOWER_STUCK:
        break;
    }
}

/* F2. */
static void on_frame(struct follower_step *step)
{
    static void (*const handlers[FRAME_TYPES])(struct follower_step *) = {
        [FRAME_ROWS] = follower_take_rows,
        [FRAME_DIVERGED] = follower_take_diverged,
        [FRAME_OFFER] = follower_take_offer,
        [FRAME_CHUNK] = follower_take_chunk,
        [FRAME_TAIL_TAKEN] = follower_take_tail_taken,
        [FRAME_REFUSED] = follower_take_refused,
    };
    struct follower *follower = step->follower;
    const struct frame *frame = step->event->frame;
    if (follower->phase == FOLLOWER_RESTING || handlers[frame->type] == NULL) {
        return;
    }
    if (frame->epoch < follower->epoch) {
        struct frame *refusal = follower_say(step, FRAME_REFUSED);
        refusal->stream = frame->stream;
        refusal->refused.code = TS_E_REFUSED;
        refusal->refused.text =
            ts_slice_str("cannot follow: a higher epoch is known here");
        return;
    }
    follower->epoch = frame->epoch;
    if (frame->stream == follower->stream && !follower->ask_then) {
        follower->heard = step->now;
        follower->silences = 0;
        handlers[frame->type](step);
    }
}

/* Nobody knows which row it is: the whole state goes. */
static void part_damaged(struct follower_step *step)
{
    struct follower *follower = step->follower;
    follower->part_then = follower->ask_then = false;
    follower->fork_known = false;
    follower->fork = (struct journal_position){ .generation = 0 };
    follower_part(step, FRAME_UNKNOWN);
}

static void on_applied(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct ts_err *err = step->event->err;
    follower->applying = false;
    if (err == NULL || err->code == TS_OK) {
        follower->applied = step->event->position;
        follower->acted = step->now;
        follower->asks = 0;
    }
    if (follower->part_then) {
        part_damaged(step);
        return;
    }
    if (follower->phase == FOLLOWER_STREAMING && err != NULL &&
        err->code == TS_E_CONFLICT) {
        follower_tell(step, "replica-differs", err->text);
        follower->fork_known = false;
        follower->fork = (struct journal_position){ .generation = 0 };
        follower_part(step, FRAME_UNKNOWN);
        return;
    }
    if (follower->phase == FOLLOWER_STREAMING && err != NULL &&
        err->code != TS_OK) {
        follower_stick(step, err->text);
        return;
    }
    if (follower->ask_then && follower->up) {
        follower_ask(step);
    } else if (follower->phase == FOLLOWER_STREAMING) {
        follower->consumed += follower->applying_size;
        follower->held -= follower->applying_size;
        follower_feed_store(step);
        follower_acknowledge(step);
    }
}

static void on_damaged(struct follower_step *step)
{
    struct follower *follower = step->follower;
    bool follows = follower->phase == FOLLOWER_CUT ||
                   follower->phase == FOLLOWER_ASKING ||
                   follower->phase == FOLLOWER_STREAMING ||
                   follower->phase == FOLLOWER_STUCK;
    if (!follows || follower->part_then) {
        return; /* it gives its state up already, or is no follower */
    }
    follower_tell(step, "replica-damaged", step->event->err->text);
    if (follower->applying) {
        follower->part_then = true;
    } else {
        part_damaged(step);
    }
}

static void on_installed(struct follower_step *step)
{
    struct follower *follower = step->follower;
    const struct ts_err *err = step->event->err;
    bool failed = err != NULL && err->code != TS_OK;
    if (!failed) {
        follower->applied = step->event->position;
        follower->folder = 0; /* it is the state now */
        follower->wrote.epoch = 0;
        follower->keep = false;
    }
    if (follower->phase != FOLLOWER_INSTALLING) {
        return;
    }
    if (failed) {
        follower_stick(step, err->text);
        return;
    }
    follower_forget_offer(follower);
    follower_tell(step, "snapshot-installed",
                  "the active node's snapshot is in place");
    if (follower->up) {
        follower_ask(step);
    } else {
        follower_go(step, FOLLOWER_CUT);
    }
}

/* 250 ms, 500, 1,000, then 2,000. */
static int64_t ask_patience(const struct follower *follower)
{
    return follower->silences < 3 ? FOLLOWER_ASK_MS << follower->silences
                                  : FOLLOWER_PATIENCE_MS;
}

static int64_t patience(const struct follower *follower)
{
    switch (follower->phase) {
    case FOLLOWER_ASKING:
        return follower->up ? ask_patience(follower) : 0;
    case FOLLOWER_STREAMING:
    case FOLLOWER_HANDING:
    case FOLLOWER_WAITING:
    case FOLLOWER_FETCHING:
        return follower->up ? FOLLOWER_PATIENCE_MS : 0;
    case FOLLOWER_STUCK:
        return FOLLOWER_RETRY_MS;
    case FOLLOWER_RESTING:
    case FOLLOWER_CUT:
    case FOLLOWER_HINTING:
    case FOLLOWER_BEGINNING:
    case FOLLOWER_CHECKING:
    case FOLLOWER_INSTALLING:
        break;
    }
    return 0;
}

static struct ts_time deadline(const struct follower *follower)
{
    int64_t wait = patience(follower);
    /* The leader tells its position all the time: silence is a loss, and so is
     * a position that does not come nearer. */
    bool idle = follower->phase == FOLLOWER_STREAMING &&
                follower->taken.seq == follower->leader.seq &&
                follower->taken.epoch == follower->leader.epoch;
    struct ts_time since =
        idle || follower->applying ? follower->heard : follower->acted;
    return wait == 0 ? TS_NEVER : ts_time_after(since, wait);
}

static void on_tick(struct follower_step *step)
{
    struct follower *follower = step->follower;
    if (!ts_time_reached(step->now, deadline(follower))) {
        return;
    }
    if (follower->phase == FOLLOWER_HANDING) {
        if (++follower->repeats % 4 == 0) {
            follower->part = 0;
        }
        follower_hand_over(step);
    } else if (follower->phase == FOLLOWER_WAITING ||
               follower->phase == FOLLOWER_FETCHING) {
        /* A write whose result has not come by now is taken for lost. */
        follower->arrived = follower->stored;
        follower_want(step);
        follower->acted = step->now;
    } else if (follower->up) {
        follower->heard = step->now;
        follower->silences +=
            follower->phase == FOLLOWER_ASKING && follower->silences < 3;
        follower_ask(step);
    } else {
        follower_go(step, FOLLOWER_CUT);
    }
}

static void on_led(struct follower_step *step)
{
    struct follower *follower = step->follower;
    if (follower->phase == FOLLOWER_ASKING && follower->up) {
        follower->heard = step->now;
        follower->silences = 0;
        follower_ask(step);
    }
}

static void check_invariants(const struct follower *follower)
{
    assert((follower->first == NULL) == (follower->last == NULL));
    assert(follower->consumed <= follower->received);
    assert(follower->stored <= follower->arrived);
    assert(follower->arrived <= follower->chunks);
    assert(follower->partial == 0 || follower->last != NULL);
}

void follower_step(struct follower *follower,
                   const struct follower_event *event, struct ts_time now,
                   struct follower_actions *ret_actions)
{
    static void (*const handlers[])(struct follower_step *) = {
        [FOLLOWER_BEGIN] = on_begin,
        [FOLLOWER_END] = on_end,
        [FOLLOWER_LINK] = on_link,
        [FOLLOWER_FRAME] = on_frame,
        [FOLLOWER_APPLIED] = on_applied,
        [FOLLOWER_RESULT] = follower_on_result,
        [FOLLOWER_INSTALLED] = on_installed,
        [FOLLOWER_DAMAGED] = on_damaged,
        [FOLLOWER_TICK] = on_tick,
        [FOLLOWER_LED] = on_led,
    };
    struct follower_step step = { follower, event, now, ret_actions };
    ret_actions->count = 0;
    handlers[event->type](&step);
    check_invariants(follower);
}

struct ts_time follower_deadline(const struct follower *follower)
{
    return deadline(follower);
}

void follower_figures(const struct follower *follower, struct ts_time now,
                      struct follower_figures *ret_figures)
{
    *ret_figures = (struct follower_figures){
        .phase = follower->phase,
        .equal = follower->phase == FOLLOWER_STREAMING &&
                 follower->leader.generation > 0 &&
                 journal_position_equal(&follower->applied, &follower->leader),
        .applied = follower->applied,
        .leader = follower->leader,
        .behind_rows = follower->leader.seq > follower->applied.seq
                           ? follower->leader.seq - follower->applied.seq
                           : 0,
        .silent_ms = now.ms - follower->heard.ms,
        .held = follower->held,
        .chunks = follower->chunks,
        .chunks_stored = follower->stored,
    };
    (void) snprintf(ret_figures->why, sizeof ret_figures->why, "%s",
                    follower->why);
}
