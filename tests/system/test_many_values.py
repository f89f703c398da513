#!/usr/bin/python3
"""300 mail addresses on one person: written once, left alone however the provider stores them."""

import unittest

from semantics import SemanticsCase

ONE = """'emails[type eq "work"].value': "mail\""""
ALL = """emails: "(SELECT json_group_array(json_object('value', value, 'type', 'other')) FROM json_each(vals('mail')))\""""
SCOPE = "mail IS NOT NULL"
NAME = 'userName: "fold(mail)"'


class ManyValues(SemanticsCase):
    OPTIONS = {"people": 6, "groups": 2}

    def addresses(self, count=300):
        return [f"Alias.{n:03}@Example.org" for n in range(count)]

    def crowd(self, **normalise):
        """A node in step with one person of 300 addresses, and that person's DN."""
        self.lab.set_options(normalise=normalise)
        dn = self.person("many")
        self.set(dn, "mail", *self.addresses())
        return self.running((SCOPE, "n('mail') > 0"), (ONE, ALL), (NAME, """userName: "uid || '@example.org'\"""")), dn

    def stored(self):
        return sorted(email["value"].lower() for email in self.user("many")["emails"])

    def assertIdle(self, node):
        for cycle in ((), ("--full",), ("--full",), ()):
            self.assertNoWrites(lambda kind=cycle: node.sync(*kind), f"sync {cycle}")

    def test_all_are_written_and_an_idle_cycle_writes_nothing(self):
        node, _ = self.crowd()
        self.assertEqual([each.lower() for each in self.addresses()], self.stored())
        self.assertIdle(node)

    def test_a_provider_that_reorders_lowers_and_trims_is_left_alone(self):
        node, _ = self.crowd(reorder=["emails"], lower=["displayName"], trim=["title"])
        self.assertEqual([each.lower() for each in self.addresses()], self.stored())
        self.assertIdle(node)

    def test_one_that_changes_is_one_write_of_one_person(self):
        node, dn = self.crowd(reorder=["emails"])
        changed = [*self.addresses(299), "new.alias@example.org"]
        self.set(dn, "mail", *changed)
        self.assertEqual([("PATCH", f"/Users/{self.user('many')['id']}")], self.operations_of(node.sync))
        self.assertEqual(sorted(each.lower() for each in changed), self.stored())
        self.assertIdle(node)

    def test_the_source_may_tell_them_in_another_order(self):
        node, dn = self.crowd()
        self.set(dn, "mail", *reversed(self.addresses()))
        self.assertNoWrites(node.sync)
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_a_foreign_edit_of_one_is_put_right(self):
        node, _ = self.crowd(reorder=["emails"])
        self.edit(self.user("many"), {"op": "remove", "path": 'emails[value eq "Alias.007@Example.org"]'})
        self.assertEqual(299, len(self.stored()))
        self.assertEqual(1, len(self.operations_of(lambda: node.sync("--full"))))
        self.assertEqual([each.lower() for each in self.addresses()], self.stored())
        self.assertIdle(node)


if __name__ == "__main__":
    unittest.main()
