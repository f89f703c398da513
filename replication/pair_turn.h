/*
 * pair_turn -- another key for the pair, once a computer is out that knew it.
 *
 *   STATE/pair/pair.key        seals; opens
 *   STATE/pair/pair.key.next   opens: what is sealed anew already
 *   STATE/pair/pair.key.last   opens: what was not sealed anew
 *
 *   draft --> seal anew, publish --> turn: key -> last, next -> key
 *
 * Invariants:
 *   PT1  whatever was sealed at any step can be opened after a crash there, by
 *        one of the three.
 *   PT2  a draft stays the same one until it is turned: done again after a
 *        crash, nothing that was sealed by it is lost.
 *
 * All calls block on the disk.
 */
#ifndef REPLICATION_PAIR_TURN_H
#define REPLICATION_PAIR_TURN_H

#include <stddef.h>

#include "replication/certificate.h"

#define PAIR_KEYS_OTHER 2

/* The key that is to come; made when there is none.
 * Errors   TS_E_IO (also: no random bytes), TS_E_CORRUPT, TS_E_REFUSED. */
TS_MUSTUSE enum ts_code pair_key_draft(const char *state_directory,
                                       uint8_t key[static PAIR_KEY_SIZE],
                                       struct ts_err *err);
/* It is the pair's from now on; without a draft nothing is done.
 * Errors   the same; TS_E_NOT_FOUND (there is no key to follow). */
TS_MUSTUSE enum ts_code pair_key_turn(const char *state_directory,
                                      struct ts_err *err);
/* What else may open what is found sealed: the next one, the last one.
 * Errors   as pair_key_draft(). */
TS_MUSTUSE enum ts_code
pair_key_others(const char *state_directory,
                uint8_t keys[static PAIR_KEYS_OTHER][PAIR_KEY_SIZE],
                size_t *ret_count, struct ts_err *err);

#endif
