#include "proto/wire_codec.h"

#include <stdlib.h>

#include "node/base/cleanup.h"
#include "proto/packing.h"
#include "proto/wire.pb-c.h"
#include "proto/wire_check.h"

/* protobuf-c's names are long. */
#define PB(Name) Twinsync__V1__##Name

uint32_t wire_version(void)
{
#ifdef TS_FAILPOINTS
    const char *played = getenv("TWINSYNC_TEST_WIRE");
    if (played != NULL && strtoul(played, NULL, 10) > 0) {
        return (uint32_t) strtoul(played, NULL, 10);
    }
#endif
    return WIRE_VERSION;
}

bool wire_id_equal(struct wire_id a, struct wire_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

bool wire_id_is_zero(struct wire_id id)
{
    return wire_id_equal(id, (struct wire_id){ { 0 } });
}

static const char *const kind_texts[WIRE_KINDS_COUNT] = { [WIRE_UNKNOWN] =
                                                              "message",
#define KIND_TEXT(NAME, member) [WIRE_##NAME] = #member,
                                                          WIRE_KINDS(KIND_TEXT)
#undef KIND_TEXT
};

const char *wire_kind_text(enum wire_kind kind)
{
    return kind_texts[kind < WIRE_KINDS_COUNT ? kind : WIRE_UNKNOWN];
}

uint32_t wire_kind_field(enum wire_kind kind)
{
    return kind == WIRE_UNKNOWN
               ? 0
               : kind - WIRE_HELLO + TWINSYNC__V1__ENVELOPE__BODY_HELLO;
}

enum ts_code wire_versions_fit(const struct wire_header *header, uint32_t ours,
                               uint32_t ours_min, struct ts_err *err)
{
    if (header->version_min > ours) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot understand node \"%s\": its message needs "
                       "protocol version %u and this node speaks %u; upgrade "
                       "this node",
                       header->sender, header->version_min, ours);
    }
    if (header->version < ours_min) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot understand node \"%s\": it speaks protocol "
                       "version %u and this node understands %u and later; "
                       "upgrade that node",
                       header->sender, header->version, ours_min);
    }
    return TS_OK;
}

/* ======================================================= struct to protobuf */

/* All that protobuf-c wants by pointer, for the time of one call. */
struct frame {
    PB(Envelope) envelope;
    union {
        PB(Hello) hello;
        PB(Heartbeat) heartbeat;
        PB(HeartbeatReply) heartbeat_reply;
        PB(Promise) promise_request, promise_grant;
        PB(PromiseRefusal) promise_refusal;
        PB(FollowFrom) follow_from;
        PB(Rows) rows;
        PB(Applied) applied;
        PB(SnapshotOffer) snapshot_offer;
        PB(SnapshotWant) snapshot_want;
        PB(SnapshotChunk) snapshot_chunk;
        PB(Diverged) diverged;
        PB(Tail) tail;
        PB(TailTaken) tail_taken;
        PB(PreflightAsk) preflight_ask;
        PB(Preflight) preflight;
        PB(Refused) refused;
        PB(Secret) secret;
        PB(SecretKept) secret_kept;
    };
    PB(Position) position;
    PB(Promise) promise;
    void *items;          /* the rows or hints, */
    void **item_pointers; /* and what points to each; NULL: out of memory */
};

static bool make_items(struct frame *f, size_t count, size_t size)
{
    f->items = calloc(count + 1, size);
    f->item_pointers = calloc(count + 1, sizeof *f->item_pointers);
    for (size_t i = 0;
         f->items != NULL && f->item_pointers != NULL && i < count; i++) {
        f->item_pointers[i] = (char *) f->items + i * size;
    }
    return f->items != NULL && f->item_pointers != NULL;
}

static ProtobufCBinaryData put_id(const struct wire_id *id)
{
    return packing_bytes(id->bytes,
                         wire_id_is_zero(*id) ? 0 : sizeof id->bytes);
}

static ProtobufCBinaryData put_sum(const uint8_t sum[static WIRE_SUM_SIZE])
{
    static const uint8_t zero[WIRE_SUM_SIZE] = { 0 };
    return packing_bytes(
        sum, memcmp(sum, zero, sizeof zero) == 0 ? 0 : WIRE_SUM_SIZE);
}

