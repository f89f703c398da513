"""changes -- a change script for the directory, applied through real LDAP.

The same seed does the same to the same directory. Prints what was done.
"""

import random

import ldap
import ldap.dn
import ldap.modlist

from . import population
from .layout import BASE

# What is done how often, of a hundred.
KINDS = (("edit", 32), ("manager", 4), ("mail", 3), ("add", 12), ("delete", 10), ("rename", 8), ("member_add", 12), ("member_remove", 8),
         ("lock", 3), ("unlock", 2), ("scope_exit", 3), ("scope_return", 3))

RELAX = "1.3.6.1.4.1.4203.666.5.12"  # lets the administrator set operational attributes


class Changer:
    """One connection, the people and groups as they are now, and a count per kind."""

    def __init__(self, layout, seed):
        env = layout.environment()
        self.rng = random.Random(f"changes:{seed}")
        self.seed = seed
        ldap.set_option(ldap.OPT_X_TLS_CACERTFILE, env["ca_file"])
        self.server = ldap.initialize(env["ldap_uri"])
        self.server.set_option(ldap.OPT_X_TLS_CACERTFILE, env["ca_file"])
        self.server.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        self.server.start_tls_s()
        self.server.simple_bind_s(env["admin_dn"], layout.read_secret("admin.password"))
        self.people = self.names("(objectClass=inetOrgPerson)")
        self.groups = self.names("(objectClass=groupOfNames)")
        self.done = {}
        self.made = 0

    def names(self, query):
        found = self.server.search_s(BASE, ldap.SCOPE_SUBTREE, query, ["1.1"])
        return sorted(dn for dn, _ in found)

    def count(self, kind):
        self.done[kind] = self.done.get(kind, 0) + 1

    def person(self):
        return self.rng.choice(self.people)

    def values(self, dn, attribute):
        return self.server.search_s(dn, ldap.SCOPE_BASE, attrlist=[attribute])[0][1].get(attribute, [])

    # ---- one function a kind; each says whether it did something ----

    def edit(self):
        name, value = self.rng.choice((
            ("title", self.rng.choice(population.TITLES)), ("departmentNumber", f"D{self.rng.randrange(999):03d}"),
            ("telephoneNumber", f"+44 {self.rng.randrange(10**9)}"), ("givenName", self.rng.choice(population.GIVEN)),
            ("displayName", f"Renamed {self.rng.randrange(10**6)}"), ("title", None)))
        self.server.modify_s(self.person(), [(ldap.MOD_REPLACE, name, value and value.encode())])
        return True

    def manager(self):
        self.server.modify_s(self.person(), [(ldap.MOD_REPLACE, "manager", self.person().encode())])
        return True

    def mail(self):
        address = f"moved-{self.rng.randrange(10**9)}@Example.org"
        self.server.modify_s(self.person(), [(ldap.MOD_REPLACE, "mail", address.encode())])
        return True

    def add(self):
        self.made += 1
        uid = f"new-{self.seed}-{self.made}-{self.rng.randrange(10**6)}"
        dn = f"uid={uid},{population.PEOPLE}"
        self.server.add_s(dn, ldap.modlist.addModlist({
            "objectClass": [b"inetOrgPerson"], "uid": [uid.encode()], "cn": [f"Neu {uid}".encode()],
            "sn": ["Größe".encode()], "givenName": [b"New"], "mail": [f"{uid}@Example.org".encode()],
            "manager": [self.person().encode()]}))
        self.people.append(dn)
        return True

    def delete(self):
        if len(self.people) < 10:
            return False
        self.server.delete_s(self.people.pop(self.rng.randrange(len(self.people))))
        return True

    def rename(self):
        at = self.rng.randrange(len(self.people))
        dn = self.people[at]
        rdn = "cn=" + population.escape(f"Renamed, {self.seed} {self.rng.randrange(10**9)}")
        self.server.rename_s(dn, rdn, delold=self.rng.randrange(2))
        parent = ldap.dn.dn2str(ldap.dn.str2dn(dn)[1:])
        self.people[at] = f"{rdn},{parent}"
        return True

    def member_add(self):
        try:
            self.server.modify_s(self.rng.choice(self.groups), [(ldap.MOD_ADD, "member", self.person().encode())])
        except ldap.TYPE_OR_VALUE_EXISTS:
            return False
        return True

    def member_remove(self):
        group = self.rng.choice(self.groups)
        members = self.values(group, "member")
        if len(members) < 2:
            return False
        self.server.modify_s(group, [(ldap.MOD_DELETE, "member", self.rng.choice(sorted(members)))])
        return True

    def set_lock(self, value):
        self.server.modify_ext_s(self.person(), [(ldap.MOD_REPLACE, "pwdAccountLockedTime", value)],
                                 serverctrls=[ldap.controls.LDAPControl(RELAX, True)])
        return True

    def lock(self):
        return self.set_lock(b"20240101000000Z")

    def unlock(self):
        return self.set_lock(None)

    def scope_exit(self):
        dn = self.person()
        if not self.values(dn, "mail"):
            return False
        self.server.modify_s(dn, [(ldap.MOD_REPLACE, "mail", None)])
        return True

    def scope_return(self):
        dn = self.person()
        if self.values(dn, "mail"):
            return False
        self.server.modify_s(dn, [(ldap.MOD_REPLACE, "mail", f"back-{self.rng.randrange(10**9)}@example.org".encode())])
        return True


def rename_unit(layout, old, new):
    """Rename an organizational unit below ou=people, with all that is in it.

    The directory reports the unit only: its people change their DN in silence,
    and groups go on naming the old one.
    """
    changer = Changer(layout, 0)
    changer.server.rename_s(f"ou={old},{population.PEOPLE}", f"ou={new}")
    changer.server.unbind_s()
    return {"renamed": sum(f",ou={old}," in dn for dn in changer.people)}


def run(layout, seed, count):
    """Apply `count` changes; returns how many of each kind were made."""
    changer = Changer(layout, seed)
    kinds = [name for name, weight in KINDS for _ in range(weight)]
    while sum(changer.done.values()) < count:
        kind = changer.rng.choice(kinds)
        if getattr(changer, kind)():
            changer.count(kind)
    changer.server.unbind_s()
    return {"seed": seed, "changes": count, **changer.done}


def set_value(layout, dn, attribute, value):
    """Replace one attribute of one entry."""
    changer = Changer(layout, 0)
    changer.server.modify_s(dn, [(ldap.MOD_REPLACE, attribute, [value.encode()])])
    changer.server.unbind_s()
    return {"changed": dn}


def delete_people(layout, query, spare_managers=False):
    """Delete the people that a filter finds and that the demo's rules send; their anchors."""
    changer = Changer(layout, 0)
    everyone = changer.server.search_s(BASE, ldap.SCOPE_SUBTREE, "(manager=*)", ["manager"])
    managers = {normal(value.decode()) for _, values in everyone for value in values["manager"]}
    found = changer.server.search_s(BASE, ldap.SCOPE_SUBTREE, f"(&(objectClass=inetOrgPerson)(mail=*){query})",
                                    ["entryUUID"])
    gone = [(dn, values) for dn, values in found if not (spare_managers and normal(dn) in managers)]
    for dn, _ in gone:
        changer.server.delete_s(dn)
    changer.server.unbind_s()
    return {"deleted": sorted(values["entryUUID"][0].decode() for _, values in gone)}


def normal(dn):
    """A DN as it compares, as far as the lab's own spellings go."""
    return str([[(name.lower(), value.strip().casefold()) for name, value, _ in rdn] for rdn in ldap.dn.str2dn(dn)])
