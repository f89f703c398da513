"""pairs -- the figures of two nodes: takeovers, replication, acknowledgements."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

from measure import LAX_GUARD, PLACE, creation_rate, figure, median, program, say
from pair import Pair, await_that
from stage import Changes, Daemon, Failed, Lab

# A pair waits for its operator after three takeovers in a quarter of an hour.
TAKEOVERS_OF_A_PAIR = 3
CLOCK_ERROR = 0.1
CRASH_MS = 2000
LEASES = {5: "lease: {ttl-seconds: 5, renew-seconds: 0.5, margin-seconds: 0.5}\n", 15: "lease: {}\n"}
# A target of this class goes on admitting a token for so long after it was revoked.
TOKEN_LAG_SECONDS = 4
PIECE = 1024 * 1024
LAG_SECONDS = 10
LAG_RATE = 500


def new_place(name):
    place = os.path.join(PLACE, name)
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(place)
    return place


class Stage:
    """A lab, and a node that is to become the first of a pair."""

    def __init__(self, name, people, *options):
        """options: of twinsyncd"""
        self.place = new_place(name)
        self.lab = Lab(os.path.join(self.place, "lab"), people, max(1, people // 30), 7)
        self.lab.up()
        self.alone = Daemon(os.path.join(self.place, "alpha.yaml"), os.path.join(self.place, "alpha"),
                            os.path.join(self.place, "alpha.log"), *options)
        os.makedirs(self.alone.state, mode=0o700)
        self.pair = None

    def begin(self, lease, fence="registration"):
        """Two nodes that hold the same."""
        self.pair = Pair(self.place, self.lab, self.alone, lease, LAX_GUARD, fence)
        self.pair.alpha.options = self.alone.options
        self.pair.begin()

    def close(self):
        if self.pair is not None:
            self.pair.stop()
        self.alone.stop()
        self.lab.down()


# ------------------------------------------------------------------ failover


def takeover(stage, kill, seed):
    """Milliseconds from the death of the active node to the other one's first
    write, by the provider's log; changes are being exported meanwhile."""
    pair, lab = stage.pair, stage.lab
    active = pair.alpha if pair.alpha.role() == "active" else pair.beta
    heir = pair.beta if active is pair.alpha else pair.alpha
    pair.await_ready(heir)
    since = lab.log_lines()
    lab.change("--seed", str(seed), "--count", "60")
    pair.first_write(active, since)
    since, begun = lab.log_lines(), time.time()
    kill(active)
    gap = (pair.first_write(heir, since) - begun) * 1000
    if active.process.poll() is not None:
        active.start()
    pair.await_role(active, "standby")
    await_that(lambda: lab.compare()["mismatches"] == 0, "the service is in step")
    faults = set(pair.judge(pair.since)["faults"])
    if pair.fence == "none":
        faults.discard("identities")  # both nodes write with the same token
    if faults:
        raise Failed("the judge found more than one exporter: " + ", ".join(sorted(faults)))
    return round(gap)


def be_late(lab):
    """From now on a token outlives its revocation."""
    request = urllib.request.Request(lab.env["oauth_control"] + "/options", method="PATCH",
                                     data=json.dumps({"token_lag_seconds": TOKEN_LAG_SECONDS}).encode())
    urllib.request.urlopen(request, timeout=10).close()


def takeovers(name, lease, kill, runs):
    """name: of the figure; what is behind its hyphen may be a class of target."""
    found = []
    while len(found) < runs:
        stage = Stage("takeovers", 300, "--approve-first")
        try:
            stage.begin(lease, "none" if name.endswith("unfenced") else "registration")
            if name.endswith("late"):
                be_late(stage.lab)
            for _ in range(min(TAKEOVERS_OF_A_PAIR, runs - len(found))):
                found.append(takeover(stage, kill, len(found) + 2))
                say("%s, run %d of %d: %d ms" % (name, len(found), runs, found[-1]))
        finally:
            stage.close()
    return found


