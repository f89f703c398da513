#include "node/config/tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistr.h>
#include <yaml.h>

/* ---- messages ----------------------------------------------------------- */

struct config_shown config_shown(const char *text)
{
    struct config_shown shown = { "" };
    size_t size = strlen(text);
    if (size <= 60) {
        memcpy(shown.text, text, size);
        return shown;
    }
    memcpy(shown.text, text, 57);
    const uint8_t *cut = u8_check((const uint8_t *) shown.text, 57);
    size = cut == NULL ? 57 : (size_t) (cut - (const uint8_t *) shown.text);
    memcpy(shown.text + size, "...", sizeof "...");
    return shown;
}

/* A message must be one line of valid UTF-8, whatever it quotes. */
static void make_printable(char *text)
{
    const uint8_t *bad = u8_check((const uint8_t *) text, strlen(text));
    if (bad != NULL) {
        text[bad - (const uint8_t *) text] = '\0';
    }
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char) *c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
}

enum ts_code config_complain(struct config_problems *problems,
                             struct config_mark mark, const char *fmt, ...)
{
    if (problems->count == CONFIG_PROBLEMS_MAX) {
        return TS_E_CONFIG;
    }
    char text[sizeof problems->items[0].text];
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    make_printable(text);
    return ts_fail(&problems->items[problems->count++], TS_E_CONFIG, 0,
                   "%s:%u:%u: %s", problems->file, mark.line, mark.column,
                   text);
}

/* ---- reading ------------------------------------------------------------ */

struct reader {
    yaml_parser_t parser;
    struct ts_arena *arena;
    struct config_problems *problems;
    uint32_t node_count;
};

static struct config_mark mark_of(yaml_mark_t mark)
{
    return (struct config_mark){ (uint32_t) mark.line + 1,
                                 (uint32_t) mark.column + 1 };
}

