#!/usr/bin/python3
"""What becomes of those who leave, when, and of those who come back. Days pass
by a clock that is set ahead (node/base/time.h)."""

import unittest

from mishaps import hidden, subtree
from semantics import SemanticsCase

DEPROVISION = "{user: delete, group: delete, out-of-scope: delete}"
DAY = 86400


class PolicyCase(SemanticsCase):
    def policy(self, text, *more):
        return self.running((DEPROVISION, "{" + text + "}"), *more)

    def after(self, node, days, *arguments):
        """Operations of a cycle so many days from now."""
        def come_to_it():  # the daemon's first cycle may be over before it answers
            node.stop()
            node.start(TWINSYNC_TEST_CLOCK_OFFSET=str(int(days * DAY)))
            node.sync(*arguments)
        return [(method, path.split("/")[1]) for method, path in self.operations_of(come_to_it)]

    def stage(self, node, name, stage="deprovision"):
        shown = node.json("show", name)
        return shown, next((each for each in shown["stages"] if each["stage"] == stage), None)

    def active(self, resource_id):
        reply = self.lab.scim("GET", f"/Users/{resource_id}")
        return reply.body["active"] if reply.status == 200 else None


class DeleteAfter(PolicyCase):
    POLICY = "user: deactivate, group: delete, out-of-scope: deactivate, delete-after-days: 30"

    def test_a_user_whose_entry_is_gone_is_deactivated_and_deleted_days_later(self):
        dn = self.person("gone")
        anchor = self.anchor(dn)
        node = self.policy(self.POLICY)
        there = self.user("gone")["id"]
        self.directory.delete_s(dn)
        node.sync()
        self.assertFalse(self.active(there))
        shown, stage = self.stage(node, anchor)
        self.assertEqual(("waiting", "deactivate"), (stage["state"], stage["facts"]["policy"]))
        self.assertIn(f"it stays as it is until {stage['facts']['deleted_at']}", shown["why"])
        self.assertTrue(shown["in_step"])
        self.assertEqual([], self.after(node, 29.9))
        self.assertEqual([], self.after(node, 29.95, "--full"))
        self.assertEqual([("DELETE", "Users")], self.after(node, 30.1))
        self.assertEqual(404, self.lab.scim("GET", f"/Users/{there}").status)
        self.assertEqual([], self.after(node, 31, "--full"))
        self.assertInStep()

    def test_coming_back_before_cancels_the_deletion(self):
        dn = self.person("back")
        node = self.policy(self.POLICY)
        there = self.user("back")["id"]
        with hidden(self.lab, subtree(dn)):
            node.sync("--full")
            self.assertFalse(self.active(there))
        node.sync("--full")
        self.assertTrue(self.active(there))
        self.assertIsNone(self.stage(node, "back")[1])
        self.assertEqual([], self.after(node, 31))
        self.assertTrue(self.active(there))

    def test_the_days_are_counted_anew_when_somebody_leaves_again(self):
        dn = self.person("again")
        anchor = self.anchor(dn)
        node = self.policy(self.POLICY)
        there = self.user("again")["id"]
        with hidden(self.lab, subtree(dn)):
            node.sync("--full")
        node.sync("--full")
        self.directory.delete_s(dn)
        self.after(node, 20)
        self.assertFalse(self.active(there))
        self.assertEqual([], self.after(node, 49, "--full"))
        self.assertEqual("waiting", self.stage(node, anchor)[1]["state"])
        self.assertEqual([("DELETE", "Users")], self.after(node, 50.1))

    def test_out_of_scope_is_no_reason_to_delete_until_the_entry_is_gone_too(self):
        dn = self.person("out")
        anchor = self.anchor(dn)
        node = self.policy(self.POLICY)
        there = self.user("out")["id"]
        self.set(dn, "mail")
        node.sync()
        self.assertFalse(self.active(there))
        self.assertEqual([], self.after(node, 31, "--full"))
        self.directory.delete_s(dn)
        self.assertEqual([], self.after(node, 31.1, "--full"))
        self.assertEqual("waiting", self.stage(node, anchor)[1]["state"])
        self.assertEqual([], self.after(node, 60, "--full"))
        self.assertEqual([("DELETE", "Users")], self.after(node, 61.2))

    def test_another_number_of_days_holds_for_those_who_left_already(self):
        dn = self.person("shorter")
        node = self.policy(self.POLICY.replace("30", "60"))
        there = self.user("shorter")["id"]
        self.directory.delete_s(dn)
        node.sync()
        self.reconfigure(node, (DEPROVISION, "{" + self.POLICY + "}"))
        self.carry_out(node)
        self.assertEqual([], self.after(node, 29.9, "--full"))
        self.assertFalse(self.active(there))
        self.assertEqual([("DELETE", "Users")], self.after(node, 30.1))

    def carry_out(self, node):
        """The cycle after a changed configuration, staged or not."""
        done = node.twinsync("sync", "--wait")
        self.assertIn(done.returncode, (0, 3), done.stderr)
        if done.returncode == 3:
            node.sync("--plan", node.json("preview")["hash"])


