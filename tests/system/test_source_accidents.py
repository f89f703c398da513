#!/usr/bin/python3
"""What goes wrong at the source and goes unannounced: nothing at the target is lost by it."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import mishaps  # noqa: E402
from instep import InStepCase, quick  # noqa: E402
from lab import population, wait_until  # noqa: E402
from semantics import operations  # noqa: E402

HELD = 3


class AccidentCase(InStepCase):
    OPTIONS = {"people": 40, "groups": 4}

    def setUp(self):
        super().setUp()
        self.directory = self.lab.ldap()
        self.addCleanup(lambda: self.directory.unbind_s())  # whichever it is then
        self.empty_target()

    def running(self, edit=quick, guard=None):
        """A node in step with the directory, with the product's own guard."""
        node = self.new_node(edit=edit, guard=guard)
        node.start()
        node.sync()
        self.assertInStep()
        self.written = len(self.lab.writes())
        return node

    def writes(self):
        """What was written since the node was in step."""
        return operations(self.lab.writes()[self.written:])

    def cycle(self, node, *arguments, status=0):
        done = node.twinsync("sync", "--wait", *arguments)
        self.assertEqual(status, done.returncode, done.stderr)
        return done.stderr

    def holds(self, node, kind="user"):
        return {(hold["class"], hold["detail"]): hold for hold in node.json("hold", "list")["holds"]
                if hold["kind"] == kind}

    def assertHealed(self, node):
        """By itself: without a word of an operator, and without a write."""
        def healed():
            node.twinsync("sync", "--wait")
            return node.json("hold", "list")["holds"] == []
        wait_until(healed, "nothing is held any more")
        self.assertEqual([], self.writes())
        self.assertEqual(0, node.status()["counts"]["pending"])
        self.assertEqual([], [each for each in node.status()["problems"] if each["code"] != "dangling-references"])
        self.assertInStep()

    def people(self, attributes=("mail",)):
        """{DN: attributes} as the administrator sees them."""
        return dict(self.directory.search_s(population.PEOPLE, 2, "(objectClass=inetOrgPerson)", list(attributes)))


