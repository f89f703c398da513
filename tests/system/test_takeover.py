#!/usr/bin/python3
"""What the engine does when it takes over, loses the lease or has no standby: a real directory and a real
service, and a test that plays register and peer."""

import re
import time
import unittest

import ldap.modlist
from halfpair import HalfPair, copy_state, paired
from instep import InStepCase
from lab import wait_until


class TakeoverCase(InStepCase):
    OPTIONS = {"people": 20, "groups": 3}
    hired = 0

    def setUp(self):
        super().setUp()
        self.empty_target()
        self.node = self.new_node(edit=paired)
        self.half = self.start(self.node)
        self.half.activate(1)
        self.half.settle()
        self.since = len(self.lab.writes())

    def start(self, node):
        half = HalfPair(node)
        self.addCleanup(half.kill)
        return half

    def hire(self, count=1):
        directory = self.lab.ldap()
        names = []
        for _ in range(count):
            TakeoverCase.hired += 1
            uid = f"late{TakeoverCase.hired}"
            names.append(f"uid={uid},ou=people,{self.lab.env['base']}")
            directory.add_s(names[-1], ldap.modlist.addModlist({
                "objectClass": [b"inetOrgPerson"], "uid": [uid.encode()], "cn": [uid.encode()], "sn": [b"New"],
                "mail": [f"{uid}@example.org".encode()]}))
        directory.unbind_s()
        return names

    def dismiss(self, names):
        directory = self.lab.ldap()
        for name in names:
            directory.delete_s(name)
        directory.unbind_s()

    def new_writes(self):
        return self.lab.writes()[self.since:]

    def epochs(self):
        return {int(row["op"].split("/")[2]) for row in self.new_writes()}


class Standby(TakeoverCase):
    def test_nothing_leaves_before_the_standby_has_its_intent(self):
        self.half.do("ack", answer="wait")
        self.hire()
        sync = self.half.send("ask", command="sync", args={"wait": True})
        self.half.until_waiting()
        self.assertEqual([], self.new_writes())
        self.assertEqual(0, self.half.ask("errors")["code"], "operators are answered meanwhile")
        self.half.do("ack", answer="durable")
        self.assertEqual(0, self.half.wait(sync)["code"])
        self.assertEqual(1, len(self.new_writes()))
        self.assertInStep()

    def test_a_lease_that_is_lost_sends_nothing_and_the_next_holder_looks(self):
        self.half.do("ack", answer="wait")
        self.hire(3)
        sync = self.half.send("ask", command="sync", args={"wait": True})
        self.half.until_waiting()
        self.half.do("deactivate", how="at-once")
        self.assertNotEqual(0, self.half.wait(sync)["code"])
        self.assertEqual([], self.new_writes())
        self.assertEqual(3, self.half.ask("sync", wait=True)["code"])
        self.half.do("ack", answer="durable")
        self.half.activate(2)
        self.half.settle()
        self.assertEqual({2}, self.epochs())
        self.assertInStep()
        self.assertNoSecondCreate(self.since)

    def test_a_drain_ends_what_is_under_way_and_leaves_nothing_in_doubt(self):
        fault = self.lab.fault("stall", {"method": "POST"}, ms=700)
        self.hire(2)
        sync = self.half.send("ask", command="sync", args={"wait": True})
        wait_until(lambda: self.lab.fault_hits(fault) > 0, "a request is under way")
        self.half.do("deactivate", how="drained")
        self.half.wait(sync)
        self.lab.reset()
        self.half.activate(2)
        self.half.settle()
        self.assertInStep()
        self.assertNoSecondCreate(self.since)

    def test_under_hold_deletes_deletions_wait_for_the_standby(self):
        self.half.kill()
        self.node.write_config(paired(self.node.text) + "unprotected: hold-deletes\n")
        half = self.start(self.node)
        half.activate(2)
        names = self.hire(2)
        half.settle()
        half.do("ack", answer="unprotected")
        self.since = len(self.lab.writes())
        self.dismiss(names)
        hired = self.hire()
        half.ask("sync", wait=True)
        self.assertEqual(["POST"], [row["method"] for row in self.new_writes()])
        half.do("ack", answer="durable")
        half.settle()
        self.dismiss(hired)
        half.settle()
        self.assertInStep()


