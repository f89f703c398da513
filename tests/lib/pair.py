"""pair -- two nodes, a register and a lab, paired as an operator would.

    with Pair(people=50) as pair:
        active = pair.active()
        active.kill()
        pair.wait_role(pair.other(active), "active")
        self.assertEqual({}, pair.judge()["faults"])

Everything runs on loopback with a short lease, so that a takeover takes a second
or two. The register is a twinsync-witness, or etcd (`register="etcd"`).
"""

import contextlib
import json
import os
import re
import signal
import subprocess

from lab import DEADLINE_SECONDS, Lab, Node, wait_until
from labkit.layout import free_ports
from oracle import commands as oracle
from pair_register import REGISTER_PORTS, REGISTERS

TTL_SECONDS = 2
LEASE = "lease: {ttl-seconds: 2, renew-seconds: 0.3, margin-seconds: 0.2}\n"
NAMES = ("alpha", "beta")


class PairNode(Node):
    """A Node that knows its worker, so that it can be frozen and killed apart."""

    def worker(self):
        """The pid of the process that works, or None."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, AttributeError):
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="utf-8") as file:
                children = file.read().split()
            return int(children[0]) if children else None
        return None

    def kill(self):
        """Power off: parent and worker at once, nothing is given back."""
        if self.process is None:
            return
        # The parent first: its death kills the worker before anything is told.
        super().kill()

    def kill_worker(self):
        """A crash: the parent sees it, and gives the lease back."""
        pid = self.worker()
        os.kill(pid, signal.SIGKILL)
        return pid

    @contextlib.contextmanager
    def frozen(self):
        """Parent and worker stand still, as a suspended machine does."""
        pids = [self.process.pid, self.worker()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def role(self):
        with contextlib.suppress(AssertionError, ValueError, KeyError, subprocess.TimeoutExpired):
            return self.status()["role"]
        return None


class Pair:
    """A lab and a pair in it; keyword arguments are those of Lab. `spare`: the name of a third node, self.spare, that
    every configuration lists and that nobody has started; `more`: the names of others, self.more."""

    def __init__(self, edit=None, environment=None, start=True, fence="registration", register="witness", spare=None,
                 more=(), **options):
        self.lab = Lab(**options)
        self.edit, self.fence = edit, fence
        self.names = (*NAMES, *((spare,) if spare else ()), *more)
        try:
            ports = free_ports([*self.names, *REGISTER_PORTS])
            self.endpoints = {name: f"tcp://127.0.0.1:{ports[name]}" for name in self.names}
            self.register = REGISTERS[register](self.lab.parent, self.names, ports)
            self.nodes = {name: self._node(name, environment) for name in NAMES}
            self.alpha, self.beta = self.nodes["alpha"], self.nodes["beta"]
            self.spare = self._node(spare, environment) if spare else None
            self.more = {name: self._node(name, environment) for name in more}
            if start:
                self.begin()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for node in [*getattr(self, "nodes", {}).values(), *getattr(self, "more", {}).values(),
                     getattr(self, "spare", None)]:
            if node:
                node.kill()
        if hasattr(self, "register"):
            self.register.kill()
        self.lab.close()

    # ---- pairing ----

    def config(self, name):
        """What `edit` gets besides the lab's configuration."""
        env = self.lab.env

        def edit(text):
            members = "".join(f"  - {{name: {each}, endpoint: \"{self.endpoints[each]}\"}}\n"
                              for each in self.names)
            text = text.replace("this-node: alpha", f"this-node: {name}")
            text += (f"nodes:\n{members}{LEASE}"
                     f"register: {{{self.register.config(name)}}}\n")
            if self.fence == "registration":
                registration = (f"registration: {{url: \"{env['registration_url']}\", "
                                f"token-file: {env['registration_token_file']}, "
                                f"revocation-url: \"{env['revocation_url']}\", "
                                f"introspection-url: \"{env['introspection_url']}\"}}")
                text, count = re.subn(r"(client-secret-file: [^}]+)\}", rf"\1, {registration}}}", text)
                assert count == 1, text
            text = text.replace("  type: scim\n", f"  type: scim\n  fence: {self.fence}\n  quiesce-seconds: 1\n")
            text = text.replace("every-seconds: 120", "every-seconds: 1")
            return self.edit(text) if self.edit else text
        return edit

    def _node(self, name, environment):
        node = PairNode(self.lab, os.path.join(self.lab.parent, name), edit=self.config(name),
                        environment=environment)
        self.lab.nodes.append(node)
        return node

    def certificate(self, node):
        return os.path.join(node.state, "pair", "node.cert")

    def begin(self):
        """The first node alone, then the second joins; until both are in step."""
        self.found()
        self.wait_role(self.alpha, "active")
        self.join()
        self.wait_equal()

    def found(self, **environment):
        """The first node, alone, is given the register."""
        self.register.start()
        self.alpha.start(**environment)
        self.register.admit(self.certificate(self.alpha))
        wait_until(lambda: "empty" in (self.alpha.status()["lease"]["register_text"] or ""), "the register is read")
        self.must(self.alpha, "register", "init", "--reason", "a new pair")

    def join(self):
        self.bring_in(self.beta, self.alpha)

    def bring_in(self, node, through, *options, **environment):
        """`node` joins by a token of `through`, until it is standby."""
        token = self.must(through, "token", "create", *options).strip().splitlines()[-1].split()[-1]
        self.must(node, "join", "--token", token)
        self.register.admit(self.certificate(node))
        node.start(**environment)
        self.wait_role(node, "standby")

    def add_spare(self, name, names):
        """Another third node. `names` are all that are listed from now on; whoever runs is to be restarted."""
        self.names = names
        self.endpoints[name] = f"tcp://127.0.0.1:{free_ports([name])[name]}"
        self.spare = self._node(name, None)
        for each, node in self.nodes.items():
            if each in names:
                node.write_config(self.config(each)(node.text))

    def replace(self, lost):
        """The spare takes the place of `lost` beside the other one; it is returned."""
        node = self.spare
        left, name = self.other(lost), os.path.basename(node.folder)
        self.nodes = {os.path.basename(left.folder): left, name: node}
        self.bring_in(node, left, "--node", name)
        self.wait_equal()
        return node

    def retire(self, node, *options):
        """It leaves for good, asked of the other one, which is left alone; what each step came to."""
        left, name = self.other(node), os.path.basename(node.folder)
        self.wait_role(left, "active")
        self.until(lambda: left.json("register", "status")["value"]["holder"] == os.path.basename(left.folder),
                   "the register says so")
        rows = json.loads(self.must(left, "--json", "retire", name, *options))["steps"]
        self.nodes = {os.path.basename(left.folder): left}
        return {row["step"]: row for row in rows}

    def enlist(self, name, through, **environment):
        """One of `more` joins through the one that is left."""
        self.nodes[name] = self.more[name]
        self.bring_in(self.more[name], through, "--node", name, **environment)
        self.wait_equal()
        return self.more[name]

    def must(self, node, *words):
        """A command that has to succeed; its output."""
        done = node.twinsync(*words)
        if done.returncode != 0:
            raise AssertionError(f"twinsync {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}"
                                 f"\n{node.log()[-3000:]}")
        return done.stdout

    # ---- who is what ----

    def other(self, node):
        return next(each for each in self.nodes.values() if each is not node)

    def active(self):
        """The node that exports; waits until there is one."""
        return self.until(lambda: next((node for node in self.nodes.values()
                                        if node.process and node.role() == "active"), None), "a node is active")

    def standby(self):
        return self.other(self.active())

    def until(self, condition, what, seconds=DEADLINE_SECONDS):
        """The first true value of `condition()`; both nodes' words when there is none."""
        try:
            return wait_until(condition, what, seconds, every=0.1)
        except AssertionError as error:
            told = "\n".join(f"--- {name}\n{node.twinsync('explain').stdout}\n{node.log()[-2500:]}"
                             for name, node in self.nodes.items())
            raise AssertionError(f"{error}\n{told}") from None

    def fail_over_to(self, node):
        """On purpose, as soon as it may; how the command ended."""
        def may():
            gates = node.explain().get("gates", [{"name": "none was told", "ok": False}])
            return all(gate["ok"] for gate in gates if gate["name"] not in ("lease", "takeovers"))
        self.wait_role(node, "standby")
        self.until(may, "the standby's gates are open")
        return node.twinsync("failover", "--reason", "a drill")

    def wait_role(self, node, role, seconds=DEADLINE_SECONDS):
        self.until(lambda: node.role() == role, f"the node is {role}", seconds)

    @staticmethod
    def is_closed(node, name):
        """Does the node say that this gate of it is closed?"""
        gates = node.explain().get("gates", ())
        return any(gate["name"] == name and not gate["ok"] for gate in gates)

    def checksums(self):
        """{name: (generation, seq, checksum)} of both."""
        found = {}
        for name, node in self.nodes.items():
            row = node.status()["replication"]
            found[name] = (row["generation"], row["seq"], row["checksum"])
        return found

    def equal(self):
        """Do both hold the same, by their own sums?"""
        one, other = self.checksums().values()
        return one == other and one[2] is not None

    def wait_equal(self, seconds=DEADLINE_SECONDS):
        try:
            wait_until(self.equal, "both nodes hold the same", seconds)
        except AssertionError as error:
            logs = "\n---\n".join(node.log()[-2500:] for node in self.nodes.values())
            raise AssertionError(f"{error}: {self.checksums()}\n{logs}") from None

    # ---- what came of it ----

    def in_step(self):
        """The provider is what the directory says."""
        return self.lab.compare()["mismatches"] == 0

    def wait_in_step(self, seconds=DEADLINE_SECONDS):
        """The provider is what the directory says."""
        try:
            return wait_until(self.in_step, "the provider is in step", seconds)
        except AssertionError as error:
            node = self.active()
            raise AssertionError(f"{error}: {self.lab.compare()['details'][:3]}\n{node.twinsync('status').stdout}\n"
                                 f"{node.twinsync('errors').stdout}\n{node.log()[-3000:]}") from None

    def judge(self, *options):
        """The independent judge's verdict on the provider's log."""
        try:
            return oracle.judge([self.lab.folder, *options])
        except oracle.Unable as error:
            raise AssertionError(f"the judge failed: {error}") from None

    def epochs(self):
        """Epochs of the provider's log, in the order of their admission."""
        return [takeover["epoch"] for takeover in self.judge()["takeovers"]]
