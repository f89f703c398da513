"""host_pair -- a Pair whose nodes and witness are on hosts of their own.

    with HostPair(people=50) as pair:
        pair.cut(pair.alpha, "peer", "in")
        pair.heal()
        pair.converge()

The links of a node, by name, are those that can be cut: `peer`, `register`,
`source`, `target` and `token`.
"""

import contextlib
import re
import subprocess

from hosts import Network
from lab import DEADLINE_SECONDS
from pair import Pair

# A failover is answered when it is over, and a fault may be in its way.
ASKING_SECONDS = 5
LINKS = ("peer", "register", "source", "target", "token")
WAYS = ("both", "in", "out")


def port_of(endpoint):
    return int(re.search(r":(\d+)(?:/|$)", endpoint)[1])


class HostPair(Pair):
    def __init__(self, **options):
        super().__init__(start=False, **options)
        self.network = None
        try:
            env = self.lab.env
            own = {name: port_of(endpoint) for name, endpoint in self.endpoints.items()}
            register = self.register.port
            self.links = {"peer": list(own.values()), "register": [register],
                          "source": [port_of(env["ldaps_uri"]), port_of(env["ldap_uri"])],
                          "target": [port_of(env["scim_url"])], "token": [port_of(env["token_url"])]}
            here = [port for link in ("source", "target", "token") for port in self.links[link]]
            network = Network({**{name: [port] for name, port in own.items()}, "register": [register]}, here)
            self.network = network.__enter__()
            for name, node in {**self.nodes, **self.more}.items():
                node.launcher = network.command(name)
            self.register.launcher = network.command("register")
            self.begin()
        except BaseException:
            self.close()
            raise

    def close(self):
        super().close()
        if getattr(self, "network", None) is not None:
            self.network.close()
            self.network = None

    def name(self, node):
        return next(name for name, each in self.nodes.items() if each is node)

    def cut(self, node, link, way):
        self.network.cut(self.name(node), self.links[link], way)

    def slow(self, node, link, kbytes):
        self.network.slow(self.name(node), self.links[link], kbytes)

    def heal(self):
        self.network.heal()

    def let_take_over(self):
        """After three takeovers in a quarter of an hour a pair waits for its operator: that is us."""
        if any(node.process and node.role() in ("active", "fencing") for node in self.nodes.values()):
            return
        for node in self.nodes.values():
            if node.process and node.role() == "standby":
                if self.is_closed(node, "takeovers"):
                    with contextlib.suppress(subprocess.TimeoutExpired):  # it goes on without us
                        node.twinsync("failover", "--reason", "a campaign of faults", seconds=ASKING_SECONDS)
                    return

    def until(self, condition, what, seconds=DEADLINE_SECONDS):
        def met():
            # Who cannot be asked in the middle of a fault is not yet as it should be.
            with contextlib.suppress(AssertionError):
                self.let_take_over()
                return condition()
            return False
        return super().until(met, what, seconds)

    def wait_active(self, node):
        """The node exports, by itself or because three takeovers are over and its operator says so."""
        self.until(lambda: node.role() == "active", "the node is active")

    def converge(self):
        """One exports, the other one follows and holds the same, and the target is in step: whatever happened."""
        def roles():
            return sorted(str(node.role()) for node in self.nodes.values()) == ["active", "standby"]
        self.until(lambda: roles() and self.equal() and self.in_step() and roles(), "the pair is as it should be", 90)
