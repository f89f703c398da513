/*
 * entry_codec -- struct ts_entry to bytes and back, checked.
 *
 * The packed form is the protobuf message twinsync.v1.Entry. It is canonical:
 * equal normalised entries pack to equal bytes, so their hashes can stand for
 * them. Sizes, counts, kinds and the order of names are checked before
 * anything is believed; unpacked values borrow nothing from the input.
 */
#ifndef PROTO_ENTRY_CODEC_H
#define PROTO_ENTRY_CODEC_H

#include "node/base/entry.h"

/* Pack a normalised entry into `arena`.
 * Errors   TS_E_LIMIT (TS_ENTRY_SIZE_MAX or the arena's maximum). */
TS_MUSTUSE enum ts_code entry_pack(const struct ts_entry *entry,
                                   struct ts_arena *arena,
                                   struct ts_slice *ret_bytes,
                                   struct ts_err *err);

/* Unpack into `arena`; the result is normalised (E1, E2).
 * Errors   TS_E_CORRUPT (not this message, wrong order, unknown kind),
 *          TS_E_LIMIT. On error *ret_entry is untouched. */
TS_MUSTUSE enum ts_code entry_unpack(struct ts_slice bytes,
                                     struct ts_arena *arena,
                                     struct ts_entry *ret_entry,
                                     struct ts_err *err);

#endif
