#!/usr/bin/python3
"""What an operator sees of the register without a daemon: `register status` and
`check` ask it themselves, with the node's own certificate."""

import json
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from cli_case import Case  # noqa: E402
from register_driver import Register  # noqa: E402
from witness import Witness  # noqa: E402

PAIR = """
nodes:
  - {{name: alpha, endpoint: "tcp://127.0.0.1:1"}}
  - {{name: beta, endpoint: "tcp://127.0.0.1:2"}}
register: {{type: peer, endpoint: "{endpoint}", certificate: witness.cert, timeout-seconds: 1}}
"""


class RegisterCommands(Case):
    def setUp(self):
        super().setUp()
        self.witness = Witness()
        self.addCleanup(self.witness.close)
        pair = os.path.join(self.folder, "pair")
        os.makedirs(pair, mode=0o700)
        own = self.witness.new_node("alpha")
        for source, name in ((own, "node.cert"), (own + "_secret", "node.cert_secret"),
                             (self.witness.certificate, "witness.cert")):
            shutil.copy(source, os.path.join(pair, name))
        with open(self.config, encoding="utf-8") as file:
            text = file.read()
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text.replace("  type: scim\n", "  type: scim\n  fence: none\n")
                       + PAIR.format(endpoint=self.witness.endpoint))
        self.own = own

    def finding(self, name):
        document = json.loads(self.run_tool("--json", "check").stdout)
        [part] = [each for each in document["parts"] if each["part"] == "register"]
        self.assertEqual(part["name"], "peer")
        return {each["name"]: each for each in part["findings"]}[name]

    def test_status_asks_the_register_itself(self):
        self.witness.start()
        done = self.run_tool("--json", "register", "status")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout), {"type": "peer", "ok": True, "text": None, "value": None})
        self.assertIn("twinsync register init", self.run_tool("register", "status").stdout)

    def test_status_of_something_else_in_the_register_is_an_error(self):
        self.witness.start()
        with Register({"peer": {"endpoint": self.witness.endpoint, "certificate": self.witness.certificate,
                                "own": self.own}}) as client:
            client.swap("", "no register value")
        done = self.run_tool("register", "status")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assert_sentence(done.stderr)

    def test_witness_that_is_away_is_exit_4(self):
        done = self.run_tool("register", "status")
        self.assertEqual((done.returncode, done.stdout), (4, ""))
        self.assert_sentence(done.stderr)
        self.assertIn(self.witness.endpoint, done.stderr)
        self.assertFalse(self.finding("reachable")["ok"])

    def test_check_reads_it_and_asks_for_a_third_host(self):
        self.witness.start()
        self.assertTrue(self.finding("reachable")["ok"])
        self.assertIn("none yet", self.finding("value")["value"])
        self.witness.expel(self.own)
        rights = self.finding("rights")
        self.assertFalse(rights["ok"])
        self.assertIn("--admit", rights["value"])

    def test_decisions_need_the_daemon_and_a_reason(self):
        self.witness.start()
        done = self.run_tool("register", "repair", "--reason", "a drill")
        self.assertEqual(done.returncode, 4)
        self.assertIn("start twinsyncd", done.stderr)
        self.assertEqual(self.run_tool("register", "repair").returncode, 2)


if __name__ == "__main__":
    unittest.main()
