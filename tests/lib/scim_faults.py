"""scim_faults -- the SCIM target against the lab's provider while faults are set."""

from lab import LabTestCase
from scim_driver import Driver, create


class Faults(LabTestCase):
    """A real provider whose faults are set; effects are read from its store and log."""

    OPTIONS = {"people": 5, "groups": 2}
    made = 0

    def driver(self, **more):
        env = self.lab.env
        driver = Driver({"url": env["scim_url"], "ca_file": env["ca_file"], "connections": 4, "timeout_seconds": 5,
                         "oauth": {"token_url": env["token_url"], "client_id": env["client_id"],
                                   "client_secret_file": env["client_secret_file"]}, **more})
        self.addCleanup(driver.close)
        return driver

    def name(self):
        Faults.made += 1
        return f"hostile{Faults.made}@example.org"

    def creates(self, count):
        """Operations, and the names that they create."""
        names = [self.name() for _ in range(count)]
        return [create(Faults.made * 1000 + i, f"anchor-{name}", userName=name) for i, name in enumerate(names)], names

    def times_stored(self, names):
        return [len(self.lab.find("Users", "userName", name)) for name in names]

    def effects(self, op):
        return [row for row in self.lab.writes() if row["op"] and f";i={op['intent']}" in row["op"]
                and row.get("effect_us")]

    def requests_of(self, op):
        return [row for row in self.lab.writes() if row["op"] and f";i={op['intent']}" in row["op"]]
