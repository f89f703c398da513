/* Whatever the bytes: no crash, and what is taken for the state or the evidence
 * of a handover is written back to one that is read the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/handover_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_field(struct ts_slice input, struct ts_arena *arena)
{
    struct handover_field field, again;
    struct ts_slice packed;
    struct ts_err err = { .text = "" };
    if (handover_field_unpack(input, arena, &field, &err) != TS_OK) {
        assert(err.text[0] != '\0');
        return;
    }
    assert(handover_field_pack(&field, arena, &packed, &err) == TS_OK);
    assert(handover_field_unpack(packed, arena, &again, &err) == TS_OK);
    assert(memcmp(&field, &again, sizeof field) == 0);
}

static void try_evidence(struct ts_slice input, struct ts_arena *arena)
{
    static struct handover_evidence list, again;
    struct ts_slice packed;
    struct ts_err err = { .text = "" };
    if (handover_evidence_unpack(input, arena, &list, &err) != TS_OK) {
        assert(err.text[0] != '\0');
        return;
    }
    enum ts_code code = handover_evidence_pack(&list, arena, &packed, &err);
    assert(code == TS_OK || code == TS_E_LIMIT);
    assert(code != TS_OK ||
           (handover_evidence_unpack(packed, arena, &again, &err) == TS_OK &&
            again.count == list.count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_arena arena;
    ts_arena_init(&arena, 2 * HANDOVER_ARENA_SIZE);
    if (size > 0 && data[0] % 2 == 0) {
        try_field(ts_slice(data + 1, size - 1), &arena);
    } else if (size > 0) {
        try_evidence(ts_slice(data + 1, size - 1), &arena);
    }
    ts_arena_done(&arena);
    return 0;
}
