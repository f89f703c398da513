/* The other direction of wire_codec.h: from bytes. Lengths of ids and sums are
 * checked here, ranges in wire_check.c; a number over 63 bits becomes one below
 * 0, which that refuses. */
#include "proto/packing.h"
#include "proto/wire.pb-c.h"
#include "proto/wire_check.h"

#define PB(Name) Twinsync__V1__##Name

/* The first failure is told; what comes after it does no harm. */
struct reader {
    struct ts_arena *arena;
    enum ts_code code;
    struct ts_err *err;
    uint32_t unknown_fields;
};

static void fail(struct reader *r, enum ts_code code, const char *what)
{
    if (r->code == TS_OK) {
        r->code = ts_fail(r->err, code, 0, "%s", what);
    }
}

static void count(struct reader *r, const ProtobufCMessage *message)
{
    r->unknown_fields += message->n_unknown_fields;
}

/* Exactly `size` bytes, or none: then they stay zero. */
static void get_fixed(struct reader *r, ProtobufCBinaryData from, uint8_t *to,
                      size_t size)
{
    if (from.len == size) {
        memcpy(to, from.data, size);
    } else if (from.len != 0) {
        fail(r, TS_E_CORRUPT, "an id or a sum has another length than its own");
    }
}

static struct wire_id get_id(struct reader *r, ProtobufCBinaryData from)
{
    struct wire_id id = { { 0 } };
    get_fixed(r, from, id.bytes, sizeof id.bytes);
    return id;
}

static struct ts_hash get_hash(struct reader *r, ProtobufCBinaryData from)
{
    struct ts_hash hash = { { 0 } };
    get_fixed(r, from, hash.bytes, sizeof hash.bytes);
    return hash;
}

static struct ts_slice get_slice(ProtobufCBinaryData from)
{
    return ts_slice(from.data, from.len);
}

/* A message inside another that is missing has the defaults. */
static struct wire_position get_position(struct reader *r,
                                         const PB(Position) * from)
{
    struct wire_position to = { 0 };
    if (from != NULL) {
        count(r, &from->base);
        to.generation = (int64_t) from->generation;
        to.epoch = (int64_t) from->epoch;
        to.seq = (int64_t) from->seq;
        to.level = from->level;
        get_fixed(r, from->sum, to.sum, sizeof to.sum);
    }
    return to;
}

static void get_hello(struct reader *r, const PB(Hello) * from,
                      struct wire_hello *to)
{
    to->release = from->release;
    to->level_max = from->level_max;
    to->config_hash = get_hash(r, from->config_hash);
    to->machine_hash = get_hash(r, from->machine_hash);
}

static void get_heartbeat(struct reader *r, const PB(Heartbeat) * from,
                          struct wire_heartbeat *to)
{
    to->number = from->number;
    to->role = from->role;
    to->position = get_position(r, from->position);
    to->level = from->level;
    to->level_max = from->level_max;
    to->config_hash = get_hash(r, from->config_hash);
    to->fit = from->fit;
    to->gates = from->gates;
    to->register_serial = from->register_serial;
    to->register_age_ms = (int64_t) from->register_age_ms;
    to->heard_ms = (int64_t) (from->heard_ms - 1);
    to->equal = from->equal;
    to->paused = from->paused;
    to->maintenance = from->maintenance;
    to->wants_lease = from->wants_lease;
    to->wiped = from->wiped;
}

static void get_heartbeat_reply(struct reader *r,
                                const PB(HeartbeatReply) * from,
                                struct wire_heartbeat_reply *to)
{
    (void) r;
    to->number = from->number;
}

static void get_promise(struct reader *r, const PB(Promise) * from,
                        struct wire_promise *to)
{
    to->number = from->number;
    to->epoch = (int64_t) from->epoch;
    to->boot = get_id(r, from->boot);
    to->membership = (int64_t) from->membership;
    to->nonce = get_id(r, from->nonce);
}

static void get_promise_request(struct reader *r, const PB(Promise) * from,
                                struct wire_promise *to)
{
    get_promise(r, from, to);
}

static void get_promise_grant(struct reader *r, const PB(Promise) * from,
                              struct wire_promise *to)
{
    get_promise(r, from, to);
}

static void get_promise_refusal(struct reader *r,
                                const PB(PromiseRefusal) * from,
                                struct wire_promise_refusal *to)
{
    to->text = from->text;
    if (from->request == NULL) {
        fail(r, TS_E_CORRUPT, "a refusal does not say of what");
        return;
    }
    count(r, &from->request->base);
    get_promise(r, from->request, &to->request);
}

static void get_follow_from(struct reader *r, const PB(FollowFrom) * from,
                            struct wire_follow_from *to)
{
    to->position = get_position(r, from->position);
    to->credit = from->credit;
    to->level_max = from->level_max;
}

