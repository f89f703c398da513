/*
 * driver -- what a kind of register is made of; known to register.c only.
 *
 * A driver is a table of functions on a state of its own. They need not check
 * what register.c has: sizes, an empty value, a call that was cancelled before
 * it began. `call` lives for one call.
 */
#ifndef NODE_REGISTER_DRIVER_H
#define NODE_REGISTER_DRIVER_H

#include "node/base/time.h"
#include "node/register/register.h"

struct register_call {
    struct ts_time deadline;
    char *pinned; /* REGISTER_IDENTITY_SIZE; see register_call_server() */
};

/* A driver says who is there as soon as it knows, and before it changes
 * anything: an unpinned call takes it, a pinned one compares.
 * Errors   TS_E_CONFLICT (R7). */
TS_MUSTUSE enum ts_code register_call_server(const struct register_call *call,
                                             const char *identity,
                                             struct ts_err *err);
/* What a driver may add to the findings. */
struct register_findings {
    struct ts_arena *arena;
    struct register_finding *list;
    size_t count; /* up to REGISTER_FINDINGS_MAX */
};
/* `value` is printed into the arena. */
void register_add_finding(struct register_findings *findings, const char *name,
                          const char *fix, const char *fmt, ...)
    TS_PRINTF(4, 5);
/* The same for something that is not well, with its remedy. */
void register_add_fault(struct register_findings *findings, const char *name,
                        const char *fix, const struct ts_err *err);

struct register_driver {
    const char *name;
    bool automatic;
    enum ts_code (*open)(const struct register_options *options,
                         void **ret_state, struct ts_err *err);
    void (*close)(void *state);
    enum ts_code (*read)(void *state, const struct register_call *call,
                         struct ts_arena *arena, struct ts_slice *ret_value,
                         struct ts_err *err);
    enum ts_code (*swap)(void *state, const struct register_call *call,
                         const struct ts_slice values[2],
                         enum register_outcome *ret_outcome,
                         struct ts_err *err); /* expected, new */
    /* After a successful read: what else is worth knowing. */
    void (*check)(void *state, const struct register_call *call,
                  struct register_findings *findings);
    void (*cancel)(void *state); /* from any thread */
    void (*resume)(void *state); /* from the client's */
};

extern const struct register_driver register_driver_peer;
extern const struct register_driver register_driver_etcd;
extern const struct register_driver register_driver_ldap;
extern const struct register_driver register_driver_manual;

#endif
