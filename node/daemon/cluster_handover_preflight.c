/* The gates of a handover: what this node knows of itself, and what the other
 * one finds when it tries all that it will need, with its own credentials. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "node/daemon/cluster_handover_private.h"

#define LAG_MAX_MS    2000
#define DISK_FREE_MIN ((int64_t) 64 * 1024 * 1024)

/* --- the other node answers -------------------------------------------------
 */

static void add(struct wire_gate *gates, size_t *count, const char *name,
                bool ok, const char *text)
{
    gates[(*count)++] = (struct wire_gate){ name, ok, text };
}

static bool has_space(const struct handover_answer *answer,
                      char text[static HANDOVER_TEXT_SIZE])
{
    bool ok = answer->free_bytes >= DISK_FREE_MIN;
    (void) snprintf(text, HANDOVER_TEXT_SIZE,
                    "%lld MiB are free for the state, at least %lld are "
                    "wanted%s",
                    (long long) (answer->free_bytes >> 20),
                    (long long) (DISK_FREE_MIN >> 20),
                    ok ? "" : ": make room there");
    return ok;
}

static void send_answer(struct cluster_handover *h)
{
    struct cluster *c = h->c;
    const struct cluster_probe *found = &h->answer.found;
    static const struct {
        const char *name;
        enum member_probe probe;
    } of[] = { { "source", MEMBER_PROBE_SOURCE },
               { "target", MEMBER_PROBE_TARGET },
               { "credential", MEMBER_PROBE_REGISTRATION },
               { "disk", MEMBER_PROBE_DISK },
               { "state", MEMBER_PROBE_STATE } };
    struct wire_gate gates[WIRE_GATES_MAX];
    struct member_view view;
    char space[HANDOVER_TEXT_SIZE];
    size_t count = 0;
    member_view(c->member, ts_clocks_now(), &view);
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        add(gates, &count, of[i].name, found->ok[of[i].probe],
            found->texts[of[i].probe]);
    }
    add(gates, &count, "register", view.register_ok,
        view.register_ok ? "it answers with a value that fits"
                         : view.register_text);
    add(gates, &count, "role", view.role == MEMBER_STANDBY, view.sentence);
    add(gates, &count, "maintenance", !view.maintenance,
        view.maintenance ? "it is on: twinsync maintenance off there" : "off");
    bool roomy = has_space(&h->answer, space);
    add(gates, &count, "space", roomy, space);
    struct wire_message message = {
        .kind = WIRE_PREFLIGHT,
        .preflight = { .number = h->answer.number,
                       .clock_ms = ts_clocks_now().raw_ms,
                       .release = TS_VERSION,
                       .count = h->answer.outstanding == 0 ? count : 0,
                       .gates = gates },
    };
    cluster_peer_tell(c, &message);
}

static void tried(struct cluster_handover *h)
{
    if (--h->answer.outstanding == 0) {
        send_answer(h);
    }
}

static void probed(struct cluster *c, const struct cluster_store_answer *answer,
                   uint64_t number)
{
    static const enum member_probe of[ENGINE_GATES] = {
        [ENGINE_GATE_SOURCE] = MEMBER_PROBE_SOURCE,
        [ENGINE_GATE_TARGET] = MEMBER_PROBE_TARGET,
        [ENGINE_GATE_DISK] = MEMBER_PROBE_DISK,
        [ENGINE_GATE_STATE] = MEMBER_PROBE_STATE,
    };
    struct cluster_handover *h = c->handover;
    if (number != h->answer.number) {
        return;
    }
    for (int i = 0; i < ENGINE_GATES; i++) {
        h->answer.found.ok[of[i]] = answer->has_gates && answer->gates[i].ok;
        cluster_say(h->answer.found.texts[of[i]], answer->has_gates
                                                      ? answer->gates[i].text
                                                      : answer->err.text);
    }
    h->answer.free_bytes = answer->gates[ENGINE_GATE_DISK].free_bytes;
    if (c->recount.damaged) {
        h->answer.found.ok[MEMBER_PROBE_STATE] = false;
        cluster_say(h->answer.found.texts[MEMBER_PROBE_STATE],
                    c->recount.why.text);
    }
    tried(h);
}

