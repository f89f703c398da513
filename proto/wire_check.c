#include "proto/wire_check.h"

#include "node/base/entry.h"

/* The first broken rule is told; the checks after it do nothing. */
struct check {
    const char *kind;
    enum ts_code code, failure; /* what broke rules become; TS_OK so far */
    struct ts_err *err;
};

static void number(struct check *c, const char *field, int64_t value)
{
    if (c->code == TS_OK && value < 0) {
        c->code = ts_fail(c->err, c->failure, 0,
                          "the %s's %s is below 0 or not a number of 63 bits",
                          c->kind, field);
    }
}

static void at_most(struct check *c, const char *field, uint64_t value,
                    uint64_t max)
{
    if (c->code == TS_OK && value > max) {
        c->code = ts_fail(c->err, c->failure, 0,
                          "the %s's %s is %llu, more than %llu", c->kind, field,
                          (unsigned long long) value, (unsigned long long) max);
    }
}

static void text(struct check *c, const char *field, const char *value,
                 size_t max)
{
    if (c->code != TS_OK) {
        return;
    }
    size_t size = value == NULL ? max + 1 : strnlen(value, max + 1);
    if (size > max) {
        c->code = ts_fail(c->err, c->failure, 0,
                          "the %s's %s is missing or longer than %zu bytes",
                          c->kind, field, max);
    } else if (size > 0 &&
               ts_kind_of_bytes(ts_slice(value, size)) != TS_KIND_TEXT) {
        c->code = ts_fail(c->err, c->failure, 0,
                          "the %s's %s is not UTF-8 text", c->kind, field);
    }
}

/* Named like a node or a source: what a log line may show as it is. */
static void name(struct check *c, const char *field, const char *value)
{
    text(c, field, value, WIRE_NAME_MAX);
    for (const char *at = value; c->code == TS_OK && *at != '\0'; at++) {
        if ((unsigned char) *at <= ' ' || *at == 0x7f) {
            c->code = ts_fail(c->err, c->failure, 0,
                              "the %s's %s has a blank or control character",
                              c->kind, field);
        }
    }
    if (c->code == TS_OK && value[0] == '\0') {
        c->code = ts_fail(c->err, c->failure, 0, "the %s's %s is empty",
                          c->kind, field);
    }
}

static void known(struct check *c, const char *field, struct wire_id id)
{
    if (c->code == TS_OK && wire_id_is_zero(id)) {
        c->code = ts_fail(c->err, c->failure, 0, "the %s's %s is missing",
                          c->kind, field);
    }
}

static void position(struct check *c, const struct wire_position *at)
{
    number(c, "generation", at->generation);
    number(c, "position's epoch", at->epoch);
    number(c, "seq", at->seq);
    at_most(c, "level", at->level, WIRE_LEVEL_MAX);
}

/* ---- one a body --------------------------------------------------------- */

static void check_hello(struct check *c, const struct wire_hello *m)
{
    text(c, "release", m->release, WIRE_NAME_MAX);
    at_most(c, "level_max", m->level_max, WIRE_LEVEL_MAX);
}

static void check_heartbeat(struct check *c, const struct wire_heartbeat *m)
{
    at_most(c, "role", m->role, 255);
    position(c, &m->position);
    at_most(c, "level", m->level, WIRE_LEVEL_MAX);
    at_most(c, "level_max", m->level_max, WIRE_LEVEL_MAX);
    number(c, "register_age_ms", m->register_age_ms);
    /* Sent with 1 added, so that "never" is the default. */
    number(c, "heard_ms", m->heard_ms == -1 ? 0 : m->heard_ms);
    at_most(c, "heard_ms", (uint64_t) m->heard_ms + 1, INT64_MAX);
}

static void check_heartbeat_reply(struct check *c,
                                  const struct wire_heartbeat_reply *m)
{
    (void) c; /* any number is one */
    (void) m;
}

static void check_promise(struct check *c, const struct wire_promise *m)
{
    number(c, "epoch", m->epoch);
    number(c, "membership", m->membership);
    known(c, "boot", m->boot);
    known(c, "nonce", m->nonce);
}

static void check_promise_request(struct check *c, const struct wire_promise *m)
{
    check_promise(c, m);
}

static void check_promise_grant(struct check *c, const struct wire_promise *m)
{
    check_promise(c, m);
}

static void check_promise_refusal(struct check *c,
                                  const struct wire_promise_refusal *m)
{
    check_promise(c, &m->request);
    text(c, "text", m->text, WIRE_TEXT_MAX);
}

static void check_follow_from(struct check *c, const struct wire_follow_from *m)
{
    position(c, &m->position);
    at_most(c, "credit", m->credit, INT64_MAX);
    at_most(c, "level_max", m->level_max, WIRE_LEVEL_MAX);
}

static void check_row(struct check *c, const struct wire_row *row)
{
    number(c, "generation", row->generation);
    number(c, "epoch", row->epoch);
    number(c, "seq", row->seq);
    number(c, "at", row->at);
    at_most(c, "level", row->level, WIRE_LEVEL_MAX);
    at_most(c, "size", row->size, WIRE_CHANGESET_MAX);
    at_most(c, "offset", row->offset, row->size);
    at_most(c, "changeset", row->changeset.size, row->size - row->offset);
    if (c->code == TS_OK && row->is_mark != (row->changeset.size == 0)) {
        c->code = ts_fail(c->err, c->failure, 0,
                          "the %s's changeset is empty, or that of a mark is "
                          "not",
                          c->kind);
    }
    if (c->code == TS_OK && row->is_mark && row->size > 0) {
        c->code =
            ts_fail(c->err, c->failure, 0, "the %s's mark has a size", c->kind);
    }
}

