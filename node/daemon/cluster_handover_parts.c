/* The steps that other parts of the daemon do: secrets, a reconciliation, a
 * retirement. Each may be asked for again after a crash; an answer that comes
 * when the step is no longer at hand is left alone. */
#include <stdio.h>
#include <string.h>

#include "node/daemon/cluster_handover_private.h"
#include "node/daemon/cluster_retire.h"
#include "node/daemon/credentials.h"

static void say(struct cluster_handover *h, const char *text)
{
    (void) snprintf(h->step.text, sizeof h->step.text, "%s", text);
}

static bool is_at(const struct cluster_handover *h, enum handover_step step)
{
    return h->drove && h->open && h->step.running && h->part.begun &&
           h->step.step == step;
}

/* --- reset ------------------------------------------------------------------
 */

/* The credentials of the epochs before are not among the secrets: they were
 * destroyed by the takeover, and the register lists them no more. */
static void put_principals(struct cluster_handover *h)
{
    struct member_view view;
    char text[HANDOVER_TEXT_SIZE];
    size_t old = 0;
    member_view(h->c->member, ts_clocks_now(), &view);
    for (size_t i = 0; view.has_value && i < view.value->principal_count; i++) {
        old += view.value->principals[i].epoch < view.value->epoch;
    }
    bool fenced = h->c->config->target.fence != CONFIG_FENCE_NONE;
    (void) snprintf(text, sizeof text,
                    !fenced ? "the target cannot take a credential away"
                    : old > 0
                        ? "%zu of an epoch before are still listed"
                        : "none of an epoch before is left (%zu): each was "
                          "seen to be refused before the first export",
                    old);
    handover_put(h, HANDOVER_RESET,
                 !fenced    ? EVIDENCE_UNTOUCHED
                 : old == 0 ? EVIDENCE_PROVED
                            : EVIDENCE_PENDING,
                 "principals", text);
}

static enum evidence_state state_of(enum credential_state state)
{
    return state == CREDENTIAL_PROVED    ? EVIDENCE_PROVED
           : state == CREDENTIAL_PENDING ? EVIDENCE_PENDING
           : state == CREDENTIAL_FAILED  ? EVIDENCE_FAILED
                                         : EVIDENCE_UNTOUCHED;
}

static void reset_done(void *context, const struct credential_outcome *rows,
                       size_t count)
{
    struct cluster_handover *h = context;
    size_t counts[EVIDENCE_STATES] = { 0 };
    char text[HANDOVER_TEXT_SIZE];
    h->part.resetting = false;
    if (!is_at(h, HANDOVER_RESET)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        enum evidence_state state = state_of(rows[i].state);
        counts[state]++;
        handover_put(h, HANDOVER_RESET, state, rows[i].name, rows[i].text);
    }
    put_principals(h);
    (void) snprintf(text, sizeof text,
                    "of %zu secrets %zu are changed and the old ones refused, "
                    "%zu changed and not yet seen to be refused, %zu failed, "
                    "%zu cannot be changed from here",
                    count, counts[EVIDENCE_PROVED], counts[EVIDENCE_PENDING],
                    counts[EVIDENCE_FAILED], counts[EVIDENCE_UNTOUCHED]);
    handover_step_over(h,
                       counts[EVIDENCE_FAILED] > 0    ? EVIDENCE_FAILED
                       : counts[EVIDENCE_PENDING] > 0 ? EVIDENCE_PENDING
                                                      : EVIDENCE_PROVED,
                       text);
}

void handover_work_reset(struct cluster_handover *h)
{
    struct ts_err err = { .text = "" };
    say(h, "secrets are changed, and the old ones tried");
    if (h->part.begun || h->part.resetting) {
        return;
    }
    const struct credentials_reset asked = { .cause = h->field.id,
                                             .who = h->field.actor,
                                             .reason = "handover",
                                             .done = reset_done,
                                             .context = h };
    h->part.begun = h->part.resetting = true;
    if (h->c->options.reset(h->c->options.context, &asked, &err) != TS_OK) {
        h->part.resetting = false;
        handover_step_over(h, EVIDENCE_FAILED, err.text);
    }
}

/* --- reconcile ---------------------------------------------------------------
 */

/* "held-delete 3 (ada, bob); foreign 1 (eve)" */
static void list_classes(const json_t *classes, char *text, size_t room)
{
    size_t i, j, used = 0;
    json_t *class, *object;
    text[0] = '\0';
    json_array_foreach((json_t *) (uintptr_t) classes, i, class)
    {
        json_t *objects = json_object_get(class, "objects");
        json_int_t count = json_integer_value(json_object_get(class, "count"));
        if (count == 0 || used >= room) {
            continue;
        }
        used += (size_t) snprintf(
            text + used, room - used, "%s%.40s %lld", used > 0 ? "; " : "",
            json_string_value(json_object_get(class, "class")),
            (long long) count);
        json_array_foreach(objects, j, object)
        {
            const char *name =
                json_string_value(json_object_get(object, "name"));
            if (used < room && name != NULL) {
                used += (size_t) snprintf(
                    text + used, room - used, "%s%.60s%s", j == 0 ? " (" : ", ",
                    name, j + 1 == json_array_size(objects) ? ")" : "");
            }
        }
    }
}

