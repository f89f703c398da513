#!/usr/bin/python3
"""A client that was registered and never published is deleted, whoever died when."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from principal_driver import PrincipalTestCase  # noqa: E402


class Sweeping(PrincipalTestCase):
    def alive(self, client):
        return self.token_of(client).status == 200

    def test_what_a_crash_left_unpublished_is_deleted_and_what_is_listed_is_kept(self):
        driver = self.driver()
        listed, left = driver.mint("listed", 3), driver.mint("left", 4)
        driver.restart()
        [swept] = driver.sweep("listed")
        self.assertEqual((4, True), (swept["epoch"], swept["deleted"]))
        self.assertIn(left["id"], swept["text"])
        self.assertTrue(self.alive(listed))
        self.assertFalse(self.alive(left))
        self.assertEqual([], driver.sweep())
        self.assertTrue(self.alive(listed), "once listed, it is the next fence's")

    def test_what_this_process_is_about_to_publish_is_spared(self):
        driver = self.driver()
        own = driver.mint("own", 5)
        self.assertEqual([], driver.sweep(spared=5))
        self.assertTrue(self.alive(own))
        driver.must(unmint="own")
        driver.restart()
        self.assertEqual([], driver.sweep(), "what was deleted at once leaves no note")

    def test_a_server_that_is_down_is_asked_again_later(self):
        driver = self.driver()
        left = driver.mint("left", 4)
        driver.restart()
        self.lab.stop("oauth")
        try:
            self.assertNotEqual("success", driver.ask(sweep=[])["code"])
        finally:
            self.lab.start("oauth")
        driver.restart()
        self.assertEqual([4], [swept["epoch"] for swept in driver.sweep()])
        self.assertFalse(self.alive(left))

    def test_a_client_whose_answer_was_lost_is_told_once(self):
        driver = self.driver()
        self.lab.fault("close", {"method": "POST", "path": "^/reg"}, times=1, server="oauth", when="after")
        self.assertNotEqual("success", driver.ask(mint="lost", epoch=6)["code"])
        driver.restart()
        [swept] = driver.sweep()
        self.assertEqual((6, False), (swept["epoch"], swept["deleted"]))
        self.assertIn("epoch 6 of alpha", swept["text"])
        self.assertEqual([], driver.sweep())

    def test_a_client_that_was_refused_leaves_no_note(self):
        driver = self.driver()
        self.lab.fault("status", {"path": "^/reg"}, times=1, server="oauth", status=401)
        self.assertNotEqual("success", driver.ask(mint="refused", epoch=6)["code"])
        self.assertEqual([], driver.sweep())

    def test_nothing_is_registered_that_cannot_be_noted(self):
        driver = self.driver(notes_file="/proc/none/minted")
        self.assertNotEqual("success", driver.ask(mint="unnoted", epoch=7)["code"])
        self.assertEqual([], [row for row in self.asked() if row["path"] == "/reg"])


if __name__ == "__main__":
    unittest.main()
