"""etcd -- one etcd server on loopback, with TLS and a user for each node.

    server = Etcd(folder, tls_folder)
    server.start()
    server.add_node("alpha", "twinsync/corp")   -> file with its password
    server.url, server.ca_file

`token_seconds`: tokens end that long after they were given (signed ones);
without it they are etcd's simple ones, which live as long as they are used and
the server runs.
"""

import base64
import json
import os
import secrets
import signal
import ssl
import urllib.error
import urllib.request

from . import certificates, processes
from .layout import LabError, free_ports, write_private


def coded(text):
    return base64.b64encode(text.encode()).decode()


class Forgotten(LabError):
    """The token of who asked is not known."""


class Etcd:
    launcher = ()  # before the program, such as ip netns exec NAME

    def __init__(self, folder, tls_folder, ports=None, token_seconds=None):
        self.folder = folder
        os.makedirs(os.path.join(folder, "data"), mode=0o700, exist_ok=True)
        self.ports = ports or free_ports(("client", "peer"))
        self.url = f"https://127.0.0.1:{self.ports['client']}"
        self.ca_file = os.path.join(tls_folder, "ca.crt")
        self.certificate, self.key = certificates.server_files(tls_folder, "good")
        self.token_kind = "simple"
        if token_seconds is not None:
            self.token_kind = (f"jwt,pub-key={self.path('token.pub')},priv-key={self.path('token.key')},"
                               f"sign-method=ES256,ttl={token_seconds}s")
        self.token = None

    def path(self, name):
        return os.path.join(self.folder, name)

    # ---- the server ----

    def start(self):
        if self.token_kind != "simple" and not os.path.exists(self.path("token.pub")):
            certificates.new_key(self.path("token.key"))
            certificates.openssl("pkey", "-in", self.path("token.key"), "-pubout", "-out", self.path("token.pub"))
        peer = f"http://127.0.0.1:{self.ports['peer']}"
        processes.start("etcd", [
            *self.launcher, "etcd", "--name", "lab", "--data-dir", self.path("data"), "--listen-client-urls", self.url,
            "--advertise-client-urls", self.url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"lab={peer}", "--cert-file", self.certificate, "--key-file", self.key,
            "--auth-token", self.token_kind, "--heartbeat-interval", "50", "--election-timeout", "500"],
            self.path("pid"), self.path("log"), self.serves)

    def stop(self, how=signal.SIGTERM):
        processes.stop(self.path("pid"), how)

    def running(self):
        return processes.running(self.path("pid"))

    def serves(self):
        try:
            self.call("/v3/maintenance/status", {})
            return True
        except (LabError, OSError):
            return False

    # ---- as its administrator ----

    def call(self, path, body):
        """One request; signed in anew when a busy server has forgotten us."""
        try:
            return self.ask(path, body)
        except Forgotten:
            self.sign_in()
            return self.ask(path, body)

    def ask(self, path, body):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = self.token
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10,
                                        context=ssl.create_default_context(cafile=self.ca_file)) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            kind = Forgotten if error.code == 401 and self.token else LabError
            raise kind(f"could not ask etcd {path}: {error.code} {error.read(300).decode(errors='replace')}") \
                from error

    def secure(self):
        """Users are asked who they are from now on; we are root."""
        password = secrets.token_urlsafe(16)
        self.call("/v3/auth/user/add", {"name": "root", "password": password})
        self.call("/v3/auth/role/add", {"name": "root"})
        self.call("/v3/auth/user/grant", {"user": "root", "role": "root"})
        self.call("/v3/auth/enable", {})
        write_private(self.path("root-password"), password)
        self.sign_in()

    def sign_in(self):
        """Anew: tokens do not outlive a restart, nor long idling."""
        with open(self.path("root-password"), encoding="utf-8") as file:
            self.token = None
            self.token = self.call("/v3/auth/authenticate", {"name": "root", "password": file.read()})["token"]

    def add_node(self, node, key, permission="READWRITE"):
        """A user who may do this with one key and nothing else; the file with its password."""
        password = secrets.token_urlsafe(16)
        self.call("/v3/auth/user/add", {"name": node, "password": password})
        self.call("/v3/auth/role/add", {"name": f"register-{node}"})
        self.call("/v3/auth/role/grant", {"name": f"register-{node}",
                                          "perm": {"permType": permission, "key": coded(key)}})
        self.call("/v3/auth/user/grant", {"user": node, "role": f"register-{node}"})
        write_private(self.path(f"{node}-password"), password)
        return self.path(f"{node}-password")

    def put(self, key, value):
        self.call("/v3/kv/put", {"key": coded(key), "value": coded(value)})

    def delete(self, key):
        self.call("/v3/kv/deleterange", {"key": coded(key)})
