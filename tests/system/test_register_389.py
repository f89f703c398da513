#!/usr/bin/python3
"""The register kept by a 389 Directory Server: the common suite, and what is
particular about it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import register_389  # noqa: E402
from register_389 import DirectoryServer  # noqa: E402
from register_suite import Failed, RegisterSuite  # noqa: E402


@unittest.skipIf(register_389.missing(), f"{register_389.missing()} is not installed: see tools/setup")
class DirectoryServerTest(RegisterSuite, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = DirectoryServer()
        cls.addClassCleanup(cls.server.close)
        cls.port = cls.server.port

    def client(self, **options):
        return self.server.client(**options)

    def clear(self):
        self.server.set_values()

    def restart(self):
        self.server.kill()
        self.server.start()

    def test_server_is_known_by_its_suffix_and_its_place(self):
        connection = self.server.admin()
        [(_, root)] = connection.search_s("", 0, attrlist=["netscapemdsuffix"])
        [(_, suffix)] = connection.search_s("dc=register", 0, attrlist=["nsuniqueid"])
        self.assertEqual(self.opened().identity(), "389-ds {} {}".format(
            suffix["nsuniqueid"][0].decode(), root["netscapemdsuffix"][0].decode()))

    def test_account_without_the_right_to_write_is_refused(self):
        with self.assertRaises(Failed) as caught:
            self.opened(node="reader").read()
        self.assertEqual(caught.exception.code, "authentication or authorization was refused")

    def test_read_only_server_is_refused(self):
        connection = self.server.admin()
        backend = "cn=userroot,cn=ldbm database,cn=plugins,cn=config"
        connection.modify_s(backend, [(2, "nsslapd-readonly", [b"on"])])
        try:
            with self.assertRaisesRegex(Failed, "it is a read-only replica"):
                self.opened().read()
        finally:
            connection.modify_s(backend, [(2, "nsslapd-readonly", [b"off"])])
        self.assertEqual(self.opened().read(), "")


if __name__ == "__main__":
    unittest.main()
