/*
 * fencing -- the fence thread: makes, destroys and judges principals.
 *
 * The judgement is the product's (node/target/fence.h); its acts are played on
 * the simulated target, each with the delay and the ills of the node's way.
 */
#ifndef TESTS_SIM_FENCING_H
#define TESTS_SIM_FENCING_H

#include "node/cluster/member.h"
#include "node/target/fence.h"

struct sim_node;

struct sim_fencing {
    uint64_t round;   /* an older one's acts are void */
    size_t count, at; /* rows, and the one under way */
    struct {
        int64_t epoch;
        int principal;
        struct fence fence;
        int64_t canary; /* token */
    } rows[REGISTER_PRINCIPALS_MAX];
    int own; /* principal, -1: the target cannot fence */
    int64_t own_token, own_asked;
};

/* The register has our token's hash, or must not. False: it was not ours. */
bool fencing_token(struct sim_node *node, bool ok);

void fencing_mint(struct sim_node *node, uint64_t epoch,
                  const struct register_principal *again);
void fencing_unmint(struct sim_node *node,
                    const struct register_principal *principal);
void fencing_begin(struct sim_node *node, const struct member_effect *effect);

#endif
