#!/usr/bin/python3
"""Values that are huge, binary, empty or contain NUL concern their own object only."""

import unittest

import ldap
import ldap.modlist
from instep import InStepCase, quick


class Values(InStepCase):
    @staticmethod
    def with_more(text):
        return quick(text).replace('      title: "title"\n',
                                   '      title: "title"\n      nickName: "description"\n      userType: "jpegPhoto"\n')

    def dn(self, uid):
        return f"uid={uid},ou=people,{self.lab.env['base']}"

    def user(self, uid):
        [user] = self.lab.find("Users", "userName", f"{uid}@example.org")
        return user

    def hire(self, uid, **attributes):
        self.directory.add_s(self.dn(uid), ldap.modlist.addModlist({
            "objectClass": [b"inetOrgPerson"], "uid": [uid.encode()], "cn": [uid.encode()], "sn": [b"Odd"],
            "mail": [f"{uid}@example.org".encode()], **attributes}))

    def test_odd_values_do_not_stop_the_others(self):
        self.directory = self.lab.ldap()
        node = self.new_node(self.with_more)
        node.start()
        node.sync()
        users = len(self.lab.scim("GET", "/Users?count=1000").body["Resources"])
        self.hire("huge", description=[b"x" * 1_000_000])
        self.hire("nul", description=[b"a\0b"])
        self.hire("binary", jpegPhoto=[b"\xff\xd8\xff\x00\xfe"])
        self.hire("empty", jpegPhoto=[b""])
        self.hire("plain", description=[b"nothing odd"])
        node.sync()
        errors = {each["name"].partition("@")[0]: each for each in node.json("errors")["errors"]}
        self.assertEqual({"nul": "nickName", "binary": "userType", "empty": "userType"},
                         {name: each["path"] for name, each in errors.items()})
        for each in errors.values():
            self.assertSentence(each["text"], "could not evaluate", each["path"], "rule 1", "bytes", "base64")
        self.assertEqual(["object-errors"], [each["code"] for each in node.status()["problems"]])
        # Everybody is there, with all of his other values.
        self.assertEqual(users + 5, len(self.lab.scim("GET", "/Users?count=1000").body["Resources"]))
        self.assertEqual("x" * 1_000_000, self.user("huge")["nickName"])
        self.assertEqual("nothing odd", self.user("plain")["nickName"])
        for name in errors:
            self.assertEqual(name, self.user(name)["displayName"])

        self.directory.modify_s(self.dn("nul"), [(ldap.MOD_REPLACE, "description", [b"text"])])
        for name in ("binary", "empty"):
            self.directory.modify_s(self.dn(name), [(ldap.MOD_DELETE, "jpegPhoto", None)])
        node.sync()
        self.assertEqual([], node.json("errors")["errors"])
        self.assertEqual("text", self.user("nul")["nickName"])


if __name__ == "__main__":
    unittest.main()
