/* What is shown of a handover: while it is open, and what it came to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/file.h"
#include "node/base/log.h"
#include "node/daemon/cluster_handover_private.h"

/* --- documents --------------------------------------------------------------
 */

static json_t *time_of(int64_t at_ms)
{
    char text[TS_WALL_TEXT_SIZE];
    if (at_ms == 0) {
        return json_null();
    }
    ts_wall_text_of(at_ms / 1000, text);
    char *fraction = strchr(text, '.');
    if (fraction != NULL) {
        (void) snprintf(fraction, (size_t) (text + sizeof text - fraction),
                        ".%03dZ", (int) (at_ms % 1000));
    }
    return json_string(text);
}

static json_t *rows_document(const struct handover_evidence *evidence)
{
    json_t *rows = json_array();
    for (int step = 0; step < HANDOVER_STEPS; step++) {
        for (size_t i = 0; i < evidence->count; i++) {
            const struct evidence_row *row = &evidence->rows[i];
            if (row->step == (enum handover_step) step) {
                (void) json_array_append_new(
                    rows,
                    json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "step",
                              handover_step_name(row->step), "name", row->name,
                              "state", evidence_state_name(row->state), "text",
                              row->text, "at", time_of(row->at_ms), "node",
                              row->node));
            }
        }
    }
    return rows;
}

json_t *handover_gates_document(const struct handover_asking *asking)
{
    json_t *gates = json_array();
    for (size_t i = 0; i < asking->count; i++) {
        const struct handover_gate *gate = &asking->gates[i];
        (void) json_array_append_new(
            gates, json_pack("{s:s, s:b, s:s, s:s, s:s?}", "name", gate->name,
                             "ok", gate->ok, "value", gate->value, "threshold",
                             gate->threshold, "fix",
                             gate->fix[0] == 0 ? NULL : gate->fix));
    }
    return gates;
}

/* Is what is known here that of the handover which is open? */
static bool is_of_open(const struct cluster_handover *h)
{
    return !h->open || strcmp(h->evidence.id, h->field.id) == 0;
}

static void put_evidence(const struct cluster_handover *h, json_t *document)
{
    const struct handover_evidence *e = &h->evidence;
    (void) json_object_set_new(document, "id", json_string(e->id));
    (void) json_object_set_new(document, "from", json_string(e->from));
    (void) json_object_set_new(document, "to", json_string(e->to));
    (void) json_object_set_new(document, "actor", json_string(e->actor));
    (void) json_object_set_new(document, "reason", json_string(e->reason));
    // A crash before it stood in the register: nobody will go on with it.
    bool is_lost = !h->open && !h->order.open && e->outcome == HANDOVER_OPEN;
    (void) json_object_set_new(
        document, "outcome",
        json_string(is_lost ? "not-begun" : handover_outcome_name(e->outcome)));
    (void) json_object_set_new(document, "started", time_of(e->started_ms));
    (void) json_object_set_new(document, "ended", time_of(e->ended_ms));
    (void) json_object_set_new(document, "duration_ms",
                               e->ended_ms > 0
                                   ? json_integer(e->ended_ms - e->started_ms)
                                   : json_null());
    (void) json_object_set_new(document, "rows", rows_document(e));
}

const char *cluster_handover_interrupted(const struct cluster_handover *h)
{
    bool is_known = h != NULL && h->open && is_of_open(h);
    if (h != NULL && h->open && h->trouble[0] != '\0') {
        return h->trouble;
    }
    return is_known && h->work.kind == HANDOVER_WAIT && h->work.interrupted
               ? h->work.why
               : NULL;
}

static void put_open(const struct cluster_handover *h, json_t *document)
{
    const struct handover_field *f = &h->field;
    const char *why = cluster_handover_interrupted(h);
    (void) json_object_set_new(document, "step",
                               json_string(handover_step_name(f->step)));
    (void) json_object_set_new(document, "epoch",
                               json_integer((json_int_t) f->epoch));
    (void) json_object_set_new(document, "pass", json_integer(f->pass));
    (void) json_object_set_new(document, "reset_begun",
                               json_boolean(f->reset_begun));
    (void) json_object_set_new(document, "retire", json_boolean(f->retire));
    (void) json_object_set_new(document, "from_dead",
                               json_boolean(f->from_dead));
    (void) json_object_set_new(document, "back", json_boolean(f->back));
    (void) json_object_set_new(document, "drives", json_boolean(h->drove));
    (void) json_object_set_new(document, "interrupted",
                               json_boolean(why != NULL));
    (void) json_object_set_new(document, "text",
                               why != NULL ? json_string(why)
                               : h->step.text[0] != '\0'
                                   ? json_string(h->step.text)
                                   : json_null());
}

static void path_of(const struct cluster_handover *h, const char *ending,
                    char path[static GENERATION_PATH_SIZE])
{
    (void) snprintf(path, GENERATION_PATH_SIZE, "%s/handover-%s.%s",
                    h->c->config->state_directory, h->evidence.id, ending);
}

json_t *handover_document(const struct cluster_handover *h)
{
    json_t *document = json_object();
    char path[GENERATION_PATH_SIZE];
    (void) json_object_set_new(document, "node",
                               json_string(h->c->config->this_node));
    (void) json_object_set_new(document, "open", json_boolean(h->open));
    (void) json_object_set_new(document, "report", json_null());
    if (h->open) {
        (void) json_object_set_new(document, "id", json_string(h->field.id));
        (void) json_object_set_new(document, "from",
                                   json_string(h->field.from));
        (void) json_object_set_new(document, "to", json_string(h->field.to));
        put_open(h, document);
    }
    if (h->evidence.id[0] != '\0' && is_of_open(h) && h->known) {
        put_evidence(h, document);
        if (!h->open && strcmp(h->reported, h->evidence.id) == 0) {
            path_of(h, "txt", path);
            (void) json_object_set_new(document, "report", json_string(path));
        }
    } else if (!h->open && h->known) {
        (void) json_object_set_new(document, "outcome", json_null());
    }
    return document;
}

