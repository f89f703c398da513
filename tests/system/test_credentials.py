#!/usr/bin/python3
"""Credentials: passwords are changed at the real directory, and nobody is locked out."""

import contextlib
import datetime
import json
import os
import subprocess
import unittest

import ldap

from lab import BUILD, LabTestCase, wait_until
from ldap_cut import LdapCut
from mishaps import hidden

NAME = "source/corp"
POINTS = ["credential-kept:1", "credential-kept:2", "credential-before-ask", "credential-asked", "credential-kept:3",
          "credential-kept:4", "credential-kept:5"]


class Credentials(LabTestCase):
    OPTIONS = {"people": 10, "groups": 2}

    def setUp(self):
        super().setUp()
        self.first = self.lab.layout.read_secret("sync.password")
        self.addCleanup(self.change_by_hand, self.first)
        self.node = self.lab.node(self._testMethodName, edit=self.with_own_file)
        self.password_file = os.path.join(self.node.folder, "ldap.password")
        with open(self.password_file, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(self.first + "\n")

    def with_own_file(self, text):
        """The same configuration, with a password file of the test's own."""
        lines = text.replace(self.lab.env["sync_password_file"], "@own@")
        folder = os.path.join(self.lab.parent, self._testMethodName)
        return lines.replace("@own@", os.path.join(folder, "ldap.password"))

    def change_by_hand(self, password):
        admin = self.lab.ldap()
        admin.passwd_s(self.lab.env["sync_dn"], None, password)
        admin.unbind_s()

    def accepts(self, password):
        """Does the directory let the account in with it? Asked by python-ldap."""
        connection = ldap.initialize(self.lab.env["ldaps_uri"])
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, self.lab.env["ca_file"])
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        try:
            connection.simple_bind_s(self.lab.env["sync_dn"], password)
        except ldap.INVALID_CREDENTIALS:
            return False
        finally:
            connection.unbind_s()
        return True

    def listed(self, name=NAME):
        [row] = [row for row in self.node.json("credentials", "list")["credentials"] if row["name"] == name]
        return row

    def set(self, name, secret, *options):
        return subprocess.run([os.path.join(BUILD, "twinsync"), "-c", self.node.config_file, "credentials", "set", name,
                               *options], input=secret, capture_output=True, text=True, check=False, timeout=60)

    def test_a_rotated_password_rules_and_the_old_one_is_refused(self):
        with self.node as node:
            node.sync()
            done = node.twinsync("credentials", "rotate", NAME, "--reason", "yearly")
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            self.assertIn("the old one refused, the new one accepted again", done.stdout)
            self.assertFalse(self.accepts(self.first))
            node.sync("--full")
            row = self.listed()
            self.assertEqual(("vault", "settled", False), (row["from"], row["state"], row["file_changed"]))
            self.assertIsNotNone(row["proved"])
            [event] = [row for row in node.json("events")["events"] if row["event"] == "credential-rotated"]
            self.assertIn("connection of its own", json.loads(event["text"])["result"]["evidence"])
        with self.node as node:
            node.sync("--full")
            self.assertEqual(0, node.twinsync("check").returncode)
        with open(self.password_file, encoding="utf-8") as file:
            self.assertEqual(self.first, file.read().strip())

    def test_a_crash_at_every_point_locks_nobody_out(self):
        for number, point in enumerate(POINTS, 1):
            with self.subTest(point=point), self.dying_at(point, number) as node:
                wait_until(lambda: self.listed()["state"] == "settled", "what was cut off is gone on with", 120)
                node.sync("--full")

    @contextlib.contextmanager
    def dying_at(self, point, number):
        """The node, started again after it died at that point of a rotation."""
        self.node.start(TWINSYNC_FAILPOINT=point)
        self.node.twinsync("credentials", "rotate", NAME)
        wait_until(lambda: self.node.log().count("worker-died") >= number, f"it dies at {point}")
        self.node.kill()
        self.node.start()
        try:
            yield self.node
        finally:
            self.node.kill()

    def test_a_lost_answer_is_found_out_and_a_lost_request_asked_again(self):
        with LdapCut(self.lab.env["ldap_uri"]) as cut:
            self.node.write_config(cut.instead(self.node.text))
            with self.node as node:
                for how in (cut.after, cut.before):
                    how()
                    done = node.twinsync("credentials", "rotate", NAME)
                    self.assertEqual((0, ""), (done.returncode, done.stderr))
                self.assertEqual(2, cut.cuts)
                self.assertFalse(self.accepts(self.first))
                node.sync("--full")

    def test_a_secret_that_the_server_refuses_is_not_kept(self):
        with self.node as node:
            done = self.set(NAME, "not the password\n")
            self.assertEqual(3, done.returncode)
            self.assertIn("was not changed", done.stderr)
            self.assertNotIn("not the password", done.stderr)
            self.assertEqual("file", self.listed()["from"])
            node.sync()

    def test_a_password_that_somebody_else_changed_is_set(self):
        with self.node as node:
            node.sync()
            self.change_by_hand("changed by hand")
            done = self.set(NAME, "changed by hand\n")
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            node.sync("--full")
            self.assertEqual("vault", self.listed()["from"])

    def write_password(self, password):
        with open(self.password_file, "w", encoding="utf-8") as file:
            file.write(password + "\n")

    def problems(self):
        return {problem["code"]: problem["text"] for problem in self.node.status()["problems"]}

    def test_a_changed_file_is_tried_and_then_adopted_and_an_unchanged_one_ignored(self):
        with self.node as node:
            node.twinsync("credentials", "rotate", NAME)
            self.write_password("not the password")
            wait_until(lambda: "credential-file" in self.problems(), "it is tried, and not taken")
            node.sync("--full")
            self.change_by_hand("changed by hand")
            self.write_password("changed by hand")
            wait_until(lambda: "credential-file" not in self.problems(), "the server accepts what it holds")
            self.assertEqual(("vault", False), (self.listed()["from"], self.listed()["file_changed"]))
            node.sync("--full")
            self.assertEqual(1, node.log().count("credential-file-refused"))
            self.assertIn("configuration file", node.twinsync("events").stdout)
        self.assertNotIn("credential-file-ignored", self.node.log())
        with self.node as node:
            node.twinsync("credentials", "rotate", NAME)
        with self.node as node:
            wait_until(lambda: "credential-file-ignored" in node.log(), "it is said once")
            node.sync("--full")
        self.assertEqual(1, self.node.log().count("credential-file-ignored"))

    def test_what_expires_is_told_a_month_before(self):
        soon, later = (datetime.date.today() + datetime.timedelta(days=days) for days in (20, 200))
        with self.node as node:
            for day, told in ((later, False), (soon, True)):
                done = self.set(NAME, self.first + "\n", "--expires", day.isoformat())
                self.assertEqual((0, ""), (done.returncode, done.stderr))
                self.assertEqual(day.isoformat(), self.listed()["expires"][:10])
                self.assertEqual(told, "credential-expires" in self.problems())
            self.assertIn(soon.isoformat(), self.problems()["credential-expires"])
            self.assertIn("expires soon", node.twinsync("credentials", "list").stdout)
            done = self.set(NAME, self.first + "\n", "--expires", "soon")
            self.assertEqual(2, done.returncode)
            node.twinsync("credentials", "rotate", NAME)
            self.assertNotIn("credential-expires", self.problems())

    def test_what_we_cannot_change_says_who_can(self):
        with self.node as node:
            done = node.twinsync("credentials", "rotate", "target")
            self.assertEqual(3, done.returncode)
            self.assertIn("twinsync credentials set target", done.stderr)
            done = node.twinsync("credentials", "rotate", "source/nobody")
            self.assertEqual(2, done.returncode)
            self.assertIn(NAME, done.stderr)

    def test_without_the_right_to_change_it_the_old_one_stays(self):
        with hidden(self.lab, "attrs=userPassword"), self.node as node:
            done = node.twinsync("credentials", "rotate", NAME)
            self.assertEqual(1, done.returncode)
            self.assertIn("stays", done.stderr)
            self.assertTrue(self.accepts(self.first))
            node.sync()

    def test_no_secret_is_in_the_log_or_the_events(self):
        with self.node as node:
            self.set(NAME, self.first + "\n")
            node.twinsync("credentials", "rotate", NAME)
            told = node.log() + node.twinsync("events").stdout + node.twinsync("--json", "credentials", "list").stdout
            self.assertNotIn(self.first, told)


if __name__ == "__main__":
    unittest.main()
