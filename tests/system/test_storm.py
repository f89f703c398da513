#!/usr/bin/python3
"""A few storms; `make storm SEEDS=` runs as many as one likes."""

import unittest

import storm

# Of both sorts: with kills in between, and without.
SEEDS = range(1, 9)


class Storms(unittest.TestCase):
    def test_storms_of_changes_with_kills_in_between_end_equal(self):
        with storm.Ground() as ground:
            for seed in SEEDS:
                with self.subTest(seed=seed):
                    ground.storm(seed)
        self.assertGreater(ground.done["kill_worker"] + ground.done["kill_daemon"], 0)


if __name__ == "__main__":
    unittest.main()
