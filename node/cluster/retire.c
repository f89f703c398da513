/* A member is taken out for good: asked of the holder, one swap of the member
 * list, and the list says since when and why.
 *
 * Only the holder does it, so nobody retires who exports: first another node
 * has to hold the lease. What its credential could still do was ended by the
 * fence of that takeover; nothing of it is left when a holder is ACTIVE. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/base/entry.h"
#include "node/cluster/private.h"

#define REFUSED 3
#define FAILED  1
#define DONE    0

/* ---- what is asked ------------------------------------------------------ */

/* What the register's codec takes: no control characters, cut where a
 * character ends. */
static void copy_printable(char *to, size_t room, const char *from)
{
    member_copy_text(to, room, from);
    size_t size = strlen(to);
    while (size > 0 && from != NULL && from[size] != '\0' &&
           ((unsigned char) from[size] & 0xc0) == 0x80) {
        to[size--] = '\0'; /* in the middle of a character */
    }
    to[size] = '\0';
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char) to[i] < ' ' || to[i] == 0x7f) {
            to[i] = ' ';
        }
    }
    if (size > 0 && ts_kind_of_bytes(ts_slice(to, size)) != TS_KIND_TEXT) {
        to[0] = '\0';
    }
}

static void take(struct member *member, const struct member_request *request,
                 const char *node)
{
    struct register_retired *record = &member->op.retire_record;
    memset(record, 0, sizeof *record);
    member_copy_text(record->node, sizeof record->node, node);
    copy_printable(record->actor, sizeof record->actor, request->actor);
    copy_printable(record->reason, sizeof record->reason, request->reason);
    record->at_s = request->at_s <= REGISTER_NUMBER_MAX ? request->at_s : 0;
    record->wipe = request->wipe;
    memcpy(record->key, request->key, sizeof record->key);
    member_record(member, "retiring", request->actor, "%s: %s", node,
                  request->reason);
}

/* NULL, or why this one cannot be retired at all. */
static const char *bar(const struct member *member, const char *node)
{
    const struct register_value *value = &member->seen.value;
    size_t size = strlen(node);
    if (size == 0 || size >= REGISTER_NAME_SIZE) {
        return "that is not the name of a node";
    }
    if (strcmp(node, member->name) == 0) {
        return "it is the active node: let another one take over first "
               "(twinsync failover there), and ask that one";
    }
    if (!register_has_member(value, node) &&
        register_retired_of(value, node) == NULL) {
        return "it is no member; twinsync register status lists who is";
    }
    return NULL;
}

void retire_take(struct member *member, const struct member_request *request)
{
    struct pending *pending = &member->op.retire;
    const char *node = request->node != NULL ? request->node : "";
    const char *why = bar(member, node);
    if (why != NULL) {
        command_answer(member, pending, REFUSED, "cannot retire \"%.64s\": %s",
                       node, why);
    } else if (member->claims.in_doubt || member->lease.is_promised) {
        command_answer(member, pending, FAILED,
                       "could not retire %s: the register is out of reach; "
                       "try again when it answers",
                       node);
    } else {
        take(member, request, node);
        retire_settle(member); /* it may have been done before */
    }
}

/* ---- the member list ---------------------------------------------------- */

static bool is_done(const struct member *member)
{
    const struct register_retired *asked = &member->op.retire_record;
    const struct register_retired *known =
        register_retired_of(&member->seen.value, asked->node);
    return !register_has_member(&member->seen.value, asked->node) &&
           known != NULL && (known->wipe || !asked->wipe);
}

bool retire_wants(const struct member *member)
{
    return member->op.retire.open && member->seen.ok &&
           !member->claims.in_doubt && !member->lease.is_promised &&
           !is_done(member);
}

void retire_forget(struct register_value *value, const char *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < value->retired_count; i++) {
        if (strcmp(value->retired[i].node, node) != 0) {
            value->retired[kept++] = value->retired[i];
        }
    }
    memset(value->retired + kept, 0,
           (REGISTER_RETIRED_MAX - kept) * sizeof value->retired[0]);
    value->retired_count = kept;
}

