#!/usr/bin/python3
"""staging: nothing is written that nobody looked at."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from instep import quick, with_target  # noqa: E402
from lab import wait_until  # noqa: E402
from staged import StagingCase  # noqa: E402


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

    def test_show_tells_that_an_object_waits_for_a_plan(self):
        node = self.staged_node()
        [(_, anchor)] = self.people(1)
        shown = node.json("show", anchor)
        [intents] = [stage for stage in shown["stages"] if stage["stage"] == "intents"]
        self.assertEqual("waiting", intents["state"])
        self.assertIn("plan", shown["why"])
        self.assertTrue(intents["facts"]["staged"])


class Again(StagingCase):
    """Staging of a store that has exported."""

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


if __name__ == "__main__":
    unittest.main()
