/* tail_tables -- which replicated tables are about an object, and which one:
 * what an old primary's tail is read by (replication/tail.h). */
#ifndef NODE_ENGINE_TAIL_TABLES_H
#define NODE_ENGINE_TAIL_TABLES_H

#include "replication/tail.h"

#define TAIL_TABLE_COUNT 4
extern const struct tail_table tail_tables[TAIL_TABLE_COUNT];

#endif
