/*
 * credential_peer -- what changing a password asks of the pair.
 *
 * The credentials know nothing of links and registers: through this they learn
 * whether this node may change what both nodes use, and give the other one what
 * it has to know. A node that is alone has none.
 *
 * Called on the credentials' thread.
 */
#ifndef NODE_DAEMON_CREDENTIAL_PEER_H
#define NODE_DAEMON_CREDENTIAL_PEER_H

#include "node/base/err.h"
#include "node/base/hash.h"
#include "proto/vault_codec.h"

struct credential_peer {
    /* Does this node hold the lease, by clocks read now? */
    bool (*holds)(void *context);
    /* The highest epoch that it knows of. */
    int64_t (*epoch)(void *context);
    /* Can everybody be told who would have to be?
     * Errors   TS_E_UNREACHABLE (a member is away), TS_E_CANCELLED. */
    enum ts_code (*ready)(void *context, struct ts_err *err);
    /* For the other member to keep: sent now, and again until it has answered
     * or a later one of that name is given.
     * Errors   TS_E_NOT_FOUND (no pair's key yet), TS_E_NOMEM, of the seal. */
    enum ts_code (*give)(void *context, const struct vault_kept *kept,
                         const struct ts_hash *account, struct ts_err *err);
    /* Until what was given last under this name is durable wherever it must
     * be; also when there is nobody to tell, or the other member uses another
     * account.
     * Errors   of ready(), TS_E_TIMEOUT, TS_E_REFUSED (it said no).
     * Blocks   some seconds. */
    enum ts_code (*wait)(void *context, const char *name, struct ts_err *err);
    void *context;
};

#endif
