"""pair -- a second computer for the demo: the witness, pairing, and two failures.

Both nodes and the witness run here, on ports of their own; what they say to each
other and to the services is what they would say from three computers.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

from stage import BINARIES, Daemon, Failed, run

LEASE = "lease: {ttl-seconds: 5, renew-seconds: 0.5, margin-seconds: 0.5}\n"
NAMES = ("alpha", "beta")
DEADLINE_SECONDS = 90


def free_ports(count):
    """So many ports that nobody listens on, all at once."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def await_that(condition, what, seconds=DEADLINE_SECONDS):
    """The first true value of `condition()`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed("waited %d s in vain until %s" % (seconds, what))
        time.sleep(0.01)


class Witness:
    """The third computer: who may export is written down there."""

    def __init__(self, place, port):
        self.folder = os.path.abspath(os.path.join(place, "witness"))
        self.log = os.path.join(place, "witness.log")
        self.endpoint = "tcp://127.0.0.1:%d" % port
        self.certificate = os.path.abspath(os.path.join(place, "witness.cert"))
        self.process = None

    def ask(self, *words):
        return run([BINARIES + "/twinsync-witness", "-s", self.folder, *words], 20)

    def start(self):
        os.makedirs(self.folder, mode=0o700)
        with open(self.certificate, "w") as file:
            file.write(self.ask("--certificate"))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BINARIES + "/twinsync-witness", "-s", self.folder, "-e", self.endpoint],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def admit(self, node):
        self.ask("--admit", os.path.join(node.state, "pair", "node.cert"), "--cluster", "demo")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


class PairNode(Daemon):
    """One of the two computers."""

    def role(self):
        with contextlib.suppress(OSError, ValueError, KeyError, Failed):
            return self.status()["role"]
        return None

    def holds(self):
        """What it holds, by its own sum; None when it does not know."""
        with contextlib.suppress(OSError, ValueError, KeyError, Failed):
            row = self.status()["replication"]
            return row["checksum"] and (row["generation"], row["seq"], row["checksum"])
        return None

    def kill_worker(self):
        """The process that works dies; the one that watches it lives."""
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as file:
            os.kill(int(file.read().split()[0]), signal.SIGKILL)


class Pair:
    """Two nodes, of which the first was alone until now."""

    def __init__(self, place, lab, alone, lease=LEASE, more="", fence="registration"):
        """lease, more: what the configuration has besides"""
        self.lab, self.fence, ports = lab, fence, free_ports(3)
        self.lease, self.more, self.since = lease, more, 0
        self.endpoints = dict(zip(NAMES, ports))
        self.witness = Witness(place, ports[2])
        self.alpha = PairNode(alone.config, alone.state, alone.log)
        self.beta = PairNode(os.path.join(place, "beta.yaml"), os.path.join(place, "beta"),
                             os.path.join(place, "beta.log"))
        os.makedirs(self.beta.state, mode=0o700)

    def configure(self, node, name):
        """The lab's configuration, with what a pair needs besides."""
        self.lab.config(node, self.more)
        with open(node.config) as file:
            text = file.read()
        env = self.lab.env
        registration = 'registration: {url: "%s", token-file: %s, revocation-url: "%s", introspection-url: "%s"}' % (
            env["registration_url"], env["registration_token_file"], env["revocation_url"], env["introspection_url"])
        if self.fence == "registration":
            text, found = re.subn(r"(client-secret-file: [^}]+)\}", r"\1,\n          " + registration + "}", text)
            if found != 1:
                raise Failed("the lab's configuration has no place for the registration of clients")
        text = text.replace("this-node: alpha", "this-node: " + name)
        text = text.replace("  type: scim\n", "  type: scim\n  fence: %s\n  quiesce-seconds: 2\n" % self.fence)
        text = text.replace("every-seconds: 86400", "every-seconds: 1")
        text += "nodes:\n" + "".join('  - {name: %s, endpoint: "tcp://127.0.0.1:%d"}\n' % each
                                     for each in self.endpoints.items())
        text += self.lease + 'register: {type: peer, endpoint: "%s", certificate: "%s"}\n' % (
            self.witness.endpoint, self.witness.certificate)
        with open(node.config, "w") as file:
            file.write(text)

    def begin(self):
        """From the witness to two nodes that hold the same, without a word."""
        self.witness.start()
        self.configure(self.alpha, "alpha")
        self.configure(self.beta, "beta")
        self.alpha.start()
        self.witness.admit(self.alpha)
        self.since = self.lab.log_lines()
        self.await_register(self.alpha)
        self.alpha.ask("register", "init", "--reason", "a new pair")
        self.await_role(self.alpha, "active")
        run(self.beta.command("join", "--token", self.alpha.ask("token", "create")["token"]), 60)
        self.witness.admit(self.beta)
        self.beta.start()
        self.await_role(self.beta, "standby")
        self.await_equal()

    def await_role(self, node, role):
        await_that(lambda: node.role() == role, "the node is %s; see %s" % (role, node.log))

    def await_register(self, node):
        """It has read the register, and there is nothing in it."""
        await_that(lambda: "empty" in (node.status()["lease"]["register_text"] or ""), "the register is read")

    def await_ready(self, node):
        """It could take over at this moment, if nobody held the lease; nothing is on one computer only."""
        def ready():
            closed = [gate["name"] for gate in node.ask("explain")["gates"] if not gate["ok"]]
            return closed == ["lease"] and self.alpha.status()["replication"]["protected"]
        await_that(ready, "the standby is ready; see twinsync explain")

    def await_equal(self):
        await_that(lambda: self.alpha.holds() and self.alpha.holds() == self.beta.holds(), "both hold the same")

    def judge(self, after):
        """What the independent judge finds in the provider's log from that line on."""
        return json.loads(run(["tests/lib/oracle/judge", self.lab.folder, "--after", str(after)], 60, allowed=(0, 1)))

    def first_write(self, node, since):
        """When that node's first write from that line of the log on was admitted, in seconds since 1970."""
        name = "beta" if node is self.beta else "alpha"

        def found():
            for row in self.lab.rows(since):
                if (row.get("op") or "").split("/")[1:2] == [name] and row["method"] != "GET" and row.get("admitted_us"):
                    return row["admitted_us"] / 1e6
            return None
        return await_that(found, "%s writes to the service" % name)

    def export_gap(self, since, old="alpha", new="beta"):
        """Milliseconds between the last write of the one node and the first of the other, from that line of the log
        on."""
        writes = [(row["admitted_us"], row["op"].split("/")[1]) for row in self.lab.rows(since)
                  if row.get("op") and row["method"] != "GET" and row.get("admitted_us")]
        last = max(at for at, node in writes if node == old)
        return round((min(at for at, node in writes if node == new and at > last) - last) / 1000)

    def stop(self):
        for node in (self.alpha, self.beta):
            node.stop()
        self.witness.stop()
