"""register_directory -- directories that keep a register: slapd with a suffix
of its own, its read-only replica, and what the three servers have in common."""

import os
import shutil
import signal
import subprocess
import tempfile

import ldap

from register_driver import Register
from labkit import certificates, processes
from labkit.layout import free_ports
from slapd import shared_certificates, write_ldif

SUFFIX = "dc=register"
ENTRY = f"cn=corp,{SUFFIX}"
PASSWORD = "correct horse"

CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
argsfile {dir}/args
TLSCACertificateFile {tls}/ca.crt
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
serverID {server_id}
sizelimit unlimited

database mdb
suffix {suffix}
directory {dir}/data
maxsize 1073741824
rootdn cn=admin,{suffix}
rootpw "{password}"
index objectClass,entryUUID,entryCSN eq
access to attrs=userPassword by anonymous auth by * none
access to dn.exact="{entry}" attrs=description by dn.exact="cn=alpha,{suffix}" write by dn.exact="cn=beta,{suffix}" write by dn.exact="cn=reader,{suffix}" read by * none
access to * by dn.children="{suffix}" read by * none
{more}
"""

CONSUMER = """\
syncrepl rid=1 provider={provider} type=refreshAndPersist searchbase="{suffix}" bindmethod=simple
  binddn="cn=admin,{suffix}" credentials="{password}" retry="1 +" interval=00:00:00:01
"""


def password_file(folder, name="password", text=PASSWORD):
    path = os.path.join(folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


class RegisterSlapd:
    """`more`: lines for the database; `seeded`: with the accounts and the entry,
    which that many servers have written to."""

    def __init__(self, server_id=1, more="overlay syncprov", seeded=True, writers=1):
        self.folder = tempfile.mkdtemp(prefix="twinsync-slapd-")
        self.tls = shared_certificates()
        self.ca_file = os.path.join(self.tls, "ca.crt")
        self.ports = free_ports(("ldap", "ldaps"))
        self.port = self.ports["ldap"]
        self.uri = f"ldap://127.0.0.1:{self.port}"
        self.ldaps_uri = f"ldaps://127.0.0.1:{self.ports['ldaps']}"
        self.password_file = password_file(self.folder)
        os.makedirs(self.path("data"))
        certificate, key = certificates.server_files(self.tls, "good")
        with open(self.path("slapd.conf"), "w", encoding="ascii") as file:
            file.write(CONFIG.format(dir=self.folder, tls=self.tls, certificate=certificate, key=key, more=more,
                                     server_id=server_id, suffix=SUFFIX, entry=ENTRY, password=PASSWORD))
        if seeded:
            self.seed(writers)

    def path(self, name):
        return os.path.join(self.folder, name)

    def seed(self, writers):
        account = {"objectClass": ["organizationalRole", "simpleSecurityObject"], "userPassword": [PASSWORD]}
        entries = [(SUFFIX, {"objectClass": ["dcObject", "organization"], "dc": ["register"], "o": ["Register"],
                             "contextCSN": [f"20260101000000.000000Z#000000#{number + 1:03x}#000000"
                                            for number in range(writers)]}),
                   *((f"cn={name},{SUFFIX}", {**account, "cn": [name]}) for name in ("alpha", "beta", "reader")),
                   (ENTRY, {"objectClass": ["applicationProcess"], "cn": ["corp"]})]
        with open(self.path("seed.ldif"), "w", encoding="ascii") as file:
            write_ldif(file, entries)
        subprocess.run(["/usr/sbin/slapadd", "-b", SUFFIX, "-f", self.path("slapd.conf"), "-l",
                        self.path("seed.ldif")], check=True, capture_output=True)

    def start(self):
        def serves():
            try:
                ldap.initialize(self.uri).search_s("", ldap.SCOPE_BASE, attrlist=["1.1"])
                return True
            except ldap.LDAPError:
                return False

        processes.start("slapd", ["/usr/sbin/slapd", "-d", "0", "-f", self.path("slapd.conf"), "-h",
                                  f"{self.uri} {self.ldaps_uri}"], self.path("pid"), self.path("log"), serves)

    def kill(self):
        processes.stop(self.path("pid"), signal.SIGKILL)

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def admin(self):
        connection = ldap.initialize(self.uri)
        connection.simple_bind_s(f"cn=admin,{SUFFIX}", PASSWORD)
        return connection

    def set_values(self, *values):
        connection = self.admin()
        connection.modify_s(ENTRY, [(ldap.MOD_REPLACE, "description", [value.encode() for value in values] or None)])
        connection.unbind_s()

    def client(self, node="alpha", port=None, ldap_options=None, **options):
        settings = {"uri": f"ldap://127.0.0.1:{port or self.port}", "plaintext": True, "dn": ENTRY,
                    "attribute": "description", "bind_dn": f"cn={node},{SUFFIX}",
                    "password_file": self.password_file, **(ldap_options or {})}
        return Register({"ldap": settings}, node=node, **options)
