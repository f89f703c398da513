"""register_samba -- a Samba AD domain controller that keeps a register: two nodes
and a reader, and an entry that the nodes may write."""

import shutil
import tempfile

import ldap

from register_directory import password_file
from register_driver import Register
from labkit import samba
from labkit.samba import PASSWORD, SUFFIX, missing

ENTRY = f"CN=twinsync-corp,CN=System,{SUFFIX}"
ATTRIBUTE = "serviceBindingInformation"


def register(controller):
    for name in ("alpha", "beta", "reader"):
        controller.tool("user", "create", name, PASSWORD)
    controller.add(f"dn: {ENTRY}\nobjectClass: serviceConnectionPoint\ncn: twinsync-corp\n")
    for name in ("alpha", "beta"):
        controller.allow(ENTRY, name, f"(A;;RPWP;;;{controller.sid(name)})")


class Samba(samba.Samba):
    def __init__(self):
        super().__init__(tempfile.mkdtemp(prefix="twinsync-samba-"), fill=register)
        self.password_file = password_file(self.folder, text=PASSWORD)

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def set_values(self, *values):
        connection = self.admin()
        connection.modify_s(ENTRY, [(ldap.MOD_REPLACE, ATTRIBUTE, [value.encode() for value in values] or None)])
        connection.unbind_s()

    def client(self, node="alpha", port=None, ldap_options=None, **options):
        uri = f"ldap://127.0.0.1:{port}" if port else self.uri
        settings = {"uri": uri, "plaintext": True, "dn": ENTRY, "attribute": ATTRIBUTE,
                    "bind_dn": self.dn(node), "password_file": self.password_file, **(ldap_options or {})}
        return Register({"ldap": settings}, node=node, **options)


__all__ = ["ATTRIBUTE", "ENTRY", "PASSWORD", "SUFFIX", "Samba", "missing"]
