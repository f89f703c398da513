/* Whatever the bytes, as a request to the witness and as its reply: no crash,
 * bounded memory, and what is accepted packs to bytes that unpack to the
 * same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/witness_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_request(struct ts_slice input, struct ts_arena *arena)
{
    struct witness_request request, again;
    struct ts_slice bytes;
    struct ts_err err = { 0 };
    if (witness_request_unpack(input, arena, &request, &err) != TS_OK) {
        assert(err.text[0] != '\0');
        return;
    }
    assert(witness_request_pack(&request, arena, &bytes, &err) == TS_OK);
    assert(witness_request_unpack(bytes, arena, &again, &err) == TS_OK);
    assert(again.number == request.number && again.verb == request.verb &&
           ts_slice_equal(again.cluster, request.cluster) &&
           ts_slice_equal(again.expected, request.expected) &&
           ts_slice_equal(again.value, request.value) &&
           ts_slice_equal(again.server, request.server));
}

static void try_reply(struct ts_slice input, struct ts_arena *arena)
{
    struct witness_reply reply, again;
    struct ts_slice bytes;
    struct ts_err err = { 0 };
    if (witness_reply_unpack(input, arena, &reply, &err) != TS_OK) {
        assert(err.text[0] != '\0');
        return;
    }
    assert(witness_reply_pack(&reply, arena, &bytes, &err) == TS_OK);
    assert(witness_reply_unpack(bytes, arena, &again, &err) == TS_OK);
    assert(again.number == reply.number && again.status == reply.status &&
           ts_slice_equal(again.value, reply.value) &&
           ts_slice_equal(again.text, reply.text) &&
           ts_slice_equal(again.machine, reply.machine) &&
           ts_slice_equal(again.identity, reply.identity));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_arena arena;
    ts_arena_init(&arena, 4 * WITNESS_ARENA_MAX);
    try_request(ts_slice(data, size), &arena);
    ts_arena_reset(&arena);
    try_reply(ts_slice(data, size), &arena);
    ts_arena_done(&arena);
    return 0;
}
