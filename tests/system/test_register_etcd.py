#!/usr/bin/python3
"""The register kept by etcd behind TLS and authentication: the common suite,
tokens that end, several endpoints, and answers that leave out what is zero."""

import http.server
import json
import os
import signal
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from register_driver import Failed, Proxy, Register  # noqa: E402
from labkit.etcd import Etcd  # noqa: E402
from labkit.layout import LabError, free_ports  # noqa: E402
from register_suite import RegisterSuite  # noqa: E402
from slapd import shared_certificates, wait_until  # noqa: E402

KEY = "twinsync/corp"


class EtcdCase(unittest.TestCase):
    TOKEN_SECONDS = None

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="twinsync-etcd-")
        cls.addClassCleanup(folder.cleanup)
        cls.server = Etcd(folder.name, shared_certificates(), token_seconds=cls.TOKEN_SECONDS)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop, signal.SIGKILL)
        cls.server.secure()
        cls.passwords = {node: cls.server.add_node(node, KEY) for node in ("alpha", "beta")}

    @property
    def port(self):
        return self.server.ports["client"]

    def settings(self, node="alpha", port=None, **etcd):
        return {"etcd": {"endpoints": [f"https://127.0.0.1:{port or self.port}"], "key": KEY, "user": node,
                         "password_file": self.passwords[node], "ca_file": self.server.ca_file, **etcd}}

    def client(self, node="alpha", port=None, etcd=None, **options):
        return Register(self.settings(node, port, **(etcd or {})), node=node, **options)

    def opened(self, **options):
        client = self.client(**options)
        self.addCleanup(client.close)
        return client

    def clear(self):
        self.server.sign_in()
        self.server.delete(KEY)

    def restart(self):
        self.server.stop(signal.SIGKILL)
        self.server.start()


class EtcdSuite(RegisterSuite, EtcdCase):
    pass


