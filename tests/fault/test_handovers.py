#!/usr/bin/python3
"""kill -9 of either node at each step of a handover, then --resume, --abort or a failover: it comes to its end, one node
exports, and nothing is lost. Whoever drives dies at a fail-point, the other one as soon as the step is seen."""

import contextlib
import json
import os
import subprocess
import threading
import unittest

from lab import wait_until
from pair_faults import PEOPLE, PairFaultCase, deaths

# (point, on whom): in the order in which a handover passes them.
DRIVING = (
    [("handover-evidence-kept:%d" % k, "from") for k in (1, 2, 3)] + [("handover-mark", "from"), ("handover-release", "from")]
    + [("handover-evidence-kept:%d" % k, "to") for k in (1, 2, 3, 4, 5)]
    + [("handover-mark:%d" % k, "to") for k in (1, 2, 3, 4)] + [("handover-end", "to")])
# The other one dies while the handover is at that step.
WATCHING = ("preflight", "drain", "lease", "reset", "tail", "reconcile")
ENDS = ("resume", "abort", "failover")


class Handovers(PairFaultCase):
    # Tokens are short: who dies in a fence may leave the other one to wait until no token of that principal can live.
    OPTIONS = {"people": PEOPLE, "groups": 4, "token_seconds": 20}

    def name(self, node):
        return os.path.basename(node.folder)

    def told(self, node):
        """What is told there; while nobody answers, that it may be open."""
        with contextlib.suppress(AssertionError, ValueError, subprocess.TimeoutExpired):
            document = node.json("handover")
            if "open" in document:
                return document
        return {"open": True, "interrupted": False, "step": ""}

    def begin(self, source, target):
        """A handover under changes, from a terminal that is left alone."""
        self.change(30)
        marks = [(node, len(node.log())) for node in self.pair.nodes.values()]
        thread = threading.Thread(target=source.twinsync, args=("handover", "--to", self.name(target)))
        thread.start()
        self.addCleanup(thread.join)
        self.pair.until(lambda: not thread.is_alive() or any(
            "handover id=" in node.log()[mark:] for node, mark in marks), "it has begun")

    def ready(self):
        source = self.pair.active()
        target = self.pair.other(source)
        self.pair.wait_role(target, "standby")
        wait_until(lambda: source.status()["peer"]["fit"], "the standby is fit")
        return source, target

    def at_a_point(self, point, whose, end):
        source, target = self.ready()
        node = source if whose == "from" else target
        if node is source:  # it is armed as the standby, and then made the one that exports
            target, source = source, target
        before = deaths(source if whose == "from" else target)
        armed = source if whose == "from" else target
        armed.kill()
        armed.start(wait=False, TWINSYNC_FAILPOINT=point)
        self.pair.wait_role(armed, "standby")
        if whose == "from":
            self.pair.fail_over_to(armed)
            self.pair.wait_role(armed, "active")
        source, target = self.ready()
        self.begin(source, target)
        self.pair.until(lambda: deaths(armed) > before or not self.told(self.pair.active())["open"],
                        f"it dies at {point}, or never comes there")
        self.finish(end)

    def at_a_step(self, step, end):
        """Whoever does not drive dies."""
        source, target = self.ready()
        driver = source if step in ("preflight", "drain") else target
        self.begin(source, target)
        self.pair.until(lambda: self.told(driver).get("step") == step or not self.told(driver)["open"], f"it is at {step}")
        self.pair.other(driver).kill()
        self.pair.until(lambda: self.told(driver).get("interrupted") or not self.told(driver)["open"] or
                        driver.role() == "active", "the driver goes on, or waits")
        self.pair.other(driver).start()
        self.finish(end)

    def finish(self, end):
        """What the operator does about it; in the end none is open, whichever node exports."""
        if end == "failover":
            self.pair.fail_over_to(self.pair.standby())

        def over():
            active = self.pair.active()
            told = self.told(active)
            if told["open"] and told.get("interrupted"):
                self.pair.wait_role(self.pair.other(active), "standby")
                done = active.twinsync("--json", "handover", "--abort" if end == "abort" else "--resume")
                if done.returncode == 3 and end == "abort":
                    self.assertTrue(told["reset_begun"], done.stderr)
                    active.twinsync("--json", "handover", "--resume")
            told = self.told(self.pair.active())
            return not told["open"] and "outcome" in told  # what it came to is read anew at its end
        self.pair.until(over, "the handover has come to its end", 90)
        told = self.pair.active().json("handover")
        # None: who was alone in knowing of it died, and the other one exports; nobody ever heard of it.
        self.assertIn(told.get("outcome"), ("complete", "incomplete", "aborted", "refused", "not-begun", None),
                      json.dumps(told))
        self.assertWhole()


def add(how, *words):
    def test(self):
        getattr(self, how)(*words)
    setattr(Handovers, "test_%s_%s" % (how, "_".join(words).replace("-", "_").replace(":", "_")), test)


for one in ENDS:
    for where, who in DRIVING:
        add("at_a_point", where, who, one)
    for each in WATCHING:
        add("at_a_step", each, one)

if __name__ == "__main__":
    unittest.main()
