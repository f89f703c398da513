/* The work of each step: what it waits for, and what it has to show. */
#include <stdio.h>
#include <string.h>

#include "node/daemon/cluster_handover_private.h"
#include "node/engine/engine.h"

/* The steps that this node can do. */
unsigned handover_does(void)
{
    return (1U << HANDOVER_STEPS) - 1;
}

/* --- preflight -------------------------------------------------------------
 */

static void put_gates(struct cluster_handover *h)
{
    char text[HANDOVER_TEXT_SIZE];
    for (size_t i = 0; i < h->asking.count; i++) {
        const struct handover_gate *gate = &h->asking.gates[i];
        handover_gate_text(gate, text);
        handover_put(h, HANDOVER_PREFLIGHT,
                     gate->ok ? EVIDENCE_DONE : EVIDENCE_FAILED, gate->name,
                     text);
    }
}

static void work_preflight(struct cluster_handover *h, bool begins,
                           struct ts_time now)
{
    char text[HANDOVER_TEXT_SIZE];
    if (begins) {
        handover_preflight_begin(h, handover_destination(&h->field));
    }
    if (!handover_preflight_tick(h, now)) {
        (void) snprintf(h->step.text, sizeof h->step.text,
                        "%s is asked whether it could export", h->asking.peer);
        return;
    }
    put_gates(h);
    const struct handover_gate *closed = handover_first_closed(&h->asking);
    handover_difference(h, text);
    handover_put(h, HANDOVER_PREFLIGHT, EVIDENCE_NOTED, "difference", text);
    handover_counts(h, HANDOVER_PREFLIGHT, "counts before");
    if (closed == NULL) {
        (void) snprintf(text, sizeof text, "%zu gates are open",
                        h->asking.count);
        handover_step_over(h, EVIDENCE_DONE, text);
    } else {
        (void) snprintf(text, sizeof text, "%.60s is closed: %.150s; %.150s",
                        closed->name, closed->value, closed->fix);
        handover_step_over(h, EVIDENCE_FAILED, text);
    }
}

/* --- drain ------------------------------------------------------------------
 */

static void ignore_finish(void *context, int exit_status, json_t *result,
                          const char *error)
{
    (void) context;
    (void) exit_status;
    (void) error;
    json_decref(result);
}

static void ignore_progress(void *context, const char *phase, uint64_t done,
                            uint64_t total)
{
    (void) context;
    (void) phase;
    (void) done;
    (void) total;
}

/* One more session brings over what has come in since the last one, so that the
 * other computer finds little to do when it begins. */
static void ask_last_session(struct cluster_handover *h)
{
    static const struct engine_reply nobody = { .progress = ignore_progress,
                                                .finish = ignore_finish };
    json_t *args = json_object();
    engine_request(h->c->engine, "sync", args, &nobody);
    json_decref(args);
}

static void tell_drained(struct cluster_handover *h,
                         const struct engine_look *look, int64_t waited_ms)
{
    char text[HANDOVER_TEXT_SIZE];
    bool ran = look->cycle > h->step.cycle || h->step.ran;
    (void) snprintf(text, sizeof text,
                    ran ? "session %lld has ended after %lld ms; row %lld of "
                          "epoch %lld is durable here"
                        : "no session began after %lld within %lld ms; row "
                          "%lld of epoch %lld is durable here",
                    (long long) look->cycle, (long long) waited_ms,
                    (long long) h->c->position.seq,
                    (long long) h->c->position.epoch);
    handover_step_over(h, EVIDENCE_DONE, text);
}

static void work_drain(struct cluster_handover *h, bool begins,
                       struct ts_time now)
{
    struct engine_look look;
    int64_t waited_ms = now.ms - h->step.from.ms;
    engine_look(h->c->engine, &look);
    if (begins) {
        h->step.cycle = look.cycle;
        h->step.ran = look.running;
        if (!look.running) {
            ask_last_session(h);
        }
    }
    bool ended = h->step.ran ? !look.running || look.cycle != h->step.cycle
                             : !look.running && look.cycle > h->step.cycle;
    if (ended || (!look.running && waited_ms >= HANDOVER_SESSION_MS)) {
        tell_drained(h, &look, waited_ms);
        return;
    }
    (void) snprintf(
        h->step.text, sizeof h->step.text,
        "session %lld runs: %s %llu of %llu, waited for %lld s",
        (long long) look.cycle, look.phase, (unsigned long long) look.done,
        (unsigned long long) look.total, (long long) (waited_ms / 1000));
}