void retire_note(struct register_value *value,
                 const struct register_retired *record)
{
    retire_forget(value, record->node);
    if (value->retired_count == REGISTER_RETIRED_MAX) {
        value->retired_count--; /* the oldest */
    }
    memmove(value->retired + 1, value->retired,
            value->retired_count * sizeof value->retired[0]);
    value->retired[0] = *record;
    value->retired_count++;
}

/* Nobody acknowledges any more what is written from here on: the register says
 * so, unless nothing may be written without (as where a learner takes a place).
 */
static void unprotect(const struct member *member, struct register_value *value)
{
    if (!value->is_unprotected &&
        member->unprotected != MEMBER_UNPROTECTED_STOP) {
        value->is_unprotected = true;
        value->unprotected_since = member->position;
    }
}

void retire_put(const struct member *member, struct register_value *value)
{
    struct register_retired record = member->op.retire_record;
    const struct register_retired *known =
        register_retired_of(value, record.node);
    if (register_has_voter(value, record.node)) {
        compose_drop_voter(value, record.node);
        unprotect(member, value);
    }
    if (strcmp(value->learner, record.node) == 0) {
        memset(value->learner, 0, sizeof value->learner);
    }
    value->membership++;
    record.membership = value->membership;
    if (known != NULL) { /* out already, and now asked to destroy what it has */
        record.membership = known->membership;
        record.at_s = known->at_s;
    }
    retire_note(value, &record);
}

void retire_settle(struct member *member)
{
    if (member->op.retire.open && is_done(member)) {
        command_answer(member, &member->op.retire, DONE,
                       "%s is no member any more (member list %" PRIu64 ")",
                       member->op.retire_record.node,
                       member->seen.value.membership);
    }
}

/* ---- sealed by another key ----------------------------------------------- */

/* Where our own principal is among the value's; the count: it is not. */
static size_t place_of_own(const struct member *member,
                           const struct register_value *value)
{
    size_t i = 0;
    while (i < value->principal_count &&
           (value->principals[i].epoch != value->epoch ||
            value->principals[i].sealed_size == 0 ||
            strcmp(value->principals[i].node, member->name) != 0)) {
        i++;
    }
    return i;
}

void reseal_take(struct member *member, const struct member_request *request)
{
    struct operating *op = &member->op;
    const struct register_value *value = &member->seen.value;
    if (request->sealed.size == 0 || request->sealed.size > sizeof op->sealed ||
        place_of_own(member, value) == value->principal_count) {
        command_answer(member, &op->reseal, REFUSED,
                       "cannot seal the credential of %s anew: the register "
                       "shows none that is sealed",
                       member->name);
        return;
    }
    op->sealed_size = request->sealed.size;
    memcpy(op->sealed, request->sealed.data, request->sealed.size);
}

void reseal_put(const struct member *member, struct register_value *value)
{
    const struct operating *op = &member->op;
    size_t place = place_of_own(member, value);
    if (op->reseal.open && place < value->principal_count) {
        struct register_principal *own = &value->principals[place];
        memset(own->sealed, 0, sizeof own->sealed);
        memcpy(own->sealed, op->sealed, op->sealed_size);
        own->sealed_size = op->sealed_size;
    }
}

void reseal_settle(struct member *member)
{
    const struct operating *op = &member->op;
    const struct register_value *value = &member->seen.value;
    size_t place = place_of_own(member, value);
    if (op->reseal.open && place < value->principal_count &&
        value->principals[place].sealed_size == op->sealed_size &&
        memcmp(value->principals[place].sealed, op->sealed, op->sealed_size) ==
            0) {
        command_answer(member, &member->op.reseal, DONE,
                       "the register shows it sealed anew");
    }
}

/* ---- on the node that is out -------------------------------------------- */

bool retire_is_out(const struct member *member)
{
    const struct register_value *value = &member->seen.value;
    return !register_has_member(value, member->name) && !member->is_joining &&
           (member->facts.membership > 0 ||
            register_retired_of(value, member->name) != NULL);
}
