#!/usr/bin/python3
"""A provider that drops connections, refuses for now, and loses parts of Bulk requests."""

import unittest

from instep import InStepCase
from staff import WRITES, Staff

# What is done to writes, and how it is set.
WITHOUT_EFFECT = {
    "closed": ("close", {"when": "before"}),
    "status 429, Retry-After": ("status", {"status": 429, "retry_after": 1}),
    "status 429": ("status", {"status": 429}),
    "status 503": ("status", {"status": 503}),
    "token expired": ("expire-token", {"times": 1}),
}


class Lost(Staff):
    def test_a_request_that_had_no_effect(self):
        self.each(WITHOUT_EFFECT)

    def test_a_kept_connection_that_ends_at_its_kth_request_is_not_used_to_send_again(self):
        self.node.stop()
        self.node.start()  # with connections of its own
        self.node.sync()
        rules = [self.lab.fault("close", {"method": "POST", "kept": nth}, when="after") for nth in range(2, 12, 2)]
        self.turn_over(16)
        self.assertOnce()
        self.assertGreater(sum(self.lab.fault_hits(rule) for rule in rules), 0)

    def test_a_provider_that_loses_every_other_answer(self):
        for method in WRITES:
            for nth in range(1, 20, 2):
                self.lab.fault("close", {"method": method, "nth": nth}, when="after")
        self.turn_over(6)
        self.assertOnce()


class Bulk(InStepCase):
    OPTIONS = {"people": 400, "groups": 6}

    def setUp(self):
        super().setUp()
        self.empty_target()
        self.since = len(self.lab.writes())
        self.lab.fault("stall", {"method": "POST", "path": "/(Users|Groups)$"}, ms=15)  # let Bulk be faster

    def load_with(self, rules):
        """A first load under `rules`, each of which the first Bulk request meets: whether there is a second one is
        for the node to find out."""
        node = self.new_node()
        node.start()
        self.assertSettled(node)
        self.assertGreater(self.assertNoSecondCreate(self.since), 350)
        for name, rule in rules.items():
            self.assertEqual(1, self.lab.fault_hits(rule), name)

    def test_bulk_requests_that_lose_operations_create_each_object_once(self):
        self.load_with({
            "left out": self.lab.fault("bulk-operation", {"method": "POST", "nth": 2}, status=500, when="after",
                                       omit=True),
            "500 after its effect": self.lab.fault("bulk-operation", {"method": "POST", "nth": 4}, status=500,
                                                   when="after"),
            "503 before": self.lab.fault("bulk-operation", {"method": "POST", "nth": 5}, status=503),
            "cut off": self.lab.fault("truncated", {"path": "/Bulk$"}, times=1),
        })

    def test_a_bulk_request_whose_answer_is_lost_creates_each_object_once(self):
        self.load_with({"lost": self.lab.fault("close", {"path": "/Bulk$"}, times=1, when="after")})


if __name__ == "__main__":
    unittest.main()
