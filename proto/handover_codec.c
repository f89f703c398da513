#include "proto/handover_codec.h"

#include <assert.h>
#include <string.h>

#include "node/base/entry.h"
#include "proto/handover.pb-c.h"
#include "proto/packing.h"

/* ---- names -------------------------------------------------------------- */

const char *handover_step_name(enum handover_step step)
{
    static const char *const names[HANDOVER_STEPS] = {
        [HANDOVER_PREFLIGHT] = "preflight", [HANDOVER_DRAIN] = "drain",
        [HANDOVER_LEASE] = "lease",         [HANDOVER_RESET] = "reset",
        [HANDOVER_TAIL] = "tail",           [HANDOVER_RECONCILE] = "reconcile",
        [HANDOVER_RETIRE] = "retire",
    };
    assert(step < HANDOVER_STEPS);
    return names[step];
}

const char *evidence_state_name(enum evidence_state state)
{
    static const char *const names[EVIDENCE_STATES] = {
        [EVIDENCE_NOTED] = "noted",         [EVIDENCE_UNDER_WAY] = "under-way",
        [EVIDENCE_DONE] = "done",           [EVIDENCE_PROVED] = "proved",
        [EVIDENCE_PENDING] = "pending",     [EVIDENCE_FAILED] = "failed",
        [EVIDENCE_UNTOUCHED] = "untouched",
    };
    assert(state < EVIDENCE_STATES);
    return names[state];
}

const char *handover_outcome_name(enum handover_outcome outcome)
{
    static const char *const names[HANDOVER_OUTCOMES] = {
        [HANDOVER_OPEN] = "open",
        [HANDOVER_COMPLETE] = "complete",
        [HANDOVER_INCOMPLETE] = "incomplete",
        [HANDOVER_REFUSED] = "refused",
        [HANDOVER_ABORTED] = "aborted",
    };
    assert(outcome < HANDOVER_OUTCOMES);
    return names[outcome];
}

/* ---- what both directions check ----------------------------------------- */

static bool is_text(const char *text, size_t room)
{
    size_t size = strnlen(text, room);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char) text[i] < ' ' || text[i] == 0x7f) {
            return false;
        }
    }
    return size < room &&
           (size == 0 ||
            ts_kind_of_bytes(ts_slice(text, size)) == TS_KIND_TEXT);
}

static bool is_id(const char *id)
{
    return strnlen(id, HANDOVER_ID_SIZE) == HANDOVER_ID_SIZE - 1 &&
           strspn(id, "0123456789abcdef") == HANDOVER_ID_SIZE - 1;
}

static bool is_move(const char *id, const char *from, const char *to)
{
    return is_id(id) && is_text(from, HANDOVER_NAME_SIZE) && from[0] != '\0' &&
           is_text(to, HANDOVER_NAME_SIZE) && to[0] != '\0' &&
           strcmp(from, to) != 0;
}

static bool is_sound_field(const struct handover_field *field)
{
    return is_move(field->id, field->from, field->to) &&
           is_text(field->actor, sizeof field->actor) &&
           field->step < HANDOVER_STEPS && field->epoch <= INT64_MAX;
}

static bool is_sound_row(const struct evidence_row *row)
{
    return row->step < HANDOVER_STEPS && row->state < EVIDENCE_STATES &&
           is_text(row->name, sizeof row->name) &&
           is_text(row->text, sizeof row->text) &&
           is_text(row->node, sizeof row->node) && row->at_ms >= 0;
}

static bool is_sound_evidence(const struct handover_evidence *evidence)
{
    bool sound = is_move(evidence->id, evidence->from, evidence->to) &&
                 is_text(evidence->actor, sizeof evidence->actor) &&
                 is_text(evidence->reason, sizeof evidence->reason) &&
                 evidence->outcome < HANDOVER_OUTCOMES &&
                 evidence->started_ms >= 0 && evidence->ended_ms >= 0 &&
                 evidence->count <= HANDOVER_ROWS_MAX;
    for (size_t i = 0; sound && i < evidence->count; i++) {
        sound = is_sound_row(&evidence->rows[i]);
    }
    return sound;
}

