/* The conditions for exporting: one row each, tested by a takeover and told by
 * `explain`, so that what is told is what was tested. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/cluster/private.h"

#define ROW_TEXT(field, ...) \
    ((void) snprintf((field), sizeof(field), __VA_ARGS__))

enum gate_use {
    GATE_CANDIDATE = 1, /* must be open to reach for the lease */
    GATE_HOLDER = 2,    /* must be open to export */
    GATE_ABLE = 4,      /* the peer is told whether it is open */
    GATE_WELL = 8       /* a holder may go on without it, but rather yields */
};

struct gate {
    const char *name;
    unsigned uses;
    bool (*ok)(const struct member *member);
    void (*tell)(const struct member *member, struct member_gate_row *row);
};

/* ---- the register and who we are ---------------------------------------- */

static bool register_ok(const struct member *member)
{
    return member->seen.ok;
}

static void tell_register(const struct member *member,
                          struct member_gate_row *row)
{
    const struct observed *seen = &member->seen;
    ROW_TEXT(row->value, "%s",
             !seen->was_read ? "not read yet"
             : seen->ok      ? "reachable"
                             : seen->text);
    ROW_TEXT(row->threshold, "reachable, with a value that fits");
    ROW_TEXT(row->fix, "%s",
             seen->is_foreign  ? "if the server was replaced on purpose: "
                                 "twinsync register repin"
             : seen->regressed ? "twinsync register repair --reason R"
             : seen->is_absent ? "twinsync register init --reason R, once for "
                                 "the cluster"
                               : "see twinsync register status");
}

static bool member_ok(const struct member *member)
{
    return member_is_voter(member) || !TS_RULE(MEMBER_ONLY);
}

static void tell_member(const struct member *member,
                        struct member_gate_row *row)
{
    bool learner = member->seen.has_value &&
                   strcmp(member->seen.value.learner, member->name) == 0;
    ROW_TEXT(row->value, "%s in list %" PRIu64,
             member_is_voter(member) ? "voter"
             : learner               ? "learner"
                                     : "not listed",
             member->seen.value.membership);
    ROW_TEXT(row->threshold, "voter");
    ROW_TEXT(row->fix, "%s",
             learner ? "wait until it has everything that the active node has"
                     : "join: twinsync token create on a member, then twinsync "
                       "join --token T here");
}

static bool facts_ok(const struct member *member)
{
    return member->facts.known;
}

static void tell_facts(const struct member *member, struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%s",
             member->facts.known ? "known" : "local.db knows no register");
    ROW_TEXT(row->threshold, "this node knows which epochs it has seen");
    ROW_TEXT(row->fix, "join anew: twinsync token create on the other node, "
                       "then twinsync join --token T here");
}

/* A first load may have ended between its name in the register and its
 * selection: no renewal has shown a state, and only this node could have
 * exported anything. */
static bool state_ok(const struct member *member)
{
    const struct register_value *value = &member->seen.value;
    bool cut_off =
        member_other_voter(member) == NULL && value->position.generation == 0;
    return member->has_state || value->data_generation == 0 || cut_off ||
           member->op.accept_data_loss;
}

static void tell_state(const struct member *member, struct member_gate_row *row)
{
    ROW_TEXT(row->value,
             "%s, at generation %" PRIu64 " epoch %" PRIu64 " seq %" PRIu64,
             member->has_state ? "selected" : "no complete state",
             member->position.generation, member->position.epoch,
             member->position.seq);
    ROW_TEXT(row->threshold, "a complete state is selected");
    ROW_TEXT(row->fix, "wait for the snapshot from the active node");
}

static bool maintenance_ok(const struct member *member)
{
    return !member->facts.maintenance;
}

static void tell_maintenance(const struct member *member,
                             struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%s", member->facts.maintenance ? "on" : "off");
    ROW_TEXT(row->threshold, "off");
    ROW_TEXT(row->fix, "twinsync maintenance off");
}

/* ---- waits -------------------------------------------------------------- */

static bool start_ok(const struct member *member)
{
    return member_start_waited(member);
}

static void tell_wait(const struct member *member, struct ts_clocks from,
                      struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%" PRId64 " ms", ts_elapsed_least(from, member->now));
    ROW_TEXT(row->threshold, "%" PRId64 " ms", lease_wait_ms(&member->terms));
}

static void tell_start(const struct member *member, struct member_gate_row *row)
{
    tell_wait(member, member->started, row);
    ROW_TEXT(row->fix, "nothing to do: it waits after each start");
}

static bool lease_ok(const struct member *member)
{
    return observe_expired(member);
}

