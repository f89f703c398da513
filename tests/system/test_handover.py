#!/usr/bin/python3
"""A planned handover between two daemons: under load, refused by a closed gate, ended by a retirement. The provider's
own log tells who wrote."""

import glob
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from handover_case import STEPS, HandoverCase, Load  # noqa: E402
from lab import wait_until  # noqa: E402


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


if __name__ == "__main__":
    unittest.main()
