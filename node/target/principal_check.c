/* What `twinsync check` says about the fence. */
#include <stdio.h>

#include "node/target/principal_private.h"

static const char *keep(struct ts_arena *arena, const char *text)
{
    const struct ts_slice copy = ts_arena_copy(arena, ts_slice_str(text));
    return copy.data == NULL ? "out of memory" : (const char *) copy.data;
}

static struct target_finding unfenced(void)
{
    return (struct target_finding){
        .name = "unfenced",
        .ok = true,
        .value = "nothing revokes the credential of a node that was taken over "
                 "from: only its lease keeps that node from writing, and I1 "
                 "and I2 are not claimed for this target",
    };
}

static struct target_finding probed(const struct config_target *target,
                                    struct principal_keeper *keeper,
                                    struct ts_arena *arena)
{
    struct ts_err err = { .text = "" };
    enum ts_code rc = principal_probe(keeper, &err);
    bool by_command = principal_kind(target) == REGISTER_KIND_EXEC;
    if (rc == TS_OK) {
        return (struct target_finding){
            .name = by_command ? "fence-command" : "registration",
            .ok = true,
            .value = by_command ? "it answers a probe"
                                : "a client can be registered for each epoch",
        };
    }
    bool unreachable =
        !by_command && (rc == TS_E_UNREACHABLE || rc == TS_E_TIMEOUT);
    return (struct target_finding){
        .name = unreachable  ? "reachable"
                : by_command ? "fence-command"
                             : "registration",
        .ok = false,
        .value = keep(arena, err.text),
        .fix = by_command
                   ? "run the command with TWINSYNC_FENCE_ACTION=probe: it has "
                     "to end with status 0"
                   : "check registration: url and token-file; without it no "
                     "node can take over",
    };
}

/* What is left as evidence when a fence is resumed without its canary. */
static struct target_finding evidence(const struct config_target *target)
{
    bool offered = target->oauth->registration->introspection_url != NULL;
    return (struct target_finding){
        .name = "evidence",
        .ok = true,
        .value = offered
                     ? "refusals (401) at the target, introspection, and the "
                       "end of the recorded tokens"
                     : "refusals (401) at the target, and the end of the "
                       "recorded tokens",
    };
}

size_t principal_check(const struct config_target *target,
                       const struct ts_secret_keeper *secrets,
                       struct ts_arena *arena,
                       struct target_finding findings[static 2])
{
    const struct seal_key key = { { 0 } }; /* nothing is sealed */
    const struct principal_options options = {
        .target = target,
        .cluster = "check",
        .node = "check",
        .boot_id = "check",
        .key = &key,
        .secrets = secrets,
    };
    struct principal_keeper *keeper = NULL;
    struct ts_err err;

    if (principal_kind(target) == REGISTER_KIND_NONE) {
        findings[0] = unfenced();
        return 1;
    }
    if (principal_open(&options, &keeper, &err) != TS_OK) {
        findings[0] = (struct target_finding){ .name = "configuration",
                                               .value = keep(arena, err.text) };
        return 1;
    }
    findings[0] = probed(target, keeper, arena);
    principal_close(keeper);
    if (principal_kind(target) != REGISTER_KIND_OAUTH) {
        return 1;
    }
    findings[1] = evidence(target);
    return 2;
}
