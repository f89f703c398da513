#!/usr/bin/python3
"""The guard: what exceeds a budget is held as a whole, before its first write."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from guarding import GuardCase  # noqa: E402


class Accident(GuardCase):
    OPTIONS = {"people": 1, "groups": 0}

    def test_44_of_50_people_gone_at_once_are_held_and_everything_else_goes_on(self):
        self.alone()
        staff = self.staff(50)
        group = self.group("everybody", *staff)
        node = self.guarded(deletes=500)
        for dn in staff[:44]:
            self.directory.delete_s(dn)
        self.set(group, "member", *staff[44:])
        self.set(staff[49], "title", "Survivor")
        self.person("newcomer")
        before = len(self.lab.writes())
        said = self.held(node, "--full", "--accept-missing")
        self.assertSentence(said, "44 users would be deleted", "more than the 5 that guard.percent allows in 24 hours",
                            "twinsync hold list", "twinsync approve HASH", "twinsync reject HASH")
        self.assertEqual([], self.deletions(before))
        self.assertEqual(51, len(self.users()))
        self.assertEqual("Survivor", self.user("p049")["title"])
        self.assertIsNotNone(self.user("newcomer"))
        # Nobody leaves a group before it is sure that he leaves at all.
        self.assertEqual(50, len(self.members("everybody")))

        hold = self.hold(node)
        self.assertEqual(("deletes", "user", 44, 5, 0),
                         tuple(hold[key] for key in ("class", "kind", "items", "limit", "spent")))
        self.assertEqual({f"p{number:03}" for number in range(44)}, self.names(hold))
        self.assertEqual({"delete"}, {row["verb"] for row in hold["objects"]})
        status = node.status()
        [problem] = status["problems"]
        self.assertEqual(("held-deletes", "warning"), (problem["code"], problem["severity"]))
        self.assertIn("44 users would be deleted", problem["text"])
        self.assertEqual((44, 0, "held"),
                         (status["counts"]["held"], status["counts"]["pending"], status["cycle"]["result"]))

        # An idle cycle writes nothing, here nor there, and lists nothing anew.
        before_idle = len(self.lab.writes())
        self.held(node)
        self.assertEqual(status["replication"]["seq"], node.status()["replication"]["seq"])
        self.assertEqual(hold["hash"], self.hold(node)["hash"])
        self.assertEqual(before_idle, len(self.lab.writes()))
        self.assertEqual(["held"], self.events(node, "held", "approved"))

        done = self.decide(node, "approve", hold["hash"])
        self.assertEqual(("deletes", 44, 0, 0), (done["class"], done["released"], done["dropped"], done["left"]))
        self.assertSettled(node)
        self.assertEqual(44, len(self.deletions(before)))
        self.assertEqual([], self.holds(node))
        self.assertEqual([], node.status()["problems"])
        self.assertEqual(["held", "approved"], self.events(node, "held", "approved"))


class Trickle(GuardCase):
    OPTIONS = {"people": 1, "groups": 0}

    def test_a_few_every_cycle_pass_until_the_window_is_full_and_then_the_whole_next_set_waits(self):
        self.alone()
        staff = self.staff(20)
        node = self.guarded(deletes=6, percent=100)
        for number in (0, 3):
            for dn in staff[number:number + 3]:
                self.directory.delete_s(dn)
            node.sync()
        self.assertEqual(14, len(self.users()))
        node.stop()
        node.start()  # the window outlives it
        for dn in staff[6:9]:
            self.directory.delete_s(dn)
        self.assertSentence(self.held(node), "3 users would be deleted", "with the 6 that passed before",
                            "more than the 6 that guard.deletes allows in 24 hours")
        self.assertEqual(14, len(self.users()))
        first = self.hold(node)
        self.assertEqual((3, 6, 6), tuple(first[key] for key in ("items", "limit", "spent")))

        # Later ones join, even one that alone would fit; others pass.
        self.directory.delete_s(staff[9])
        self.set(staff[10], "title", "Unconcerned")
        self.held(node)
        joined = self.hold(node)
        self.assertEqual(4, joined["items"])
        self.assertNotEqual(first["hash"], joined["hash"])
        self.assertEqual("Unconcerned", self.user("p010")["title"])

        # A day later there is room again, but what is held waits for somebody.
        node.stop()
        node.start(TWINSYNC_TEST_CLOCK_OFFSET=str(26 * 3600))
        self.held(node)
        self.assertEqual((4, 0), tuple(self.hold(node)[key] for key in ("items", "spent")))
        self.assertEqual(14, len(self.users()))
        self.decide(node, "approve", joined["hash"])
        node.sync()
        for dn in staff[11:17]:
            self.directory.delete_s(dn)
        self.assertSettled(node)  # what was approved was not counted
        self.assertEqual(4, len(self.users()))


class Exits(GuardCase):
    OPTIONS = {"people": 1, "groups": 0}

    def test_exits_from_the_scope_are_held_by_the_term_that_became_false(self):
        self.alone()
        staff = self.staff(30)
        node = self.guarded(("AND mail IS NOT NULL", "AND mail IS NOT NULL AND coalesce(title, '') <> 'gone'"))
        for dn in staff[:8]:
            self.set(dn, "mail")
        for dn in staff[8:10]:
            self.set(dn, "title", "gone")
        before = len(self.lab.writes())
        self.assertSentence(self.held(node), "2 users left the scope because", "with the 8 of other terms", "more than "
                            "the 3 that guard.percent allows in 24 hours", "and other holds")
        self.assertEqual([], self.deletions(before))
        by_term = {hold["detail"]: hold for hold in self.holds(node)}
        self.assertEqual({"mail IS NOT NULL": 8, "coalesce(title, '') <> 'gone'": 2},
                         {term: hold["items"] for term, hold in by_term.items()})
        self.assertIn('8 users left the scope because "mail IS NOT NULL" is no longer true of them: with the 2 of other '
                      "terms more than the 3 that guard.percent allows in 24 hours", by_term["mail IS NOT NULL"]["text"])
        self.assertEqual({"scope-exits"}, {hold["class"] for hold in by_term.values()})
        self.assertEqual({"p008", "p009"}, self.names(by_term["coalesce(title, '') <> 'gone'"]))

        # One term is right, the other a mistake that is put right.
        self.decide(node, "approve", by_term["coalesce(title, '') <> 'gone'"]["hash"])
        for number, dn in enumerate(staff[:8]):
            self.set(dn, "mail", f"p{number:03}@example.org")
        node.sync()
        self.assertEqual([], self.holds(node))
        self.assertEqual(2, len(self.deletions(before)))
        self.assertEqual(28, len(self.users()))


class Decisions(GuardCase):
    OPTIONS = {"people": 1, "groups": 0}

    def six_held(self, **values):
        self.alone()
        self.staff_ = self.staff(30)
        node = self.guarded(**values)
        for dn in self.staff_[:6]:
            self.directory.delete_s(dn)
        self.held(node)
        return node

    def test_an_approval_releases_what_was_listed_and_is_still_due_and_nothing_else(self):
        node = self.six_held()
        before = len(self.lab.writes())
        listed = self.hold(node)
        self.person("p000")  # another entry of that name: another anchor, and so no return
        kept = self.user("p000")["id"]
        self.directory.delete_s(self.staff_[6])
        self.held(node)
        done = self.decide(node, "approve", listed["hash"])
        self.assertEqual((6, 0, 1), (done["released"], done["dropped"], done["left"]))
        said = node.twinsync("approve", listed["hash"])
        self.assertEqual(1, said.returncode)
        self.assertSentence(said.stderr, "there is no such list", "twinsync hold list")
        self.held(node)
        self.assertEqual(6, len(self.deletions(before)))
        rest = self.hold(node)
        self.assertEqual({"p006"}, self.names(rest))
        self.assertNotEqual(listed["hash"], rest["hash"])
        self.assertNotIn(kept, {user["id"] for user in self.users()})

    def test_what_comes_back_leaves_the_list_and_is_not_released(self):
        self.alone()
        staff = self.staff(30)
        node = self.guarded()
        for dn in staff[:6]:
            self.set(dn, "mail")
        self.held(node)
        listed = self.hold(node)
        self.set(staff[0], "mail", "p000@example.org")
        self.held(node)
        self.assertEqual((listed["hash"], 5), tuple(self.hold(node)[key] for key in ("hash", "items")))
        done = self.decide(node, "approve", listed["hash"])
        self.assertEqual((5, 1, 0), (done["released"], done["dropped"], done["left"]))
        self.assertSettled(node)
        self.assertIsNotNone(self.user("p000"))
        self.assertEqual(25, len(self.users()))

    def test_only_those_that_are_named_are_decided(self):
        node = self.six_held()
        rows = {row["name"].partition("@")[0]: row for row in self.hold(node)["objects"]}
        refused = node.twinsync("approve", self.hold(node)["hash"], "--only", rows["p001"]["anchor"], "nobody")
        self.assertEqual(1, refused.returncode)
        self.assertSentence(refused.stderr, '"nobody"', "nothing was decided")
        done = self.decide(node, "approve", self.hold(node)["hash"], "--only", rows["p001"]["anchor"],
                           rows["p002"]["target_id"])
        self.assertEqual((2, 4), (done["released"], done["left"]))
        self.assertIn("4 users would be deleted", self.hold(node)["text"])
        self.held(node)
        self.assertEqual({"p000", "p003", "p004", "p005"}, self.names(self.hold(node)))
        self.assertEqual(28, len(self.users()))

    def test_a_rejection_keeps_the_objects_and_forgets_that_they_were_ours(self):
        node = self.six_held()
        before = len(self.lab.writes())
        done = self.decide(node, "reject", self.hold(node)["hash"])
        self.assertEqual((6, 0), (done["kept"], done["left"]))
        node.sync()
        node.sync("--full", "--accept-missing")
        self.assertEqual([], self.lab.writes()[before:])
        self.assertEqual(30, len(self.users()))
        status = node.status()
        self.assertEqual((24, 0, 0), tuple(status["counts"][key] for key in ("ledger", "held", "pending")))
        self.assertEqual(["held", "rejected"], self.events(node, "held", "approved", "rejected"))

    def test_a_list_of_another_configuration_decides_nothing(self):
        node = self.six_held()
        listed = self.hold(node)["hash"]
        self.assertEqual(0, node.twinsync("pause").returncode)
        node.stop()
        with open(node.config_file, encoding="utf-8") as file:
            text = file.read()
        node.write_config(text.replace('title: "title"', 'title: "trim(title)"'))
        node.start()
        refused = node.twinsync("approve", listed)
        self.assertEqual(3, refused.returncode)
        self.assertSentence(refused.stderr, "the configuration has changed since that list was shown")
        node.twinsync("resume")
        node.twinsync("sync", "--wait")
        self.assertEqual(1, node.twinsync("approve", listed).returncode)
        self.assertEqual(30, len(self.users()))


class Keys(GuardCase):
    OPTIONS = {"people": 1, "groups": 0}

    def test_changes_of_a_unique_value_have_a_budget_and_those_of_case_do_not_count(self):
        self.alone()
        staff = self.staff(30)
        node = self.guarded(('userName: "fold(mail)"', 'userName: "mail"'), key_changes=3, percent=100)
        for number, dn in enumerate(staff[:10]):
            self.set(dn, "mail", f"P{number:03}@Example.org")
        node.sync()
        self.assertEqual("P000@Example.org", self.user("p000")["userName"])
        for number, dn in enumerate(staff[:4]):
            self.set(dn, "mail", f"new{number}@example.org")
            self.set(dn, "title", "Renamed")
        self.set(staff[20], "title", "Unconcerned")
        self.assertSentence(self.held(node), "4 users would get another value of an attribute that is unique",
                            "guard.key-changes")
        self.assertIsNone(self.user("new0"))
        self.assertEqual("Unconcerned", self.user("p020")["title"])
        self.assertEqual("key-changes", self.hold(node)["class"])
        refused = node.twinsync("reject", self.hold(node)["hash"])
        self.assertEqual(3, refused.returncode)
        self.assertSentence(refused.stderr, "put it right at the source")
        self.decide(node, "approve", self.hold(node)["hash"])
        node.sync()
        self.assertEqual("Renamed", self.user("new3")["title"])


if __name__ == "__main__":
    unittest.main()
