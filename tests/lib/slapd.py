"""slapd -- a directory of one's own for tests of the source, set up in every way.

    with Slapd(sessionlog="memory") as directory:
        directory.seed(people=20)
        directory.start()
        first = directory.read()
        later = directory.read(after=first)

`read` runs tests/system/drivers/import_rows against it and gives an Answer.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile

import ldap

from lab import BUILD, wait_until
from labkit import certificates, processes
from labkit.layout import free_ports

DRIVER = os.path.join(BUILD, "tests", "system", "drivers", "import_rows")
BASE = "dc=ex,dc=org"
PEOPLE = f"ou=people,{BASE}"
ADMIN = f"cn=admin,{BASE}"
SYNC = f"cn=sync,{BASE}"
LIMITED = f"cn=limited,{BASE}"
PASSWORD = "correct horse"
ATTRIBUTES = "uid,cn,sn,title"

CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload accesslog
TLSCACertificateFile {tls}/ca.crt
TLSCertificateFile {tls}/{certificate}.crt
TLSCertificateKeyFile {tls}/{certificate}.key
TLSVerifyClient try
authz-regexp "^cn=sync,o=twinsync lab$" "{sync}"
authz-regexp "^gidNumber={gid}\\\\+uidNumber={uid},cn=peercred,cn=external,cn=auth$" "{sync}"
{server_id}
{accesslog}
database mdb
suffix {base}
directory {dir}/data
maxsize 4294967296
rootdn {admin}
rootpw "{password}"
index objectClass,entryUUID,entryCSN eq
limits dn.exact="{sync}" size=unlimited time=unlimited
limits dn.exact="{limited}" size=5
access to attrs=userPassword by anonymous auth by dn.exact="{sync}" read by * none
access to * by dn.exact="{sync}" read by dn.exact="{limited}" read by * none
{more}
{overlay}
"""

ACCESSLOG = """\
database mdb
suffix cn=accesslog
directory {dir}/accesslog
maxsize 1073741824
rootdn cn=admin,{base}
index entryCSN,objectClass,reqEnd,reqResult,reqStart,reqDN eq
overlay syncprov
syncprov-nopresent TRUE
syncprov-reloadhint TRUE
"""

SESSIONLOG = {
    "none": "overlay syncprov",
    "memory": "overlay syncprov\nsyncprov-sessionlog 1000",
    "checkpoints": "overlay syncprov\nsyncprov-sessionlog 10000\nsyncprov-checkpoint 1 1000",
    "accesslog": "overlay syncprov\nsyncprov-sessionlog-source cn=accesslog\n"
                 "overlay accesslog\nlogdb cn=accesslog\nlogops writes\nlogsuccess TRUE",
    "reloadhint": "overlay syncprov\nsyncprov-reloadhint TRUE",
    "nopresent": "overlay syncprov\nsyncprov-nopresent TRUE",
    "absent": "",
}


def person(number, **more):
    name = f"p{number:05d}"
    return f"uid={name},{PEOPLE}", {
        "objectClass": ["inetOrgPerson"], "uid": [name], "cn": [f"Person {number}"], "sn": ["Person"], **more}


def write_ldif(file, entries):
    for dn, values in entries:
        file.write(f"dn:: {base64.b64encode(dn.encode()).decode()}\n")
        for name, listed in values.items():
            for value in listed:
                raw = value if isinstance(value, bytes) else value.encode()
                file.write(f"{name}:: {base64.b64encode(raw).decode()}\n")
        file.write("\n")


class Answer:
    """What import_rows said: rows, and either a result or an error."""

    def __init__(self, lines):
        self.rows = [each for each in lines if "verb" in each]
        last = [each for each in lines if "verb" not in each and "paused" not in each]
        self.result = last[-1] if last and "extent" in last[-1] else None
        self.error = last[-1]["error"] if last and "error" in last[-1] else None
        self.kind = last[-1].get("kind") if last else None
        self.lines = lines

    def __repr__(self):
        return f"<{len(self.rows)} rows, {self.result or self.error}>"

    def named(self, verb):
        """The anchors of all rows with `verb`, as a set."""
        return {row["anchor"] for row in self.rows if row["verb"] == verb}

    def entry(self, dn):
        """The last PUT of the entry with this DN."""
        return [row for row in self.rows if row.get("dn") == dn][-1]

    def values(self, dn, name):
        """The values of one attribute, as bytes."""
        attribute = self.entry(dn)["attributes"].get(name, {"values": []})
        return [bytes.fromhex(value) for value in attribute["values"]]


_shared = []


def shared_certificates():
    """One set for all directories of this process: making it takes a while."""
    if not _shared:
        _shared.append(tempfile.TemporaryDirectory(prefix="twinsync-tls-"))
        certificates.make_all(_shared[0].name)
    return _shared[0].name


