/* The composition: one step absorbs an event, takes the rows of the role table
 * that have come true, and asks for what is due. */
#include "node/cluster/member.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/cluster/private.h"

/* ---- effects ------------------------------------------------------------ */

struct member_effect *member_emit(struct member *member,
                                  enum member_effect_kind kind)
{
    struct member_effects *out = member->out;
    assert(out->count < MEMBER_EFFECTS_MAX);
    struct member_effect *effect = &out->items[out->count++];
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    return effect;
}

void member_copy_text(char *to, size_t room, const char *from)
{
    (void) snprintf(to, room, "%s", from == NULL ? "" : from);
}

void member_record(struct member *member, const char *name, const char *actor,
                   const char *fmt, ...)
{
    struct member_effect *effect = member_emit(member, MEMBER_DO_RECORD);
    effect->record.name = name;
    effect->record.actor = actor;
    effect->record.epoch = member_epoch_known(member);
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(effect->text, sizeof effect->text, fmt, args);
    va_end(args);
}

/* ---- small questions ---------------------------------------------------- */

bool member_is_holder_role(enum member_role role)
{
    return role == MEMBER_FENCING || role == MEMBER_ACTIVE ||
           role == MEMBER_DRAINING;
}

bool member_owns_value(const struct member *member)
{
    const struct register_value *value = &member->seen.value;
    return member->seen.has_value && strcmp(value->holder, member->name) == 0 &&
           memcmp(value->boot, member->boot, sizeof value->boot) == 0;
}

bool member_is_voter(const struct member *member)
{
    return member->seen.has_value &&
           register_has_voter(&member->seen.value, member->name);
}

const char *member_other_voter(const struct member *member)
{
    const struct register_value *value = &member->seen.value;
    for (size_t i = 0; member->seen.has_value && i < value->voter_count; i++) {
        if (strcmp(value->voters[i], member->name) != 0) {
            return value->voters[i];
        }
    }
    return NULL;
}

bool member_start_waited(const struct member *member)
{
    bool alone = member_is_voter(member) && member_other_voter(member) == NULL;
    return alone || !TS_RULE(START_WAIT) ||
           lease_waited(&member->terms, member->started, member->now);
}

bool member_is_paused(const struct member *member)
{
    const struct register_value *value = &member->seen.value;
    return member->seen.has_value && value->paused &&
           (value->pause_left_ms == 0 ||
            ts_elapsed_least(member->seen.changed, member->now) <
                (int64_t) value->pause_left_ms);
}

uint64_t member_epoch_known(const struct member *member)
{
    return member->facts.epoch;
}

/* ---- facts -------------------------------------------------------------- */

void member_learn_epoch(struct member *member, uint64_t epoch)
{
    if (epoch > member->facts.epoch && epoch <= REGISTER_NUMBER_MAX) {
        member->facts.epoch = epoch;
        member->facts_changed = true;
    }
}

static bool same_principals(const struct register_value *a,
                            const struct register_value *b)
{
    bool same = a->principal_count == b->principal_count;
    for (size_t i = 0; same && i < a->principal_count; i++) {
        const struct register_principal *p = &a->principals[i];
        const struct register_principal *q = &b->principals[i];
        same =
            p->epoch == q->epoch && p->kind == q->kind &&
            strcmp(p->node, q->node) == 0 && strcmp(p->id, q->id) == 0 &&
            p->sealed_size == q->sealed_size &&
            memcmp(p->sealed, q->sealed, p->sealed_size) == 0 &&
            memcmp(p->token_hash, q->token_hash, sizeof p->token_hash) == 0 &&
            p->token_lifetime_s == q->token_lifetime_s;
    }
    return same;
}

/* What must survive this node's loss of the register. */
static bool is_worth_keeping(const struct register_value *a,
                             const struct register_value *b)
{
    return a->epoch != b->epoch || a->membership != b->membership ||
           a->is_unprotected != b->is_unprotected || a->fenced != b->fenced ||
           a->level != b->level || a->data_generation != b->data_generation ||
           a->handover_size != b->handover_size ||
           memcmp(a->handover, b->handover, a->handover_size) != 0 ||
           !same_principals(a, b);
}

