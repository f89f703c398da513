"""witness -- a twinsync-witness of one's own.

    with Witness() as witness:
        witness.admit(certificate_file, "corp")
        witness.start()
        ... witness.endpoint, witness.certificate ...
        witness.kill()
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile

from lab import BUILD
from labkit import processes
from labkit.layout import free_ports

PROGRAM = os.path.join(BUILD, "twinsync-witness")
FAILPOINTS = [point for point in subprocess.run([PROGRAM, "--failpoints"], check=False, capture_output=True,
                                                text=True).stdout.split("\n") if point]


class Witness:
    launcher = []  # before the program, such as ip netns exec NAME

    def __init__(self, folder=None, port=None):
        self.folder = folder or tempfile.mkdtemp(prefix="twinsync-witness-")
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.state = self.path("state")
        self.port = port or free_ports(["witness"])["witness"]
        self.endpoint = f"tcp://127.0.0.1:{self.port}"
        self.run("--certificate")
        self.certificate = os.path.join(self.state, "witness.cert")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def run(self, *arguments, state=None, check=True):
        """One task of the program, which need not be serving."""
        return subprocess.run([PROGRAM, "--state", state or self.state, *arguments], check=check,
                              capture_output=True, text=True, timeout=20)

    def new_node(self, name, cluster="corp"):
        """A node's certificate, admitted unless `cluster` is None. (A witness's
        own key pair is made the same way.)"""
        self.run("--certificate", state=self.path(name))
        certificate = self.path(name, "witness.cert")
        if cluster is not None:
            self.admit(certificate, cluster)
        return certificate

    def admit(self, certificate, cluster="corp"):
        self.run("--admit", certificate, "--cluster", cluster)

    def expel(self, certificate):
        self.run("--expel", certificate)

    def serves(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self, failpoint=None, wait=True):
        environment = ["env", f"TWINSYNC_FAILPOINT={failpoint}"] if failpoint else []
        processes.start("witness", [*self.launcher, *environment, PROGRAM, "--state", self.state, "--endpoint", self.endpoint],
                        self.path("pid"), self.path("log"), self.serves if wait else lambda: True)

    def stop(self):
        processes.stop(self.path("pid"))

    def kill(self):
        processes.stop(self.path("pid"), signal.SIGKILL)

    def signal(self, how):
        os.kill(processes.running(self.path("pid")), how)

    def running(self):
        return processes.running(self.path("pid")) is not None

    def log(self):
        with open(self.path("log"), encoding="utf-8") as file:
            return file.read()

    def cell(self, cluster="corp"):
        return os.path.join(self.state, "cells", f"{cluster}.cell")
