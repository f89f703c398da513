/*
 * zap -- who may open a connection: ZeroMQ's authentication (RFC 27/ZAP).
 *
 * libzmq proves that a stranger owns the key that he shows; without a handler
 * it lets every key in. This is the handler: each new connection to a bound
 * socket becomes one question, which the owner of the socket answers by the
 * key. It is stepped in the loop that also steps the sockets: no thread of its
 * own, and no folder is read while somebody waits (a stranger could make a disk
 * busy). CZMQ's zauth does both, and tells nobody whom it refused.
 *
 * A socket asks under its domain, which is how several of them can live in one
 * process. A process has one handler: the name that it is bound to is ZeroMQ's.
 *
 * Invariants:
 *   Z1  only a judge of exactly this domain lets anyone in; a domain without a
 *       judge, another mechanism than CURVE, and a question that is not one are
 *       refused.
 *   Z2  the user id that a judge gives stands in "User-Id" of each message of
 *       that connection.
 */
#ifndef REPLICATION_ZAP_H
#define REPLICATION_ZAP_H

#include <stdbool.h>

#include "node/base/err.h"
#include "replication/certificate.h"

#define ZAP_USER_SIZE    64
#define ZAP_ADDRESS_SIZE 64
#define ZAP_DOMAINS_MAX  4
/* Questions answered by one step: one that is flooded goes on later. */
#define ZAP_STEP_MAX 64

struct zap_question {
    char address[ZAP_ADDRESS_SIZE]; /* where the connection comes from */
    char key[CERTIFICATE_TEXT_SIZE];
};

/* Let this key in? Then fill `user`, without a blank. Must not block. */
struct zap_judge {
    bool (*admits)(void *context, const struct zap_question *question,
                   char user[static ZAP_USER_SIZE]);
    void *context;
};

struct zap;

/* Owns     free with _free, after the sockets that ask it.
 * Errors   TS_E_CONFLICT (this process has one), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code zap_new(struct zap **ret_zap, struct ts_err *err);
void zap_free(struct zap *zap); /* NULL is fine */

/* From now on `judge` answers for `domain`, which is borrowed until _leave.
 * Errors   TS_E_LIMIT (ZAP_DOMAINS_MAX). */
TS_MUSTUSE enum ts_code zap_join(struct zap *zap, const char *domain,
                                 const struct zap_judge *judge,
                                 struct ts_err *err);
/* Nobody answers for `domain` any more. */
void zap_leave(struct zap *zap, const char *domain);

/* Readable when there may be a question; then call _step. It answers whether
 * more are waiting. */
int zap_fd(const struct zap *zap);
bool zap_step(struct zap *zap);

#endif
