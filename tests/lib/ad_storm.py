"""ad_storm -- random changes of a domain, the same for the same seed.

    storm = Storm(domain, seed)
    storm.step()      # one change; what it was

Objects are named by their GUIDs, so that each step finds its object wherever
earlier ones have put it.
"""

import random
import uuid

import ldap

from ad import UNIT


class Storm:
    def __init__(self, domain, seed):
        self.domain, self.random, self.count = domain, random.Random(seed), 0
        self.prefix = f"s{seed}"
        top = domain.unit(self.prefix)
        self.units = [domain.guid(top)]
        self.people, self.groups, self.dead = [], [], []
        self.steps = [self.add_person] * 4 + [self.edit] * 5 + [self.disable] * 2 + [self.manager] * 2 + [
            self.rename] * 2 + [self.move] * 3 + [self.delete] * 3 + [self.restore] * 2 + [self.add_group] * 2 + [
            self.join] * 6 + [self.leave] * 3 + [self.add_unit, self.rename_unit, self.move_unit, self.swap]

    def step(self):
        while True:
            what = self.random.choice(self.steps)
            if what() is not False:
                return what.__name__

    # ---- names ----

    @staticmethod
    def at(guid):
        return f"<GUID={uuid.UUID(bytes_le=guid)}>"

    def dn(self, guid):
        return self.domain.ldap.search_s(self.at(guid), ldap.SCOPE_BASE, attrlist=["1.1"])[0][0]

    def name(self):
        self.count += 1
        return f"{self.prefix}-{self.count}"

    def some(self, those):
        return self.random.choice(those) if those else None

    def modify(self, guid, operation, attribute, *values):
        try:
            self.domain.ldap.modify_s(self.at(guid), [(operation, attribute, [each.encode() for each in values] or None)])
        except (ldap.ALREADY_EXISTS, ldap.UNWILLING_TO_PERFORM, ldap.NO_SUCH_ATTRIBUTE):
            return False
        return True

    # ---- people ----

    def add_person(self):
        unit = self.dn(self.some(self.units))
        self.people.append(self.domain.guid(self.domain.person(self.name(), unit, displayName="new")))

    def edit(self):
        guid = self.some(self.people)
        values = [f"edit {self.count}"] if self.random.random() < 0.8 else []
        self.count += 1
        return guid is not None and self.modify(guid, ldap.MOD_REPLACE, "displayName", *values)

    def disable(self):
        guid = self.some(self.people)
        return guid is not None and self.modify(guid, ldap.MOD_REPLACE, "userAccountControl",
                                                self.random.choice(["514", "546"]))

    def manager(self):
        guid, boss = self.some(self.people), self.some(self.people)
        values = [self.at(boss)] if boss and self.random.random() < 0.8 else []
        return guid is not None and self.modify(guid, ldap.MOD_REPLACE, "manager", *values)

    # ---- places ----

    def rename(self):
        guid = self.some(self.people + self.groups)
        if guid is None:
            return False
        self.domain.ldap.rename_s(self.dn(guid), f"CN={self.name()} renamed")
        return True

    def move(self):
        guid = self.some(self.people + self.groups)
        if guid is None:
            return False
        dn = self.dn(guid)
        self.domain.ldap.rename_s(dn, dn.partition(",")[0], self.dn(self.some(self.units)))
        return True

    def add_unit(self):
        if len(self.units) > 5:
            return False
        self.units.append(self.domain.guid(self.domain.unit(self.name(), self.dn(self.some(self.units)))))
        return True

    def rename_unit(self):
        self.domain.ldap.rename_s(self.dn(self.some(self.units)), f"OU={self.name()} renamed")

    def move_unit(self):
        guid, parent = self.some(self.units[1:]), self.some(self.units)
        if guid is None:
            return False
        dn, above = self.dn(guid), self.dn(parent)
        if above.lower().endswith(dn.lower()):
            return False
        self.domain.ldap.rename_s(dn, dn.partition(",")[0], above)
        return True

    def swap(self):
        """Two people take each other's names."""
        if len(self.people) < 2:
            return False
        one, other = (self.dn(guid) for guid in self.random.sample(self.people, 2))
        if one.partition(",")[2] != other.partition(",")[2]:
            return False
        unit = one.partition(",")[2]
        between = f"CN={self.name()} between"
        self.domain.ldap.rename_s(one, between)
        self.domain.ldap.rename_s(other, one.partition(",")[0])
        self.domain.ldap.rename_s(f"{between},{unit}", other.partition(",")[0])
        return True

    # ---- life and death ----

    def delete(self):
        guid = self.some(self.people + self.groups)
        if guid is None or len(self.people) < 3:
            return False
        self.dead.append((guid, self.dn(guid), guid in self.people))
        self.domain.ldap.delete_s(self.at(guid))
        self.people = [each for each in self.people if each != guid]
        self.groups = [each for each in self.groups if each != guid]
        return True

    def restore(self):
        if not self.dead:
            return False
        guid, dn, person = self.dead.pop(self.random.randrange(len(self.dead)))
        rdn = dn.partition(",")[0]
        try:
            self.domain.restore(f"{rdn},{self.dn(self.some(self.units))}", guid, was=rdn)
        except ldap.ALREADY_EXISTS:
            return False
        (self.people if person else self.groups).append(guid)
        return True

    # ---- groups ----

    def add_group(self):
        members = [self.at(guid) for guid in self.random.sample(self.people, min(2, len(self.people)))]
        self.groups.append(self.domain.guid(self.domain.group(self.name(), *members, unit=self.dn(self.some(self.units)))))

    def join(self):
        group, member = self.some(self.groups), self.some(self.people + self.groups)
        return group is not None and group != member and self.modify(group, ldap.MOD_ADD, "member", self.at(member))

    def leave(self):
        group, member = self.some(self.groups), self.some(self.people + self.groups)
        return group is not None and self.modify(group, ldap.MOD_DELETE, "member", self.at(member))


__all__ = ["Storm", "UNIT"]
