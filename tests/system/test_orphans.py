#!/usr/bin/python3
"""A reinstall against a used target: nothing is lost, nothing is doubled, nobody else is harmed."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from lab import GROUP  # noqa: E402
from labkit import tenant  # noqa: E402
from mishaps import dump, reload  # noqa: E402
from semantics import SemanticsCase, operations, replaced  # noqa: E402

FOREIGN = 200


class OrphanCase(SemanticsCase):
    def orphans(self, node):
        """{anchor: what the hold list tells of it}"""
        return {item["anchor"]: item for hold in self.holds(node) for item in hold["objects"]}

    def holds(self, node):
        return [hold for hold in node.json("hold", "list")["holds"] if hold["class"] == "orphans"]

    def reinstalled(self, node, *pairs):
        """The state directory is lost; another node begins with an empty one."""
        node.stop()
        again = self.new_node(edit=replaced(*pairs))
        again.start()
        return again

    def lost_while_off(self, *uids):
        """A new node, after these people were deleted while the old one was off; the people's anchors."""
        people = {uid: self.person(uid) for uid in uids}
        anchors = {uid: self.anchor(dn) for uid, dn in people.items()}
        node = self.running()
        node.stop()
        for dn in people.values():
            self.directory.delete_s(dn)
        again = self.reinstalled(node)
        self.assertNoWrites(again.sync)
        self.assertEqual(set(anchors.values()), set(self.orphans(again)))
        return again, anchors

    def assertThere(self, *uids):
        for uid in uids:
            self.assertIsNotNone(self.user(uid), uid)


