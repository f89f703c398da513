#include "proto/register_codec.h"

#include <string.h>

#include "node/base/entry.h"
#include "proto/register.pb-c.h"

/* ---- what both directions check ----------------------------------------- */

/* A name or an identifier: what people and logs can show. */
static bool is_printable(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char) text[i] < ' ' || text[i] == 0x7f) {
            return false;
        }
    }
    return size == 0 || ts_kind_of_bytes(ts_slice(text, size)) == TS_KIND_TEXT;
}

static bool is_number(uint64_t number)
{
    return number <= REGISTER_NUMBER_MAX;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* ---- packing ------------------------------------------------------------ */

struct packing {
    struct ts_arena *arena;
    struct ts_err *err;
    enum ts_code code; /* the first failure */
};

static void fail(struct packing *p, enum ts_code code, const char *what)
{
    if (p->code == TS_OK) {
        p->code = ts_fail(p->err, code, 0,
                          "cannot pack the register's value: %s", what);
    }
}

static void *take(struct packing *p, size_t count, size_t size)
{
    void *piece = ts_arena_array(p->arena, count, size);
    if (piece == NULL) {
        fail(p, TS_E_LIMIT, "it needs more memory than it may have");
    }
    return piece;
}

/* protobuf-c only reads what it packs, yet wants it writable. */
static ProtobufCBinaryData bytes_of(struct packing *p, const uint8_t *bytes,
                                    size_t size, size_t size_max)
{
    ProtobufCBinaryData data = { 0, NULL };
    if (size > size_max) {
        fail(p, TS_E_LIMIT, "a field is longer than its limit");
    } else if (size > 0) {
        data.data = take(p, size, 1);
        if (data.data != NULL) {
            memcpy(data.data, bytes, size);
            data.len = size;
        }
    }
    return data;
}

static ProtobufCBinaryData hash_of(struct packing *p, const uint8_t *bytes)
{
    size_t size = is_zero(bytes, REGISTER_HASH_SIZE) ? 0 : REGISTER_HASH_SIZE;
    return bytes_of(p, bytes, size, REGISTER_HASH_SIZE);
}

static char *text_of(struct packing *p, const char *text, size_t room)
{
    static char none[1];
    size_t size = strnlen(text, room);
    if (size == room || !is_printable(text, size)) {
        fail(p, TS_E_PROTOCOL, "a name is too long or not printable UTF-8");
        return none;
    }
    char *copy = take(p, size + 1, 1);
    return copy == NULL ? none : memcpy(copy, text, size);
}

static uint64_t number_of(struct packing *p, uint64_t number)
{
    if (!is_number(number)) {
        fail(p, TS_E_LIMIT, "a number passes 2^63 - 1");
    }
    return number;
}

static Twinsync__V1__RegisterPosition *
position_of(struct packing *p, const struct register_position *from)
{
    Twinsync__V1__RegisterPosition *to = take(p, 1, sizeof *to);
    if (to != NULL) {
        twinsync__v1__register_position__init(to);
        to->generation = number_of(p, from->generation);
        to->epoch = number_of(p, from->epoch);
        to->seq = number_of(p, from->seq);
        to->sum = hash_of(p, from->sum);
    }
    return to;
}

static Twinsync__V1__RegisterPrincipal *
principal_of(struct packing *p, const struct register_principal *from)
{
    Twinsync__V1__RegisterPrincipal *to = take(p, 1, sizeof *to);
    if (to != NULL) {
        twinsync__v1__register_principal__init(to);
        if (from->kind >= REGISTER_KINDS) {
            fail(p, TS_E_PROTOCOL, "a principal is of an unknown kind");
        }
        to->epoch = number_of(p, from->epoch);
        to->kind = from->kind;
        to->node = text_of(p, from->node, sizeof from->node);
        to->id = text_of(p, from->id, sizeof from->id);
        to->sealed =
            bytes_of(p, from->sealed, from->sealed_size, sizeof from->sealed);
        to->token_hash = hash_of(p, from->token_hash);
        to->token_lifetime_s = from->token_lifetime_s;
    }
    return to;
}

static Twinsync__V1__RegisterRetired *
retired_of(struct packing *p, const struct register_retired *from)
{
    Twinsync__V1__RegisterRetired *to = take(p, 1, sizeof *to);
    if (to != NULL) {
        twinsync__v1__register_retired__init(to);
        to->node = text_of(p, from->node, sizeof from->node);
        to->membership = number_of(p, from->membership);
        to->at_s = number_of(p, from->at_s);
        to->actor = text_of(p, from->actor, sizeof from->actor);
        to->reason = text_of(p, from->reason, sizeof from->reason);
        to->wipe = from->wipe;
        to->key = hash_of(p, from->key);
    }
    return to;
}

static void fill_retired(struct packing *p, Twinsync__V1__RegisterValue *to,
                         const struct register_value *from)
{
    if (from->retired_count > REGISTER_RETIRED_MAX) {
        fail(p, TS_E_LIMIT, "a list is longer than its limit");
        return;
    }
    to->n_retired = from->retired_count;
    to->retired = take(p, REGISTER_RETIRED_MAX, sizeof(void *));
    for (size_t i = 0; p->code == TS_OK && i < from->retired_count; i++) {
        if (register_has_member(from, from->retired[i].node)) {
            fail(p, TS_E_PROTOCOL, "a retired node is a member too");
        }
        to->retired[i] = retired_of(p, &from->retired[i]);
    }
}

static void fill_lists(struct packing *p, Twinsync__V1__RegisterValue *to,
                       const struct register_value *from)
{
    if (from->voter_count > REGISTER_VOTERS_MAX ||
        from->principal_count > REGISTER_PRINCIPALS_MAX ||
        from->takeover_count > REGISTER_TAKEOVERS_MAX) {
        fail(p, TS_E_LIMIT, "a list is longer than its limit");
        return;
    }
    to->n_voters = from->voter_count;
    to->n_principals = from->principal_count;
    to->n_takeover_ages_ms = from->takeover_count;
    to->voters = take(p, REGISTER_VOTERS_MAX, sizeof *to->voters);
    to->principals = take(p, REGISTER_PRINCIPALS_MAX, sizeof(void *));
    to->takeover_ages_ms = take(p, REGISTER_TAKEOVERS_MAX, sizeof(uint64_t));
    if (p->code != TS_OK) {
        return;
    }
    if (from->learner[0] != '\0' && register_has_voter(from, from->learner)) {
        fail(p, TS_E_PROTOCOL, "its learner is a voter too");
    }
    for (size_t i = 0; i < from->voter_count; i++) {
        to->voters[i] = text_of(p, from->voters[i], REGISTER_NAME_SIZE);
    }
    for (size_t i = 0; i < from->principal_count; i++) {
        to->principals[i] = principal_of(p, &from->principals[i]);
    }
    for (size_t i = 0; i < from->takeover_count; i++) {
        to->takeover_ages_ms[i] = number_of(p, from->takeover_ages_ms[i]);
    }
}

static void fill(struct packing *p, Twinsync__V1__RegisterValue *to,
                 const struct register_value *from)
{
    to->format = REGISTER_FORMAT;
    to->id = bytes_of(p, from->id, sizeof from->id, sizeof from->id);
    to->serial = number_of(p, from->serial);
    to->membership = number_of(p, from->membership);
    to->learner = text_of(p, from->learner, sizeof from->learner);
    to->epoch = number_of(p, from->epoch);
    to->holder = text_of(p, from->holder, sizeof from->holder);
    to->boot = bytes_of(p, from->boot, sizeof from->boot, sizeof from->boot);
    to->released = from->released;
    to->planned = from->planned;
    to->paused = from->paused;
    to->fenced = from->fenced;
    to->is_unprotected = from->is_unprotected;
    to->unprotected_since = position_of(p, &from->unprotected_since);
    to->position = position_of(p, &from->position);
    to->level = from->level;
    to->data_generation = number_of(p, from->data_generation);
    to->pause_left_ms = number_of(p, from->pause_left_ms);
    to->handover =
        bytes_of(p, from->handover, from->handover_size, sizeof from->handover);
    to->server =
        bytes_of(p, from->server, from->server_size, sizeof from->server);
    fill_lists(p, to, from);
    fill_retired(p, to, from);
}

enum ts_code register_pack(const struct register_value *value,
                           struct ts_arena *arena, struct ts_slice *ret_bytes,
                           struct ts_err *err)
{
    struct packing p = { .arena = arena, .err = err };
    Twinsync__V1__RegisterValue message;
    twinsync__v1__register_value__init(&message);
    fill(&p, &message, value);
    if (p.code != TS_OK) {
        return p.code;
    }
    size_t known = twinsync__v1__register_value__get_packed_size(&message);
    if (value->unknown_size > sizeof value->unknown ||
        known > REGISTER_VALUE_SIZE_MAX - value->unknown_size) {
        fail(&p, TS_E_LIMIT, "it is larger than 48 KiB");
        return p.code;
    }
    uint8_t *bytes = take(&p, known + value->unknown_size, 1);
    if (bytes != NULL) {
        (void) twinsync__v1__register_value__pack(&message, bytes);
        memcpy(bytes + known, value->unknown, value->unknown_size);
        *ret_bytes = ts_slice(bytes, known + value->unknown_size);
    }
    return p.code;
}

/* ---- unpacking ---------------------------------------------------------- */

struct allocator {
    struct ts_arena *arena;
    bool full;
};

static void *allocate(void *context, size_t size)
{
    struct allocator *allocator = context;
    void *piece = ts_arena_take(allocator->arena, size);
    allocator->full |= piece == NULL;
    return piece;
}

static void keep(void *context, void *piece)
{
    (void) context; /* the arena gives everything back at once */
    (void) piece;
}

static bool get_text(const char *from, char *to, size_t room)
{
    size_t size = strnlen(from, room);
    if (size == room || !is_printable(from, size)) {
        return false;
    }
    memcpy(to, from, size);
    return true;
}

/* A hash or an identity: `size` bytes, or none for all zero. */
static bool get_exact(ProtobufCBinaryData from, uint8_t *to, size_t size)
{
    if (from.len == size) {
        memcpy(to, from.data, size);
    }
    return from.len == size || from.len == 0;
}

static bool get_bytes(ProtobufCBinaryData from, uint8_t *to, size_t room,
                      size_t *ret_size)
{
    if (from.len > room) {
        return false;
    }
    if (from.len > 0) {
        memcpy(to, from.data, from.len);
    }
    *ret_size = from.len;
    return true;
}

static bool get_position(const Twinsync__V1__RegisterPosition *from,
                         struct register_position *to)
{
    if (from == NULL) {
        return true;
    }
    to->generation = from->generation;
    to->epoch = from->epoch;
    to->seq = from->seq;
    return is_number(to->generation) && is_number(to->epoch) &&
           is_number(to->seq) && get_exact(from->sum, to->sum, sizeof to->sum);
}

static bool get_principal(const Twinsync__V1__RegisterPrincipal *from,
                          struct register_principal *to)
{
    to->epoch = from->epoch;
    to->kind = (enum register_kind) from->kind;
    to->token_lifetime_s = from->token_lifetime_s;
    return is_number(from->epoch) && from->kind < REGISTER_KINDS &&
           get_text(from->node, to->node, sizeof to->node) &&
           get_text(from->id, to->id, sizeof to->id) &&
           get_bytes(from->sealed, to->sealed, sizeof to->sealed,
                     &to->sealed_size) &&
           get_exact(from->token_hash, to->token_hash, sizeof to->token_hash);
}

static bool get_retired(const Twinsync__V1__RegisterRetired *from,
                        struct register_retired *to)
{
    to->membership = from->membership;
    to->at_s = from->at_s;
    to->wipe = from->wipe;
    return is_number(from->membership) && is_number(from->at_s) &&
           get_text(from->node, to->node, sizeof to->node) &&
           get_text(from->actor, to->actor, sizeof to->actor) &&
           get_text(from->reason, to->reason, sizeof to->reason) &&
           get_exact(from->key, to->key, sizeof to->key);
}

static const char *get_all_retired(const Twinsync__V1__RegisterValue *from,
                                   struct register_value *to)
{
    if (from->n_retired > REGISTER_RETIRED_MAX) {
        return "too many retired nodes";
    }
    to->retired_count = from->n_retired;
    for (size_t i = 0; i < to->retired_count; i++) {
        if (!get_retired(from->retired[i], &to->retired[i]) ||
            to->retired[i].node[0] == '\0') {
            return "a retired node that is not well-formed";
        }
        if (register_has_member(to, to->retired[i].node)) {
            return "a retired node that is a member too";
        }
    }
    return NULL;
}

static const char *get_lists(const Twinsync__V1__RegisterValue *from,
                             struct register_value *to)
{
    to->voter_count = from->n_voters;
    to->principal_count = from->n_principals;
    to->takeover_count = from->n_takeover_ages_ms;
    if (to->voter_count > REGISTER_VOTERS_MAX) {
        return "more than two voters";
    }
    if (to->principal_count > REGISTER_PRINCIPALS_MAX) {
        return "too many principals";
    }
    if (to->takeover_count > REGISTER_TAKEOVERS_MAX) {
        return "too many takeovers";
    }
    for (size_t i = 0; i < to->voter_count; i++) {
        if (!get_text(from->voters[i], to->voters[i], REGISTER_NAME_SIZE) ||
            to->voters[i][0] == '\0' ||
            (i > 0 && strcmp(to->voters[0], to->voters[i]) == 0)) {
            return "a voter without a proper name of its own";
        }
    }
    if (to->learner[0] != '\0' && register_has_voter(to, to->learner)) {
        return "a learner that is a voter too";
    }
    for (size_t i = 0; i < to->principal_count; i++) {
        if (!get_principal(from->principals[i], &to->principals[i])) {
            return "a principal that is not well-formed";
        }
    }
    for (size_t i = 0; i < to->takeover_count; i++) {
        to->takeover_ages_ms[i] = from->takeover_ages_ms[i];
        if (!is_number(to->takeover_ages_ms[i])) {
            return "an age that passes 2^63 - 1";
        }
    }
    return NULL;
}

/* V6: keys and contents one after the other, as they stood. False: more of them
 * than can be kept. */
static bool get_unknown(const ProtobufCMessage *from, struct register_value *to)
{
    for (unsigned i = 0; i < from->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &from->unknown_fields[i];
        uint64_t key = (uint64_t) field->tag << 3 | (uint64_t) field->wire_type;
        uint8_t head[10];
        size_t size = 0;
        for (; key > 0x7f; key >>= 7) {
            head[size++] = (uint8_t) (key | 0x80);
        }
        head[size++] = (uint8_t) key;
        if (field->len > sizeof to->unknown ||
            size + field->len > sizeof to->unknown - to->unknown_size) {
            return false;
        }
        memcpy(to->unknown + to->unknown_size, head, size);
        memcpy(to->unknown + to->unknown_size + size, field->data, field->len);
        to->unknown_size += size + field->len;
    }
    return true;
}

/* NULL, or what is wrong. */
static const char *convert(const Twinsync__V1__RegisterValue *from,
                           struct register_value *to)
{
    memset(to, 0, sizeof *to);
    to->serial = from->serial;
    to->membership = from->membership;
    to->epoch = from->epoch;
    to->data_generation = from->data_generation;
    to->pause_left_ms = from->pause_left_ms;
    to->level = from->level;
    to->released = from->released;
    to->planned = from->planned;
    to->paused = from->paused;
    to->fenced = from->fenced;
    to->is_unprotected = from->is_unprotected;
    if (from->id.len != sizeof to->id ||
        !get_exact(from->id, to->id, sizeof to->id) ||
        !get_exact(from->boot, to->boot, sizeof to->boot)) {
        return "an identity that is not 16 bytes";
    }
    if (!is_number(to->serial) || !is_number(to->membership) ||
        !is_number(to->epoch) || !is_number(to->data_generation) ||
        !is_number(to->pause_left_ms)) {
        return "a number that passes 2^63 - 1";
    }
    if (!get_text(from->holder, to->holder, sizeof to->holder) ||
        !get_text(from->learner, to->learner, sizeof to->learner)) {
        return "a node's name that is too long or not printable";
    }
    if (!get_position(from->unprotected_since, &to->unprotected_since) ||
        !get_position(from->position, &to->position)) {
        return "a position that is not well-formed";
    }
    if (!get_bytes(from->handover, to->handover, sizeof to->handover,
                   &to->handover_size) ||
        !get_bytes(from->server, to->server, sizeof to->server,
                   &to->server_size)) {
        return "a field longer than its limit";
    }
    const char *wrong = get_lists(from, to);
    return wrong != NULL ? wrong : get_all_retired(from, to);
}

enum ts_code register_unpack(struct ts_slice bytes, struct ts_arena *arena,
                             struct register_value *ret_value,
                             struct ts_err *err)
{
    if (bytes.size > REGISTER_VALUE_SIZE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot unpack the register's value of %zu bytes: the "
                       "limit is %zu",
                       bytes.size, REGISTER_VALUE_SIZE_MAX);
    }
    struct allocator context = { .arena = arena };
    ProtobufCAllocator allocator = { allocate, keep, &context };
    const Twinsync__V1__RegisterValue *message =
        twinsync__v1__register_value__unpack(&allocator, bytes.size,
                                             bytes.data);
    struct register_value *value =
        message == NULL ? NULL : ts_arena_take(arena, sizeof *value);
    if (context.full || (message != NULL && value == NULL)) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not unpack the register's value of %zu bytes: it "
                       "needs more memory than it may have",
                       bytes.size);
    }
    if (message == NULL || message->format == 0) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot unpack the register's value: its %zu bytes are "
                       "not the message twinsync.v1.RegisterValue",
                       bytes.size);
    }
    if (message->format > REGISTER_FORMAT) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot use the register's value: its format %u is "
                       "newer than %d, which this version knows; install the "
                       "version that the other node runs",
                       message->format, REGISTER_FORMAT);
    }
    const char *wrong = convert(message, value);
    if (wrong != NULL) {
        return ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot unpack the register's value: it has %s", wrong);
    }
    if (!get_unknown(&message->base, value)) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot use the register's value: a newer version wrote "
                       "more than %d bytes into fields that this version does "
                       "not know; install the version that the other node runs",
                       REGISTER_UNKNOWN_MAX);
    }
    *ret_value = *value;
    return TS_OK;
}

/* ---- looking things up -------------------------------------------------- */

const struct register_principal *
register_principal_of(const struct register_value *value, uint64_t epoch)
{
    for (size_t i = 0; i < value->principal_count; i++) {
        if (value->principals[i].epoch == epoch) {
            return &value->principals[i];
        }
    }
    return NULL;
}

bool register_has_voter(const struct register_value *value, const char *node)
{
    for (size_t i = 0; i < value->voter_count; i++) {
        if (strcmp(value->voters[i], node) == 0) {
            return true;
        }
    }
    return false;
}

bool register_has_member(const struct register_value *value, const char *node)
{
    return register_has_voter(value, node) || strcmp(value->learner, node) == 0;
}

const struct register_retired *
register_retired_of(const struct register_value *value, const char *node)
{
    for (size_t i = 0; i < value->retired_count; i++) {
        if (strcmp(value->retired[i].node, node) == 0) {
            return &value->retired[i];
        }
    }
    return NULL;
}
