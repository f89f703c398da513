#!/usr/bin/python3
"""Passwords of a pair: whoever changes one dies at each point of it, and the other one goes on.

Of the holder, at each of its points, with power gone and with a supervisor that gives the lease back; the real slapd
answers. What both keep and what the directory accepts are asked afterwards.
"""

import unittest

from lab import wait_until
from pair_case import PairTestCase
from pair_passwords import NAME, Passwords, hasty

POINTS = ["credential-kept:1", "credential-shared", "credential-kept:2", "credential-kept:3", "credential-before-ask",
          "credential-asked", "credential-kept:4", "credential-kept:5"]


class Deaths(Passwords, PairTestCase):
    """Each point twice: of the worker alone, and of the computer."""
    OPTIONS = {"people": 10, "groups": 2, "edit": hasty}

    def die(self, point, power):
        """beta holds the lease, and dies at that point."""
        alpha, beta = self.pair.alpha, self.pair.beta
        died = beta.log().count("worker-died")
        beta.kill()
        beta.start(TWINSYNC_FAILPOINT=point)
        self.assertEqual(0, self.pair.fail_over_to(beta).returncode)
        self.pair.wait_role(alpha, "standby")
        self.wait_fit(alpha)
        beta.twinsync("credentials", "rotate", NAME)
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
