#!/usr/bin/python3
"""The hosts that other tests put nodes on: who reaches whom, and what a cut does."""

import contextlib
import os
import socket
import subprocess
import sys
import unittest

from hosts import Network, remove_leftovers
from lab import wait_until

ECHO = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("up", flush=True)
while True:
    peer, _ = server.accept()
    with peer:
        while data := peer.recv(100):
            peer.sendall(data.upper())
"""
TALK = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=float(sys.argv[2])) as peer:
    peer.sendall(b"hello")
    print(peer.recv(100).decode())
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Hosts(unittest.TestCase):
    def setUp(self):
        self.here, self.of_alpha, self.of_beta = free_port(), free_port(), free_port()
        self.network = self.enterContext(Network({"alpha": [self.of_alpha], "beta": [self.of_beta]}, [self.here]))
        for host, port in ((None, self.here), ("alpha", self.of_alpha), ("beta", self.of_beta)):
            argv = [sys.executable, "-c", ECHO, str(port)]
            server = subprocess.Popen(self.network.command(host, *argv) if host else argv, stdout=subprocess.PIPE)
            self.addCleanup(server.stdout.close)
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            self.assertEqual(b"up\n", server.stdout.readline())

    def reaches(self, host, port, seconds=25):
        """What that host hears from there; "" when nothing comes."""
        argv = [sys.executable, "-c", TALK, str(port), str(seconds)]
        done = subprocess.run(self.network.command(host, *argv) if host else argv, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=60)
        return done.stdout.strip()

    def test_every_host_reaches_what_another_one_serves(self):
        for host, port in (("alpha", self.here), ("beta", self.here), ("alpha", self.of_beta), ("beta", self.of_alpha),
                           ("alpha", self.of_alpha), (None, self.of_alpha), (None, self.of_beta)):
            self.assertEqual("HELLO", self.reaches(host, port), f"{host} to {port}")

    def test_a_cut_loses_the_packets_of_one_way_of_one_host(self):
        for way in ("both", "in", "out"):
            self.network.cut("alpha", [self.of_beta], way)
            self.assertEqual("", self.reaches("alpha", self.of_beta, 0.5), way)
            self.assertEqual("HELLO", self.reaches("alpha", self.here), way)
            self.assertEqual("HELLO", self.reaches("beta", self.of_alpha), way)
            self.network.heal()
            self.assertEqual("HELLO", self.reaches("alpha", self.of_beta), way)

    def test_one_way_is_one_way(self):
        """What alpha says arrives, and no answer comes back."""
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]
        with Network({"gamma": []}, [port]) as network:
            sender = subprocess.Popen(network.command("gamma", sys.executable, "-c", TALK, str(port), "5"),
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.addCleanup(sender.stdout.close)
            peer, _ = taken.accept()
            network.cut("gamma", [port], "in")
            with contextlib.closing(peer):
                self.assertEqual(b"hello", peer.recv(100))
                peer.sendall(b"lost")
                self.assertNotEqual(0, sender.wait(60))
            self.assertEqual(b"", sender.stdout.read())

    def test_only_what_nobody_holds_is_removed_as_left_behind(self):
        left = Network({"gamma": []}, [])
        left.__enter__()
        left.claimed.close()  # as the end of its process would
        remove_leftovers()
        self.assertEqual("HELLO", self.reaches("alpha", self.of_beta))
        self.assertNotIn(left.space("gamma"), subprocess.run(["ip", "netns", "list"], text=True, check=True,
                                                             stdout=subprocess.PIPE).stdout)

    def test_nothing_is_left_behind(self):
        name = self.network.name
        self.network.close()
        wait_until(lambda: name not in subprocess.run(["ip", "netns", "list"], text=True, stdout=subprocess.PIPE,
                                                      check=True).stdout, "the hosts to go")
        self.assertNotIn(name, subprocess.run(["nft", "list", "tables"], text=True, stdout=subprocess.PIPE,
                                              check=True).stdout)
        self.assertFalse([each for each in os.listdir("/sys/class/net") if each.startswith(f"{name}l")])


if __name__ == "__main__":
    unittest.main()
