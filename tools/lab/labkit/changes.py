"""changes -- a change script for the directory, applied through real LDAP.

The same seed does the same to the same directory. Prints what was done.
"""

import random

import ldap
import ldap.dn
import ldap.modlist

from . import population
from .layout import BASE

KINDS = (("edit", 40), ("add", 12), ("delete", 10), ("rename", 8), ("member_add", 12), ("member_remove", 8),
         ("lock", 4), ("scope_exit", 3), ("scope_return", 3))


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
        rdn = f"cn={population.escape(f'Renamed, {self.seed} {self.rng.randrange(10**9)}')}"
        keep = "+" in ldap.dn.explode_dn(dn)[0] or not dn.startswith("uid=")
        self.server.rename_s(dn, rdn, delold=0 if keep else 0)
        self.people[at] = f"{rdn},{population.PEOPLE}"
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

    def lock(self):
        relax = ldap.controls.LDAPControl("1.3.6.1.4.1.4203.666.5.12", True)
        self.server.modify_ext_s(self.person(), [(ldap.MOD_REPLACE, "pwdAccountLockedTime", b"20240101000000Z")],
                                 serverctrls=[relax])
        return True

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


def rename_unit(layout, seed=1):
    """Rename ou=people and back: every child's DN changes twice, none is reported."""
    changer = Changer(layout, seed)
    changer.server.rename_s(population.PEOPLE, "ou=staff")
    return changer


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
