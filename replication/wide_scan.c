#include "replication/wide_scan.h"

#include <pthread.h>
#include <stdatomic.h>

/* One thread's share: it takes tables until there are none left. */
struct share {
    struct db *db;
    const struct capture_tables *tables;
    atomic_size_t *next;
    struct sum sum;
    enum ts_code code;
    struct ts_err err;
};

static void take_tables(struct share *share)
{
    struct summer *summer = NULL;
    share->code = summer_new(share->db, share->tables, &summer, &share->err);
    while (share->code == TS_OK) {
        size_t table = atomic_fetch_add(share->next, 1);
        struct sum sum;
        uint64_t rows = 0;
        if (table >= share->tables->count) {
            break;
        }
        share->code =
            summer_scan_table(summer, table, &sum, &rows, &share->err);
        if (share->code == TS_OK) {
            sum_add(&share->sum, sum);
        }
    }
    summer_free(summer);
}

static void *other_thread(void *context)
{
    take_tables(context);
    return NULL;
}

enum ts_code wide_scan(struct db *db, const struct capture_tables *tables,
                       struct sum *ret_sum, struct ts_err *err)
{
    atomic_size_t next = 0;
    struct db again = { .handle = NULL };
    struct share mine = { .db = db, .tables = tables, .next = &next };
    struct share other = { .db = &again, .tables = tables, .next = &next };
    struct ts_err ignored; /* one thread is enough, only slower */
    pthread_t thread;
    bool two = db_open_again(db, &again, &ignored) == TS_OK &&
               pthread_create(&thread, NULL, other_thread, &other) == 0;
    take_tables(&mine);
    if (two) {
        (void) pthread_join(thread, NULL);
    }
    db_close(&again);
    if (mine.code != TS_OK || other.code != TS_OK) {
        *err = mine.code != TS_OK ? mine.err : other.err;
        return err->code;
    }
    sum_add(&mine.sum, other.sum);
    *ret_sum = mine.sum;
    return TS_OK;
}
