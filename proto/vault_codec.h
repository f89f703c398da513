/*
 * vault_codec -- a kept secret to bytes and back, checked.
 *
 * As join_codec.h: sizes before unpacking, ranges in both directions, versions
 * told. The struct is plain: copied by assignment, wiped by vault_kept_done().
 */
#ifndef PROTO_VAULT_CODEC_H
#define PROTO_VAULT_CODEC_H

#include "node/base/err.h"
#include "node/base/slice.h"

#define VAULT_VERSION     1
#define VAULT_NAME_SIZE   128 /* with its NUL, as all below */
#define VAULT_BY_SIZE     64
#define VAULT_CAUSE_SIZE  64
#define VAULT_SECRET_SIZE 8192 /* a PEM key of 4096 bits has 3,300 */
#define VAULT_HASH_SIZE   32
/* No record is longer, packed. */
#define VAULT_PACKED_MAX ((size_t) 20 * 1024)

/* How far a change has come; stored: numbers never change. What each one
 * promises: node/vault/rotation.h. */
enum vault_phase {
    VAULT_SETTLED = 0,
    VAULT_DRAWN = 1,
    VAULT_SHARED = 2,
    VAULT_ASKED = 3,
    VAULT_CHANGED = 4,
    VAULT_PHASES
};

struct vault_kept {
    char name[VAULT_NAME_SIZE];
    char current[VAULT_SECRET_SIZE];
    char candidate[VAULT_SECRET_SIZE]; /* "": no change under way */
    enum vault_phase phase;
    bool has_file;
    uint8_t file_hash[VAULT_HASH_SIZE];
    int64_t changed, proved, expires; /* seconds since 1970; 0: never */
    char by[VAULT_BY_SIZE];
    /* Which of two records of a name is the later one: the higher epoch, then
     * the higher serial. */
    int64_t epoch, serial;
    char cause[VAULT_CAUSE_SIZE]; /* "": of nothing particular */
};

/* Wipes; NULL is fine. */
void vault_kept_done(struct vault_kept *kept);
#define TS_AUTOKEPT __attribute__((cleanup(vault_kept_done)))

struct vault_bytes {
    uint8_t data[VAULT_PACKED_MAX];
    size_t size;
};
void vault_bytes_done(struct vault_bytes *bytes);
#define TS_AUTOVAULTBYTES __attribute__((cleanup(vault_bytes_done)))

/* Errors   TS_E_PROTOCOL (no name, no secret, a candidate without a phase). */
TS_MUSTUSE enum ts_code vault_pack(const struct vault_kept *kept,
                                   struct vault_bytes *ret_bytes,
                                   struct ts_err *err);
/* Errors   TS_E_LIMIT, TS_E_CORRUPT, TS_E_VERSION; then *ret is untouched. */
TS_MUSTUSE enum ts_code
vault_unpack(struct ts_slice bytes, struct vault_kept *ret, struct ts_err *err);

#endif
