#!/usr/bin/python3
"""What the lab does to both sides for tests of bad input, does what it says."""

import os
import sys
import unittest

import ldap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import mishaps  # noqa: E402
from lab import LabTestCase, population  # noqa: E402
from labkit import tenant  # noqa: E402
from oracle.source import normal_dn  # noqa: E402

PERSON = "(objectClass=inetOrgPerson)"


class Directory(LabTestCase):
    OPTIONS = {"people": 40, "groups": 4}

    def setUp(self):
        super().setUp()
        self.directory = self.lab.ldap()
        self.addCleanup(self.directory.unbind_s)

    def read(self, *attributes, account="sync"):
        """{entryUUID: (DN, attributes)} of the people, as that account sees them."""
        connection = self.lab.ldap(account)
        found = connection.search_s(population.BASE, ldap.SCOPE_SUBTREE, PERSON, ["entryUUID", *attributes])
        connection.unbind_s()
        return {values.pop("entryUUID")[0]: (dn, values) for dn, values in found}

    def with_mail(self):
        return sum("mail" in values for _, values in self.read("mail").values())

    def test_an_attribute_is_hidden_from_one_account_and_shown_again(self):
        before = self.with_mail()
        self.assertGreater(before, 30)
        with mishaps.hidden(self.lab, "attrs=mail"):
            self.assertEqual(0, self.with_mail())
            self.assertEqual(40, len(self.read()))
            self.assertTrue(any("mail" in values for _, values in self.read("mail", account="admin").values()))
        self.assertEqual(before, self.with_mail())

    def test_half_of_the_people_or_a_unit_is_hidden(self):
        with mishaps.hidden(self.lab, mishaps.half()):
            self.assertEqual(20, len(self.read()))
        with mishaps.hidden(self.lab, mishaps.subtree(population.FIELD)):
            seen = self.read()
            self.assertFalse([dn for dn, _ in seen.values() if dn.endswith(population.FIELD)])
            self.assertGreater(len(seen), 30)
        self.assertEqual(40, len(self.read()))

    def test_an_old_backup_brings_back_what_was_and_its_anchors(self):
        before, backup = self.read("*"), mishaps.dump(self.lab)
        dn = next(iter(before.values()))[0]
        self.directory.delete_s(dn)
        mishaps.reload(self.lab, backup)
        self.assertEqual(before, self.read("*"))
        self.directory = self.lab.ldap()

    def test_a_reload_without_operational_attributes_changes_every_anchor_and_nothing_else(self):
        before, backup = self.read("*"), mishaps.dump(self.lab)
        mishaps.reload(self.lab, backup, operational=False)
        after = self.read("*")
        self.assertEqual(set(), before.keys() & after.keys())
        self.assertEqual(sorted(map(repr, before.values())), sorted(map(repr, after.values())))
        self.directory = self.lab.ldap()

    def test_a_renamed_unit_takes_its_people_along(self):
        before = self.read()
        dn = mishaps.rename_unit(self.directory, population.FIELD, "elsewhere")
        self.addCleanup(mishaps.rename_unit, self.directory, dn, "field")
        after = self.read()
        self.assertEqual(before.keys(), after.keys())
        self.assertGreater(sum(name.endswith(f",{dn}") for name, _ in after.values()), 1)

    def test_an_entry_that_is_entered_again_has_another_anchor_and_one_that_moves_has_not(self):
        (anchor, (dn, values)), *_ = self.read("*").items()
        mishaps.reenter(self.directory, dn)
        now = self.read("*")
        self.assertNotIn(anchor, now)
        self.assertEqual([values], [other for name, other in now.values() if name == dn])
        [anchor] = [each for each, (name, _) in now.items() if name == dn]
        moved = mishaps.move(self.directory, dn, population.FIELD)
        self.assertEqual(normal_dn(moved), normal_dn(self.read()[anchor][0]))

    def test_two_exchange_a_value(self):
        one, other = sorted(dn for dn, values in self.read("mail").values() if "mail" in values)[:2]
        before = [mishaps.entry(self.directory, dn)["mail"] for dn in (one, other)]
        mishaps.swap(self.directory, one, other)
        self.assertEqual(before[::-1], [mishaps.entry(self.directory, dn)["mail"] for dn in (one, other)])


