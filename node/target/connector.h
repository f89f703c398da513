/* connector.h -- what a kind of target implements; target.c dispatches to it.
 * Every member has the contract of its namesake in target.h. */
#ifndef NODE_TARGET_CONNECTOR_H
#define NODE_TARGET_CONNECTOR_H

#include "node/target/target.h"

/* Embedded as the first member of each connector's own struct. */
struct target {
    const struct target_connector *connector;
};

struct target_connector {
    enum ts_code (*open)(const struct target_options *options,
                         struct target **ret_target, struct ts_err *err);
    void (*close)(struct target *target);
    enum ts_code (*discover)(struct target *target,
                             struct target_limits *ret_limits,
                             struct ts_err *err);
    enum ts_code (*describe)(const struct target *target, enum config_kind kind,
                             const char *path, struct target_attribute *ret,
                             struct ts_err *err);
    void (*submit)(struct target *target, struct target_op *op);
    size_t (*appetite)(const struct target *target);
    size_t (*pending)(const struct target *target);
    void (*run)(struct target *target, int wake_fd, struct ts_time deadline);
    enum ts_code (*enumerate)(struct target *target, enum config_kind kind,
                              target_sink_fn *sink, void *context,
                              struct ts_err *err);
    void (*cancel)(struct target *target);
    void (*resume)(struct target *target);
    size_t (*check)(struct target *target, struct ts_arena *arena,
                    struct target_finding findings[]);
};

extern const struct target_connector target_scim; /* scim/scim.c */

#endif