static void tell_lease(const struct member *member, struct member_gate_row *row)
{
    const struct register_value *value = &member->seen.value;
    tell_wait(member, member->seen.changed, row);
    ROW_TEXT(row->value,
             "%s, epoch %" PRIu64 "%s, unchanged for %" PRId64 " ms",
             value->holder[0] != '\0' ? value->holder : "nobody", value->epoch,
             value->released ? " (released)" : "",
             ts_elapsed_least(member->seen.changed, member->now));
    ROW_TEXT(row->fix,
             "nothing to do while %s is well; to move on purpose: "
             "twinsync failover --reason R",
             value->holder[0] != '\0' ? value->holder : "the other node");
}

static bool promise_ok(const struct member *member)
{
    return !promise_binds(member);
}

static void tell_promise(const struct member *member,
                         struct member_gate_row *row)
{
    if (member->promised.given) {
        tell_wait(member, member->promised.at, row);
    } else {
        ROW_TEXT(row->value, "none given");
    }
    ROW_TEXT(row->fix, "nothing to do: this node promised not to take over "
                       "while the register is out of reach");
}

static bool doubt_ok(const struct member *member)
{
    return !member->claims.in_doubt ||
           member->takeover.step == TAKEOVER_CLAIMING;
}

static void tell_doubt(const struct member *member, struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%s",
             member->claims.in_doubt ? "a swap may still land" : "none");
    ROW_TEXT(row->threshold, "no swap in doubt");
    ROW_TEXT(row->fix, "nothing to do: the register is read again");
}

/* ---- limits ------------------------------------------------------------- */

/* A single voter comes back as often as it starts. One whose exporter hangs
 * again and again would register a client each time: it is held too. */
static bool takeovers_ok(const struct member *member)
{
    bool comes_back = member_other_voter(member) == NULL && !member->hung;
    return compose_takeovers(member) < REGISTER_TAKEOVERS_MAX ||
           member->op.failover.open || comes_back ||
           (member->seen.value.released && member->seen.value.planned);
}

static void tell_takeovers(const struct member *member,
                           struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%zu unplanned in 15 min", compose_takeovers(member));
    ROW_TEXT(row->threshold, "fewer than %d", REGISTER_TAKEOVERS_MAX);
    ROW_TEXT(row->fix, "find out why (twinsync history), then twinsync "
                       "failover --reason R");
}

static bool manual_ok(const struct member *member)
{
    return !member->is_manual || member->op.failover.open;
}

static void tell_manual(const struct member *member,
                        struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%s", member->is_manual ? "manual" : "shared");
    ROW_TEXT(row->threshold, "a register that both nodes share");
    ROW_TEXT(row->fix, "make sure that the other node is off, then twinsync "
                       "failover --reason R");
}

static int64_t yield_ms(const struct member *member)
{
    return 2 * lease_wait_ms(&member->terms);
}

static bool yielded_ok(const struct member *member)
{
    return !member->yielded || member->op.failover.open ||
           member_other_voter(member) == NULL ||
           ts_elapsed_least(member->yielded_at, member->now) >=
               yield_ms(member);
}

static void tell_yielded(const struct member *member,
                         struct member_gate_row *row)
{
    if (member->yielded) {
        ROW_TEXT(row->value, "handed over %" PRId64 " ms ago",
                 ts_elapsed_least(member->yielded_at, member->now));
    } else {
        ROW_TEXT(row->value, "no");
    }
    ROW_TEXT(row->threshold, "%" PRId64 " ms", yield_ms(member));
    ROW_TEXT(row->fix, "nothing to do: the other node goes first");
}

static bool backoff_ok(const struct member *member)
{
    const struct takeover *takeover = &member->takeover;
    return takeover->backoff_ms == 0 ||
           ts_elapsed_most(takeover->failed_at, member->now) >=
               takeover->backoff_ms;
}

static void tell_backoff(const struct member *member,
                         struct member_gate_row *row)
{
    const struct takeover *takeover = &member->takeover;
    ROW_TEXT(row->value, "%s",
             takeover->backoff_ms > 0 ? takeover->failed_text : "none");
    ROW_TEXT(row->threshold, "no failed attempt within %" PRId64 " ms",
             takeover->backoff_ms);
    ROW_TEXT(row->fix, "nothing to do: it is tried again");
}

static bool room_ok(const struct member *member)
{
    return compose_has_room(&member->seen.value) || !TS_RULE(PRINCIPAL_OWN);
}

static void tell_room(const struct member *member, struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%zu principals not known to be gone",
             member->seen.value.principal_count);
    ROW_TEXT(row->threshold, "fewer than %d", REGISTER_PRINCIPALS_MAX);
    ROW_TEXT(row->fix, "remove them at the target, then twinsync failover");
}

static bool engine_ok(const struct member *member)
{
    return (member->engine == ENGINE_IDLE && member_travel_left(member) == 0) ||
           (!TS_RULE(PUBLISH_FIRST) && member->takeover.step != TAKEOVER_NONE);
}

