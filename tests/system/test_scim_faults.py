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

from lab import wait_until  # noqa: E402
from scim_driver import operation  # noqa: E402
from scim_faults import Faults  # noqa: E402


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


if __name__ == "__main__":
    unittest.main()
