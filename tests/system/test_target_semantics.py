#!/usr/bin/python3
"""What the target keeps, changes, loses or refuses, and what then happens."""

import unittest

from lab import GROUP
from semantics import SemanticsCase, replaced

ACTIVE = '      active: "pwdAccountLockedTime IS NULL"\n'
TITLE = 'title: "title"'
DEPROVISION = "{user: delete, group: delete, out-of-scope: delete}"


class Values(SemanticsCase):
    """Single values: as sent, as shown, as somebody else changed them."""

    def test_a_target_that_normalises_is_written_once(self):
        self.lab.set_options(normalise={"lower": ["userName", "displayName"], "trim": ["title"],
                                        "reorder": ["emails"], "drop": ["enterprise.department"]})
        dn = self.person("norma", displayName="NORMA Upper", title="  Boss", departmentNumber="D9")
        node = self.running()
        self.assertEqual(("norma upper", "Boss"),
                         (self.user("norma")["displayName"], self.user("norma")["title"]))
        for cycle in ((), ("--full",), ("--full",), ()):
            self.assertNoWrites(lambda kind=cycle: node.sync(*kind), f"sync {cycle}")
        self.set(dn, "telephoneNumber", "+49 1")
        self.assertEqual(1, len(self.operations_of(node.sync)))
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_a_foreign_edit_is_put_right_where_we_flow_and_left_alone_elsewhere(self):
        self.person("fred", title="Ours")
        node = self.running()
        self.edit(self.user("fred"), {"op": "replace", "value": {"title": "Theirs", "nickName": "Freddy"}})
        self.assertNoWrites(node.sync)
        self.assertEqual(1, len(self.operations_of(lambda: node.sync("--full"))))
        self.assertEqual(("Ours", "Freddy"), (self.user("fred")["title"], self.user("fred")["nickName"]))
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_a_value_that_the_source_loses_is_cleared_only_where_we_set_it(self):
        dn = self.person("clara", title="Chief")
        self.person("theo")
        node = self.running()
        self.edit(self.user("theo"), {"op": "add", "path": "title", "value": "Not ours"})
        self.set(dn, "title")
        node.sync()
        node.sync("--full")
        self.assertNotIn("title", self.user("clara"))
        self.assertEqual("Not ours", self.user("theo")["title"])

    def test_keep_leaves_and_clear_removes(self):
        dn = self.person("kim", title="First")
        node = self.running((TITLE, """title: "CASE title WHEN 'keep' THEN keep() WHEN 'clear' THEN clear() ELSE title END\""""))
        self.set(dn, "title", "keep")
        self.assertNoWrites(node.sync)
        self.assertEqual("First", self.user("kim")["title"])
        self.set(dn, "title", "clear")
        node.sync()
        self.assertNotIn("title", self.user("kim"))
        self.edit(self.user("kim"), {"op": "add", "path": "title", "value": "Theirs"})
        node.sync("--full")
        self.assertNotIn("title", self.user("kim"))
        self.set(dn, "title", "Last")
        node.sync()
        self.assertEqual("Last", self.user("kim")["title"])

    def test_once_is_written_at_creation_and_never_again(self):
        dn = self.person("olga", givenName="Olga")
        node = self.running(("    references: {manager: manager}", "    once: {nickName: givenName}\n"
                                                                  "    references: {manager: manager}"))
        self.assertEqual("Olga", self.user("olga")["nickName"])
        self.set(dn, "givenName", "Helga")
        node.sync()
        self.assertEqual(("Olga", "Helga"), (self.user("olga")["nickName"], self.user("olga")["name"]["givenName"]))
        self.edit(self.user("olga"), {"op": "replace", "path": "nickName", "value": "Theirs"})
        node.sync("--full")
        self.assertEqual("Theirs", self.user("olga")["nickName"])

    def test_another_rule_is_applied_to_all_and_writes_what_differs(self):
        self.person("ursula", title="lower")
        self.person("uwe", title="UPPER")
        node = self.running()
        users = self.lab.scim("GET", "/Users?count=1000").body["Resources"]
        differing = sum(user.get("title", "").upper() != user.get("title", "") for user in users)
        self.reconfigure(node, (TITLE, 'title: "upper(title)"'))
        plan = node.json("preview")["hash"]
        done = self.operations_of(lambda: node.sync("--plan", plan))
        self.assertEqual(differing, len(done))
        self.assertEqual({"PATCH"}, {method for method, _ in done})
        self.assertEqual("LOWER", self.user("ursula")["title"])
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_a_write_on_a_stale_version_is_decided_again(self):
        dn = self.person("stella", title="One")
        node = self.running(("schedule:", "  bulk: never\nschedule:"))
        self.edit(self.user("stella"), {"op": "add", "path": "nickName", "value": "Star"})
        before = len(self.lab.writes())
        self.set(dn, "title", "Two")
        node.sync()
        self.assertIn(412, [row["status"] for row in self.lab.writes()[before:]])
        self.assertEqual(("Two", "Star"), (self.user("stella")["title"], self.user("stella")["nickName"]))
        self.assertEqual(0, node.status()["counts"]["pending"])