/* Where credentials are made was tried by the member not long ago, and is in
 * what it told its own gates. */
static void take_registration(struct cluster_handover *h)
{
    const struct cluster_probe *last = &h->c->probe;
    h->answer.found.ok[MEMBER_PROBE_REGISTRATION] =
        last->outstanding == 0 && last->ok[MEMBER_PROBE_REGISTRATION];
    cluster_say(h->answer.found.texts[MEMBER_PROBE_REGISTRATION],
                last->texts[MEMBER_PROBE_REGISTRATION][0] == 0
                    ? "not tried yet"
                    : last->texts[MEMBER_PROBE_REGISTRATION]);
}

void cluster_handover_asked(struct cluster_handover *h, uint64_t number)
{
    struct engine_done done;
    if (number == h->answer.number) {
        send_answer(h); // what is known by now, and the clock
        return;
    }
    h->answer = (struct handover_answer){ .number = number };
    take_registration(h);
    if (cluster_store_call(h->c, probed, number, &done)) {
        h->answer.outstanding = 1;
        send_answer(h);
        engine_probe(h->c->engine, done);
    }
}

/* --- asking ------------------------------------------------------------------
 */

static struct handover_gate *next_gate(struct handover_asking *asking,
                                       const char *where, const char *name)
{
    static struct handover_gate spare;
    struct handover_gate *gate = asking->count < HANDOVER_GATES_MAX
                                     ? &asking->gates[asking->count++]
                                     : &spare;
    *gate = (struct handover_gate){ .ok = true };
    (void) snprintf(gate->name, sizeof gate->name, "%.40s: %.20s", where, name);
    return gate;
}

static void ask(struct cluster_handover *h, struct ts_time now)
{
    struct wire_message message = { .kind = WIRE_PREFLIGHT_ASK,
                                    .preflight_ask = { h->asking.number } };
    h->asking.next = ts_time_after(now, HANDOVER_ASK_MS);
    cluster_peer_tell(h->c, &message);
}

void handover_preflight_begin(struct cluster_handover *h, const char *peer)
{
    struct handover_asking *asking = &h->asking;
    struct ts_time now = ts_time_now();
    *asking = (struct handover_asking){ .running = true, .from = now };
    (void) snprintf(asking->peer, sizeof asking->peer, "%.63s", peer);
    // Only told from an earlier question; 0 means none.
    (void) !getrandom(&asking->number, sizeof asking->number, GRND_NONBLOCK);
    asking->number |= 1;
    ask(h, now);
}

/* What each gate of the other node is to be; it says what it found. */
static const char *threshold_of(const char *name)
{
    static const struct {
        const char *name, *threshold;
    } known[] = {
        { "source", "each answers there, with the credentials there" },
        { "target", "it answers there" },
        { "credential", "one can be made there" },
        { "disk", "it can be written" },
        { "state", "complete, and its rows add up" },
        { "register", "it answers there, with the credential there" },
        { "role", "standby" },
        { "maintenance", "off" },
        { "space", "room for the state" },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, name) == 0) {
            return known[i].threshold;
        }
    }
    return "open"; // of a newer version
}

