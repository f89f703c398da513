#!/usr/bin/python3
"""Servers that are down, refuse, or are not to be trusted: said, survived, nothing deleted."""

import os
import resource
import unittest

from instep import InStepCase, quick
from lab import wait_until

UNREACHABLE, FAILED, HELD = 4, 1, 3


class FaultCase(InStepCase):
    OPTIONS = {"people": 20, "groups": 10}

    def secret(self, text):
        path = os.path.join(self.lab.parent, f"secret-{len(self.lab.nodes)}")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def started(self, edit=quick):
        node = self.new_node(edit)
        node.start()
        return node

    def assertFails(self, node, status, *words, arguments=()):
        """A cycle ends with that status and one sentence with these words; `status` says so too."""
        done = node.twinsync("sync", "--wait", *arguments)
        self.assertEqual(status, done.returncode, done.stderr)
        self.assertSentence(done.stderr, *words)
        document = node.status()
        self.assertEqual(["error"], [each["severity"] for each in document["problems"]][:1])
        self.assertTrue(document["problems"][0]["fix"])

    def deletions(self):
        return sum(row["method"] == "DELETE" and row["status"] < 300 for row in self.lab.writes())

    def as_account(self, account):
        env = self.lab.env

        def edit(text):
            return quick(text).replace(env["sync_dn"], env[f"{account}_dn"]).replace(
                env["sync_password_file"], env[f"{account}_password_file"])
        return edit


class Target(FaultCase):
    def test_down_at_the_first_run_what_was_read_is_exported_later(self):
        self.lab.stop("scim")
        self.addCleanup(self.lab.start, "scim")
        node = self.started()
        self.assertFails(node, UNREACHABLE, "could not reach", self.lab.env["scim_url"], "check the target's url")
        self.assertGreater(node.status()["counts"]["metaverse"], 20)
        self.lab.start("scim")
        self.assertSettled(node)

    def test_down_or_not_trusted_later_it_gets_what_happened_meanwhile(self):
        node = self.started()
        node.sync()
        for seed, (server, url) in enumerate((("scim", "scim_url"), ("oauth", "token_url"))):
            with self.subTest(down=server):
                node.stop()  # a token that is kept would do for a while
                self.lab.stop(server)
                self.lab.change(seed=seed, count=10)
                node.start()
                self.assertFails(node, UNREACHABLE, "could not reach", self.lab.env[url], "check the target's url")
                self.lab.start(server)
                self.assertSettled(node)
            for kind, why in (("expired", "has expired"), ("other-ca", "issuer certificate")):
                with self.subTest(server=server, certificate=kind):
                    node.stop()
                    self.lab.restart(server, certificate=kind)
                    node.start()
                    self.lab.change(seed=f"{server}{kind}", count=5)
                    self.assertFails(node, FAILED, self.lab.env[url], why, "ca-file")
            self.lab.restart(server, certificate="good")
            self.assertSettled(node)

    def test_a_wrong_client_secret(self):
        wrong = self.secret("wrong")
        node = self.started(lambda text: quick(text).replace(self.lab.env["client_secret_file"], wrong))
        self.assertFails(node, FAILED, "could not get a token", "invalid_client", "client-id", "secret")


class Descriptors(FaultCase):
    """Strangers who connect and say nothing take descriptors."""

    def test_that_none_is_left_fails_a_cycle_and_not_the_daemon(self):
        node = self.started(lambda text: quick(text).replace("every-seconds: 120", "every-seconds: 1"))
        node.sync()
        with open(f"/proc/{node.process.pid}/task/{node.process.pid}/children", encoding="ascii") as file:
            worker = int(file.read().split()[0])
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, before[1]))
        wait_until(lambda: "result=failed why=could not prepare" in node.log(), "a cycle fails")
        self.assertIn("Too many open files", node.log())
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        self.assertSettled(node)
        self.assertNotIn("worker-died", node.log())


