#include "node/config/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/nearest.h"
#include "node/config/format.h"

static enum ts_code check_section(struct config_problems *problems,
                                  const struct config_section *section,
                                  const struct config_node *map,
                                  const char *name);

/* The worse of two: one problem does not hide the next. */
static enum ts_code both(enum ts_code a, enum ts_code b)
{
    return a != TS_OK ? a : b;
}

/* Behind a refusal: `, did you mean "x"`. */
struct hint {
    char text[sizeof(struct config_shown) + 24];
};

static struct hint hint_for(const struct ts_nearest *nearest)
{
    struct hint hint = { "" };
    if (nearest->best != NULL) {
        (void) snprintf(hint.text, sizeof hint.text, ", did you mean \"%s\"",
                        config_shown(nearest->best).text);
    }
    return hint;
}

/* ---- one value ---------------------------------------------------------- */

static enum ts_code check_kind(struct config_problems *problems,
                               const struct config_node *node,
                               enum config_node_kind kind, const char *name)
{
    static const char *const kinds[] = { "one value", "a list", "a mapping" };
    if (node->kind == kind) {
        return TS_OK;
    }
    if (node->kind == CONFIG_NODE_TEXT && node->empty) {
        return config_complain(problems, node->mark, "\"%s\" has no value",
                               name);
    }
    return config_complain(problems, node->mark, "\"%s\" must be %s, not %s",
                           name, kinds[kind], kinds[node->kind]);
}

static enum ts_code check_text(struct config_problems *problems,
                               const struct config_option *option,
                               const struct config_node *node, const char *name,
                               uint32_t size_max)
{
    size_t size = strlen(node->text);
    if (size == 0) {
        return config_complain(problems, node->mark, "\"%s\" is empty", name);
    }
    if (size > size_max) {
        return config_complain(problems, node->mark,
                               "\"%s\" is over %u bytes long", name, size_max);
    }
    const char *must = config_format_check(option->format, node->text);
    if (must != NULL) {
        return config_complain(problems, node->mark, "\"%s\" %s, not \"%s\"",
                               name, must, config_shown(node->text).text);
    }
    return TS_OK;
}

static enum ts_code check_number(struct config_problems *problems,
                                 const struct config_option *option,
                                 const struct config_node *node)
{
    size_t size = strlen(node->text);
    bool is_decimal = size >= 1 && size <= 10 &&
                      strspn(node->text, "0123456789") == size &&
                      (node->text[0] != '0' || size == 1);
    unsigned long long value = is_decimal ? strtoull(node->text, NULL, 10) : 0;
    if (!is_decimal || value < option->min || value > option->max) {
        return config_complain(problems, node->mark,
                               "\"%s\" must be a whole number from %u to %u, "
                               "not \"%s\"",
                               option->name, option->min, option->max,
                               config_shown(node->text).text);
    }
    return TS_OK;
}

/* Milliseconds; UINT32_MAX: not a decimal number of seconds. */
uint32_t config_milliseconds(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    size_t part =
        text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    size_t size = whole + (text[whole] == '.' ? 1 + part : 0);
    if (whole < 1 || whole > 6 || text[size] != '\0' || part > 3 ||
        (text[whole] == '.' && part == 0) || (text[0] == '0' && whole > 1)) {
        return UINT32_MAX;
    }
    uint32_t ms = (uint32_t) strtoul(text, NULL, 10) * 1000;
    static const uint32_t unit[] = { 100, 10, 1 };
    for (size_t i = 0; i < part; i++) {
        ms += (uint32_t) (text[whole + 1 + i] - '0') * unit[i];
    }
    return ms;
}

static enum ts_code check_seconds(struct config_problems *problems,
                                  const struct config_option *option,
                                  const struct config_node *node)
{
    uint32_t ms = config_milliseconds(node->text);
    if (ms < option->min || ms > option->max) {
        return config_complain(problems, node->mark,
                               "\"%s\" must be a number of seconds from %g to "
                               "%g, not \"%s\"",
                               option->name, option->min / 1000.0,
                               option->max / 1000.0,
                               config_shown(node->text).text);
    }
    return TS_OK;
}

static enum ts_code check_word(struct config_problems *problems,
                               const struct config_option *option,
                               const struct config_node *node)
{
    char list[128] = "";
    size_t used = 0;
    struct ts_nearest nearest;
    ts_nearest_init(&nearest, node->text);
    for (uint32_t i = 0; i < option->word_count; i++) {
        const char *word = option->words[i].str;
        if (strcmp(word, node->text) == 0) {
            return TS_OK;
        }
        ts_nearest_offer(&nearest, word);
        const char *join = i == 0                        ? ""
                           : i == option->word_count - 1 ? " or "
                                                         : ", ";
        int n = snprintf(list + used, sizeof list - used, "%s%s", join, word);
        used += n > 0 && (size_t) n < sizeof list - used ? (size_t) n : 0;
    }
    return config_complain(
        problems, node->mark, "\"%s\" must be %s, not \"%s\"%s", option->name,
        list, config_shown(node->text).text, hint_for(&nearest).text);
}