static void tell_engine(const struct member *member,
                        struct member_gate_row *row)
{
    bool is_idle = member->engine == ENGINE_IDLE;
    if (is_idle && !engine_ok(member)) {
        ROW_TEXT(row->value, "requests of %" PRId64 " ms ago may arrive",
                 ts_elapsed_least(member->left_at, member->now));
    } else {
        ROW_TEXT(row->value, "%s", is_idle ? "idle" : "still leaving");
    }
    ROW_TEXT(row->threshold, "idle");
    ROW_TEXT(row->fix, "nothing to do: the last requests are being ended");
}

static bool stopping_ok(const struct member *member)
{
    return !member->stopping;
}

static void tell_stopping(const struct member *member,
                          struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%s", member->stopping ? "stopping" : "running");
    ROW_TEXT(row->threshold, "running");
    ROW_TEXT(row->fix, "start twinsyncd");
}

/* ---- the holder's ------------------------------------------------------- */

static bool held_ok(const struct member *member)
{
    return member->lease.held &&
           lease_left_ms(&member->terms, member->lease.from, member->now) > 0;
}

static void tell_held(const struct member *member, struct member_gate_row *row)
{
    ROW_TEXT(row->value, "epoch %" PRIu64 ", %" PRId64 " ms left%s",
             member->lease.epoch,
             lease_left_ms(&member->terms, member->lease.from, member->now),
             member->lease.is_promised ? ", by the peer's promise" : "");
    ROW_TEXT(row->threshold, "more than 0 ms");
    ROW_TEXT(row->fix, "see register, and the peer's link");
}

static bool fence_ok(const struct member *member)
{
    return member->takeover.step == TAKEOVER_NONE;
}

static void tell_fence(const struct member *member, struct member_gate_row *row)
{
    const struct takeover *takeover = &member->takeover;
    if (takeover->step == TAKEOVER_NONE) {
        ROW_TEXT(row->value, "done");
    } else {
        ROW_TEXT(row->value, "%s: %.360s", takeover_step_name(takeover->step),
                 takeover->fence_text[0] != '\0' ? takeover->fence_text
                                                 : "under way");
    }
    ROW_TEXT(row->threshold, "every older principal is gone, and proved so");
    ROW_TEXT(row->fix, "see that the target and its authorization server "
                       "answer; once you have seen yourself that every older "
                       "credential (twinsync register status) is refused: "
                       "twinsync fence accept --reason R");
}

static bool progress_ok(const struct member *member)
{
    return member->engine != ENGINE_ACTIVE || member->lease.progressed ||
           ts_elapsed_most(member->lease.from, member->now) <
               2 * member->terms.renew_ms;
}

static void tell_progress(const struct member *member,
                          struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%s",
             member->lease.progressed ? "since the last renewal" : "none");
    ROW_TEXT(row->threshold, "the exporter's loop goes round");
    ROW_TEXT(row->fix, "see twinsync status: what the exporter waits for");
}

static bool paused_ok(const struct member *member)
{
    return !member_is_paused(member);
}

static void tell_paused(const struct member *member,
                        struct member_gate_row *row)
{
    ROW_TEXT(row->value, "%s", member_is_paused(member) ? "paused" : "no");
    ROW_TEXT(row->threshold, "not paused");
    ROW_TEXT(row->fix, "twinsync resume");
}

/* ---- probes ------------------------------------------------------------- */

#define PROBE(id, word)                                  \
    static bool word##_ok(const struct member *member)   \
    {                                                    \
        return member->probe.ok[id];                     \
    }                                                    \
    static void tell_##word(const struct member *member, \
                            struct member_gate_row *row) \
    {                                                    \
        tell_probe(member, id, row);                     \
    }

static void tell_probe(const struct member *member, enum member_probe id,
                       struct member_gate_row *row)
{
    const struct probing *probe = &member->probe;
    ROW_TEXT(row->value, "%s",
             !probe->has_result            ? "not tried yet"
             : probe->texts[id][0] != '\0' ? probe->texts[id]
             : probe->ok[id]               ? "ok"
                                           : "failed");
    ROW_TEXT(row->threshold, "ok at the last try");
    ROW_TEXT(row->fix, "see twinsync check on this node");
}

PROBE(MEMBER_PROBE_SOURCE, source)
PROBE(MEMBER_PROBE_TARGET, target)
PROBE(MEMBER_PROBE_REGISTRATION, registration)
PROBE(MEMBER_PROBE_DISK, disk)
PROBE(MEMBER_PROBE_STATE, sums)
PROBE(MEMBER_PROBE_CONFIG, configuration)