class EtcdTest(EtcdCase):
    TOKEN_SECONDS = 2

    def setUp(self):
        self.clear()

    def ended(self):
        """Has the administrator's token ended, which is younger than others?"""
        try:
            self.server.ask("/v3/kv/range", {"key": "YQ=="})
            return False
        except LabError as error:
            self.assertIn("invalid auth token", str(error))
            return True

    def test_ended_token_is_fetched_anew_within_the_call(self):
        client = self.opened()
        client.swap("", "first")
        self.server.sign_in()
        wait_until(self.ended, "tokens end")
        self.assertEqual(client.swap("first", "second"), "done")
        self.server.sign_in()
        wait_until(self.ended, "tokens end")
        self.assertEqual(client.read(), "second")

    def test_token_from_before_a_change_of_rights_is_fetched_anew(self):
        client = self.opened()
        client.swap("", "first")
        self.server.sign_in()
        self.server.add_node("somebody", "another/key")
        self.assertEqual(client.swap("first", "second"), "done")

    def test_second_endpoint_is_used_when_the_first_is_down_or_silent(self):
        nobody = free_ports(["nobody"])["nobody"]
        silent = Proxy(self.port)
        self.addCleanup(silent.close)
        silent.silent = True
        for first in (nobody, silent.port):
            self.clear()
            client = self.opened(timeout_ms=8000,
                                 etcd={"endpoints": [f"https://127.0.0.1:{first}", self.server.url]})
            self.assertEqual(client.swap("", "value"), "done", "the first call already")
            self.assertEqual(client.read(), "value")
            self.assertLess(client.answer["ms"], 2000, "the one that answers is asked first from then on")
            endpoints = client.findings()["endpoints"]
            self.assertFalse(endpoints["ok"])
            self.assertIn(str(first), endpoints["value"])

    def test_swap_is_never_sent_to_a_second_endpoint_once_it_has_left(self):
        proxy = Proxy(self.port)
        self.addCleanup(proxy.close)
        client = self.opened(etcd={"endpoints": [f"https://127.0.0.1:{proxy.port}", self.server.url]})
        client.swap("", "before")
        proxy.lose_answers = True
        self.assertEqual(client.swap("before", "after"), "unknown")
        self.assertEqual(client.read(), "after")

    def test_wrong_password_names_the_user(self):
        with tempfile.NamedTemporaryFile("w", prefix="twinsync-password-") as file:
            file.write("wrong")
            file.flush()
            client = self.opened(etcd={"password_file": file.name})
            with self.assertRaisesRegex(Failed, "as \"alpha\"") as caught:
                client.read()
            self.assertEqual(caught.exception.code, "authentication or authorization was refused")

    def test_password_is_changed_by_who_has_the_right_and_others_are_told(self):
        with open(self.passwords["beta"], encoding="utf-8") as file:
            old = file.read()
        client = self.opened(node="beta")
        with self.assertRaisesRegex(Failed, "only users with the role root may") as caught:
            client.call("change", old=old, fresh="another-Password-1")
        self.assertEqual(caught.exception.code, "refused for safety")
        client.call("try", password=old)
        self.server.sign_in()
        self.server.call("/v3/auth/user/grant", {"user": "beta", "role": "root"})
        client.call("change", old=old, fresh="another-Password-1")
        client.call("try", password="another-Password-1")
        with self.assertRaises(Failed) as caught:
            client.call("try", password=old)
        self.assertEqual(caught.exception.code, "refused for safety")
        with self.assertRaises(Failed) as caught:
            client.call("change", old=old, fresh="a-third-1")
        self.assertEqual(caught.exception.code, "refused for safety")

    def test_missing_right_to_write_is_found_without_writing(self):
        self.server.sign_in()
        password = self.server.add_node("reader", KEY, "READ")
        self.passwords["reader"] = password
        client = self.opened(node="reader")
        self.assertEqual(client.read(), "")
        rights = client.findings()["rights"]
        self.assertFalse(rights["ok"])
        self.assertIn("readwrite", rights["fix"])
        with self.assertRaisesRegex(Failed, "permission denied"):
            client.swap("", "value")
        self.assertEqual(self.opened().read(), "")
        self.assertTrue(self.opened().findings()["rights"]["ok"])
        self.assertEqual(self.opened().read(), "", "the probe has written nothing")

    def test_certificate_of_another_authority_is_not_believed(self):
        client = self.opened(etcd={"ca_file": os.path.join(shared_certificates(), "other-ca.crt")})
        with self.assertRaisesRegex(Failed, "certificate"):
            client.read()

    def test_plain_http_is_for_loopback_and_asked_for(self):
        for url, allowed in (("http://127.0.0.1:1", False), ("http://192.0.2.1:1", True)):
            with self.assertRaisesRegex(Failed, "loopback"):
                self.client(etcd={"endpoints": [url], "plaintext": allowed})

    def test_empty_value_is_damage_and_not_absence(self):
        self.server.sign_in()
        self.server.put(KEY, "")
        with self.assertRaisesRegex(Failed, "empty value") as caught:
            self.opened().read()
        self.assertEqual(caught.exception.code, "stored data is corrupt")


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that closes with a reset is no news."""


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers what the test has put up, by path; `calls` are the paths asked for."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append(self.path)
        status, body = self.server.answers[self.path]
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class EtcdAnswersTest(unittest.TestCase):
    HEADER = {"cluster_id": "77", "revision": "1"}
    NOTHING = (200, {"header": HEADER})

    def setUp(self):
        self.server = Server(("127.0.0.1", 0), Scripted)
        self.server.answers = {"/v3/kv/range": self.NOTHING}
        self.server.calls = []
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.client = Register({"etcd": {"endpoints": [f"http://127.0.0.1:{self.server.server_address[1]}"],
                                         "key": KEY, "plaintext": True}})
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.client.close)

    def swap(self, status, body):
        self.server.answers["/v3/kv/txn"] = (status, body)
        return self.client.swap("before", "after")

    def test_missing_succeeded_is_lost_and_anything_unclear_is_unknown(self):
        self.assertEqual(self.swap(200, {"header": self.HEADER, "succeeded": True}), "done")
        self.assertEqual(self.swap(200, {"header": self.HEADER}), "lost")
        self.assertEqual(self.swap(200, {"header": self.HEADER, "succeeded": False}), "lost")
        for body in ({"header": self.HEADER, "succeeded": "true"}, {"succeeded": True}, {}, [], b"", b"{",
                     b'{"header":{"cluster_id":"77"},"succeeded":true,"succeeded":true}'):
            self.assertEqual(self.swap(200, body), "unknown", body)

    def test_failure_of_the_server_is_unknown_and_its_refusal_certain(self):
        message = {"error": "x", "message": "etcdserver: request timed out"}
        for status in (408, 409, 500, 503, 504):
            self.assertEqual(self.swap(status, message), "unknown", status)
            self.assertIn("request timed out", self.client.answer["why"])
        for status in (400, 403, 412, 429):
            with self.assertRaisesRegex(Failed, f"status {status}"):
                self.swap(status, message)

    def test_unclear_reading_is_never_absence(self):
        pair = {"key": "dHdpbnN5bmMvY29ycA==", "value": "YQ=="}
        self.server.answers["/v3/kv/range"] = (200, {"header": self.HEADER, "kvs": [pair]})
        self.assertEqual(self.client.read(), "a")
        for body in ({"kvs": [pair]}, {"header": self.HEADER, "kvs": [pair, pair]}, {"header": self.HEADER, "kvs": {}},
                     {"header": self.HEADER, "kvs": [{**pair, "key": "YQ=="}]},
                     {"header": self.HEADER, "kvs": [{**pair, "value": "YQ"}]},
                     {"header": self.HEADER, "kvs": [{**pair, "value": "YR=="}]},
                     {"header": self.HEADER, "kvs": [{**pair, "value": 1}]},
                     {"header": self.HEADER, "kvs": [{"key": pair["key"]}]},
                     {"header": {"cluster_id": "-1"}, "kvs": [pair]}, "text", b"", b"null"):
            self.server.answers["/v3/kv/range"] = (200, body)
            with self.assertRaises(Failed, msg=body):
                self.client.read()

    def test_answer_without_an_end_is_cut_off(self):
        self.server.answers["/v3/kv/range"] = (200, b"[" * 1_000_000)
        with self.assertRaisesRegex(Failed, "larger than"):
            self.client.read()

    def test_another_cluster_at_the_endpoint_is_a_lost_register(self):
        self.assertEqual(self.client.read(), "")
        self.server.answers["/v3/kv/range"] = (200, {"header": {**self.HEADER, "cluster_id": "78"}})
        with self.assertRaisesRegex(Failed, "answers where"):
            self.client.read()
        self.server.calls.clear()
        with self.assertRaisesRegex(Failed, "answers where"):
            self.client.swap("", "value")
        self.assertNotIn("/v3/kv/txn", self.server.calls, "it is asked who it is before anything is written")


if __name__ == "__main__":
    unittest.main()