/* --- lease ------------------------------------------------------------------
 */

static void work_lease(struct cluster_handover *h)
{
    const struct cluster *c = h->c;
    struct member_view view;
    char text[HANDOVER_TEXT_SIZE];
    bool fenced = c->config->target.fence != CONFIG_FENCE_NONE;
    member_view(c->member, ts_clocks_now(), &view);
    if (!fenced) {
        (void) snprintf(text, sizeof text,
                        "epoch %llu is this computer's; the target cannot take "
                        "a credential away, so that the old one is refused is "
                        "not proved",
                        (unsigned long long) view.epoch);
    } else {
        (void) snprintf(text, sizeof text,
                        "epoch %llu is this computer's, with a credential of "
                        "its own; the old one: %.250s",
                        (unsigned long long) view.epoch,
                        c->fence_evidence[0] == 0 ? "it is gone"
                                                  : c->fence_evidence);
    }
    handover_step_over(h, fenced ? EVIDENCE_PROVED : EVIDENCE_PENDING, text);
}

/* --- tail -------------------------------------------------------------------
 */

static void work_tail(struct cluster_handover *h, struct ts_time now)
{
    struct cluster *c = h->c;
    struct leader_figures figures;
    char text[HANDOVER_TEXT_SIZE];
    leader_figures(c->leader, now, &figures);
    const char *other = c->peer == NULL ? h->field.from : c->peer->name;
    bool follows = c->link_up && figures.acked.generation > 0 &&
                   figures.acked.generation == figures.own.generation &&
                   figures.acked.epoch == figures.own.epoch;
    if (follows && c->tail_hints > 0) {
        (void) snprintf(text, sizeof text,
                        "%s follows at row %lld of epoch %lld; it named %zu "
                        "objects that it had decided about, and each is looked "
                        "at again",
                        other, (long long) figures.acked.seq,
                        (long long) figures.acked.epoch, c->tail_hints);
        handover_step_over(h, EVIDENCE_DONE, text);
    } else if (follows) {
        (void) snprintf(text, sizeof text,
                        "%s follows at row %lld of epoch %lld and had nothing "
                        "that is not here",
                        other, (long long) figures.acked.seq,
                        (long long) figures.acked.epoch);
        handover_step_over(h, EVIDENCE_PROVED, text);
    } else if (now.ms - h->step.from.ms >= HANDOVER_TAIL_MS) {
        (void) snprintf(text, sizeof text,
                        "%s did not follow within %d s: what only it has is "
                        "looked for in a full reading",
                        other, HANDOVER_TAIL_MS / 1000);
        handover_step_over(h, EVIDENCE_PENDING, text);
    } else {
        (void) snprintf(h->step.text, sizeof h->step.text,
                        "%s is to follow from where it stopped", other);
    }
}

/* --- the step at hand --------------------------------------------------------
 */

void handover_work_on(struct cluster_handover *h, enum handover_step step,
                      struct ts_time now)
{
    bool begins = !h->step.running || h->step.step != step;
    if (begins) {
        h->step.running = true;
        h->step.step = step;
        h->step.from = now;
        h->step.cycle = 0;
        h->step.text[0] = '\0';
        h->part.begun = false;
    }
    switch (step) {
    case HANDOVER_PREFLIGHT:
        work_preflight(h, begins, now);
        break;
    case HANDOVER_DRAIN:
        work_drain(h, begins, now);
        break;
    case HANDOVER_LEASE:
        work_lease(h);
        break;
    case HANDOVER_TAIL:
        work_tail(h, now);
        break;
    case HANDOVER_RESET:
        handover_work_reset(h);
        break;
    case HANDOVER_RECONCILE:
        handover_work_reconcile(h);
        break;
    case HANDOVER_RETIRE:
        handover_work_retire(h);
        break;
    case HANDOVER_STEPS:
        break;
    }
}
