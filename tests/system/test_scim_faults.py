#!/usr/bin/python3
"""The SCIM target against a real provider that fails and loses answers.

What counts is that nothing is executed twice: effects are counted in the
provider's store and log, not by what the target says.
"""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from lab import LabTestCase, wait_until  # noqa: E402
from scim_driver import Driver, create, operation  # noqa: E402


class Faults(LabTestCase):
    """A real provider whose faults are set; effects are read from its store and log."""

    OPTIONS = {"people": 5, "groups": 2}
    made = 0

    def driver(self, **more):
        env = self.lab.env
        driver = Driver({"url": env["scim_url"], "ca_file": env["ca_file"], "connections": 4, "timeout_seconds": 5,
                         "oauth": {"token_url": env["token_url"], "client_id": env["client_id"],
                                   "client_secret_file": env["client_secret_file"]}, **more})
        self.addCleanup(driver.close)
        return driver

    def name(self):
        Faults.made += 1
        return f"hostile{Faults.made}@example.org"

    def creates(self, count):
        """Operations, and the names that they create."""
        names = [self.name() for _ in range(count)]
        return [create(Faults.made * 1000 + i, f"anchor-{name}", userName=name) for i, name in enumerate(names)], names

    def times_stored(self, names):
        return [len(self.lab.find("Users", "userName", name)) for name in names]

    def effects(self, op):
        return [row for row in self.lab.writes() if row["op"] and f";i={op['intent']}" in row["op"]
                and row.get("effect_us")]

    def requests_of(self, op):
        return [row for row in self.lab.writes() if row["op"] and f";i={op['intent']}" in row["op"]]


class Load(Faults):
    def test_a_429_is_waited_for_and_the_write_done_once(self):
        driver = self.driver()
        driver.ask(discover=1)
        self.lab.fault("status", {"method": "POST", "path": "/Users"}, times=1, status=429, retry_after=1)
        [op], [name] = self.creates(1)
        started = time.monotonic()
        outcome = driver.one(op)
        self.assertGreaterEqual(time.monotonic() - started, 1)
        self.assertEqual((outcome["result"], outcome["retries"], self.times_stored([name])), ("DONE", 1, [1]))
        self.assertGreaterEqual(outcome["throttled_ms"], 900)
        self.assertTrue(self.effects(op)[0]["op"].endswith(";r=1"), self.effects(op))

    def test_a_429_without_retry_after_backs_off(self):
        driver = self.driver()
        self.lab.fault("status", {"method": "POST", "path": "/Users"}, times=3, status=429)
        ops, names = self.creates(3)
        self.assertEqual({each["result"] for each in driver.run(*ops)}, {"DONE"})
        self.assertEqual(self.times_stored(names), [1, 1, 1])

    def test_a_wait_of_hours_is_the_next_cycles(self):
        driver = self.driver()
        self.lab.fault("status", {"method": "POST", "path": "/Users"}, status=429, retry_after=7200)
        ops, names = self.creates(20)
        started = time.monotonic()
        self.assertEqual({each["result"] for each in driver.run(*ops)}, {"LATER"})
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(sum(self.times_stored(names)), 0)

    def test_a_503_is_repeated_for_a_change_but_never_for_a_create(self):
        driver = self.driver()
        [op], [name] = self.creates(1)
        target_id = driver.one(op)["objects"][0]["id"]
        self.lab.fault("status", {"method": "PATCH"}, times=1, status=503, retry_after=0)
        change = operation("update", 1, id=target_id, set={"title": "t"})
        self.assertEqual(driver.one(change)["result"], "DONE")
        self.lab.fault("status", {"method": "POST", "path": "/Users"}, times=1, status=503, retry_after=0, when="after")
        [op], [name] = self.creates(1)
        self.assertEqual(driver.one(op)["result"], "UNKNOWN")
        self.assertEqual(len(self.requests_of(op)), 1)


class Ambiguity(Faults):
    def expect_unknown_and_one_effect(self, fault, **details):
        driver = self.driver(timeout_seconds=2)
        driver.ask(discover=1)
        rule = self.lab.fault(fault, {"method": "POST", "path": "/Users"}, times=1, **details)
        [op], [name] = self.creates(1)
        outcome = driver.one(op)
        self.assertEqual(outcome["result"], "UNKNOWN", outcome)
        self.assertEqual(self.lab.fault_hits(rule), 1)
        wait_until(lambda: self.requests_of(op), "the provider has logged the request")
        self.assertEqual((self.times_stored([name]), len(self.requests_of(op))), ([1], 1))
        found = driver.one(operation("find", 1, anchor=op["anchor"]))
        self.assertEqual([each["anchor"] for each in found["objects"]], [op["anchor"]])
        return outcome

    def test_an_error_after_the_effect(self):
        for status in (500, 502, 504):
            self.expect_unknown_and_one_effect("status", status=status, when="after")

    def test_a_connection_closed_after_the_effect(self):
        self.expect_unknown_and_one_effect("close", when="after")

    def test_an_answer_that_comes_too_late(self):
        self.expect_unknown_and_one_effect("stall", ms=4000, when="after")

    def test_a_success_with_a_body_that_is_none(self):
        for fault, details in [("malformed", {}), ("wrong-types", {}), ("truncated", {}),
                               ("oversized", {"bytes": 20 << 20}), ("content-type", {"value": "text/html"})]:
            with self.subTest(fault):
                self.expect_unknown_and_one_effect(fault, **details)

    def test_a_change_or_deletion_whose_answer_is_lost(self):
        driver = self.driver()
        [op], _ = self.creates(1)
        target_id = driver.one(op)["objects"][0]["id"]
        for number, (method, verb) in enumerate([("PATCH", "update"), ("DELETE", "delete")], 1):
            self.lab.fault("close", {"method": method}, times=1, when="after")
            outcome = driver.one(operation(verb, number, id=target_id, set={"title": "t"}))
            self.assertEqual(outcome["result"], "UNKNOWN")
            self.assertEqual(len([row for row in self.lab.writes() if row["method"] == method
                                  and target_id in row["path"]]), 1)

    def test_reads_are_repeated(self):
        driver = self.driver()
        ops, _ = self.creates(1)
        target_id = driver.one(ops[0])["objects"][0]["id"]
        for fault, details in [("status", {"status": 500}), ("close", {}), ("status", {"status": 503})]:
            self.lab.fault(fault, {"method": "GET", "path": target_id}, times=1, **details)
            self.assertEqual(driver.one(operation("read", 1, id=target_id))["result"], "DONE")

    def test_a_read_that_is_garbage_is_no_object(self):
        driver = self.driver()
        ops, _ = self.creates(1)
        target_id = driver.one(ops[0])["objects"][0]["id"]
        for fault in ("malformed", "wrong-types", "content-type"):
            with self.subTest(fault):
                self.lab.fault(fault, {"method": "GET", "path": target_id}, times=1)
                outcome = driver.one(operation("read", 1, id=target_id))
                self.assertEqual((outcome["result"], outcome["objects"]), ("LATER", []))

    def test_a_server_that_is_down_is_not_asked_for_each_operation(self):
        driver = self.driver()
        driver.ask(discover=1)
        self.lab.stop("scim")
        self.addCleanup(self.lab.start, "scim")
        ops, _ = self.creates(500)
        started = time.monotonic()
        self.assertEqual({each["result"] for each in driver.run(*ops)}, {"LATER"})
        self.assertLess(time.monotonic() - started, 10)


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
