#!/usr/bin/python3
"""The cycle, end to end: a directory and a service come in step, and stay so."""

import unittest

from instep import InStepCase


class Cycle(InStepCase):
    OPTIONS = {"people": 120, "groups": 12}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node = cls.enterClassContext(cls.lab.node())
        cls.node.sync()

    def test_a_first_run_brings_both_sides_in_step(self):
        self.assertGreater(self.assertInStep()["target_users"], 100)

    def test_an_idle_cycle_writes_nothing(self):
        self.node.sync()
        writes, seq = len(self.lab.writes()), self.node.status()["replication"]["seq"]
        self.node.sync()
        self.node.sync()
        self.assertEqual(seq, self.node.status()["replication"]["seq"])
        self.node.sync("--full")
        self.assertEqual(writes, len(self.lab.writes()))

    def test_one_full_cycle_after_the_other_writes_nothing(self):
        self.node.sync()
        writes = len(self.lab.writes())
        for _ in range(3):
            self.node.sync("--full")
        self.assertEqual(writes, len(self.lab.writes()))
        self.assertInStep()

    def test_a_storm_of_changes_ends_in_step(self):
        for seed in range(4):
            with self.subTest(seed=seed):
                self.lab.change(seed=seed, count=60)
                self.node.sync()
                self.assertInStep()

    def test_a_full_cycle_agrees_with_the_deltas_before_it(self):
        self.lab.change(seed=77, count=60)
        self.node.sync()
        writes = len(self.lab.writes())
        self.node.sync("--full")
        self.assertEqual(writes, len(self.lab.writes()))
        self.assertInStep()


if __name__ == "__main__":
    unittest.main()
