#include "node/target/scim/scim.h"

#include <stdlib.h>

#define USER_AGENT "twinsync/" TS_VERSION

/* -- open and close -------------------------------------------------------- */

static void scim_close(struct target *target)
{
    struct scim *scim = scim_of(target);
    scim_finish_starved(scim);
    scim_finish_queue(scim, TARGET_STOPPED,
                      "could not send: the connection to the service closed");
    ts_http_free(scim->http);
    /* A read that was cut off may have gone back into the queue. */
    scim_finish_queue(scim, TARGET_STOPPED,
                      "could not send: the connection to the service closed");
    oauth_free(scim->oauth);
    scim_sends_free(scim);
    scim_schema_done(&scim->schema);
    free(scim->url);
    free(scim);
}

static enum ts_code check_urls(const struct config_target *config,
                               struct ts_err *err)
{
    enum ts_code rc =
        ts_http_check_url(config->url, config->allow_plaintext_loopback, err);
    if (rc == TS_OK && config->oauth != NULL) {
        rc = ts_http_check_url(config->oauth->token_url,
                               config->allow_plaintext_loopback, err);
    }
    return rc;
}

static enum ts_code open_parts(struct scim *scim, struct ts_err *err)
{
    const struct config_target *config = scim->options.config;
    const struct ts_http_options http = {
        .ca_file = config->tls.ca_file,
        .certificate_file = config->tls.certificate_file,
        .key_file = config->tls.key_file,
        .user_agent = USER_AGENT,
        .allow_plaintext = config->allow_plaintext_loopback,
        .connections_max = config->connections_max,
        .gate = { scim->options.gate.may_export,
                  scim->options.gate.remaining_ms, scim->options.gate.tick,
                  scim->options.gate.context },
    };
    enum ts_code rc = ts_http_new(&http, &scim->http, err);
    if (rc != TS_OK) {
        return rc;
    }
    const struct oauth_options oauth = {
        .config = config->oauth,
        .token_file = config->token_file,
        .secrets = scim->options.secrets,
        .principal = scim->options.principal,
        .token = scim->options.token,
        .http = scim->http,
        .timeout_ms = (int64_t) config->request_timeout_seconds * 1000,
    };
    scim->oauth = oauth_new(&oauth);
    scim->url = strdup(config->url);
    if (scim->oauth == NULL || scim->url == NULL ||
        !scim_schema_init(&scim->schema)) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not open the target: out of memory");
    }
    for (size_t n = strlen(scim->url); n > 0 && scim->url[n - 1] == '/'; n--) {
        scim->url[n - 1] = '\0';
    }
    return TS_OK;
}

static enum ts_code scim_open(const struct target_options *options,
                              struct target **ret_target, struct ts_err *err)
{
    enum ts_code rc = check_urls(options->config, err);
    if (rc != TS_OK) {
        return rc;
    }
    struct scim *scim = calloc(1, sizeof *scim);
    if (scim == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not open the target: out of memory");
    }
    scim->base.connector = &target_scim;
    scim->options = *options;
    scim->queue_end = &scim->queue;
    pace_init(&scim->pace, options->config->connections_max, 1);
    rc = open_parts(scim, err);
    if (rc != TS_OK) {
        scim_close(&scim->base);
        return rc;
    }
    *ret_target = &scim->base;
    return TS_OK;
}

/* -- operations ------------------------------------------------------------ */

static enum ts_code scim_limits(struct target *target,
                                struct target_limits *ret_limits,
                                struct ts_err *err)
{
    struct scim *scim = scim_of(target);
    enum ts_code rc = scim_discover(scim, err);
    if (rc == TS_OK) {
        *ret_limits = (struct target_limits){
            .links_max = SCIM_LINKS_PER_OPERATION,
            .etag = scim->schema.etag,
            .patch = scim->schema.patch,
            .bulk = scim->pace.bundle_max > 1,
        };
    }
    return rc;
}

