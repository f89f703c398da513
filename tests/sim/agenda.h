/*
 * agenda -- virtual time: what happens next, and when.
 *
 * An occasion is a function that runs at a moment. Occasions of one moment run
 * in the order in which they were noted, so that a seed replays exactly. One
 * that belongs to a node's life is void once that life has ended: what a crash
 * took with it never happens.
 *
 *   agenda_note --> (time passes) --> run(world, occasion) --> data is freed
 */
#ifndef TESTS_SIM_AGENDA_H
#define TESTS_SIM_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENDA_NOBODY (-1)

struct world;
struct occasion;
typedef void agenda_fn(struct world *world, struct occasion *occasion);

struct occasion {
    int64_t at_ms;
    uint64_t serial;
    agenda_fn *run;
    int node; /* whose life it belongs to, or AGENDA_NOBODY */
    uint32_t life;
    int64_t number; /* for the function's own use, as is `data` */
    void *data;     /* malloc'd; freed afterwards, unless taken (set to NULL) */
    size_t size;
    void (*drop)(void *data); /* gives up what `data` owns, when it never ran */
};

struct agenda {
    struct occasion *heap;
    size_t count, capacity;
    uint64_t serial;
};

/* Owns `occasion->data` from now on. */
void agenda_note(struct agenda *agenda, const struct occasion *occasion);
/* The next one; false when nothing is left. */
bool agenda_take(struct agenda *agenda, struct occasion *ret_occasion);
/* It does not happen, or has happened. */
void agenda_drop(struct occasion *occasion, bool has_run);
void agenda_done(struct agenda *agenda);

/* A copy that an occasion may own; ends the program when memory is out. */
void *sim_copy(const void *bytes, size_t size);
void *sim_alloc(size_t size); /* zeroed */
void *sim_grow(void *bytes, size_t size);

#endif