static void put_passes(struct cluster_handover *h, const json_t *passes)
{
    size_t i;
    json_t *pass;
    json_array_foreach((json_t *) (uintptr_t) passes, i, pass)
    {
        char name[32], classes[300], text[HANDOVER_TEXT_SIZE];
        list_classes(json_object_get(pass, "classes"), classes, sizeof classes);
        (void) snprintf(name, sizeof name, "pass %zu", i + 1);
        (void) snprintf(
            text, sizeof text,
            "found %lld%s%s; %lld of the source and %lld of "
            "the target were read in %lld ms",
            (long long) json_integer_value(json_object_get(pass, "found")),
            classes[0] == '\0' ? "" : ": ", classes,
            (long long) json_integer_value(json_object_get(pass, "source")),
            (long long) json_integer_value(json_object_get(pass, "target")),
            (long long) json_integer_value(json_object_get(pass, "ms")));
        handover_put(h, HANDOVER_RECONCILE, EVIDENCE_NOTED, name, text);
    }
}

static void tell_report(struct cluster_handover *h, const json_t *report)
{
    char left[240], text[HANDOVER_TEXT_SIZE];
    const char *state = json_string_value(json_object_get(report, "state"));
    const char *why = json_string_value(json_object_get(report, "why"));
    const json_t *passes = json_object_get(report, "passes");
    bool clean = state != NULL && strcmp(state, "clean") == 0;
    put_passes(h, passes);
    list_classes(json_object_get(report, "left"), left, sizeof left);
    if (clean) {
        (void) snprintf(
            text, sizeof text, "pass %zu found nothing; left as it is: %s",
            json_array_size(passes), left[0] == '\0' ? "nothing" : left);
        handover_step_over(h, EVIDENCE_PROVED, text);
        return;
    }
    (void) snprintf(text, sizeof text, "%s after %zu passes: %.200s",
                    state == NULL ? "no report" : state,
                    json_array_size(passes), why == NULL ? "" : why);
    handover_put(h, HANDOVER_RECONCILE, EVIDENCE_FAILED, "incomplete", text);
    handover_step_over(h, EVIDENCE_PENDING, text);
}

static void reconciled(struct cluster *c,
                       const struct cluster_store_answer *answer,
                       uint64_t number)
{
    struct cluster_handover *h = c->handover;
    (void) number;
    h->part.reconciling = false;
    if (!is_at(h, HANDOVER_RECONCILE)) {
        return;
    }
    if (answer->code != TS_OK) {
        handover_step_over(h, EVIDENCE_FAILED, answer->err.text);
        return;
    }
    json_t *report = engine_reconcile_report(c->engine);
    tell_report(h, report);
    json_decref(report);
}

void handover_work_reconcile(struct cluster_handover *h)
{
    struct engine_done done;
    struct engine_look look;
    engine_look(h->c->engine, &look);
    (void) snprintf(h->step.text, sizeof h->step.text,
                    "both sides are read to their end: %s %llu of %llu",
                    look.phase, (unsigned long long) look.done,
                    (unsigned long long) look.total);
    if (!h->part.begun && !h->part.reconciling &&
        cluster_store_call(h->c, reconciled, 0, &done)) {
        h->part.begun = h->part.reconciling = true;
        engine_reconcile(h->c->engine, done);
    }
}

/* --- retire ------------------------------------------------------------------
 */

static void retired(void *context, int status, const char *text,
                    const struct evidence_row *rows, size_t count)
{
    struct cluster_handover *h = context;
    h->part.retiring = false;
    if (!is_at(h, HANDOVER_RETIRE)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        handover_put(h, HANDOVER_RETIRE, rows[i].state, rows[i].name,
                     rows[i].text);
    }
    char out[HANDOVER_TEXT_SIZE];
    (void) snprintf(out, sizeof out, "%.60s is no member any more",
                    h->field.from);
    handover_step_over(h, status == 0 ? EVIDENCE_PROVED : EVIDENCE_FAILED,
                       status == 0 ? out : text);
}

void handover_work_retire(struct cluster_handover *h)
{
    const struct cluster_retirement asked = { .node = h->field.from,
                                              .who = h->field.actor,
                                              .reason = "handover",
                                              .wipe = !h->field.from_dead };
    (void) snprintf(h->step.text, sizeof h->step.text,
                    "%s is taken out, and asked to destroy what it knows",
                    h->field.from);
    if (!h->part.begun && !h->part.retiring) {
        h->part.begun = h->part.retiring = true;
        cluster_retire(h->c, &asked, retired, h);
    }
}
