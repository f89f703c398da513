#!/usr/bin/python3
"""Every link of either node cut, both ways and one way, in every phase; etcd is the register."""

import itertools
import unittest

from host_pair import LINKS, WAYS
from lab import wait_until
from pair_faults import PEOPLE, PairFaultCase

NODES = ("active", "standby")
PHASES = ("steady", "exporting", "snapshot")
SNAPSHOT_KBYTES_A_SECOND = 20


class Cuts(PairFaultCase):
    OPTIONS = {"people": PEOPLE, "groups": 4, "register": "etcd"}

    def cut(self, link, node, way, phase):
        """Until the pair has had its time to react."""
        active = self.pair.active()
        if phase == "exporting":
            self.exporting()
        elif phase == "snapshot":
            self.begin_snapshot()
        before = self.epoch()
        self.pair.cut(active if node == "active" else self.pair.other(active), link, way)
        self.change()
        self.await_reaction(before)
        self.assertWhole()

    def begin_snapshot(self):
        """The standby has lost its state, and gets that of the active so slowly that it is cut off on the way."""
        standby = self.pair.standby()
        standby.kill()
        self.lose_state(standby)
        self.pair.slow(standby, "peer", SNAPSHOT_KBYTES_A_SECOND)
        standby.start()
        wait_until(lambda: standby.status()["replication"]["phase"] == "fetching", "the snapshot is on its way")


def add(*case):
    def test(self):
        self.cut(*case)
    setattr(Cuts, "test_{}_of_the_{}_{}_{}".format(*case), test)


for each in itertools.product(LINKS, NODES, WAYS, PHASES):
    add(*each)

if __name__ == "__main__":
    unittest.main()
