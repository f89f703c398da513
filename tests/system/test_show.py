#!/usr/bin/python3
"""show: one object, stage by stage, and why it is as it is."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from quiet import QuietTestCase  # noqa: E402


class Show(QuietTestCase):
    def show(self, name):
        return self.node.json("show", name)

    def stages(self, document):
        return {stage["stage"]: stage for stage in document["stages"]}

    def values(self, stage):
        return {item["path"]: (item["values"], item["from"]) for item in stage["values"]}

    def test_a_user_is_shown_from_source_to_target_by_whatever_name(self):
        early = self.node.twinsync("show", "ada")
        self.assertEqual(1, early.returncode)
        self.assertIn("not read to their end", early.stderr)
        dn, entry = self.person()
        self.modify(dn, "title", "Head of Show")
        self.group(dn)
        self.node.sync()
        anchor, mail = entry["entryUUID"][0], entry["mail"][0]
        document = self.show(anchor)
        self.assertEqual((anchor, "user", mail.lower(), True, None),
                         tuple(document[key] for key in ("anchor", "kind", "name", "in_step", "why")))
        self.assertEqual(dn.partition(",")[0].lower(), document["dn"].partition(",")[0].lower())
        stages = self.stages(document)
        self.assertEqual(["source", "scope", "join", "metaverse", "target", "ledger", "intents"], list(stages))
        self.assertEqual({"ok"}, {stage["state"] for stage in stages.values()})
        self.assertEqual(([mail], None), self.values(stages["source"])["mail"])
        self.assertEqual(("in", "user 1"), (stages["scope"]["facts"]["verdict"], stages["scope"]["facts"]["rule"]))
        self.assertEqual("anchor", stages["join"]["facts"]["joined_by"])
        self.assertEqual((["Head of Show"], "corp"), self.values(stages["metaverse"])["title"])
        [there] = self.lab.find("Users", "externalId", anchor)
        self.assertEqual(there["id"], stages["target"]["facts"]["id"])
        self.assertEqual("created", stages["ledger"]["facts"]["provenance"])
        for name in (dn, dn.upper(), dn.replace(",", " , "), mail.upper(), there["id"]):
            self.assertEqual(document, self.show(name), name)
        done = self.node.twinsync("show", anchor)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("is in step", done.stdout)

    def test_what_is_decided_and_what_differs_is_told(self):
        dn, entry = self.person()
        self.node.sync()
        self.modify(dn, "title", "Waiting")
        self.preview()
        document = self.show(entry["entryUUID"][0])
        stages = self.stages(document)
        self.assertFalse(document["in_step"])
        self.assertIn("its update is decided", document["why"])
        self.assertEqual(("waiting", "update", False), (
            stages["intents"]["state"], stages["intents"]["facts"]["verb"], stages["intents"]["facts"]["in_doubt"]))
        self.assertEqual([{"path": "title", "ours": ["Waiting"], "theirs": entry.get("title", [])}],
                         stages["target"]["differences"])
        self.assertEqual("different", stages["target"]["state"])

    def test_a_refusal_is_the_reason_that_is_told(self):
        self.lab.fault("status", {"method": "POST", "path": "/Users"}, times=1, status=400)
        self.node.twinsync("sync", "--wait")
        [error] = self.node.json("errors")["errors"]
        document = self.show(error["anchor"])
        self.assertEqual((error["name"], False, error["text"]),
                         tuple(document[key] for key in ("name", "in_step", "why")))
        intents = self.stages(document)["intents"]
        self.assertEqual(("problem", error["next_retry"]), (intents["state"], intents["facts"]["next_retry"]))
        self.assertEqual("missing", self.stages(document)["target"]["state"])

    def test_out_of_scope_says_which_condition_is_not_true(self):
        dn, entry = self.person()
        self.node.sync()
        self.modify(dn, "mail")
        self.preview()
        leaving = self.show(dn)
        self.assertEqual((False, "user"), (leaving["in_step"], leaving["kind"]))
        self.assertIn("its delete is decided", leaving["why"])
        self.node.sync()
        document = self.show(dn)
        stages = self.stages(document)
        self.assertEqual((entry["entryUUID"][0], True), (document["anchor"], document["in_step"]))
        self.assertEqual('it is out of scope: "mail IS NOT NULL" in "when" of rule user 1 is not true', document["why"])
        self.assertEqual(("out", "mail IS NOT NULL"), (stages["scope"]["state"], stages["scope"]["facts"]["false_term"]))
        self.assertNotIn("target", stages)

    def test_a_group_is_shown_with_the_names_of_its_members(self):
        dn, entry = self.person()
        group, anchor = self.group(dn)
        self.node.sync()
        document = self.show("ZZ group")
        self.assertEqual((anchor, "group", "zz group", True),
                         tuple(document[key] for key in ("anchor", "kind", "name", "in_step")))
        stages = self.stages(document)
        self.assertEqual(([entry["mail"][0].lower()], None), self.values(stages["metaverse"])["members"])
        self.assertEqual((1, 1), (stages["metaverse"]["facts"]["members wanted"],
                                  stages["metaverse"]["facts"]["members held"]))

    def test_none_or_several_of_a_name_are_refused_with_what_to_do(self):
        dn, _ = self.person()
        self.group(dn, name="zz twins")
        self.lab.ldap().add_s("ou=zz twins," + self.lab.env["base"],
                              [("objectClass", [b"organizationalUnit"]), ("ou", [b"zz twins"])])
        self.node.sync()
        done = self.node.twinsync("show", "zz twins")
        self.assertEqual(1, done.returncode)
        self.assertIn("2 objects have that name; give the anchor or the DN", done.stderr)
        self.assertEqual({"cn=zz twins", "ou=zz twins"},
                         {item["dn"].partition(",")[0] for item in self.show("zz twins")["candidates"]})
        none = self.node.twinsync("show", "nobody at all")
        self.assertEqual((1, ""), (none.returncode, none.stdout))
        self.assertIn("no object has that anchor, DN or name", none.stderr)


if __name__ == "__main__":
    unittest.main()
