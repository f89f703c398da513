#!/usr/bin/python3
"""A pair moves to two other computers and to the next version, while its directory changes."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from migration import Moving  # noqa: E402
from pair_case import PairTestCase  # noqa: E402


class Migrating(Moving, PairTestCase):
    OPTIONS = {"people": 30, "groups": 3, "more": ("gamma", "delta")}

    def test_host_by_host_to_the_next_version_and_back_until_it_is_finalized(self):
        gamma, delta = self.migrate()
        self.go_back_and_forth(gamma, delta)
        self.delete_while_nothing_runs(gamma, delta)


if __name__ == "__main__":
    unittest.main()