static enum ts_code check_scalar(struct config_problems *problems,
                                 const struct config_option *option,
                                 const struct config_node *node)
{
    enum ts_code code =
        check_kind(problems, node, CONFIG_NODE_TEXT, option->name);
    if (code != TS_OK) {
        return code;
    }
    if (node->empty) {
        return config_complain(problems, node->mark, "\"%s\" has no value",
                               option->name);
    }
    if (option->type == CONFIG_NUMBER) {
        return check_number(problems, option, node);
    }
    if (option->type == CONFIG_SECONDS) {
        return check_seconds(problems, option, node);
    }
    if (option->type == CONFIG_WORD) {
        return check_word(problems, option, node);
    }
    if (option->type == CONFIG_TEXT) {
        return check_text(problems, option, node, option->name, option->max);
    }
    if (strcmp(node->text, "true") != 0 && strcmp(node->text, "false") != 0) {
        return config_complain(problems, node->mark,
                               "\"%s\" must be true or false, not \"%s\"",
                               option->name, config_shown(node->text).text);
    }
    return TS_OK;
}

/* ---- several values ----------------------------------------------------- */

static enum ts_code check_count(struct config_problems *problems,
                                const struct config_option *option,
                                const struct config_node *node)
{
    if (node->child_count >= option->min && node->child_count <= option->max) {
        return TS_OK;
    }
    bool few = node->child_count < option->min;
    return config_complain(
        problems, node->mark, "\"%s\" has %u items, it must have at %s %u",
        node->key == NULL ? option->name : node->key, node->child_count,
        few ? "least" : "most", few ? option->min : option->max);
}

/* Texts, none twice. `name` is the option's, or the operator's own key. */
static enum ts_code check_texts(struct config_problems *problems,
                                const struct config_option *option,
                                const struct config_node *list,
                                const char *name)
{
    enum ts_code code = check_kind(problems, list, CONFIG_NODE_LIST, name);
    if (code != TS_OK) {
        return code;
    }
    code = check_count(problems, option, list);
    for (const struct config_node *item = list->children; item != NULL;
         item = item->next) {
        enum ts_code bad = check_kind(problems, item, CONFIG_NODE_TEXT, name);
        if (bad == TS_OK && item->empty) {
            bad = config_complain(problems, item->mark,
                                  "an item of \"%s\" has no value", name);
        }
        if (bad == TS_OK) {
            bad = check_text(problems, option, item, name, CONFIG_ITEM_MAX);
        }
        for (const struct config_node *other = list->children;
             bad == TS_OK && other != item; other = other->next) {
            if (other->kind == CONFIG_NODE_TEXT &&
                strcmp(other->text, item->text) == 0) {
                bad = config_complain(problems, item->mark,
                                      "\"%s\" is listed twice in \"%s\"",
                                      config_shown(item->text).text, name);
            }
        }
        code = both(code, bad);
    }
    return code;
}

static enum ts_code check_sections(struct config_problems *problems,
                                   const struct config_option *option,
                                   const struct config_node *list)
{
    enum ts_code code =
        check_kind(problems, list, CONFIG_NODE_LIST, option->name);
    if (code != TS_OK) {
        return code;
    }
    code = check_count(problems, option, list);
    for (const struct config_node *item = list->children; item != NULL;
         item = item->next) {
        enum ts_code bad =
            check_kind(problems, item, CONFIG_NODE_MAP, option->name);
        if (bad == TS_OK) {
            bad = check_section(problems, option->section, item, option->name);
        }
        code = both(code, bad);
    }
    return code;
}

/* The operator's own keys: each is a text of the first column's format, its
 * value of the second's, which may be one text where a list is asked for. */
static enum ts_code check_map(struct config_problems *problems,
                              const struct config_option *option,
                              const struct config_node *map)
{
    const struct config_option *key = &option->section->options[0];
    const struct config_option *value = &option->section->options[1];
    enum ts_code code =
        check_kind(problems, map, CONFIG_NODE_MAP, option->name);
    if (code != TS_OK) {
        return code;
    }
    code = check_count(problems, option, map);
    for (const struct config_node *item = map->children; item != NULL;
         item = item->next) {
        struct config_node as_text = { .mark = item->key_mark,
                                       .text = item->key };
        enum ts_code bad =
            check_text(problems, key, &as_text, option->name, key->max);
        bool is_list = value->type == CONFIG_TEXTS;
        struct config_shown name = config_shown(item->key);
        if (bad == TS_OK && is_list && item->kind != CONFIG_NODE_TEXT) {
            bad = check_texts(problems, value, item, name.text);
        } else if (bad == TS_OK) {
            bad = check_kind(problems, item, CONFIG_NODE_TEXT, name.text);
            if (bad == TS_OK && item->empty) {
                bad = config_complain(problems, item->mark,
                                      "\"%s\" has no value", name.text);
            }
            if (bad == TS_OK) {
                bad = check_text(problems, value, item, name.text,
                                 is_list ? CONFIG_ITEM_MAX : value->max);
            }
        }
        code = both(code, bad);
    }
    return code;
}

