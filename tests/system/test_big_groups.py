#!/usr/bin/python3
"""Groups of 50,000 members: what changes costs, not what is there.

A group's members are DNs; most of them are nobody here, which makes the
directory cheap and the group no smaller. TWINSYNC_LARGE=1: 250,000 of them, and
50,000 real members in a first export.
"""

import glob
import os
import sqlite3
import unittest

import ldap
from lab import population
from semantics import SemanticsCase

LARGE = os.environ.get("TWINSYNC_LARGE") == "1"
DNS = 250_000 if LARGE else 50_000
MEMBERS = 50_000 if LARGE else 7_000  # more operations than a cycle has rounds
LINKS_PER_OPERATION = 500
PATIENCE = 1200 if LARGE else 60
# Of the rows that one changed member writes; the group itself is some megabytes.
JOURNAL_ROW_MAX = 4096


class Store:
    """The node's state, read beside it."""

    def __init__(self, node):
        [file] = glob.glob(os.path.join(node.state, "state.*", "state.db"))
        self.connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)

    def one(self, sql, *values):
        return self.connection.execute(sql, values).fetchone()[0]

    def counts(self):
        return {table: self.one(f"SELECT count(*) FROM {table}") for table in ("source_link", "reference", "source_object", "metaverse")}

    def journal(self, after):
        return [size for size, in self.connection.execute("SELECT length(changeset) FROM journal WHERE seq > ?", (after,))]


class Unlisted(SemanticsCase):
    """A group with so many members, of whom few are people of ours."""

    OPTIONS = {"people": 40, "groups": 1}

    def setUp(self):
        super().setUp()
        config = self.lab.ldap()
        self.addCleanup(config.unbind_s)
        config.modify_s("cn=config", [(ldap.MOD_REPLACE, "olcSockbufMaxIncomingAuth", [b"67108864"])])
        self.directory = self.lab.ldap()  # with the limit of now
        self.addCleanup(self.directory.unbind_s)

    def cost(self, node, change):
        """What a delta writes: (rows more by table, sizes of journal rows, operations)."""
        store = Store(node)
        before, seq = store.counts(), store.one("SELECT max(seq) FROM journal")
        change()
        operations = self.operations_of(lambda: node.sync(seconds=PATIENCE))
        after = store.counts()
        return ({table: after[table] - before[table] for table in after}, store.journal(seq), operations)

    def test_one_member_more_or_less_is_one_row_and_one_request(self):
        ghosts = [f"uid=ghost{n},{population.PEOPLE}" for n in range(DNS - 2)]
        here, there = self.person("here"), self.person("there")
        big = self.group("big", here, *ghosts)
        node = self.new_node()
        node.start()
        node.sync(seconds=PATIENCE)
        self.assertEqual({self.user("here")["id"]}, self.members("big"))
        path = f"/Groups/{self.team('big')['id']}"
        for change, links in ((ldap.MOD_ADD, 1), (ldap.MOD_DELETE, -1)):
            with self.subTest(links=links):
                rows, journal, operations = self.cost(node, lambda way=change: self.directory.modify_s(
                    big, [(way, "member", [there.encode()])]))
                self.assertEqual({"source_link": links, "reference": links, "source_object": 0, "metaverse": 0}, rows)
                self.assertEqual([("PATCH", path)], operations)
                self.assertLess(max(journal), JOURNAL_ROW_MAX)
                self.assertLess(len(journal), 12)
        rows, journal, operations = self.cost(node, lambda: None)
        self.assertEqual(({"source_link": 0, "reference": 0, "source_object": 0, "metaverse": 0}, []), (rows, operations))
        self.assertLess(sum(journal), JOURNAL_ROW_MAX)


class Listed(SemanticsCase):
    """A group whose members are all people of ours."""

    OPTIONS = {"people": MEMBERS, "groups": 0}

    def test_a_first_export_is_complete_after_one_cycle_in_bounded_operations(self):
        found = self.directory.search_s(self.lab.env["base"], ldap.SCOPE_SUBTREE, "(&(objectClass=inetOrgPerson)(mail=*))", ["1.1"])
        self.group("everybody", *[dn for dn, _ in found])
        before = len(self.lab.writes())
        node = self.new_node()
        node.start()
        node.sync(seconds=PATIENCE)
        team = self.team("everybody")
        self.assertEqual(len(found), len(team["members"]))
        cycles = node.json("history")["cycles"]
        wrote = [cycle["id"] for cycle in cycles if cycle["exports"]["create"] + cycle["exports"]["update"] > 0]
        self.assertEqual(1, len(wrote), cycles)
        writes = self.lab.writes()[before:]
        ours = [row for row in writes if team["id"] in (row.get("ids") or []) or team["id"] in row["path"]]
        self.assertLessEqual(len(ours), -(-len(found) // LINKS_PER_OPERATION) + 1)
        self.assertNoWrites(lambda: node.sync("--full", seconds=PATIENCE))


if __name__ == "__main__":
    unittest.main()
