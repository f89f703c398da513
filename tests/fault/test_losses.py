#!/usr/bin/python3
"""What else a pair loses: the register, the disk of either node, both nodes at once."""

import os
import subprocess
import unittest

from lab import wait_until
from pair_faults import PairFaultCase


class Losses(PairFaultCase):
    def test_the_register_is_down_and_both_nodes_live(self):
        """The holder goes on by its peer's promises; nobody takes over."""
        before, active = self.epoch(), self.pair.active()
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
        node = self.pair.standby()
        self.on_small_disk(node)
        try:
            self.pair.active().kill()
            self.pair.wait_active(node)
            self.pair.other(node).start()
            self.pair.converge()
            self.fill(node)
            self.change(40)
            self.pair.wait_active(self.pair.other(node))
            self.empty(node)
            self.assertWhole()
        finally:
            node.kill()
            subprocess.run(["umount", node.state], check=True, timeout=30)

    def on_small_disk(self, node):
        """Move the state directory of the node there."""
        node.kill()
        kept = node.state + ".kept"
        os.rename(node.state, kept)
        os.mkdir(node.state, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", node.state], check=True, timeout=30)
        subprocess.run(["cp", "-a", kept + "/.", node.state], check=True, timeout=30)
        node.start()
        self.pair.converge()

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
