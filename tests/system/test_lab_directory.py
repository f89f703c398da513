#!/usr/bin/python3
"""The lab's directory: who may read what, which population, and a hand-made
synchronization that the independent comparer finds equal."""

import os
import shutil
import subprocess
import sys
import unittest

import ldap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from lab import ENTERPRISE, GROUP, USER, Lab, LabTestCase, population, processes  # noqa: E402
from oracle import mapping, source  # noqa: E402

PERSON = "(objectClass=inetOrgPerson)"


class Directory(LabTestCase):
    OPTIONS = {"people": 150, "groups": 12}

    def connect(self, uri, ca="ca_file", start_tls=False, client=None):
        connection = ldap.initialize(self.lab.env[uri])
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, self.lab.env[ca])
        if client:
            connection.set_option(ldap.OPT_X_TLS_CERTFILE, f"{self.lab.folder}/tls/{client}.crt")
            connection.set_option(ldap.OPT_X_TLS_KEYFILE, f"{self.lab.folder}/tls/{client}.key")
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        if start_tls:
            connection.start_tls_s()
        self.addCleanup(connection.unbind_s)
        return connection

    def people(self, connection, attributes=("1.1",)):
        return connection.search_s(population.BASE, ldap.SCOPE_SUBTREE, PERSON, list(attributes))


class Access(Directory):
    def test_the_sync_account_reads_everything(self):
        self.assertEqual(len(self.people(self.lab.ldap("sync"))), 150)

    def test_anonymous_reads_nothing(self):
        self.assertRaises(ldap.NO_SUCH_OBJECT, self.people, self.connect("ldaps_uri"))

    def test_the_limited_account_is_cut_off_at_100(self):
        self.assertRaises(ldap.SIZELIMIT_EXCEEDED, self.people, self.lab.ldap("limited"))

    def test_the_weak_account_sees_neither_mail_nor_groups(self):
        weak = self.lab.ldap("weak")
        found = self.people(weak, ["mail", "cn"])
        self.assertEqual(len(found), 150)
        self.assertFalse(any("mail" in attributes for _, attributes in found))
        self.assertEqual(weak.search_s(population.BASE, ldap.SCOPE_SUBTREE, "(objectClass=groupOfNames)"), [])

    def test_external_bind_by_client_certificate(self):
        for uri, start_tls in (("ldaps_uri", False), ("ldap_uri", True)):
            connection = self.connect(uri, start_tls=start_tls, client="client")
            connection.sasl_external_bind_s()
            self.assertEqual(connection.whoami_s(), "dn:" + self.lab.env["sync_dn"])

    def test_a_certificate_of_a_stranger_proves_nothing(self):
        connection = self.connect("ldaps_uri", client="stranger")
        self.assertRaises(ldap.LDAPError, connection.sasl_external_bind_s)

    def test_the_local_socket_binds_the_administrator(self):
        connection = self.connect("ldapi_uri")
        connection.sasl_external_bind_s()
        self.assertEqual(connection.whoami_s(), "dn:" + self.lab.env["admin_dn"])

    def test_content_synchronization_is_offered(self):
        root = self.lab.ldap("sync").search_s("", ldap.SCOPE_BASE, attrlist=["supportedControl"])[0][1]
        self.assertIn(b"1.3.6.1.4.1.4203.1.9.1.1", root["supportedControl"])


class Certificates(Directory):
    def test_only_the_good_certificate_is_accepted(self):
        self.addCleanup(self.lab.restart, "slapd", certificate="good")
        for kind in ("expired", "other-ca", "wrong-name"):
            self.lab.restart("slapd", certificate=kind)
            self.assertRaises(ldap.LDAPError, self.connect("ldaps_uri").whoami_s)
        self.lab.restart("slapd", certificate="good")
        self.connect("ldaps_uri").whoami_s()
        self.assertRaises(ldap.LDAPError, self.connect("ldaps_uri", ca="other_ca_file").whoami_s)

    def test_the_provider_with_each_certificate(self):
        self.addCleanup(self.lab.restart, "scim", certificate="good")
        for kind in ("expired", "other-ca", "wrong-name"):
            self.lab.restart("scim", certificate=kind)
            self.assertRaises(OSError, self.lab.scim, "GET", "/Users")


class Lifetime(unittest.TestCase):
    def test_ports_and_data_stay_and_nothing_is_left_running(self):
        with Lab(people=5, groups=2) as lab:
            ports = lab.layout.settings["ports"]
            lab.create_user("kept@example.org", externalId="kept")
            pids = [lab.pid(server) for server in ("slapd", "oauth", "scim")]
            lab.lab("down")
            lab.lab("down")
            self.assertEqual([processes.start_time(pid) for pid in pids], [None, None, None])
            lab.lab("up")
            lab.lab("up")
            self.assertEqual(lab.layout.load().settings["ports"], ports)
            self.assertEqual(len(lab.find("Users", "externalId", "kept")), 1)

    def test_session_logs(self):
        for kind in ("none", "accesslog"):
            with Lab(people=5, groups=2, sessionlog=kind) as lab:
                lab.change(seed=1, count=5)
                with open(lab.layout.path("slapd", "slapd.conf"), encoding="ascii") as file:
                    self.assertEqual("cn=accesslog" in file.read(), kind == "accesslog")

    def test_a_restored_backup_is_the_old_directory(self):
        with Lab(people=20, groups=3) as lab:
            copy = os.path.join(lab.parent, "copy")

            def names():
                found = lab.ldap().search_s(population.BASE, ldap.SCOPE_SUBTREE, "(objectClass=*)", ["entryCSN"])
                return sorted((dn, attributes["entryCSN"]) for dn, attributes in found)

            before = names()
            lab.lab("backup", copy)
            lab.change(seed=3, count=20)
            self.assertNotEqual(names(), before)
            lab.lab("restore", copy)
            self.assertEqual(names(), before)
            shutil.rmtree(copy)


