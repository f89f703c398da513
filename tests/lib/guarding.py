"""guarding -- what tests of the guard share: budgets, holds, what the provider's log says."""

import json

import ldap

from instep import quick
from semantics import PEOPLE, SemanticsCase, operations

# Nothing but what a test sets is in its way.
WIDE = {"window-hours": 24, "deletes": 1000, "deactivations": 1000, "creates": 1000, "key-changes": 1000,
        "percent": 10, "attribute-loss-percent": 100, "member-loss-percent": 100, "always-allowed": 2}


def guard(**values):
    """The section `guard`, as text; names with underscores."""
    wanted = {**WIDE, **{name.replace("_", "-"): value for name, value in values.items()}}
    return "guard: {" + ", ".join(f"{name}: {value}" for name, value in wanted.items()) + "}\n"


class GuardCase(SemanticsCase):
    def guarded(self, *pairs, **values):
        """A node with these budgets that has exported everything."""
        node = self.new_node(edit=self.edited(pairs, values), guard=None)
        node.start()
        node.sync()
        return node

    def edited(self, pairs, values):
        def edit(text):
            for old, new in pairs:
                self.assertIn(old, text)
                text = text.replace(old, new)
            return quick(text) + guard(**values)
        return edit

    def held(self, node, *arguments):
        """A cycle that ends with something held; what it said."""
        done = node.twinsync("sync", "--wait", *arguments)
        self.assertEqual(3, done.returncode, done.stdout + done.stderr)
        return done.stderr

    # ---- holds ----

    def holds(self, node):
        return node.json("hold", "list")["holds"]

    def hold(self, node):
        """The only one."""
        [found] = self.holds(node)
        return found

    def names(self, hold):
        return {row["name"].partition("@")[0] for row in hold["objects"]}

    def decide(self, node, verb, digest, *arguments):
        """approve or reject; what came of it."""
        done = node.twinsync("--json", verb, digest, "--reason", "a test says so", *arguments)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def events(self, node, *names):
        return [row["event"] for row in node.json("events", "--limit", "1000")["events"] if row["event"] in names]

    # ---- the directory and the target ----

    def people(self):
        found = self.directory.search_s(PEOPLE, ldap.SCOPE_SUBTREE, "(objectClass=inetOrgPerson)", ["mail"])
        return sorted(dn for dn, entry in found if "mail" in entry)

    def deletions(self, since):
        return [path for method, path in operations(self.lab.writes()[since:]) if method == "DELETE"]

    def users(self):
        return self.lab.scim("GET", "/Users?count=1000").body["Resources"]

    def staff(self, count, prefix="p"):
        """That many people of the test's own; their DNs."""
        return [self.person(f"{prefix}{number:03}") for number in range(count)]

    def alone(self):
        """Nobody but the test's own people: those of the lab leave, for good."""
        for dn, _ in self.directory.search_s(self.lab.env["base"], ldap.SCOPE_SUBTREE,
                                             "(|(objectClass=inetOrgPerson)(objectClass=groupOfNames))", ["1.1"]):
            self.directory.delete_s(dn)
