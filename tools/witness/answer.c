#include "tools/witness/answer.h"

#include <assert.h>

#include "node/base/failpoint.h"
#include "node/register/cell.h"
#include "node/register/machine.h"

struct place {
    char cluster[WITNESS_CLUSTER_MAX + 1];
    struct register_cell *cell;
};

struct answerer {
    const struct witness_state *state;
    uint8_t machine[REGISTER_MACHINE_SIZE];
    bool has_machine;
    struct place places[WITNESS_CLUSTERS_MAX];
    size_t places_count;
    struct ts_arena arena; /* of one request and its reply */
};

enum ts_code answerer_new(const struct witness_state *state,
                          struct answerer **ret_answerer, struct ts_err *err)
{
    struct answerer *answerer = calloc(1, sizeof *answerer);
    if (answerer == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not begin to serve");
    }
    answerer->state = state;
    answerer->has_machine = register_machine_id(answerer->machine);
    ts_arena_init(&answerer->arena, WITNESS_ARENA_MAX + WITNESS_MESSAGE_MAX);
    *ret_answerer = answerer;
    return TS_OK;
}

void answerer_free(struct answerer *answerer)
{
    if (answerer == NULL) {
        return;
    }
    for (size_t i = 0; i < answerer->places_count; i++) {
        register_cell_close(answerer->places[i].cell);
    }
    ts_arena_done(&answerer->arena);
    free(answerer);
}

/* The cell of `cluster`, opened at its first request. A damaged one is looked
 * at again with each request, so that a repair needs no restart. */
static enum ts_code find_cell(struct answerer *answerer, const char *cluster,
                              struct register_cell **ret_cell,
                              struct ts_err *err)
{
    for (size_t i = 0; i < answerer->places_count; i++) {
        if (strcmp(answerer->places[i].cluster, cluster) == 0) {
            *ret_cell = answerer->places[i].cell;
            return TS_OK;
        }
    }
    if (answerer->places_count == WITNESS_CLUSTERS_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot serve cluster %s: %d others are served here",
                       cluster, WITNESS_CLUSTERS_MAX);
    }
    char path[WITNESS_PATH_MAX + 100];
    struct place *place = &answerer->places[answerer->places_count];
    witness_state_cell(answerer->state, cluster, path);
    enum ts_code code = register_cell_open(path, &place->cell, err);
    if (code == TS_OK) {
        (void) snprintf(place->cluster, sizeof place->cluster, "%s", cluster);
        answerer->places_count++;
        *ret_cell = place->cell;
    }
    return code;
}

static void refuse(struct witness_reply *reply, enum witness_status status,
                   struct ts_err *err)
{
    /* A reply's text is ASCII: a path may hold anything. */
    for (char *c = err->text; *c != 0; c++) {
        *c = *c < 0x20 || *c > 0x7e ? '?' : *c;
    }
    reply->status = status;
    reply->text = ts_slice_str(err->text);
}

static void serve(struct register_cell *cell,
                  const struct witness_request *request,
                  struct witness_reply *reply, struct ts_err *err)
{
    if (request->verb == WITNESS_READ) {
        reply->status = WITNESS_VALUE;
        if (register_cell_read(cell, &reply->value, err) != TS_OK) {
            refuse(reply, WITNESS_REFUSED, err);
        }
        return;
    }
    enum register_outcome outcome = REGISTER_SWAP_UNKNOWN;
    TS_FAILPOINT(WITNESS_RECEIVED);
    enum ts_code code = register_cell_swap(cell, request->expected,
                                           request->value, &outcome, err);
    if (code != TS_OK) {
        refuse(reply, WITNESS_REFUSED, err);
    } else if (outcome == REGISTER_SWAP_UNKNOWN) {
        refuse(reply, WITNESS_UNKNOWN, err);
    } else {
        reply->status =
            outcome == REGISTER_SWAP_DONE ? WITNESS_DONE : WITNESS_LOST;
    }
}

static void judge(struct answerer *answerer, const char *cluster,
                  const struct witness_request *request,
                  struct witness_reply *reply, struct ts_err *err)
{
    struct register_cell *cell = NULL;
    if (request->server.size > 0 &&
        !ts_slice_equal(request->server, reply->identity)) {
        reply->status = WITNESS_OTHER;
        return;
    }
    if (!ts_slice_equal(request->cluster, ts_slice_str(cluster))) {
        (void) ts_fail(err, TS_E_AUTH, 0,
                       "cannot serve cluster %s to a node that is admitted "
                       "for cluster %s",
                       (const char *) request->cluster.data, cluster);
        refuse(reply, WITNESS_REFUSED, err);
        return;
    }
    enum ts_code code = find_cell(answerer, cluster, &cell, err);
    if (code == TS_E_CORRUPT) {
        (void) ts_fail(err, code, 0,
                       "cannot serve cluster %s: its stored value is damaged, "
                       "and nothing is served before twinsync-witness "
                       "--repair %s --reason TEXT has put it aside",
                       cluster, cluster);
    }
    if (code != TS_OK) {
        refuse(reply, WITNESS_REFUSED, err);
        return;
    }
    serve(cell, request, reply, err);
}

struct ts_slice answer_request(struct answerer *answerer, const char *cluster,
                               struct ts_slice request, struct ts_err *err)
{
    struct witness_request asked;
    *err = (struct ts_err){ .code = TS_OK };
    ts_arena_reset(&answerer->arena);
    if (witness_request_unpack(request, &answerer->arena, &asked, err) !=
        TS_OK) {
        return TS_SLICE_NONE;
    }
    struct witness_reply reply = {
        .number = asked.number,
        .identity = ts_slice(answerer->state->identity, WITNESS_IDENTITY_SIZE),
        .machine =
            ts_slice(answerer->machine,
                     answerer->has_machine ? sizeof answerer->machine : 0),
    };
    judge(answerer, cluster, &asked, &reply, err);
    struct ts_slice bytes = TS_SLICE_NONE;
    struct ts_err why;
    if (witness_reply_pack(&reply, &answerer->arena, &bytes, &why) != TS_OK) {
        *err = why;
        return TS_SLICE_NONE;
    }
    return bytes;
}
