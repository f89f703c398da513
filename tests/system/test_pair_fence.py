#!/usr/bin/python3
"""Nothing is exported while the old node's credential may work."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from fenced_pair import PairTestCase  # noqa: E402
from lab import wait_until  # noqa: E402


class Fencing(PairTestCase):
    def test_each_epoch_writes_as_its_own_client_and_the_one_before_is_deleted(self):
        [first] = self.clients()
        self.pair.alpha.kill()
        self.add("after-one")
        wait_until(lambda: self.stored("after-one"), "the standby exports")
        self.pair.alpha.start()
        self.pair.wait_role(self.pair.alpha, "standby")
        self.pair.wait_equal()
        self.pair.beta.kill()
        self.add("after-two")
        wait_until(lambda: self.stored("after-two"), "the first exports again")
        self.assertEqual(len(set(self.clients())), 3)
        self.assertEqual([client for client in self.clients() if client in self.deleted()], self.clients()[:2])
        self.assertEqual(first, self.clients()[0])
        self.assertExclusive()

    def test_while_old_tokens_are_admitted_nothing_is_exported_and_it_is_said_why(self):
        [old] = self.clients()
        self.lab.set_options("oauth", token_lag_seconds=4)
        self.pair.alpha.kill()
        self.add("waits")
        self.pair.wait_role(self.pair.beta, "fencing")
        told = wait_until(lambda: next((text for text in [self.pair.beta.twinsync("explain").stdout]
                                        if "still admitted" in text), None), "explain says what it waits for")
        self.assertIn("confirmed in", told)
        self.assertEqual(self.stored("waits"), [])
        wait_until(lambda: self.stored("waits"), "the fence is confirmed")
        reads = [row for row in self.lab.requests() if row["path"].endswith("?startIndex=1&count=1")]
        last = max(row["received_us"] for row in reads if row.get("client") == old)
        first = min(row["received_us"] for row in self.lab.writes() if row.get("client") not in (None, old) and row["op"])
        self.assertGreater(first, last)
        self.assertExclusive()

    def test_a_fence_whose_node_dies_is_ended_by_the_other_one_and_the_wait_is_counted(self):
        """beta fences alpha's client and dies; alpha comes back: the token that was to be judged died with beta."""
        alpha, beta = self.pair.alpha, self.pair.beta
        self.lab.token()  # the test's own has a long life
        self.lab.set_options("oauth", token_seconds=15)
        alpha.stop()  # its successors' tokens are short
        self.pair.wait_role(beta, "active")
        alpha.start()
        self.pair.wait_role(alpha, "standby")
        self.pair.wait_equal()
        wait_until(lambda: not beta.twinsync("failover", "--reason", "back").returncode, "alpha is fit")
        self.pair.wait_role(alpha, "active")
        self.add("before")
        wait_until(lambda: self.stored("before"), "alpha exports")
        self.pair.wait_role(beta, "standby")
        self.pair.wait_equal()
        self.lab.set_options("oauth", token_lag_seconds=600)
        alpha.kill()
        wait_until(lambda: "still admitted" in beta.twinsync("explain").stdout, "beta fences")
        beta.kill()
        alpha.start()
        self.add("after")
        told = wait_until(lambda: next((text for text in [" ".join(alpha.twinsync("explain").stdout.split())]
                                        if "could be judged; confirmed in" in text), None), "it says how long")
        self.assertRegex(told, r"confirmed in \d+ s at the latest")
        self.assertEqual(self.stored("after"), [])
        wait_until(lambda: self.stored("after"), "the tokens have ended")
        self.assertIn("has passed since", alpha.json("history")["epochs"][0]["evidence"])
        self.assertExclusive()

    def test_a_fence_that_nothing_can_prove_waits_for_an_operator_who_answers_for_it(self):
        """The server does not tell how long its tokens live, and the token that was to be judged is lost."""
        beta = self.pair.beta
        self.assertEqual(3, beta.twinsync("fence", "accept", "--reason", "too early").returncode)
        self.lab.set_options("oauth", expires_in=False)
        self.pair.alpha.stop()  # its successor's tokens have no end
        self.pair.wait_role(beta, "active")
        self.pair.alpha.start()
        self.pair.wait_role(self.pair.alpha, "standby")
        self.add("before")
        wait_until(lambda: self.stored("before"), "its successor exports")
        alpha, old = self.pair.alpha, self.clients()[-1]
        self.pair.wait_equal()
        self.lab.set_options("oauth", token_lag_seconds=600)
        beta.kill()
        wait_until(lambda: "still admitted" in alpha.twinsync("explain").stdout, "the fence waits")
        alpha.kill()
        os.unlink(os.path.join(alpha.state, "pair", "fence"))  # as after a start of its computer
        alpha.start()
        self.add("after")
        told = wait_until(lambda: next((text for text in [" ".join(alpha.twinsync("explain").stdout.split())]
                                        if "nothing but an operator" in text), None), "explain says so")
        self.assertIn("twinsync fence accept", told)
        self.assertEqual(2, alpha.twinsync("fence", "accept").returncode)
        self.assertEqual(self.stored("after"), [])
        done = alpha.twinsync("fence", "accept", "--reason", "beta is unplugged")
        self.assertEqual(0, done.returncode, done.stderr)
        wait_until(lambda: self.stored("after"), "it exports")
        self.assertIn("fence-accepted", [problem["code"] for problem in alpha.status()["problems"]])
        epoch = alpha.json("history")["epochs"][0]
        self.assertIn("not proved", epoch["evidence"])
        self.assertIn("beta is unplugged", epoch["evidence"])
        event = next(row for row in alpha.json("events", "--limit", "50")["events"] if row["event"] == "fence-accepted")
        self.assertNotIn(event["actor"], ("daemon", "automatic"))
        self.assertNotEqual(old, self.clients()[-1])
        self.assertExclusive()


if __name__ == "__main__":
    unittest.main()
