#!/usr/bin/python3
"""verify: every difference at the target is found, and nothing else."""

import contextlib
import glob
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from lab import ENTERPRISE, wait_until  # noqa: E402
from quiet import QuietTestCase  # noqa: E402


class Verify(QuietTestCase):
    def verify(self):
        return self.node.json("verify", "--all")

    def found(self):
        return {(item["what"], item["anchor"], item["path"], tuple(item["ours"]), tuple(item["theirs"]))
                for item in self.verify()["differences"]}

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
