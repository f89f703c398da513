"""pair_passwords -- what tests of a pair's passwords share."""

import itertools

import ldap

from lab import wait_until

NAME = "source/corp"
TIMEOUTS = "    connect-timeout-seconds: 1\n    operation-timeout-seconds: 1\n"


def hasty(text):
    """A directory that does not answer is given up soon, and with it what may be under way there."""
    return text.replace("    uri: ", TIMEOUTS + "    uri: ", 1)


class Passwords:
    """For a TestCase with self.pair, in step, whose configuration is hasty()."""
    seeds = itertools.count(1000)

    @property
    def first(self):
        """The password of the source's account, as the lab was made."""
        return self.pair.lab.layout.read_secret("sync.password")

    def accepts(self, password):
        """Does the directory let the account in with it? Asked by python-ldap."""
        connection = ldap.initialize(self.pair.lab.env["ldaps_uri"])
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, self.pair.lab.env["ca_file"])
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        try:
            connection.simple_bind_s(self.pair.lab.env["sync_dn"], password)
        except ldap.INVALID_CREDENTIALS:
            return False
        finally:
            connection.unbind_s()
        return True

    def row(self, node, name=NAME):
        [row] = [row for row in node.json("credentials", "list")["credentials"] if row["name"] == name]
        return row

    def wait_settled(self, *nodes):
        for node in nodes:
            wait_until(lambda node=node: (self.row(node)["from"], self.row(node)["state"]) == ("vault", "settled"),
                       "it has the new one", 60)

    def assertServes(self, node):
        """It exports what is changed now, with the password that it knows."""
        self.pair.wait_role(node, "active")
        self.pair.lab.change(seed=next(self.seeds), count=4)
        self.pair.wait_in_step()