class Tenant(LabTestCase):
    OPTIONS = {"people": 3, "groups": 1}

    def setUp(self):
        super().setUp()
        self.tenant = tenant.Tenant(self.lab.layout)
        for each, resource in self.tenant.objects().items():
            self.lab.scim("DELETE", f"/{resource['meta']['resourceType']}s/{each}")
        people = [(f"anchor{n}", f"p{n}@example.org", f"P {n}") for n in range(9)]
        self.made = self.tenant.prefill(people, [("anchor-g", "team", "Team")], others=5)

    def test_a_used_tenant_has_everything_a_first_run_may_meet(self):
        now = self.tenant.objects()
        self.assertEqual([f"anchor{n}" for n in range(3)], [now[each]["externalId"] for each in self.made["hard"]])
        self.assertEqual(["P3@EXAMPLE.ORG", "P4@EXAMPLE.ORG", "P5@EXAMPLE.ORG"],
                         [now[each]["userName"] for each in self.made["soft"]])
        self.assertFalse(any("externalId" in now[each] for each in self.made["soft"]))
        [(administrator, anchor)] = self.made["in_the_way"].items()
        self.assertEqual(("p6@example.org", "anchor6", "Administrator"),
                         (now[administrator]["userName"], anchor, now[administrator]["userType"]))
        [group] = self.made["groups"]
        members = {member["value"] for member in now[group]["members"]}
        self.assertEqual(set(self.made["hard"]), members - self.made["foreign"].keys())
        self.assertEqual(1, len(members & self.made["foreign"].keys()))
        self.assertEqual([], self.tenant.disturbed(self.made["foreign"]))

    def test_whoever_touches_a_foreign_object_is_seen(self):
        victims = [each for each, resource in self.made["foreign"].items() if "userName" in resource][-4:]
        self.lab.patch(f"/Users/{victims[0]}", {"op": "replace", "path": "title", "value": "x"})
        self.assertIn("other meta, title", self.tenant.disturbed(self.made["foreign"])[0])
        self.lab.patch(f"/Users/{victims[0]}", {"op": "remove", "path": "title"})
        self.assertIn("other meta", self.tenant.disturbed(self.made["foreign"])[0])
        self.lab.scim("DELETE", f"/Users/{victims[1]}")
        self.assertIn("is gone", "".join(self.tenant.disturbed(self.made["foreign"])))

    def test_a_group_that_loses_who_is_gone_was_not_touched_but_one_that_gains_was(self):
        member = self.tenant.person("member@example.org")["id"]
        group = self.tenant.group("theirs", [member])["id"]
        noted = self.tenant.note([group])
        self.lab.scim("DELETE", f"/Users/{member}")
        self.assertEqual([], self.tenant.disturbed(noted))
        self.lab.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": self.made["hard"][0]}]})
        self.assertIn("other members", self.tenant.disturbed(noted)[0])

    def test_writes_are_counted_by_object_also_in_bulk(self):
        before = len(self.lab.writes())
        one, other = self.made["hard"][:2]
        change = {"op": "replace", "path": "title", "value": "y"}
        self.lab.patch(f"/Users/{one}", change)
        patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [change]}
        self.lab.scim("POST", "/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
            {"method": "PATCH", "path": f"/Users/{each}", "data": patch} for each in (one, other, "nobody")]})
        made = self.tenant.person("new@example.org")["id"]
        self.assertEqual({one: 2, other: 1, made: 1}, tenant.writes_by_object(self.lab.writes()[before:]))


if __name__ == "__main__":
    unittest.main()