class Slapd:
    """choices: sessionlog (a key of SESSIONLOG), server_id, certificate, and `more`
    lines for the database."""

    def __init__(self, **choices):
        self.folder = tempfile.mkdtemp(prefix="twinsync-slapd-")
        self.choices = {"sessionlog": "memory", "server_id": 0, "certificate": "good", "more": "", **choices}
        self.tls = shared_certificates()
        ports = free_ports(["ldap", "ldaps"])
        self.uri = f"ldap://127.0.0.1:{ports['ldap']}"
        self.ldaps_uri = f"ldaps://127.0.0.1:{ports['ldaps']}"
        self.ldapi_uri = "ldapi://" + self.path("ldapi").replace("/", "%2F")
        self.ca_file = os.path.join(self.tls, "ca.crt")
        for name in ("data", "accesslog"):
            os.makedirs(self.path(name))
        self.write("password", PASSWORD)
        self.configure()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    # ---- the server ----

    def configure(self, **choices):
        self.choices.update(choices)
        kind = self.choices["sessionlog"]
        number = self.choices["server_id"]
        certificate = {"other-ca": "other-ca-server"}.get(self.choices["certificate"], self.choices["certificate"])
        known = {"dir": self.folder, "base": BASE}
        self.write("slapd.conf", CONFIG.format(
            **known, tls=self.tls, certificate=certificate, sync=SYNC, limited=LIMITED, admin=ADMIN,
            password=PASSWORD, uid=os.getuid(), gid=os.getgid(), server_id=f"serverID {number}" if number else "",
            accesslog=ACCESSLOG.format(**known) if kind == "accesslog" else "", overlay=SESSIONLOG[kind], more=self.choices["more"]))

    def seed(self, people=0, entries=()):
        """Fill the database offline: base, accounts, people, and `entries`."""
        account = {"objectClass": ["organizationalRole", "simpleSecurityObject"], "userPassword": [PASSWORD]}
        listed = [
            (BASE, {"objectClass": ["dcObject", "organization"], "dc": ["ex"], "o": ["Example"]}),
            (PEOPLE, {"objectClass": ["organizationalUnit"], "ou": ["people"]}),
            (SYNC, {**account, "cn": ["sync"]}), (LIMITED, {**account, "cn": ["limited"]}),
            *(person(number) for number in range(people)), *entries]
        with open(self.path("seed.ldif"), "w", encoding="ascii") as file:
            write_ldif(file, listed)
        done = subprocess.run(["/usr/sbin/slapadd", "-q", "-w", "-b", BASE, "-f", self.path("slapd.conf"),
                               "-l", self.path("seed.ldif")], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"slapadd: {done.stderr}")

    def start(self):
        def serves():
            try:
                ldap.initialize(self.uri).search_s("", ldap.SCOPE_BASE, attrlist=["1.1"])
                return True
            except ldap.LDAPError:
                return False

        processes.start("slapd", ["/usr/sbin/slapd", "-d", "0", "-f", self.path("slapd.conf"), "-h",
                                  f"{self.uri} {self.ldaps_uri} {self.ldapi_uri}"],
                        self.path("pid"), self.path("log"), serves)

    def stop(self):
        processes.stop(self.path("pid"))

    def kill(self):
        processes.stop(self.path("pid"), signal.SIGKILL)

    def restart(self, **choices):
        self.stop()
        self.configure(**choices)
        self.start()

    def copy_data(self, source, target):
        """A backup or a restore, both of names in the folder; stopped only."""
        shutil.rmtree(self.path(target), ignore_errors=True)
        # Four gigabytes, of which all but a few pages are holes.
        subprocess.run(["cp", "-a", "--sparse=always", self.path(source), self.path(target)], check=True)

    def ldap(self):
        connection = ldap.initialize(self.uri)
        connection.simple_bind_s(ADMIN, PASSWORD)
        return connection

    def change(self, number, **values):
        """Replace attributes of a person."""
        connection = self.ldap()
        connection.modify_s(person(number)[0], [
            (ldap.MOD_REPLACE, name, [value if isinstance(value, bytes) else value.encode()])
            for name, value in values.items()])
        connection.unbind_s()

    def add(self, dn, values):
        connection = self.ldap()
        connection.add_s(dn, [(name, [value if isinstance(value, bytes) else value.encode() for value in listed])
                              for name, listed in values.items()])
        connection.unbind_s()

    def delete(self, number):
        connection = self.ldap()
        connection.delete_s(person(number)[0])
        connection.unbind_s()

    def uuid(self, dn):
        connection = self.ldap()
        found = connection.search_s(dn, ldap.SCOPE_BASE, attrlist=["entryUUID"])
        connection.unbind_s()
        return found[0][1]["entryUUID"][0].decode()

    # ---- reading it with the product ----

    def words(self, **words):
        known = {"uri": self.uri, "plaintext": 1, "base": BASE, "bind_dn": SYNC,
                 "password_file": self.path("password"), "attributes": ATTRIBUTES, **words}
        after = known.pop("after", None)
        if after is not None:
            known["cookie"] = after.result["cookie"]
            known["fingerprint"] = after.result["fingerprint"]
        return [f"{name}={value}" for name, value in known.items() if value is not None]

    def read(self, **words):
        """One import to its end. `after`: an Answer whose watermark to go on from."""
        done = subprocess.run([DRIVER, *self.words(**words)], capture_output=True, text=True, check=False,
                              timeout=120)
        if done.returncode not in (0, 1) or done.stderr:  # a sanitizer speaks there
            raise AssertionError(f"import_rows ended with {done.returncode}: {done.stderr[-2000:]}")
        return Answer([json.loads(line) for line in done.stdout.splitlines()])

    def read_paused(self, during, **words):
        """An import that stops after its first batch while `during()` runs."""
        pause = self.write("pause", "")
        process = subprocess.Popen([DRIVER, *self.words(pause=pause, **words)], stdout=subprocess.PIPE, text=True)
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            if "paused" in lines[-1]:
                during()
                os.unlink(pause)
        process.stdout.close()
        process.wait(timeout=120)
        return Answer(lines)


__all__ = ["ADMIN", "ATTRIBUTES", "BASE", "LIMITED", "PASSWORD", "PEOPLE", "SYNC", "Answer", "Slapd", "person",
           "wait_until"]
