/* check -- is the YAML what the table allows? Everything that can be said of
 * one option, or of options of one section, before structs exist. */
#ifndef NODE_CONFIG_CHECK_H
#define NODE_CONFIG_CHECK_H

#include "node/config/table.h"
#include "node/config/tree.h"

/* Does `option` apply in `map`, given its siblings' words there (or their
 * defaults)? */
bool config_applies(const struct config_section *section,
                    const struct config_option *option,
                    const struct config_node *map);

/* A decimal number of seconds, as milliseconds; UINT32_MAX: it is none. */
uint32_t config_milliseconds(const char *text);

/* Errors   TS_E_CONFIG: at least one problem was added. */
TS_MUSTUSE enum ts_code config_check_tree(const struct config_node *root,
                                          struct config_problems *problems);

#endif
