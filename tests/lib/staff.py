"""staff -- people who come, change and go while the provider does something wrong."""

import ldap
import ldap.modlist
from instep import InStepCase, with_target

WRITES = ("POST", "PATCH", "DELETE")


class Staff(InStepCase):
    """A node that is in step, and people who come, change and go."""

    OPTIONS = {"people": 20, "groups": 3}
    TARGET = ("request-timeout-seconds: 2", "quiesce-seconds: 1", "bulk: never")
    hired = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node = cls.enterClassContext(cls.lab.node(edit=lambda text: with_target(text, *cls.TARGET)))
        cls.node.sync()
        cls.staff = []
        cls.turn_over(6)

    @classmethod
    def turn_over(cls, count=3):
        """So many come, change their title and go: POST, PATCH and DELETE at the target."""
        directory = cls.lab.ldap()
        for name in cls.staff[:count]:
            directory.delete_s(name)
        for name in cls.staff[count:]:
            directory.modify_s(name, [(ldap.MOD_REPLACE, "title", [f"since {cls.hired}".encode()])])
        cls.staff = cls.staff[count:]
        for _ in range(count):
            cls.hired += 1
            uid = f"hired{cls.hired}"
            cls.staff.append(f"uid={uid},ou=people,{cls.lab.env['base']}")
            directory.add_s(cls.staff[-1], ldap.modlist.addModlist({
                "objectClass": [b"inetOrgPerson"], "uid": [uid.encode()], "cn": [uid.encode()], "sn": [b"New"],
                "mail": [f"{uid}@example.org".encode()]}))
        directory.unbind_s()

    def setUp(self):
        super().setUp()
        self.node.sync()
        self.since = len(self.lab.writes())

    def assertOnce(self):
        """In step, nothing left to do, and nothing was created twice or tried to be."""
        report = self.assertSettled(self.node)
        self.assertNoSecondCreate(self.since)
        return report

    def each(self, faults, **match):
        for name, (action, details) in faults.items():
            with self.subTest(fault=name):
                self.lab.reset()
                self.since = len(self.lab.writes())
                self.turn_over()
                rules = [self.lab.fault(action, {"method": method, **match}, **{"times": 2, **details}) for method in WRITES]
                self.assertOnce()
                for method, rule in zip(WRITES, rules):
                    self.assertGreater(self.lab.fault_hits(rule), 0, method)
