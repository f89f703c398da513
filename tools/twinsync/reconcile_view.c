#include "tools/twinsync/reconcile_view.h"

#include <string.h>

#include "tools/twinsync/output.h"

#define NAMES_SIZE 512

/* "3 edited, 1 members": of what counts, or of what is younger. */
static void put_classes(const json_t *classes, char text[static NAMES_SIZE])
{
    size_t used = 0;
    size_t index;
    const json_t *class;
    text[0] = 0;
    json_array_foreach(classes, index, class)
    {
        char count[TEXT_SIZE];
        int wrote = snprintf(text + used, NAMES_SIZE - used, "%s%s %s%s",
                             index == 0 ? "" : ", ",
                             count_text(count, count_at(class, "count")),
                             text_at(class, "class"),
                             flag_at(class, "open") ? "" : " (younger)");
        used += wrote < 0 ? 0 : (size_t) wrote;
        if (used >= NAMES_SIZE) {
            return;
        }
    }
}

/* "ada, grace, …" */
static void put_names(const json_t *class, char text[static NAMES_SIZE])
{
    const json_t *objects = json_object_get(class, "objects");
    size_t shown = json_array_size(objects);
    size_t used = 0;
    size_t index;
    const json_t *object;
    text[0] = 0;
    json_array_foreach(objects, index, object)
    {
        int wrote = snprintf(text + used, NAMES_SIZE - used, "%s%.80s",
                             index == 0 ? "" : ", ", text_at(object, "name"));
        used += wrote < 0 ? 0 : (size_t) wrote;
        if (used >= NAMES_SIZE) {
            return;
        }
    }
    if ((int64_t) shown < count_at(class, "count")) {
        (void) snprintf(text + used, NAMES_SIZE - used, ", ...");
    }
}

static void print_passes(const struct screen *screen, const json_t *passes)
{
    static const struct column columns[] = {
        { "PASS", true, false },   { "SOURCE", true, false },
        { "TARGET", true, false }, { "TOOK", true, false },
        { "FOUND", true, false },  { "WHAT", false, true },
        { NULL, false, false },
    };
    struct libscols_table *table = table_new(screen, columns);
    size_t index;
    const json_t *pass;
    json_array_foreach(passes, index, pass)
    {
        char number[TEXT_SIZE], source[TEXT_SIZE], target[TEXT_SIZE],
            took[TEXT_SIZE], found[TEXT_SIZE], what[NAMES_SIZE];
        put_classes(json_object_get(pass, "classes"), what);
        const char *const cells[] = {
            count_text(number, count_at(pass, "pass")),
            count_text(source, count_at(pass, "source")),
            count_text(target, count_at(pass, "target")),
            span_text(took, count_at(pass, "ms")),
            count_text(found, count_at(pass, "found")),
            what,
        };
        table_row(screen, table,
                  count_at(pass, "found") == 0 ? TONE_GOOD : TONE_PLAIN, cells);
    }
    table_done(table);
}

static bool is_shown(const json_t *class, bool open_only)
{
    return !open_only || flag_at(class, "open");
}

static void print_classes(const struct screen *screen, const char *title,
                          const json_t *classes, bool open_only)
{
    static const struct column columns[] = {
        { "CLASS", false, false },
        { "COUNT", true, false },
        { "FIRST", false, true },
        { NULL, false, false },
    };
    struct libscols_table *table = NULL;
    size_t index;
    const json_t *class;
    json_array_foreach(classes, index, class)
    {
        char count[TEXT_SIZE], names[NAMES_SIZE];
        if (!is_shown(class, open_only)) {
            continue;
        }
        if (table == NULL) {
            put_heading(screen, title);
            table = table_new(screen, columns);
        }
        put_names(class, names);
        const char *const cells[] = {
            text_at(class, "class"),
            count_text(count, count_at(class, "count")),
            names,
        };
        table_row(screen, table, TONE_WARN, cells);
    }
    if (table != NULL) {
        table_done(table);
    }
}

void reconcile_print(const json_t *report)
{
    struct screen screen = screen_of(stdout);
    char took[TEXT_SIZE];
    if (!json_is_object(report)) {
        return;
    }
    const char *state = text_at(report, "state");
    const json_t *passes = json_object_get(report, "passes");
    bool clean = strcmp(state, "clean") == 0;
    (void) printf("reconcile by %s (%s): ", text_at(report, "node"),
                  text_at(report, "reason"));
    put_toned(&screen, clean ? TONE_GOOD : TONE_WARN, 0, state);
    (void) printf(" after %zu pass%s in %s", json_array_size(passes),
                  json_array_size(passes) == 1 ? "" : "es",
                  span_text(took, count_at(report, "duration_ms")));
    if (count_at(report, "anew") > 0) {
        (void) printf(", begun anew %lld time%s",
                      (long long) count_at(report, "anew"),
                      count_at(report, "anew") == 1 ? "" : "s");
    }
    (void) putchar('\n');
    print_passes(&screen, passes);
    if (strcmp(state, "incomplete") == 0) {
        const json_t *last =
            json_array_get(passes, json_array_size(passes) - 1);
        print_classes(&screen, "DIFFERS STILL",
                      json_object_get(last, "classes"), true);
    }
    print_classes(&screen, "LEFT AS IT IS", json_object_get(report, "left"),
                  false);
}
