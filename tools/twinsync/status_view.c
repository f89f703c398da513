#include "tools/twinsync/status_view.h"

#include <string.h>

#include "tools/twinsync/bar.h"

#define LABEL_WIDTH 12
#define BAR_WIDTH   20

static void label(const struct screen *screen, const char *name)
{
    (void) fputs("  ", screen->out);
    put_toned(screen, TONE_FAINT, LABEL_WIDTH, name);
}

static size_t problems_of(const json_t *status, const char *severity)
{
    size_t index, count = 0;
    const json_t *problem;
    json_array_foreach(json_object_get(status, "problems"), index, problem)
    {
        count += strcmp(text_at(problem, "severity"), severity) == 0;
    }
    return count;
}

/* --- the health line ---------------------------------------------------- */

static void put_health(const struct screen *screen, const json_t *status,
                       bool healthy)
{
    size_t errors = problems_of(status, "error");
    size_t warnings = problems_of(status, "warning");
    enum tone tone = !healthy ? TONE_BAD : warnings > 0 ? TONE_WARN : TONE_GOOD;
    char text[160];

    put_toned(screen, tone, 0, mark(screen, "●", "*"));
    (void) snprintf(text, sizeof text, " %.64s/%.64s is ",
                    text_at(status, "cluster"), text_at(status, "node"));
    put_toned(screen, TONE_STRONG, 0, text);
    put_toned(screen, tone, 0, healthy ? "healthy" : "not healthy");
    if (errors + warnings > 0) {
        (void) fprintf(screen->out, ": %zu %s, %zu %s", errors,
                       errors == 1 ? "error" : "errors", warnings,
                       warnings == 1 ? "warning" : "warnings");
    }
    (void) putc('\n', screen->out);
}

/* --- role and cycle ----------------------------------------------------- */

static void put_role(const struct screen *screen, const json_t *status)
{
    label(screen, "role");
    put_text(screen, text_at(status, "role"));
    (void) fprintf(screen->out, ", epoch %lld",
                   (long long) count_at(status, "epoch"));
    const json_t *replication = json_object_get(status, "replication");
    (void) fprintf(screen->out, ", generation %lld, seq %lld",
                   (long long) count_at(replication, "generation"),
                   (long long) count_at(replication, "seq"));
    put_toned(screen, TONE_FAINT, 0, "  twinsyncd ");
    put_toned(screen, TONE_FAINT, 0, text_at(status, "version"));
    (void) putc('\n', screen->out);
}

/* --- of a pair ----------------------------------------------------------- */

static void put_lease(const struct screen *screen, const json_t *lease)
{
    const char *holder = text_at(lease, "holder");
    char left[TEXT_SIZE];
    label(screen, "lease");
    if (holder[0] == 0) {
        put_toned(screen, TONE_WARN, 0, "nobody's");
    } else {
        put_text(screen, holder);
        if (count_at(lease, "remaining_ms") > 0) {
            (void) fprintf(screen->out, ", for another %s",
                           span_text(left, count_at(lease, "remaining_ms")));
        }
    }
    bool ok = flag_at(lease, "register_ok");
    (void) fputs(", register ", screen->out);
    put_text(screen, text_at(lease, "register"));
    put_toned(screen, ok ? TONE_GOOD : TONE_BAD, 0,
              ok ? " answers" : " does not answer");
    (void) putc('\n', screen->out);
}

static void put_fence(const struct screen *screen, const json_t *fence)
{
    const char *state = text_at(fence, "state");
    if (state[0] == 0 || strcmp(state, "none") == 0) {
        return;
    }
    bool confirmed = strcmp(state, "confirmed") == 0;
    label(screen, "fence");
    put_toned(screen, confirmed ? TONE_GOOD : TONE_WARN, 0, state);
    (void) fprintf(screen->out, " below epoch %lld",
                   (long long) count_at(fence, "below_epoch"));
    const char *evidence = text_at(fence, "evidence");
    if (evidence[0] != 0) {
        (void) fputs(": ", screen->out);
        put_wrapped(screen, 4, evidence);
    } else {
        (void) putc('\n', screen->out);
    }
}

static void put_peer(const struct screen *screen, const json_t *peer)
{
    bool connected = flag_at(peer, "connected");
    label(screen, "peer");
    put_text(screen, text_at(peer, "node"));
    if (connected) {
        put_toned(screen, TONE_GOOD, 0, " connected");
        (void) fputs(", ", screen->out);
        put_text(screen, text_at(peer, "role"));
    } else {
        put_toned(screen, TONE_WARN, 0, " silent");
    }
    int64_t silent_ms = count_at(peer, "silent_ms");
    char text[TEXT_SIZE];
    if (silent_ms >= 0) {
        (void) fprintf(screen->out, ", heard %s ago",
                       span_text(text, silent_ms));
    }
    if (count_at(peer, "round_trip_us") > 0) {
        (void) fprintf(screen->out, ", round trip %lld us",
                       (long long) count_at(peer, "round_trip_us"));
    }
    (void) putc('\n', screen->out);
}

