#!/usr/bin/python3
"""A directory that was reloaded without operational attributes: everybody has another anchor."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import mishaps  # noqa: E402
from instep import InStepCase  # noqa: E402
from lab import population, wait_until  # noqa: E402
from semantics import operations  # noqa: E402

HELD = 3


class ReanchorCase(InStepCase):
    def setUp(self):
        super().setUp()
        self.empty_target()

    def reloaded(self, change=None):
        """A node that was in step, and its directory reloaded; what the target had, by id."""
        node = self.new_node(guard=None)
        node.start()
        node.sync()
        self.assertInStep()
        if change is not None:
            self.directory(change)
            node.sync()
            self.assertInStep()
        before = self.resources()
        mishaps.reload(self.lab, mishaps.dump(self.lab), operational=False)
        self.written = len(self.lab.writes())
        self.cycle(node, "--full", status=HELD)
        return node, before

    def directory(self, change):
        connection = self.lab.ldap()
        change(connection)
        connection.unbind_s()

    def resources(self):
        return {resource["id"]: resource for kind in ("Users", "Groups")
                for resource in self.lab.scim("GET", f"/{kind}?count=1000").body["Resources"]}

    def cycle(self, node, *arguments, status=0):
        done = node.twinsync("sync", "--wait", *arguments)
        self.assertEqual(status, done.returncode, done.stderr)
        return done.stderr

    def writes(self):
        return operations(self.lab.writes()[self.written:])

    def holds(self, node):
        return {(hold["class"], hold["kind"]): hold for hold in node.json("hold", "list")["holds"]}

    def propose(self, node, path):
        return node.json("reanchor", "--match", path, "--reason", "LDIF restored")

    def approve(self, node, hash_):
        done = node.twinsync("approve", hash_, "--reason", "seen")
        self.assertEqual(0, done.returncode, done.stderr)

    def assertReanchored(self, node, before, names=("userName", "displayName")):
        """Every object is the one that it was, with another externalId and nothing else."""
        self.assertEqual({"PATCH"}, {method for method, _ in self.writes()})
        after = self.resources()
        self.assertEqual(before.keys(), after.keys())
        for each, resource in after.items():
            self.assertNotEqual(before[each]["externalId"], resource["externalId"])
            for name in names:
                self.assertEqual(before[each].get(name), resource.get(name))
            self.assertEqual(sorted(member["value"] for member in before[each].get("members", [])),
                             sorted(member["value"] for member in resource.get("members", [])))
        self.assertInStep()
        self.assertEqual([], node.json("hold", "list")["holds"])
        self.assertEqual(0, node.status()["counts"]["pending"])
        self.assertEqual(len(after), node.status()["counts"]["ledger"])
        self.assertEqual([], node.json("errors")["errors"])


class Reanchor(ReanchorCase):
    OPTIONS = {"people": 150, "groups": 30}

    def test_creations_and_deletions_are_held_and_reanchor_changes_external_ids_in_place(self):
        node, before = self.reloaded()
        people = sum("userName" in resource for resource in before.values())
        holds = self.holds(node)
        self.assertEqual({("anchors-replaced", "user"), ("anchors-replaced", "group")}, set(holds))
        # Whoever came cannot be created under a name that his predecessor has, or is held like him.
        self.assertIn(holds["anchors-replaced", "user"]["items"], range(people, 2 * people + 1))
        self.assertIn(f"{people} users", holds["anchors-replaced", "user"]["text"])
        self.assertIn("twinsync reanchor --match userName --dry-run", holds["anchors-replaced", "user"]["text"])
        self.cycle(node, status=HELD)
        self.assertEqual([], self.writes())
        anchors = {resource["externalId"] for resource in before.values() if "userName" in resource}
        proposal = node.json("reanchor", "--match", "userName", "--dry-run")
        self.assertEqual((None, people, []), (proposal["hash"], proposal["count"], proposal["ambiguous"]))
        self.assertEqual(anchors, {pair["old"] for pair in proposal["pairs"]})
        self.assertEqual(people, len({pair["new"] for pair in proposal["pairs"]} - anchors))
        self.assertEqual(set(holds), set(self.holds(node)), "a dry run holds nothing")
        for path in ("userName", "displayName"):
            proposal = self.propose(node, path)
            self.assertIn(("reanchor", proposal["pairs"][0]["kind"]), self.holds(node))
            self.approve(node, proposal["hash"])
        preview = node.json("preview")
        self.assertEqual({"update": len(before)}, {verb: n for verb, n in preview["counts"].items() if n})
        self.assertEqual([], [thing for thing in preview["objects"] if thing["attributes"] or thing["members"]])
        self.cycle(node)
        self.assertReanchored(node, before)
        self.written = len(self.lab.writes())
        self.cycle(node, "--full")
        self.assertEqual([], self.writes())

    def test_killed_in_the_middle_it_is_carried_on(self):
        node, before = self.reloaded()
        proposal = self.propose(node, "userName")
        node.stop()
        node.start(TWINSYNC_FAILPOINT="reanchor-chunk-committed:2")
        # The first cycle of this start goes by; then the approval dies in its second chunk.
        wait_until(lambda: node.status()["cycle"]["result"] == "held", "the first cycle ends")
        node.twinsync("approve", proposal["hash"], "--reason", "seen")
        wait_until(lambda: "signal=9" in node.log(), "the worker dies")
        wait_until(node.answers, "the daemon answers")
        node.twinsync("sync", "--wait")
        self.approve(node, self.propose(node, "displayName")["hash"])
        self.cycle(node)
        self.assertReanchored(node, before)

    def test_whose_value_several_have_is_listed_and_not_paired(self):
        twins = [f"uid=twin{number},{population.PEOPLE}" for number in range(2)]

        def add(connection):
            for number, dn in enumerate(twins):
                connection.add_s(dn, [("objectClass", [b"inetOrgPerson"]), ("uid", [f"twin{number}".encode()]),
                                      ("cn", [b"Twin"]), ("sn", [b"Twin"]), ("displayName", [b"The Twin"]),
                                      ("mail", [f"twin{number}@example.org".encode()])])
        self.addCleanup(self.directory, lambda connection: [connection.delete_s(dn) for dn in twins])
        node, before = self.reloaded(add)
        proposal = node.json("reanchor", "--match", "displayName", "--dry-run")
        ambiguous = {each["value"]: each for each in proposal["ambiguous"]}
        anchors = {resource["externalId"] for resource in before.values() if resource.get("displayName") == "The Twin"}
        self.assertEqual(2, len(anchors))
        self.assertEqual(anchors, set(ambiguous["the twin"]["old"]))
        self.assertEqual(2, len(ambiguous["the twin"]["new"]))
        self.assertEqual(set(), anchors & {pair["old"] for pair in proposal["pairs"]})
        for path in ("userName", "displayName"):
            self.approve(node, self.propose(node, path)["hash"])
        self.cycle(node)
        self.assertReanchored(node, before)


class Few(ReanchorCase):
    OPTIONS = {"people": 60, "groups": 3}

    def test_somebody_entered_again_is_another_object(self):
        node = self.new_node(guard=None)
        node.start()
        node.sync()
        self.assertInStep()
        self.written = len(self.lab.writes())
        [dn] = [dn for dn, values in self.lab.ldap().search_s(
            population.PEOPLE, 2, "(&(objectClass=inetOrgPerson)(mail=*))", ["mail"])][:1]
        self.directory(lambda connection: mishaps.reenter(connection, dn))
        node.sync()
        node.sync()
        self.assertInStep()
        self.assertEqual({"DELETE", "POST"}, {method for method, _ in self.writes()} - {"PATCH"})

    def test_what_no_rule_flows_cannot_be_compared(self):
        node = self.new_node()
        node.start()
        node.sync()
        done = node.twinsync("reanchor", "--match", "nickName", "--dry-run")
        self.assertEqual(2, done.returncode)
        self.assertSentence(done.stderr, "nickName", "no rule flows it", "userName")
        proposal = node.json("reanchor", "--match", "userName", "--reason", "nobody is gone")
        self.assertEqual((None, 0, []), (proposal["hash"], proposal["count"], proposal["pairs"]))

    def test_approved_as_they_are_they_are_deleted_and_created(self):
        node, before = self.reloaded()
        for _ in range(4):
            for hold in self.holds(node).values():
                self.approve(node, hold["hash"])
            node.twinsync("sync", "--wait")
        node.sync()
        self.assertInStep()
        self.assertEqual(set(), before.keys() & self.resources().keys())


if __name__ == "__main__":
    unittest.main()
