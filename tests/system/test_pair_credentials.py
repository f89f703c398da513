#!/usr/bin/python3
"""Passwords of a pair: both computers know the new one before the directory does, and nobody is locked out."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import BUILD, wait_until  # noqa: E402
from ldap_cut import LdapCut  # noqa: E402
from pair import Pair  # noqa: E402
from pair_case import PairTestCase  # noqa: E402
from pair_passwords import NAME, Passwords, hasty  # noqa: E402

class PairCredentials(Passwords, PairTestCase):
    OPTIONS = {"people": 10, "groups": 2, "edit": hasty}

    def test_a_rotation_reaches_both_and_the_standby_goes_on_with_the_new_one(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        done = alpha.twinsync("--json", "credentials", "rotate", "--all", "--reason", "an admin has left")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        rows = {row["name"]: row["state"] for row in json.loads(done.stdout)["credentials"]}
        self.assertEqual({NAME: "proved", "target": "untouched", "registration": "untouched"}, rows)
        self.assertFalse(self.accepts(self.first))
        self.wait_settled(alpha, beta)
        self.assertServes(alpha)
        alpha.kill()
        self.assertServes(beta)
        told = beta.log() + alpha.log() + beta.twinsync("events").stdout
        self.assertNotIn(self.first, told)

    def test_only_the_holder_changes_it_and_not_while_the_other_one_is_away(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        done = beta.twinsync("credentials", "rotate", NAME)
        self.assertEqual(3, done.returncode)
        self.assertIn("does not hold the lease", done.stderr)
        beta.kill()
        wait_until(lambda: not alpha.status()["peer"]["connected"], "alpha misses beta")
        done = alpha.twinsync("credentials", "rotate", NAME)
        self.assertNotEqual(0, done.returncode)
        self.assertIn('"beta" is away', done.stderr)
        self.assertTrue(self.accepts(self.first))
        self.assertEqual("file", self.row(alpha)["from"])
        done = subprocess.run([os.path.join(BUILD, "twinsync"), "-c", alpha.config_file, "credentials", "set", NAME],
                              input=self.first + "\n", capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("as soon as it can", done.stdout)
        beta.start()
        self.wait_settled(beta)

    def test_a_standby_that_dies_while_it_is_told_leaves_the_old_one_and_gets_what_came_of_it(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        beta.kill()
        beta.start(TWINSYNC_FAILPOINT="credential-taken")
        self.pair.wait_role(beta, "standby")
        wait_until(lambda: alpha.status()["peer"]["connected"], "they are connected")
        done = alpha.twinsync("credentials", "rotate", NAME)
        self.assertNotEqual(0, done.returncode)
        self.assertTrue(self.accepts(self.first))
        beta.kill()
        beta.start()
        self.wait_settled(alpha, beta)
        alpha.kill()
        self.assertServes(beta)


class Replaced(Passwords, PairTestCase):
    OPTIONS = {**PairCredentials.OPTIONS, "spare": "gamma"}

    def test_a_computer_that_takes_a_lost_ones_place_gets_what_was_changed(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        self.assertEqual(0, alpha.twinsync("credentials", "rotate", NAME).returncode)
        beta.kill()
        gamma = self.pair.replace(beta)
        self.wait_settled(gamma)
        wait_until(lambda: alpha.json("register", "status")["value"]["voters"] == ["alpha", "gamma"], "it has the vote")
        self.assertEqual(0, alpha.twinsync("credentials", "rotate", NAME).returncode)
        alpha.kill()
        self.assertServes(gamma)


class LostAnswer(Passwords, unittest.TestCase):
    """The wire to the directory is cut where it hurts most."""

    def setUp(self):
        self.cut = LdapCut()
        self.addCleanup(self.cut.close)
        self.pair = Pair(edit=self.through_the_cut, start=False, people=10, groups=2)
        self.addCleanup(self.pair.close)
        self.cut.leads_to(self.pair.lab.env["ldap_uri"])
        self.pair.begin()
        self.pair.wait_in_step()

    def through_the_cut(self, text):
        return hasty(self.cut.instead(text))

    def test_a_takeover_after_a_lost_answer_finds_out_what_rules(self):
        """The holder dies after its request has come there, and before it knows."""
        alpha, beta = self.pair.alpha, self.pair.beta
        beta.kill()
        beta.start(TWINSYNC_FAILPOINT="credential-asked")
        self.assertEqual(0, self.pair.fail_over_to(beta).returncode)
        self.pair.wait_role(alpha, "standby")
        self.cut.after()
        beta.twinsync("credentials", "rotate", NAME)
        wait_until(lambda: "worker-died" in beta.log(), "it dies")
        beta.kill()
        self.assertServes(alpha)
        beta.start()
        self.wait_settled(alpha, beta)
        self.assertFalse(self.accepts(self.first))


if __name__ == "__main__":
    unittest.main()
