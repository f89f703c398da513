/*
 * inbox -- which messages of the peer are new.
 *
 * CURVE already keeps a recorded message of one connection out of another. This
 * is the rule above it, which does not trust the transport: each process counts
 * its messages within a session that it draws when it opens its link, and the
 * receiver takes each number once, in rising order. A session that another one
 * has followed is over: what an older process of the peer left on its way is
 * not believed after its successor has spoken.
 *
 * Pure: no I/O, no clock.
 */
#ifndef REPLICATION_INBOX_H
#define REPLICATION_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sessions that are remembered as over; the peer had that many restarts ago. */
#define INBOX_PAST_MAX 32

struct inbox {
    bool is_begun;
    uint64_t session, number; /* of the last message that was taken */
    uint64_t past[INBOX_PAST_MAX];
    size_t past_count; /* ever; the ring holds the last of them */
};

/* Is this one new? Then it is taken note of. Start with a zeroed inbox. */
bool inbox_take(struct inbox *inbox, uint64_t session, uint64_t number);

#endif
