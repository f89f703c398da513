"""control_samples -- one plausible result of every command of the control socket
(node/control/commands.md), for tests of the tool and for looking at its views."""

ANCHOR = "3f0c6a52-7d2e-4f6e-9a57-0c1d2e3f4a5b"

STATUS = {
    "version": "0.1.0", "cluster": "corp", "node": "alpha", "role": "active", "assigned": None,
    "epoch": 1, "lease": None, "fence": None, "peer": None,
    "replication": {"seq": 4711, "acked": 4711, "lag_ms": 0, "checksum": None, "equal": None,
                    "protected": False, "generation": 3},
    "cycle": {"running": False, "id": 42, "kind": "delta", "started": "2026-01-02T03:04:05.678Z",
              "duration_ms": 812, "result": "success", "phase": None, "done": 0, "total": 0},
    "counts": {"source": 1060, "metaverse": 1060, "target": 1060, "ledger": 1060, "pending": 0,
               "held": 0, "quarantined": 0, "errors": 0},
    "exports": {"create": 3, "update": 2, "delete": 0, "retries": 0, "throttled_ms": 0},
    "problems": [],
}

PROBLEM = {
    "code": "target-unreachable", "severity": "error",
    "text": "could not reach the target https://scim.example.org/v2: connection refused",
    "fix": "check the target's url and the network; twinsync check tells which of them it is",
}

PREVIEW = {
    "hash": "9b1f" * 16,
    "counts": {"create": 1, "update": 1, "delete": 1, "deactivate": 0, "members": 2},
    "objects": [
        {"kind": "user", "anchor": ANCHOR, "name": "ada@example.org", "verb": "create",
         "attributes": [{"path": "userName", "old": [], "new": ["ada@example.org"]},
                        {"path": "displayName", "old": [], "new": ["Ada Lovelace"]}],
         "members": None},
        {"kind": "user", "anchor": ANCHOR, "name": "grace@example.org", "verb": "update",
         "attributes": [{"path": "displayName", "old": ["Grace"], "new": ["Grace Hopper"]}],
         "members": None},
        {"kind": "group", "anchor": ANCHOR, "name": "engineers", "verb": "delete",
         "attributes": [], "members": {"path": "members", "add": [], "remove": [ANCHOR, "x"]}},
    ],
}

SHOW = {
    "anchor": ANCHOR, "kind": "user", "name": "ada@example.org",
    "dn": "uid=ada,ou=people,dc=example,dc=org", "in_step": False,
    "why": "the target refused the last update because userName \"ada@example.org\" is taken by "
           "another object: correct the mail attribute of one of the two at the source",
    "stages": [
        {"stage": "source", "state": "ok",
         "facts": {"source": "corp", "dn": "uid=ada,ou=people,dc=example,dc=org",
                   "seen": "2026-01-02T03:04:05.678Z"},
         "values": [{"path": "mail", "values": ["Ada@example.org"], "from": None},
                    {"path": "telephoneNumber", "values": ["1", "2", "3", "4", "5"], "from": None}]},
        {"stage": "scope", "state": "ok",
         "facts": {"verdict": "in", "rule": "user 1", "false_term": None},
         "problems": [{"path": "title", "text": "cannot evaluate \"title\": it has several values"}]},
        {"stage": "metaverse", "state": "ok", "facts": {},
         "values": [{"path": "userName", "values": ["ada@example.org"], "from": "corp"}]},
        {"stage": "target", "state": "different", "facts": {"id": "7", "etag": "W/\"3\""},
         "values": [{"path": "userName", "values": ["ada"], "from": None}],
         "differences": [{"path": "userName", "ours": ["ada@example.org"], "theirs": ["ada"]}]},
        {"stage": "ledger", "state": "ok",
         "facts": {"provenance": "created", "since": "2026-01-01T00:00:00.000Z"}},
        {"stage": "intents", "state": "waiting", "facts": {"verb": "update", "attempts": 3}},
        {"stage": "holds", "state": "ok", "facts": {}},
    ],
}

