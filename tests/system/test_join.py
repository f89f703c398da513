#!/usr/bin/python3
"""A second computer joins a running one: with a token, once, and again after
whatever died in between; strangers at the port are refused and told."""

import glob
import json
import os
import socket
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import BUILD, DEADLINE_SECONDS, wait_until  # noqa: E402
from pair import Pair  # noqa: E402


class JoinTestCase(unittest.TestCase):
    """The first node runs alone and holds the lease; nobody has joined."""

    environment = {}  # of the first node's daemon

    def setUp(self):
        self.pair = pair = Pair(people=10, groups=1, start=False)
        self.addCleanup(pair.close)
        pair.register.start()
        pair.alpha.start(**self.environment)
        pair.register.admit(pair.certificate(pair.alpha))

    def token(self):
        return json.loads(self.pair.must(self.pair.alpha, "--json", "token", "create"))["token"]

    def join(self, *words, stdin=None):
        node = self.pair.beta
        return subprocess.run([os.path.join(BUILD, "twinsync"), "-c", node.config_file, *words],
                              input=stdin, capture_output=True, text=True, check=False,
                              timeout=DEADLINE_SECONDS)

    def secret_files(self, node):
        folder = os.path.join(node.state, "pair")
        return [path for path in glob.glob(folder + "/**", recursive=True)
                if os.path.isfile(path) and not path.endswith((".cert", "/partner", "/joining"))]

    def assertRefused(self, done, status, piece):
        self.assertEqual((status, ""), (done.returncode, done.stdout))
        self.assertEqual(1, done.stderr.count("\n"), done.stderr)
        self.assertIn(piece, done.stderr)

    def events(self, name):
        told = json.loads(self.pair.must(self.pair.alpha, "--json", "events", "--limit", "200"))["events"]
        return [json.loads(event["text"]) for event in told if event["event"] == name]


class Joining(JoinTestCase):
    def test_a_token_makes_a_pair_and_is_spent(self):
        done = self.join("--json", "join", "--token", "-", stdin=self.token() + "\n")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        joined = json.loads(done.stdout)
        self.assertEqual(("beta", "alpha", False), (joined["node"], joined["issuer"], joined["was_joined"]))
        wait_until(lambda: not os.path.exists(os.path.join(self.pair.alpha.state, "pair", "token")),
                   "the token is spent")
        for node in self.pair.nodes.values():
            secrets = self.secret_files(node)
            self.assertEqual(["node.cert_secret", "pair.key"], sorted(map(os.path.basename, secrets)))
            self.assertEqual({0o600}, {stat.S_IMODE(os.stat(path).st_mode) for path in secrets})
        self.assertEqual(["beta"], [event["node"] for event in self.events("token-created")])
        self.assertEqual([joined["key"]], [event["key"] for event in self.events("node-joined")])
        self.pair.beta.start()
        wait_until(lambda: self.pair.alpha.status()["peer"]["connected"], "the nodes are connected")

    def test_a_token_is_refused_the_second_time_and_the_stranger_is_told(self):
        token = self.token()
        self.assertEqual(0, self.join("join", "--token", token).returncode)
        wait_until(lambda: not os.path.exists(os.path.join(self.pair.alpha.state, "pair", "token")),
                   "the token is spent")
        os.rename(os.path.join(self.pair.beta.state, "pair"), os.path.join(self.pair.beta.state, "other"))
        self.assertRefused(self.join("join", "--token", token), 1, "the token was used, has expired, or was replaced")
        wait_until(lambda: self.events("stranger-refused"), "the stranger is told")
        stranger = self.events("stranger-refused")[-1]
        self.assertEqual(("127.0.0.1", 40), (stranger["address"], len(stranger["key"])))

    def test_what_does_not_fit_is_refused_with_a_sentence(self):
        token = self.token()
        for words, piece in ((("--for", "30s"), "it may be valid for 60 s to"), (("--for", "8d"), "604800 s")):
            self.assertRefused(self.pair.alpha.twinsync("token", "create", *words), 2, piece)
        altered = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
        self.assertRefused(self.join("join", "--token", altered), 2, "incomplete or was altered")
        with open(self.pair.beta.config_file, encoding="utf-8") as file:
            text = file.read()
        for old, new, piece in (("cluster: demo", "cluster: other", 'it is of cluster "demo"'),
                                ("this-node: beta", "this-node: alpha", 'it is for node "beta"')):
            self.assertIn(old, text)
            with open(self.pair.beta.config_file, "w", encoding="utf-8") as file:
                file.write(text.replace(old, new))
            self.assertRefused(self.join("join", "--token", token), 2, piece)

    def test_no_daemon_no_token_and_no_issuer_no_join(self):
        token = self.token()
        self.pair.alpha.kill()
        done = self.pair.alpha.twinsync("token", "create")
        self.assertRefused(done, 4, "start twinsyncd")
        self.assertRefused(self.join("join", "--wait", "1", "--token", token), 4,
                           "no node with the token's key answers there")

    def test_other_protocols_at_the_port_are_told_and_harm_nothing(self):
        host, port = self.pair.endpoints["alpha"].removeprefix("tcp://").split(":")
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n" * 20)
            wait_until(lambda: self.events("stranger-refused"), "the stranger is told")
        for number in range(2, 5):  # the log has them all, the events must not fill up with them
            with socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(b"GET / HTTP/1.0\r\n\r\n" * 20)
                wait_until(lambda n=number: self.pair.alpha.log().count("stranger-refused") >= n, "it is logged")
        [told] = self.events("stranger-refused")
        self.assertEqual(("it did not speak CURVE to our key", 1), (told["why"], told["count"]))
        self.assertEqual(0, self.join("join", "--token", self.token()).returncode)


class Dying(JoinTestCase):
    environment = {"TWINSYNC_FAILPOINT": "join-admitted"}

    def test_an_issuer_that_died_goes_on_with_the_token_of_before(self):
        token = self.token()
        self.assertNotEqual(0, self.join("join", "--wait", "2", "--token", token).returncode)
        self.pair.alpha.kill()
        self.pair.alpha.start()
        done = self.join("join", "--token", token)
        self.assertEqual((0, ""), (done.returncode, done.stderr))


if __name__ == "__main__":
    unittest.main()
