/*
 * share -- a kept secret on its way to the other member of a pair.
 *
 * A secret that both nodes use is changed by the holder of the lease, and must
 * be on both disks before anybody is asked to accept it: else a failover in the
 * middle would leave the new holder with a password that rules no more. The
 * record (proto/vault.proto) goes over the link, which nobody else can read,
 * and is sealed under the pair's key besides, so that it is a secret also where
 * the link's messages are held, dumped or logged.
 *
 *   holder: put, then   share_seal --link--> share_open, share_judge, put
 *                                 <-- kept --
 *
 * Messages may be lost, come twice or in another order: which of two records of
 * a name is the later one is in the records themselves.
 *
 * Invariants:
 *   SH1  a record is never replaced by an earlier one. The order is (epoch,
 *        serial): a serial grows with each writing, and is durable with its
 *        writer before it is sent.
 *   SH2  whoever receives a candidate takes it for one that may have been
 *        asked for (phase ASKED): its sender may die at any time after.
 *   SH3  the hash by which a changed file is noticed is of this computer's
 *        file, and is never taken from another one.
 */
#ifndef NODE_VAULT_SHARE_H
#define NODE_VAULT_SHARE_H

#include "node/vault/seal.h"
#include "proto/vault_codec.h"

#define SHARE_SIZE_MAX (VAULT_PACKED_MAX + SEAL_OVERHEAD)

struct share_bytes {
    uint8_t data[SHARE_SIZE_MAX];
    size_t size;
};

/* Errors   of vault_pack() and seal_close(). */
TS_MUSTUSE enum ts_code share_seal(const struct seal_key *pair_key,
                                   const struct vault_kept *kept,
                                   struct share_bytes *ret_bytes,
                                   struct ts_err *err);
/* Errors   of seal_open() and vault_unpack(); TS_E_CORRUPT: it is not what is
 *          kept of `name`. */
TS_MUSTUSE enum ts_code share_open(const struct seal_key *pair_key,
                                   const char *name, struct ts_slice sealed,
                                   struct vault_kept *ret, struct ts_err *err);

enum share_verdict {
    SHARE_TAKE, /* `given` is to be made durable, as it is now */
    SHARE_SAME, /* it is what is kept already */
    SHARE_STALE /* what is kept is later */
};

/* What to do with a record that was received; `own` is what is kept, NULL:
 * nothing. Makes `given` what is to be kept here. */
enum share_verdict share_judge(const struct vault_kept *own,
                               struct vault_kept *given);
/* SH1: the next record of this name, written in `epoch`. */
void share_stamp(struct vault_kept *kept, int64_t epoch);

#endif
