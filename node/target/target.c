/* Dispatch from target.h to the connector of the configured type. */
#include "node/target/connector.h"

static const struct target_connector *const connectors[] = {
    [CONFIG_TARGET_SCIM] = &target_scim,
};

enum ts_code target_open(const struct target_options *options,
                         struct target **ret_target, struct ts_err *err)
{
    return connectors[options->config->type]->open(options, ret_target, err);
}

void target_close(struct target *target)
{
    if (target != NULL) {
        target->connector->close(target);
    }
}

enum ts_code target_discover(struct target *target,
                             struct target_limits *ret_limits,
                             struct ts_err *err)
{
    return target->connector->discover(target, ret_limits, err);
}

enum ts_code target_describe(const struct target *target, enum config_kind kind,
                             const char *path, struct target_attribute *ret,
                             struct ts_err *err)
{
    return target->connector->describe(target, kind, path, ret, err);
}

void target_submit(struct target *target, struct target_op *op)
{
    target->connector->submit(target, op);
}

size_t target_appetite(const struct target *target)
{
    return target->connector->appetite(target);
}

size_t target_pending(const struct target *target)
{
    return target->connector->pending(target);
}

void target_run(struct target *target, int wake_fd, struct ts_time deadline)
{
    target->connector->run(target, wake_fd, deadline);
}

enum ts_code target_enumerate(struct target *target, enum config_kind kind,
                              target_sink_fn *sink, void *context,
                              struct ts_err *err)
{
    return target->connector->enumerate(target, kind, sink, context, err);
}

void target_cancel(struct target *target)
{
    target->connector->cancel(target);
}

void target_resume(struct target *target)
{
    target->connector->resume(target);
}

size_t target_check(struct target *target, struct ts_arena *arena,
                    struct target_finding findings[static TARGET_FINDINGS_MAX])
{
    return target->connector->check(target, arena, findings);
}
