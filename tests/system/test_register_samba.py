#!/usr/bin/python3
"""The register kept by a Samba AD domain controller: the common suite, and what
is particular about Active Directory."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import register_samba  # noqa: E402
from register_driver import Proxy  # noqa: E402
from register_samba import Samba  # noqa: E402
from register_suite import Failed, RegisterSuite  # noqa: E402


@unittest.skipIf(register_samba.missing(), f"{register_samba.missing()} is not installed: see tools/setup")
class SambaTest(RegisterSuite, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Samba()
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.port = cls.server.port

    def client(self, **options):
        return self.server.client(**options)

    def proxied(self, **options):
        proxy = Proxy(self.port, self.server.address)
        self.addCleanup(proxy.close)
        return proxy, self.opened(port=proxy.port, **options)

    def clear(self):
        self.server.set_values()

    def restart(self):
        self.server.kill()
        self.server.start()

    def test_server_is_known_by_its_invocation(self):
        [(_, root)] = self.server.admin().search_s("", 0, attrlist=["dsServiceName"])
        [(_, settings)] = self.server.admin().search_s(root["dsServiceName"][0].decode(), 0,
                                                       attrlist=["invocationId"])
        self.assertEqual(self.opened().identity(), f"active-directory {settings['invocationId'][0].hex()}")

    def test_account_without_the_right_to_write_is_refused(self):
        with self.assertRaises(Failed) as caught:
            self.opened(node="reader").read()
        self.assertEqual(caught.exception.code, "authentication or authorization was refused")

    def test_attribute_that_the_entry_cannot_have_is_named(self):
        with self.assertRaisesRegex(Failed, "nosuchattribute .* cannot have one"):
            self.opened(ldap_options={"attribute": "nosuchattribute"}).swap("", "value")


if __name__ == "__main__":
    unittest.main()
