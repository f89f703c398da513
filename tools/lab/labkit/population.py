"""population -- the people and groups of a lab, the same for the same seed.

Most people are ordinary; the first ones carry, one each, the difficulties that
real directories have (names that need escaping in a DN, scripts, managers that
are missing, elsewhere, out of scope or in a circle). Every difficulty comes
back once in a thousand people, so that large populations have them as well.

Entries are (dn, [(attribute, value), …]); write_ldif() makes LDIF of them.
"""

import base64
import hashlib
import random
import uuid

from .layout import BASE, BRANCH

PEOPLE = f"ou=people,{BASE}"
FIELD = f"ou=field,{PEOPLE}"  # one in ten people, a unit that tests may rename
GROUPS = f"ou=groups,{BASE}"
LARGE_GROUP_MAX = 50_000
DIFFICULT_EVERY = 1000

GIVEN = ("Anna Boris Chloé Dmitri Elena Félix Greta Hugo Inês Jürgen Karin Łukasz Mária Noah Olga Pavel Quentin "
         "Rosa Søren Tomáš Ulrike Viktor Wanda Xavier Yvonne Zoë James Mary Robert Patricia John Jennifer Michael "
         "Linda David Susan").split()
FAMILY = ("Smith Johnson Müller Schmidt Novák Dvořák García Martínez Rossi Bianchi Dubois Lefèvre Jansen De_Vries "
          "Kowalski Nowak Hansen Olsen Virtanen Korhonen Svensson Ivanov Petrov O'Brien Murphy Silva Santos Kim "
          "Tanaka Nguyen Brown Wilson Taylor Grass Weiß").split()
TITLES = ("Software Engineer", "Account Manager", "Systems Administrator", "Nurse", "Lecturer", "Accountant",
          "Team Lead", "Sales Representative", "HR Specialist", "Électricien", "Ärztin")
DOMAINS = ("example.org", "Example.ORG", "mail.Example.org")

# Common names that need care, as RDN and as value.
DIFFICULT = (
    "Müller, Jürgen", 'John "Jack" Smith', "C++ Lead + QA", "#hashtag", " leading space", "trailing space ",
    "back\\slash", "semi;colon", "<angle> & bracket", "equals=sign", "Seán O'Brien", "李 小龍", "山田 太郎",
    "Ægir Þórsson", "Владимир Смирнов", "محمد علي", "comma,plus+both", "  two  inner  spaces", "emoji 🦊 fox",
    "a" * 64, "naïve / slash", "percent % under_score", "'quoted'", "(parens) *star*",
)


def escape(value):
    """An RDN value in a DN (RFC 4514)."""
    out = []
    for at, char in enumerate(value):
        edge_space = char == " " and at in (0, len(value) - 1)
        if char in ',+"\\<>;=' or edge_space or (char == "#" and at == 0):
            out.append("\\")
        out.append(char)
    return "".join(out)


def entry_uuid(seed, dn):
    return str(uuid.UUID(bytes=hashlib.md5(f"{seed}:{dn}".encode()).digest(), version=4))


def write_ldif(entries, file):
    """An attribute's values stand together: slapadd would store, and slapd
    answer, an attribute whose values are scattered as two of one name."""
    lines = []
    for dn, attributes in entries:
        lines.append(ldif_line("dn", dn))
        order = {name: at for at, (name, _) in reversed(list(enumerate(attributes)))}
        attributes = sorted(attributes, key=lambda pair: order[pair[0]])
        lines.extend(ldif_line(name, value) for name, value in attributes)
        lines.append("")
        if len(lines) > 20_000:
            file.write("\n".join(lines) + "\n")
            lines.clear()
    file.write("\n".join(lines) + "\n")


def ldif_line(name, value):
    if value.isascii() and value.isprintable() and value and value[0] not in " :<" and value[-1] != " ":
        return f"{name}: {value}"
    return f"{name}:: {base64.b64encode(value.encode()).decode()}"


def spelled_otherwise(dn):
    """The same DN as another client might write it."""
    parts = dn.split(",")
    if "\\" in dn:  # a value with escapes: leave it alone, change the base
        return dn.replace(",ou=people,dc=example", ", OU=People, DC=EXAMPLE")
    return " , ".join(part.upper() if at else part.replace("uid=", "UID=") for at, part in enumerate(parts))


