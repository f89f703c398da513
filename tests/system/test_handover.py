#!/usr/bin/python3
"""A planned handover between two daemons: under load, refused by a closed gate, cut off by a crash, gone on with,
aborted, and ended by a retirement. The provider's own log tells who wrote."""

import glob
import itertools
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair_case import PairTestCase  # noqa: E402

STEPS = ["preflight", "drain", "lease", "reset", "tail", "reconcile"]


class Load:
    """People come, go, change and move between groups, until it is left."""

    def __init__(self, lab):
        self.lab, self.ended, self.seeds = lab, threading.Event(), itertools.count(5000)
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.wait(0.2):
            self.lab.change(seed=next(self.seeds), count=5)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


class HandoverCase(PairTestCase):
    def setUp(self):
        super().setUp()
        self.wait_fit(self.pair.beta)

    def hand_over(self, *words, node=None):
        return (node or self.pair.alpha).twinsync("--json", "handover", *words)

    def state(self, node):
        return node.json("handover")

    def cut_off(self, point):
        """A handover in which beta's worker dies at `point`; what its terminal said."""
        self.pair.beta.stop()
        self.pair.beta.start(TWINSYNC_FAILPOINT=point)
        self.pair.wait_role(self.pair.beta, "standby")
        self.wait_fit(self.pair.beta)
        done = self.hand_over("--to", "beta")
        self.assertIn("worker-died", self.pair.beta.log())
        return done


class Moving(HandoverCase):
    def test_under_load_everything_moves_and_both_keep_the_same_report(self):
        with Load(self.pair.lab):
            done = self.hand_over("--to", "beta", "--reason", "new hardware")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        told = json.loads(done.stdout)
        own = {row["step"]: row["state"] for row in told["rows"] if not row["name"]}
        self.assertEqual(("complete", "alpha", "beta", "new hardware"),
                         tuple(told[key] for key in ("outcome", "from", "to", "reason")))
        self.assertEqual([], [step for step in STEPS if own[step] not in ("done", "proved")], own)
        secrets = {row["name"]: row["state"] for row in told["rows"] if row["step"] == "reset"}
        self.assertEqual(("proved", "proved"), (secrets["source/corp"], secrets["principals"]))

        self.pair.wait_role(self.pair.alpha, "standby")
        self.assertEqual("beta", self.pair.beta.status()["lease"]["holder"])
        verdict = self.assertWhole()
        self.assertEqual(["beta"], [each["node"] for each in verdict["takeovers"]])
        self.assertTrue(verdict["old_credential_refused"])
        reports = []
        for node in self.pair.nodes.values():
            path = wait_until(lambda node=node: glob.glob(os.path.join(node.state, "handover-*.json")), "it is written")
            with open(path[0], encoding="utf-8") as file:
                reports.append(json.load(file))
            with open(path[0].replace(".json", ".txt"), encoding="utf-8") as file:
                self.assertIn("outcome     complete", file.read())
        self.assertEqual(reports[0]["rows"], reports[1]["rows"])
        self.assertEqual(64, len(reports[1]["events"]["hash"]))

    def test_the_computer_that_is_retired_is_out_and_never_starts_again(self):
        done = self.hand_over("--to", "beta", "--retire")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        wait_until(lambda: not self.state(self.pair.beta)["open"], "it has ended")
        told = self.state(self.pair.beta)
        rows = {(row["step"], row["name"]): row["state"] for row in told["rows"]}
        self.assertEqual(("complete", "proved"), (told["outcome"], rows["retire", ""]))
        wait_until(lambda: self.pair.alpha.process.poll() is not None, "its daemon has ended")
        self.assertEqual(3, self.pair.alpha.process.returncode)
        self.pair.alpha.kill()
        self.pair.lab.change(seed=next(self.seeds), count=10)
        self.pair.wait_in_step()
        self.assertExclusive()


class Refusing(HandoverCase):
    def test_a_closed_gate_refuses_it_and_nothing_is_changed(self):
        self.pair.must(self.pair.beta, "maintenance", "on")
        trial = self.hand_over("--to", "beta", "--dry-run")
        gates = {gate["name"]: gate for gate in json.loads(trial.stdout)["gates"]}
        self.assertEqual((3, False), (trial.returncode, gates["beta: maintenance"]["ok"]))
        self.assertTrue(all(gate["value"] and gate["threshold"] for gate in gates.values()))
        self.assertFalse(self.state(self.pair.alpha)["open"])

        done = self.hand_over("--to", "beta")
        self.assertEqual((3, "refused"), (done.returncode, json.loads(done.stdout)["outcome"]))
        self.assertEqual(("active", 1), (self.pair.alpha.role(), self.pair.alpha.status()["epoch"]))

        self.pair.must(self.pair.beta, "maintenance", "off")
        self.wait_fit(self.pair.beta)
        trial = self.hand_over("--to", "beta", "--dry-run")
        self.assertEqual(0, trial.returncode, trial.stdout + trial.stderr)
        self.assertEqual([*STEPS, "retire"], [step["step"] for step in json.loads(trial.stdout)["steps"]])
        self.assertEqual(1, self.pair.alpha.status()["epoch"])
        for node, words, says in ((self.pair.beta, ("--to", "alpha"), "ask alpha"),
                                  (self.pair.alpha, ("--resume",), "none is open"),
                                  (self.pair.alpha, ("--to", "alpha"), "exports already"),
                                  (self.pair.beta, ("--to", "beta", "--from-dead", "--dry-run"), "does not export")):
            refused = node.twinsync("handover", *words)
            self.assertEqual(3, refused.returncode, words)
            self.assertIn(says, refused.stderr)


class CutOff(HandoverCase):
    def test_before_the_reset_it_waits_for_an_operator_and_is_aborted(self):
        done = self.cut_off("handover-mark")
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        active = self.pair.active()
        wait_until(lambda: self.state(active)["interrupted"], "it waits")
        self.assertIn("handover-interrupted", self.problems(active))
        again = active.twinsync("handover", "--to", os.path.basename(self.pair.other(active).folder))
        self.assertEqual(3, again.returncode)
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


if __name__ == "__main__":
    unittest.main()
