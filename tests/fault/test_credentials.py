#!/usr/bin/python3
"""Passwords of a pair: whoever changes one dies at each point of it, and the other one goes on.

Of the holder, at each of its points, with power gone and with a supervisor that gives the lease back; the real slapd
answers. What both keep and what the directory accepts are asked afterwards.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

import test_pair_credentials as pair_credentials  # noqa: E402
from lab import wait_until  # noqa: E402

POINTS = ["credential-kept:1", "credential-shared", "credential-kept:2", "credential-kept:3", "credential-before-ask",
          "credential-asked", "credential-kept:4", "credential-kept:5"]


class Deaths(unittest.TestCase):
    """Each point twice: of the worker alone, and of the computer."""
    OPTIONS, seeds = pair_credentials.PairCredentials.OPTIONS, pair_credentials.PairCredentials.seeds
    accepts, row = pair_credentials.PairCredentials.accepts, pair_credentials.PairCredentials.row
    wait_settled = pair_credentials.PairCredentials.wait_settled
    assertServes = pair_credentials.PairCredentials.assertServes
    wait_fit = pair_credentials.PairCredentials.wait_fit
    setUp = pair_credentials.PairCredentials.setUp

    def die(self, point, power):
        """beta holds the lease, and dies at that point."""
        alpha, beta = self.pair.alpha, self.pair.beta
        died = beta.log().count("worker-died")
        beta.kill()
        beta.start(TWINSYNC_FAILPOINT=point)
        self.assertEqual(0, self.pair.fail_over_to(beta).returncode)
        self.pair.wait_role(alpha, "standby")
        self.wait_fit(alpha)
        beta.twinsync("credentials", "rotate", pair_credentials.NAME)
        wait_until(lambda: beta.log().count("worker-died") > died, f"it dies at {point}")
        if power:
            beta.kill()

    def test_whoever_dies_at_any_point_is_followed_by_one_that_goes_on(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        for point in POINTS:
            for power in (False, True):
                with self.subTest(point=point, power=power):
                    self.die(point, power)
                    if power:
                        self.assertServes(alpha)
                        beta.start()
                    wait_until(lambda: {self.pair.active(), self.pair.standby()} == {alpha, beta}, "both are there")
                    self.wait_settled(alpha, beta)
                    if self.pair.active() is beta:
                        self.assertEqual(0, self.pair.fail_over_to(alpha).returncode)
                    self.assertServes(alpha)


if __name__ == "__main__":
    unittest.main()
