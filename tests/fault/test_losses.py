#!/usr/bin/python3
"""What else a pair loses: the register, which is etcd, the disk of either node, both nodes at once."""

import contextlib
import os
import shutil
import subprocess
import unittest

from lab import wait_until
from pair_faults import PEOPLE, PairFaultCase


class Losses(PairFaultCase):
    OPTIONS = {"people": PEOPLE, "groups": 4, "register": "etcd"}

    def test_the_register_is_down_and_both_nodes_live(self):
        """The holder goes on by its peer's promises; nobody takes over."""
        before, active = self.epoch(), self.pair.active()
        standby = self.pair.other(active)
        wait_until(lambda: not self.pair.is_closed(standby, "start-wait"), "the standby has run long enough to promise")
        wait_until(lambda: active.status()["peer"]["fit"], "the active knows")
        self.pair.register.kill()
        self.exporting()
        self.await_reaction(before)
        self.assertEqual(before, self.epoch())
        self.assertIs(active, self.pair.active())
        self.pair.wait_in_step()
        self.pair.register.start()
        self.assertWhole()

    def test_the_register_and_the_active_are_down(self):
        """Nobody may take over without the register."""
        before, active = self.epoch(), self.pair.active()
        standby = self.pair.other(active)
        self.pair.register.kill()
        active.kill()
        self.await_reaction(before)
        self.assertEqual("standby", standby.role())
        self.pair.register.start()
        self.pair.wait_active(standby)
        self.assertWhole()

    def test_both_nodes_are_off_while_the_directory_changes(self):
        for node in self.pair.nodes.values():
            node.kill()
        self.change(40)
        self.assertWhole()

    def test_either_node_loses_its_state(self):
        for which in (self.pair.standby, self.pair.active):
            node = which()
            node.kill()
            self.lose_state(node)
            self.change()
            node.start()
            self.assertWhole()


class FullDisk(PairFaultCase):
    """The state directories are on file systems of their own, small enough to be filled."""

    def test_the_disk_of_the_active_is_full(self):
        with self.on_small_disk() as node:
            self.pair.active().kill()
            self.pair.wait_active(node)
            self.pair.other(node).start()
            self.pair.converge()
            self.fill(node)
            self.change(40)
            self.pair.wait_active(self.pair.other(node))
            self.empty(node)
            self.assertWhole()

    def test_the_disk_of_the_standby_is_full(self):
        """The active goes on, and nobody takes over who could not write down what it does."""
        with self.on_small_disk() as node:
            active = self.pair.active()
            self.fill(node)
            self.change(40)
            self.pair.until(self.pair.in_step, "the active goes on alone")
            self.pair.until(lambda: self.pair.is_closed(node, "disk"), "the standby says that it is not fit")
            active.kill()
            self.pair.until(lambda: not self.pair.is_closed(node, "lease"), "the lease has run out")
            self.assertEqual("standby", node.role())
            self.empty(node)
            self.pair.wait_active(node)
            self.assertWhole()

    @contextlib.contextmanager
    def on_small_disk(self):
        """The standby, with its state directory moved there, and back in the end."""
        node = self.pair.standby()
        small, large = node.state, node.state + ".large"
        node.kill()
        os.rename(small, large)
        os.mkdir(small, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", small], check=True, timeout=30)
        try:
            subprocess.run(["cp", "-a", large + "/.", small], check=True, timeout=30)
            node.start()
            self.pair.converge()
            yield node
        finally:
            node.kill()
            shutil.rmtree(large)
            subprocess.run(["cp", "-a", small, large], check=True, timeout=30)
            subprocess.run(["umount", small], check=True, timeout=30)
            os.rmdir(small)
            os.rename(large, small)
        node.start()

    @staticmethod
    def fill(node):
        with open(os.path.join(node.state, "filler"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass

    @staticmethod
    def empty(node):
        os.unlink(os.path.join(node.state, "filler"))


if __name__ == "__main__":
    unittest.main()
