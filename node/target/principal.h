/*
 * principal -- who this node is at the target, one identity an epoch.
 *
 * The holder of epoch e writes as P(e), made for that epoch and used for
 * nothing else. Taking over destroys every principal below one's own, and what
 * is destroyed never comes back: a fence call that arrives late can only hit
 * principals that were to be gone anyway.
 *
 *   mint --> [register: published] --> token [register: recorded] --> use
 *     |               |                                                |
 *     | swap lost     +--- whoever takes over: fence ------------------+
 *     v                                          |
 *   unmint                     pending <---------+---> confirmed
 *
 * Kinds (target.fence in the configuration):
 *   registration  a client at the authorization server for each epoch (RFC
 *                 7591), deleted by its management token (RFC 7592).
 *   exec          the operator's command makes and fences it.
 *   none          the target cannot fence: what the old node's credential may
 *                 still do is unknown, and every result says so.
 *
 * Invariants:
 *   P1  a principal of our own epoch, or above it, is never fenced.
 *   P2  no principal is ever enabled again: there is no call for it.
 *   P3  a principal's secrets are in memory and sealed only; it is wiped when
 *       done.
 *   P4  a fence is confirmed by evidence alone, see fence.h; an error, a
 *       time-out and an outage confirm nothing.
 *   P5  every call may be repeated after a crash or a lost answer: what is gone
 *       already is found to be gone.
 *   P6  what a mint leaves behind, by a crash before it is published, is
 *       noted on this node's disk (principal_notes.h) and swept; what a mint
 *       whose answer was lost leaves behind is a client whose secret nobody
 *       knows.
 *
 * A keeper belongs to one thread, whose calls block on HTTP or on the command;
 * only principal_cancel() may come from another. It knows nothing of the
 * register: callers publish.
 */
#ifndef NODE_TARGET_PRINCIPAL_H
#define NODE_TARGET_PRINCIPAL_H

#include "node/target/target.h"
#include "node/vault/seal.h"
#include "proto/register_codec.h"

#define PRINCIPAL_SECRET_SIZE 512 /* these three with their NUL */
#define PRINCIPAL_URI_SIZE    512
#define PRINCIPAL_TOKEN_SIZE  512
#define PRINCIPAL_TEXT_SIZE   400

/* P(e), with what only a member of the pair may know. */
struct principal {
    uint64_t epoch;
    enum register_kind kind;
    char node[REGISTER_NAME_SIZE];
    char id[REGISTER_CLIENT_SIZE];
    char secret[PRINCIPAL_SECRET_SIZE]; /* "": the configuration's credential */
    char uri[PRINCIPAL_URI_SIZE];       /* where RFC 7592 manages it */
    char token[PRINCIPAL_TOKEN_SIZE];   /* and by which token */
};
/* Wipe; NULL is fine. */
void principal_done(struct principal *principal);
#define TS_AUTOPRINCIPAL __attribute__((cleanup(principal_done)))

struct principal_options {
    const struct config_target *target;
    const char *cluster, *node, *boot_id;
    const struct seal_key *key; /* the pair's; copied */
    /* What was sealed while the pair had another one; copied. */
    const struct seal_key *others;
    size_t others_count; /* PRINCIPAL_KEYS_OTHER at the most */
    const struct ts_secret_keeper *secrets; /* NULL: the files rule */
    uint32_t clock_error_percent;           /* lease.clock-error-percent */
    /* Where a fence that a crash cuts off is remembered, sealed; node-private.
     * NULL: nowhere, it then waits for the old tokens' end. */
    const char *memory_file;
    /* Where what was made is noted until it is published (P6), likewise. NULL:
     * nowhere, and nothing is swept. */
    const char *notes_file;
    /* Asked before a token of our own is used; see target_options. */
    struct target_token_hook token;
};

struct principal_keeper;

#define PRINCIPAL_KEYS_OTHER 2

/* From now on this key seals; what others have sealed is opened as before. */
void principal_rekey(struct principal_keeper *keeper,
                     const struct seal_key *key);

/* How the configuration says to fence. */
enum register_kind principal_kind(const struct config_target *target);

/* Borrows the options' strings until _close. Connects to nothing.
 * Errors   TS_E_CONFIG, TS_E_NOMEM. */
TS_MUSTUSE enum ts_code principal_open(const struct principal_options *options,
                                       struct principal_keeper **ret_keeper,
                                       struct ts_err *err);
