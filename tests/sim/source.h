/*
 * source -- the on-premises directory: a log of changes, and who reads it.
 *
 * Objects are numbers ("u7"); an anchor is never used twice. A delta is what
 * the log holds behind a cookie; an enumeration is what there is. Both may be
 * stale: a replica answers as of some earlier moment, and says so by its
 * cookie.
 */
#ifndef TESTS_SIM_SOURCE_H
#define TESTS_SIM_SOURCE_H

#include "tests/sim/agenda.h"

#define SOURCE_ANCHORS_MAX 256
#define SOURCE_LOG_MAX     2048

struct source_change {
    int anchor;
    int64_t value; /* 0: deleted */
};

struct sim_source {
    int anchor_count;
    int64_t values[SOURCE_ANCHORS_MAX + 1]; /* 0: not there (any more) */
    size_t log_count;
    struct source_change log[SOURCE_LOG_MAX];
    int64_t next_value;
    int stale; /* permille of readings that are */
    bool cut[2];
    bool calm; /* no more changes */
};

void source_start(struct world *world);
/* A change or two soon: a fault is to meet work that is under way. */
void source_stir(struct world *world, int64_t within_ms);
/* The cookie that a reading reaches now: the end, or earlier when stale. */
int64_t source_reach(struct world *world, int64_t cookie);
/* What there is as of `cookie`: values[anchor], 0 where there is none. */
void source_as_of(const struct sim_source *source, int64_t cookie,
                  int64_t values[static SOURCE_ANCHORS_MAX + 1]);
/* Was it deleted before `cookie`? */
bool source_had_lost(const struct sim_source *source, int anchor);

#endif
