#include "node/daemon/release.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/base/log.h"
#include "node/config/loader.h"
#include "node/control/control.h"
#include "node/register/configured.h"
#include "node/register/register.h"
#include "node/vault/keeper.h"
#include "proto/register_codec.h"

struct release {
    uint64_t epoch;
    uint8_t boot[REGISTER_ID_SIZE];
    const char *node;
    struct register_client *client;
    struct ts_arena arena;
    struct ts_slice bytes; /* as they were read */
    struct register_value value;
};

/* "EPOCH:BOOT", both as the supervisor prints them. */
static enum ts_code parse(struct release *self, const char *text,
                          struct ts_err *err)
{
    size_t digits = strspn(text, "0123456789");
    const char *boot = text + digits + (text[digits] == ':' ? 1 : 0);
    self->epoch = strtoull(text, NULL, 10);
    if (digits == 0 || digits > 18 || text[digits] != ':' ||
        strspn(boot, "0123456789abcdef") != 2 * (size_t) REGISTER_ID_SIZE ||
        boot[2 * REGISTER_ID_SIZE] != 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot release \"%.80s\": EPOCH:BOOT is expected",
                       text);
    }
    for (size_t i = 0; i < REGISTER_ID_SIZE; i++) {
        char pair[3] = { boot[2 * i], boot[2 * i + 1], 0 };
        self->boot[i] = (uint8_t) strtoul(pair, NULL, 16);
    }
    return TS_OK;
}

static enum ts_code read_value(struct release *self, struct ts_err *err)
{
    enum ts_code code =
        register_read(self->client, &self->arena, &self->bytes, err);
    if (code != TS_OK || self->bytes.size == 0) {
        return code;
    }
    return register_unpack(self->bytes, &self->arena, &self->value, err);
}

static bool is_that_lease(const struct release *self)
{
    const struct register_value *value = &self->value;
    return self->bytes.size > 0 && value->epoch == self->epoch &&
           !value->released && strcmp(value->holder, self->node) == 0 &&
           memcmp(value->boot, self->boot, sizeof self->boot) == 0;
}

static enum ts_code give_back(struct release *self, struct ts_err *err)
{
    struct ts_slice bytes;
    enum register_outcome outcome = REGISTER_SWAP_UNKNOWN;
    self->value.released = true;
    self->value.serial++;
    enum ts_code code = register_pack(&self->value, &self->arena, &bytes, err);
    if (code == TS_OK) {
        code = register_swap(self->client, self->bytes, bytes, &outcome, err);
    }
    if (code == TS_OK && outcome == REGISTER_SWAP_UNKNOWN) {
        return ts_fail(err, TS_E_TIMEOUT, 0,
                       "could not learn whether epoch %" PRIu64
                       " was released: the other node waits for the lease",
                       self->epoch);
    }
    return code;
}

enum ts_code release_lease(struct register_client *client, const char *node,
                           const char *text, bool *ret_done, struct ts_err *err)
{
    struct release *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not release a lease");
    }
    self->client = client;
    self->node = node;
    *ret_done = false;
    ts_arena_init(&self->arena, 4 * REGISTER_ARENA_SIZE);
    enum ts_code code = parse(self, text, err);
    if (code == TS_OK) {
        code = read_value(self, err);
    }
    if (code == TS_OK && is_that_lease(self)) {
        code = give_back(self, err);
        *ret_done = code == TS_OK;
    }
    ts_arena_done(&self->arena);
    free(self);
    return code;
}

int64_t release_wait_ms(const struct config *config)
{
    const struct config_lease *lease = &config->lease;
    int64_t in_any_clock =
        (int64_t) lease->margin_ms * (100 + lease->clock_error_percent) / 100;
    return config->target.fence == CONFIG_FENCE_NONE ? in_any_clock + 1 : 0;
}

static void wait_out(int64_t wait_ms)
{
    struct timespec left = { wait_ms / 1000, wait_ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static enum ts_code run(const struct config *config,
                        const struct ts_secret_keeper *secrets,
                        const char *text, struct ts_err *err)
{
    struct register_configured configured;
    struct register_client *client = NULL;
    bool done = false;
    enum ts_code code = register_options_of(config, secrets, &configured, err);
    if (code == TS_OK) {
        code = register_open(&configured.options, &client, err);
    }
    if (code == TS_OK && register_is_automatic(client)) {
        wait_out(release_wait_ms(config));
        code = release_lease(client, config->this_node, text, &done, err);
    }
    if (done) {
        ts_log(TS_LOG_INFO, "lease-released", "lease=%s", text);
    }
    register_close(client);
    register_configured_done(&configured);
    return code;
}

int release_run(const char *config_path, const char *text)
{
    struct config *config = NULL;
    struct ts_err err;
    enum ts_code code = config_load(config_path, &config, NULL, &err);
    struct keeper *keeper = NULL;
    if (code == TS_OK && config->reg != NULL) {
        code = keeper_new(config, &keeper, &err);
    }
    if (code == TS_OK && keeper != NULL) {
        code = run(config, keeper_port(keeper), text, &err);
    }
    if (code != TS_OK) {
        ts_log(TS_LOG_WARNING, "lease-not-released", "reason=\"%s\"", err.text);
    }
    keeper_free(keeper);
    config_free(config);
    return (int) control_exit_of(code);
}
