#!/usr/bin/python3
"""A state directory that is full, read-only, damaged or of another version."""

import hashlib
import os
import sqlite3
import subprocess
import unittest

from instep import InStepCase, quick
from lab import wait_until

REFUSED = 3


class DiskCase(InStepCase):
    OPTIONS = {"people": 40, "groups": 4}

    def mounted(self, size):
        """A node whose state directory is a file system of its own."""
        node = self.new_node()
        self.mount("-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", node.state)
        self.addCleanup(subprocess.run, ["umount", "--lazy", node.state], check=True, timeout=10)
        self.addCleanup(node.kill)  # before that
        return node

    def mount(self, *arguments):
        subprocess.run(["mount", *arguments], check=True, timeout=10, capture_output=True)

    def refused(self, node):
        """A start that must fail; what was said."""
        before = len(node.log())
        node.start(wait=False)
        status = node.wait()
        return status, node.log()[before:]

    def database(self, node):
        folder = next(name for name in os.listdir(node.state) if name.startswith("state."))
        return os.path.join(node.state, folder, "state.db")


class Full(DiskCase):
    def fill(self, node):
        path = os.path.join(node.state, "filler")
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        return path

    def test_a_disk_that_runs_full_stops_the_daemon_until_there_is_room(self):
        node = self.mounted("16m")
        node.start()
        node.sync()
        self.assertInStep()
        filler = self.fill(node)
        self.lab.change(seed=1, count=30)
        done = node.twinsync("sync", "--wait")
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertSentence(done.stderr, "could not", "disk is full")
        node.kill()
        os.unlink(filler)
        node.start()
        self.assertSettled(node)
        self.assertNoSecondCreate()

    def test_a_disk_too_small_for_a_first_load_exports_nothing(self):
        self.empty_target()
        writes = len(self.lab.writes())
        node = self.mounted("300k")
        node.start(wait=False)
        wait_until(lambda: "full" in node.log(), "it says so")
        self.assertEqual(writes, len(self.lab.writes()))
        node.kill()
        self.mount("-o", "remount,size=32m", node.state)
        node.start()
        self.assertSettled(node)

    def test_a_read_only_disk_is_refused(self):
        node = self.mounted("8m")
        self.mount("-o", "remount,ro", node.state)
        status, said = self.refused(node)
        self.assertIn(status, (1, REFUSED))
        self.assertIn(node.state, said)
        self.assertIn("ead-only file system", said)
        self.mount("-o", "remount,rw", node.state)
        node.start()
        node.sync()


class Damaged(DiskCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node = cls.lab.node(edit=quick)
        cls.node.start()
        cls.node.sync()
        cls.node.stop()

    def setUp(self):
        super().setUp()
        self.path = self.database(self.node)
        with open(self.path, "rb") as file:
            self.good = file.read()
        self.addCleanup(self.put, self.good)

    def put(self, data):
        self.node.kill()
        with open(self.path, "wb") as file:
            file.write(data)
        for suffix in ("-wal", "-shm"):
            if os.path.exists(self.path + suffix):
                os.unlink(self.path + suffix)

    def assertRefusedUntouched(self, *words):
        def sum_now():
            with open(self.path, "rb") as file:
                return hashlib.sha256(file.read()).hexdigest()
        before, writes = sum_now(), len(self.lab.writes())
        status, said = self.refused(self.node)
        self.assertEqual(REFUSED, status, said)
        for word in (self.path, *words):
            self.assertIn(word, said)
        self.assertEqual(before, sum_now())
        self.assertEqual(writes, len(self.lab.writes()))

    def test_overwritten_bytes(self):
        at = len(self.good) // 2 // 4096 * 4096
        self.put(self.good[:at] + b"\xa5" * 8192 + self.good[at + 8192:])
        self.assertRefusedUntouched("cannot use", "is damaged", "restore it from a backup", "synchronize in full")

    def test_a_newer_version(self):
        with sqlite3.connect(self.path) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        self.assertRefusedUntouched("99", "newer")

    def test_a_file_of_another_program(self):
        os.unlink(self.path)
        with sqlite3.connect(self.path) as database:
            database.execute("CREATE TABLE t(a)")
        database.close()
        self.assertRefusedUntouched("cannot")

    def test_what_is_no_database(self):
        self.put(b"not a database at all\n" * 1000)
        self.assertRefusedUntouched("cannot use", "it is no database", "restore it from a backup")

    def test_what_was_there_goes_on_when_it_is_put_back(self):
        self.put(b"")
        self.assertRefusedUntouched("cannot")
        self.put(self.good)
        self.node.start()
        self.assertSettled(self.node)
        self.node.stop()


if __name__ == "__main__":
    unittest.main()
