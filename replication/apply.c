#include "replication/apply.h"

#include <assert.h>

#include "node/base/rule.h"
#include "replication/journal_write.h"
#include "replication/level.h"

/* Trims behind one batch: they drop more than it adds. */
#define TRIMS_MAX 4

/* A batch under way: what becomes the journal's when it is durable. */
struct applying {
    struct journal *journal;
    struct journal_position at;
    struct summer *summer; /* of the level that we are at */
    struct summer *fresh;  /* that of a barrier in this batch; else NULL */
    int64_t rows, size;
};

static enum ts_code diverged(const struct applying *applying,
                             const struct journal_item *item, const char *what,
                             struct ts_err *err)
{
    return ts_fail(err, TS_E_CONFLICT, 0,
                   "cannot apply row %lld of epoch %lld to \"%s\": diverged: "
                   "%s; this state must be replaced by a snapshot",
                   (long long) item->seq, (long long) item->epoch,
                   applying->journal->db->path, what);
}

/* Does `item` follow what we have? */
static enum ts_code check_place(const struct applying *applying,
                                const struct journal_item *item,
                                struct ts_err *err)
{
    const struct journal_position *at = &applying->at;
    int64_t seq = at->seq + (item->kind == JOURNAL_ROW ? 1 : 0);
    if (item->epoch < at->epoch) {
        return ts_fail(err, TS_E_REFUSED, 0,
                       "cannot apply row %lld of epoch %lld to \"%s\": it has "
                       "seen epoch %lld; another node is in charge",
                       (long long) item->seq, (long long) item->epoch,
                       applying->journal->db->path, (long long) at->epoch);
    }
    if (item->generation != at->generation) {
        return diverged(applying, item, "it is of another generation", err);
    }
    if (item->seq != seq) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot apply row %lld of epoch %lld to \"%s\": the "
                       "next one is %lld",
                       (long long) item->seq, (long long) item->epoch,
                       applying->journal->db->path, (long long) seq);
    }
    if (TS_RULE(PRE_SUM) && !sum_equal(item->pre, at->sum)) {
        return diverged(applying, item, "our rows have another sum before it",
                        err);
    }
    return TS_OK;
}

static enum ts_code make_changes(struct applying *applying,
                                 const struct journal_item *item,
                                 struct sum *ret_sum, struct ts_err *err)
{
    struct journal *journal = applying->journal;
    struct sum before;
    struct sum after;
    /* With PRE_SUM off, the leader's word counts instead of our own rows. */
    struct sum sum = TS_RULE(PRE_SUM) ? applying->at.sum : item->pre;
    if (item->level != applying->at.level) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot apply row %lld to \"%s\": it is of schema level "
                       "%lld and we are at %lld",
                       (long long) item->seq, journal->db->path,
                       (long long) item->level, (long long) applying->at.level);
    }
    enum ts_code code = summer_rows(applying->summer, item->changeset,
                                    SUMMER_BEFORE, &before, err);
    if (code == TS_OK) {
        code = capture_apply(journal->db, journal->options.tables,
                             item->changeset, err);
    }
    if (code == TS_OK) {
        code = summer_rows(applying->summer, item->changeset, SUMMER_AFTER,
                           &after, err);
    }
    if (code == TS_OK) {
        sum_subtract(&sum, before);
        sum_add(&sum, after);
        *ret_sum = sum;
    }
    /* Bytes that are no changeset come from the leader, not from our disk. */
    return code == TS_E_CORRUPT ? (err->code = TS_E_PROTOCOL) : code;
}

static enum ts_code make_step(struct applying *applying,
                              const struct journal_item *item,
                              struct sum *ret_sum, struct ts_err *err)
{
    struct summer *summer = NULL;
    enum ts_code code =
        level_check(applying->journal, item, applying->at.level, err);
    if (code == TS_OK) {
        code =
            level_step(applying->journal, item->level, ret_sum, &summer, err);
    }
    if (code == TS_OK) {
        summer_free(applying->fresh);
        applying->fresh = summer;
        applying->summer = summer;
    }
    return code;
}

