#include "node/engine/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/engine/reconcile_report.h"

/* ---- problems
 * ------------------------------------------------------------------ */

/* What to do about a failure, by where it happened and what it was. */
struct remedy {
    enum engine_phase phase;
    enum ts_code code;
    const char *name;
    const char *fix;
};

static const struct remedy remedies[] = {
    { ENGINE_IMPORT, TS_E_UNREACHABLE, "source-unreachable",
      "check the source's uri, its server and the network; twinsync check "
      "tells which step fails" },
    { ENGINE_IMPORT, TS_E_TIMEOUT, "source-timeout",
      "check the load of the source's server, or raise "
      "operation-timeout-seconds" },
    { ENGINE_IMPORT, TS_E_AUTH, "source-denied",
      "check the bind dn and the password file of the source or, if its "
      "certificate is not trusted, that certificate and the source's ca-file" },
    { ENGINE_IMPORT, TS_E_LIMIT, "source-limited",
      "give the source's account unlimited size and time at the server" },
    { ENGINE_IMPORT, TS_E_CONFIG, "rules-invalid",
      "correct the rule named in the text; twinsync config check helps" },
    { ENGINE_RECONCILE, TS_E_UNREACHABLE, "target-unreachable",
      "check the target's url and the network; twinsync check tells which "
      "step fails" },
    { ENGINE_RECONCILE, TS_E_TIMEOUT, "target-timeout",
      "check the load of the target, or raise request-timeout-seconds" },
    { ENGINE_RECONCILE, TS_E_AUTH, "target-denied",
      "check the oauth section and the rights of the client at the target or, "
      "if a certificate is not trusted, that certificate and the target's "
      "ca-file" },
    { ENGINE_EXPORT, TS_E_UNREACHABLE, "target-unreachable",
      "check the target's url and the network; twinsync check tells which "
      "step fails" },
    { ENGINE_EXPORT, TS_E_AUTH, "target-denied",
      "check the oauth section and the rights of the client at the target or, "
      "if a certificate is not trusted, that certificate and the target's "
      "ca-file" },
};

static const struct remedy *remedy_for(const struct cycle_outcome *outcome)
{
    for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++) {
        if (remedies[i].phase == outcome->failed_in &&
            remedies[i].code == outcome->err.code) {
            return &remedies[i];
        }
    }
    return NULL;
}

void snapshot_set_outcome(struct snapshot *snapshot,
                          const struct cycle_outcome *outcome)
{
    struct snapshot_problem *problem = &snapshot->problems[0];
    snapshot->problem_count = 0;
    if (outcome->result == CYCLE_SUCCESS || outcome->incomplete ||
        outcome->hold == CYCLE_HOLD_STAGED ||
        outcome->hold == CYCLE_HOLD_GUARD) {
        return; /* these are problems of their own */
    }
    const char *name = "cycle-failed";
    const char *fix = "see the text; the next cycle tries again by itself";
    const struct remedy *remedy = remedy_for(outcome);
    if (outcome->result == CYCLE_PARTIAL) {
        name = "exports-in-doubt";
        fix = "nothing to do: they are settled in the next cycle";
    } else if (outcome->result == CYCLE_HELD) {
        name = "enumeration-shrunk";
        fix = "repair the source or its rights; if the objects are really "
              "gone: twinsync sync --full --accept-missing";
    } else if (outcome->err.sys_errno == EMFILE ||
               outcome->err.sys_errno == ENFILE) {
        name = "descriptors";
        fix = "see who connects to this node's endpoint in nodes: let nobody "
              "but the other node reach it, or raise LimitNOFILE";
    } else if (remedy != NULL) {
        name = remedy->name;
        fix = remedy->fix;
    }
    problem->error =
        outcome->result == CYCLE_FAILED || outcome->result == CYCLE_HELD;
    (void) snprintf(problem->code, sizeof problem->code, "%s", name);
    (void) snprintf(problem->fix, sizeof problem->fix, "%s", fix);
    (void) snprintf(problem->text, sizeof problem->text, "%s%s%s%s",
                    outcome->source[0] == 0 ? "" : "source \"", outcome->source,
                    outcome->source[0] == 0 ? "" : "\": ", outcome->err.text);
    snapshot->problem_count = 1;
}