/* NULL is fine. */
void principal_close(struct principal_keeper *keeper);
/* From any thread: end what runs, soon, with TS_E_CANCELLED; sticky. */
void principal_cancel(struct principal_keeper *keeper);
void principal_resume(struct principal_keeper *keeper);

/* Could a principal be made now? Changes nothing.
 * Errors   TS_E_UNREACHABLE, TS_E_AUTH, TS_E_PROTOCOL, TS_E_CONFIG.
 * Blocks   a request. */
TS_MUSTUSE enum ts_code principal_probe(struct principal_keeper *keeper,
                                        struct ts_err *err);

/* Make P(epoch). It must be published before anything asks for a token of it.
 * Errors   TS_E_UNREACHABLE, TS_E_AUTH, TS_E_PROTOCOL, TS_E_TIMEOUT,
 *          TS_E_CANCELLED, TS_E_CONFIG, TS_E_LIMIT.
 * Blocks   a request; a few when the server is busy. */
TS_MUSTUSE enum ts_code principal_mint(struct principal_keeper *keeper,
                                       uint64_t epoch,
                                       struct principal *ret_principal,
                                       struct ts_err *err);
/* Destroy one that was minted and never published. Best effort (P6).
 * Errors   as principal_mint. Blocks the same. */
TS_MUSTUSE enum ts_code principal_unmint(struct principal_keeper *keeper,
                                         const struct principal *principal,
                                         struct ts_err *err);

/* The register as it stands, with no swap of this node in doubt. */
struct principal_listing {
    const struct register_principal *rows;
    size_t count;
    uint64_t spared; /* the epoch of our own, which may yet be published; 0 */
};

#define PRINCIPAL_NOTES_MAX 16
struct principal_swept {
    uint64_t epoch;
    bool is_deleted; /* else: one may be there that nobody can delete */
    char text[PRINCIPAL_TEXT_SIZE];
};
struct principal_sweep {
    size_t count;
    struct principal_swept swept[PRINCIPAL_NOTES_MAX];
};

/* Delete what this node had made and never published (P6). `ret_sweep` is set
 * in every case.
 * Errors   as principal_mint: some are left, call again later. Blocks as many
 *          requests as there are. */
TS_MUSTUSE enum ts_code principal_sweep(struct principal_keeper *keeper,
                                        const struct principal_listing *listing,
                                        struct principal_sweep *ret_sweep,
                                        struct ts_err *err);

/* What the register holds of a principal, and back. The row carries no token
 * yet.
 * Errors   TS_E_LIMIT, TS_E_IO; back: TS_E_CORRUPT (sealed under another key,
 *          or for another row), TS_E_VERSION. */
TS_MUSTUSE enum ts_code principal_seal(const struct seal_key *key,
                                       const struct principal *principal,
                                       struct register_principal *ret_row,
                                       struct ts_err *err);
TS_MUSTUSE enum ts_code principal_unseal(const struct seal_key *key,
                                         const struct register_principal *row,
                                         struct principal *ret_principal,
                                         struct ts_err *err);

enum principal_state {
    PRINCIPAL_PENDING,   /* may still be admitted: nothing may be exported */
    PRINCIPAL_CONFIRMED, /* gone; `text` is the evidence */
    PRINCIPAL_UNFENCED   /* of kind none: nobody can say; takeover goes on and
                            I1 and I2 are not claimed */
};

/* One row of the register and what became of it. */
struct principal_fencing {
    const struct register_principal *row; /* in */
    enum principal_state state;
    char text[PRINCIPAL_TEXT_SIZE]; /* evidence, or what it waits for */
    int64_t again_ms;               /* PENDING: call again after this long */
};

/* One round of fencing every row: as far as it goes without waiting. Call again
 * until none is pending; the keeper remembers how far each has come. `own` is
 * published: it proves that the target answers, by its own token.
 * Errors   TS_E_CANCELLED, TS_E_NOMEM, TS_E_REFUSED (a row of our own epoch or
 *          above, P1): then no row was touched. All else is told by the row.
 * Blocks   a dozen requests a row, each within the request's time-out. */
TS_MUSTUSE enum ts_code principal_fence(struct principal_keeper *keeper,
                                        const struct principal *own,
                                        struct principal_fencing fencings[],
                                        size_t count, struct ts_err *err);

/* For `twinsync check`: can a principal be made and fenced, or is the target
 * unfenced? Changes nothing at the service.
 * Blocks   a request, or the command. */
size_t principal_check(const struct config_target *target,
                       const struct ts_secret_keeper *secrets,
                       struct ts_arena *arena,
                       struct target_finding findings[static 2]);

#endif
