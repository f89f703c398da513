#!/usr/bin/python3
"""staging: a store that never exported writes nothing that was not looked at."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from instep import InStepCase  # noqa: E402


class First(InStepCase):
    OPTIONS = {"people": 20, "groups": 3}

    def test_nothing_is_written_before_somebody_looked_even_after_a_restart(self):
        node = self.new_node(approve_first=False)
        with node:
            done = node.twinsync("sync", "--wait")
            self.assertEqual(3, done.returncode, done.stdout)
            self.assertSentence(done.stderr, "never exported", "twinsync preview", "twinsync sync --plan")
            [problem] = node.status()["problems"]
            self.assertEqual(("staging", "warning"), (problem["code"], problem["severity"]))
            self.assertRegex(problem["text"], r"never exported; \d+ creations wait$")
        with node:
            status = node.status()
            self.assertEqual("staging", status["problems"][0]["code"])
            node.twinsync("sync", "--full", "--wait")
            self.assertEqual([], self.lab.writes())
            self.assertEqual(0, node.status()["counts"]["target"])

            node.sync("--approve-first")
            self.assertSettled(node)
            self.assertEqual([], node.status()["problems"])
            self.assertEqual("success", node.status()["cycle"]["result"])
        # It has exported: from now on it writes by itself.
        self.lab.change(seed=3, count=20)
        with node:
            self.assertSettled(node)
        self.empty_target()


if __name__ == "__main__":
    unittest.main()
