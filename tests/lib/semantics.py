"""semantics -- what tests of meaning share: people in the directory, and what became of them.

Each test has a node with an empty state of its own over the lab of its class.
"""

import ldap
import ldap.modlist

from instep import InStepCase, quick
from labkit import population

PEOPLE = population.PEOPLE


def replaced(*pairs):
    """An edit of the configuration: each old text, which must be there, becomes the new one."""
    def edit(text):
        for old, new in pairs:
            if old not in text:
                raise AssertionError(f"the configuration has no {old!r}")
            text = text.replace(old, new)
        return quick(text)
    return edit


def operations(rows):
    """(method, path) of every operation, also of those inside Bulk requests."""
    found = []
    for row in rows:
        if row["path"].endswith("/Bulk"):
            found += [(each["method"], each["path"].partition("?")[0]) for each in row.get("bulk") or []]
        else:
            path = row["path"].partition("?")[0]
            found.append((row["method"], path.partition("/scim/v2")[2] or path))
    return found


class SemanticsCase(InStepCase):
    OPTIONS = {"people": 14, "groups": 4}

    def setUp(self):
        super().setUp()
        self.directory = self.lab.ldap()
        self.addCleanup(self.directory.unbind_s)
        self.empty_target()

    def running(self, *pairs):
        """A node that runs with an edited configuration; the first cycle is over."""
        node = self.new_node(edit=replaced(*pairs))
        node.start()
        node.sync()
        return node

    def reconfigure(self, node, *pairs):
        """Run it with another edit of the configuration."""
        node.stop()
        node.write_config(replaced(*pairs)(node.text))
        node.start()

    # ---- the directory ----

    def person(self, uid, unit=PEOPLE, **attributes):
        """Add a person, gone when the test ends; the DN."""
        dn = f"uid={uid},{unit}"
        values = {"objectClass": [b"inetOrgPerson"], "uid": [uid.encode()], "cn": [uid.encode()], "sn": [b"Test"],
                  "mail": [f"{uid}@example.org".encode()]}
        for name, value in attributes.items():
            values[name] = [value.encode()]
            if value == "":
                del values[name]
        self.directory.add_s(dn, ldap.modlist.addModlist(values))
        self.addCleanup(self.remove, uid)
        return dn

    def remove(self, uid):
        """Wherever it is now, if it still is."""
        for dn, _ in self.directory.search_s(self.lab.env["base"], ldap.SCOPE_SUBTREE, f"(uid={uid})", ["1.1"]):
            self.directory.delete_s(dn)

    def group(self, name, *members):
        dn = f"cn={name},{population.GROUPS}"
        self.directory.add_s(dn, [("objectClass", [b"groupOfNames"]), ("cn", [name.encode()]),
                                  ("member", [member.encode() for member in members or (dn,)])])
        self.addCleanup(self.remove_group, dn)
        return dn

    def remove_group(self, dn):
        try:
            self.directory.delete_s(dn)
        except ldap.NO_SUCH_OBJECT:
            pass

    def set(self, dn, attribute, *values):
        """Replace, or remove."""
        self.directory.modify_s(dn, [(ldap.MOD_REPLACE, attribute, [value.encode() for value in values] or None)])

    def anchor(self, dn):
        [(_, entry)] = self.directory.search_s(dn, ldap.SCOPE_BASE, attrlist=["entryUUID"])
        return entry["entryUUID"][0].decode()

    # ---- the target ----

    def user(self, uid, domain="example.org"):
        """The one user of that name, or None."""
        found = self.lab.find("Users", "userName", f"{uid}@{domain}")
        self.assertLessEqual(len(found), 1)
        return found[0] if found else None

    def team(self, name):
        [found] = self.lab.find("Groups", "displayName", name)
        return found

    def members(self, name):
        return {member["value"] for member in self.team(name).get("members", [])}

    def edit(self, resource, *operations_):
        """A change at the target that is not ours."""
        kind = "Groups" if "members" in resource or "userName" not in resource else "Users"
        reply = self.lab.patch(f"/{kind}/{resource['id']}", *operations_)
        self.assertIn(reply.status, (200, 204), repr(reply))

    def assertNoWrites(self, act, why=None):
        before = len(self.lab.writes())
        act()
        self.assertEqual([], operations(self.lab.writes()[before:]), why)

    def operations_of(self, act):
        before = len(self.lab.writes())
        act()
        return operations(self.lab.writes()[before:])
