"""cli_case -- the tool under test: its configuration, a canned daemon with an
answer for every command (control_samples), and a terminal."""

import os
import pty
import select
import subprocess
import tempfile
import termios
import time
import unittest

import control_samples as samples
from fake_daemon import FakeDaemon, answer, progress

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TWINSYNC_BUILD", os.path.join(ROOT, "build", "debug"))
TWINSYNC = os.path.join(BUILD, "twinsync")
DEADLINE_SECONDS = 30

CONFIG = """
cluster: corp
this-node: alpha
state-directory: {folder}
sources:
  - name: corp
    type: contentsync
    uri: ldap://127.0.0.1:1
    base: dc=example,dc=org
    bind: {{method: simple, dn: "cn=sync,dc=example,dc=org", password-file: {folder}/secret}}
    allow-plaintext-loopback: true
rules:
  - kind: user
    sources: [corp]
    when: "mail IS NOT NULL"
    flow: {{userName: "fold(mail)"}}
target:
  type: scim
  url: http://127.0.0.1:1/scim/v2
  allow-plaintext-loopback: true
  token-file: {folder}/secret
"""

ANSWERS = {
    "status": answer(samples.STATUS),
    "sync": [progress("import", 1, 10), answer({"cycle": samples.CYCLE})],
    "preview": answer(samples.PREVIEW), "show": answer(samples.SHOW),
    "verify": answer(samples.VERIFY, 1), "errors": answer(samples.ERRORS),
    "history": answer(samples.HISTORY), "events": answer(samples.EVENTS),
    "events-verify": answer(samples.EVENTS_VERIFY), "pause": answer(samples.PAUSED),
    "resume": answer(samples.RESUMED), "hold-list": answer(samples.HOLDS),
    "approve": answer(samples.APPROVED), "reject": answer(samples.REJECTED),
    "retry": answer(samples.RETRIED), "members-adopt": answer(samples.ADOPTED),
    "explain": answer(samples.EXPLAIN), "failover": answer(samples.FAILOVER),
    "retire": answer(samples.RETIREMENT), "handover": answer(samples.HANDOVER),
    "handover-status": answer(samples.HANDOVER), "fence-accept": answer(samples.ACCEPTED),
    "upgrade-finalize": answer(samples.UPGRADED),
    "reanchor": answer(samples.REANCHOR), "maintenance": answer(samples.MAINTENANCE),
    "token-create": answer(samples.TOKEN),
    "register-status": answer(samples.REGISTER), "register-init": answer(samples.REGISTERED),
}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="twinsync-cli-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.config = os.path.join(self.folder, "twinsync.yaml")
        with open(self.config, "w") as file:
            file.write(CONFIG.format(folder=self.folder))
        with open(os.path.join(self.folder, "secret"), "w") as file:
            file.write("secret")
        os.chmod(os.path.join(self.folder, "secret"), 0o600)

    def run_tool(self, *words, **environment):
        env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm", **environment}
        return subprocess.run([TWINSYNC, "-c", self.config, *words], capture_output=True, text=True,
                              env=env, timeout=DEADLINE_SECONDS, check=False)

    def daemon(self, **answers):
        daemon = FakeDaemon(self.folder, {**ANSWERS, **answers})
        daemon.__enter__()
        self.addCleanup(daemon.__exit__)
        return daemon

    def assert_sentence(self, text):
        """One line: who says it, and a sentence in lower case without full stop."""
        self.assertRegex(text, r"\Atwinsync: (could not|cannot) [^\n]*[^.\n]\n\Z")

    def on_terminal(self, *words, keys=b"", until=None, rows=40, **environment):
        """Everything the tool writes on a terminal, and its exit status."""
        pid, fd = pty.fork()
        if pid == 0:
            termios.tcsetwinsize(0, (rows, 80))
            os.execve(TWINSYNC, [TWINSYNC, "-c", self.config, *words],
                      {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm", **environment})
        shown, deadline = b"", time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if until and until in shown:
                os.write(fd, keys)
                until = None
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    chunk = os.read(fd, 65536)
                except OSError:
                    break
                if not chunk:
                    break
                shown += chunk
        self.assertIsNone(until, f"never shown: {until} in {shown}")
        _, status = os.waitpid(pid, 0)
        os.close(fd)
        return shown, os.waitstatus_to_exitcode(status)
