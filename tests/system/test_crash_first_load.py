#!/usr/bin/python3
"""Killed anywhere in a first load, the daemon goes on: one object an anchor, none lost."""

import unittest

from crash import NOT_OF_A_FIRST_LOAD, POINTS, CrashCase


class FirstLoad(CrashCase):
    def survive(self, points):
        for point in points:
            with self.subTest(point=point):
                self.empty_target()
                since = len(self.lab.writes())
                node = self.new_node()
                self.crash(node, point)
                self.assertSettled(node)
                self.assertGreater(self.assertNoSecondCreate(since), 10)
                node.stop()

    def test_a_crash_at_every_point_loses_and_doubles_nothing(self):
        self.assertGreater(len(POINTS), 10)
        self.survive([point for point in POINTS if point not in NOT_OF_A_FIRST_LOAD])

    def test_so_does_one_in_the_middle_of_the_answers(self):
        self.survive(("export-after-answer:7", "result-committed:2"))


if __name__ == "__main__":
    unittest.main()
