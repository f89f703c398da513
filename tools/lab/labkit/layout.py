"""layout -- where everything of one lab lives, and what was chosen for it.

A lab is one folder. `lab.json` holds what must not change while it lives
(ports, seed, sizes); everything else follows from the folder's path.
"""

import collections
import fcntl
import json
import os
import random
import socket
import tempfile

BASE = "dc=example,dc=org"
BRANCH = "dc=branch,dc=example,dc=net"  # a second database, outside the base
REGISTER = "dc=register"  # a third, for the register of a pair and its accounts
REGISTER_NODES = ("alpha", "beta")
REGISTER_CLUSTER = "demo"
PORTS = ("ldap", "ldaps", "oauth", "oauth_control", "scim", "scim_control")
SOCKET_PATH_MAX = 100
PORT_RANGE = (20000, 30000)  # below the kernel's ephemeral ports


class LabError(Exception):
    """One sentence for the person in front of it."""


_claims = []  # open until this process ends, and with it what it has locked
_chosen = collections.deque(maxlen=1000)  # by this process, lately: its own locks do not keep itself away


def _claim(port):
    """Nobody else who starts a lab now has chosen it, and we have from here on."""
    if not _claims:
        _claims.append(open(os.path.join(tempfile.gettempdir(), f"twinsync-lab-ports-{os.getuid()}"), "ab"))
    try:
        fcntl.lockf(_claims[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def free_ports(names):
    """Ports that nobody listens on now, nor is about to, for `names`."""
    chosen = {}
    rng = random.SystemRandom()
    for name in names:
        for _ in range(1000):
            port = rng.randrange(*PORT_RANGE)
            if port in _chosen or not _claim(port):
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            _chosen.append(port)
            chosen[name] = port
            break
        else:
            raise LabError("could not find a free loopback port")
    return chosen


def write_private(path, text):
    """A file that only its owner may read, complete or not there at all."""
    draft = path + ".new"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(draft, path)


class Layout:
    """Paths and choices of the lab in `folder`."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.settings = {}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    @property
    def exists(self):
        return os.path.exists(self.path("lab.json"))

    def load(self):
        try:
            with open(self.path("lab.json"), encoding="utf-8") as file:
                self.settings = json.load(file)
        except FileNotFoundError:
            raise LabError(f"there is no lab in {self.folder}: run `lab up` first") from None
        return self

    def save(self):
        write_private(self.path("lab.json"), json.dumps(self.settings, indent=1) + "\n")

    def port(self, name):
        return self.settings["ports"][name]

    def secret(self, name):
        return self.path("secrets", name)

    def read_secret(self, name):
        with open(self.secret(name), encoding="utf-8") as file:
            return file.read().strip()

    def ldapi_uri(self):
        """Empty when the folder's path is too long for a socket's name."""
        path = self.path("slapd", "ldapi")
        return "ldapi://" + path.replace("/", "%2F") if len(path) <= SOCKET_PATH_MAX else ""

    def environment(self):
        """What a client needs to know, flat."""
        ports = self.settings["ports"]
        oauth = f"https://127.0.0.1:{ports['oauth']}"
        tls = self.path("tls")
        env = {
            "dir": self.folder,
            "seed": self.settings["seed"],
            "ca_file": f"{tls}/ca.crt",
            "other_ca_file": f"{tls}/other-ca.crt",
            "ldap_uri": f"ldap://127.0.0.1:{ports['ldap']}",
            "ldaps_uri": f"ldaps://127.0.0.1:{ports['ldaps']}",
            "ldapi_uri": self.ldapi_uri(),
            "base": BASE,
            "branch_base": BRANCH,
            "client_certificate": f"{tls}/client.crt",
            "client_key": f"{tls}/client.key",
            "token_url": f"{oauth}/token",
            "introspection_url": f"{oauth}/token/introspection",
            "revocation_url": f"{oauth}/token/revocation",
            "registration_url": f"{oauth}/reg",
            "registration_token_file": self.secret("registration.token"),
            "client_id": "sync",
            "client_secret_file": self.secret("sync.secret"),
            "client_id_post": "sync-post",
            "client_id_rsa": "sync-rsa",
            "client_key_rsa": self.secret("sync-rsa.key"),
            "client_id_ec": "sync-ec",
            "client_key_ec": self.secret("sync-ec.key"),
            "scim_url": f"https://127.0.0.1:{ports['scim']}/scim/v2",
            "scim_control": f"http://127.0.0.1:{ports['scim_control']}",
            "oauth_control": f"http://127.0.0.1:{ports['oauth_control']}",
            "scim_log": self.path("scim", "requests.jsonl"),
            "oauth_log": self.path("oauth", "requests.jsonl"),
        }
        env["register_dn"] = f"cn={REGISTER_CLUSTER},{REGISTER}"
        for node in REGISTER_NODES:
            env[f"register_{node}_dn"] = f"cn={node},{REGISTER}"
            env[f"register_{node}_password_file"] = self.secret(f"register-{node}.password")
        if "etcd" in self.settings["ports"]:
            env["etcd_url"] = f"https://127.0.0.1:{ports['etcd']}"
            env["etcd_key"] = f"twinsync/{REGISTER_CLUSTER}"
            for node in REGISTER_NODES:
                env[f"etcd_{node}_password_file"] = self.path("etcd", f"{node}-password")
        for account in ("admin", "sync", "limited", "weak"):
            env[f"{account}_dn"] = f"cn={account},ou=service,{BASE}"
            env[f"{account}_password_file"] = self.secret(f"{account}.password")
        return env
