"""exclusive -- was there one exporter, as the provider's own log tells it?

Reads nothing but the lab's request logs: the provider's (who was admitted when,
and when each effect took place) and the authorization server's (which client was
deleted when). Whoever exports says in Twinsync-Op who and what it is:
CLUSTER/NODE/EPOCH/BOOT/SEQ, with ;i=N for one intent and ;r=N at a repetition.

A request counts from its admission, not from its answer: what was let in may
take effect at any later moment. Times are those of one machine's clock.
"""

import re

OP = re.compile(r"(?P<cluster>[^/]+)/(?P<node>[^/]+)/(?P<epoch>[0-9]+)/(?P<boot>[^/]+)/(?P<seq>[0-9]+)(?:;[a-z]=[0-9]+)*")
READS = ("GET", "HEAD")
CLIENT = re.compile(r"^/reg/([^/?]+)")


class Request:
    """One admitted request that says who sent it."""

    def __init__(self, row, op):
        self.admitted, self.effect = row["admitted_us"], row.get("effect_us")
        self.node, self.epoch, self.boot, self.seq = op["node"], int(op["epoch"]), op["boot"], int(op["seq"])
        self.client = row.get("client")
        self.writes = row["method"] not in READS
        self.ids = list(row.get("ids") or ())
        self.effects = [(name, self.effect) for name in self.ids] if self.writes and self.effect else []
        for operation in row.get("bulk") or ():
            if operation.get("id") and operation.get("effect_us"):
                self.effects.append((operation["id"], operation["effect_us"]))

    def __str__(self):
        return f"epoch {self.epoch} of {self.node} (boot {self.boot}, seq {self.seq}, client {self.client})"


def admitted(rows):
    """The requests of the product, in the order in which they were let in."""
    found = []
    for row in rows:
        op = OP.fullmatch(row.get("op") or "")
        if op and row.get("admitted_us"):
            found.append(Request(row, op))
    return sorted(found, key=lambda request: request.admitted)


def admissions(requests):
    """I1: epochs never decrease in admissions."""
    faults, highest = [], None
    for request in requests:
        if highest is not None and request.epoch < highest.epoch:
            faults.append(f"{request} was admitted {request.admitted - highest.admitted} us after {highest}")
        else:
            highest = request
    return faults


def effects(requests):
    """I1: at each object, effects never decrease in epoch."""
    faults, last = [], {}
    at = sorted(((when, name, request) for request in requests for name, when in request.effects),
                key=lambda each: each[0])
    for _, name, request in at:
        before = last.get(name)
        if before is not None and request.epoch < before.epoch:
            faults.append(f"{name}: {request} took effect after {before}")
        last[name] = request
    return faults


def identities(requests, shared=()):
    """An epoch is one node's and one process's, and a client one epoch's.

    shared: clients of a target that cannot fence; no more is claimed for them.
    """
    faults, holder, epoch_of = [], {}, {}
    for request in requests:
        who = (request.node, request.boot)
        if holder.setdefault(request.epoch, who) != who:
            faults.append(f"{request}: its epoch was that of {'/'.join(holder[request.epoch])}")
        if request.client in (None, *shared):
            continue
        if epoch_of.setdefault(request.client, request.epoch) != request.epoch:
            faults.append(f"{request}: its client was epoch {epoch_of[request.client]}'s")
    return sorted(set(faults))


def deletions(oauth_rows):
    """Clients that the authorization server said are gone, and since when."""
    gone = {}
    for row in oauth_rows:
        named = CLIENT.match(row["path"])
        if named and row["method"] == "DELETE" and row["status"] in (200, 204):
            gone.setdefault(named.group(1), row["answered_us"])
    return gone


def fenced(provider_rows, gone, confirmed):
    """I2: nothing is admitted below an epoch whose fence is confirmed.

    gone: deletions(); it says nothing about tokens that outlive their client, so
    it counts only from the first write of a higher epoch, which claims that the
    fence was confirmed. confirmed: {epoch: time in us} of those who know better.
    """
    faults = []
    requests = admitted(provider_rows)
    claims = dict(confirmed)
    for request in requests:
        if request.writes:
            claims[request.epoch] = min(claims.get(request.epoch, request.admitted), request.admitted)
    for epoch, since in claims.items():
        faults += [f"{request} was admitted after the fence below epoch {epoch}"
                   for request in requests if request.epoch < epoch and request.admitted > since]
        old = {request.client for request in requests if request.epoch < epoch and request.client}
        faults += [f"client {row['client']} was admitted after the fence below epoch {epoch}"
                   for row in provider_rows
                   if row.get("client") in old & set(gone) and (row.get("admitted_us") or 0) > since]
    return sorted(set(faults))


def anonymous(provider_rows, ours):
    """Writes by the product's own clients that do not say who sent them."""
    return [f"{row['method']} {row['path']} of client {row['client']} says nothing about its sender"
            for row in provider_rows
            if row.get("client") in ours and row["method"] not in READS and not OP.fullmatch(row.get("op") or "")]


def anchors(resources):
    """I5: one object for each anchor."""
    seen, faults = {}, []
    for resource in resources:
        anchor = resource.get("externalId")
        if anchor and seen.setdefault(anchor, resource["id"]) != resource["id"]:
            faults.append(f"anchor {anchor}: {seen[anchor]} and {resource['id']}")
    return faults


def takeovers(requests):
    """For each change of the epoch: the last admission below, the first write at or above."""
    found, before = [], None
    for request in (each for each in requests if each.writes):
        if before is not None and request.epoch > before.epoch:
            found.append({"epoch": request.epoch, "node": request.node, "from": before.node,
                          "last_us": before.admitted, "first_us": request.admitted,
                          "gap_ms": (request.admitted - before.admitted) // 1000})
        before = request
    return found


def judge(provider_rows, oauth_rows=(), resources=(), confirmed=None, shared=()):
    """The whole verdict, one JSON document; "faults" is empty when all holds."""
    requests = admitted(provider_rows)
    gone = deletions(oauth_rows)
    faults = {
        "admissions": admissions(requests), "effects": effects(requests), "identities": identities(requests, shared),
        "fenced": fenced(provider_rows, gone, confirmed or {}),
        "anonymous": anonymous(provider_rows, {request.client for request in requests if request.client}),
        "anchors": anchors(resources),
    }
    highest = max((request.epoch for request in requests), default=0)
    old = {request.client for request in requests if request.client and request.epoch < highest} - set(shared)
    return {
        "requests": len(requests), "writes": sum(request.writes for request in requests),
        "epochs": sorted({request.epoch for request in requests}),
        "epochs_monotone": not (faults["admissions"] or faults["effects"] or faults["identities"]),
        "old_credential_refused": bool(old) and old <= set(gone) and not faults["fenced"], "clients_deleted": sorted(gone),
        "duplicates": len(faults["anchors"]), "takeovers": takeovers(requests),
        "faults": {name: found for name, found in faults.items() if found},
    }
