/* Whatever the bytes: no crash, bounded memory, and what is accepted packs to
 * canonical bytes that unpack to the same value. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/register_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_arena arena;
    struct register_value value, again;
    struct ts_slice bytes;
    struct ts_err err = { 0 };

    ts_arena_init(&arena, REGISTER_ARENA_SIZE);
    if (register_unpack(ts_slice(data, size), &arena, &value, &err) == TS_OK) {
        ts_arena_reset(&arena);
        assert(register_pack(&value, &arena, &bytes, &err) == TS_OK);
        struct ts_arena second;
        ts_arena_init(&second, REGISTER_ARENA_SIZE);
        assert(register_unpack(bytes, &second, &again, &err) == TS_OK);
        assert(memcmp(&value, &again, sizeof value) == 0);
        ts_arena_done(&second);
    } else {
        assert(err.text[0] != '\0');
    }
    ts_arena_done(&arena);
    return 0;
}