def crash_of(name, wanted, what):
    """The worker is killed; its supervisor lives, and gives the lease back."""
    def measure(bench):
        found = takeovers(name, LEASES[5], lambda node: node.kill_worker(), bench.runs)
        return [figure(name, median(found), wanted, "ms from a crash to the standby's first export; a target " + what)
                ], found
    return measure


measure_crash = crash_of("crash", "< %d" % CRASH_MS, "that fences at once")
measure_crash_late = crash_of("crash-late", "< %d" % (CRASH_MS + 1000 * TOKEN_LAG_SECONDS),
                              "that admits revoked tokens for %d s" % TOKEN_LAG_SECONDS)
measure_crash_unfenced = crash_of("crash-unfenced", None, "with a fixed token (fence: none)")


def host_death(seconds):
    """Everything of the node is killed at once: nothing is given back."""
    name = "host-%d" % seconds

    def measure(bench):
        found = takeovers(name, LEASES[seconds], lambda node: node.kill(), bench.runs)
        limit = seconds * 1000 * (1 + CLOCK_ERROR) + CRASH_MS
        return [figure(name, median(found), "< %g" % limit,
                       "ms from a host's death to the standby's first export, lease %d s; likewise" % seconds)], found
    return measure


# ------------------------------------------------------------------ handover


def handover(stage, seed):
    """Milliseconds from the old node's last write to the new one's first, by the provider's log, and those of the
    whole; the directory changes all the while."""
    pair, lab = stage.pair, stage.lab
    old = pair.alpha if pair.alpha.role() == "active" else pair.beta
    new, name = (pair.beta, "beta") if old is pair.alpha else (pair.alpha, "alpha")
    pair.await_ready(new)
    since = lab.log_lines()
    with Changes(lab, seed):
        pair.first_write(old, since)
        told = old.ask("handover", "--to", name)
        pair.first_write(new, since)
    if told["outcome"] != "complete":
        raise Failed("the handover is %s: see %s" % (told["outcome"], told["report"]))
    pair.await_role(old, "standby")
    await_that(lambda: lab.compare()["mismatches"] == 0, "the service is in step")
    faults = pair.judge(pair.since)["faults"]
    if faults:
        raise Failed("the judge found more than one exporter: " + ", ".join(sorted(faults)))
    return pair.export_gap(since, "beta" if name == "alpha" else "alpha", name), told["duration_ms"]


def measure_handover(bench):
    stage = Stage("handover", 300, "--approve-first")
    try:
        stage.begin(LEASES[5])
        found = []
        while len(found) < bench.runs:
            found.append(handover(stage, 1000 * (len(found) + 1)))
            say("handover, run %d of %d: gap %d ms, %d ms in all" % (len(found), bench.runs, *found[-1]))
    finally:
        stage.close()
    return [figure("handover", median([gap for gap, _ in found]), "< 1000",
                   "ms from the old node's last export to the new one's first, a planned handover under load")], found


# ----------------------------------------------------------------- snapshots