json_t *cluster_handover_summary(const struct cluster_handover *h)
{
    if (h == NULL || !h->open) {
        return json_null();
    }
    const char *why = cluster_handover_interrupted(h);
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s?}", "id", h->field.id,
                     "from", h->field.from, "to", h->field.to, "step",
                     handover_step_name(h->field.step), "interrupted",
                     why != NULL, "text",
                     why != NULL               ? why
                     : h->step.text[0] != '\0' ? h->step.text
                                               : NULL);
}

/* --- the page ----------------------------------------------------------------
 */

static void page_row(FILE *out, const struct evidence_row *row)
{
    json_t *at = time_of(row->at_ms);
    const char *when = json_is_string(at) ? json_string_value(at) : "-";
    (void) fprintf(out, "  %-9s %s  %s: %s%s%s\n",
                   evidence_state_name(row->state), when, row->node, row->name,
                   row->name[0] == '\0' ? "" : ": ", row->text);
    json_decref(at);
}

static void page_step(FILE *out, const struct handover_evidence *e,
                      enum handover_step step)
{
    const struct handover_row *told = handover_row(step);
    const struct evidence_row *own = evidence_find(e, step, "");
    (void) fprintf(out, "\n%s: %s\n", handover_step_name(step), told->does);
    if (own != NULL) {
        page_row(out, own);
    }
    for (size_t i = 0; i < e->count; i++) {
        if (e->rows[i].step == step && &e->rows[i] != own) {
            page_row(out, &e->rows[i]);
        }
    }
    if (own == NULL) {
        (void) fputs("  not done\n", out);
    }
    (void) fprintf(out, "  undo      %s\n", told->undo);
}

static char *page_of(const struct cluster_handover *h)
{
    const struct handover_evidence *e = &h->evidence;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    json_t *from = time_of(e->started_ms), *to = time_of(e->ended_ms);
    (void) fprintf(out,
                   "Handover %s\n\n"
                   "cluster     %s\nfrom        %s\nto          %s\n"
                   "asked by    %s\nreason      %s\noutcome     %s\n"
                   "began       %s\nended       %s\ntook        %lld ms\n"
                   "events      %s holds %lld up to hash %s\n",
                   e->id, h->c->config->cluster, e->from, e->to, e->actor,
                   e->reason[0] == '\0' ? "-" : e->reason,
                   handover_outcome_name(e->outcome),
                   json_is_string(from) ? json_string_value(from) : "-",
                   json_is_string(to) ? json_string_value(to) : "-",
                   (long long) (e->ended_ms - e->started_ms),
                   h->c->config->this_node, (long long) h->head_seq, h->head);
    for (int step = 0; step < HANDOVER_STEPS; step++) {
        page_step(out, e, (enum handover_step) step);
    }
    json_decref(from);
    json_decref(to);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* --- the files ---------------------------------------------------------------
 */

struct report {
    struct errand errand; /* must be first */
    char json_path[GENERATION_PATH_SIZE], page_path[GENERATION_PATH_SIZE];
    char *json, *page;
    struct ts_err err;
};

static void report_free(struct report *report)
{
    free(report->json);
    free(report->page);
    free(report);
}

static void write_files(struct errand *errand)
{
    struct report *r = (struct report *) errand;
    r->err.code = ts_file_replace(r->json_path, ts_slice_str(r->json),
                                  TS_FILE_OURS, &r->err);
    if (r->err.code == TS_OK) {
        r->err.code = ts_file_replace(r->page_path, ts_slice_str(r->page),
                                      TS_FILE_OURS, &r->err);
    }
}

static void written(struct post_letter *letter)
{
    struct report *r = (struct report *) letter;
    if (r->err.code != TS_OK) {
        ts_log(TS_LOG_WARNING, "handover-report-not-written", "reason=\"%s\"",
               r->err.text);
    } else {
        ts_log(TS_LOG_INFO, "handover-reported", "file=\"%s\"", r->page_path);
    }
    report_free(r);
}

static void dropped(struct post_letter *letter)
{
    report_free((struct report *) letter);
}

static char *json_of(const struct cluster_handover *h)
{
    json_t *document = json_object();
    put_evidence(h, document);
    (void) json_object_set_new(
        document, "events",
        json_pack("{s:s, s:I, s:s}", "node", h->c->config->this_node, "seq",
                  (json_int_t) h->head_seq, "hash", h->head));
    char *text = json_dumps(document, JSON_INDENT(1));
    json_decref(document);
    return text;
}

void handover_report(struct cluster_handover *h)
{
    if (h->open || !h->known || h->evidence.outcome == HANDOVER_OPEN ||
        h->evidence.id[0] == '\0' || h->errands == NULL ||
        strcmp(h->reported, h->evidence.id) == 0) {
        return;
    }
    struct report *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return;
    }
    r->errand =
        (struct errand){ .letter = { .deliver = written, .drop = dropped },
                         .work = write_files };
    path_of(h, "json", r->json_path);
    path_of(h, "txt", r->page_path);
    r->json = json_of(h);
    r->page = page_of(h);
    if (r->json == NULL || r->page == NULL ||
        errands_give(h->errands, &r->errand) != TS_OK) {
        report_free(r); // tried again with the next tick
        return;
    }
    memcpy(h->reported, h->evidence.id, sizeof h->reported);
}
