/*
 * scenes -- the circumstances of a seed, and what happens in them on purpose.
 *
 * Most of what goes wrong is drawn blindly. But some rules are needed only when
 * several things come together: a lease so long that the error of two clocks
 * outgrows the margin, an answer of the register that comes at the last moment,
 * a promise that travels for longer than it is asked for. A scene makes such a
 * meeting likely: it draws the settings, and has a script of faults that the
 * bouts follow most of the time. Every seed draws one, half of them the plain
 * one; so each scene is also part of every long run.
 *
 * A script's times are parts of the lease, so that a scene means the same with
 * each lease.
 */
#ifndef TESTS_SIM_SCENES_H
#define TESTS_SIM_SCENES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/coverage.h"

struct world;

enum sim_scene {
    SCENE_PLAIN,        /* anything */
    SCENE_EDGE,         /* dense traffic, requests that travel for long */
    SCENE_UNFENCED,     /* the same where only the lease protects */
    SCENE_PROMISES,     /* the register is often away, the link slow */
    SCENE_LONG_LEASE,   /* clocks count for more than the margin */
    SCENE_LATE_ANSWER,  /* the register does, and says so much later */
    SCENE_LATE_REQUEST, /* the last requests of a lease are slow */
    SCENE_LATE_PROMISE, /* promises travel for seconds */
    SCENE_LATE_ASKING,  /* a promise is asked for when it is too late */
    SCENE_OUTAGE,       /* the target is out just after a fence */
    SCENE_TORN,         /* disks die in the middle of much writing */
    SCENE_RESTORED,     /* the register is put back, and both start anew */
    SCENE_HANG,         /* exporters hang */
    SCENE_FIRST_LOAD,   /* nobody has a state yet */
    SCENE_WRONG_SUMS,   /* rows come with the sums of other rows */
    SCENES
};
/* As an argument to scenes_draw(): by its weight. */
#define SCENE_DRAWN SCENES

/* One fault of a script, at the active node or at the other. */
struct scene_step {
    int after, length; /* permille of the lease */
    enum sim_fault fault;
    bool other;
};

/* The settings of the world's seed, and of its target. */
void scenes_draw(struct world *world, enum sim_scene scene);
/* What its bouts follow; NULL: nothing. */
const struct scene_step *scenes_script(enum sim_scene scene, size_t *ret_count);
const char *scenes_name(enum sim_scene scene);
/* SCENES when there is none of that name. */
enum sim_scene scenes_find(const char *name);

#endif
