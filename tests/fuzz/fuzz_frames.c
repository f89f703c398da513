/* Whatever the other side says, in whatever order, between whatever answers of
 * our own store and shipper: leader and follower keep their invariants (which
 * they assert after each step), give bounded numbers of actions, and the
 * follower hands out only batches whose items follow each other. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "replication/follower.h"
#include "replication/frame_wire.h"
#include "replication/leader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input, taken from its beginning; behind its end there are zeros. */
struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t byte(struct input *in)
{
    if (in->size == 0) {
        return 0;
    }
    in->size--;
    return *in->data++;
}

/* Mostly small numbers, now and then a limit. */
static int64_t number(struct input *in)
{
    uint8_t value = byte(in);
    switch (value) {
    case 255:
        return INT64_MAX;
    case 254:
        return INT32_MAX;
    case 253:
        return (int64_t) byte(in) << 16 | byte(in);
    default:
        return value % 16;
    }
}

static struct ts_slice some(struct input *in, size_t max)
{
    size_t size = (size_t) byte(in) % (max + 1);
    size = size < in->size ? size : in->size;
    struct ts_slice bytes = ts_slice(in->data, size);
    in->data += size;
    in->size -= size;
    return bytes;
}

static struct journal_position position(struct input *in)
{
    return (struct journal_position){ .generation = number(in),
                                      .epoch = number(in),
                                      .level = number(in),
                                      .seq = number(in),
                                      .sum = { { byte(in) } } };
}

static struct frame_id id(struct input *in)
{
    return (struct frame_id){ { byte(in) % 3 } };
}

static struct frame_piece pieces[4];
static const uint8_t hashes[4 * TS_HASH_SIZE];
static struct frame_hint hints[2];

static struct frame_piece piece(struct input *in)
{
    struct frame_piece one = {
        .item = { .kind = byte(in) % 2 == 0 ? JOURNAL_ROW : JOURNAL_EPOCH,
                  .seq = number(in),
                  .generation = number(in),
                  .epoch = number(in),
                  .level = number(in) }
    };
    one.item.changeset = some(in, 8);
    one.total = (size_t) number(in);
    one.offset = (size_t) number(in);
    return one;
}

static struct frame frame(struct input *in)
{
    struct frame f = { .type = (enum frame_type)(byte(in) % FRAME_TYPES),
                       .epoch = number(in),
                       .stream = (uint64_t) number(in) };
    switch (f.type) {
    case FRAME_FOLLOW:
        f.follow.at = position(in);
        f.follow.credit = (uint64_t) number(in);
        break;
    case FRAME_ROWS:
        f.rows.leader = position(in);
        f.rows.count = byte(in) % 5;
        f.rows.pieces = pieces;
        for (size_t i = 0; i < f.rows.count; i++) {
            pieces[i] = piece(in);
        }
        break;
    case FRAME_APPLIED:
        f.applied.at = position(in);
        f.applied.received = (uint64_t) number(in);
        f.applied.consumed = (uint64_t) number(in);
        break;
    case FRAME_DIVERGED:
        f.diverged.why = (enum frame_divergence)(byte(in) % FRAME_DIVERGENCES);
        f.diverged.fork_known = byte(in) % 2 != 0;
        f.diverged.fork = position(in);
        break;
    case FRAME_OFFER:
        f.offer.id = id(in);
        f.offer.at = position(in);
        f.offer.size = (uint64_t) number(in) * 300000;
        f.offer.hashes = ts_slice(hashes, (byte(in) % 5) * TS_HASH_SIZE);
        break;
    case FRAME_WANT:
        f.want.id = id(in);
        f.want.index = (uint32_t) number(in);
        f.want.credit = (uint32_t) number(in);
        break;
    case FRAME_CHUNK:
        f.chunk.id = id(in);
        f.chunk.index = (uint32_t) number(in);
        f.chunk.raw_size = (uint32_t) number(in);
        f.chunk.packed = some(in, 8);
        break;
    case FRAME_TAIL:
        f.tail.epoch = number(in);
        f.tail.boot = id(in);
        f.tail.number = (uint32_t) number(in);
        f.tail.last = byte(in) % 2 != 0;
        f.tail.count = byte(in) % 3;
        f.tail.hints = hints;
        break;
    case FRAME_TAIL_TAKEN:
        f.tail_taken.number = (uint32_t) number(in);
        f.tail_taken.accepted = byte(in) % 2 != 0;
        break;
    case FRAME_REFUSED:
    case FRAME_TYPES:
        f.type = FRAME_REFUSED;
        f.refused.code = (enum ts_code)(byte(in) % TS_E_VERSION + 1);
        f.refused.text = some(in, 16);
        break;
    }
    return f;
}