static enum ts_code fail(enum ts_code code, struct ts_err *err)
{
    return ts_fail(err, code, 0,
                   code == TS_E_LIMIT
                       ? "cannot take the state of a handover: it is larger "
                         "than it may be"
                       : "cannot take the state of a handover: it is damaged, "
                         "or none");
}

static enum ts_code too_new(uint32_t version_min, struct ts_err *err)
{
    return ts_fail(err, TS_E_VERSION, 0,
                   "cannot go on with the handover: it needs version %u and "
                   "this program knows %d; go on with it where it was begun, "
                   "or install the newer version here",
                   version_min, HANDOVER_VERSION);
}

static bool get_text(const char *from, char *to, size_t room)
{
    size_t size = strnlen(from, room);
    if (size == room) {
        return false;
    }
    memcpy(to, from, size + 1);
    return true;
}

static enum ts_code pack(const ProtobufCMessage *message, size_t size_max,
                         struct ts_arena *arena, struct ts_slice *ret_bytes,
                         struct ts_err *err)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = size > size_max ? NULL : ts_arena_array(arena, size, 1);
    if (bytes == NULL) {
        return fail(TS_E_LIMIT, err);
    }
    (void) protobuf_c_message_pack(message, bytes);
    *ret_bytes = ts_slice(bytes, size);
    return TS_OK;
}

/* ---- the register's field ----------------------------------------------- */

enum ts_code handover_field_pack(const struct handover_field *field,
                                 struct ts_arena *arena,
                                 struct ts_slice *ret_bytes, struct ts_err *err)
{
    Twinsync__V1__HandoverField m;
    if (!is_sound_field(field)) {
        return fail(TS_E_PROTOCOL, err);
    }
    twinsync__v1__handover_field__init(&m);
    m.version_min = HANDOVER_VERSION;
    m.id = packing_text(field->id);
    m.from = packing_text(field->from);
    m.to = packing_text(field->to);
    m.actor = packing_text(field->actor);
    m.step = (uint32_t) field->step;
    m.epoch = field->epoch;
    m.pass = field->pass;
    m.reset_begun = field->reset_begun;
    m.retire = field->retire;
    m.from_dead = field->from_dead;
    m.back = field->back;
    return pack(&m.base, HANDOVER_FIELD_MAX, arena, ret_bytes, err);
}

static bool take_field(const Twinsync__V1__HandoverField *m,
                       struct handover_field *field)
{
    field->step = (enum handover_step) m->step;
    field->epoch = m->epoch;
    field->pass = m->pass;
    field->reset_begun = m->reset_begun;
    field->retire = m->retire;
    field->from_dead = m->from_dead;
    field->back = m->back;
    return m->step < HANDOVER_STEPS &&
           get_text(m->id, field->id, sizeof field->id) &&
           get_text(m->from, field->from, sizeof field->from) &&
           get_text(m->to, field->to, sizeof field->to) &&
           get_text(m->actor, field->actor, sizeof field->actor) &&
           is_sound_field(field);
}

enum ts_code handover_field_unpack(struct ts_slice bytes,
                                   struct ts_arena *arena,
                                   struct handover_field *ret,
                                   struct ts_err *err)
{
    struct handover_field field;
    struct packing packing;
    if (bytes.size > HANDOVER_FIELD_MAX) {
        return fail(TS_E_LIMIT, err);
    }
    memset(&field, 0, sizeof field);
    packing_init(&packing, arena);
    const Twinsync__V1__HandoverField *m = twinsync__v1__handover_field__unpack(
        &packing.allocator, bytes.size, bytes.data);
    if (m == NULL) {
        return fail(packing.is_full ? TS_E_LIMIT : TS_E_CORRUPT, err);
    }
    if (m->version_min > HANDOVER_VERSION) {
        return too_new(m->version_min, err);
    }
    if (m->version_min == 0 || !take_field(m, &field)) {
        return fail(TS_E_CORRUPT, err);
    }
    *ret = field;
    return TS_OK;
}

/* ---- evidence ----------------------------------------------------------- */

static void fill_row(Twinsync__V1__HandoverRow *to,
                     const struct evidence_row *from)
{
    twinsync__v1__handover_row__init(to);
    to->step = (uint32_t) from->step;
    to->state = (uint32_t) from->state;
    to->name = packing_text(from->name);
    to->text = packing_text(from->text);
    to->at_ms = (uint64_t) from->at_ms;
    to->node = packing_text(from->node);
}

