#!/usr/bin/python3
"""Content synchronization from a real slapd, in every state that it can be in.

What an import may conclude from an answer decides whether people are deleted:
each test here names one state of the server or of the watermark and what must
come of it.
"""

import os
import sys
import unittest

import ldap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from slapd import ADMIN, BASE, LIMITED, PEOPLE, Slapd, person  # noqa: E402

EVERYBODY = 12  # people
EVERYTHING = EVERYBODY + 4  # and the base, the unit, two accounts


def hexed(text):
    return text.encode().hex()


class ContentsyncTest(unittest.TestCase):
    maxDiff = None

    def directory(self, people=EVERYBODY, entries=(), **choices):
        directory = Slapd(**choices)
        self.addCleanup(directory.__exit__)
        directory.seed(people=people, entries=entries)
        directory.start()
        return directory

    def assert_good(self, answer, extent, because=None):
        self.assertIsNotNone(answer.result, answer.error)
        self.assertEqual(extent, answer.result["extent"])
        if because is None:
            self.assertIsNone(answer.result["full_because"])
        else:
            self.assertIn(because, answer.result["full_because"])

    def assert_refused(self, answer, kind, *words):
        self.assertIsNone(answer.result)
        self.assertEqual(kind, answer.kind, answer.error)
        for word in words:
            self.assertIn(word, answer.error)

    # ---- full and delta ----

    def test_a_first_import_is_complete_and_has_a_watermark(self):
        directory = self.directory()
        answer = directory.read()
        self.assert_good(answer, "complete")
        self.assertEqual(EVERYTHING, len(answer.named("put")))
        self.assertRegex(answer.result["cookie_text"], r"^rid=000,csn=\d{14}\.\d{6}Z#000000#000#000000$")
        self.assertIn(directory.uuid(person(3)[0]), answer.named("put"))

    def test_nothing_changed_keeps_the_watermark(self):
        directory = self.directory()
        first = directory.read()
        answer = directory.read(after=first)
        self.assert_good(answer, "incremental")
        self.assertEqual([], answer.rows)
        self.assertEqual(first.result["cookie"], answer.result["cookie"])

    def changed(self, directory):
        """Add, modify, delete, rename, leave the filter; what must be told."""
        anchors = {number: directory.uuid(person(number)[0]) for number in range(EVERYBODY)}
        directory.add(*person(77))
        directory.change(1, title="changed")
        directory.delete(2)
        connection = directory.ldap()
        connection.rename_s(person(3)[0], "uid=renamed")
        connection.modify_s(person(4)[0], [(ldap.MOD_REPLACE, "title", [b"out"])])
        connection.unbind_s()
        anchors[77] = directory.uuid(person(77)[0])
        return anchors

    FILTER = "(&(objectClass=inetOrgPerson)(!(title=out)))"

    def test_a_session_log_tells_changes_and_deletes(self):
        directory = self.directory(sessionlog="memory")
        first = directory.read(filter=self.FILTER)
        anchors = self.changed(directory)
        answer = directory.read(after=first, filter=self.FILTER)
        self.assert_good(answer, "incremental")
        self.assertEqual({anchors[77], anchors[1], anchors[3]}, answer.named("put"))
        self.assertEqual({anchors[2], anchors[4]}, answer.named("delete"))
        self.assertEqual(f"uid=renamed,{PEOPLE}", [row["dn"] for row in answer.rows
                                                  if row["anchor"] == anchors[3]][-1])
        self.assertNotIn("delcsn", answer.result["cookie_text"])
        self.assert_good(directory.read(after=answer, filter=self.FILTER), "incremental")

    def test_without_session_log_the_rest_is_present(self):
        directory = self.directory(sessionlog="none")
        first = directory.read(filter=self.FILTER)
        anchors = self.changed(directory)
        answer = directory.read(after=first, filter=self.FILTER)
        self.assert_good(answer, "complete")
        self.assertEqual({anchors[77], anchors[1], anchors[3]}, answer.named("put"))
        there = answer.named("put") | answer.named("present")
        self.assertEqual(set(anchors.values()) - {anchors[2], anchors[4]}, there)
        self.assertEqual(set(), answer.named("delete"))

    def test_a_restart_loses_the_session_log_but_no_deletion(self):
        directory = self.directory(sessionlog="memory")
        first = directory.read(filter=self.FILTER)
        anchors = self.changed(directory)
        directory.restart()
        answer = directory.read(after=first, filter=self.FILTER)
        self.assert_good(answer, "complete")
        there = answer.named("put") | answer.named("present")
        self.assertEqual(set(anchors.values()) - {anchors[2], anchors[4]}, there)

    def test_an_accesslog_tells_deletes_after_a_restart(self):
        directory = self.directory(sessionlog="accesslog")
        directory.change(0, title="the log has a beginning")
        first = directory.read(filter=self.FILTER)
        anchors = self.changed(directory)
        directory.restart()
        answer = directory.read(after=first, filter=self.FILTER)
        self.assert_good(answer, "incremental")
        self.assertEqual({anchors[77], anchors[1], anchors[3]}, answer.named("put"))
        self.assertEqual({anchors[2], anchors[4]}, answer.named("delete"))

    def test_an_id_set_split_over_several_messages_is_whole(self):
        directory = self.directory(sessionlog="none", people=5000)
        first = directory.read()
        directory.delete(17)
        answer = directory.read(after=first)
        self.assert_good(answer, "complete")
        self.assertEqual(5000 - 1 + 4, len(answer.named("put") | answer.named("present")))

    # ---- while it is being read ----

    def test_what_changes_during_an_enumeration_is_not_lost(self):
        """slapd sends entries beyond its snapshot in no way at all."""
        photos = [person(number, jpegPhoto=[bytes([number]) * 500_000]) for number in range(100, 160)]
        for sessionlog in ("memory", "none"):
            with self.subTest(sessionlog=sessionlog):
                directory = self.directory(sessionlog=sessionlog, entries=photos)
                last = directory.uuid(person(159)[0])
                gone = directory.uuid(person(0)[0])

                def meanwhile():
                    directory.change(159, title="meanwhile")
                    directory.delete(0)

                answer = directory.read_paused(meanwhile, attributes="title,jpegPhoto")
                self.assert_good(answer, "complete")
                puts = [row for row in answer.rows if row["anchor"] == last and row["verb"] == "put"]
                self.assertEqual([hexed("meanwhile")], puts[-1]["attributes"]["title"]["values"])
                self.assertEqual(1, len(puts), "slapd sent it: the test proves nothing")
                self.assertIn(gone, answer.named("put"), "it was not sent: the test proves less")
                later = directory.read(after=answer, attributes="title,jpegPhoto")
                if gone not in answer.named("delete"):
                    self.assert_good(later, "complete")
                    self.assertNotIn(gone, later.named("put") | later.named("present"))

    def test_a_server_killed_in_the_middle_gives_no_result(self):
        photos = [person(number, jpegPhoto=[bytes([number]) * 500_000]) for number in range(100, 160)]
        directory = self.directory(entries=photos)
        answer = directory.read_paused(directory.kill, attributes="jpegPhoto")
        self.assert_refused(answer, "the other side is not reachable", directory.uri)

    def test_a_size_limit_gives_no_result(self):
        directory = self.directory()
        answer = directory.read(bind_dn=LIMITED)
        self.assert_refused(answer, "a configured limit was reached", "size=unlimited")

    # ---- cookies ----

    def test_a_restored_directory_is_read_in_full(self):
        directory = self.directory()
        directory.stop()
        directory.copy_data("data", "backup")
        directory.start()
        directory.change(1, title="after the backup")
        first = directory.read()
        directory.stop()
        directory.copy_data("backup", "data")
        directory.start()
        answer = directory.read(after=first)
        self.assert_good(answer, "complete", "newer than the directory")
        self.assertEqual(EVERYTHING, len(answer.named("put")))

    def test_cookies_that_are_none_are_not_sent(self):
        directory = self.directory()
        first = directory.read()
        for text in ("garbage", "rid=000", first.result["cookie_text"].removeprefix("rid=000,"),
                     first.result["cookie_text"] + ",delcsn=" + first.result["cookie_text"][12:],
                     "rid=000,csn=2020", "\x00\x01"):
            with self.subTest(cookie=text):
                answer = directory.read(cookie=hexed(text), fingerprint=first.result["fingerprint"])
                self.assert_good(answer, "complete", "not one that slapd gives")
                self.assertEqual(EVERYTHING, len(answer.named("put")))

    def cookie(self, first, time=None, sid="000"):
        known = first.result["cookie_text"].split("csn=")[1].split("#")
        return hexed(f"rid=000,csn={time or known[0]}#000000#{sid}#000000")

    def test_a_cookie_of_another_server_gives_everything(self):
        """slapd drops it without a word and sends all entries."""
        for sessionlog in ("memory", "none", "nopresent"):
            with self.subTest(sessionlog=sessionlog):
                directory = self.directory(sessionlog=sessionlog)
                first = directory.read()
                directory.delete(5)
                answer = directory.read(cookie=self.cookie(first, sid="007"),
                                        fingerprint=first.result["fingerprint"])
                self.assert_good(answer, "complete", "replicas" if sessionlog == "nopresent" else None)
                self.assertEqual(EVERYTHING - 1, len(answer.named("put")))

    def test_a_server_that_joined_gives_everything(self):
        """A write under a new server id adds a CSN that the cookie lacks."""
        for sessionlog in ("memory", "none", "nopresent"):
            with self.subTest(sessionlog=sessionlog):
                directory = self.directory(sessionlog=sessionlog)
                first = directory.read()
                directory.restart(server_id=2)
                directory.change(1, title="by the new server")
                directory.delete(2)
                answer = directory.read(after=first)
                self.assertEqual("complete", answer.result["extent"])
                self.assertEqual(EVERYTHING - 1, len(answer.named("put") | answer.named("present")))
                self.assertEqual(2, answer.result["cookie_text"].count("#000000#00"))

    def test_an_ancient_cookie_gives_everything(self):
        for sessionlog in ("memory", "none"):
            with self.subTest(sessionlog=sessionlog):
                directory = self.directory(sessionlog=sessionlog)
                first = directory.read()
                directory.delete(5)
                answer = directory.read(cookie=self.cookie(first, time="20000101000000.000000Z"),
                                        fingerprint=first.result["fingerprint"])
                self.assertEqual("complete", answer.result["extent"])
                self.assertEqual(EVERYTHING - 1, len(answer.named("put")))

    def test_refresh_required_is_a_full_import(self):
        directory = self.directory(sessionlog="reloadhint")
        first = directory.read()
        answer = directory.read(cookie=self.cookie(first, time="20000101000000.000000Z"),
                                fingerprint=first.result["fingerprint"])
        self.assert_good(answer, "complete", "e-syncRefreshRequired")
        self.assertEqual(EVERYTHING, len(answer.named("put")))

    def test_a_watermark_of_other_questions_is_not_used(self):
        directory = self.directory()
        first = directory.read()
        for words in ({"filter": "(objectClass=inetOrgPerson)"}, {"base": PEOPLE}, {"attributes": "uid,cn,sn"},
                      {"references": "manager"}, {"bind_dn": ADMIN}):
            with self.subTest(**words):
                answer = directory.read(after=first, **words)
                self.assert_good(answer, "complete", "are not those of the last import")
                self.assertGreaterEqual(len(answer.named("put")), EVERYBODY)

    # ---- directories that cannot be read so ----

    def test_an_emptied_database_is_not_an_empty_directory(self):
        directory = self.directory()
        first = directory.read()
        directory.stop()
        for name in os.listdir(directory.path("data")):
            os.unlink(os.path.join(directory.path("data"), name))
        directory.start()
        for words in ({}, {"after": first}):
            with self.subTest(**words):
                answer = directory.read(**words, bind_dn=ADMIN)
                self.assert_refused(answer, "not found", BASE)

    def test_entries_without_uuid_are_an_error(self):
        """slapd sends them with an empty UUID."""
        directory = self.directory(sessionlog="absent", more="lastmod off")
        directory.restart(sessionlog="memory", more="")
        answer = directory.read()
        self.assert_refused(answer, "the other side broke the protocol", "Sync State")

    def test_a_missing_base_is_an_error(self):
        directory = self.directory()
        answer = directory.read(base=f"ou=gone,{BASE}")
        self.assert_refused(answer, "not found", "ou=gone")

    def test_a_directory_without_syncprov_is_refused_with_the_remedy(self):
        directory = self.directory(sessionlog="absent")
        answer = directory.read()
        self.assertIsNone(answer.result)
        self.assertIn("syncprov", answer.error)

    # ---- anchors ----

    def test_another_anchor_is_read_in_full_every_time(self):
        directory = self.directory(entries=[person(100 + n, employeeNumber=[f"N{n}"]) for n in range(4)])
        words = {"anchor": "employeeNumber", "filter": "(employeeNumber=*)"}
        first = directory.read(**words)
        self.assert_good(first, "complete")
        self.assertEqual({"N0", "N1", "N2", "N3"}, first.named("put"))
        self.assertEqual("", first.result["cookie"])
        kept = directory.read()  # a good cookie, for another anchor
        answer = directory.read(**words, cookie=kept.result["cookie"], fingerprint=kept.result["fingerprint"])
        self.assert_good(answer, "complete", "entryUUID")
        self.assertEqual(4, len(answer.named("put")))

    def test_entries_without_the_anchor_are_counted_not_guessed(self):
        directory = self.directory(entries=[person(100, employeeNumber=["N0"])])
        answer = directory.read(anchor="employeeNumber", filter="(objectClass=inetOrgPerson)")
        self.assert_refused(answer, "the configuration or the call's words are wrong",
                            f"{EVERYBODY} entries", "employeeNumber", person(0)[0])


if __name__ == "__main__":
    unittest.main()
