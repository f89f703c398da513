#!/usr/bin/python3
"""Rules that ask where an object is, and sources that share their people."""

import unittest

from semantics import SemanticsCase, replaced
from labkit import changes, population

WHEN = "mail IS NOT NULL\""
UNITS_HIDDEN = '    filter: "(|(objectClass=inetOrgPerson)(objectClass=groupOfNames))"\n'
BRANCH_PEOPLE = "ou=people,dc=branch,dc=example,dc=net"


class Place(SemanticsCase):
    """ou_under() and dn, in a `when`, with the real directory."""

    OPTIONS = {"people": 40, "groups": 2}
    units = 0

    def unit(self):
        """A unit with a unit below it; the two DNs, and the anchor of the first."""
        Place.units += 1
        top = f"ou=unit{self.units},{population.PEOPLE}"
        below = f"ou=below,{top}"
        for dn in (top, below):
            self.directory.add_s(dn, [("objectClass", [b"organizationalUnit"]), ("ou", [dn[3:].partition(",")[0].encode()])])
        return top, below, self.anchor(top)

    def scoped(self, condition):
        return self.running((WHEN, f"mail IS NOT NULL AND {condition}\""))

    def rename(self, dn, rdn):
        self.directory.rename_s(dn, rdn, delold=1)
        return f"{rdn},{dn.partition(',')[2]}"

    def test_ou_under_survives_that_the_unit_is_renamed(self):
        top, below, anchor = self.unit()
        self.person("inside", top)
        self.person("deeper", below)
        self.person("beside")
        node = self.scoped(f"ou_under('{anchor}')")
        self.assertIsNone(self.user("beside"))
        was = [self.user(uid)["id"] for uid in ("inside", "deeper")]
        self.rename(top, f"ou=renamed{self.units}")
        self.assertNoWrites(node.sync)
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual(was, [self.user(uid)["id"] for uid in ("inside", "deeper")])

    def test_ou_under_ends_when_a_person_or_a_unit_moves_away(self):
        top, below, anchor = self.unit()
        inside = self.person("inside", top)
        self.person("deeper", below)
        node = self.scoped(f"ou_under('{anchor}')")
        self.directory.rename_s(inside, "uid=inside", newsuperior=population.PEOPLE)
        node.sync()
        self.assertIsNone(self.user("inside"))
        self.assertIsNotNone(self.user("deeper"))
        # The directory reports the unit only; who is in it must follow.
        self.directory.rename_s(below, f"ou=elsewhere{self.units}", newsuperior=population.PEOPLE)
        node.sync()
        self.assertIsNone(self.user("deeper"))
        self.directory.rename_s(f"ou=elsewhere{self.units},{population.PEOPLE}", "ou=below", newsuperior=top)
        node.sync()
        self.assertIsNotNone(self.user("deeper"))

    def test_the_dn_is_whole_and_follows_a_renamed_unit(self):
        top, below, _ = self.unit()
        self.person("deeper", below)
        node = self.running(('title: "title"', 'title: "dn"'))
        self.assertEqual(f"uid=deeper,{below}", self.user("deeper")["title"])
        renamed = self.rename(top, f"ou=other{self.units}")
        node.sync()
        self.assertEqual(f"uid=deeper,ou=below,{renamed}", self.user("deeper")["title"])
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_where_units_are_not_read_nobody_leaves(self):
        top, _, anchor = self.unit()
        inside = self.person("inside", top)
        condition = (WHEN, f"mail IS NOT NULL AND ou_under('{anchor}')\"")
        node = self.running(condition)
        self.assertIsNotNone(self.user("inside"))
        self.reconfigure(node, condition, ("    base: ", UNITS_HIDDEN + "    base: "))
        before = len(self.lab.writes())
        for kind in ((), ("--full",), ("--full", "--accept-missing")):
            node.twinsync("sync", "--wait", *kind)
        self.set(inside, "title", "Looked at again")
        node.twinsync("sync", "--wait")
        self.assertNotIn("DELETE", [row["method"] for row in self.lab.writes()[before:]])
        self.assertIsNotNone(self.user("inside"))
        texts = [error["text"] for error in node.json("errors")["errors"] if error["anchor"] == self.anchor(inside)]
        self.assertEqual(1, len(texts))
        self.assertIn("not every ancestor", texts[0])

    def test_a_renamed_unit_costs_nothing_where_no_rule_asks(self):
        node = self.running()
        changes.rename_unit(self.lab.layout, "field", "field-service")
        self.addCleanup(changes.rename_unit, self.lab.layout, "field-service", "field")
        # Group members and managers that name the old DN are lost, nobody else is touched.
        before = len(self.lab.writes())
        node.sync()
        self.assertNotIn("DELETE", [row["method"] for row in self.lab.writes()[before:]])
        self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))