void member_learn_value(struct member *member)
{
    struct facts *facts = &member->facts;
    const struct register_value *value = &member->seen.value;
    bool adopted = !facts->known || facts->membership == 0;
    if (adopted && strcmp(value->learner, member->name) != 0 &&
        !member->wants.init) {
        /* Its past is lost: it is listed, but knows nothing of it. */
        member_learn_epoch(member, value->epoch);
        return;
    }
    if (adopted || memcmp(facts->id, value->id, sizeof facts->id) != 0) {
        memcpy(facts->id, value->id, sizeof facts->id);
        facts->known = member->facts_changed = true;
    }
    member_learn_epoch(member, value->epoch);
    if (value->membership > facts->membership || adopted) {
        facts->membership = value->membership;
        member->facts_changed = true;
    }
    if (!facts->has_value || is_worth_keeping(&facts->value, value)) {
        facts->has_value = member->facts_changed = true;
        facts->value = *value;
    }
}

void member_pump_facts(struct member *member)
{
    if (!member->facts_changed || member->facts_asked) {
        return;
    }
    struct ts_err err = { 0 };
    struct ts_slice bytes;
    uint64_t epoch = member->facts.epoch;
    bool had_value = member->facts.has_value;
    if (!TS_RULE(EPOCH_PERSISTED)) {
        member->facts.epoch = 0;
        member->facts.has_value = false;
    }
    ts_arena_reset(&member->facts_arena);
    enum ts_code code =
        facts_pack(&member->facts, &member->facts_arena, &bytes, &err);
    member->facts.epoch = epoch;
    member->facts.has_value = had_value;
    if (code != TS_OK) {
        return; /* tried again with the next step; nothing is taken over */
    }
    member->facts_changed = false;
    member->facts_asked = true;
    member->facts_with_id = member->facts.known;
    struct member_effect *effect = member_emit(member, MEMBER_DO_PERSIST);
    effect->persist.number = ++member->facts_number;
    effect->persist.epoch = TS_RULE(EPOCH_PERSISTED) ? epoch : 0;
    effect->persist.facts = bytes;
}

static void persisted(struct member *member, const struct member_event *event)
{
    if (!member->facts_asked ||
        event->persisted.number != member->facts_number) {
        return;
    }
    member->facts_asked = false;
    if (event->persisted.ok) {
        member->facts_durable = event->persisted.number;
        member->is_id_durable |= member->facts_with_id;
    } else {
        member->facts_changed = true;
    }
}

/* ---- the start ---------------------------------------------------------- */

static struct lease_terms terms_of(const struct member_options *options)
{
    return (struct lease_terms){ .ttl_ms = options->ttl_ms,
                                 .renew_ms = options->renew_ms,
                                 .margin_ms = options->margin_ms,
                                 .error_percent =
                                     options->clock_error_percent };
}

enum ts_code member_check(const struct member_options *options,
                          struct ts_err *err)
{
    struct lease_terms terms = terms_of(options);
    size_t size = options->name == NULL ? 0 : strlen(options->name);
    if (size == 0 || size >= REGISTER_NAME_SIZE) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot be a member without a name of 1 to %d bytes",
                       REGISTER_NAME_SIZE - 1);
    }
    return lease_check(&terms, err);
}

