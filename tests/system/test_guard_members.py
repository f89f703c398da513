#!/usr/bin/python3
"""The guard on members: a group that would lose too many keeps them, and still gets new ones."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import ldap  # noqa: E402

from guarding import GuardCase  # noqa: E402
from labkit.population import GROUPS  # noqa: E402
from semantics import operations  # noqa: E402


class Members(GuardCase):
    OPTIONS = {"people": 1, "groups": 0}

    def setUp(self):
        super().setUp()
        self.alone()
        self.staff_ = self.staff(30)

    def test_a_group_that_loses_too_many_keeps_them_and_still_gets_new_ones(self):
        big = self.group("big", *self.staff_[:20])
        small = self.group("small", *self.staff_[20:25])
        node = self.guarded(member_loss_percent=40, deletes=0)
        self.set(big, "member", *self.staff_[10:22])
        self.set(small, "member", *self.staff_[20:23])
        said = self.held(node)
        self.assertSentence(said, 'group "big" would lose 10 members: more than the 8 that guard.member-loss-percent '
                            "allows in 24 hours")
        self.assertEqual((22, 3), (len(self.members("big")), len(self.members("small"))))
        hold = self.hold(node)
        self.assertEqual(("members", "group", "big", 1), tuple(hold[key] for key in ("class", "kind", "detail", "items")))
        self.assertEqual("loses 10", hold["objects"][0]["why"])

        # While it is held: additions go out, further removals make it another list.
        self.set(big, "member", *self.staff_[11:23])
        self.held(node)
        self.assertEqual(23, len(self.members("big")))
        grown = self.hold(node)
        self.assertEqual("loses 11", grown["objects"][0]["why"])
        self.assertNotEqual(hold["hash"], grown["hash"])
        self.assertEqual(0, self.decide(node, "approve", hold["hash"])["released"])
        self.held(node)
        self.assertEqual(23, len(self.members("big")))
        self.decide(node, "approve", self.hold(node)["hash"])
        self.assertSettled(node)
        self.assertEqual(12, len(self.members("big")))

        # Approved losses were not counted: the small group's were, of all.
        self.set(big, "member", *self.staff_[13:23])
        self.assertSettled(node)

    def test_what_is_lost_by_leaving_is_counted_once_and_not_as_a_loss_of_members(self):
        trio = self.group("trio", *self.staff_[:4])
        node = self.guarded(deletes=3, percent=100, member_loss_percent=10)
        before = len(self.lab.writes())
        for dn in self.staff_[:3]:
            self.directory.delete_s(dn)
        self.set(trio, "member", self.staff_[3])
        self.assertSettled(node)
        self.assertEqual(1, len(self.members("trio")))
        # First the group loses them, and then they go.
        self.assertEqual(["PATCH"] + 3 * ["DELETE"], [method for method, _ in operations(self.lab.writes()[before:])])

    def test_many_groups_that_lose_a_few_each_are_held_together(self):
        teams = [self.group(f"team{number}", *self.staff_[number:number + 4]) for number in range(10)]
        node = self.guarded(member_loss_percent=40)
        for number, team in enumerate(teams):
            self.set(team, "member", *self.staff_[number + 2:number + 4])
        self.assertSentence(self.held(node), "groups would lose 20 members: more than the 16 that "
                            "guard.member-loss-percent allows in 24 hours")
        self.assertEqual({4}, {len(self.members(f"team{number}")) for number in range(10)})
        hold = self.hold(node)
        self.assertEqual(("", 10), (hold["detail"], hold["items"]))
        # The mistake is put right: nothing is left to decide.
        for number, team in enumerate(teams):
            self.set(team, "member", *self.staff_[number:number + 4])
        self.assertSettled(node)
        self.assertEqual([], self.holds(node))

    def test_a_write_of_two_classes_waits_when_one_of_them_is_held(self):
        team = self.group("team", *self.staff_[:20])
        node = self.guarded(key_changes=0, member_loss_percent=50)
        before = self.team("team")["id"]
        self.directory.modify_s(team, [(ldap.MOD_ADD, "description", b"team"),
                                       (ldap.MOD_REPLACE, "member", [dn.encode() for dn in self.staff_[1:20]])])
        node.sync()
        self.assertEqual(19, len(self.members("team")))
        self.directory.rename_s(team, "cn=crew")
        team = f"cn=crew,{GROUPS}"
        self.addCleanup(self.remove_group, team)
        self.set(team, "member", *self.staff_[2:20])
        self.assertSentence(self.held(node), "1 group would get another value of an attribute that is unique")
        self.assertEqual(19, len(self.members("team")))
        self.decide(node, "approve", self.hold(node)["hash"])
        self.assertSettled(node)
        self.assertEqual((before, 18), (self.team("crew")["id"], len(self.members("crew"))))

    def test_whom_others_put_into_our_group_is_a_member_when_he_is_removed(self):
        self.group("club", *self.staff_[:2])
        node = self.guarded(member_loss_percent=50)
        ours = self.members("club")
        added = {self.user(f"p{number:03}")["id"] for number in range(10, 15)}
        added.add(self.lab.create_user("outsider@example.com").body["id"])
        self.edit(self.team("club"), {"op": "add", "path": "members", "value": [{"value": each} for each in added]})
        # Whoever leaves himself is no loss of the group's.
        gone = self.user("p014")["id"]
        self.directory.delete_s(self.staff_[14])
        self.assertSentence(self.held(node, "--full"), 'group "club" would lose 5 members: more than the 4 that '
                            "guard.member-loss-percent allows in 24 hours")
        self.assertEqual(ours | added - {gone}, self.members("club") - {gone})
        hold = self.hold(node)
        self.assertEqual("loses 5", hold["objects"][0]["why"])
        self.decide(node, "approve", hold["hash"])
        node.sync()
        self.assertEqual((ours, []), (self.members("club"), self.holds(node)))

    def test_a_hold_ends_when_others_take_back_whom_they_put_there(self):
        self.group("club", self.staff_[0])
        node = self.guarded(member_loss_percent=50)
        added = [self.user(f"p{number:03}")["id"] for number in range(10, 14)]
        for verb, cycle in (("add", self.held), ("remove", lambda node, full: node.sync(full))):
            for each in added:
                self.edit(self.team("club"), {"op": "add", "path": "members", "value": [{"value": each}]}
                          if verb == "add" else {"op": "remove", "path": f'members[value eq "{each}"]'})
            cycle(node, "--full")
        self.assertEqual([], self.holds(node))
        self.assertInStep()


if __name__ == "__main__":
    unittest.main()
