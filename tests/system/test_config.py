#!/usr/bin/python3
"""`twinsync config`, as an administrator uses it: exit status, what goes where,
and that what is shown is a configuration again."""

import json
import os
import subprocess
import tempfile
import unittest

TWINSYNC = os.path.abspath("build/debug/twinsync")

TEXT = """cluster: corp
this-node: alpha
state-directory: {folder}/state
sources:
  - name: corp
    type: contentsync
    uri: ldaps://ldap.example.org
    base: dc=example,dc=org
    bind: {{dn: "cn=reader,dc=example,dc=org", password-file: {folder}/password}}
rules:
  - kind: user
    sources: [corp]
    when: mail IS NOT NULL
    flow: {{userName: mail}}
target:
  type: scim
  url: https://scim.example.org/v2
  token-file: {folder}/token
"""


class Config(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="twinsync-config-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "twinsync.yaml")
        self.write("twinsync.yaml", TEXT.format(folder=self.folder))
        for name in "password", "token":
            self.write(name, "secret\n", 0o600)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def edit(self, old, new):
        self.write("twinsync.yaml", TEXT.format(folder=self.folder).replace(old, new))

    def run_config(self, word, *before):
        return subprocess.run([TWINSYNC, "-c", self.path, *before, "config", word],
                              capture_output=True, text=True, check=False)

    def test_a_right_file_is_said_to_be_right(self):
        done = self.run_config("check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, f"{self.path} is right: cluster corp, node alpha, 1 source, 1 rule\n")
        document = json.loads(self.run_config("check", "--json").stdout)
        self.assertEqual((document["valid"], document["problems"]), (True, []))
        self.assertEqual(len(document["fingerprint"]), 64)

    def test_one_problem_is_one_sentence_with_its_place(self):
        self.edit("mail IS NOT NULL", "mail IS NOT NULL\n    wehn: 1")
        done = self.run_config("check")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr, f"twinsync: {self.path}:14:5: unknown key \"wehn\", did you mean \"when\"\n")

    def test_several_problems_are_listed(self):
        self.edit("cluster: corp", "cluster: Corp\nevery: 1")
        done = self.run_config("check")
        self.assertEqual(done.returncode, 2)
        self.assertEqual([line.split(": ")[0] for line in done.stdout.splitlines()],
                         [f"{self.path}:1:10", f"{self.path}:2:1"])
        self.assertEqual(done.stderr, f"twinsync: {self.path} has 2 problems\n")
        document = json.loads(self.run_config("check", "--json").stdout)
        self.assertEqual((document["valid"], document["exit"], len(document["problems"])), (False, 2, 2))

    def test_a_secret_that_others_can_read_is_refused(self):
        os.chmod(os.path.join(self.folder, "password"), 0o604)
        for word in "check", "show":
            done = self.run_config(word)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(f"{self.path}:9:62: cannot read the secret", done.stderr)
            self.assertIn("others than its owner can read it (mode 0604)", done.stderr)

    def test_what_is_shown_is_a_configuration_again(self):
        shown = self.run_config("show")
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        self.assertNotIn("secret\n", shown.stdout)
        self.assertIn("every-seconds: 120", shown.stdout)
        self.write("twinsync.yaml", shown.stdout)
        self.assertEqual(self.run_config("show").stdout, shown.stdout)
        self.assertEqual(json.loads(self.run_config("show", "--json").stdout)["schedule"],
                         {"every-seconds": 120, "full-every-days": 7})

    def test_schema_and_manual_need_no_file(self):
        os.unlink(self.path)
        schema = self.run_config("schema")
        self.assertEqual(schema.returncode, 0)
        self.assertEqual(json.loads(schema.stdout)["$schema"], "https://json-schema.org/draft/2020-12/schema")
        self.assertTrue(self.run_config("man").stdout.startswith(".Ss The file\n"))
        done = self.run_config("check")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr, f"twinsync: could not open the configuration \"{self.path}\": "
                                      "No such file or directory\n")


if __name__ == "__main__":
    unittest.main()
