/* What only a try can tell: is this node fit to export? The engine looks at
 * sources, target, disk and state, the fence's thread at where credentials are
 * made; the configuration is compared with what the peer said. */
#include <stdio.h>

#include "node/daemon/cluster_private.h"

/* Without the pair's key nothing can be sealed, so nothing is made. */
static const char no_key[] =
    "this node has no key of the pair: run twinsync register init on the first "
    "node, twinsync join on the second";

/* A sentence, cut where it is longer than the member keeps. */
void cluster_say(char text[static MEMBER_TEXT_SIZE], const char *what)
{
    (void) snprintf(text, MEMBER_TEXT_SIZE, "%.*s", MEMBER_TEXT_SIZE - 1, what);
}

bool cluster_peer_differs(const struct cluster *c)
{
    struct member_view view;
    member_view(c->member, ts_clocks_now(), &view);
    bool is_out = view.has_value && c->peer != NULL &&
                  !register_has_member(view.value, c->peer->name);
    return c->peer_heard && !is_out &&
           !ts_hash_equal(c->peer_config_hash, c->config_hash);
}

/* Two nodes that were told different things must not take over from each
 * other; one that was never heard cannot be asked. */
static void probe_configuration(struct cluster *c)
{
    bool same = !cluster_peer_differs(c);
    c->probe.ok[MEMBER_PROBE_CONFIG] = same;
    cluster_say(c->probe.texts[MEMBER_PROBE_CONFIG],
                !c->peer_heard ? "the other node has not told its own"
                : same         ? "the same on both nodes"
                       : "the other node has another one: make the files equal "
                         "but for this-node and state-directory");
}

static void probe_answered(struct cluster *c)
{
    if (--c->probe.outstanding > 0) {
        return;
    }
    probe_configuration(c);
    struct member_event event = { .kind = MEMBER_PROBED };
    for (int i = 0; i < MEMBER_PROBES; i++) {
        event.probed.ok[i] = c->probe.ok[i];
        event.probed.texts[i] = c->probe.texts[i];
    }
    cluster_feed(c, &event);
}

void cluster_probe_registration(struct cluster *c, bool ok, const char *text)
{
    c->probe.ok[MEMBER_PROBE_REGISTRATION] = ok;
    cluster_say(c->probe.texts[MEMBER_PROBE_REGISTRATION],
                ok ? "a credential can be made" : text);
    probe_answered(c);
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
    (void) number;
    // Whether there has to be a state is a gate of the member's own.
    bool none_yet = answer->position.generation == 0;
    for (int i = 0; i < ENGINE_GATES; i++) {
        const struct engine_gate_result *gate = &answer->gates[i];
        c->probe.ok[of[i]] = answer->has_gates &&
                             (gate->ok || (i == ENGINE_GATE_STATE && none_yet));
        cluster_say(c->probe.texts[of[i]],
                    answer->has_gates ? gate->text : answer->err.text);
    }
    if (c->recount.damaged) {
        c->probe.ok[MEMBER_PROBE_STATE] = false;
        cluster_say(c->probe.texts[MEMBER_PROBE_STATE], c->recount.why.text);
    }
    probe_answered(c);
}

/* Busy means that it is being used just now: it answers. */
static void probe_registration(struct cluster *c)
{
    char *text = c->probe.texts[MEMBER_PROBE_REGISTRATION];
    enum ts_code code =
        c->fence == NULL ? TS_E_NOT_FOUND : cluster_fence_probe(c->fence);
    if (code == TS_OK) {
        return;
    }
    c->probe.outstanding = 1;
    c->probe.ok[MEMBER_PROBE_REGISTRATION] = code == TS_E_LIMIT;
    cluster_say(text, c->fence == NULL     ? no_key
                      : code == TS_E_LIMIT ? "it is in use just now"
                                           : ts_code_text(code));
}

void cluster_probe(struct cluster *c, const struct member_effect *effect)
{
    (void) effect;
    struct engine_done done;
    c->probe = (struct cluster_probe){ .outstanding = 2 };
    if (!cluster_store_call(c, probed, 0, &done)) {
        c->owed.probe = true;
        cluster_say(c->owed.text, ts_code_text(TS_E_NOMEM));
        return;
    }
    probe_registration(c);
    engine_probe(c->engine, done);
}
