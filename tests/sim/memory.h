/*
 * memory -- SQLite's allocations, for one thread that makes very many of them.
 *
 * Freed blocks of up to 4 KiB wait in a list of their size; what is larger is
 * malloc's. Under AddressSanitizer all of it is malloc's, so that it sees.
 */
#ifndef TESTS_SIM_MEMORY_H
#define TESTS_SIM_MEMORY_H

/* Before SQLite's first use. */
void memory_setup(void);

#endif