class Source(FaultCase):
    def test_down(self):
        node = self.started()
        node.sync()
        writes = len(self.lab.writes())
        self.lab.stop("slapd")
        try:
            self.assertFails(node, UNREACHABLE, 'source "corp"', "could not connect", "check the source's uri")
            self.assertFails(node, UNREACHABLE, 'source "corp"', arguments=["--full"])
        finally:
            self.lab.start("slapd")
        self.assertSettled(node)
        self.assertEqual(writes, len(self.lab.writes()))

    def test_a_certificate_that_cannot_be_trusted(self):
        node = self.started()
        node.sync()
        writes = len(self.lab.writes())
        for kind, why in (("expired", "has expired"), ("other-ca", "not signed by a CA"),
                          ("wrong-name", "does not name")):
            with self.subTest(certificate=kind):
                self.lab.restart("slapd", certificate=kind)
                self.assertFails(node, FAILED, 'source "corp"', "cannot trust", self.lab.env["ldaps_uri"], why,
                                 "ca-file")
        self.lab.restart("slapd", certificate="good")
        self.assertSettled(node)
        self.assertEqual(writes, len(self.lab.writes()))

    def test_a_wrong_password(self):
        wrong = self.secret("wrong")
        node = self.started(lambda text: quick(text).replace(self.lab.env["sync_password_file"], wrong))
        self.assertFails(node, FAILED, 'source "corp"', "could not bind", self.lab.env["sync_dn"],
                         "Invalid credentials", "password file")


class Limited(FaultCase):
    """More objects than the account `limited` may read at once."""

    OPTIONS = {"people": 130, "groups": 4}

    def test_a_size_limit_is_an_error_and_deletes_nothing(self):
        node = self.started()
        node.sync()
        node.stop()
        node.write_config(self.as_account("limited")(node.text))
        deletions = self.deletions()
        node.start()
        self.assertFails(node, FAILED, 'source "corp"', "size", "limit", "account", arguments=["--full"])
        self.assertFails(node, FAILED, 'source "corp"', "size", "limit", "account")
        self.assertEqual(deletions, self.deletions())
        self.assertInStep()

    def test_a_source_killed_while_it_is_read_deletes_nothing(self):
        node = self.started()
        node.sync()
        deletions = self.deletions()
        for _ in range(3):
            cycle = node.status()["cycle"]["id"]
            self.assertEqual(0, node.twinsync("sync", "--full").returncode)
            self.lab.kill("slapd")  # while it reads, or before
            wait_until(lambda seen=cycle: node.status()["cycle"]["id"] > seen and not node.status()["cycle"]["running"],
                       "the cycle ends")
            self.lab.start("slapd")
        self.assertEqual(deletions, self.deletions())
        self.assertSettled(node)


class RightsCase(FaultCase):
    """`weak` sees neither ou=groups nor mail, so these rules do without mail."""

    @staticmethod
    def without_mail(text):
        lines = [line for line in text.splitlines() if not line.strip().startswith("'emails[")]
        return "\n".join(lines).replace(" AND mail IS NOT NULL", "").replace("fold(mail)", "fold(uid)") + "\n"


class ManyGroups(RightsCase):
    """A quarter of what there was is gone."""

    def test_what_vanishes_is_kept_until_the_operator_vouches_for_it(self):
        node = self.started(lambda text: self.without_mail(quick(text)))
        node.sync()
        groups = len(self.lab.scim("GET", "/Groups?count=100").body["Resources"])
        self.assertGreaterEqual(groups, 10)
        node.stop()
        node.write_config(self.without_mail(self.as_account("weak")(node.text)))
        node.start()
        # The first complete reading was with another account, later ones came short.
        for arguments in ((), ("--full",), ()):
            with self.subTest(arguments=arguments):
                self.assertFails(node, HELD, 'source "corp"', "are kept", "90 %", "rights", "--accept-missing",
                                 arguments=arguments)
                self.assertEqual(0, self.deletions())
        node.sync("--full", "--accept-missing")
        self.assertEqual(groups, self.deletions())
        self.assertEqual([], [each for each in node.status()["problems"] if each["code"] != "dangling-references"])
        self.assertEqual([], self.lab.scim("GET", "/Groups?count=100").body["Resources"])


class FewGroups(RightsCase):
    """What such an account does not see is less than a tenth here."""

    OPTIONS = {"people": 40, "groups": 2}
    def test_few_vanish_for_another_account_and_are_kept(self):
        node = self.started(lambda text: self.without_mail(quick(text)))
        node.sync()
        node.stop()
        deletions = self.deletions()
        node.write_config(self.without_mail(self.as_account("weak")(node.text)))
        node.start()
        held = wait_until(lambda: [line for line in node.log().splitlines() if "result=held" in line],
                          "the first reading with the other account is held")
        self.assertIn("identity", held[0])
        self.assertEqual(deletions, self.deletions())


if __name__ == "__main__":
    unittest.main()