CANDIDATES = {"candidates": [
    {"anchor": ANCHOR, "kind": "user", "name": "ada", "dn": "uid=ada,ou=people,dc=example,dc=org"},
    {"anchor": "b", "kind": "group", "name": "ada", "dn": "cn=ada,ou=groups,dc=example,dc=org"},
]}

VERIFY = {"equal": False, "compared": 1060, "differences": [
    {"kind": "user", "anchor": ANCHOR, "name": "ada", "what": "attribute", "path": "displayName",
     "ours": ["Ada Lovelace"], "theirs": ["Ada"]},
    {"kind": "group", "anchor": "g", "name": "engineers", "what": "missing", "path": None,
     "ours": [], "theirs": []},
]}

ERRORS = {"errors": [
    {"kind": "user", "anchor": ANCHOR, "name": "ada", "code": "conflict", "path": "userName",
     "text": "could not update ada: userName is taken", "fix": None,
     "first_seen": "2026-01-02T03:04:05.678Z", "next_retry": None, "attempts": 3,
     "stage": "export"},
]}

PAIR_STATUS = dict(
    STATUS, assigned="active", epoch=7,
    lease={"holder": "alpha", "remaining_ms": 9120, "ttl_ms": 15000, "register": "peer", "register_ok": True,
           "register_text": None, "promised": False, "in_doubt": False},
    fence={"below_epoch": 7, "state": "confirmed", "evidence": "the server says that its token is not active"},
    peer={"node": "beta", "connected": True, "silent_ms": 120, "role": "standby", "round_trip_us": 310, "fit": True,
          "strangers": 0},
    replication={"seq": 4711, "acked": 4711, "lag_ms": 3, "checksum": "5d" * 32, "equal": True, "protected": True,
                 "generation": 3, "phase": "streaming", "why": None})

EXPLAIN = {
    "node": "beta", "role": "standby", "text": "another node holds the lease, and this one follows it", "step": None,
    "epoch": 7, "exports": False, "gates": [
        {"name": "lease", "ok": False, "value": "alpha renewed it 0.2 s ago", "threshold": "17.5 s without a renewal",
         "fix": "nothing to do while alpha is well"},
        {"name": "target", "ok": True, "value": "it answers", "threshold": None, "fix": None}]}
FAILOVER = {"role": "active", "epoch": 8, "text": "this node exports in epoch 8"}
HANDOVER = {
    "node": "alpha", "open": False, "report": "/var/lib/twinsync/handover-00112233445566ff.txt",
    "id": "00112233445566ff", "from": "alpha", "to": "beta", "actor": "ada", "reason": "new hardware",
    "outcome": "complete", "started": "2026-01-02T03:04:05.678Z", "ended": "2026-01-02T03:04:08.678Z",
    "duration_ms": 3000, "rows": [
        {"step": "preflight", "name": "beta: source", "state": "done", "text": "every source answers",
         "at": "2026-01-02T03:04:06.678Z", "node": "alpha"},
        {"step": "lease", "name": "", "state": "proved", "text": "epoch 8 is this computer's",
         "at": "2026-01-02T03:04:07.678Z", "node": "beta"}]}
RETIREMENT = {"steps": [{"step": "membership", "state": "done", "text": "beta is no member any more (member list 4)",
                        "at": "2026-11-23T00:00:00Z"}]}
ACCEPTED = {"role": "fencing", "epoch": 8, "text": "the fence is accepted without proof"}
REGISTERED = {"role": "standby", "epoch": 1, "text": "the register is written"}
REGISTER = {"type": "peer", "ok": True, "text": None, "value": {
    "id": "5c1b0da4773e4f0b9a6621e87dc013f5", "serial": 4711, "membership": 2, "voters": ["alpha", "beta"],
    "learner": None, "epoch": 7, "holder": "alpha", "released": False, "fenced": True, "protected": True, "level": 2,
    "generation": 3, "principals": [{"epoch": 7, "node": "alpha", "id": "client-7"}], "age_ms": 812}}
UPGRADED = {"role": "active", "epoch": 8, "text": "", "level": 2}
EPOCHS = [{"epoch": 7, "node": "alpha", "since": "2026-01-02T03:04:05.678Z", "actor": "ada",
           "reason": "beta's disk is broken", "evidence": "5 refusals, each beside a success"}]