/* Where byte number `offset` of `text` is. */
static struct config_mark mark_at(struct ts_slice text, size_t offset)
{
    struct config_mark mark = { 1, 1 };
    for (size_t i = 0; i < offset && i < text.size; i++) {
        if (text.data[i] == '\n') {
            mark.line++;
            mark.column = 1;
        } else if ((text.data[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static enum ts_code no_memory(struct reader *r)
{
    struct ts_err *err = r->problems->count < CONFIG_PROBLEMS_MAX
                             ? &r->problems->items[r->problems->count++]
                             : NULL;
    return ts_fail(err, TS_E_NOMEM, 0, "could not load \"%s\": out of memory",
                   r->problems->file);
}

static enum ts_code next_event(struct reader *r, yaml_event_t *event)
{
    memset(event, 0, sizeof *event); /* so that it can be deleted anyway */
    if (yaml_parser_parse(&r->parser, event)) {
        return TS_OK;
    }
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        return no_memory(r);
    }
    struct config_mark mark = mark_of(p->problem_mark);
    if (p->error == YAML_READER_ERROR) { /* has no mark, but an offset */
        mark = mark_at(
            ts_slice(p->input.string.start,
                     (size_t) (p->input.string.end - p->input.string.start)),
            p->problem_offset);
    }
    return config_complain(
        r->problems, mark, "cannot read this as YAML: %s%s%s",
        p->problem == NULL ? "not readable" : p->problem,
        p->context == NULL ? "" : " ", p->context == NULL ? "" : p->context);
}

static enum ts_code read_node(struct reader *r, const yaml_event_t *event,
                              uint32_t depth, struct config_node **ret_node);

/* What a configuration does not need, and what makes YAML dangerous. */
static enum ts_code refuse_extras(struct reader *r, const yaml_event_t *event)
{
    const void *anchor = NULL, *tag = NULL;
    const char *what = NULL;
    if (event->type == YAML_ALIAS_EVENT) {
        what = "an alias (*)";
    } else if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor != NULL || tag != NULL) {
        what = anchor != NULL ? "an anchor (&)" : "a tag (!)";
    }
    if (what == NULL) {
        return TS_OK;
    }
    return config_complain(r->problems, mark_of(event->start_mark),
                           "cannot accept %s here: write the value out", what);
}

static enum ts_code read_text(struct reader *r, const yaml_event_t *event,
                              struct config_node *node)
{
    const uint8_t *bytes = event->data.scalar.value;
    size_t size = event->data.scalar.length;
    if (memchr(bytes, '\0', size) != NULL) {
        return config_complain(r->problems, node->mark,
                               "cannot accept a value with a NUL character");
    }
    struct ts_slice copy = ts_arena_copy(r->arena, ts_slice(bytes, size));
    if (copy.data == NULL) {
        return no_memory(r);
    }
    node->text = (const char *) copy.data;
    node->empty = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                  (size == 0 || strcmp(node->text, "~") == 0 ||
                   strcmp(node->text, "null") == 0);
    return TS_OK;
}

/* Take the key from `event`: text, and new in `map`. */
static enum ts_code read_key(struct reader *r, const yaml_event_t *event,
                             const struct config_node *map,
                             struct config_node *ret_key)
{
    ret_key->mark = mark_of(event->start_mark);
    enum ts_code code = refuse_extras(r, event);
    if (code != TS_OK) {
        return code;
    }
    if (event->type != YAML_SCALAR_EVENT) {
        return config_complain(r->problems, ret_key->mark,
                               "a key must be text, not a list or mapping");
    }
    code = read_text(r, event, ret_key);
    if (code != TS_OK) {
        return code;
    }
    const struct config_node *first = config_tree_child(map, ret_key->text);
    if (first != NULL) {
        return config_complain(r->problems, ret_key->mark,
                               "key \"%s\" is given twice, first on line %u",
                               config_shown(ret_key->text).text,
                               first->key_mark.line);
    }
    return TS_OK;
}

/* One item of `parent`. *ret_end: it was the end instead. */
static enum ts_code read_item(struct reader *r, struct config_node *parent,
                              uint32_t depth, struct config_node **ret_item,
                              bool *ret_end)
{
    yaml_event_t event;
    struct config_node key = { .kind = CONFIG_NODE_TEXT };
    enum ts_code code = next_event(r, &event);
    *ret_end = event.type == YAML_SEQUENCE_END_EVENT ||
               event.type == YAML_MAPPING_END_EVENT;
    if (code == TS_OK && !*ret_end && parent->kind == CONFIG_NODE_MAP) {
        code = read_key(r, &event, parent, &key);
        yaml_event_delete(&event);
        if (code == TS_OK) {
            code = next_event(r, &event);
        }
    }
    if (code == TS_OK && !*ret_end) {
        code = read_node(r, &event, depth, ret_item);
    }
    if (code == TS_OK && !*ret_end) {
        (*ret_item)->key = key.text;
        (*ret_item)->key_mark = key.mark;
    }
    yaml_event_delete(&event);
    return code;
}

static enum ts_code read_items(struct reader *r, struct config_node *parent,
                               uint32_t depth)
{
    struct config_node **end = &parent->children;
    for (;;) {
        bool over;
        enum ts_code code = read_item(r, parent, depth, end, &over);
        if (code != TS_OK || over) {
            return code;
        }
        if (++parent->child_count > CONFIG_CHILDREN_MAX) {
            return config_complain(r->problems, (*end)->mark,
                                   "more than %d items in one list or mapping",
                                   CONFIG_CHILDREN_MAX);
        }
        end = &(*end)->next;
    }
}

static enum ts_code read_node(struct reader *r, const yaml_event_t *event,
                              uint32_t depth, struct config_node **ret_node)
{
    struct config_mark mark = mark_of(event->start_mark);
    enum ts_code code = refuse_extras(r, event);
    if (code != TS_OK) {
        return code;
    }
    if (depth >= CONFIG_DEPTH_MAX || ++r->node_count > CONFIG_NODES_MAX) {
        return config_complain(
            r->problems, mark, "more than %d %s",
            depth >= CONFIG_DEPTH_MAX ? CONFIG_DEPTH_MAX : CONFIG_NODES_MAX,
            depth >= CONFIG_DEPTH_MAX ? "levels of nesting" : "values");
    }
    struct config_node *node = ts_arena_array(r->arena, 1, sizeof *node);
    if (node == NULL) {
        return no_memory(r);
    }
    node->mark = mark;
    if (event->type == YAML_SCALAR_EVENT) {
        node->kind = CONFIG_NODE_TEXT;
        code = read_text(r, event, node);
    } else {
        node->kind = event->type == YAML_MAPPING_START_EVENT ? CONFIG_NODE_MAP
                                                             : CONFIG_NODE_LIST;
        code = read_items(r, node, depth + 1);
    }
    *ret_node = node;
    return code;
}

/* The one document between the start and the end of the stream. */
static enum ts_code read_document(struct reader *r,
                                  struct config_node **ret_root)
{
    struct config_node *root = NULL;
    for (;;) {
        yaml_event_t event;
        enum ts_code code = next_event(r, &event);
        yaml_event_type_t type = event.type;
        struct config_mark mark = mark_of(event.start_mark);
        if (code == TS_OK && type == YAML_DOCUMENT_START_EVENT &&
            root != NULL) {
            code = config_complain(r->problems, mark,
                                   "a second document begins: a configuration "
                                   "is one document");
        } else if (code == TS_OK && type >= YAML_ALIAS_EVENT) {
            code = read_node(r, &event, 0, &root);
        } else if (code == TS_OK && type == YAML_STREAM_END_EVENT &&
                   root == NULL) {
            code = config_complain(r->problems, (struct config_mark){ 1, 1 },
                                   "the file is empty");
        }
        yaml_event_delete(&event);
        if (code != TS_OK) {
            return code;
        }
        if (type == YAML_STREAM_END_EVENT) {
            *ret_root = root;
            return TS_OK;
        }
    }
}

enum ts_code config_tree_parse(struct ts_slice text, struct ts_arena *arena,
                               struct config_problems *problems,
                               struct config_node **ret_root)
{
    struct reader r = { .arena = arena, .problems = problems };
    const uint8_t *bad = text.size == 0 ? NULL : u8_check(text.data, text.size);
    if (bad != NULL) {
        return config_complain(problems,
                               mark_at(text, (size_t) (bad - text.data)),
                               "the file is not UTF-8 here");
    }
    if (!yaml_parser_initialize(&r.parser)) {
        return no_memory(&r);
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, text.data, text.size);
    enum ts_code code = read_document(&r, ret_root);
    yaml_parser_delete(&r.parser);
    return code;
}

/* ---- looking up --------------------------------------------------------- */

const struct config_node *config_tree_child(const struct config_node *map,
                                            const char *key)
{
    const struct config_node *item = map == NULL ? NULL : map->children;
    while (item != NULL && (item->key == NULL || strcmp(item->key, key) != 0)) {
        item = item->next;
    }
    return item;
}

const struct config_node *config_tree_item(const struct config_node *list,
                                           uint32_t index)
{
    const struct config_node *item = list == NULL ? NULL : list->children;
    while (item != NULL && index > 0) {
        item = item->next;
        index--;
    }
    return item;
}
