"""pair_case -- a test that has a pair, in step."""

import itertools
import unittest

from lab import wait_until
from pair import Pair


class PairTestCase(unittest.TestCase):
    OPTIONS = {"people": 40, "groups": 3}
    seeds = itertools.count(100)

    def setUp(self):
        self.pair = Pair(**self.OPTIONS)
        self.addCleanup(self.pair.close)
        self.pair.wait_in_step()

    def assertExclusive(self):
        """The provider's own log shows one exporter at a time."""
        verdict = self.pair.judge()
        self.assertEqual({}, verdict["faults"])
        self.assertGreater(verdict["writes"], 0)
        return verdict

    def assertWhole(self):
        """All comes to the target, both hold the same, and only one exported."""
        self.pair.lab.change(seed=next(self.seeds), count=10)
        self.pair.wait_in_step()
        self.pair.wait_equal()
        return self.assertExclusive()

    def problems(self, node):
        return [problem["code"] for problem in node.status()["problems"]]

    def gates(self, node):
        return {gate["name"]: gate["ok"] for gate in node.explain()["gates"]}

    def wait_fit(self, node):
        """A node that has just started promises nothing yet, and takes nothing over; until it may, and is known to."""
        wait_until(lambda: all(ok for name, ok in self.gates(node).items() if name != "lease"), "its gates are open")
        active = self.pair.active()
        if active is not node:
            wait_until(lambda: active.status()["peer"]["fit"], "the active node knows")
