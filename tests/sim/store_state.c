/* Opening, closing, transactions, and what local.db would hold. */
#include "tests/sim/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replication/generation.h"
#include "replication/journal.sql.h"
#include "tests/sim/node.h"
#include "tests/sim/world.h"

#define TEMPLATE_DISK 't'
#define PAGE_SIZE     "1024"

/* Of the product's tables those that nothing here uses are left out: each would
 * be read at every start, by every check of the whole and in every snapshot. */
static const char *const unused[] = {
    "source_object", "source_link", "joined",   "object_error",
    "hold_list",     "approval",    "decision", "extent",
    "plan",          "plan_item",   "nesting",  "lost_attribute"
};
#define UNUSED (sizeof unused / sizeof unused[0])

const struct db_schema *store_schema(void)
{
    static char level_1[128 * 1024];
    static char level_2[128 * 1024];
    static const char *const migrations[METAVERSE_LEVELS] = { level_1,
                                                              level_2 };
    static const struct db_schema schema = { 0x54534d56, migrations,
                                             METAVERSE_LEVELS };
    if (level_1[0] == 0) {
        (void) snprintf(level_1, sizeof level_1, "%s\n%s", metaverse_sql[0],
                        journal_sql);
        int size = snprintf(level_2, sizeof level_2, "%s", metaverse_sql[1]);
        for (size_t i = 0; i < UNUSED; i++) {
            size += snprintf(level_2 + size, sizeof level_2 - (size_t) size,
                             "\nDROP TABLE %s;", unused[i]);
        }
    }
    return &schema;
}

static bool is_used(const char *table)
{
    size_t i = 0;
    while (i < UNUSED && strcmp(unused[i], table) != 0) {
        i++;
    }
    return i == UNUSED;
}

const struct capture_tables *store_tables(void)
{
    static const char *names[CAPTURE_TABLES_MAX];
    static struct capture_tables tables = { .names = names };
    if (tables.count > 0) {
        return &tables;
    }
    for (size_t i = 0; metaverse_tables[i] != NULL; i++) {
        if (is_used(metaverse_tables[i])) {
            names[tables.count++] = metaverse_tables[i];
        }
    }
    return &tables;
}

/* ---- counters ----------------------------------------------------------- */

static const struct {
    const char *name;
    size_t offset;
} counters[] = {
    { "object", offsetof(struct sim_store, object) },
    { "change", offsetof(struct sim_store, change) },
    { "intent", offsetof(struct sim_store, intent) },
    { "batch", offsetof(struct sim_store, batch) },
    { "compared", offsetof(struct sim_store, compared) },
};
#define COUNTERS (sizeof counters / sizeof counters[0])

static int64_t *counter(struct sim_store *store, size_t i)
{
    return (int64_t *) (void *) ((char *) store + counters[i].offset);
}

static enum ts_code load_counters(struct sim_store *store, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < COUNTERS; i++) {
        code = metaverse_counter(store->mv, counters[i].name, counter(store, i),
                                 err);
        store->stored[i] = *counter(store, i);
    }
    return code;
}

static enum ts_code save_counters(struct sim_store *store, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    for (size_t i = 0; code == TS_OK && i < COUNTERS; i++) {
        if (*counter(store, i) != store->stored[i]) {
            code = metaverse_set_counter(store->mv, counters[i].name,
                                         *counter(store, i), err);
            store->stored[i] = *counter(store, i);
        }
    }
    return code;
}

/* ---- transactions ------------------------------------------------------- */

bool store_explain(struct sim_store *store, const struct ts_err *err)
{
    if (!store->node->disk.dead) {
        judge_violated(store->node->world, "ERROR", "%s", err->text);
    }
    return false;
}

bool store_begin(struct sim_store *store, struct ts_err *err)
{
    return journal_begin(store->journal, err) == TS_OK ||
           store_explain(store, err);
}

bool store_finish(struct sim_store *store, enum ts_code code,
                  struct ts_err *err)
{
    int64_t seq = 0;
    if (code == TS_OK) {
        code = save_counters(store, err);
    }
    if (code == TS_OK) {
        code = journal_commit(store->journal, &seq, err);
    }
    if (code != TS_OK) {
        journal_rollback(store->journal);
        return store_explain(store, err);
    }
    if (seq > 0) {
        struct journal_position at = journal_position(store->journal);
        judge_row(store->node->world, store->node->index, &at, true);
        node_committed(store->node);
    }
    return true;
}

/* ---- the file ----------------------------------------------------------- */

enum ts_code store_open_file(struct sim_store *store, const char *path,
                             enum db_mode mode, struct ts_err *err)
{
    struct journal_options options = { .tables = store_tables() };
    enum ts_code code =
        metaverse_open(path, mode, store_schema(), &store->mv, err);
    if (code == TS_OK) {
        code = journal_open(&store->mv->db, &options, &store->journal, err);
    }
    return code == TS_OK ? load_counters(store, err) : code;
}

void store_shut(struct sim_store *store)
{
    journal_close(store->journal);
    metaverse_close(store->mv);
    store->journal = NULL;
    store->mv = NULL;
    store->open = false;
    if (store->building) {
        generation_release(store->hold);
        store->building = false;
    }
}

