"""lab -- what system tests share: a lab, the product run against it, waiting.

    with Lab(people=50) as lab, lab.node() as node:
        node.sync()
        self.assertEqual(lab.compare()["mismatches"], 0)

A Lab is a folder of its own with servers of its own (see tools/lab), removed
with everything in it. The product is taken from build/debug, or from where
TWINSYNC_BUILD says.
"""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import ldap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TWINSYNC_BUILD", os.path.join(ROOT, "build", "debug"))
SERVERS = ("slapd", "oauth", "scim")
DEADLINE_SECONDS = 60

sys.path.insert(0, os.path.join(ROOT, "tools", "lab"))

from labkit import changes, commands, demo, directory, population, processes, services  # noqa: E402
from labkit.layout import LabError, Layout  # noqa: E402
from oracle import commands as oracle  # noqa: E402

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
# What a change storm of a test needs; tests of the guard ask for guard=None.
LAX_GUARD = ("guard: {deletes: 1000000, deactivations: 1000000, creates: 1000000, key-changes: 1000000, percent: 100, "
             "attribute-loss-percent: 100, member-loss-percent: 100, always-allowed: 1000000}\n")
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def wait_until(condition, what, seconds=DEADLINE_SECONDS, every=0.02):
    """The first true value of `condition()`, asked `every` so many seconds, or an AssertionError after `seconds`.

    What takes long to answer is asked less often: who waits leaves the processors
    to what is waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"waited {seconds} s in vain until {what}")
        time.sleep(max(every, min(0.5, 3 * (now - asked))))


class Reply:
    """A SCIM answer: status, headers, body (parsed, or None)."""

    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        try:
            self.body = json.loads(text) if text else None
        except ValueError:
            self.body = None

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


class Lab:
    """A running lab. Keyword arguments are the options of `lab up`."""

    def __init__(self, **options):
        self.parent = tempfile.mkdtemp(prefix="twinsync-lab-")
        self.folder = os.path.join(self.parent, "lab")
        self.options = {"people": 50, "groups": 6, "seed": 1, **options}
        self.nodes = []
        self.layout = Layout(self.folder)
        self._token, self._token_until = None, 0
        try:
            arguments = [f"--{name.replace('_', '-')}={value}" for name, value in self.options.items()]
            self.lab("up", *arguments)
            self.layout.load()
            self.env = self.layout.environment()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Everything stopped, everything removed."""
        for node in self.nodes:
            node.kill()
        if os.path.exists(os.path.join(self.folder, "lab.json")):
            self.lab("down")
        shutil.rmtree(self.parent, ignore_errors=True)

    # ---- the servers ----

    def lab(self, command, *arguments):
        """What `tools/lab/lab COMMAND DIR …` does and would print."""
        try:
            return commands.run([command, self.folder, *arguments])
        except (LabError, OSError) as error:
            raise AssertionError(f"lab {command} failed: {error}") from None

    def stop(self, server):
        self.lab("stop", server)

    def start(self, server):
        self.lab("start", server)

    def restart(self, server, **options):
        """options: certificate=good|expired|other-ca|wrong-name, sessionlog=…"""
        self.lab("restart", server, *[f"--{name}={value}" for name, value in options.items()])

    def pid(self, server):
        return processes.running(self.layout.path(server, "pid"))

    def kill(self, server):
        """As a crash would end it; start() brings it back with what was durable."""
        processes.stop(self.layout.path(server, "pid"), signal.SIGKILL)

    def change(self, seed=1, count=100):
        """Random changes through LDAP; how many of each kind."""
        return changes.run(self.layout, seed, count)

    def ldap(self, account="admin"):
        """A bound connection over TLS."""
        connection = ldap.initialize(self.env["ldaps_uri"])
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, self.env["ca_file"])
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        connection.simple_bind_s(self.env[f"{account}_dn"], self.layout.read_secret(f"{account}.password"))
        return connection

    # ---- faults, options, logs; server: "scim" or "oauth" ----

    def control(self, method, path, body=None, server="scim"):
        request = urllib.request.Request(self.env[f"{server}_control"] + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["error"]) from None

    def fault(self, action, match=None, times=None, server="scim", **details):
        """fault("status", {"method": "POST"}, times=1, status=503) and the like."""
        rule = {"match": match or {}, "action": {"type": action, **details}}
        if times is not None:
            rule["times"] = times
        return self.control("POST", "/faults", rule, server)["id"]

    def fault_hits(self, number, server="scim"):
        return next(rule["hits"] for rule in self.control("GET", "/faults", server=server) if rule["id"] == number)

    def set_options(self, server="scim", **options):
        return self.control("PATCH", "/options", options, server)

    def reset(self):
        for server in ("scim", "oauth"):
            self.control("POST", "/reset", server=server)

    def requests(self, server="scim"):
        """Its log, one dictionary a request."""
        try:
            with open(self.env[f"{server}_log"], encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def writes(self):
        """Requests at the provider that would change something."""
        return [row for row in self.requests() if row["method"] not in ("GET", "HEAD")]

    # ---- a SCIM client of the tests' own ----

    def tls(self):
        return ssl.create_default_context(cafile=self.env["ca_file"])

    def token(self):
        """One that is good for a while yet: a lab may outlive several."""
        if self._token is None or time.monotonic() >= self._token_until:
            self._token = services.token(self.layout)
            self._token_until = time.monotonic() + self.layout.settings["token_seconds"] / 2
        return self._token

    def scim(self, method, path, body=None, headers=None, token=None):
        """One request; a lost answer raises OSError or http.client's errors."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.env["scim_url"] + path, data, method=method, headers={
            "Authorization": f"Bearer {token or self.token()}", "Content-Type": "application/scim+json",
            **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.tls()) as reply:
                return Reply(reply.status, reply.headers, reply.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, error.read().decode())

    def create_user(self, name, **attributes):
        schemas = [USER, ENTERPRISE] if ENTERPRISE in attributes else [USER]
        return self.scim("POST", "/Users", {"schemas": schemas, "userName": name, **attributes})

    def patch(self, path, *operations, headers=None):
        return self.scim("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, headers)

    def find(self, kind, attribute, value):
        """Resources of "Users" or "Groups" with that value."""
        query = urllib.parse.urlencode({"filter": f"{attribute} eq {json.dumps(value)}"})
        reply = self.scim("GET", f"/{kind}?{query}")
        if reply.status != 200:
            raise AssertionError(f"could not look up {value}: {reply!r}")
        return reply.body["Resources"]

    def oauth(self, path, form, login=None):
        """A POST to the OAuth server; login: (client id, secret)."""
        request = urllib.request.Request(self.env["token_url"].replace("/token", path, 1),
                                         urllib.parse.urlencode(form).encode())
        if login:
            request.add_header("Authorization", "Basic " + base64.b64encode(":".join(login).encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.tls()) as reply:
                return Reply(reply.status, reply.headers, reply.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, error.read().decode())

    # ---- the product and the comparer ----

    def config(self, state):
        """The text of a configuration; tests replace in it what they need."""
        return demo.config(self.layout, state)

    def node(self, name="node", **options):
        """A Node of this lab; options as of Node."""
        node = Node(self, os.path.join(self.parent, name), **options)
        self.nodes.append(node)
        return node

    def compare(self, *options):
        """The independent comparer's report."""
        try:
            return oracle.compare([self.folder, *options])
        except oracle.Unable as error:
            raise AssertionError(f"the comparer failed: {error}") from None


class Node:
    """The product: a configuration, a state directory, a daemon, a command line.

    edit: a function that changes the configuration's text. approve_first: the
    first export is not staged. guard: "lax" lets everything pass, None is the
    product's own. As a context manager it runs the daemon.
    """

    def __init__(self, lab, folder, edit=None, environment=None, approve_first=True, guard="lax"):
        self.lab = lab
        self.folder = folder
        self.state = os.path.join(folder, "state")
        self.config_file = os.path.join(folder, "twinsync.yaml")
        self.log_file = os.path.join(folder, "log")
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.launcher = []  # before the daemon's argv: "ip netns exec ..."
        os.makedirs(self.state, mode=0o700)
        self.approve_first = approve_first
        self.text = lab.config(self.state) + (LAX_GUARD if guard == "lax" else "")  # as it was before `edit`
        self.write_config(edit(self.text) if edit else self.text)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def write_config(self, text):
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, wait=True, **environment):
        """Start the daemon; with `wait`, until it answers `status`."""
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.launcher, os.path.join(BUILD, "twinsyncd"), "-c", self.config_file,
                 *(["--approve-first"] if self.approve_first else [])], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env={**self.environment, **environment}, start_new_session=True)
        if wait:
            wait_until(self.answers, "the daemon answers")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.log()[-2000:]}")
        return self.ask("status")["exit"] in (0, 1)

    def stop(self, seconds=DEADLINE_SECONDS):
        """Ask it to end; the exit status, or None when it did not run."""
        if self.process is None:
            return None
        self.process.terminate()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the daemon did not stop within {seconds} s: {self.log()[-2000:]}") from None
        self.process = None
        return status

    def kill(self):
        """SIGKILL to the daemon and all that it started."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def wait(self, seconds=DEADLINE_SECONDS):
        """Until the daemon ends by itself; its exit status."""
        status = self.process.wait(seconds)
        self.process = None
        return status

    def log(self):
        with contextlib.suppress(FileNotFoundError), open(self.log_file, encoding="utf-8", errors="replace") as file:
            return file.read()
        return ""

    def twinsync(self, *arguments, seconds=DEADLINE_SECONDS):
        """The command line tool; see its returncode, stdout, stderr."""
        return subprocess.run(
            [os.path.join(BUILD, "twinsync"), "-c", self.config_file, *arguments], capture_output=True,
            text=True, check=False, timeout=seconds, env=self.environment, stdin=subprocess.DEVNULL)

    def json(self, *arguments, seconds=DEADLINE_SECONDS):
        """What `twinsync --json …` prints, whatever its exit status."""
        done = self.twinsync("--json", *arguments, seconds=seconds)
        if not done.stdout:
            raise AssertionError(f"twinsync {' '.join(arguments)} printed nothing: {done.stderr}")
        return json.loads(done.stdout)

    def ask(self, command, **arguments):
        """The daemon's own answer, {"exit", "result" or "error"}: a question that is put many times is put to its
        socket, since a process for each takes the processors from what is waited for."""
        request = json.dumps({"v": 1, "command": command, "args": arguments}).encode() + b"\n"
        try:
            with socket.socket(socket.AF_UNIX) as daemon:
                daemon.settimeout(DEADLINE_SECONDS)
                folder = os.open(self.state, os.O_PATH)
                try:
                    daemon.connect(f"/proc/self/fd/{folder}/control.sock")  # however long the folder's name is
                finally:
                    os.close(folder)
                daemon.sendall(request)
                with daemon.makefile("rb") as lines:
                    for line in lines:
                        answer = json.loads(line)
                        if "exit" in answer:
                            return answer
        except OSError as error:
            return {"exit": 4, "error": str(error)}
        return {"exit": 4, "error": "the daemon hung up"}

    def status(self):
        """What `twinsync --json status` prints, which is the daemon's document as it is (test_cli)."""
        answer = self.ask("status")
        return answer.get("result", answer)

    def explain(self):
        """As status()."""
        answer = self.ask("explain")
        return answer.get("result", answer)

    def sync(self, *arguments, seconds=5 * DEADLINE_SECONDS):
        """One cycle to its end, however large; must succeed."""
        done = self.twinsync("sync", "--wait", *arguments, seconds=seconds)
        if done.returncode != 0:
            raise AssertionError(f"sync ended with {done.returncode}: {done.stderr} {self.log()[-2000:]}")
        return done.stdout


class LabTestCase(unittest.TestCase):
    """Tests that share one lab; OPTIONS are those of Lab. Faults end with each test."""

    OPTIONS = {}
    lab = None

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(**cls.OPTIONS)
        cls.addClassCleanup(cls.lab.close)

    def setUp(self):
        self.addCleanup(self.lab.reset)

    def assertStatus(self, reply, status):
        self.assertEqual(reply.status, status, repr(reply))
