#!/usr/bin/python3
"""Entries as the connector space gets them: values byte for byte, names as the
rules know them, references as keys, whatever their number and size."""

import json
import os
import subprocess
import sys
import unittest

import ldap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from slapd import BASE, DRIVER, PEOPLE, Slapd, person  # noqa: E402

GROUPS = f"ou=groups,{BASE}"
TEXT, BLOB = 0, 1  # enum ts_kind
MEMBERS = 250_000
AWKWARD = {
    "empty": b"",
    "nul": b"a\0b\0",
    "not-utf-8": b"\xff\xfe\x80",
    "one-mebibyte": bytes(range(256)) * 4096,
    "control": b"\r\n\t\x01",
}


def group(name, *members):
    return f"cn={name},{GROUPS}", {"objectClass": ["groupOfNames"], "cn": [name], "member": list(members)}


class ContentsyncValuesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = Slapd()
        cls.addClassCleanup(cls.directory.__exit__)
        cls.awkward = {name: person(100 + i, jpegPhoto=[value], description=[name])
                       for i, (name, value) in enumerate(AWKWARD.items())}
        cls.directory.seed(people=4, entries=[
            (GROUPS, {"objectClass": ["organizationalUnit"], "ou": ["groups"]}),
            *(each for name, each in cls.awkward.items() if name != "empty"),
            person(200, mail=["b@ex.org", "a@ex.org", "C@ex.org"], **{
                "cn;lang-de": ["Herr Zweihundert"], "title;lang-en": ["Mister"],
                "displayName": ["Zoë Ümläut"], "telephoneNumber": ["+49 1"]}),
            (f"cn=Doe\\2C \\22John\\22+sn=Doe,{PEOPLE}", {
                "objectClass": ["inetOrgPerson"], "cn": ['Doe, "John"'], "sn": ["Doe"]}),
        ])
        cls.directory.start()
        # slapadd takes no empty values
        cls.directory.add(*cls.awkward["empty"])
        cls.directory.add(*group("small", person(2)[0], person(1)[0], f"UID=P00003, OU=People,{BASE}", "",
                                 f"uid=nobody,{PEOPLE}"))

    def read(self, **words):
        answer = self.directory.read(**words)
        self.assertIsNotNone(answer.result, answer.error)
        return answer

    # ---- values ----

    def test_values_survive_byte_for_byte(self):
        answer = self.read(attributes="jpegPhoto,description")
        for name, value in AWKWARD.items():
            with self.subTest(name):
                dn = self.awkward[name][0]
                self.assertEqual([value], answer.values(dn, "jpegPhoto"))
                text = b"\0" not in value and value.decode(errors="replace").encode() == value
                self.assertEqual(TEXT if text else BLOB, answer.entry(dn)["attributes"]["jpegPhoto"]["kind"])

    def test_values_come_sorted_and_names_as_asked_for(self):
        answer = self.read(attributes="MAIL,displayname,surname,2.5.4.20,cn;lang-de,title")
        attributes = answer.entry(person(200)[0])["attributes"]
        self.assertEqual(["2.5.4.20", "MAIL", "cn;lang-de", "displayname", "surname"], sorted(attributes))
        self.assertEqual([b"C@ex.org", b"a@ex.org", b"b@ex.org"], answer.values(person(200)[0], "MAIL"))
        self.assertEqual(["Zoë Ümläut".encode()], answer.values(person(200)[0], "displayname"))
        self.assertEqual([b"Person"], answer.values(person(200)[0], "surname"))

    def test_equal_entries_have_equal_hashes(self):
        first = self.read(attributes="cn,sn,mail", references="manager")
        second = self.read(attributes="mail,sn,cn", references="manager")
        self.assertEqual([row["hash"] for row in first.rows], [row["hash"] for row in second.rows])
        self.assertEqual(len(first.rows), len({row["hash"] for row in first.rows}))

    # ---- names and references ----

    def test_keys_chain_from_the_parent(self):
        answer = self.read()
        unit = answer.entry(PEOPLE)
        for number in range(4):
            self.assertEqual(unit["key"], answer.entry(person(number)[0])["parent"])
        awkward = [row for row in answer.rows if "John" in row.get("dn", "")]
        self.assertEqual([unit["key"]], [row["parent"] for row in awkward])
        self.assertIn("+", awkward[0]["rdn"])

    def test_references_are_keys_in_order_and_stay_out_of_the_values(self):
        answer = self.read(attributes="cn,member", references="member")
        row = answer.entry(group("small")[0])
        self.assertEqual(["cn"], list(row["attributes"]))
        keys = [link["key"] for link in row["links"]]
        self.assertEqual(sorted(keys), keys)
        known = {answer.entry(person(number)[0])["key"] for number in (1, 2, 3)}
        self.assertEqual(known | {"0" * 32}, set(keys) - {link["key"] for link in row["links"]
                                                        if link["dn"].startswith("uid=nobody")})
        self.assertEqual(5, len(keys))

    def test_another_spelling_of_a_member_is_no_change(self):
        directory = self.directory
        first = self.read(attributes="cn", references="member").entry(group("small")[0])
        connection = directory.ldap()
        self.addCleanup(connection.unbind_s)
        name = group("small")[0]
        connection.modify_s(name, [(ldap.MOD_DELETE, "member", [person(2)[0].encode()]),
                                   (ldap.MOD_ADD, "member", [person(2)[0].upper().encode()])])
        same = self.read(attributes="cn", references="member").entry(name)
        self.assertEqual(first["hash"], same["hash"])
        connection.modify_s(name, [(ldap.MOD_DELETE, "member", [person(2)[0].encode()])])
        fewer = self.read(attributes="cn", references="member").entry(name)
        self.assertNotEqual(first["hash"], fewer["hash"])
        connection.modify_s(name, [(ldap.MOD_ADD, "member", [person(2)[0].encode()])])

    # ---- schema ----

    def test_the_schema_tells_syntax_and_case_with_what_is_inherited(self):
        done = subprocess.run([DRIVER, *self.directory.words(do="schema")], capture_output=True, text=True, check=True)
        found = {each["name"]: each for each in map(json.loads, done.stdout.splitlines())}
        text, integer, boolean, binary, name = range(5)
        for attribute, syntax, case_ignore in (
                ("cn", text, True), ("commonName", text, True), ("sn", text, True),  # SUP name
                ("mail", text, True), ("entryCSN", text, False), ("uidNumber", integer, False),
                ("member", name, True), ("manager", name, True), ("jpegPhoto", binary, False),
                ("userPassword", binary, False), ("entryUUID", text, False), ("hasSubordinates", boolean, False),
                ("supportedLDAPVersion", integer, False)):
            with self.subTest(attribute):
                self.assertEqual((syntax, case_ignore),
                                 (found[attribute]["syntax"], found[attribute]["case_ignore"]))
        self.assertEqual(sorted(found, key=str.lower), list(found))


class GiantGroupTest(unittest.TestCase):
    def test_a_group_of_a_quarter_million_members_passes(self):
        directory = Slapd()
        self.addCleanup(directory.__exit__)
        members = [f"uid=somebody-with-a-long-name-{number:07d},{PEOPLE}" for number in range(MEMBERS)]
        directory.seed(people=20, entries=[(GROUPS, {"objectClass": ["organizationalUnit"], "ou": ["groups"]}),
                                           group("everybody", *members)])
        directory.start()
        answer = directory.read(rows=0, attributes="cn", references="member")
        self.assertIsNotNone(answer.result, answer.error)
        self.assertEqual(MEMBERS, answer.result["links"])
        self.assertEqual(2, answer.result["batches"])  # what was before it, and the giant alone
        self.assertLess(answer.result["resident_kb"], 250_000)


if __name__ == "__main__":
    unittest.main()
