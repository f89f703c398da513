#!/usr/bin/python3
"""The cycle, end to end: a directory and a service come in step, and stay so."""

import unittest

import ldap

from instep import InStepCase
from lab import ENTERPRISE
from labkit import changes
from semantics import PEOPLE, SemanticsCase, operations


class Cycle(InStepCase):
    OPTIONS = {"people": 120, "groups": 12}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node = cls.enterClassContext(cls.lab.node())
        cls.node.sync()

    def test_a_first_run_brings_both_sides_in_step(self):
        self.assertGreater(self.assertInStep()["target_users"], 100)

    def test_an_idle_cycle_writes_nothing(self):
        self.node.sync("--full")  # after a delta, its changes are asked for twice again: 30 s of watermarks
        writes, seq = len(self.lab.writes()), self.node.status()["replication"]["seq"]
        self.node.sync()
        self.node.sync()
        self.assertEqual(seq, self.node.status()["replication"]["seq"])
        self.node.sync("--full")
        self.assertEqual(writes, len(self.lab.writes()))

    def test_one_full_cycle_after_the_other_writes_nothing(self):
        self.node.sync()
        writes = len(self.lab.writes())
        for _ in range(3):
            self.node.sync("--full")
        self.assertEqual(writes, len(self.lab.writes()))
        self.assertInStep()

    def test_a_storm_of_changes_ends_in_step(self):
        for seed in range(2):
            with self.subTest(seed=seed):
                self.lab.change(seed=seed, count=60)
                self.node.sync()
                self.assertInStep()

    def test_a_renamed_unit_keeps_its_people(self):
        changes.rename_unit(self.lab.layout, "field", "moved")
        self.addCleanup(changes.rename_unit, self.lab.layout, "moved", "field")
        before = len(self.lab.writes())
        self.node.sync()
        self.assertNotIn("DELETE", [method for method, _ in operations(self.lab.writes()[before:])])
        self.assertInStep()

    def test_a_full_cycle_agrees_with_the_deltas_before_it(self):
        self.lab.change(seed=77, count=60)
        self.node.sync()
        writes = len(self.lab.writes())
        self.node.sync("--full")
        self.assertEqual(writes, len(self.lab.writes()))
        self.assertInStep()


class Groups(SemanticsCase):
    """Members: what a change costs, and the awkward ones."""

    OPTIONS = {"people": 40, "groups": 5}

    def test_one_member_more_or_less_is_one_operation(self):
        people = [self.person(f"member{n}") for n in range(6)]
        group = self.group("few", *people[:5])
        node = self.running()
        self.directory.modify_s(group, [(ldap.MOD_ADD, "member", [people[5].encode()])])
        self.assertEqual([("PATCH", f"/Groups/{self.team('few')['id']}")], self.operations_of(node.sync))
        self.directory.modify_s(group, [(ldap.MOD_DELETE, "member", [people[0].encode()])])
        self.assertEqual([("PATCH", f"/Groups/{self.team('few')['id']}")], self.operations_of(node.sync))
        self.assertEqual({self.user(f"member{n}")["id"] for n in range(1, 6)}, self.members("few"))

    def test_groups_in_groups_and_in_circles(self):
        person = self.person("nested")
        inner = self.group("inner", person)
        outer = self.group("outer", inner)
        self.set(inner, "member", person, outer)
        node = self.running()
        self.assertEqual({self.team("inner")["id"]}, self.members("outer"))
        self.assertEqual({self.user("nested")["id"], self.team("outer")["id"]}, self.members("inner"))
        self.directory.delete_s(inner)
        node.sync()
        self.assertEqual(set(), self.members("outer"))
        self.assertInStep()

    def test_nested_groups_may_be_left_out(self):
        person = self.person("nested")
        inner = self.group("inner", person)
        self.group("outer", inner, person)
        self.running(("nested: send", "nested: omit"))
        self.assertEqual({self.user("nested")["id"]}, self.members("outer"))

    def test_a_group_of_nobody_is_empty_and_can_be_filled(self):
        empty = self.group("nobody")
        person = self.person("first")
        node = self.running()
        self.assertEqual(set(), self.members("nobody"))
        self.directory.modify_s(empty, [(ldap.MOD_ADD, "member", [person.encode()])])
        node.sync()
        self.assertEqual({self.user("first")["id"]}, self.members("nobody"))
        self.directory.modify_s(empty, [(ldap.MOD_DELETE, "member", [person.encode()])])
        node.sync()
        self.assertEqual(set(), self.members("nobody"))

    def test_managers_in_a_circle_and_oneself(self):
        one, two = self.person("one"), self.person("two")
        self.set(one, "manager", two)
        self.set(two, "manager", one)
        boss = self.person("boss")
        self.set(boss, "manager", boss)
        node = self.running()
        ids = {uid: self.user(uid)["id"] for uid in ("one", "two", "boss")}
        managers = {uid: self.user(uid)[ENTERPRISE]["manager"]["value"] for uid in ids}
        self.assertEqual({"one": ids["two"], "two": ids["one"], "boss": ids["boss"]}, managers)
        self.directory.delete_s(two)
        node.sync()
        self.assertNotIn("manager", self.user("one").get(ENTERPRISE, {}))
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_a_renamed_person_keeps_id_and_loses_the_references_by_the_old_name(self):
        person = self.person("before")
        group = self.group("known", person)
        node = self.running()
        was = self.user("before")["id"]
        self.directory.rename_s(person, "uid=after", delold=1)
        self.addCleanup(self.remove, "after")
        node.sync()
        self.assertEqual((was, set()), (self.user("before")["id"], self.members("known")))
        self.set(group, "member", f"uid=after,{PEOPLE}")
        node.sync()
        self.assertEqual({was}, self.members("known"))
        self.assertInStep()


if __name__ == "__main__":
    unittest.main()
