#!/usr/bin/python3
"""Killed anywhere, the guard has counted once what passed, and nothing passes uncounted."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from guarding import GuardCase  # noqa: E402
from lab import wait_until  # noqa: E402

POINTS = ("guard-chunk-committed", "export-before-send", "export-after-answer", "result-before-commit",
          "result-committed")


class Crash(GuardCase):
    OPTIONS = {"people": 1, "groups": 0}

    def deaths(self, node):
        return node.log().count("worker-died")

    def test_a_crash_at_every_point_neither_counts_twice_nor_lets_pass_uncounted(self):
        self.alone()
        for number, point in enumerate(POINTS):
            with self.subTest(point=point):
                self.empty_target()
                staff = self.staff(8, prefix=f"k{number}")
                node = self.guarded(deletes=4, percent=100)
                node.stop()
                for dn in staff[:3]:
                    self.directory.delete_s(dn)
                node.start(wait=False, TWINSYNC_FAILPOINT=point)
                wait_until(lambda node=node: self.deaths(node) > 0, f"the worker dies at {point}")
                wait_until(node.answers, "the daemon answers")
                self.assertSettled(node)
                self.directory.delete_s(staff[3])
                node.sync()  # the fourth fits: none was counted twice
                self.directory.delete_s(staff[4])
                self.assertSentence(self.held(node), "1 user would be deleted", "with the 4 that passed before")
                node.stop()
                for dn in staff[5:]:
                    self.directory.delete_s(dn)


if __name__ == "__main__":
    unittest.main()