static ProtobufCBinaryData put_slice(struct ts_slice slice)
{
    return packing_bytes(slice.data, slice.size);
}

static PB(Position) *
    put_position(struct frame *f, const struct wire_position *from)
{
    PB(Position) *to = &f->position;
    twinsync__v1__position__init(to);
    to->generation = (uint64_t) from->generation;
    to->epoch = (uint64_t) from->epoch;
    to->seq = (uint64_t) from->seq;
    to->level = from->level;
    to->sum = put_sum(from->sum);
    return to;
}

static bool put_hello(struct frame *f, const struct wire_hello *m)
{
    PB(Hello) *to = &f->hello;
    twinsync__v1__hello__init(to);
    to->release = packing_text(m->release);
    to->level_max = m->level_max;
    to->config_hash = put_sum(m->config_hash.bytes);
    to->machine_hash = put_sum(m->machine_hash.bytes);
    return true;
}

static bool put_heartbeat(struct frame *f, const struct wire_heartbeat *m)
{
    PB(Heartbeat) *to = &f->heartbeat;
    twinsync__v1__heartbeat__init(to);
    to->number = m->number;
    to->role = m->role;
    to->position = put_position(f, &m->position);
    to->level = m->level;
    to->level_max = m->level_max;
    to->config_hash = put_sum(m->config_hash.bytes);
    to->fit = m->fit;
    to->gates = m->gates;
    to->register_serial = m->register_serial;
    to->register_age_ms = (uint64_t) m->register_age_ms;
    to->heard_ms = (uint64_t) m->heard_ms + 1;
    to->equal = m->equal;
    to->paused = m->paused;
    to->maintenance = m->maintenance;
    to->wants_lease = m->wants_lease;
    to->wiped = m->wiped;
    return true;
}

static bool put_heartbeat_reply(struct frame *f,
                                const struct wire_heartbeat_reply *m)
{
    twinsync__v1__heartbeat_reply__init(&f->heartbeat_reply);
    f->heartbeat_reply.number = m->number;
    return true;
}

static void fill_promise(PB(Promise) * to, const struct wire_promise *m)
{
    twinsync__v1__promise__init(to);
    to->number = m->number;
    to->epoch = (uint64_t) m->epoch;
    to->boot = put_id(&m->boot);
    to->membership = (uint64_t) m->membership;
    to->nonce = put_id(&m->nonce);
}

static bool put_promise_request(struct frame *f, const struct wire_promise *m)
{
    fill_promise(&f->promise_request, m);
    return true;
}

static bool put_promise_grant(struct frame *f, const struct wire_promise *m)
{
    fill_promise(&f->promise_grant, m);
    return true;
}

static bool put_promise_refusal(struct frame *f,
                                const struct wire_promise_refusal *m)
{
    twinsync__v1__promise_refusal__init(&f->promise_refusal);
    fill_promise(&f->promise, &m->request);
    f->promise_refusal.request = &f->promise;
    f->promise_refusal.text = packing_text(m->text);
    return true;
}

static bool put_follow_from(struct frame *f, const struct wire_follow_from *m)
{
    twinsync__v1__follow_from__init(&f->follow_from);
    f->follow_from.position = put_position(f, &m->position);
    f->follow_from.credit = m->credit;
    f->follow_from.level_max = m->level_max;
    return true;
}

static void fill_row(PB(JournalRow) * to, const struct wire_row *row)
{
    twinsync__v1__journal_row__init(to);
    to->generation = (uint64_t) row->generation;
    to->epoch = (uint64_t) row->epoch;
    to->seq = (uint64_t) row->seq;
    to->level = row->level;
    to->at = (uint64_t) row->at;
    to->pre_sum = put_sum(row->pre_sum);
    to->post_sum = put_sum(row->post_sum);
    to->changeset = put_slice(row->changeset);
    to->offset = row->offset;
    to->size = row->size;
    to->mark = row->is_mark;
}

