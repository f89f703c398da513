#include "tools/twinsync/hold_view.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text, *yes, *no;
} classes[] = {
    { "creates", "creations", "create them", "do not" },
    { "deletes", "deletions", "delete them", "keep them" },
    { "deactivations", "deactivations", "deactivate them", "keep them" },
    { "scope-exits", "exits from the scope", "let them leave", "keep them" },
    { "key-changes", "changes of a unique key", "change them", "keep them" },
    { "members", "lost members", "remove them", "keep them" },
    { "attribute-vanished", "lost values", "let them go", "keep them" },
    { "anchors-replaced", "replaced anchors", "let it happen", "keep them" },
    { "orphans", "orphans", "delete some", "keep them" },
    { "reanchor", "changes of the anchor", "change them", "keep them" },
};

const char *hold_class_text(const char *class)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(classes[i].name, class) == 0) {
            return classes[i].text;
        }
    }
    return class;
}

/* --- one hold ----------------------------------------------------------- */

static void put_title(const struct screen *screen, const json_t *hold,
                      int64_t now_seconds)
{
    char since[TEXT_SIZE];
    const char *kind = text_at(hold, "kind");
    put_toned(screen, TONE_WARN, 0, mark(screen, "●", "*"));
    (void) putc(' ', screen->out);
    put_toned(screen, TONE_STRONG, 0, hold_class_text(text_at(hold, "class")));
    if (kind[0] != 0) {
        (void) fputs(" of ", screen->out);
        put_text(screen, kind);
        (void) putc('s', screen->out);
    }
    if (text_at(hold, "detail")[0] != 0) {
        (void) fputs(": ", screen->out);
        put_text(screen, text_at(hold, "detail"));
    }
    if (text_at(hold, "since")[0] != 0) {
        (void) fprintf(screen->out, ", first held %s",
                       ago_text(since, text_at(hold, "since"), now_seconds));
    }
    (void) putc('\n', screen->out);
}

static void put_numbers(const struct screen *screen, const json_t *hold)
{
    char text[TEXT_SIZE];
    bool members = strcmp(text_at(hold, "class"), "members") == 0;
    int64_t items = count_at(hold, "items");
    (void) fprintf(screen->out, "  %s %s held", count_text(text, items),
                   items == 1 ? "object" : "objects");
    if (json_is_integer(json_object_get(hold, "limit"))) {
        (void) fprintf(screen->out, "; %s%s allowed without approval",
                       count_text(text, count_at(hold, "limit")),
                       members ? " members" : "");
    }
    if (count_at(hold, "spent") > 0) {
        (void) fprintf(screen->out, ", %s of them spent",
                       count_text(text, count_at(hold, "spent")));
    }
    (void) putc('\n', screen->out);
}

/* Which of the columns say anything: a table of holes helps nobody. */
static bool any_has(const json_t *objects, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (text_at(json_array_get(objects, i), key)[0] != 0) {
            return true;
        }
    }
    return false;
}

#define OBJECT_COLUMNS 6
#define DAY_SIZE       11 /* "2026-01-02" */

static const struct {
    struct column column;
    const char *key;
} object_columns[OBJECT_COLUMNS] = {
    { { "NAME", false, false }, "name" },
    { { "ANCHOR", false, false }, "anchor" },
    { { "VERB", false, false }, "verb" },
    { { "TARGET ID", false, false }, "target_id" },
    { { "CREATED", false, false }, "created" },
    { { "WHY", false, true }, "why" },
};

static void put_objects(const struct screen *screen, const json_t *objects,
                        size_t count)
{
    struct column columns[OBJECT_COLUMNS + 1] = { { NULL, false, false } };
    const char *keys[OBJECT_COLUMNS] = { NULL };
    size_t used = 0;
    for (size_t i = 0; i < OBJECT_COLUMNS; i++) {
        if (any_has(objects, count, object_columns[i].key)) {
            columns[used] = object_columns[i].column;
            keys[used++] = object_columns[i].key;
        }
    }
    if (used == 0) {
        return;
    }
    columns[used] = (struct column){ NULL, false, false };
    struct libscols_table *table = table_new(screen, columns);
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(objects, i);
        const char *cells[OBJECT_COLUMNS] = { NULL };
        char day[DAY_SIZE];
        for (size_t k = 0; k < used; k++) {
            cells[k] = text_at(object, keys[k]);
            if (strcmp(keys[k], "created") == 0) {
                (void) snprintf(day, sizeof day, "%s", cells[k]);
                cells[k] = day;
            }
        }
        table_row(screen, table, TONE_PLAIN, cells);
    }
    table_done(table);
}

