#!/usr/bin/python3
"""A pair that its operators hold up: paused, and a node taken out for maintenance."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair_case import PairTestCase  # noqa: E402


class Pausing(PairTestCase):
    def setUp(self):
        super().setUp()
        self.wait_fit(self.pair.beta)

    def pause(self, *words):
        """From now on nothing is written; how many writes there were."""
        self.pair.must(self.pair.alpha, "pause", *words)
        self.pair.alpha.twinsync("sync", "--wait")  # refused, or the end of the one that was running
        return len(self.pair.lab.writes())

    def refused(self, node):
        done = node.twinsync("sync", "--wait")
        return done.returncode == 3 and "pause" in done.stderr

    def test_a_pause_holds_for_whoever_takes_over_and_ends_with_resume(self):
        before = self.pause()
        self.pair.lab.change(seed=4, count=10)
        self.assertTrue(self.refused(self.pair.alpha))
        self.assertEqual("active", self.pair.alpha.role())
        self.pair.alpha.kill()
        self.pair.wait_role(self.pair.beta, "active")
        self.assertTrue(self.refused(self.pair.beta))
        self.assertEqual(before, len(self.pair.lab.writes()))
        self.pair.must(self.pair.beta, "resume")
        self.pair.wait_in_step()
        self.pair.alpha.start()
        self.pair.wait_role(self.pair.alpha, "standby")
        self.assertWhole()
        self.pair.beta.kill()
        self.pair.wait_role(self.pair.alpha, "active")
        self.pair.lab.change(seed=5, count=10)
        self.pair.wait_in_step()
        self.assertExclusive()

    def test_a_pause_for_a_time_ends_by_itself(self):
        before = self.pause("--for", "5s")
        self.pair.lab.change(seed=4, count=10)
        self.assertTrue(self.refused(self.pair.alpha))
        self.assertEqual(["paused"], self.problems(self.pair.alpha))
        self.assertEqual(before, len(self.pair.lab.writes()))
        self.assertWhole()
        self.assertNotIn("result=failed", self.pair.alpha.log(), "no cycle is begun in a pause")
        self.assertEqual([1], self.assertExclusive()["epochs"])

    def test_a_standby_refuses_a_pause_and_names_who_may(self):
        for word in ("pause", "resume"):
            done = self.pair.beta.twinsync(word)
            self.assertEqual(3, done.returncode)
            self.assertIn("alpha", done.stderr)


class Maintaining(PairTestCase):
    def test_a_standby_that_is_taken_out_takes_over_only_when_it_is_back_in(self):
        pair = self.pair
        self.wait_fit(pair.beta)
        pair.must(pair.beta, "maintenance", "on", "--reason", "new memory")
        pair.beta.stop()
        pair.beta.start()
        wait_until(lambda: not [name for name, ok in self.gates(pair.beta).items()
                                if not ok and name not in ("lease", "maintenance")], "no other gate is closed")
        self.assertFalse(self.gates(pair.beta)["maintenance"], "it outlives a restart")
        pair.alpha.kill()
        wait_until(lambda: self.gates(pair.beta)["lease"], "the lease has run out")
        self.assertEqual("standby", pair.beta.role())
        pair.must(pair.beta, "maintenance", "off")
        pair.wait_role(pair.beta, "active")
        pair.alpha.start()
        pair.wait_role(pair.alpha, "standby")
        self.assertWhole()

    def test_an_active_that_is_taken_out_hands_over_and_does_not_come_back(self):
        pair = self.pair
        self.wait_fit(pair.beta)
        pair.must(pair.alpha, "maintenance", "on", "--reason", "new memory")
        pair.wait_role(pair.beta, "active")
        pair.wait_role(pair.alpha, "standby")
        self.assertWhole()
        pair.beta.kill()
        wait_until(lambda: self.gates(pair.alpha)["lease"], "the lease has run out")
        self.assertEqual((False, "standby"), (self.gates(pair.alpha)["maintenance"], pair.alpha.role()))
        pair.beta.start()
        pair.wait_role(pair.beta, "active")
        self.assertWhole()

    def test_an_active_without_a_fit_standby_is_not_taken_out(self):
        self.pair.beta.kill()
        wait_until(lambda: "peer-silent" in self.problems(self.pair.alpha), "the standby is missed")
        done = self.pair.alpha.twinsync("maintenance", "on")
        self.assertEqual(3, done.returncode)
        self.assertIn("twinsync pause", done.stderr)
        self.assertEqual("active", self.pair.alpha.role())


if __name__ == "__main__":
    unittest.main()