void cluster_handover_told(struct cluster_handover *h,
                           const struct wire_preflight *told)
{
    struct handover_asking *asking = &h->asking;
    int64_t own_ms = ts_clocks_now().raw_ms;
    if (!asking->running || told->number != asking->number) {
        return;
    }
    if (!asking->has_first) {
        asking->has_first = true;
        asking->own_first_ms = own_ms;
        asking->other_first_ms = told->clock_ms;
    } else if (own_ms - asking->own_first_ms >= HANDOVER_CLOCK_MS - 50) {
        asking->has_clock = true;
        asking->own_ms = own_ms - asking->own_first_ms;
        asking->other_ms = told->clock_ms - asking->other_first_ms;
    }
    (void) snprintf(asking->release, sizeof asking->release, "%.63s",
                    told->release);
    for (size_t i = 0; !asking->has_gates && i < told->count; i++) {
        const struct wire_gate *from = &told->gates[i];
        struct handover_gate *gate =
            next_gate(asking, asking->peer, from->name);
        gate->ok = from->ok;
        (void) snprintf(gate->value, sizeof gate->value, "%.*s",
                        HANDOVER_TEXT_SIZE - 1, from->text);
        (void) snprintf(gate->threshold, sizeof gate->threshold, "%s",
                        threshold_of(from->name));
        if (!from->ok) {
            (void) snprintf(gate->fix, sizeof gate->fix,
                            "mend it on %.60s; twinsync explain there tells "
                            "more",
                            asking->peer);
        }
    }
    asking->has_gates = asking->has_gates || told->count > 0;
}

/* --- what this node knows itself ---------------------------------------------
 */

#define SAY(field, ...) ((void) snprintf((field), sizeof(field), __VA_ARGS__))

static void gate_clock(struct cluster_handover *h)
{
    struct handover_asking *a = &h->asking;
    struct handover_gate *gate = next_gate(a, "both", "clock rates");
    unsigned limit = h->c->config->lease.clock_error_percent;
    double off = a->own_ms > 0 ? 100.0 * (double) (a->other_ms - a->own_ms) /
                                     (double) a->own_ms
                               : 100.0;
    gate->ok = a->has_clock && off < limit && off > -(double) limit;
    if (a->has_clock) {
        SAY(gate->value, "%+.1f %% apart over %lld ms", off,
            (long long) a->own_ms);
    } else {
        SAY(gate->value, "the other clock was not told twice");
    }
    SAY(gate->threshold, "below %u %%", limit);
    if (!gate->ok) {
        SAY(gate->fix, "look at the clock of both hosts: a lease rests on "
                       "their rates");
    }
}

static void gate_replica(struct cluster_handover *h)
{
    struct handover_gate *gate = next_gate(&h->asking, "both", "replica");
    struct leader_figures figures;
    leader_figures(h->c->leader, ts_time_now(), &figures);
    gate->ok = figures.acked.generation == figures.own.generation &&
               figures.acked.epoch == figures.own.epoch &&
               figures.acked.generation > 0 && figures.behind_ms <= LAG_MAX_MS;
    SAY(gate->value,
        "row %lld of %lld, %lld ms behind; each row's sum is recomputed there",
        (long long) figures.acked.seq, (long long) figures.own.seq,
        (long long) figures.behind_ms);
    SAY(gate->threshold, "at most %d ms behind, with equal sums", LAG_MAX_MS);
    if (!gate->ok) {
        SAY(gate->fix,
            "wait until twinsync status there says that it has "
            "everything (%.30s now)",
            leader_phase_name(figures.phase));
    }
}

static void gate_versions(struct cluster_handover *h,
                          const struct member_view *view)
{
    struct handover_gate *gate = next_gate(&h->asking, "both", "versions");
    uint32_t other = view->peer == NULL ? 0 : view->peer->level_max;
    uint32_t used = view->has_value ? view->value->level : 0;
    gate->ok = other >= used;
    SAY(gate->value,
        "%s here, %s there; schema level %u in use, %u known there", TS_VERSION,
        h->asking.release[0] == 0 ? "not told" : h->asking.release, used,
        other);
    SAY(gate->threshold, "the level in use is known there");
    if (!gate->ok) {
        SAY(gate->fix, "upgrade the other computer first");
    }
}

static void gate_configuration(struct cluster_handover *h)
{
    struct handover_gate *gate = next_gate(&h->asking, "both", "configuration");
    const struct cluster *c = h->c;
    gate->ok =
        c->peer_heard && ts_hash_equal(c->peer_config_hash, c->config_hash);
    SAY(gate->value, "%s", gate->ok ? "the same on both" : "not the same");
    SAY(gate->threshold, "equal but for this-node and state-directory");
    if (!gate->ok) {
        SAY(gate->fix, "make the files equal, and restart the node that was "
                       "changed last");
    }
}

