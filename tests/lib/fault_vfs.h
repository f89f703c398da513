/*
 * fault_vfs -- a disk under SQLite that fails at a chosen moment.
 *
 * Counts the calls that change a disk (write, truncate, sync) through every
 * connection opened after fault_vfs_install(). When armed for the k-th call,
 * that call fails, and depending on the kind so do all after it.
 */
#ifndef TESTS_LIB_FAULT_VFS_H
#define TESTS_LIB_FAULT_VFS_H

#include <stdbool.h>

enum fault_kind {
    FAULT_ONCE, /* an input/output error, then the disk works again */
    FAULT_FULL, /* no space, from then on */
    FAULT_TORN, /* half of the write is made, then nothing works any more */
    FAULT_KINDS
};

/* Make it the default of the process; twice is fine. */
void fault_vfs_install(void);
/* The k-th changing call from now on fails; k = 0: none does. */
void fault_vfs_arm(int k, enum fault_kind kind);
/* Did a call fail since it was armed? */
bool fault_vfs_fired(void);

#endif
