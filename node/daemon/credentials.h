/*
 * credentials -- what operators ask about passwords, wired to the daemon.
 *
 *   credentials-list    where each secret comes from, its age, what is in doubt
 *   credentials-set     take this one: tried first, then kept in the vault
 *   credentials-rotate  make a new one, have the directory accept it, prove it;
 *                       or all of them: a reset
 *
 * Each is an errand: it waits for directories and disks. Those that write run
 * one at a time, so that a record of the vault has one writer; reading has a
 * thread of its own. A change that a crash cut off is gone on with at the next
 * start, or when this node takes the lease over, before anything else. Files
 * that were changed are looked at by themselves (credential_watch.h).
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
#include "node/daemon/credential_work.h"
#include "node/daemon/reactor.h"
#include "proto/wire_codec.h"

struct credentials;

/* Borrowed until _free. */
struct credentials_options {
    const struct config *config;
    const struct keeper *keeper;
    const struct credential_peer *peer; /* NULL: this node is alone */
    /* What became of a secret that the other member gave; of a pair. On the
     * reactor's thread. */
    void (*kept)(void *context, const struct wire_secret_kept *answer);
    /* For the history; `fields` is the callee's. On the reactor's thread. */
    void (*record)(void *context, const char *event, const char *actor,
                   json_t *fields);
    /* What `status` is to show, in the place of what it shows; a JSON list,
     * stolen. On the reactor's thread. */
    void (*problems)(void *context, json_t *problems);
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
/* Change a set of secrets, and say of each what came of it: what `credentials
 * rotate --all` does, and one step of a handover and of a retirement. May be
 * called again after a crash or a failover: what was changed for this cause is
 * told, and not changed again. A member that is away keeps everything as it is.
 */
struct credentials_reset {
    const char *const *names;
    size_t count;      /* 0: every secret of the configuration */
    const char *cause; /* "", or an id of less than VAULT_CAUSE_SIZE bytes */
    const char *who, *reason;
    /* On the reactor's thread, once; not when the daemon is stopping. */
    void (*done)(void *context, const struct credential_outcome *rows,
                 size_t count);
    void *context;
};
/* The strings are copied.
 * Errors   TS_E_CONFIG (no such secret), TS_E_LIMIT (too many wait),
 *          TS_E_NOMEM: done() is not called then. */
TS_MUSTUSE enum ts_code credentials_reset(struct credentials *credentials,
                                          const struct credentials_reset *asked,
                                          struct ts_err *err);

/* ---- of a pair ----------------------------------------------------------- */

/* The other member gives a secret; answered by kept(). */
void credentials_given(struct credentials *credentials,
                       const struct wire_secret *secret);
/* Give it all that is kept. */
void credentials_offer(struct credentials *credentials);
/* This node holds the lease now: go on with what was cut off. */
void credentials_resume(struct credentials *credentials);

/* Open commands are answered. NULL is fine.
 * Blocks   as long as the request under way does: bounded by its time-outs. */
void credentials_free(struct credentials *credentials);

#endif