class TwoSources(SemanticsCase):
    """One person in two directories."""

    def edits(self, order="[corp, branch]", more=()):
        source = ("rules:\n", """  - name: branch
    type: contentsync
    uri: %s
    base: dc=branch,dc=example,dc=net
    bind: {method: simple, dn: "%s", password-file: %s}
    tls: {ca-file: %s}
rules:
""" % (self.lab.env["ldaps_uri"], self.lab.env["sync_dn"], self.lab.env["sync_password_file"], self.lab.env["ca_file"]))
        return (source, ("  - kind: user\n    sources: [corp]\n", f"  - kind: user\n    sources: {order}\n    join: [userName]\n"),
                *more)

    def test_values_of_the_first_source_win_and_the_other_fills_gaps(self):
        for order, wins in (("[corp, branch]", "Corp title"), ("[branch, corp]", "Branch title")):
            with self.subTest(order=order):
                self.empty_target()
                self.person("anna", mail="anna@example.net", title="Corp title")
                self.person("anna", BRANCH_PEOPLE, mail="ANNA@example.net", title="Branch title", telephoneNumber="+1 2")
                node = self.running(*self.edits(order))
                found = self.user("anna", "example.net")
                self.assertEqual((wins, "+1 2"), (found["title"], found["phoneNumbers"][0]["value"]))
                self.assertNoWrites(lambda node=node: node.sync("--full"))
                node.stop()
                self.remove("anna")
                self.directory.delete_s(f"uid=anna,{BRANCH_PEOPLE}")

    def test_who_leaves_one_source_stays_with_what_the_other_says(self):
        first = self.person("berta", mail="berta@example.net", title="Corp title")
        node = self.running(*self.edits())
        was = self.user("berta", "example.net")["id"]
        second = self.person("berta2", BRANCH_PEOPLE, mail="berta@example.net", title="Branch title")
        self.addCleanup(self.directory.delete_s, second)
        self.assertNoWrites(node.sync)
        self.directory.delete_s(first)
        node.sync()
        self.assertEqual((was, "Branch title"), (self.user("berta", "example.net")["id"],
                                                 self.user("berta", "example.net")["title"]))

    def test_a_reinstalled_node_knows_a_person_by_the_anchor_of_either_source(self):
        second = self.person("doris2", BRANCH_PEOPLE, mail="doris@example.net")
        self.addCleanup(self.directory.delete_s, second)
        node = self.running(*self.edits())
        was = self.user("doris", "example.net")
        self.assertEqual(self.anchor(second), was["externalId"])
        self.person("doris", mail="doris@example.net")
        node.sync()
        node.stop()
        again = self.new_node(edit=replaced(*self.edits()))
        again.start()
        self.assertNoWrites(again.sync)
        self.assertEqual(was["externalId"], self.user("doris", "example.net")["externalId"])
        self.assertEqual(0, again.twinsync("verify", "--all").returncode)

    def test_members_of_the_other_source_are_members_of_nothing_here(self):
        there = self.person("carla", BRANCH_PEOPLE, mail="carla@example.net")
        self.addCleanup(self.directory.delete_s, there)
        self.group("mixed", there)
        node = self.running(*self.edits())
        self.assertEqual(set(), self.members("mixed"))
        self.assertIsNotNone(self.user("carla", "example.net"))
        self.assertNoWrites(node.sync)


if __name__ == "__main__":
    unittest.main()
