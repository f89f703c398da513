#!/usr/bin/python3
"""slapd covers a deletion by its cookie before the deletion is in its log.

In between is the write of a checkpoint or of an accesslog record; imports one
after the other, while people are deleted, fall in between all the time. What
one answer left out the next import must ask for again.
"""

import os
import sys
import threading
import unittest

import ldap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from slapd import PEOPLE, Slapd, person  # noqa: E402

PEOPLE_COUNT = 240
STAYS = "(&(objectClass=inetOrgPerson)(!(title=out)))"


class ContentsyncLogTest(unittest.TestCase):
    def directory(self, **choices):
        directory = Slapd(**choices)
        self.addCleanup(directory.__exit__)
        directory.seed(people=PEOPLE_COUNT)
        directory.start()
        return directory

    def leave(self, directory, numbers):
        """Deleted, out of the filter, or out of the base: all are told from the log. And one who comes."""
        connection = directory.ldap()
        for number in numbers:
            dn = person(number)[0]
            if number % 4 == 0:
                connection.modify_s(dn, [(ldap.MOD_REPLACE, "title", [b"out"])])
            elif number % 4 == 1:
                connection.rename_s(dn, f"uid=p{number:05d}", newsuperior=PEOPLE.partition(",")[2])
            else:
                connection.delete_s(dn)
        connection.unbind_s()
        directory.add(*person(1000 + numbers[0]))

    def assert_all_told(self, directory, writers):
        """Import while everybody leaves; once more after that; and everybody was told to have left."""
        words = {"filter": STAYS, "base": PEOPLE}
        answer = directory.read(**words)
        left = answer.named("put")
        self.assertEqual(PEOPLE_COUNT, len(left))
        threads = [threading.Thread(target=self.leave, args=(directory, range(first, PEOPLE_COUNT, writers)))
                   for first in range(writers)]
        for thread in threads:
            thread.start()
        told, came, deltas = set(), set(), 0
        leaving = True
        while leaving:
            leaving = any(thread.is_alive() for thread in threads)
            answer = directory.read(after=answer, **words)
            self.assertIsNotNone(answer.result, answer.error)
            told |= answer.named("delete")
            came |= answer.named("put") - left
            if answer.result["extent"] == "complete":  # the log begins later than the cookie
                told |= left - answer.named("put") - answer.named("present")
            else:
                deltas += 1
        self.assertGreater(deltas, 4, "nothing was read meanwhile")
        self.assertEqual(set(), left - told, f"left out by {deltas} deltas")
        self.assertEqual(writers, len(came))

    def test_no_deletion_is_left_out_at_a_checkpoint(self):
        self.assert_all_told(self.directory(sessionlog="checkpoints"), writers=1)

    def test_no_deletion_is_left_out_of_an_accesslog(self):
        directory = self.directory(sessionlog="accesslog")
        directory.change(0, title="the log has a beginning")
        self.assert_all_told(directory, writers=1)

    def test_no_deletion_is_left_out_of_writes_side_by_side(self):
        self.assert_all_told(self.directory(sessionlog="checkpoints"), writers=3)


if __name__ == "__main__":
    unittest.main()