static bool put_rows(struct frame *f, const struct wire_rows *m)
{
    twinsync__v1__rows__init(&f->rows);
    if (!make_items(f, m->count, sizeof(PB(JournalRow)))) {
        return false;
    }
    PB(JournalRow) *rows = f->items;
    for (size_t i = 0; i < m->count; i++) {
        fill_row(&rows[i], &m->rows[i]);
    }
    f->rows.n_rows = m->count;
    f->rows.rows = (PB(JournalRow) **) f->item_pointers;
    f->rows.leader = put_position(f, &m->leader);
    return true;
}

static bool put_applied(struct frame *f, const struct wire_applied *m)
{
    twinsync__v1__applied__init(&f->applied);
    f->applied.position = put_position(f, &m->position);
    f->applied.received = m->received;
    f->applied.consumed = m->consumed;
    return true;
}

static bool put_diverged(struct frame *f, const struct wire_diverged *m)
{
    twinsync__v1__diverged__init(&f->diverged);
    f->diverged.why = m->why;
    f->diverged.fork_known = m->fork_known;
    f->diverged.fork = put_position(f, &m->fork);
    return true;
}

static bool put_snapshot_offer(struct frame *f,
                               const struct wire_snapshot_offer *m)
{
    PB(SnapshotOffer) *to = &f->snapshot_offer;
    twinsync__v1__snapshot_offer__init(to);
    to->id = put_id(&m->id);
    to->position = put_position(f, &m->position);
    to->file_size = m->file_size;
    to->chunk_hashes =
        packing_bytes(m->chunk_hashes, m->chunk_count * TS_HASH_SIZE);
    return true;
}

static bool put_snapshot_want(struct frame *f,
                              const struct wire_snapshot_want *m)
{
    twinsync__v1__snapshot_want__init(&f->snapshot_want);
    f->snapshot_want.id = put_id(&m->id);
    f->snapshot_want.index = m->index;
    f->snapshot_want.credit = m->credit;
    return true;
}

static bool put_snapshot_chunk(struct frame *f,
                               const struct wire_snapshot_chunk *m)
{
    twinsync__v1__snapshot_chunk__init(&f->snapshot_chunk);
    f->snapshot_chunk.id = put_id(&m->id);
    f->snapshot_chunk.index = m->index;
    f->snapshot_chunk.raw_size = m->raw_size;
    f->snapshot_chunk.data = put_slice(m->data);
    return true;
}

static void fill_hint(PB(Hint) * to, const struct wire_hint *hint)
{
    twinsync__v1__hint__init(to);
    to->kind = hint->kind;
    to->anchor = put_slice(hint->anchor);
}

static bool put_tail(struct frame *f, const struct wire_tail *m)
{
    twinsync__v1__tail__init(&f->tail);
    if (!make_items(f, m->count, sizeof(PB(Hint)))) {
        return false;
    }
    PB(Hint) *hints = f->items;
    for (size_t i = 0; i < m->count; i++) {
        fill_hint(&hints[i], &m->hints[i]);
    }
    f->tail.epoch = (uint64_t) m->epoch;
    f->tail.boot = put_id(&m->boot);
    f->tail.index = m->index;
    f->tail.last = m->last;
    f->tail.cut = m->cut;
    f->tail.n_hints = m->count;
    f->tail.hints = (PB(Hint) **) f->item_pointers;
    return true;
}

static bool put_tail_taken(struct frame *f, const struct wire_tail_taken *m)
{
    twinsync__v1__tail_taken__init(&f->tail_taken);
    f->tail_taken.index = m->index;
    f->tail_taken.accepted = m->accepted;
    return true;
}

static bool put_refused(struct frame *f, const struct wire_refused *m)
{
    twinsync__v1__refused__init(&f->refused);
    f->refused.code = m->refusal;
    f->refused.about = wire_kind_field(m->about);
    f->refused.text = packing_text(m->text);
    return true;
}

static bool put_secret(struct frame *f, const struct wire_secret *m)
{
    twinsync__v1__secret__init(&f->secret);
    f->secret.number = m->number;
    f->secret.name = packing_text(m->name);
    f->secret.account = put_sum(m->account.bytes);
    f->secret.sealed = put_slice(m->sealed);
    return true;
}

