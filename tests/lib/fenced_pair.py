"""fenced_pair -- a pair in step, and who wrote to its target as whom."""

import pair_case


class PairTestCase(pair_case.PairTestCase):
    OPTIONS = {"people": 20, "groups": 2}

    def setUp(self):
        super().setUp()
        self.lab = self.pair.lab

    def deleted(self):
        """Clients that the authorization server was told to forget, and did."""
        return [row["path"].rsplit("/", 1)[1] for row in self.lab.requests("oauth")
                if row["method"] == "DELETE" and row["status"] == 204]

    def clients(self):
        """Who wrote, in order of their first write."""
        return list(dict.fromkeys(row["client"] for row in self.lab.writes() if row.get("client") and row["op"]))

    def add(self, name):
        dn = f"uid={name},ou=people,{self.lab.env['base']}"
        self.lab.ldap().add_s(dn, [
            ("objectClass", [b"inetOrgPerson"]), ("uid", [name.encode()]), ("cn", [name.encode()]),
            ("sn", [name.encode()]), ("mail", [f"{name}@example.org".encode()])])

    def stored(self, name):
        return self.lab.find("Users", "userName", f"{name}@example.org")