def touch(path, size):
    """A virtual machine pays once more for memory that it has not touched
    lately: not a matter of who copies (pair_bench does the same)."""
    with open(path, "wb") as file:
        for _ in range(size // PIECE):
            file.write(bytes(PIECE))
    os.remove(path)


def is_listening(port):
    with open("/proc/net/tcp") as file:
        return any(line.split()[1].endswith(":%04X" % port) and line.split()[3] == "0A"
                   for line in list(file)[1:])


def netcat(file, place):
    """Milliseconds for a file from nc to nc over loopback, with its fsync."""
    copy = os.path.join(place, "copy")
    touch(copy, os.path.getsize(file))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(copy, "wb") as out, open(file, "rb") as source:
        to = subprocess.Popen(["nc", "-l", "-N", "127.0.0.1", str(port)], stdin=subprocess.DEVNULL, stdout=out)
        await_that(lambda: is_listening(port), "nc listens")
        begun = time.monotonic()
        sender = subprocess.Popen(["nc", "-N", "127.0.0.1", str(port)], stdin=source, stdout=subprocess.DEVNULL)
        to.wait(300)
        os.fsync(out.fileno())
        taken = time.monotonic() - begun
        sender.wait(60)
    if os.path.getsize(copy) != os.path.getsize(file):
        raise Failed("nc did not copy the whole file")
    os.remove(copy)
    return taken * 1000


def state_file(state):
    with open(os.path.join(state, "current")) as file:
        return os.path.join(state, "state." + file.read().strip(), "state.db")


def measure_snapshot(bench):
    state = bench.state()
    found = {"nc_ms": [], "runs": []}
    for number in range(bench.runs):
        place = new_place("snapshot")
        found["nc_ms"].append(netcat(state_file(state), place))
        found["runs"].append(program("pair_bench", "snapshot", state, place))
        last = found["runs"][-1]
        say("snapshot, run %d of %d: nc %.0f ms, transfer %.0f ms of %.0f MB, %.0f MB on the wire" % (
            number + 1, bench.runs, found["nc_ms"][-1], last["transfer_ms"], last["file_bytes"] / 1e6,
            last["wire_bytes"] / 1e6))
        shutil.rmtree(place)
    sent = median([row["transfer_ms"] for row in found["runs"]])
    return [figure("snapshot", sent / median(found["nc_ms"]), "<= 1.5",
                   "a snapshot's transfer over the link / nc of the same file, both with fsync")], found


def measure_lag(bench):
    state = bench.state()
    found = []
    for number in range(bench.runs):
        place = new_place("lag")
        found.append(program("pair_bench", "lag", state, place, str(LAG_SECONDS), str(LAG_RATE)))
        say("lag, run %d of %d: median %.1f ms, 99th %.1f ms at %.0f/s" % (
            number + 1, bench.runs, found[-1]["median_ms"], found[-1]["p99_ms"], found[-1]["changes_a_second"]))
        shutil.rmtree(place)
    return [figure("lag", median([row["median_ms"] for row in found]), "< 20",
                   "ms from a commit to the standby's, %d single changes/s, median" % LAG_RATE),
            figure("lag_99", median([row["p99_ms"] for row in found]), "< 100", "the same, 99th percentile")], found


# ---------------------------------------------------------- acknowledgements


def first_export(stage):
    """Creations a second, once an operator has said that they may be made."""
    node = stage.pair.alpha if stage.pair else stage.alone
    await_that(lambda: any(row["code"] == "staging" for row in node.status()["problems"]), "the first plan is made")
    since = stage.lab.log_lines()
    node.ask("sync", "--wait", "--approve-first", seconds=600)
    return creation_rate(stage.lab, since)


def export_rate(people, paired):
    """A new lab for each, so that both always find it the same."""
    stage = Stage("acknowledged", people)
    try:
        if paired:
            stage.begin(LEASES[15])
            stage.pair.await_ready(stage.pair.beta)
        else:
            stage.lab.config(stage.alone, LAX_GUARD)
            stage.alone.start()
            stage.alone.ask("sync", "--wait", seconds=600, allowed=(0, 3))
        return first_export(stage)
    finally:
        stage.close()


def measure_acknowledged(bench):
    found = {False: [], True: []}
    for number in range(bench.runs):
        for paired in (number % 2 == 0, number % 2 == 1):
            found[paired].append(export_rate(bench.exports, paired))
        say("acknowledged, run %d of %d: alone %.0f/s, in a pair %.0f/s" % (
            number + 1, bench.runs, found[False][-1], found[True][-1]))
    return [figure("acknowledged", median(found[False]) / median(found[True]), "< 1.1",
                   "exports a second alone / with a standby that acknowledges each batch first")], {
                       "alone": found[False], "pair": found[True]}