struct world {
    struct input in;
    struct journal_position own; /* of the leader's store: only grows */
    struct leader *leader;
    struct follower *follower;
    struct ts_time now;
    struct ship_job jobs[2]; /* the last one of each, if any */
    bool has_job[2];
    bool applying, installing;
    struct journal_position at;
};

/* What ship_run() may answer to `job`. */
static void answer_read(struct world *w, const struct ship_job *job,
                        uint8_t how, struct ship_result *r)
{
    pieces[0] = (struct frame_piece){
        .item = { .kind = JOURNAL_ROW,
                  .seq = job->at.seq + 1,
                  .generation = job->at.generation,
                  .epoch = w->own.epoch },
        .offset = job->offset,
    };
    pieces[0].item.changeset =
        ts_slice(hashes, job->size_max < 8 ? job->size_max : 8);
    pieces[0].total =
        pieces[0].offset + pieces[0].item.changeset.size + how % 4;
    r->pieces = pieces;
    r->count = job->at.seq < w->own.seq ? how % 2 : 0;
}

static bool has(const struct world *w, const struct journal_position *at)
{
    return at->generation == w->own.generation && at->seq <= w->own.seq &&
           at->epoch <= w->own.epoch;
}

static struct ship_result answer(struct world *w, const struct ship_job *job)
{
    struct ship_result r = { .type = job->type, .ticket = job->ticket };
    uint8_t how = byte(&w->in);
    if (how % 8 == 7) {
        r.err.code = how % 16 == 15 ? TS_E_PROTOCOL : TS_E_CONFLICT;
    }
    r.answer.found =
        has(w, &job->at) ? (enum lineage_found)(how % 3) : LINEAGE_NOT_OURS;
    r.answer.fork_known = how % 5 == 0;
    r.answer.fork = position(&w->in);
    r.index = job->index;
    r.folder = 7;
    if (job->type == SHIP_READ) {
        answer_read(w, job, how, &r);
    } else if (job->type == SHIP_BUILD) {
        r.offer = (struct frame_offer){ .id = { { 1 } },
                                        .size = 900000,
                                        .hashes = ts_slice(hashes, 32) };
    } else if (job->type == SHIP_CHUNK) {
        r.chunk = (struct frame_chunk){ .id = job->id, .index = job->index };
    } else if (job->type == SHIP_HINTS) {
        r.tail = (struct tail){ .count = how % 3, .hints = hints };
    }
    return r;
}

static void lead(struct world *w, const struct leader_event *event)
{
    static struct leader_actions actions;
    leader_step(w->leader, event, w->now, &actions);
    for (size_t i = 0; i < actions.count; i++) {
        if (actions.items[i].type == LEADER_JOB) {
            w->jobs[0] = actions.items[i].job;
            w->has_job[0] = true;
        }
    }
}

static void take_batch(struct world *w, struct batch *batch)
{
    assert(!w->applying && batch->count > 0);
    for (size_t i = 1; i < batch->count; i++) {
        int64_t step = batch->items[i].kind == JOURNAL_ROW ? 1 : 0;
        assert(batch->items[i].seq == batch->items[i - 1].seq + step);
        assert(batch->items[i].epoch >= batch->items[i - 1].epoch);
    }
    w->at = journal_item_end(&batch->items[batch->count - 1]);
    w->applying = true;
    batch_free(batch);
}

static void follow(struct world *w, const struct follower_event *event)
{
    static struct follower_actions actions;
    follower_step(w->follower, event, w->now, &actions);
    for (size_t i = 0; i < actions.count; i++) {
        if (actions.items[i].type == FOLLOWER_JOB) {
            w->jobs[1] = actions.items[i].job;
            w->jobs[1].offer.hashes = TS_SLICE_NONE;
            w->has_job[1] = true;
        } else if (actions.items[i].type == FOLLOWER_APPLY) {
            take_batch(w, actions.items[i].batch);
        } else if (actions.items[i].type == FOLLOWER_INSTALL) {
            w->installing = true;
        }
    }
}

