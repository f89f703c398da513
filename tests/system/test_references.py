#!/usr/bin/python3
"""Members and managers: who refers to whom, whatever happens to either side."""

import unittest

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


if __name__ == "__main__":
    unittest.main()
