#!/usr/bin/python3
"""plans: what a preview showed is written, exactly that, whatever happens meanwhile."""

import csv
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from instep import quick, with_target  # noqa: E402
from lab import BUILD, wait_until  # noqa: E402
from labkit.tenant import Tenant, writes_by_object  # noqa: E402
from staged import StagingCase  # noqa: E402

DAY = 86400


class Plan(StagingCase):
    def test_a_plan_writes_what_was_shown_and_what_changed_since_is_dropped_by_name(self):
        node = self.staged_node()
        plan = node.json("preview")
        (changed_dn, changed), (gone_dn, gone) = self.people(2)
        self.retitle(changed_dn, "Changed Since")
        self.lab.ldap().delete_s(gone_dn)
        new = self.entry("zz-new")

        result = node.json("sync", "--plan", plan["hash"], "--reason", "looked at it")
        self.assertEqual(plan["hash"], result["plan"]["hash"])
        self.assertEqual({changed, gone}, {each["anchor"] for each in result["plan"]["dropped_objects"]})
        self.assertEqual((True, 2, 0, plan["counts"]["create"] - 2),
                         tuple(result["plan"][key] for key in ("done", "dropped", "left", "performed")))
        planned = {each["anchor"] for each in plan["objects"]}
        self.assertEqual(planned - {changed, gone}, set(self.anchors()))
        self.assertNotIn(new, self.anchors())
        self.assertEqual([], self.staging(node))
        events = self.events(node)
        self.assertEqual(["plan-approved", "plan-done", "staging-ended"],
                         [name for name in events if name.startswith(("plan", "staging"))])
        approved = next(each for each in node.json("events")["events"] if each["event"] == "plan-approved")
        self.assertIn("looked at it", approved["text"])
        self.assertSettled(node)  # staging is over: the rest follows by itself
        self.assertRefused(node, plan["hash"], "approved before")

    def test_a_creation_that_meets_somebody_made_since_writes_nothing_to_him(self):
        node = self.staged_node()
        plan = node.json("preview")
        created = {each["anchor"]: each["name"] for each in plan["objects"]
                   if each["kind"] == "user" and each["verb"] == "create"}
        (one, one_name), (other, other_name) = sorted(created.items())[:2]
        tenant = Tenant(self.lab.layout)
        met = tenant.note([tenant.person(one_name, externalId=one)["id"], tenant.person(other_name)["id"]])
        result = node.json("sync", "--plan", plan["hash"])
        self.assertEqual([], tenant.disturbed(met))
        self.assertIn(other, {each["anchor"] for each in result["plan"]["dropped_objects"]})
        self.assertEqual(set(created) - {other}, {anchor for anchor in self.anchors() if anchor in created})

    def test_a_plan_that_is_unknown_expired_or_of_other_rules_is_refused(self):
        node = self.staged_node()
        plan = node.json("preview")["hash"]
        self.assertRefused(node, "0" * 64, "none of that name")
        self.assertRefused(node, "nonsense", "none of that name")
        node.stop()
        node.start(TWINSYNC_TEST_CLOCK_OFFSET=str(DAY + 60))
        self.assertRefused(node, plan, "24 hours")
        plan = node.json("preview")["hash"]
        node.stop()
        with open(node.config_file, encoding="utf-8") as file:
            text = file.read()
        node.write_config(text.replace('title: "title"', 'title: "upper(title)"'))
        node.start(TWINSYNC_TEST_CLOCK_OFFSET=str(DAY + 60))
        self.assertRefused(node, plan, "were changed")
        self.assertEqual([], self.lab.writes())

    def test_a_plan_outside_of_staging_writes_its_links_and_no_others(self):
        node = self.in_step_node()
        node.twinsync("pause")
        (dn, anchor), (other_dn, other) = self.people(2)
        group = f"cn=zz group,{self.lab.env['base']}"
        connection = self.lab.ldap()
        connection.add_s(group, [("objectClass", [b"groupOfNames"]), ("cn", [b"zz group"]),
                                 ("member", [group.encode()])])
        node.sync()
        connection.modify_s(group, [(0, "member", [dn.encode()])])
        plan = node.json("preview")
        self.assertEqual((1, 1), (plan["counts"]["update"], plan["counts"]["members"]))
        connection.modify_s(group, [(0, "member", [other_dn.encode()])])
        self.retitle(other_dn, "Not Shown")
        result = node.json("sync", "--plan", plan["hash"])
        self.assertEqual((1, 0, 0), tuple(result["plan"][key] for key in ("performed", "dropped", "left")))
        now = self.anchors()
        [made] = [each for each in now.values() if each.get("displayName") == "zz group"]
        self.assertEqual([now[anchor]["id"]], [member["value"] for member in made["members"]])
        self.assertNotEqual("Not Shown", now[other].get("title"))
        self.assertSettled(node)


