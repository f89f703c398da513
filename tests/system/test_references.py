#!/usr/bin/python3
"""Members and managers: who refers to whom, whatever happens to either side."""

import unittest
from random import Random

from lab import GROUP
from semantics import SemanticsCase


class Strangers(SemanticsCase):
    """Members that the target has and that we never sent."""

    OPTIONS = {"people": 6, "groups": 1}

    def outsider(self, name="outsider"):
        return self.lab.create_user(f"{name}@example.com", externalId=f"another-system-{name}").body["id"]

    def used(self):
        """A group that is at the target before us, with an outsider and one of our people in it; their ids."""
        ours, other = self.person("ours"), self.person("other")
        group = self.group("club", ours)
        outsider = self.outsider()
        known = self.lab.create_user("other@example.org", externalId=self.anchor(other)).body["id"]
        reply = self.lab.scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "club", "externalId": self.anchor(group),
                                                  "members": [{"value": outsider}, {"value": known}]})
        self.assertStatus(reply, 201)
        return outsider, known

    def adopt(self, node, *arguments):
        return node.json("members", "adopt", *arguments)["groups"]

    def test_an_adopted_group_keeps_whom_it_had_until_an_operator_says_otherwise(self):
        outsider, known = self.used()
        node = self.running()
        everybody = {outsider, known, self.user("ours")["id"]}
        for cycle in ((), ("--full",), ("--full",)):
            node.sync(*cycle)
            self.assertEqual(everybody, self.members("club"))
        self.assertTrue(node.json("verify", "--all")["equal"])
        [told] = self.adopt(node, "--all", "--dry-run")
        self.assertEqual(("club", 2), (told["name"], told["count"]))
        self.assertEqual({(outsider, "outsider@example.com"), (known, "other@example.org")},
                         {(each["target_id"], each["name"]) for each in told["strangers"]})
        self.assertNoWrites(node.sync)
        self.adopt(node, "club", "--reason", "agreed")
        self.assertEqual([("PATCH", f"/Groups/{self.team('club')['id']}")], self.operations_of(node.sync))
        self.assertEqual({self.user("ours")["id"]}, self.members("club"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual([], self.adopt(node, "--all", "--dry-run"))
        self.assertEqual(200, self.lab.scim("GET", f"/Users/{outsider}").status)

    def test_whom_the_source_names_by_now_is_no_stranger(self):
        _, known = self.used()
        node = self.running()
        [(dn, _)] = self.directory.search_s(self.lab.env["base"], 2, "(uid=other)", ["1.1"])
        [(group, _)] = self.directory.search_s(self.lab.env["base"], 2, "(cn=club)", ["1.1"])
        self.directory.modify_s(group, [(0, "member", [dn.encode()])])
        node.sync()
        self.adopt(node, "club")
        node.sync()
        self.assertEqual({known, self.user("ours")["id"]}, self.members("club"))
        self.assertNoWrites(lambda: node.sync("--full"))

    def created(self, *edits):
        """A group that we created, to which somebody else has added an outsider and one of our people."""
        self.group("club", self.person("ours"))
        self.person("other")
        node = self.running(*edits)
        added = [self.outsider(), self.user("other")["id"]]
        self.edit(self.team("club"), {"op": "add", "path": "members", "value": [{"value": each} for each in added]})
        self.assertNoWrites(node.sync)
        return node, set(added)

    def test_a_group_that_we_created_has_nobody_but_whom_we_sent(self):
        node, _ = self.created()
        self.assertFalse(node.json("verify", "--all")["equal"])
        self.assertEqual([("PATCH", f"/Groups/{self.team('club')['id']}")], self.operations_of(lambda: node.sync("--full")))
        self.assertEqual({self.user("ours")["id"]}, self.members("club"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertTrue(node.json("verify", "--all")["equal"])

    def test_foreign_edits_that_are_reported_stay_until_dismissed(self):
        node, added = self.created(("target:\n", "target:\n  foreign-edits: report\n"))
        for _ in range(2):
            self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual(added | {self.user("ours")["id"]}, self.members("club"))
        [error] = [each for each in node.json("errors")["errors"] if each["name"] == "club"]
        self.assertEqual(("foreign", "members"), (error["code"], error["path"]))
        self.assertSentence(error["text"], "2 members")
        self.adopt(node, "club")
        node.sync()
        self.assertEqual({self.user("ours")["id"]}, self.members("club"))
        node.sync("--full")
        self.assertEqual([], node.json("errors")["errors"])

    def test_an_additive_group_knows_no_strangers(self):
        node, added = self.created(("members: authoritative", "members: additive"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual(added | {self.user("ours")["id"]}, self.members("club"))
        self.assertEqual([], self.adopt(node, "--all", "--dry-run"))


class Nested(SemanticsCase):
    """`nested: flatten`: groups have the people of the groups below them."""

    OPTIONS = {"people": 10, "groups": 2}
    COMPARE = ("--flatten",)
    FLATTEN = ("nested: send", "nested: flatten")

    def members_set(self, group, *members):
        self.set(group, "member", *(members or (group,)))

    def uids(self, name):
        """Who is in it at the target."""
        found = [self.lab.scim("GET", f"/Users/{each}") for each in self.members(name)]
        self.assertEqual({200}, {reply.status for reply in found} | {200})
        return {reply.body["userName"].partition("@")[0] for reply in found}

    def problems(self, node):
        return [(each["name"], each["path"], each["text"]) for each in node.json("errors")["errors"]]

    def test_one_person_more_below_is_one_write_for_each_group_above(self):
        low = self.group("low", self.person("ann"))
        middle = self.group("middle", low, self.person("bea"))
        self.group("high", middle, low)
        cleo = self.person("cleo")
        node = self.running(self.FLATTEN)
        self.assertEqual([{"ann"}, {"ann", "bea"}, {"ann", "bea"}], [self.uids(name) for name in ("low", "middle", "high")])
        self.assertInStep()
        self.directory.modify_s(low, [(0, "member", [cleo.encode()])])
        paths = {f"/Groups/{self.team(name)['id']}" for name in ("low", "middle", "high")}
        self.assertEqual(sorted(("PATCH", path) for path in paths), sorted(self.operations_of(node.sync)))
        self.assertInStep()
        # Two ways lead from high to low: it is still below when one of them ends.
        self.members_set(middle)
        node.sync()
        self.assertEqual([set(), {"ann", "cleo"}], [self.uids(name) for name in ("middle", "high")])
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertInStep()

    def test_a_group_that_comes_goes_and_is_renamed_brings_and_takes_its_people(self):
        low = self.group("low", self.person("dan"))
        self.group("high", low, self.person("eve"))
        node = self.running(self.FLATTEN)
        self.directory.rename_s(low, "cn=lower", delold=1)
        node.sync()
        self.assertEqual({"eve"}, self.uids("high"))
        self.assertInStep()
        self.directory.rename_s("cn=lower," + low.partition(",")[2], "cn=low", delold=1)
        node.sync()
        self.assertEqual({"dan", "eve"}, self.uids("high"))
        self.directory.delete_s(low)
        node.sync()
        self.assertEqual({"eve"}, self.uids("high"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertInStep()

    def test_a_loop_is_cut_told_and_healed(self):
        first = self.group("first", self.person("fay"))
        second = self.group("second", first, self.person("gil"))
        node = self.running(self.FLATTEN)
        self.assertEqual([], self.problems(node))
        self.members_set(first, second, "uid=fay,ou=people," + self.lab.env["base"])
        node.sync()
        [(name, path, text)] = self.problems(node)
        self.assertEqual("members", path)
        self.assertSentence(text, f'"{name}" > ', "first", "second", "removed at the source")
        self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual([(name, path, text)], self.problems(node))
        self.members_set(second, "uid=gil,ou=people," + self.lab.env["base"])
        node.sync()
        self.assertEqual([], self.problems(node))
        self.assertEqual([{"fay", "gil"}, {"gil"}], [self.uids(each) for each in ("first", "second")])
        self.assertInStep()

    def test_random_nesting_is_the_same_by_delta_and_in_full(self):
        random = Random(11)
        people = [self.person(f"p{n}") for n in range(6)]
        groups = [self.group(f"g{n}") for n in range(6)]
        node = self.running(self.FLATTEN)
        for step in range(14):
            for _ in range(3):
                group = random.choice(groups)
                self.members_set(group, *random.sample(people + groups, random.randint(0, 4)))
            node.sync()
            with self.subTest(step=step):
                self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertInStep()


if __name__ == "__main__":
    unittest.main()
