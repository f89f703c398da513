#!/usr/bin/python3
"""What somebody else changes at the target of the values that we write: put
right and told, or left alone and reported (foreign-edits)."""

import json
import unittest

from semantics import SemanticsCase

REPORT = ("target:\n", "target:\n  foreign-edits: report\n")
TITLE = "title"


def replace(**values):
    return {"op": "replace", "value": values}


class ForeignCase(SemanticsCase):
    def events(self, node, name):
        return [json.loads(event["text"]) for event in node.json("events", "--limit", "1000")["events"]
                if event["event"] == name]

    def reports(self, node):
        return [error for error in node.json("errors")["errors"] if error.get("stage", error["code"]) == "foreign"]


class Overwrite(ForeignCase):
    def test_an_edit_is_put_right_at_the_next_full_cycle_and_told_with_both_values(self):
        anchor = self.anchor(self.person("olive", title="Ours"))
        node = self.running()
        self.edit(self.user("olive"), replace(title="Theirs", nickName="Olly"))
        self.assertNoWrites(node.sync)
        self.assertEqual([], self.events(node, "foreign-edit"))
        self.assertEqual(1, len(self.operations_of(lambda: node.sync("--full"))))
        self.assertEqual(("Ours", "Olly"), (self.user("olive")["title"], self.user("olive")["nickName"]))
        self.assertEqual([{"kind": "user", "anchor": anchor, "path": "title", "theirs": ["Theirs"], "ours": ["Ours"]}],
                         self.events(node, "foreign-edit"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual(1, len(self.events(node, "foreign-edit")))
        self.assertTrue(node.json("events", "verify")["verified"])

    def test_long_and_many_values_are_cut_in_what_is_told(self):
        self.person("lola", title="Ours")
        node = self.running()
        self.edit(self.user("lola"), replace(title="é" * 500))
        node.sync("--full")
        [event] = self.events(node, "foreign-edit")
        self.assertEqual(["é" * 100], event["theirs"])

    def test_more_than_a_hundred_edits_are_counted(self):
        for number in range(103):
            self.person(f"crowd{number}", title="Ours")
        node = self.running()
        node.sync("--full")  # so that how each looks is known, also where Bulk's answer did not show it
        for number in range(103):
            self.edit(self.user(f"crowd{number}"), replace(title="Theirs"))
        node.sync("--full")
        self.assertEqual(100, len(self.events(node, "foreign-edit")))
        self.assertEqual([{"count": 103, "told": 100}], self.events(node, "foreign-edits"))
        self.assertEqual({"Ours"}, {self.user(f"crowd{number}")["title"] for number in range(103)})

    def test_a_user_that_somebody_switches_on_again_is_switched_off_again(self):
        dn = self.person("sleeper")
        node = self.running(("deprovision: {user: delete", "deprovision: {user: deactivate"))
        there = self.user("sleeper")
        self.directory.delete_s(dn)
        node.sync()
        self.edit(there, replace(active=True))
        node.sync("--full")
        self.assertFalse(self.user("sleeper")["active"])
        self.assertNoWrites(lambda: node.sync("--full"))


class Report(ForeignCase):
    def edited(self, uid="rita"):
        dn = self.person(uid, title="Ours", departmentNumber="D1")
        node = self.running(REPORT)
        self.edit(self.user(uid), replace(title="Theirs"))
        self.assertNoWrites(lambda: node.sync("--full"))
        return dn, node

    def test_an_edit_is_left_alone_and_named_with_both_values(self):
        _, node = self.edited()
        [report] = self.reports(node)
        self.assertEqual(("rita@example.org", "title"), (report["name"], report["path"]))
        self.assertSentence(report["text"], '"Theirs"', '"Ours"', "foreign-edits: report")
        for cycle in ((), ("--full",), ("--full",)):
            self.assertNoWrites(lambda kind=cycle: node.sync(*kind))
        self.assertEqual("Theirs", self.user("rita")["title"])
        self.assertEqual([report], self.reports(node))
        self.assertEqual(report["text"], node.json("show", "rita")["why"])

    def test_another_attribute_flows_and_the_edit_stays(self):
        dn, node = self.edited()
        self.set(dn, "departmentNumber", "D2")
        node.sync()
        user = self.user("rita")
        self.assertEqual(("Theirs", "D2"),
                         (user["title"], user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["department"]))
        self.assertEqual(1, len(self.reports(node)))
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_an_edit_that_a_write_runs_into_is_left_alone_too(self):
        """The write is refused, because the object has another version by now."""
        dn = self.person("stella", title="Ours", departmentNumber="D1")
        node = self.running(REPORT)
        self.edit(self.user("stella"), replace(title="Theirs"))
        self.set(dn, "departmentNumber", "D2")
        node.sync()
        user = self.user("stella")
        self.assertEqual(("Theirs", "D2"),
                         (user["title"], user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["department"]))
        self.assertEqual(["title"], [report["path"] for report in self.reports(node)])
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_a_change_at_the_source_is_written_over_it(self):
        dn, node = self.edited()
        self.set(dn, "title", "Newest")
        node.sync()
        self.assertEqual("Newest", self.user("rita")["title"])
        self.assertEqual([], self.reports(node))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertInStep()

    def test_taking_the_edit_back_ends_the_report(self):
        _, node = self.edited()
        self.edit(self.user("rita"), replace(title="Third"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertIn('"Third"', self.reports(node)[0]["text"])
        self.edit(self.user("rita"), replace(title="Ours"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual([], self.reports(node))
        self.assertInStep()

    def test_taking_it_back_is_seen_where_the_target_shows_it_otherwise_than_we_sent_it(self):
        self.lab.set_options(normalise={"lower": [TITLE]})
        self.person("nora", title="OURS")
        node = self.running(REPORT)
        for title, reports in (("theirs", 1), ("ours", 0)):
            self.edit(self.user("nora"), replace(title=title))
            self.assertNoWrites(lambda: node.sync("--full"))
            self.assertEqual(reports, len(self.reports(node)))

    def test_when_the_policy_changes_what_was_left_alone_is_put_right(self):
        _, node = self.edited()
        self.reconfigure(node)
        done = node.twinsync("sync", "--full", "--wait")
        if done.returncode == 3:
            node.sync("--plan", node.json("preview")["hash"])
        self.assertEqual("Ours", self.user("rita")["title"])
        self.assertEqual([], self.reports(node))
        self.assertEqual(["Theirs"], self.events(node, "foreign-edit")[0]["theirs"])

    def test_the_report_goes_with_its_object(self):
        dn, node = self.edited()
        self.directory.delete_s(dn)
        node.sync()
        self.assertEqual([], node.json("errors")["errors"])


if __name__ == "__main__":
    unittest.main()
