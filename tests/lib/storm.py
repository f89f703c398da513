"""storm -- a random storm of changes, and whether all is well after it.

    with Ground() as ground:
        ground.storm(seed)          # raises Broken, which tells the steps

One storm: a firm of its own in the directory (storm_world), an empty provider
but for a few objects of others, a node with an empty state. Then changes,
cycles, and in two of three storms kill -9 of the worker or of the whole daemon
at random moments and restarts; in one of four leavers are only deactivated, in
one of five groups of groups are flattened. At the end:

    one cycle (more only where an answer was lost and had to be looked up; full
    where somebody edited the target) ends equal, as the independent comparer
    says, which excuses only whose name somebody else rightly has;
    nothing is left to do, and errors are listed just when somebody is excused;
    an idle cycle writes nothing, a full one nothing either;
    the journal is sound; what is not ours is as it was, version included;
    when every name is one person's own again, one cycle ends all excuses.
"""

import os
import random
import shutil
import signal
import time
from collections import Counter

import storm_world
from instep import quick
from lab import Lab, wait_until
from labkit import tenant
from oracle import comparison, source, target
from semantics import operations

STEPS = 40
CYCLE_SECONDS = 60
KILLS_MAX = 3
# What happens between changes, of a hundred steps.
CYCLES = {"sync": 12, "full": 3, "restart": 2}
CRASHES = {"kill_worker": 4, "kill_daemon": 2}
# Another configuration in some of the storms, as (old text, new text).
CHOICES = {"deactivated": [("{user: delete,", "{user: deactivate,"), ("out-of-scope: delete", "out-of-scope: deactivate")],
           "flatten": [("nested: send", "nested: flatten")]}
SESSIONLOGS = ("memory", "accesslog", "none")


class Broken(AssertionError):
    """What was wrong after which storm, and every step of it."""

    def __init__(self, storm, why):
        steps = "\n".join(f"  {number:3} {step}" for number, step in enumerate(storm.steps, 1))
        super().__init__(f"storm {storm.seed} ended badly: {why}\n{steps}\n  the state: {storm.node.folder}\n"
                         f"  again: tests/storm --first {storm.seed} --seeds 1 --steps {storm.length} --keep")


