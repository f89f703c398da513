/*
 * entry_codec -- struct ts_entry to bytes and back, checked.
 *
 * The packed form is the protobuf message twinsync.v1.Entry. It is canonical:
 * equal normalised entries pack to equal bytes, so their hashes can stand for
 * them. Sizes, counts, kinds and the order of names are checked before
 * anything is believed; unpacked values borrow nothing from the input.
 * What may change in the message over the years: proto/README.md.
 */
#ifndef PROTO_ENTRY_CODEC_H
#define PROTO_ENTRY_CODEC_H

#include "node/base/entry.h"

/* Pack a normalised entry (asserted: E1, E2) into `arena`, which gets the bytes
 * and nothing else.
 * Errors   TS_E_LIMIT (TS_ENTRY_ATTRIBUTES_MAX, TS_ENTRY_SIZE_MAX or the
 *          arena's maximum), TS_E_PROTOCOL (a name that is empty or not UTF-8
 *          text, a value not of its kind), TS_E_NOMEM. What packs also
 *          unpacks. */
TS_MUSTUSE enum ts_code entry_pack(const struct ts_entry *entry,
                                   struct ts_arena *arena,
                                   struct ts_slice *ret_bytes,
                                   struct ts_err *err);

/* Unpack into `arena`; the result is normalised (E1, E2), and its values are of
 * their kinds, except that JSON is not parsed. Names are NUL-terminated.
 * Takes about six times `bytes.size` from the arena for an ordinary entry.
 * Errors   TS_E_CORRUPT (not this message, wrong order, unknown kind),
 *          TS_E_LIMIT. On error *ret_entry is untouched. */
TS_MUSTUSE enum ts_code entry_unpack(struct ts_slice bytes,
                                     struct ts_arena *arena,
                                     struct ts_entry *ret_entry,
                                     struct ts_err *err);

#endif
