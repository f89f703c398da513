/* From candidate to exporter: mint, claim, persist, fence, confirm, activate.
 * No step is taken before the one before it is proved; whatever fails leaves
 * the principal either unmade or listed for the next one to fence. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/cluster/private.h"

#define MINT_BACKOFF_MS     1000
#define ACTIVATE_BACKOFF_MS 10000

const char *takeover_step_name(enum takeover_step step)
{
    static const char *const names[TAKEOVER_STEPS] = {
        [TAKEOVER_NONE] = "",
        [TAKEOVER_MINTING] = "mint",
        [TAKEOVER_CLAIMING] = "claim",
        [TAKEOVER_PERSISTING] = "persist",
        [TAKEOVER_FENCING] = "fence",
        [TAKEOVER_CONFIRMING] = "confirm",
        [TAKEOVER_ACTIVATING] = "activate",
    };
    return names[step];
}

static void fail(struct member *member, int64_t backoff_ms, const char *text)
{
    struct takeover *takeover = &member->takeover;
    takeover->backoff_ms = backoff_ms;
    takeover->failed_at = member->now;
    member_copy_text(takeover->failed_text, sizeof takeover->failed_text, text);
}

/* ---- mint --------------------------------------------------------------- */

bool takeover_is_before(const struct register_position *a,
                        const struct register_position *b)
{
    if (a->generation != b->generation) {
        return true; /* of another load: nothing can be compared */
    }
    if (a->epoch != b->epoch) {
        return a->epoch < b->epoch;
    }
    if (a->seq != b->seq) {
        return a->seq < b->seq;
    }
    return memcmp(a->sum, b->sum, sizeof a->sum) != 0;
}

/* What the last value says of how much is known to this node. */
static void judge(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    const struct register_value *value = &member->seen.value;
    bool first = value->holder[0] == '\0';
    bool mine = strcmp(value->holder, member->name) == 0;
    bool behind =
        !first && takeover_is_before(&member->position, &value->position);
    bool alone = member_other_voter(member) == NULL;
    takeover->is_own_return = alone && mine && !member->hung;
    takeover->was_planned = value->released && value->planned;
    /* Who lost its lease, and is the same process still, has not crashed. */
    bool lapsed = member_owns_value(member) && !member->hung;
    takeover->crashed = !first && !takeover->was_planned && !lapsed;
    bool open_period = value->is_unprotected && !(alone && (mine || first));
    takeover->reconcile_first =
        TS_RULE(CANDIDATE_CURRENT) && (behind || open_period);
    takeover->quiesce_all = TS_RULE(QUIESCE) && (behind || open_period);
}

static void set_reason(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    const struct register_value *value = &member->seen.value;
    if (member->op.failover.open) {
        takeover->planned = true;
        takeover->accept_data_loss = member->op.accept_data_loss;
        member_copy_text(takeover->actor, sizeof takeover->actor,
                         member->op.failover.actor);
        member_copy_text(takeover->reason, sizeof takeover->reason,
                         member->op.failover.reason);
        return;
    }
    takeover->planned = takeover->accept_data_loss = false;
    member_copy_text(takeover->actor, sizeof takeover->actor, "automatic");
    if (value->holder[0] == '\0') {
        member_copy_text(takeover->reason, sizeof takeover->reason,
                         "the first epoch: nobody had held the lease");
    } else if (value->released) {
        (void) snprintf(takeover->reason, sizeof takeover->reason,
                        "epoch %" PRIu64 " of %s was released%s", value->epoch,
                        value->holder,
                        value->planned ? "" : " after it had ended");
    } else {
        (void) snprintf(takeover->reason, sizeof takeover->reason,
                        "the lease of %s (epoch %" PRIu64
                        ") was not renewed for "
                        "%" PRId64 " ms",
                        value->holder, value->epoch,
                        ts_elapsed_least(member->seen.changed, member->now));
    }
}

static void minted_as(struct member *member,
                      const struct register_principal *principal)
{
    struct takeover *takeover = &member->takeover;
    takeover->principal = *principal;
    takeover->principal.epoch = takeover->epoch;
    takeover->has_principal = true;
    takeover->step = TAKEOVER_CLAIMING;
    member->claims.claimed = false;
}

void takeover_begin(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    const struct register_value *value = &member->seen.value;
    takeover->step = TAKEOVER_MINTING;
    takeover->epoch = member_epoch_known(member) + 1;
    takeover->abandoned = takeover->has_principal = false;
    takeover->fence_asked = false;
    takeover->confirmed_count = 0;
    takeover->backoff_ms = 0;
    takeover->fence_text[0] = takeover->failed_text[0] = '\0';
    judge(member);
    set_reason(member);
    if (!TS_RULE(PRINCIPAL_OWN) && value->principal_count > 0) {
        minted_as(member, &value->principals[value->principal_count - 1]);
        return;
    }
    struct member_effect *effect = member_emit(member, MEMBER_DO_MINT);
    effect->mint.epoch = takeover->epoch;
    if (!TS_RULE(NEVER_REENABLE) && takeover->has_last) {
        effect->mint.again = &takeover->last;
    }
}