enum ts_code handover_evidence_pack(const struct handover_evidence *evidence,
                                    struct ts_arena *arena,
                                    struct ts_slice *ret_bytes,
                                    struct ts_err *err)
{
    Twinsync__V1__HandoverEvidence m;
    Twinsync__V1__HandoverRow rows[HANDOVER_ROWS_MAX];
    Twinsync__V1__HandoverRow *pointers[HANDOVER_ROWS_MAX];
    if (!is_sound_evidence(evidence)) {
        return fail(TS_E_PROTOCOL, err);
    }
    twinsync__v1__handover_evidence__init(&m);
    m.version_min = HANDOVER_VERSION;
    m.id = packing_text(evidence->id);
    m.from = packing_text(evidence->from);
    m.to = packing_text(evidence->to);
    m.actor = packing_text(evidence->actor);
    m.reason = packing_text(evidence->reason);
    m.outcome = (uint32_t) evidence->outcome;
    m.started_ms = (uint64_t) evidence->started_ms;
    m.ended_ms = (uint64_t) evidence->ended_ms;
    for (size_t i = 0; i < evidence->count; i++) {
        fill_row(&rows[i], &evidence->rows[i]);
        pointers[i] = &rows[i];
    }
    m.n_rows = evidence->count;
    m.rows = pointers;
    return pack(&m.base, HANDOVER_PACKED_MAX, arena, ret_bytes, err);
}

static bool take_row(const Twinsync__V1__HandoverRow *m,
                     struct evidence_row *row)
{
    row->step = (enum handover_step) m->step;
    row->state = (enum evidence_state) m->state;
    row->at_ms = (int64_t) m->at_ms;
    return m->step < HANDOVER_STEPS && m->state < EVIDENCE_STATES &&
           m->at_ms <= INT64_MAX &&
           get_text(m->name, row->name, sizeof row->name) &&
           get_text(m->text, row->text, sizeof row->text) &&
           get_text(m->node, row->node, sizeof row->node);
}

static bool take_evidence(const Twinsync__V1__HandoverEvidence *m,
                          struct handover_evidence *to)
{
    memset(to, 0, sizeof *to);
    to->outcome = (enum handover_outcome) m->outcome;
    to->started_ms = (int64_t) m->started_ms;
    to->ended_ms = (int64_t) m->ended_ms;
    to->count = m->n_rows;
    bool sound = m->outcome < HANDOVER_OUTCOMES && m->started_ms <= INT64_MAX &&
                 m->ended_ms <= INT64_MAX && m->n_rows <= HANDOVER_ROWS_MAX &&
                 get_text(m->id, to->id, sizeof to->id) &&
                 get_text(m->from, to->from, sizeof to->from) &&
                 get_text(m->to, to->to, sizeof to->to) &&
                 get_text(m->actor, to->actor, sizeof to->actor) &&
                 get_text(m->reason, to->reason, sizeof to->reason);
    for (size_t i = 0; sound && i < m->n_rows; i++) {
        sound = take_row(m->rows[i], &to->rows[i]);
    }
    return sound && is_sound_evidence(to);
}

enum ts_code handover_evidence_unpack(struct ts_slice bytes,
                                      struct ts_arena *arena,
                                      struct handover_evidence *ret,
                                      struct ts_err *err)
{
    struct packing packing;
    if (bytes.size > HANDOVER_PACKED_MAX) {
        return fail(TS_E_LIMIT, err);
    }
    packing_init(&packing, arena);
    struct handover_evidence *found = ts_arena_array(arena, 1, sizeof *found);
    const Twinsync__V1__HandoverEvidence *m =
        twinsync__v1__handover_evidence__unpack(&packing.allocator, bytes.size,
                                                bytes.data);
    if (found == NULL || m == NULL) {
        return fail(
            found == NULL || packing.is_full ? TS_E_LIMIT : TS_E_CORRUPT, err);
    }
    if (m->version_min > HANDOVER_VERSION) {
        return too_new(m->version_min, err);
    }
    if (m->version_min == 0 || !take_evidence(m, found)) {
        return fail(TS_E_CORRUPT, err);
    }
    *ret = *found;
    return TS_OK;
}
