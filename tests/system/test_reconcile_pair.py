#!/usr/bin/python3
"""A reconcile of a pair: what was deleted while nobody ran, and whoever takes over in the middle."""

import unittest

from halfpair import HalfPair, copy_state, paired
from lab import wait_until
from semantics import SemanticsCase


class PairCase(SemanticsCase):
    OPTIONS = {"people": 12, "groups": 3}

    def setUp(self):
        super().setUp()
        self.node = self.new_node(edit=paired)
        self.half = self.start(self.node)
        self.half.activate(1)
        self.half.settle()

    def start(self, node):
        half = HalfPair(node)
        self.addCleanup(half.kill)
        return half

    def report(self):
        return self.half.ask("reconcile-report")["result"]["reconcile"]

    def spoil(self, uid):
        """Somebody edits a person whom the target then does not let us put right; the fault."""
        self.edit(self.user(uid), {"op": "replace", "value": {"title": "Theirs"}})
        return self.lab.fault("stall", {"method": "PATCH"}, ms=60000)


class Ordered(PairCase):
    def test_what_was_deleted_while_both_nodes_were_off_leaves_the_target(self):
        people = [self.person(f"gone{number}") for number in range(3)]
        group = self.group("gone", *people)
        self.half.settle()
        self.half.stop()
        for dn in [*people, group]:
            self.directory.delete_s(dn)
        self.half = self.start(self.node)
        self.half.activate(2)
        self.half.settle()  # the directory tells of them; a complete reading alone would only miss so many
        self.assertEqual(0, self.half.do("reconcile")["code"])
        report = self.report()
        self.assertEqual(("clean", "handover", 2, 0),
                         (report["state"], report["reason"], report["epoch"], report["passes"][-1]["found"]))
        self.assertIsNone(self.user("gone0"))
        self.assertInStep()

    def test_a_standby_refuses_and_shows_the_report_of_the_other(self):
        self.half.do("reconcile")
        self.half.do("deactivate", how="drained")
        self.assertIn("does not export", self.half.do("reconcile")["error"])
        self.assertEqual("clean", self.report()["state"])


class CutOff(PairCase):
    def test_whoever_takes_over_in_a_pass_begins_anew_and_says_so(self):
        self.person("edna", title="Ours")
        self.half.settle()
        fault = self.spoil("edna")
        self.half.send("reconcile")
        wait_until(lambda: self.lab.fault_hits(fault) > 0, "it writes")
        self.assertEqual(("reconcile", "running"),
                         (self.half.status()["cycle"]["kind"], self.half.status()["reconcile"]["state"]))
        self.half.kill()
        self.lab.reset()
        other = self.new_node(edit=paired)
        copy_state(self.node, other)
        self.half = self.start(other)
        self.half.activate(2, crashed=True)
        self.half.settle()
        report = self.report()
        self.assertEqual(("clean", "handover", 1, 2),
                         (report["state"], report["reason"], report["anew"], report["epoch"]))
        self.assertEqual("Ours", self.user("edna")["title"])
        self.assertInStep()

    def test_a_lease_lost_in_a_pass_leaves_it_to_the_next_holder(self):
        self.person("edna", title="Ours")
        self.half.settle()
        fault = self.spoil("edna")
        asked = self.half.send("reconcile")
        wait_until(lambda: self.lab.fault_hits(fault) > 0, "it writes")
        self.half.do("deactivate", how="at-once")
        self.assertNotEqual(0, self.half.wait(asked)["code"])
        self.assertEqual("running", self.report()["state"])
        self.lab.reset()
        self.half.activate(2)
        self.half.settle()
        self.assertEqual(("clean", 1), (self.report()["state"], self.report()["anew"]))
        self.assertInStep()


if __name__ == "__main__":
    unittest.main()
