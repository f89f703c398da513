"""register_389 -- a 389 Directory Server that keeps a register.

Its tools believe in one place for everything; PREFIX and a defaults.inf of our
own move that place into a folder. Making an instance takes seven seconds, so
one is made for a whole file of tests.
"""

import grp
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

import ldap

from register_directory import ENTRY, PASSWORD, SUFFIX, password_file
from register_driver import Register
from labkit import processes
from labkit.layout import free_ports

ADMIN = "cn=Directory Manager"
PROGRAMS = ("dscreate", "ns-slapd")

INSTANCE = """\
[general]
config_version = 2
full_machine_name = localhost
start = False
strict_host_checking = False
systemd = False
selinux = False
defaults = 999999999

[slapd]
instance_name = register
user = {user}
group = {group}
port = {ldap}
secure_port = {ldaps}
root_dn = {admin}
root_password = {password}
self_sign_cert = False
db_lib = bdb

[backend-userroot]
suffix = {suffix}
create_suffix_entry = True
sample_entries = no
"""

ACCESS = ('(targetattr="description")(version 3.0; acl "register"; allow (read,search,compare,write) '
          f'userdn="ldap:///cn=alpha,{SUFFIX}" or userdn="ldap:///cn=beta,{SUFFIX}";)')
READ = ('(targetattr="*")(version 3.0; acl "read"; allow (read,search,compare) '
        f'userdn="ldap:///{SUFFIX}??sub?(objectClass=simpleSecurityObject)" or userdn="ldap:///cn=*,{SUFFIX}";)')


def missing():
    """The program that this needs and that is not installed, or None."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    return next((each for each in PROGRAMS if not shutil.which(each, path=path)), None)


class DirectoryServer:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="twinsync-389-")
        self.ports = free_ports(("ldap", "ldaps"))
        self.port = self.ports["ldap"]
        self.uri = f"ldap://127.0.0.1:{self.port}"
        self.password_file = password_file(self.folder)
        self.make()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def make(self):
        for folder in ("etc/default", "run/dirsrv", "run/lock", "tmp", "var", "dev/shm", "share/dirsrv/inf"):
            os.makedirs(self.path(folder))
        for folder in ("config", "schema"):
            shutil.copytree(f"/etc/dirsrv/{folder}", self.path("etc/dirsrv", folder))
        for folder in ("data", "schema"):
            shutil.copytree(f"/usr/share/dirsrv/{folder}", self.path("share/dirsrv", folder))
        shutil.copy("/usr/share/dirsrv/inf/slapd.inf", self.path("share/dirsrv/inf"))
        with open("/usr/share/dirsrv/inf/defaults.inf", encoding="utf-8") as given, \
                open(self.path("share/dirsrv/inf/defaults.inf"), "w", encoding="utf-8") as ours:
            for line in given:
                name, equals, value = line.partition(" = ")
                if re.match(r"/(etc|run|var|tmp|dev/shm)\b", value):
                    value = self.folder + value
                ours.write(name + equals + ("0\n" if name == "with_systemd" else value))
        with open(self.path("instance.inf"), "w", encoding="utf-8") as file:
            file.write(INSTANCE.format(user=pwd.getpwuid(os.getuid()).pw_name, group=grp.getgrgid(os.getgid()).gr_name,
                                       admin=ADMIN, password=PASSWORD.replace(" ", ""), suffix=SUFFIX, **self.ports))
        done = subprocess.run(["dscreate", "from-file", self.path("instance.inf")], check=False, capture_output=True,
                              text=True, env={**os.environ, "PREFIX": self.folder}, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"dscreate: {done.stdout[-1000:]} {done.stderr[-1000:]}")
        self.start()
        self.seed()

    def admin(self):
        connection = ldap.initialize(self.uri)
        connection.simple_bind_s(ADMIN, PASSWORD.replace(" ", ""))
        return connection

    def seed(self):
        connection = self.admin()
        for name in ("alpha", "beta", "reader"):
            connection.add_s(f"cn={name},{SUFFIX}", [
                ("objectClass", [b"organizationalRole", b"simpleSecurityObject"]), ("cn", [name.encode()]),
                ("userPassword", [PASSWORD.encode()])])
        connection.add_s(ENTRY, [("objectClass", [b"applicationProcess"]), ("cn", [b"corp"])])
        connection.modify_s(SUFFIX, [(ldap.MOD_ADD, "aci", [READ.encode()])])
        connection.modify_s(ENTRY, [(ldap.MOD_ADD, "aci", [ACCESS.encode()])])
        connection.unbind_s()

    def start(self):
        def serves():
            try:
                self.admin().unbind_s()
                return True
            except ldap.LDAPError:
                return False

        processes.start("389-ds", ["/usr/sbin/ns-slapd", "-d", "0", "-D", self.path("etc/dirsrv/slapd-register"), "-i",
                                   self.path("run/dirsrv/slapd-register.pid")],
                        self.path("pid"), self.path("log"), serves)

    def kill(self):
        pid = processes.stop(self.path("pid"), signal.SIGKILL)
        try:
            # Its threads outlive the first of them by a moment, and its lock
            # believes in a process that was not reaped.
            if pid is not None:
                os.waitpid(pid, 0)
        except ChildProcessError:
            pass

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def set_values(self, *values):
        connection = self.admin()
        connection.modify_s(ENTRY, [(ldap.MOD_REPLACE, "description", [value.encode() for value in values] or None)])
        connection.unbind_s()

    def client(self, node="alpha", port=None, ldap_options=None, **options):
        settings = {"uri": f"ldap://127.0.0.1:{port or self.port}", "plaintext": True, "dn": ENTRY,
                    "attribute": "description", "bind_dn": f"cn={node},{SUFFIX}",
                    "password_file": self.password_file, **(ldap_options or {})}
        return Register({"ldap": settings}, node=node, **options)
