#!/usr/bin/python3
"""The independent comparer finds every kind of difference, one by one.

The fixture is a small world that is equal, written out by hand; each test
plants one difference and names the finding that must come of it.
"""

import copy
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from oracle import comparison, source  # noqa: E402

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PEOPLE = "ou=people,dc=example,dc=org"


def person(anchor, dn, **values):
    known = {"objectclass": ["inetOrgPerson"], **values}
    return {"dn": dn, "anchor": anchor, "kind": "user",
            "values": {name.lower(): [each.encode() for each in listed] for name, listed in known.items()}}


def group(anchor, name, *members):
    return {"dn": f"cn={name},ou=groups,dc=example,dc=org", "anchor": anchor, "kind": "group",
            "values": {"objectclass": [b"groupOfNames"], "cn": [name.encode()],
                       "member": [each.encode() for each in members]}}


ENTRIES = [
    person("a-1", f"uid=ann,{PEOPLE}", cn=["Ann Übel", "Ann"], sn=["Übel"], givenName=["Ann"], title=["Chief"],
           mail=["Ann@Example.org"], telephoneNumber=["+49 2", "+49 1"], employeeNumber=["7"], departmentNumber=["D1"],
           manager=[f"UID=BOB , {PEOPLE}"]),
    person("a-2", f"uid=bob,{PEOPLE}", cn=["Bob"], displayName=["Bobby"], sn=["Bee"], mail=["bob@example.org"],
           pwdAccountLockedTime=["20240101000000Z"], manager=[f"uid=nobody,{PEOPLE}"]),
    person("a-3", f"cn=Smith\\, Jack,{PEOPLE}", cn=["Smith, Jack"], sn=["Smith"], mail=["jack@example.org"]),
    person("a-4", f"uid=outside,{PEOPLE}", cn=["Out"], sn=["Side"]),
    group("g-1", "staff", f"uid=ann,{PEOPLE}", f"CN=smith\\2C  jack,{PEOPLE}", f"uid=outside,{PEOPLE}",
          "cn=empty,ou=groups,dc=example,dc=org"),
    group("g-2", "empty", "cn=empty,ou=groups,dc=example,dc=org"),
]

USERS = [
    {"schemas": [], "id": "u1", "externalId": "a-1", "userName": "ann@example.org", "displayName": "Ann",
     "name": {"givenName": "Ann", "familyName": "Übel"}, "title": "Chief", "active": True,
     "emails": [{"type": "work", "value": "Ann@Example.org"}], "phoneNumbers": [{"type": "work", "value": "+49 1"}],
     ENTERPRISE: {"employeeNumber": "7", "department": "D1", "manager": {"value": "u2"}}, "meta": {"version": "1"}},
    {"id": "u2", "externalId": "a-2", "userName": "bob@example.org", "displayName": "Bobby",
     "name": {"familyName": "Bee"}, "active": False, "emails": [{"type": "work", "value": "bob@example.org"}]},
    {"id": "u3", "externalId": "a-3", "userName": "jack@example.org", "displayName": "Smith, Jack",
     "name": {"familyName": "Smith"}, "active": True, "emails": [{"type": "work", "value": "jack@example.org"}]},
]

GROUPS = [
    {"id": "h1", "externalId": "g-1", "displayName": "staff",
     "members": [{"value": "u1"}, {"value": "u3"}, {"value": "h2"}]},
    {"id": "h2", "externalId": "g-2", "displayName": "empty"},
]


class World(unittest.TestCase):
    """Each test changes the equal world and expects exactly one finding."""

    def setUp(self):
        self.entries, self.users, self.groups = (copy.deepcopy(each) for each in (ENTRIES, USERS, GROUPS))

        self.tenant, self.contested, self.flatten, self.deactivated = None, False, False, False

    def report(self):
        return comparison.compare(self.entries, self.users, self.groups, self.tenant,
                                  contested=self.contested, flatten=self.flatten, deactivated=self.deactivated)

    def finds(self, difference, anchor, attribute=None):
        report = self.report()
        found = [(each["difference"], each["anchor"], each["attribute"]) for each in report["details"]]
        self.assertEqual(found, [(difference, anchor, attribute)])
        self.assertEqual(report["mismatches"], 1)
        return report