static enum ts_code apply_row(struct applying *applying,
                              const struct journal_item *item,
                              struct ts_err *err)
{
    struct sum sum;
    enum ts_code code = level_is_barrier(item->changeset)
                            ? make_step(applying, item, &sum, err)
                            : make_changes(applying, item, &sum, err);
    if (code == TS_OK && TS_RULE(SUM_RECOMPUTED) &&
        !sum_equal(sum, item->post)) {
        code =
            diverged(applying, item, "our rows have another sum after it", err);
    }
    if (code == TS_OK) {
        code = journal_write_row(applying->journal, item, err);
    }
    if (code == TS_OK) {
        applying->rows++;
        applying->size += (int64_t) item->changeset.size;
    }
    return code;
}

static enum ts_code apply_item(struct applying *applying,
                               const struct journal_item *item,
                               struct ts_err *err)
{
    struct journal_position begins = applying->at;
    bool new_epoch = item->epoch > begins.epoch;
    begins.epoch = item->epoch;
    enum ts_code code = check_place(applying, item, err);
    if (code == TS_OK && new_epoch) {
        code = journal_write_lineage(applying->journal, &begins, err);
    }
    if (code == TS_OK && item->kind == JOURNAL_ROW) {
        code = apply_row(applying, item, err);
    }
    if (code == TS_OK) {
        applying->at =
            item->kind == JOURNAL_ROW ? journal_item_end(item) : begins;
    }
    return code;
}

/* A1: with POSITION_IN_APPLY off, a crash may come between the two. */
static enum ts_code commit(struct applying *applying, struct ts_err *err)
{
    struct journal *journal = applying->journal;
    enum ts_code code = TS_OK;
    if (!TS_RULE(POSITION_IN_APPLY)) {
        code = db_commit(journal->db, err);
        if (code == TS_OK) {
            code = db_begin(journal->db, err);
        }
    }
    if (code == TS_OK) {
        code = journal_write_position(journal, &applying->at, err);
    }
    return code == TS_OK ? db_commit(journal->db, err) : code;
}

static void take_over(const struct applying *applying)
{
    struct journal *journal = applying->journal;
    journal->at = applying->at;
    journal_note_rows(journal, applying->rows, applying->size);
    if (applying->fresh != NULL) {
        summer_free(journal->summer);
        journal->summer = applying->fresh;
    }
}

/* A4: not behind each batch, because each trim is a transaction of its own. A
 * failure is no news for who sent the rows: they are durable. */
static void trim(struct journal *journal)
{
    const struct journal_options *options = &journal->options;
    struct ts_err ignored;
    bool more =
        journal->extent.rows > options->rows_max + options->rows_max / 8 ||
        journal->extent.size > options->size_max + options->size_max / 8;
    for (int i = 0; more && i < TRIMS_MAX; i++) {
        if (journal_trim(journal, &more, &ignored) != TS_OK) {
            return;
        }
    }
}

enum ts_code journal_apply(struct journal *journal,
                           const struct journal_item *items, size_t count,
                           struct ts_err *err)
{
    assert(!journal->loading && !journal->open);
    struct applying applying = { .journal = journal,
                                 .at = journal->at,
                                 .summer = journal->summer };
    enum ts_code code = db_begin(journal->db, err);
    if (code != TS_OK) {
        return code;
    }
    for (size_t i = 0; code == TS_OK && i < count; i++) {
        code = apply_item(&applying, &items[i], err);
    }
    if (code == TS_OK) {
        code = commit(&applying, err);
    }
    if (code != TS_OK) {
        db_rollback(journal->db);
        summer_free(applying.fresh);
        return code;
    }
    take_over(&applying);
    trim(journal);
    return TS_OK;
}
