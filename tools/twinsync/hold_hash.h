/* hold_hash -- the hash of a hold's list, from what was typed of it. */
#ifndef TOOLS_TWINSYNC_HOLD_HASH_H
#define TOOLS_TWINSYNC_HOLD_HASH_H

#include "tools/twinsync/command.h"

#define HOLD_HASH_SIZE  65 /* 64 hexadecimal digits and the NUL */
#define HOLD_HASH_LEAST 8  /* digits of a beginning */

/* A whole hash stands as it is, so that a list that was shown earlier can be
 * named too; a beginning is looked for among the lists that the daemon shows
 * now, and has to fit exactly one.
 * Errors   said already; not CONTROL_DONE is what to return. */
enum control_exit hold_hash_find(const struct cli_call *call, const char *typed,
                                 char hash[static HOLD_HASH_SIZE]);

#endif
