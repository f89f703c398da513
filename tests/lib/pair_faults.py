"""pair_faults -- what is done to a pair, and what must be true of it whatever was.

A case changes the directory all the while. When the fault is over the pair must
come back by itself: one exports, the other one holds the same, the target is
what the directory says, and the provider's own log shows one exporter at a time.
"""

import contextlib
import glob
import itertools
import os
import shutil
import time
import unittest

from host_pair import HostPair
from lab import wait_until
from pair import TTL_SECONDS

PEOPLE = 60


class PairFaultCase(unittest.TestCase):
    """One pair for all the cases of a class: each leaves it healed."""

    OPTIONS = {"people": PEOPLE, "groups": 4}
    seeds = itertools.count(1000)

    @classmethod
    def setUpClass(cls):
        cls.pair = cls.enterClassContext(HostPair(**cls.OPTIONS))
        cls.pair.converge()

    def change(self, count=20):
        self.pair.lab.change(seed=next(self.seeds), count=count)

    def exporting(self):
        """Changes are on their way: the active has begun to write them."""
        before = len(self.pair.lab.writes())
        self.change(40)
        wait_until(lambda: len(self.pair.lab.writes()) > before, "the active writes")

    def assertWhole(self):
        """The fault is over: the pair is as it should be, and nobody wrote who might not."""
        self.pair.heal()
        for node in self.pair.nodes.values():
            if node.process is None:
                node.start()
        self.change()
        self.pair.converge()
        verdict = self.pair.judge()
        self.assertEqual({}, verdict["faults"])
        self.assertGreater(verdict["writes"], 0)
        return verdict

    def epoch(self):
        """The highest that either node knows."""
        def told(node):
            with contextlib.suppress(AssertionError, ValueError, KeyError):
                return node.status()["epoch"]
            return 0
        return max(told(node) for node in self.pair.nodes.values() if node.process)

    def lose_state(self, node):
        """What it had of the pair's state is gone; what it knows of itself is not."""
        for path in glob.glob(os.path.join(node.state, "state.*")):
            shutil.rmtree(path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(node.state, "current"))

    def begin_snapshot(self):
        """The standby begins anew: it has lost its state."""
        standby = self.pair.standby()
        standby.kill()
        self.lose_state(standby)
        standby.start(wait=False)

    def await_reaction(self, before):
        """Somebody has taken over since `before`, or nobody has for three leases."""
        until = time.monotonic() + 3 * TTL_SECONDS
        wait_until(lambda: self.epoch() > before or time.monotonic() > until, "a lease could have run out thrice")

    def cut(self, node, link, way, phase):
        """Cut a link in some phase until the pair has had its time to react, then heal it."""
        if phase == "exporting":
            self.exporting()
        elif phase == "snapshot":
            self.begin_snapshot()
        before = self.epoch()
        self.pair.cut(node, link, way)
        self.change()
        self.await_reaction(before)
        return self.assertWhole()
