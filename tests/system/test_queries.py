#!/usr/bin/python3
"""preview, show and verify: what operators are told is what is so."""

import contextlib
import glob
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from lab import ENTERPRISE, Lab, wait_until  # noqa: E402

PEOPLE = 12


def quiet_node(lab, name="node", **options):
    """A node that ran no cycle yet and will run none by itself: its first one
    fails, because the source is away."""
    lab.stop("slapd")
    node = lab.node(name, **options)
    node.start()
    wait_until(lambda: node.status()["cycle"]["result"] == "failed", "the first cycle fails")
    node.twinsync("pause")
    lab.start("slapd")
    return node


class QueriesTestCase(unittest.TestCase):
    """One lab a test: what is planted stays."""

    EDIT = None

    def setUp(self):
        self.lab = Lab(people=PEOPLE, groups=2)
        self.addCleanup(self.lab.close)
        self.node = quiet_node(self.lab, edit=self.EDIT)
        self.addCleanup(self.node.stop)

    def person(self, number=0):
        """DN and attributes (text) of a person with mail."""
        with_mail = [(dn, {name: [value.decode(errors="replace") for value in values]
                           for name, values in entry.items()})
                     for dn, entry in self.lab.ldap().search_s(
                         self.lab.env["base"], 2, "(&(objectClass=inetOrgPerson)(mail=*))", ["*", "entryUUID"])]
        return sorted(with_mail, key=lambda pair: pair[0])[number]

    def group(self, *members, name="zz group"):
        """A new group: DN and anchor."""
        dn = f"cn={name},{self.lab.env['base']}"
        connection = self.lab.ldap()
        connection.add_s(dn, [("objectClass", [b"groupOfNames"]), ("cn", [name.encode()]),
                              ("member", [member.encode() for member in members])])
        [(_, entry)] = connection.search_s(dn, 0, "(objectClass=*)", ["entryUUID"])
        return dn, entry["entryUUID"][0].decode()

    def modify(self, dn, attribute, *values):
        self.lab.ldap().modify_s(dn, [(2, attribute, [value.encode() for value in values] or None)])

    def preview(self):
        return self.node.json("preview")


class Preview(QueriesTestCase):
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


