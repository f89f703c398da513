#!/usr/bin/python3
"""A pair: the standby holds what the active holds, and takes over when it dies;
one exporter at a time, as the provider's own log tells it."""

import sys
import os
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair_case import PairTestCase  # noqa: E402


class Replicating(PairTestCase):
    def test_the_standby_holds_the_same_after_changes(self):
        self.pair.lab.change(seed=3, count=40)
        self.pair.wait_in_step()
        self.pair.wait_equal()
        status = self.pair.beta.status()
        self.assertEqual(("standby", "alpha"), (status["role"], status["lease"]["holder"]))
        self.assertTrue(status["replication"]["equal"])
        self.assertTrue(status["peer"]["connected"])
        verified = self.pair.beta.json("verify", "--all")  # of its rows; the target it cannot read
        self.assertEqual((None, 0, True), (verified["equal"], verified["compared"], verified["journal"]["verified"]))
        self.assertExclusive()

    def test_a_standby_refuses_to_write_and_names_who_may(self):
        done = self.pair.beta.twinsync("sync", "--wait")
        self.assertEqual(3, done.returncode)
        self.assertIn("alpha", done.stderr)


class Failing(PairTestCase):
    def test_the_standby_takes_over_when_the_active_dies_under_changes(self):
        before = len(self.pair.lab.writes())
        self.pair.lab.change(seed=5, count=40)
        wait_until(lambda: len(self.pair.lab.writes()) > before, "the active writes")
        self.pair.alpha.kill()
        self.pair.wait_role(self.pair.beta, "active")
        self.pair.lab.change(seed=6, count=20)
        self.pair.wait_in_step()
        verdict = self.assertExclusive()
        self.assertEqual(["beta"], [each["node"] for each in verdict["takeovers"]])
        self.assertTrue(verdict["old_credential_refused"])

        self.pair.alpha.start()
        self.pair.wait_role(self.pair.alpha, "standby")
        self.pair.wait_equal()

    def test_a_crash_of_the_worker_gives_the_lease_back_at_once(self):
        self.pair.alpha.kill_worker()
        self.pair.wait_role(self.pair.beta, "active")
        self.assertIn("lease-released", self.pair.alpha.log())
        self.pair.wait_role(self.pair.alpha, "standby")
        self.pair.lab.change(seed=6, count=20)
        self.pair.wait_in_step()
        self.assertExclusive()

    def test_a_frozen_active_does_not_write_when_it_wakes(self):
        self.pair.lab.change(seed=7, count=20)
        with self.pair.alpha.frozen():
            self.pair.wait_role(self.pair.beta, "active")
            self.pair.wait_in_step()
        self.pair.wait_role(self.pair.alpha, "standby")
        self.pair.lab.change(seed=8, count=20)
        self.pair.wait_in_step()
        self.pair.wait_equal()
        self.assertExclusive()


if __name__ == "__main__":
    unittest.main()
