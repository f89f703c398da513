"""register_samba -- a Samba AD domain controller that keeps a register.

It listens on a loopback address of its own, because the ports of a controller
are fixed. Making a domain takes ten seconds, so one is made for a whole file of
tests.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile

import ldap

from register_directory import password_file
from register_driver import Register
from labkit import processes

SUFFIX = "DC=ad,DC=test"
ENTRY = f"CN=twinsync-corp,CN=System,{SUFFIX}"
ATTRIBUTE = "serviceBindingInformation"
PASSWORD = "Passw0rd.x1"
MODULES = "/usr/lib/x86_64-linux-gnu/samba/ldb"
PROGRAMS = ("samba", "samba-tool", "ldbadd")

CONFIG = """\
[global]
netbios name = DC1
realm = AD.TEST
workgroup = ADT
server role = active directory domain controller
server services = ldap
interfaces = {address}/8
bind interfaces only = yes
{folders}
log file = {dir}/log.samba
ldap server require strong auth = no
tls enabled = no
disable netbios = yes
load printers = no
"""
FOLDERS = {"private dir": "private", "state directory": "state", "cache directory": "cache",
           "lock directory": "lock", "pid directory": "run", "ncalrpc dir": "ncalrpc", "binddns dir": "bind-dns",
           "ntp signd socket directory": "ntp_signd", "winbindd socket directory": "winbindd"}


def missing():
    """The program that this needs and that is not installed, or None."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    return next((each for each in PROGRAMS if not shutil.which(each, path=path)), None)


def free_address():
    """A loopback address whose LDAP port nobody has."""
    while True:
        address = "127.%d.%d.%d" % tuple(random.SystemRandom().randrange(2, 250) for _ in range(3))
        with socket.socket() as probe:
            try:
                probe.bind((address, 389))
                return address
            except OSError:
                continue


class Samba:
    port = 389

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="twinsync-samba-")
        self.address = free_address()
        self.password_file = password_file(self.folder, text=PASSWORD)
        self.run("samba-tool", "domain", "provision", f"--targetdir={self.folder}", "--realm=AD.TEST", "--domain=ADT",
                 "--server-role=dc", "--dns-backend=NONE", f"--adminpass={PASSWORD}", "--host-name=dc1",
                 f"--host-ip={self.address}", "--option=interfaces=lo", "--option=bind interfaces only=yes")
        folders = "\n".join(f"{name} = {self.path(folder)}" for name, folder in FOLDERS.items())
        for folder in FOLDERS.values():
            os.makedirs(self.path(folder), exist_ok=True)
        self.write("smb.conf", CONFIG.format(dir=self.folder, address=self.address, folders=folders))
        self.seed()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)

    def run(self, *argv):
        environment = {**os.environ, "LDB_MODULES_PATH": MODULES}
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"{argv[0]} {argv[1]}: {done.stderr[-2000:]}")
        return done.stdout

    def seed(self):
        """Two nodes and a reader; an entry that the nodes may write."""
        database = ("-H", self.path("private/sam.ldb"))
        for name in ("alpha", "beta", "reader"):
            self.run("samba-tool", "user", "create", name, PASSWORD, *database, "-s", self.path("smb.conf"))
        self.write("entry.ldif", f"dn: {ENTRY}\nobjectClass: serviceConnectionPoint\ncn: twinsync-corp\n")
        self.run("ldbadd", f"--configfile={self.path('smb.conf')}", *database, self.path("entry.ldif"))
        for name in ("alpha", "beta"):
            found = self.run("ldbsearch", f"--configfile={self.path('smb.conf')}", *database,
                             f"(sAMAccountName={name})", "objectSid")
            sid = next(line.split()[1] for line in found.split("\n") if line.startswith("objectSid:"))
            self.run("samba-tool", "dsacl", "set", *database, "-s", self.path("smb.conf"), f"--objectdn={ENTRY}",
                     "--action=allow", f"--trusteedn=CN={name},CN=Users,{SUFFIX}", f"--sddl=(A;;RPWP;;;{sid})")

    def start(self):
        def serves():
            try:
                self.admin().unbind_s()
                return True
            except ldap.LDAPError:
                return False

        processes.start("samba", ["/usr/sbin/samba", "-i", "-M", "single", "-s", self.path("smb.conf")],
                        self.path("pid"), self.path("log"), serves)

    def kill(self):
        processes.stop(self.path("pid"), signal.SIGKILL)

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def admin(self):
        connection = ldap.initialize(f"ldap://{self.address}")
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 2)
        connection.simple_bind_s(f"CN=Administrator,CN=Users,{SUFFIX}", PASSWORD)
        return connection

    def set_values(self, *values):
        connection = self.admin()
        connection.modify_s(ENTRY, [(ldap.MOD_REPLACE, ATTRIBUTE, [value.encode() for value in values] or None)])
        connection.unbind_s()

    def client(self, node="alpha", port=None, ldap_options=None, **options):
        uri = f"ldap://127.0.0.1:{port}" if port else f"ldap://{self.address}"
        settings = {"uri": uri, "plaintext": True, "dn": ENTRY, "attribute": ATTRIBUTE,
                    "bind_dn": f"CN={node},CN=Users,{SUFFIX}", "password_file": self.password_file,
                    **(ldap_options or {})}
        return Register({"ldap": settings}, node=node, **options)
