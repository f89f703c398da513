/* cross_private -- what the two files of config_check_cross() share. */
#ifndef NODE_CONFIG_CROSS_PRIVATE_H
#define NODE_CONFIG_CROSS_PRIVATE_H

#include "node/config/cross.h"

struct cross {
    const struct config *config;
    const struct config_node *root; /* of `config`, for positions */
    struct config_problems *problems;
    enum ts_code code; /* of the last complaint */
};

#define COMPLAIN(cross, node, ...) \
    ((cross)->code =               \
         config_complain((cross)->problems, (node)->mark, __VA_ARGS__))

/* The node called `key` in `map`, or `map` when it is a default. */
static inline const struct config_node *at(const struct config_node *map,
                                           const char *key)
{
    const struct config_node *node = config_tree_child(map, key);
    return node == NULL ? map : node;
}

/* cross_pair.c: nodes, lease, register, fence. */
void cross_check_pair(struct cross *c);

#endif