class Objects(SemanticsCase):
    """Whole objects: taken over, deleted, refused, left."""

    def test_a_reinstalled_node_takes_over_what_is_there(self):
        node = self.running()
        self.assertInStep()
        node.stop()
        again = self.new_node()
        again.start()
        self.assertNoWrites(again.sync)
        self.assertInStep()
        self.assertNoWrites(lambda: again.sync("--full"))

    def test_a_reinstalled_node_writes_only_what_changed_meanwhile(self):
        dn = self.person("rhea", title="Before")
        node = self.running()
        node.stop()
        self.set(dn, "title", "After")
        again = self.new_node()
        again.start()
        done = self.operations_of(again.sync)
        self.assertEqual([("PATCH", f"/Users/{self.user('rhea')['id']}")], done)
        self.assertInStep()

    def test_an_object_deleted_at_the_target_is_created_again(self):
        dn = self.person("dora")
        self.group("doras", dn)
        node = self.running()
        old = self.user("dora")["id"]
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{old}"), 204)
        node.sync("--full")
        self.assertNotEqual(old, self.user("dora")["id"])
        self.assertEqual({self.user("dora")["id"]}, self.members("doras"))
        self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_an_update_of_an_object_that_is_gone_creates_it_again(self):
        dn = self.person("greta", title="One")
        node = self.running()
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{self.user('greta')['id']}"), 204)
        self.set(dn, "title", "Two")
        self.assertSettled(node)
        self.assertEqual("Two", self.user("greta")["title"])

    def test_an_object_without_a_mark_is_taken_over_by_its_match_value(self):
        dn = self.person("sofia", title="Ours")
        reply = self.lab.create_user("SOFIA@example.org", nickName="Kept", title="Theirs")
        self.assertStatus(reply, 201)
        node = self.running()
        found = self.user("sofia")
        self.assertEqual((reply.body["id"], "Ours", "Kept"), (found["id"], found["title"], found["nickName"]))
        self.assertEqual(self.anchor(dn), found["externalId"])
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_of_several_that_match_none_is_taken_over(self):
        dn = self.person("amber", displayName="Two of a Kind")
        strangers = [self.lab.create_user(f"stranger{n}", displayName="Two of a Kind").body["id"] for n in (1, 2)]
        node = self.running(("match: [userName]", "match: [displayName]"))
        anchor = self.anchor(dn)
        for stranger in strangers:
            found = self.lab.scim("GET", f"/Users/{stranger}").body
            self.assertNotIn("externalId", found)
            self.assertNotEqual(f"{'amber'}@example.org", found["userName"])
        node.sync("--full")
        self.assertNotIn(anchor, [self.lab.scim("GET", f"/Users/{stranger}").body.get("externalId")
                                  for stranger in strangers])

    def test_a_value_that_is_taken_is_an_error_of_one_object_until_it_is_mended(self):
        first = self.person("mona", mail="shared@example.org")
        second = self.person("mono", mail="shared@example.org")
        node = self.new_node()
        node.start()
        node.twinsync("sync", "--wait")
        self.assertEqual(1, len(self.lab.find("Users", "userName", "shared@example.org")))
        [error] = node.json("errors")["errors"]
        self.assertIn(error["anchor"], (self.anchor(first), self.anchor(second)))
        self.assertEqual("userName", error["path"])
        self.assertIn("shared@example.org", error["text"] + error["name"])
        refused = first if error["anchor"] == self.anchor(first) else second
        self.set(refused, "mail", "own@example.org")
        node.sync()
        self.assertEqual([], node.json("errors")["errors"])
        self.assertEqual(1, len(self.lab.find("Users", "userName", "own@example.org")))
        self.assertInStep()


