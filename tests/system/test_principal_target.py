#!/usr/bin/python3
"""What a target may answer to a fence, and that only 401 beside our own success is an end."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from principal_driver import PrincipalTestCase  # noqa: E402
from scripted import CLOSE, HANG, Scripted, listing, reply  # noqa: E402


class Target(PrincipalTestCase):
    """Against a target that answers as a test says, with the real authorization server."""

    def scripted(self, canary, own=None, **more):
        """canary, own: the answers to the reads of each, in turn; the last stays."""
        seen = {"canary": None, "counts": {}}

        def script(request):
            token = request.headers["authorization"]
            seen["canary"] = seen["canary"] or token
            answers = canary if token == seen["canary"] else own or [listing([])]
            count = seen["counts"][token] = seen["counts"].get(token, 0) + 1
            return answers[min(count, len(answers)) - 1]

        server = Scripted(script)
        self.addCleanup(server.close)
        return self.pair(url=server.url, **more), server

    def rounds(self, driver, count=6):
        for _ in range(count):
            [row] = driver.fence("new", "old")
            self.assertEqual(row["state"], "pending", row)
            time.sleep(min(row["again_ms"], 300) / 1000)
        return row

    def test_no_answer_but_401_is_a_refusal(self):
        for answer in (reply(403), reply(404), reply(429), reply(500), reply(503), reply(302), reply(407), CLOSE):
            (driver, _, _), server = self.scripted([listing([]), answer])
            self.rounds(driver, 3)
            self.assertGreaterEqual(len(server.requests), 3)

    def test_a_target_that_does_not_answer_confirms_nothing(self):
        (driver, _, _), _ = self.scripted([listing([]), HANG])
        [row] = driver.fence("new", "old")
        self.assertPending(row, "the target does not answer")

    def test_refusals_count_only_beside_our_own_success(self):
        for own in (reply(401), reply(403), reply(429), reply(503), CLOSE):
            (driver, _, _), _ = self.scripted([listing([]), reply(401)], [own])
            row = self.rounds(driver, 3)
            self.assertRegex(row["text"], "our own credential|does not answer")

    def test_a_canary_that_was_never_served_is_no_evidence_when_refused(self):
        (driver, _, _), _ = self.scripted([reply(401)])
        row = self.rounds(driver, 8)
        self.assertIn("no token of it could be judged", row["text"])

    def test_introspection_counts_where_it_had_said_active(self):
        urls = {"introspection_url": self.lab.env["token_url"] + "/introspection"}
        (driver, _, _), _ = self.scripted([reply(403)], **urls)
        row = self.rounds(driver, 8)  # we may not ask about it: inactive from the start
        self.assertIn("no token of it could be judged", row["text"])
        self.lab.set_options("oauth", introspection="any")
        (driver, old, _), _ = self.scripted([reply(403)], **urls)
        row = self.until_confirmed(driver)
        self.assertIn("inactive by introspection", row["text"])
        self.assertEqual(self.admitted(old["access"]), 401)

    def test_an_introspection_in_trouble_is_no_evidence(self):
        self.lab.set_options("oauth", introspection="any")
        urls = {"introspection_url": self.lab.env["token_url"] + "/introspection"}
        (driver, _, _), _ = self.scripted([reply(403)], **urls)
        self.lab.fault("status", {"path": "introspection"}, server="oauth", status=503)
        self.rounds(driver, 12)


if __name__ == "__main__":
    unittest.main()
