#include "node/daemon/cluster_gate.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "node/engine/order.h"

struct cluster_gate {
    int event_fd;
    pthread_mutex_t lock;
    pthread_cond_t token_answered;
    struct post *post;
    cluster_token_fn *token;
    void *token_context;

    bool closed;
    struct cluster_lease lease;
    struct journal_position acked; /* generation 0: nothing yet */
    struct cluster_protection protection;
    bool paused;
    struct cluster_signs signs;
    /* One token at a time: the export thread waits for it. */
    uint64_t token_number, token_answer;
    bool token_may_be_used;
};

/* On its way to the reactor. */
struct token_letter {
    struct post_letter letter;
    struct cluster_gate *gate;
    struct cluster_token token;
};

static void lock(struct cluster_gate *gate)
{
    (void) pthread_mutex_lock(&gate->lock);
}

static void unlock(struct cluster_gate *gate)
{
    (void) pthread_mutex_unlock(&gate->lock);
}

enum ts_code cluster_gate_new(struct post *post, cluster_token_fn *token,
                              void *context, struct cluster_gate **ret_gate,
                              struct ts_err *err)
{
    struct cluster_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not make the lease's gate");
    }
    gate->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (gate->event_fd < 0) {
        int why = errno;
        free(gate);
        return ts_fail(err, TS_E_IO, why, "could not make the lease's gate");
    }
    gate->post = post;
    gate->token = token;
    gate->token_context = context;
    pthread_condattr_t attributes;
    (void) pthread_condattr_init(&attributes);
    (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void) pthread_mutex_init(&gate->lock, NULL);
    (void) pthread_cond_init(&gate->token_answered, &attributes);
    (void) pthread_condattr_destroy(&attributes);
    *ret_gate = gate;
    return TS_OK;
}

void cluster_gate_free(struct cluster_gate *gate)
{
    if (gate == NULL) {
        return;
    }
    (void) close(gate->event_fd);
    (void) pthread_cond_destroy(&gate->token_answered);
    (void) pthread_mutex_destroy(&gate->lock);
    free(gate);
}

/* --- for the reactor ------------------------------------------------------ */

void cluster_gate_publish(struct cluster_gate *gate,
                          const struct cluster_lease *lease)
{
    lock(gate);
    bool over = !lease->held || lease->epoch != gate->lease.epoch;
    gate->lease = *lease;
    if (over) {
        (void) pthread_cond_broadcast(&gate->token_answered);
    }
    unlock(gate);
}

void cluster_gate_acked(struct cluster_gate *gate,
                        const struct journal_position *position)
{
    lock(gate);
    gate->acked = *position;
    unlock(gate);
}

void cluster_gate_protection(struct cluster_gate *gate,
                             const struct cluster_protection *protection)
{
    lock(gate);
    gate->protection = *protection;
    unlock(gate);
}

void cluster_gate_pause(struct cluster_gate *gate, bool paused)
{
    lock(gate);
    gate->paused = paused;
    unlock(gate);
}

void cluster_gate_token_answer(struct cluster_gate *gate, uint64_t number,
                               bool may_be_used)
{
    lock(gate);
    if (number == gate->token_number) {
        gate->token_answer = number;
        gate->token_may_be_used = may_be_used;
        (void) pthread_cond_broadcast(&gate->token_answered);
    }
    unlock(gate);
}

void cluster_gate_close(struct cluster_gate *gate)
{
    lock(gate);
    gate->closed = true;
    (void) pthread_cond_broadcast(&gate->token_answered);
    unlock(gate);
}

int cluster_gate_fd(const struct cluster_gate *gate)
{
    return gate->event_fd;
}

void cluster_gate_signs(struct cluster_gate *gate,
                        struct cluster_signs *ret_signs)
{
    eventfd_t ignored;
    lock(gate);
    (void) eventfd_read(gate->event_fd, &ignored);
    *ret_signs = gate->signs;
    gate->signs = (struct cluster_signs){ .ticked = false };
    unlock(gate);
}

/* --- for other threads ---------------------------------------------------- */

/* These two with the lock held. The clocks are read here (CG1). */
static int64_t held_ms(const struct cluster_gate *gate)
{
    if (gate->closed || !gate->lease.held) {
        return 0;
    }
    int64_t left = gate->lease.allowed_ms -
                   ts_elapsed_most(gate->lease.from, ts_clocks_now());
    return left > 0 ? left : 0;
}

static int64_t remaining_ms(const struct cluster_gate *gate)
{
    return gate->lease.open ? held_ms(gate) : 0;
}

static void wake_reactor(struct cluster_gate *gate)
{
    (void) eventfd_write(gate->event_fd, 1);
}

int64_t cluster_gate_remaining_ms(struct cluster_gate *gate)
{
    lock(gate);
    int64_t left = remaining_ms(gate);
    unlock(gate);
    return left;
}

int64_t cluster_gate_held_ms(struct cluster_gate *gate)
{
    lock(gate);
    int64_t left = held_ms(gate);
    unlock(gate);
    return left;
}

