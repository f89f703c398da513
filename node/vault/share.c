#include "node/vault/share.h"

#include <stdio.h>
#include <string.h>

#define CONTEXT_SIZE (VAULT_NAME_SIZE + 32)

/* Sealed for the link, as another thing than what lies in the vault. */
static struct ts_slice context_of(const char *name,
                                  char text[static CONTEXT_SIZE])
{
    (void) snprintf(text, CONTEXT_SIZE, "twinsync shares %s", name);
    return ts_slice_str(text);
}

enum ts_code share_seal(const struct seal_key *pair_key,
                        const struct vault_kept *kept,
                        struct share_bytes *ret_bytes, struct ts_err *err)
{
    char context[CONTEXT_SIZE];
    TS_AUTOVAULTBYTES struct vault_bytes bytes;
    struct seal_room room = { ret_bytes->data, sizeof ret_bytes->data };
    enum ts_code code = vault_pack(kept, &bytes, err);
    if (code == TS_OK) {
        code = seal_close(pair_key, context_of(kept->name, context),
                          ts_slice(bytes.data, bytes.size), &room, err);
    }
    ret_bytes->size = code == TS_OK ? room.size : 0;
    return code;
}

enum ts_code share_open(const struct seal_key *pair_key, const char *name,
                        struct ts_slice sealed, struct vault_kept *ret,
                        struct ts_err *err)
{
    char context[CONTEXT_SIZE];
    TS_AUTOVAULTBYTES struct vault_bytes bytes;
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    struct seal_room room = { bytes.data, sizeof bytes.data };
    enum ts_code code =
        seal_open(pair_key, context_of(name, context), sealed, &room, err);
    if (code == TS_OK) {
        code = vault_unpack(ts_slice(room.bytes, room.size), &kept, err);
    }
    if (code == TS_OK && strcmp(kept.name, name) != 0) {
        code = ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot keep the secret of \"%.80s\": what came is that "
                       "of \"%.80s\"",
                       name, kept.name);
    }
    if (code == TS_OK) {
        *ret = kept;
    }
    return code;
}

/* Below 0: `a` is the earlier one. */
static int order(const struct vault_kept *a, const struct vault_kept *b)
{
    return a->epoch != b->epoch     ? (a->epoch < b->epoch ? -1 : 1)
           : a->serial != b->serial ? (a->serial < b->serial ? -1 : 1)
                                    : 0;
}

enum share_verdict share_judge(const struct vault_kept *own,
                               struct vault_kept *given)
{
    if (given->phase == VAULT_DRAWN || given->phase == VAULT_SHARED) {
        given->phase = VAULT_ASKED; /* SH2 */
    }
    given->has_file = own != NULL && own->has_file; /* SH3 */
    memset(given->file_hash, 0, sizeof given->file_hash);
    if (given->has_file) {
        memcpy(given->file_hash, own->file_hash, sizeof given->file_hash);
    }
    if (own == NULL || order(own, given) < 0) {
        return SHARE_TAKE;
    }
    bool same = order(own, given) == 0 &&
                strcmp(own->current, given->current) == 0 &&
                strcmp(own->candidate, given->candidate) == 0;
    return same ? SHARE_SAME : SHARE_STALE;
}

void share_stamp(struct vault_kept *kept, int64_t epoch)
{
    if (epoch > kept->epoch) {
        kept->epoch = epoch;
    }
    kept->serial++;
}