void snapshot_sentence(const struct snapshot *snapshot,
                       const struct cycle_outcome *outcome,
                       char text[static SNAPSHOT_SENTENCE_SIZE])
{
    bool known = snapshot->problem_count > 0 &&
                 (outcome->result == CYCLE_HELD || remedy_for(outcome) != NULL);
    (void) snprintf(text, SNAPSHOT_SENTENCE_SIZE, "%s%s%s", outcome->err.text,
                    known ? "; " : "", known ? snapshot->problems[0].fix : "");
}

bool snapshot_unhealthy(const json_t *status)
{
    size_t index;
    const json_t *problem;
    json_array_foreach(json_object_get(status, "problems"), index, problem)
    {
        const char *severity =
            json_string_value(json_object_get(problem, "severity"));
        if (severity != NULL && strcmp(severity, "error") == 0) {
            return true;
        }
    }
    return false;
}

static void warn(json_t *list, const char *code, const char *text,
                 const char *fix)
{
    (void) json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "code",
                                                 code, "severity", "warning",
                                                 "text", text, "fix", fix));
}

static void warn_of(json_t *list, const char *code, int64_t count,
                    const char *what, const char *fix)
{
    char text[160];
    if (count > 0) {
        (void) snprintf(text, sizeof text, "%lld %s", (long long) count, what);
        warn(list, code, text, fix);
    }
}

static void add_holds(json_t *list, const struct guard_view *guard)
{
    for (size_t i = 0; i < guard->open && i < GUARD_VIEW_MAX; i++) {
        char name[40];
        enum hold_class class = guard->items[i].class;
        (void) snprintf(name, sizeof name, "held-%s", hold_class_name(class));
        warn(list, name, guard->items[i].text,
             class == HOLD_ORPHANS ? GUARD_FIX_ORPHANS : GUARD_FIX);
    }
}

/* Until the next reconcile comes to a better end. */
static void warn_incomplete(json_t *list, const json_t *report)
{
    const char *state = json_string_value(json_object_get(report, "state"));
    const char *why = json_string_value(json_object_get(report, "why"));
    if (state != NULL && strcmp(state, "incomplete") == 0) {
        warn(list, "reconcile-incomplete", why == NULL ? state : why,
             "twinsync history --reconcile names them; mend or report the "
             "target, then twinsync sync --full --wait");
    }
}

static json_t *problems_document(const struct snapshot *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->problem_count; i++) {
        const struct snapshot_problem *p = &s->problems[i];
        (void) json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s}", "code", p->code, "severity",
                            p->error ? "error" : "warning", "text", p->text,
                            "fix", p->fix));
    }
    add_holds(list, &s->guard);
    if (s->staging.waiting > 0 || s->staging.why == STAGING_MAINTENANCE) {
        warn(list, "staging", s->staging.text,
             "twinsync preview, then twinsync sync --plan HASH");
    }
    warn_of(list, "dangling-references", s->dangling,
            "references lead to entries that the directory does not have",
            "twinsync show GROUP names those of a group or a person");
    warn_incomplete(list, s->reconcile);
    if (s->paused) {
        warn(list, "paused", "synchronization is paused by an operator",
             "twinsync resume");
    }
    warn_of(list, "unique-values", s->counts.quarantined,
            "values cannot be given, because another object has or gets "
            "them",
            "twinsync errors tells who has them; change one of the two at the "
            "source");
    warn_of(list, "object-errors", s->counts.errors - s->counts.quarantined,
            "objects are not as the source wants them",
            "twinsync errors lists them with their reasons");
    return list;
}

/* ---- documents
 * ------------------------------------------------------------------ */

json_t *snapshot_exports(const struct cycle_counts *did)
{
    uint64_t update =
        did->exports[INTENT_UPDATE] + did->exports[INTENT_DEACTIVATE] +
        did->exports[INTENT_REACTIVATE] + did->exports[INTENT_PARK];
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "create",
                     (json_int_t) did->exports[INTENT_CREATE], "update",
                     (json_int_t) update, "delete",
                     (json_int_t) did->exports[INTENT_DELETE], "adopt",
                     (json_int_t) did->exports[INTENT_ADOPT], "retries",
                     (json_int_t) did->retries, "throttled_ms",
                     (json_int_t) did->throttled_ms);
}

