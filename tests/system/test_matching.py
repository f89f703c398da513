#!/usr/bin/python3
"""Whose is what is at the target already: hard match, soft match, nobody, and how that heals."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from lab import GROUP  # noqa: E402
from semantics import SemanticsCase, replaced  # noqa: E402

BY_DISPLAY_NAME = ("match: [userName]", "match: [displayName]")
ADMIN = {"roles": [{"value": "Company Administrator", "primary": True}]}


class MatchingCase(SemanticsCase):
    def existing(self, name, **attributes):
        """A user who is at the target already; its id."""
        reply = self.lab.create_user(name, **attributes)
        self.assertStatus(reply, 201)
        return reply.body["id"]

    def there(self, identifier, kind="Users"):
        reply = self.lab.scim("GET", f"/{kind}/{identifier}")
        self.assertStatus(reply, 200)
        return reply.body

    def problems(self, node):
        """{anchor: (code, text)} of those who are not matched."""
        return {row["anchor"]: (row["path"], row["text"])
                for row in node.json("errors")["errors"] if row["code"] == "match"}

    def assertRefused(self, node, code, *people):
        """Exactly these are not matched, for that reason, in a sentence that says it."""
        problems = self.problems(node)
        self.assertEqual({self.anchor(dn): code for dn in people},
                         {anchor: found for anchor, (found, _) in problems.items()})
        for _, text in problems.values():
            self.assertSentence(text, "cannot take over", "of the target")
        return [text for _, text in problems.values()]

    def assertUntouched(self, *before):
        for resource in before:
            kind = "Users" if "userName" in resource else "Groups"
            self.assertEqual(resource, self.there(resource["id"], kind))

    def assertHealed(self, node):
        self.assertEqual({}, self.problems(node))
        self.assertNoWrites(lambda: node.sync("--full"))


class Several(MatchingCase):
    """It is not clear who: nobody."""

    def test_one_object_that_several_match_goes_to_none_until_one_is_left(self):
        people = [self.person(f"claim{n}", displayName="Two of a Kind") for n in range(3)]
        stranger = self.there(self.existing("stranger", displayName="TWO of a kind"))
        node = self.running(BY_DISPLAY_NAME)
        for text in self.assertRefused(node, "match", *people):
            self.assertIn("3 users", text)
        self.assertUntouched(stranger)
        self.assertEqual([None] * 3, [self.user(f"claim{n}") for n in range(3)])

        self.set(people[0], "displayName", "Another")
        node.sync()
        for text in self.assertRefused(node, "match", *people[1:]):
            self.assertIn("2 users", text)
        self.assertUntouched(stranger)
        self.assertNotEqual(stranger["id"], self.user("claim0")["id"])

        self.directory.delete_s(people[1])
        node.sync()
        self.assertEqual(stranger["id"], self.user("claim2")["id"])
        self.assertEqual(self.anchor(people[2]), self.user("claim2")["externalId"])
        self.assertHealed(node)

    def test_who_comes_later_takes_the_decision_away_from_who_came_first(self):
        first = self.person("first", displayName="Two of a Kind")
        stranger = self.there(self.existing("stranger", displayName="Two of a Kind"))
        node = self.running_staged(BY_DISPLAY_NAME)
        self.assertEqual({}, self.problems(node))  # its adoption waits for a plan
        second = self.person("second", displayName="Two of a Kind")
        node.twinsync("sync", "--wait")
        self.assertRefused(node, "match", first, second)
        node.sync("--approve-first")
        self.assertUntouched(stranger)
        self.assertRefused(node, "match", first, second)

    def test_a_second_candidate_that_turns_up_later_stops_the_adoption(self):
        person = self.person("paula", displayName="Two of a Kind")
        strangers = [self.there(self.existing("stranger0", displayName="Two of a Kind"))]
        node = self.running_staged(BY_DISPLAY_NAME)
        strangers.append(self.there(self.existing("stranger1", displayName="Two of a Kind")))
        node.twinsync("sync", "--full", "--wait")
        [text] = self.assertRefused(node, "match", person)
        self.assertIn("2 objects", text)
        node.sync("--approve-first")
        self.assertUntouched(*strangers)

    def test_of_several_objects_that_match_none_is_taken_until_one_is_left(self):
        person = self.person("paula", displayName="Two of a Kind")
        strangers = [self.there(self.existing(f"stranger{n}", displayName="Two of a Kind")) for n in range(2)]
        node = self.running(BY_DISPLAY_NAME)
        [text] = self.assertRefused(node, "match", person)
        self.assertIn("2 objects", text)
        self.assertUntouched(*strangers)
        self.assertIsNone(self.user("paula"))
        self.edit(strangers[0], {"op": "replace", "path": "displayName", "value": "Somebody Else"})
        node.sync("--full")
        self.assertEqual(strangers[1]["id"], self.user("paula")["id"])
        self.assertHealed(node)

    def test_a_candidate_that_turns_up_while_a_creation_waits_is_taken_instead(self):
        self.person("paula", displayName="One of a Kind")
        self.existing("other", displayName="Unlike the Other")
        node = self.running_staged(BY_DISPLAY_NAME)
        stranger = self.existing("stranger", displayName="One of a Kind")
        node.twinsync("sync", "--full", "--wait")
        node.sync("--approve-first")
        self.assertEqual(stranger, self.user("paula")["id"])
        self.assertHealed(node)

    def running_staged(self, *pairs):
        """A node that waits for its first plan."""
        node = self.new_node(edit=replaced(*pairs), approve_first=False)
        node.start()
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        return node


class Wrong(MatchingCase):
    """It has the value, and is something else."""

    def test_one_that_carries_another_anchor_is_not_taken_by_its_value(self):
        person = self.person("nina")
        theirs = self.there(self.existing("nina@example.org", externalId="another-system"))
        node = self.running()
        self.assertRefused(node, "invalid-soft-match", person)
        self.assertUntouched(theirs)
        self.edit(theirs, {"op": "remove", "path": "externalId"})
        node.sync("--full")
        self.assertEqual((theirs["id"], self.anchor(person)),
                         (self.user("nina")["id"], self.user("nina")["externalId"]))
        self.assertHealed(node)

    def test_a_group_is_not_taken_for_a_user(self):
        person = self.person("sales", displayName="Sales")
        reply = self.lab.scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "SALES"})
        node = self.running(BY_DISPLAY_NAME, ('    flow: {displayName: "first(cn)"}',
                                              '    match: [displayName]\n    flow: {displayName: "first(cn)"}'))
        self.assertRefused(node, "object-type-mismatch", person)
        self.assertUntouched(reply.body)
        self.assertIsNone(self.user("sales"))
        self.assertStatus(self.lab.scim("DELETE", f"/Groups/{reply.body['id']}"), 204)
        node.sync("--full")
        self.assertIsNotNone(self.user("sales"))
        self.assertHealed(node)

    def test_the_anchor_on_a_group_is_not_taken_for_the_user(self):
        person = self.person("norbert")
        reply = self.lab.scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "Norbert's",
                                                 "externalId": self.anchor(person)})
        node = self.running()
        self.assertRefused(node, "object-type-mismatch", person)
        self.assertUntouched(reply.body)

    def test_names_of_users_and_groups_are_apart_where_they_match_by_other_paths(self):
        self.person("staff", mail="staff")
        self.lab.scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "staff"})
        node = self.running(('    flow: {displayName: "first(cn)"}',
                             '    match: [displayName]\n    flow: {displayName: "first(cn)"}'))
        self.assertEqual({}, self.problems(node))
        self.assertEqual(1, len(self.lab.find("Users", "userName", "staff")))

    def test_a_group_without_match_paths_is_never_taken_by_its_name(self):
        self.group("crew")
        reply = self.lab.scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "crew"})
        node = self.new_node()
        node.start()
        node.twinsync("sync", "--wait")
        self.assertUntouched(reply.body)


class Shielded(MatchingCase):
    """Administrators, service identities, ourselves."""

    def test_none_of_them_is_taken_by_value_or_anchor(self):
        client = self.lab.env["client_id"]
        people = {"admin": self.person("admin"), "service": self.person("service"), "boss": self.person("boss"),
                  "self": self.person("self", mail=client), "hard": self.person("hard")}
        before = [self.there(identifier) for identifier in (
            self.existing("Admin@example.org", **ADMIN),
            self.existing("service@example.org", userType="Service"),
            self.existing("boss@example.org"),
            self.existing(client),
            self.existing("root@example.com", externalId=self.anchor(people["hard"]), **ADMIN))]
        node = self.running(("schedule:", "  never-match: [BOSS@Example.org]\nschedule:"))
        self.assertRefused(node, "shielded", *people.values())
        node.sync("--full")
        self.assertUntouched(*before)
        self.edit(before[0], {"op": "remove", "path": "roles"})
        node.sync("--full")
        self.assertEqual(before[0]["id"], self.user("admin")["id"])
        self.assertRefused(node, "shielded", *[dn for name, dn in people.items() if name != "admin"])

    def test_one_that_was_made_since_the_target_was_read_is_recognised_all_the_same(self):
        node = self.running()
        admin = self.there(self.existing("late@example.org", **ADMIN))
        late = self.person("late")
        node.sync()
        self.assertRefused(node, "shielded", late)
        self.assertUntouched(admin)

    def test_another_that_was_made_since_is_taken_over(self):
        node = self.running()
        stranger = self.existing("late@example.org", nickName="Kept")
        late = self.person("late")
        node.sync()
        self.assertEqual((stranger, self.anchor(late), "Kept"),
                         tuple(self.user("late")[name] for name in ("id", "externalId", "nickName")))
        self.assertHealed(node)


class Switches(MatchingCase):
    def test_block_soft_match(self):
        person = self.person("sofia")
        stranger = self.there(self.existing("sofia@example.org"))
        node = self.running(("schedule:", "  block-soft-match: true\nschedule:"))
        self.assertRefused(node, "soft-match-blocked", person)
        self.assertUntouched(stranger)

    def test_block_hard_match_takeover(self):
        person = self.person("hugo")
        switch = ("schedule:", "  block-hard-match-takeover: true\nschedule:")
        marked = self.there(self.existing("hugo.old@example.org", externalId=self.anchor(person)))
        node = self.running(switch)
        self.assertRefused(node, "hard-match-blocked", person)
        self.assertUntouched(marked)
        self.assertIsNone(self.user("hugo"))
        node.sync("--full")
        self.assertUntouched(marked)
        self.edit(marked, {"op": "remove", "path": "externalId"})
        node.sync("--full")
        self.assertEqual(self.anchor(person), self.user("hugo")["externalId"])
        self.assertHealed(node)


if __name__ == "__main__":
    unittest.main()
