"""samba -- a Samba AD domain controller on a loopback address of its own.

    controller = Samba(folder, tls_folder)   # a copy of a domain made once
    controller.start()
    controller.ldaps_uri, controller.ca_file, controller.dn("sync"), PASSWORD

The ports of a controller are fixed, so each has an address of its own, and a
certificate for it. Making a domain takes seconds on an idle machine and most of
a minute on a busy one: with TWINSYNC_LAB_STOCK (see stock.py) it is made once.

account (CN=…,CN=Users)  may
sync                     replicate directory changes, and see what was deleted
blind                    replicate directory changes, but is not shown deletions
weak                     what every user of the domain may
Administrator            everything
"""

import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess

import ldap

from . import certificates, processes, stock
from .layout import LabError, write_private

SUFFIX = "DC=ad,DC=test"
PASSWORD = "Passw0rd.x1"
PORT = 389
MODULES = "/usr/lib/x86_64-linux-gnu/samba/ldb"
PROGRAMS = ("samba", "samba-tool", "ldbadd", "ldbmodify", "ldbsearch")
GET_CHANGES = "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2"  # [MS-ADTS] 5.1.3.2.1, Replicating Directory Changes
DELETED = f"CN=Deleted Objects,{SUFFIX}"
DELETED_SDDL = "D:PAI(A;;CCDCLCSWRPWPSDRCWDWO;;;SY)(A;;LCRP;;;BA)"  # as a new domain has it
PROVISION = ("--realm=AD.TEST", "--domain=ADT", "--server-role=dc", "--dns-backend=NONE", f"--adminpass={PASSWORD}",
             "--host-name=dc1", "--host-ip=127.0.0.1", "--option=interfaces=lo", "--option=bind interfaces only=yes")

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
{tls}
disable netbios = yes
load printers = no
ldb:nosync = true
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
                probe.bind((address, PORT))
                return address
            except OSError:
                continue


def run(*argv):
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "LDB_MODULES_PATH": MODULES})
    if done.returncode != 0:
        raise LabError(f"could not run {argv[0]} {argv[1]}: {done.stderr.strip()[-500:]}")
    return done.stdout


def stock_name(fill):
    """Domains made and filled by the same code have the same name."""
    told = hashlib.sha256(repr((PROVISION, fill.__module__, fill.__qualname__)).encode())
    for code in {os.path.abspath(__file__), fill.__code__.co_filename}:
        with open(code, "rb") as file:
            told.update(hashlib.sha256(file.read()).digest())
    return "samba-" + told.hexdigest()[:16]


def accounts(controller):
    """What every domain of the lab has."""
    for name in ("sync", "blind", "weak"):
        controller.tool("user", "create", name, PASSWORD)
    for name in ("sync", "blind"):
        controller.allow(SUFFIX, name, f"(OA;;CR;{GET_CHANGES};;{controller.sid(name)})")
    controller.show_deleted("sync")


class Samba:
    """`fill(controller)` makes what is in the domain besides, by the methods for a
    controller that does not run. `tls_folder`: of certificates.make_all; without
    it, the controller offers no TLS."""

    port = PORT

    def __init__(self, folder, tls_folder=None, fill=accounts):
        self.folder = folder
        self.address = free_address()
        self.uri = f"ldap://{self.address}"
        self.ldaps_uri = f"ldaps://{self.address}"
        self.tls = None
        os.makedirs(folder, mode=0o700, exist_ok=True)
        stock.copy(stock_name(fill), folder, lambda made: self.make(made, fill))
        if tls_folder:
            self.ca_file = f"{tls_folder}/ca.crt"
            self.issue(tls_folder)
        self.configure()

    def make(self, folder, fill):
        """Before anything runs, in the folder that copies are taken of."""
        run("samba-tool", "domain", "provision", f"--targetdir={folder}", *PROVISION)
        here, self.folder = self.folder, folder
        self.configure()
        fill(self)
        self.folder = here

    def issue(self, tls_folder):
        self.tls = self.path("tls")
        os.makedirs(self.tls, mode=0o700, exist_ok=True)
        for name in ("ca.crt", "ca.key", "ca.index.txt", "ca.index.txt.attr"):
            shutil.copy(f"{tls_folder}/{name}", self.tls)
        certificates.issue(self.tls, "controller", "ca", f"/O=Twinsync Lab/CN={self.address}",
                           f"subjectAltName=IP:{self.address},DNS:dc1.ad.test\nextendedKeyUsage=serverAuth",
                           ("20200101000000Z", "20491231000000Z"))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def configure(self):
        folders = "\n".join(f"{name} = {self.path(folder)}" for name, folder in FOLDERS.items())
        for folder in FOLDERS.values():
            os.makedirs(self.path(folder), exist_ok=True)
        tls = "tls enabled = no"
        if self.tls:
            tls = (f"tls enabled = yes\ntls keyfile = {self.tls}/controller.key\n"
                   f"tls certfile = {self.tls}/controller.crt\ntls cafile = {self.tls}/ca.crt")
        with open(self.path("smb.conf"), "w", encoding="ascii") as file:
            file.write(CONFIG.format(dir=self.folder, address=self.address, folders=folders, tls=tls))

    # ---- while it does not run ----

    @property
    def database(self):
        return ("-H", self.path("private", "sam.ldb"))

    def tool(self, *argv):
        return run("samba-tool", *argv, *self.database, "-s", self.path("smb.conf"))

    def ldb(self, program, *argv):
        return run(program, f"--configfile={self.path('smb.conf')}", *self.database, *argv)

    def add(self, ldif):
        """Many entries at once: one transaction."""
        write_private(self.path("add.ldif"), ldif)
        self.ldb("ldbadd", "-o", "batch_mode:1", "-o", "transaction_index_cache_size:200000", self.path("add.ldif"))

    def sid(self, account):
        found = self.ldb("ldbsearch", f"(sAMAccountName={account})", "objectSid")
        return next(line.split()[1] for line in found.split("\n") if line.startswith("objectSid:"))

    def allow(self, dn, account, sddl):
        self.tool("dsacl", "set", f"--objectdn={dn}", "--action=allow", f"--trusteedn={self.dn(account)}",
                  f"--sddl={sddl}")

    def show_deleted(self, account):
        """samba-tool has no way to name the container."""
        write_private(self.path("deleted.ldif"),
                      f"dn: {DELETED}\nchangetype: modify\nreplace: nTSecurityDescriptor\n"
                      f"nTSecurityDescriptor: {DELETED_SDDL}(A;;LCRP;;;{self.sid(account)})\n")
        self.ldb("ldbmodify", "--controls=show_deleted:1", "--controls=sd_flags:1:4", self.path("deleted.ldif"))

    # ---- the server ----

    def start(self):
        def serves():
            try:
                self.admin().unbind_s()
                return True
            except ldap.LDAPError:
                return False

        processes.start("samba", ["/usr/sbin/samba", "-i", "-M", "single", "-s", self.path("smb.conf")],
                        self.path("pid"), self.path("log"), serves)

    def stop(self):
        processes.stop(self.path("pid"))

    def kill(self):
        processes.stop(self.path("pid"), signal.SIGKILL)

    def dn(self, account):
        return f"CN={account},CN=Users,{SUFFIX}"

    def connect(self, account):
        connection = ldap.initialize(self.uri)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 2)
        connection.set_option(ldap.OPT_REFERRALS, 0)
        connection.simple_bind_s(self.dn(account), PASSWORD)
        return connection

    def admin(self):
        return self.connect("Administrator")