/* ---- the table ---------------------------------------------------------- */

static const struct gate gates[] = {
    { "register", GATE_CANDIDATE | GATE_HOLDER | GATE_ABLE, register_ok,
      tell_register },
    { "member", GATE_CANDIDATE | GATE_HOLDER | GATE_ABLE, member_ok,
      tell_member },
    { "identity", GATE_CANDIDATE | GATE_HOLDER | GATE_ABLE, facts_ok,
      tell_facts },
    { "state", GATE_CANDIDATE | GATE_ABLE, state_ok, tell_state },
    { "maintenance", GATE_CANDIDATE | GATE_ABLE, maintenance_ok,
      tell_maintenance },
    { "running", GATE_CANDIDATE | GATE_ABLE, stopping_ok, tell_stopping },
    { "start-wait", GATE_CANDIDATE | GATE_ABLE, start_ok, tell_start },
    { "promise", GATE_CANDIDATE, promise_ok, tell_promise },
    { "swap", GATE_CANDIDATE, doubt_ok, tell_doubt },
    { "takeovers", GATE_CANDIDATE, takeovers_ok, tell_takeovers },
    { "driver", GATE_CANDIDATE, manual_ok, tell_manual },
    { "handed-over", GATE_CANDIDATE, yielded_ok, tell_yielded },
    { "attempt", GATE_CANDIDATE, backoff_ok, tell_backoff },
    { "principals", GATE_CANDIDATE, room_ok, tell_room },
    { "engine", GATE_CANDIDATE, engine_ok, tell_engine },
    { "lease", GATE_CANDIDATE, lease_ok, tell_lease },
    { "lease", GATE_HOLDER, held_ok, tell_held },
    { "fence", GATE_HOLDER, fence_ok, tell_fence },
    { "progress", GATE_HOLDER, progress_ok, tell_progress },
    { "paused", GATE_HOLDER, paused_ok, tell_paused },
    { "source", GATE_ABLE | GATE_WELL, source_ok, tell_source },
    { "target", GATE_ABLE | GATE_WELL, target_ok, tell_target },
    { "registration", GATE_ABLE | GATE_WELL, registration_ok,
      tell_registration },
    { "disk", GATE_ABLE | GATE_WELL, disk_ok, tell_disk },
    { "sums", GATE_ABLE | GATE_WELL, sums_ok, tell_sums },
    { "configuration", GATE_ABLE, configuration_ok, tell_configuration },
};
#define GATES_COUNT (sizeof gates / sizeof gates[0])

static bool all_open(const struct member *member, unsigned use)
{
    for (size_t i = 0; i < GATES_COUNT; i++) {
        if ((gates[i].uses & use) != 0 && !gates[i].ok(member)) {
            return false;
        }
    }
    return true;
}

bool gates_candidate(const struct member *member)
{
    return all_open(member, GATE_CANDIDATE);
}

bool gates_probed(const struct member *member)
{
    const struct probing *probe = &member->probe;
    for (size_t i = 0; i < MEMBER_PROBES; i++) {
        if (!probe->ok[i]) {
            return false;
        }
    }
    return probe->has_result &&
           ts_elapsed_most(probe->done, member->now) <= MEMBER_PROBE_FRESH_MS;
}

bool gates_able(const struct member *member)
{
    return all_open(member, GATE_ABLE);
}

bool gates_well(const struct member *member)
{
    return all_open(member, GATE_WELL);
}

size_t member_explain(struct member *member, struct ts_clocks now,
                      struct member_gate_row rows[static MEMBER_GATES_MAX])
{
    unsigned use =
        GATE_ABLE |
        (member_is_holder_role(member->role) ? GATE_HOLDER : GATE_CANDIDATE);
    member->now = now;
    size_t count = 0;
    for (size_t i = 0; i < GATES_COUNT && count < MEMBER_GATES_MAX; i++) {
        if ((gates[i].uses & use) != 0) {
            struct member_gate_row *row = &rows[count++];
            memset(row, 0, sizeof *row);
            row->name = gates[i].name;
            row->ok = gates[i].ok(member);
            gates[i].tell(member, row);
            if (row->ok) {
                row->fix[0] = '\0';
            }
        }
    }
    return count;
}

void gates_first_closed(const struct member *member, char *text, size_t room)
{
    text[0] = '\0';
    for (size_t i = 0; i < GATES_COUNT; i++) {
        if ((gates[i].uses & (GATE_CANDIDATE | GATE_ABLE)) != 0 &&
            !gates[i].ok(member)) {
            struct member_gate_row row = { .name = gates[i].name };
            gates[i].tell(member, &row);
            (void) snprintf(text, room, "%s: %s (needed: %s); %s", row.name,
                            row.value, row.threshold, row.fix);
            return;
        }
    }
}
