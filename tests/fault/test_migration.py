#!/usr/bin/python3
"""A pair moves to two other computers and to the next version, while its directory changes and links are cut."""

import unittest

from host_pair import HostPair
from migration import Moving
from pair_faults import Campaign


class Migration(Moving, Campaign):
    def setUp(self):
        super().setUp()
        self.pair = HostPair(people=60, groups=4, more=("gamma", "delta"))
        self.addCleanup(self.pair.close)
        self.pair.converge()

    def done(self):
        type(self).whole = True

    def test_host_by_host_to_the_next_version_and_back_until_it_is_finalized(self):
        gamma, delta = self.migrate()
        self.go_back_and_forth(gamma, delta)
        self.delete_while_nothing_runs(gamma, delta)
        self.done()

    def test_a_host_that_nobody_reaches_is_out_all_the_same(self):
        """Its link is cut both ways: excluded, not wiped; healed, it finds itself retired and destroys what it has."""
        alpha, beta = self.pair.alpha, self.pair.beta
        self.pair.cut(beta, "peer", "both")
        self.pair.cut(beta, "register", "both")
        self.pair.until(lambda: not alpha.status()["peer"]["connected"], "the link is down")
        rows = self.pair.retire(beta)
        self.assertEqual(("done", "pending"), (rows["membership"]["state"], rows["wipe"]["state"]))
        self.assertEqual("standby", beta.role())
        self.pair.heal()
        self.assertOut(beta)
        gamma = self.pair.enlist("gamma", alpha)
        alpha.kill()
        self.pair.wait_role(gamma, "active")
        self.pair.wait_in_step()
        self.assertEqual({}, self.pair.judge()["faults"])
        self.done()


if __name__ == "__main__":
    unittest.main()
