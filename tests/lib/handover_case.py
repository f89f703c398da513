"""handover_case -- a pair whose standby is fit to take over as planned."""

import itertools
import os
import threading

from pair_case import PairTestCase

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
