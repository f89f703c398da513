/*
 * sum -- one number for the content of a set of rows.
 *
 * Two nodes hold the same rows when their sums are equal. The sum is additive:
 * the SHA-256 of every row, added modulo 2^256. It depends neither on the order
 * of the rows nor on how they came to be, and it follows a change at the cost
 * of the change: subtract the rows as they were, add them as they are. Which
 * bytes of a row are hashed is told in summer.h.
 *
 * It finds accidents (a skipped table, a lost write, a flipped bit), not a
 * forger who may choose rows: with some 2^40 rows of his choosing an additive
 * hash of this width can be brought to any value.
 */
#ifndef REPLICATION_SUM_H
#define REPLICATION_SUM_H

#include "node/base/hash.h"

#define SUM_SIZE 32
/* Hex form with its NUL. */
#define SUM_TEXT_SIZE (2 * SUM_SIZE + 1)

/* A number modulo 2^256, the least significant limb first. Zero-initialised is
 * the sum of no rows. */
struct sum {
    uint64_t limb[4];
};

void sum_add(struct sum *sum, struct sum other);
void sum_subtract(struct sum *sum, struct sum other);
bool sum_equal(struct sum a, struct sum b);
/* The hash read as a big-endian number. */
struct sum sum_of_hash(struct ts_hash hash);
/* Big-endian bytes, as they are stored and sent. */
void sum_store(struct sum sum, uint8_t bytes[static SUM_SIZE]);
struct sum sum_load(const uint8_t bytes[static SUM_SIZE]);
void sum_text(struct sum sum, char text[static SUM_TEXT_SIZE]);

#endif
