#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/log.h"

#include "node/daemon/cluster_private.h"
#include "replication/generation.h"

/* --- calls and their answers --------------------------------------------- */

/* Made before the call, so that answering cannot fail. */
struct store_letter {
    struct post_letter letter;
    struct cluster *c;
    cluster_store_fn *answered;
    uint64_t number;
    struct cluster_store_answer answer;
};

static void deliver(struct post_letter *letter)
{
    struct store_letter *told = (struct store_letter *) letter;
    if (!told->c->closed) {
        told->answered(told->c, &told->answer, told->number);
    }
    free(told->answer.kept);
    free(told);
}

static void drop(struct post_letter *letter)
{
    free(((struct store_letter *) letter)->answer.kept);
    free(letter);
}

static void copy_kept(struct cluster_store_answer *answer,
                      const struct engine_result *result)
{
    answer->head_hash = result->head_hash;
    answer->head_seq = result->head_seq;
    if (result->kept.size > 0) {
        answer->kept = malloc(result->kept.size);
        if (answer->kept == NULL) {
            answer->code = ts_fail(&answer->err, TS_E_NOMEM, 0,
                                   "could not read the evidence");
            return;
        }
        memcpy(answer->kept, result->kept.data, result->kept.size);
        answer->kept_size = result->kept.size;
    }
}

/* On a thread of the engine. */
static void on_result(void *context, const struct engine_result *result)
{
    struct store_letter *told = context;
    struct cluster_store_answer *answer = &told->answer;
    answer->code = result->code;
    if (result->err != NULL) {
        answer->err = *result->err;
    }
    answer->position = result->position;
    if (result->state_path != NULL) {
        (void) snprintf(answer->state_path, sizeof answer->state_path, "%s",
                        result->state_path);
    }
    copy_kept(answer, result);
    answer->has_gates = result->gates != NULL;
    if (answer->has_gates) {
        memcpy(answer->gates, result->gates, sizeof answer->gates);
    }
    post_send(told->c->post, &told->letter);
}

bool cluster_store_call(struct cluster *c, cluster_store_fn *answered,
                        uint64_t number, struct engine_done *ret_done)
{
    struct store_letter *told = calloc(1, sizeof *told);
    if (told == NULL) {
        return false;
    }
    told->letter = (struct post_letter){ .deliver = deliver, .drop = drop };
    told->c = c;
    told->answered = answered;
    told->number = number;
    *ret_done = (struct engine_done){ .call = on_result, .context = told };
    return true;
}

static void ignore_result(void *context, const struct engine_result *result)
{
    (void) context;
    (void) result;
}

struct engine_done cluster_store_forget(void)
{
    return (struct engine_done){ .call = ignore_result };
}

/* --- what the engine asks: on its threads --------------------------------- */

static struct cluster_gate *gate_of(void *context)
{
    const struct cluster *c = context; // its gate stays the same for life
    return c->gate;
}

static bool may_export(void *context, struct ts_time deadline)
{
    return cluster_gate_may_export(gate_of(context), deadline);
}

static int64_t remaining_ms(void *context)
{
    return cluster_gate_remaining_ms(gate_of(context));
}

static void tick(void *context)
{
    cluster_gate_tick(gate_of(context));
}

static enum ts_code token(void *context, const struct ts_hash *hash,
                          int64_t lifetime_s, struct ts_err *err)
{
    return cluster_gate_token(gate_of(context), hash, lifetime_s, err);
}

static void committed(void *context, const struct journal_position *position)
{
    cluster_gate_committed(gate_of(context), position);
}

static enum engine_ack acked(void *context,
                             const struct journal_position *position)
{
    return cluster_gate_ack(gate_of(context), position);
}

static enum engine_ack generation(void *context, int64_t number)
{
    return cluster_gate_generation(gate_of(context), number);
}

/* Another file is the state: who reads it for the other node must know. */
struct selected_letter {
    struct post_letter letter;
    struct cluster *c;
    char path[GENERATION_PATH_SIZE];
};

static void deliver_selected(struct post_letter *letter)
{
    struct selected_letter *told = (struct selected_letter *) letter;
    if (!told->c->closed) {
        cluster_selected(told->c, told->path);
    }
    free(told);
}

static void drop_selected(struct post_letter *letter)
{
    free(letter);
}

static void selected(void *context, const char *path)
{
    struct cluster *c = context;
    struct selected_letter *told = calloc(1, sizeof *told);
    if (told == NULL) { // the other node cannot be served until the next one
        ts_log(TS_LOG_ERROR, "replication-state-not-opened",
               "reason=\"out of memory\"");
        return;
    }
    told->letter = (struct post_letter){ .deliver = deliver_selected,
                                         .drop = drop_selected };
    told->c = c;
    (void) snprintf(told->path, sizeof told->path, "%s", path);
    post_send(c->post, &told->letter);
}

static bool unprotected(void *context)
{
    return cluster_gate_unprotected(gate_of(context));
}

static bool paused(void *context)
{
    return cluster_gate_paused(gate_of(context));
}

void cluster_store_port(struct cluster *c)
{
    c->port = (struct engine_pair){ .may_export = may_export,
                                    .remaining_ms = remaining_ms,
                                    .tick = tick,
                                    .token = token,
                                    .committed = committed,
                                    .acked = acked,
                                    .generation = generation,
                                    .unprotected = unprotected,
                                    .paused = paused,
                                    .selected = selected,
                                    .context = c };
}

/* --- what it tells: on the reactor's -------------------------------------- */

struct register_position
cluster_register_position(const struct journal_position *position)
{
    struct register_position found = { .generation =
                                           (uint64_t) position->generation,
                                       .epoch = (uint64_t) position->epoch,
                                       .seq = (uint64_t) position->seq };
    if (position->generation > 0) {
        sum_store(position->sum, found.sum);
    }
    return found;
}

void cluster_moved(struct cluster *c, const struct journal_position *position)
{
    c->position = *position;
    cluster_feed(c,
                 &(struct member_event){
                     .kind = MEMBER_POSITION,
                     .position = { .at = cluster_register_position(position),
                                   .has_state = position->generation > 0 } });
}

/* A standby that is connected and keeps up answers in milliseconds; one that
 * does not, or whose answer protects nothing (CG3), must not keep the exports
 * waiting for ever. */
static bool standby_is_silent(const struct cluster *c)
{
    struct leader_figures figures;
    leader_figures(c->leader, ts_time_now(), &figures);
    return !c->link_up || !c->follower_counts ||
           figures.behind_ms > c->config->lease.ttl_ms / 3;
}

void cluster_store_signs(struct cluster *c)
{
    struct cluster_signs signs;
    cluster_gate_signs(c->gate, &signs);
    if (signs.committed) {
        if (c->leads) {
            cluster_lead(c,
                         &(struct leader_event){ .type = LEADER_COMMITTED,
                                                 .position = signs.position });
        }
        cluster_moved(c, &signs.position);
    }
    if (signs.ticked) {
        cluster_feed(c, &(struct member_event){ .kind = MEMBER_PROGRESS });
    }
    c->batch_waits = c->batch_waits || signs.unprotected_wanted;
    if (c->batch_waits && standby_is_silent(c)) {
        c->batch_waits = false; // asked again while it still waits
        cluster_feed(c, &(struct member_event){ .kind = MEMBER_UNPROTECTED });
    }
    if (signs.generation_wanted > 0) {
        cluster_feed(
            c, &(struct member_event){ .kind = MEMBER_GENERATION,
                                       .generation = signs.generation_wanted });
    }
}
