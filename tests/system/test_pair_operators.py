#!/usr/bin/python3
"""A pair as its operators meet it: failover on purpose, gates that explain
themselves, strangers at the door, configurations that differ."""

import concurrent.futures
import os
import re
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from lab import wait_until  # noqa: E402
from pair_case import PairTestCase  # noqa: E402


class Deciding(PairTestCase):
    def test_failover_moves_the_lease_and_history_keeps_reason_and_actor(self):
        self.wait_fit(self.pair.beta)
        done = self.pair.beta.twinsync("failover", "--reason", "a drill")
        self.assertEqual(0, done.returncode, done.stderr)
        self.pair.wait_role(self.pair.beta, "active")
        self.pair.wait_role(self.pair.alpha, "standby")
        self.pair.lab.change(seed=4, count=10)
        self.pair.wait_in_step()
        self.pair.wait_equal()
        epochs = self.pair.beta.json("history")["epochs"]
        self.assertEqual("beta", epochs[0]["node"])
        self.assertIn("a drill", epochs[0]["reason"])
        self.assertNotEqual("daemon", epochs[0]["actor"])
        self.assertTrue(epochs[0]["evidence"])
        seen = wait_until(lambda: [each for each in self.pair.alpha.json("history")["epochs"]
                                   if each["epoch"] == epochs[0]["epoch"]], "the other node has it too")
        self.assertEqual("beta", seen[0]["node"])
        self.assertExclusive()

    def test_asked_of_both_nodes_at_once_one_exports_and_both_say_so(self):
        nodes = self.pair.nodes.values()
        for node in nodes:
            self.wait_fit(node)
        with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
            done = list(pool.map(lambda node: node.twinsync("failover", "--reason", f"to {node.folder}"), nodes))
        self.assertIn(0, [each.returncode for each in done])
        self.assertEqual([], [each for each in done if each.returncode and not each.stderr])
        wait_until(lambda: sorted(str(node.role()) for node in nodes) == ["active", "standby"], "one is active")
        epoch = self.pair.active().status()["epoch"]
        self.assertWhole()
        self.assertEqual(epoch, self.pair.active().status()["epoch"], "the lease goes to and fro no more")

    def test_failover_without_a_reason_is_exit_2(self):
        self.assertEqual(2, self.pair.beta.twinsync("failover").returncode)

    def test_explain_names_each_gate_and_what_opens_it(self):
        # It had nobody to wait for after its start, and says so until the wait would have been over.
        wait_until(lambda: all(self.gates(self.pair.alpha).values()), "the active's gates are open")
        report = self.pair.alpha.json("explain")
        self.assertEqual(("active", True), (report["role"], report["exports"]))
        report = self.pair.beta.json("explain")
        closed = [gate for gate in report["gates"] if not gate["ok"]]
        self.assertIn("lease", [gate["name"] for gate in closed])
        self.assertTrue(all(gate["fix"] for gate in closed), closed)


class Meeting(PairTestCase):
    def test_a_stranger_is_refused_and_the_pair_goes_on(self):
        host, port = re.fullmatch(r"tcp://(.*):(\d+)", self.pair.endpoints["alpha"]).groups()
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" + bytes(8) + b"\x7f" + bytes(60)):
            with socket.create_connection((host, int(port)), timeout=5) as stranger:
                stranger.sendall(said)
        self.pair.lab.change(seed=4, count=10)
        self.pair.wait_in_step()
        self.pair.wait_equal()
        self.assertEqual("active", self.pair.alpha.role())

    def test_nodes_with_different_configurations_say_so_and_do_not_fail_over(self):
        with open(self.pair.beta.config_file, encoding="utf-8") as file:
            text = file.read()
        self.pair.beta.stop()
        self.pair.beta.write_config(text.replace("nested: send", "nested: omit"))
        self.pair.beta.start()
        for node in (self.pair.alpha, self.pair.beta):
            wait_until(lambda: "configurations-differ" in self.problems(node), "it says so")
        wait_until(lambda: self.gates(self.pair.beta)["configuration"] is False, "the gate is closed")
        self.pair.alpha.kill()
        wait_until(lambda: self.gates(self.pair.beta)["lease"], "the lease has run out")
        self.assertEqual("standby", self.pair.beta.role())


if __name__ == "__main__":
    unittest.main()