class Leavers(SemanticsCase):
    def leave(self, policy, *more):
        """A node with that policy, and what became of three: one deleted, one out of scope, one group."""
        gone, out = self.person("gone"), self.person("out")
        group = self.group("leaving", gone, out)
        node = self.running((DEPROVISION, policy), *more)
        ids = (self.user("gone")["id"], self.user("out")["id"], self.team("leaving")["id"])
        self.directory.delete_s(gone)
        self.directory.delete_s(group)
        self.set(out, "mail")
        node.sync()
        replies = [self.lab.scim("GET", path) for path in
                   (f"/Users/{ids[0]}", f"/Users/{ids[1]}", f"/Groups/{ids[2]}")]
        return node, out, ids[1], [(reply.status, reply.body.get("active")) for reply in replies]

    def test_delete(self):
        *_, became = self.leave(DEPROVISION)
        self.assertEqual([404, 404, 404], [status for status, _ in became])
        self.assertInStep()

    def returns(self, *more):
        node, out, was, became = self.leave("{user: deactivate, group: delete, out-of-scope: deactivate}", *more)
        self.assertEqual([(200, False), (200, False), (404, None)], became)
        self.assertNoWrites(lambda: node.sync("--full"))
        self.set(out, "mail", "out@example.org")
        node.sync()
        self.assertEqual((was, True), (self.user("out")["id"], self.user("out")["active"]))
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_deactivated_and_reactivated_on_return_where_active_flows(self):
        self.returns()

    def test_deactivated_and_reactivated_on_return_where_it_does_not(self):
        self.returns((ACTIVE, ""))

    def test_keep(self):
        node, *_, became = self.leave("{user: keep, group: keep, out-of-scope: keep}")
        self.assertEqual([(200, True), (200, True), (200, None)], became)
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_who_was_found_but_never_adopted_is_not_deleted(self):
        hard, soft = self.person("hard"), self.person("soft")
        ids = [self.lab.create_user("somebody@example.com", externalId=self.anchor(hard)).body["id"],
               self.lab.create_user("soft@example.org").body["id"]]
        node = self.new_node(edit=replaced((DEPROVISION, DEPROVISION)), approve_first=False)
        node.start()
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        self.directory.delete_s(hard)
        self.directory.delete_s(soft)
        node.twinsync("sync", "--wait", "--approve-first")
        node.twinsync("sync", "--wait", "--full")
        self.assertEqual([200, 200], [self.lab.scim("GET", f"/Users/{each}").status for each in ids])

    def test_what_is_not_ours_is_never_touched(self):
        stranger = self.lab.create_user("stranger@example.com", externalId="another-system").body["id"]
        team = self.lab.scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "strangers",
                                                "members": [{"value": stranger}]}).body["id"]
        node = self.running()
        node.sync("--full")
        node.sync()
        self.assertEqual("another-system", self.lab.scim("GET", f"/Users/{stranger}").body["externalId"])
        self.assertEqual(stranger, self.lab.scim("GET", f"/Groups/{team}").body["members"][0]["value"])


class Members(SemanticsCase):
    def foreign(self, policy):
        """After a full cycle: which of (ours, wrongly added, a stranger) are members."""
        ours, other = self.person("ours"), self.person("other")
        self.group("club", ours)
        stranger = self.lab.create_user("stranger@example.com", externalId="another-system").body["id"]
        node = self.running(("members: authoritative", f"members: {policy}"))
        added = [{"value": self.user("other")["id"]}, {"value": stranger}]
        self.edit(self.team("club"), {"op": "add", "path": "members", "value": added})
        node.sync("--full")
        self.assertNoWrites(lambda: node.sync("--full"))
        now = self.members("club")
        self.assertTrue(other)
        return [each in now for each in (self.user("ours")["id"], self.user("other")["id"], stranger)]

    def test_authoritative_removes_whom_we_did_not_add(self):
        self.assertEqual([True, False, False], self.foreign("authoritative"))

    def test_additive_leaves_whom_others_added(self):
        self.assertEqual([True, True, True], self.foreign("additive"))

    def test_a_member_removed_by_others_is_added_again(self):
        dn = self.person("marek")
        self.group("kept", dn)
        node = self.running()
        self.edit(self.team("kept"), {"op": "remove", "path": f'members[value eq "{self.user("marek")["id"]}"]'})
        self.assertEqual(set(), self.members("kept"))
        node.sync("--full")
        self.assertEqual({self.user("marek")["id"]}, self.members("kept"))


class Offers(SemanticsCase):
    """Services that offer less."""

    def in_step_with(self, seed, **options):
        self.lab.set_options(**options)
        node = self.running()
        self.lab.change(seed=seed, count=40)
        self.assertSettled(node)
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_without_etags(self):
        self.in_step_with(1, etag=False)

    def test_without_patch(self):
        self.in_step_with(2, patch=False)

    def test_without_bulk(self):
        self.in_step_with(3, bulk=False)

    def test_with_nothing_but_the_least(self):
        self.in_step_with(4, etag=False, patch=False, bulk=False, page_max=7)


if __name__ == "__main__":
    unittest.main()
