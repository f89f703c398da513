#!/usr/bin/python3
"""A source that forgets what it told us is read again, and nothing is deleted wrongly."""

import os
import sqlite3
import unittest

from instep import InStepCase, quick


class Memory(InStepCase):
    OPTIONS = {"people": 30, "groups": 6}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node = cls.enterClassContext(cls.lab.node(edit=quick))
        cls.node.sync()

    def set_cookie(self, cookie):
        self.node.stop()
        folder = next(name for name in os.listdir(self.node.state) if name.startswith("state."))
        with sqlite3.connect(os.path.join(self.node.state, folder, "state.db")) as database:
            database.execute("UPDATE source SET cookie = ?", (cookie,))
        database.close()
        self.node.start()

    def cookie(self):
        folder = next(name for name in os.listdir(self.node.state) if name.startswith("state."))
        with sqlite3.connect(os.path.join(self.node.state, folder, "state.db")) as database:
            [(cookie,)] = database.execute("SELECT cookie FROM source").fetchall()
        database.close()
        return cookie

    def test_a_server_restarted_between_two_changes(self):
        self.lab.change(seed=1, count=10)
        self.lab.restart("slapd")
        self.lab.change(seed=2, count=10)
        self.assertSettled(self.node)

    def test_a_server_that_lost_its_session_log(self):
        for sessionlog in ("none", "memory"):
            with self.subTest(sessionlog=sessionlog):
                self.lab.change(seed=f"{sessionlog} before", count=10)
                self.lab.restart("slapd", sessionlog=sessionlog)
                self.lab.change(seed=f"{sessionlog} after", count=10)
                self.assertSettled(self.node)

    def test_a_server_restored_from_its_backup(self):
        backup = os.path.join(self.lab.parent, "backup")
        self.lab.lab("backup", backup)
        self.lab.change(seed=3, count=15)
        self.assertSettled(self.node)
        self.lab.lab("restore", backup)
        self.assertSettled(self.node)
        self.lab.change(seed=4, count=15)
        self.assertSettled(self.node)

    def test_a_cookie_that_is_garbage_stale_or_of_another_server(self):
        old = self.cookie()
        self.assertTrue(old)
        for name, cookie in (("garbage", b"\xff\x00garbage" * 20), ("half", old[:len(old) // 2]), ("stale", old),
                             ("other", b"rid=999,csn=20400101000000.000000Z#000000#0ff#000000"), ("none", b"")):
            with self.subTest(cookie=name):
                self.lab.change(seed=name, count=8)
                self.set_cookie(cookie)
                self.assertSettled(self.node)


if __name__ == "__main__":
    unittest.main()
