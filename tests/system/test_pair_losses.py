#!/usr/bin/python3
"""A pair that loses its register, its register and its peer, or both computers at
once: one exporter at a time, and none where nobody can know."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair_case import PairTestCase  # noqa: E402


class Losing(PairTestCase):
    def setUp(self):
        super().setUp()
        self.wait_fit(self.pair.beta)

    def test_without_the_register_the_active_goes_on_by_its_peers_promise(self):
        self.pair.register.kill()
        wait_until(lambda: self.pair.alpha.status()["lease"]["promised"], "the peer has promised")
        self.pair.lab.change(seed=4, count=10)
        self.pair.wait_in_step()
        self.assertEqual("standby", self.pair.beta.role())
        self.assertIn("register", self.problems(self.pair.alpha))
        self.pair.register.start()
        wait_until(lambda: self.pair.alpha.status()["lease"]["register_ok"], "the register is back")
        self.assertEqual([1], self.assertExclusive()["epochs"])

    def test_without_register_and_peer_nothing_is_exported(self):
        self.pair.register.kill()
        self.pair.beta.kill()
        wait_until(lambda: self.pair.alpha.role() not in (None, "active"), "the lease is given up")
        self.pair.lab.change(seed=4, count=5)
        before = len(self.pair.lab.writes())
        refused = self.pair.alpha.twinsync("sync", "--wait")
        self.assertEqual(3, refused.returncode)
        self.assertIn("no node is known to export", refused.stderr)  # not: alpha does, on alpha
        wait_until(lambda: "nobody-exports" in self.problems(self.pair.alpha), "it is told that nobody exports")
        self.assertEqual(1, self.pair.alpha.twinsync("status").returncode)
        self.assertEqual(before, len(self.pair.lab.writes()))
        self.pair.register.start()
        self.pair.wait_in_step()
        self.assertExclusive()

    def test_both_restarted_one_takes_the_lease_in_a_new_epoch(self):
        self.pair.alpha.kill()
        self.pair.beta.kill()
        self.pair.alpha.start()
        self.pair.beta.start()
        self.pair.active()
        self.pair.lab.change(seed=4, count=10)
        self.pair.wait_in_step()
        self.pair.wait_equal()
        self.assertGreater(self.pair.active().status()["epoch"], 1)
        self.assertExclusive()


if __name__ == "__main__":
    unittest.main()
