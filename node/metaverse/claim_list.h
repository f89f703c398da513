/* claim_list -- claims in memory, and their rows: for claim.c and
 * claim_recount.c only. */
#ifndef NODE_METAVERSE_CLAIM_LIST_H
#define NODE_METAVERSE_CLAIM_LIST_H

#include "node/metaverse/claim.h"

#define CLAIM_MEMORY ((size_t) 256 * 1024 * 1024) /* for unpacking */

enum claim_side {
    CLAIM_WANTED,
    CLAIM_HELD
};

struct claim_row {
    struct claim_value value;
    int64_t metaverse_id;
    const char *path; /* of the program or the configuration */
    bool wanted, held;
};

struct claim_list {
    struct claim_row *rows;
    size_t count, room;
};

/* Whose values, and on which side they count. */
struct claim_owner {
    int64_t metaverse_id;
    int kind;
    enum claim_side side;
};

/* What a packed entry claims; unpacks into `arena`. */
TS_MUSTUSE enum ts_code
claim_list_entry(const struct metaverse *mv, const struct claim_owner *owner,
                 struct ts_slice packed, struct ts_arena *arena,
                 struct claim_list *list, struct ts_err *err);
/* In order of keys, one row a key. */
void claim_list_normalise(struct claim_list *list);
/* The row with that key, or NULL; the list is normalised. */
struct claim_row *claim_list_find(const struct claim_list *list,
                                  const struct claim_row *key);
/* All rows of a statement with the columns value, metaverse_id, path, wanted,
 * held; paths as configured, or "" of one that is not any more. */
TS_MUSTUSE enum ts_code claim_list_read(struct metaverse *mv,
                                        sqlite3_stmt *stmt,
                                        struct claim_list *list,
                                        struct ts_err *err);
/* Store the row; without any claim it goes. */
TS_MUSTUSE enum ts_code claim_row_put(struct metaverse *mv,
                                      const struct claim_row *row,
                                      struct ts_err *err);

#endif