static void leader_turn(struct world *w, uint8_t what)
{
    struct leader_event e = { .type = (enum leader_event_type)(what % 8) };
    struct frame f;
    struct ship_result r;
    if (e.type == LEADER_FRAME) {
        f = frame(&w->in);
        e.frame = &f;
    } else if (e.type == LEADER_RESULT) {
        if (!w->has_job[0]) {
            return;
        }
        r = answer(w, &w->jobs[0]);
        e.result = &r;
        w->has_job[0] = false;
    } else if (e.type == LEADER_BEGIN || e.type == LEADER_COMMITTED) {
        w->own.generation = 1;
        w->own.seq += byte(&w->in) % 8;
        w->own.epoch += e.type == LEADER_BEGIN ? 1 : 0;
        e.epoch = w->own.epoch;
        e.position = w->own;
        e.before.epoch = number(&w->in);
        e.before.boot = id(&w->in);
    } else if (e.type == LEADER_HINTED) {
        e.failed = byte(&w->in) % 4 == 0;
    }
    lead(w, &e);
}

static void follower_turn(struct world *w, uint8_t what)
{
    static const struct ts_err failures[] = {
        { .code = TS_OK },
        { .code = TS_OK },
        { .code = TS_E_CONFLICT, .text = "diverged" },
        { .code = TS_E_IO, .text = "disk" },
    };
    static const enum follower_event_type types[] = {
        FOLLOWER_BEGIN,   FOLLOWER_END,    FOLLOWER_LINK,      FOLLOWER_FRAME,
        FOLLOWER_APPLIED, FOLLOWER_RESULT, FOLLOWER_INSTALLED, FOLLOWER_TICK,
        FOLLOWER_DAMAGED, FOLLOWER_LED,
    };
    struct follower_event e = { .type = types[what < 10 ? what : what % 8] };
    struct frame f;
    struct ship_result r;
    if (e.type == FOLLOWER_FRAME) {
        f = frame(&w->in);
        e.frame = &f;
    } else if (e.type == FOLLOWER_RESULT) {
        if (!w->has_job[1]) {
            return;
        }
        r = answer(w, &w->jobs[1]);
        e.result = &r;
        w->has_job[1] = false;
    } else if (e.type == FOLLOWER_BEGIN) {
        e.epoch = number(&w->in);
        e.position = position(&w->in);
        e.wrote.epoch = number(&w->in);
    } else if (e.type == FOLLOWER_DAMAGED) {
        e.err = &failures[2];
    } else if (e.type == FOLLOWER_LINK) {
        e.up = byte(&w->in) % 4 != 0;
    } else if (e.type == FOLLOWER_APPLIED) {
        if (!w->applying) {
            return;
        }
        w->applying = false;
        e.err = &failures[byte(&w->in) % 4];
        e.position = w->at;
    } else if (e.type == FOLLOWER_INSTALLED) {
        if (!w->installing) {
            return;
        }
        w->installing = false;
        e.err = &failures[byte(&w->in) % 4];
        e.position = position(&w->in);
    } else if (e.type == FOLLOWER_DAMAGED) {
        e.err = &failures[2];
    }
    follow(w, &e);
}

/* The rest of the input as a message of the wire, to both. */
static void wire_turn(struct world *w)
{
    struct ts_arena arena;
    struct wire_message message;
    struct frame f;
    struct ts_err err;
    ts_arena_init(&arena, (size_t) 16 * 1024 * 1024);
    if (wire_unpack(ts_slice(w->in.data, w->in.size), &arena, &message, &err) ==
            TS_OK &&
        frame_of_wire(&message, &arena, &f, &err) == TS_OK) {
        struct wire_message again = { .header = message.header };
        struct ts_slice bytes;
        assert(frame_to_wire(&f, &arena, &again, &err) == TS_OK);
        assert(wire_pack(&again, &arena, &bytes, &err) == TS_OK);
        lead(w, &(struct leader_event){ .type = LEADER_FRAME, .frame = &f });
        follow(w,
               &(struct follower_event){ .type = FOLLOWER_FRAME, .frame = &f });
    }
    ts_arena_done(&arena);
    w->in.size = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = { .in = { data, size },
                       .leader = leader_new(),
                       .follower = follower_new() };
    assert(w.leader != NULL && w.follower != NULL);
    while (w.in.size > 0) {
        uint8_t what = byte(&w.in);
        w.now.ms += what % 3 == 0 ? 700 : 1;
        if (what >= 250) {
            wire_turn(&w);
        } else if (what % 2 == 0) {
            leader_turn(&w, what / 2);
        } else {
            follower_turn(&w, what / 2);
        }
        struct leader_figures l;
        struct follower_figures f;
        leader_figures(w.leader, w.now, &l);
        follower_figures(w.follower, w.now, &f);
        assert(f.chunks_stored <= f.chunks);
    }
    leader_free(w.leader);
    follower_free(w.follower);
    return 0;
}
