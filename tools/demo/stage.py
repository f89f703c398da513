"""stage -- what the demo and the benchmarks play on: a lab with its provider's
request log, and a twinsyncd with the command line tool speaking to it."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
import time

BINARIES = "build/release"
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Failed(Exception):
    """One sentence for the person in front of it."""


def run(argv, seconds, log=None, allowed=(0,), together=False):
    """Run to the end; its standard output, or what went wrong as Failed.
    together: with what it says on standard error."""
    both = log is not None or together
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT if both else subprocess.PIPE,
                              text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as late:
        raise Failed("%s was still running after %d s" % (" ".join(argv), seconds)) from late
    if log:
        with open(log, "a") as file:
            file.write(done.stdout)
    if done.returncode not in allowed:
        said = (done.stdout if both else done.stderr).strip().split("\n")
        raise Failed("%s ended with %d: %s" % (" ".join(argv), done.returncode,
                                               "\n     ".join(said[-15:])))
    return done.stdout


class Lab:
    """The servers, by their own command line; what they are called, by `env`."""

    def __init__(self, folder, people, groups, seed):
        self.folder, self.env = folder, {}
        self.sizes = ["--people", str(people), "--groups", str(groups), "--seed", str(seed)]

    def up(self):
        run(["tools/lab/lab", "up", self.folder, *self.sizes], 300)
        self.env = json.loads(run(["tools/lab/lab", "env", self.folder, "--json"], 10))

    def down(self):
        with contextlib.suppress(Failed):
            run(["tools/lab/lab", "down", self.folder], 60)

    def ask(self, command, *words):
        """What a command of the lab's prints."""
        return run(["tools/lab/lab", command, self.folder, *words], 300)

    def change(self, *words):
        """Change the directory; what was done."""
        return json.loads(self.ask("change", *words))

    def prefill(self):
        """A service that is in use; what is there, by kind."""
        self.ask("prefill", "--others", "4")
        with open(os.path.join(self.folder, "tenant.json")) as file:
            return json.load(file)

    def config(self, daemon, more=""):
        """Write the daemon's configuration; no cycle but those asked for, and a guard
        that lets the members of a small group go: months of changes pass within
        its 24 hours."""
        text = run(["tools/lab/lab", "config", self.folder, "--state", daemon.state], 10)
        with open(daemon.config, "w") as file:
            file.write(text.replace("every-seconds: 120", "every-seconds: 86400") +
                       "guard: {member-loss-percent: 100}\n" + more)

    def writes(self, since=0):
        """The provider's log lines of requests to change something, each
        operation of a Bulk request for itself."""
        found = []
        for line in self.rows(since):
            if line["method"] in WRITES and "/.search" not in line["path"]:
                found += line.get("bulk") or [line]
        return found

    def rows(self, since=0):
        """The provider's log, from that line on."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.env["scim_log"]) as log:
                return [json.loads(text) for text in log.read().split("\n")[since:-1]]
        return []

    def log_lines(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.env["scim_log"]) as log:
                return log.read().count("\n")
        return 0

    def compare(self):
        """What the independent comparer says; it knows what was there before."""
        tenant = os.path.join(self.folder, "tenant.json")
        known = ["--tenant", tenant] if os.path.exists(tenant) else []
        return json.loads(run(["tests/lib/oracle/compare", self.folder, *known], 300, allowed=(0, 1)))


class Changes:
    """The directory changes all the while: people come, go, are renamed, move between groups."""

    def __init__(self, lab, seed):
        self.lab, self.seeds, self.ended = lab, itertools.count(seed), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.wait(0.1):
            self.lab.change("--seed", str(next(self.seeds)), "--count", "15")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


class Daemon:
    """twinsyncd with one configuration, and twinsync speaking to it."""

    def __init__(self, config, state, log, *options):
        """options: more words for twinsyncd's command line"""
        self.config, self.state, self.log, self.options = config, state, log, options
        self.socket, self.process = os.path.join(state, "control.sock"), None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BINARIES + "/twinsyncd", "--config", self.config, *self.options], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 20
        while True:
            if self.process.poll() is not None:
                raise Failed("twinsyncd ended with %d, see %s" %
                             (self.process.returncode, self.log))
            with contextlib.suppress(Failed, ValueError):
                return self.ask("status", allowed=(0, 1))
            if time.monotonic() > deadline:
                raise Failed("twinsyncd did not answer within 20 s")
            time.sleep(0.05)

    def command(self, *words):
        return [BINARIES + "/twinsync", "-c", self.config, *words]

    def ask(self, *words, seconds=300, allowed=(0,)):
        """A command's JSON document."""
        return json.loads(run(self.command("--json", *words), seconds, allowed=allowed))

    def status(self):
        """The status document, asked for over the socket itself: quick enough
        to be asked a hundred times a second."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(self.socket)
            client.sendall(b'{"v":1,"command":"status","args":{}}\n')
            text = b""
            while not text.endswith(b"\n"):
                part = client.recv(65536)
                if not part:
                    raise Failed("twinsyncd closed the connection")
                text += part
        return json.loads(text)["result"]

    def kill(self):
        """As a power cut would: no last word, no child left."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
