"""ad -- a domain controller of one's own for tests of the source, and what an
import of it says.

    with Domain() as domain:
        domain.person("ada", displayName="Ada")
        first = domain.read()
        later = domain.read(after=first)
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import uuid

import ldap

from slapd import DRIVER, Answer, shared_certificates
from labkit import samba
from labkit.samba import PASSWORD, SUFFIX, missing

ATTRIBUTES = "sAMAccountName,displayName,userAccountControl,objectClass"
UNIT = f"OU=people,{SUFFIX}"


def encoded(value):
    return [each if isinstance(each, bytes) else each.encode()
            for each in (value if isinstance(value, (list, tuple)) else [value])]


class Domain(samba.Samba):
    """Everything that a test makes is below UNIT."""

    def __init__(self, **choices):
        super().__init__(tempfile.mkdtemp(prefix="twinsync-ad-"), shared_certificates(), **choices)
        self.password_file = self.path("password")
        with open(os.open(self.password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(PASSWORD)
        self.start()
        self.ldap = self.admin()
        self.new(UNIT, objectClass="organizationalUnit")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- changes ----

    def new(self, dn, **values):
        self.ldap.add_s(dn, [(name, encoded(value)) for name, value in values.items()])
        return dn

    def person(self, name, unit=UNIT, **values):
        return self.new(f"CN={name},{unit}", objectClass="user", sAMAccountName=name, **values)

    def group(self, name, *members, unit=UNIT, **values):
        more = {"member": members} if members else {}
        return self.new(f"CN={name},{unit}", objectClass="group", sAMAccountName=name, **more, **values)

    def unit(self, name, unit=UNIT):
        return self.new(f"OU={name},{unit}", objectClass="organizationalUnit")

    def set(self, dn, **values):
        self.ldap.modify_s(dn, [(ldap.MOD_REPLACE, name, None if value is None else encoded(value))
                                for name, value in values.items()])

    def join(self, group, *members):
        self.ldap.modify_s(group, [(ldap.MOD_ADD, "member", encoded(members))])

    def leave(self, group, *members):
        self.ldap.modify_s(group, [(ldap.MOD_DELETE, "member", encoded(members))])

    def delete(self, dn):
        self.ldap.delete_s(dn)

    def move(self, dn, rdn=None, unit=None):
        """The new DN."""
        rdn = rdn or dn.partition(",")[0]
        unit = unit or dn.partition(",")[2]
        self.ldap.rename_s(dn, rdn, unit)
        return f"{rdn},{unit}"

    def restore(self, dn, guid, was=None):
        """Bring a deleted object back, [MS-ADTS] 3.1.1.5.3.7; `was`: its RDN when it was deleted."""
        tombstone = f"{was or dn.partition(',')[0]}\\0ADEL:{uuid.UUID(bytes_le=guid)},CN=Deleted Objects,{SUFFIX}"
        self.ldap.modify_ext_s(tombstone, [
            (ldap.MOD_DELETE, "isDeleted", None), (ldap.MOD_REPLACE, "distinguishedName", encoded(dn))],
            serverctrls=[ldap.controls.RequestControl("1.2.840.113556.1.4.417", True, None)])

    # ---- what is there ----

    def guid(self, dn):
        [(_, values)] = self.ldap.search_s(dn, ldap.SCOPE_BASE, attrlist=["objectGUID"])
        return values["objectGUID"][0]

    def anchor(self, dn):
        return base64.b64encode(self.guid(dn)).decode()

    # ---- reading it with the product ----

    def read(self, after=None, account="sync", complete_days=None, **words):
        """One import to its end; `after` is an Answer whose watermark to go on from."""
        known = {"type": "ad", "uri": self.ldaps_uri, "ca": self.ca_file, "base": SUFFIX, "bind_dn": self.dn(account),
                 "password_file": self.password_file, "attributes": ATTRIBUTES, "references": "member,manager",
                 **words}
        if after is not None:
            known.update(cookie=after.result["cookie"], fingerprint=after.result["fingerprint"],
                         complete_days=complete_days or 1)
        done = subprocess.run([DRIVER, *(f"{name}={value}" for name, value in known.items() if value is not None)],
                              capture_output=True, text=True, check=False, timeout=120)
        if done.returncode not in (0, 1) or done.stderr:  # a sanitizer speaks there
            raise AssertionError(f"import_rows ended with {done.returncode}: {done.stderr[-2000:]}")
        return Answer([json.loads(line) for line in done.stdout.splitlines()])


__all__ = ["ATTRIBUTES", "Domain", "PASSWORD", "SUFFIX", "UNIT", "missing"]
