"""reconciles -- a reconcile in step, beside ldapsearch and curl reading the same two sides."""

import os
import subprocess
import time

from alone import ATTRIBUTES
from measure import figure, median, say
from stage import Failed, run

PAGE = 1000  # as many as the provider gives at once


def timed(argv, seconds=300):
    begun = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, check=False)
    took = time.monotonic() - begun
    if done.returncode != 0:
        raise Failed("%s ended with %d: %s" % (argv[0], done.returncode, done.stderr.decode().strip()))
    return took, done.stdout


class Peers:
    """ldapsearch and curl, each with one connection, writing what they read into a pipe."""

    def __init__(self, size):
        self.size, self.env = size, size.lab.env
        self.settings = os.path.join(size.place, "ldaprc")
        with open(self.settings, "w") as file:
            file.write("TLS_CACERT %s\n" % os.path.abspath(self.env["ca_file"]))
        self.request = os.path.join(size.place, "curlrc")
        # ldapsearch takes a password file as it is, its line feed too.
        self.password = os.path.join(size.place, "password")
        with open(self.env["sync_password_file"]) as file, \
                open(os.open(self.password, os.O_WRONLY | os.O_CREAT, 0o600), "w") as copy:
            copy.write(file.read().strip())

    def read_source(self):
        env = self.env
        took, text = timed(["env", "LDAPCONF=" + os.path.abspath(self.settings), "ldapsearch", "-x", "-LLL", "-o",
                            "ldif-wrap=no", "-E", "sync=ro", "-H", env["ldaps_uri"], "-D", env["sync_dn"], "-y",
                            self.password, "-b", env["base"], "(objectClass=*)", *ATTRIBUTES])
        if text.count(b"\ndn: ") < self.size.people:
            raise Failed("ldapsearch read %d entries only" % text.count(b"\ndn: "))
        return took

    def read_target(self):
        """A token of its own, then all pages over one kept connection."""
        token = run(["tools/lab/lab", "token", self.size.lab.folder], 10).strip()
        groups = max(1, self.size.people // 100)
        with open(self.request, "w") as file:
            file.write('header = "Authorization: Bearer %s"\ncacert = "%s"\nsilent\nfail\n' % (token, self.env["ca_file"]))
            for kind, count in (("Users", self.size.people), ("Groups", groups)):
                pages = "[1-%d:%d]" % (count, PAGE) if count > PAGE else "1"
                file.write('url = "%s/%s?startIndex=%s&count=%d"\n' % (self.env["scim_url"], kind, pages, PAGE))
        took, text = timed(["curl", "-K", self.request])
        os.unlink(self.request)
        if text.count(b'"userName"') < self.size.people * 9 // 10:
            raise Failed("curl read %d users only" % text.count(b'"userName"'))
        return took


def ours(size):
    """One reconcile that finds nothing: seconds, by its own clock; and of its phases."""
    answer = size.daemon.ask("sync", "--full", "--wait", seconds=600)
    report = answer["reconcile"]
    if report["state"] != "clean" or [each["found"] for each in report["passes"]] != [0]:
        raise Failed("the reconcile found something: %s" % report)
    size.see_memory()
    return {"wall": answer["cycle"]["duration_ms"] / 1000,
            **{phase: ms / 1000 for phase, ms in answer["cycle"]["phases_ms"].items()}}


def measure_reconcile(bench):
    size = bench.size(bench.sizes[-1])
    size.load()
    peers = Peers(size)
    ours(size)  # not counted: what was loaded is on the disk now, and was looked at once
    found = {"ldapsearch": [], "curl": [], "reconcile": []}
    for number in range(bench.runs):
        found["ldapsearch"].append(peers.read_source())
        found["curl"].append(peers.read_target())
        found["reconcile"].append(ours(size))
        say("reconcile, run %d of %d: ldapsearch %.2f s, curl %.2f s; ours %s" % (
            number + 1, bench.runs, found["ldapsearch"][-1], found["curl"][-1],
            " ".join("%s %.2f" % each for each in found["reconcile"][-1].items() if each[1] > 0)))
    both = median(found["ldapsearch"]) + median(found["curl"])
    wall = median([row["wall"] for row in found["reconcile"]])
    return [figure("reconcile", wall / both, "<= 1.5",
                   "reconcile in step / ldapsearch and curl reading both sides, %d people" % size.people),
            figure("reconcile_memory", size.peak_mb, "< 300", "the worker's peak (VmHWM), MB")], found
