#!/usr/bin/python3
"""The target is written to as the epoch's principal, and no longer than the lease lasts."""

import os
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from principal_driver import PrincipalTestCase  # noqa: E402
from scim_driver import Driver, create, operation  # noqa: E402
from scripted import Scripted, reply  # noqa: E402

O_CLOEXEC = 0o2000000


class Use(PrincipalTestCase):
    def setUp(self):
        super().setUp()
        self.principals = self.driver()

    def exporter(self, principal=None, **more):
        env = self.lab.env
        settings = {"url": env["scim_url"], "ca_file": env["ca_file"], "connections": 2, "timeout_seconds": 5,
                    "oauth": {"token_url": env["token_url"], "client_id": env["client_id"],
                              "client_secret_file": env["client_secret_file"]}, **more}
        if principal:
            settings["principal"] = {"id": principal["id"], "secret": principal["secret"]}
        driver = Driver(settings)
        self.addCleanup(driver.close)
        return driver

    def user(self, number):
        return create(number, f"anchor-{self.id()}-{number}", userName=f"{self.id()}-{number}@example.org")


class Principal(Use):
    def test_the_target_knows_the_epoch_s_client_and_not_the_configuration_s(self):
        client = self.principals.mint("p", 3)
        outcome = self.exporter(client).one(self.user(1))
        self.assertEqual(outcome["result"], "DONE", outcome)
        self.assertEqual({row["client"] for row in self.served()}, {client["id"]})

    def test_a_fenced_principal_is_denied_and_nobody_registers_another(self):
        client = self.principals.mint("old", 3)
        exporter = self.exporter(client)
        self.assertEqual(exporter.one(self.user(1))["result"], "DONE")
        self.principals.mint("new", 4)
        self.principals.ask(recorded="old", lifetime_s=300)
        self.until_confirmed(self.principals)
        registered = len([row for row in self.asked() if row["path"] == "/reg"])
        for number in (2, 3):
            self.assertEqual(exporter.one(self.user(number))["result"], "DENIED")
        self.assertEqual(len([row for row in self.asked() if row["path"] == "/reg"]), registered)
        self.assertEqual(self.lab.find("Users", "externalId", self.user(2)["anchor"]), [])

    def test_each_token_is_recorded_once_and_before_its_use(self):
        exporter = self.exporter(self.principals.mint("p", 3))
        exporter.one(self.user(1))
        [first] = exporter.ask(records=True)["records"]
        self.assertEqual(first["lifetime_s"], 300)
        exporter.one(self.user(2))
        self.assertEqual(len(exporter.ask(records=True)["records"]), 1)
        self.lab.fault("expire-token", times=1)
        self.assertEqual(exporter.one(self.user(3))["result"], "DONE")
        records = exporter.ask(records=True)["records"]
        self.assertEqual([len(records), records[0]], [2, first])
        self.assertNotEqual(records[1]["hash"], first["hash"])

    def test_a_token_that_may_not_be_used_never_reaches_the_target(self):
        exporter = self.exporter(self.principals.mint("p", 3), refuse_tokens=True)
        self.assertEqual(exporter.one(self.user(1))["result"], "STOPPED")
        self.assertEqual(len(exporter.ask(records=True)["records"]), 1)
        self.assertEqual(self.served(), [])

    def test_a_life_that_is_not_said_is_recorded_as_unknown(self):
        self.lab.set_options("oauth", expires_in=False)
        exporter = self.exporter(self.principals.mint("p", 3))
        exporter.one(self.user(1))
        self.assertEqual(exporter.ask(records=True)["records"][0]["lifetime_s"], 2**32 - 1)


