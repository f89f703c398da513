#!/usr/bin/python3
"""Errors as work items: what failed, how often, what to do, and trying it again."""

import json
import os
import pwd
import sqlite3
import unittest

from semantics import SemanticsCase

WHO = os.getuid() == 0 and os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


class Retry(SemanticsCase):
    def refused(self, *uids):
        """People whose last change the provider refuses, until its faults are reset."""
        people = {uid: self.person(uid, title="First") for uid in uids}
        node = self.running()
        for uid, dn in people.items():
            self.set(dn, "title", f"Refused {uid}")
        self.lab.fault("status", {"method": "PATCH", "body": "Refused"}, status=400)
        node.sync()
        self.assertEqual(sorted(f"{uid}@example.org" for uid in uids), [error["name"] for error in self.errors(node)])
        self.assertEqual({"First"}, {self.user(uid)["title"] for uid in uids})
        return node

    def errors(self, node):
        return sorted(node.json("errors")["errors"], key=lambda error: error["name"])

    def attempts(self, node):
        return [error["attempts"] for error in self.errors(node)]

    def test_an_error_tells_its_stage_its_attempts_and_the_next(self):
        node = self.refused("ruth")
        [error] = self.errors(node)
        self.assertEqual(("export", 1), (error["stage"], error["attempts"]))
        self.assertGreater(error["next_retry"], error["first_seen"])
        self.assertIn("ruth@example.org", node.twinsync("errors").stdout)
        self.assertNoWrites(node.sync)

    def test_retry_sends_again_what_was_refused_and_no_other(self):
        node = self.refused("ruth", "sara")
        self.lab.reset()
        retried = node.json("retry", "ruth")
        self.assertEqual((1, ["ruth@example.org"]), (retried["retried"], [each["name"] for each in retried["objects"]]))
        node.sync()
        self.assertEqual(("Refused ruth", "First"), (self.user("ruth")["title"], self.user("sara")["title"]))
        self.assertEqual(["sara@example.org"], [error["name"] for error in self.errors(node)])

    def test_retry_all_sends_everything_again(self):
        node = self.refused("ruth", "sara")
        self.lab.reset()
        self.assertEqual(2, node.json("retry", "--all")["retried"])
        node.sync()
        self.assertEqual([], self.errors(node))
        self.assertInStep()
        self.assertIn("no object has an error", node.twinsync("retry", "--all").stdout)

    def test_what_is_refused_again_is_one_error_with_more_attempts(self):
        node = self.refused("ruth")
        first = self.errors(node)[0]["first_seen"]
        for attempts in (2, 3):
            node.json("retry", "ruth")
            node.sync()
            self.assertEqual([attempts], self.attempts(node))
        self.assertEqual(first, self.errors(node)[0]["first_seen"])
        self.assertNoWrites(node.sync)

    def test_who_retried_is_recorded(self):
        node = self.refused("ruth")
        node.json("retry", "ruth")
        [event] = [each for each in node.json("events", "--limit", "100")["events"] if each["event"] == "retried"]
        self.assertEqual((WHO, {"object": "ruth", "objects": 1, "reason": None}),
                         (event["actor"], json.loads(event["text"])))
        node.stop()
        with open(f"{node.state}/current", encoding="utf-8") as file:
            generation = file.read().split()[0]
        store = sqlite3.connect(f"file:{node.state}/state.{generation}/state.db?mode=ro", uri=True)
        self.addCleanup(store.close)
        self.assertEqual([("retry", "ruth", 1, WHO)],
                         store.execute("SELECT what, subject, items, actor FROM decision").fetchall())

    def test_an_unknown_object_is_exit_1_and_one_without_error_is_none(self):
        self.person("fine")
        node = self.running()
        done = node.twinsync("retry", "nobody")
        self.assertEqual(1, done.returncode)
        self.assertSentence(done.stderr, "no object has that anchor, DN or name")
        self.assertEqual({"retried": 0, "objects": []}, node.json("retry", "fine"))


if __name__ == "__main__":
    unittest.main()
