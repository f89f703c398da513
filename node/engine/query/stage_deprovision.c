/* The stage `deprovision` of show: since when and why an object is on its way
 * out, what becomes of it and when, or why it stays as it is. */
#include "node/engine/query/show.h"

#include <stdio.h>

#include "node/engine/compare.h"
#include "node/engine/leaver.h"
#include "node/engine/query/common.h"
#include "node/metaverse/appointment.h"

static const char *policy_text(const struct showing *s)
{
    static const char *const texts[] = {
        [CONFIG_LEAVER_DEACTIVATE] = "deactivate",
        [CONFIG_LEAVER_DELETE] = "delete",
        [CONFIG_LEAVER_KEEP] = "keep",
    };
    return texts[compare_leaver(s->engine->config, s->object.kind,
                                s->object.presence)];
}

static void explain_wait(struct showing *s, json_t *due)
{
    char text[sizeof s->why];
    (void) snprintf(text, sizeof text,
                    "%s; it stays as it is until %s, when it is deleted unless "
                    "it comes back before",
                    s->object.presence == OBJECT_GONE
                        ? "no source has its entry any more"
                        : "it is out of scope",
                    json_string_value(due));
    show_because(s, SHOW_SCOPE, text);
}

static enum ts_code show_leaver(struct showing *s, int64_t inactive_since,
                                struct ts_err *err)
{
    int64_t due = 0;
    enum ts_code code = appointment_of(s->mv, s->object.id, &due, err);
    if (code != TS_OK) {
        return code;
    }
    json_t *document =
        show_stage(s, "deprovision", due > 0 ? "waiting" : "out");
    show_fact(document, "left", query_time(s->object.left_at));
    show_fact(document, "false_term",
              s->object.left_by.size > 0 ? query_text(s->object.left_by)
                                         : json_null());
    show_fact(document, "policy", json_string(policy_text(s)));
    show_fact(document, "deactivated", query_time(inactive_since));
    show_fact(document, "deleted_at", query_time(due));
    if (due > 0) {
        explain_wait(s, json_object_get(json_object_get(document, "facts"),
                                        "deleted_at"));
    }
    return TS_OK;
}

enum ts_code show_deprovision(struct showing *s, struct ts_err *err)
{
    static const char *const stages[] = { "policy", NULL };
    int64_t since = 0;
    int64_t ignored = 0;
    bool kept = false;
    if (!s->at_target) {
        return TS_OK;
    }
    enum ts_code code =
        target_row_inactive_since(s->mv, s->object.id, &since, err);
    if (code == TS_OK && s->object.presence != OBJECT_IN) {
        return show_leaver(s, since, err);
    }
    if (code == TS_OK) {
        code = leaver_kept(s->engine, &s->row, NULL, &kept, err);
    }
    if (code != TS_OK || !kept) {
        return code;
    }
    json_t *document = show_stage(s, "deprovision", "problem");
    show_fact(document, "policy", json_string("return: keep"));
    show_fact(document, "deactivated", query_time(since));
    return show_noted(s, stages, document, &ignored, err);
}
