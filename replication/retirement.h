/*
 * retirement -- what a computer keeps that is no member any more.
 *
 *   STATE/retired        since when, by whom, why; and whether what was known
 *                        here is to be destroyed, and was
 *   STATE/pair/joining   it has joined (anew), and was not listed since
 *
 *   the register does not list us --> retirement_enter: the mark, then our keys
 *        asked to wipe --> retirement_wipe: everything but the mark, then
 *                          the mark says so
 *   every start --> retirement_load: the mark is there --> wipe the rest, exit
 * 3 join ended  --> retirement_leave: joining is there, then the mark is gone
 *
 * Invariants:
 *   RT1  the mark is durable before anything is destroyed: a crash anywhere
 *        leaves what was, or a mark that says how to go on.
 *   RT2  the keys of the link are gone once the mark is there: whoever joins
 *        anew does it with other ones, and the old ones stay out of use.
 *   RT3  nothing is destroyed but what Twinsync made, by name; no link is
 *        followed, and no other file system is entered.
 *
 * "Destroyed" is best effort: overwritten with zeros, synced, unlinked, the
 * folder synced. What a file system or a disk keeps of older blocks, and copies
 * that others made, are out of its reach.
 *
 * All calls block on the disk. The caller holds the lock of the state
 * directory, and nothing in it is open.
 */
#ifndef REPLICATION_RETIREMENT_H
#define REPLICATION_RETIREMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/err.h"

#define RETIREMENT_NAME_SIZE   64
#define RETIREMENT_REASON_SIZE 256
#define RETIREMENT_FILE_MAX    ((size_t) 4096)

struct retirement {
    char cluster[RETIREMENT_NAME_SIZE], node[RETIREMENT_NAME_SIZE];
    int64_t at_s;        /* since 1970; 0: not known */
    uint64_t membership; /* the first member list without it; 0: not known */
    char actor[RETIREMENT_NAME_SIZE], reason[RETIREMENT_REASON_SIZE];
    bool wipe, wiped;
};

/* Errors   TS_E_NOT_FOUND (this computer is not retired), TS_E_CORRUPT (it
 *          is, but nobody can read why), TS_E_IO. */
TS_MUSTUSE enum ts_code retirement_load(const char *state_directory,
                                        struct retirement *ret,
                                        struct ts_err *err);
/* RT1, RT2; harmless when it was entered before.
 * Errors   TS_E_IO, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code retirement_enter(const char *state_directory,
                                         const struct retirement *retirement,
                                         struct ts_err *err);
/* Destroy what is left, and say so in the mark, which must be there.
 * Errors   TS_E_IO, TS_E_LIMIT: what could be is gone; run it again. */
TS_MUSTUSE enum ts_code retirement_wipe(const char *state_directory,
                                        struct retirement *retirement,
                                        struct ts_err *err);
/* "cannot run as beta of demo: ...": the sentence of exit 3.
 * Returns TS_E_REFUSED. */
enum ts_code retirement_refuse(const struct retirement *retirement,
                               struct ts_err *err);

/* A join has ended: this computer waits to be listed.
 * Errors   TS_E_IO, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code retirement_leave(const char *state_directory,
                                         struct ts_err *err);
/* Does it? Errors: TS_E_IO, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code retirement_is_joining(const char *state_directory,
                                              bool *ret, struct ts_err *err);
/* It was listed.
 * Errors   TS_E_IO, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code retirement_joined(const char *state_directory,
                                          struct ts_err *err);

#endif