static void get_row(struct reader *r, const PB(JournalRow) * from,
                    struct wire_row *to)
{
    count(r, &from->base);
    to->generation = (int64_t) from->generation;
    to->epoch = (int64_t) from->epoch;
    to->seq = (int64_t) from->seq;
    to->level = from->level;
    to->at = (int64_t) from->at;
    get_fixed(r, from->pre_sum, to->pre_sum, sizeof to->pre_sum);
    get_fixed(r, from->post_sum, to->post_sum, sizeof to->post_sum);
    to->changeset = get_slice(from->changeset);
    to->offset = from->offset;
    to->size = from->size;
    to->is_mark = from->mark;
}

static void get_rows(struct reader *r, const PB(Rows) * from,
                     struct wire_rows *to)
{
    to->leader = get_position(r, from->leader);
    if (from->n_rows > WIRE_ROWS_MAX) {
        fail(r, TS_E_LIMIT, "it has more rows than a message may have");
        return;
    }
    to->rows = ts_arena_array(r->arena, from->n_rows, sizeof *to->rows);
    if (to->rows == NULL) {
        fail(r, TS_E_LIMIT, "it needs more memory than it may have");
        return;
    }
    to->count = from->n_rows;
    for (size_t i = 0; i < to->count; i++) {
        get_row(r, from->rows[i], &to->rows[i]);
    }
}

static void get_applied(struct reader *r, const PB(Applied) * from,
                        struct wire_applied *to)
{
    to->position = get_position(r, from->position);
    to->received = from->received;
    to->consumed = from->consumed;
}

static void get_diverged(struct reader *r, const PB(Diverged) * from,
                         struct wire_diverged *to)
{
    to->why = from->why < WIRE_DIVERGENCES ? (enum wire_divergence) from->why
                                           : WIRE_DIVERGED_UNKNOWN;
    to->fork_known = from->fork_known;
    to->fork = get_position(r, from->fork);
}

static void get_snapshot_offer(struct reader *r, const PB(SnapshotOffer) * from,
                               struct wire_snapshot_offer *to)
{
    to->id = get_id(r, from->id);
    to->position = get_position(r, from->position);
    to->file_size = from->file_size;
    if (from->chunk_hashes.len % TS_HASH_SIZE != 0) {
        fail(r, TS_E_CORRUPT, "its chunks' hashes are not 32 bytes each");
        return;
    }
    to->chunk_count = from->chunk_hashes.len / TS_HASH_SIZE;
    to->chunk_hashes = (const struct ts_hash *) from->chunk_hashes.data;
}

static void get_snapshot_want(struct reader *r, const PB(SnapshotWant) * from,
                              struct wire_snapshot_want *to)
{
    to->id = get_id(r, from->id);
    to->index = from->index;
    to->credit = from->credit;
}

static void get_snapshot_chunk(struct reader *r, const PB(SnapshotChunk) * from,
                               struct wire_snapshot_chunk *to)
{
    to->id = get_id(r, from->id);
    to->index = from->index;
    to->raw_size = from->raw_size;
    to->data = get_slice(from->data);
}

static void get_tail(struct reader *r, const PB(Tail) * from,
                     struct wire_tail *to)
{
    to->epoch = (int64_t) from->epoch;
    to->boot = get_id(r, from->boot);
    to->index = from->index;
    to->last = from->last;
    to->cut = from->cut;
    if (from->n_hints > WIRE_HINTS_MAX) {
        fail(r, TS_E_LIMIT, "it has more hints than a message may have");
        return;
    }
    to->hints = ts_arena_array(r->arena, from->n_hints, sizeof *to->hints);
    if (to->hints == NULL) {
        fail(r, TS_E_LIMIT, "it needs more memory than it may have");
        return;
    }
    to->count = from->n_hints;
    for (size_t i = 0; i < to->count; i++) {
        const PB(Hint) *hint = from->hints[i];
        count(r, &hint->base);
        to->hints[i] = (struct wire_hint){
            .kind = hint->kind,
            .anchor = get_slice(hint->anchor),
        };
    }
}

static void get_tail_taken(struct reader *r, const PB(TailTaken) * from,
                           struct wire_tail_taken *to)
{
    (void) r;
    to->index = from->index;
    to->accepted = from->accepted;
}

static void get_refused(struct reader *r, const PB(Refused) * from,
                        struct wire_refused *to)
{
    (void) r;
    to->refusal = from->code < WIRE_REFUSALS ? (enum wire_refusal) from->code
                                             : WIRE_REFUSED_OTHER;
    to->about = WIRE_UNKNOWN;
    for (enum wire_kind kind = WIRE_HELLO; kind < WIRE_KINDS_COUNT; kind++) {
        if (wire_kind_field(kind) == from->about) {
            to->about = kind;
        }
    }
    to->text = from->text;
}

static void get_secret(struct reader *r, const PB(Secret) * from,
                       struct wire_secret *to)
{
    to->number = from->number;
    to->name = from->name;
    to->account = get_hash(r, from->account);
    to->sealed = get_slice(from->sealed);
}

