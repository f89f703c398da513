#include "replication/shipper.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "node/base/queue.h"

/* A job and what it needs to have of its own. */
struct order {
    bool opens; /* not a job: the state is now at `path` */
    struct ship_job job;
    char *path;
    uint8_t *bytes;             /* of job.packed or job.offer.hashes */
    struct ship_result *result; /* taken beforehand: a job is always answered */
};

struct shipper {
    struct ship *ship;
    struct ts_queue *orders, *results;
    int fd;
    pthread_t thread;
    bool runs;
    struct ts_err opening; /* of the last shipper_open() */
};

void shipper_result_free(struct ship_result *result)
{
    if (result != NULL) {
        ship_result_done(result);
        free(result);
    }
}

static void free_order(void *item)
{
    struct order *order = item;
    if (order != NULL) {
        free(order->path);
        free(order->bytes);
        shipper_result_free(order->result);
        free(order);
    }
}

static void free_result(void *item)
{
    shipper_result_free(item);
}

/* ---- the thread --------------------------------------------------------- */

static bool needs_state(enum ship_type type)
{
    return type == SHIP_FIND || type == SHIP_READ || type == SHIP_BUILD ||
           type == SHIP_HINTS;
}

static void run_order(struct shipper *shipper, struct order *order)
{
    if (order->opens) {
        shipper->opening.code = TS_OK;
        enum ts_code code =
            ship_open(shipper->ship, order->path, &shipper->opening);
        shipper->opening.code = code;
        return;
    }
    struct ship_result *result = order->result;
    order->result = NULL;
    ship_run(shipper->ship, &order->job, result);
    if (needs_state(order->job.type) && result->err.code == TS_E_NOT_FOUND &&
        shipper->opening.code != TS_OK) {
        result->err = shipper->opening; /* why there is none */
    }
    if (ts_queue_push(shipper->results, result, TS_NEVER) != TS_OK) {
        shipper_result_free(result);
    }
}

static void *run(void *context)
{
    struct shipper *shipper = context;
    struct order *order = NULL;
    while ((order = ts_queue_pop(shipper->orders, TS_NEVER)) != NULL) {
        run_order(shipper, order);
        free_order(order);
    }
    return NULL;
}

/* ---- starting and stopping ---------------------------------------------- */

static enum ts_code start(struct shipper *shipper, struct ts_err *err)
{
    shipper->orders = ts_queue_new(SHIPPER_DEPTH, free_order);
    shipper->results = ts_queue_new(2 * SHIPPER_DEPTH, free_result);
    shipper->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (shipper->orders == NULL || shipper->results == NULL ||
        shipper->fd < 0) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start replication");
    }
    ts_queue_notify(shipper->results, shipper->fd);
    if (pthread_create(&shipper->thread, NULL, run, shipper) != 0) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not start a thread for replication");
    }
    shipper->runs = true;
    return TS_OK;
}

enum ts_code shipper_new(const struct ship_options *options,
                         struct shipper **ret_shipper, struct ts_err *err)
{
    struct shipper *shipper = calloc(1, sizeof *shipper);
    if (shipper == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start replication");
    }
    shipper->fd = -1;
    enum ts_code code = ship_new(options, &shipper->ship, err);
    if (code == TS_OK) {
        code = start(shipper, err);
    }
    if (code != TS_OK) {
        shipper_free(shipper);
        return code;
    }
    *ret_shipper = shipper;
    return TS_OK;
}

void shipper_free(struct shipper *shipper)
{
    if (shipper == NULL) {
        return;
    }
    if (shipper->runs) {
        struct order *order = NULL;
        ts_queue_close(shipper->orders);
        ts_queue_close(shipper->results);
        while ((order = ts_queue_pop(shipper->orders,
                                     (struct ts_time){ .ms = 0 })) != NULL) {
            free_order(order);
        }
        (void) pthread_join(shipper->thread, NULL);
    }
    ts_queue_free(shipper->orders);
    ts_queue_free(shipper->results);
    ship_free(shipper->ship);
    if (shipper->fd >= 0) {
        (void) close(shipper->fd);
    }
    free(shipper);
}

int shipper_fd(const struct shipper *shipper)
{
    return shipper->fd;
}

/* ---- orders ------------------------------------------------------------- */

static enum ts_code push(struct shipper *shipper, struct order *order,
                         struct ts_err *err)
{
    enum ts_code code =
        ts_queue_push(shipper->orders, order, (struct ts_time){ .ms = 0 });
    if (code != TS_OK) {
        free_order(order);
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not order work for replication: %d orders wait",
                       SHIPPER_DEPTH);
    }
    return TS_OK;
}

static enum ts_code no_memory(struct order *order, struct ts_err *err)
{
    free_order(order);
    return ts_fail(err, TS_E_NOMEM, 0, "could not order work for replication");
}

enum ts_code shipper_open(struct shipper *shipper, const char *path,
                          struct ts_err *err)
{
    struct order *order = calloc(1, sizeof *order);
    if (order == NULL) {
        return no_memory(order, err);
    }
    order->opens = true;
    order->path = path == NULL ? NULL : strdup(path);
    return order->path == NULL && path != NULL ? no_memory(order, err)
                                               : push(shipper, order, err);
}

/* A copy of what `slice` borrows; a job has one slice at most. */
static bool own(struct order *order, struct ts_slice *slice)
{
    if (slice->size > 0) {
        order->bytes = malloc(slice->size);
        if (order->bytes == NULL) {
            return false;
        }
        memcpy(order->bytes, slice->data, slice->size);
    }
    slice->data = order->bytes;
    return true;
}

enum ts_code shipper_give(struct shipper *shipper, const struct ship_job *job,
                          struct ts_err *err)
{
    struct order *order = calloc(1, sizeof *order);
    if (order == NULL) {
        return no_memory(order, err);
    }
    order->job = *job;
    order->result = calloc(1, sizeof *order->result);
    struct ts_slice *slice =
        job->type == SHIP_BEGIN ? &order->job.offer.hashes : &order->job.packed;
    return order->result != NULL && own(order, slice)
               ? push(shipper, order, err)
               : no_memory(order, err);
}

struct ship_result *shipper_take(struct shipper *shipper)
{
    struct ship_result *result =
        ts_queue_pop(shipper->results, (struct ts_time){ .ms = 0 });
    if (result == NULL) {
        uint64_t count = 0;
        ssize_t got = read(shipper->fd, &count, sizeof count);
        (void) got; /* EAGAIN: it was read before */
        /* What came between the two is not lost. */
        result = ts_queue_pop(shipper->results, (struct ts_time){ .ms = 0 });
    }
    return result;
}