static void activate(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    struct member_effect *effect = member_emit(member, MEMBER_DO_ACTIVATE);
    effect->activate = (struct member_activation){
        .epoch = takeover->epoch,
        .principal = &takeover->principal,
        .reconcile_first = takeover->reconcile_first,
        .quiesce_all = takeover->quiesce_all,
        .accept_data_loss = takeover->accept_data_loss,
        .crashed = takeover->crashed,
        .data_generation = member->seen.value.data_generation,
    };
    member->engine = ENGINE_ACTIVATING;
    member->travels = takeover->principal.kind == REGISTER_KIND_NONE;
    effect = member_emit(member, MEMBER_DO_PROTECTION);
    effect->protection.is_unprotected = member->seen.value.is_unprotected;
    effect->protection.epoch = takeover->epoch;
}

void takeover_minted(struct member *member, const struct member_event *event)
{
    struct takeover *takeover = &member->takeover;
    if (takeover->step != TAKEOVER_MINTING || takeover->has_principal) {
        return;
    }
    if (event->minted == NULL) {
        takeover->step = TAKEOVER_NONE;
        fail(member, MINT_BACKOFF_MS, event->text);
        return;
    }
    minted_as(member, event->minted);
    if (takeover->abandoned) {
        takeover_abandon(member);
        return;
    }
    takeover->last = takeover->principal;
    takeover->has_last = true;
    judge(member); /* what was seen may have changed meanwhile */
    if (!TS_RULE(PUBLISH_FIRST)) {
        takeover->early = member->now;
        activate(member);
    }
}

/* ---- claim -------------------------------------------------------------- */

void takeover_abandon(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    const struct claims *claims = &member->claims;
    if (takeover->step == TAKEOVER_MINTING) {
        takeover->abandoned = true;
    } else if (takeover->step == TAKEOVER_CLAIMING &&
               !(claims->claimed && (claims->op == CLAIM_SWAP ||
                                     claims->in_doubt || claims->read_next))) {
        takeover->step = TAKEOVER_NONE;
        if (TS_RULE(PRINCIPAL_OWN)) {
            member_emit(member, MEMBER_DO_UNMINT)->unmint =
                &takeover->principal;
        }
    }
}

void takeover_forget(struct member *member)
{
    member->takeover.step = TAKEOVER_NONE;
}

void takeover_won(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    takeover->step = TAKEOVER_PERSISTING;
    member->yielded = member->hung = false;
    member->facts_changed = true;
    takeover->persist_number = member->facts_number + 1;
    member_record(member, "takeover", takeover->actor, "%s%s", takeover->reason,
                  takeover->reconcile_first ? "; both sides are read to their "
                                              "end first"
                                            : "");
}

/* ---- fence -------------------------------------------------------------- */

static bool is_confirmed(const struct takeover *takeover, uint64_t epoch)
{
    for (size_t i = 0; i < takeover->confirmed_count; i++) {
        if (takeover->confirmed[i] == epoch) {
            return true;
        }
    }
    return false;
}

static bool must_fence(const struct member *member,
                       const struct register_principal *row)
{
    const struct takeover *takeover = &member->takeover;
    return row->epoch < takeover->epoch && !is_confirmed(takeover, row->epoch);
}

/* Only where a test broke the rule: nobody fences what it uses itself. */
static void skip_shared(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    const struct register_value *value = &member->seen.value;
    for (size_t i = 0; i < value->principal_count; i++) {
        const struct register_principal *row = &value->principals[i];
        if (!TS_RULE(PRINCIPAL_OWN) && must_fence(member, row) &&
            strcmp(row->id, takeover->principal.id) == 0) {
            takeover->confirmed[takeover->confirmed_count++] = row->epoch;
        }
    }
}

static void ask_fence(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    const struct register_value *value = &member->seen.value;
    struct member_effect effect = { .kind = MEMBER_DO_FENCE };
    skip_shared(member);
    effect.fence.own = &takeover->principal;
    for (size_t i = 0; i < value->principal_count; i++) {
        if (must_fence(member, &value->principals[i])) {
            effect.fence.rows[effect.fence.count++] = &value->principals[i];
        }
    }
    if (effect.fence.count == 0) {
        takeover->step = TAKEOVER_CONFIRMING;
        return;
    }
    takeover->fence_asked = true;
    member_emit(member, MEMBER_DO_FENCE)->fence = effect.fence;
}

static void note(struct member *member, const struct member_fencing *row)
{
    struct takeover *takeover = &member->takeover;
    if (is_confirmed(takeover, row->epoch) || row->epoch >= takeover->epoch ||
        takeover->confirmed_count == REGISTER_PRINCIPALS_MAX) {
        return;
    }
    takeover->confirmed[takeover->confirmed_count++] = row->epoch;
    member_record(member, "fenced", "automatic",
                  "principal of epoch %" PRIu64 ": %s", row->epoch, row->text);
}

/* Rule off: the fence is taken for done, or for not needed. */
static void finish_fence(struct member *member)
{
    if (TS_RULE(REREAD_AFTER_FENCE)) {
        member->takeover.step = TAKEOVER_CONFIRMING;
    } else {
        member->takeover.step = TAKEOVER_ACTIVATING;
        activate(member);
    }
}