bool store_reopen(struct sim_store *store)
{
    char directory[3] = { '/', store->node->disk.letter, 0 };
    char path[GENERATION_PATH_SIZE];
    struct ts_err err = { .code = TS_OK };
    store_shut(store);
    enum ts_code code = generation_discard(directory, &err);
    if (code == TS_OK) {
        code = generation_locate(directory, &store->folder, path, &err);
    }
    if (code == TS_E_NOT_FOUND) {
        store->folder = 0;
        return true;
    }
    if (code == TS_OK) {
        code = store_open_file(store, path, DB_DURABLE, &err);
    }
    if (code != TS_OK) {
        store_shut(store);
        return store_explain(store, &err);
    }
    store->open = true;
    return true;
}

/* ---- facts -------------------------------------------------------------- */

static void facts_path(const struct sim_store *store, const char *suffix,
                       char path[static DISK_NAME_SIZE])
{
    (void) snprintf(path, DISK_NAME_SIZE, "/%c/facts%s",
                    store->node->disk.letter, suffix);
}

static void load_facts(struct sim_store *store)
{
    char path[DISK_NAME_SIZE];
    facts_path(store, "", path);
    const struct disk_file *file = disk_find(&store->node->disk, path);
    free(store->facts);
    store->facts = NULL;
    store->facts_size = 0;
    store->epoch = 0;
    if (file != NULL && file->size >= sizeof store->epoch) {
        memcpy(&store->epoch, file->data, sizeof store->epoch);
        store->facts_size = file->size - sizeof store->epoch;
        store->facts =
            sim_copy(file->data + sizeof store->epoch, store->facts_size);
    }
}

bool store_persist(struct sim_store *store, const uint8_t *facts, size_t size,
                   int64_t epoch)
{
    struct disk *disk = &store->node->disk;
    char path[DISK_NAME_SIZE];
    char next[DISK_NAME_SIZE];
    facts_path(store, "", path);
    facts_path(store, ".next", next);
    struct disk_file *old = disk_find(disk, next);
    if (old != NULL) {
        disk_remove(disk, old);
    }
    struct disk_file *file = disk_create(disk, next);
    store->epoch = epoch > store->epoch ? epoch : store->epoch;
    if (disk_strike(disk)) {
        return false;
    }
    disk_write(file, &store->epoch, sizeof store->epoch, 0);
    disk_write(file, facts, size, sizeof store->epoch);
    disk_sync(disk, file);
    if (disk_strike(disk)) {
        return false;
    }
    disk_rename(disk, next, path);
    if (disk_strike(disk)) {
        return false;
    }
    disk_settle_renames(disk);
    free(store->facts);
    store->facts = sim_copy(facts, size);
    store->facts_size = size;
    return true;
}

/* ---- opening ------------------------------------------------------------ */

bool store_open(struct sim_store *store, struct sim_node *node)
{
    *store = (struct sim_store){ .node = node };
    load_facts(store);
    return store_reopen(store);
}

void store_close(struct sim_store *store)
{
    store_shut(store);
    free(store->facts);
    store->facts = NULL;
}

struct journal_position store_position(const struct sim_store *store)
{
    return store->open ? journal_position(store->journal)
                       : (struct journal_position){ .seq = 0 };
}

bool store_refresh(struct sim_store *store)
{
    struct ts_err err = { .code = TS_OK };
    return load_counters(store, &err) == TS_OK || store_explain(store, &err);
}

/* ---- the template ------------------------------------------------------- */

/* A row here is short, and what is written is written in pages. */
bool store_set_page_size(const char *path)
{
    sqlite3 *handle = NULL;
    bool done = sqlite3_open(path, &handle) == SQLITE_OK &&
                sqlite3_exec(handle,
                             "PRAGMA page_size=" PAGE_SIZE
                             ";CREATE TABLE first(a);DROP TABLE first",
                             NULL, NULL, NULL) == SQLITE_OK;
    (void) sqlite3_close(handle);
    return done;
}

static void make_template(struct sim_store *store)
{
    static const struct journal_position origin = { .generation = 1,
                                                    .epoch = 1,
                                                    .level = METAVERSE_LEVELS };
    struct ts_err err = { .code = TS_OK };
    int64_t generation = 0;
    char path[GENERATION_PATH_SIZE];
    enum ts_code code = generation_build_begin("/t", 0, &generation, &err);
    if (code == TS_OK) {
        code = generation_path("/t", generation, path, &err);
    }
    if (code == TS_OK) {
        (void) store_set_page_size(path); /* or the next call fails, too */
        code = store_open_file(store, path, DB_DURABLE, &err);
    }
    if (code == TS_OK) {
        code = journal_start(store->journal, &origin, &err);
    }
    if (code == TS_OK) {
        store_shut(store);
        code = generation_select("/t", generation, &err);
    }
    if (code != TS_OK) {
        (void) fprintf(stderr, "no template: %s\n", err.text);
        abort();
    }
}

void store_template(struct disk_image *ret_image)
{
    struct sim_random random = { 1 };
    struct sim_node node = { .index = 0 };
    struct sim_store store = { .node = &node };
    disk_init(&node.disk, TEMPLATE_DISK, &random);
    make_template(&store);
    disk_image_take(&node.disk, ret_image);
    disk_done(&node.disk);
}
