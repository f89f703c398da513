/* Whatever the bytes: no crash, bounded memory, and what is accepted packs to
 * canonical bytes that unpack to the same entry. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/entry_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_arena arena;
    struct ts_entry entry, again;
    struct ts_slice bytes;
    struct ts_err err = { 0 };

    ts_arena_init(&arena, (size_t) 16 * 1024 * 1024);
    if (entry_unpack(ts_slice(data, size), &arena, &entry, &err) == TS_OK) {
        assert(entry_pack(&entry, &arena, &bytes, &err) == TS_OK);
        assert(bytes.size <= size);
        assert(entry_unpack(bytes, &arena, &again, &err) == TS_OK);
        assert(ts_entry_equal(&entry, &again));
    } else {
        assert(err.code == TS_E_CORRUPT || err.code == TS_E_LIMIT);
        assert(err.text[0] != '\0');
    }
    ts_arena_done(&arena);
    return 0;
}
