#!/usr/bin/python3
"""Crashes in the middle of a fence, and of the same export twice."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from fenced_pair import PairTestCase  # noqa: E402
from lab import wait_until  # noqa: E402


class Crashes(PairTestCase):
    def test_a_fence_that_is_cut_off_by_a_crash_goes_on(self):
        self.pair.beta.stop()
        self.pair.beta.start(TWINSYNC_FAILPOINT="fence-round")
        self.pair.wait_role(self.pair.beta, "standby")
        self.pair.wait_equal()
        self.pair.alpha.kill()
        self.add("after-both")
        wait_until(lambda: "worker-died" in self.pair.beta.log(), "the standby dies while it fences")
        wait_until(lambda: self.stored("after-both"), "it comes back and exports")
        self.assertEqual(len(self.clients()), 2)
        self.assertExclusive()

    def test_a_client_that_was_made_before_a_crash_and_never_published_is_deleted(self):
        self.pair.beta.stop()
        self.pair.beta.start(TWINSYNC_FAILPOINT="principal-minted")
        self.pair.wait_role(self.pair.beta, "standby")
        self.pair.wait_equal()
        self.pair.alpha.kill()
        wait_until(lambda: "worker-died" in self.pair.beta.log(), "the standby dies before it publishes")
        self.add("after-sweep")
        wait_until(lambda: self.stored("after-sweep"), "it comes back and exports")
        swept = wait_until(lambda: [row for row in self.pair.beta.json("events", "--limit", "200")["events"]
                                    if row["event"] == "principal-swept"], "it says so")
        self.assertEqual(1, len(swept))
        self.assertTrue(any(client in json.dumps(swept[0]) for client in self.deleted()), swept)
        self.assertEqual(2, len(self.clients()))
        self.assertExclusive()

    def test_what_was_under_way_at_two_crashes_is_touched_no_more(self):
        number = self.lab.fault("stall", {"method": "POST", "path": "/Users", "body": "poison"}, ms=120000)
        sent = 0
        self.add("poison")
        for active, other in ((self.pair.alpha, self.pair.beta), (self.pair.beta, self.pair.alpha)):
            wait_until(lambda sent=sent: self.lab.fault_hits(number) > sent, "it is under way")
            active.kill()
            sent = self.lab.fault_hits(number)
            self.pair.wait_role(other, "active")
            if active is self.pair.alpha:
                active.start()
                self.pair.wait_role(active, "standby")
                wait_until(lambda: other.status()["replication"]["equal"], "the standby has everything")
                sent = self.lab.fault_hits(number)
        self.add("harmless")
        wait_until(lambda: self.stored("harmless"), "others are exported")
        self.pair.alpha.sync()
        self.assertEqual(self.lab.fault_hits(number), sent)
        self.assertEqual(self.stored("poison"), [])
        told = self.pair.alpha.twinsync("errors").stdout
        self.assertIn("twice in a row", " ".join(told.split()))
        self.assertExclusive()


if __name__ == "__main__":
    unittest.main()
