/*
 * table_rows -- how the rows of the table are written.
 *
 * Private to table.c and its continuations (table_source.c, table_pair.c).
 */
#ifndef NODE_CONFIG_TABLE_ROWS_H
#define NODE_CONFIG_TABLE_ROWS_H

#include "node/config/table.h"

#define COUNT(array) ((uint32_t) (sizeof(array) / sizeof(array)[0]))
/* Every row begins with its name, type and place. */
#define AT(key, kind, type_, member) \
    .name = (key), .type = (kind), .offset = offsetof(struct type_, member)
#define LIST_AT(key, kind, type_, member) \
    AT(key, kind, type_, member),         \
        .count_offset = offsetof(struct type_, member##_count)
#define WORDS(array) .words = (array), .word_count = COUNT(array)
#define SECTION_OF(title_, rows, type_)                                \
    .title = (title_), .options = (rows), .option_count = COUNT(rows), \
    .size = sizeof(struct type_)

enum {
    TEXT_MAX = 1024,
    EXPRESSION_MAX = 65536, /* SQLite's limit in node/rules */
    ITEMS_MAX = 64
};

/* table_source.c: the first two are used by others, too. */
extern const struct config_section config_table_tls, config_table_bind;
extern const struct config_section config_table_source;
/* table_pair.c */
extern const struct config_section config_table_node, config_table_lease,
    config_table_register, config_table_registration;

#endif
