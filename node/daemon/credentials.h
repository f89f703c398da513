/*
 * credentials -- what operators ask about passwords, wired to the daemon.
 *
 *   credentials-list    where each secret comes from, its age, what is in doubt
 *   credentials-set     take this one: tried first, then kept in the vault
 *   credentials-rotate  make a new one, have the directory accept it, prove it
 *
 * Each is an errand: it waits for directories and disks. One at a time, so that
 * a record of the vault has one writer. A change that a crash cut off is gone
 * on with at the next start, before anything else.
 *
 * Invariants:
 *   CR1  no secret is in an answer, a log, an event or a sentence.
 *   CR2  what is kept was accepted by whom it is for, or the answer says that
 *        nobody could be asked and nothing was kept.
 *
 * All calls are for the reactor's thread.
 */
#ifndef NODE_DAEMON_CREDENTIALS_H
#define NODE_DAEMON_CREDENTIALS_H

#include "node/control/control.h"
#include "node/daemon/reactor.h"
#include "node/vault/keeper.h"

struct credentials;

/* Borrowed until _free. */
struct credentials_options {
    const struct config *config;
    const struct keeper *keeper;
    /* For the history; `fields` is the callee's. On the reactor's thread. */
    void (*record)(void *context, const char *event, const char *actor,
                   json_t *fields);
    void *context;
};

/* Owns     free with _free. Errors: TS_E_NOMEM, TS_E_IO. */
TS_MUSTUSE enum ts_code
credentials_new(const struct credentials_options *options,
                struct credentials **ret_credentials, struct ts_err *err);
/* Errors   TS_E_IO. */
TS_MUSTUSE enum ts_code credentials_attach(struct credentials *credentials,
                                           struct reactor *reactor,
                                           struct ts_err *err);
/* A command of these: takes the reply over and returns true. */
bool credentials_request(struct credentials *credentials, const char *command,
                         const json_t *args, struct control_reply *reply);
/* Open commands are answered. NULL is fine.
 * Blocks   as long as the request under way does: bounded by its time-outs. */
void credentials_free(struct credentials *credentials);

#endif