class Populations(unittest.TestCase):
    def ldif(self, seed, people=300, groups=20):
        plan = population.Population(seed, people, groups)
        return list(plan.entries({}))

    def test_the_seed_decides_everything(self):
        self.assertEqual(self.ldif(4), self.ldif(4))
        self.assertNotEqual(self.ldif(4), self.ldif(5))

    def test_difficulties_are_there(self):
        entries = dict(self.ldif(1))
        people = {dn: values for dn, values in entries.items() if ("objectClass", "inetOrgPerson") in values}
        self.assertEqual(len(people), 300)
        names = [value for values in people.values() for name, value in values if name == "cn"]
        for piece in ("#hash", "trailing space ", " leading", "李", "\\", '"', "+", ";", "<", "='"[0]):
            self.assertTrue(any(piece in name for name in names), piece)
        without_mail = [dn for dn, values in people.items() if "mail" not in dict(values)]
        self.assertGreater(len(without_mail), 0)
        managers = {dn: dict(values).get("manager") for dn, values in people.items()}
        self.assertTrue(any(manager == dn for dn, manager in managers.items()), "own manager")
        self.assertTrue(any(managers.get(manager) == dn != manager for dn, manager in managers.items()), "a circle")
        self.assertTrue(any(manager and population.BRANCH in manager for manager in managers.values()), "outside")
        self.assertTrue(any(manager in without_mail for manager in managers.values()), "out of scope")

    def test_changes_follow_their_seed(self):
        done = []
        for _ in range(2):
            with Lab(people=60, groups=8, sessionlog="none") as lab:
                counts = lab.change(seed=9, count=80)
                found = lab.ldap().search_s(population.BASE, ldap.SCOPE_SUBTREE, "(objectClass=*)", ["*", "entryUUID"])
                known = {dn: {name: sorted(values) for name, values in attributes.items()
                              if name not in ("entryUUID", "userPassword")} for dn, attributes in found}
                done.append((counts, known))
        self.assertEqual(done[0], done[1])
        self.assertEqual(sum(done[0][0][kind] for kind in done[0][0] if kind not in ("seed", "changes")), 80)


class Equality(Directory):
    """A synchronization in thirty lines, to prove provider and comparer on each other."""

    def body(self, values):
        body = {"schemas": [USER]}
        for path, value in values.items():
            if path.startswith(ENTERPRISE):
                body["schemas"] = [USER, ENTERPRISE]
                body.setdefault(ENTERPRISE, {})[path[len(ENTERPRISE) + 1:]] = value
            elif "[" in path:
                body[path.split("[")[0]] = [{"type": "work", "value": value}]
            elif "." in path:
                outer, inner = path.split(".")
                body.setdefault(outer, {})[inner] = value
            else:
                body[path] = value
        return body

    def synchronize(self, entries):
        scope = [entry for entry in entries if mapping.in_scope(entry)]
        by_dn = {source.normal_dn(entry["dn"]): entry for entry in scope}
        ids = {}
        for entry in scope:
            if entry["kind"] == "user":
                path, body = "/Users", self.body(mapping.user(entry))
            else:
                path, body = "/Groups", {"schemas": [GROUP], **mapping.group(entry)}
            reply = self.lab.scim("POST", path, {**body, "externalId": entry["anchor"]})
            self.assertStatus(reply, 201)
            ids[entry["anchor"]] = reply.body["id"]
        for entry in scope:
            name = "manager" if entry["kind"] == "user" else "member"
            found = [by_dn.get(source.normal_dn(dn.decode())) for dn in entry["values"].get(name, [])]
            others = [{"value": ids[other["anchor"]]} for other in found if other and (other != entry or name == "manager")]
            if not others:
                continue
            kind, path, value = (("Users", f"{ENTERPRISE}:manager", others[0]) if name == "manager"
                                 else ("Groups", "members", others))
            reply = self.lab.patch(f"/{kind}/{ids[entry['anchor']]}", {"op": "add", "path": path, "value": value})
            self.assertLess(reply.status, 300, repr(reply))

    def test_equal_after_a_synchronization_and_not_after_any_change(self):
        self.synchronize(source.read(self.lab.env))
        report = self.lab.compare()
        self.assertEqual((report["mismatches"], report["details"], report["memberships_equal"]), (0, [], True))
        self.assertEqual((report["source_users"], report["source_groups"]),
                         (report["target_users"], report["target_groups"]))
        self.assertGreater(report["memberships"], 150)
        user = self.lab.scim("GET", "/Users?count=1").body["Resources"][0]
        path = f"/Users/{user['id']}"
        self.lab.patch(path, {"op": "replace", "path": "displayName", "value": "other"})
        self.assertEqual(self.lab.compare()["mismatches"], 1)
        self.lab.patch(path, {"op": "replace", "path": "displayName", "value": user["displayName"]})
        self.assertEqual(self.lab.compare()["mismatches"], 0)
        self.lab.change(seed=2, count=10)
        self.assertGreater(self.lab.compare()["mismatches"], 0)

    def test_the_comparer_ends_with_2_when_it_cannot_look(self):
        self.lab.stop("scim")
        self.addCleanup(self.lab.start, "scim")
        compare = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "oracle", "compare")
        done = subprocess.run([compare, self.lab.folder], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("could not read both sides", done.stderr)


if __name__ == "__main__":
    unittest.main()
