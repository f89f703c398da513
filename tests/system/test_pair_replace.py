#!/usr/bin/python3
"""A computer of the pair is lost for good, and another one takes its place."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair_case import PairTestCase  # noqa: E402


class Replacing(PairTestCase):
    OPTIONS = {"people": 20, "groups": 2, "spare": "gamma"}

    def members(self, node):
        value = node.json("register", "status")["value"]
        return value["voters"], value["learner"]

    def change(self, seed):
        self.pair.lab.change(seed=seed, count=6)
        self.pair.wait_in_step()

    def test_a_third_and_a_fourth_computer_take_the_places_of_the_first_two(self):
        """alpha, beta -> alpha, gamma -> gamma, delta: nothing is left of what there was at the beginning."""
        alpha, beta = self.pair.alpha, self.pair.beta
        beta.kill()
        self.change(seed=1)
        gamma = self.pair.replace(beta)
        wait_until(lambda: self.members(alpha) == (["alpha", "gamma"], None), "gamma has beta's vote")
        self.assertTrue(wait_until(lambda: alpha.status()["replication"]["protected"], "what is written is on two"))
        self.change(seed=2)
        self.pair.wait_equal()
        alpha.kill()
        self.pair.wait_role(gamma, "active")
        self.change(seed=3)
        self.pair.add_spare("delta", ("gamma", "delta"))
        gamma.stop()
        gamma.start()
        self.pair.wait_role(gamma, "active")
        delta = self.pair.replace(alpha)
        wait_until(lambda: self.members(gamma) == (["gamma", "delta"], None), "delta has alpha's vote")
        gamma.kill()
        self.pair.wait_role(delta, "active")
        self.change(seed=4)
        verdict = self.pair.judge()
        self.assertEqual({}, verdict["faults"])
        epochs = [takeover["epoch"] for takeover in verdict["takeovers"]]
        self.assertEqual(epochs, sorted(set(epochs)))

    def test_who_was_replaced_is_retired_and_stays_outside(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        beta.kill()
        gamma = self.pair.replace(beta)
        wait_until(lambda: self.members(alpha)[0] == ["alpha", "gamma"], "gamma has beta's vote")
        beta.start(wait=False)
        self.assertEqual(3, beta.wait(), beta.log()[-2000:])
        self.assertIn("was retired at 20", beta.log().splitlines()[-1])
        self.assertIn("(gamma has taken its place)", beta.log().splitlines()[-1])
        self.assertIn("state.1", os.listdir(beta.state), "nobody asked it to destroy anything")
        alpha.kill()
        self.pair.wait_role(gamma, "active")
        beta.start(wait=False)
        self.assertEqual(3, beta.wait())
        self.change(seed=1)
        self.assertExclusive()

    def test_nobody_takes_the_place_of_a_partner_that_is_connected(self):
        refused = self.pair.alpha.twinsync("token", "create", "--node", "gamma")
        self.assertEqual(3, refused.returncode)
        self.assertIn('stop twinsyncd on "beta" first', refused.stderr)
        unknown = self.pair.alpha.twinsync("token", "create", "--node", "omega")
        self.assertEqual(2, unknown.returncode)
        self.assertIn('nodes has no other computer of that name', unknown.stderr)
        self.assertEqual((["alpha", "beta"], None), self.members(self.pair.alpha))


if __name__ == "__main__":
    unittest.main()
