#!/usr/bin/python3
"""A computer is taken out of the pair for good, and finds that out whenever it comes back."""

import json
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import DEADLINE_SECONDS  # noqa: E402
from pair_case import PairTestCase  # noqa: E402

REASON = "moved to another room"


class Retiring(PairTestCase):
    OPTIONS = {"people": 20, "groups": 2}

    def members(self, node):
        value = node.json("register", "status")["value"]
        return value["voters"], value["learner"]

    def retire(self, active, node, *options):
        """{step: its row} of a retirement that has to succeed."""
        name = os.path.basename(node.folder)
        done = active.twinsync("--json", "retire", name, "--reason", REASON, *options, seconds=3 * DEADLINE_SECONDS)
        self.assertEqual(0, done.returncode, f"{done.stderr}\n{active.log()[-3000:]}\n{node.log()[-2000:]}")
        return {row["step"]: row for row in json.loads(done.stdout)["steps"]}

    def assertRefusesToStart(self, node):
        """The daemon ends with 3 and says since when, why, and how to join anew."""
        node.start(wait=False)
        self.assertEqual(3, node.wait(2 * DEADLINE_SECONDS), node.log()[-2000:])
        said = next((line for line in reversed(node.log().splitlines()) if " ended " in line), "")
        name = os.path.basename(node.folder)
        for piece in (f'cannot run as "{name}"', "was retired at 20", f"({REASON})", f"token create --node {name}"):
            self.assertIn(piece, said)

    def test_a_standby_is_out_wiped_refused_and_joins_anew(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        rows = self.retire(alpha, beta)
        self.assertEqual({"membership": "done", "principals": "proved", "wipe": "proved", "certificate": "done"},
                         {step: rows[step]["state"] for step in ("membership", "principals", "wipe", "certificate")})
        self.assertEqual(3, beta.wait())
        self.assertIn("wipe-told node=alpha", beta.log())
        self.assertEqual({"lock", "retired"}, set(os.listdir(beta.state)) - {"control.sock"})
        self.assertEqual(("proved", "untouched"), (rows["source/corp"]["state"], rows["target"]["state"]))
        self.assertEqual(["alone"], self.problems(alpha))
        self.assertEqual((["alpha"], None), self.members(alpha))
        self.assertRegex(alpha.twinsync("register", "status").stdout, rf"retired +beta, 20\S+ by \w+: {REASON}")
        self.assertRefusesToStart(beta)
        self.assertEqual(0, alpha.twinsync("retire", "beta", "--now", "--reason", "to be sure").returncode)
        self.pair.lab.change(seed=1, count=6)
        self.pair.wait_in_step()
        self.pair.bring_in(beta, alpha, "--node", "beta")
        self.pair.wait_equal()
        self.assertEqual((["alpha", "beta"], None), self.members(alpha))
        self.assertWhole()

    def test_a_lost_active_node_is_out_and_a_disk_image_of_it_cannot_write(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        alpha.kill()
        image = alpha.state + ".image"
        shutil.copytree(alpha.state, image, symlinks=True, ignore=shutil.ignore_patterns("control.sock"))
        self.pair.wait_role(beta, "active")
        rows = self.retire(beta, alpha)
        self.assertEqual("pending", rows["wipe"]["state"])
        self.assertIn("unconfirmed", rows["wipe"]["text"])
        self.assertEqual("proved", rows["principals"]["state"])
        shutil.rmtree(alpha.state)
        os.rename(image, alpha.state)
        self.pair.lab.change(seed=2, count=6)
        self.assertRefusesToStart(alpha)
        self.assertEqual({"lock", "retired"}, set(os.listdir(alpha.state)) - {"control.sock"})
        self.pair.wait_in_step()
        self.assertExclusive()

    def test_who_exports_is_not_retired_and_only_it_retires(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        self.pair.lab.fault("stall", times=4, ms=1500)
        self.pair.lab.change(seed=9, count=8)
        self.pair.until(lambda: alpha.status()["cycle"]["running"], "a cycle runs")
        waited = alpha.twinsync("wait", "--for", "60s")
        self.assertEqual(0, waited.returncode)
        self.assertRegex(waited.stderr, r"(?s)cycle #\d+ \(\w+\) has been running for .* when it has ended\n.*it has ended after")
        for asked, node, why in ((alpha, "alpha", "it is the active node"), (beta, "alpha", "ask alpha"),
                                 (alpha, "omega", "it is no member")):
            done = asked.twinsync("retire", node)
            self.assertEqual(3, done.returncode, done.stderr)
            self.assertIn(why, done.stderr)
        self.assertEqual((["alpha", "beta"], None), self.members(alpha))


if __name__ == "__main__":
    unittest.main()