class HiddenAttribute(AccidentCase):
    def test_a_hidden_attribute_clears_deletes_and_unlinks_nobody_and_heals_by_itself(self):
        node = self.running()
        with mishaps.hidden(self.lab, "attrs=mail"):
            sentence = self.cycle(node, "--full", status=HELD)
            self.assertIn("hold list", sentence)
            [(reason, hold)] = self.holds(node).items()
            self.assertEqual(("attribute-vanished", "corp/mail"), reason)
            lost = sum("mail" in values for values in self.people().values())
            self.assertIn(f'attribute "mail" vanished from {lost} of ', hold["text"])
            self.assertIn('source "corp"', hold["text"])
            self.assertEqual(lost, hold["items"])
            for arguments in ((), ("--full",), ()):
                self.cycle(node, *arguments, status=HELD)
            self.assertEqual([], self.writes())
        self.assertHealed(node)

    def test_what_lost_nothing_goes_on(self):
        node = self.running()
        with mishaps.hidden(self.lab, "attrs=mail"):
            self.cycle(node, "--full", status=HELD)
            dn = f"cn=meanwhile,{population.GROUPS}"
            self.directory.add_s(dn, [("objectClass", [b"groupOfNames"]), ("cn", [b"meanwhile"]),
                                      ("member", [dn.encode()])])
            self.addCleanup(self.directory.delete_s, dn)
            self.cycle(node, status=HELD)
            self.assertEqual(["POST"], [method for method, _ in self.writes()])
            self.assertEqual(1, len(self.lab.find("Groups", "displayName", "meanwhile")))

    def test_values_that_would_be_cleared_are_held_by_attribute(self):
        node = self.running()
        with mishaps.hidden(self.lab, "attrs=sn,givenName"):
            self.cycle(node, "--full", status=HELD)
            self.assertEqual({("attribute-vanished", "corp/givenName"), ("attribute-vanished", "corp/sn")},
                             set(self.holds(node)))
        self.assertHealed(node)

    def test_hidden_members_are_not_removed(self):
        node = self.running()
        with mishaps.hidden(self.lab, "attrs=member"):
            self.cycle(node, "--full", status=HELD)
            self.assertEqual([("attribute-vanished", "corp/member")], list(self.holds(node, "group")))
            self.cycle(node, status=HELD)
            self.assertEqual([], self.writes())
        self.assertHealed(node)

    def test_an_approval_lets_the_consequences_happen(self):
        node = self.running()
        lost = sum("mail" in values for values in self.people().values())
        with mishaps.hidden(self.lab, "attrs=mail"):
            self.cycle(node, "--full", status=HELD)
            [hold] = self.holds(node).values()
            done = node.twinsync("approve", hold["hash"], "--reason", "mail is given up")
            self.assertEqual(0, done.returncode, done.stderr)
            node.twinsync("sync", "--wait")
            for each in self.holds(node).values():  # a mass exit has a budget of its own
                self.assertEqual("scope-exits", each["class"])
                node.twinsync("approve", each["hash"], "--reason", "really")
            node.sync()
            node.sync()
            gone = [path for method, path in self.writes() if method == "DELETE" and path.startswith("/Users/")]
            self.assertEqual(lost, len(gone))
            self.assertEqual([], node.json("hold", "list")["holds"])

    def test_a_loss_that_was_read_when_the_process_died_is_still_one(self):
        node = self.running()
        node.stop()
        with mishaps.hidden(self.lab, "attrs=mail"):
            node.start(TWINSYNC_FAILPOINT="import-chunk-committed")
            node.twinsync("sync", "--wait", "--full")
            wait_until(lambda: "signal=9" in node.log(), "the worker dies")
            wait_until(node.answers, "the daemon answers")
            self.cycle(node, status=HELD)
            self.assertEqual([("attribute-vanished", "corp/mail")], list(self.holds(node)))
            self.assertEqual([], self.writes())
        self.assertHealed(node)

    def test_a_few_who_really_lose_an_attribute_are_believed(self):
        node = self.running()
        dn, values = next((dn, values) for dn, values in self.people(("mail", "title")).items()
                          if "mail" in values and "title" in values)
        self.directory.modify_s(dn, [(2, "title", None)])
        self.addCleanup(self.directory.modify_s, dn, [(2, "title", values["title"])])
        node.sync()
        self.assertEqual(["PATCH"], [method for method, _ in self.writes()])
        self.assertInStep()


class HiddenPeople(AccidentCase):
    """The guard lets everything pass here: what is kept is not believed at all."""

    def without(self, what, *words):
        """Full readings without `what` delete nothing and say these words; shown again, all is as it was."""
        node = self.running(self.edit, guard="lax")
        with mishaps.hidden(self.lab, what):
            for arguments in (("--full",), (), ("--full",)):
                sentence = self.cycle(node, *arguments, status=HELD)
                self.assertSentence(sentence, 'source "corp"', "are kept", *words)
            self.assertEqual([], self.writes())
        self.assertHealed(node)
        return node

    def edit(self, text):
        return quick(text)

    def test_half_of_the_people(self):
        self.without(mishaps.half(), "90 %", "rights")

    def test_everything(self):
        self.without("filter=(|(objectClass=inetOrgPerson)(objectClass=groupOfNames))", "90 %", "rights")

    def test_people_who_came_by_deltas_count(self):
        dns = []
        node = self.running(guard="lax")
        for number in range(60):
            dns.append(f"uid=late{number},{population.PEOPLE}")
            self.directory.add_s(dns[-1], [("objectClass", [b"inetOrgPerson"]), ("uid", [f"late{number}".encode()]),
                                           ("cn", [b"Late"]), ("sn", [b"Late"]),
                                           ("mail", [f"late{number}@example.org".encode()])])
            self.addCleanup(self.directory.delete_s, dns[-1])
        node.sync()
        self.assertInStep()
        self.written = len(self.lab.writes())
        with mishaps.hidden(self.lab, "filter=(uid=late*)"):
            self.assertSentence(self.cycle(node, "--full", status=HELD), "90 %", "are kept")
            self.assertEqual([], self.writes())
        self.assertHealed(node)