static void put_rest(const struct screen *screen, const json_t *hold,
                     size_t shown)
{
    char text[TEXT_SIZE];
    int64_t items = count_at(hold, "items");
    bool cut = flag_at(hold, "cut");
    size_t listed = json_array_size(json_object_get(hold, "objects"));
    if (listed > shown) {
        (void) fprintf(screen->out, "and %s more: twinsync hold list --all\n",
                       count_text(text, items - (int64_t) shown));
    } else if (cut) {
        (void) fprintf(screen->out, "and %s more, which are not listed\n",
                       count_text(text, items - (int64_t) shown));
    }
}

/* A line of its own: the hash is to be copied whole, on a narrow screen too. */
static void put_command(const struct screen *screen, const char *what,
                        const char *command, const char *hash,
                        const char *after)
{
    (void) fputs("  ", screen->out);
    put_toned(screen, TONE_FAINT, 0, what);
    (void) fputs(":\n    twinsync ", screen->out);
    put_text(screen, command);
    put_text(screen, hash[0] != 0 ? " " : "");
    put_text(screen, hash);
    put_text(screen, after);
    (void) putc('\n', screen->out);
}

/* Only what would leave can be kept from it: what stays in scope flows, unless
 * the source or the rules change. */
static bool can_be_rejected(const json_t *hold)
{
    const char *class = text_at(hold, "class");
    bool leaves = true;
    size_t index;
    const json_t *object;
    json_array_foreach(json_object_get(hold, "objects"), index, object)
    {
        const char *verb = text_at(object, "verb");
        leaves = leaves && (strcmp(verb, "delete") == 0 ||
                            strcmp(verb, "deactivate") == 0);
    }
    return leaves || strcmp(class, "orphans") == 0 ||
           strcmp(class, "reanchor") == 0;
}

static void put_commands(const struct screen *screen, const json_t *hold)
{
    const char *class = text_at(hold, "class");
    const char *hash = text_at(hold, "hash");
    const char *yes = "let it happen";
    const char *no = "keep it as it is";
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strcmp(classes[i].name, class) == 0) {
            yes = classes[i].yes;
            no = classes[i].no;
        }
    }
    if (hash[0] == 0) {
        (void) fputs("  its list is made by the next cycle: twinsync sync "
                     "--wait runs it now\n",
                     screen->out);
        return;
    }
    put_command(screen, yes, "approve", hash,
                strcmp(class, "orphans") == 0 ? " --only TARGET-ID ..." : "");
    if (can_be_rejected(hold)) {
        put_command(screen, no, "reject", hash, "");
        return;
    }
    (void) fputs("  ", screen->out);
    put_toned(screen, TONE_FAINT, 0, no);
    (void) fputs(":\n    ", screen->out);
    put_wrapped(screen, 4,
                "correct the source or the rules; the hold goes by itself when "
                "nothing of it is due any more");
}

static void put_hold(const struct screen *screen, const json_t *hold, bool all,
                     int64_t now_seconds)
{
    const json_t *objects = json_object_get(hold, "objects");
    size_t count = json_array_size(objects);
    size_t shown =
        all || count <= HOLD_VIEW_OBJECTS ? count : HOLD_VIEW_OBJECTS;
    put_title(screen, hold, now_seconds);
    (void) fputs("  ", screen->out);
    put_wrapped(screen, 2, text_at(hold, "text"));
    put_numbers(screen, hold);
    (void) putc('\n', screen->out);
    put_objects(screen, objects, shown);
    put_rest(screen, hold, shown);
    (void) putc('\n', screen->out);
    put_commands(screen, hold);
}

/* --- all ---------------------------------------------------------------- */

static void put_staging(const struct screen *screen, const json_t *staging)
{
    const char *plan = text_at(staging, "plan");
    put_toned(screen, TONE_WARN, 0, mark(screen, "●", "*"));
    (void) putc(' ', screen->out);
    put_toned(screen, TONE_STRONG, 0, "staging");
    (void) fputs("\n  ", screen->out);
    put_wrapped(screen, 2, text_at(staging, "text"));
    put_command(screen, "look at the plan", "preview", "", "");
    put_command(screen, "carry it out", "sync --plan",
                plan[0] != 0 ? plan : "HASH", "");
}

void hold_view(const struct screen *screen, const json_t *document, bool all,
               int64_t now_seconds)
{
    const json_t *staging = json_object_get(document, "staging");
    const json_t *holds = json_object_get(document, "holds");
    if (json_is_object(staging)) {
        put_staging(screen, staging);
    }
    size_t index;
    const json_t *hold;
    json_array_foreach(holds, index, hold)
    {
        if (index > 0 || json_is_object(staging)) {
            (void) putc('\n', screen->out);
        }
        put_hold(screen, hold, all, now_seconds);
    }
    if (json_array_size(holds) == 0 && !json_is_object(staging)) {
        (void) fputs("nothing is held\n", screen->out);
    }
}