class Killed(StagingCase):
    OPTIONS = {"people": 60, "groups": 3}

    def test_a_plan_is_carried_on_after_a_kill_and_still_writes_nothing_else(self):
        node = self.staged_node(edit=lambda text: with_target(quick(text), "bulk: never", "connections-max: 1"))
        plan = node.json("preview")
        self.lab.fault("stall", {"method": "POST"}, ms=20)
        node.twinsync("pause")
        asked = subprocess.Popen([os.path.join(BUILD, "twinsync"), "-c", node.config_file, "sync", "--plan",
                                  plan["hash"]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(self.lab.writes()) > 10, "a part of the plan is written")
        node.kill()
        asked.wait()
        self.assertLess(len(self.anchors()), plan["counts"]["create"])

        made = self.anchors()
        changed_dn, changed = next((dn, anchor) for dn, anchor in self.people(60) if anchor not in made)
        self.retitle(changed_dn, "Changed Since")
        new = self.entry("zz-new")
        self.lab.reset()
        node.start()
        node.twinsync("resume")
        wait_until(lambda: "plan-done" in self.events(node), "the plan is done")
        node.twinsync("pause")
        done = next(each for each in node.json("events")["events"] if each["event"] == "plan-done")
        self.assertIn('"dropped":1', done["text"].replace(" ", ""))
        created = {row["ids"][0] for row in self.lab.writes() if row["method"] == "POST" and row["status"] == 201}
        planned = {each["anchor"] for each in plan["objects"]}
        by_id = Tenant(self.lab.layout).objects()
        self.assertTrue(created <= set(by_id))
        self.assertNoSecondCreate()
        in_plan = {anchor for anchor in self.anchors() if anchor in planned}
        self.assertEqual(planned - {changed}, in_plan)
        after_plan = [row for row in self.lab.writes()]
        self.assertSettled(node)
        self.assertIn(new, self.anchors())
        self.assertGreater(len(self.lab.writes()), len(after_plan))


class UsedTenant(StagingCase):
    OPTIONS = {"people": 100, "groups": 4}

    def test_a_used_tenant_is_told_by_kind_and_only_what_was_shown_is_written(self):
        tenant = Tenant(self.lab.layout)
        made = tenant.prefill_from_directory(others=5)
        before = len(self.lab.writes())
        node = self.staged_node()
        plan = node.json("preview")
        self.assertEqual(before, len(self.lab.writes()))
        self.assertEqual({"hard": len(made["hard"]) + len(made["groups"]), "soft": len(made["soft"])}, plan["matched"])
        self.assertEqual("first", plan["staging"]["why"])
        untouched = {each["target_id"]: each["why"] for each in plan["untouched"]["objects"]}
        self.assertEqual(set(made["foreign"]), set(untouched))
        self.assertEqual(len(untouched), plan["untouched"]["count"])
        self.assertEqual({"an administrator or a service identity: never matched",
                          "carries an anchor that no source has", "matches nobody at the source"},
                         set(untouched.values()))
        adopted = [each for each in plan["objects"] if each["verb"] == "adopt"]
        self.assertTrue(all(each["attributes"] for each in adopted if each["match"] == "soft"))
        [conflict] = plan["conflicts"]
        self.assertEqual((1, list(made["in_the_way"].values())), (plan["conflict_count"], [conflict["anchor"]]))
        rows = list(csv.DictReader(node.twinsync("preview", "--csv").stdout.splitlines()))
        self.assertEqual({"create", "adopt", "conflict", "untouched"}, {row["verb"] for row in rows})
        self.assertEqual({each["anchor"] for each in adopted},
                         {row["anchor"] for row in rows if row["verb"] == "adopt"})
        self.assertEqual(set(untouched), {row["old"] for row in rows if row["verb"] == "untouched"})
        table = node.twinsync("preview").stdout
        self.assertRegex(table, r"HARD MATCH +SOFT MATCH +CREATE +CONFLICT +UNTOUCHED\n +\d+ +3 +\d+ +1 +\d+\n")
        self.assertIn("twinsync sync --plan " + plan["hash"], table)

        result = node.json("sync", "--plan", plan["hash"])
        self.assertEqual((0, []), (result["plan"]["dropped"], result["plan"]["dropped_objects"]))
        self.assertEqual([], tenant.disturbed(made["foreign"]))
        written = set(writes_by_object(self.lab.writes()[before:]))
        shown = {each["anchor"] for each in plan["objects"]}
        now = tenant.objects()
        self.assertEqual(set(), {each for each in written if now[each].get("externalId") not in shown})
        self.assertEqual([], self.staging(node))


if __name__ == "__main__":
    unittest.main()
