#include "node/engine/tail_tables.h"

/* The columns are those of schema.sql; a changed member is its owner's. */
const struct tail_table tail_tables[TAIL_TABLE_COUNT] = {
    { .table = "intent",
      .by_key = "SELECT kind, anchor FROM intent WHERE id = ?1",
      .kind_column = 3,
      .anchor_column = 5 },
    { .table = "ledger",
      .by_key = "SELECT kind, anchor FROM ledger WHERE kind = ?1 AND "
                "anchor = ?2",
      .kind_column = 0,
      .anchor_column = 1 },
    { .table = "metaverse",
      .by_key = "SELECT kind, anchor FROM metaverse WHERE id = ?1",
      .kind_column = 1,
      .anchor_column = 2 },
    { .table = "reference",
      .by_key = "SELECT kind, anchor FROM metaverse WHERE id = ?1",
      .kind_column = -1,
      .anchor_column = -1 },
};
