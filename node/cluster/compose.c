/* The next value of the register: everything that is wanted, in one swap. */
#include <stdio.h>
#include <string.h>

#include "node/cluster/private.h"

/* ---- what grows older --------------------------------------------------- */

/* Ages are counted by the slower clock: a takeover is rather remembered for
 * too long. */
static void age(struct register_value *value, int64_t elapsed_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < value->takeover_count; i++) {
        uint64_t ms = value->takeover_ages_ms[i] + (uint64_t) elapsed_ms;
        if (ms < MEMBER_TAKEOVERS_MS) {
            value->takeover_ages_ms[kept++] = ms;
        }
    }
    value->takeover_count = kept;
    memset(value->takeover_ages_ms + kept, 0,
           (REGISTER_TAKEOVERS_MAX - kept) * sizeof value->takeover_ages_ms[0]);
    if (value->paused && value->pause_left_ms > 0) {
        uint64_t passed = (uint64_t) elapsed_ms;
        value->paused = value->pause_left_ms > passed;
        value->pause_left_ms =
            value->paused ? value->pause_left_ms - passed : 0;
    }
}

static int64_t seen_ms(const struct member *member)
{
    return ts_elapsed_least(member->seen.changed, member->now);
}

size_t compose_takeovers(const struct member *member)
{
    const struct register_value *value = &member->seen.value;
    size_t count = 0;
    for (size_t i = 0; i < value->takeover_count; i++) {
        count += value->takeover_ages_ms[i] + (uint64_t) seen_ms(member) <
                 MEMBER_TAKEOVERS_MS;
    }
    return count;
}

static void remember_takeover(struct register_value *value)
{
    size_t kept = value->takeover_count < REGISTER_TAKEOVERS_MAX
                      ? value->takeover_count
                      : REGISTER_TAKEOVERS_MAX - 1;
    memmove(value->takeover_ages_ms + 1, value->takeover_ages_ms,
            kept * sizeof value->takeover_ages_ms[0]);
    value->takeover_ages_ms[0] = 0;
    value->takeover_count = kept + 1;
}

static uint64_t next_serial(const struct member *member)
{
    uint64_t last = member->claims.serial_last;
    uint64_t seen = member->seen.value.serial;
    return (last > seen ? last : seen) + 1;
}

/* ---- the holder's ------------------------------------------------------- */

static struct register_principal *own_principal(struct register_value *value)
{
    for (size_t i = 0; i < value->principal_count; i++) {
        if (value->principals[i].epoch == value->epoch) {
            return &value->principals[i];
        }
    }
    return NULL;
}

static void put_token(const struct member *member, struct register_value *value)
{
    struct register_principal *own = own_principal(value);
    if (member->wants.token && own != NULL) {
        memcpy(own->token_hash, member->wants.token_hash,
               sizeof own->token_hash);
        if (own->token_lifetime_s < member->wants.token_lifetime_s) {
            own->token_lifetime_s = member->wants.token_lifetime_s;
        }
    }
}

static void put_protection(const struct member *member,
                           struct register_value *value)
{
    const struct wants *wants = &member->wants;
    bool begins = false;
    if (wants->generation) {
        value->data_generation = wants->generation_number;
        begins = true;
    } else if (wants->unprotected && wants_may_unprotect(member)) {
        begins = true;
    } else if (value->is_unprotected && wants_protect(member)) {
        value->is_unprotected = false;
        memset(&value->unprotected_since, 0, sizeof value->unprotected_since);
    }
    if (begins && !value->is_unprotected) {
        value->is_unprotected = true;
        value->unprotected_since = member->position;
    }
}

void compose_drop_voter(struct register_value *value, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < value->voter_count; i++) {
        if (strcmp(value->voters[i], name) != 0) {
            memmove(value->voters[kept++], value->voters[i],
                    sizeof value->voters[i]);
        }
    }
    value->voter_count = kept;
    memset(value->voters + kept, 0,
           (REGISTER_VOTERS_MAX - kept) * sizeof value->voters[0]);
}

/* Whose place another one has taken is told so if it comes back. */
static void note_replaced(const struct member *member,
                          struct register_value *value, const char *node,
                          const char *by)
{
    struct register_retired record = { .membership = value->membership,
                                       .at_s = member->op.admit_at_s };
    if (node[0] != '\0' && strcmp(node, by) != 0) {
        member_copy_text(record.node, sizeof record.node, node);
        (void) snprintf(record.reason, sizeof record.reason,
                        "%s has taken its place", by);
        retire_note(value, &record);
    }
}

/* From here on it is the learner that acknowledges, and the other voter may
 * come back without what it acknowledged. */
static void put_learner(const struct member *member,
                        struct register_value *value)
{
    const char *node = member->op.admit_node;
    char before[REGISTER_NAME_SIZE];
    memcpy(before, value->learner, sizeof before);
    compose_drop_voter(value, node);
    retire_forget(value, node);
    member_copy_text(value->learner, sizeof value->learner, node);
    value->membership++;
    note_replaced(member, value, before, node);
    if (value->voter_count > 1 && !value->is_unprotected &&
        member->unprotected != MEMBER_UNPROTECTED_STOP) {
        value->is_unprotected = true;
        value->unprotected_since = member->position;
    }
}

static void swap_in(const struct member *member, struct register_value *value)
{
    const char *other = member_other_voter(member);
    char learner[REGISTER_NAME_SIZE];
    memcpy(learner, value->learner, sizeof learner);
    memset(value->voters, 0, sizeof value->voters);
    memset(value->learner, 0, sizeof value->learner);
    memcpy(value->voters[0], member->name, sizeof value->voters[0]);
    memcpy(value->voters[1], learner, sizeof value->voters[1]);
    value->voter_count = 2;
    value->membership++;
    if (other != NULL) {
        note_replaced(member, value, other, learner);
    }
}

