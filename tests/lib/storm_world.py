"""storm_world -- a small firm in which a lot happens, the same for the same seed.

The firm lives below a base of its own, so that one directory serves many
storms. What is there is kept in a model; each change is chosen from the model
alone and then made through LDAP or at the provider. A change is a method whose
name is its kind; it returns what it did, in words, or None when there is
nothing to do it to.
"""

import random

import ldap
import ldap.controls
import ldap.modlist

from lab import PATCH, population
from oracle.source import normal_dn

RELAX = ldap.controls.LDAPControl("1.3.6.1.4.1.4203.666.5.12", True)
PEOPLE, GROUPS = 16, 5
DOMAINS = ("example.org", "Example.ORG")
TEXTS = ("Nurse", "Ärztin", "Team Lead", "C++ \"Guru\", senior", " two  blanks ", "李", "")

# What happens how often.
WEIGHTS = {
    "edit": 8, "manager": 4, "join": 5, "leave": 4, "reenter": 2, "rename": 3, "move": 3, "mail": 2,
    "lock": 1, "unlock": 1, "out_of_scope": 3, "into_scope": 3, "swap": 2, "rotate": 1, "double": 2, "heal": 2,
    "heir": 2, "unit_rename": 1, "found": 2, "dissolve": 1, "group_rename": 1, "group_swap": 1, "group_double": 1,
    "enrol": 6, "expel": 4, "expel_all": 1, "nest": 2,
    "foreign_value": 1, "foreign_name": 1, "foreign_delete": 1, "foreign_member": 1,
}
FOREIGN = {kind for kind in WEIGHTS if kind.startswith("foreign")}


class Unit:
    def __init__(self, name, parent):
        self.name, self.parent = name, parent

    @property
    def dn(self):
        return f"ou={self.name},{self.parent}"


class Person:
    def __init__(self, uid, unit):
        self.rdn, self.unit, self.mail, self.locked = f"uid={uid}", unit, None, False

    @property
    def dn(self):
        return f"{self.rdn},{self.unit.dn}"


class Group:
    def __init__(self, name, unit):
        self.name, self.unit, self.members = name, unit, []

    @property
    def dn(self):
        return f"cn={population.escape(self.name)},{self.unit.dn}"


def octets(value):
    return value.encode() or None


