#!/usr/bin/python3
"""A group of five thousand: what a change of its members costs."""

import unittest

import ldap

from instep import InStepCase
from labkit import population
from semantics import SemanticsCase, operations


class LargeGroup(SemanticsCase):
    """The cost of a change in a group of 5,000."""

    OPTIONS = {"people": 5100, "groups": 1}

    def setUp(self):
        InStepCase.setUp(self)  # the target is as large: it is not emptied
        self.directory = self.lab.ldap()

    def test_members_change_in_proportion(self):
        node = self.running()
        everyone = population.Population(self.lab.env["seed"], 5100, 1).person_dns
        [group] = self.directory.search_s(population.GROUPS, ldap.SCOPE_ONELEVEL, "(cn=everyone)", ["1.1"])
        for verb in (ldap.MOD_DELETE, ldap.MOD_ADD):
            for first, count in ((100, 1), (200, 1000)):
                members = [dn.encode() for dn in everyone[first:first + count]]
                self.directory.modify_s(group[0], [(verb, "member", members)])
                before = len(self.lab.writes())
                node.sync()
                rows = self.lab.writes()[before:]
                done = operations(rows)
                self.assertEqual({("PATCH", f"/Groups/{self.lab.find('Groups', 'displayName', 'everyone')[0]['id']}")},
                                 set(done))
                self.assertLessEqual(len(done), 1 + count // 100, (verb, count))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertInStep()


if __name__ == "__main__":
    unittest.main()
