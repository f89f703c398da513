#!/usr/bin/python3
"""A pair whose wire is tampered with: what was altered, repeated or recorded is
of no use to anybody, and the pair goes on when it stops."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from meddler import Meddler  # noqa: E402
from pair import Pair  # noqa: E402


class Tampered(unittest.TestCase):
    """Both connections between the nodes go through a meddler."""

    def setUp(self):
        self.pair = Pair(people=20, groups=2, start=False)
        self.addCleanup(self.pair.close)
        self.meddlers = {}
        for name, other in (("alpha", "beta"), ("beta", "alpha")):
            endpoint = self.pair.endpoints[other]
            host, port = endpoint.removeprefix("tcp://").split(":")
            meddler = self.meddlers[name] = Meddler(host, int(port))
            self.addCleanup(meddler.close)
            node = self.pair.nodes[name]
            with open(node.config_file, encoding="utf-8") as file:
                text = file.read()
            self.assertEqual(1, text.count(endpoint))
            node.write_config(text.replace(endpoint, f"tcp://{host}:{meddler.port}"))
        self.pair.begin()
        self.pair.wait_in_step()
        self.workers = [node.worker() for node in self.pair.nodes.values()]

    def meddle(self, how):
        lost = self.times_lost()
        for meddler in self.meddlers.values():
            meddler.spoilt = 0
            setattr(meddler, how, True)
        self.pair.lab.change(seed=3, count=20)
        wait_until(lambda: all(meddler.spoilt > 1 for meddler in self.meddlers.values()), "both wires are spoilt")
        wait_until(lambda: self.times_lost() > lost, "the connection breaks")
        for meddler in self.meddlers.values():
            setattr(meddler, how, False)

    def times_lost(self):
        return self.pair.alpha.log().count("peer-lost")

    def assertGoesOn(self):
        self.pair.wait_in_step()
        self.pair.wait_equal()
        self.assertEqual(self.workers, [node.worker() for node in self.pair.nodes.values()])
        self.assertEqual({}, self.pair.judge()["faults"])

    def test_an_altered_wire_breaks_and_heals(self):
        self.meddle("corrupt")
        self.assertGoesOn()

    def test_a_repeated_wire_breaks_and_heals(self):
        self.meddle("repeat")
        self.assertGoesOn()

    def test_a_recorded_connection_says_nothing_new(self):
        meddler = self.meddlers["beta"]
        self.assertGreater(len(meddler.recorded[-1]), 1000)
        before = self.pair.checksums()["alpha"]
        meddler.replay()
        self.assertTrue(self.pair.alpha.status()["peer"]["connected"])
        self.assertEqual(before, self.pair.checksums()["alpha"])
        self.assertGoesOn()


if __name__ == "__main__":
    unittest.main()
