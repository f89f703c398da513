#!/usr/bin/python3
"""staging: nothing is written that nobody looked at, and then exactly what was shown."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from instep import InStepCase, quick, with_target  # noqa: E402
from lab import BUILD, Lab, wait_until  # noqa: E402
from labkit.tenant import Tenant, writes_by_object  # noqa: E402

DAY = 86400


class StagingCase(InStepCase):
    """A lab a test, and a node that approves nothing by itself."""

    OPTIONS = {"people": 20, "groups": 3}

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        type(self).lab = self.new_lab()
        super().setUp()

    def new_lab(self):
        lab = Lab(**self.OPTIONS)
        self.addCleanup(lab.close)
        return lab

    def staged_node(self, **options):
        """Running, and through its first cycle."""
        node = self.new_node(approve_first=False, **options)
        node.start()
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        return node

    def in_step_node(self, **options):
        """Running, and nothing is left to write."""
        node = self.new_node(**options)
        node.start()
        self.assertSettled(node)
        return node

    def people(self, number):
        """DN and anchor of so many people with mail."""
        found = self.lab.ldap().search_s(self.lab.env["base"], 2, "(&(objectClass=inetOrgPerson)(mail=*))",
                                         ["entryUUID"])
        return [(dn, values["entryUUID"][0].decode()) for dn, values in sorted(found)[:number]]

    def entry(self, uid):
        """A new person; the anchor."""
        connection = self.lab.ldap()
        dn = f"uid={uid},ou=people,{self.lab.env['base']}"
        connection.add_s(dn, [("objectClass", [b"inetOrgPerson"]), ("cn", [uid.encode()]), ("sn", [b"New"]),
                              ("mail", [f"{uid}@example.org".encode()])])
        [(_, values)] = connection.search_s(dn, 0, "(objectClass=*)", ["entryUUID"])
        return values["entryUUID"][0].decode()

    def retitle(self, dn, title):
        self.lab.ldap().modify_s(dn, [(2, "title", [title.encode()])])

    def anchors(self):
        """Of all that the provider has."""
        return {each.get("externalId"): each for each in Tenant(self.lab.layout).objects().values()}

    def staging(self, node):
        return [problem for problem in node.status()["problems"] if problem["code"] == "staging"]

    def events(self, node):
        return [event["event"] for event in node.json("events")["events"]]

    def assertRefused(self, node, plan, *words):
        writes = len(self.lab.writes())
        done = node.twinsync("sync", "--plan", plan)
        self.assertEqual(3, done.returncode, done.stdout)
        self.assertSentence(done.stderr, "cannot carry out plan", "twinsync preview", *words)
        self.assertEqual(writes, len(self.lab.writes()))


class First(StagingCase):
    def test_nothing_is_written_before_somebody_looked_even_after_a_restart(self):
        node = self.new_node(approve_first=False)
        with node:
            done = node.twinsync("sync", "--wait")
            self.assertEqual(3, done.returncode, done.stdout)
            self.assertSentence(done.stderr, "never exported", "twinsync preview", "twinsync sync --plan")
            [problem] = node.status()["problems"]
            self.assertEqual(("staging", "warning"), (problem["code"], problem["severity"]))
            self.assertRegex(problem["text"], r"never exported; \d+ creations wait$")
        with node:
            self.assertEqual("staging", node.status()["problems"][0]["code"])
            node.twinsync("sync", "--full", "--wait")
            self.assertEqual([], self.lab.writes())
            self.assertEqual(0, node.status()["counts"]["target"])

            node.sync("--approve-first")
            self.assertSettled(node)
            self.assertEqual([], node.status()["problems"])
            self.assertEqual("success", node.status()["cycle"]["result"])
        self.lab.change(seed=3, count=20)
        with node:
            self.assertSettled(node)  # it has exported: it writes by itself from now on

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

    def test_show_tells_that_an_object_waits_for_a_plan(self):
        node = self.staged_node()
        [(_, anchor)] = self.people(1)
        shown = node.json("show", anchor)
        [intents] = [stage for stage in shown["stages"] if stage["stage"] == "intents"]
        self.assertEqual("waiting", intents["state"])
        self.assertIn("plan", shown["why"])
        self.assertTrue(intents["facts"]["staged"])


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

        result = node.json("sync", "--plan", plan["hash"])
        self.assertEqual((0, []), (result["plan"]["dropped"], result["plan"]["dropped_objects"]))
        self.assertEqual([], tenant.disturbed(made["foreign"]))
        written = set(writes_by_object(self.lab.writes()[before:]))
        shown = {each["anchor"] for each in plan["objects"]}
        now = tenant.objects()
        self.assertEqual(set(), {each for each in written if now[each].get("externalId") not in shown})
        self.assertEqual([], self.staging(node))


class Again(StagingCase):
    """Staging of a store that has exported."""

    def restart(self, node, old, new):
        node.stop()
        with open(node.config_file, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        node.write_config(text.replace(old, new, 1))
        node.start()

    def test_changed_rules_stage_and_what_decides_no_writes_does_not(self):
        node = self.in_step_node()
        writes = len(self.lab.writes())
        self.restart(node, 'title: "title"', "title: \"upper(title)\"")
        done = node.twinsync("sync", "--wait")
        self.assertEqual(3, done.returncode, done.stdout)
        self.assertSentence(done.stderr, "rules or scope changed", "twinsync preview")
        self.assertEqual(writes, len(self.lab.writes()))
        plan = node.json("preview")
        self.assertEqual("rules", plan["staging"]["why"])
        self.assertGreater(plan["counts"]["update"], 0)
        self.assertEqual({"title"}, {change["path"] for each in plan["objects"] for change in each["attributes"]})
        result = node.json("sync", "--plan", plan["hash"])
        self.assertEqual(plan["counts"]["update"], result["plan"]["performed"])
        self.assertEqual([], self.staging(node))

        self.restart(node, "every-seconds: 120", "every-seconds: 119")
        self.retitle(self.people(1)[0][0], "at once")
        node.sync()
        self.assertEqual("AT ONCE", self.anchors()[self.people(1)[0][1]]["title"])

    def test_a_change_of_rules_without_consequences_ends_staging_by_itself(self):
        node = self.in_step_node()
        self.restart(node, '"first(cn)"}', '"coalesce(first(cn), NULL)"}')
        node.sync()
        self.assertEqual([], self.staging(node))
        self.retitle(self.people(1)[0][0], "at once")
        node.sync()
        self.assertInStep()

    def test_another_policy_for_leavers_is_shown_before_it_is_carried_out(self):
        node = self.in_step_node(edit=lambda text: quick(text).replace("user: delete", "user: keep"))
        (dn, anchor), = self.people(1)
        self.lab.ldap().delete_s(dn)
        node.sync()
        self.assertIn(anchor, self.anchors())
        self.restart(node, "user: keep", "user: delete")
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        self.assertIn(anchor, self.anchors())
        plan = node.json("preview")
        self.assertEqual([("delete", anchor)], [(each["verb"], each["anchor"]) for each in plan["objects"]])
        node.json("sync", "--plan", plan["hash"])
        self.assertNotIn(anchor, self.anchors())

    def test_maintenance_stages_until_it_is_turned_off(self):
        node = self.in_step_node()
        self.assertEqual(2, node.twinsync("maintenance", "on").returncode)
        self.assertEqual({"maintenance": True, "why": "maintenance"},
                         (lambda result: {"maintenance": result["maintenance"], "why": result["staging"]["why"]})(
                             node.json("maintenance", "on", "--staging", "--reason", "new names")))
        (dn, anchor), (other_dn, other) = self.people(2)
        self.retitle(dn, "Later")
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        self.assertNotEqual("Later", self.anchors()[anchor].get("title"))
        node.json("sync", "--plan", node.json("preview")["hash"])
        self.assertEqual("Later", self.anchors()[anchor]["title"])
        self.retitle(other_dn, "Later Too")
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        self.assertEqual("maintenance", node.json("preview")["staging"]["why"])
        self.assertEqual({"maintenance": False, "staging": None}, node.json("maintenance", "off"))
        node.sync()
        self.assertEqual("Later Too", self.anchors()[other]["title"])
        self.assertInStep()

    def test_rules_that_changed_in_maintenance_need_a_plan_when_it_ends(self):
        node = self.in_step_node()
        node.json("maintenance", "on", "--staging")
        self.restart(node, 'title: "title"', "title: \"upper(title)\"")
        self.assertEqual("maintenance", node.json("preview")["staging"]["why"])
        writes = len(self.lab.writes())
        done = node.twinsync("maintenance", "off")
        self.assertIn("rules or scope changed", done.stdout)
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        self.assertEqual(writes, len(self.lab.writes()))
        node.json("sync", "--plan", node.json("preview")["hash"])
        self.assertEqual([], self.staging(node))
        # A plan that was carried out in maintenance is enough.
        node.json("maintenance", "on", "--staging")
        self.restart(node, "upper(title)", "lower(title)")
        node.json("sync", "--plan", node.json("preview")["hash"])
        self.assertIsNone(node.json("maintenance", "off")["staging"])

    def test_what_was_in_doubt_is_looked_up_while_staging(self):
        node = self.in_step_node(edit=lambda text: with_target(text, "quiesce-seconds: 3"))
        anchor = self.entry("zz-new")
        node.stop()
        node.start(wait=False, TWINSYNC_FAILPOINT="export-after-answer")
        wait_until(lambda: "worker-died" in node.log(), "it dies with an answer outstanding")
        node.kill()
        with open(node.config_file, encoding="utf-8") as file:
            text = file.read()
        node.write_config(text.replace('title: "title"', "title: \"upper(title)\""))
        writes = len(self.lab.writes())
        node.start()
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        self.assertEqual(0, node.json("preview")["in_doubt"])
        self.assertEqual(writes, len(self.lab.writes()))
        self.assertIn(anchor, self.anchors())
        shown = node.json("show", anchor)
        self.assertIn("ledger", [stage["stage"] for stage in shown["stages"]])

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


if __name__ == "__main__":
    unittest.main()
