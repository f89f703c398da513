#!/usr/bin/python3
"""A pair's first load: it is not captured row by row, and the standby gets it as one file."""

import glob
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair import Pair  # noqa: E402

PEOPLE = 60


def rows(node, query):
    """What a node's own state file says."""
    [path] = glob.glob(os.path.join(node.state, "state.*", "state.db"))
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


class FirstLoad(unittest.TestCase):
    def test_a_first_load_bypasses_the_journal_and_reaches_the_standby_as_a_snapshot(self):
        pair = Pair(people=PEOPLE, groups=3, start=False)
        self.addCleanup(pair.close)
        for node in pair.nodes.values():
            node.approve_first = False  # so that nothing but the load itself is written
        pair.begin()
        wait_until(lambda: (pair.alpha.status()["cycle"] or {}).get("result") == "held", "the first load is over")
        pair.wait_equal()
        for node in pair.nodes.values():
            [[people]] = rows(node, "SELECT count(*) FROM metaverse")
            self.assertGreaterEqual(people, PEOPLE)
            [[captured]] = rows(node, "SELECT coalesce(sum(length(changeset)), 0) FROM journal")
            [[loaded]] = rows(node, "SELECT sum(length(packed)) FROM metaverse")
            self.assertLess(captured, loaded / 10)
        self.assertEqual(1, pair.alpha.log().count(" snapshot-built "))
        self.assertEqual(rows(pair.alpha, "SELECT generation,seq,post_sum FROM journal_state"),
                         rows(pair.beta, "SELECT generation,seq,post_sum FROM journal_state"))

        pair.alpha.sync("--approve-first")
        pair.wait_in_step()
        pair.wait_equal()
        [[captured]] = rows(pair.beta, "SELECT sum(length(changeset)) FROM journal")
        self.assertGreater(captured, loaded / 10)  # what came after it was
        self.assertEqual(1, pair.alpha.log().count(" snapshot-built "))


if __name__ == "__main__":
    unittest.main()