class Flattened(World):
    """Groups have the people below them: staff > empty > staff is a loop, cut at its last link."""

    def setUp(self):
        super().setUp()
        self.flatten = True
        self.entries += [group("g-3", "all", "cn=staff,ou=groups,dc=example,dc=org", f"uid=bob,{PEOPLE}")]
        self.entries[5]["values"]["member"].append(b"cn=staff,ou=groups,dc=example,dc=org")
        self.groups[0]["members"].remove({"value": "h2"})
        self.groups.append({"id": "h3", "externalId": "g-3", "displayName": "all",
                            "members": [{"value": "u1"}, {"value": "u2"}, {"value": "u3"}]})

    def test_equal_worlds_are_equal(self):
        self.assertEqual([], self.report()["details"])

    def test_a_member_of_a_group_below_is_missing(self):
        self.groups[2]["members"].remove({"value": "u3"})
        self.finds("member missing", "g-3", "members")

    def test_a_group_below_is_a_member(self):
        self.groups[2]["members"].append({"value": "h1"})
        self.finds("member unexpected", "g-3", "members")

    def test_the_last_link_of_a_loop_brings_nobody(self):
        self.groups[1]["members"] = [{"value": "u1"}]
        self.finds("member unexpected", "g-2", "members")


class Planted(World):
    def test_equal_worlds_are_equal(self):
        self.assertEqual(self.report(), {
            "source_users": 3, "target_users": 3, "source_groups": 2, "target_groups": 2, "memberships": 3,
            "memberships_equal": True, "mismatches": 0, "duplicates": 0, "foreign": 0, "foreign_untouched": True,
            "quarantined": 0, "details": []})

    def test_user_missing(self):
        del self.users[1]
        self.groups[0]["members"] = [each for each in self.groups[0]["members"] if each["value"] != "u2"]
        del self.users[0][ENTERPRISE]["manager"]
        findings = {(each["difference"], each["anchor"]) for each in self.report()["details"]}
        self.assertIn(("missing", "a-2"), findings)

    def test_user_out_of_scope_at_the_target(self):
        self.users.append({"id": "u4", "externalId": "a-4", "userName": "out@example.org"})
        self.finds("unexpected", "a-4")

    def test_user_without_anchor(self):
        self.users.append({"id": "u9", "userName": "stranger"})
        self.finds("unexpected", None)

    def test_user_twice_under_one_anchor(self):
        self.users.append({**self.users[2], "id": "u9", "userName": "other@example.org"})
        self.assertEqual(self.finds("duplicate", "a-3", "externalId")["duplicates"], 1)

    def test_user_twice_under_one_name_of_other_case(self):
        self.users.append({"id": "u9", "externalId": "a-9", "userName": "JACK@example.org"})
        self.assertEqual(self.finds("duplicate", "a-9", "externalId")["duplicates"], 1)

    def test_scalar_differs_in_case_only(self):
        self.users[0]["userName"] = "Ann@example.org"
        self.finds("value", "a-1", "userName")

    def test_scalar_differs_by_a_trailing_blank(self):
        self.users[2]["displayName"] = "Smith, Jack "
        self.finds("value", "a-3", "displayName")

    def test_scalar_not_the_least_of_several(self):
        self.users[0]["displayName"] = "Ann Übel"
        self.finds("value", "a-1", "displayName")

    def test_scalar_missing(self):
        del self.users[0]["title"]
        self.finds("value", "a-1", "title")

    def test_scalar_left_behind(self):
        self.users[2]["title"] = "Former"
        self.finds("value", "a-3", "title")

    def test_attribute_that_no_rule_names(self):
        self.users[2]["nickName"] = "J"
        self.finds("value", "a-3", "nickName")

    def test_sub_attribute_differs(self):
        self.users[0]["name"]["familyName"] = "U\u0308bel"
        self.finds("value", "a-1", "name.familyName")

    def test_boolean_differs(self):
        self.users[1]["active"] = True
        self.finds("value", "a-2", "active")

    def test_boolean_as_text(self):
        self.users[1]["active"] = "false"
        self.finds("value", "a-2", "active")

    def test_mail_under_another_type(self):
        self.users[1]["emails"][0]["type"] = "home"
        self.assertEqual({each["attribute"] for each in self.report()["details"]},
                         {'emails[type eq "work"].value', 'emails[type eq "home"].value'})

    def test_second_mail_of_the_same_type(self):
        self.users[1]["emails"].append({"type": "work", "value": "bob@example.org"})
        self.finds("value", "a-2", 'emails[type eq "work"].value again')

    def test_enterprise_attribute_differs(self):
        self.users[0][ENTERPRISE]["department"] = "D2"
        self.finds("value", "a-1", f"{ENTERPRISE}:department")

    def test_manager_is_another(self):
        self.users[0][ENTERPRISE]["manager"]["value"] = "u3"
        self.finds("value", "a-1", f"{ENTERPRISE}:manager.value")

    def test_manager_missing(self):
        del self.users[0][ENTERPRISE]["manager"]
        self.finds("value", "a-1", f"{ENTERPRISE}:manager.value")

    def test_manager_that_does_not_exist_at_the_source(self):
        self.users[1][ENTERPRISE] = {"manager": {"value": "u1"}}
        self.finds("value", "a-2", f"{ENTERPRISE}:manager.value")

    def test_two_addresses_cannot_be_decided(self):
        self.entries[2]["values"]["mail"].append(b"jack2@example.org")
        self.assertEqual({each["attribute"] for each in self.report()["details"]},
                         {"userName", 'emails[type eq "work"].value'})

    def test_group_missing(self):
        del self.groups[1]
        self.groups[0]["members"].pop()
        report = self.report()
        self.assertIn(("missing", "g-2"), {(each["difference"], each["anchor"]) for each in report["details"]})
        self.assertFalse(report["memberships_equal"])

    def test_group_name_differs(self):
        self.groups[1]["displayName"] = "Empty"
        self.finds("value", "g-2", "displayName")

    def test_member_missing(self):
        del self.groups[0]["members"][1]
        self.assertFalse(self.finds("member missing", "g-1", "members")["memberships_equal"])

    def test_member_unexpected(self):
        self.groups[0]["members"].append({"value": "u2"})
        self.assertFalse(self.finds("member unexpected", "g-1", "members")["memberships_equal"])

    def test_member_that_nobody_knows(self):
        self.groups[0]["members"].append({"value": "gone"})
        self.assertFalse(self.finds("member unexpected", "g-1", "members")["memberships_equal"])

    def test_member_twice(self):
        self.groups[0]["members"].append({"value": "u1"})
        self.assertFalse(self.finds("member twice", "g-1", "members")["memberships_equal"])

    def test_dummy_member_of_an_empty_group(self):
        self.groups[1]["members"] = [{"value": "h2"}]
        self.assertFalse(self.finds("member unexpected", "g-2", "members")["memberships_equal"])