static json_t *phases_document(const struct cycle_counts *did)
{
    json_t *phases = json_object();
    for (int i = ENGINE_IMPORT; i < ENGINE_PHASES; i++) {
        (void) json_object_set_new(phases,
                                   engine_phase_name((enum engine_phase) i),
                                   json_integer(did->phase_ms[i]));
    }
    return phases;
}

json_t *snapshot_cycle(const struct snapshot *s)
{
    bool ran = s->cycle.id > 0;
    bool running = s->cycle.running;
    int64_t ms =
        running ? ts_time_now().ms - s->cycle.begun.ms : s->cycle.duration_ms;
    json_t *document = json_pack(
        "{s:b, s:I, s:s?, s:s?, s:I, s:s?, s:s?, s:I, s:I, s:I, s:I, s:I}",
        "running", running, "id", (json_int_t) s->cycle.id, "kind",
        ran ? cycle_kind_name(s->cycle.kind) : NULL, "started",
        ran ? s->cycle.started : NULL, "duration_ms", (json_int_t) ms, "result",
        ran && !running ? cycle_result_name(s->cycle.result) : NULL, "phase",
        running ? engine_phase_name(s->cycle.phase) : NULL, "done",
        (json_int_t) s->cycle.done, "total", (json_int_t) s->cycle.total,
        "imported", (json_int_t) s->cycle.did.imported, "deleted",
        (json_int_t) s->cycle.did.deleted, "foreign_edits",
        (json_int_t) s->cycle.did.foreign_edits);
    (void) json_object_set_new(document, "phases_ms",
                               phases_document(&s->cycle.did));
    (void) json_object_set_new(document, "pass",
                               running && s->cycle.pass > 0
                                   ? json_integer(s->cycle.pass)
                                   : json_null());
    return document;
}

static json_t *replication_document(const struct snapshot *s)
{
    const struct journal_position *p = &s->position;
    struct ts_hash sum;
    char text[TS_HASH_TEXT_SIZE];
    _Static_assert(sizeof p->sum == sizeof sum, "a sum is shown like a hash");
    memcpy(&sum, &p->sum, sizeof sum);
    ts_hash_text(sum, text);
    return json_pack("{s:I, s:I, s:i, s:s?, s:n, s:b, s:I}", "seq",
                     (json_int_t) p->seq, "acked", (json_int_t) p->seq,
                     "lag_ms", 0, "checksum", p->generation > 0 ? text : NULL,
                     "equal", "protected", 0, "generation",
                     (json_int_t) p->generation);
}

static json_t *counts_document(const struct snapshot *s)
{
    const struct snapshot_counts *c = &s->counts;
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "source",
        (json_int_t) c->source, "metaverse", (json_int_t) c->metaverse,
        "target", (json_int_t) c->target, "ledger", (json_int_t) c->ledger,
        "pending", (json_int_t) c->pending, "held",
        (json_int_t) s->guard.objects, "quarantined",
        (json_int_t) c->quarantined, "errors", (json_int_t) c->errors);
}

json_t *snapshot_status(const struct snapshot *s, const struct config *config)
{
    json_t *document = json_pack(
        "{s:s, s:s, s:s, s:s, s:n, s:I, s:n, s:n, s:n}", "version", TS_VERSION,
        "cluster", config->cluster, "node", config->this_node, "role",
        s->started ? "active" : "starting", "assigned", "epoch",
        (json_int_t) s->epoch, "lease", "fence", "peer");
    (void) json_object_set_new(document, "replication",
                               replication_document(s));
    (void) json_object_set_new(document, "cycle", snapshot_cycle(s));
    json_t *reconcile = reconcile_report_summary(s->reconcile);
    (void) json_object_set_new(document, "reconcile",
                               reconcile != NULL ? reconcile : json_null());
    (void) json_object_set_new(document, "counts", counts_document(s));
    (void) json_object_set_new(document, "exports",
                               snapshot_exports(&s->cycle.did));
    (void) json_object_set_new(document, "problems", problems_document(s));
    return document;
}