/* One change of the members at a time, each with its own list number. */
static void put_members(const struct member *member,
                        struct register_value *value)
{
    const struct operating *op = &member->op;
    if (retire_wants(member)) {
        retire_put(member, value);
    } else if (op->admit.open && strcmp(value->learner, op->admit_node) != 0) {
        put_learner(member, value);
    } else if (wants_swap_in(member)) {
        swap_in(member, value);
    }
}

static void put_handover(struct register_value *value, const uint8_t *field,
                         size_t size)
{
    memset(value->handover, 0, sizeof value->handover);
    memcpy(value->handover, field, size);
    value->handover_size = size;
}

static void put_commands(const struct member *member,
                         struct register_value *value)
{
    const struct operating *op = &member->op;
    reseal_put(member, value);
    if (op->level.open) {
        value->level = op->level_wanted;
    }
    if (op->pause.open) {
        value->paused = op->pause_wanted;
        value->pause_left_ms = op->pause_wanted ? (uint64_t) op->pause_ms : 0;
    }
    if (op->handover.open) {
        put_handover(value, op->handover_field, op->handover_size);
    }
    if (op->repin.open) {
        value->server_size = op->server_size;
        memset(value->server, 0, sizeof value->server);
        memcpy(value->server, op->server, op->server_size);
    }
}

static bool is_confirmed(const struct takeover *takeover, uint64_t epoch)
{
    for (size_t i = 0; i < takeover->confirmed_count; i++) {
        if (takeover->confirmed[i] == epoch) {
            return true;
        }
    }
    return false;
}

/* What was fenced leaves the list; what could not be stays, for whoever takes
 * over next. */
static void put_fence(const struct member *member, struct register_value *value)
{
    const struct takeover *takeover = &member->takeover;
    size_t kept = 0;
    for (size_t i = 0; i < value->principal_count; i++) {
        uint64_t epoch = value->principals[i].epoch;
        if (epoch >= value->epoch || !is_confirmed(takeover, epoch)) {
            if (kept != i) {
                value->principals[kept] = value->principals[i];
            }
            kept++;
        }
    }
    memset(value->principals + kept, 0,
           (REGISTER_PRINCIPALS_MAX - kept) * sizeof value->principals[0]);
    value->principal_count = kept;
    value->fenced = true;
    for (size_t i = 0; i < kept; i++) {
        value->fenced &= value->principals[i].epoch >= value->epoch;
    }
}

/* Who holds the lease and is behind has written nothing in its epoch: until it
 * has, what the last one had shown is what anybody must have, this node after
 * a crash or a lost lease too. */
static void put_position(const struct member *member,
                         struct register_value *value)
{
    if (member->position.epoch == value->epoch ||
        !takeover_is_before(&member->position, &value->position)) {
        value->position = member->position;
    }
}

void compose_next(const struct member *member, struct register_value *value)
{
    *value = member->seen.value;
    value->serial = next_serial(member);
    put_position(member, value);
    age(value, seen_ms(member));
    put_token(member, value);
    put_protection(member, value);
    put_members(member, value);
    put_commands(member, value);
    if (member->takeover.step == TAKEOVER_CONFIRMING) {
        put_fence(member, value);
    }
    if (member->wants.release) {
        value->released = true;
        value->planned = member->wants.release_planned;
        if (member->op.handing.open && member->op.handing_size > 0) {
            put_handover(value, member->op.handing_field,
                         member->op.handing_size);
        }
    }
}

/* ---- a candidate's ------------------------------------------------------ */

static bool never_had_token(const struct register_principal *row)
{
    static const uint8_t none[REGISTER_HASH_SIZE];
    return row->kind == REGISTER_KIND_OAUTH && row->token_lifetime_s == 0 &&
           memcmp(row->token_hash, none, sizeof none) == 0;
}

/* The oldest that makes room in a full list: one without a token is used by
 * nobody, since its holder would have to publish one first, and its swap fails
 * once another epoch is there. principal_count: none does. */
static size_t superfluous(const struct register_value *value)
{
    size_t i = 0;
    while (i < value->principal_count &&
           !never_had_token(&value->principals[i])) {
        i++;
    }
    return i;
}

bool compose_has_room(const struct register_value *value)
{
    return value->principal_count < REGISTER_PRINCIPALS_MAX ||
           superfluous(value) < value->principal_count;
}

static void add_principal(struct register_value *value,
                          const struct register_principal *added)
{
    size_t drop = superfluous(value);
    if (value->principal_count == REGISTER_PRINCIPALS_MAX &&
        drop < value->principal_count) {
        value->principal_count--;
        memmove(&value->principals[drop], &value->principals[drop + 1],
                (value->principal_count - drop) * sizeof value->principals[0]);
    }
    if (value->principal_count < REGISTER_PRINCIPALS_MAX) {
        value->principals[value->principal_count++] = *added;
    }
}

void compose_claim(const struct member *member, struct register_value *value)
{
    const struct takeover *takeover = &member->takeover;
    *value = member->seen.value;
    value->serial = next_serial(member);
    age(value, seen_ms(member));
    value->epoch = takeover->epoch;
    memset(value->holder, 0, sizeof value->holder);
    memcpy(value->holder, member->name, sizeof value->holder);
    memcpy(value->boot, member->boot, sizeof value->boot);
    value->released = value->planned = value->fenced = false;
    if (takeover->planned) {
        memset(value->takeover_ages_ms, 0, sizeof value->takeover_ages_ms);
        value->takeover_count = 0;
    } else if (!takeover->is_own_return && !takeover->was_planned) {
        remember_takeover(value);
    }
    add_principal(value, &takeover->principal);
}