static enum ts_code check_option(struct config_problems *problems,
                                 const struct config_option *option,
                                 const struct config_node *node)
{
    switch (option->type) {
    case CONFIG_TEXTS:
        return check_texts(problems, option, node, option->name);
    case CONFIG_SECTIONS:
        return check_sections(problems, option, node);
    case CONFIG_MAP:
        return check_map(problems, option, node);
    case CONFIG_SECTION:
    case CONFIG_SECTION_OPTIONAL: {
        enum ts_code code =
            check_kind(problems, node, CONFIG_NODE_MAP, option->name);
        return code != TS_OK ? code
                             : check_section(problems, option->section, node,
                                             option->name);
    }
    case CONFIG_TEXT:
    case CONFIG_NUMBER:
    case CONFIG_SECONDS:
    case CONFIG_SWITCH:
    case CONFIG_WORD:
    case CONFIG_LINE:
        break;
    }
    return check_scalar(problems, option, node);
}

/* ---- one section -------------------------------------------------------- */

bool config_applies(const struct config_section *section,
                    const struct config_option *option,
                    const struct config_node *map)
{
    if (option->only_if == NULL) {
        return true;
    }
    const struct config_node *word = config_tree_child(map, option->only_if);
    const char *text =
        word != NULL && word->kind == CONFIG_NODE_TEXT
            ? word->text
            : config_table_find(section, option->only_if)->fallback;
    return text != NULL && strcmp(text, option->only_is) == 0;
}

static enum ts_code unknown_key(struct config_problems *problems,
                                const struct config_section *section,
                                const struct config_node *node)
{
    struct ts_nearest nearest;
    ts_nearest_init(&nearest, node->key);
    for (uint32_t i = 0; i < section->option_count; i++) {
        if (section->options[i].type != CONFIG_LINE) {
            ts_nearest_offer(&nearest, section->options[i].name);
        }
    }
    return config_complain(problems, node->key_mark, "unknown key \"%s\"%s",
                           config_shown(node->key).text,
                           hint_for(&nearest).text);
}

static enum ts_code check_item(struct config_problems *problems,
                               const struct config_section *section,
                               const struct config_node *map,
                               const struct config_node *item)
{
    const struct config_option *option = config_table_find(section, item->key);
    if (option == NULL || option->type == CONFIG_LINE) {
        return unknown_key(problems, section, item);
    }
    if (!config_applies(section, option, map)) {
        return config_complain(problems, item->key_mark,
                               "\"%s\" applies only where \"%s\" is \"%s\"",
                               option->name, option->only_if, option->only_is);
    }
    return check_option(problems, option, item);
}

static enum ts_code check_missing(struct config_problems *problems,
                                  const struct config_section *section,
                                  const struct config_node *map,
                                  const char *name)
{
    enum ts_code code = TS_OK;
    for (uint32_t i = 0; i < section->option_count; i++) {
        const struct config_option *option = &section->options[i];
        if (!option->required || config_tree_child(map, option->name) != NULL ||
            !config_applies(section, option, map)) {
            continue;
        }
        code = name == NULL ? config_complain(problems, map->mark,
                                              "\"%s\" is missing", option->name)
                            : config_complain(problems, map->mark,
                                              "\"%s\" is missing in \"%s\"",
                                              option->name, name);
    }
    return code;
}

static enum ts_code check_pairs(struct config_problems *problems,
                                const struct config_section *section,
                                const struct config_node *map)
{
    const char *const *one = section->exactly_one;
    const char *const *two = section->both;
    if (one[0] != NULL) {
        const struct config_node *a = config_tree_child(map, one[0]);
        const struct config_node *b = config_tree_child(map, one[1]);
        if ((a == NULL) == (b == NULL)) {
            return config_complain(
                problems, b == NULL ? map->mark : b->key_mark,
                "exactly one of \"%s\" and \"%s\" must be given, not %s",
                one[0], one[1], b == NULL ? "none" : "both");
        }
    }
    if (two[0] != NULL) {
        const struct config_node *a = config_tree_child(map, two[0]);
        const struct config_node *b = config_tree_child(map, two[1]);
        if ((a == NULL) != (b == NULL)) {
            return config_complain(problems,
                                   a == NULL ? b->key_mark : a->key_mark,
                                   "\"%s\" needs \"%s\" beside it",
                                   two[a == NULL], two[a != NULL]);
        }
    }
    return TS_OK;
}

static enum ts_code check_section(struct config_problems *problems,
                                  const struct config_section *section,
                                  const struct config_node *map,
                                  const char *name)
{
    enum ts_code code = TS_OK;
    for (const struct config_node *item = map->children; item != NULL;
         item = item->next) {
        code = both(code, check_item(problems, section, map, item));
    }
    code = both(code, check_missing(problems, section, map, name));
    return both(code, check_pairs(problems, section, map));
}

enum ts_code config_check_tree(const struct config_node *root,
                               struct config_problems *problems)
{
    if (root->kind != CONFIG_NODE_MAP) {
        return config_complain(problems, root->mark,
                               "a configuration is a mapping of keys to "
                               "values");
    }
    return check_section(problems, &config_table, root, NULL);
}
