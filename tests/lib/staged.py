"""staged -- nodes that write nothing unseen, each with a lab of its own."""

from instep import InStepCase
from lab import Lab
from labkit.tenant import Tenant


class StagingCase(InStepCase):
    """A lab a test, and a node that approves nothing by itself."""

    OPTIONS = {"people": 20, "groups": 3}

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        type(self).lab = self.new_lab()
        super().setUp()

    def new_lab(self):
        lab = Lab(**self.OPTIONS)
        self.addCleanup(lab.close)
        return lab

    def staged_node(self, **options):
        """Running, and through its first cycle."""
        node = self.new_node(approve_first=False, **options)
        node.start()
        self.assertEqual(3, node.twinsync("sync", "--wait").returncode)
        return node

    def in_step_node(self, **options):
        """Running, and nothing is left to write."""
        node = self.new_node(**options)
        node.start()
        self.assertSettled(node)
        return node

    def people(self, number):
        """DN and anchor of so many people with mail."""
        found = self.lab.ldap().search_s(self.lab.env["base"], 2, "(&(objectClass=inetOrgPerson)(mail=*))",
                                         ["entryUUID"])
        return [(dn, values["entryUUID"][0].decode()) for dn, values in sorted(found)[:number]]

    def entry(self, uid):
        """A new person; the anchor."""
        connection = self.lab.ldap()
        dn = f"uid={uid},ou=people,{self.lab.env['base']}"
        connection.add_s(dn, [("objectClass", [b"inetOrgPerson"]), ("cn", [uid.encode()]), ("sn", [b"New"]),
                              ("mail", [f"{uid}@example.org".encode()])])
        [(_, values)] = connection.search_s(dn, 0, "(objectClass=*)", ["entryUUID"])
        return values["entryUUID"][0].decode()

    def retitle(self, dn, title):
        self.lab.ldap().modify_s(dn, [(2, "title", [title.encode()])])

    def anchors(self):
        """Of all that the provider has."""
        return {each.get("externalId"): each for each in Tenant(self.lab.layout).objects().values()}

    def staging(self, node):
        return [problem for problem in node.status()["problems"] if problem["code"] == "staging"]

    def events(self, node):
        return [event["event"] for event in node.json("events")["events"]]

    def assertRefused(self, node, plan, *words):
        writes = len(self.lab.writes())
        done = node.twinsync("sync", "--plan", plan)
        self.assertEqual(3, done.returncode, done.stdout)
        self.assertSentence(done.stderr, "cannot carry out plan", "twinsync preview", *words)
        self.assertEqual(writes, len(self.lab.writes()))

    def restart(self, node, old, new):
        node.stop()
        with open(node.config_file, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        node.write_config(text.replace(old, new, 1))
        node.start()
