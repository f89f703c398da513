#!/usr/bin/python3
"""A pair whose standby is away: exports go on when the register shows it, and whoever takes over from what it
missed reads both sides before it writes."""

import sys
import os
import unittest

import ldap.modlist

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair import Pair  # noqa: E402


class Unprotected(unittest.TestCase):
    def setUp(self):
        self.pair = Pair(people=40, groups=3)
        self.addCleanup(self.pair.close)
        self.known = self.hire("known")
        self.pair.wait_in_step()
        self.pair.wait_equal()

    def hire(self, uid):
        name = f"uid={uid},ou=people,{self.pair.lab.env['base']}"
        directory = self.pair.lab.ldap()
        directory.add_s(name, ldap.modlist.addModlist({
            "objectClass": [b"inetOrgPerson"], "uid": [uid.encode()], "cn": [uid.encode()], "sn": [b"New"],
            "mail": [f"{uid}@example.org".encode()]}))
        directory.unbind_s()
        return name

    def dismiss(self, name):
        directory = self.pair.lab.ldap()
        directory.delete_s(name)
        directory.unbind_s()

    def assertExclusive(self):
        verdict = self.pair.judge()
        self.assertEqual({}, verdict["faults"])
        return verdict

    def protected(self, node):
        return node.status()["replication"]["protected"]

    def test_exports_go_on_without_the_standby_and_are_protected_again_when_it_is_back(self):
        pair = self.pair
        wait_until(lambda: self.protected(pair.alpha), "the pair is protected")
        pair.beta.kill()
        pair.lab.change(seed=11, count=30)
        pair.wait_in_step()
        self.assertFalse(self.protected(pair.alpha))
        pair.beta.start()
        pair.wait_role(pair.beta, "standby")
        pair.wait_equal()
        wait_until(lambda: self.protected(pair.alpha), "the pair is protected again")
        self.assertExclusive()

    def test_who_missed_an_unprotected_period_reads_both_sides_before_it_writes(self):
        pair = self.pair
        pair.beta.kill()
        pair.lab.change(seed=12, count=30)
        pair.wait_in_step()
        pair.alpha.kill()
        self.dismiss(self.known)
        pair.beta.start()
        pair.wait_role(pair.beta, "active")
        self.assertIn("reconcile_first=1", pair.beta.log())
        pair.wait_in_step()
        pair.alpha.start()
        pair.wait_role(pair.alpha, "standby")
        pair.wait_equal()
        pair.lab.change(seed=14, count=10)
        pair.wait_in_step()
        pair.wait_equal()
        self.assertExclusive()

    def test_under_the_policy_stop_nothing_is_written_until_the_standby_is_back(self):
        pair = self.pair
        pair.beta.kill()
        self.adopt_policy("stop")
        self.pair.wait_role(pair.alpha, "active")
        before = len(pair.lab.writes())
        pair.lab.change(seed=13, count=30)
        wait_until(lambda: "has not confirmed" in pair.alpha.log(), "a cycle gives up waiting for the standby")
        self.assertEqual((before, True), (len(pair.lab.writes()), self.protected(pair.alpha)))
        pair.beta.start()
        pair.wait_role(pair.beta, "standby")
        pair.wait_in_step()
        pair.wait_equal()
        self.assertGreater(len(pair.lab.writes()), before)
        self.assertExclusive()

    def adopt_policy(self, policy):
        """Both nodes have it from their next start; the first one is started anew."""
        for node in self.pair.nodes.values():
            with open(node.config_file, "a", encoding="utf-8") as file:
                file.write(f"unprotected: {policy}\n")
        self.pair.alpha.stop()
        self.pair.alpha.start()

    def test_it_goes_back_and_forth_and_stays_in_step(self):
        pair = self.pair
        for round_ in range(3):
            active = pair.active()
            pair.lab.change(seed=20 + round_, count=15)
            active.kill()
            pair.wait_role(pair.other(active), "active")
            active.start()
            pair.wait_role(active, "standby")
            pair.wait_in_step()
            pair.wait_equal()
        self.assertExclusive()


if __name__ == "__main__":
    unittest.main()
