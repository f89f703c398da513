/* What the files of the faults share; see faults.h. */
#ifndef TESTS_SIM_FAULTS_PRIVATE_H
#define TESTS_SIM_FAULTS_PRIVATE_H

#include "tests/sim/faults.h"

struct sim_node;

/* A fault: what begins it, and what ends it after a while. */
struct fault {
    void (*begin)(struct sim_node *node);
    void (*end)(struct sim_node *node); /* NULL: ends by itself */
    int weight;
    bool (*can)(const struct sim_node *node); /* does it do anything now?
                                                 NULL: always */
};
extern const struct fault faults_table[FAULT_KINDS];

/* How long a fault lasts: from a moment to three leases. */
int64_t faults_pause(struct world *world);
void faults_links_changed(struct sim_node *node);
/* A copy of the disk is taken, to be put back some day. */
void faults_take_image(struct sim_node *node);
void faults_end_operator(struct sim_node *node);

#endif
