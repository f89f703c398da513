#!/usr/bin/python3
"""Rows that a disk has altered behind everybody's back are found, and replaced by a copy."""

import contextlib
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair_case import PairTestCase  # noqa: E402

ROWS = "SELECT target_id, etag FROM target_object ORDER BY target_id"


class Recounting(PairTestCase):
    OPTIONS = {"people": 20, "groups": 2, "environment": {"TWINSYNC_TEST_RECOUNT_MS": "1000"}}

    @contextlib.contextmanager
    def state(self, node):
        with open(os.path.join(node.state, "current"), encoding="ascii") as file:
            path = os.path.join(node.state, f"state.{int(file.read())}", "state.db")
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as db:
            yield db

    def rows(self, node):
        with self.state(node) as db:
            return db.execute(ROWS).fetchall()

    def damage(self, node):
        """One row, by a writer who does not know of journal and sum."""
        with self.state(node) as db, db:
            changed = db.execute("UPDATE target_object SET etag = 'flipped' WHERE target_id = "
                                 "(SELECT min(target_id) FROM target_object)").rowcount
        self.assertEqual(1, changed)

    def recounted(self, node):
        return node.status()["replication"]["recounted"]

    def events(self, node, name):
        return [row for row in node.json("events", "--limit", "300")["events"] if row["event"] == name]

    def test_a_standby_whose_rows_were_altered_says_so_and_gets_a_copy(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        for node in (alpha, beta):
            wait_until(lambda node=node: self.recounted(node), "the rows were added up")
        self.pair.wait_equal()
        self.damage(beta)
        self.assertNotEqual(self.rows(alpha), self.rows(beta))
        self.assertTrue(self.pair.equal(), "the sums that are carried along do not see it")
        wait_until(lambda: self.events(beta, "rows-damaged"), "it is found")
        wait_until(lambda: self.rows(alpha) == self.rows(beta), "a copy takes its place")
        self.pair.wait_equal()
        wait_until(lambda: "rows-damaged" not in [each["code"] for each in beta.status()["problems"]], "and all is well")
        before = self.recounted(beta)
        wait_until(lambda: self.recounted(beta) != before, "it is added up again")
        self.assertEqual("active", alpha.role())
        self.assertEqual([], self.events(alpha, "rows-damaged"))

    def test_an_active_node_whose_rows_were_altered_gives_way_and_gets_a_copy(self):
        alpha, beta = self.pair.alpha, self.pair.beta
        self.pair.wait_equal()
        wait_until(lambda: all(gate["ok"] for gate in beta.explain()["gates"] if gate["name"] != "lease"),
                   "the standby is fit")
        self.damage(alpha)
        problem = wait_until(lambda: next((each for each in alpha.status()["problems"]
                                           if each["code"] == "rows-damaged"), None), "it is found")
        self.assertEqual("error", problem["severity"])
        self.pair.wait_role(beta, "active", seconds=80)
        self.pair.wait_role(alpha, "standby")
        wait_until(lambda: self.rows(alpha) == self.rows(beta), "a copy takes its place")
        self.pair.wait_equal()
        self.assertExclusive()


if __name__ == "__main__":
    unittest.main()