static void get_secret_kept(struct reader *r, const PB(SecretKept) * from,
                            struct wire_secret_kept *to)
{
    (void) r;
    to->number = from->number;
    to->name = from->name;
    to->outcome = from->outcome < WIRE_SECRET_OUTCOMES
                      ? (enum wire_secret_outcome) from->outcome
                      : WIRE_SECRET_REFUSED;
    to->text = from->text;
}

static void get_preflight_ask(struct reader *r, const PB(PreflightAsk) * from,
                              struct wire_preflight_ask *to)
{
    (void) r;
    to->number = from->number;
}

static void get_preflight(struct reader *r, const PB(Preflight) * from,
                          struct wire_preflight *to)
{
    to->number = from->number;
    to->clock_ms = (int64_t) from->clock_ms;
    to->release = from->release;
    if (from->n_gates > WIRE_GATES_MAX) {
        fail(r, TS_E_LIMIT, "it has more gates than a message may have");
        return;
    }
    to->gates = ts_arena_array(r->arena, from->n_gates, sizeof *to->gates);
    if (to->gates == NULL) {
        fail(r, TS_E_LIMIT, "it needs more memory than it may have");
        return;
    }
    to->count = from->n_gates;
    for (size_t i = 0; i < to->count; i++) {
        const PB(PreflightGate) *gate = from->gates[i];
        count(r, &gate->base);
        to->gates[i] = (struct wire_gate){ .name = gate->name,
                                           .ok = gate->ok,
                                           .text = gate->text };
    }
}

static void get_header(struct reader *r, const PB(Envelope) * from,
                       struct wire_header *to)
{
    count(r, &from->base);
    to->version = from->version;
    to->version_min = from->version_min;
    to->cluster = get_id(r, from->cluster);
    to->sender = from->sender;
    to->boot = get_id(r, from->boot);
    to->epoch = (int64_t) from->epoch;
    to->session = from->session;
    to->number = from->number;
    to->stream = from->stream;
    to->membership = (int64_t) from->membership;
}

static void get_body(struct reader *r, const PB(Envelope) * from,
                     struct wire_message *to)
{
    switch (from->body_case) {
#define CASE(NAME, member)                          \
    case TWINSYNC__V1__ENVELOPE__BODY_##NAME:       \
        to->kind = WIRE_##NAME;                     \
        count(r, &from->member->base);              \
        get_##member(r, from->member, &to->member); \
        break;
        WIRE_KINDS(CASE)
#undef CASE
    case TWINSYNC__V1__ENVELOPE__BODY__NOT_SET:
    case _TWINSYNC__V1__ENVELOPE__BODY__CASE_IS_INT_SIZE:
        to->kind = WIRE_UNKNOWN;
        break;
    }
}

static const PB(Envelope) *
    read_envelope(struct ts_slice bytes, struct reader *r)
{
    if (bytes.size > WIRE_FRAME_MAX) {
        fail(r, TS_E_LIMIT, "it is larger than a message may be");
        return NULL;
    }
    struct packing packing;
    packing_init(&packing, r->arena);
    const PB(Envelope) *envelope = twinsync__v1__envelope__unpack(
        &packing.allocator, bytes.size, bytes.data);
    if (envelope == NULL && packing.is_full) {
        fail(r, TS_E_LIMIT, "it needs more memory than it may have");
    } else if (envelope == NULL) {
        fail(r, TS_E_CORRUPT, "it is not the message twinsync.v1.Envelope");
    }
    return envelope;
}

enum ts_code wire_unpack(struct ts_slice bytes, struct ts_arena *arena,
                         struct wire_message *ret_message, struct ts_err *err)
{
    struct reader r = { .arena = arena, .err = err };
    struct wire_message message = { .kind = WIRE_UNKNOWN };
    const PB(Envelope) *envelope = read_envelope(bytes, &r);
    if (envelope != NULL) {
        get_header(&r, envelope, &message.header);
    }
    if (r.code == TS_OK) {
        /* The header first: the body of a later version may break our ranges.
         */
        r.code = wire_check(&message, TS_E_CORRUPT, err);
    }
    if (r.code == TS_OK && wire_versions_fit(&message.header, wire_version(),
                                             WIRE_VERSION_MIN, err) != TS_OK) {
        return TS_E_VERSION;
    }
    if (r.code == TS_OK) {
        get_body(&r, envelope, &message);
    }
    if (r.code == TS_OK) {
        r.code = wire_check(&message, TS_E_CORRUPT, err);
    }
    if (r.code != TS_OK) {
        ts_err_wrap(err, "cannot take a message of %zu bytes (%s)", bytes.size,
                    wire_kind_text(message.kind));
        return r.code;
    }
    message.unknown_fields = r.unknown_fields;
    *ret_message = message;
    return TS_OK;
}
