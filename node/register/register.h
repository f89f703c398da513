/*
 * register -- one compare-and-swap cell outside both nodes.
 *
 * The lease, the members and the principals of a pair live in one value of at
 * most 48 KiB. This header is all that the rest of the program knows of where
 * that value is kept; a driver brings it there:
 *
 *   peer    twinsync-witness, a small process on a third host, over CURVE
 *   etcd    a key of an etcd cluster, over its JSON gateway
 *   ldap    an attribute of one entry on one pinned directory server
 *   manual  a file of this node: nothing is shared, so nobody takes over by
 *           itself; `failover` on the one node and the other's silence are the
 *           operator's to vouch for
 *
 *   open --> (read | swap | identity | check)* --> close
 *               ^ cancel, from another thread, ends the call under way
 *
 * Invariants:
 *   R1  swap answers DONE only when the store said that the value is durably
 *       there, and LOST only when it said that another one was: everything in
 *       between is UNKNOWN.
 *   R2  an error (anything but TS_OK) of swap is certain: nothing was sent, or
 *       the store itself said that it refused. It will not land later.
 *   R3  a swap whose outcome is UNKNOWN may still land after the call, until a
 *       later swap is DONE or somebody else's value is read; a driver never
 *       sends it a second time.
 *   R4  drivers do not look into the bytes; two values are equal when their
 *       bytes are.
 *   R5  every call ends by its deadline, whatever the other side does, and at
 *       once after _cancel.
 *   R6  a read is not older than the last swap that this store confirmed to
 *       anybody (linearisable); a driver that can be given a stale copy refuses
 *       that server.
 *   R7  when the server at the other end is not the pinned one, every call says
 *       TS_E_CONFLICT: the register is lost, not empty.
 *
 * Each node signs in with a credential of its own. A client belongs to one
 * thread; only _cancel may come from another. No call retries.
 */
#ifndef NODE_REGISTER_REGISTER_H
#define NODE_REGISTER_REGISTER_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/secret.h"

/* The largest value; a store that holds more is damaged. */
#define REGISTER_VALUE_MAX     ((size_t) 48 * 1024)
#define REGISTER_IDENTITY_SIZE 256 /* with NUL */
#define REGISTER_FINDINGS_MAX  8
#define REGISTER_ENDPOINTS_MAX 16 /* of one etcd cluster */

enum register_driver_kind {
    REGISTER_PEER,
    REGISTER_ETCD,
    REGISTER_LDAP,
    REGISTER_MANUAL,
    REGISTER_DRIVERS
};

struct register_peer_options {
    const char *endpoint;         /* tcp://HOST:PORT of the witness */
    const char *certificate_file; /* the witness's public certificate */
    const char *own_file;         /* this node's: FILE, and FILE_secret */
};

struct register_etcd_options {
    const char *endpoints[REGISTER_ENDPOINTS_MAX]; /* tried in this order */
    size_t endpoints_count;
    const char *key;
    const char *user, *password_file; /* NULL: no authentication */
    const char *ca_file;              /* NULL: the system's trust store */
    const char *certificate_file, *key_file;
    bool allow_plaintext_loopback;
};

struct register_ldap_options {
    const char *uri;       /* exactly one server */
    const char *dn;        /* the entry; it must exist */
    const char *attribute; /* of several values, without an order */
    const char *bind_dn, *password_file; /* both NULL: SASL EXTERNAL */
    const char *ca_file, *certificate_file, *key_file;
    bool start_tls, allow_plaintext_loopback;
    const char *const *source_bases; /* the entry must be outside of each */
    size_t source_bases_count;
};

/* All strings are borrowed until _close. */
struct register_options {
    enum register_driver_kind kind;
    const char *cluster, *node;
    uint32_t timeout_ms; /* of each call; 100 .. 60,000 */
    struct register_peer_options peer;
    struct register_etcd_options etcd;
    struct register_ldap_options ldap;
    const char *manual_file;
    const struct ts_secret_keeper *secrets; /* NULL: the files rule */
};

struct register_client;

/* Check the options and prepare; nothing is connected yet.
 * Owns     *ret_client: close it.
 * Errors   TS_E_CONFIG, TS_E_NOMEM, TS_E_IO, and ts_secret_read's. */
TS_MUSTUSE enum ts_code register_open(const struct register_options *options,
                                      struct register_client **ret_client,
                                      struct ts_err *err);
/* NULL is fine. Blocks no longer than a call. */
void register_close(struct register_client *client);

/* The value; an empty slice says that there is none (absent).
 * Owns     nothing: the bytes are in `arena`.
 * Errors   TS_E_UNREACHABLE, TS_E_TIMEOUT, TS_E_AUTH, TS_E_CONFLICT (R7),
 *          TS_E_REFUSED (a read-only replica, a damaged witness),
 *          TS_E_CORRUPT (more than one value, longer than the limit, not
 *          ours), TS_E_PROTOCOL, TS_E_NOT_FOUND (the entry is missing),
 *          TS_E_CANCELLED, TS_E_LIMIT (arena). */
TS_MUSTUSE enum ts_code register_read(struct register_client *client,
                                      struct ts_arena *arena,
                                      struct ts_slice *ret_value,
                                      struct ts_err *err);

enum register_outcome {
    REGISTER_SWAP_DONE,   /* durable */
    REGISTER_SWAP_LOST,   /* another value was there: certainly not */
    REGISTER_SWAP_UNKNOWN /* read it back, see R3; `err` says why */
};

/* Put `value` where `expected` is; an empty `expected`: where nothing is.
 * Limit    REGISTER_VALUE_MAX; `value` must not be empty.
 * Errors   as read; see R2. Without an error, *ret_outcome is set. */
TS_MUSTUSE enum ts_code register_swap(struct register_client *client,
                                      struct ts_slice expected,
                                      struct ts_slice value,
                                      enum register_outcome *ret_outcome,
                                      struct ts_err *err);

/* Which server keeps the value, in printable text: the same for one server
 * for ever, another one for every other server, also for a copy of it that got
 * a new identity. "manual" for that driver.
 * Errors   as read, without R7: it is told whoever is there. */
TS_MUSTUSE enum ts_code
register_identity(struct register_client *client,
                  char identity[static REGISTER_IDENTITY_SIZE],
                  struct ts_err *err);
/* From now on only this server (R7); "": whoever is there at the next call,
 * and then that one. That is also how a client begins. */
void register_pin(struct register_client *client, const char *identity);

/* The server of the last call that reached one, or the pinned one; "" before.
 * Lives until the next call. */
const char *register_server(const struct register_client *client);

/* May a standby take over without an operator? */
bool register_is_automatic(const struct register_client *client);
/* "peer", "etcd", "ldap", "manual". */
const char *register_kind_text(enum register_driver_kind kind);

/* From any thread: the call under way, and every later one, ends at once with
 * TS_E_CANCELLED (a swap that was sent: with UNKNOWN), until _resume. */
void register_cancel(struct register_client *client);
void register_resume(struct register_client *client);

/* What `twinsync check` says of the register; no value is written. */
struct register_finding {
    const char *name; /* "reachable", "rights", "machine", "replication", ... */
    bool ok;
    const char *value; /* in the arena */
    const char *fix;   /* or NULL */
};
size_t
register_check(struct register_client *client, struct ts_arena *arena,
               struct register_finding ret_findings[REGISTER_FINDINGS_MAX]);

#endif
