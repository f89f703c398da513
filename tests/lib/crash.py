"""crash -- dying at a named point, and coming back."""

import os
import subprocess

from instep import InStepCase
from lab import BUILD, wait_until

# Passed when an operator has approved something, not in an ordinary cycle.
OF_AN_APPROVAL = {"reanchor-chunk-committed"}
POINTS = [point for point in subprocess.run([os.path.join(BUILD, "twinsyncd"), "--failpoints"], check=True,
                                            capture_output=True, text=True, timeout=10).stdout.split()
          if point not in OF_AN_APPROVAL]
# A generation is built in a first load only.
OF_A_FIRST_LOAD = {"generation-built", "generation-selected"}
# What a first load decides is cleared by its plan: the guard has nothing to count.
NOT_OF_A_FIRST_LOAD = {"guard-chunk-committed"}


class CrashCase(InStepCase):
    OPTIONS = {"people": 20, "groups": 3}

    def deaths(self, node):
        return [line for line in node.log().splitlines() if "worker-died" in line]

    def crash(self, node, point):
        """Run the daemon until it kills itself at that point and its worker is back."""
        before = len(self.deaths(node))
        node.start(wait=False, TWINSYNC_FAILPOINT=point)
        wait_until(lambda: len(self.deaths(node)) > before, f"the worker dies at {point}")
        self.assertIn("signal=9", self.deaths(node)[-1])
        wait_until(node.answers, "the daemon answers")
        self.assertEqual(before + 1, len(self.deaths(node)))
