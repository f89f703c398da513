#!/usr/bin/python3
"""check and rules test against a real directory and a real service, no daemon."""

import json
import os
import unittest

import ldap
import ldap.filter
from lab import Lab


class LabCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(people=20, groups=4)
        cls.addClassCleanup(cls.lab.close)

    def setUp(self):
        self.node = self.lab.node(self.id().rsplit(".", 1)[-1])

    def person(self):
        """(DN, first mail address) of one person who is in groups."""
        connection = self.lab.ldap()
        for dn, entry in connection.search_s(self.lab.env["base"], ldap.SCOPE_SUBTREE, "(objectClass=inetOrgPerson)",
                                             ["mail"]):
            escaped = ldap.filter.escape_filter_chars(dn)
            if "mail" in entry and len(entry["mail"]) == 1 and connection.search_s(
                    self.lab.env["base"], ldap.SCOPE_SUBTREE, f"(member={escaped})", ["1.1"]):
                return dn, entry["mail"][0].decode()
        self.fail("nobody is in a group")

    def draft(self, edit):
        path = os.path.join(self.node.folder, "draft.yaml")
        with open(self.node.config_file, encoding="utf-8") as file:
            text = file.read()
        self.assertNotEqual(text, edit(text))
        with open(path, "w", encoding="utf-8") as file:
            file.write(edit(text))
        return path


class Check(LabCase):
    def test_all_is_well(self):
        done = self.node.twinsync("check")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertTrue(done.stdout.endswith("ready\n"))

    def test_a_wrong_password_is_named_with_its_fix(self):
        secret = os.path.join(self.node.folder, "wrong")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("wrong")
        os.chmod(secret, 0o600)
        right = self.lab.env["sync_password_file"]
        path = self.draft(lambda text: text.replace(right, secret))
        done = self.node.twinsync("-c", path, "--json", "check")
        self.assertEqual(1, done.returncode)
        report = json.loads(done.stdout)
        self.assertFalse(report["ready"])
        bad = [finding for part in report["parts"] for finding in part["findings"] if not finding["ok"]]
        self.assertEqual(["bind"], [finding["name"] for finding in bad][:1])
        self.assertTrue(bad[0]["fix"])


    def fence(self, edit):
        """What `check` says of the fence: (exit status, findings)."""
        done = self.node.twinsync("-c", self.draft(edit), "--json", "check")
        parts = [part for part in json.loads(done.stdout)["parts"] if part["part"] == "fence"]
        return done.returncode, [finding for part in parts for finding in part["findings"]]

    def registration(self, text, token_file=None, url=None):
        env = self.lab.env
        return text.replace("  oauth: {", "  fence: registration\n  oauth: {registration: {url: %s, token-file: %s}, " % (
            url or env["registration_url"], token_file or env["registration_token_file"]))

    def test_a_registration_endpoint_is_tried_without_registering(self):
        status, findings = self.fence(self.registration)
        self.assertEqual(status, 0, findings)
        self.assertEqual([("registration", True), ("evidence", True)],
                         [(finding["name"], finding["ok"]) for finding in findings])
        registered = [row for row in self.lab.requests("oauth") if row["path"] == "/reg" and row["status"] == 201]
        self.assertEqual(registered, [])

    def test_a_registration_that_is_refused_is_named_with_its_fix(self):
        wrong = os.path.join(self.node.folder, "wrong.token")
        with open(os.open(wrong, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write("wrong")
        status, findings = self.fence(lambda text: self.registration(text, token_file=wrong))
        self.assertEqual((status, findings[0]["name"], findings[0]["ok"]), (1, "registration", False))
        self.assertIn("token-file", findings[0]["fix"])
        status, findings = self.fence(lambda text: self.registration(text, url="https://127.0.0.1:1/reg"))
        self.assertEqual((status, findings[0]["name"], findings[0]["ok"]), (4, "reachable", False))

    def test_a_pair_whose_target_cannot_fence_is_told_so(self):
        nodes = ("nodes: [{name: alpha, endpoint: 'tcp://127.0.0.1:6001'}, {name: beta, endpoint: 'tcp://127.0.0.1:6002'}]\n"
                 "register: {type: manual}\n")
        status, findings = self.fence(lambda text: nodes + text.replace("  oauth: {", "  fence: none\n  oauth: {"))
        self.assertEqual((status, [finding["name"] for finding in findings]), (0, ["unfenced"]))
        self.assertIn("not claimed", findings[0]["value"])
        self.assertEqual(self.fence(lambda text: text + "\n")[1], [])  # alone: nothing to say

    def test_a_fence_command_answers_a_probe(self):
        for command, ok in (("/bin/true", True), ("/bin/false", False)):
            status, findings = self.fence(lambda text: text.replace(
                "  oauth: {", "  fence: exec\n  fence-command: [%s]\n  oauth: {" % command))
            self.assertEqual((findings[0]["name"], findings[0]["ok"], status), ("fence-command", ok, 0 if ok else 1))


class RulesTest(LabCase):
    def test_one_object_is_found_by_its_dn_and_by_its_mail(self):
        dn, mail = self.person()
        for name in (dn, mail):
            with self.subTest(name=name):
                document = self.node.json("rules", "test", name)
                self.assertEqual([dn], [item["dn"] for item in document["objects"]])
                found = document["objects"][0]
                self.assertEqual(("in", "user 1", None), (found["scope"], found["rule"], found["differences"]))
                values = {item["path"]: item["values"] for item in found["values"]}
                self.assertEqual([mail.casefold()], values["userName"])

    def test_a_filter_in_a_name_is_only_a_name(self):
        done = self.node.twinsync("rules", "test", "*)(objectClass=*")
        self.assertEqual(1, done.returncode)
        self.assertIn("could not find", done.stderr)

    def test_a_draft_shows_what_it_would_change(self):
        dn, _ = self.person()
        path = self.draft(lambda text: text.replace('"fold(mail)"', "\"'x' || fold(mail)\""))
        document = self.node.json("rules", "test", dn, "--config", path)
        difference = document["objects"][0]["differences"]
        self.assertEqual(["userName"], [item["path"] for item in difference])
        self.assertEqual(["x" + difference[0]["now"][0]], difference[0]["draft"])

    def test_a_scope_exit_is_a_difference_that_names_its_term(self):
        dn, _ = self.person()
        path = self.draft(lambda text: text.replace("AND mail IS NOT NULL", "AND mail = 'nobody'"))
        found = self.node.json("rules", "test", dn, "--config", path)["objects"][0]
        self.assertEqual("out", found["scope"])
        self.assertEqual(["in"], found["differences"][0]["now"])

    def test_a_sample_counts_what_it_leaves_out(self):
        document = self.node.json("rules", "test", "--sample", "5")
        self.assertEqual(5, len(document["objects"]))
        self.assertEqual({"in"}, {item["scope"] for item in document["objects"]})
        self.assertGreater(sum(document["passed_over"].values()), 0)

    def test_a_rule_that_cannot_be_compiled_is_exit_2(self):
        path = self.draft(lambda text: text.replace('"fold(mail)"', '"fold(mial)"'))
        done = self.node.twinsync("rules", "test", "--sample", "1", "--config", path)
        self.assertEqual((2, ""), (done.returncode, done.stdout))
        self.assertIn("mial", done.stderr)

    def test_nothing_is_written(self):
        before = len(self.lab.writes())
        self.node.twinsync("rules", "test", "--sample", "5")
        self.node.twinsync("check")
        self.assertEqual(before, len(self.lab.writes()))
        self.assertEqual([], os.listdir(self.node.state))


if __name__ == "__main__":
    unittest.main()
