#include "node/vault/rotation.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

/* How often a directory in doubt is looked at before an operator has to. */
#define ROUNDS_MAX 4

/* ---- the machine --------------------------------------------------------- */

static void act(struct rotation *r, enum rotation_act what)
{
    r->act = what;
}

static void keep(struct rotation *r, enum vault_phase phase, bool candidate)
{
    r->act = ROTATION_KEEP;
    r->keep = phase;
    r->keep_new = candidate;
}

static void end(struct rotation *r, enum rotation_end how)
{
    r->act = ROTATION_END;
    r->end = how;
}

/* Later again, or never in this run. */
static void wait_then(struct rotation *r, int64_t ms, enum rotation_act next)
{
    r->wait_ms = ms;
    r->resume = next;
    if (++r->rounds > ROUNDS_MAX) {
        end(r, ROTATION_IN_DOUBT);
    } else {
        act(r, ROTATION_WAIT);
    }
}

void rotation_begin(struct rotation *rotation, enum vault_phase phase,
                    const struct rotation_terms *terms)
{
    *rotation = (struct rotation){ .terms = *terms, .phase = phase };
    if (phase == VAULT_DRAWN) {
        act(rotation, ROTATION_SHARE);
    } else if (phase == VAULT_SHARED) {
        keep(rotation, VAULT_ASKED, false);
    } else if (phase == VAULT_ASKED) {
        /* A crash: whether it was asked, nobody knows. */
        rotation->is_unanswered = true;
        act(rotation, ROTATION_TRY_NEW);
    } else if (phase == VAULT_CHANGED) {
        rotation->is_proving = true;
        act(rotation, ROTATION_TRY_OLD);
    } else {
        end(rotation, ROTATION_PENDING);
    }
}

enum rotation_act rotation_next(const struct rotation *rotation)
{
    return rotation->act;
}

static void kept(struct rotation *r)
{
    r->phase = r->keep;
    if (r->phase == VAULT_SHARED) {
        keep(r, VAULT_ASKED, false);
    } else if (r->phase == VAULT_ASKED) {
        act(r, ROTATION_ASK);
    } else if (r->phase == VAULT_CHANGED) {
        r->is_proving = true;
        act(r, ROTATION_TRY_OLD);
    } else {
        end(r, !r->keep_new       ? ROTATION_GIVEN_UP
               : r->is_controlled ? ROTATION_PROVED
                                  : ROTATION_PENDING);
    }
}

static void asked(struct rotation *r, enum rotation_answer answer)
{
    r->is_refused = answer == ROTATION_NO;
    r->is_unanswered |= answer == ROTATION_UNKNOWN;
    r->has_settled = false;
    act(r, r->is_refused ? ROTATION_TRY_OLD : ROTATION_TRY_NEW);
}

static void tried_new(struct rotation *r, enum rotation_answer answer)
{
    if (r->is_proving) {
        r->is_controlled = answer == ROTATION_YES;
        keep(r, VAULT_SETTLED, true);
    } else if (answer == ROTATION_YES) {
        keep(r, VAULT_CHANGED, false);
    } else if (answer == ROTATION_NO) {
        act(r, ROTATION_TRY_OLD);
    } else {
        wait_then(r, r->terms.pause_ms, ROTATION_TRY_NEW);
    }
}

/* The old one is accepted and the new one is not: may the new one go? */
static void old_rules(struct rotation *r)
{
    if (r->is_refused && (!r->is_unanswered || r->has_settled)) {
        keep(r, VAULT_SETTLED, false);
    } else if (!r->has_settled) {
        r->has_settled = true;
        wait_then(r, r->terms.settle_ms, ROTATION_TRY_NEW);
    } else {
        act(r, ROTATION_ASK); /* of before came nothing */
    }
}

static void tried_old(struct rotation *r, enum rotation_answer answer)
{
    if (r->is_proving && answer == ROTATION_NO) {
        act(r, ROTATION_TRY_NEW); /* the control */
    } else if (r->is_proving) {
        r->is_old_accepted = answer == ROTATION_YES;
        keep(r, VAULT_SETTLED, true);
    } else if (answer == ROTATION_YES) {
        old_rules(r);
    } else if (answer == ROTATION_NO) {
        wait_then(r, r->terms.lockout_ms, ROTATION_TRY_NEW);
    } else {
        /* The new one was refused just now: not offered again (R4). */
        wait_then(r, r->terms.pause_ms, ROTATION_TRY_OLD);
    }
}

static void shared(struct rotation *r, enum rotation_answer answer)
{
    keep(r, answer == ROTATION_YES ? VAULT_SHARED : VAULT_SETTLED, false);
}

static void made_durable(struct rotation *r, enum rotation_answer answer)
{
    (void) answer;
    kept(r);
}

