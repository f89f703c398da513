#!/usr/bin/python3
"""A machine that stands still between the check of its lease and the request, for part of a lease and for several."""

import os
import signal
import time
import unittest

from lab import wait_until
from pair import TTL_SECONDS
from pair_faults import PairFaultCase


def stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


class Freezes(PairFaultCase):
    def freeze(self, leases):
        """Its worker stops by itself at the point; so does its parent, as on a suspended machine."""
        node, other = self.pair.standby(), self.pair.active()
        node.kill()
        node.start(wait=False, TWINSYNC_FAILPOINT="send-checked:5:stop")
        self.pair.wait_role(node, "standby")
        other.kill()
        self.pair.wait_active(node)
        self.change(40)
        worker = node.worker()
        wait_until(lambda: stopped(worker), "the worker stops before a request")
        os.kill(node.process.pid, signal.SIGSTOP)
        other.start(wait=False)
        until = time.monotonic() + leases * TTL_SECONDS
        wait_until(lambda: time.monotonic() > until, "it stood still for long enough")
        for pid in (node.process.pid, worker):
            os.kill(pid, signal.SIGCONT)
        self.assertWhole()

    def test_half_a_lease(self):
        self.freeze(0.5)

    def test_one_and_a_half(self):
        self.freeze(1.5)

    def test_three(self):
        self.freeze(3)


if __name__ == "__main__":
    unittest.main()
