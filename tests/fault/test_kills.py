#!/usr/bin/python3
"""kill -9 at every fail-point: of either node in a takeover, as the active and as the standby, of the first load of a
pair, and of the register; started again by its parent, or off at once until the other node has taken over."""

import os
import subprocess
import unittest

from lab import BUILD
from pair import Pair
from pair_faults import PEOPLE, Campaign, PairFaultCase, deaths
from witness import FAILPOINTS as OF_THE_REGISTER

OF_AN_APPROVAL = {"reanchor-chunk-committed"}  # test_reanchor
OF_A_FIRST_LOAD = ("generation-built", "generation-selected")
OF_A_STANDBY = ("rows-applied", "snapshot-in-place", "facts-persisted")


def points(option):
    done = subprocess.run([os.path.join(BUILD, "twinsyncd"), option], check=True, capture_output=True, text=True,
                          timeout=10)
    return done.stdout.split()


OF_A_CYCLE = [point for point in points("--failpoints") if point not in (*OF_AN_APPROVAL, *OF_A_FIRST_LOAD)]
OF_A_TAKEOVER = [point for point in points("--pair-failpoints") if point not in ("rows-applied", "snapshot-in-place")]


class Kills(PairFaultCase):
    """The standby is started anew with the point armed, for its first worker, and led to it.

    Tokens are short: who dies in a fence may leave the other one to wait until no token of that principal can live.
    """

    OPTIONS = {"people": PEOPLE, "groups": 4, "token_seconds": 20}

    def arm(self, point, restart):
        """The node, and whether it is dead: its worker, or parent and worker at once as in a power cut."""
        node = self.pair.standby()
        node.kill()
        if point == "snapshot-in-place":
            self.lose_state(node)
        before = deaths(node)
        node.start(wait=False, TWINSYNC_FAILPOINT=point if restart else f"{point}:1:off")
        return node, lambda: deaths(node) > before if restart else node.process.poll() is not None

    def part(self, node, dead, point, restart):
        """It dies there; then it comes back and goes on, or the other node does all alone."""
        other = self.pair.other(node)
        self.pair.until(dead, f"it dies at {point}")
        if not restart:
            node.kill()  # it is no more: nothing is given back
            if other.process is None:
                other.start()
            self.pair.wait_active(other)
            self.change()
            self.pair.until(self.pair.in_step, "the other node brings all to the target")
        elif other.process is None:
            self.pair.wait_active(node)
        self.assertWhole()

    def as_the_active(self, point, restart):
        """It became that on purpose, and the other node follows it."""
        node, dead = self.arm(point, restart)
        self.pair.fail_over_to(node)  # its answer may be lost with it
        self.change(40)
        self.part(node, dead, point, restart)

    def in_a_takeover(self, point, restart):
        """The other host is off."""
        other = self.pair.active()
        node, dead = self.arm(point, restart)
        self.pair.until(lambda: dead() or node.role() == "standby", "it is there, or has passed the point")
        other.kill()
        self.change(40)
        self.part(node, dead, point, restart)

    def as_the_standby(self, point, restart):
        node, dead = self.arm(point, restart)
        if point == "facts-persisted":
            self.pair.until(lambda: dead() or node.role() == "standby", "it is there, or has passed the point")
            node.twinsync("maintenance", "on")  # one of the facts
        self.change(40)
        self.part(node, dead, point, restart)
        if self.pair.is_closed(node, "maintenance"):
            self.pair.must(node, "maintenance", "off")


class FirstLoads(Campaign):
    def first_load(self, point, restart):
        """The first node of a pair that is to be dies; then the second one joins."""
        pair = Pair(people=40, groups=3, start=False)
        self.addCleanup(pair.close)
        pair.found(TWINSYNC_FAILPOINT=point)
        pair.until(lambda: deaths(pair.alpha) > 0, f"it dies at {point}")
        if not restart:
            pair.alpha.kill()
            pair.alpha.start()
        pair.wait_role(pair.alpha, "active")
        pair.join()
        pair.wait_equal()
        pair.wait_in_step()
        self.assertEqual({}, pair.judge()["faults"])
        type(self).whole = True


class Registers(PairFaultCase):
    def in_a_renewal(self, point):
        self.pair.register.kill()
        self.pair.register.start(failpoint=point, wait=False)
        self.end(point)

    def in_a_takeover(self, point):
        self.pair.register.kill()
        self.pair.active().kill()
        self.pair.register.start(failpoint=point, wait=False)
        self.end(point)

    def end(self, point):
        self.pair.until(lambda: not self.pair.register.running(), f"it dies at {point}")
        self.pair.register.start()
        self.assertWhole()


def add(case, how, each, *more):
    def test(self):
        getattr(self, how)(each, *more)
    note = "".join("_and_is_back" if restart else "_and_is_off" for restart in more)
    setattr(case, f"test_{how}_at_{each.replace('-', '_')}{note}", test)


for back in (True, False):
    for name, of in (("as_the_active", OF_A_CYCLE), ("in_a_takeover", OF_A_TAKEOVER), ("as_the_standby", OF_A_STANDBY)):
        for one in of:
            add(Kills, name, one, back)
    for one in OF_A_FIRST_LOAD:
        add(FirstLoads, "first_load", one, back)
for one in OF_THE_REGISTER:
    add(Registers, "in_a_renewal", one)
    add(Registers, "in_a_takeover", one)

if __name__ == "__main__":
    unittest.main()
