#!/usr/bin/python3
"""A reconcile: both sides are read against the ledger, pass after pass, until nothing is found."""

import json
import os
import sys
import threading
import unittest

import ldap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from guarding import GuardCase  # noqa: E402
from lab import wait_until  # noqa: E402
from semantics import replaced  # noqa: E402


def replace(**values):
    return {"op": "replace", "value": values}


class Stream:
    """Some 50 changes a second in the directory: additions, edits, memberships, deletions."""

    def __init__(self, case):
        self.case, self.ending, self.done = case, threading.Event(), 0
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.done > 0, "changes flow")
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def _run(self):
        case = self.case
        case.group("stream", *(case.person(f"stream{number}", title="0") for number in range(3)))
        while not self.ending.wait(0.02):
            self.done += 1
            uid, dn = f"stream{self.done + 2}", f"uid=stream{self.done},ou=people,dc=example,dc=org"
            act = self.done % 4
            if act == 0:
                case.person(uid)
            elif act == 1:
                case.set(case.directory.search_s(case.lab.env["base"], ldap.SCOPE_SUBTREE, "(uid=stream0)")[0][0],
                         "title", str(self.done))
            elif act == 2:
                members = [dn for dn, _ in case.directory.search_s(case.lab.env["base"], ldap.SCOPE_SUBTREE,
                                                                   "(uid=stream*)", ["1.1"])]
                case.set(f"cn=stream,{case.groups()}", "member", *members[self.done % 2:])
            else:
                case.remove(f"stream{self.done}")


class ReconcileCase(GuardCase):
    def reconcile(self, node, exit_status=0):
        """The report of one that is run now."""
        done = node.twinsync("--json", "sync", "--full", "--wait", seconds=60)
        self.assertEqual(exit_status, done.returncode, done.stdout + done.stderr)
        return self.report(node)

    def report(self, node):
        return node.json("history", "--reconcile")["reconcile"]

    def found(self, report, number=0):
        """{class: names} of that pass."""
        return {each["class"]: {one["name"].partition("@")[0] for one in each["objects"]}
                for each in report["passes"][number]["classes"]}

    def counts(self, report):
        return [each["found"] for each in report["passes"]]

    def left(self, report):
        return {each["class"]: {one["name"].partition("@")[0] for one in each["objects"]} for each in report["left"]}

    def groups(self):
        return "ou=groups,dc=example,dc=org"

    def events(self, node, name):
        return [json.loads(event["text"]) for event in node.json("events", "--limit", "1000")["events"]
                if event["event"] == name]

    def delete_there(self, uid):
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{self.user(uid)['id']}"), 204)


class Found(ReconcileCase):
    def test_in_step_one_pass_finds_nothing_and_writes_nothing(self):
        node = self.running()
        self.assertNoWrites(lambda: self.reconcile(node))
        report = self.report(node)
        self.assertEqual(("clean", "operator", [0], []),
                         (report["state"], report["reason"], self.counts(report), report["left"]))
        shown = node.status()["reconcile"]
        self.assertEqual(("clean", 1, [0], 0), tuple(shown[key] for key in ("state", "passes", "found", "left")))
        self.assertEqual("reconcile", node.json("history")["cycles"][0]["kind"])
        [event] = self.events(node, "reconcile-finished")
        self.assertEqual(shown, event)
        self.assertNotIn("object", json.dumps(event))

    def test_edits_losses_and_memberships_are_told_apart_put_right_and_looked_at_again(self):
        people = {uid: self.person(uid, title="Ours") for uid in ("edna", "lost", "mem")}
        self.group("club", people["mem"])
        self.group("open")
        node = self.running()
        self.edit(self.user("edna"), replace(title="Theirs"))
        self.edit(self.team("open"), {"op": "add", "path": "members", "value": [{"value": self.user("edna")["id"]}]})
        self.delete_there("lost")
        self.edit(self.team("club"), {"op": "remove", "path": "members"})
        report = self.reconcile(node)
        self.assertEqual({"edited": {"edna"}, "missing": {"lost"}, "members": {"club", "open"}},
                         self.found(report))
        self.assertEqual(("clean", [4, 0]), (report["state"], self.counts(report)))
        self.assertEqual(("Ours", {self.user("mem")["id"]}), (self.user("edna")["title"], self.members("club")))
        self.assertInStep()
        text = node.twinsync("history", "--reconcile").stdout
        self.assertIn("reconcile by alpha (operator): clean after 2 passes", text)
        self.assertIn("1 edited, 1 missing, 2 members", text)

    def test_what_waits_for_an_operator_or_was_refused_is_left_by_class_and_is_no_finding(self):
        people = [self.person(f"many{number}") for number in range(8)]
        self.person("rita", title="Ours")
        node = self.guarded(("target:\n", "target:\n  foreign-edits: report\n"), deletes=3)
        self.edit(self.user("rita"), replace(title="Theirs"))
        node.stop()
        for dn in people:
            self.directory.delete_s(dn)
        node.start()
        report = self.reconcile(node, 3)
        self.assertEqual(("clean", [0]), (report["state"], self.counts(report)))
        left = self.left(report)
        self.assertEqual({"held-deletes", "foreign"}, set(left))
        self.assertEqual({"rita"}, left["foreign"])
        self.assertEqual((5, True), (len(left["held-deletes"]), left["held-deletes"] <= {f"many{n}" for n in range(8)}))
        self.assertEqual(8, report["left"][0]["count"])
        self.assertIn("held-deletes", node.twinsync("history", "--reconcile").stdout)


