#!/usr/bin/python3
"""Every link of either node cut, both ways and one way, in every phase."""

import unittest

from host_pair import LINKS, WAYS
from pair_faults import PairFaultCase

PHASES = ("steady", "exporting", "snapshot")


class Cuts(PairFaultCase):
    def every(self, link, of):
        for phase in PHASES:
            for way in WAYS:
                with self.subTest(of=of, way=way, phase=phase):
                    active = self.pair.active()
                    self.cut(active if of == "active" else self.pair.other(active), link, way, phase)


def add(link, of):
    setattr(Cuts, f"test_{link}_of_the_{of}", lambda self: self.every(link, of))


for each in LINKS:
    for node in ("active", "standby"):
        add(each, node)

if __name__ == "__main__":
    unittest.main()
