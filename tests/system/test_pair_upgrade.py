#!/usr/bin/python3
"""A rolling upgrade of a pair. The test build plays the next version: with
TWINSYNC_TEST_LEVEL it knows one more level of the schema."""

import contextlib
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair_case import PairTestCase  # noqa: E402

OLD, NEW = 2, 3
NEWER = {"TWINSYNC_TEST_LEVEL": str(NEW)}


class Upgrading(PairTestCase):
    OPTIONS = {"people": 20, "groups": 2}

    def restart(self, node, **environment):
        """The other node exports when it is back."""
        node.stop()
        self.pair.wait_role(self.pair.other(node), "active")
        node.start(**environment)
        self.pair.wait_role(node, "standby")
        self.pair.wait_equal()

    def level(self, node):
        """Of the state on its disk."""
        with open(os.path.join(node.state, "current"), encoding="ascii") as file:
            folder = f"state.{int(file.read())}"
        with contextlib.closing(sqlite3.connect(os.path.join(node.state, folder, "state.db"))) as db:
            return db.execute("PRAGMA user_version").fetchone()[0]

    def levels(self):
        return [self.level(node) for node in (self.pair.alpha, self.pair.beta)]

    def finalize(self, node):
        return node.twinsync("upgrade", "finalize", "--reason", "both are new")

    def assertInStep(self, seed):
        self.pair.lab.change(seed=seed, count=6)
        self.pair.wait_in_step()
        self.pair.wait_equal()

    def test_finalize_waits_for_both_nodes_and_before_it_there_is_a_way_back(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        self.restart(alpha, **NEWER)
        self.assertInStep(seed=1)
        refused = self.finalize(beta)
        self.assertEqual(3, refused.returncode, refused.stdout + refused.stderr)
        self.assertIn("this node runs the older version: upgrade it first", refused.stderr)
        self.restart(beta)
        for node in (alpha, beta):  # the newer one exports, the older one follows
            refused = self.finalize(node)
            self.assertEqual(3, refused.returncode, refused.stdout + refused.stderr)
        self.assertIn("ask alpha", refused.stderr)
        self.assertEqual([OLD, OLD], self.levels())
        self.assertInStep(seed=2)
        self.restart(alpha)  # as the older version
        self.assertInStep(seed=3)
        self.assertEqual([OLD, OLD], self.levels())
        self.assertExclusive()

    def test_finalize_migrates_both_nodes_and_closes_the_way_back(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        self.restart(alpha, **NEWER)
        self.restart(beta, **NEWER)
        self.assertEqual([OLD, OLD], self.levels())
        done = self.finalize(alpha)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(f"level {NEW}", done.stdout)
        self.assertInStep(seed=1)
        self.assertEqual([NEW, NEW], self.levels())
        self.assertEqual(0, self.finalize(alpha).returncode, "again: it is so already")
        beta.stop()
        beta.start(wait=False)
        self.assertNotEqual(0, beta.wait())
        self.assertIn("newer", beta.log().splitlines()[-1])
        self.assertEqual("active", alpha.role())
        beta.start(**NEWER)
        self.pair.wait_role(beta, "standby")
        self.pair.wait_equal()
        alpha.kill()
        self.pair.wait_role(beta, "active")
        wait_until(lambda: beta.status()["counts"]["pending"] == 0, "nothing waits")
        self.assertExclusive()


if __name__ == "__main__":
    unittest.main()