static void check_rows(struct check *c, const struct wire_rows *m)
{
    at_most(c, "count", m->count, WIRE_ROWS_MAX);
    for (size_t i = 0; c->code == TS_OK && i < m->count; i++) {
        check_row(c, &m->rows[i]);
    }
    position(c, &m->leader);
}

static void check_applied(struct check *c, const struct wire_applied *m)
{
    position(c, &m->position);
    at_most(c, "received", m->received, INT64_MAX);
    at_most(c, "consumed", m->consumed, m->received);
}

static void check_diverged(struct check *c, const struct wire_diverged *m)
{
    at_most(c, "why", m->why, WIRE_DIVERGENCES - 1);
    position(c, &m->fork);
}

static void check_snapshot_offer(struct check *c,
                                 const struct wire_snapshot_offer *m)
{
    known(c, "id", m->id);
    position(c, &m->position);
    at_most(c, "number of chunks", m->chunk_count, WIRE_CHUNKS_MAX);
    uint64_t room = (uint64_t) WIRE_CHUNK_SIZE * m->chunk_count;
    if (c->code == TS_OK && (m->file_size == 0 || m->file_size > room ||
                             m->file_size + WIRE_CHUNK_SIZE <= room)) {
        c->code = ts_fail(c->err, c->failure, 0,
                          "the %s's %llu bytes are not %zu chunks of %zu",
                          c->kind, (unsigned long long) m->file_size,
                          m->chunk_count, WIRE_CHUNK_SIZE);
    }
}

static void check_snapshot_want(struct check *c,
                                const struct wire_snapshot_want *m)
{
    at_most(c, "index", m->index, WIRE_CHUNKS_MAX);
    at_most(c, "credit", m->credit, WIRE_CHUNKS_MAX);
}

static void check_snapshot_chunk(struct check *c,
                                 const struct wire_snapshot_chunk *m)
{
    known(c, "id", m->id);
    at_most(c, "index", m->index, WIRE_CHUNKS_MAX - 1);
    at_most(c, "raw_size", m->raw_size, WIRE_CHUNK_SIZE);
    at_most(c, "data", m->data.size, WIRE_CHUNK_MAX);
    if (c->code == TS_OK && m->data.size == 0) {
        c->code =
            ts_fail(c->err, c->failure, 0, "the %s's data is empty", c->kind);
    }
}

static void check_tail(struct check *c, const struct wire_tail *m)
{
    number(c, "epoch", m->epoch);
    known(c, "boot", m->boot);
    at_most(c, "index", m->index, WIRE_TAILS_MAX);
    at_most(c, "count", m->count, WIRE_HINTS_MAX);
    for (size_t i = 0; c->code == TS_OK && i < m->count; i++) {
        const struct wire_hint *hint = &m->hints[i];
        at_most(c, "kind", hint->kind, 255);
        at_most(c, "anchor", hint->anchor.size, WIRE_KEY_MAX);
    }
}

static void check_tail_taken(struct check *c, const struct wire_tail_taken *m)
{
    at_most(c, "index", m->index, WIRE_TAILS_MAX);
}

static void check_refused(struct check *c, const struct wire_refused *m)
{
    at_most(c, "code", m->refusal, WIRE_REFUSALS - 1);
    at_most(c, "about", m->about, WIRE_KINDS_COUNT - 1);
    text(c, "text", m->text, WIRE_TEXT_MAX);
}

static void check_secret(struct check *c, const struct wire_secret *m)
{
    text(c, "name", m->name, WIRE_SECRET_NAME);
    at_most(c, "sealed", m->sealed.size, WIRE_SECRET_MAX);
    if (c->code == TS_OK && (m->name[0] == '\0' || m->sealed.size == 0)) {
        c->code = ts_fail(c->err, c->failure, 0,
                          "the %s's name or content is empty", c->kind);
    }
}

static void check_secret_kept(struct check *c, const struct wire_secret_kept *m)
{
    text(c, "name", m->name, WIRE_SECRET_NAME);
    at_most(c, "outcome", m->outcome, WIRE_SECRET_OUTCOMES - 1);
    text(c, "text", m->text, WIRE_TEXT_MAX);
}

static void check_preflight_ask(struct check *c,
                                const struct wire_preflight_ask *m)
{
    (void) c; /* any number is one */
    (void) m;
}

static void check_preflight(struct check *c, const struct wire_preflight *m)
{
    number(c, "clock_ms", m->clock_ms);
    text(c, "release", m->release, WIRE_NAME_MAX);
    at_most(c, "count", m->count, WIRE_GATES_MAX);
    for (size_t i = 0; c->code == TS_OK && i < m->count; i++) {
        name(c, "gate", m->gates[i].name);
        text(c, "text", m->gates[i].text, WIRE_TEXT_MAX);
    }
}

static void check_header(struct check *c, const struct wire_header *header)
{
    name(c, "sender", header->sender);
    known(c, "boot", header->boot);
    number(c, "epoch", header->epoch);
    number(c, "membership", header->membership);
    at_most(c, "oldest version", header->version_min, header->version);
}

enum ts_code wire_check(const struct wire_message *message,
                        enum ts_code failure, struct ts_err *err)
{
    struct check c = { wire_kind_text(message->kind), TS_OK, failure, err };
    check_header(&c, &message->header);
    switch (message->kind) {
#define CASE(NAME, member)                    \
    case WIRE_##NAME:                         \
        check_##member(&c, &message->member); \
        break;
        WIRE_KINDS(CASE)
#undef CASE
    case WIRE_UNKNOWN:
    case WIRE_KINDS_COUNT:
        break;
    }
    return c.code;
}