class UsedTenant(World):
    """Objects that were there before: foreign ones, and ones that were adopted."""

    def setUp(self):
        super().setUp()
        stranger = {"id": "f1", "userName": "hr@example.com", "externalId": "HR-1", "meta": {"version": "1"}}
        self.users.append(stranger)
        self.users[2]["nickName"] = "From before"
        self.groups[1]["members"] = [{"value": "f1"}]
        self.tenant = copy.deepcopy({"foreign": {"f1": stranger},
                                     "adopted": {"u3": self.users[2], "h2": self.groups[1]}})

    def test_equal_worlds_are_equal(self):
        report = self.report()
        self.assertEqual([], report["details"])
        self.assertEqual((3, 3, 1, True), (report["source_users"], report["target_users"], report["foreign"],
                                           report["foreign_untouched"]))

    def test_a_foreign_object_that_was_touched_or_is_gone(self):
        self.users[3]["meta"]["version"] = "2"
        self.assertFalse(self.finds("foreign touched", "f1", "meta")["foreign_untouched"])
        del self.users[3]
        self.assertIn("foreign gone", {each["difference"] for each in self.report()["details"]})

    def test_what_no_rule_names_is_as_it_was(self):
        self.users[2]["nickName"] = "Other"
        self.finds("value", "a-3", "nickName")

    def test_a_stranger_in_a_group_that_was_not_adopted(self):
        self.groups[0]["members"].append({"value": "f1"})
        self.finds("member unexpected", "g-1", "members")

    def test_attribute_that_no_rule_names(self):
        self.users[1]["nickName"] = "B"
        self.finds("value", "a-2", "nickName")