class Population:
    """The plan of `people` persons and `groups` groups."""

    def __init__(self, seed, people, groups):
        self.seed = seed
        self.people = people
        self.groups = groups
        self.person_dns = [self.person_dn(index) for index in range(people)]

    # ---- people ----

    def difficulty(self, index):
        """Number of the difficult name that person `index` has, or None."""
        place = index % DIFFICULT_EVERY
        return place if place < len(DIFFICULT) else None

    def common_name(self, index, rng):
        kind = self.difficulty(index)
        given, family = rng.choice(GIVEN), rng.choice(FAMILY).replace("_", " ")
        if kind is None:
            return f"{given} {family}", given, family
        text = DIFFICULT[kind]
        if index >= DIFFICULT_EVERY:
            text = f"{text[:50]}{index}" if text[-1] != " " else f"{index} {text}"
        return text, given, family

    def person_dn(self, index):
        kind = self.difficulty(index)
        if kind is None:
            return f"uid=u{index:06d},{FIELD if index % 10 == 7 else PEOPLE}"
        text = self.common_name(index, random.Random(0))[0]
        if kind == 11:
            return f"cn={escape(text)}+employeeNumber={100000 + index},{PEOPLE}"
        return f"cn={escape(text)},{PEOPLE}"

    def manager(self, index, rng):
        """A DN or None: mostly someone before, in a tree of about ten each."""
        place = index % DIFFICULT_EVERY
        last = self.people - 1
        special = {
            30: f"uid=branch-manager,ou=people,{BRANCH}",           # outside the base
            31: self.person_dns[min(index + 1, last)],              # 31 and 32: a circle
            32: self.person_dns[max(index - 1, 0)],
            33: self.person_dns[index],                             # oneself
            34: f"uid=left-long-ago,{PEOPLE}",                      # nobody any more
            35: self.person_dns[min(index - index % DIFFICULT_EVERY + 40, last)],  # without mail
            36: spelled_otherwise(self.person_dns[min(50, last)]),  # another spelling
        }
        if place in special:
            return special[place]
        return self.person_dns[rng.randrange(max(1, index // 10))] if index else None

    def person(self, index):
        rng = random.Random(f"{self.seed}:person:{index}")
        name, given, family = self.common_name(index, rng)
        dn = self.person_dns[index]
        place = index % DIFFICULT_EVERY
        mail = f"u{index:06d}@{rng.choice(DOMAINS)}"
        if place % 7 == 0:
            mail = mail.capitalize()
        attributes = [("objectClass", "inetOrgPerson"), ("entryUUID", entry_uuid(self.seed, f"person {index}")),
                      ("uid", f"u{index:06d}"), ("cn", name), ("sn", family), ("givenName", given),
                      ("employeeNumber", f"{100000 + index}"), ("departmentNumber", f"D{index % 211:03d}"),
                      ("telephoneNumber", f"+49 {rng.randrange(30, 999)} {rng.randrange(1000000, 9999999)}")]
        if rng.random() < 0.9:
            attributes.append(("title", rng.choice(TITLES)))
        if rng.random() < 0.7 and place != 40:
            attributes.append(("displayName", f"{given} {family}" if place % 3 else name))
        if place != 40 and rng.random() >= 0.02:
            attributes.append(("mail", mail))
        if rng.random() < 0.05:
            attributes.append(("cn", f"{family}, {given}"))
        if rng.random() < 0.05:
            attributes.append(("telephoneNumber", f"+1 {rng.randrange(200, 999)} {rng.randrange(1000000, 9999999)}"))
        if rng.random() < 0.03:
            attributes.append(("pwdAccountLockedTime", "20240101000000Z"))
        manager = self.manager(index, rng)
        if manager:
            attributes.append(("manager", manager))
        # slapadd wants all values of an attribute together: it stores others wrongly, without a word
        names = [name for name, _ in attributes]
        attributes.sort(key=lambda attribute: names.index(attribute[0]))
        return dn, attributes

    # ---- groups ----

    def group_dn(self, index):
        return f"cn={escape(self.group_name(index))},{GROUPS}"

    def group_name(self, index):
        names = {0: "everyone", 1: "empty", 2: "Entwickler (Köln), West", 3: "circle a", 4: "circle b"}
        return names.get(index, f"group {index:05d}")

    def group(self, index):
        rng = random.Random(f"{self.seed}:group:{index}")
        dn = self.group_dn(index)
        people = self.person_dns
        if index == 0:
            members = people[:LARGE_GROUP_MAX]
        elif index == 1:
            members = [dn]  # groupOfNames wants one: itself stands for nobody
        else:
            size = min(rng.randrange(3, 60), len(people))
            members = [people[at] for at in sorted(rng.sample(range(len(people)), size))]
        if index in (3, 4) and self.groups > 4:
            members.append(self.group_dn(7 - index))
        elif index > 4 and rng.random() < 0.2:
            members.append(self.group_dn(rng.randrange(self.groups)))
        if index > 4 and rng.random() < 0.2:
            members.append(f"uid=left-long-ago,{PEOPLE}")
        if index > 1 and rng.random() < 0.3:
            members[0] = spelled_otherwise(members[0])
        attributes = [("objectClass", "groupOfNames"), ("entryUUID", entry_uuid(self.seed, f"group {index}")),
                      ("cn", self.group_name(index))]
        return dn, attributes + [("member", member) for member in dict.fromkeys(members)]

    # ---- everything ----

    def entries(self, accounts):
        """The whole base; accounts: name -> hashed password."""
        yield BASE, [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", "example"), ("o", "Example")]
        for name in ("people", "groups", "service"):
            yield f"ou={name},{BASE}", [("objectClass", "organizationalUnit"), ("ou", name)]
        yield FIELD, [("objectClass", "organizationalUnit"), ("ou", "field")]
        for name, password in accounts.items():
            yield f"cn={name},ou=service,{BASE}", [
                ("objectClass", "organizationalRole"), ("objectClass", "simpleSecurityObject"),
                ("cn", name), ("userPassword", password)]
        for index in range(self.people):
            yield self.person(index)
        for index in range(self.groups):
            yield self.group(index)

    def branch_entries(self):
        yield BRANCH, [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", "branch"), ("o", "Branch")]
        yield f"ou=people,{BRANCH}", [("objectClass", "organizationalUnit"), ("ou", "people")]
        yield f"uid=branch-manager,ou=people,{BRANCH}", [
            ("objectClass", "inetOrgPerson"), ("uid", "branch-manager"), ("cn", "Branch Manager"),
            ("sn", "Manager"), ("mail", "branch.manager@example.net")]
