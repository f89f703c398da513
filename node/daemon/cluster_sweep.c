/* Credentials that were made and never published: see principal_notes.h. */
#include "node/base/log.h"
#include "node/daemon/cluster_private.h"

/* What a process of this node had made, and died before it was published: not
 * while a takeover may be about to publish one. */
void cluster_sweep(struct cluster *c)
{
    struct member_view view;
    struct ts_time now = ts_time_now();
    if (c->fence == NULL || !ts_time_reached(now, c->sweep_from) ||
        cluster_fence_busy(c->fence)) {
        return;
    }
    member_view(c->member, ts_clocks_now(), &view);
    bool at_rest = view.role == MEMBER_STANDBY || view.role == MEMBER_ACTIVE ||
                   view.role == MEMBER_LEARNER;
    if (at_rest && view.has_value && view.register_ok && !view.swap_in_doubt &&
        view.step[0] == 0 &&
        cluster_fence_sweep(c->fence, view.value->principals,
                            view.value->principal_count) == TS_OK) {
        c->sweep_from = TS_NEVER;
    }
}

void cluster_on_swept(struct cluster *c,
                      const struct cluster_fence_answer *answer)
{
    for (size_t i = 0; i < answer->sweep->count; i++) {
        const struct principal_swept *swept = &answer->sweep->swept[i];
        const char *name =
            swept->is_deleted ? "principal-swept" : "principal-perhaps-left";
        ts_log(TS_LOG_WARNING, name, "epoch=%llu text=\"%s\"",
               (unsigned long long) swept->epoch, swept->text);
        engine_record(c->engine, name, "daemon",
                      json_pack("{s:I, s:s}", "epoch",
                                (json_int_t) swept->epoch, "text", swept->text),
                      cluster_store_forget());
    }
    if (answer->code != TS_OK) {
        ts_log(TS_LOG_WARNING, "principals-not-swept", "reason=\"%s\"",
               answer->err->text);
        c->sweep_from = ts_time_after(ts_time_now(), CLUSTER_SWEEP_AGAIN_MS);
    }
}
