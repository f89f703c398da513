#include "node/rules/names.h"

#include <stdlib.h>
#include <strings.h>

#include "node/base/nearest.h"

static int by_name_nocase(const void *a, const void *b)
{
    const struct rules_source_attribute *const *x = a;
    const struct rules_source_attribute *const *y = b;
    return strcasecmp((*x)->name, (*y)->name);
}

static int by_bytes(const void *a, const void *b)
{
    const struct rules_column *const *x = a;
    const struct rules_column *const *y = b;
    return ts_slice_compare((*x)->bytes, (*y)->bytes);
}

enum ts_code rules_names_init(struct rules_names *names,
                              const struct rules_world *world,
                              struct ts_arena *arena, struct ts_err *err)
{
    *names = (struct rules_names){
        .arena = arena,
        .known = ts_arena_array(arena, world->source_count, sizeof(void *)),
        .known_count = world->source_count,
        .columns = ts_arena_array(arena, RULES_COLUMNS_MAX, sizeof(void *)),
    };
    if (names->known == NULL || names->columns == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0, "no room for the source's schema");
    }
    for (size_t i = 0; i < world->source_count; i++) {
        names->known[i] = &world->source[i];
    }
    qsort(names->known, names->known_count, sizeof(void *), by_name_nocase);
    return TS_OK;
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char) (c - 'A' + 'a');
    }
    return c;
}

/* RFC 4512 §2.5: options are letters, digits and hyphens. */
static bool options_are_valid(const char *options)
{
    if (options[1] == 0) {
        return false;
    }
    for (const char *c = options; *c != 0; c++) {
        bool allowed = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                       (*c >= '0' && *c <= '9') || *c == '-';
        if (!allowed && (*c != ';' || c[1] == ';' || c[1] == 0)) {
            return false;
        }
    }
    return true;
}

static bool has_binary_option(const char *options)
{
    for (const char *o = options; o != NULL; o = strchr(o + 1, ';')) {
        if (strncasecmp(o, ";binary", 7) == 0 && (o[7] == 0 || o[7] == ';')) {
            return true;
        }
    }
    return false;
}

/* What the schema says of the name before any options, or NULL. */
static const struct rules_source_attribute *
find_known(const struct rules_names *names, const char *name,
           const char *options, struct ts_arena *arena)
{
    size_t size = options == NULL ? strlen(name) : (size_t) (options - name);
    struct ts_slice base = ts_arena_copy(arena, ts_slice(name, size));
    if (base.data == NULL || names->known_count == 0) {
        return NULL;
    }
    struct rules_source_attribute key = { .name = (const char *) base.data };
    const struct rules_source_attribute *wanted = &key;
    const struct rules_source_attribute **found =
        bsearch(&wanted, names->known, names->known_count, sizeof(void *),
                by_name_nocase);
    return found == NULL ? NULL : *found;
}

/* Fill `column` from the schema; false when the name is unknown. */
static bool describe(const struct rules_names *names, const char *name,
                     struct rules_column *column)
{
    *column = (struct rules_column){ .syntax = RULES_SYNTAX_TEXT };
    if (strcasecmp(name, "anchor") == 0 || strcasecmp(name, "dn") == 0) {
        bool anchor = strcasecmp(name, "anchor") == 0;
        column->kind = anchor ? RULES_COLUMN_ANCHOR : RULES_COLUMN_DN;
        column->name = anchor ? "anchor" : "dn";
        column->bytes = ts_slice_str(column->name);
        return true;
    }
    const char *options = strchr(name, ';');
    const struct rules_source_attribute *known =
        find_known(names, name, options, names->arena);
    if (known == NULL || (options != NULL && !options_are_valid(options))) {
        return false;
    }
    column->syntax = known->syntax;
    column->case_ignore = known->case_ignore;
    column->bytes = ts_slice_str(known->name);
    if (options != NULL) {
        if (has_binary_option(options)) {
            column->syntax = RULES_SYNTAX_BINARY;
        }
        size_t base = column->bytes.size;
        char *full = ts_arena_take(names->arena, base + strlen(options) + 1);
        if (full == NULL) {
            return false;
        }
        memcpy(full, known->name, base);
        for (size_t i = 0; i <= strlen(options); i++) {
            full[base + i] = lower(options[i]);
        }
        column->bytes = ts_slice_str(full);
    } else {
        column->bytes = ts_arena_copy(names->arena, column->bytes);
    }
    column->name = (const char *) column->bytes.data;
    return column->name != NULL;
}

