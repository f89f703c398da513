/*
 * principal_notes -- what this node has had made, until it is published.
 *
 * Between the request that registers a client and the swap that lists it in the
 * register lies a time in which only this process knows it. A note is durable
 * before the request is sent, and has what deletes the client before the answer
 * is believed. So after a crash anywhere
 *
 *   asked    the answer was never seen: a client may be there, nobody has its
 *            secret or could delete it, and an operator is told its name once
 *   made     and listed in the register: the next takeover fences it
 *   made     and not listed: it is deleted (principal_sweep)
 *
 * That one which is deleted may yet be listed, by a swap that lands late, harms
 * nobody: the process that alone could use it is dead.
 *
 * One file, sealed; of the keeper's thread. All calls block on the disk.
 */
#ifndef NODE_TARGET_PRINCIPAL_NOTES_H
#define NODE_TARGET_PRINCIPAL_NOTES_H

#include "node/target/principal_private.h"

/* A client is about to be asked for. Does nothing where there is no file.
 * Errors   TS_E_IO, TS_E_NOMEM, TS_E_LIMIT: it must not be asked for. */
TS_MUSTUSE enum ts_code
principal_note_asked(const struct principal_keeper *keeper,
                     const struct principal *principal, struct ts_err *err);
/* It was made: this deletes it. Errors: the same; it must not be used. */
TS_MUSTUSE enum ts_code
principal_note_made(const struct principal_keeper *keeper,
                    const struct principal *principal, struct ts_err *err);
/* It is certain that there is none of this epoch. A failure costs a needless
 * look at the next sweep. */
void principal_note_gone(const struct principal_keeper *keeper, uint64_t epoch);

#endif
