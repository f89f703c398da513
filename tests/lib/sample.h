/*
 * sample -- a small store with every kind of column and key that replicated
 * tables may have, and random transactions over it.
 *
 * people   integer key, a unique column, REAL, BLOB, NULLs
 * links    key of three columns, of which one is a blob
 * codes    text key, ANY values, WITHOUT ROWID
 * scratch  not replicated
 */
#ifndef TESTS_LIB_SAMPLE_H
#define TESTS_LIB_SAMPLE_H

#include "node/db/capture.h"

extern const struct capture_tables sample_tables;
extern const struct db_schema sample_schema; /* with the journal's tables */

/* xorshift64*: the same on every machine. */
struct sample_random {
    uint64_t state;
};
uint64_t sample_next(struct sample_random *random, uint64_t below);

/* One random statement; may fail on the unique column, which is fine. */
void sample_change(struct db *db, struct sample_random *random);
/* Some thousand rows, by one statement a table. */
void sample_fill(struct db *db);
/* Run `sql`; a failure fails the test. */
void sample_exec(struct db *db, const char *sql);

#endif
