#!/usr/bin/python3
"""An account's own password at a Samba AD domain controller: unicodePwd, over TLS only."""

import json
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from register_driver import Failed, Register  # noqa: E402
from ad import Domain  # noqa: E402
from ad_instep import configured, shown, wanted  # noqa: E402
from lab import LabTestCase  # noqa: E402
from labkit.samba import PASSWORD, Samba, missing  # noqa: E402
from register_directory import password_file  # noqa: E402
from slapd import shared_certificates  # noqa: E402

FRESH = "kH7rotated-by-itself-0000000000-1"


@unittest.skipIf(missing(), f"{missing()} is not installed: see tools/setup")
class OwnPassword(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="twinsync-samba-")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.server = Samba(folder, tls_folder=shared_certificates())
        cls.password_file = password_file(folder, text=PASSWORD)
        cls.addClassCleanup(cls.server.kill)
        cls.server.start()

    def account(self, name="sync", **ldap_options):
        settings = {"uri": self.server.ldaps_uri, "ca_file": self.server.ca_file, "dn": "CN=none", "attribute": "cn",
                    "bind_dn": self.server.dn(name), "password_file": self.password_file, **ldap_options}
        client = Register({"ldap": settings})
        self.addCleanup(client.close)
        return client

    def assertRefused(self, what, *words):
        """Certainly not changed, and the old one is accepted."""
        with self.assertRaises(Failed) as caught:
            what()
        self.assertEqual("refused for safety", caught.exception.code)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_it_is_changed_and_the_new_one_is_accepted(self):
        """A young password is refused first, as the policy of a new domain has it."""
        account = self.account()
        self.assertRefused(lambda: account.call("change", old=PASSWORD, fresh=FRESH), "Constraint violation")
        account.call("try", password=PASSWORD)
        self.server.tool("domain", "passwordsettings", "set", "--min-pwd-age=0")
        self.assertRefused(lambda: account.call("change", old="not " + PASSWORD, fresh=FRESH))
        self.assertRefused(lambda: account.call("try", password=FRESH))
        account.call("change", old=PASSWORD, fresh=FRESH)
        account.call("try", password=FRESH)
        account.call("try", password=PASSWORD)  # for an hour: why a rotation here is "pending"
        self.assertRefused(lambda: account.call("change", old=FRESH, fresh="weak"), "Constraint violation")
        account.call("try", password=FRESH)

    def test_it_is_not_sent_without_tls(self):
        account = self.account("weak", uri=self.server.uri, plaintext=True)
        self.assertRefused(lambda: account.call("change", old=PASSWORD, fresh=FRESH), "over TLS only")


@unittest.skipIf(missing(), f"{missing()} is not installed: see tools/setup")
class OfASource(LabTestCase):
    """The account that reads a domain changes its own password, and goes on reading."""
    OPTIONS = {"people": 1, "groups": 0}

    def test_a_rotation_is_pending_since_the_old_one_is_accepted_for_a_while(self):
        with Domain() as domain:
            domain.tool("domain", "passwordsettings", "set", "--min-pwd-age=0")
            node = self.lab.node("alpha", edit=configured(domain))
            with node:
                node.sync()
                done = node.twinsync("--json", "credentials", "rotate", "--all")
                self.assertEqual(0, done.returncode, done.stderr)
                [row] = [row for row in json.loads(done.stdout)["credentials"] if row["name"] == "source/corp"]
                self.assertEqual("pending", row["state"])
                self.assertIn("accepts the old one still", row["text"])
                domain.person("ada")
                node.sync("--full")
                people, groups = wanted(domain)
                self.assertEqual((people, groups), shown(self.lab))


if __name__ == "__main__":
    unittest.main()
