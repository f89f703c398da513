"""host_pair -- a Pair whose nodes and witness are on hosts of their own.

    with HostPair(people=50) as pair:
        pair.cut(pair.alpha, "peer", "in")
        pair.heal()
        pair.converge()

The links of a node, by name, are those that can be cut: `peer`, `register`,
`source`, `target` and `token`.
"""

import re

from hosts import Network
from lab import wait_until
from pair import Pair

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
            witness = port_of(self.witness.endpoint)
            self.links = {"peer": list(own.values()), "register": [witness],
                          "source": [port_of(env["ldaps_uri"]), port_of(env["ldap_uri"])],
                          "target": [port_of(env["scim_url"])], "token": [port_of(env["token_url"])]}
            here = [port for link in ("source", "target", "token") for port in self.links[link]]
            network = Network({**{name: [port] for name, port in own.items()}, "witness": [witness]}, here)
            self.network = network.__enter__()
            for name, node in self.nodes.items():
                node.launcher = network.command(name)
            self.witness.launcher = network.command("witness")
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

    def heal(self):
        self.network.heal()

    def let_take_over(self):
        """After three takeovers in a quarter of an hour a pair waits for its operator: that is us."""
        if any(node.process and node.role() in ("active", "fencing") for node in self.nodes.values()):
            return
        for node in self.nodes.values():
            if node.process and node.role() == "standby":
                closed = [gate["name"] for gate in node.json("explain")["gates"] if not gate["ok"]]
                if "takeovers" in closed:
                    node.twinsync("failover", "--reason", "a campaign of faults")
                    return

    def wait_active(self, node, seconds=60):
        """The node exports, by itself or because three takeovers are over and its operator says so."""
        def active():
            self.let_take_over()
            return node.role() == "active"
        try:
            wait_until(active, "the node is active", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{node.twinsync('explain').stdout}\n{node.log()[-4000:]}") from None

    def converge(self, seconds=90):
        """One exports, the other one follows and holds the same, and the target is in step: whatever happened."""
        def roles():
            return sorted(str(node.role()) for node in self.nodes.values()) == ["active", "standby"]

        def settled():
            self.let_take_over()
            return roles() and self.equal() and self.in_step() and roles()
        try:
            wait_until(settled, "the pair is as it should be", seconds)
        except AssertionError as error:
            told = "\n".join(f"--- {name}\n{node.twinsync('explain').stdout}\n{node.log()[-2500:]}"
                             for name, node in self.nodes.items())
            raise AssertionError(f"{error}: {self.checksums()}\n{told}") from None
