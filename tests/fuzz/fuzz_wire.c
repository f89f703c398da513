/* Whatever the bytes: no crash, bounded memory, and what is accepted packs to
 * bytes that unpack to the same message. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_arena arena;
    struct wire_message message, again;
    struct ts_slice bytes, twice;
    struct ts_err err = { 0 };

    ts_arena_init(&arena, (size_t) 16 * 1024 * 1024);
    if (wire_unpack(ts_slice(data, size), &arena, &message, &err) == TS_OK) {
        assert(message.kind < WIRE_KINDS_COUNT);
        assert(wire_pack(&message, &arena, &bytes, &err) == TS_OK);
        assert(wire_unpack(bytes, &arena, &again, &err) == TS_OK);
        assert(again.kind == message.kind && again.unknown_fields == 0);
        assert(wire_pack(&again, &arena, &twice, &err) == TS_OK);
        assert(ts_slice_equal(bytes, twice));
    } else {
        assert(err.code == TS_E_CORRUPT || err.code == TS_E_LIMIT ||
               err.code == TS_E_VERSION);
        assert(err.text[0] != '\0');
    }
    ts_arena_done(&arena);
    return 0;
}
