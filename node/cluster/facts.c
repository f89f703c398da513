#include "node/cluster/facts.h"

#include <string.h>

#include "proto/register.pb-c.h"

static enum ts_code no_room(struct ts_err *err)
{
    return ts_fail(err, TS_E_LIMIT, 0,
                   "could not pack the member's facts: no room");
}

enum ts_code facts_pack(const struct facts *facts, struct ts_arena *arena,
                        struct ts_slice *ret_bytes, struct ts_err *err)
{
    Twinsync__V1__MemberFacts message;
    twinsync__v1__member_facts__init(&message);
    message.format = FACTS_FORMAT;
    message.epoch = facts->epoch;
    message.membership = facts->membership;
    message.retired = facts->retired;
    message.maintenance = facts->maintenance;
    uint8_t *id = ts_arena_take(arena, sizeof facts->id);
    struct ts_slice value = TS_SLICE_NONE;
    if (id == NULL) {
        return no_room(err);
    }
    if (facts->known) {
        memcpy(id, facts->id, sizeof facts->id);
        message.id = (ProtobufCBinaryData){ sizeof facts->id, id };
    }
    if (facts->has_value) {
        enum ts_code code = register_pack(&facts->value, arena, &value, err);
        uint8_t *copy = ts_arena_take(arena, value.size);
        if (code != TS_OK || copy == NULL) {
            return code != TS_OK ? code : no_room(err);
        }
        memcpy(copy, value.data, value.size);
        message.value = (ProtobufCBinaryData){ value.size, copy };
    }
    size_t size = twinsync__v1__member_facts__get_packed_size(&message);
    uint8_t *out = ts_arena_take(arena, size);
    if (out == NULL) {
        return no_room(err);
    }
    (void) twinsync__v1__member_facts__pack(&message, out);
    *ret_bytes = ts_slice(out, size);
    return TS_OK;
}

/* ---- unpacking ---------------------------------------------------------- */

static void *allocate(void *context, size_t size)
{
    return ts_arena_take(context, size);
}

static void keep(void *context, void *piece)
{
    (void) context; /* the arena gives everything back at once */
    (void) piece;
}

static enum ts_code corrupt(struct ts_err *err, const char *what)
{
    return ts_fail(err, TS_E_CORRUPT, 0,
                   "cannot read what this node knows of its cluster: %s; move "
                   "local.db away and join anew",
                   what);
}

static enum ts_code convert(const Twinsync__V1__MemberFacts *message,
                            struct ts_arena *arena, struct facts *facts,
                            struct ts_err *err)
{
    facts->epoch = message->epoch;
    facts->membership = message->membership;
    facts->retired = message->retired;
    facts->maintenance = message->maintenance;
    facts->known = message->id.len > 0;
    if (facts->epoch > REGISTER_NUMBER_MAX ||
        facts->membership > REGISTER_NUMBER_MAX) {
        return corrupt(err, "a number passes 2^63 - 1");
    }
    if (facts->known && message->id.len != sizeof facts->id) {
        return corrupt(err, "the register's id is not 16 bytes");
    }
    if (facts->known) {
        memcpy(facts->id, message->id.data, sizeof facts->id);
    }
    if (message->value.len > 0) {
        facts->has_value = true;
        return register_unpack(
            ts_slice(message->value.data, message->value.len), arena,
            &facts->value, err);
    }
    return TS_OK;
}

enum ts_code facts_unpack(struct ts_slice bytes, struct ts_arena *arena,
                          struct facts *ret_facts, struct ts_err *err)
{
    if (bytes.size == 0) {
        memset(ret_facts, 0, sizeof *ret_facts);
        return TS_OK;
    }
    if (bytes.size > REGISTER_VALUE_SIZE_MAX + 1024) {
        return corrupt(err, "it is larger than 49 KiB");
    }
    ProtobufCAllocator allocator = { allocate, keep, arena };
    const Twinsync__V1__MemberFacts *message =
        twinsync__v1__member_facts__unpack(&allocator, bytes.size, bytes.data);
    if (message == NULL || message->format == 0) {
        return corrupt(err, "its bytes are not twinsync.v1.MemberFacts");
    }
    if (message->format > FACTS_FORMAT) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot read what this node knows of its cluster: its "
                       "format %u is newer than %d, which this version knows",
                       message->format, FACTS_FORMAT);
    }
    struct facts *facts = ts_arena_array(arena, 1, sizeof *facts);
    if (facts == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not read what this node knows of its cluster: "
                       "no room");
    }
    enum ts_code code = convert(message, arena, facts, err);
    if (code == TS_OK) {
        *ret_facts = *facts;
    }
    return code;
}