class GroupDelay(PolicyCase):
    POLICY = "user: delete, group: delete, out-of-scope: delete, group-delay-days: 7"

    def test_a_group_stays_whole_for_days_after_its_entry_is_gone(self):
        member = self.person("member")
        dn = self.group("leaving", member)
        anchor = self.anchor(dn)
        node = self.policy(self.POLICY)
        there, members = self.team("leaving")["id"], self.members("leaving")
        self.assertEqual(1, len(members))
        self.directory.delete_s(dn)
        self.assertNoWrites(node.sync)
        self.assertNoWrites(lambda: node.sync("--full"))
        shown, stage = self.stage(node, anchor)
        self.assertEqual("waiting", stage["state"])
        self.assertIn(stage["facts"]["deleted_at"], shown["why"])
        self.assertTrue(node.json("verify", "--all")["equal"])
        self.assertEqual([], self.after(node, 6.9))
        self.assertEqual(members, self.members("leaving"))
        self.assertEqual([("DELETE", "Groups")], self.after(node, 7.1))
        self.assertEqual(404, self.lab.scim("GET", f"/Groups/{there}").status)

    def test_a_group_that_comes_back_loses_nothing(self):
        member = self.person("mate")
        dn = self.group("returning", member)
        node = self.policy(self.POLICY)
        there = self.team("returning")["id"]
        with hidden(self.lab, subtree(dn)):
            self.assertNoWrites(lambda: node.sync("--full"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual([], self.after(node, 8))
        self.assertEqual((there, {self.user("mate")["id"]}), (self.team("returning")["id"], self.members("returning")))

    def test_a_group_out_of_scope_waits_as_well(self):
        dn = self.group("scoped", self.person("scoped1"))
        node = self.policy(self.POLICY, ("\"has('objectClass','groupOfNames')\"",
                                         "\"has('objectClass','groupOfNames') AND description IS NULL\""))
        self.set(dn, "description", "away")
        self.assertNoWrites(node.sync)
        self.assertEqual([], self.after(node, 6))
        self.assertEqual([("DELETE", "Groups")], self.after(node, 8))


class ReturnKeep(PolicyCase):
    POLICY = "user: deactivate, group: delete, out-of-scope: deactivate, return: keep"

    def leave_and_come_back(self, uid, *more):
        dn = self.person(uid, title="First")
        node = self.policy(self.POLICY, *more)
        there = self.user(uid)["id"]
        with hidden(self.lab, subtree(dn)):
            node.sync("--full")
            self.assertFalse(self.active(there))
        self.set(dn, "title", "Second")
        node.sync("--full")
        return dn, node, there

    def kept(self, *more):
        dn, node, there = self.leave_and_come_back("keeper", *more)
        self.assertEqual((False, "Second"), (self.active(there), self.user("keeper")["title"]))
        for cycle in ((), ("--full",), ()):
            self.assertNoWrites(lambda kind=cycle: node.sync(*kind), f"sync {cycle}")
        [error] = [each for each in node.json("errors")["errors"] if each["name"] == "keeper@example.org"]
        self.assertEqual(("policy", "active"), (error.get("stage", "policy"), error["path"]))
        self.assertIn("twinsync retry NAME reactivates", error["text"])
        shown, stage = self.stage(node, "keeper")
        self.assertEqual(("problem", error["text"]), (stage["state"], stage["problems"][0]["text"]))
        self.set(dn, "title", "Third")
        self.assertEqual(1, len(self.operations_of(node.sync)))
        self.assertEqual((False, "Third"), (self.active(there), self.user("keeper")["title"]))
        return dn, node, there

    def test_a_user_that_returns_stays_deactivated_and_its_values_flow(self):
        _, node, there = self.kept()
        self.assertTrue(node.json("verify", "--all")["equal"])
        self.assertFalse(self.active(there))

    def test_the_same_where_no_rule_flows_active(self):
        self.kept(('      active: "pwdAccountLockedTime IS NULL"\n', ""))

    def test_retry_reactivates_it(self):
        _, node, there = self.kept()
        done = node.twinsync("retry", "--all")
        self.assertNoWrites(node.sync)
        done = node.twinsync("retry", "keeper")
        self.assertEqual(0, done.returncode, done.stderr)
        node.sync()
        self.assertTrue(self.active(there))
        self.assertEqual([], [each for each in node.json("errors")["errors"] if each["name"] == "keeper@example.org"])
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_leaving_again_ends_it(self):
        dn, node, _ = self.kept()
        anchor = self.anchor(dn)
        self.directory.delete_s(dn)
        self.assertNoWrites(node.sync)
        self.assertEqual([], node.json("errors")["errors"])
        self.assertEqual("out", self.stage(node, anchor)[1]["state"])


if __name__ == "__main__":
    unittest.main()
