/*
 * cluster_handover -- the planned move to the other computer, wired.
 *
 * node/handover decides what comes next; this does it: asks the other node its
 * gates, waits for the session, has the member write the register's field and
 * release, has the engine keep the evidence, and shows all of it. On the node
 * that does not hold the lease it only watches, so that the terminal from which
 * a handover was begun sees it to its end.
 *
 *   tick:  register's field --> evidence as kept --> handover_next()
 *             ^                      ^                  |
 *             | MEMBER_COMMAND_...   | engine           +--> a step's work
 *
 * Invariants:
 *   CH1  the field is written only after the evidence before it is durable on
 *        both nodes, or the register shows that there is one only.
 *   CH2  the member is fed from the reactor's tick only (cluster.h, CL1).
 *   CH3  evidence is written only by the holder, over what it has read since it
 *        became the holder.
 *   CH4  both nodes tell the same of a handover that is over, also of one that
 *        a crash kept from beginning: what is kept is read anew with each
 * epoch.
 */
#ifndef NODE_DAEMON_CLUSTER_HANDOVER_H
#define NODE_DAEMON_CLUSTER_HANDOVER_H

#include "node/daemon/cluster_private.h"

struct cluster_handover;

/* Owns     free with _free. Errors: TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code cluster_handover_new(struct cluster *c,
                                             struct cluster_handover **ret,
                                             struct ts_err *err);
/* Joins the thread that writes reports; NULL is fine. */
void cluster_handover_free(struct cluster_handover *h);
/* Open commands are answered. */
void cluster_handover_close(struct cluster_handover *h);

/* The reactor's part. */
void cluster_handover_tick(struct cluster_handover *h, struct ts_time now);
struct ts_time cluster_handover_deadline(const struct cluster_handover *h);

/* True: the member's answer was to a request of this page. */
bool cluster_handover_answered(struct cluster_handover *h, uint64_t id,
                               int status, const char *text);
/* Of the link. */
void cluster_handover_asked(struct cluster_handover *h, uint64_t number);
void cluster_handover_told(struct cluster_handover *h,
                           const struct wire_preflight *told);

/* The commands. */
void cluster_handover_command(struct cluster_handover *h, const json_t *args,
                              struct control_reply *reply);
void cluster_handover_status(struct cluster_handover *h,
                             struct control_reply *reply);
/* For `status`: {id, from, to, step, interrupted, text}, or null. */
json_t *cluster_handover_summary(const struct cluster_handover *h);
/* Is it to be retired at the end, and are secrets being reset already? It is
 * told nothing new then, although the register lists it for a while yet. */
bool cluster_handover_is_leaving(struct cluster_handover *h, const char *node);
/* Why an operator has to say how it goes on, or NULL. */
const char *cluster_handover_interrupted(const struct cluster_handover *h);

#endif