bool cluster_gate_may_export(struct cluster_gate *gate, struct ts_time deadline)
{
    int64_t needed_ms = ts_time_left(deadline);
    int64_t left = cluster_gate_remaining_ms(gate);
    return left > 0 && needed_ms <= left;
}

void cluster_gate_tick(struct cluster_gate *gate)
{
    lock(gate);
    bool first = !gate->signs.ticked; /* since the reactor looked */
    gate->signs.ticked = true;
    unlock(gate);
    if (first) { /* a renewal may wait for nothing else */
        wake_reactor(gate);
    }
}

/* With the lock held, which is given up meanwhile. */
static bool wait_for_answer(struct cluster_gate *gate, uint64_t number,
                            uint64_t epoch)
{
    for (;;) {
        int64_t left = held_ms(gate);
        if (gate->token_answer == number) {
            return left > 0 && gate->lease.epoch == epoch;
        }
        if (left == 0 || gate->lease.epoch != epoch) {
            return false;
        }
        struct ts_time until = ts_time_after(ts_time_now(), left);
        struct timespec at = { .tv_sec = until.ms / 1000,
                               .tv_nsec = until.ms % 1000 * 1000000 };
        (void) pthread_cond_timedwait(&gate->token_answered, &gate->lock, &at);
    }
}

static void token_deliver(struct post_letter *letter)
{
    struct token_letter *told = (struct token_letter *) letter;
    told->gate->token(told->gate->token_context, &told->token);
    free(told);
}

static void token_drop(struct post_letter *letter)
{
    free(letter);
}

enum ts_code cluster_gate_token(struct cluster_gate *gate,
                                const struct ts_hash *hash,
                                int64_t lifetime_seconds, struct ts_err *err)
{
    struct token_letter *told = calloc(1, sizeof *told);
    if (told == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not have a token recorded");
    }
    told->letter =
        (struct post_letter){ .deliver = token_deliver, .drop = token_drop };
    told->gate = gate;
    lock(gate);
    uint64_t number = ++gate->token_number, epoch = gate->lease.epoch;
    told->token = (struct cluster_token){
        .number = number,
        .epoch = epoch,
        .hash = *hash,
        .lifetime_s = lifetime_seconds < 0 ? 0
                      : lifetime_seconds > UINT32_MAX
                          ? UINT32_MAX
                          : (uint32_t) lifetime_seconds,
    };
    unlock(gate);
    post_send(gate->post, &told->letter);
    lock(gate);
    bool answered = wait_for_answer(gate, number, epoch);
    bool allowed = answered && gate->token_may_be_used;
    unlock(gate);
    if (!answered) {
        return ts_fail(err, TS_E_CANCELLED, 0,
                       "could not use a new token because the lease ended "
                       "before the register showed it");
    }
    return allowed ? TS_OK
                   : ts_fail(err, TS_E_REFUSED, 0,
                             "cannot use a new token because it could not be "
                             "recorded in the register first");
}

void cluster_gate_committed(struct cluster_gate *gate,
                            const struct journal_position *position)
{
    lock(gate);
    gate->signs.committed = true;
    gate->signs.position = *position;
    wake_reactor(gate);
    unlock(gate);
}

/* Positions of one lineage: of another generation, nothing is known. */
static bool reaches(const struct journal_position *acked,
                    const struct journal_position *wanted)
{
    if (acked->generation != wanted->generation) {
        return acked->generation > wanted->generation;
    }
    return acked->epoch > wanted->epoch ||
           (acked->epoch == wanted->epoch && acked->seq >= wanted->seq);
}

enum engine_ack cluster_gate_ack(struct cluster_gate *gate,
                                 const struct journal_position *position)
{
    lock(gate);
    const struct order_sending sending = {
        .has_lease = remaining_ms(gate) > 0,
        .is_acked = gate->protection.follower_counts &&
                    gate->acked.generation > 0 &&
                    reaches(&gate->acked, position),
        .is_unprotected = gate->lease.may_unprotected,
    };
    enum engine_ack ack = order_ack(&sending);
    if (ack == ENGINE_ACK_WAIT && !gate->signs.unprotected_wanted) {
        gate->signs.unprotected_wanted = true;
        wake_reactor(gate);
    }
    unlock(gate);
    return ack;
}

enum engine_ack cluster_gate_generation(struct cluster_gate *gate,
                                        int64_t generation)
{
    lock(gate);
    enum engine_ack ack = ENGINE_ACK_WAIT;
    if (remaining_ms(gate) == 0) {
        ack = ENGINE_ACK_LOST;
    } else if (gate->protection.generation >= (uint64_t) generation) {
        ack = ENGINE_ACK_DURABLE;
    } else if (gate->signs.generation_wanted != (uint64_t) generation) {
        gate->signs.generation_wanted = (uint64_t) generation;
        wake_reactor(gate);
    }
    unlock(gate);
    return ack;
}

bool cluster_gate_unprotected(struct cluster_gate *gate)
{
    lock(gate);
    bool unprotected = gate->protection.unprotected;
    unlock(gate);
    return unprotected;
}

bool cluster_gate_paused(struct cluster_gate *gate)
{
    lock(gate);
    bool paused = gate->paused;
    unlock(gate);
    return paused;
}