class Lease(Use):
    def test_a_request_lasts_no_longer_than_the_lease(self):
        self.exporter().one(self.user(9))  # warm
        self.lab.fault("stall", {"method": "POST", "path": "/Users"}, ms=30000)
        exporter = self.exporter(lease_ms=1200)
        begun = time.monotonic()
        outcome = exporter.one(self.user(1))
        self.assertEqual(outcome["result"], "UNKNOWN", outcome)
        self.assertLess(time.monotonic() - begun, 20)

    def test_nothing_leaves_when_the_lease_is_over_not_even_a_read(self):
        exporter = self.exporter(lease_ms=0)
        for each in (self.user(1), operation("read", 2, id="x"), operation("find", 3, anchor="x")):
            self.assertIn(exporter.one(each)["result"], ("STOPPED", "LATER"))
        self.assertEqual(self.served(), [])

    def test_a_wait_that_the_service_asks_for_beyond_the_lease_is_not_waited(self):
        self.lab.fault("status", {"method": "POST", "path": "/Users"}, status=429, retry_after=60)
        begun = time.monotonic()
        outcome = self.exporter(lease_ms=4000).one(self.user(1))
        self.assertEqual(outcome["result"], "LATER", outcome)
        self.assertIn("ends after this node's lease", outcome["text"])
        self.assertLess(time.monotonic() - begun, 30)

    def test_the_thread_shows_that_it_lives_while_it_waits_for_an_answer(self):
        self.lab.fault("stall", {"path": "ServiceProviderConfig"}, times=1, ms=3000)
        exporter = self.exporter(lease_ms=60000)
        exporter.ask(discover=True)
        waited = exporter.ask(records=True)["ticks"]
        fresh = self.exporter(lease_ms=60000)
        fresh.ask(discover=True)
        self.assertGreaterEqual(waited - fresh.ask(records=True)["ticks"], 20)


class Sockets(Use):
    def test_a_killed_exporter_s_connection_is_reset_and_not_inherited(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(20)
        token = os.path.join(self.principals.folder.name, "token")
        with open(os.open(token, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write("t")
        exporter = Driver({"url": f"http://127.0.0.1:{listener.getsockname()[1]}/scim/v2", "plaintext": True,
                           "token_file": token, "connections": 1, "timeout_seconds": 20})
        self.addCleanup(exporter.close)
        self.addCleanup(exporter.kill)
        exporter.send(self.user(1), {"sync": True})
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(20)
            self.assertIn(b"GET ", connection.recv(65536))
            self.assertEqual(self.inherited(exporter.process.pid), [])
            exporter.process.send_signal(signal.SIGKILL)
            with self.assertRaises(ConnectionResetError):
                connection.recv(65536)
        exporter.process.wait()

    def inherited(self, pid):
        """Its TCP sockets that a child would have."""
        with open(f"/proc/{pid}/net/tcp", encoding="ascii") as file:
            ours = {f"socket:[{line.split()[9]}]" for line in file.readlines()[1:]}
        folder = f"/proc/{pid}/fd"
        sockets = [fd for fd in os.listdir(folder) if os.readlink(f"{folder}/{fd}") in ours]
        self.assertEqual(len(sockets), 1)
        with open(f"/proc/{pid}/fdinfo/{sockets[0]}", encoding="ascii") as file:
            flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
        return [] if flags & O_CLOEXEC else sockets

    def test_a_request_that_the_lease_cuts_off_is_reset(self):
        ended = []

        def script(request):
            if request.method == "POST":
                time.sleep(1.5)
                ended.append(request.path)
            return reply(404) if request.method == "GET" else reply(201, {"id": "1"})

        server = Scripted(script)
        self.addCleanup(server.close)
        token = os.path.join(self.principals.folder.name, "token")
        with open(os.open(token, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write("t")
        exporter = Driver({"url": server.url, "plaintext": True, "token_file": token, "connections": 1,
                           "timeout_seconds": 20, "lease_ms": 1000})
        self.addCleanup(exporter.close)
        self.assertEqual(exporter.one(self.user(1))["result"], "UNKNOWN")
        self.assertEqual(ended, [])


if __name__ == "__main__":
    unittest.main()
