#!/usr/bin/python3
"""Killed anywhere while two swap their names: both have the other's afterwards, and nobody a temporary one."""

import unittest

from crash import CrashCase
from semantics import SemanticsCase

# A swap is three writes: one moves out of the way, the other takes, the first takes.
POINTS = ["export-before-send:1", "export-after-answer:1", "result-committed:1", "export-before-send:2",
          "result-before-commit:2", "export-after-answer:3"]


class Killed(CrashCase, SemanticsCase):
    OPTIONS = {"people": 6, "groups": 2}

    def test_at_every_step_of_a_swap(self):
        ann, bob = self.person("ann"), self.person("bob")
        node = self.running()
        names = ["ann", "bob"]
        for point in POINTS:
            with self.subTest(point=point):
                node.stop()
                names.reverse()
                since = len(self.lab.writes())
                for dn, name in zip((ann, bob), names):
                    self.set(dn, "mail", f"{name}@example.org")
                self.crash(node, point)
                self.assertSettled(node)
                self.assertEqual(self.anchor(ann), self.user(names[0])["externalId"])
                self.assertEqual(self.anchor(bob), self.user(names[1])["externalId"])
                self.assertEqual([], node.json("errors")["errors"])
                self.assertEqual([], [row for row in self.lab.writes()[since:] if row["status"] == 409])
                self.assertNoWrites(node.sync)


if __name__ == "__main__":
    unittest.main()
