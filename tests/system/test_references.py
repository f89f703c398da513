#!/usr/bin/python3
"""Members and managers: who refers to whom, whatever happens to either side."""

import json
import unittest
from random import Random

import mishaps
from lab import ENTERPRISE, GROUP
from semantics import PEOPLE, SemanticsCase


class Strangers(SemanticsCase):
    """Members that the target has and that we never sent."""

    OPTIONS = {"people": 6, "groups": 1}

    def outsider(self, name="outsider"):
        return self.lab.create_user(f"{name}@example.com", externalId=f"another-system-{name}").body["id"]

    def used(self):
        """A group that is at the target before us, with an outsider and one of our people in it; their ids."""
        ours, other = self.person("ours"), self.person("other")
        group = self.group("club", ours)
        outsider = self.outsider()
        known = self.lab.create_user("other@example.org", externalId=self.anchor(other)).body["id"]
        reply = self.lab.scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "club", "externalId": self.anchor(group),
                                                  "members": [{"value": outsider}, {"value": known}]})
        self.assertStatus(reply, 201)
        return outsider, known

    def adopt(self, node, *arguments):
        return node.json("members", "adopt", *arguments)["groups"]

    def test_an_adopted_group_keeps_whom_it_had_until_an_operator_says_otherwise(self):
        outsider, known = self.used()
        node = self.running()
        everybody = {outsider, known, self.user("ours")["id"]}
        for cycle in ((), ("--full",), ("--full",)):
            node.sync(*cycle)
            self.assertEqual(everybody, self.members("club"))
        self.assertTrue(node.json("verify", "--all")["equal"])
        [told] = self.adopt(node, "--all", "--dry-run")
        self.assertEqual(("club", 2), (told["name"], told["count"]))
        self.assertEqual({(outsider, "outsider@example.com"), (known, "other@example.org")},
                         {(each["target_id"], each["name"]) for each in told["strangers"]})
        self.assertNoWrites(node.sync)
        self.adopt(node, "club", "--reason", "agreed")
        self.assertEqual([("PATCH", f"/Groups/{self.team('club')['id']}")], self.operations_of(node.sync))
        self.assertEqual({self.user("ours")["id"]}, self.members("club"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual([], self.adopt(node, "--all", "--dry-run"))
        self.assertEqual(200, self.lab.scim("GET", f"/Users/{outsider}").status)

    def test_a_plan_removes_strangers_as_it_showed_them(self):
        outsider, known = self.used()
        node = self.running()
        self.adopt(node, "club")
        plan = node.json("preview")
        [club] = [each for each in plan["objects"] if each["name"] == "club"]
        self.assertEqual({outsider, known}, set(club["members"]["remove"]))
        node.sync("--plan", plan["hash"])
        self.assertEqual({self.user("ours")["id"]}, self.members("club"))
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_whom_the_source_names_by_now_is_no_stranger(self):
        _, known = self.used()
        node = self.running()
        [(dn, _)] = self.directory.search_s(self.lab.env["base"], 2, "(uid=other)", ["1.1"])
        [(group, _)] = self.directory.search_s(self.lab.env["base"], 2, "(cn=club)", ["1.1"])
        self.directory.modify_s(group, [(0, "member", [dn.encode()])])
        node.sync()
        self.adopt(node, "club")
        node.sync()
        self.assertEqual({known, self.user("ours")["id"]}, self.members("club"))
        self.assertNoWrites(lambda: node.sync("--full"))

    def created(self, *edits):
        """A group that we created, to which somebody else has added an outsider and one of our people."""
        self.group("club", self.person("ours"))
        self.person("other")
        node = self.running(*edits)
        added = [self.outsider(), self.user("other")["id"]]
        self.edit(self.team("club"), {"op": "add", "path": "members", "value": [{"value": each} for each in added]})
        self.assertNoWrites(node.sync)
        return node, set(added)

    def test_a_group_that_we_created_has_nobody_but_whom_we_sent(self):
        node, _ = self.created()
        self.assertFalse(node.json("verify", "--all")["equal"])
        self.assertEqual([("PATCH", f"/Groups/{self.team('club')['id']}")], self.operations_of(lambda: node.sync("--full")))
        self.assertEqual({self.user("ours")["id"]}, self.members("club"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertTrue(node.json("verify", "--all")["equal"])

    def test_foreign_edits_that_are_reported_stay_until_dismissed(self):
        node, added = self.created(("target:\n", "target:\n  foreign-edits: report\n"))
        for _ in range(2):
            self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual(added | {self.user("ours")["id"]}, self.members("club"))
        [error] = [each for each in node.json("errors")["errors"] if each["name"] == "club"]
        self.assertEqual(("foreign", "members"), (error["code"], error["path"]))
        self.assertSentence(error["text"], "2 members")
        self.adopt(node, "club")
        node.sync()
        self.assertEqual({self.user("ours")["id"]}, self.members("club"))
        node.sync("--full")
        self.assertEqual([], node.json("errors")["errors"])

    def test_an_additive_group_knows_no_strangers(self):
        node, added = self.created(("members: authoritative", "members: additive"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual(added | {self.user("ours")["id"]}, self.members("club"))
        self.assertEqual([], self.adopt(node, "--all", "--dry-run"))


class Nested(SemanticsCase):
    """`nested: flatten`: groups have the people of the groups below them."""

    OPTIONS = {"people": 10, "groups": 2}
    COMPARE = ("--flatten",)
    FLATTEN = ("nested: send", "nested: flatten")

    def members_set(self, group, *members):
        self.set(group, "member", *(members or (group,)))

    def uids(self, name):
        """Who is in it at the target."""
        found = [self.lab.scim("GET", f"/Users/{each}") for each in self.members(name)]
        self.assertEqual({200}, {reply.status for reply in found} | {200})
        return {reply.body["userName"].partition("@")[0] for reply in found}

    def problems(self, node):
        return [(each["name"], each["path"], each["text"]) for each in node.json("errors")["errors"]]

    def test_one_person_more_below_is_one_write_for_each_group_above(self):
        low = self.group("low", self.person("ann"))
        middle = self.group("middle", low, self.person("bea"))
        self.group("high", middle, low)
        cleo = self.person("cleo")
        node = self.running(self.FLATTEN)
        self.assertEqual([{"ann"}, {"ann", "bea"}, {"ann", "bea"}], [self.uids(name) for name in ("low", "middle", "high")])
        self.assertInStep()
        self.directory.modify_s(low, [(0, "member", [cleo.encode()])])
        paths = {f"/Groups/{self.team(name)['id']}" for name in ("low", "middle", "high")}
        self.assertEqual(sorted(("PATCH", path) for path in paths), sorted(self.operations_of(node.sync)))
        self.assertInStep()
        # Two ways lead from high to low: it is still below when one of them ends.
        self.members_set(middle)
        node.sync()
        self.assertEqual([set(), {"ann", "cleo"}], [self.uids(name) for name in ("middle", "high")])
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertInStep()

    def test_a_group_that_comes_goes_and_is_renamed_brings_and_takes_its_people(self):
        low = self.group("low", self.person("dan"))
        self.group("high", low, self.person("eve"))
        node = self.running(self.FLATTEN)
        self.directory.rename_s(low, "cn=lower", delold=1)
        node.sync()
        self.assertEqual({"eve"}, self.uids("high"))
        self.assertInStep()
        self.directory.rename_s("cn=lower," + low.partition(",")[2], "cn=low", delold=1)
        node.sync()
        self.assertEqual({"dan", "eve"}, self.uids("high"))
        self.directory.delete_s(low)
        node.sync()
        self.assertEqual({"eve"}, self.uids("high"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertInStep()

    def test_a_loop_is_cut_told_and_healed(self):
        first = self.group("first", self.person("fay"))
        second = self.group("second", first, self.person("gil"))
        node = self.running(self.FLATTEN)
        self.assertEqual([], self.problems(node))
        self.members_set(first, second, "uid=fay,ou=people," + self.lab.env["base"])
        node.sync()
        [(name, path, text)] = self.problems(node)
        self.assertEqual("members", path)
        self.assertSentence(text, f'"{name}" > ', "first", "second", "removed at the source")
        self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual([(name, path, text)], self.problems(node))
        self.members_set(second, "uid=gil,ou=people," + self.lab.env["base"])
        node.sync()
        self.assertEqual([], self.problems(node))
        self.assertEqual([{"fay", "gil"}, {"gil"}], [self.uids(each) for each in ("first", "second")])
        self.assertInStep()

    def test_another_way_to_treat_them_is_applied_to_what_is_there(self):
        low = self.group("low", self.person("hal"))
        self.group("high", low)
        node = self.running()
        self.assertEqual({self.team("low")["id"]}, self.members("high"))
        self.reconfigure(node, self.FLATTEN)
        node.sync("--plan", node.json("preview")["hash"])
        self.assertEqual({"hal"}, self.uids("high"))
        self.assertInStep()

    def test_random_nesting_is_the_same_by_delta_and_in_full(self):
        random = Random(11)
        people = [self.person(f"p{n}") for n in range(6)]
        groups = [self.group(f"g{n}") for n in range(6)]
        node = self.running(self.FLATTEN)
        for step in range(14):
            for _ in range(3):
                group = random.choice(groups)
                self.members_set(group, *random.sample(people + groups, random.randint(0, 4)))
            node.sync()
            with self.subTest(step=step):
                self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertInStep()


class Moves(SemanticsCase):
    """Entries and units that are renamed, moved, entered again, hidden and shown."""

    OPTIONS = {"people": 10, "groups": 2}
    units = 0

    def unit(self):
        Moves.units += 1
        dn = f"ou=moves{Moves.units},{PEOPLE}"
        self.directory.add_s(dn, [("objectClass", [b"organizationalUnit"]), ("ou", [f"moves{Moves.units}".encode()])])
        return dn

    def assertSame(self, node):
        """What the delta did is what a full reading would have done."""
        self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertInStep()

    def test_a_unit_that_is_renamed_with_members_inside(self):
        unit = self.unit()
        inside = [self.person(f"in{n}", unit) for n in range(3)]
        team = self.group("team", *inside, self.person("out", manager=inside[0]))
        node = self.running()
        everybody = self.members("team")
        self.assertEqual(4, len(everybody))
        self.directory.rename_s(unit, "ou=elsewhere", delold=1)
        # The directory still names the old DNs: nobody is there.
        node.sync()
        self.assertEqual(1, len(self.members("team")))
        self.assertNotIn("manager", self.user("out").get(ENTERPRISE, {}))
        self.assertSame(node)
        self.directory.rename_s(f"ou=elsewhere,{PEOPLE}", unit.partition(",")[0], delold=1)
        # They mean the same people again, and the directory sent the unit only.
        node.sync()
        self.assertEqual(everybody, self.members("team"))
        self.assertEqual(self.user("in0")["id"], self.user("out")[ENTERPRISE]["manager"]["value"])
        self.assertSame(node)
        self.directory.modify_s(team, [(1, "member", [inside[1].encode()])])
        node.sync()
        self.assertEqual(everybody - {self.user("in1")["id"]}, self.members("team"))

    def test_a_manager_outside_the_scope_is_no_error(self):
        boss = self.person("boss", mail="")
        self.person("clerk", manager=boss)
        node = self.running()
        self.assertNotIn(ENTERPRISE, self.user("clerk"))
        self.assertEqual([], node.json("errors")["errors"])
        self.set(boss, "mail", "boss@example.org")
        node.sync()
        self.assertEqual(self.user("boss")["id"], self.user("clerk")[ENTERPRISE]["manager"]["value"])
        self.assertSame(node)
        self.set(boss, "mail")
        node.sync()
        self.assertNotIn("manager", self.user("clerk").get(ENTERPRISE, {}))
        self.assertSame(node)

    def test_members_that_are_nobody_are_left_out_and_a_group_may_be_empty(self):
        nobody = self.person("nobody")
        alone = self.group("alone")  # has itself for a member
        both = self.group("both", nobody, self.person("somebody"), alone)
        self.group("none", nobody)
        self.set(alone, "member", alone, f"cn=never,{PEOPLE}", "")
        node = self.running(("    nested: send\n", f'    nested: send\n    dummy-members: ["UID=Nobody, {PEOPLE}"]\n'))
        self.assertEqual([set(), set()], [self.members(name) for name in ("alone", "none")])
        self.assertEqual({self.user("somebody")["id"], self.team("alone")["id"]}, self.members("both"))
        self.set(both, "member", nobody)
        node.sync()
        self.assertEqual(set(), self.members("both"))
        self.assertNoWrites(lambda: node.sync("--full"))
        self.assertEqual([], node.json("errors")["errors"])

    def test_who_is_moved_is_named_by_another_dn(self):
        unit = self.unit()
        here = self.person("mover")
        there = f"uid=mover,{unit}"
        team = self.group("movers", here, there)
        node = self.running()
        was = self.members("movers")
        self.assertEqual({self.user("mover")["id"]}, was)
        self.directory.rename_s(here, "uid=mover", newsuperior=unit)
        self.assertNoWrites(node.sync)
        self.set(team, "member", here)
        node.sync()
        self.assertEqual(set(), self.members("movers"))
        self.assertSame(node)
        self.directory.rename_s(there, "uid=mover", newsuperior=PEOPLE)
        node.sync()
        self.assertEqual(was, self.members("movers"))
        self.assertSame(node)

    def test_who_is_entered_again_under_the_same_dn_is_somebody_else(self):
        dn = self.person("again")
        self.group("agains", dn)
        node = self.running()
        was, old = self.user("again")["id"], self.anchor(dn)
        mishaps.reenter(self.directory, dn)
        node.sync()
        told = [json.loads(each["text"]) for each in node.json("events")["events"] if each["event"] == "dn-reused"]
        self.assertEqual([{"old_anchor": old, "new_anchor": self.anchor(dn)}], told)
        self.assertNotEqual(was, self.user("again")["id"])
        self.assertEqual({self.user("again")["id"]}, self.members("agains"))
        self.assertSame(node)

    def test_a_unit_that_is_seen_later_decides_on_those_below(self):
        unit = self.unit()
        self.person("below", unit)
        with mishaps.hidden(self.lab, f'dn.base="{unit}"'):
            node = self.running(("mail IS NOT NULL\"", f"mail IS NOT NULL AND ou_under('{self.anchor(unit)}')\""))
            self.assertIsNone(self.user("below"))
        # An ACL changes silently; the directory sends the unit, and nobody below it.
        self.directory.modify_s(unit, [(2, "description", [b"touched"])])
        node.sync()
        self.assertIsNotNone(self.user("below"))
        self.assertNoWrites(lambda: node.sync("--full"))


class Unresolved(SemanticsCase):
    """References that lead to nobody here: which kind each is."""

    OPTIONS = {"people": 6, "groups": 1}

    def told(self, node, name="mixed"):
        for stage in node.json("show", name)["stages"]:
            if stage["stage"] == "references":
                return stage["facts"], {each["path"]: each["values"] for each in stage["values"]}
        return {}, {}

    def dangling(self, node):
        return [each["text"] for each in node.status()["problems"] if each["code"] == "dangling-references"]

    def test_dangling_out_of_scope_and_not_yet_seen_are_told_apart(self):
        outside, nowhere = self.person("outside", mail=""), f"uid=nowhere,{PEOPLE}"
        mixed = self.group("mixed", self.person("inside"), outside, nowhere)
        node = self.running()
        node.sync("--full")
        before = self.dangling(node)
        self.assertEqual(({"dangling": 1, "out of scope": 1}, {"dangling": [nowhere], "out of scope": [outside]}), self.told(node))
        later = f"uid=later,{PEOPLE}"
        self.directory.modify_s(mixed, [(0, "member", [later.encode()])])
        node.sync()
        # Only a reading of everything can say that somebody is not there.
        self.assertEqual({"not yet seen": 2, "out of scope": 1}, self.told(node)[0])
        self.assertEqual(before, self.dangling(node))
        node.sync("--full")
        self.assertEqual({"dangling": 2, "out of scope": 1}, self.told(node)[0])
        [text] = self.dangling(node)
        self.assertSentence(text, "references lead to entries that the directory does not have")
        self.assertNotEqual(before, [text])
        self.person("later")
        self.person("nowhere")
        node.sync()
        self.assertEqual({"out of scope": 1}, self.told(node)[0])
        self.assertInStep()


class Gone(SemanticsCase):
    """Ids that the target does not have any more, or keeps for nobody."""

    OPTIONS = {"people": 6, "groups": 1}

    def test_what_was_refused_for_an_id_that_is_gone_is_written_when_there_is_another(self):
        first, second = self.person("first"), self.person("second")
        team = self.group("team", first)
        node = self.running()
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{self.user('first')['id']}"), 204)
        self.directory.modify_s(team, [(0, "member", [second.encode()])])
        self.person("third", manager=first)
        node.twinsync("sync", "--wait")
        refused = {each["name"] for each in node.json("errors")["errors"]}
        self.assertTrue(refused <= {"team", "third@example.org"}, refused)
        node.sync("--full")
        self.assertEqual([], node.json("errors")["errors"])
        self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_a_joiner_refused_for_an_id_that_is_gone_comes_once_he_refers_to_nobody(self):
        boss = self.person("boss")
        node = self.running()
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{self.user('boss')['id']}"), 204)
        self.person("joiner", manager=boss)
        node.twinsync("sync", "--wait")
        self.assertEqual(["joiner@example.org"], [each["name"] for each in node.json("errors")["errors"]])
        # Neither he nor what he says has changed: his boss is elsewhere.
        self.directory.rename_s(boss, "uid=boss+sn=Test", delold=0)
        node.sync()
        self.assertEqual([], node.json("errors")["errors"])
        self.assertNotIn("manager", self.user("joiner").get(ENTERPRISE, {}))
        node.sync("--full")
        self.assertInStep()

    def test_other_members_than_those_that_were_refused_are_tried(self):
        first, second, third = (self.person(each) for each in ("first", "second", "third"))
        team = self.group("team", first)
        node = self.running()
        # The next write meets another version, shows that the first is gone, and adds him by an id that is, too.
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{self.user('first')['id']}"), 204)
        self.directory.modify_s(team, [(0, "member", [second.encode()])])
        node.twinsync("sync", "--wait")
        self.assertEqual(["team"], [each["name"] for each in node.json("errors")["errors"]])
        self.directory.modify_s(team, [(2, "member", [third.encode()])])
        node.sync()
        self.assertEqual([], node.json("errors")["errors"])
        self.assertEqual({self.user("third")["id"]}, self.members("team"))

    def test_the_manager_who_was_deleted_before_he_could_be_taken_away(self):
        boss = self.person("boss")
        self.person("clerk", manager=boss)
        node = self.running()
        # Our next write of the clerk meets another version, and he is read again.
        self.edit(self.user("clerk"), {"op": "replace", "path": "displayName", "value": "Theirs"})
        self.directory.delete_s(boss)
        self.set("uid=clerk," + PEOPLE, "manager")
        self.assertSettled(node)
        self.assertNotIn("manager", self.user("clerk").get(ENTERPRISE, {}))
        self.assertNoWrites(lambda: node.sync("--full"))

    def without_the_boss(self):
        """Somebody else has deleted the boss of a clerk at the target; the node, and the DN of the clerk."""
        clerk = self.person("clerk", manager=self.person("boss"))
        node = self.running()
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{self.user('boss')['id']}"), 204)
        return node, clerk

    def test_a_manager_whom_others_deleted_while_the_source_let_go_of_him_is_cleared(self):
        node, clerk = self.without_the_boss()
        self.set(clerk, "manager")
        written = self.operations_of(lambda: node.sync("--full"))
        self.assertEqual([("PATCH", f"/Users/{self.user('clerk')['id']}"), ("POST", "/Users")], sorted(written))
        self.assertNotIn("manager", self.user("clerk").get(ENTERPRISE, {}))
        self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_a_manager_whom_others_deleted_is_replaced_by_one_write(self):
        node, _ = self.without_the_boss()
        written = self.operations_of(lambda: node.sync("--full"))
        self.assertEqual([("PATCH", f"/Users/{self.user('clerk')['id']}"), ("POST", "/Users")], sorted(written))
        self.assertEqual(self.user("boss")["id"], self.user("clerk")[ENTERPRISE]["manager"]["value"])
        self.assertNoWrites(lambda: node.sync("--full"))

    def test_a_manager_who_cannot_come_again_is_cleared_until_he_can(self):
        node, _ = self.without_the_boss()
        usurper = self.lab.create_user("boss@example.org", externalId="another-system-boss").body["id"]
        node.sync("--full")
        self.assertNotIn("manager", self.user("clerk").get(ENTERPRISE, {}))
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{usurper}"), 204)
        node.sync("--full")
        self.assertEqual(self.user("boss")["id"], self.user("clerk")[ENTERPRISE]["manager"]["value"])
        self.assertInStep()
        self.assertNoWrites(lambda: node.sync("--full"))


if __name__ == "__main__":
    unittest.main()
