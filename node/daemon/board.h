/*
 * board -- what a worker leaves for its parent to read when it is dead.
 *
 * A page that both share. The worker notes the epoch whose lease it asks for,
 * before it asks; a parent that has seen it die gives exactly that lease back
 * (release.h), which no living process can hold any more.
 */
#ifndef NODE_DAEMON_BOARD_H
#define NODE_DAEMON_BOARD_H

#include <stdatomic.h>
#include <stdint.h>

#include "node/base/err.h"

#define BOARD_BOOT_SIZE 33 /* 32 hex digits and the NUL */

struct board {
    _Atomic uint64_t epoch;     /* 0: this worker never asked for a lease */
    char boot[BOARD_BOOT_SIZE]; /* of the worker; written before the epoch */
};

/* Before the fork. Owns: lives as long as the process. Errors: TS_E_NOMEM. */
TS_MUSTUSE enum ts_code board_new(struct board **ret_board, struct ts_err *err);
/* By the parent, before each start of a worker. */
void board_clear(struct board *board);
/* By the worker. */
void board_note(struct board *board, const char *boot, uint64_t epoch);

#endif