enum ts_code member_new(const struct member_options *options,
                        struct member **ret_member, struct ts_err *err)
{
    enum ts_code code = member_check(options, err);
    if (code != TS_OK) {
        return code;
    }
    struct member *member = calloc(1, sizeof *member);
    if (member == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not start as a member");
    }
    ts_arena_init(&member->arena, REGISTER_ARENA_SIZE);
    ts_arena_init(&member->facts_arena, 2 * REGISTER_ARENA_SIZE);
    code =
        facts_unpack(options->facts, &member->facts_arena, &member->facts, err);
    if (code != TS_OK) {
        member_free(member);
        return code;
    }
    member_copy_text(member->name, sizeof member->name, options->name);
    memcpy(member->boot, options->boot, sizeof member->boot);
    member->terms = terms_of(options);
    member->is_manual = options->is_manual;
    member->unprotected = options->unprotected;
    member->level_max = options->level_max;
    member->position = options->position;
    member->has_state = options->has_state;
    member->is_joining = options->is_joining;
    member->started = member->now = options->now;
    member->is_id_durable = member->facts.known;
    member->sentence = "starting: the register was not read yet";
    if (member->facts.epoch < options->epoch && TS_RULE(EPOCH_PERSISTED)) {
        member->facts.epoch = options->epoch;
    }
    *ret_member = member;
    return TS_OK;
}

void member_free(struct member *member)
{
    if (member != NULL) {
        ts_arena_done(&member->arena);
        ts_arena_done(&member->facts_arena);
        free(member);
    }
}

/* ---- absorbing ---------------------------------------------------------- */

static void move(struct member *member, const struct member_event *event)
{
    if (memcmp(&member->position, &event->position.at,
               sizeof member->position) != 0) {
        member->equal = false;
    }
    member->position = event->position.at;
    member->has_state = event->position.has_state;
}

static void link(struct member *member, bool up)
{
    struct peer *peer = &member->peer;
    if (peer->link_up != up) {
        peer->link_up = up;
        peer->link_changed = member->now;
        member->heartbeat_due |= up;
        member->asking.open = false;
        if (!up) {
            member->equal = false;
        }
    }
}

static void deactivated(struct member *member)
{
    if (member->engine == ENGINE_LEAVING) {
        member->engine = ENGINE_IDLE;
        member->left_at = member->now;
    }
}

/* An earlier process of this node had the lease, and nobody has said that it
 * sends nothing any more. */
static bool is_predecessor_loose(const struct member *member)
{
    const struct register_value *value = &member->seen.value;
    const struct register_principal *last =
        register_principal_of(value, value->epoch);
    return member->seen.has_value && !value->released && last != NULL &&
           last->kind == REGISTER_KIND_NONE &&
           strcmp(value->holder, member->name) == 0 &&
           !member_owns_value(member);
}

int64_t member_travel_left(const struct member *member)
{
    if (member->engine != ENGINE_IDLE) {
        return INT64_MAX;
    }
    if (!member->travels && !is_predecessor_loose(member)) {
        return 0;
    }
    int64_t left =
        lease_travel_ms(&member->terms) -
        ts_elapsed_least(member->travels ? member->left_at : member->started,
                         member->now);
    return left > 0 ? left : 0;
}

/* What waits for the register before it may go on. */
static void want(struct member *member, const struct member_event *event)
{
    struct wants *wants = &member->wants;
    if (!member->lease.held) {
        return;
    }
    if (event->kind == MEMBER_GENERATION) {
        wants->generation = true;
        wants->generation_number = event->generation;
    } else if (wants_may_unprotect(member)) {
        wants->unprotected = true;
        member->equal = false; /* whoever asks waits for the follower */
    }
}