class Takeover(TakeoverCase):
    def take_over(self, epoch=2, **details):
        """This node dies; another one with the same state takes over."""
        self.half.kill()
        other = self.new_node(edit=paired)
        copy_state(self.node, other)
        self.node, self.half = other, self.start(other)
        self.half.activate(epoch, crashed=True, **details)

    def test_what_was_under_way_is_looked_up_and_made_once(self):
        fault = self.lab.fault("stall", {"method": "POST"}, ms=60000)
        self.hire(3)
        self.half.send("ask", command="sync", args={"wait": True})
        wait_until(lambda: self.lab.fault_hits(fault) > 0, "a request is under way")
        self.take_over()
        self.lab.reset()
        self.half.settle()
        self.assertInStep()
        self.assertNoSecondCreate(self.since)

    def test_others_do_not_wait_for_what_is_in_doubt(self):
        """With a quiet time of a minute, whoever is not in doubt is exported at once."""
        self.half.kill()
        self.node.write_config(paired(self.node.text).replace("quiesce-seconds: 1", "quiesce-seconds: 60"))
        self.half = self.start(self.node)
        self.half.activate(2)
        self.half.do("ack", answer="wait")
        doubtful = self.hire()
        self.half.send("ask", command="sync", args={"wait": True})
        self.half.until_waiting()
        self.half.kill()
        fresh = self.hire()
        self.half = self.start(self.node)
        self.half.activate(3, crashed=True)
        wait_until(lambda: self.at_target(fresh[0]), "whoever is not in doubt is at the target")
        self.assertFalse(self.at_target(doubtful[0]), "it was looked up before the target was quiet")

    def at_target(self, name):
        mail = re.match(r"uid=(\w+)", name)[1] + "@example.org"
        return [user for user in self.lab.scim("GET", "/Users?count=1000").body["Resources"]
                if mail in [each["value"] for each in user.get("emails", [])]]

    def test_behind_and_unprotected_both_sides_are_read_before_the_first_export(self):
        """The survivor has seen neither who came nor who went, nor what the dead node wrote of them."""
        leaver = self.hire()
        self.half.settle()
        self.half.stop()
        other = self.new_node(edit=paired)
        copy_state(self.node, other)
        self.half = self.start(self.node)
        self.half.activate(2)
        unknown = self.hire(2)
        self.half.settle()
        self.half.kill()
        self.dismiss(leaver + unknown[:1])
        self.since = len(self.lab.writes())
        half = self.start(other)
        half.activate(3, crashed=True, reconcile_first=True, quiesce_all=True)
        half.settle()
        # Whom no reading ever showed is no deletion, but a hold that everybody can see.
        report = self.lab.compare()
        self.assertEqual(["unexpected"], [each["difference"] for each in report["details"]])
        holds = half.ask("hold-list")["result"]["holds"]
        self.assertEqual(["orphans"], [hold["class"] for hold in holds])
        self.assertNoSecondCreate(self.since)

    def test_the_target_is_read_whole_only_when_it_is_quiet(self):
        """What the dead node sent takes effect up to Q after the fence: a reading before that would miss it."""
        self.half.kill()
        self.node.write_config(paired(self.node.text).replace("quiesce-seconds: 1", "quiesce-seconds: 4"))
        self.half = self.start(self.node)
        begun = time.time()
        seen = len(self.lab.requests())
        self.half.activate(2, crashed=True, reconcile_first=True, quiesce_all=True)
        self.half.settle()
        readings = [row["admitted_us"] / 1e6 for row in self.lab.requests()[seen:] if "/Users?startIndex" in row["path"]]
        self.assertTrue(readings)
        self.assertGreaterEqual(min(readings), begun + 4)

    def test_until_both_sides_were_read_nothing_is_exported_and_that_outlives_a_restart(self):
        self.half.kill()
        self.hire()
        self.half = self.start(self.node)
        self.lab.fault("status", {"method": "GET", "path": "/Groups"}, status=403)
        self.half.activate(2, crashed=True, reconcile_first=True)
        self.assertNotEqual(0, self.half.ask("sync", wait=True)["code"])
        self.half.kill()
        self.half = self.start(self.node)
        self.half.activate(3, crashed=True)
        self.assertNotEqual(0, self.half.ask("sync", wait=True)["code"])
        self.assertEqual([], self.new_writes())
        self.lab.reset()
        self.half.settle()
        self.assertEqual(1, len(self.new_writes()))
        self.assertInStep()

    def test_who_accepts_data_loss_exports_at_once_with_every_deletion_held(self):
        leaver = self.hire()
        self.half.settle()
        self.half.kill()
        self.dismiss(leaver)
        self.hire()
        self.since = len(self.lab.writes())
        self.lab.fault("status", {"method": "GET", "path": "/Groups"}, status=403)  # nothing can be read to its end
        self.half = self.start(self.node)
        self.half.activate(2, crashed=True, reconcile_first=True, accept_data_loss=True)
        wait_until(lambda: [row["method"] for row in self.new_writes()] == ["POST"], "the newcomer is exported")
        self.lab.reset()
        self.assertEqual(3, self.half.ask("sync", wait=True, full=True)["code"])
        self.assertEqual(["POST"], [row["method"] for row in self.new_writes()])
        holds = self.half.ask("hold-list")["result"]["holds"]
        self.assertEqual(["1 user would be deleted: held because a takeover went on before both sides had been read"],
                         [hold["text"] for hold in holds])
        self.half.ask("approve", hash=holds[0]["hash"], who="operator", reason="seen")
        self.half.settle()
        self.assertInStep()

    def hint(self, *anchors, **more):
        """What was written, and how many pages of the whole target were read, after hints."""
        self.since, requests = len(self.lab.writes()), len(self.lab.requests())
        self.half.do("hints", anchors=list(anchors), **more)
        self.half.settle()
        pages = self.pages(requests)
        self.assertInStep()
        return self.new_writes(), pages

    def pages(self, since):
        """Of the whole target, which were read."""
        return len([row for row in self.lab.requests()[since:]
                    if row["method"] == "GET" and "startIndex" in row["path"] and "filter" not in row["path"]])

    def someone(self):
        """A user; and the schedule's own full reading is behind us."""
        self.half.sync(full=True)
        return self.lab.scim("GET", "/Users?count=1").body["Resources"][0]

    def test_a_hint_leads_to_a_look_at_that_object_alone(self):
        user = self.someone()
        self.assertEqual(([], 0), self.hint(user["externalId"], "nobody"))
        self.lab.patch(f"/Users/{user['id']}", {"op": "replace", "path": "name.familyName", "value": "Changed"})
        writes, pages = self.hint(user["externalId"])
        self.assertEqual((1, 0), (len(writes), pages))
        self.lab.scim("DELETE", f"/Users/{user['id']}")
        writes, pages = self.hint(user["externalId"])
        self.assertEqual(0, pages)
        self.assertIn("POST", {row["method"] for row in writes})

    def test_hints_that_do_not_tell_all_lead_to_a_full_reading(self):
        user = self.someone()
        writes, pages = self.hint(user["externalId"], cut=True)
        self.assertEqual([], writes)
        self.assertGreater(pages, 0)

    def test_an_object_that_only_the_target_knows_is_for_a_full_reading(self):
        self.lab.scim("POST", "/Users", {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "stranger@example.org",
            "externalId": "00000000-0000-4000-8000-000000000000", "active": True})
        self.half.do("hints", anchors=["00000000-0000-4000-8000-000000000000"])
        requests = len(self.lab.requests())
        self.half.sync()
        self.half.sync()
        self.assertGreater(self.pages(requests), 0)

    def test_a_look_that_fails_ends_in_a_full_reading(self):
        user = self.someone()
        self.lab.patch(f"/Users/{user['id']}", {"op": "replace", "path": "name.familyName", "value": "Changed"})
        fault = self.lab.fault("status", {"method": "GET"}, times=1, status=403)
        self.since, requests = len(self.lab.writes()), len(self.lab.requests())
        self.half.do("hints", anchors=[user["externalId"]])
        wait_until(lambda: self.lab.fault_hits(fault) == 1, "a look failed")
        wait_until(lambda: self.half.ask("sync", wait=True)["code"] == 0, "a cycle after it")
        self.half.settle()
        self.assertGreater(self.pages(requests), 0)
        self.assertEqual(1, len(self.new_writes()))
        self.assertInStep()


if __name__ == "__main__":
    unittest.main()
