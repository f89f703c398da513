/* A first load; see store.h. */
#include "tests/sim/store_private.h"

#include "node/metaverse/indexes.h"
#include "replication/generation.h"
#include "tests/sim/node.h"

static void directory_of(const struct sim_store *store,
                         char directory[static 3])
{
    directory[0] = '/';
    directory[1] = store->node->disk.letter;
    directory[2] = 0;
}

bool store_build(struct sim_store *store, int64_t generation)
{
    char directory[3];
    char path[GENERATION_PATH_SIZE];
    struct ts_err err = { .code = TS_OK };
    directory_of(store, directory);
    store_shut(store);
    enum ts_code code = generation_build_hold(
        directory, store->folder, &store->folder, &store->hold, &err);
    store->building = code == TS_OK;
    store->generation = generation;
    if (code == TS_OK) {
        code = generation_path(directory, store->folder, path, &err);
    }
    if (code == TS_OK && !store->node->disk.dead) {
        code = store_set_page_size(path)
                   ? store_open_file(store, path, DB_BUILDING, &err)
                   : TS_E_IO;
    }
    if (code == TS_OK && !store->node->disk.dead) {
        code = indexes_drop(store->mv, &err);
    }
    return code == TS_OK && !store->node->disk.dead
               ? true
               : store_explain(store, &err);
}

bool store_select(struct sim_store *store, int64_t epoch)
{
    char directory[3];
    struct ts_err err = { .code = TS_OK };
    const struct journal_position from = { .generation = store->generation,
                                           .epoch = epoch,
                                           .level = METAVERSE_LEVELS };
    directory_of(store, directory);
    enum ts_code code = indexes_make(store->mv, NULL, &err);
    if (code == TS_OK) {
        code = journal_start(store->journal, &from, &err);
    }
    if (code != TS_OK) {
        return store_explain(store, &err);
    }
    int hold = store->hold;
    store->building = false; /* the mark is kept until it is selected */
    store_shut(store);
    code = generation_select(directory, store->folder, &err);
    generation_release(hold);
    return code == TS_OK ? store_reopen(store) : store_explain(store, &err);
}

void store_abandon(struct sim_store *store)
{
    char directory[3];
    struct ts_err ignored;
    if (store->building) {
        directory_of(store, directory);
        store_shut(store);
        store->folder = 0;
        /* What is left is deleted by the next build. */
        (void) !generation_discard(directory, &ignored);
    }
}
