/*
 * faults -- what goes wrong in a seed, and when.
 *
 * Faults come in bouts: one to three at nearly the same moment, aimed at a node
 * by its role, then time for the pair to answer, then the next bout, until the
 * seed has had enough of both faults and takeovers. Then everything heals (the
 * calm), and the pair must converge. What waits for nothing but time costs
 * nothing: the agenda jumps over it.
 */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "tests/sim/agenda.h"
#include "tests/sim/coverage.h"

#define FAULTS_MIN        10
#define FAULTS_TAKEOVERS  3
#define FAULTS_BOUTS_MAX  60
#define FAULTS_FENCES_MAX 64

struct sim_faults {
    int count, bouts;
    int wishes; /* granted */
    bool calm;
    int64_t calm_ms; /* since when */
    int by_kind[FAULT_KINDS];
    int fenced[FAULTS_FENCES_MAX]; /* principals, for replays */
    size_t fenced_count;
    bool reconciled;    /* once, in the calm */
    bool rotted;        /* likewise */
    bool register_lost; /* it was put back: an operator has to repair it */
    int64_t stirred_ms; /* the last bout's beginning */
    int64_t idle_ms;    /* since when nobody is active; 0: somebody is */
};

void faults_start(struct world *world);
/* A fence call was made: it may come again. */
void faults_note_fence(struct world *world, int principal);
/* A fence has just deleted a principal: is it cut off there? */
void faults_deleted(struct world *world, int node);
/* Between two effects of a step: is the power cut here? */
bool faults_between(struct world *world, int node);
/* A request leaves: is the process stopped between the look at the deadline and
 * the send, and for how long? */
int64_t faults_sending(struct world *world, int node);
/* It hangs, and does not hold the lease any more: it is killed in the end. */
void faults_watchdog(struct world *world, int node);
/* A node is in another role or step: does the seed wish for something there? */
void faults_came_to(struct world *world, int node, size_t place);
/* A frame arrives: has its sender reckoned wrong? */
struct frame;
void faults_frame(struct world *world, struct frame *frame);
/* A process ended by itself (it died with its disk): it is started again. */
void faults_restart(struct world *world, int node);

#endif