class Verify(QueriesTestCase):
    def verify(self):
        return self.node.json("verify", "--all")

    def found(self):
        return {(item["what"], item["anchor"], item["path"], tuple(item["ours"]), tuple(item["theirs"]))
                for item in self.verify()["differences"]}

    def at_target(self, kind, anchor):
        [resource] = self.lab.find(kind, "externalId", anchor)
        return resource

    def test_an_equal_target_is_equal_and_others_are_only_counted(self):
        refused = self.node.twinsync("verify", "--all")
        self.assertEqual(1, refused.returncode)
        self.assertIn("no source was read yet", refused.stderr)
        self.node.sync()
        self.lab.create_user("stranger@example.org", externalId="of-another-system")
        self.lab.create_user("guest@example.org")
        writes = len(self.lab.writes())
        result = self.verify()
        self.assertEqual((True, [], 0, False, 2), tuple(result[key] for key in (
            "equal", "differences", "difference_count", "cut", "others")))
        self.assertEqual(self.node.status()["counts"]["ledger"], result["compared"])
        self.assertEqual((True, None), (result["journal"]["verified"], result["journal"]["why"]))
        self.assertGreater(result["journal"]["rows"], result["compared"])
        done = self.node.twinsync("verify", "--all")
        self.assertEqual(0, done.returncode)
        self.assertIn("the target is equal", done.stdout)
        self.assertEqual(writes, len(self.lab.writes()))

    def test_every_planted_difference_is_found_and_nothing_else(self):
        (dn_a, first), (_, second), (_, third) = self.person(0), self.person(1), self.person(2)
        _, group = self.group(dn_a)
        self.node.sync()
        a, b, c = (entry["entryUUID"][0] for entry in (first, second, third))
        edited, lost, member = (self.at_target("Users", anchor) for anchor in (a, b, c))
        planted = self.at_target("Groups", group)
        path = "/Groups/" + planted["id"]
        self.assertStatus(self.lab.patch(path, {"op": "add", "path": "members", "value": [{"value": member["id"]}]}))
        self.assertStatus(self.lab.patch(path, {"op": "remove", "path": f'members[value eq "{edited["id"]}"]'}))
        self.assertStatus(self.lab.patch("/Users/" + edited["id"],
                                         {"op": "replace", "path": "displayName", "value": "Mallory"}))
        self.assertStatus(self.lab.patch("/Users/" + edited["id"],
                                         {"op": "replace", "path": "externalId", "value": "taken"}))
        twin = self.lab.create_user("twin@example.org", externalId=a).body["id"]
        writes = len(self.lab.writes())
        ours = edited["displayName"]
        expected = {("member", group, "members", (), (c,)), ("member", group, "members", (a,), ()),
                    ("attribute", a, "displayName", (ours,), ("Mallory",)),
                    ("attribute", a, "externalId", (a,), ("taken",)), ("unexpected", a, None, (), (twin,))}
        self.assertEqual(expected, self.found())
        self.assertStatus(self.lab.scim("DELETE", "/Users/" + lost["id"]))
        found = self.found()
        self.assertLessEqual(expected | {("missing", b, None, (), ())}, found)
        self.assertEqual(set(), {item[0] for item in found - expected} - {"missing", "attribute", "member"})
        self.assertEqual({b}, {item[1] for item in found if item[0] == "missing"})
        self.assertEqual(writes + 1, len(self.lab.writes()))
        done = self.node.twinsync("verify", "--all")
        self.assertEqual(1, done.returncode)
        self.assertIn("target has Mallory, should be " + ours, done.stdout)

    def assertStatus(self, reply):
        self.assertIn(reply.status, (200, 204), repr(reply))

    def test_a_leaver_that_is_still_there_is_unexpected(self):
        self.node.sync()
        dn, entry = self.person()
        self.lab.ldap().delete_s(dn)
        self.preview()
        self.assertIn(("unexpected", entry["entryUUID"][0]), {item[:2] for item in self.found()})
        self.node.sync()
        self.assertTrue(self.verify()["equal"])

    def test_what_the_target_makes_of_a_value_is_normalized_not_different(self):
        dn, entry = self.person()
        self.modify(dn, "title", "Head of Shouting")
        self.modify(dn, "departmentNumber", "D1")
        self.lab.set_options(normalise={"lower": ["title"], "drop": ["enterprise.department"]})
        self.node.sync()
        result = self.verify()
        self.assertEqual((True, []), (result["equal"], result["differences"]))
        anchor = entry["entryUUID"][0]
        stored = {item["path"]: (item["sent"], item["stored"])
                  for item in result["normalized"] if item["anchor"] == anchor}
        self.assertEqual((["Head of Shouting"], ["head of shouting"]), stored["title"])
        self.assertEqual((["D1"], []), stored[ENTERPRISE + ":department"])
        self.assertEqual(result["normalized_count"], len(result["normalized"]))
        # What somebody else writes there is none of that.
        there = self.at_target("Users", anchor)
        self.lab.patch("/Users/" + there["id"], {"op": "replace", "path": "title", "value": "Head of Nothing"})
        self.assertEqual({("attribute", anchor, "title", ("Head of Shouting",), ("head of nothing",))}, self.found())

    def test_rows_that_the_journal_does_not_know_are_told(self):
        self.node.sync()
        self.node.stop()
        [path] = glob.glob(os.path.join(self.node.state, "state.*", "state.db"))
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE ledger SET since = since + 1 WHERE anchor = (SELECT min(anchor) FROM ledger)")
            database.commit()
        self.node.start()
        wait_until(lambda: not self.node.status()["cycle"]["running"], "no cycle runs")
        done = self.node.twinsync("verify", "--all")
        self.assertEqual(1, done.returncode)
        self.assertIn("the target is equal", done.stdout)
        result = self.verify()
        self.assertEqual((True, False), (result["equal"], result["journal"]["verified"]))
        self.assertIn("its rows add up to", result["journal"]["why"])


if __name__ == "__main__":
    unittest.main()
