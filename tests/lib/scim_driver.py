"""scim_driver -- the SCIM target alone, driven by JSON (tests/system/drivers/scim_ops.c).

    with Driver(settings) as driver:
        [outcome] = driver.run(create(1, "a1", userName="ada"))
"""

import contextlib
import json
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TWINSYNC_BUILD", os.path.join(ROOT, "build", "debug"))
PROGRAM = os.path.join(BUILD, "tests", "system", "drivers", "scim_ops")
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MAIL = 'emails[type eq "work"].value'
DEADLINE_SECONDS = 50

PATHS = {
    "user_paths": sorted(["active", "displayName", MAIL, "name.familyName", "name.givenName", "title",
                          ENTERPRISE + ":department", "userName"]),
    "user_links": ["manager"],
    "group_paths": ["displayName"],
    "group_links": ["members"],
}


def operation(verb, intent, kind="user", **fields):
    return {"verb": verb, "kind": kind, "intent": intent, "batch": 7, **fields}


def create(intent, anchor, kind="user", **values):
    return operation("create", intent, kind, anchor=anchor, set=values)


class Driver:
    """One running scim_ops; what it prints is read as it comes."""

    def __init__(self, settings, paths=None):
        self.folder = tempfile.TemporaryDirectory(prefix="twinsync-scim-")
        name = os.path.join(self.folder.name, "settings.json")
        with open(name, "w", encoding="utf-8") as file:
            json.dump({**PATHS, **(paths or {}), **settings}, file)
        self.process = subprocess.Popen([PROGRAM, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End it; a status other than 0 (a crash, a sanitizer) is an error."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        if self.process.poll() is None:
            try:
                self.process.wait(DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("scim_ops did not end") from None
        self.process.stdout.close()
        self.folder.cleanup()
        if self.process.returncode not in (0, -9):
            raise AssertionError(f"scim_ops ended with {self.process.returncode}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def send(self, *documents):
        for document in documents:
            self.process.stdin.write(json.dumps(document) + "\n")
        self.process.stdin.flush()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"scim_ops ended with {self.process.wait()} and no answer")
        return json.loads(line)

    def run(self, *operations):
        """All of them at once; their outcomes in the operations' order."""
        self.send(*operations, {"sync": True})
        outcomes = {}
        while len(outcomes) < len(operations):
            outcome = self.read()
            outcomes[outcome["intent"]] = outcome
        return [outcomes[each["intent"]] for each in operations]

    def one(self, each):
        return self.run(each)[0]

    def ask(self, **document):
        """discover=1, enumerate="user", check=1, describe=path, bench={…}"""
        self.send(document)
        return self.read()
