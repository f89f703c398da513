/*
 * facts -- what a member must not forget: one blob in local.db.
 *
 * Never replicated, never in a snapshot: a node that lost its local.db does not
 * know which epochs it has seen, and is no candidate until it joins anew. The
 * register's value as last made durable is part of it, so that `register
 * repair` can list the members and the principals that must still be fenced.
 */
#ifndef NODE_CLUSTER_FACTS_H
#define NODE_CLUSTER_FACTS_H

#include "proto/register_codec.h"

#define FACTS_FORMAT 1

struct facts {
    bool known; /* it belongs to a register: `id` is valid */
    uint8_t id[REGISTER_ID_SIZE];
    uint64_t epoch;      /* the highest seen anywhere */
    uint64_t membership; /* the same; 0: it was never listed */
    bool retired, maintenance;
    bool has_value;
    struct register_value value;
};

/* Errors   TS_E_LIMIT (the arena), and register_pack's. */
TS_MUSTUSE enum ts_code facts_pack(const struct facts *facts,
                                   struct ts_arena *arena,
                                   struct ts_slice *ret_bytes,
                                   struct ts_err *err);
/* No bytes: facts of a node that is new.
 * Errors   TS_E_CORRUPT, TS_E_LIMIT, TS_E_VERSION. */
TS_MUSTUSE enum ts_code facts_unpack(struct ts_slice bytes,
                                     struct ts_arena *arena,
                                     struct facts *ret_facts,
                                     struct ts_err *err);

#endif
