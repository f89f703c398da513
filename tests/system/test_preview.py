#!/usr/bin/python3
"""preview: what the next cycle would write, and nothing is written."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from quiet import PEOPLE, QuietTestCase  # noqa: E402


class Preview(QuietTestCase):
    def test_first_preview_on_an_empty_state_lists_all_and_writes_nothing(self):
        plan = self.preview()
        self.assertEqual([], self.lab.writes())
        self.assertGreater(plan["counts"]["create"], PEOPLE // 2)
        self.assertGreater(plan["counts"]["members"], 0)
        self.assertEqual(plan["counts"]["create"], len(plan["objects"]))
        self.assertFalse(plan["cut"])
        for item in plan["objects"]:
            self.assertEqual(("create", "create"), (item["verb"], item["match"]))
            self.assertTrue(all(change["old"] == [] and change["new"] for change in item["attributes"]))
        order = [(item["kind"] == "group", item["anchor"]) for item in plan["objects"]]
        self.assertEqual(sorted(order), order)
        group = next(item for item in plan["objects"] if item["kind"] == "group" and item["members"])
        self.assertLessEqual(set(group["members"]["add"]), {item["anchor"] for item in plan["objects"]})
        self.assertEqual(plan["hash"], self.preview()["hash"])

        self.node.sync()
        self.assertEqual(plan["counts"]["create"], self.node.status()["exports"]["create"])
        self.assertEqual(0, self.lab.compare()["mismatches"])
        empty = self.preview()
        self.assertEqual([], empty["objects"])
        self.assertEqual(0, sum(empty["counts"].values()))
        self.assertNotEqual(plan["hash"], empty["hash"])

    def test_changes_are_shown_with_old_and_new_values(self):
        self.node.sync()
        writes = len(self.lab.writes())
        dn, entry = self.person()
        self.modify(dn, "title", "Dragon Tamer")
        first = self.preview()
        self.assertEqual({"create": 0, "update": 1, "deactivate": 0, "delete": 0, "adopt": 0, "members": 0},
                         first["counts"])
        [item] = first["objects"]
        self.assertEqual(("user", entry["entryUUID"][0], entry["mail"][0].lower(), "update", None, None),
                         tuple(item[key] for key in ("kind", "anchor", "name", "verb", "members", "match")))
        self.assertEqual([{"path": "title", "old": entry.get("title", []), "new": ["Dragon Tamer"]}],
                         item["attributes"])
        self.assertEqual(first["hash"], self.preview()["hash"])
        self.modify(dn, "title", "Dragon Rider")
        self.assertNotEqual(first["hash"], self.preview()["hash"])
        self.assertEqual(writes, len(self.lab.writes()))

    def test_leavers_and_members_are_part_of_the_plan(self):
        connection = self.lab.ldap()
        dn, entry = self.person()
        group, made = self.group(dn)
        self.node.sync()
        new = "uid=zz-new," + dn.partition(",")[2]
        connection.add_s(new, [("objectClass", [b"inetOrgPerson"]), ("cn", [b"Zoe New"]), ("sn", [b"New"]),
                               ("mail", [b"zoe.new@example.org"])])
        connection.modify_s(group, [(0, "member", [new.encode()])])
        connection.delete_s(dn)
        plan = self.preview()
        self.assertEqual((1, 1), (plan["counts"]["create"], plan["counts"]["delete"]))
        left = next(item for item in plan["objects"] if item["verb"] == "delete")
        self.assertEqual((entry["entryUUID"][0], None), (left["anchor"], left["members"]))
        created = next(item for item in plan["objects"] if item["verb"] == "create")
        [item] = [item for item in plan["objects"] if item["anchor"] == made]
        self.assertEqual(("group", "update", [], "members", [created["anchor"]], [left["anchor"]]),
                         (item["kind"], item["verb"], item["attributes"], item["members"]["path"],
                          item["members"]["add"], item["members"]["remove"]))
        self.node.sync()
        self.assertEqual([], self.preview()["objects"])

    def test_a_member_that_is_yet_to_be_created_is_part_of_the_plan(self):
        connection = self.lab.ldap()
        dn, _ = self.person()
        group, made = self.group(dn)
        self.node.sync()
        new = "uid=zz-new," + dn.partition(",")[2]
        connection.add_s(new, [("objectClass", [b"inetOrgPerson"]), ("cn", [b"Zoe New"]), ("sn", [b"New"]),
                               ("mail", [b"zoe.new@example.org"])])
        connection.modify_s(group, [(0, "member", [new.encode()])])
        plan = self.preview()
        self.assertEqual((1, 1, 1), tuple(plan["counts"][name] for name in ("create", "update", "members")))
        created = next(item for item in plan["objects"] if item["verb"] == "create")
        [item] = [item for item in plan["objects"] if item["anchor"] == made]
        self.assertEqual({"path": "members", "add": [created["anchor"]], "remove": []}, item["members"])

    def test_the_hash_covers_members(self):
        (dn, _), (other, _) = self.person(0), self.person(1)
        group, _ = self.group(dn)
        self.node.sync()
        hashes = {self.preview()["hash"]}
        for members in ([dn, other], [other], []):
            self.modify(group, "member", *(members or [group]))
            hashes.add(self.preview()["hash"])
        self.assertEqual(4, len(hashes))

    def test_an_object_that_is_there_already_is_adopted_not_created(self):
        _, soft = self.person(0)
        _, hard = self.person(1)
        self.lab.create_user(soft["mail"][0].upper(), displayName="Somebody")
        self.lab.create_user("another@example.org", externalId=hard["entryUUID"][0])
        before = len(self.lab.writes())
        plan = self.preview()
        adopted = {item["anchor"]: item for item in plan["objects"] if item["verb"] == "adopt"}
        self.assertEqual({soft["entryUUID"][0]: "soft", hard["entryUUID"][0]: "hard"},
                         {anchor: item["match"] for anchor, item in adopted.items()})
        self.assertEqual(2, plan["counts"]["adopt"])
        changes = {change["path"]: change for change in adopted[hard["entryUUID"][0]]["attributes"]}
        self.assertEqual((["another@example.org"], [hard["mail"][0].lower()]),
                         (changes["userName"]["old"], changes["userName"]["new"]))
        self.assertEqual(before, len(self.lab.writes()))

    def test_the_plan_is_readable(self):
        done = self.node.twinsync("preview")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("create", done.stdout)
        self.assertIn("plan " + self.preview()["hash"], done.stdout)


if __name__ == "__main__":
    unittest.main()
