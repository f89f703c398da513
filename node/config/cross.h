/* cross -- what the table cannot say: names that must exist elsewhere in the
 * file, and passwords that would leave this computer in clear. */
#ifndef NODE_CONFIG_CROSS_H
#define NODE_CONFIG_CROSS_H

#include "node/config/tree.h"

/* `root` is where `config` was built from, for positions.
 * Errors   TS_E_CONFIG: at least one problem was added. */
TS_MUSTUSE enum ts_code config_check_cross(const struct config *config,
                                           const struct config_node *root,
                                           struct config_problems *problems);

#endif
