/*
 * exporter -- the export thread: it owns the target and does nothing else.
 *
 * The store's thread gives it operations and takes outcomes back, over two
 * bounded queues; between them, the thread sends, waits and receives
 * (target_run). An operation and everything that it points to is one piece of
 * memory, owned by whoever holds it.
 *
 *   store --submit--> [jobs] --> export thread --> [done] --collect--> store
 *
 * Invariants:
 *   X1  every submitted operation comes back exactly once, also at stop.
 *   X2  no request leaves unless the gate allows it at that moment
 *       (target.h, T2).
 *   X3  discovery and enumeration run only while no operation is under way.
 */
#ifndef NODE_ENGINE_EXPORTER_H
#define NODE_ENGINE_EXPORTER_H

#include "node/metaverse/intent.h"
#include "node/target/target.h"

#define EXPORTER_OP_MEMORY ((size_t) 64 * 1024 * 1024)

/* An operation, what it came from, and its outcome. */
struct export_op {
    struct ts_arena arena; /* all that is pointed to from here */
    struct intent intent;
    struct target_op op;
    struct ts_slice sent; /* packed: what the target row will say was sent */
    struct ts_slice had;  /* the same of before; empty: not there yet */
    bool partly; /* its values had to wait for others: only its references */
    int64_t mv_changed; /* of the metaverse object it was composed from */
    const int64_t *link_add_members; /* metaverse ids of op.link_add */
    const int64_t *link_remove_members;
    bool link_replaces; /* the path has one value: who is added is the only */
    bool observe_only;  /* settles a doubt: its outcome decides nothing new */
    const char *reason; /* observe_only: what was refused, or NULL */
    const char *fault;  /* and the path at fault, or "" */

    enum target_result result;
    int status;
    const char *text, *attribute;
    struct target_object *objects; /* deep copies */
    size_t object_count;
    uint32_t retries, throttled_ms;
};

/* Errors   NULL: out of memory. Owns: export_op_free, or exporter_submit. */
struct export_op *export_op_new(void);
void export_op_free(struct export_op *op);

struct exporter;

/* Starts the thread. `options` is borrowed until _free.
 * Errors   of target_open; TS_E_NOMEM. */
TS_MUSTUSE enum ts_code exporter_new(const struct target_options *options,
                                     struct exporter **ret_exporter,
                                     struct ts_err *err);
/* Ends what is under way, joins the thread. NULL is fine. */
void exporter_free(struct exporter *exporter);

/* Gives `op` away. Blocks while the queue is full. */
void exporter_submit(struct exporter *exporter, struct export_op *op);
/* The oldest outcome, or NULL when none came by `deadline`. */
struct export_op *exporter_collect(struct exporter *exporter,
                                   struct ts_time deadline);
/* Given away and not collected. */
size_t exporter_pending(const struct exporter *exporter);
/* How many may be pending without _submit blocking. */
#define EXPORTER_WINDOW 1024

/* While the two calls below wait, `idle` is called now and then, on the
 * caller's thread: the store has others to answer. NULL: nobody is. */
void exporter_set_idle(struct exporter *exporter, void (*idle)(void *owner),
                       void *owner);

/* See target_discover. Blocks. */
TS_MUSTUSE enum ts_code exporter_discover(struct exporter *exporter,
                                          struct target_limits *ret_limits,
                                          struct ts_err *err);
/* See target_enumerate; `sink` is called on the caller's thread, on copies. */
TS_MUSTUSE enum ts_code exporter_enumerate(struct exporter *exporter,
                                           enum config_kind kind,
                                           target_sink_fn *sink, void *context,
                                           struct ts_err *err);
/* See target_describe; only while nothing is under way (X3). */
TS_MUSTUSE enum ts_code exporter_describe(struct exporter *exporter,
                                          enum config_kind kind,
                                          const char *path,
                                          struct target_attribute *ret,
                                          struct ts_err *err);
/* From any thread: whatever is under way ends soon, and what is submitted
 * later at once, until _resume. */
void exporter_cancel(struct exporter *exporter);
void exporter_resume(struct exporter *exporter);

#endif
