#!/usr/bin/python3
"""kill -9 of either node at every fail-point, with and without a restart."""

import os
import subprocess
import unittest

from lab import BUILD, wait_until
from pair_faults import PairFaultCase

# Passed when an operator has approved something, or in a first load.
ELSEWHERE = {"reanchor-chunk-committed", "generation-built", "generation-selected"}


def points(option):
    done = subprocess.run([os.path.join(BUILD, "twinsyncd"), option], check=True, capture_output=True, text=True,
                          timeout=10)
    return [point for point in done.stdout.split() if point not in ELSEWHERE]


class Kills(PairFaultCase):
    """The node is started with the point armed and led to it; its parent starts it again, or the whole host is off."""

    def lead_to(self, point, as_active, restart):
        node, other = self.pair.standby(), self.pair.active()
        node.kill()
        if point == "snapshot-in-place":
            self.lose_state(node)
        node.start(wait=False, TWINSYNC_FAILPOINT=point)
        if as_active:
            self.pair.wait_role(node, "standby")
            other.kill()
        self.change(40)
        wait_until(lambda: "worker-died" in node.log() or node.process.poll() is not None, f"it dies at {point}", 60)
        if not restart:
            node.kill()
        if other.process is None:
            other.start()
        self.assertWhole()
        node.kill()  # the point is no longer armed with the next start
        with open(node.log_file, "w", encoding="utf-8"):
            pass
        node.start()
        self.pair.converge()

    def test_a_node_that_takes_over_and_exports(self):
        for point in points("--failpoints") + points("--pair-failpoints"):
            if point in ("rows-applied", "snapshot-in-place"):
                continue
            for restart in (True, False):
                with self.subTest(point=point, restart=restart):
                    self.lead_to(point, True, restart)

    def test_a_standby(self):
        for point in ("rows-applied", "snapshot-in-place", "facts-persisted"):
            for restart in (True, False):
                with self.subTest(point=point, restart=restart):
                    self.lead_to(point, False, restart)


if __name__ == "__main__":
    unittest.main()
