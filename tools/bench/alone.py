"""alone -- the figures of one node: imports, exports, deltas, beside libldap and wrk."""

import json
import os
import shutil
import subprocess
import time

import ldap

from measure import LAX_GUARD, PLACE, SEED, creation_rate, figure, median, program, say
from stage import Daemon, Failed, Lab, run

CHANGES = 100
# The attributes that the lab's configuration reads; the peer reads no others.
ATTRIBUTES = ("objectClass mail displayName cn givenName sn title pwdAccountLockedTime "
              "telephoneNumber employeeNumber departmentNumber manager member entryUUID").split()
WRK_SECONDS = 5
CONNECTIONS = 16
POLL_SECONDS = 0.01


class Size:
    """One lab, one configuration, and a daemon with a state of its own."""

    def __init__(self, people, name):
        self.people = people
        self.place = os.path.join(PLACE, name)
        os.makedirs(self.place)
        self.lab = Lab(os.path.join(self.place, "lab"), people, max(1, people // 100), SEED)
        self.daemon = Daemon(os.path.join(self.place, "twinsync.yaml"),
                             os.path.join(self.place, "state"),
                             os.path.join(self.place, "twinsyncd.log"), "--approve-first")
        self.peak_mb = 0.0
        self.loaded = False
        self.chosen = []  # whom deltas change

    def up(self):
        self.lab.up()
        self.lab.config(self.daemon, LAX_GUARD)

    def stop(self):
        self.daemon.stop()
        self.lab.down()

    # ---- the peer

    def bare_read(self, mode):
        env = self.lab.env
        return program("bare_read", env["ldaps_uri"], env["ca_file"], env["sync_dn"], env["sync_password_file"],
                       env["base"], "(objectClass=*)", mode, *ATTRIBUTES)

    # ---- Twinsync

    def forget(self):
        """An empty state directory, as on the day of installation."""
        self.daemon.stop()
        shutil.rmtree(self.daemon.state, ignore_errors=True)
        self.loaded = False

    def sync(self):
        """One cycle, waited for: seconds by our clock, and by phase."""
        begun = time.monotonic()
        answer = self.daemon.ask("sync", "--wait", seconds=3600)
        wall = time.monotonic() - begun
        self.see_memory()
        phases = answer["cycle"]["phases_ms"]
        return {"wall": wall, **{phase: ms / 1000 for phase, ms in phases.items()}}

    def see_memory(self):
        """The worker is the daemon's only child; VmHWM is its peak so far."""
        with open("/proc/%d/task/%d/children" % ((self.daemon.process.pid,) * 2)) as file:
            children = file.read().split()
        for child in children:
            with open("/proc/%s/status" % child) as file:
                peak = [line for line in file if line.startswith("VmHWM:")]
            self.peak_mb = max(self.peak_mb, int(peak[0].split()[1]) / 1024)

    def first_plan(self):
        """From nothing: seconds until all is imported, and until every intent
        is durable, by the cycle's own clock. Ends there, by SIGKILL."""
        self.forget()
        self.daemon.start()
        done = {}
        while "plan" not in done:
            cycle = self.daemon.status()["cycle"]
            if cycle["running"] and cycle["phase"] != "import":
                done.setdefault("import", cycle["duration_ms"] / 1000)
            if cycle["running"] and cycle["phase"] == "export":
                done["plan"] = cycle["duration_ms"] / 1000
            if cycle["result"]:
                raise Failed("the first cycle ended before it was seen to export")
            time.sleep(POLL_SECONDS)
        self.see_memory()
        self.daemon.kill()
        return done

    def load(self):
        """Everything exported: from here on, only changes cost."""
        if not self.loaded:
            self.forget()
            begun = time.monotonic()
            self.daemon.start()
            self.sync()
            self.see_memory()
            self.loaded = True
            say("loaded %d people in %.1f s" % (self.people, time.monotonic() - begun))

    def directory(self):
        """As its administrator."""
        env = self.lab.env
        connection = ldap.initialize(env["ldaps_uri"])
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, env["ca_file"])
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        with open(env["admin_password_file"]) as file:
            connection.simple_bind_s(env["admin_dn"], file.read().strip())
        return connection

    def delta(self, number):
        """CHANGES people get a new title: the same work however many there are.
        The cycle that carries it over."""
        connection = self.directory()
        if not self.chosen:
            found = connection.search_s(self.lab.env["base"], ldap.SCOPE_SUBTREE, "(&(uid=*)(mail=*)(title=*))", ["1.1"])
            self.chosen = [dn for dn, _ in found[::len(found) // CHANGES]][:CHANGES]
        title = ("Title %d" % number).encode()
        for dn in self.chosen:
            connection.modify_s(dn, [(ldap.MOD_REPLACE, "title", [title])])
        connection.unbind_s()
        since = self.lab.log_lines()
        row = self.sync()
        row["requests"] = len(self.lab.rows(since))
        return row


# ------------------------------------------------------------------- imports


def import_runs(sizes, runs):
    """bare plain, bare with RFC 4533, ours; in turn, for each size."""
    found = {size.people: {"bare_plain": [], "bare_sync": [], "import": [], "plan": []}
             for size in sizes}
    for number in range(runs):
        for size in sizes:
            row = found[size.people]
            row["bare_plain"].append(size.bare_read("plain")["seconds"])
            row["bare_sync"].append(size.bare_read("sync")["seconds"])
            ours = size.first_plan()
            row["import"].append(ours["import"])
            row["plan"].append(ours["plan"])
        say("imports, run %d of %d: " % (number + 1, runs) + "; ".join(
            "%d people: bare %.3f s, import %.3f s, plan %.3f s" % (
                people, row["bare_sync"][-1], row["import"][-1], row["plan"][-1])
            for people, row in found.items()))
    return found


def measure_imports(bench):
    sizes = [bench.size(people) for people in bench.sizes]
    found = import_runs(sizes, bench.runs)
    _, middle, large = bench.sizes
    at = found[large]
    each = {people: {key: median(values) / people for key, values in row.items()}
            for people, row in found.items()}
    rows = [figure("import", median(at["import"]) / median(at["bare_sync"]), "<= 1.5",
                   "full import / bare content-sync read, %d people" % large),
            figure("plan", median(at["plan"]) / median(at["bare_sync"]), "<= 3.0",
                   "import and synchronize up to intents / bare read, %d people" % large)]
    for key in ("import", "plan"):
        rows.append(figure("linear_" + key, each[large][key] / each[middle][key], "<= 1.1",
                           "%s an object at %d / at %d" % (key, large, middle)))
    rows.append(figure("memory", max(size.peak_mb for size in sizes), "< 300", "the worker's peak (VmHWM), MB"))
    return rows, found


# ------------------------------------------------------------------- exports


def run_wrk(lab, number):
    since = lab.log_lines()
    token = run(["tools/lab/lab", "token", lab.folder], 10).strip()
    environment = {**os.environ, "TOKEN": token, "PREFIX": "w%d-" % number}
    done = subprocess.run(["wrk", "-t1", "-c%d" % CONNECTIONS, "-d%ds" % WRK_SECONDS, "-s",
                           "tools/bench/create.lua", lab.env["scim_url"] + "/Users"],
                          env=environment, capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        raise Failed("wrk ended with %d: %s" % (done.returncode, done.stderr.strip()))
    return creation_rate(lab, since)


def measure_exports(bench):
    """A new lab for each run, so that both sides always find it the same."""
    found = {"wrk": [], "twinsync": []}
    for number in range(bench.runs):
        size = Size(bench.exports, "exports-%d" % number)
        try:
            size.up()
            run_wrk(size.lab, bench.runs + number)  # not counted: the provider warms up
            if number % 2 == 0:
                found["wrk"].append(run_wrk(size.lab, number))
            since = size.lab.log_lines()
            size.load()
            found["twinsync"].append(creation_rate(size.lab, since))
            if number % 2 == 1:
                found["wrk"].append(run_wrk(size.lab, number))
        finally:
            size.stop()
        say("exports, run %d of %d: wrk %.0f/s, twinsync %.0f/s" % (
            number + 1, bench.runs, found["wrk"][-1], found["twinsync"][-1]))
        shutil.rmtree(size.place)
    return [figure("exports", median(found["twinsync"]) / median(found["wrk"]), ">= 0.95",
                   "creations a second / wrk's")], found


# -------------------------------------------------------------------- deltas


def measure_deltas(bench):
    small, large = bench.size(bench.sizes[0]), bench.size(bench.sizes[-1])
    found = {small.people: [], large.people: []}
    for size in (small, large):
        size.load()
        size.delta(-1)  # not counted: what was loaded is on the disk now
    for number in range(bench.runs):
        for size in (small, large):
            found[size.people].append(size.delta(number))
        say("deltas, run %d of %d: %s" % (number + 1, bench.runs, "; ".join(
            "%d people: %s" % (people, " ".join("%s %.4g" % each for each in rows[-1].items()))
            for people, rows in found.items())))
    wall = {people: median([row["wall"] for row in rows]) for people, rows in found.items()}
    return [figure("delta", wall[large.people] / wall[small.people], "<= 1.2",
                   "%d changes on %d / on %d people" % (CHANGES, large.people, small.people))], found


# ------------------------------------------------------------------- capture


def measure_capture(bench):
    place = os.path.join(PLACE, "capture")
    os.makedirs(place)
    found = program("journal_bench", place, "100000", str(bench.runs), seconds=1800)
    shutil.rmtree(place)
    updates = found["updates"]
    return [figure("capture", updates["captured_ratio"]["wall"], "<= 1.25",
                   "updates with session capture / without (with sums and journal rows too: %.2f)" %
                   updates["journalled_ratio"]["wall"])], found