class World:
    """lab: where it all is; base: its own, which must not be there yet."""

    def __init__(self, lab, seed, base):
        self.lab, self.seed, self.base = lab, seed, base
        self.rng = random.Random(f"storm:{seed}")
        self.server = lab.ldap()
        self.made = 0
        self.units = [Unit(name, base) for name in ("north", "south", "groups")]
        self.people, self.groups = [], []
        self.found_all()

    def close(self):
        self.server.unbind_s()

    def found_all(self):
        """The firm as it is before the storm."""
        self.server.add_s(self.base, [("objectClass", [b"organizationalUnit"]),
                                      ("ou", [self.base.partition(",")[0][3:].encode()])])
        for unit in self.units:
            self.server.add_s(unit.dn, [("objectClass", [b"organizationalUnit"]), ("ou", [unit.name.encode()])])
        for _ in range(PEOPLE):
            self.join()
        for _ in range(GROUPS):
            self.found()

    # ---- helpers ----

    def number(self):
        self.made += 1
        return self.made

    def address(self):
        return f"S{self.seed}.{self.number()}@{self.rng.choice(DOMAINS)}"

    def person(self, condition=lambda each: True):
        able = [each for each in self.people if condition(each)]
        return self.rng.choice(able) if able else None

    def several(self, count):
        able = [each for each in self.people if each.mail]
        return self.rng.sample(able, count) if len(able) >= count else None

    def group(self):
        return self.rng.choice(self.groups) if self.groups else None

    def place(self):
        return self.rng.choice(self.units[:2])

    def replace(self, dn, attribute, *values, relax=False):
        self.server.modify_ext_s(dn, [(ldap.MOD_REPLACE, attribute, [each.encode() for each in values] or None)],
                                 serverctrls=[RELAX] if relax else None)

    def set_mail(self, person, mail):
        self.replace(person.dn, "mail", *([mail] if mail else []))
        person.mail = mail

    def add(self, person, mail, manager=None):
        values = {"objectClass": [b"inetOrgPerson"], "uid": [person.rdn[4:].encode()], "sn": ["Größe".encode()],
                  "cn": [f"Person {person.rdn[4:]}".encode()], "mail": [mail.encode()]}
        if manager:
            values["manager"] = [manager.encode()]
        self.server.add_s(person.dn, ldap.modlist.addModlist(values))
        person.mail = mail
        self.people.append(person)

    def wanted(self):
        """How many want each address, folded."""
        counts = {}
        for each in self.people:
            if each.mail:
                counts.setdefault(each.mail.casefold(), []).append(each)
        return counts

    # ---- people ----

    def join(self):
        person = Person(f"p{self.number()}", self.place())
        boss = self.person()
        self.add(person, self.address(), boss.dn if boss else None)
        return person.dn

    def leave(self):
        if len(self.people) <= PEOPLE // 2:
            return None
        person = self.person()
        self.server.delete_s(person.dn)
        self.people.remove(person)
        return person.dn

    def heir(self):
        """Somebody leaves, and a joiner gets the address."""
        person = self.person(lambda each: each.mail)
        if person is None:
            return None
        self.server.delete_s(person.dn)
        self.people.remove(person)
        joiner = Person(f"p{self.number()}", self.place())
        self.add(joiner, person.mail)
        return f"{person.mail} from {person.dn} to {joiner.dn}"

    def reenter(self):
        person = self.person(lambda each: each.mail)
        if person is None:
            return None
        self.server.delete_s(person.dn)
        self.people.remove(person)
        again = Person("", person.unit)
        again.rdn = person.rdn
        self.add(again, person.mail)
        return person.dn

    def edit(self):
        person = self.person()
        attribute = self.rng.choice(("title", "displayName", "givenName", "departmentNumber", "telephoneNumber"))
        text = self.rng.choice(TEXTS)
        values = [text] if text else []
        if attribute == "telephoneNumber":
            values = [f"+49 {self.rng.randrange(10**6)}" for _ in range(self.rng.randrange(4))]
        self.replace(person.dn, attribute, *dict.fromkeys(values))
        return f"{attribute} of {person.dn} is {values}"

    def manager(self):
        person, boss = self.person(), self.person()
        choice = self.rng.choice((boss.dn, boss.dn.upper().replace("UID=", "uid="), person.dn, None,
                                  f"uid=left-long-ago,{self.base}"))
        self.replace(person.dn, "manager", *([choice] if choice else []))
        return f"of {person.dn} is {choice}"

    def rename(self):
        person = self.person()
        was, rdn = person.dn, f"uid=r{self.number()}"
        self.server.rename_s(was, rdn, delold=1)
        person.rdn = rdn
        return f"{was} to {rdn}"

    def move(self):
        person, unit = self.person(), self.place()
        if unit is person.unit:
            return None
        was = person.dn
        self.server.rename_s(was, person.rdn, newsuperior=unit.dn)
        person.unit = unit
        return f"{was} to {unit.dn}"

    def mail(self):
        person = self.person(lambda each: each.mail)
        if person is None:
            return None
        self.set_mail(person, self.address())
        return f"of {person.dn} is {person.mail}"

    def lock(self):
        person = self.person(lambda each: not each.locked)
        if person is None:
            return None
        self.replace(person.dn, "pwdAccountLockedTime", "20240101000000Z", relax=True)
        person.locked = True
        return person.dn

    def unlock(self):
        person = self.person(lambda each: each.locked)
        if person is None:
            return None
        self.replace(person.dn, "pwdAccountLockedTime", relax=True)
        person.locked = False
        return person.dn

    def out_of_scope(self):
        person = self.person(lambda each: each.mail)
        if person is None or sum(bool(each.mail) for each in self.people) <= PEOPLE // 2:
            return None
        self.set_mail(person, None)
        return person.dn

    def into_scope(self):
        person = self.person(lambda each: not each.mail)
        if person is None:
            return None
        self.set_mail(person, self.address())
        return f"{person.dn} with {person.mail}"

    # ---- names that only one can have ----

    def exchange(self, count):
        chosen = self.several(count)
        if chosen is None:
            return None
        mails = [each.mail for each in chosen]
        for person, mail in zip(chosen, mails[1:] + mails[:1]):
            self.set_mail(person, mail)
        return ", ".join(f"{each.dn} is now {each.mail}" for each in chosen)

    def swap(self):
        return self.exchange(2)

    def rotate(self):
        return self.exchange(3)

    def double(self):
        chosen = self.several(2)
        if chosen is None:
            return None
        mail = self.rng.choice((chosen[1].mail, chosen[1].mail.upper()))
        self.set_mail(chosen[0], mail)
        return f"{chosen[0].dn} gets {mail}, which {chosen[1].dn} has"

    def heal(self):
        doubled = [people for people in self.wanted().values() if len(people) > 1]
        if not doubled:
            return None
        person = self.rng.choice(self.rng.choice(doubled))
        self.set_mail(person, self.address())
        return f"{person.dn} is now {person.mail}"

    def heal_all(self, waiting):
        """After it, everybody wants a name that nobody has; `waiting` are the DNs of
        those who lack theirs."""
        waiting = {normal_dn(dn) for dn in waiting}
        people = [each for each in self.people if normal_dn(each.dn) in waiting]
        for person in people:
            self.set_mail(person, self.address())
        groups = [each for each in self.groups if normal_dn(each.dn) in waiting]
        for group in groups:
            self.set_name(group, f"S{self.seed} healed {self.number()}")
        return len(people) + len(groups)

    # ---- units and groups ----

    def unit_rename(self):
        unit = self.rng.choice(self.units)
        was, unit_name = unit.dn, f"unit {self.number()}"
        self.server.rename_s(was, f"ou={unit_name}", delold=1)
        unit.name = unit_name
        return f"{was} to {unit_name}"

    def found(self):
        group = Group(f"S{self.seed} team, {self.number()}", self.rng.choice(self.units))
        people = self.rng.sample(self.people, min(len(self.people), self.rng.randrange(5)))
        group.members = [each.dn for each in people] or [group.dn]
        self.server.add_s(group.dn, [("objectClass", [b"groupOfNames"]), ("cn", [group.name.encode()]),
                                     ("member", [each.encode() for each in group.members])])
        self.groups.append(group)
        return f"{group.dn} with {len(people)}"

    def dissolve(self):
        if len(self.groups) < 3:
            return None
        group = self.group()
        self.server.delete_s(group.dn)
        self.groups.remove(group)
        return group.dn

    def set_name(self, group, name):
        self.server.rename_s(group.dn, f"cn={population.escape(name)}", delold=1)
        group.name = name

    def group_rename(self):
        group = self.group()
        was = group.dn
        self.set_name(group, f"S{self.seed} renamed {self.number()}")
        return f"{was} to {group.name}"

    def group_swap(self):
        if len(self.groups) < 2:
            return None
        one, other = self.rng.sample(self.groups, 2)
        names = one.name, other.name
        beside = {(each.name, each.unit) for each in self.groups if each not in (one, other)}
        if {(names[0], other.unit), (names[1], one.unit)} & beside:
            return None  # the unit has another of that name
        self.set_name(one, f"S{self.seed} on its way {self.number()}")
        self.set_name(other, names[0])
        self.set_name(one, names[1])
        return f"{names[0]} and {names[1]}"

    def group_double(self):
        """Another group of a name that there is, in another unit."""
        group = self.group()
        taken = {each.unit for each in self.groups if each.name.casefold() == group.name.casefold()}
        free = [unit for unit in self.units if unit not in taken]
        if not free:
            return None
        double = Group(group.name, self.rng.choice(free))
        double.members = [double.dn]
        self.server.add_s(double.dn, [("objectClass", [b"groupOfNames"]), ("cn", [double.name.encode()]),
                                      ("member", [double.dn.encode()])])
        self.groups.append(double)
        return double.dn

    def member(self, dn, group):
        if dn.casefold() in (each.casefold() for each in group.members):
            return None
        self.server.modify_s(group.dn, [(ldap.MOD_ADD, "member", [dn.encode()])])
        group.members.append(dn)
        return f"{dn} into {group.dn}"

    def enrol(self):
        return self.member(self.person().dn, self.group())

    def nest(self):
        return self.member(self.group().dn, self.group())

    def expel(self):
        group = self.group()
        if len(group.members) < 2:
            return None
        dn = self.rng.choice(group.members)
        self.server.modify_s(group.dn, [(ldap.MOD_DELETE, "member", [dn.encode()])])
        group.members.remove(dn)
        return f"{dn} from {group.dn}"

    def expel_all(self):
        group = self.group()
        group.members = [group.dn]
        self.replace(group.dn, "member", group.dn)
        return f"from {group.dn}"

    # ---- what others do at the target ----

    def resource(self, kind, dn):
        """The target's object of an entry, or None."""
        [(_, values)] = self.server.search_s(dn, ldap.SCOPE_BASE, attrlist=["entryUUID"])
        found = self.lab.find(kind, "externalId", values["entryUUID"][0].decode())
        return found[0] if found else None

    def patch(self, kind, resource, *operations):
        reply = self.lab.scim("PATCH", f"/{kind}/{resource['id']}", {"schemas": [PATCH], "Operations": operations})
        return reply.status in (200, 204)

    def foreign_value(self):
        person = self.person()
        resource = self.resource("Users", person.dn)
        done = resource and self.patch("Users", resource, {"op": "replace", "path": "name.familyName", "value": "T"},
                                       {"op": "replace", "path": "displayName", "value": "Theirs"})
        return f"familyName and displayName of {person.dn}" if done else None

    def foreign_name(self):
        person = self.person()
        resource = self.resource("Users", person.dn)
        name = f"theirs{self.number()}@example.com"
        done = resource and self.patch("Users", resource, {"op": "replace", "path": "userName", "value": name})
        return f"userName of {person.dn} is {name}" if done else None

    def foreign_delete(self):
        person = self.person()
        resource = self.resource("Users", person.dn)
        if resource is None or self.lab.scim("DELETE", f"/Users/{resource['id']}").status != 204:
            return None
        return person.dn

    def foreign_member(self):
        """One member of ours too many, and one too few."""
        group, person = self.group(), self.person()
        team, member = self.resource("Groups", group.dn), self.resource("Users", person.dn)
        if not team or not member:
            return None
        has = member["id"] in {each["value"] for each in team.get("members", [])}
        operation = ({"op": "remove", "path": f'members[value eq "{member["id"]}"]'} if has else
                     {"op": "add", "path": "members", "value": [{"value": member["id"]}]})
        return f"{person.dn} {'from' if has else 'into'} {group.dn}" if self.patch("Groups", team, operation) else None