enum ts_code rules_names_resolve(struct rules_names *names, const char *name,
                                 struct rules_column **ret_column,
                                 struct ts_err *err)
{
    *ret_column = NULL;
    for (size_t i = 0; i < names->column_count; i++) {
        if (strcasecmp(names->columns[i]->name, name) == 0) {
            *ret_column = names->columns[i];
            return TS_OK;
        }
    }
    struct rules_column column;
    if (!describe(names, name, &column)) {
        return TS_OK;
    }
    if (names->column_count == RULES_COLUMNS_MAX) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "the rules name more than %d attributes: name fewer",
                       RULES_COLUMNS_MAX);
    }
    struct rules_column *kept = ts_arena_take(names->arena, sizeof *kept);
    if (kept == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0, "no room for a column");
    }
    *kept = column;
    names->columns[names->column_count++] = kept;
    *ret_column = kept;
    return TS_OK;
}

enum ts_code rules_names_refuse(const struct rules_names *names,
                                const char *name, struct ts_err *err)
{
    struct ts_nearest nearest;
    ts_nearest_init(&nearest, name);
    for (size_t i = 0; i < names->known_count; i++) {
        ts_nearest_offer(&nearest, names->known[i]->name);
    }
    if (nearest.best == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "the source has no attribute \"%.100s\": check its name",
                       name);
    }
    return ts_fail(err, TS_E_CONFIG, 0,
                   "the source has no attribute \"%.100s\": did you mean "
                   "\"%.100s\"",
                   name, nearest.best);
}

/* The functions whose first argument names an attribute. */
struct naming {
    const char *function;
    bool bare; /* first(x): a name; the others: a string */
    bool more; /* further arguments follow */
};

static const struct naming NAMINGS[] = {
    { "vals", false, false },
    { "has", false, true },
    { "n", false, false },
    { "first", true, false },
};

static const struct naming *naming_of(const char *name)
{
    for (size_t i = 0; i < sizeof NAMINGS / sizeof NAMINGS[0]; i++) {
        if (strcasecmp(NAMINGS[i].function, name) == 0) {
            return &NAMINGS[i];
        }
    }
    return NULL;
}

static bool is_name(const struct rules_token *token)
{
    return token->kind == RULES_TOKEN_WORD || token->kind == RULES_TOKEN_QUOTED;
}

/* `at` is the function's name; an opening parenthesis follows. */
static enum ts_code bind_argument(struct rules_names *names,
                                  const struct naming *naming,
                                  struct rules_token *at,
                                  const struct rules_token *end,
                                  struct ts_err *err)
{
    struct rules_token *argument = at + 2;
    bool fits = argument + 1 < end &&
                (argument->kind == RULES_TOKEN_STRING ||
                 (naming->bare && is_name(argument))) &&
                argument[1].kind ==
                    (naming->more ? RULES_TOKEN_COMMA : RULES_TOKEN_CLOSE);
    if (!fits) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       naming->bare ? "%s() takes one attribute's name: %s(x)"
                       : naming->more
                           ? "%s() takes an attribute's name in single quotes "
                             "and a value: %s('x', 'v')"
                           : "%s() takes one attribute's name in single "
                             "quotes: %s('x')",
                       naming->function, naming->function);
    }
    const char *name = rules_token_content(argument, names->arena);
    if (name == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0, "no room for a name");
    }
    enum ts_code code =
        rules_names_resolve(names, name, &argument->column, err);
    if (code == TS_OK && argument->column == NULL) {
        return rules_names_refuse(names, name, err);
    }
    return code;
}

enum ts_code rules_names_add(struct rules_names *names,
                             struct rules_tokens *tokens, struct ts_err *err)
{
    const struct rules_token *end = tokens->items + tokens->count;
    for (struct rules_token *token = tokens->items; token < end; token++) {
        if (!is_name(token) || token->column != NULL) {
            continue;
        }
        const char *name = rules_token_content(token, names->arena);
        if (name == NULL) {
            return ts_fail(err, TS_E_LIMIT, 0, "no room for a name");
        }
        bool called = token + 1 < end && token[1].kind == RULES_TOKEN_OPEN;
        const struct naming *naming = called ? naming_of(name) : NULL;
        struct rules_column *unused;
        enum ts_code code =
            naming != NULL ? bind_argument(names, naming, token, end, err)
                           : rules_names_resolve(names, name, &unused, err);
        if (code != TS_OK) {
            return code;
        }
    }
    return TS_OK;
}

void rules_names_seal(struct rules_names *names)
{
    qsort(names->columns, names->column_count, sizeof(void *), by_bytes);
    for (size_t i = 0; i < names->column_count; i++) {
        names->columns[i]->index = i;
    }
}
