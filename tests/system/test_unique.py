#!/usr/bin/python3
"""Values that the target allows once: who gets them, in which order, and who waits."""

import unittest

from instep import quick
from semantics import SemanticsCase

DEPROVISION = "{user: delete, group: delete, out-of-scope: delete}"


class UniqueCase(SemanticsCase):
    OPTIONS = {"people": 6, "groups": 2}

    def setUp(self):
        super().setUp()
        self.since = len(self.lab.writes())

    def rename(self, *pairs):
        """Each person of the pairs (DN, name) gets that address."""
        for dn, name in pairs:
            self.set(dn, "mail", f"{name}@example.org")

    def names(self, *people):
        """What the target calls each of them, by anchor."""
        found = {user["externalId"]: user["userName"] for user in
                 self.lab.scim("GET", "/Users?count=1000").body["Resources"] if "externalId" in user}
        return [found.get(self.anchor(dn), "").partition("@")[0] or None for dn in people]

    def quarantined(self, node):
        return [row for row in node.json("errors")["errors"] if row["code"] == "unique"]

    def assertNames(self, expected, *people):
        self.assertEqual(expected, self.names(*people))

    def assertDone(self, node):
        """In step, nothing is left, no refusal was met, and an idle cycle writes nothing."""
        self.assertEqual([], node.json("errors")["errors"])
        self.assertEqual(0, node.status()["counts"]["pending"])
        self.assertInStep()
        self.assertNoWrites(node.sync)
        self.assertNoWrites(lambda: node.sync("--full"))

    def conflicts(self):
        """Answers 409 that the provider gave in this test."""
        rows = self.lab.writes()[self.since:]
        return [row for row in rows if row["status"] == 409] + \
               [each for row in rows for each in row.get("bulk") or [] if int(each["status"]) == 409]


class Order(UniqueCase):
    """Releasing before taking."""

    def test_names_swapped_between_two(self):
        ann, bob = self.person("ann"), self.person("bob")
        node = self.running()
        self.rename((ann, "bob"), (bob, "ann"))
        done = self.operations_of(node.sync)
        self.assertNames(["bob", "ann"], ann, bob)
        self.assertEqual(3, len(done), done)
        self.assertEqual([], self.conflicts())
        self.assertDone(node)

    def test_names_passed_around_among_three(self):
        ann, bob, cora = self.person("ann"), self.person("bob"), self.person("cora")
        node = self.running()
        self.rename((ann, "bob"), (bob, "cora"), (cora, "ann"))
        done = self.operations_of(node.sync)
        self.assertNames(["bob", "cora", "ann"], ann, bob, cora)
        self.assertEqual(4, len(done), done)
        self.assertEqual([], self.conflicts())
        self.assertDone(node)

    def chain(self, order):
        """Each of five gets the name of the next; the last one a new one."""
        people = {name: self.person(name) for name in order}
        node = self.running()
        names = ["c1", "c2", "c3", "c4", "c5", "c6"]
        self.rename(*((people[name], names[names.index(name) + 1]) for name in order))
        done = self.operations_of(node.sync)
        self.assertNames(names[1:], *(people[name] for name in names[:5]))
        self.assertEqual(5, len(done), done)
        self.assertEqual([], self.conflicts())
        self.assertDone(node)

    def test_a_chain_of_five_made_from_its_end(self):
        self.chain(["c5", "c4", "c3", "c2", "c1"])

    def test_a_chain_of_five_made_from_its_beginning(self):
        self.chain(["c1", "c2", "c3", "c4", "c5"])

    def test_the_address_of_one_who_leaves_is_given_to_one_who_joins(self):
        gone = self.person("desk")
        node = self.running()
        self.directory.delete_s(gone)
        new = self.person("joiner", mail="desk@example.org")
        node.sync()
        self.assertNames(["desk"], new)
        self.assertEqual([], self.conflicts())
        self.assertDone(node)

    def test_two_swap_although_a_third_wants_the_same_and_comes_first(self):
        for third in range(3):  # one of the three is the first by anchor
            with self.subTest(third=third):
                people = [self.person(f"p{third}{n}") for n in range(3)]
                rest = [dn for n, dn in enumerate(people) if n != third]
                node = self.new_node()
                node.start()
                node.sync()
                one, other = rest
                names = self.names(one, other)
                self.rename((one, names[1]), (other, names[0]), (people[third], names[0]))
                node.sync()
                self.assertNames(list(reversed(names)), one, other)
                self.assertEqual({self.anchor(people[third])}, {row["anchor"] for row in self.quarantined(node)})
                self.assertEqual([], self.conflicts())
                node.stop()
                self.empty_target()
                for dn in people:
                    self.directory.delete_s(dn)

    def test_a_ring_that_closes_around_two_who_had_to_wait(self):
        ann, bob, cora = self.person("ann"), self.person("bob"), self.person("cora")
        node = self.running()
        self.rename((ann, "bob"), (bob, "cora"))
        node.sync()
        self.assertNames(["ann", "bob", "cora"], ann, bob, cora)
        self.assertEqual(2, len(self.quarantined(node)))
        self.rename((cora, "ann"))
        node.sync()
        self.assertNames(["bob", "cora", "ann"], ann, bob, cora)
        self.assertDone(node)

    def test_one_who_waits_for_a_name_stops_to_refer_to_a_leaver_before(self):
        boss, bob = self.person("boss"), self.person("bob")
        ann = self.person("ann", manager=boss)
        node = self.running()
        self.rename((ann, "bob"), (bob, "ann"))
        self.directory.delete_s(boss)
        node.sync()
        self.assertNames(["bob", "ann"], ann, bob)
        self.assertDone(node)

    def test_two_groups_swap_their_names(self):
        one, other = self.group("first"), self.group("second")
        node = self.running(('displayName: "first(cn)"', 'displayName: "description"'))
        ids = {}
        for round_, names in enumerate((("left", "right"), ("right", "left"))):
            for dn, name in zip((one, other), names):
                self.set(dn, "description", name)
            node.sync()
            ids[round_] = [self.team(name)["id"] for name in ("left", "right")]
        self.assertEqual(ids[0], list(reversed(ids[1])))
        self.assertEqual([], self.conflicts())

    def test_the_name_of_one_who_is_renamed_is_given_to_one_who_joins(self):
        old = self.person("front")
        node = self.running()
        self.rename((old, "back"))
        new = self.person("joiner", mail="front@example.org")
        node.sync()
        self.assertNames(["back", "front"], old, new)
        self.assertEqual([], self.conflicts())
        self.assertDone(node)


