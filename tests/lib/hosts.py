"""hosts -- computers of their own for nodes, on this one.

Each host is a network namespace. In it, 127.0.0.1:PORT leads to whoever serves
that port, here or on another host, so that configurations and certificates for
127.0.0.1 serve unchanged; on the way every packet passes through this
computer's own network, where it can be dropped.

    with Network({"alpha": [7400], "beta": [7401]}, [3890, 8443]) as network:
        subprocess.run(network.command("alpha", "curl", "http://127.0.0.1:8443/"))
        network.cut("alpha", [7401], "out")   # alpha's packets on that port are lost
        network.slow("alpha", [3890], 20)     # it gets no more than 20 kB a second there
        network.heal()

Needs to be root. Everything is taken down at the end; nothing of it outlives
the process but what a SIGKILL leaves, which the next Network removes.
"""

import contextlib
import os
import re
import socket
import subprocess

PREFIX = "tw"
WAYS = ("both", "in", "out")
# Numbers of networks, and links of each: as many as there are addresses in 10.64.0.0/10.
NETWORKS, LINKS = 2048, 8


def run(*argv, given=None):
    """The output of a command that must not fail."""
    done = subprocess.run(argv, input=given, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def claim(name):
    """A socket that nobody else can have as long as we do, or None: who lives is known even where pids differ, as in
    a container that shares our network."""
    taken = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        taken.bind("\0" + name)
        return taken
    except OSError:
        taken.close()
        return None


def claim_number():
    """A number of a network that nobody has, and the socket that holds it."""
    for offset in range(NETWORKS):
        number = (os.getpid() + offset) % NETWORKS
        claimed = claim(f"{PREFIX}{number}")
        if claimed is not None:
            return number, claimed
    raise RuntimeError(f"all of {NETWORKS} networks are in use")


def is_left(name):
    probe = claim(name)
    if probe is not None:
        probe.close()
    return probe is not None


def remove_leftovers():
    """What a process that is no more has left."""
    for line in run("ip", "-o", "netns", "list").splitlines():
        found = re.match("(" + PREFIX + r"\d+)-", line)
        if found and is_left(found[1]):
            run("ip", "netns", "del", line.split()[0])
    for line in run("nft", "list", "tables").splitlines():
        found = re.search(r"(\w+) (" + PREFIX + r"\d+)$", line)
        if found and is_left(found[2]):
            run("nft", "delete", "table", found[1], found[2])


class Network:
    def __init__(self, hosts, here):
        """`hosts`: the ports that each one serves; `here`: those served on this computer."""
        self.hosts, self.here = hosts, list(here)
        self.cuts, self.slowed = [], []
        self.number = self.claimed = None

    # ---- names and addresses

    @property
    def name(self):
        return f"{PREFIX}{self.number}"

    def space(self, host):
        return f"{self.name}-{host}"

    def interface(self, host):
        return f"{self.name}l{self.link(host)}"

    def link(self, host):
        return list(self.hosts).index(host)

    def addresses(self, host):
        """Ours and the host's, of a link that only the two are on."""
        subnet = f"10.{64 + self.number // 32}.{self.number % 32 * LINKS + self.link(host)}"
        return f"{subnet}.1", f"{subnet}.2"

    def ports(self):
        return sorted({port for ports in self.hosts.values() for port in ports} | set(self.here))

    # ---- up and down

    def __enter__(self):
        remove_leftovers()
        self.number, self.claimed = claim_number()
        try:
            self.forwarding = run("sysctl", "-n", "net.ipv4.ip_forward").strip()
            run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            for host in self.hosts:
                self.raise_host(host)
            self.guide_here()
        except Exception:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.claimed is None:
            return
        for host in self.hosts:
            with contextlib.suppress(RuntimeError):
                run("ip", "link", "del", self.interface(host))
            with contextlib.suppress(RuntimeError):
                run("ip", "netns", "del", self.space(host))
        for family in ("ip", "inet"):
            with contextlib.suppress(RuntimeError):
                run("nft", "delete", "table", family, self.name)
        self.claimed.close()
        self.claimed = None

    def raise_host(self, host):
        space, link = self.space(host), self.interface(host)
        ours, its = self.addresses(host)
        run("ip", "netns", "add", space)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "addr", "add", f"{ours}/30", "dev", link)
        run("ip", "link", "set", link, "up")
        run("sysctl", "-qw", f"net.ipv4.conf.{link}.route_localnet=1")
        run("ip", "-n", space, "addr", "add", f"{its}/30", "dev", "eth0")
        for device in ("lo", "eth0"):
            run("ip", "-n", space, "link", "set", device, "up")
        run("ip", "-n", space, "route", "add", "default", "via", ours)
        run("ip", "netns", "exec", space, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
        away = [port for port in self.ports() if port not in self.hosts[host]]
        rules = [f"table ip {self.name} {{", "chain out {", "type nat hook output priority -100"]
        rules += [f"ip daddr 127.0.0.1 tcp dport {port} dnat to {ours}:{port}" for port in away]
        rules += ["}", "chain leave {", "type nat hook postrouting priority 100", f"ip daddr {ours} snat to {its}", "}",
                  "chain arrive {", "type nat hook prerouting priority -100"]
        rules += [f"iifname eth0 tcp dport {port} dnat to 127.0.0.1:{port}" for port in self.hosts[host]]
        rules += ["}", "}"]
        run("ip", "netns", "exec", space, "nft", "-f", "-", given="\n".join(rules) + "\n")

    def guide_here(self):
        """From a host to the one that serves a port, or to this computer."""
        rules = [f"table ip {self.name} {{", "chain arrive {", "type nat hook prerouting priority -100"]
        links = ", ".join(f'"{self.interface(host)}"' for host in self.hosts)
        for host, ports in self.hosts.items():
            rules += [f"iifname {{ {links} }} tcp dport {port} dnat to {self.addresses(host)[1]}:{port}"
                      for port in ports]
        rules += [f"iifname {{ {links} }} tcp dport {port} dnat to 127.0.0.1:{port}" for port in self.here]
        # This computer, too, finds what hosts serve: a test talks to them.
        rules += ["}", "chain out {", "type nat hook output priority -100"]
        for host, ports in self.hosts.items():
            rules += [f"ip daddr 127.0.0.1 tcp dport {port} dnat to {self.addresses(host)[1]}:{port}" for port in ports]
        rules += ["}", "chain leave {", "type nat hook postrouting priority 100"]
        rules += [f"ip saddr 127.0.0.1 oifname \"{self.interface(host)}\" snat to {self.addresses(host)[0]}"
                  for host in self.hosts]
        rules += ["}", "}"]
        run("nft", "-f", "-", given="\n".join(rules) + "\n")
        for host in self.hosts:
            run("sysctl", "-qw", f"net.ipv4.conf.{self.interface(host)}.route_localnet=1")

    # ---- what tests do

    def command(self, host, *argv):
        """`argv`, to be run on that host."""
        return ["ip", "netns", "exec", self.space(host), *argv]

    def cut(self, host, ports, way="both"):
        """Lose the packets between that host and whoever serves the ports, or is served on them: what comes in,
        what goes out, or both. Cuts add up until they are healed."""
        if way not in WAYS:
            raise ValueError(f"a cut is one of {WAYS}, not {way}")
        self.cuts.append((host, list(ports), way))
        self.apply()

    def slow(self, host, ports, kbytes):
        """Of what comes to that host on connections to the ports, lose what is more than so much a second."""
        self.slowed.append((host, list(ports), "in", f"limit rate over {kbytes} kbytes/second burst {kbytes} kbytes "))
        self.apply()

    def heal(self):
        self.cuts, self.slowed = [], []
        self.apply()

    def apply(self):
        rules = [f"table inet {self.name} {{ }}", f"delete table inet {self.name}", f"table inet {self.name} {{"]
        lost = [*((*cut, "") for cut in self.cuts), *self.slowed]
        for hook, sides in (("input", ("out",)), ("forward", ("in", "out")), ("output", ("in",))):
            rules += [f"chain {hook} {{", f"type filter hook {hook} priority 0"]
            for host, ports, way, limit in lost:
                for side in sides:
                    if way in ("both", side):
                        name = "iifname" if side == "out" else "oifname"
                        rules += [f"{name} \"{self.interface(host)}\" meta l4proto tcp ct original proto-dst {port} "
                                  f"{limit}drop" for port in ports]
            rules += ["}"]
        rules += ["}"]
        run("nft", "-f", "-", given="\n".join(rules) + "\n")