class Ends(ReconcileCase):
    def test_changes_that_flow_meanwhile_keep_none_from_ending(self):
        node = self.running()
        with Stream(self) as stream:
            for _ in range(4):
                report = self.reconcile(node)
                self.assertEqual("clean", report["state"])
                self.assertLessEqual(len(report["passes"]), 2)
        self.assertGreater(stream.done, 10)
        self.assertSettled(node)

    def test_a_group_that_never_takes_its_member_is_named_after_five_passes(self):
        member = self.person("never")
        self.group("full", member)
        node = self.running()
        self.edit(self.team("full"), {"op": "remove", "path": "members"})
        self.lab.fault("status", {"method": "PATCH", "path": "/Groups/"}, status=204, when="before")
        report = self.reconcile(node, 1)
        self.assertEqual(("incomplete", [1, 1, 1, 1, 1]), (report["state"], self.counts(report)))
        self.assertEqual({"members": {"full"}}, self.found(report, 4))
        self.assertSentence(report["why"], "1 object still differs at the target after 5 passes", "1 members", '"full"')
        [problem] = node.status()["problems"]
        self.assertEqual(("reconcile-incomplete", "warning", report["why"]),
                         (problem["code"], problem["severity"], problem["text"]))
        self.assertIn("DIFFERS STILL", node.twinsync("history", "--reconcile").stdout)
        self.lab.reset()
        self.assertEqual("clean", self.reconcile(node)["state"])
        self.assertEqual([], node.status()["problems"])
        self.assertInStep()

    def test_a_failure_is_told_and_the_next_one_begins_again(self):
        node = self.running()
        self.lab.fault("status", {"method": "GET", "path": "/Groups"}, status=403)
        report = self.reconcile(node, 1)
        self.assertEqual("failed", report["state"])
        self.assertIn("403", report["why"])
        self.lab.reset()
        self.assertEqual(("clean", 0), (self.reconcile(node)["state"], self.report(node)["anew"]))

    def test_a_page_that_is_refused_is_asked_for_again(self):
        node = self.running()
        self.lab.set_options(page_max=4)
        node.stop()
        node.start()
        fault = self.lab.fault("status", {"method": "GET", "path": "startIndex=9"}, times=1, status=503)
        self.assertEqual(("clean", [0]), (lambda each: (each["state"], self.counts(each)))(self.reconcile(node)))
        self.assertEqual(1, self.lab.fault_hits(fault))

    def test_a_list_that_changed_while_it_was_read_is_read_again(self):
        node = self.running()
        self.lab.fault("wrong-types", {"method": "GET", "path": "/Users"}, times=1)
        self.assertEqual("clean", self.reconcile(node)["state"])
        self.assertIn("target-read-again", node.log())


class Lost(ReconcileCase):
    def test_a_lost_ledger_is_rebuilt_from_the_anchors_and_whoever_left_is_held(self):
        people = {uid: self.person(uid, title="Ours") for uid in ("stays", "left")}
        node = self.running()
        node.stop()
        self.directory.delete_s(people["left"])
        self.edit(self.user("stays"), replace(title="Theirs"))
        again = self.new_node(edit=replaced())
        again.start()
        again.sync()
        report = self.report(again)
        self.assertEqual(("clean", "rebuild", 0), (report["state"], report["reason"], self.counts(report)[-1]))
        self.assertEqual({"adopted"}, set(self.found(report)))
        self.assertEqual({"held-orphans": {"left"}}, self.left(report))
        self.assertEqual("reconcile", again.json("history")["cycles"][-1]["kind"])
        self.assertIsNotNone(self.user("left"))
        self.assertEqual("Ours", self.user("stays")["title"])

    def test_a_first_load_into_an_empty_target_is_no_reconcile(self):
        node = self.running()
        self.assertIsNone(self.report(node))
        self.assertEqual("full", node.json("history")["cycles"][-1]["kind"])

    def edited(self):
        """A node in step but for one person whom somebody has edited."""
        self.person("edna", title="Ours")
        node = self.running()
        self.edit(self.user("edna"), replace(title="Theirs"))
        return node

    def assertBegunAnew(self, node):
        node.sync()
        report = self.report(node)
        self.assertEqual(("clean", "operator", 1), (report["state"], report["reason"], report["anew"]))
        self.assertEqual("Ours", self.user("edna")["title"])
        self.assertEqual(0, node.twinsync("verify", "--all").returncode)

    def test_one_that_was_killed_in_a_pass_is_begun_anew_and_says_so(self):
        node = self.edited()
        node.stop()
        node.start(TWINSYNC_FAILPOINT="result-committed:1:off")
        node.twinsync("sync", "--full", "--wait")
        self.assertEqual(-9, node.wait())
        node.start()
        self.assertBegunAnew(node)

    def test_one_that_was_stopped_in_a_pass_is_begun_anew_and_says_so(self):
        node = self.edited()
        fault = self.lab.fault("stall", {"method": "PATCH"}, ms=60000)
        node.twinsync("sync", "--full")
        wait_until(lambda: self.lab.fault_hits(fault) > 0, "it writes")
        node.stop()
        self.lab.reset()
        node.start()
        self.assertBegunAnew(node)


if __name__ == "__main__":
    unittest.main()
