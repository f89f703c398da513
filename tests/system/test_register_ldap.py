#!/usr/bin/python3
"""The register kept by slapd in a suffix of its own: the common suite, rights,
replicas, and what an administrator may have left in the attribute."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from lab import wait_until  # noqa: E402
from register_directory import CONSUMER, ENTRY, PASSWORD, SUFFIX, RegisterSlapd  # noqa: E402
from register_suite import Failed, RegisterSuite  # noqa: E402

CORRUPT = "stored data is corrupt"
REFUSED = "refused for safety"


class SlapdCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = RegisterSlapd()
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.port = cls.server.port

    def client(self, **options):
        return self.server.client(**options)

    def opened(self, **options):
        client = self.client(**options)
        self.addCleanup(client.close)
        return client

    def clear(self):
        self.server.set_values()

    def restart(self):
        self.server.kill()
        self.server.start()


class SlapdSuite(RegisterSuite, SlapdCase):
    pass


class SlapdTest(SlapdCase):
    def setUp(self):
        self.clear()

    def assert_fails(self, act, sentence, code):
        with self.assertRaisesRegex(Failed, sentence) as caught:
            act()
        self.assertEqual(caught.exception.code, code)

    def test_tls_is_used_and_plain_text_only_where_it_is_allowed(self):
        client = self.opened(ldap_options={"uri": self.server.ldaps_uri, "plaintext": False,
                                           "ca_file": self.server.ca_file})
        self.assertEqual(client.swap("", "value"), "done")
        plain = self.opened(ldap_options={"plaintext": False})
        self.assert_fails(plain.read, "without TLS", REFUSED)

    def test_account_without_the_right_to_write_is_refused_before_it_is_needed(self):
        self.assert_fails(self.opened(node="reader").read, "nsufficient access",
                          "authentication or authorization was refused")
        finding = self.opened(node="reader").findings()["rights"]
        self.assertFalse(finding["ok"])
        self.assertIn("read and write", finding["fix"])
        self.assertTrue(self.opened().findings()["rights"]["ok"])

    def test_missing_entry_is_no_absent_value(self):
        client = self.opened(ldap_options={"dn": f"cn=gone,{SUFFIX}"})
        with self.assertRaises(Failed) as caught:
            client.read()
        self.assertIn(caught.exception.code, ("not found", "authentication or authorization was refused"))
        with self.assertRaises(Failed):
            client.swap("", "value")

    def test_damage_in_the_attribute_is_never_absence(self):
        client = self.opened()
        client.swap("", "value")
        [(_, entry)] = self.server.admin().search_s(ENTRY, 0, attrlist=["description"])
        taken, value = sorted(each.decode() for each in entry["description"])[::-1]
        self.assertTrue(taken.endswith(":taken"))
        for values in ((taken,), (value,), (taken, value[:-4]), (taken, value, "x"), ("a note", value),
                       (taken, value.replace("1:", "2:", 1)), (taken, "a note")):
            self.server.set_values(*values)
            for act in (client.read, self.opened(node="beta").read):
                self.assert_fails(act, "delete its attribute description there", CORRUPT)
            if taken in values:
                self.assertEqual(client.swap("", "new"), "lost", values)
        self.server.set_values(value, taken)
        self.assertEqual(client.read(), "value", "in any order")

    def test_only_one_server_and_no_global_catalog(self):
        for uri, sentence in (("ldap://127.0.0.1:1 ldap://127.0.0.1:2", "exactly one server"),
                              ("ldap://127.0.0.1:3268", "global catalog"), ("ldaps://127.0.0.1:3269", "global catalog")):
            with self.assertRaisesRegex(Failed, sentence):
                self.client(ldap_options={"uri": uri})

    def test_entry_inside_a_source_base_is_refused(self):
        for bases in ([SUFFIX], ["dc=other", "DC=Register"], [ENTRY]):
            with self.assertRaisesRegex(Failed, "inside the source base"):
                self.client(ldap_options={"source_bases": bases})
        client = self.opened(ldap_options={"source_bases": ["dc=example,dc=org", f"ou=people,{SUFFIX}"]})
        self.assertEqual(client.read(), "")

    def test_wrong_password_is_told(self):
        path = self.server.path("wrong")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write("wrong")
        client = self.opened(ldap_options={"password_file": path})
        self.assert_fails(client.read, "bind as \"cn=alpha", "authentication or authorization was refused")

    def test_read_only_server_is_refused_before_anything_is_believed(self):
        self.opened().swap("", "value")
        replica = RegisterSlapd(server_id=2, seeded=False, more=CONSUMER.format(
            provider=self.server.uri, suffix=SUFFIX, password=PASSWORD) + f"updateref {self.server.uri}")
        self.addCleanup(replica.close)
        replica.start()

        def arrived():
            try:
                return bool(replica.admin().search_s(ENTRY, 0))
            except Exception:  # pylint: disable=broad-except
                return False
        wait_until(arrived, "the replica has the entry")
        client = replica.client()
        self.addCleanup(client.close)
        for act in (client.read, lambda: client.swap("value", "changed")):
            self.assert_fails(act, "it is a read-only replica", REFUSED)
        self.assertEqual(self.opened().read(), "value")

    def test_suffix_that_several_servers_write_to_is_found(self):
        self.assertNotIn("replication", self.opened().findings())
        server = RegisterSlapd(writers=2)
        self.addCleanup(server.close)
        server.start()
        client = server.client()
        self.addCleanup(client.close)
        replication = client.findings()["replication"]
        self.assertFalse(replication["ok"])
        self.assertIn("written to by 2 servers", replication["value"])

    def test_suffix_made_anew_is_another_server(self):
        client = self.opened()
        client.swap("", "value")
        other = RegisterSlapd()
        self.addCleanup(other.close)
        other.start()
        moved = other.client()
        self.addCleanup(moved.close)
        self.assertNotEqual(moved.identity(), client.identity())
        moved.pin(client.identity())
        self.assert_fails(moved.read, "answers where", "in conflict with what is there")
        self.assert_fails(lambda: moved.swap("", "value"), "answers where", "in conflict with what is there")
        self.assertNotIn("description", other.admin().search_s(ENTRY, 0)[0][1])


if __name__ == "__main__":
    unittest.main()