static void put_replication(const struct screen *screen,
                            const json_t *replication, bool connected)
{
    char lag[TEXT_SIZE];
    label(screen, "replication");
    const json_t *equal = json_object_get(replication, "equal");
    if (json_is_true(equal)) {
        put_toned(screen, TONE_GOOD, 0, "equal");
    } else {
        put_toned(screen, TONE_WARN, 0,
                  json_is_false(equal) ? "behind" : "not known");
    }
    if (json_is_null(equal)) {
        (void) fputs(", ", screen->out);
    } else if (connected) {
        (void) fprintf(screen->out, ", %s behind, ",
                       span_text(lag, count_at(replication, "lag_ms")));
    } else {
        (void) fputs(" when last heard, ", screen->out);
    }
    bool is_protected = flag_at(replication, "protected");
    put_toned(screen, is_protected ? TONE_GOOD : TONE_WARN, 0,
              is_protected ? "protected" : "not protected");
    char sum[17];
    (void) snprintf(sum, sizeof sum, "%.16s", text_at(replication, "checksum"));
    put_toned(screen, TONE_FAINT, 0, "  sum ");
    put_toned(screen, TONE_FAINT, 0, sum);
    (void) putc('\n', screen->out);
}

/* Only while one is open. */
static void put_handover(const struct screen *screen, const json_t *handover)
{
    if (!json_is_object(handover)) {
        return;
    }
    bool interrupted = flag_at(handover, "interrupted");
    const char *text = text_at(handover, "text");
    label(screen, "handover");
    put_text(screen, text_at(handover, "from"));
    (void) fputs(" to ", screen->out);
    put_text(screen, text_at(handover, "to"));
    (void) fputs(": ", screen->out);
    put_toned(screen, interrupted ? TONE_WARN : TONE_BUSY, 0,
              interrupted ? "interrupted at " : "");
    put_toned(screen, interrupted ? TONE_WARN : TONE_BUSY, 0,
              text_at(handover, "step"));
    if (text[0] != 0) {
        (void) fputs(", ", screen->out);
        put_wrapped(screen, LABEL_WIDTH + 4, text);
    } else {
        (void) putc('\n', screen->out);
    }
}

/* Whoever was a member before is nobody's business any more. */
static bool has_problem(const json_t *status, const char *code)
{
    size_t index;
    const json_t *problem;
    json_array_foreach(json_object_get(status, "problems"), index, problem)
    {
        if (strcmp(text_at(problem, "code"), code) == 0) {
            return true;
        }
    }
    return false;
}

static void put_nobody(const struct screen *screen)
{
    label(screen, "peer");
    put_toned(screen, TONE_WARN, 0, "none: no other member");
    (void) putc('\n', screen->out);
}

/* A node alone has none of these. */
static void put_pair(const struct screen *screen, const json_t *status)
{
    const json_t *lease = json_object_get(status, "lease");
    if (!json_is_object(lease)) {
        return;
    }
    put_lease(screen, lease);
    put_fence(screen, json_object_get(status, "fence"));
    if (has_problem(status, "alone")) {
        put_nobody(screen);
    } else {
        put_peer(screen, json_object_get(status, "peer"));
        put_replication(screen, json_object_get(status, "replication"),
                        flag_at(json_object_get(status, "peer"), "connected"));
    }
    put_handover(screen, json_object_get(status, "handover"));
}

static enum tone tone_of_result(const char *result)
{
    if (strcmp(result, "success") == 0) {
        return TONE_GOOD;
    }
    return strcmp(result, "failed") == 0 ? TONE_BAD : TONE_WARN;
}

static void put_cycle(const struct screen *screen, const json_t *status,
                      int64_t now_seconds)
{
    const json_t *cycle = json_object_get(status, "cycle");
    bool running = flag_at(cycle, "running");
    char ago[TEXT_SIZE], took[TEXT_SIZE];

    label(screen, running ? "this cycle" : "last cycle");
    if (count_at(cycle, "id") == 0) {
        put_toned(screen, TONE_FAINT, 0, "none yet");
        (void) putc('\n', screen->out);
        return;
    }
    (void) fprintf(screen->out, "#%lld ", (long long) count_at(cycle, "id"));
    put_text(screen, text_at(cycle, "kind"));
    (void) fputs(": ", screen->out);
    if (running && count_at(cycle, "pass") > 0) {
        (void) fprintf(screen->out, "pass %lld, ",
                       (long long) count_at(cycle, "pass"));
    }
    if (running) {
        put_toned(screen, TONE_BUSY, 0, text_at(cycle, "phase"));
        if (count_at(cycle, "done") + count_at(cycle, "total") > 0) {
            (void) putc(' ', screen->out);
            bar_put(screen, count_at(cycle, "done"), count_at(cycle, "total"),
                    BAR_WIDTH);
        }
    } else {
        const char *result = text_at(cycle, "result");
        put_toned(screen, tone_of_result(result), 0, result);
    }
    (void) fprintf(screen->out, ", began %s",
                   ago_text(ago, text_at(cycle, "started"), now_seconds));
    if (!running) {
        (void) fprintf(screen->out, ", took %s",
                       span_text(took, count_at(cycle, "duration_ms")));
    }
    (void) putc('\n', screen->out);
}