class Canaries(AccidentCase):
    def canary(self):
        return sorted(self.people())[0]

    def edit(self, text):
        # Another spelling of the same name: it is compared as a name, not as text.
        dn = self.canary().replace("uid=", "UID = ", 1)
        return quick(text).replace("    bind:", f'    canaries: ["{dn}"]\n    bind:', 1)

    def test_without_the_canary_nothing_is_believed_to_be_gone(self):
        node = self.running(self.edit, guard="lax")
        with mishaps.hidden(self.lab, mishaps.subtree(self.canary())):
            for arguments in (("--full",), ("--full", "--accept-missing"), ()):
                self.assertSentence(self.cycle(node, *arguments, status=HELD), "canary", self.canary()[4:], "canaries")
            self.assertEqual([], self.writes())
            done = node.twinsync("--json", "check")
            self.assertEqual(1, done.returncode)
            self.assertIn("canaries", done.stdout)
            self.assertIn("is not shown", done.stdout)
        self.assertHealed(node)
        self.assertEqual(0, node.twinsync("check").returncode)

    def test_with_the_canary_what_is_gone_is_gone(self):
        node = self.running(self.edit, guard="lax")
        dn = sorted(self.people())[1]
        values = mishaps.entry(self.directory, dn)
        self.directory.delete_s(dn)
        self.addCleanup(self.directory.add_s, dn, mishaps.ldap.modlist.addModlist(values))
        node.sync("--full")
        self.assertInStep()

    def test_a_canary_elsewhere_is_found_by_check(self):
        node = self.new_node(lambda text: quick(text).replace(
            "    bind:", '    canaries: ["cn=elsewhere,dc=example,dc=net"]\n    bind:', 1))
        node.start()
        done = node.twinsync("--json", "check")
        self.assertEqual(1, done.returncode)
        self.assertIn("is not below", done.stdout)


class Places(AccidentCase):
    def test_a_source_that_moves_in_the_configuration_is_refused(self):
        node = self.running(guard="lax")
        node.stop()

        def with_another_first(text):
            head, rest = text.split("sources:\n", 1)
            source, rules = rest.split("rules:\n", 1)
            other = source.replace("name: corp", "name: other").replace(population.BASE, population.GROUPS, 1)
            return f"{head}sources:\n{other}{source}rules:\n{rules}"
        node.write_config(with_another_first(quick(self.lab.config(node.state))))
        node.start()
        done = node.twinsync("sync", "--wait")
        self.assertNotEqual(0, done.returncode)
        self.assertSentence(done.stderr, "another place", "at the end")
        self.assertEqual([], self.writes())

    def test_a_source_by_another_name_is_the_same(self):
        node = self.running(guard="lax")
        node.stop()
        node.write_config(quick(self.lab.config(node.state)).replace("corp", "firm"))
        node.start()
        for _ in range(2):
            node.twinsync("sync", "--wait", "--full")
        self.assertEqual([], self.writes())
        self.assertInStep()