static bool put_secret_kept(struct frame *f, const struct wire_secret_kept *m)
{
    twinsync__v1__secret_kept__init(&f->secret_kept);
    f->secret_kept.number = m->number;
    f->secret_kept.name = packing_text(m->name);
    f->secret_kept.outcome = m->outcome;
    f->secret_kept.text = packing_text(m->text);
    return true;
}

static bool put_preflight_ask(struct frame *f,
                              const struct wire_preflight_ask *m)
{
    twinsync__v1__preflight_ask__init(&f->preflight_ask);
    f->preflight_ask.number = m->number;
    return true;
}

static bool put_preflight(struct frame *f, const struct wire_preflight *m)
{
    twinsync__v1__preflight__init(&f->preflight);
    if (!make_items(f, m->count, sizeof(PB(PreflightGate)))) {
        return false;
    }
    PB(PreflightGate) *gates = f->items;
    for (size_t i = 0; i < m->count; i++) {
        twinsync__v1__preflight_gate__init(&gates[i]);
        gates[i].name = packing_text(m->gates[i].name);
        gates[i].ok = m->gates[i].ok;
        gates[i].text = packing_text(m->gates[i].text);
    }
    f->preflight.number = m->number;
    f->preflight.clock_ms = (uint64_t) m->clock_ms;
    f->preflight.release = packing_text(m->release);
    f->preflight.n_gates = m->count;
    f->preflight.gates = (PB(PreflightGate) **) f->item_pointers;
    return true;
}

static void put_header(struct frame *f, const struct wire_header *header)
{
    PB(Envelope) *to = &f->envelope;
    twinsync__v1__envelope__init(to);
    to->version = header->version == 0 ? WIRE_VERSION : header->version;
    to->version_min =
        header->version_min == 0 ? WIRE_VERSION_MIN : header->version_min;
    to->cluster = put_id(&header->cluster);
    to->sender = packing_text(header->sender);
    to->boot = put_id(&header->boot);
    to->epoch = (uint64_t) header->epoch;
    to->session = header->session;
    to->number = header->number;
    to->stream = header->stream;
    to->membership = (uint64_t) header->membership;
}

static bool put_body(struct frame *f, const struct wire_message *message)
{
    switch (message->kind) {
#define CASE(NAME, member)                                           \
    case WIRE_##NAME:                                                \
        f->envelope.body_case = TWINSYNC__V1__ENVELOPE__BODY_##NAME; \
        f->envelope.member = &f->member;                             \
        return put_##member(f, &message->member);
        WIRE_KINDS(CASE)
#undef CASE
    case WIRE_UNKNOWN:
    case WIRE_KINDS_COUNT:
        break;
    }
    return true; /* a header alone */
}

static enum ts_code pack_frame(const struct frame *f, struct ts_arena *arena,
                               struct ts_slice *ret_bytes, struct ts_err *err)
{
    size_t size = twinsync__v1__envelope__get_packed_size(&f->envelope);
    if (size > WIRE_FRAME_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0, "its %zu bytes are more than %zu",
                       size, WIRE_FRAME_MAX);
    }
    uint8_t *bytes = ts_arena_take(arena, size);
    if (bytes == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "its %zu bytes are more than is left for it", size);
    }
    (void) twinsync__v1__envelope__pack(&f->envelope, bytes);
    *ret_bytes = ts_slice(bytes, size);
    return TS_OK;
}

enum ts_code wire_pack(const struct wire_message *message,
                       struct ts_arena *arena, struct ts_slice *ret_bytes,
                       struct ts_err *err)
{
    TS_AUTOFREE struct frame *f = calloc(1, sizeof *f);
    enum ts_code code = wire_check(message, TS_E_PROTOCOL, err);
    if (code == TS_OK && f != NULL) {
        put_header(f, &message->header);
    }
    if (code == TS_OK && (f == NULL || !put_body(f, message))) {
        code = ts_fail(err, TS_E_NOMEM, 0, "out of memory");
    }
    if (code == TS_OK) {
        code = pack_frame(f, arena, ret_bytes, err);
    }
    if (code != TS_OK) {
        ts_err_wrap(err, "cannot send a message (%s)",
                    wire_kind_text(message->kind));
    }
    if (f != NULL) {
        free(f->items);
        free((void *) f->item_pointers);
    }
    return code;
}
