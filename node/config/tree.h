/*
 * tree -- YAML as nodes that remember where they stood.
 *
 * libyaml's events, without what YAML has and a configuration does not need:
 * anchors, aliases, tags, several documents, keys that are not text. All memory
 * is the arena's.
 */
#ifndef NODE_CONFIG_TREE_H
#define NODE_CONFIG_TREE_H

#include "node/base/arena.h"
#include "node/config/loader.h"

#define CONFIG_DEPTH_MAX    8
#define CONFIG_NODES_MAX    20000
#define CONFIG_CHILDREN_MAX 1024

enum config_node_kind {
    CONFIG_NODE_TEXT,
    CONFIG_NODE_LIST,
    CONFIG_NODE_MAP
};

/* Both from 1, as editors count. */
struct config_mark {
    uint32_t line, column;
};

struct config_node {
    enum config_node_kind kind;
    struct config_mark mark;
    const char *key; /* of an item of a mapping, else NULL */
    struct config_mark key_mark;
    const char *text; /* TEXT; no NUL inside */
    bool empty;       /* TEXT: nothing, ~ or null without quotes */
    struct config_node *children, *next;
    uint32_t child_count;
};

/* Errors   the first thing that cannot be read becomes a problem. */
TS_MUSTUSE enum ts_code config_tree_parse(struct ts_slice text,
                                          struct ts_arena *arena,
                                          struct config_problems *problems,
                                          struct config_node **ret_root);

/* The item called `key`, or NULL; NULL in, NULL out. */
const struct config_node *config_tree_child(const struct config_node *map,
                                            const char *key);
/* The item number `index`, or NULL. */
const struct config_node *config_tree_item(const struct config_node *list,
                                           uint32_t index);

/* Add "FILE:LINE:COLUMN: ..." to `problems`. Returns TS_E_CONFIG. */
enum ts_code config_complain(struct config_problems *problems,
                             struct config_mark mark, const char *fmt, ...)
    TS_PRINTF(3, 4);

/* The operator's text as a message may show it: cut to 60 bytes at a
 * character's end. Used as config_shown(text).text. */
struct config_shown {
    char text[64];
};
struct config_shown config_shown(const char *text);

#endif
