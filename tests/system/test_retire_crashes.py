#!/usr/bin/python3
"""A retirement is cut off at each of its steps, and ended by the same command again."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from pair_case import PairTestCase  # noqa: E402

POINTS = ("retire-excluded", "retire-key-gone", "retire-resealed", "retire-key-turning:1", "retire-key-turning:2")


class Interrupted(PairTestCase):
    OPTIONS = {"people": 20, "groups": 2}

    def key(self, node):
        with open(os.path.join(node.state, "pair", "pair.key"), "rb") as file:
            return file.read()

    def test_a_crash_at_every_step_is_ended_by_asking_again(self):
        """Each new process has to open what the one before had sealed: else its fence would wait for ever."""
        alpha, beta = self.pair.alpha, self.pair.beta
        first = self.key(alpha)
        for point in POINTS:
            with self.subTest(point=point):
                alpha.stop()
                if point == POINTS[0]:
                    self.pair.wait_role(beta, "active")
                    beta.stop()
                alpha.start(TWINSYNC_FAILPOINT=point)
                self.pair.wait_role(alpha, "active")
                if point == POINTS[0]:
                    beta.start()
                    self.pair.wait_role(beta, "standby")
                self.assertNotEqual(0, alpha.twinsync("retire", "beta", "--now", "--reason", "a drill").returncode)
                self.pair.until(lambda: "worker-died" in alpha.log().rpartition("started version")[0][-4000:],
                                "it died there, and is back")
                self.pair.wait_role(alpha, "active")
                self.assertEqual(["alpha"], alpha.json("register", "status")["value"]["voters"])
        rows = {row["step"]: row["state"] for row in alpha.json("retire", "beta")["steps"]}
        self.assertEqual(("done", "done"), (rows["membership"], rows["pair-key"]))
        self.assertNotEqual(first, self.key(alpha))
        self.assertEqual(3, beta.wait())
        self.pair.lab.change(seed=3, count=6)
        self.pair.wait_in_step()
        self.assertExclusive()


if __name__ == "__main__":
    unittest.main()
