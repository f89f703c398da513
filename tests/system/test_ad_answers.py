#!/usr/bin/python3
"""Answers of a domain controller that Samba never gives, and those that no import
may be built on. The peer shares no code with the product."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from ad_peer import (ACCOUNT, BASE, PROTOCOL_ERROR, TOMBSTONES, UNAVAILABLE, Peer, added, guid, page,  # noqa: E402
                     told)
from slapd import DRIVER, Answer  # noqa: E402


def dn(number):
    return f"CN=o{number},{BASE}"


def hexes(*numbers):
    return {guid(number).hex() for number in numbers}


class AdAnswers(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="twinsync-ad-")
        self.addCleanup(folder.cleanup)
        self.password = os.path.join(folder.name, "password")
        with open(os.open(self.password, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write("x")

    def peer(self, *scripts, people=(), **groups):
        """It has these people, and groups g10=(members)."""
        peer = Peer(*scripts)
        self.addCleanup(peer.__exit__)
        for number in people:
            peer.add(number)
        for name, members in groups.items():
            peer.add(int(name[1:]), "group", members)
        return peer

    def read(self, peer, after=None, **words):
        known = {"type": "ad", "uri": peer.uri, "plaintext": 1, "base": BASE, "bind_dn": ACCOUNT,
                 "password_file": self.password, "attributes": "sAMAccountName", "references": "member", **words}
        if after is not None:
            known.update(cookie=after.result["cookie"], fingerprint=after.result["fingerprint"], complete_days=1)
        done = subprocess.run([DRIVER, *(f"{name}={value}" for name, value in known.items())], capture_output=True,
                              text=True, check=False, timeout=60)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return Answer([json.loads(line) for line in done.stdout.splitlines()])

    def first(self, peer):
        """A whole import, after which the peer has the scripts that it had."""
        scripts, peer.scripts = peer.scripts, [TOMBSTONES, (page("one"),)]
        answer = self.read(peer)
        self.assertIsNotNone(answer.result, answer.error)
        peer.scripts, peer.asked = scripts, []
        return answer

    def delta(self, peer, **words):
        answer = self.read(peer, after=self.first(peer), **words)
        self.assertIsNotNone(answer.result, answer.error)
        self.assertEqual("incremental", answer.result["extent"])
        return answer

    def keys(self, answer, verb):
        return {row["key"] for row in answer.rows if row["verb"] == verb}

    def cookie_of(self, answer):
        return bytes.fromhex(answer.result["cookie"])

    # ---- whole ----

    def test_a_whole_import_is_of_all_pages_and_ends_with_what_changed_meanwhile(self):
        peer = self.peer(TOMBSTONES, (told(14), page("last")), people=range(10, 21))
        answer = self.read(peer)
        self.assertEqual("complete", answer.result["extent"])
        self.assertEqual(hexes(*range(10, 21)), self.keys(answer, "put"))
        self.assertEqual([("", True), ("fresh", False)], peer.asked)
        self.assertEqual(2, sum(row["key"] == guid(14).hex() for row in answer.rows))
        self.assertTrue(self.cookie_of(answer).endswith(b"last"))

    def test_a_group_of_many_pieces_is_put_together(self):
        peer = self.peer(TOMBSTONES, people=(10,), g11=range(100, 4200))
        answer = self.read(peer)
        self.assertEqual({dn(number) for number in range(100, 4200)},
                         {link["dn"] for link in answer.entry(dn(11))["links"]})
        self.assertEqual(guid(11).hex(), answer.entry(dn(11))["key"])

    def test_an_enumeration_that_is_cut_short_gives_no_result(self):
        peer = self.peer(TOMBSTONES, people=(10,))
        peer.limited = True
        answer = self.read(peer)
        self.assertIsNone(answer.result)
        self.assertIn("completely", answer.error)

    # ---- delta ----

    def test_an_answer_of_several_pages_is_one(self):
        peer = self.peer((told(10), page("two", more=True)), (page("three", more=True),),
                         (told(12, isDeleted=["TRUE"]), told(11), page("four")), people=(10, 11, 12))
        answer = self.delta(peer)
        self.assertEqual(hexes(10, 11), self.keys(answer, "put"))
        self.assertEqual(hexes(12), self.keys(answer, "delete"))
        self.assertEqual(["one", "two", "three"], [cookie for cookie, _ in peer.asked])
        self.assertTrue(self.cookie_of(answer).endswith(b"four"))

    def test_links_in_entries_of_their_own_belong_to_the_object(self):
        peer = self.peer((told(10), told(11, displayName=["x"]), told(11, member__1_1=added(10)),
                          told(11, member__0_0=added(12)), page("two")), people=(10,), g11=(10,))
        answer = self.delta(peer)
        self.assertEqual(hexes(10, 11), self.keys(answer, "put"))
        self.assertEqual(2, len(answer.rows))
        self.assertEqual([dn(10)], [link["dn"] for link in answer.entry(dn(11))["links"]])

    def changed_crowd(self, *entries):
        peer = self.peer((*entries, page("two")), g11=range(100, 4200))
        return self.delta(peer).entry(dn(11))

    def test_of_a_large_group_only_the_changes_are_told_and_the_last_counts(self):
        row = self.changed_crowd(
            told(11, **{"member;range=1-1": added(10, 12)}), told(11, **{"member;range=0-0": added(12, 13)}),
            told(11, **{"member;range=1-1": added(13)}))
        self.assertEqual("member", row["partial"])
        self.assertEqual({(dn(10), False), (dn(12), True), (dn(13), False)},
                         {(link["dn"], link["gone"]) for link in row["links"]})

    def test_a_large_group_that_is_new_or_was_brought_back_is_read_whole(self):
        for values in ({"objectClass": ["top", "group"]}, {"isDeleted": []}):
            with self.subTest(values=values):
                row = self.changed_crowd(told(11, **{"member;range=1-1": added(10)}, **values))
                self.assertIsNone(row["partial"])
                self.assertEqual(4100, len(row["links"]))

    def test_a_tombstone_without_a_name_is_a_deletion(self):
        peer = self.peer((told(10, unnamed=True), page("two")), people=(11,))
        self.assertEqual(hexes(10), self.keys(self.delta(peer), "delete"))

    def test_whoever_refers_to_one_that_was_brought_back_is_read_again(self):
        peer = self.peer((told(10, isDeleted=[]), page("two")), people=(10, 12), g11=(10, 12), g13=(12,))
        answer = self.delta(peer)
        self.assertEqual([(guid(10).hex(), True), (guid(11).hex(), False)],
                         [(row["key"], row["returned"]) for row in answer.rows])

    def test_one_who_was_deleted_and_is_there_again_is_there(self):
        peer = self.peer((told(10, isDeleted=["TRUE"]), page("two", more=True)), (told(10, isDeleted=[]), page("three")),
                         people=(10,))
        verbs = [row["verb"] for row in self.delta(peer).rows if row["key"] == guid(10).hex()]
        self.assertEqual("put", verbs[-1])

    def test_one_who_is_gone_before_it_is_read_again_is_not_made_up(self):
        peer = self.peer((told(10), page("two")), people=(11,))
        self.assertEqual([], self.delta(peer).rows)

    def test_nothing_told_keeps_the_watermark_though_the_cookie_is_new(self):
        peer = self.peer((page("another"),), people=(10,))
        first = self.first(peer)
        answer = self.read(peer, after=first)
        self.assertEqual(first.result["cookie"], answer.result["cookie"])

    # ---- refusals ----

    def test_a_refused_cookie_reads_everything_and_believes_no_absence(self):
        for code in (PROTOCOL_ERROR, UNAVAILABLE):
            with self.subTest(code=code):
                peer = self.peer((page("", code=code),), TOMBSTONES, people=(10,))
                answer = self.read(peer, after=self.first(peer))
                self.assertEqual("complete", answer.result["extent"])
                self.assertIn("does not know", answer.result["full_because"])
                self.assertIn("not among it", answer.result["keep_because"])
                self.assertEqual(hexes(9000), self.keys(answer, "delete"))

    def assert_refused(self, script, *words):
        peer = self.peer(script, people=(10,))
        answer = self.read(peer, after=self.first(peer))
        self.assertIsNone(answer.result)
        for word in words:
            self.assertIn(word, answer.error)

    def test_an_answer_that_does_not_go_on_is_refused(self):
        self.assert_refused((page("one", more=True),), "says that there is more, and does not go on")

    def test_an_answer_without_its_control_is_refused(self):
        self.assert_refused((told(10), page("", bare=True)), "ends without a DirSync control")

    def test_an_empty_cookie_is_refused(self):
        self.assert_refused((told(10), page("")), "malformed")

    def test_a_missing_right_is_named(self):
        self.assert_refused((page("", code=50),), "Replicating Directory Changes")


if __name__ == "__main__":
    unittest.main()