static void gate_protected(struct cluster_handover *h,
                           const struct member_view *view)
{
    struct handover_gate *gate = next_gate(&h->asking, "both", "protected");
    gate->ok = view->has_value && !view->value->is_unprotected;
    SAY(gate->value, "%s",
        gate->ok ? "every write is on both computers before it is made"
                 : "some writes are on this computer only");
    SAY(gate->threshold, "the register says protected");
    if (!gate->ok) {
        SAY(gate->fix, "wait: it says so once the other one has everything");
    }
}

static void gates_engine(struct cluster_handover *h)
{
    const char *self = h->c->config->this_node;
    struct engine_look look;
    engine_look(h->c->engine, &look);
    struct handover_gate *gate = next_gate(&h->asking, self, "session");
    if (look.running) {
        SAY(gate->value, "session %lld runs since %lld s: %s %llu of %llu",
            (long long) look.cycle, (long long) (look.running_ms / 1000),
            look.phase, (unsigned long long) look.done,
            (unsigned long long) look.total);
    } else {
        SAY(gate->value, "none runs");
    }
    SAY(gate->threshold, "any: the drain waits for its end");
    gate = next_gate(&h->asking, self, "held");
    SAY(gate->value,
        "%lld objects are held, %lld could not be written, staging is %s",
        (long long) look.held, (long long) look.errors,
        look.staging ? "on" : "off");
    SAY(gate->threshold, "any: what is held here stays held there");
}

static void add_own(struct cluster_handover *h)
{
    struct member_view view;
    member_view(h->c->member, ts_clocks_now(), &view);
    if (!h->asking.has_gates) {
        struct handover_gate *gate =
            next_gate(&h->asking, h->asking.peer, "answer");
        gate->ok = false;
        SAY(gate->value, "it did not answer within %d s",
            HANDOVER_PREFLIGHT_MS / 1000);
        SAY(gate->threshold, "it tries all that it will need, and tells");
        SAY(gate->fix, "start it, look at the network between the two, or "
                       "install this version there");
    }
    gate_replica(h);
    gate_protected(h, &view);
    gate_versions(h, &view);
    gate_configuration(h);
    gate_clock(h);
    gates_engine(h);
}

bool handover_preflight_tick(struct cluster_handover *h, struct ts_time now)
{
    struct handover_asking *asking = &h->asking;
    bool late = now.ms - asking->from.ms >= HANDOVER_PREFLIGHT_MS;
    if (!asking->running) {
        return asking->ended;
    }
    if (!late && !(asking->has_gates && asking->has_clock)) {
        if (ts_time_reached(now, asking->next)) {
            ask(h, now);
        }
        return false;
    }
    add_own(h);
    asking->running = false;
    asking->ended = true;
    return true;
}

const struct handover_gate *
handover_first_closed(const struct handover_asking *asking)
{
    for (size_t i = 0; i < asking->count; i++) {
        if (!asking->gates[i].ok) {
            return &asking->gates[i];
        }
    }
    return NULL;
}

void handover_gate_text(const struct handover_gate *gate,
                        char text[static HANDOVER_TEXT_SIZE])
{
    (void) snprintf(text, HANDOVER_TEXT_SIZE, "%.200s (wanted: %.90s)%s%.80s",
                    gate->value, gate->threshold, gate->fix[0] == 0 ? "" : "; ",
                    gate->fix);
}

void handover_difference(struct cluster_handover *h,
                         char text[static HANDOVER_TEXT_SIZE])
{
    struct engine_look look;
    engine_look(h->c->engine, &look);
    (void) snprintf(text, HANDOVER_TEXT_SIZE,
                    "the other computer has the same rows and the same rules, "
                    "so it writes what is pending here, %lld objects, and "
                    "nothing else; %lld held ones stay held",
                    (long long) look.pending, (long long) look.held);
}
