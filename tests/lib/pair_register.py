"""pair_register -- the third process of a pair: a witness, or etcd with TLS and a user for each node.

Both are used alike: config() is what a node's configuration says of it, admit()
lets a node in whose certificate is known, start() and kill() are a power switch.
`launcher`: words before its argv, such as "ip netns exec NAME".
"""

import os
import signal

from labkit.etcd import Etcd
from witness import Witness

CLUSTER = "demo"
REGISTER_PORTS = ("client", "peer")
TIMEOUT = "timeout-seconds: 0.5"


class WitnessRegister(Witness):
    def __init__(self, parent, _names, ports):
        super().__init__(os.path.join(parent, "register"), ports["client"])

    def config(self, _name):
        return f"type: peer, endpoint: \"{self.endpoint}\", certificate: \"{self.certificate}\", {TIMEOUT}"

    def admit(self, certificate, cluster=CLUSTER):
        super().admit(certificate, cluster)


class EtcdRegister(Etcd):
    """Its users and their rights are made when it starts for the first time."""

    def __init__(self, parent, names, ports):
        super().__init__(os.path.join(parent, "register"), os.path.join(parent, "lab", "tls"),
                         {name: ports[name] for name in REGISTER_PORTS})
        self.port, self.names, self.secured = self.ports["client"], names, False

    def config(self, name):
        return (f"type: etcd, endpoints: [\"{self.url}\"], user: {name}, password-file: {self.path(name)}-password, "
                f"tls: {{ca-file: \"{self.ca_file}\"}}, {TIMEOUT}")

    def admit(self, _certificate):
        """Its users are who may write."""

    def start(self):
        super().start()
        if not self.secured:
            self.secure()
            for name in self.names:
                self.add_node(name, f"twinsync/{CLUSTER}")
            self.secured = True

    def kill(self):
        self.stop(signal.SIGKILL)


REGISTERS = {"witness": WitnessRegister, "etcd": EtcdRegister}