static void absorb(struct member *member, const struct member_event *event)
{
    switch (event->kind) {
    case MEMBER_READ:
        observe_read(member, event);
        break;
    case MEMBER_SWAPPED:
        observe_swapped(member, event);
        break;
    case MEMBER_PERSISTED:
        persisted(member, event);
        break;
    case MEMBER_MINTED:
        takeover_minted(member, event);
        break;
    case MEMBER_FENCED:
        takeover_fenced(member, event);
        break;
    case MEMBER_PROBED:
        probe_take(member, event);
        break;
    case MEMBER_ACTIVATED:
        takeover_activated(member, event);
        break;
    case MEMBER_DEACTIVATED:
        deactivated(member);
        break;
    case MEMBER_HEARD:
        peer_heard(member, event->heard);
        break;
    case MEMBER_LINK:
        link(member, event->link_up);
        break;
    case MEMBER_PROGRESS:
        member->lease.progressed = true;
        break;
    case MEMBER_POSITION:
        move(member, event);
        break;
    case MEMBER_EQUAL:
        member->equal = event->equal;
        break;
    case MEMBER_TOKEN:
        wants_token(member, event);
        break;
    case MEMBER_UNPROTECTED:
    case MEMBER_GENERATION:
        want(member, event);
        break;
    case MEMBER_COMMAND:
        command_take(member, &event->command);
        break;
    case MEMBER_TICK:
    case MEMBER_EVENTS:
        break;
    }
}

/* ---- what is due -------------------------------------------------------- */

static void drain_pump(struct member *member)
{
    if (member->role != MEMBER_DRAINING) {
        return;
    }
    if (member->engine == ENGINE_IDLE) {
        member->wants.release = member_travel_left(member) == 0;
    } else if (!member->drain_cut &&
               ts_elapsed_most(member->drain_from, member->now) >=
                   member->terms.ttl_ms) {
        member->drain_cut = true;
        member_copy_text(member_emit(member, MEMBER_DO_CANCEL)->text,
                         MEMBER_TEXT_SIZE,
                         "what was under way did not end in time");
    }
}

static void pump(struct member *member)
{
    wants_pump(member);
    takeover_pump(member);
    drain_pump(member);
    probe_pump(member);
    member_pump_facts(member);
    claims_pump(member);
    promise_pump(member);
    peer_pump(member);
    command_pump(member);
}

/* ---- invariants --------------------------------------------------------- */

static void assert_effects(const struct member *member,
                           const struct member_effects *out)
{
    size_t calls = 0;
    for (size_t i = 0; i < out->count; i++) {
        const struct member_effect *effect = &out->items[i];
        calls +=
            effect->kind == MEMBER_DO_READ || effect->kind == MEMBER_DO_SWAP;
        if (effect->kind != MEMBER_DO_SWAP) {
            continue;
        }
        assert(member->claims.wrote_init || member_is_voter(member) ||
               !TS_RULE(MEMBER_ONLY)); /* M7 */
        assert(member->lease.held || !promise_binds(member) ||
               member->claims.wrote_init || !TS_RULE(PROMISE_NO_CAS)); /* M5 */
    }
    assert(calls <= 1); /* M4 */
}

static void assert_state(const struct member *member, uint64_t epoch_before)
{
    assert(member->facts.epoch >= epoch_before); /* M6 */
    assert(!member_is_holder_role(member->role) || member->lease.held);
    assert(!member->lease.held || member_is_holder_role(member->role));
    struct member_gate gate = member_gate(member);
    assert(!gate.open || gate.held || !TS_RULE(PUBLISH_FIRST)); /* M1 */
    if (gate.open && gate.held) {
        assert(member->lease.epoch == member->facts.epoch);
    }
    bool is_told =
        member->role == MEMBER_ACTIVE ||
        (member->role == MEMBER_FENCING && member->engine != ENGINE_IDLE &&
         member->engine != ENGINE_LEAVING);
    if (is_told && member->seen.ok && TS_RULE(REREAD_AFTER_FENCE) &&
        TS_RULE(NOTHING_WHILE_PENDING) && TS_RULE(PRINCIPAL_OWN) &&
        TS_RULE(PUBLISH_FIRST)) { /* M2 */
        assert(member->seen.value.fenced);
    }
}

void member_step(struct member *member, const struct member_event *event,
                 struct ts_clocks now, struct member_effects *out)
{
    uint64_t epoch_before = member->facts.epoch;
    out->count = 0;
    member->now = now;
    member->out = out;
    absorb(member, event);
    role_run(member);
    pump(member);
    role_run(member);
    assert_effects(member, out);
    assert_state(member, epoch_before);
}
