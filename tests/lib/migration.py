"""migration -- a pair moves to other computers, and to the next version, while the directory changes.

`Moving` is for a TestCase whose self.pair has `more`: ("gamma", "delta"). The next version is played by the test
build: one more level of the schema, one more version on the link.
"""

import contextlib
import itertools
import os
import sqlite3
import threading

from lab import DEADLINE_SECONDS, wait_until

OLD, NEW = 2, 3
NEWER = {"TWINSYNC_TEST_LEVEL": str(NEW), "TWINSYNC_TEST_WIRE": "2"}


class Flow:
    """Changes of all kinds, one bunch after the other, as long as the block lasts."""

    seeds = itertools.count(5000)

    def __init__(self, lab, pace_seconds=0.3):
        self.lab, self.pace, self.made = lab, pace_seconds, 0
        self.ended, self.failed = threading.Event(), None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.ended.wait(self.pace):
                self.lab.change(seed=next(self.seeds), count=3)
                self.made += 3
        except Exception as error:  # told where the block ends
            self.failed = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        if self.failed:
            raise self.failed

    def await_more(self):
        """It goes on, and is exported."""
        made, writes = self.made, len(self.lab.writes())
        wait_until(lambda: self.made > made and len(self.lab.writes()) > writes, "changes are made and written")


class Moving:
    def level(self, node):
        """Of the state on its disk."""
        with open(os.path.join(node.state, "current"), encoding="ascii") as file:
            folder = f"state.{int(file.read())}"
        with contextlib.closing(sqlite3.connect(os.path.join(node.state, folder, "state.db"))) as db:
            return db.execute("PRAGMA user_version").fetchone()[0]

    def assertOut(self, node):
        """It ends with 3 whenever it is started."""
        if node.process is None:
            node.start(wait=False)
        self.assertEqual(3, node.wait(DEADLINE_SECONDS), node.log()[-3000:])

    def assertAsTheDirectorySays(self):
        """Nothing lost, nothing twice, by the comparer; one exporter at a time, epochs only grow, by the judge."""
        self.pair.wait_in_step()
        self.pair.wait_equal()
        compared, verdict = self.pair.lab.compare(), self.pair.judge()
        self.assertEqual((0, 0), (compared["mismatches"], compared["duplicates"]))
        self.assertEqual(({}, 0), (verdict["faults"], verdict["duplicates"]))
        epochs = [takeover["epoch"] for takeover in verdict["takeovers"]]
        self.assertEqual(epochs, sorted(set(epochs)))
        return verdict

    def move(self, leaving, name, flow, **environment):
        """The standby leaves for good, and another computer comes in its place."""
        left = self.pair.other(leaving)
        rows = self.pair.retire(leaving)
        self.assertEqual({"membership": "done", "principals": "proved", "wipe": "proved", "certificate": "done"},
                         {step: rows[step]["state"] for step in ("membership", "principals", "wipe", "certificate")})
        self.assertOut(leaving)
        flow.await_more()
        came = self.pair.enlist(name, left, **environment)
        self.assertEqual(0, self.pair.fail_over_to(came).returncode)
        flow.await_more()
        return came

    def migrate(self):
        """alpha, beta -> gamma, delta, of the next version: host by host, while changes flow."""
        alpha, beta = self.pair.alpha, self.pair.beta
        with Flow(self.pair.lab) as flow:
            gamma = self.move(beta, "gamma", flow, **NEWER)
            delta = self.move(alpha, "delta", flow, **NEWER)
        verdict = self.assertAsTheDirectorySays()
        self.assertEqual(["gamma", "delta"], [takeover["node"] for takeover in verdict["takeovers"]])
        for node in (alpha, beta):
            self.assertOut(node)
        return gamma, delta

    def go_back_and_forth(self, gamma, delta):
        """Before `upgrade finalize` the older version runs; after it, it refuses."""
        self.assertEqual([OLD, OLD], [self.level(gamma), self.level(delta)])
        with Flow(self.pair.lab) as flow:
            gamma.stop()
            gamma.start()  # the older version
            self.pair.wait_role(gamma, "standby")
            self.assertEqual(0, self.pair.fail_over_to(gamma).returncode)
            flow.await_more()
            gamma.stop()
            self.pair.wait_role(delta, "active")
            gamma.start(**NEWER)
            self.pair.wait_role(gamma, "standby")
            self.pair.wait_equal()
            self.pair.must(delta, "upgrade", "finalize", "--reason", "both are new")
            flow.await_more()
        self.assertAsTheDirectorySays()
        self.assertEqual([NEW, NEW], [self.level(gamma), self.level(delta)])
        gamma.stop()
        gamma.start(wait=False)
        self.assertEqual(3, gamma.wait())
        self.assertIn("newer", gamma.log().splitlines()[-1])
        gamma.start(**NEWER)
        self.pair.wait_role(gamma, "standby")

    def delete_while_nothing_runs(self, *nodes):
        """What was deleted while both were off is deleted at the target when they are back, however they come back."""
        for node in nodes:
            node.kill()
        self.pair.lab.change(seed=next(Flow.seeds), count=40)
        for node in nodes:
            node.start(**NEWER)
        self.assertAsTheDirectorySays()
