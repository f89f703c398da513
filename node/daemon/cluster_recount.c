#include "node/daemon/cluster_recount.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/time.h"
#include "node/daemon/errands.h"
#include "replication/generation.h"

struct cluster_recount {
    struct cluster_recount_options options;
    struct errands *errands;
    bool busy;
};

struct count {
    struct errand errand; /* must be first */
    struct cluster_recount *owner;
    char path[GENERATION_PATH_SIZE];
    struct cluster_recount_answer answer;
    struct ts_err err;
};

/* A test does not wait for a day: the release build has no such name. */
static int64_t hurried(int64_t ms)
{
#ifdef TS_FAILPOINTS
    const char *text = getenv("TWINSYNC_TEST_RECOUNT_MS");
    if (text != NULL) {
        return strtoll(text, NULL, 10);
    }
#endif
    return ms;
}

int64_t cluster_recount_first_ms(void)
{
    return hurried(CLUSTER_RECOUNT_FIRST_MS);
}

int64_t cluster_recount_every_ms(void)
{
    return hurried(CLUSTER_RECOUNT_EVERY_MS);
}

static void work(struct errand *errand)
{
    struct count *count = (struct count *) errand;
    const struct cluster_recount_options *options = &count->owner->options;
    struct ts_time began = ts_time_now();
    struct db db = { .handle = NULL };
    enum ts_code code = db_open_kept(count->path, DB_READ_ONLY, options->schema,
                                     &db, &count->err);
    if (code == TS_OK) {
        code = journal_verify(&db, options->tables, &count->answer.at,
                              &count->answer.rows, &count->err);
    }
    db_close(&db);
    count->answer.code = code;
    count->answer.took_ms = ts_time_now().ms - began.ms;
}

static void deliver(struct post_letter *letter)
{
    struct count *count = (struct count *) letter;
    struct cluster_recount *self = count->owner;
    self->busy = false;
    if (!count->errand.forgone) {
        count->answer.err = &count->err;
        self->options.done(self->options.context, &count->answer);
    }
    free(count);
}

static void drop(struct post_letter *letter)
{
    free(letter);
}

enum ts_code cluster_recount_new(const struct cluster_recount_options *options,
                                 struct cluster_recount **ret_recount,
                                 struct ts_err *err)
{
    struct cluster_recount *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare the recount");
    }
    self->options = *options;
    enum ts_code code =
        errands_new("recount", 1, options->post, &self->errands, err);
    if (code != TS_OK) {
        free(self);
        return code;
    }
    *ret_recount = self;
    return TS_OK;
}

void cluster_recount_free(struct cluster_recount *recount)
{
    if (recount != NULL) {
        errands_stop(recount->errands);
        errands_free(recount->errands);
        free(recount);
    }
}

bool cluster_recount_run(struct cluster_recount *recount, const char *path)
{
    struct count *count = recount->busy ? NULL : calloc(1, sizeof *count);
    if (count == NULL) {
        return false;
    }
    count->errand =
        (struct errand){ .letter = { .deliver = deliver, .drop = drop },
                         .work = work };
    count->owner = recount;
    (void) snprintf(count->path, sizeof count->path, "%s", path);
    if (errands_give(recount->errands, &count->errand) != TS_OK) {
        free(count);
        return false;
    }
    recount->busy = true;
    return true;
}
