#!/usr/bin/python3
"""Killed anywhere in a cycle of changes, the daemon goes on: one object an anchor, none lost."""

import unittest

from crash import OF_A_FIRST_LOAD, POINTS, CrashCase
from lab import wait_until


class Delta(CrashCase):
    def setUp(self):
        super().setUp()
        self.node = self.new_node()
        self.node.start()
        self.node.sync()
        self.assertInStep()

    def test_a_crash_at_every_point_loses_and_doubles_nothing(self):
        self.assertLess(OF_A_FIRST_LOAD, set(POINTS))
        for seed, point in enumerate([*POINTS, "export-after-answer:5"]):
            if point in OF_A_FIRST_LOAD:
                continue
            with self.subTest(point=point):
                self.node.stop()
                since = len(self.lab.writes())
                self.lab.change(seed=seed, count=30)
                self.crash(self.node, point)
                self.assertSettled(self.node)
                self.assertNoSecondCreate(since)


class Killed(CrashCase):
    OPTIONS = {"people": 200, "groups": 8}

    def test_a_daemon_killed_again_and_again_in_an_export_burst_goes_on(self):
        self.lab.fault("stall", {"method": "POST"}, ms=20)
        node = self.new_node()
        for wanted in (20, 60, 100):
            node.start(wait=False)
            wait_until(lambda seen=wanted: len(self.lab.writes()) >= seen, f"{wanted} writes have come")
            node.kill()
        self.assertLess(len(self.lab.writes()), 200)
        node.start()
        self.assertSettled(node)
        self.assertGreater(self.assertNoSecondCreate(), 180)


if __name__ == "__main__":
    unittest.main()
