/*
 * rotation -- a secret is changed without anybody being locked out.
 *
 * A password is known in two places, here and at the directory, and the answer
 * to a change may be lost. So the new one is durable wherever it will be
 * needed before anybody is asked to accept it, and the old one is forgotten
 * only when the new one was seen to be accepted.
 *
 *   DRAWN --share--> SHARED --> ASKED --ask, try new--> CHANGED --> SETTLED
 *     |                           |  ^                     try old: refused?
 *     +--> SETTLED (old)          +--+  in doubt: try new once, try old once,
 *                                       wait the lock-out window, again
 *
 * Invariants:
 *   R1  whatever the directory accepts is kept, here and wherever it was
 *       shared: at every instant, after any crash, however late an answer or
 *       an effect comes.
 *   R2  nothing is asked before the phase ASKED is durable, nor before every
 *       member that must know has said that it does.
 *   R3  a candidate is given up only when nothing was asked since it was
 *       drawn, or the directory refused it in so many words, or the old secret
 *       was accepted after `settle_ms` had passed since the last question
 *       without an answer.
 *   R4  a secret that is refused is not offered again before `lockout_ms` have
 *       passed: a few tries in a row may lock an account.
 *   R5  "proved" means: the new one accepted, the old one refused, the new one
 *       accepted again, each on a connection of its own.
 *
 * rotation_next() and rotation_told() do no I/O and read no clock; they are the
 * whole decision. rotation_run() drives them by the operations given to it and
 * blocks as long as those do.
 */
#ifndef NODE_VAULT_ROTATION_H
#define NODE_VAULT_ROTATION_H

#include "proto/vault_codec.h"

enum rotation_act {
    ROTATION_SHARE,   /* the candidate, with every other member */
    ROTATION_KEEP,    /* make `keep` durable */
    ROTATION_ASK,     /* the directory, to accept the candidate */
    ROTATION_TRY_NEW, /* is the candidate accepted? */
    ROTATION_TRY_OLD,
    ROTATION_WAIT, /* wait_ms */
    ROTATION_END,
    ROTATION_ACTS
};

enum rotation_answer {
    ROTATION_YES,
    ROTATION_NO,      /* said by who was asked */
    ROTATION_UNKNOWN, /* no answer, or one that says nothing */
    ROTATION_ANSWERS
};

enum rotation_end {
    ROTATION_PROVED,   /* changed; the old one is refused */
    ROTATION_PENDING,  /* changed; the old one is still accepted, or nobody
                          could say */
    ROTATION_GIVEN_UP, /* not changed: the old one rules */
    ROTATION_IN_DOUBT  /* both are kept; run it again */
};

struct rotation_terms {
    int64_t lockout_ms; /* how long a directory counts failed tries */
    int64_t settle_ms;  /* how late a change may still take effect */
    int64_t pause_ms;   /* between two tries to reach it */
};

struct rotation {
    struct rotation_terms terms;
    enum vault_phase phase; /* as it is durable */
    enum rotation_act act;
    enum vault_phase keep; /* KEEP: the phase to make durable */
    bool keep_new;         /* KEEP as SETTLED: the candidate is the secret */
    int64_t wait_ms;
    enum rotation_act resume; /* after the wait */
    enum rotation_end end;
    /* Since this run began. */
    bool is_proving, is_controlled, is_refused, is_unanswered, has_settled;
    bool is_old_accepted; /* still, after the change */
    int rounds;
};

/* Begin, or go on after a crash, with what was durable. */
void rotation_begin(struct rotation *rotation, enum vault_phase phase,
                    const struct rotation_terms *terms);
/* What to do now; rotation_told() says what came of it. */
enum rotation_act rotation_next(const struct rotation *rotation);
void rotation_told(struct rotation *rotation, enum rotation_answer answer);

/* ---- driving it ---------------------------------------------------------- */

struct rotation_ops {
    /* TS_OK: every other member has it on its disk. */
    enum ts_code (*share)(void *context, const struct vault_kept *kept,
                          struct ts_err *err);
    /* May stamp it with who writes it, and when. */
    enum ts_code (*keep)(void *context, struct vault_kept *kept,
                         struct ts_err *err);
    /* Change `kept->current` to `kept->candidate`. */
    enum rotation_answer (*ask)(void *context, const struct vault_kept *kept,
                                struct ts_err *err);
    enum rotation_answer (*try)(void *context, const char *secret,
                                struct ts_err *err);
    /* False: give up waiting, the process is to end. */
    bool (*wait)(void *context, int64_t ms);
    int64_t (*now)(void *context); /* seconds since 1970 */
    void *context;
};

/* Run to an end. `kept` is what is durable, with its candidate, and is brought
 * up to date.
 * Errors   of keep(): what is durable decides when it is run again. When
 * *ret_end is not PROVED, `err` holds the sentence why. */
TS_MUSTUSE enum ts_code rotation_run(struct vault_kept *kept,
                                     const struct rotation_terms *terms,
                                     const struct rotation_ops *ops,
                                     enum rotation_end *ret_end,
                                     struct ts_err *err);

/* A new secret of 32 characters of a-z, A-Z, 0-9, with at least one of each:
 * 190 bits, and every password policy's four classes but one; '-' is added.
 * Errors   TS_E_IO (no random bytes). */
#define ROTATION_SECRET_SIZE 34
TS_MUSTUSE enum ts_code rotation_draw(char secret[static ROTATION_SECRET_SIZE],
                                      struct ts_err *err);

#endif
