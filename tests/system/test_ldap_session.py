#!/usr/bin/python3
"""Connecting to a directory: who may be trusted, what may be sent, how long it
may take, and what the operator reads when it does not work."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from slapd import DRIVER, SYNC, Slapd, person, wait_until  # noqa: E402


class Listener:
    """A server that takes connections and is silent, or plays `script`."""

    def __init__(self, script=None, backlog=8):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.socket.getsockname()[1]
        self.connections = []
        self.script = script
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            if self.script:
                threading.Thread(target=self.script, args=(connection,), daemon=True).start()

    def close(self):
        self.socket.close()
        for connection in self.connections:
            connection.close()


class LdapSessionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = Slapd()
        cls.addClassCleanup(cls.directory.__exit__)
        cls.directory.seed(people=3, entries=[person(number, jpegPhoto=[bytes([number]) * 500_000])
                                              for number in range(100, 160)])
        cls.directory.start()

    def listener(self, *arguments, **options):
        listener = Listener(*arguments, **options)
        self.addCleanup(listener.close)
        return listener

    def certified(self, kind):
        """The directory with another certificate, for this test."""
        self.directory.restart(certificate=kind)
        self.addCleanup(self.directory.restart, certificate="good")

    def read(self, **words):
        return self.directory.read(**{"plaintext": None, "rows": 0, **words})

    def assert_works(self, **words):
        answer = self.read(**words)
        self.assertIsNotNone(answer.result, answer.error)

    def assert_fails(self, *said, within=None, **words):
        begun = time.monotonic()
        answer = self.read(**words)
        took = time.monotonic() - begun
        self.assertIsNone(answer.result)
        for text in said:
            self.assertIn(text, answer.error)
        if within is not None:
            self.assertLess(took, within)
        return answer

    # ---- TLS ----

    def secured(self):
        """Both ways to TLS."""
        return ({"uri": self.directory.ldaps_uri}, {"uri": self.directory.uri, "start_tls": 1})

    def test_ldaps_and_starttls_work_with_the_right_ca(self):
        for words in self.secured():
            with self.subTest(**words):
                self.assert_works(ca=self.directory.ca_file, **words)

    def test_a_certificate_of_another_ca_is_refused_and_named(self):
        self.certified("other-ca")
        for words in self.secured():
            with self.subTest(**words):
                answer = self.assert_fails("cannot trust", words["uri"], "not signed by a CA in",
                                           ca=self.directory.ca_file, **words)
                self.assertEqual("authentication or authorization was refused", answer.kind)

    def test_an_expired_certificate_is_refused_and_named(self):
        self.certified("expired")
        for words in self.secured():
            with self.subTest(**words):
                self.assert_fails("cannot trust", "has expired", ca=self.directory.ca_file, **words)

    def test_a_certificate_for_another_name_is_refused_and_named(self):
        self.certified("wrong-name")
        for words in self.secured():
            with self.subTest(**words):
                self.assert_fails("cannot trust", 'does not name "127.0.0.1"', ca=self.directory.ca_file, **words)

    def test_a_missing_ca_file_is_named(self):
        missing = self.directory.path("no-such-ca.crt")
        self.assert_fails(missing, ca=missing, uri=self.directory.ldaps_uri)

    def test_tls_1_1_is_refused(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(self.directory.tls, "good.crt"),
                                os.path.join(self.directory.tls, "good.key"))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        seen = []

        def serve(connection):
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    seen.append((secured.version(), secured.recv(1000)))
            except (ssl.SSLError, OSError) as error:
                seen.append(str(error))

        listener = self.listener(serve)
        self.assert_fails("TLS 1.2 is the least", ca=self.directory.ca_file, uri=f"ldaps://127.0.0.1:{listener.port}")
        wait_until(lambda: seen, "the connection has ended")
        self.assertNotIn(SYNC, repr(seen))
        self.assertNotIn("correct horse", repr(seen))

    # ---- who we are ----

    def test_a_wrong_password_is_named_and_tried_once(self):
        wrong = self.directory.write("wrong", "battery staple")
        second = self.listener()
        answer = self.assert_fails(
            f'bind as "{SYNC}"', self.directory.ldaps_uri, "Invalid credentials", ca=self.directory.ca_file,
            password_file=wrong, uri=f"{self.directory.ldaps_uri} ldaps://127.0.0.1:{second.port}")
        self.assertEqual("authentication or authorization was refused", answer.kind)
        self.assertEqual([], second.connections)

    def test_a_password_that_others_can_read_is_not_used(self):
        open_file = self.directory.write("open", "correct horse", mode=0o644)
        self.assert_fails(open_file, ca=self.directory.ca_file, password_file=open_file, uri=self.directory.ldaps_uri)

    def test_external_works_by_client_certificate_and_by_peer(self):
        certificate = {"certificate": os.path.join(self.directory.tls, "client.crt"),
                       "key": os.path.join(self.directory.tls, "client.key"), "ca": self.directory.ca_file}
        for words in self.secured():
            with self.subTest(**words):
                self.assert_works(external=1, **words, **certificate)
        self.assert_works(external=1, uri=self.directory.ldapi_uri)

    def test_connecting_again_and_again_keeps_nothing(self):
        """libldap forgets a client's private key with each context that it makes."""
        answer = self.read(external=1, uri=self.directory.ldaps_uri, ca=self.directory.ca_file, repeat=60,
                           filter="(uid=p00001)", certificate=os.path.join(self.directory.tls, "client.crt"),
                           key=os.path.join(self.directory.tls, "client.key"))
        self.assertLess(abs(answer.result["grown"]), 50_000)

    def test_a_client_certificate_of_a_stranger_is_refused(self):
        answer = self.read(external=1, uri=self.directory.ldaps_uri, ca=self.directory.ca_file,
                           certificate=os.path.join(self.directory.tls, "stranger.crt"),
                           key=os.path.join(self.directory.tls, "stranger.key"))
        self.assertIsNone(answer.result)

    # ---- plain text ----

    def test_plain_text_is_refused_before_anything_is_sent(self):
        received = []

        def listen(connection):
            received.append(connection.recv(1000))

        listener = self.listener(listen)
        answer = self.assert_fails("without TLS", "start_tls", uri=f"ldap://127.0.0.1:{listener.port}")
        self.assertEqual("refused for safety", answer.kind)
        wait_until(lambda: received, "the connection has ended")
        self.assertEqual([b""], received)

    def test_loopback_is_what_the_address_says_not_the_name(self):
        addresses = [each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
        outside = [each for each in addresses if not each.startswith("127.")]
        if not outside:  # this host has no other address: nothing to be mistaken about
            self.assertTrue(addresses)
            return
        server = socket.create_server((outside[0], 0))
        self.addCleanup(server.close)
        self.assert_fails("without TLS", plaintext=1, uri=f"ldap://{outside[0]}:{server.getsockname()[1]}")

    # ---- several servers ----

    def test_the_next_uri_is_tried_when_one_does_not_answer(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            closed = free.getsockname()[1]
        self.assert_works(ca=self.directory.ca_file, uri=f"ldaps://127.0.0.1:{closed}  {self.directory.ldaps_uri}")
        self.assert_works(ca=self.directory.ca_file, uri=f"ldaps://no-such-host.invalid {self.directory.ldaps_uri}")
        silent = self.listener()
        self.assert_works(ca=self.directory.ca_file, connect=1,
                          uri=f"ldaps://127.0.0.1:{silent.port} {self.directory.ldaps_uri}")
        self.assert_fails(f"127.0.0.1:{closed}", "Connection refused", "no-such-host.invalid",
                          ca=self.directory.ca_file, uri=f"ldaps://127.0.0.1:{closed} ldaps://no-such-host.invalid")

    # ---- time ----

    def test_a_silent_server_is_given_up_in_every_phase(self):
        silent = self.listener()
        for words in ({"uri": f"ldap://127.0.0.1:{silent.port}", "plaintext": 1},
                      {"uri": f"ldap://127.0.0.1:{silent.port}", "start_tls": 1},
                      {"uri": f"ldaps://127.0.0.1:{silent.port}"}):
            with self.subTest(**words):
                answer = self.assert_fails(f"127.0.0.1:{silent.port}", ca=self.directory.ca_file, connect=1,
                                           within=4, **words)
                self.assertEqual("the time allowed has passed", answer.kind)

    def test_a_server_that_accepts_no_connection_is_given_up(self):
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        for _ in range(3):  # the kernel takes one or two; then it drops
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
            self.addCleanup(waiting.close)
        answer = self.assert_fails("no answer in time", connect=1, within=4, ca=self.directory.ca_file,
                                   uri=f"ldaps://127.0.0.1:{full.getsockname()[1]}")
        self.assertEqual("the time allowed has passed", answer.kind)

    def forwarder(self, limit, uri):
        """A way to the directory that stops for good after `limit` bytes of answers."""
        port = int(uri.rsplit(":", 1)[1])

        def forward(connection):
            upstream = socket.create_connection(("127.0.0.1", port))

            def up():
                while data := connection.recv(65536):
                    upstream.sendall(data)

            threading.Thread(target=up, daemon=True).start()
            left = limit
            while left > 0:
                data = upstream.recv(min(left, 65536))
                connection.sendall(data)
                left -= len(data)

        return self.listener(forward)

    def test_a_server_that_stalls_within_a_message_is_given_up(self):
        for scheme, uri, words in (("ldap", self.directory.uri, {"plaintext": 1}),
                                   ("ldaps", self.directory.ldaps_uri, {"ca": self.directory.ca_file})):
            with self.subTest(scheme):
                stalled = self.forwarder(2_000_000, uri)
                answer = self.assert_fails("no answer within 1 s", operation=1, within=8, attributes="jpegPhoto",
                                           uri=f"{scheme}://127.0.0.1:{stalled.port}", **words)
                self.assertEqual("the time allowed has passed", answer.kind)

    def test_cancelling_ends_every_wait_at_once(self):
        silent = self.listener()
        stalled = self.forwarder(2_000_000, self.directory.uri)
        for words in ({"uri": f"ldap://127.0.0.1:{silent.port}", "plaintext": 1},
                      {"uri": f"ldaps://127.0.0.1:{silent.port}"},
                      {"uri": f"ldap://127.0.0.1:{stalled.port}", "plaintext": 1, "attributes": "jpegPhoto"}):
            with self.subTest(**words):
                answer = self.assert_fails("was cancelled", cancel=500, connect=30, operation=30, **words)
                self.assertEqual("cancelled", answer.kind)
                self.assertLess(answer.lines[-1]["cancelled_ms"], 15000)

    # ---- check ----

    def check(self, **words):
        done = subprocess.run([DRIVER, *self.directory.words(do="check", **{"plaintext": None, **words})],
                              capture_output=True, text=True, check=True, timeout=60)
        return {each["name"]: each for each in map(json.loads, done.stdout.splitlines())}

    def test_check_finds_everything_in_order(self):
        found = self.check(uri=self.directory.ldaps_uri, ca=self.directory.ca_file)
        self.assertEqual(["reachable", "tls", "bind", "server", "content-sync", "size-limit", "rights"], list(found))
        self.assertTrue(all(each["ok"] for each in found.values()), found)
        self.assertIn("TLS1.3", found["tls"]["value"])
        self.assertIn(SYNC, found["bind"]["value"])

    def test_check_says_what_to_mend(self):
        other = os.path.join(self.directory.tls, "other-ca.crt")
        limited = "cn=limited,dc=ex,dc=org"
        secure = {"uri": self.directory.ldaps_uri, "ca": self.directory.ca_file}
        for name, words in (("tls", {"uri": self.directory.ldaps_uri, "ca": other}),
                            ("bind", {**secure, "password_file": self.directory.write("wrong", "x")}),
                            ("reachable", {**secure, "uri": "ldaps://127.0.0.1:1"}),
                            ("size-limit", {**secure, "bind_dn": limited}),
                            ("base", {**secure, "base": "ou=gone,dc=ex,dc=org"}),
                            ("rights", {**secure, "anchor": "employeeNumber"})):
            with self.subTest(name):
                finding = self.check(**words)[name]
                self.assertFalse(finding["ok"])
                self.assertTrue(finding["fix"])


if __name__ == "__main__":
    unittest.main()