class Contested(World):
    """A name that only one can have: who is excused for lacking it, and who is not."""

    def setUp(self):
        super().setUp()
        self.contested = True

    def wants(self, index, mail):
        """Person `index` has that address at the source, and everything of it at the target but the name."""
        self.entries[index]["values"]["mail"] = [mail.encode()]
        self.users[index]["emails"][0]["value"] = mail

    def quarantined(self):
        report = self.report()
        self.assertEqual([], report["details"])
        return report["quarantined"]

    def test_of_two_who_want_one_name_one_may_lack_it(self):
        self.wants(2, "BOB@example.org")
        self.assertEqual(1, self.quarantined())

    def test_one_who_was_never_created_for_it_is_in_no_group(self):
        self.wants(2, "bob@example.org")
        self.users.pop()
        self.assertEqual({"member unexpected"}, {each["difference"] for each in self.report()["details"]})
        self.groups[0]["members"].pop(1)
        self.assertEqual(1, self.quarantined())

    def test_whoever_waits_for_one_who_rightly_waits_is_excused_too(self):
        self.wants(2, "bob@example.org")
        self.wants(0, "jack@example.org")
        self.assertEqual(2, self.quarantined())

    def test_a_name_that_nobody_has_is_no_excuse(self):
        self.wants(2, "free@example.org")
        self.finds("value", "a-3", "userName")

    def test_two_who_have_each_others_name_are_no_excuse(self):
        self.wants(2, "bob@example.org")
        self.wants(1, "jack@example.org")
        self.assertEqual({"a-2", "a-3"}, {each["anchor"] for each in self.report()["details"]})

    def test_a_name_that_somebody_foreign_has_is_an_excuse(self):
        self.wants(2, "hr@example.com")
        stranger = {"id": "f1", "userName": "HR@example.com"}
        self.users.append(stranger)
        self.tenant = {"foreign": {"f1": dict(stranger)}}
        self.assertEqual(1, self.quarantined())

    def test_whoever_was_deactivated_stays_and_keeps_the_name(self):
        self.deactivated = True
        self.users.append({"id": "u4", "externalId": "a-9", "userName": "left@example.org", "active": False})
        self.assertEqual(0, self.quarantined())
        self.wants(2, "left@example.org")
        self.assertEqual(1, self.quarantined())
        self.users[3]["active"] = True
        self.assertIn(("unexpected", "a-9"), {(each["difference"], each["anchor"]) for each in self.report()["details"]})

    def test_everything_else_of_one_who_waits_is_compared(self):
        self.wants(2, "bob@example.org")
        self.users[2]["displayName"] = "Old"
        self.finds("value", "a-3", "displayName")


class Names(unittest.TestCase):
    """DNs are compared as the directory compares them."""

    def test_spellings_of_one_name_are_equal(self):
        for other in (f"UID=Ann,{PEOPLE.upper()}", f"uid = ann , {PEOPLE}", f"uid=\\61nn,{PEOPLE}"):
            self.assertEqual(source.normal_dn(f"uid=ann,{PEOPLE}"), source.normal_dn(other), other)

    def test_parts_of_a_multi_valued_rdn_have_no_order(self):
        self.assertEqual(source.normal_dn("cn=a+sn=b,dc=c"), source.normal_dn("SN=B+CN=A,dc=c"))

    def test_an_escaped_comma_is_no_separator(self):
        self.assertNotEqual(source.normal_dn("cn=a\\,dc=b,dc=c"), source.normal_dn("cn=a,dc=b,dc=c"))


if __name__ == "__main__":
    unittest.main()
