#include "proto/vault_codec.h"

#include <openssl/crypto.h>
#include <string.h>

#include "node/base/entry.h"
#include "proto/packing.h"
#include "proto/vault.pb-c.h"

/* The struct of protobuf-c and the bytes themselves, a few times over. */
#define UNPACKED_MAX (4 * VAULT_PACKED_MAX)

void vault_kept_done(struct vault_kept *kept)
{
    if (kept != NULL) {
        OPENSSL_cleanse(kept, sizeof *kept);
    }
}

void vault_bytes_done(struct vault_bytes *bytes)
{
    if (bytes != NULL) {
        OPENSSL_cleanse(bytes, sizeof *bytes);
    }
}

/* What both directions check. */
static bool is_sound(const struct vault_kept *kept)
{
    bool under_way = kept->phase != VAULT_SETTLED;
    return kept->name[0] != '\0' && kept->phase < VAULT_PHASES &&
           ts_kind_of_bytes(ts_slice_str(kept->name)) == TS_KIND_TEXT &&
           under_way == (kept->candidate[0] != '\0') &&
           kept->current[0] != '\0' && kept->changed >= 0 &&
           kept->proved >= 0 && kept->expires >= 0 && kept->epoch >= 0 &&
           kept->serial >= 0;
}

static enum ts_code not_one(enum ts_code code, struct ts_err *err)
{
    return ts_fail(err, code, 0,
                   "cannot take a kept secret: it is damaged, or none");
}

enum ts_code vault_pack(const struct vault_kept *kept,
                        struct vault_bytes *ret_bytes, struct ts_err *err)
{
    if (!is_sound(kept)) {
        return not_one(TS_E_PROTOCOL, err);
    }
    Twinsync__V1__KeptSecret m;
    twinsync__v1__kept_secret__init(&m);
    m.version_min = VAULT_VERSION;
    m.name = packing_text(kept->name);
    m.current = packing_bytes(kept->current, strlen(kept->current));
    m.candidate = packing_bytes(kept->candidate, strlen(kept->candidate));
    m.phase = (uint32_t) kept->phase;
    if (kept->has_file) {
        m.file_hash = packing_bytes(kept->file_hash, VAULT_HASH_SIZE);
    }
    m.changed = (uint64_t) kept->changed;
    m.proved = (uint64_t) kept->proved;
    m.expires = (uint64_t) kept->expires;
    m.by = packing_text(kept->by);
    m.epoch = (uint64_t) kept->epoch;
    m.serial = (uint64_t) kept->serial;
    m.cause = packing_text(kept->cause);
    size_t size = protobuf_c_message_get_packed_size(&m.base);
    if (size > sizeof ret_bytes->data) {
        return not_one(TS_E_PROTOCOL, err);
    }
    ret_bytes->size = protobuf_c_message_pack(&m.base, ret_bytes->data);
    return TS_OK;
}

/* Text without a NUL, that fits. */
static bool get_text(const void *from, size_t length, char *to, size_t size)
{
    bool fits = length < size && memchr(from, '\0', length) == NULL;
    if (fits) {
        memcpy(to, from, length);
        to[length] = '\0';
    }
    return fits;
}

static bool get_bytes(ProtobufCBinaryData from, char *to, size_t size)
{
    return get_text(from.len == 0 ? (const uint8_t *) "" : from.data, from.len,
                    to, size);
}

static bool get_time(uint64_t from, int64_t *to)
{
    *to = (int64_t) from;
    return from <= INT64_MAX;
}

static bool take(const Twinsync__V1__KeptSecret *m, struct vault_kept *kept)
{
    kept->phase = (enum vault_phase) m->phase;
    kept->has_file = m->file_hash.len > 0;
    if (m->phase >= VAULT_PHASES ||
        (kept->has_file && m->file_hash.len != VAULT_HASH_SIZE)) {
        return false;
    }
    if (kept->has_file) {
        memcpy(kept->file_hash, m->file_hash.data, VAULT_HASH_SIZE);
    }
    return get_text(m->name, strlen(m->name), kept->name, sizeof kept->name) &&
           get_bytes(m->current, kept->current, sizeof kept->current) &&
           get_bytes(m->candidate, kept->candidate, sizeof kept->candidate) &&
           get_text(m->by, strlen(m->by), kept->by, sizeof kept->by) &&
           get_text(m->cause, strlen(m->cause), kept->cause,
                    sizeof kept->cause) &&
           get_time(m->epoch, &kept->epoch) &&
           get_time(m->serial, &kept->serial) &&
           get_time(m->changed, &kept->changed) &&
           get_time(m->proved, &kept->proved) &&
           get_time(m->expires, &kept->expires) && is_sound(kept);
}

/* The copies in the arena. */
static void wipe(Twinsync__V1__KeptSecret *m)
{
    if (m != NULL) {
        OPENSSL_cleanse(m->current.data, m->current.len);
        OPENSSL_cleanse(m->candidate.data, m->candidate.len);
    }
}

enum ts_code vault_unpack(struct ts_slice bytes, struct vault_kept *ret,
                          struct ts_err *err)
{
    if (bytes.size > VAULT_PACKED_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot take a kept secret: its %zu bytes are over the "
                       "limit of %zu",
                       bytes.size, VAULT_PACKED_MAX);
    }
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    struct packing packing;
    struct ts_arena arena;
    ts_arena_init(&arena, UNPACKED_MAX);
    packing_init(&packing, &arena);
    Twinsync__V1__KeptSecret *m = twinsync__v1__kept_secret__unpack(
        &packing.allocator, bytes.size, bytes.data);
    enum ts_code code = TS_OK;
    if (m == NULL) {
        code = not_one(TS_E_CORRUPT, err);
    } else if (m->version_min > VAULT_VERSION) {
        code = ts_fail(err, TS_E_VERSION, 0,
                       "cannot take a kept secret: it needs version %u and "
                       "this program knows %d; install the newer one again",
                       m->version_min, VAULT_VERSION);
    } else if (!take(m, &kept)) {
        code = not_one(TS_E_CORRUPT, err);
    } else {
        *ret = kept;
    }
    wipe(m);
    ts_arena_done(&arena);
    return code;
}