/* "manager" is our short name of a path that nobody types. */
static enum ts_code scim_describe(const struct target *target,
                                  enum config_kind kind, const char *path,
                                  struct target_attribute *ret,
                                  struct ts_err *err)
{
    const struct scim *scim = (const struct scim *) (const void *) target;
    const struct scim_attribute *row;
    struct scim_path parsed;
    enum ts_code rc = scim_path_parse(ts_slice_str(path), &parsed, err);
    if (rc == TS_OK) {
        rc = scim_schema_lookup(&scim->schema, kind, &parsed, &row, err);
    }
    if (rc == TS_OK) {
        *ret = (struct target_attribute){
            .kind = row->value,
            .multi_valued = row->multi_valued && row->sub[0] == '\0',
            .unique = row->unique,
            .case_exact = row->case_exact,
            .required = row->required,
        };
    }
    return rc;
}

static void scim_submit(struct target *target, struct target_op *op)
{
    struct scim *scim = scim_of(target);
    struct scim_task *task = scim_task_new(op);
    if (task == NULL) {
        scim_starve(scim, op);
    } else {
        scim_queue_last(scim, task);
    }
}

static size_t scim_pending(const struct target *target)
{
    const struct scim *scim = (const struct scim *) (const void *) target;
    return scim->queue_count + scim->sending + scim->starved_count;
}

static size_t scim_appetite(const struct target *target)
{
    const struct scim *scim = (const struct scim *) (const void *) target;
    size_t want = pace_backlog(&scim->pace);
    want = want < SCIM_PENDING_MIN   ? SCIM_PENDING_MIN
           : want > SCIM_PENDING_MAX ? SCIM_PENDING_MAX
                                     : want;
    size_t have = scim->queue_count + scim->sending;
    return have < want ? want - have : 0;
}

/* Without discovery nothing is sent: what the service can do decides how. */
static bool discover_first(struct scim *scim)
{
    struct ts_err err;
    if (scim->discovered || scim->queue_count == 0) {
        return true;
    }
    enum ts_code rc = scim_discover(scim, &err);
    if (rc == TS_OK) {
        return true;
    }
    scim_finish_queue(scim,
                      rc == TS_E_AUTH        ? TARGET_DENIED
                      : rc == TS_E_CANCELLED ? TARGET_STOPPED
                                             : TARGET_LATER,
                      err.text);
    return false;
}

static void scim_run(struct target *target, int wake_fd,
                     struct ts_time deadline)
{
    struct scim *scim = scim_of(target);
    scim->finished = 0;
    scim_finish_starved(scim);
    for (;;) {
        if (ts_http_cancelled(scim->http)) {
            scim_finish_queue(scim, TARGET_STOPPED,
                              "could not send: cancelled");
        } else if (discover_first(scim)) {
            scim_dispatch(scim);
        }
        if (scim->finished > 0) {
            deadline = ts_time_now(); /* one look, no wait */
        }
        struct ts_time until = deadline;
        if (scim->queue_count > 0 && scim->pace.not_before.ms < until.ms &&
            !ts_time_reached(ts_time_now(), scim->pace.not_before)) {
            until = scim->pace.not_before;
        }
        size_t ended = ts_http_run(scim->http, wake_fd, until);
        struct ts_time now = ts_time_now();
        bool woken = ended == 0 && !ts_time_reached(now, until);
        if (scim->finished > 0 || woken || ts_time_reached(now, deadline)) {
            return;
        }
    }
}

static void scim_cancel(struct target *target)
{
    ts_http_cancel(scim_of(target)->http);
}

static void scim_resume(struct target *target)
{
    ts_http_resume(scim_of(target)->http);
}

const struct target_connector target_scim = {
    .open = scim_open,
    .close = scim_close,
    .discover = scim_limits,
    .describe = scim_describe,
    .submit = scim_submit,
    .appetite = scim_appetite,
    .pending = scim_pending,
    .run = scim_run,
    .enumerate = scim_enumerate,
    .cancel = scim_cancel,
    .resume = scim_resume,
    .check = scim_check,
};