class Storm:
    """One of them; `done` counts what happened, `steps` tells it."""

    def __init__(self, ground, seed):
        self.lab, self.seed, self.length = ground.lab, seed, ground.length
        self.weights = {kind: weight for kind, weight in storm_world.WEIGHTS.items() if kind not in ground.without}
        self.rng = random.Random(f"course:{seed}")
        self.steps, self.done = [], Counter()
        self.foreign_edits = self.lost_answers = False
        self.kills = KILLS_MAX if seed % 3 else 0
        self.ways = {"deactivated": seed % 4 == 0, "flatten": seed % 5 == 0}
        self.world = storm_world.World(self.lab, seed, f"ou=storm {seed}.{ground.number()},{ground.lab.env['base']}")
        self.env = {**self.lab.env, "base": self.world.base}
        self.tenant = {"foreign": ground.prefill(), "adopted": {}}
        self.node = self.lab.node(f"storm{ground.count}", edit=self.configured)

    def configured(self, text):
        text = quick(text).replace(f"base: {self.lab.env['base']}", f'base: "{self.world.base}"').replace(
            "every-seconds: 120", "every-seconds: 86400")
        for old, new in CHOICES["deactivated"] * self.ways["deactivated"] + CHOICES["flatten"] * self.ways["flatten"]:
            if old not in text:
                raise AssertionError(f"the configuration has no {old!r}")
            text = text.replace(old, new)
        return text

    def check(self, good, why):
        if not good:
            raise Broken(self, why)

    def note(self, kind, what=""):
        self.done[kind] += 1
        what = what.replace(f",{self.world.base}", "")
        self.steps.append(f"{kind:15} {what}".rstrip())

    # ---- what the node does meanwhile ----

    def sync(self, *options):
        """One cycle to its end; the status after it."""
        done = self.node.twinsync("sync", "--wait", *options, seconds=CYCLE_SECONDS)
        status = self.node.status()
        if "--full" in options and "enumeration-shrunk" in {each["code"] for each in status["problems"]}:
            self.check(done.returncode == 3 and "--accept-missing" not in options, "many left, and nobody asked")
            self.note("accept_missing")
            return self.sync(*options, "--accept-missing")
        self.check(done.returncode == 0 and status["cycle"]["result"] in ("success", "partial"),
                   f"sync {' '.join(options)} ended with {done.returncode}, {status['cycle']['result']}: "
                   f"{done.stderr.strip()} {status['problems']}")
        if "--full" in options:
            self.foreign_edits = False
        return status

    def full(self):
        return self.sync("--full")

    def restart(self):
        self.node.stop()
        self.node.start()

    def kill_worker(self):
        """In the middle of a cycle, or a little before or after it."""
        self.node.twinsync("sync")
        time.sleep(self.rng.random() * 0.15)
        with open(f"/proc/{self.node.process.pid}/task/{self.node.process.pid}/children", encoding="ascii") as file:
            for child in file.read().split():
                os.kill(int(child), signal.SIGKILL)
        wait_until(self.node.answers, "the daemon answers after its worker was killed")
        self.lost_answers = True

    def kill_daemon(self):
        self.node.twinsync("sync")
        time.sleep(self.rng.random() * 0.15)
        self.node.kill()
        self.node.start()
        self.lost_answers = True

    # ---- the course ----

    def step(self):
        crashes = CRASHES if self.done["kill_worker"] + self.done["kill_daemon"] < self.kills else {}
        kinds = {**CYCLES, **crashes}
        if self.rng.randrange(100) < sum(kinds.values()):
            [kind] = self.rng.choices(list(kinds), kinds.values())
            self.note(kind)
            getattr(self, kind)()
            return
        [kind] = self.rng.choices(list(self.weights), self.weights.values())
        what = getattr(self.world, kind)()
        if what is None:
            return
        self.note(kind, what)
        self.foreign_edits = self.foreign_edits or kind in storm_world.FOREIGN

    def run(self):
        self.node.start()
        self.sync()
        while len(self.steps) < self.length:
            self.step()
        self.judge()

    # ---- the end ----

    def settle(self):
        """The cycle after which nothing may be left to do."""
        options = ("--full",) if self.foreign_edits else ()
        for _ in range(4 if self.lost_answers else 1):
            self.note("sync", " ".join(options))
            status = self.sync(*options)
            if status["counts"]["pending"] == 0:
                break
        self.lost_answers = False
        return status["counts"]["pending"]

    def settled(self):
        """How many lack a name that others have; nobody else may be waited for."""
        pending = self.settle()
        report = self.compare()
        self.check(pending <= report["quarantined"], f"{pending} writes are still due: {self.errors()[:4]}")
        return report["quarantined"]

    def both_sides(self):
        return source.read(self.env), *target.read(self.env), self.tenant

    def compare(self):
        report = comparison.compare(*self.both_sides(), contested=True, **self.ways)
        self.check(not report["mismatches"],
                   f"{report['mismatches']} differences: {report['details'][:6]}; errors: {self.errors()[:4]}")
        return report

    def heal(self):
        """Everybody gets a name that nobody else has; how many had to."""
        work = comparison.Comparison(*self.both_sides(), contested=True, **self.ways)
        return self.world.heal_all({work.wanted[anchor]["dn"] for anchor in work.excused})

    def errors(self):
        return self.node.json("errors")["errors"]

    def silent(self, act, what):
        before = len(self.lab.writes())
        act()
        self.check(operations(self.lab.writes()[before:]) == [],
                   f"{what} wrote {operations(self.lab.writes()[before:])[:5]}")

    def judge(self):
        quarantined = self.settled()
        self.check(bool(quarantined) == bool(self.errors()),
                   f"{quarantined} lack a name that others have, and errors are {self.errors()[:5]}")
        self.silent(self.sync, "an idle cycle")
        self.silent(self.full, "a full cycle")
        self.compare()
        if self.heal():
            self.note("heal_all")
            self.check(self.settled() == 0, "names are missing that nobody else has")
            self.check(not self.errors(), f"errors that are over: {self.errors()[:5]}")
            self.silent(self.full, "a full cycle after healing")
        journal = self.node.json("verify", "--all")["journal"]
        self.check(journal["verified"], journal["why"])


class Ground:
    """A lab on which one storm after the other is run."""

    def __init__(self, length=STEPS, keep=False, without=(), **options):
        self.lab = Lab(people=1, groups=1, **options)
        self.tenant = tenant.Tenant(self.lab.layout)
        self.length, self.keep, self.without = length, keep, without
        self.count = 0
        self.done = Counter()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.keep:
            for node in self.lab.nodes:
                node.kill()
        else:
            self.lab.close()

    def number(self):
        self.count += 1
        return self.count

    def prefill(self):
        """An empty provider, but for a few objects of others: how those are."""
        self.lab.control("DELETE", "/resources")
        people = [self.tenant.person(f"other{n}@hr.example.com", externalId=f"HR-{n}")["id"] for n in range(3)]
        people.append(self.tenant.administrator("root@example.com")["id"])
        group = self.tenant.group("another system's", people[:2], externalId="HR-group")["id"]
        return self.tenant.note([*people, group])

    def storm(self, seed):
        storm = Storm(self, seed)
        try:
            storm.run()
        except Broken:
            raise
        except Exception as error:
            raise Broken(storm, f"{type(error).__name__}: {error}") from error
        finally:
            self.done.update(storm.done)
            storm.node.kill()
            storm.world.close()
        shutil.rmtree(storm.node.folder)
        self.lab.nodes.remove(storm.node)
