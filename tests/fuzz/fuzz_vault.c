/* Whatever the bytes: no crash, and what is taken for a kept secret is written
 * back to one that is read the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/vault_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vault_kept kept = { .name = "" }, again = { .name = "" };
    struct vault_bytes packed;
    struct ts_err err = { .text = "" };
    if (vault_unpack(ts_slice(data, size), &kept, &err) != TS_OK) {
        assert(err.text[0] != '\0');
        return 0;
    }
    assert(vault_pack(&kept, &packed, &err) == TS_OK);
    assert(vault_unpack(ts_slice(packed.data, packed.size), &again, &err) ==
           TS_OK);
    assert(strcmp(kept.current, again.current) == 0 &&
           strcmp(kept.candidate, again.candidate) == 0 &&
           kept.phase == again.phase);
    return 0;
}