void takeover_fenced(struct member *member, const struct member_event *event)
{
    struct takeover *takeover = &member->takeover;
    if (takeover->step != TAKEOVER_FENCING || !takeover->fence_asked) {
        return;
    }
    takeover->fence_asked = false;
    takeover->fence_text[0] = '\0';
    for (size_t i = 0; i < event->fenced.count; i++) {
        const struct member_fencing *row = &event->fenced.rows[i];
        if (row->confirmed || !TS_RULE(FENCE_VERIFIED)) {
            note(member, row);
        } else {
            member_copy_text(takeover->fence_text, sizeof takeover->fence_text,
                             row->text);
        }
    }
    bool pending = false;
    const struct register_value *value = &member->seen.value;
    for (size_t i = 0; i < value->principal_count; i++) {
        pending |= must_fence(member, &value->principals[i]);
    }
    if (!pending) {
        finish_fence(member);
    } else if (!TS_RULE(NOTHING_WHILE_PENDING)) {
        takeover->step = TAKEOVER_ACTIVATING;
        activate(member);
    }
    takeover->fence_again_from = member->now;
    takeover->fence_again_ms = event->fenced.again_ms > 0
                                   ? event->fenced.again_ms
                                   : MEMBER_FENCE_AGAIN_MS;
}

/* Nobody has proved it: every object waits for the quiet time and is read
 * before it is written, as after an unprotected period. */
bool takeover_accept_fence(struct member *member,
                           const struct member_request *request)
{
    struct takeover *takeover = &member->takeover;
    const struct register_value *value = &member->seen.value;
    size_t count = 0;
    if (takeover->step != TAKEOVER_FENCING || takeover->fence_text[0] == '\0') {
        return false;
    }
    for (size_t i = 0; i < value->principal_count; i++) {
        const struct register_principal *row = &value->principals[i];
        if (must_fence(member, row) &&
            takeover->confirmed_count < REGISTER_PRINCIPALS_MAX) {
            takeover->confirmed[takeover->confirmed_count++] = row->epoch;
            count++;
            member_record(member, "fence-accepted", request->actor,
                          "not proved, but taken to be gone: \"%.100s\" of "
                          "epoch %" PRIu64 " (%s)",
                          row->id, row->epoch, request->reason);
        }
    }
    takeover->quiesce_all = TS_RULE(QUIESCE);
    finish_fence(member);
    return count > 0;
}

void takeover_confirmed(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    if (takeover->step == TAKEOVER_CONFIRMING && member->seen.value.fenced &&
        member->seen.value.epoch == takeover->epoch) {
        takeover->step = TAKEOVER_ACTIVATING;
        activate(member);
    }
}

/* ---- activate ----------------------------------------------------------- */

void takeover_activated(struct member *member, const struct member_event *event)
{
    struct takeover *takeover = &member->takeover;
    if (member->engine != ENGINE_ACTIVATING) {
        return;
    }
    if (!event->activated) {
        member->engine = ENGINE_IDLE;
        fail(member, ACTIVATE_BACKOFF_MS, event->text);
        member_record(member, "activation-failed", "automatic", "%s",
                      takeover->failed_text);
        return;
    }
    member->engine = ENGINE_ACTIVE;
    member->lease.progressed = true;
    if (takeover->step == TAKEOVER_ACTIVATING) {
        takeover->step = TAKEOVER_NONE;
    }
}

/* ---- what is due -------------------------------------------------------- */

static int64_t fence_left(const struct member *member)
{
    const struct takeover *takeover = &member->takeover;
    int64_t left = takeover->fence_again_ms -
                   ts_elapsed_most(takeover->fence_again_from, member->now);
    return left > 0 ? left : 0;
}

void takeover_pump(struct member *member)
{
    struct takeover *takeover = &member->takeover;
    if ((takeover->step == TAKEOVER_MINTING && !takeover->abandoned) ||
        takeover->step == TAKEOVER_CLAIMING) {
        if (!gates_candidate(member) ||
            member_epoch_known(member) >= takeover->epoch) {
            takeover_abandon(member);
        }
    }
    if (takeover->step == TAKEOVER_PERSISTING &&
        (member->facts_durable >= takeover->persist_number ||
         !TS_RULE(EPOCH_PERSISTED))) {
        takeover->step = TAKEOVER_FENCING;
        takeover->fence_again_ms = 0;
    }
    if (takeover->step == TAKEOVER_FENCING && !takeover->fence_asked &&
        fence_left(member) == 0) {
        ask_fence(member);
    }
    if (member->role == MEMBER_STANDBY && takeover->step == TAKEOVER_NONE &&
        gates_candidate(member) && gates_probed(member)) {
        takeover_begin(member);
    }
}

int64_t takeover_deadline(const struct member *member)
{
    const struct takeover *takeover = &member->takeover;
    if (takeover->step == TAKEOVER_FENCING && !takeover->fence_asked) {
        return fence_left(member);
    }
    return INT64_MAX;
}
