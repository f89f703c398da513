/* Whatever an etcd server answers or an LDAP attribute holds: no crash, bounded
 * memory, and what is accepted can be written again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "node/register/etcd_codec.h"
#include "node/register/ldap_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_etcd(struct ts_slice input, struct ts_arena *arena)
{
    struct etcd_value value;
    struct etcd_outcome outcome;
    char token[ETCD_TOKEN_MAX], reason[ETCD_REASON_SIZE];
    struct ts_err err = { 0 };
    if (etcd_read_range(input, "k", arena, &value, &err) == TS_OK) {
        assert(value.cluster[0] != '\0');
        assert(value.value.size == 0 ||
               etcd_swap(arena, "k", value.value, value.value) != NULL);
    }
    if (etcd_read_token(input, token, &err) == TS_OK) {
        assert(token[0] != '\0');
    }
    if (etcd_read_swap(input, &outcome, &err) == TS_OK) {
        assert(outcome.cluster[0] != '\0');
    }
    etcd_read_reason(input, reason);
}

/* A line feed parts the values of the attribute. */
static void try_ldap(struct ts_slice input, struct ts_arena *arena)
{
    struct ts_slice texts[4], value;
    size_t count = 0;
    struct ts_err err = { 0 };
    while (input.size > 0 && count < 4) {
        const uint8_t *end = memchr(input.data, '\n', input.size);
        size_t size = end == NULL ? input.size : (size_t) (end - input.data);
        texts[count++] = ts_slice(input.data, size);
        size += end != NULL;
        input = ts_slice(input.data + size, input.size - size);
    }
    if (ldap_value_read(texts, count, arena, &value, &err) == TS_OK) {
        if (value.size == 0) {
            return;
        }
        struct ts_slice again = ts_slice_str(ldap_value_text(arena, value));
        assert(ts_slice_equal(again, texts[0]) ||
               ts_slice_equal(again, texts[1]));
    } else {
        assert(err.text[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_arena arena;
    ts_arena_init(&arena, 4 * ETCD_ARENA_MAX);
    try_etcd(ts_slice(data, size), &arena);
    ts_arena_reset(&arena);
    try_ldap(ts_slice(data, size), &arena);
    ts_arena_done(&arena);
    return 0;
}