/* --- counts ------------------------------------------------------------- */

static void put_amount(const struct screen *screen, const json_t *object,
                       const char *key, const char *word, enum tone tone)
{
    char text[TEXT_SIZE], shown[TEXT_SIZE + 32];
    int64_t count = count_at(object, key);
    (void) snprintf(shown, sizeof shown, "%s %s", count_text(text, count),
                    word);
    put_toned(screen, count == 0 ? TONE_FAINT : tone, 0, shown);
}

struct amount {
    const char *key, *word;
    enum tone tone;
};

static void put_amounts(const struct screen *screen, const char *name,
                        const json_t *object, const struct amount *amounts)
{
    label(screen, name);
    for (size_t i = 0; amounts[i].key != NULL; i++) {
        (void) fputs(i == 0 ? "" : ", ", screen->out);
        put_amount(screen, object, amounts[i].key, amounts[i].word,
                   amounts[i].tone);
    }
}

static void put_counts(const struct screen *screen, const json_t *status)
{
    static const struct amount objects[] = {
        { "source", "at the source", TONE_PLAIN },
        { "metaverse", "joined", TONE_PLAIN },
        { "target", "at the target", TONE_PLAIN },
        { "ledger", "in the ledger", TONE_PLAIN },
        { NULL, NULL, TONE_PLAIN },
    };
    static const struct amount waiting[] = {
        { "pending", "pending", TONE_BUSY },
        { "held", "held", TONE_WARN },
        { "quarantined", "quarantined", TONE_WARN },
        { "errors", "with errors", TONE_BAD },
        { NULL, NULL, TONE_PLAIN },
    };
    static const struct amount exports[] = {
        { "create", "created", TONE_GOOD }, { "update", "updated", TONE_GOOD },
        { "delete", "deleted", TONE_WARN }, { "retries", "retries", TONE_WARN },
        { NULL, NULL, TONE_PLAIN },
    };
    const json_t *counts = json_object_get(status, "counts");
    const json_t *exported = json_object_get(status, "exports");
    put_amounts(screen, "objects", counts, objects);
    (void) putc('\n', screen->out);
    put_amounts(screen, "waiting", counts, waiting);
    (void) putc('\n', screen->out);
    put_amounts(screen, "exported", exported, exports);
    int64_t throttled = count_at(exported, "throttled_ms");
    if (throttled > 0) {
        char text[TEXT_SIZE];
        (void) fprintf(screen->out, ", throttled for %s",
                       span_text(text, throttled));
    }
    (void) putc('\n', screen->out);
}

/* --- problems ----------------------------------------------------------- */

static void put_problems(const struct screen *screen, const json_t *status)
{
    const json_t *problems = json_object_get(status, "problems");
    if (json_array_size(problems) == 0) {
        return;
    }
    put_heading(screen, "Problems");
    size_t index;
    const json_t *problem;
    json_array_foreach(problems, index, problem)
    {
        bool is_error = strcmp(text_at(problem, "severity"), "error") == 0;
        enum tone tone = is_error ? TONE_BAD : TONE_WARN;
        (void) fputs("  ", screen->out);
        put_toned(screen, tone, 0, is_error ? mark(screen, "✗", "x") : "!");
        (void) putc(' ', screen->out);
        put_toned(screen, tone, 0, text_at(problem, "code"));
        (void) fputs("\n    ", screen->out);
        put_wrapped(screen, 4, text_at(problem, "text"));
        const char *fix = text_at(problem, "fix");
        if (fix[0] != 0) {
            (void) fputs("    ", screen->out);
            put_toned(screen, TONE_STRONG, 0, mark(screen, "→ ", "> "));
            put_wrapped(screen, 6, fix);
        }
    }
}

void status_view(const struct screen *screen, const json_t *status,
                 bool healthy, int64_t now_seconds)
{
    put_health(screen, status, healthy);
    put_role(screen, status);
    put_pair(screen, status);
    put_cycle(screen, status, now_seconds);
    put_counts(screen, status);
    put_problems(screen, status);
}
