/* What the files of the store share; see store.h. */
#ifndef TESTS_SIM_STORE_PRIVATE_H
#define TESTS_SIM_STORE_PRIVATE_H

#include "tests/sim/store.h"

#define STORE_KIND        0 /* all objects are people */
#define STORE_ANCHOR_SIZE 16
#define STORE_VALUE_SIZE  8

/* A transaction of the journal: *ret_err tells what went wrong in it. */
bool store_begin(struct sim_store *store, struct ts_err *err);
/* Commit when `code` is TS_OK, else roll back. False: the disk has died, or
 * the judge was told. */
bool store_finish(struct sim_store *store, enum ts_code code,
                  struct ts_err *err);

enum ts_code store_open_file(struct sim_store *store, const char *path,
                             enum db_mode mode, struct ts_err *err);
/* Of a file that is still empty; false: the disk died. */
bool store_set_page_size(const char *path);
/* Not TS_OK: either the disk died, or something is wrong with the code. */
bool store_explain(struct sim_store *store, const struct ts_err *err);

struct store_anchor {
    char text[STORE_ANCHOR_SIZE];
};
struct ts_slice store_anchor_put(struct store_anchor *anchor, int number);
struct ts_slice store_id_put(struct store_anchor *text, int64_t id);
int64_t store_id_of(struct ts_slice text);
struct ts_slice store_value_put(uint8_t bytes[static STORE_VALUE_SIZE],
                                int64_t value);
int64_t store_value_of(struct ts_slice bytes);

/* What the source says of an object; value 0: it is gone. */
enum ts_code store_see(struct sim_store *store, int anchor, int64_t value,
                       struct ts_err *err);
/* Decide it again. */
enum ts_code store_mark_due(struct sim_store *store, int64_t metaverse_id,
                            struct ts_err *err);
enum ts_code store_put_target(struct sim_store *store, int anchor, int64_t id,
                              int64_t value, struct ts_err *err);
enum ts_code store_set_cookie(struct sim_store *store, int64_t cookie,
                              struct ts_err *err);

#endif