class Quarantine(UniqueCase):
    """Who cannot have a value keeps what it has there, and gets all else."""

    def both_want(self, first, second):
        one, two = self.person(first, mail="same@example.org"), self.person(second, mail="same@example.org")
        winner, loser = sorted((one, two), key=self.anchor)
        node = self.new_node()
        node.start()
        node.sync()
        self.assertNames(["same", None], winner, loser)
        [row] = self.quarantined(node)
        self.assertEqual((self.anchor(loser), "userName"), (row["anchor"], row["path"]))
        self.assertSentence(row["text"], self.anchor(winner), "same@example.org")
        self.assertEqual([], self.conflicts())
        self.assertNoWrites(lambda: node.sync("--full"))
        return node, winner, loser

    def test_of_two_who_are_new_the_first_by_anchor_gets_it(self):
        self.both_want("zoe", "abe")

    def test_and_the_other_gets_it_when_the_first_lets_go(self):
        node, winner, loser = self.both_want("abe", "zoe")
        self.rename((winner, "other"))
        node.sync()
        self.assertNames(["other", "same"], winner, loser)
        self.assertDone(node)

    def test_show_and_status_tell_of_both(self):
        node, winner, loser = self.both_want("una", "uno")
        document = node.json("show", self.anchor(loser))
        [stage] = [stage for stage in document["stages"] if stage["stage"] == "unique"]
        self.assertEqual("problem", stage["state"])
        self.assertIn(self.anchor(winner), document["why"])
        self.assertIn(self.anchor(winner), stage["facts"]["userName is held by"])
        self.assertIsNotNone(stage["facts"]["next_retry"])
        document = node.json("show", self.anchor(winner))
        [stage] = [stage for stage in document["stages"] if stage["stage"] == "unique"]
        self.assertEqual((True, "ok"), (document["in_step"], stage["state"]))
        self.assertIn(self.anchor(loser), stage["facts"]["userName is wanted by"])
        status = node.status()
        self.assertEqual((1, 1), (status["counts"]["quarantined"], status["counts"]["errors"]))
        self.assertEqual(["unique-values"], [problem["code"] for problem in status["problems"]])
        self.assertIn("twinsync errors", status["problems"][0]["fix"])

    def test_retry_tries_at_once_and_attempts_count(self):
        node, _, loser = self.both_want("ria", "rio")
        [before] = self.quarantined(node)
        self.assertEqual(0, node.twinsync("retry", self.anchor(loser)).returncode)
        node.sync()
        [after] = self.quarantined(node)
        self.assertEqual(before["attempts"] + 1, after["attempts"])
        self.assertEqual(before["first_seen"], after["first_seen"])

    def test_whoever_has_it_keeps_it_and_the_other_gets_all_else(self):
        has, wants = self.person("has"), self.person("wants", title="Old")
        node = self.running()
        self.set(wants, "title", "New")
        self.rename((wants, "has"))
        node.sync()
        self.assertNames(["has", "wants"], has, wants)
        self.assertEqual("New", self.user("wants")["title"])
        self.assertEqual("has@example.org", self.user("wants")["emails"][0]["value"])
        [row] = self.quarantined(node)
        self.assertEqual((self.anchor(wants), "userName"), (row["anchor"], row["path"]))
        self.assertSentence(row["text"], self.anchor(has))
        self.assertEqual([], self.conflicts())
        self.assertNoWrites(lambda: node.sync("--full"))
        self.set(wants, "title", "Newer")
        node.sync()
        self.assertEqual(("wants@example.org", "Newer"), (self.user("wants")["userName"], self.user("wants")["title"]))
        self.directory.delete_s(has)
        node.sync()
        self.assertNames(["has"], wants)
        self.assertDone(node)

    def test_a_chain_with_a_blocked_end_stays_as_it_is_and_goes_on_at_once(self):
        stays = self.person("stays")
        people = [self.person(f"c{n}") for n in (1, 2, 3)]
        node = self.running()
        self.rename((people[0], "c2"), (people[1], "c3"), (people[2], "stays"))
        node.sync()
        self.assertNames(["c1", "c2", "c3"], *people)
        self.assertEqual(3, len(self.quarantined(node)))
        self.rename((stays, "gone"))
        node.sync()
        self.assertNames(["c2", "c3", "stays", "gone"], *people, stays)
        self.assertEqual([], self.conflicts())
        self.assertDone(node)

    def test_one_who_was_deactivated_still_has_his_name(self):
        gone = self.person("gone")
        node = self.running((DEPROVISION, "{user: deactivate, group: delete, out-of-scope: deactivate}"))
        self.directory.delete_s(gone)
        new = self.person("new", mail="gone@example.org")
        node.sync()
        self.assertNames([None], new)
        [row] = self.quarantined(node)
        self.assertSentence(row["text"], "left")
        self.assertFalse(self.user("gone")["active"])

    def test_a_deletion_that_is_held_back_is_named_and_heals_when_it_is_approved(self):
        gone, more = self.person("gone"), self.person("more")
        strict = "guard: {deletes: 1, percent: 1, always-allowed: 1, creates: 1000}\n"
        node = self.new_node(edit=lambda text: quick(text) + strict, guard=None)
        node.start()
        node.sync()
        for dn in (gone, more):
            self.directory.delete_s(dn)
        new = self.person("new", mail="gone@example.org", title="Kept")
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        self.assertNames([None], new)
        [hold] = node.json("hold", "list")["holds"]
        [row] = self.quarantined(node)
        self.assertEqual((self.anchor(new), "userName"), (row["anchor"], row["path"]))
        self.assertSentence(row["text"], "deletion", "twinsync approve " + hold["hash"])
        approved = node.twinsync("approve", hold["hash"])
        self.assertEqual(0, approved.returncode, approved.stderr)
        node.sync()
        self.assertNames(["gone"], new)
        self.assertEqual([], self.conflicts())
        self.assertDone(node)

    def test_what_a_foreign_object_has_holds_back_one_path(self):
        self.lab.create_user("foreign@example.org", externalId="another-system")
        wants = self.person("wants", title="Old")
        node = self.running()
        self.set(wants, "title", "New")
        self.rename((wants, "foreign"))
        node.sync()
        self.assertNames(["wants"], wants)
        self.assertEqual("New", self.user("wants")["title"])
        [row] = self.quarantined(node)
        self.assertEqual("userName", row["path"])
        self.assertSentence(row["text"], "another object")
        self.assertNoWrites(node.sync)
        [foreign] = self.lab.find("Users", "userName", "foreign@example.org")
        self.assertStatus(self.lab.scim("DELETE", f"/Users/{foreign['id']}"), 204)
        self.set(wants, "title", "Newer")
        node.sync()
        self.assertNames(["foreign"], wants)
        self.assertDone(node)


if __name__ == "__main__":
    unittest.main()
