"""principal_driver -- principals alone, driven by JSON (tests/system/drivers/principal_ops.c).

    with Principals(lab) as p:
        p.mint("old", 1)
        p.fence("new", "old")
"""

import json
import os
import subprocess
import tempfile
import time

from lab import LabTestCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TWINSYNC_BUILD", os.path.join(ROOT, "build", "debug"))
PROGRAM = os.path.join(BUILD, "tests", "system", "drivers", "principal_ops")
DEADLINE_SECONDS = 50
GRANT = {"grant_type": "client_credentials"}


class Principals:
    """One running principal_ops; `more` replaces its settings."""

    def __init__(self, lab, **more):
        self.folder = tempfile.TemporaryDirectory(prefix="twinsync-principal-")
        env = lab.env
        name = os.path.join(self.folder.name, "settings.json")
        with open(name, "w", encoding="utf-8") as file:
            json.dump({
                "url": env["scim_url"], "ca_file": env["ca_file"], "token_url": env["token_url"],
                "registration_url": env["registration_url"],
                "registration_token_file": env["registration_token_file"],
                "revocation_url": env["token_url"] + "/revocation",
                "memory_file": os.path.join(self.folder.name, "fence"),
                "notes_file": os.path.join(self.folder.name, "minted"), **more}, file)
        self.process = subprocess.Popen([PROGRAM, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End it; a status other than 0 (a crash, a sanitizer) is an error."""
        self.process.stdin.close()
        try:
            self.process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("principal_ops did not end") from None
        self.process.stdout.close()
        self.folder.cleanup()
        if self.process.returncode != 0:
            raise AssertionError(f"principal_ops ended with {self.process.returncode}")

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"principal_ops ended with {self.process.wait()} and no answer")
        return json.loads(line)

    def must(self, **command):
        answer = self.ask(**command)
        if answer.get("code", "success") != "success":
            raise AssertionError(f"{command}: {answer}")
        return answer

    def restart(self, forget=False):
        """As by a crash; with `forget`, of the whole computer."""
        if forget:
            os.unlink(os.path.join(self.folder.name, "fence"))
        self.must(restart=True)

    def mint(self, name, epoch):
        """The principal: id, secret, uri, token."""
        return self.must(mint=name, epoch=epoch)

    def sweep(self, *listed, spared=0):
        """What became of those that were made and are not listed: rows of epoch, deleted, text."""
        return self.must(sweep=list(listed), spared=spared)["swept"]

    def fence(self, own, *rows):
        """One round; a row each: state, text, again_ms."""
        return self.must(fence=list(rows), own=own)["rows"]


class PrincipalTestCase(LabTestCase):
    OPTIONS = {"people": 5, "groups": 2}

    def setUp(self):
        super().setUp()
        self.first_oauth = len(self.lab.requests("oauth"))
        self.first_scim = len(self.lab.requests())

    def driver(self, **more):
        driver = Principals(self.lab, **more)
        self.addCleanup(driver.close)
        return driver

    def token_of(self, client):
        return self.lab.oauth("/token", GRANT, (client["id"], client["secret"]))

    def admitted(self, token):
        return self.lab.scim("GET", "/Users?count=2", token=token).status

    def asked(self):
        """What the authorization server got since the test began."""
        return self.lab.requests("oauth")[self.first_oauth:]

    def served(self, client=None):
        rows = self.lab.requests()[self.first_scim:]
        return [row for row in rows if client is None or row.get("client") == client["id"]]

    def pair(self, lifetime_s=600, **more):
        """(driver, the old principal with a token in use, the new one)"""
        driver = self.driver(**more)
        old = driver.mint("old", 2)
        old["access"] = self.token_of(old).body["access_token"]
        driver.ask(recorded="old", lifetime_s=lifetime_s)
        new = driver.mint("new", 3)
        return driver, old, new

    def until_confirmed(self, driver, seconds=30):
        """Rounds until the fence of "old" is confirmed: its last row."""
        deadline = time.monotonic() + seconds
        while True:
            [row] = driver.fence("new", "old")
            if row["state"] == "confirmed":
                return row
            self.assertLess(time.monotonic(), deadline, row)
            time.sleep(row["again_ms"] / 1000)  # what the fence itself asks for

    def assertPending(self, row, text):
        self.assertEqual(row["state"], "pending", row)
        self.assertIn(text, row["text"])