static void waited(struct rotation *r, enum rotation_answer answer)
{
    if (answer == ROTATION_YES) {
        act(r, r->resume);
    } else {
        end(r, ROTATION_IN_DOUBT);
    }
}

static void over(struct rotation *r, enum rotation_answer answer)
{
    (void) r;
    (void) answer;
}

void rotation_told(struct rotation *rotation, enum rotation_answer answer)
{
    typedef void handler(struct rotation *, enum rotation_answer);
    static handler *const handlers[ROTATION_ACTS] = {
        [ROTATION_SHARE] = shared,      [ROTATION_KEEP] = made_durable,
        [ROTATION_ASK] = asked,         [ROTATION_TRY_NEW] = tried_new,
        [ROTATION_TRY_OLD] = tried_old, [ROTATION_WAIT] = waited,
        [ROTATION_END] = over,
    };
    handlers[rotation->act](rotation, answer);
}

/* ---- driving it ---------------------------------------------------------- */

static enum ts_code make_durable(struct vault_kept *kept,
                                 const struct rotation *r,
                                 const struct rotation_ops *ops,
                                 struct ts_err *err)
{
    TS_AUTOKEPT struct vault_kept next = *kept;
    next.phase = r->keep;
    if (r->keep == VAULT_SETTLED) {
        if (r->keep_new) {
            memcpy(next.current, kept->candidate, sizeof next.current);
            next.changed = ops->now(ops->context);
            next.proved = r->is_controlled ? next.changed : 0;
            next.expires = 0;
        } else {
            next.cause[0] = '\0'; /* nothing was changed for it */
        }
        OPENSSL_cleanse(next.candidate, sizeof next.candidate);
    }
    enum ts_code code = ops->keep(ops->context, &next, err);
    if (code == TS_OK) {
        *kept = next;
    }
    return code;
}

/* Everything but KEEP. */
static enum rotation_answer perform(const struct vault_kept *kept,
                                    const struct rotation *r,
                                    const struct rotation_ops *ops,
                                    struct ts_err *err)
{
    if (r->act == ROTATION_SHARE) {
        return ops->share(ops->context, kept, err) == TS_OK ? ROTATION_YES
                                                            : ROTATION_NO;
    }
    if (r->act == ROTATION_ASK) {
        return ops->ask(ops->context, kept, err);
    }
    if (r->act == ROTATION_WAIT) {
        return ops->wait(ops->context, r->wait_ms) ? ROTATION_YES : ROTATION_NO;
    }
    bool is_new = r->act == ROTATION_TRY_NEW;
    return ops->try(ops->context, is_new ? kept->candidate : kept->current,
                    err);
}

enum ts_code rotation_run(struct vault_kept *kept,
                          const struct rotation_terms *terms,
                          const struct rotation_ops *ops,
                          enum rotation_end *ret_end, struct ts_err *err)
{
    struct rotation r;
    rotation_begin(&r, kept->phase, terms);
    while (rotation_next(&r) != ROTATION_END) {
        enum rotation_answer answer = ROTATION_YES;
        if (rotation_next(&r) == ROTATION_KEEP) {
            enum ts_code code = make_durable(kept, &r, ops, err);
            if (code != TS_OK) {
                return code;
            }
        } else {
            answer = perform(kept, &r, ops, err);
        }
        rotation_told(&r, answer);
    }
    if (r.end == ROTATION_PENDING && r.is_old_accepted) {
        (void) ts_fail(err, TS_E_REFUSED, 0,
                       "the server accepts the old one still, as some do for "
                       "a while");
    }
    *ret_end = r.end;
    return TS_OK;
}

/* ---- a new secret -------------------------------------------------------- */

static bool has_all_classes(const char *secret)
{
    return strpbrk(secret, "abcdefghijklmnopqrstuvwxyz") != NULL &&
           strpbrk(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL &&
           strpbrk(secret, "0123456789") != NULL;
}

enum ts_code rotation_draw(char secret[static ROTATION_SECRET_SIZE],
                           struct ts_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const size_t count = sizeof letters - 1, length = ROTATION_SECRET_SIZE - 2;
    const size_t fair = 256 - 256 % count; /* the rest would favour a few */
    do {
        for (size_t i = 0; i < length;) {
            uint8_t byte = 0;
            if (RAND_priv_bytes(&byte, 1) != 1) {
                OPENSSL_cleanse(secret, ROTATION_SECRET_SIZE);
                return ts_fail(err, TS_E_IO, 0,
                               "could not make a secret: no random bytes");
            }
            if (byte < fair) {
                secret[i++] = letters[byte % count];
            }
        }
        secret[length] = '-';
        secret[length + 1] = '\0';
    } while (!has_all_classes(secret));
    return TS_OK;
}
