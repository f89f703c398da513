"""quiet -- a node that runs no cycle unless it is asked to, in a lab of its own."""

import unittest

from lab import Lab, wait_until

PEOPLE = 12


def quiet_node(lab, name="node", **options):
    """A node that ran no cycle yet and will run none by itself: its first one
    fails, because the source is away."""
    lab.stop("slapd")
    node = lab.node(name, **options)
    node.start()
    wait_until(lambda: node.status()["cycle"]["result"] == "failed", "the first cycle fails")
    node.twinsync("pause")
    lab.start("slapd")
    return node


class QuietTestCase(unittest.TestCase):
    """One lab a test: what is planted stays."""

    EDIT = None

    def setUp(self):
        self.lab = Lab(people=PEOPLE, groups=2)
        self.addCleanup(self.lab.close)
        self.node = quiet_node(self.lab, edit=self.EDIT)
        self.addCleanup(self.node.stop)

    def person(self, number=0):
        """DN and attributes (text) of a person with mail."""
        with_mail = [(dn, {name: [value.decode(errors="replace") for value in values]
                           for name, values in entry.items()})
                     for dn, entry in self.lab.ldap().search_s(
                         self.lab.env["base"], 2, "(&(objectClass=inetOrgPerson)(mail=*))", ["*", "entryUUID"])]
        return sorted(with_mail, key=lambda pair: pair[0])[number]

    def group(self, *members, name="zz group"):
        """A new group: DN and anchor."""
        dn = f"cn={name},{self.lab.env['base']}"
        connection = self.lab.ldap()
        connection.add_s(dn, [("objectClass", [b"groupOfNames"]), ("cn", [name.encode()]),
                              ("member", [member.encode() for member in members])])
        [(_, entry)] = connection.search_s(dn, 0, "(objectClass=*)", ["entryUUID"])
        return dn, entry["entryUUID"][0].decode()

    def modify(self, dn, attribute, *values):
        self.lab.ldap().modify_s(dn, [(2, attribute, [value.encode() for value in values] or None)])

    def preview(self):
        return self.node.json("preview")

    def at_target(self, kind, anchor):
        """The one resource of "Users" or "Groups" that carries the anchor."""
        [resource] = self.lab.find(kind, "externalId", anchor)
        return resource
