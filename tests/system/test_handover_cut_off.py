#!/usr/bin/python3
"""A handover that is cut off by a crash, and one from a computer that is lost."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from handover_case import STEPS, HandoverCase  # noqa: E402
from lab import wait_until  # noqa: E402


class CutOff(HandoverCase):
    def test_before_the_reset_it_waits_for_an_operator_and_is_aborted(self):
        done = self.cut_off("handover-mark")
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        active = self.pair.active()
        wait_until(lambda: self.state(active)["interrupted"], "it waits")
        self.assertIn("handover-interrupted", self.problems(active))
        again = active.twinsync("handover", "--to", os.path.basename(self.pair.other(active).folder))
        self.assertEqual(3, again.returncode, again.stdout + again.stderr)
        self.assertIn("--resume", again.stderr)
        # Where it has the lease back already, there is nothing to hand back.
        self.pair.wait_role(self.pair.other(active), "standby")
        self.wait_fit(self.pair.other(active))
        done = self.hand_over("--abort", node=active)
        self.assertEqual((0, "aborted"), (done.returncode, json.loads(done.stdout)["outcome"]),
                         done.stdout + done.stderr)
        self.pair.wait_role(self.pair.alpha, "active")
        self.assertWhole()

    def test_after_the_reset_began_whoever_takes_over_brings_it_to_its_end(self):
        self.cut_off("handover-mark:3")
        wait_until(lambda: not self.state(self.pair.active())["open"], "it has ended by itself")
        told = self.state(self.pair.active())
        self.assertIn(told["outcome"], ("complete", "incomplete"))
        own = {row["step"]: row["state"] for row in told["rows"] if not row["name"]}
        self.assertEqual([], [step for step in STEPS if own[step] not in ("done", "proved")], own)
        self.assertWhole()

    def test_what_a_crash_kept_from_beginning_is_told_alike_by_both(self):
        # Armed as the standby, and then made the one that exports.
        self.pair.beta.stop()
        self.pair.beta.start(TWINSYNC_FAILPOINT="handover-evidence-kept")
        self.pair.fail_over_to(self.pair.beta)
        self.pair.wait_role(self.pair.beta, "active")
        self.pair.wait_role(self.pair.alpha, "standby")
        self.pair.wait_equal()
        self.pair.must(self.pair.alpha, "maintenance", "on")  # beta is the one to come back, with what it kept
        self.hand_over("--to", "alpha", node=self.pair.beta)
        self.pair.until(lambda: "worker-died" in self.pair.beta.log(), "it has died")
        for node in self.pair.nodes.values():
            self.pair.until(lambda node=node: self.state(node).get("outcome") == "not-begun", "it is told", 30)
        self.assertEqual(*(self.state(node)["id"] for node in self.pair.nodes.values()))
        self.pair.must(self.pair.alpha, "maintenance", "off")
        self.assertWhole()


class FromTheDead(HandoverCase):
    def test_the_computer_that_is_left_takes_over_resets_and_retires_the_lost_one(self):
        early = self.hand_over("--to", "beta", "--from-dead", node=self.pair.beta)
        self.assertEqual(3, early.returncode)
        self.assertIn("is connected", json.loads(early.stdout)["error"])
        self.pair.lab.change(seed=next(self.seeds), count=10)
        self.pair.alpha.kill()
        done = self.hand_over("--to", "beta", "--from-dead", "--retire", "--reason", "burnt", node=self.pair.beta)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        told = json.loads(done.stdout)
        own = {row["step"]: row["state"] for row in told["rows"] if not row["name"]}
        self.assertEqual(("complete", "untouched", "untouched"), (told["outcome"], own["drain"], own["tail"]))
        self.assertEqual(["proved"] * 4, [own[step] for step in ("lease", "reset", "reconcile", "retire")])
        self.assertIn("is not waited for", next(row["text"] for row in told["rows"] if row["step"] == "drain"))
        self.pair.lab.change(seed=next(self.seeds), count=10)
        self.pair.wait_in_step()
        self.assertExclusive()
        self.pair.alpha.start(wait=False)
        wait_until(lambda: self.pair.alpha.process.poll() is not None, "the lost one finds that it is out")
        self.assertEqual(3, self.pair.alpha.process.returncode)


if __name__ == "__main__":
    unittest.main()
