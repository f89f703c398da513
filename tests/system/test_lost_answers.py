#!/usr/bin/python3
"""A provider that loses, spoils and delays its answers gets every write once."""

import unittest

from staff import Staff

# What is done to writes, and how it is set.
AFTER_THE_EFFECT = {
    "closed": ("close", {"when": "after"}),
    "status 500": ("status", {"status": 500, "when": "after"}),
    "malformed": ("malformed", {}),
    "truncated": ("truncated", {}),
    "oversized": ("oversized", {"bytes": 20_000_000}),
    "wrong types": ("wrong-types", {}),
    "content type": ("content-type", {"value": "text/html"}),
    "too late": ("stall", {"ms": 2600, "when": "after"}),
}


class Lost(Staff):
    def test_an_answer_that_is_lost_or_spoiled_after_the_effect(self):
        self.each(AFTER_THE_EFFECT)

    def test_an_effect_after_our_deadline_is_waited_for(self):
        self.turn_over()
        rule = self.lab.fault("stall", {"method": "POST"}, times=2, ms=2500, when="before")
        self.assertOnce()
        self.assertEqual(2, self.lab.fault_hits(rule))

    def test_reads_that_show_the_past_do_not_make_a_second_one(self):
        self.turn_over()
        self.lab.fault("close", {"method": "POST"}, times=2, when="after")
        stale = self.lab.fault("stale", {"method": "GET"}, ms=500)
        self.node.sync()
        self.assertGreater(self.lab.fault_hits(stale), 0)
        self.lab.reset()  # the comparer reads the present
        self.assertOnce()

    def test_reads_that_show_an_older_past_than_we_wait_for_end_in_step_too(self):
        self.turn_over()
        self.lab.fault("close", {"method": "POST"}, times=2, when="after")
        self.lab.fault("stale", {"method": "GET"}, times=6, ms=60_000)
        self.assertSettled(self.node, cycles=4)


if __name__ == "__main__":
    unittest.main()
