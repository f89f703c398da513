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


def deaths(node):
    """How often its worker has died."""
    return node.log().count("worker-died")


class Campaign(unittest.TestCase):
    """Many cases, of some seconds each: how far it is goes to where TWINSYNC_PROGRESS_FD says, one line a case."""

    begun, whole = 0, False

    def setUp(self):
        type(self).begun += 1
        type(self).whole = False  # until a case has said so
        self.addCleanup(self.tell, time.monotonic())

    def tell(self, since):
        cls = type(self)
        of = len(unittest.TestLoader().getTestCaseNames(cls))
        line = (f"{cls.__name__.lower()} {cls.begun} of {of}: {self._testMethodName.removeprefix('test_')}: "
                f"{'whole' if cls.whole else 'FAILED'} after {time.monotonic() - since:.1f} s\n")
        os.write(int(os.environ.get("TWINSYNC_PROGRESS_FD", 1)), line.encode())


class PairFaultCase(Campaign):
    """One pair for all the cases of a class: each leaves it whole, or the next one gets another pair."""

    OPTIONS = {"people": PEOPLE, "groups": 4}
    seeds = itertools.count(1000)
    pair = None

    def setUp(self):
        cls, is_whole = type(self), self.whole
        super().setUp()
        if cls.pair is None:
            cls.addClassCleanup(cls.close_pair)
        if not is_whole:
            cls.close_pair()
            cls.pair = HostPair(**cls.OPTIONS)
            cls.pair.converge()

    @classmethod
    def close_pair(cls):
        if cls.pair is not None:
            cls.pair.close()

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
        type(self).whole = True
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

    def await_reaction(self, before):
        """Somebody has taken over since `before`, or nobody has for three leases."""
        until = time.monotonic() + 3 * TTL_SECONDS
        wait_until(lambda: self.epoch() > before or time.monotonic() > until, "a lease could have run out thrice",
                   every=0.2)
