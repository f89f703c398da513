#!/usr/bin/python3
"""Bulk against a real provider: each object once, whatever becomes of the answers."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from scim_faults import Faults  # noqa: E402


class Bulk(Faults):
    """bench creates in bulk as soon as pace tries it; the provider counts."""

    def bulk_rows(self):
        return [row for row in self.lab.writes() if row["path"].endswith("/Bulk")]

    def bench(self, driver, count=1500):
        prefix = self.name()
        answer = driver.ask(bench={"count": count, "prefix": prefix})
        stored = self.lab.scim("GET", f"/Users?count=1&filter=userName+sw+%22{prefix}%22").body["totalResults"]
        return answer["bench_done"], stored

    def test_bulk_creates_each_object_once(self):
        before = len(self.bulk_rows())
        self.assertEqual(self.bench(self.driver(bulk=True)), (1500, 1500))
        self.assertGreater(len(self.bulk_rows()), before)

    def test_bulk_is_not_used_when_switched_off(self):
        before = len(self.bulk_rows())
        self.assertEqual(self.bench(self.driver(bulk=False), 300), (300, 300))
        self.assertEqual(len(self.bulk_rows()), before)

    def test_a_bulk_answer_that_is_lost_leaves_its_operations_unknown(self):
        self.lab.fault("close", {"path": "/Bulk$"}, times=1, when="after")
        done, stored = self.bench(self.driver(bulk=True))
        self.assertEqual(stored, 1500)
        self.assertLess(done, 1500)

    def test_a_refused_bulk_falls_back_to_single_requests(self):
        for status in (413, 501, 404):
            with self.subTest(status):
                self.lab.fault("status", {"path": "/Bulk$"}, status=status)
                self.assertEqual(self.bench(self.driver(bulk=True), 600), (600, 600))
                self.lab.reset()

    def test_a_throttled_bulk_is_sent_again(self):
        self.lab.fault("status", {"path": "/Bulk$"}, times=1, status=429, retry_after=1)
        self.assertEqual(self.bench(self.driver(bulk=True)), (1500, 1500))


if __name__ == "__main__":
    unittest.main()
