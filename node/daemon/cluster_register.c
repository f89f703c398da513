#include "node/daemon/cluster_register.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/base/failpoint.h"
#include "node/daemon/errands.h"

struct cluster_register {
    struct cluster_register_options options;
    struct register_client *client;
    struct errands *errands;
    bool is_automatic;
    bool busy;
    bool pins; /* `pin` goes with the next call */
    char pin[REGISTER_IDENTITY_SIZE];
};

/* One call. What a read brings is in the arena. */
struct call {
    struct errand errand;
    struct cluster_register *owner;
    struct cluster_register_answer answer;
    struct ts_err err;
    struct ts_arena arena;
    struct ts_slice expected, value; /* of a swap, in `bytes` */
    bool pins;
    char pin[REGISTER_IDENTITY_SIZE];
    uint8_t bytes[];
};

static void call_free(struct call *call)
{
    ts_arena_done(&call->arena);
    free(call);
}

static void work(struct errand *errand)
{
    struct call *call = (struct call *) errand;
    struct cluster_register_answer *answer = &call->answer;
    struct register_client *client = call->owner->client;
    if (call->pins) {
        register_pin(client, call->pin);
    }
    if (!answer->was_swap) {
        answer->code =
            register_read(client, &call->arena, &answer->value, &call->err);
        return;
    }
    TS_FAILPOINT(SWAP_BEFORE_SEND);
    answer->code = register_swap(client, call->expected, call->value,
                                 &answer->outcome, &call->err);
    TS_FAILPOINT(SWAP_ANSWERED);
}

static void deliver(struct post_letter *letter)
{
    struct call *call = (struct call *) letter;
    struct cluster_register *self = call->owner;
    if (call->errand.forgone) {
        call->answer.code = ts_fail(&call->err, TS_E_CANCELLED, 0,
                                    "could not ask the register because the "
                                    "daemon is stopping");
    }
    call->answer.err = &call->err;
    self->busy = false;
    self->options.answered(self->options.context, &call->answer);
    call_free(call);
}

static void drop(struct post_letter *letter)
{
    call_free((struct call *) letter);
}

enum ts_code
cluster_register_new(const struct cluster_register_options *options,
                     struct cluster_register **ret_register, struct ts_err *err)
{
    struct cluster_register *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not open the register");
    }
    self->options = *options;
    enum ts_code code = register_open(options->driver, &self->client, err);
    if (code == TS_OK) {
        self->is_automatic = register_is_automatic(self->client);
        code = errands_new("register", 1, options->post, &self->errands, err);
    }
    if (code != TS_OK) {
        cluster_register_free(self);
        return code;
    }
    *ret_register = self;
    return TS_OK;
}

static enum ts_code give(struct cluster_register *self, struct call *call)
{
    call->errand =
        (struct errand){ .letter = { .deliver = deliver, .drop = drop },
                         .work = work };
    call->owner = self;
    call->pins = self->pins;
    memcpy(call->pin, self->pin, sizeof call->pin);
    ts_arena_init(&call->arena, 2 * REGISTER_VALUE_MAX);
    enum ts_code code = errands_give(self->errands, &call->errand);
    if (code != TS_OK) {
        call_free(call);
        return code;
    }
    self->busy = true;
    self->pins = false;
    return TS_OK;
}

void cluster_register_pin(struct cluster_register *self,
                          struct ts_slice identity)
{
    size_t size =
        identity.size < sizeof self->pin ? identity.size : sizeof self->pin - 1;
    if (size > 0) {
        memcpy(self->pin, identity.data, size);
    }
    self->pin[size] = 0;
    self->pins = true;
}

enum ts_code cluster_register_read(struct cluster_register *self)
{
    if (self->busy) {
        return TS_E_LIMIT;
    }
    struct call *call = calloc(1, sizeof *call);
    return call == NULL ? TS_E_NOMEM : give(self, call);
}

enum ts_code cluster_register_swap(struct cluster_register *self,
                                   struct ts_slice expected,
                                   struct ts_slice value)
{
    if (self->busy || expected.size > REGISTER_VALUE_MAX ||
        value.size > REGISTER_VALUE_MAX) {
        return TS_E_LIMIT;
    }
    struct call *call = calloc(1, sizeof *call + expected.size + value.size);
    if (call == NULL) {
        return TS_E_NOMEM;
    }
    call->answer.was_swap = true;
    call->expected = (struct ts_slice){ call->bytes, expected.size };
    call->value = (struct ts_slice){ call->bytes + expected.size, value.size };
    if (expected.size > 0) {
        memcpy(call->bytes, expected.data, expected.size);
    }
    memcpy(call->bytes + expected.size, value.data, value.size);
    return give(self, call);
}

bool cluster_register_busy(const struct cluster_register *self)
{
    return self->busy;
}

bool cluster_register_is_automatic(const struct cluster_register *self)
{
    return self->is_automatic;
}

void cluster_register_stop(struct cluster_register *self)
{
    register_cancel(self->client);
    errands_stop(self->errands);
}

void cluster_register_free(struct cluster_register *self)
{
    if (self == NULL) {
        return;
    }
    if (self->errands != NULL) {
        cluster_register_stop(self);
        errands_free(self->errands);
    }
    register_close(self->client);
    free(self);
}