class Foreign(OrphanCase):
    def test_objects_of_another_system_are_listed_and_never_touched(self):
        other = tenant.Tenant(self.lab.layout)
        made = [other.person(f"hr{n}@hr.example.com", externalId=f"HR-{n:06d}") for n in range(FOREIGN)]
        made.append(other.group("hr", [each["id"] for each in made[:5]], externalId="HR-group"))
        before = other.note([each["id"] for each in made])
        logged = len(self.lab.writes())
        node = self.running()
        anchors = {each["externalId"] for each in made}
        self.assertEqual(anchors, set(self.orphans(node)))

        again = self.reinstalled(node)
        self.assertNoWrites(again.sync)
        self.assertNoWrites(lambda: again.sync("--full"))
        self.assertEqual([], other.disturbed(before))
        written = {path.rpartition("/")[2] for _, path in operations(self.lab.writes()[logged:])}
        self.assertEqual(set(), written & set(before))
        found = self.orphans(again)
        self.assertEqual(anchors, set(found))
        one = found["HR-000007"]
        self.assertEqual((made[7]["id"], made[7]["meta"]["created"], "hr7@hr.example.com"),
                         (one["target_id"], one["created"], one["name"]))
        shown = again.json("show", "HR7@hr.example.com")
        self.assertEqual(shown, again.json("show", made[7]["id"]))
        self.assertEqual(shown, again.json("show", "HR-000007"))
        self.assertEqual(["target", "ledger"], [stage["stage"] for stage in shown["stages"]])
        self.assertEqual("found", shown["stages"][1]["facts"]["provenance"])
        self.assertSentence(shown["why"], "left alone", "no source shows its anchor")
        [group] = [hold for hold in self.holds(again) if hold["kind"] == "group"]
        self.assertSentence(group["text"], "1 group of the target carries an anchor that no source shows")
        self.assertEqual([], self.lab.compare("--tenant", self.noted(before))["details"])
        self.assertEqual(0, again.twinsync("verify", "--all").returncode)

    def noted(self, foreign):
        """The path of a file that tells the comparer whose is what."""
        path = os.path.join(self.lab.parent, "tenant.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"foreign": foreign}, file)
        return path


class Reinstalled(OrphanCase):
    def test_what_was_deleted_meanwhile_is_listed_and_leaves_only_when_it_is_named(self):
        node, anchors = self.lost_while_off("gone1", "gone2", "gone3")
        [problem] = node.status()["problems"]
        self.assertEqual(("held-orphans", "warning"), (problem["code"], problem["severity"]))
        self.assertIn("--only TARGET-ID", problem["fix"])
        [hold] = self.holds(node)
        refused = node.twinsync("approve", hold["hash"])
        self.assertEqual(3, refused.returncode, refused.stderr)
        self.assertNoWrites(node.sync)
        gone = self.user("gone1")["id"]
        done = node.twinsync("approve", hold["hash"], "--only", anchors["gone1"], "--reason", "left in May")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual([("DELETE", f"/Users/{gone}")], self.operations_of(node.sync))
        self.assertThere("gone2", "gone3")
        self.assertEqual({anchors["gone2"], anchors["gone3"]}, set(self.orphans(node)))
        self.assertEqual(0, node.twinsync("verify", "--all").returncode)

        [hold] = self.holds(node)
        self.assertEqual(0, node.twinsync("reject", hold["hash"], "--only", self.user("gone2")["id"]).returncode)
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual({anchors["gone3"]}, set(self.orphans(node)))
        self.assertThere("gone2", "gone3")

    def test_an_approval_that_expired_releases_nothing(self):
        node, anchors = self.lost_while_off("gone")
        [hold] = self.holds(node)
        self.assertEqual(0, node.twinsync("approve", hold["hash"], "--only", anchors["gone"]).returncode)
        node.stop()
        node.start(TWINSYNC_TEST_CLOCK_OFFSET=str(25 * 3600))
        self.assertNoWrites(lambda: node.twinsync("sync", "--wait"))
        self.assertEqual({anchors["gone"]}, set(self.orphans(node)))
        self.assertThere("gone")
        [hold] = self.holds(node)
        self.assertEqual(0, node.twinsync("reject", hold["hash"]).returncode)
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual({}, self.orphans(node))
        self.assertThere("gone")
        self.assertEqual(0, node.twinsync("verify", "--all").returncode)

    def staged(self, uid):
        """A reinstalled node that waits for its first plan, with one orphan that is approved; the orphan's path."""
        person = self.person(uid)
        anchor = self.anchor(person)
        node = self.running()
        node.stop()
        self.directory.delete_s(person)
        again = self.new_node(approve_first=False)
        again.start()
        again.twinsync("sync", "--wait")
        [hold] = self.holds(again)
        self.assertEqual(0, again.twinsync("approve", hold["hash"], "--only", anchor).returncode)
        return again, f"/Users/{self.user(uid)['id']}"

    def test_what_was_approved_before_the_first_plan_is_carried_out_by_it(self):
        node, path = self.staged("gone")
        plan = node.json("preview")
        self.assertEqual(1, plan["counts"]["delete"])
        done = self.operations_of(lambda: node.sync("--plan", plan["hash"]))
        self.assertEqual([("DELETE", path)], done)
        self.assertEqual(({}, 0), (self.orphans(node), node.status()["counts"]["pending"]))
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_what_was_approved_before_everything_is_approved_goes_too(self):
        node, path = self.staged("gone")
        self.assertEqual([("DELETE", path)], self.operations_of(lambda: [node.sync("--approve-first"), node.sync()]))
        self.assertEqual(({}, 0), (self.orphans(node), node.status()["counts"]["pending"]))

    def test_the_policy_decides_what_becomes_of_one_that_was_approved(self):
        policy = ("{user: delete, group: delete, out-of-scope: delete}",
                  "{user: deactivate, group: delete, out-of-scope: delete}")
        person = self.person("gone")
        anchor = self.anchor(person)
        node = self.running(policy)
        node.stop()
        self.directory.delete_s(person)
        again = self.reinstalled(node, policy)
        again.sync()
        [hold] = self.holds(again)
        self.assertEqual("deactivate", hold["objects"][0]["verb"])
        self.assertEqual(0, again.twinsync("approve", hold["hash"], "--only", anchor).returncode)
        again.sync()
        self.assertFalse(self.user("gone")["active"])
        self.assertEqual({}, self.orphans(again))
        self.assertNoWrites(lambda: again.sync("--full"))

    def test_an_orphan_whose_person_comes_back_is_adopted(self):
        person = self.person("back")
        was, anchor = dump(self.lab), self.anchor(person)
        node = self.running()
        node.stop()
        self.directory.delete_s(person)
        again = self.reinstalled(node)
        again.sync()
        self.assertEqual({anchor}, set(self.orphans(again)))
        identifier = self.user("back")["id"]
        reload(self.lab, was)
        self.directory = self.lab.ldap()
        self.assertNoWrites(lambda: again.sync("--full"))
        self.assertEqual({}, self.orphans(again))
        self.assertEqual(identifier, self.user("back")["id"])
        self.assertEqual(0, again.twinsync("verify", "--all").returncode)

    def test_what_left_the_scope_meanwhile_leaves_by_the_policy(self):
        person = self.person("outside")
        node = self.running()
        node.stop()
        identifier = self.user("outside")["id"]
        self.set(person, "mail")
        again = self.reinstalled(node)
        self.assertEqual([("DELETE", f"/Users/{identifier}")], self.operations_of(again.sync))
        self.assertEqual({}, self.orphans(again))

    def test_an_error_of_a_rule_is_no_scope_exit(self):
        rule = ("AND mail IS NOT NULL", "AND mail IS NOT NULL AND "
                "CASE WHEN title = 'broken' THEN json_extract('{', '$') IS NULL ELSE 1 END")
        person = self.person("unclear", title="fine")
        node = self.running(rule)
        node.stop()
        self.set(person, "title", "broken")
        again = self.reinstalled(node, rule)
        self.assertNoWrites(again.sync)
        self.assertEqual({}, self.orphans(again))
        self.set(person, "title", "fine")
        self.assertNoWrites(lambda: again.sync("--full"))
        self.assertThere("unclear")

    def test_an_orphan_that_somebody_else_deletes_leaves_the_list(self):
        node, anchors = self.lost_while_off("gone1", "gone2")
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{self.user('gone1')['id']}"), 204)
        node.sync("--full")
        self.assertEqual({anchors["gone2"]}, set(self.orphans(node)))
        self.assertEqual(0, node.twinsync("verify", "--all").returncode)

    def test_an_administrator_with_an_anchor_is_no_orphan(self):
        admin = self.lab.create_user("root@example.com", externalId="another-system",
                                     roles=[{"value": "admin"}]).body
        node = self.running()
        node.sync("--full")
        self.assertEqual({}, self.orphans(node))
        self.assertIn("administrator", node.json("show", "root@example.com")["why"])
        self.assertEqual(admin, self.lab.scim("GET", f"/Users/{admin['id']}").body)

    def test_groups_too(self):
        group = self.group("lost")
        anchor = self.anchor(group)
        node = self.running()
        node.stop()
        self.directory.delete_s(group)
        again = self.reinstalled(node)
        self.assertNoWrites(again.sync)
        self.assertEqual({anchor: "group"}, {each: item["kind"] for each, item in self.orphans(again).items()})
        self.assertTrue(GROUP in self.team("lost")["schemas"])


if __name__ == "__main__":
    unittest.main()
