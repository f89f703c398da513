#!/usr/bin/python3
"""Answers that a directory should not give: none may pass for a result from
which deletions follow. The peer is scripted; see test_contentsync.py for slapd.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from ldap_peer import CSN, NOTHING_CHANGED, Peer, done, entry, ids, reference, torn  # noqa: E402
from slapd import DRIVER, Answer  # noqa: E402

OLDER = "20250101000000.000000Z#000000#000#000000"
FULL = (entry(1), entry(2), done(cookie=CSN, deletes=True))
UNREADABLE = "the other side broke the protocol"


class ContentsyncAnswersTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="twinsync-peer-")
        self.addCleanup(folder.cleanup)
        self.password = os.path.join(folder.name, "password")
        with open(os.open(self.password, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("x")

    def read(self, *scripts, after=None):
        with Peer(*scripts) as peer:
            words = [f"uri={peer.uri}", "plaintext=1", "base=dc=ex", "bind_dn=cn=sync",
                     f"password_file={self.password}", "attributes=uid", "operation=5"]
            if after is not None:
                words += [f"cookie={after.result['cookie']}", f"fingerprint={after.result['fingerprint']}"]
            run = subprocess.run([DRIVER, *words], capture_output=True, text=True, check=False, timeout=60)
            self.assertIn(run.returncode, (0, 1), run.stderr)
            self.assertEqual("", run.stderr)  # a sanitizer speaks there
            self.assertEqual([], peer.scripts, "not every search was made")
            return Answer([json.loads(line) for line in run.stdout.splitlines()])

    def first(self):
        answer = self.read(FULL, NOTHING_CHANGED)
        self.assertIsNotNone(answer.result, answer.error)
        self.assertEqual(2, len(answer.named("put")))
        return answer

    def assert_full_again(self, *delta, because):
        """The delta's answer is not believed: everything is read again."""
        answer = self.read(delta, FULL, NOTHING_CHANGED, after=self.first())
        self.assertIsNotNone(answer.result, answer.error)
        self.assertEqual("complete", answer.result["extent"])
        self.assertIn(because, answer.result["full_because"])
        self.assertEqual(2, len(answer.named("put")))
        return answer

    def test_changes_that_repeat_what_the_cookie_covers_are_everything(self):
        self.assert_full_again(entry(1, csn=OLDER), because="dropped the cookie")

    def test_changes_with_an_empty_cookie_are_everything(self):
        self.assert_full_again(entry(1), entry(2), done(cookie="", deletes=True), because="without a usable cookie")

    def test_changes_without_a_cookie_are_everything(self):
        self.assert_full_again(entry(1), done(deletes=True), because="without a usable cookie")

    def test_a_stale_cookie_is_followed_by_a_full_read(self):
        answer = self.read((ids(1, deletes=True), done(cookie=CSN.replace("#000#", "#009#"), deletes=True)),
                           FULL, NOTHING_CHANGED, after=self.first())
        self.assertEqual("complete", answer.result["extent"])
        self.assertEqual(set(), answer.named("delete"))  # not handed over before it was believed

    LATER = CSN.replace("20260101", "20260102")

    def test_an_answer_that_lost_deletions_does_not_move_the_watermark(self):
        first = self.first()
        answer = self.read((ids(1, deletes=True), torn(), done(cookie=self.LATER, deletes=True)), after=first)
        self.assertEqual("incremental", answer.result["extent"])
        self.assertEqual(1, len(answer.named("delete")))
        self.assertEqual(first.result["cookie"], answer.result["cookie"])

    def test_a_settling_answer_that_lost_deletions_is_asked_for_again(self):
        answer = self.read(FULL, (torn(), done(cookie=self.LATER, deletes=True)),
                           (ids(2, deletes=True), done(cookie=self.LATER, deletes=True)), NOTHING_CHANGED)
        self.assertEqual(1, len(answer.named("delete")))
        self.assertTrue(answer.result["cookie_text"].startswith(f"{CSN} {self.LATER} "))

    def test_an_empty_cookie_without_rows_is_no_change(self):
        """slapd gives it when a write that began later has ended first."""
        first = self.first()
        answer = self.read((done(cookie="", deletes=True),), after=first)
        self.assertEqual("incremental", answer.result["extent"])
        self.assertEqual(first.result["cookie"], answer.result["cookie"])

    def test_a_cookie_is_gone_on_from_when_it_was_asked_from_before(self):
        """What its answer left out comes with the next one."""
        answer = self.read((ids(1, deletes=True), done(cookie=self.LATER, deletes=True)), after=self.first())
        self.assertTrue(answer.result["cookie_text"].startswith(f"{CSN} {self.LATER} "))

    def assert_no_result(self, *script, kind=UNREADABLE):
        answer = self.read(script)
        self.assertIsNone(answer.result)
        self.assertEqual(kind, answer.kind, answer.error)

    def test_success_without_anything_is_not_an_empty_directory(self):
        self.assert_no_result(done(deletes=True), kind="refused for safety")
        self.assert_no_result(done(cookie="", deletes=True), kind="refused for safety")

    def test_an_entry_without_state_gives_no_result(self):
        self.assert_no_result(entry(1), entry(2, state=None))

    def test_an_end_without_its_control_gives_no_result(self):
        self.assert_no_result(entry(1), done(bare=True))

    def test_a_reference_gives_no_result(self):
        self.assert_no_result(entry(1), reference())

    def test_every_refusal_gives_no_result(self):
        for code, kind in ((3, "a configured limit was reached"), (4, "a configured limit was reached"),
                           (11, "a configured limit was reached"), (51, "the other side is not reachable"),
                           (52, "the other side is not reachable"), (1, UNREADABLE), (80, UNREADABLE),
                           (10, UNREADABLE), (50, "authentication or authorization was refused")):
            with self.subTest(code):
                self.assert_no_result(entry(1), done(cookie=CSN, code=code), kind=kind)

    def test_a_cookie_that_cannot_be_kept_is_not(self):
        answer = self.read((entry(1), done(cookie="of another make")))
        self.assertIsNotNone(answer.result, answer.error)
        self.assertEqual("", answer.result["cookie"])


if __name__ == "__main__":
    unittest.main()