CYCLE = dict(STATUS["cycle"], exports=STATUS["exports"])
HISTORY = {"epochs": EPOCHS, "cycles": [CYCLE, dict(CYCLE, id=41, kind="full", result="failed", duration_ms=65000)]}

EVENTS = {"events": [
    {"seq": 16, "time": "2026-01-02T03:04:05.678Z", "event": "cycle-finished", "actor": "daemon",
     "text": "{\"id\":42,\"kind\":\"delta\",\"result\":\"success\"}", "hash": "aa"},
    {"seq": 17, "time": "2026-01-02T03:05:05.678Z", "event": "paused", "actor": "uid 0",
     "text": "{\"until\":null}", "hash": "bb"},
], "last": 17}

EVENTS_VERIFY = {"verified": True, "count": 17, "head": "bb", "bad": None}
PAUSED = {"paused": True, "until": None}
RESUMED = {"paused": False, "until": None}

HASH = "9b1f03ac" + "5d" * 28
ORPHANS_HASH = "9b1f4711" + "0e" * 28
HOLDS = {"staging": None, "holds": [
    {"hash": HASH, "class": "deletes", "kind": "user", "detail": "", "items": 44, "limit": 5, "spent": 3,
     "text": "44 of 50 users would be deleted, because the complete enumeration of source \"corp\" no longer "
             "has them: if that is an accident, restore them there and the hold goes by itself",
     "since": "2026-01-02T03:04:05.678Z", "cut": False, "approve": "twinsync approve " + HASH,
     "objects": [{"kind": "user", "anchor": "3f0c6a52-7d2e-4f6e-9a57-0c1d2e3f%04d" % i,
                  "name": "user%d@example.org" % i, "verb": "delete", "target_id": "2819c223-%04d" % i,
                  "created": None, "since": "2026-01-02T03:04:05.678Z", "why": None} for i in range(44)]},
    {"hash": ORPHANS_HASH, "class": "orphans", "kind": "user", "detail": "", "items": 1, "limit": None,
     "spent": None, "text": "1 user at the target carries an anchor that no source has ever shown",
     "since": "2026-01-02T03:04:05.678Z", "cut": False, "approve": "twinsync approve " + ORPHANS_HASH,
     "objects": [{"kind": "user", "anchor": "HR-4711", "name": "kiosk@example.org", "verb": "deactivate",
                  "target_id": "902c2460", "created": "2024-05-06T07:08:09.000Z",
                  "since": "2026-01-02T03:04:05.678Z", "why": "no source has ever shown HR-4711"}]},
]}
STAGING = {"holds": [], "staging": {
    "why": "first", "since": "2026-01-02T03:04:05.678Z", "plan": None,
    "text": "this cluster has never written to its target: it reads and decides, and writes only a plan "
            "that somebody has seen"}}
APPROVED = {"hash": HASH, "released": 40, "dropped": 4, "left": 2, "class": "deletes"}
REJECTED = {"hash": HASH, "kept": 44, "left": 0}
RETRIED = {"retried": 1, "objects": [{"kind": "user", "anchor": ANCHOR, "name": "ada@example.org"}]}
ADOPTED = {"groups": [{"anchor": "g", "name": "engineers", "count": 2, "strangers": [
    {"target_id": "7", "name": "eve@example.org"}, {"target_id": "8", "name": None}]}]}
REANCHOR = {"hash": HASH, "count": 1, "pairs": [
    {"kind": "user", "old": "a-1", "new": "b-1", "name": "ada", "value": "ada@example.org"}],
    "ambiguous": [{"value": "info@example.org", "old": ["a-2"], "new": ["b-2", "b-3"]}]}
MAINTENANCE = {"maintenance": True, "staging": "maintenance"}
TOKEN = {"token": "twinsync1-CgRjb3Jw", "node": "beta", "issuer": "alpha",
         "endpoint": "tcp://192.0.2.7:7701", "expires": "2026-01-02T04:04:05.000Z"}