class OtherAnchor(AccidentCase):
    """An anchor that people can edit; the comparer knows entryUUID only."""

    def edit(self, text):
        return quick(text).replace("    bind:", '    anchor: employeeNumber\n    filter: "(employeeNumber=9*)"\n    bind:', 1)

    def setUp(self):
        super().setUp()
        self.dns = []

    def numbered(self, count):
        """People whom the filter passes, in step."""
        for number in range(count):
            self.dns.append(f"uid=n{number},{population.PEOPLE}")
            self.directory.add_s(self.dns[-1], [
                ("objectClass", [b"inetOrgPerson"]), ("uid", [f"n{number}".encode()]), ("cn", [b"Numbered"]),
                ("sn", [b"Numbered"]), ("mail", [f"n{number}@example.org".encode()]),
                ("employeeNumber", [f"9{number}".encode()])])
            self.addCleanup(self.directory.delete_s, self.dns[-1])
        node = self.new_node(edit=self.edit)
        node.start()
        node.sync()
        self.assertEqual({f"9{number}" for number in range(count)}, set(self.anchors().values()))
        self.written = len(self.lab.writes())
        return node

    def anchors(self):
        return {user["userName"]: user["externalId"]
                for user in self.lab.scim("GET", "/Users?count=1000").body["Resources"]}

    def set(self, number, value, attribute="employeeNumber"):
        self.directory.modify_s(self.dns[number], [(2, attribute, [value.encode()])])

    def test_another_anchor_in_place_is_an_error_until_the_old_one_is_back(self):
        node = self.numbered(12)
        self.set(3, "9333")
        self.set(3, "Boss", "title")
        for arguments in ((), ("--full",), ()):
            node.twinsync("sync", "--wait", *arguments)
            [error] = node.json("errors")["errors"]
            self.assertEqual(("93", "corp"), (error["anchor"], error["path"]))
            self.assertSentence(error["text"], "employeeNumber", '"93"', '"9333"', "put it back")
        self.assertEqual([], self.writes())
        self.set(3, "93")
        node.sync()
        self.assertEqual(["PATCH"], [method for method, _ in self.writes()])  # the title
        self.assertEqual([], node.json("errors")["errors"])

    def test_whoever_is_entered_anew_elsewhere_is_somebody_else(self):
        node = self.numbered(30)
        self.set(3, "9333")
        node.twinsync("sync", "--wait")
        values = mishaps.entry(self.directory, self.dns[3])
        self.directory.delete_s(self.dns[3])
        node.sync()
        self.assertEqual(["DELETE"], [method for method, _ in self.writes()])
        self.assertEqual([], node.json("errors")["errors"])
        self.directory.add_s(self.dns[3], mishaps.ldap.modlist.addModlist(values))
        node.sync()
        self.assertEqual("9333", self.anchors()["n3@example.org"])

    def test_many_at_once_are_a_migration_and_wait_for_reanchor(self):
        node = self.numbered(30)
        for number in range(25):
            self.set(number, f"99{number:02}")
        self.cycle(node, status=HELD)
        self.assertEqual([("anchors-replaced", "")], list(self.holds(node)))
        self.assertEqual([], self.writes())
        proposal = node.json("reanchor", "--match", "userName", "--reason", "new numbers")
        self.assertEqual(25, proposal["count"])
        self.assertEqual(0, node.twinsync("approve", proposal["hash"], "--reason", "seen").returncode)
        node.sync()
        self.assertEqual({"PATCH"}, {method for method, _ in self.writes()})
        self.assertEqual({f"99{number:02}" for number in range(25)} | {f"9{number}" for number in range(25, 30)},
                         set(self.anchors().values()))


class OldBackup(AccidentCase):
    def test_what_an_old_backup_brings_back_is_all_that_is_written(self):
        node = self.running()
        dns = sorted(dn for dn, values in self.people().items() if "mail" in values)
        backup = mishaps.dump(self.lab)
        self.directory.modify_s(dns[0], [(2, "title", [b"Newer"])])
        self.directory.delete_s(dns[1])
        node.sync()
        self.assertInStep()
        self.written = len(self.lab.writes())
        self.directory.unbind_s()
        mishaps.reload(self.lab, backup)
        self.directory = self.lab.ldap()
        node.sync()
        node.sync()
        self.assertInStep()
        self.assertEqual([], [path for method, path in self.writes() if method == "DELETE"])
        self.assertEqual(1, sum(method == "POST" for method, _ in self.writes()))

    def test_whoever_came_after_the_backup_is_kept_when_they_are_many(self):
        node = self.running()
        backup = mishaps.dump(self.lab)
        for number in range(12):
            self.directory.add_s(f"uid=after{number},{population.PEOPLE}", [
                ("objectClass", [b"inetOrgPerson"]), ("uid", [f"after{number}".encode()]), ("cn", [b"After"]),
                ("sn", [b"After"]), ("mail", [f"after{number}@example.org".encode()])])
        node.sync()
        self.assertInStep()
        self.written = len(self.lab.writes())
        self.directory.unbind_s()
        mishaps.reload(self.lab, backup)
        self.directory = self.lab.ldap()
        self.assertSentence(self.cycle(node, status=HELD), "are kept", "90 %")
        self.assertEqual([], self.writes())


if __name__ == "__main__":
    unittest.main()
