#!/usr/bin/python3
"""From a domain to the provider: what happens there is there, after one cycle."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from instep import InStepCase, quick  # noqa: E402
import ad  # noqa: E402
from ad import UNIT  # noqa: E402
from ad_instep import Domain, configured, shown, wanted  # noqa: E402
from ad_storm import Storm  # noqa: E402


@unittest.skipIf(ad.missing(), f"{ad.missing()} is not installed: see tools/setup")
class AdCycle(InStepCase):
    OPTIONS = {"people": 1, "groups": 0}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.domain = Domain()
        cls.addClassCleanup(cls.domain.__exit__)

    def setUp(self):
        super().setUp()
        self.empty_target()

    def running(self, **choices):
        edit = configured(self.domain, **choices)
        node = self.new_node(edit=lambda text: quick(edit(text)))
        node.start()
        node.sync()
        return node

    def assertInStep(self):
        people, groups = wanted(self.domain)
        seen_people, seen_groups = shown(self.lab)
        self.assertEqual(people, seen_people)
        self.assertEqual(groups, seen_groups)

    def assertNothingWritten(self, sync):
        before = len(self.lab.writes())
        sync()
        self.assertEqual([], self.lab.writes()[before:])

    def assertFollows(self, node, *arguments):
        node.sync(*arguments)
        self.assertInStep()

    def test_each_change_of_a_domain_arrives(self):
        domain = self.domain
        boss = domain.person("boss", displayName="The Boss")
        ada = domain.person("ada", manager=boss, userAccountControl="512", userPassword="x1.Passw0rd")
        bob, eve = domain.person("bob"), domain.person("eve")
        inner = domain.group("inner", eve)
        team = domain.group("team", ada, bob, inner)
        domain.group("letters", ada, groupType="2")
        node = self.running()
        self.assertInStep()
        self.assertNothingWritten(node.sync)
        with self.subTest("values"):
            domain.set(ada, displayName="Countess", userAccountControl="514")
            domain.set(boss, displayName=None)
            self.assertFollows(node)
        with self.subTest("members"):
            domain.leave(team, bob)
            domain.join(team, eve)
            self.assertFollows(node)
        with self.subTest("a member is renamed and moved"):
            other = domain.unit("other")
            ada = domain.move(ada, rdn="CN=lovelace", unit=other)
            self.assertFollows(node)
        with self.subTest("a unit is renamed"):
            other = domain.move(other, rdn="OU=elsewhere")
            ada = f"CN=lovelace,{other}"
            self.assertFollows(node)
        with self.subTest("two change their names with each other"):
            domain.move(eve, rdn="CN=swap")
            bob = domain.move(bob, rdn="CN=eve")
            eve = domain.move(f"CN=swap,{UNIT}", rdn="CN=bob")
            self.assertFollows(node)
        with self.subTest("a member is deleted, and another takes the name"):
            domain.delete(eve)
            eve = domain.person("bob2", unit=UNIT)
            domain.move(eve, rdn="CN=bob")
            self.assertFollows(node)
        with self.subTest("a member is deleted and brought back between two cycles"):
            guid = domain.guid(bob)
            domain.join(team, bob)
            self.assertFollows(node)
            domain.delete(bob)
            domain.restore(bob, guid)
            self.assertFollows(node)
        with self.subTest("a group and a manager are deleted"):
            domain.delete(inner)
            domain.delete(boss)
            self.assertFollows(node)
        with self.subTest("a whole reading finds the same"):
            self.assertNothingWritten(lambda: node.sync("--full"))
            self.assertNothingWritten(node.sync)
        self.assertEqual(0, node.status()["counts"]["errors"])

    def test_a_storm_of_changes_arrives(self):
        """TWINSYNC_AD_SEEDS=FIRST-LAST for a campaign; some rounds are whole."""
        first, _, last = os.environ.get("TWINSYNC_AD_SEEDS", "1").partition("-")
        node = self.running()
        for seed in range(int(first), int(last or first) + 1):
            storm = Storm(self.domain, seed)
            for number in range(3):
                steps = [storm.step() for _ in range(20)]
                with self.subTest(seed=seed, round=number, steps=steps):
                    self.assertFollows(node, *(["--full"] if storm.random.random() < 0.2 else []))
        self.assertNothingWritten(lambda: node.sync("--full"))
        self.assertNothingWritten(node.sync)

    def test_a_unit_is_in_scope_by_its_identity(self):
        domain = self.domain
        top = domain.unit("scope")
        below = domain.unit("below", top)
        domain.person("inside", below)
        domain.person("outside")
        node = self.running(when=f"has('objectClass','user') AND ou_under('{domain.anchor(top)}')")
        self.assertEqual({"inside"}, set(shown(self.lab)[0]))
        top = domain.move(top, rdn="OU=renamed")
        node.sync()
        self.assertEqual({"inside"}, set(shown(self.lab)[0]))
        domain.move(f"OU=below,{top}", unit=UNIT)
        node.sync()
        self.assertEqual(set(), set(shown(self.lab)[0]))

    def test_a_person_is_found_by_the_name_of_today(self):
        domain = self.domain
        unit = domain.unit("names")
        domain.person("found", unit)
        node = self.running()
        unit = domain.move(unit, rdn="OU=other names")
        node.sync()
        shown_ = node.json("show", f"cn=FOUND,{unit}")
        self.assertIn("found", str(shown_))


if __name__ == "__main__":
    unittest.main()
